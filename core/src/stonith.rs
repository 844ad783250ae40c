//! The peer's power, cut by a device of the host before anything is taken over (SAFETY S-80 to S-85).
//!
//! With such a device a peer that is silent for `deadtime` (`initdead`, if it was never heard) is not dead yet: it is
//! *unfenced* until the host has seen it without power, or a person says that it has none. Nothing is started meanwhile.
//! One shot at a time:
//!
//! ```text
//! needed    a group would be started here if the peer were dead, or DRBD keeps an active waiting for that
//! due       at once, or after the head start that the other node has
//! under way the host is at it; what is heard of the peer meanwhile makes it void: no takeover
//! off       seen without power: until a frame of the peer is believed. Or failed: tried again after a pause
//! ```
//!
//! A peer that is seen off can't have the group: it starts nothing either before this node was seen without power.

use crate::cluster::Cluster;
use crate::decide::{Decision, Mine, Peer, decide};
use crate::event::Outcome;
use crate::fence_peer::Verdict;
use crate::group::Group;
use crate::id::{ClientId, EffectId, NodeId};
use crate::member::MemberState;
use crate::message::{Phase, Silence};
use crate::notice::Notice;
use crate::output::{Answer, Output, Refusal};
use crate::snapshot::PeerPower;
use crate::time::{Instant, Span};

/// From a shot that failed to the next one.
pub const AGAIN: Span = Span::from_secs(60);

/// A witness is told of a person's word for so long: shorter than the longest silence that can be told.
const SAID: Span = Span::from_secs(60);

/// What is known of the peer's power.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Stonith {
    /// When the next shot is due, while one is needed.
    due: Option<Instant>,
    /// The shot under way, and since when.
    shot: Option<(EffectId, Instant)>,
    /// The peer was heard since it began.
    void: bool,
    /// The last one failed, and the peer was not heard since: not before then again.
    failed: Option<Instant>,
    /// It was seen without power, or a person said so, and it was not heard since.
    off: bool,
    /// When a person said so.
    said: Option<Instant>,
}

impl Stonith {
    /// A frame of the peer was believed, or something else shows that it may have power again.
    pub(crate) fn heard(&mut self) {
        (self.off, self.said, self.failed) = (false, None, None);
        self.void = self.shot.is_some();
    }
}

impl Cluster {
    /// How a silent peer counts: as dead only once it has no power, where that can be seen.
    pub(crate) fn fenced(&self, peer: Peer) -> Peer {
        if self.config.stonith.is_none() || self.stonith.off {
            return peer;
        }
        match peer {
            Peer::Dead | Peer::NeverHeard if self.stonith.failed.is_some() => Peer::Unfenceable,
            Peer::Dead | Peer::NeverHeard => Peer::Unfenced,
            Peer::Awaited | Peer::Newer | Peer::Alive(_) | Peer::Left | Peer::Unfenced | Peer::Unfenceable => peer,
        }
    }

    /// From the need of a shot to its moment.
    pub(crate) fn settle_stonith(&mut self, now: Instant) {
        if !self.needs_shot(now) {
            self.stonith.due = None;
        } else if self.stonith.due.is_none() && self.stonith.shot.is_none() {
            let first = now.after(self.head_start());
            self.stonith.due = Some(first.max(self.stonith.failed.unwrap_or_default()));
        }
    }

    /// Something waits for the peer's power to be off, and nothing else stands against it.
    fn needs_shot(&self, now: Instant) -> bool {
        if self.config.stonith.is_none() || self.stonith.off || self.fence.is_some() || self.bugs.any() {
            return false;
        }
        (0..self.groups.len()).any(|index| self.waits_for_shot(now, index))
    }

    fn waits_for_shot(&self, now: Instant, index: usize) -> bool {
        let Some(group) = self.groups.get(index) else {
            return false;
        };
        let silent = self.heard_peer(now, index, group);
        if !matches!(silent, Peer::Dead | Peer::NeverHeard) {
            return false;
        }
        let Some(view) = self.view_of(now, index, silent).filter(|view| !view.held) else {
            return false;
        };
        let starts = matches!(view.mine, Mine::Idle | Mine::Claiming | Mine::Partial)
            && matches!(decide(&view), Decision::Acquire(_));
        let asked = group.is_asked_or_frozen() && matches!(self.verdict_of(now, index, &view), Verdict::Answer(_));
        starts || asked
    }

    /// Of two nodes that would shoot each other the one that runs something goes first, then the first one by name.
    fn head_start(&self) -> Span {
        let delay = self.config.stonith.map_or(Span::ZERO, |stonith| stonith.delay);
        let mine = self.groups.iter().any(|group| runs(group.phase()));
        let theirs =
            (0..self.groups.len()).any(|index| self.member.group(index).is_some_and(|said| runs(said.bits.phase())));
        if mine == theirs && self.config.me == NodeId(0) || mine && !theirs {
            Span::ZERO
        } else {
            delay
        }
    }

    /// When there is a shot to be asked for.
    pub(crate) fn shot_due(&self) -> Option<Instant> {
        self.stonith.due
    }

    /// The shot that is due.
    pub(crate) fn poll_stonith(&mut self) -> Option<Output<'static>> {
        let due = self.stonith.due.is_some_and(|at| at <= self.now);
        if !due || self.stonith.shot.is_some() {
            return None;
        }
        self.effects = EffectId(self.effects.0.wrapping_add(1));
        self.stonith.shot = Some((self.effects, self.now));
        (self.stonith.due, self.stonith.void) = (None, false);
        self.notice(Notice::PeerShot);
        Some(Output::Shoot(self.effects))
    }

    /// Whether it was the shot that ended so.
    pub(crate) fn shot_ended(&mut self, now: Instant, effect: EffectId, outcome: Outcome) -> bool {
        if self.stonith.shot.is_none_or(|(shot, _)| shot != effect) {
            return false;
        }
        self.stonith.shot = None;
        let off = outcome == Outcome::Done;
        if core::mem::take(&mut self.stonith.void) {
            // whatever the device says, something was heard that may have been sent since
            self.notice(Notice::ShotVoid { off });
        } else if off {
            (self.stonith.off, self.stonith.failed) = (true, None);
            self.notice(Notice::PeerOff);
        } else if !self.stonith.off {
            self.stonith.failed = Some(now.after(AGAIN));
            self.notice(Notice::ShotFailed { again: AGAIN });
        }
        true
    }

    /// A person says that the peer has no power.
    pub(crate) fn confirm_fenced(&mut self, client: ClientId) {
        let refusal = if self.config.stonith.is_none() && !self.config.witness {
            Some(Refusal::NoStonith)
        } else if self.member.is_alive() || self.member.newer(self.now, self.deadtime()).is_some() {
            Some(Refusal::PeerHeard)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.reply(client, Answer::Refused(refusal));
        }
        self.stonith.said = Some(self.now);
        // it holds nothing of ours, pledged or not
        for standing in &mut self.standings {
            standing.vote.taken_from(self.config.me.peer());
        }
        if let Some(third) = &mut self.third {
            third.link.urgent = true;
        }
        if !core::mem::replace(&mut self.stonith.off, true) {
            self.notice(Notice::PeerSaidOff);
        }
        (self.stonith.failed, self.stonith.due) = (None, None);
        self.reply(client, Answer::Done);
    }

    /// The witness is told what a person said, as long as this node can know whether the peer was heard since (S-84).
    pub(crate) fn says_off(&self, now: Instant) -> bool {
        self.stonith.said.is_some_and(|at| now.since(at) < SAID)
    }

    /// The witness last heard the peer so long ago: what a person said before that is over.
    pub(crate) fn other_was_heard(&mut self, silence: Silence) {
        let heard = silence.span().map(|silence| self.now.before(silence));
        if self.stonith.said.is_some_and(|said| heard.is_some_and(|at| at >= said)) {
            self.stonith.heard();
        }
    }

    /// For people.
    pub(crate) fn peer_power(&self, now: Instant) -> Option<PeerPower> {
        self.config.stonith?;
        let stonith = &self.stonith;
        Some(match (stonith.shot, stonith.due) {
            _ if stonith.off => PeerPower::Off,
            (Some((_, since)), _) => PeerPower::Cut(now.since(since)),
            (None, Some(at)) if stonith.failed.is_some() => PeerPower::Failed(at.since(now)),
            (None, Some(at)) => PeerPower::Due(at.since(now)),
            (None, None) if self.member.is_alive() || self.member.state() == MemberState::Left => PeerPower::Unasked,
            (None, None) => PeerPower::Unknown,
        })
    }
}

/// It may be of use where it is, or soon.
const fn runs(phase: Phase) -> bool {
    match phase {
        Phase::Idle | Phase::Failed => false,
        Phase::Probing | Phase::Claiming | Phase::Starting | Phase::Active | Phase::Stopping | Phase::Stuck => true,
    }
}

impl Group {
    /// DRBD keeps it waiting for word of the peer's copy.
    fn is_asked_or_frozen(&self) -> bool {
        !self.fencing.is_empty() || self.is_frozen()
    }
}
