//! Our own bugs: what can't be if this program is right, noticed before it touches data.
//!
//! The core has no assertion. Where it finds a contradiction (in its own state, or in what the host answers) it says
//! [`crate::output::Output::Bug`] once and stops deciding for the groups concerned: nothing is started, stopped or
//! moved by itself, what runs stays. Two rules go on, because they end what may be running twice: an isolated node
//! stops, and a person's order to stop is carried out. `ovzha clear GROUP` looks at the group anew and decides again;
//! so does a restart of the daemon (SAFETY S-47).
//!
//! Of what the host says a contradiction is a bug only if believing it could touch data. Tolerated, because the core
//! only becomes more careful or nothing changes: unknown links, ping nodes, groups; a link opened or closed twice;
//! `Unstuck` of a group that is not stuck; a clock that runs backwards (it stands still); an outcome that an operation
//! can't have (it counts as a failure).

use core::fmt;

use heapless::Vec;

use crate::id::{GROUPS_MAX, GroupId, GroupSet};

/// Bugs that are remembered one by one; what comes after still stops its groups.
const BUGS_MAX: usize = 16;

/// What was found. Its number is stable: it stands in logs and in reports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum BugId {
    /// The host ended a step that was never begun.
    EffectUnknown,
    /// The host ended a step twice.
    EffectTwice,
    /// A step ended in a phase that has no such step.
    EffectMisplaced,
    /// The host stored a state that it was not given.
    StoredUnasked,
    /// The state to be kept does not fit its room.
    StateTooLong,
    /// A tenure went back.
    TenureBack,
    /// A tenure can't grow any more.
    TenureSpent,
    /// A start is due that the failover table does not want.
    StartUndecided,
    /// A start is due whose tenure is not on disk.
    StartUnrecorded,
    /// The failover table decided what the group's phase can't do.
    DecisionMisplaced,
    /// What may be running contradicts the phase.
    PhaseUnsound,
    /// A heartbeat can't be built.
    Speechless,
    /// A ping was answered that was not sent yet.
    PingAhead,
}

impl BugId {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::EffectUnknown,
        Self::EffectTwice,
        Self::EffectMisplaced,
        Self::StoredUnasked,
        Self::StateTooLong,
        Self::TenureBack,
        Self::TenureSpent,
        Self::StartUndecided,
        Self::StartUnrecorded,
        Self::DecisionMisplaced,
        Self::PhaseUnsound,
        Self::Speechless,
        Self::PingAhead,
    ];

    /// Its number: never used for another bug.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::EffectUnknown => 1,
            Self::EffectTwice => 2,
            Self::EffectMisplaced => 3,
            Self::StoredUnasked => 4,
            Self::StateTooLong => 5,
            Self::TenureBack => 6,
            Self::TenureSpent => 7,
            Self::StartUndecided => 8,
            Self::StartUnrecorded => 9,
            Self::DecisionMisplaced => 10,
            Self::PhaseUnsound => 11,
            Self::Speechless => 12,
            Self::PingAhead => 13,
        }
    }

    /// Whether it is no longer sure what runs: then the other node must not believe that nothing does.
    const fn unsettles(self) -> bool {
        match self {
            Self::EffectUnknown
            | Self::EffectTwice
            | Self::EffectMisplaced
            | Self::DecisionMisplaced
            | Self::PhaseUnsound => true,
            Self::StoredUnasked
            | Self::StateTooLong
            | Self::TenureBack
            | Self::TenureSpent
            | Self::StartUndecided
            | Self::StartUnrecorded
            | Self::Speechless
            | Self::PingAhead => false,
        }
    }
}

impl fmt::Display for BugId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EffectUnknown => "a step ended that was never begun",
            Self::EffectTwice => "a step ended twice",
            Self::EffectMisplaced => "a step ended in a phase that has no such step",
            Self::StoredUnasked => "a state was stored that nobody asked to store",
            Self::StateTooLong => "the state to be kept does not fit its room",
            Self::TenureBack => "a tenure went back",
            Self::TenureSpent => "a tenure can't grow any more",
            Self::StartUndecided => "a start was due that the failover table does not want",
            Self::StartUnrecorded => "a start was due whose tenure is not on disk",
            Self::DecisionMisplaced => "a decision does not fit the group's phase",
            Self::PhaseUnsound => "what may be running contradicts the group's phase",
            Self::Speechless => "a heartbeat could not be built",
            Self::PingAhead => "a ping was answered that was not sent yet",
        })
    }
}

/// A bug, and the group it was found in; `None`: it concerns all of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Bug {
    /// What was found.
    pub id: BugId,
    /// Where.
    pub group: Option<GroupId>,
}

/// The bugs of this life.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Bugs {
    /// What was found, and whether it was told.
    found: Vec<(Bug, bool), BUGS_MAX>,
    /// Groups that are not decided upon.
    stopped: u16,
    /// Groups of which it is no longer sure what runs.
    unsure: u16,
}

impl Bugs {
    pub(crate) fn find(&mut self, id: BugId, group: Option<GroupId>) {
        let mask = group.map_or(u16::MAX, |group| GroupSet::bit(usize::from(group.0)));
        self.stopped |= mask;
        if id.unsettles() {
            self.unsure |= mask;
        }
        let bug = Bug { id, group };
        // one more than there is room for is not told; its groups stand still all the same
        if !self.found.is_full() && !self.found.iter().any(|(known, _)| *known == bug) {
            let full = self.found.push((bug, false));
            debug_assert!(full.is_ok(), "there is room");
        }
    }

    /// The next one to be told.
    pub(crate) fn untold(&mut self) -> Option<Bug> {
        let (bug, told) = self.found.iter_mut().find(|(_, told)| !told)?;
        *told = true;
        Some(*bug)
    }

    pub(crate) const fn any(&self) -> bool {
        self.stopped != 0
    }

    pub(crate) fn stops(&self, group: usize) -> bool {
        self.stopped & GroupSet::bit(group) != 0
    }

    pub(crate) fn is_unsure(&self, group: usize) -> bool {
        self.unsure & GroupSet::bit(group) != 0
    }

    /// A person has looked: the group is decided upon again.
    pub(crate) fn forget(&mut self, group: GroupId) {
        let mask = !GroupSet::bit(usize::from(group.0));
        self.stopped &= mask;
        self.unsure &= mask;
        self.found.retain(|(bug, _)| bug.group != Some(group));
    }

    /// Of groups that there are.
    pub(crate) fn limit(&mut self, groups: usize) {
        let all = (0..groups.min(GROUPS_MAX)).fold(0, |mask, group| mask | GroupSet::bit(group));
        self.stopped &= all;
        self.unsure &= all;
        if self.stopped == 0 {
            self.found.retain(|(_, told)| !told);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Bug> {
        self.found.iter().map(|(bug, _)| *bug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Domain, Keyring, Method};
    use crate::cluster::Cluster;
    use crate::config::{Config, Draft, GroupDraft, Kind};
    use crate::decide::{Decision, Why};
    use crate::event::{Command, Event, Outcome};
    use crate::frame::FrameBuf;
    use crate::group::State;
    use crate::id::{BootId, ClientId, EffectId, KeyId, LinkId, Mark, NodeId, Tenure};
    use crate::message::Phase;
    use crate::output::{Answer, Durable, Effect, Op, Output};
    use crate::time::{Instant, Span};

    const GROUP: GroupId = GroupId(0);

    fn keyring() -> Keyring {
        let mut ring = Keyring::new(Domain::Node);
        ring.add(KeyId(1), Method::Md5, b"a key").unwrap();
        ring.sign_with(KeyId(1)).unwrap();
        ring
    }

    /// A node that never hears its peer, its clock, and what it wants done.
    struct Lone {
        cluster: Cluster,
        now: Instant,
        begun: std::vec::Vec<Effect>,
        bugs: std::vec::Vec<Bug>,
        answers: std::vec::Vec<Answer>,
        sent: usize,
        /// The disk answers.
        stores: bool,
    }

    extern crate std;

    impl Lone {
        fn new(durable: Durable) -> Self {
            let group = GroupDraft {
                preferred: NodeId(0),
                identity: Mark([0; 3]),
                digest: Mark([0; 3]),
                resources: Vec::from_slice(&[Kind::Data, Kind::Data]).unwrap(),
                monitors: Vec::new(),
            };
            let other = GroupDraft {
                identity: Mark([1; 3]),
                ..group.clone()
            };
            let config = Config::new(Draft {
                groups: Vec::from_slice(&[group.clone(), other]).unwrap(),
                ..Draft::sample()
            })
            .unwrap();
            let now = Instant::from_millis(1000);
            let cluster = Cluster::new(config, keyring(), BootId([9; 4]), durable, now);
            let mut lone = Self {
                cluster,
                now,
                begun: std::vec![],
                bugs: std::vec![],
                answers: std::vec![],
                sent: 0,
                stores: true,
            };
            lone.tell(Event::Opened { link: LinkId(0) });
            lone
        }

        fn tell(&mut self, event: Event<'_>) {
            self.cluster.handle(self.now, event);
            self.drain();
        }

        fn drain(&mut self) {
            let mut frame = FrameBuf::new();
            for _ in 0..200 {
                let stored = match self.cluster.poll(&mut frame) {
                    Output::Wait { .. } | Output::Exit => return,
                    Output::Start(effect) => {
                        self.begun.push(effect);
                        None
                    }
                    Output::Bug(bug) => {
                        self.bugs.push(bug);
                        None
                    }
                    Output::Reply { answer, .. } => {
                        self.answers.push(answer);
                        None
                    }
                    Output::Store { version, .. } => Some(version),
                    Output::Send { .. } => {
                        self.sent = self.sent.saturating_add(1);
                        None
                    }
                    Output::Notice(_) | Output::Abandon(_) | Output::FenceSelf { .. } | Output::Shoot(_) => None,
                    Output::Pet { .. } | Output::Disarm => panic!("there is no watchdog"),
                };
                if let Some(version) = stored.filter(|_| self.stores) {
                    self.cluster.handle(self.now, Event::Stored { version, ok: true });
                }
            }
            panic!("polling does not come to Wait");
        }

        /// Ends everything that was begun: probes find nothing.
        fn work(&mut self) {
            while !self.begun.is_empty() {
                let effect = self.begun.remove(0);
                let outcome = if effect.op == Op::Probe {
                    Outcome::NotRunning
                } else {
                    Outcome::Done
                };
                self.tell(Event::Done {
                    effect: effect.id,
                    outcome,
                });
            }
        }

        fn pass(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.now = self.now.after(Span::from_secs(1));
                self.tell(Event::Tick);
            }
        }

        fn state(&self, group: usize) -> State {
            self.cluster.groups[group].state()
        }

        fn found(&self, id: BugId, group: Option<GroupId>) -> bool {
            self.bugs == [Bug { id, group }]
        }

        /// Nothing is begun any more, whatever time passes; `told` is what the other node hears.
        fn stands_still(&mut self, groups: core::ops::Range<usize>, told: Phase) {
            let before = groups
                .clone()
                .map(|group| self.state(group))
                .collect::<std::vec::Vec<_>>();
            self.begun.clear();
            self.pass(60);
            assert!(
                self.begun
                    .iter()
                    .all(|effect| effect.op == Op::Probe || !groups.contains(&usize::from(effect.group.0))),
                "{:?}",
                self.begun
            );
            let after = groups
                .clone()
                .map(|group| self.state(group))
                .collect::<std::vec::Vec<_>>();
            assert_eq!(before, after);
            for group in groups {
                assert_eq!(self.cluster.group_reports()[group].bits.phase(), told);
                assert!(!self.cluster.group_reports()[group].bits.flags().able);
                let view = self.cluster.snapshot().groups[group];
                assert_eq!(view.decision, Decision::Hold(Why::Bug));
            }
            assert_eq!(self.bugs.len(), 1, "told once: {:?}", self.bugs);
        }

        fn active() -> Self {
            let mut lone = Self::new(Durable::default());
            lone.work();
            lone.pass(21);
            lone.work();
            assert_eq!(lone.state(0), State::Active);
            assert_eq!(lone.bugs, []);
            lone
        }

        fn idle() -> Self {
            let mut lone = Self::new(Durable::default());
            lone.work();
            assert_eq!(lone.state(0), State::Idle);
            lone
        }
    }

    #[test]
    fn numbers_are_stable_and_differ() {
        let numbers = BugId::ALL.map(BugId::number);
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    }

    #[test]
    fn a_step_that_was_never_begun_ends() {
        let mut lone = Lone::active();
        lone.tell(Event::Done {
            effect: EffectId(77),
            outcome: Outcome::Done,
        });
        assert!(lone.found(BugId::EffectUnknown, None));
        lone.stands_still(0..2, Phase::Active);
    }

    #[test]
    fn a_step_ends_twice_and_a_person_clears_it() {
        let mut lone = Lone::idle();
        let effect = lone.cluster.groups[0].ended.unwrap();
        let outcome = Outcome::Failed;
        lone.tell(Event::Done { effect, outcome });
        assert!(lone.found(BugId::EffectTwice, Some(GROUP)));
        lone.stands_still(0..1, Phase::Stuck);
        // the other group is not concerned
        lone.work();
        assert_eq!(lone.state(1), State::Active);
        let client = ClientId(1);
        let command = Command::Clear { group: GROUP };
        lone.tell(Event::Request { client, command });
        assert_eq!(lone.answers, [Answer::Done]);
        assert_eq!(lone.begun[0].op, Op::Probe, "looked at anew");
        lone.work();
        lone.pass(1);
        lone.work();
        assert_eq!(lone.state(0), State::Active);
        assert!(lone.cluster.snapshot().bugs.is_empty());
    }

    #[test]
    fn a_step_ends_in_a_phase_that_has_none_such() {
        let mut lone = Lone::new(Durable::default());
        let probe = lone.begun.remove(0);
        lone.cluster.groups[0].forge(State::Active, 1);
        lone.tell(Event::Done {
            effect: probe.id,
            outcome: Outcome::Done,
        });
        assert!(lone.found(BugId::EffectMisplaced, Some(GROUP)));
        lone.stands_still(0..1, Phase::Active);
    }

    #[test]
    fn a_state_is_stored_that_was_not_given() {
        let mut lone = Lone::active();
        lone.tell(Event::Stored { version: 99, ok: true });
        assert!(lone.found(BugId::StoredUnasked, None));
        lone.stands_still(0..2, Phase::Active);
    }

    #[test]
    fn a_state_that_does_not_fit_is_not_given_away() {
        let mut lone = Lone::idle();
        assert_eq!(lone.cluster.store(&mut [0; 3]), None);
        lone.drain();
        assert!(lone.found(BugId::StateTooLong, None));
        lone.stands_still(0..2, Phase::Idle);
    }

    #[test]
    fn a_tenure_goes_back() {
        let mut lone = Lone::active();
        lone.cluster.groups[0].durable.known = Tenure(0);
        lone.tell(Event::Tick);
        assert!(lone.found(BugId::TenureBack, Some(GROUP)));
        assert_eq!(lone.cluster.groups[0].durable.known, Tenure(1), "the disk's stays");
        lone.stands_still(0..1, Phase::Active);
    }

    #[test]
    fn a_tenure_at_its_end_starts_nothing() {
        let mut lone = Lone::idle();
        lone.cluster.groups[0].durable.known = Tenure(u32::MAX);
        lone.pass(21);
        assert!(lone.found(BugId::TenureSpent, Some(GROUP)));
        lone.stands_still(0..1, Phase::Idle);
    }

    #[test]
    fn a_start_needs_the_table_and_the_disk() {
        // the peer is awaited: the table does not want a start, and a forged phase is no excuse
        let mut lone = Lone::idle();
        lone.cluster.groups[0].forge(State::Starting(0, Why::Preferred), 0);
        lone.cluster.groups[0].durable.run = Tenure(1);
        lone.drain();
        assert!(lone.found(BugId::StartUnrecorded, Some(GROUP)));
        assert!(lone.begun.is_empty());
        lone.stands_still(0..1, Phase::Starting);

        let mut lone = Lone::active();
        lone.cluster.groups[0].forge(State::Starting(0, Why::Preferred), 3);
        lone.tell(Event::Request {
            client: ClientId(1),
            command: Command::Stop,
        });
        lone.begun.clear();
        lone.cluster.groups[0].flight = None;
        lone.cluster.groups[0].forge(State::Starting(0, Why::Preferred), 3);
        lone.drain();
        assert!(lone.found(BugId::StartUndecided, Some(GROUP)));
        assert!(lone.begun.iter().all(|effect| effect.op == Op::Stop));
    }

    #[test]
    fn a_decision_does_not_fit_the_phase() {
        let mut lone = Lone::idle();
        let now = lone.now;
        let view = lone.cluster.view(now, 0).unwrap();
        lone.cluster.apply(now, GROUP, &view, Decision::Release(Why::Standby));
        lone.drain();
        assert!(lone.found(BugId::DecisionMisplaced, Some(GROUP)));
        lone.stands_still(0..1, Phase::Stuck);
    }

    #[test]
    fn what_runs_contradicts_the_phase() {
        let mut lone = Lone::idle();
        lone.cluster.groups[0].forge(State::Idle, 2);
        lone.tell(Event::Tick);
        assert!(lone.found(BugId::PhaseUnsound, Some(GROUP)));
        lone.stands_still(0..1, Phase::Stuck);
    }

    #[test]
    fn a_heartbeat_that_cannot_be_built_is_no_silence_without_a_word() {
        let mut lone = Lone::active();
        lone.cluster.rekey(Keyring::new(Domain::Node));
        let sent = lone.sent;
        lone.pass(3);
        assert!(lone.found(BugId::Speechless, None));
        assert_eq!(lone.sent, sent, "no empty frame goes out");
        lone.stands_still(0..2, Phase::Active);
    }

    #[test]
    fn a_ping_is_answered_before_it_is_sent() {
        let mut lone = Lone::idle();
        let sent = lone.now.after(Span::from_secs(1));
        lone.tell(Event::PingReply { ping: 0, sent });
        assert!(lone.found(BugId::PingAhead, None));
        lone.stands_still(0..2, Phase::Idle);
    }

    #[test]
    fn an_order_to_stop_is_carried_out() {
        let mut lone = Lone::active();
        lone.tell(Event::Stored { version: 99, ok: true });
        lone.tell(Event::Request {
            client: ClientId(1),
            command: Command::Stop,
        });
        lone.work();
        assert_eq!(lone.state(0), State::Idle);
        assert_eq!(lone.answers, [Answer::Done]);
    }

    #[test]
    fn what_is_tolerated_is_no_bug() {
        let mut lone = Lone::active();
        lone.tell(Event::Opened { link: LinkId(0) });
        lone.tell(Event::Closed { link: LinkId(9) });
        for group in [GROUP, GroupId(9)] {
            lone.tell(Event::Unstuck { group, resource: 0 });
        }
        lone.cluster.handle(Instant::from_millis(0), Event::Tick);
        lone.drain();
        assert_eq!(lone.bugs, []);
        assert_eq!(lone.state(0), State::Active);
    }
}
