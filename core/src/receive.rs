//! Frames in: authentic or not, believed or not, and what each may change.

use crate::cluster::Cluster;
use crate::decide::Foreign;
use crate::frame::{self, Header, Opened};
use crate::id::{BootId, LinkId, NodeId, Sequence};
use crate::link::Link;
use crate::lives::Belief;
use crate::member::MemberState;
use crate::message::{Echo, Message, Silence};
use crate::notice::Notice;
use crate::rejection::Rejection;
use crate::settle::CONTACT;
use crate::skew::NAMES_FROM;
use crate::time::{Instant, Span};

/// Frames of one foreign life with our name that make it more than a reflection of our own past.
const NAME_TWICE: u8 = 3;

/// Who else was heard, and when last.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Strangers {
    key: Option<Instant>,
    heartbeat: Option<Instant>,
    name: Option<(BootId, Sequence, u8, Instant)>,
}

impl Strangers {
    /// Who was heard within `span`, the gravest first.
    pub(crate) fn present(&self, now: Instant, span: Span) -> Foreign {
        let lately = |at: &Instant| now.since(*at) < span;
        let name = self
            .name
            .filter(|(_, _, count, _)| *count >= NAME_TWICE)
            .map(|(_, _, _, at)| at);
        if name.as_ref().is_some_and(lately) {
            Foreign::Name
        } else if self.heartbeat.as_ref().is_some_and(lately) {
            Foreign::Heartbeat
        } else if self.key.as_ref().is_some_and(lately) {
            Foreign::Key
        } else {
            Foreign::Nobody
        }
    }
}

impl Cluster {
    /// How many frames over this link had no good tag: whether the newest had one shows in whether it grew.
    #[must_use]
    pub fn forged(&self, link: LinkId) -> u32 {
        let third = self.third.as_ref().filter(|_| self.is_witness_link(link));
        let counts = third.map(|third| &third.rejections);
        let counts = counts.or_else(|| self.rejections.get(usize::from(link.0)));
        counts.map_or(0, |counts| {
            counts
                .of(Rejection::Tag)
                .saturating_add(counts.of(Rejection::UnknownKey))
        })
    }

    /// Bytes that were no frame, or no frame for us: they change counters only, and who else is out there.
    pub(crate) fn rejected(&mut self, now: Instant, link: LinkId, rejection: Rejection) {
        if let Some(counts) = self.rejections.get_mut(usize::from(link.0)) {
            counts.count(rejection);
        }
        if rejection == Rejection::Heartbeat && self.strangers.heartbeat.replace(now).is_none() {
            self.notice(Notice::ForeignHeartbeat);
        }
    }

    pub(crate) fn received(&mut self, now: Instant, link: LinkId, bytes: &[u8]) {
        match frame::open(bytes, self.config.cluster, &self.keyring) {
            Ok(opened) => self.authentic(now, link, opened),
            Err(rejection) => {
                if matches!(rejection, Rejection::Tag | Rejection::UnknownKey) {
                    self.wrong_key(now, bytes);
                }
                self.rejected(now, link, rejection);
            }
        }
    }

    /// A frame of the peer's name whose tag we can't confirm. It is weighed at a lone start only, and told whenever it
    /// begins: a key changed on one node alone looks like a dead peer.
    fn wrong_key(&mut self, now: Instant, bytes: &[u8]) {
        let peer = self.config.me.peer();
        // beside frames that are believed it is damage on the line, no other key
        let pause = self.config.keepalive.times(2);
        let silent = self.member.heard().is_none_or(|heard| now.since(heard) >= pause);
        if !silent || !frame::peek(bytes).is_ok_and(|header| header.sender == peer) {
            return;
        }
        let quiet = self.deadtime();
        let before = self.strangers.key.replace(now);
        if before.is_none_or(|at| now.since(at) >= quiet) {
            self.notice(Notice::ForeignKey);
        }
    }

    fn authentic(&mut self, now: Instant, link: LinkId, Opened { header, body, .. }: Opened<'_>) {
        let me = self.config.me;
        if header.sender == me {
            let own = header.boot == self.boot;
            self.rejected(now, link, if own { Rejection::OwnEcho } else { Rejection::OwnName });
            if !own {
                self.own_name(now, &header);
            }
        } else if header.sender != me.peer() {
            self.rejected(now, link, Rejection::Sender);
        } else if header.addressee != me && header.addressee != NodeId::ALL {
            self.rejected(now, link, Rejection::Addressee);
        } else {
            self.of_peer(now, link, &header, body);
        }
    }

    fn own_name(&mut self, now: Instant, header: &Header) {
        let dead = self.deadtime();
        // who is told of stays told of while anybody uses our name
        if let Some((boot, _, count, at)) = &mut self.strangers.name
            && *boot != header.boot
            && *count >= NAME_TWICE
            && now.since(*at) < dead
        {
            *at = now;
            return;
        }
        let count = match self.strangers.name {
            Some((boot, sequence, count, _)) if boot == header.boot => {
                if header.sequence <= sequence {
                    return;
                }
                count.saturating_add(1)
            }
            Some(_) | None => 1,
        };
        self.strangers.name = Some((header.boot, header.sequence, count, now));
        if count == NAME_TWICE {
            self.notice(Notice::NameTwice);
        }
    }

    fn of_peer(&mut self, now: Instant, link: LinkId, header: &Header, body: &[u8]) {
        let message = if (1..=self.config.speaks).contains(&header.version) {
            Message::decode(body).filter(|message| header.version >= NAMES_FROM || message.names.is_none())
        } else {
            None
        };
        let echo = message.as_ref().map(|message| message.head.echo);
        let fresh_candidate = self.member.lives.is_new_candidate(header.boot);
        let restarted = self.member.lives.boot().is_some();
        let who = (header.boot, header.sequence);
        let belief = self.member.judge(now, who, echo, (self.boot, self.sequence));
        match belief {
            Belief::Unproved => {
                self.rejected(now, link, Rejection::UnprovedLife);
                if message.is_none() {
                    self.speaks_newer(now, header.version);
                }
                if fresh_candidate {
                    self.answer_early(now, link);
                }
                return;
            }
            Belief::NewLife => {
                self.stonith.heard();
                self.links.iter_mut().for_each(Link::new_life);
                // our own restart is no reason to move anything: only the peer's is
                if restarted {
                    self.groups.iter_mut().for_each(|group| group.guest = false);
                }
                self.detail_from = self.sequence.next();
                self.accused = None;
                self.contact = Some(now);
                self.member.returned();
                if self.member.state() != MemberState::Dead {
                    self.notice(Notice::PeerAlive { restarted });
                }
            }
            Belief::Known => self.stonith.heard(),
            Belief::Old => {}
        }
        self.over_link(now, link, header, message.as_ref().filter(|_| belief != Belief::Old));
        if belief == Belief::Old {
            return;
        }
        match message {
            Some(message) => {
                let frame = Echo {
                    boot: header.boot,
                    sequence: header.sequence,
                };
                self.listen(now, frame, message);
            }
            None => self.speaks_newer(now, header.version),
        }
    }

    /// What the frame means for the link it came over; a copy of old news counts here, too.
    fn over_link(&mut self, now: Instant, link: LinkId, header: &Header, news: Option<&Message>) {
        if header.link != link {
            if self
                .rejections
                .get(usize::from(link.0))
                .is_some_and(|counts| counts.of(Rejection::Link) == 0)
            {
                self.notice(Notice::LinkNumberDiffers(link));
            }
            self.rejected(now, link, Rejection::Link);
            return;
        }
        let Some(known) = self.links.get_mut(usize::from(link.0)) else {
            return;
        };
        if !known.hear(now, header.sequence) {
            self.rejected(now, link, Rejection::Stale);
        } else if let Some(message) = news {
            known.told(now, message.head.heard_here);
        }
    }

    /// A life that just appeared is answered before its next heartbeat, at most every quarter keepalive.
    fn answer_early(&mut self, now: Instant, link: LinkId) {
        let keepalive = self.config.keepalive;
        if let Some(link) = self.links.get_mut(usize::from(link.0)) {
            let sent = link.due.before(keepalive);
            link.urgent |= now.since(sent) >= keepalive.half().half();
        }
    }

    fn speaks_newer(&mut self, now: Instant, version: u8) {
        if self.member.newer(now, self.deadtime()).is_none() {
            self.notice(Notice::PeerNewer(version));
        }
        self.member.cannot_read(now, version);
    }

    /// The peer says how long it has not heard us. A silence that grew by more than our own clock did: we slept
    /// together with our clock (F3). Frames that piled up meanwhile tell of it one by one, so each is compared with
    /// the least accusing word of before, not with the one before it.
    fn accuse(&mut self, now: Instant, heard: Silence) {
        let Some(said) = heard.span() else { return };
        let settling = self.config.keepalive.times(CONTACT);
        let woken = self.woke.is_some_and(|woke| now.since(woke) < settling);
        if let Some((before, at)) = self.accused.filter(|_| !woken) {
            let passed = now.since(at);
            let expected = with_drift(passed).plus(before.span().unwrap_or(Span::ZERO));
            // no silence began before the peer's last proved hearing: frames that a network held back and delivers
            // at once, as after a cable was out, accuse us of no more than that
            let proved = self.proved.map_or(Span::ZERO, |at| with_drift(now.since(at)));
            let expected = expected.max(proved);
            if said > expected.plus(self.config.stall()) {
                self.doubt(now);
                self.notice(Notice::Slept(said.minus(expected)));
            } else if said >= expected {
                // too early for a sleep, too fast for silence alone: its next words tell
                let hasty = said > expected.plus(self.config.keepalive.times(2));
                if hasty && !self.hasty {
                    self.contact = Some(now);
                }
                self.hasty = hasty;
                return;
            }
        }
        self.hasty = false;
        self.accused = Some((heard, now));
    }

    /// A believed message: what it says replaces what was said before.
    fn listen(&mut self, now: Instant, frame: Echo, message: Message) {
        let heard = message.head.heard;
        let (ballot, echo) = (message.ballot, message.head.echo);
        self.accuse(now, heard);
        let leaving = message.head.bits.stopping() && message.groups.iter().all(|group| group.bits.phase().is_clear());
        let reports = self.in_our_order(&message);
        for (group, said) in self.groups.iter_mut().zip(&reports) {
            let told = said.map_or(group.durable.known, |said| said.tenure);
            group.durable.known = group.durable.known.max(told);
        }
        if let Some(detail) = &message.detail {
            self.adopt_hold(now, &detail.hold);
        }
        // a life that it does not believe yet is echoed, too, and nothing that it says was taken in
        let believed = heard.span().is_some_and(|silence| self.started.after(silence) <= now);
        if self.member.listen(now, message, reports, self.boot, believed) {
            // the echo of its news is what the other waits for
            self.links.iter_mut().for_each(|link| link.urgent = true);
        }
        if let Some(ballot) = ballot.filter(|_| self.config.witness) {
            self.take_ballot(now, frame, echo, &ballot);
        }
        self.name_soon();
        let taken = self.member.taken();
        let proof = self.sent.iter().rev().find(|(sequence, _)| *sequence <= taken);
        self.proved = self.proved.max(proof.map(|(_, at)| *at));
        if leaving && self.member.is_alive() {
            self.member.leave();
            self.notice(Notice::PeerLeft);
        } else if !leaving {
            self.member.returned();
        }
    }
}

/// A span of our clock as the peer's may have counted it: 2 % for the drift of both.
fn with_drift(span: Span) -> Span {
    span.plus(Span::from_millis(span.as_millis().checked_div(50).unwrap_or(0)))
}
