//! From what is known to what is so: silences, then decisions, group by group, until nothing changes.

use crate::bug::BugId;
use crate::cluster::Cluster;
use crate::decide::{Decision, Peer, View, Why, decide};
use crate::gather::gather;
use crate::group::{Group, State, Turn};
use crate::id::{GroupId, LinkId, NodeId};
use crate::link::LinkState;
use crate::member::MemberState;
use crate::message::Phase;
use crate::notice::Notice;
use crate::output::GroupDurable;
use crate::time::{Instant, Span};

/// Keepalives without any ping answer after which the peer's silence stops counting.
pub(crate) const PING_GAP: u64 = 3;
/// Keepalives after which the peer's word of its own hearing counts when it was just heard again.
pub(crate) const CONTACT: u64 = 3;
/// How long a group that was given away for ping nodes is not given away for them again, in deadtimes.
const PINGED_DEADTIMES: u64 = 10;
/// How long a node that released a group waits for the peer to start it, in deadtimes.
const YIELD_DEADTIMES: u64 = 2;

impl Cluster {
    /// The deadtime that counts: the longer one of both nodes.
    #[must_use]
    pub fn deadtime(&self) -> Span {
        let theirs = self.member.detail().map_or(0, |detail| detail.deadtime);
        self.config.deadtime.max(Span::from_millis(u64::from(theirs)))
    }

    /// When a peer never heard counts as dead.
    pub(crate) fn init_end(&self) -> Option<Instant> {
        self.init_from
            .map(|at| at.after(self.config.initdead.max(self.deadtime())))
    }

    pub(crate) fn settle(&mut self, now: Instant) {
        self.bugs.limit(self.groups.len());
        self.settle_hold(now);
        self.settle_pings(now);
        self.settle_links(now);
        self.settle_member(now);
        self.settle_third(now);
        self.settle_term(now);
        self.settle_settling(now);
        self.settle_ask(now);
        self.settle_isolation(now);
        self.settle_stonith(now);
        for group in 0..self.config.groups.len() {
            self.settle_group(now, group);
        }
        self.settle_ask(now);
        self.settle_pledges(now);
        self.settle_leave(now);
        self.settle_fences(now);
        self.settle_durable();
        self.settle_told(now);
    }

    /// The deadtime runs only while the own ping answers: two isolations in turn must not add up (LEASE 8.12).
    pub(crate) fn settle_gap(&mut self, now: Instant) {
        if self.pings.any() && self.pings.silence(now) > self.config.keepalive.times(PING_GAP) {
            self.member.count_afresh(now);
            self.init_from = self.init_from.map(|_| now);
        }
    }

    fn settle_pings(&mut self, now: Instant) {
        while let Some((ping, up)) = self.pings.settle(now, self.config.deadping) {
            self.notice(if up {
                Notice::PingUp(ping)
            } else {
                Notice::PingDead(ping)
            });
        }
        self.settle_gap(now);
        let lonely = self.lonely(now);
        if lonely != self.lonely_told {
            self.lonely_told = lonely;
            self.notice(if lonely { Notice::Isolated } else { Notice::NotIsolated });
        }
    }

    fn settle_links(&mut self, now: Instant) {
        let (warn, dead) = (self.config.warntime, self.deadtime());
        for index in 0..self.config.links {
            let Some(link) = self.links.get_mut(usize::from(index)) else {
                continue;
            };
            let Some(state) = link.settle(now, warn, dead) else {
                continue;
            };
            let (id, silence) = (LinkId(index), link.silence(now));
            match state {
                LinkState::Up => self.notice(Notice::LinkUp(id)),
                LinkState::Late => self.notice(Notice::LinkLate(id, silence)),
                LinkState::Dead => self.notice(Notice::LinkDead(id, silence)),
                LinkState::Closed | LinkState::Silent => {}
            }
        }
    }

    fn settle_member(&mut self, now: Instant) {
        let before = self.member.state();
        let silence = self.member.heard().map_or(Span::ZERO, |heard| now.since(heard));
        let (warn, dead) = (self.config.warntime, self.deadtime());
        let changed = self.member.settle(now, warn, dead, self.init_end());
        if matches!(
            self.member.state(),
            MemberState::Dead | MemberState::NeverHeard | MemberState::Left
        ) {
            self.groups.iter_mut().for_each(|group| group.guest = false);
        }
        match changed {
            Some(MemberState::Dead) => self.notice(Notice::PeerDead(silence)),
            Some(MemberState::NeverHeard) => self.notice(Notice::PeerNeverHeard),
            Some(MemberState::Late) if before == MemberState::Alive => self.notice(Notice::PeerLate(silence)),
            Some(MemberState::Alive) => {
                if before == MemberState::Dead {
                    self.notice(Notice::PeerAlive { restarted: false });
                }
                self.contact = Some(now);
                for group in &mut self.groups {
                    group.chance_used = false;
                    group.blocks = 0;
                }
            }
            Some(MemberState::Late | MemberState::Awaited | MemberState::Left) | None => {}
        }
        self.settle_skew();
    }

    /// Conditions that must have lasted for two keepalives before a group moves for them.
    fn settle_settling(&mut self, now: Instant) {
        let alive = self.member.is_alive();
        let theirs = self.member.head().map_or(0, |head| head.bits.pings());
        let mine = self.pings.alive().min(15);
        let fewer = self.config.ipfail && alive && theirs > mine;
        self.fewer_since = if fewer { self.fewer_since.or(Some(now)) } else { None };
        for (index, group) in self.groups.iter_mut().enumerate() {
            let said = self.member.group(index).filter(|_| alive);
            let able = said.is_some_and(|said| said.bits.flags().able);
            group.able_since = if able { group.able_since.or(Some(now)) } else { None };
            let unable = said.is_some() && !able;
            group.unable_since = if unable { group.unable_since.or(Some(now)) } else { None };
            // whatever it stops it for: it will not come back there for ping nodes alone
            if said.is_some_and(|said| said.bits.phase() == Phase::Stopping) && mine > theirs {
                group.pinged = Some(now);
            }
        }
    }

    /// Ping nodes that come and go must not make a group do the same: once moved for them, it stays for a while.
    pub(crate) fn is_damped(&self, now: Instant, group: &Group) -> bool {
        let pause = self.deadtime().times(PINGED_DEADTIMES);
        group.pinged.is_some_and(|at| now.since(at) < pause)
    }

    pub(crate) fn settled(&self, now: Instant, since: Option<Instant>) -> bool {
        since.is_some_and(|since| now.since(since) >= self.config.keepalive.times(2))
    }

    /// Whether the peer's `haresources` means something else.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.skew_told.0
    }

    fn settle_group(&mut self, now: Instant, index: usize) {
        let Ok(id) = u8::try_from(index).map(GroupId) else {
            return;
        };
        let advanced = self
            .groups
            .get_mut(index)
            .map_or(Turn::None, |group| group.advance(now));
        if matches!(advanced, Turn::Phase(Why::Adopted)) {
            let next = self.sequence.next();
            self.groups
                .iter_mut()
                .skip(index)
                .take(1)
                .for_each(|group| group.announced = next);
        }
        self.turn(id, advanced);
        self.settle_memory(now, index);
        self.settle_data(now, id);
        self.settle_candidate(now, index);
        let mut before = self.groups.get(index).map(Group::state);
        // twice: a claim that needs neither the disk nor the peer's word begins at once
        for _ in 0..2 {
            let Some(view) = self.view(now, index) else { return };
            let decision = decide(&view);
            self.tell_two_active(id, &view, decision);
            self.apply(now, id, &view, decision);
            let after = self.groups.get(index).map(Group::state);
            if core::mem::replace(&mut before, after) == after {
                break;
            }
        }
        self.settle_line(index);
        self.settle_fencing(now, id);
        self.overdue(now, id);
        self.tell_disk(id);
        // a release that had nothing to stop is done at once
        let advanced = self
            .groups
            .get_mut(index)
            .map_or(Turn::None, |group| group.advance(now));
        self.turn(id, advanced);
        if self.groups.get(index).is_some_and(|group| !group.is_sound()) {
            self.bugs.find(BugId::PhaseUnsound, Some(id));
        }
    }

    /// What was remembered of a group and has become pointless.
    fn settle_memory(&mut self, now: Instant, index: usize) {
        let patience = self.deadtime().times(YIELD_DEADTIMES);
        let alive = self.member.is_alive();
        let phase = self.member.group(index).map(|said| said.bits.phase());
        let taken = self.member.taken();
        let dead = matches!(
            self.member.state(),
            MemberState::Dead | MemberState::NeverHeard | MemberState::Left
        );
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        let theirs = matches!(phase, Some(Phase::Starting | Phase::Active));
        if group
            .yielded
            .is_some_and(|since| !alive || theirs || now.since(since) >= patience)
        {
            group.yielded = None;
        }
        // doubt ends with the peer's fresh word that it runs nothing of it, or with its death
        if dead || (alive && taken >= group.announced && phase.is_some_and(Phase::is_clear)) {
            group.doubtful = false;
        }
        if group.blocked.is_some_and(|until| now >= until) {
            group.blocked = None;
        }
    }

    pub(crate) fn apply(&mut self, now: Instant, id: GroupId, view: &View, decision: Decision) {
        let index = usize::from(id.0);
        let next = self.sequence.next();
        let recorded = self.version == self.stored && self.durable_is_current();
        let waits = decision == Decision::Stay(Why::AwaitingVote) && self.waits_for_votes(now, index);
        let fencing = self.fence.is_some();
        let (keepalive, guardable) = (self.config.keepalive, self.is_guardable() && self.is_told(now, index));
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        let mut told = None;
        match (decision, group.state()) {
            (Decision::Acquire(_), State::Idle | State::Partial) if group.is_spent() => {
                self.bugs.find(BugId::TenureSpent, Some(id));
            }
            (Decision::Acquire(why), State::Idle | State::Partial)
                if !fencing && group.pause.is_none_or(|at| now >= at) =>
            {
                if group.durable.is_barred() {
                    group.chance_used = true;
                }
                group.claim(now, next, why);
                told = Some(why);
            }
            (Decision::Acquire(_), State::Claiming(why))
                if recorded && guardable && group.flight.is_none() && agreed(&view.peer) =>
            {
                group.begin(now, why);
                told = Some(why);
            }
            (Decision::Release(why), State::Claiming(_)) => {
                group.withdraw(now, keepalive);
                told = Some(why);
            }
            (Decision::Release(why), State::Starting(..) | State::Active | State::Partial | State::Stopping(..)) => {
                group.release(now, why);
                told = Some(why);
            }
            (Decision::Restart(why), State::Active) => {
                group.restart(now, why);
                told = Some(why);
            }
            (Decision::Acquire(_), State::Probing(_) | State::Active | State::Stopping(..) | State::Stuck(..))
            | (Decision::Release(_), State::Probing(_) | State::Idle | State::Stuck(..))
            | (
                Decision::Restart(_),
                State::Probing(_)
                | State::Idle
                | State::Partial
                | State::Claiming(_)
                | State::Starting(..)
                | State::Stopping(..)
                | State::Stuck(..),
            ) => {
                self.bugs.find(BugId::DecisionMisplaced, Some(id));
            }
            (Decision::Acquire(_), State::Idle | State::Partial | State::Claiming(_) | State::Starting(..))
            | (Decision::Stay(_) | Decision::Hold(_), _) => {}
        }
        let holding = holding(decision, waits);
        let news = holding.filter(|why| group.holding != Some(*why));
        group.holding = holding;
        if let Some(why) = told {
            self.tell_phase(id, why);
        }
        if let Some(why) = news {
            self.notice(Notice::Holding { group: id, why });
        }
    }

    fn tell_two_active(&mut self, id: GroupId, view: &View, decision: Decision) {
        let Peer::Alive(peer) = view.peer else { return };
        let Some(group) = self.groups.get_mut(usize::from(id.0)) else {
            return;
        };
        let mine = matches!(group.state(), State::Active | State::Starting(..));
        let both = mine && peer.fresh && matches!(peer.phase, Phase::Active | Phase::Starting);
        if both && !group.two_told {
            group.two_told = true;
            self.notice(Notice::TwoActive {
                group: id,
                yields: matches!(decision, Decision::Release(_)),
            });
        }
    }

    fn durable_is_current(&self) -> bool {
        let known = self.durable.groups.iter().copied();
        self.durable.groups.len() == self.groups.len() && known.eq(self.groups.iter().map(|group| group.durable))
    }

    fn settle_durable(&mut self) {
        if !self.durable_is_current() {
            let back = self
                .durable
                .groups
                .iter()
                .zip(&self.groups)
                .position(|(kept, group)| group.durable.run < kept.run || group.durable.known < kept.known);
            if let Some(group) = back.and_then(|index| u8::try_from(index).ok()) {
                self.bugs.find(BugId::TenureBack, Some(GroupId(group)));
                // what is on disk stays the greatest that was known
                for (group, kept) in self.groups.iter_mut().zip(&self.durable.groups) {
                    group.durable.run = group.durable.run.max(kept.run);
                    group.durable.known = group.durable.known.max(kept.known);
                }
            }
            self.durable.groups = gather(self.groups.iter().map(|group| -> GroupDurable { group.durable }));
            self.version = self.version.saturating_add(1);
        }
    }

    /// What changed about us is told at once on every link.
    fn settle_told(&mut self, now: Instant) {
        let said = (self.node_bits(), self.group_reports());
        if self.told.as_ref() != Some(&said) {
            self.told = Some(said);
            self.links.iter_mut().for_each(|link| link.urgent = true);
        }
        let unheard = self.unheard(now);
        if unheard.is_some() != self.unheard_told {
            self.unheard_told = unheard.is_some();
            if let Some(silence) = unheard {
                self.notice(Notice::Unheard(silence));
            }
        }
    }

    /// The other node's number.
    #[must_use]
    pub fn peer_id(&self) -> NodeId {
        self.config.me.peer()
    }
}

/// What is told as held back; `waits`: for votes, and for long.
const fn holding(decision: Decision, waits: bool) -> Option<Why> {
    match decision {
        Decision::Hold(why) => Some(why),
        Decision::Stay(why) if waits => Some(why),
        Decision::Stay(_) | Decision::Acquire(_) | Decision::Release(_) | Decision::Restart(_) => None,
    }
}

/// Nobody objects to a start that was announced: the peer answered to it with nothing running, or is away.
const fn agreed(peer: &Peer) -> bool {
    match peer {
        Peer::Dead | Peer::NeverHeard | Peer::Left => true,
        Peer::Alive(peer) => peer.fresh && matches!(peer.phase, Phase::Idle | Phase::Failed),
        Peer::Awaited | Peer::Newer | Peer::Unfenced | Peer::Unfenceable => false,
    }
}
