//! The peer: what it last said, and how long it has been silent.
//!
//! Which of its frames are believed stands in `lives`.

use heapless::Vec;

use crate::id::{BootId, GROUPS_MAX, Sequence};
use crate::lives::{Belief, Lives};
use crate::message::{Detail, Echo, GroupReport, Head, Message, Names};
use crate::states;
use crate::time::{Instant, Span};

/// What the peer says of our groups, in our order.
pub type Reports = Vec<Option<GroupReport>, GROUPS_MAX>;

/// The peer as its silence shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum MemberState {
    /// Never heard in our life.
    Awaited,
    /// Never heard within `initdead`.
    NeverHeard,
    /// Heard.
    Alive,
    /// Silent for `warntime`.
    Late,
    /// Silent for `deadtime`.
    Dead,
    /// Said that it stopped, and that it runs nothing.
    Left,
}

/// The peer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Member {
    state: MemberState,
    /// Which of its lives is believed.
    pub lives: Lives,
    heard: Option<Instant>,
    /// Silence is counted from here.
    count_from: Instant,
    /// Our newest frame that it echoed in its present life, whether it believes us or not.
    echoed: Sequence,
    /// The newest of them that it believed.
    taken: Sequence,
    /// When it last echoed a frame of ours that it had not echoed before.
    echoed_at: Instant,
    head: Option<Head>,
    /// In the order of our groups; `None`: it has none such.
    groups: Reports,
    names: Option<Names>,
    detail: Option<Detail>,
    /// When a message we can't read last came, and its version.
    newer: Option<(Instant, u8)>,
}

impl Member {
    /// A peer not heard yet.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            state: MemberState::Awaited,
            lives: Lives::new(),
            heard: None,
            count_from: now,
            echoed: Sequence(0),
            taken: Sequence(0),
            echoed_at: now,
            head: None,
            groups: Vec::new(),
            names: None,
            detail: None,
            newer: None,
        }
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> MemberState {
        self.state
    }

    /// Heard within `deadtime` and not gone.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        matches!(self.state, MemberState::Alive | MemberState::Late)
    }

    /// When it was last believed.
    #[must_use]
    pub const fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// Our newest frame that it is known to have heard.
    #[must_use]
    pub const fn echoed(&self) -> Sequence {
        self.echoed
    }

    /// Our newest frame that it is known to have taken in: a life that it does not believe yet is echoed, too.
    #[must_use]
    pub const fn taken(&self) -> Sequence {
        self.taken
    }

    /// For how long it has echoed nothing new of ours.
    #[must_use]
    pub fn echo_silence(&self, now: Instant) -> Span {
        now.since(self.echoed_at)
    }

    /// What it last said of itself.
    #[must_use]
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// What it last said of one of our groups; `None` if it has none such.
    #[must_use]
    pub fn group(&self, group: usize) -> Option<&GroupReport> {
        self.groups.get(group)?.as_ref()
    }

    /// Which groups it has, if it said so in its present life.
    #[must_use]
    pub const fn names(&self) -> Option<&Names> {
        self.names.as_ref()
    }

    /// What it said in detail.
    #[must_use]
    pub const fn detail(&self) -> Option<&Detail> {
        self.detail.as_ref()
    }

    /// Whether it was lately heard with messages we can't read.
    #[must_use]
    pub fn newer(&self, now: Instant, dead: Span) -> Option<u8> {
        self.newer
            .filter(|(at, _)| now.since(*at) < dead)
            .map(|(_, version)| version)
    }

    /// Judges an authentic frame. `echo` is what it echoes, if it can be read at all.
    pub fn judge(
        &mut self,
        now: Instant,
        who: (BootId, Sequence),
        echo: Option<Echo>,
        me: (BootId, Sequence),
    ) -> Belief {
        let belief = self.lives.judge(now, who, echo, me);
        match belief {
            Belief::Known => {}
            Belief::NewLife => {
                (self.echoed, self.taken) = (Sequence(0), Sequence(0));
                self.echoed_at = now;
                (self.detail, self.names) = (None, None);
            }
            Belief::Unproved | Belief::Old => return belief,
        }
        self.heard = Some(now);
        self.count_from = now;
        belief
    }

    /// Takes over what a believed frame says, `groups` in our order; `believed`: the sender has believed a frame of our life.
    /// True if the other node's groups or bits changed.
    pub fn listen(&mut self, now: Instant, message: Message, groups: Reports, me: BootId, believed: bool) -> bool {
        let Echo { boot, sequence } = message.head.echo;
        if boot == me && sequence > self.echoed {
            self.echoed = sequence;
            self.echoed_at = now;
        }
        if boot == me && believed {
            self.taken = self.taken.max(sequence);
        }
        let same = self.groups == groups
            && (message.names.is_none() || message.names == self.names)
            && self.head.is_some_and(|head| head.bits == message.head.bits)
            && (message.detail.is_none() || message.detail == self.detail);
        self.head = Some(message.head);
        self.groups = groups;
        if message.names.is_some() {
            self.names = message.names;
        }
        if message.detail.is_some() {
            self.detail = message.detail;
        }
        self.newer = None;
        !same
    }

    /// A believed or unproved frame can't be read: it speaks newer.
    pub fn cannot_read(&mut self, now: Instant, version: u8) {
        self.newer = Some((now, version));
    }

    /// Silence counts from here on: we slept, or were cut off ourselves.
    pub fn count_afresh(&mut self, now: Instant) {
        self.count_from = now;
    }

    /// From when its silence counts.
    #[must_use]
    pub const fn counted_from(&self) -> Instant {
        self.count_from
    }

    /// We slept: what the silence told before is void, a fresh `deadtime` begins.
    pub fn woke(&mut self, now: Instant) {
        self.count_from = now;
        if self.state == MemberState::Dead {
            self.enter(MemberState::Late);
        }
    }

    /// Silence that counts so far.
    #[must_use]
    pub fn silence(&self, now: Instant) -> Span {
        now.since(self.count_from)
    }

    /// It said it is stopping and runs nothing.
    pub fn leave(&mut self) {
        self.enter(MemberState::Left);
    }

    /// The state that the silence calls for; `Some` if it changed. `init`: when `initdead` ends, if it runs.
    pub fn settle(&mut self, now: Instant, warn: Span, dead: Span, init: Option<Instant>) -> Option<MemberState> {
        let silence = self.silence(now);
        let late = self.heard.is_some_and(|heard| now.since(heard) >= warn);
        let next = match (self.heard, self.state) {
            (None, _) if init.is_some_and(|end| now >= end) => MemberState::NeverHeard,
            (None, _) => MemberState::Awaited,
            (Some(_), MemberState::Left) => MemberState::Left,
            // dead until heard: a count begun afresh does not raise the dead
            (Some(heard), MemberState::Dead) if self.count_from > heard || silence >= dead => MemberState::Dead,
            (Some(_), _) if silence >= dead => MemberState::Dead,
            (Some(_), _) if late => MemberState::Late,
            (Some(_), _) => MemberState::Alive,
        };
        let changed = next != self.state;
        self.enter(next);
        changed.then_some(next)
    }

    /// It is heard again after having left.
    pub fn returned(&mut self) {
        if self.state == MemberState::Left {
            self.enter(MemberState::Alive);
        }
    }

    fn enter(&mut self, state: MemberState) {
        states::member(self.state, state);
        self.state = state;
    }

    /// The next moment at which silence would change the state.
    #[must_use]
    pub fn deadline(&self, warn: Span, dead: Span, init: Option<Instant>) -> Option<Instant> {
        match self.state {
            MemberState::Awaited => init,
            MemberState::Alive => self.heard.map(|heard| heard.after(warn)),
            MemberState::Late => Some(self.count_from.after(dead)),
            MemberState::NeverHeard | MemberState::Dead | MemberState::Left => None,
        }
    }
}
