//! The third voter of one cluster: hears both nodes, and lends its vote of each group to one of them at a time.
//!
//! The rules are LEASE W1 to W3; SAFETY and PROTOCOL have them as clauses. It has the shape of `Cluster`: after every
//! [`Witness::handle`] call [`Witness::poll`] until it says [`Said::Wait`]. It knows groups by what they are (their
//! identity), not by their place, so that a line added on one node first moves no vote. Two things it keeps of a group:
//!
//! ```text
//! vote    lent to a node for a time, or free; after its own start to nobody for the longest time there is
//! marked  the node whose copy lacks writes of the other: the word of whoever has the vote, and is ahead; over when that
//!         one says so, or when a person confirmed the marked copy. A marked node is lent nothing. Kept over restarts
//! ```

use heapless::Vec;

use crate::auth::Keyring;
use crate::config::DEADTIME_MAX;
use crate::frame::{FrameBuf, Opened, VERSION, open};
use crate::id::{BootId, ClusterId, GROUPS_MAX, LinkId, Mark, NodeId, Sequence};
use crate::keep::{Keeper, Kept};
use crate::link::Link;
use crate::lives::{Belief, Lives};
use crate::message::{Ballot, Connection, Disk, Drbd, Echo, Identities, Message};
use crate::queue::pop_front;
use crate::rejection::{Rejection, Rejections};
use crate::time::{Instant, Span};
use crate::vote::Vote;

/// From this version on a node knows of a witness.
pub const VOTES_FROM: u8 = 3;
/// Groups it keeps votes of: those of both nodes, while one of them has a line more.
const SEATS: usize = GROUPS_MAX.saturating_mul(2);
/// Most copies that are marked at a time.
pub const MARKS_MAX: usize = SEATS;
const NOTICES: usize = 8;

/// What a witness that has its hand on the nodes' power does with it (LEASE W4, W5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Relay {
    /// It has none.
    None,
    /// Beside the nodes' watchdogs: a vote comes back with its time, too.
    Beside,
    /// In place of them: a node that wants to start is lent a vote only while the other one is seen without power.
    InPlace,
}

/// A node's power, as a sense input sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Power {
    /// There is no such input, or it was not read yet.
    Unknown,
    /// It has power.
    On,
    /// It has none.
    Off,
}

/// What a witness must know of its cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct WitnessConfig {
    /// The cluster's name on the wire.
    pub cluster: ClusterId,
    /// Interval of its frames to each node.
    pub keepalive: Span,
    /// The longest time it lends for, at most [`DEADTIME_MAX`]: so long it lends to nobody after its start.
    pub longest: Span,
    /// What it does with the nodes' power.
    pub relay: Relay,
    /// How long a node that was cut off stays without power.
    pub off_for: Span,
}

/// What a witness wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said<'b> {
    /// Send this frame to that node now, or drop it.
    Send {
        /// The node.
        to: NodeId,
        /// The frame, without serial framing.
        bytes: &'b [u8],
    },
    /// Take a node's power away, or give it back: said once. A relay at rest gives it.
    Power {
        /// The node.
        node: NodeId,
        /// It is to have power.
        on: bool,
    },
    /// Write [`Witness::marks`] to where they outlast a restart, in place of what is there, then call [`Witness::kept`].
    Keep,
    /// Something worth a log line.
    Notice(WitnessNotice),
    /// Nothing more to do before `until`, unless something happens.
    Wait {
        /// When to come back at the latest.
        until: Instant,
    },
}

/// What a witness tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WitnessNotice {
    /// A node is heard, for the first time or again; `restarted`: in a new life.
    Heard {
        /// The node.
        node: NodeId,
        /// It was known in another life.
        restarted: bool,
    },
    /// A node has been silent for the longest time.
    Silent(NodeId),
    /// A group's vote went to a node that did not have it.
    Lent {
        /// The group.
        group: Mark,
        /// The node.
        to: NodeId,
    },
    /// A node's copy of a group's data lacks writes of the other one, or does not any more.
    Marked {
        /// The group.
        group: Mark,
        /// Which node's copy.
        node: NodeId,
        /// It does.
        marked: bool,
    },
    /// A node's power is taken away, because the other one asks and it is not heard.
    Cut(NodeId),
    /// It is given back.
    Restored(NodeId),
    /// A node's power was to be taken away, and is still there.
    Stuck(NodeId),
    /// A node has no power, a person said so.
    SaidOff(NodeId),
    /// A node asks for longer than this witness ever lends.
    TooLong {
        /// The node.
        node: NodeId,
        /// For how long.
        term: Span,
    },
    /// What it keeps over restarts can't be written, or can again.
    Kept(bool),
    /// So many were lost for want of room.
    Lost(u16),
}

/// One group's vote.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Seat {
    pub(crate) group: Mark,
    pub(crate) vote: Vote,
    pub(crate) marked: Option<NodeId>,
    pub(crate) kept: Kept,
}

/// One node as the witness hears it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts: two that were told, three of its power"
)]
pub(crate) struct Station {
    pub(crate) lives: Lives,
    pub(crate) heard: Option<Instant>,
    silent_told: bool,
    /// Its groups, in the order of its frames.
    pub(crate) groups: Identities,
    /// The way to it: when a frame is owed.
    pub(crate) link: Link,
    /// The link by which it numbers that way.
    pub(crate) number: LinkId,
    too_long_told: bool,
    rejections: Rejections,
    pub(crate) power: Power,
    /// Since when its power is taken away.
    pub(crate) cut: Option<Instant>,
    /// The relay was last told to give it power, as it does at rest.
    pub(crate) powered: bool,
    /// It was cut, and not heard since: not again.
    pub(crate) spent: bool,
    /// A person said that it has no power, and it was not heard since.
    pub(crate) said_off: bool,
    /// Our newest frame when it was last believed.
    pub(crate) heard_at: Sequence,
}

impl Station {
    fn new(now: Instant) -> Self {
        let mut link = Link::new(now);
        link.opened(now);
        Self {
            lives: Lives::new(),
            heard: None,
            silent_told: true,
            groups: Vec::new(),
            link,
            number: LinkId(0),
            too_long_told: false,
            rejections: Rejections::new(),
            power: Power::Unknown,
            cut: None,
            powered: true,
            spent: false,
            said_off: false,
            heard_at: Sequence(0),
        }
    }

    /// It has no power, as its input or a person says.
    pub(crate) fn is_off(&self) -> bool {
        self.power == Power::Off || self.said_off
    }
}

/// The witness of one cluster. `Clone`, `Eq` and `Hash`, so that simulators copy it and checkers hash it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Witness {
    pub(crate) config: WitnessConfig,
    pub(crate) keyring: Keyring,
    pub(crate) boot: BootId,
    pub(crate) sequence: Sequence,
    pub(crate) now: Instant,
    /// It lends to nobody before this.
    pub(crate) opens: Instant,
    /// Since when it hears somebody: what passed before without a word of anybody is no node's own silence.
    pub(crate) hears: Instant,
    pub(crate) stations: [Station; 2],
    pub(crate) seats: Vec<Seat, SEATS>,
    pub(crate) keeper: Keeper,
    notices: Vec<WitnessNotice, NOTICES>,
    lost: u16,
}

/// A group as its witness knows it, for status.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SeatView {
    /// Which.
    pub group: Mark,
    /// To whom its vote is lent, and until when at the latest.
    pub lent: Option<(NodeId, Instant)>,
    /// The node whose copy is old.
    pub marked: Option<NodeId>,
}

impl Witness {
    /// A witness that has just started: it has forgotten to whom it had lent. Whose copies are old it is told with
    /// [`Self::remember`].
    #[must_use]
    pub fn new(config: WitnessConfig, keyring: Keyring, boot: BootId, now: Instant) -> Self {
        let opens = now.after(config.longest.min(DEADTIME_MAX));
        Self {
            config,
            keyring,
            boot,
            sequence: Sequence(0),
            now,
            opens,
            hears: now,
            stations: [Station::new(now), Station::new(now)],
            seats: Vec::new(),
            keeper: Keeper::default(),
            notices: Vec::new(),
            lost: 0,
        }
    }

    /// Bytes came in, without their serial framing. Poll afterwards. Answers which node signed them, and whether they are
    /// believed; none: nobody of this cluster did.
    pub fn handle(&mut self, now: Instant, bytes: &[u8]) -> Option<(NodeId, bool)> {
        self.tick(now);
        let opened = open(bytes, self.config.cluster, &self.keyring).ok()?;
        let node = opened.header.sender;
        self.station(node)?;
        Some((node, self.authentic(&opened)))
    }

    /// Only time has passed.
    pub fn tick(&mut self, now: Instant) {
        self.now = now.max(self.now);
        self.settle_power();
        for (node, station) in [NodeId(0), NodeId(1)].into_iter().zip(&mut self.stations) {
            let silence = station.heard.map(|at| self.now.since(at));
            if !station.silent_told && silence.is_some_and(|silence| silence >= self.config.longest) {
                station.silent_told = true;
                if self.notices.push(WitnessNotice::Silent(node)).is_err() {
                    self.lost = self.lost.saturating_add(1);
                }
            }
        }
    }

    /// The next thing to do. Call until [`Said::Wait`].
    pub fn poll<'b>(&mut self, frame: &'b mut FrameBuf) -> Said<'b> {
        if let Some(notice) = pop_front(&mut self.notices) {
            return Said::Notice(notice);
        }
        if self.lost > 0 {
            return Said::Notice(WitnessNotice::Lost(core::mem::take(&mut self.lost)));
        }
        for node in [NodeId(0), NodeId(1)] {
            if let Some(on) = self.owes_power(node) {
                return Said::Power { node, on };
            }
        }
        if self.owes_keep() {
            return Said::Keep;
        }
        for to in [NodeId(0), NodeId(1)] {
            let owes = self.station(to).is_some_and(|it| it.link.owes(self.now));
            if owes && let Some(length) = self.speak(to, frame) {
                let bytes = frame.filled(length);
                return Said::Send { to, bytes };
            }
        }
        let due = self.stations.iter().map(|station| station.link.due);
        let due = due.chain(self.keep_due()).min();
        Said::Wait {
            until: due.unwrap_or(self.now).max(self.now),
        }
    }

    /// Whether it lends at all by now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.now >= self.opens
    }

    /// How long ago a node was last believed.
    #[must_use]
    pub fn silence(&self, node: NodeId) -> Option<Span> {
        let heard = self.station(node)?.heard?;
        Some(self.now.since(heard))
    }

    /// The groups that it keeps.
    pub fn seats(&self) -> impl Iterator<Item = SeatView> + '_ {
        self.seats.iter().map(|seat| SeatView {
            group: seat.group,
            lent: seat.vote.borrower(self.now).zip(seat.vote.until(self.now)),
            marked: seat.marked,
        })
    }

    /// Frames from a node that were authentic and not used.
    #[must_use]
    pub fn rejections(&self, node: NodeId) -> Option<&Rejections> {
        self.station(node).map(|station| &station.rejections)
    }

    pub(crate) fn station(&self, node: NodeId) -> Option<&Station> {
        self.stations.get(usize::from(node.0))
    }

    pub(crate) fn station_mut(&mut self, node: NodeId) -> Option<&mut Station> {
        self.stations.get_mut(usize::from(node.0))
    }

    pub(crate) fn notice(&mut self, notice: WitnessNotice) {
        if self.notices.push(notice).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Whether the frame is believed.
    fn authentic(&mut self, Opened { header, body, .. }: &Opened<'_>) -> bool {
        let (now, me) = (self.now, (self.boot, self.sequence));
        let before = self.stations.iter().filter_map(|station| station.heard).max();
        let Some(station) = self.station_mut(header.sender) else {
            return false;
        };
        if header.addressee != NodeId::WITNESS {
            station.rejections.count(Rejection::Addressee);
            return false;
        }
        let readable = (VOTES_FROM..=VERSION).contains(&header.version);
        let message = Message::decode(body).filter(|message| readable && message.identities.is_some());
        let echo = message.as_ref().map(|message| message.head.echo);
        let restarted = station.lives.boot().is_some();
        let frame = Echo {
            boot: header.boot,
            sequence: header.sequence,
        };
        let belief = station.lives.judge(now, (frame.boot, frame.sequence), echo, me);
        if let Belief::Old = belief {
            station.rejections.count(Rejection::Stale);
            return false;
        }
        // a life that wants to be believed must hear this one first
        station.link.urgent = true;
        if let Belief::Unproved = belief {
            station.rejections.count(Rejection::UnprovedLife);
            return false;
        }
        station.heard = Some(now);
        (station.spent, station.said_off) = (false, false);
        station.heard_at = me.1;
        station.number = header.link;
        let silent = core::mem::replace(&mut station.silent_told, false);
        if message.is_none() {
            // it lives, and what it asks for is not known
            station.rejections.count(Rejection::Body);
        }
        if silent || belief == Belief::NewLife {
            self.told_heard(header.sender, restarted && belief == Belief::NewLife);
        }
        if let Some(message) = message {
            if let Some(ballot) = &message.ballot {
                self.hears_again(before, ballot.span());
            }
            self.listen(header.sender, frame, &message);
        }
        true
    }

    fn told_heard(&mut self, node: NodeId, restarted: bool) {
        if let Some(station) = self.station_mut(node) {
            station.too_long_told = false;
        }
        self.notice(WitnessNotice::Heard { node, restarted });
    }

    /// A believed message: what it asks for is lent if it can be, what it gives back is free.
    fn listen(&mut self, from: NodeId, frame: Echo, message: &Message) {
        let (Some(groups), Some(ballot)) = (&message.identities, &message.ballot) else {
            return;
        };
        if let Some(station) = self.station_mut(from) {
            station.groups.clone_from(groups);
        }
        if ballot.peer_off {
            self.said_off(from.peer(), message.head.echo, ballot.span());
        }
        self.clear_seats();
        for (place, group) in groups.iter().enumerate() {
            let half = message.groups.get(place).map(|said| Drbd::unpack(said.drbd));
            self.weigh(from, frame, (*group, place), ballot, half.unwrap_or_default());
        }
    }

    /// Seats of groups that no node has any more; a mark stays until neither has said so.
    fn clear_seats(&mut self) {
        let (now, stations) = (self.now, &self.stations);
        let both = stations.iter().all(|station| station.heard.is_some());
        let mut over = false;
        self.seats.retain_mut(|seat| {
            let known = stations.iter().any(|station| station.groups.contains(&seat.group));
            if both && !known {
                over |= seat.marked.take().is_some();
            }
            known || !seat.vote.is_free(now) || seat.marked.is_some() || !seat.kept.is_none()
        });
        if over {
            self.mark_over();
        }
    }

    /// One group of a believed message.
    fn weigh(&mut self, from: NodeId, frame: Echo, (group, place): (Mark, usize), ballot: &Ballot, half: Drbd) {
        let (now, opens, other) = (self.now, self.opens, from.peer());
        let longest = self.config.longest.min(DEADTIME_MAX);
        let off = self.station(other).is_some_and(Station::is_off);
        let in_place = self.config.relay == Relay::InPlace;
        let allowed = |holds: bool| off || !in_place || holds;
        let Some(seat) = self.seat(group) else { return };
        let had = seat.vote.borrower(now);
        let before = seat.marked;
        if ballot.confirmed.contains(place) && seat.marked == Some(from) {
            seat.marked = None;
        }
        let whole = half.connection == Connection::Connected && half.disk == Disk::UpToDate && !half.ahead;
        if whole && seat.marked == Some(other) {
            seat.marked = None;
        }
        let (mut refused, mut wanted) = (false, false);
        if ballot.frees.contains(place) {
            seat.vote.released(from, frame);
        } else if ballot.asks.contains(place) && seat.marked != Some(from) && now >= opens {
            refused = ballot.span() > longest;
            if !refused && allowed(ballot.holds.contains(place)) {
                seat.vote.lend(now, from, frame, ballot.span());
            }
            // one that runs it already needs nobody's power to be cut
            let to_start = !ballot.holds.contains(place);
            wanted = to_start && !refused && seat.vote.borrower(now).is_none_or(|node| node == from);
        }
        let has = seat.vote.borrower(now);
        // nobody else's word counts: a node that only wants to start has written nothing
        if has == Some(from) && half.ahead {
            seat.marked = Some(other);
        }
        let (marked, node) = (seat.marked, seat.marked.or(before));
        if has != had && has == Some(from) {
            self.notice(WitnessNotice::Lent { group, to: from });
        }
        if marked.is_none() && before.is_some() {
            self.mark_over();
        }
        if marked != before
            && let Some(node) = node
        {
            let marked = marked.is_some();
            self.notice(WitnessNotice::Marked { group, node, marked });
        }
        if refused {
            self.tell_too_long(from, ballot.span());
        }
        if wanted {
            self.cut_silent(other, ballot.span());
        }
    }

    fn tell_too_long(&mut self, node: NodeId, term: Span) {
        let told = self
            .station_mut(node)
            .is_none_or(|station| core::mem::replace(&mut station.too_long_told, true));
        if !told {
            self.notice(WitnessNotice::TooLong { node, term });
        }
    }

    /// The seat of a group, a new one if there is none; none if there is no room.
    pub(crate) fn seat(&mut self, group: Mark) -> Option<&mut Seat> {
        let known = self.seats.iter().position(|seat| seat.group == group);
        if known.is_none() {
            let seat = Seat {
                group,
                vote: Vote::default(),
                marked: None,
                kept: Kept::default(),
            };
            self.seats.push(seat).ok()?;
        }
        let last = self.seats.len().checked_sub(1)?;
        self.seats.get_mut(known.unwrap_or(last))
    }
}
