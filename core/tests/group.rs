//! One group by itself: which steps it asks for, what it says of itself in between.

use heapless::Vec;
use ovzha_core::config::{GroupDraft, Kind};
use ovzha_core::decide::Why;
use ovzha_core::event::Outcome;
use ovzha_core::group::{Group, InFlight, State};
use ovzha_core::id::{EffectId, Mark, NodeId, Sequence};
use ovzha_core::output::{GroupDurable, Op};
use ovzha_core::time::{Instant, Span};

/// A group of data, something plain, a mail; and its host.
struct Bench {
    group: Group,
    now: Instant,
    steps: u32,
    /// The steps are given up while they are under way.
    abandoned: bool,
}

#[cfg(test)]
impl Bench {
    /// Probed: nothing runs.
    fn new() -> Self {
        let bench = Self::probed([Outcome::NotRunning; 2]);
        assert_eq!(bench.group.state(), State::Idle);
        bench
    }

    /// The probes ended like this.
    fn probed(outcomes: [Outcome; 2]) -> Self {
        let draft = GroupDraft {
            preferred: NodeId(0),
            identity: Mark([0; 3]),
            digest: Mark([0; 3]),
            resources: Vec::from_slice(&[Kind::Data, Kind::Plain, Kind::Notice]).unwrap(),
            monitors: Vec::from_slice(&[10, 10, 10]).unwrap(),
        };
        let now = Instant::from_millis(50_000);
        let mut bench = Self {
            group: Group::new(&draft, GroupDurable::default(), now),
            now,
            steps: 0,
            abandoned: false,
        };
        for (resource, outcome) in (0..).zip(outcomes) {
            bench.step((resource, Op::Probe), outcome);
        }
        bench.advance();
        bench
    }

    /// All started, the first step ended like this.
    fn active(first: Outcome) -> Self {
        let mut bench = Self::new();
        bench.start();
        bench.step((0, Op::Start), first);
        bench.step((1, Op::Start), Outcome::Done);
        bench.step((2, Op::Start), Outcome::Done);
        bench.advance();
        assert_eq!(bench.group.state(), State::Active);
        bench
    }

    fn start(&mut self) {
        self.group.claim(self.now, Sequence(1), Why::PeerDead);
        self.group.begin(self.now, Why::PeerDead);
    }

    fn advance(&mut self) {
        self.group.advance(self.now);
    }

    /// The next step is this one, and it begins.
    fn begin(&mut self, (resource, op): (u8, Op)) {
        assert_eq!(self.group.next(self.now), Some((resource, op)));
        self.steps = self.steps.saturating_add(1);
        self.group.flight = Some(InFlight {
            id: EffectId(self.steps),
            resource,
            op,
            since: self.now,
            abandon: self.abandoned,
            abandoned: self.abandoned,
        });
    }

    /// It ends like this; true if that is news.
    fn end(&mut self, outcome: Outcome) -> bool {
        let id = EffectId(self.steps);
        self.group.done(self.now, id, outcome).unwrap().news
    }

    /// The next step is this one, and ends like that; true if that is news.
    fn step(&mut self, step: (u8, Op), outcome: Outcome) -> bool {
        self.begin(step);
        self.end(outcome)
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Span::from_secs(seconds));
    }
}

/// What `ovzha status` shows: a service that is up with parts of it missing, and a group of which a part is left stopped.
#[test]
fn a_group_is_degraded_when_a_part_is_missing_and_only_then() {
    let mut bench = Bench::new();
    assert!(!bench.group.is_degraded());
    bench.start();
    bench.step((0, Op::Start), Outcome::Degraded);
    assert!(bench.group.is_degraded());

    let mut bench = Bench::active(Outcome::Degraded);
    assert!(bench.group.is_degraded());
    bench.group.release(bench.now, Why::Standby);
    bench.step((2, Op::Stop), Outcome::Done);
    bench.step((1, Op::Stop), Outcome::Done);
    assert!(bench.group.is_degraded());
    bench.step((0, Op::Stop), Outcome::Done);
    assert!(!bench.group.is_degraded());

    let mut bench = Bench::active(Outcome::Done);
    assert!(!bench.group.is_degraded());
    // what failed does not start again
    bench.pass(10);
    bench.step((0, Op::Monitor), Outcome::Done);
    bench.step((1, Op::Monitor), Outcome::NotRunning);
    bench.step((0, Op::Monitor), Outcome::Done);
    bench.group.restart(bench.now, Why::MonitorFailed);
    bench.step((2, Op::Stop), Outcome::Done);
    bench.step((1, Op::Stop), Outcome::Done);
    bench.advance();
    assert!(!bench.group.is_degraded());
    bench.step((1, Op::Start), Outcome::Failed);
    bench.step((1, Op::Stop), Outcome::Done);
    bench.advance();
    assert_eq!(bench.group.state(), State::Active);
    assert!(bench.group.is_degraded());
}

/// A host that asks before the group has moved on starts nothing that the group does not have.
#[test]
fn no_step_comes_after_the_last_one() {
    let mut bench = Bench::new();
    bench.start();
    for resource in 0..3 {
        bench.step((resource, Op::Start), Outcome::Done);
    }
    assert_eq!(bench.group.next(bench.now), None);
}

/// Two children can't be killed: what runs is found out when the last of them is gone.
#[test]
fn a_stuck_group_waits_for_every_child() {
    let mut bench = Bench::active(Outcome::Done);
    bench.pass(10);
    bench.step((0, Op::Monitor), Outcome::Stuck);
    bench.group.release(bench.now, Why::Standby);
    bench.step((2, Op::Stop), Outcome::Done);
    bench.step((1, Op::Stop), Outcome::Stuck);
    let stuck = State::Stuck(Why::Standby, None);
    assert_eq!(bench.group.state(), stuck);
    bench.group.unstuck(bench.now, 0);
    assert_eq!(bench.group.state(), stuck);
    bench.group.unstuck(bench.now, 1);
    assert_eq!(bench.group.state(), State::Probing(0));
}

/// What `ovzha status` shows as the last failure: of a step that counts, when it was new.
#[test]
fn the_last_failure_is_one_that_counts() {
    let failure = |bench: &Bench| {
        bench
            .group
            .failure
            .map(|failure| (failure.resource, failure.op, failure.at))
    };
    let bench = Bench::active(Outcome::Degraded);
    // its parts are missing, which the start itself says
    assert_eq!(failure(&bench), Some((0, Op::Start, bench.now)));

    // a mail that can't be sent is none
    let mut bench = Bench::new();
    bench.start();
    bench.step((0, Op::Start), Outcome::Done);
    bench.step((1, Op::Start), Outcome::Done);
    bench.step((2, Op::Start), Outcome::Failed);
    bench.advance();
    assert_eq!(failure(&bench), None);

    // a look that finds the same again is no news
    bench.pass(10);
    let first = bench.now;
    bench.step((0, Op::Monitor), Outcome::Done);
    bench.step((1, Op::Monitor), Outcome::NotRunning);
    bench.step((0, Op::Monitor), Outcome::Done);
    bench.pass(10);
    bench.step((0, Op::Monitor), Outcome::Done);
    bench.step((1, Op::Monitor), Outcome::NotRunning);
    assert_eq!(failure(&bench), Some((1, Op::Monitor, first)));

    // neither is what was given up
    bench.group.release(bench.now, Why::Standby);
    bench.abandoned = true;
    bench.step((2, Op::Stop), Outcome::Done);
    bench.step((1, Op::Stop), Outcome::Failed);
    assert_eq!(failure(&bench), Some((1, Op::Monitor, first)));
}

/// What a look finds of one resource changes nothing of what is known of another: SAFETY S-53, S-56.
#[test]
fn each_resource_is_judged_by_its_own_looks() {
    let mut bench = Bench::active(Outcome::Done);
    bench.pass(10);
    bench.step((0, Op::Monitor), Outcome::Done);
    // once is no failure: nobody looks for its cause
    assert!(bench.step((1, Op::Monitor), Outcome::Failed));
    assert_eq!(bench.group.next(bench.now), None);
    bench.pass(10);
    bench.step((0, Op::Monitor), Outcome::Done);
    bench.step((1, Op::Monitor), Outcome::Done);

    bench.pass(10);
    assert!(bench.step((0, Op::Monitor), Outcome::Failed));
    assert!(bench.step((1, Op::Monitor), Outcome::NotRunning));
    // the one to the left is looked at again: the second time counts
    assert!(bench.step((0, Op::Monitor), Outcome::Failed));
    bench.group.restart(bench.now, Why::MonitorFailed);
    bench.step((2, Op::Stop), Outcome::Done);
    bench.step((1, Op::Stop), Outcome::Done);
    bench.step((0, Op::Stop), Outcome::Done);
}

/// A look that finds nothing new says nothing (SAFETY S-53), whatever others find in between.
#[test]
fn a_look_that_is_not_possible_is_news_once() {
    for other in [Outcome::Failed, Outcome::NotRunning] {
        let mut bench = Bench::active(Outcome::Done);
        bench.pass(10);
        assert!(bench.step((0, Op::Monitor), Outcome::Blocked));
        assert!(bench.step((1, Op::Monitor), other));
        bench.pass(10);
        assert!(!bench.step((0, Op::Monitor), Outcome::Blocked));
        // what was found meanwhile of the same one makes it news again
        bench.pass(10);
        bench.step((1, Op::Monitor), Outcome::Done);
        assert!(bench.step((0, Op::Monitor), other));
    }
}

/// A look that was given up says nothing, although it ends before its child could be told.
#[test]
fn a_look_at_a_group_that_is_being_stopped_is_no_news() {
    let mut bench = Bench::active(Outcome::Done);
    bench.pass(10);
    bench.begin((0, Op::Monitor));
    bench.group.release(bench.now, Why::Standby);
    assert!(!bench.end(Outcome::NotRunning));
    assert!(bench.group.failure.is_none());
}

#[test]
fn a_group_that_is_found_running_is_degraded_when_a_part_is_missing() {
    for (outcome, degraded) in [(Outcome::Done, false), (Outcome::Degraded, true)] {
        let bench = Bench::probed([outcome; 2]);
        assert_eq!(bench.group.state(), State::Active);
        assert_eq!(bench.group.is_degraded(), degraded);
    }
}

/// SAFETY S-38: what stands beside a resource whose program is gone was found, and is to be stopped.
#[test]
fn what_cannot_run_here_hides_nothing_that_runs() {
    let bench = Bench::probed([Outcome::Done, Outcome::Unfit]);
    assert_eq!(bench.group.state(), State::Partial);
    assert!(bench.group.is_unfit());
}

#[test]
fn a_look_finds_that_parts_are_missing_and_that_they_are_back() {
    let mut bench = Bench::active(Outcome::Done);
    bench.pass(10);
    assert!(bench.step((0, Op::Monitor), Outcome::Degraded));
    assert!(bench.group.is_degraded());
    assert!(!bench.step((1, Op::Monitor), Outcome::Done));
    assert!(bench.group.is_degraded());
    bench.pass(10);
    assert!(bench.step((0, Op::Monitor), Outcome::Done));
    assert!(!bench.group.is_degraded());
}
