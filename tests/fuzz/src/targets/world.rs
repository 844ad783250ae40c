//! A row of faults for a World with its checkers on: the seeds' grammar of trouble, in any order and at any moment.
//!
//! The first bytes choose the configuration. Each fault that follows is a pause and an act; an act that lasts brings its
//! own end, so that no promise is asked for what SAFETY leaves out: a node that loses everything together does so for
//! longer than ping nodes need to tell it (S-11), alone, and not under a hold (S-46). Two actives that a row admits are
//! no failure. At the end of every other input all is healed, and each group must run somewhere (L1 to L3).

use ovzha_core::event::{Command, Outcome};
use ovzha_core::id::{GroupId, GroupSet};
use ovzha_core::message::hold_reason;
use ovzha_core::output::Op;
use ovzha_core::time::Span;
use ovzha_core::witness::Relay;
use ovzha_world::act::Act;
use ovzha_world::node::{Freeze, Script};
use ovzha_world::seed::{heal, settle};
use ovzha_world::setup::{GroupSetup, Model, Setup};
use ovzha_world::world::World;

use super::choices::Choices;

const SECOND: u64 = 1_000_000;
/// Faults of one input, and its simulated time before all is healed: an input takes milliseconds.
const FAULTS_MAX: usize = 24;
const TIME_MAX: u64 = 120 * SECOND;

/// Which troubles come together, as in `ovzha_world::faults::Kind`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// One node at a time loses everything together; no cut or standing node beside it.
    Isolation,
    /// Everything but that; a row without ping nodes admits that, too.
    Anything,
}

/// Runs one input.
pub fn world(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let trouble = choices.pick([Trouble::Isolation, Trouble::Anything]);
    let setup = setup(&mut choices, trouble);
    let seed = choices.byte();
    let Ok(mut world) = World::new(setup, u64::from(seed), false) else {
        panic!("a configuration of this grammar is refused");
    };
    world.drbd_notices = u64::from(choices.below(24)) * SECOND / 2 + SECOND / 2;
    world.reset_takes = Some(u64::from(choices.below(8)) * 5 * SECOND + 5 * SECOND);
    // who was shot is turned on again
    world.agents.back = world.reset_takes;
    let plan = plan(&mut choices, trouble, &world.setup);
    world.step(&Act::On(0));
    world.step(&Act::On(1));
    for (at, what) in &plan {
        world.step(&Act::Pass(at.saturating_sub(world.now)));
        world.step(what);
        assert!(
            world.watch.violations.is_empty(),
            "{:#?}\n{plan:#?}",
            world.watch.violations
        );
    }
    if seed & 1 == 1 {
        // most of an input's time goes here
        return;
    }
    heal(&mut world);
    settle(&mut world);
    let told = &world.watch.violations;
    assert!(told.is_empty(), "{told:#?}\n{:#?}\n{plan:#?}", world.setup);
}

fn setup(choices: &mut Choices<'_>, trouble: Trouble) -> Setup {
    let keepalive = choices.pick([1000, 500]);
    let deadtime = keepalive * (8 + u64::from(choices.below(8)));
    let groups = (0..=choices.below(3)).map(|_| group(choices)).collect();
    let pings = match trouble {
        Trouble::Isolation => 1 + choices.below(2),
        Trouble::Anything => choices.below(2),
    };
    let switches = choices.byte();
    let on = |bit: u8| switches & (1 << bit) != 0;
    Setup {
        links: 1 + u8::from(on(0)),
        pings,
        keepalive,
        warntime: deadtime * 2 / 5,
        deadtime,
        deadping: deadtime,
        initdead: deadtime + u64::from(choices.below(16)) * deadtime / 16,
        stop_budget: deadtime / 4,
        failback: on(1),
        ipfail: pings > 0 && on(2),
        monitor: choices.pick([0, 1, 3, 10]),
        diskless_hands_over: on(3),
        // row ping covers a stop that hangs only where it may end in a reset (S-11, S-22)
        last_resort: trouble == Trouble::Isolation || on(4),
        crc: false,
        fencing: on(5),
        watchdog: None,
        witness: false,
        commanded: false,
        relay: Relay::None,
        named: None,
        stonith: trouble == Trouble::Anything && on(6),
        fence_delay: keepalive * 5,
        groups,
    }
}

fn group(choices: &mut Choices<'_>) -> GroupSetup {
    let resources = match choices.below(4) {
        0 => vec![Model::Plain],
        1 => vec![Model::Data, Model::Plain],
        2 => vec![Model::Plain, Model::Drbd, Model::Data],
        _ => vec![Model::Drbd, Model::Data, Model::Mail],
    };
    let preferred = choices.below(2);
    GroupSetup { preferred, resources }
}

/// A time that is short or long beside what counts here: milliseconds, keepalives, deadtimes.
fn span(choices: &mut Choices<'_>, setup: &Setup) -> u64 {
    let byte = choices.byte();
    let unit = match byte >> 6 {
        0 => 1,
        1 => setup.keepalive / 8,
        2 => setup.keepalive,
        _ => setup.deadtime / 8,
    };
    u64::from(byte & 0x3f) * unit * 1000
}

/// What happens when, in order of time.
fn plan(choices: &mut Choices<'_>, trouble: Trouble, setup: &Setup) -> Vec<(u64, Act)> {
    let mut plan = Vec::new();
    let (mut at, mut alone_from) = (0, 0);
    while !choices.is_over() && plan.len() < FAULTS_MAX {
        at += span(choices, setup);
        if at > TIME_MAX {
            break;
        }
        if trouble == Trouble::Isolation && choices.below(4) == 0 {
            let node = usize::from(choices.below(2));
            // one node at a time, and not for less than the ping nodes need to tell it (S-11)
            let from = at.max(alone_from);
            let until = from + setup.keepalive * 4000 + span(choices, setup);
            plan.push((from, Act::Isolate(node, true)));
            plan.push((until, Act::Isolate(node, false)));
            alone_from = until;
        } else {
            strike(choices, trouble, setup, at, &mut plan);
        }
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}

fn strike(choices: &mut Choices<'_>, trouble: Trouble, setup: &Setup, at: u64, plan: &mut Vec<(u64, Act)>) {
    let node = usize::from(choices.below(2));
    let group = usize::from(choices.below(4)) % setup.groups.len();
    let place = choices.below(3) % u8::try_from(setup.groups[group].resources.len()).unwrap_or(1);
    let kinds = if trouble == Trouble::Isolation { 19 } else { 24 };
    let mut lasts = |begin: Act, end: Act, choices: &mut Choices<'_>| {
        plan.push((at, begin));
        plan.push((at + span(choices, setup), end));
    };
    match choices.below(kinds) {
        0 => lasts(Act::Off(node), Act::On(node), choices),
        1 => lasts(weather(choices, setup), Act::Weather(0, 0, 0, 900), choices),
        2 => plan.push((
            at,
            Act::Replay(node, usize::from(choices.below(2)), usize::from(choices.byte()) * 2),
        )),
        4 => lasts(Act::Disk(node, false), Act::Disk(node, true), choices),
        5 => lasts(Act::Drbd(true), Act::Drbd(false), choices),
        6 => lasts(
            Act::Diskless(node, group, true),
            Act::Diskless(node, group, false),
            choices,
        ),
        7 => lasts(
            Act::Suspend(node, group, true),
            Act::Suspend(node, group, false),
            choices,
        ),
        // what nobody looks at stays dead
        8 if setup.monitor > 0 => plan.push((at, Act::Die(node, group, place, choices.flag()))),
        9 | 10 => plan.push((at, script(choices, setup, node, group, place))),
        8 | 11 => plan.push((at, Act::Unstick(node))),
        12 | 13 => plan.push((at, Act::Ask(node, command(choices, trouble, setup)))),
        14 if setup.links > 1 => lasts(Act::Cut(Some(0), node, true), Act::Cut(Some(0), node, false), choices),
        3 | 14 => plan.push((at, Act::Noise(node))),
        15..=18 => odd(choices, setup, node, at, plan),
        19 => lasts(Act::Kill(node), Act::Revive(node), choices),
        20 => {
            let freeze = choices.pick([Freeze::Process, Freeze::Kernel, Freeze::Machine]);
            plan.push((at, Act::Freeze(node, freeze, span(choices, setup))));
        }
        21 => lasts(Act::Cut(None, node, true), Act::Cut(None, node, false), choices),
        22 if setup.pings == 0 => lasts(Act::Isolate(node, true), Act::Isolate(node, false), choices),
        _ => lasts(Act::Pings(node, false), Act::Pings(node, true), choices),
    }
}

/// What is no fault of the two nodes: time, old frames, other machines, an older or later program.
fn odd(choices: &mut Choices<'_>, setup: &Setup, node: usize, at: u64, plan: &mut Vec<(u64, Act)>) {
    let what = match choices.below(8) {
        0 => Act::Drift(node, 990_000 + u64::from(choices.byte()) * 20_000 / 255),
        1 => Act::Stray(u64::from(choices.byte()), span(choices, setup)),
        2 => Act::DiskTakes(node, span(choices, setup).min(5 * SECOND)),
        3 => {
            let place = u64::from(choices.byte()) * 1000 / 255;
            let link = choices.flag().then(|| choices.below(2));
            let from = usize::from(choices.below(2));
            Act::Recall(from, node, place, usize::from(choices.byte()), link)
        }
        4 => {
            let length = usize::from(choices.byte());
            Act::Bytes(node, choices.bytes(length).to_vec())
        }
        5 => Act::Impostor(node, u32::from(choices.below(8))),
        6 => Act::Speak(node, 1 + choices.below(2)),
        _ => {
            plan.push((at + span(choices, setup), Act::Newer(node, false)));
            Act::Newer(node, true)
        }
    };
    plan.push((at, what));
}

fn weather(choices: &mut Choices<'_>, setup: &Setup) -> Act {
    let mut chance = |most: u64| u64::from(choices.byte()) * most / 255;
    let delay = chance(setup.deadtime * 80);
    Act::Weather(chance(400), chance(300), chance(100), delay)
}

fn script(choices: &mut Choices<'_>, setup: &Setup, node: usize, group: usize, place: u8) -> Act {
    let op = choices.pick([Op::Probe, Op::Start, Op::Stop, Op::Monitor]);
    let outcome = choices.pick([
        None,
        Some(Outcome::Failed),
        Some(Outcome::TimedOut),
        Some(Outcome::Unfit),
        Some(Outcome::Stuck),
        Some(Outcome::Degraded),
    ]);
    // as the seeds have it: a stop is not unfit, and a probe fails to tell, it does not lie
    let outcome = outcome.filter(|outcome| match op {
        Op::Stop => *outcome != Outcome::Unfit,
        Op::Probe => matches!(outcome, Outcome::Failed | Outcome::TimedOut),
        Op::Start | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => true,
    });
    let takes = choices.flag().then(|| span(choices, setup).min(30 * SECOND));
    let times = 1 + u32::from(choices.below(4));
    Act::Script(node, group, place, op, Script { outcome, takes, times })
}

fn command(choices: &mut Choices<'_>, trouble: Trouble, setup: &Setup) -> Command {
    let groups = GroupSet(u16::from(choices.byte()));
    let group = GroupId(choices.below(4));
    // a held node stays active when it is isolated, which row ping does not cover (S-46)
    let most = if trouble == Trouble::Isolation { 5 } else { 6 };
    match choices.below(most) {
        0 => Command::Standby { groups },
        1 => Command::Takeover { groups },
        2 => Command::Stop,
        3 => Command::Clear { group },
        4 => Command::Resume,
        _ => Command::Hold {
            span: Some(Span::from_millis(1000 + span(choices, setup) / 1000)),
            reason: hold_reason("fuzz"),
        },
    }
}
