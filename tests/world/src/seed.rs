//! One seed, from its first fault to the proof that everything heals.
//!
//! Phase 1: faults strike; the checkers watch for what must never be. Phase 2: everything is repaired, a person
//! does what only a person may (resume, clear, end a split brain), and within a bound each group must run on
//! exactly one node, and stay there.

use ovzha_core::decide::Decision;
use ovzha_core::event::Command;
use ovzha_core::member::MemberState;
use ovzha_core::message::Phase;
use ovzha_core::output::Op;
use ovzha_core::snapshot::GroupView;

use crate::act::Act;
use crate::check::Cause;
use crate::faults::{Kind, plan, setup};
use crate::node::Node;
use crate::rng::Rng;
use crate::setup::Setup;
use crate::stonith::Agent;
use crate::strike::{SECOND, Strike};
use crate::world::{World, group_id};

/// What a script can be of.
const OPS: [Op; 4] = [Op::Probe, Op::Start, Op::Stop, Op::Monitor];
/// Faults that strike in each seed at least.
pub const FAULTS: u64 = 10;
/// All of them strike within this time.
pub const PHASE: u64 = 600 * SECOND;
/// After this a request must have been answered.
const ANSWERED: u64 = 30 * SECOND;
/// Rounds of repairs: so many, and more while a stop still hangs.
const ROUNDS: u32 = 3;
const ROUNDS_MAX: u32 = 10;

/// Everything that a seed decides before its run.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its kind of trouble.
    pub kind: Kind,
    /// Both nodes' files.
    pub setup: Setup,
    /// What strikes.
    pub strikes: Vec<Strike>,
    /// What the World draws from.
    pub chance: u64,
    /// From the last strike to the repair, in microseconds.
    pub tail: u64,
    /// Power cuts make up for strikes that found nothing to strike.
    pub makes_up: bool,
    notices: u64,
    resets: u64,
    resync: u64,
}

impl Case {
    /// The case of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let kind = Kind::of(seed);
        let mut rng = Rng::new(seed);
        let setup = setup(&mut rng, kind);
        Self {
            kind,
            strikes: plan(&mut rng, kind, &setup),
            setup,
            chance: rng.next(),
            notices: rng.between(SECOND / 2, 12 * SECOND),
            resets: rng.between(5, 40) * SECOND,
            resync: rng.pick(&[SECOND / 2, 5 * SECOND, 60 * SECOND]).unwrap_or(SECOND),
            tail: rng.below(30) * SECOND,
            makes_up: true,
        }
    }
}

/// What became of a seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its kind of trouble.
    pub kind: Kind,
    /// One number for everything that happened.
    pub hash: u64,
    /// Faults that struck.
    pub faults: u64,
    /// When the last of them struck, in seconds.
    pub last: u64,
    /// Simulated time in seconds.
    pub seconds: u64,
    /// What must not be.
    pub violations: Vec<String>,
    /// Two actives that the row admits.
    pub admitted: Vec<Cause>,
    /// Times that users lost writes as the row admits.
    pub lost_writes: u64,
    /// What was added to the case to have enough faults.
    pub extra: Vec<Strike>,
    /// What happened, if it was to be kept.
    pub lines: Vec<String>,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, verbose: bool) -> Report {
    run_case(&Case::of(seed), verbose)
}

/// Runs a case: all that strikes, as often as need be one more power cut, then the repair. The same case is the same run.
#[must_use]
pub fn run_case(case: &Case, verbose: bool) -> Report {
    let kind = case.kind;
    let mut world = match World::new(case.setup.clone(), case.chance, verbose) {
        Ok(world) => world,
        Err(error) => return refused(kind, error),
    };
    world.trace.line(0, &0, || format!("{kind:?} {:?}", case.setup));
    world.drbd_notices = case.notices;
    world.reset_takes = Some(case.resets);
    world.resync_takes = case.resync;
    // who was shot is turned on again
    world.agents.back = Some(case.resets);
    let mut plan: Vec<(u64, &Act)> = case
        .strikes
        .iter()
        .flat_map(|strike| &strike.acts)
        .map(|(at, act)| (*at, act))
        .collect();
    plan.sort_by_key(|(at, _)| *at);
    for (at, what) in plan {
        world.step(&Act::Pass(at.saturating_sub(world.now)));
        world.trace.line(at, &0, || format!("- {what:?}"));
        world.step(what);
    }
    let extra = if case.makes_up {
        make_up(&mut world, kind)
    } else {
        Vec::new()
    };
    let last = world.now / SECOND;
    world.step(&Act::Pass(case.tail));
    let faults = world.struck;
    let before = world.watch.steps;
    heal(&mut world);
    settle(&mut world);
    if kind == Kind::Restarts {
        nothing_bounced(&mut world, before);
    }
    Report {
        kind,
        hash: world.trace.hash(),
        faults,
        last,
        seconds: world.now / SECOND,
        violations: world.watch.violations.clone(),
        admitted: world.watch.admitted.iter().map(|(_, _, cause)| *cause).collect(),
        lost_writes: world.lost_writes,
        extra,
        lines: std::mem::take(&mut world.trace.lines),
    }
}

/// Strikes on until enough of them have struck: power cuts, where daemons restart their deaths.
fn make_up(world: &mut World, kind: Kind) -> Vec<Strike> {
    let mut extra = Vec::new();
    let (away, pause) = if kind == Kind::Restarts {
        (world.setup.deadtime * 300, world.setup.deadtime * 1500)
    } else {
        (3 * SECOND, 6 * SECOND)
    };
    while world.struck < FAULTS && world.now < PHASE {
        let node = usize::from(world.struck % 2 == 1);
        let (down, up) = if kind == Kind::Restarts {
            (Act::Kill(node), Act::Revive(node))
        } else {
            (Act::Off(node), Act::On(node))
        };
        let mut acts = Vec::new();
        for (act, then) in [(down, away), (up, pause)] {
            world.trace.line(world.now, &0, || format!("- {act:?}"));
            world.step(&act);
            acts.push((world.now, act));
            world.step(&Act::Pass(then));
        }
        extra.push(Strike { acts });
    }
    extra
}

fn refused(kind: Kind, error: String) -> Report {
    Report {
        kind,
        hash: 0,
        faults: 0,
        last: 0,
        seconds: 0,
        violations: vec![error],
        admitted: Vec::new(),
        lost_writes: 0,
        extra: Vec::new(),
        lines: Vec::new(),
    }
}

/// L4: no step since the first daemon was killed.
pub fn nothing_bounced(world: &mut World, steps: u64) {
    if steps > world.watch.settled_steps {
        let text = format!("L4 {} steps for restarts alone", steps - world.watch.settled_steps);
        world.watch.violation(world.now, &text);
    }
}

/// A stop that was begun amid the faults may hang for a while after their end, and the reset that ends it takes its time.
fn is_stopping(world: &World) -> bool {
    let stops = |group: &GroupView| matches!(group.phase, Phase::Stopping | Phase::Stuck);
    world.nodes.iter().any(|node| {
        let daemon = node.daemon.as_ref();
        daemon.is_none_or(|daemon| daemon.snapshot().groups.iter().any(stops))
    })
}

/// Everything is repaired.
pub fn heal(world: &mut World) {
    world.trace.line(world.now, &0, || "- all is repaired".to_owned());
    for what in repairs(&world.setup) {
        world.step(&what);
    }
    for round in 0..ROUNDS_MAX {
        if round >= ROUNDS && !is_stopping(world) {
            break;
        }
        // daemons that were asked to stop may have left meanwhile, resets may be on their way
        world.step(&Act::Pass(15 * SECOND));
        world.step(&Act::Resolve);
        for node in 0..2 {
            for group in 0..world.setup.groups.len() {
                world.step(&Act::Diskless(node, group, false));
            }
            world.step(&Act::Unstick(node));
            world.step(&Act::Reap(node));
            world.step(&Act::Revive(node));
            world.step(&Act::Ask(node, Command::Resume));
            for group in 0..world.setup.groups.len() {
                let group = group_id(group);
                world.step(&Act::Ask(node, Command::Clear { group }));
            }
        }
    }
}

/// The end of every fault there is.
fn repairs(setup: &Setup) -> Vec<Act> {
    let mut all = vec![Act::Weather(0, 0, 0, 900), Act::Stray(0, 0), Act::Drbd(false)];
    all.extend(setup.witness.then_some(Act::WitnessPower(true)));
    for node in 0..2 {
        all.extend([
            Act::Agent(node, Agent::default()),
            Act::Isolate(node, false),
            Act::WitnessCut(node, false),
            Act::RelayStuck(node, false),
            Act::SenseBlind(node, false),
            Act::Cut(None, node, false),
            Act::Slow(node, 0),
            Act::Disk(node, true),
            Act::DiskTakes(node, 5000),
            Act::Pings(node, true),
            Act::Newer(node, false),
        ]);
        all.extend((0..setup.links).map(|link| Act::Device(node, link, true)));
        for (group, made) in setup.groups.iter().enumerate() {
            all.extend([Act::Diskless(node, group, false), Act::Suspend(node, group, false)]);
            for (resource, _) in (0..).zip(&made.resources) {
                all.extend(OPS.map(|op| Act::Unscript(node, group, resource, op)));
            }
        }
    }
    for node in 0..2 {
        all.extend([
            Act::Thaw(node),
            Act::On(node),
            Act::Revive(node),
            Act::Unstick(node),
            Act::Reap(node),
        ]);
    }
    all
}

/// L1, L2, L3: what must be so within a bound when nothing is wrong any more.
pub fn settle(world: &mut World) {
    // a resync may have to end first, and one the other way
    let bound = (world.setup.initdead + 4 * world.setup.deadtime) * 1000 + 90 * SECOND + 2 * world.resync_takes;
    let until = world.now + bound;
    while world.now < until && !is_settled(world) {
        world.step(&Act::Pass(5 * SECOND));
    }
    // a node that the witness has just become able to command is handed a group some keepalives later
    let commands = if world.setup.commanded {
        8 * world.setup.keepalive * 1000
    } else {
        0
    };
    world.step(&Act::Pass(5 * SECOND + commands));
    let steps = world.watch.steps;
    world.step(&Act::Pass(40 * SECOND));
    if world.watch.steps != steps {
        world
            .watch
            .violation(world.now, "L2 groups still move although nothing is wrong");
    }
    for group in 0..world.setup.groups.len() {
        if !runs_once(world, group) {
            let names = world.active(group);
            let text = format!(
                "L1 group {group} runs on '{names}' after healing: {}",
                show(world, group)
            );
            world.watch.violation(world.now, &text);
        }
    }
    for group in 0..world.setup.groups.len() {
        for node in (0..2)
            .filter(|node| world.mirrors[group].primary[*node])
            .collect::<Vec<_>>()
        {
            world.flow(group);
            let lacks = world.mirrors[group].writes.lacks(node);
            if lacks > 0 {
                let text = format!(
                    "S2 group {group}: after healing node {node} lacks {} ms of acknowledged writes",
                    lacks / 1000
                );
                world.watch.violation(world.now, &text);
            }
        }
    }
    let now = world.now;
    let late: Vec<(usize, u32)> = world
        .watch
        .unanswered()
        .filter(|(_, _, at)| at + ANSWERED < now)
        .map(|(node, client, _)| (node, client))
        .collect();
    for (node, client) in late {
        world
            .watch
            .violation(now, &format!("L3 node {node} never answered client {client}"));
    }
    for text in world.watch.violations.clone() {
        world.trace.line(now, &0, || format!("VIOLATION {text}"));
    }
}

/// All groups run, and no node waits for anything that could still move one (a node found unfit looks again later).
fn is_settled(world: &World) -> bool {
    let waits = world
        .nodes
        .iter()
        .filter_map(|node| node.daemon.as_ref())
        .flat_map(|daemon| daemon.snapshot().groups)
        .any(|group| !matches!(group.decision, Decision::Stay(_)));
    let syncs = world.mirrors.iter().any(|mirror| mirror.syncing.is_some());
    !waits
        && !syncs
        && world.nodes.iter().all(is_at_ease)
        && (0..world.setup.groups.len()).all(|group| runs_once(world, group))
}

/// It is up, hears the other one, and its halves lack nothing: what may still move a group.
fn is_at_ease(node: &Node) -> bool {
    node.daemon.as_ref().is_some_and(|daemon| {
        let seen = daemon.snapshot();
        let in_step = |group: &GroupView| !group.marked && !group.drbd.is_some_and(|(drbd, _)| drbd.ahead);
        seen.peer == MemberState::Alive && seen.groups.iter().all(in_step)
    })
}

/// Runs whole on exactly one node.
fn runs_once(world: &World, group: usize) -> bool {
    let mut runs = (0..2).filter(|node| world.watch.runs(*node, group));
    match (runs.next(), runs.next()) {
        (Some(node), None) => world.watch.is_whole(node, group),
        _ => false,
    }
}

fn show(world: &World, group: usize) -> String {
    let of = |node: usize| -> String {
        world.nodes[node].daemon.as_ref().map_or_else(
            || "no daemon".to_owned(),
            |daemon| {
                let seen = daemon.snapshot();
                let decision = seen.groups.get(group).map(|view| (view.phase, view.decision));
                format!("{decision:?} peer {:?}", seen.peer)
            },
        )
    };
    format!("a {} / b {}", of(0), of(1))
}
