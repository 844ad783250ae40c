//! The whole board, apart from its pins.
//!
//! Model: the caller goes round one loop, and each pass is the same: [`Board::hear`] what came in on each line,
//! [`Board::sense`] each input, [`Board::settle`], set the relays as [`Board::energised`] says, hand [`Board::next`] to
//! each line. Line and relay 0 belong to the node that is first by name; a node that is heard on the other one's line
//! is not listened to, or its peer would be cut in its place. A board without a record, or whose flash does not count its lives, only
//! forwards.
//!
//! What needs a large frame is never inlined: the deepest stack is then that of one path, not the sum of all.

mod admin;
#[cfg(test)]
mod tests;

use core::mem::MaybeUninit;

use heapless::{Deque, Vec};
use ovzha_core::frame::{FRAME_MAX, FrameBuf, peek};
use ovzha_core::id::{BootId, ClusterId, NodeId};
use ovzha_core::serial::{Deframer, SerialBuf};
use ovzha_core::time::{Instant, Span};
use ovzha_core::witness::{Power, Said, Witness};

use crate::lights::{self, Standing};
use crate::marks::Marks;
#[cfg(feature = "net")]
use crate::net::Net;
use crate::notice::Notice;
use crate::outbox::Outbox;
use crate::provision::Provision;
use crate::relay::{By, Hold, Relays};
use crate::sense::Sense;
use crate::service::{self, Cause, Known, Refusal, Reply};
use crate::trial::{Running, Step, Trial};

/// Things a witness wants done in one pass at most: more than it ever has.
const ROUNDS: u8 = 40;
const NOTICES: usize = 16;
/// How long a board that took a record goes on, for its answer to go out.
const FAREWELL: Span = Span::from_millis(500);
const BOTH: [NodeId; 2] = [NodeId(0), NodeId(1)];

/// What is known when the board starts.
pub struct Start<'d> {
    /// How often it was started; none: its flash does not count.
    pub starts: Option<u32>,
    /// Why this time.
    pub cause: Cause,
    /// What its record says; none: it has no record, or a start that was not counted.
    pub duty: Option<&'d mut Duty>,
    /// Its lines, unused until now.
    pub lines: &'d mut Lines,
    /// Their speed.
    pub baud: u32,
}

/// What a board does once it has a record. It stands apart, as the lines do: what is large is made where it stays, never on the
/// stack.
pub struct Duty {
    provision: Provision,
    witness: Witness,
    life: BootId,
    born: Instant,
}

struct Line {
    deframer: Deframer,
    outbox: Outbox,
    frames: u32,
    noise: u32,
    /// The last frame to the witness came from the other line's node.
    crossed: bool,
}

/// Both lines: half of all that a board keeps. Unused they are all zeros, so that the image need not have them.
pub struct Lines([Line; 2]);

impl Lines {
    /// Nothing came, nothing waits.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { Line::new() }; 2])
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Line {
    const fn new() -> Self {
        Self {
            deframer: Deframer::new(),
            outbox: Outbox::new(),
            frames: 0,
            noise: 0,
            crossed: false,
        }
    }
}

/// The board.
pub struct Board<'d> {
    starts: Option<u32>,
    cause: Cause,
    life: BootId,
    duty: Option<&'d mut Duty>,
    lines: &'d mut [Line; 2],
    senses: [Sense; 2],
    relays: Relays,
    trial: Option<Running>,
    tried: Option<Trial>,
    /// Of the last order.
    number: u32,
    /// A record to be written, and the line that brought it.
    record: Option<(NodeId, Provision)>,
    /// Its marks are to be written.
    owes_marks: bool,
    /// When to start anew.
    leaves: Option<Instant>,
    /// What was told of the relays and inputs last.
    told: [(bool, Power, bool); 2],
    notices: Deque<Notice, NOTICES>,
    pass_us: u32,
    #[cfg(feature = "net")]
    net: Net,
}

impl<'d> Board<'d> {
    /// A board that has just started.
    #[must_use]
    #[inline(never)]
    pub fn new(start: Start<'d>) -> Self {
        let (duty, Lines(lines)) = (start.duty, start.lines);
        for line in lines.iter_mut() {
            line.outbox.set_baud(start.baud);
        }
        let uncounted = BootId(start.starts.unwrap_or(0).to_be_bytes());
        let life = duty.as_ref().map_or(uncounted, |duty| duty.life);
        let sensed = duty.as_ref().is_some_and(|duty| duty.provision.sensed);
        let (hold, off_for) = duty.as_ref().map_or((Hold::Pulse, Span::ZERO), |duty| {
            (duty.provision.hold, duty.provision.off_for())
        });
        Self {
            starts: start.starts,
            cause: start.cause,
            life,
            duty,
            lines,
            senses: [Sense::new(sensed), Sense::new(sensed)],
            relays: Relays::new(hold, off_for),
            trial: None,
            tried: None,
            number: 0,
            record: None,
            owes_marks: false,
            leaves: None,
            told: [(false, Power::Unknown, false); 2],
            notices: Deque::new(),
            pass_us: 0,
            #[cfg(feature = "net")]
            net: Net::default(),
        }
    }

    /// Bytes came in on a node's line.
    pub fn hear(&mut self, now: Instant, from: NodeId, bytes: &[u8]) {
        for byte in bytes {
            let Some(line) = self.line(from) else { return };
            let mut frame: Vec<u8, FRAME_MAX> = Vec::new();
            match line.deframer.push(*byte) {
                None => continue,
                Some(Err(_)) => line.noise = line.noise.saturating_add(1),
                // as long as a frame may be, and no longer
                Some(Ok(whole)) => frame.extend_from_slice(whole).unwrap_or(()),
            }
            if !frame.is_empty() {
                self.take(now, from, &frame);
            }
        }
    }

    /// The line's hardware reported damage.
    pub fn damaged(&mut self, from: NodeId) {
        if let Some(line) = self.line(from) {
            line.noise = line.noise.saturating_add(1);
        }
    }

    /// A sense input was read.
    pub fn sense(&mut self, now: Instant, node: NodeId, high: bool) {
        let heard = self.heard(now, node);
        let Some(sense) = self.senses.get_mut(usize::from(node.0)) else {
            return;
        };
        let power = sense.read(now, high, heard);
        if let Some(duty) = &mut self.duty {
            duty.witness.sensed(now, node, power);
        }
    }

    /// Everything that follows from what was heard, sensed, and from the time.
    pub fn settle(&mut self, now: Instant) {
        if let Some(duty) = &mut self.duty {
            duty.witness.tick(now);
        }
        self.drain(now);
        self.try_on(now);
        self.relays.tick(now);
        self.tell();
    }

    /// Which relays are to be energised, by node. Never both.
    #[must_use]
    pub fn energised(&self) -> [bool; 2] {
        self.relays.energised()
    }

    /// The next bytes for a node's line, if it has room for a frame.
    pub fn next<'b>(&mut self, now: Instant, to: NodeId, out: &'b mut SerialBuf) -> Option<&'b [u8]> {
        self.line(to)?.outbox.next(now, out)
    }

    /// A record to be written to flash now; then call [`Self::stored`].
    #[must_use]
    pub fn record(&self) -> Option<&Provision> {
        self.record.as_ref().map(|(_, provision)| provision)
    }

    /// Whether the record is in flash.
    pub fn stored(&mut self, now: Instant, good: bool) {
        let Some((line, _)) = self.record.take() else { return };
        if good {
            self.leaves = Some(now.after(FAREWELL));
            self.notice(Notice::Order("record"));
            self.answer(line, &Reply::Done);
        } else {
            self.refuse(line, Refusal::Flash, "flash");
        }
    }

    /// Marks to be written to flash now, and of which cluster; then call [`Self::marks_kept`].
    #[must_use]
    pub fn marks(&self) -> Option<(ClusterId, Marks)> {
        let duty = self.duty.as_ref().filter(|_| self.owes_marks)?;
        let mut marks = Marks::new();
        for mark in duty.witness.marks() {
            marks.push(mark).ok();
        }
        Some((duty.provision.witness().cluster, marks))
    }

    /// Whether they are in flash.
    pub fn marks_kept(&mut self, now: Instant, good: bool) {
        self.owes_marks = false;
        if let Some(duty) = &mut self.duty {
            duty.witness.kept(now, good);
        }
    }

    /// It took a record and answered: start the chip anew.
    #[must_use]
    pub fn leaves(&self, now: Instant) -> bool {
        self.leaves.is_some_and(|at| now >= at)
    }

    /// The next line of the log.
    pub fn notice_next(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// How long a pass of the caller's loop took; the longest is kept.
    pub fn passed(&mut self, us: u32) {
        self.pass_us = self.pass_us.max(us);
    }

    /// What the lights show: the board's, and each node's.
    #[must_use]
    pub fn lights(&self, now: Instant) -> [bool; 3] {
        let standing = match &self.duty {
            None => Standing::Forwards,
            Some(duty) if duty.witness.is_open() => Standing::Lends,
            Some(_) => Standing::Waits,
        };
        let [one, two] = BOTH.map(|node| {
            let silence = self.duty.as_ref().and_then(|duty| duty.witness.silence(node));
            lights::node(now, silence, self.relays.is_cut(node))
        });
        [lights::state(now, standing), one, two]
    }

    fn line(&mut self, node: NodeId) -> Option<&mut Line> {
        self.lines.get_mut(usize::from(node.0))
    }

    fn notice(&mut self, notice: Notice) {
        // the log is not what anybody's data hang on: what has no room is lost
        self.notices.push_back(notice).ok();
    }

    /// When a node was last believed.
    fn heard(&self, now: Instant, node: NodeId) -> Option<Instant> {
        let silence = self.duty.as_ref()?.witness.silence(node)?;
        Some(now.before(silence))
    }

    /// A whole frame.
    fn take(&mut self, now: Instant, from: NodeId, frame: &[u8]) {
        if service::is_service(frame) {
            self.asked(now, from, frame);
        } else {
            self.beat(now, from, frame);
        }
    }

    /// A heartbeat, for the other node or for the witness.
    #[inline(never)]
    fn beat(&mut self, now: Instant, from: NodeId, frame: &[u8]) {
        let Ok(header) = peek(frame) else {
            return self.damaged(from);
        };
        let to_witness = header.addressee == NodeId::WITNESS;
        if let Some(line) = self.line(from) {
            line.frames = line.frames.saturating_add(1);
            line.crossed = if to_witness {
                header.sender != from
            } else {
                line.crossed
            };
        }
        if !to_witness {
            if let Some(line) = self.line(from.peer()) {
                line.outbox.forward(now, frame);
            }
        } else if header.sender == from
            && let Some(duty) = &mut self.duty
        {
            #[cfg_attr(
                not(feature = "net"),
                expect(unused_variables, reason = "with the cable alone there is no way to choose")
            )]
            let believed = duty.witness.handle(now, frame);
            #[cfg(feature = "net")]
            if let Some((node, true)) = believed {
                self.net.believed(node, false);
            }
        }
    }

    /// An admin's frame.
    #[inline(never)]
    fn asked(&mut self, now: Instant, from: NodeId, frame: &[u8]) {
        match service::read(frame) {
            Some(request) => self.serve(now, from, request),
            None => self.damaged(from),
        }
    }

    /// A datagram came in: what is for the witness is heard. Gives the node that signed it, and whether it is believed. What is to
    /// be said to it at once is [`word`](Self::word), for whoever sent the datagram.
    #[cfg(feature = "net")]
    pub fn datagram(&mut self, now: Instant, bytes: &[u8]) -> Option<(NodeId, bool)> {
        let (node, believed) = self.duty.as_mut()?.witness.handle(now, bytes)?;
        if believed {
            self.net.believed(node, true);
        }
        self.net.asked(Some(node));
        self.drain(now);
        self.net.asked(None);
        Some((node, believed))
    }

    /// The next datagram for a node.
    #[cfg(feature = "net")]
    pub fn word(&mut self, to: NodeId) -> Option<Vec<u8, FRAME_MAX>> {
        self.net.next(to)
    }

    /// What the witness wants done.
    #[inline(never)]
    fn drain(&mut self, now: Instant) {
        let Self {
            duty: Some(duty),
            lines,
            relays,
            notices,
            owes_marks,
            #[cfg(feature = "net")]
            net,
            ..
        } = self
        else {
            return;
        };
        let mut frame = FrameBuf::new();
        for _ in 0..ROUNDS {
            match duty.witness.poll(&mut frame) {
                #[cfg(feature = "net")]
                Said::Send { to, bytes } if net.say(to, bytes) => {}
                Said::Send { to, bytes } => {
                    if let Some(line) = lines.get_mut(usize::from(to.0)) {
                        line.outbox.say(now, bytes);
                    }
                }
                Said::Power { node, on: true } => relays.restore(now, node, By::Board),
                Said::Power { node, on: false } => {
                    if !relays.cut(now, node) {
                        notices.push_back(Notice::CutRefused(node)).ok();
                    }
                }
                Said::Keep => *owes_marks = true,
                Said::Notice(notice) => {
                    notices.push_back(Notice::Witness(notice)).ok();
                }
                Said::Wait { .. } => return,
            }
        }
    }

    /// Goes on with a relay's trial.
    fn try_on(&mut self, now: Instant) {
        let Some(running) = &mut self.trial else { return };
        let node = NodeId(running.trial().node);
        let power = self
            .senses
            .get(usize::from(node.0))
            .map_or(Power::Unknown, Sense::power);
        match running.step(now, power) {
            Step::Wait => {}
            Step::Restore(node) => self.relays.restore(now, node, By::Person),
            Step::Done(trial) => (self.trial, self.tried) = (None, Some(trial)),
        }
    }

    /// Tells what changed at the relays and inputs.
    fn tell(&mut self) {
        for node in BOTH {
            let place = usize::from(node.0);
            let (Some(sense), Some(told)) = (self.senses.get(place), self.told.get_mut(place)) else {
                return;
            };
            let seen = (self.relays.is_cut(node), sense.power(), sense.lies());
            let before = core::mem::replace(told, seen);
            if seen.0 != before.0 {
                self.notice(Notice::Relay { node, cut: seen.0 });
            }
            if seen.1 != before.1 && seen.1 != Power::Unknown {
                let off = seen.1 == Power::Off;
                self.notice(Notice::Sensed { node, off });
            }
            if seen.2 && !before.2 {
                self.notice(Notice::SenseLies(node));
            }
        }
    }
}

impl Duty {
    /// The duty of this start, made where it stays. None: the record's keys can't be used, which [`Provision::check`] finds before.
    #[inline(never)]
    pub fn begin(place: &mut MaybeUninit<Self>, provision: Provision, starts: u32, now: Instant) -> Option<&mut Self> {
        let life = provision.life(starts);
        let witness = Witness::new(provision.witness(), provision.keyring()?, life, now);
        Some(place.write(Self {
            witness,
            provision,
            life,
            born: now,
        }))
    }

    /// What it kept over its last start, before anything is handled.
    pub fn remember(&mut self, marks: &Marks) {
        for (group, node) in marks {
            self.witness.remember(*group, *node);
        }
    }

    fn known(&self, now: Instant) -> Known {
        let fingerprint = self.provision.keyring().as_ref().map(service::fingerprint);
        let opens = self.born.after(self.provision.witness().longest);
        Known {
            nodes: self.provision.nodes.clone(),
            key: self.provision.keys.first().map_or(0, |key| key.id),
            fingerprint: fingerprint.unwrap_or_default(),
            hand: self.provision.hand,
            hold: self.provision.hold,
            off_ms: self.provision.off_ms,
            sensed: self.provision.sensed,
            longest_ms: self.provision.longest_ms,
            opens_ms: ms(opens.since(now)),
        }
    }
}

/// As milliseconds in a message.
fn ms(span: Span) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
