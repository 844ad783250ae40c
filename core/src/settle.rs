//! From what is known to what is so: silences, then decisions, group by group, until nothing changes.

use crate::cluster::Cluster;
use crate::decide::{Attached, Decision, Foreign, Peer, PeerGroup, View, Why, decide};
use crate::gather::gather;
use crate::group::{Group, State, Turn};
use crate::id::{GroupId, LinkId, NodeId, Sequence};
use crate::link::LinkState;
use crate::member::MemberState;
use crate::message::{Connection, Hold, HoldReason, Phase};
use crate::notice::Notice;
use crate::output::GroupDurable;
use crate::time::{Instant, Span};

/// Keepalives without any ping answer after which the peer's silence stops counting.
const PING_GAP: u64 = 3;
/// How late a wake-up may be.
const WAKE_UP: Span = Span::from_millis(20);
/// Keepalives after which the peer's word of its own hearing counts when it was just heard again.
pub(crate) const CONTACT: u64 = 3;
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
        self.settle_hold(now);
        self.settle_pings(now);
        self.settle_links(now);
        self.settle_member(now);
        self.settle_settling(now);
        self.settle_ask(now);
        self.settle_isolation(now);
        for group in 0..self.config.groups.len() {
            self.settle_group(now, group);
        }
        self.settle_ask(now);
        self.settle_leave(now);
        self.settle_durable();
        self.settle_told(now);
    }

    fn settle_pings(&mut self, now: Instant) {
        while let Some((ping, up)) = self.pings.settle(now, self.config.deadping) {
            self.notice(if up {
                Notice::PingUp(ping)
            } else {
                Notice::PingDead(ping)
            });
        }
        // the deadtime runs only while the own ping answers: two isolations in turn must not add up (LEASE 8.12)
        if self.pings.any() && self.pings.silence(now) > self.config.keepalive.times(PING_GAP) {
            self.member.count_afresh(now);
            self.init_from = self.init_from.map(|_| now);
        }
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

    fn settle_skew(&mut self) {
        let (resources, timings) = match self.member.detail() {
            Some(detail) => (
                detail.resources != self.config.resources_digest,
                detail.timings != self.config.timings_digest,
            ),
            None => (false, false),
        };
        if resources && !self.skew_told.0 {
            self.notice(Notice::ResourcesDiffer);
        }
        if timings && !self.skew_told.1 {
            self.notice(Notice::TimingsDiffer);
        }
        self.skew_told = (resources, timings);
    }

    /// Conditions that must have lasted for two keepalives before a group moves for them.
    fn settle_settling(&mut self, now: Instant) {
        let alive = self.member.is_alive();
        let theirs = self.member.head().map_or(0, |head| head.bits.pings());
        let fewer = self.config.ipfail && alive && theirs > self.pings.alive().min(15);
        self.fewer_since = if fewer { self.fewer_since.or(Some(now)) } else { None };
        for (index, group) in self.groups.iter_mut().enumerate() {
            let said = self.member.group(index).filter(|_| alive);
            let able = said.is_some_and(|said| said.bits.flags().able);
            group.able_since = if able { group.able_since.or(Some(now)) } else { None };
        }
    }

    fn settled(&self, now: Instant, since: Option<Instant>) -> bool {
        since.is_some_and(|since| now.since(since) >= self.config.keepalive.times(2))
    }

    /// What this node's pings prove; `Unknown` without ping nodes.
    pub(crate) fn attached(&self, now: Instant) -> Attached {
        let last = self.member.heard().or(self.first_open).unwrap_or(now);
        let isolated = self.config.give_up(self.deadtime());
        // proof of the last moment, too: else this node, cut off since, could take over from one that just came back
        let end = match self.member.heard() {
            Some(_) => self.member.counted_from().after(self.deadtime()),
            None => self.init_end().unwrap_or(now),
        };
        let after = last.after(self.config.keepalive).max(end.before(self.config.keepalive));
        self.pings.attached(now, after, isolated)
    }

    /// No ping node has answered, and nothing proves that the peer heard us, for so long that it may soon take over.
    /// What was heard of the peer proves less: it may have been under way for long.
    fn lonely(&self, now: Instant) -> bool {
        let isolated = self.attached(now) == Attached::Isolated;
        let known = self.proved.or(self.first_open);
        isolated && known.is_none_or(|known| now.since(known) >= self.config.give_up(self.deadtime()))
    }

    /// When this node will be the lonely one, and when a group that is then not stopped is overdue.
    pub(crate) fn lonely_deadline(&self, now: Instant) -> Option<Instant> {
        if !self.pings.any() {
            return None;
        }
        let give_up = self.config.give_up(self.deadtime());
        let known = self.proved.or(self.first_open)?;
        let silent = known.max(self.pings.last(now)).after(give_up);
        let fence = self.fence_at.map(|(_, at)| at);
        [Some(silent), fence].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// The peer lives, and says it has not heard us for so long that it may soon take over. What it says when it is
    /// heard again after a silence is older than our first frame since: it counts three keepalives later.
    fn unheard(&self, now: Instant) -> Option<Span> {
        let settled = self.config.keepalive.times(CONTACT);
        let head = self
            .member
            .head()
            .filter(|_| self.member.is_alive() && self.member.echoed().0 > 0)
            .filter(|_| self.contact.is_some_and(|since| now.since(since) >= settled))?;
        // a new peer has heard us and not believed us yet: then what counts is for how long it has echoed nothing
        let silence = head.heard.span().unwrap_or_else(|| self.member.echo_silence(now));
        (silence >= self.config.give_up(self.deadtime())).then_some(silence)
    }

    /// Whether a hold of either node is in force.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.durable.hold.held
    }

    /// Row "ping": a held node that is isolated stays active until its own hold ends, which may be later than ours.
    /// What a silent peer that was held is doing, only a person can say (S-46).
    fn peer_is_held(&self) -> bool {
        let held = self.member.head().is_some_and(|head| head.bits.held());
        self.lapsed && held && self.pings.any() && !self.member.is_alive()
    }

    /// Whether the peer's `haresources` means something else.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.skew_told.0
    }

    fn peer(&self, now: Instant, index: usize, group: &Group) -> Peer {
        if self.member.newer(now, self.deadtime()).is_some() {
            return Peer::Newer;
        }
        match self.member.state() {
            MemberState::Awaited => Peer::Awaited,
            MemberState::NeverHeard => Peer::NeverHeard,
            // it may have come back unheard since: its word that it left is good for no longer than it then waits
            MemberState::Left if self.left_lately(now) => Peer::Left,
            MemberState::Left | MemberState::Dead => Peer::Dead,
            MemberState::Alive | MemberState::Late => {
                let (Some(head), Some(said)) = (self.member.head(), self.member.group(index)) else {
                    return Peer::Newer;
                };
                let first = self.peer_comes_first(index);
                Peer::Alive(PeerGroup {
                    phase: said.bits.phase(),
                    flags: said.bits.flags(),
                    earlier: said.tenure < group.tenure() || (said.tenure == group.tenure() && first),
                    fresh: self.member.echoed() >= group.announced,
                    stopping: head.bits.stopping(),
                    isolated: head.bits.isolated(),
                })
            }
        }
    }

    fn left_lately(&self, now: Instant) -> bool {
        let dead = self.deadtime();
        let drift = Span::from_millis(dead.as_millis().checked_div(50).unwrap_or(0));
        let heard = self.member.heard();
        heard.is_some_and(|heard| now.since(heard) < dead.minus(drift))
    }

    /// Ties go to the preferred node.
    fn peer_comes_first(&self, index: usize) -> bool {
        self.config
            .groups
            .get(index)
            .is_some_and(|group| group.preferred == self.config.me.peer())
    }

    /// What the failover table sees of one group.
    pub(crate) fn view(&self, now: Instant, index: usize) -> Option<View> {
        let group = self.groups.get(index)?;
        let peer = self.peer(now, index, group);
        let chance = !group.chance_used && matches!(peer, Peer::Dead | Peer::NeverHeard | Peer::Left);
        let moving = self.ask.as_ref().is_some_and(|ask| ask.moves(index));
        let alone = matches!(peer, Peer::Awaited | Peer::NeverHeard);
        let strangers = self.strangers.present(now, self.deadtime());
        Some(View {
            mine: group.mine(chance),
            peer,
            preferred: self
                .config
                .groups
                .get(index)
                .is_some_and(|draft| draft.preferred == self.config.me),
            stopping: self.leave.is_some(),
            // a hold that the peer never heard of does not keep it from taking over
            held: self.is_held() && (self.hold_is_known() || !self.lonely(now)) || self.peer_is_held(),
            differs: self.differs() && self.member.is_alive(),
            unfit: group.is_unfit(),
            blocked: group.blocked.is_some_and(|until| now < until),
            unrecorded: self.store_failed.is_some(),
            attached: self.attached(now),
            // a wrong key or a Heartbeat matters while the peer itself was never heard; a double name always
            foreign: if alone || strangers == Foreign::Name {
                strangers
            } else {
                Foreign::Nobody
            },
            lonely: self.lonely(now),
            unheard: self.unheard(now).is_some(),
            doubtful: group.doubtful,
            demoted: group.drbd.is_some_and(|(drbd, at)| at >= group.since && !drbd.primary),
            secured: group
                .drbd
                .is_some_and(|(drbd, _)| drbd.primary && drbd.connection == Connection::Connected),
            standby: moving,
            wanted: group.wanted,
            yielded: group.yielded.is_some(),
            failback: self.config.auto_failback && !group.guest && self.settled(now, group.able_since),
            fewer_pings: self.settled(now, self.fewer_since),
        })
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
        self.overdue(now, id);
        // a release that had nothing to stop is done at once
        let advanced = self
            .groups
            .get_mut(index)
            .map_or(Turn::None, |group| group.advance(now));
        self.turn(id, advanced);
    }

    /// What was remembered of a group and has become pointless.
    fn settle_memory(&mut self, now: Instant, index: usize) {
        let patience = self.deadtime().times(YIELD_DEADTIMES);
        let alive = self.member.is_alive();
        let phase = self.member.group(index).map(|said| said.bits.phase());
        let echoed = self.member.echoed();
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
        if dead || (alive && echoed >= group.announced && phase.is_some_and(Phase::is_clear)) {
            group.doubtful = false;
        }
        if group.blocked.is_some_and(|until| now >= until) {
            group.blocked = None;
        }
    }

    fn apply(&mut self, now: Instant, id: GroupId, view: &View, decision: Decision) {
        let index = usize::from(id.0);
        let next = self.sequence.next();
        let recorded = self.version == self.stored && self.durable_is_current();
        let fencing = self.fence.is_some();
        let keepalive = self.config.keepalive;
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        let mut told = None;
        match (decision, group.state()) {
            (Decision::Acquire(why), State::Idle | State::Partial)
                if !fencing && group.pause.is_none_or(|at| now >= at) =>
            {
                if group.durable.failed {
                    group.chance_used = true;
                }
                group.claim(now, next, why);
                told = Some(why);
            }
            (Decision::Acquire(_), State::Claiming(why))
                if recorded && group.flight.is_none() && agreed(&view.peer) =>
            {
                group.begin(now, why);
                told = Some(why);
            }
            (Decision::Release(why), State::Claiming(_)) => {
                group.withdraw(now, keepalive);
                told = Some(why);
            }
            (Decision::Release(why), State::Starting(..) | State::Active | State::Partial) => {
                group.release(now, why);
                told = Some(why);
            }
            _ => {}
        }
        let holding = if let Decision::Hold(why) = decision {
            Some(why)
        } else {
            None
        };
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

    /// Row "ping": an isolated node on which something may still run resets itself before the peer's deadtime can end.
    /// A ping answered meanwhile changes nothing, for the peer may be the isolated one now; proof that it hears us does.
    fn overdue(&mut self, now: Instant, id: GroupId) {
        let clear = self.groups.get(usize::from(id.0)).is_none_or(Group::is_clear);
        if !clear && self.config.last_resort && self.fence_at.is_some_and(|(_, at)| now >= at) {
            self.fence = Some(id);
        }
    }

    fn settle_isolation(&mut self, now: Instant) {
        let clear = self.groups.iter().all(Group::is_clear);
        let heard = self
            .fence_at
            .is_some_and(|(since, _)| self.proved.is_some_and(|proved| proved > since));
        if clear || heard || self.is_held() && self.hold_is_known() {
            self.fence_at = None;
        }
        if !clear && self.fence_at.is_none() && self.lonely(now) && !(self.is_held() && self.hold_is_known()) {
            self.fence_at = self.overdue_at().map(|at| (now, at));
        }
    }

    /// The peer knows of our hold: it will not take over from us.
    fn hold_is_known(&self) -> bool {
        self.member.echoed() >= self.hold_from
    }

    /// The peer's deadtime can't end before this (LEASE T10). It began when the peer last heard us: not before it
    /// was sent what it echoed, and not before our own ping was last answered, but for the pause after which a silent
    /// ping stops the peer's count.
    fn overdue_at(&self) -> Option<Instant> {
        let pause = self.config.keepalive.times(PING_GAP.saturating_add(1));
        let attached = self.pings.newest().map(|at| at.before(pause));
        // a held node was not to stop, and a peer that was held does not take over from it (S-46)
        let from = self.proved.max(attached).max(self.unheld)?;
        let dead = self.deadtime();
        // both clocks' drift, and the time a wake-up may be late
        let drift = Span::from_millis(dead.as_millis().checked_div(50).unwrap_or(0));
        Some(from.after(dead.minus(drift).minus(WAKE_UP)))
    }

    pub(crate) fn set_hold(
        &mut self,
        now: Instant,
        client: crate::id::ClientId,
        held: bool,
        span: Option<Span>,
        reason: HoldReason,
    ) {
        let seconds = span.map_or(0, |span| span.as_millis().checked_div(1000).unwrap_or(0).max(1));
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let epoch = self.durable.hold.epoch.saturating_add(1);
        self.take_hold(
            now,
            Hold {
                epoch,
                held,
                seconds,
                reason,
            },
        );
        self.reply(client, crate::output::Answer::Done);
    }

    /// The peer's hold, if it is newer than ours.
    pub(crate) fn adopt_hold(&mut self, now: Instant, theirs: &Hold) {
        if theirs.epoch > self.durable.hold.epoch {
            self.take_hold(now, theirs.clone());
            self.hold_from = Sequence(0);
        }
    }

    fn take_hold(&mut self, now: Instant, hold: Hold) {
        let before = self.durable.hold.held;
        self.lapsed = false;
        if before && !hold.held {
            self.unheld = Some(now);
        }
        self.hold_until = (hold.held && hold.seconds > 0).then(|| now.after(Span::from_secs(u64::from(hold.seconds))));
        if hold.held != before {
            self.notice(if hold.held {
                Notice::HoldBegan
            } else {
                Notice::HoldEnded
            });
        }
        self.hold_from = self.sequence.next();
        self.durable.hold = hold;
        self.version = self.version.saturating_add(1);
        self.detail_from = self.sequence.next();
    }

    fn settle_hold(&mut self, now: Instant) {
        if self.hold_until.is_some_and(|until| now >= until) {
            // both nodes count the same seconds; whoever is first tells the other by the next epoch
            let epoch = self.durable.hold.epoch.saturating_add(1);
            self.take_hold(
                now,
                Hold {
                    epoch,
                    ..Hold::default()
                },
            );
            self.lapsed = true;
        }
    }

    fn durable_is_current(&self) -> bool {
        let known = self.durable.groups.iter().copied();
        self.durable.groups.len() == self.groups.len() && known.eq(self.groups.iter().map(|group| group.durable))
    }

    fn settle_durable(&mut self) {
        if !self.durable_is_current() {
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

/// Nobody objects to a start that was announced: the peer answered to it with nothing running, or is away.
const fn agreed(peer: &Peer) -> bool {
    match peer {
        Peer::Dead | Peer::NeverHeard | Peer::Left => true,
        Peer::Alive(peer) => peer.fresh && matches!(peer.phase, Phase::Idle | Phase::Failed),
        Peer::Awaited | Peer::Newer => false,
    }
}
