//! What a seed does to a World: its configuration, its kind of trouble, and when each fault strikes and ends.
//!
//! Four kinds, because the promises differ (SAFETY S-10, S-11):
//!
//! | kind | faults | two actives |
//! |---|---|---|
//! | `Crash` | power cuts, loss, delay, duplication, damage, replay, failing scripts, some of the links | never |
//! | `Isolation` | row ping: the same, and one node at a time loses everything together, hanging stops | never |
//! | `Anything` | rows none and ping: all of it, cuts between living nodes, freezes, dead daemons | only with an excuse, counted |
//! | `Restarts` | daemons restarted within deadtime | never, and nothing is started or stopped |

use ovzha_core::event::{Command, Outcome};
use ovzha_core::id::GroupSet;
use ovzha_core::message::HoldReason;
use ovzha_core::output::Op;
use ovzha_core::time::Span;
use ovzha_core::watchdog;

pub use crate::act::Act;
use crate::node::{Freeze, Script};
use crate::rng::Rng;
use crate::setup::{GroupSetup, Model, Setup};
use crate::world::{World, group_id};

const SECOND: u64 = 1_000_000;

/// The kind of trouble.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Crashes and bad links.
    Crash,
    /// One node at a time loses everything together.
    Isolation,
    /// Everything.
    Anything,
    /// Daemons restart in time.
    Restarts,
}

impl Kind {
    /// The kind of a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        match seed % 8 {
            0 | 1 => Self::Crash,
            2..=4 => Self::Isolation,
            5 | 6 => Self::Anything,
            _ => Self::Restarts,
        }
    }
}

/// A seed's configuration.
#[must_use]
pub fn setup(rng: &mut Rng, kind: Kind) -> Setup {
    let keepalive = rng.pick(&[200, 500, 1000]).unwrap_or(500);
    let deadtime = keepalive * rng.between(8, 16);
    let many = rng.pick(&[1, 1, 1, 2, 2, 3, 4]).unwrap_or(1);
    let groups = (0..many).map(|_| group(rng)).collect();
    let pings = match kind {
        Kind::Isolation => u8::from(rng.chance(300)) + 1,
        Kind::Anything | Kind::Crash => u8::from(rng.chance(500)),
        Kind::Restarts => 0,
    };
    Setup {
        links: u8::from(rng.chance(700)) + 1,
        pings,
        keepalive,
        warntime: deadtime * 2 / 5,
        deadtime,
        deadping: deadtime,
        initdead: deadtime + rng.below(deadtime),
        stop_budget: deadtime / 4,
        failback: rng.chance(400),
        ipfail: pings > 0 && rng.chance(300),
        monitor: rng.pick(&[0, 1, 3, 10]).unwrap_or(10),
        diskless_hands_over: rng.chance(700),
        last_resort: kind == Kind::Isolation || rng.chance(700),
        crc: false,
        fencing: rng.chance(500),
        watchdog: watchdog(rng, kind, keepalive, deadtime, pings > 0),
        groups,
    }
}

/// The longest timeout that fits, where one does. A daemon that is restarted in time may be back too late for it (S-24).
fn watchdog(rng: &mut Rng, kind: Kind, keepalive: u64, deadtime: u64, pings: bool) -> Option<u64> {
    let ms = Span::from_millis;
    let longest = watchdog::longest(ms(keepalive), ms(deadtime), pings).as_millis();
    (kind != Kind::Restarts && longest >= 3 * keepalive && rng.chance(400)).then_some(longest)
}

fn group(rng: &mut Rng) -> GroupSetup {
    let resources = match rng.below(5) {
        0 => vec![Model::Plain],
        1 => vec![Model::Data, Model::Plain],
        2 => vec![Model::Plain, Model::Drbd, Model::Data],
        _ => vec![Model::Drbd, Model::Data, Model::Mail],
    };
    GroupSetup {
        preferred: u8::from(rng.chance(500)),
        resources,
    }
}

/// When what happens, in order of time.
#[must_use]
pub fn plan(rng: &mut Rng, kind: Kind, setup: &Setup) -> Vec<(u64, Act)> {
    let mut plan = vec![(rng.below(5 * SECOND), Act::On(0)), (rng.below(5 * SECOND), Act::On(1))];
    let faults = rng.between(3, 9);
    let mut at = 5 * SECOND + rng.below(20 * SECOND);
    if kind == Kind::Restarts {
        // first everything settles, so that whatever moves later moved for a restart
        at += 60 * SECOND;
    }
    for _ in 0..faults {
        strike(rng, kind, setup, at, &mut plan);
        at += rng.below(15 * SECOND);
        if kind == Kind::Restarts {
            // two absences must not add up to a deadtime
            at += setup.deadtime * 1000;
        }
    }
    if kind == Kind::Isolation {
        isolations(rng, setup, &mut plan);
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}

/// One node at a time, now this one, now that one, sometimes without a pause between.
fn isolations(rng: &mut Rng, setup: &Setup, plan: &mut Vec<(u64, Act)>) {
    let mut at = 5 * SECOND + rng.below(30 * SECOND);
    for _ in 0..rng.between(1, 5) {
        let node = rng.node();
        plan.push((at, Act::Isolate(node, true)));
        // shorter ones the pings don't see, and S-11 leaves them out
        at += setup.keepalive * 4000 + rng.below(setup.deadtime * 2500);
        plan.push((at, Act::Isolate(node, false)));
        if rng.chance(600) {
            at += rng.below(20 * SECOND);
        }
    }
}

fn strike(rng: &mut Rng, kind: Kind, setup: &Setup, at: u64, plan: &mut Vec<(u64, Act)>) {
    let node = rng.node();
    let until = at + rng.below(setup.deadtime * 2500);
    if kind == Kind::Restarts {
        plan.push((at, Act::Kill(node)));
        plan.push((at + rng.below(setup.deadtime * 600), Act::Revive(node)));
        return;
    }
    if rng.chance(250) {
        ail(rng, setup, node, at, until, plan);
        return;
    }
    let choices = if kind == Kind::Anything { 15 } else { 10 };
    match rng.below(choices) {
        0 => {
            plan.push((at, Act::Off(node)));
            plan.push((until + rng.below(20 * SECOND), Act::On(node)));
        }
        1 => {
            let delay = rng.below(setup.deadtime * 80);
            let weather = Act::Weather(rng.below(400), rng.below(300), rng.below(100), delay);
            plan.push((at, weather));
            plan.push((until, Act::Weather(0, 0, 0, 900)));
        }
        2 => plan.push((
            at,
            Act::Replay(node, rng.node(), usize::from(rng.chance(500)) * 500 + 20),
        )),
        3 => plan.push((at, Act::Noise(node))),
        4 | 5 => plan.push((at, script(rng, setup, node))),
        6 | 7 => plan.push((at, Act::Ask(node, command(rng, kind)))),
        8 => {
            plan.push((at, Act::Disk(node, false)));
            plan.push((until, Act::Disk(node, true)));
        }
        9 => partial(rng, kind, setup, at, until, plan),
        10 => {
            plan.push((at, Act::Kill(node)));
            plan.push((until, Act::Revive(node)));
        }
        11 => {
            let freeze = rng.pick(&[Freeze::Process, Freeze::Kernel, Freeze::Machine]);
            plan.push((at, Act::Freeze(node, freeze.unwrap_or(Freeze::Process), until - at)));
        }
        12 => {
            let one_way = rng.chance(400);
            plan.push((at, Act::Cut(None, node, true)));
            if !one_way {
                plan.push((at, Act::Cut(None, 1 - node, true)));
            }
            plan.push((until, Act::Cut(None, node, false)));
            plan.push((until, Act::Cut(None, 1 - node, false)));
            if rng.chance(600) {
                plan.push((at, Act::Drbd(true)));
                plan.push((until, Act::Drbd(false)));
            }
        }
        13 => {
            plan.push((at, Act::Isolate(node, true)));
            plan.push((until, Act::Isolate(node, false)));
        }
        _ => {
            plan.push((at, Act::Pings(node, false)));
            plan.push((until, Act::Pings(node, true)));
        }
    }
}

/// Something of an active group fails by itself, once or again and again.
fn ail(rng: &mut Rng, setup: &Setup, node: usize, at: u64, until: u64, plan: &mut Vec<(u64, Act)>) {
    let (group, resource) = resource(rng, setup);
    if setup.monitor == 0 || rng.chance(200) {
        // what nobody looks at stays dead
        let (on, off) = if rng.chance(700) {
            (Act::Diskless(node, group, true), Act::Diskless(node, group, false))
        } else {
            (Act::Suspend(node, group, true), Act::Suspend(node, group, false))
        };
        plan.push((at, on));
        plan.push((until, off));
        return;
    }
    let mut when = at;
    for _ in 0..rng.between(1, 4) {
        for node in 0..2 {
            // on whichever node it runs
            plan.push((when, Act::Die(node, group, resource, rng.chance(300))));
        }
        when += rng.below(40 * SECOND);
    }
}

/// One of several links, DRBD's path, or the ping nodes alone.
fn partial(rng: &mut Rng, kind: Kind, setup: &Setup, at: u64, until: u64, plan: &mut Vec<(u64, Act)>) {
    if setup.links > 1 && rng.chance(500) {
        for from in 0..2 {
            if rng.chance(700) {
                plan.push((at, Act::Cut(Some(0), from, true)));
                plan.push((until, Act::Cut(Some(0), from, false)));
            }
        }
    } else if kind == Kind::Crash && rng.chance(500) {
        let node = rng.node();
        plan.push((at, Act::Pings(node, false)));
        plan.push((until, Act::Pings(node, true)));
    } else {
        plan.push((at, Act::Drbd(true)));
        plan.push((until, Act::Drbd(false)));
    }
}

fn resource(rng: &mut Rng, setup: &Setup) -> (usize, u8) {
    let group = rng.pick(&[0, 1, 2, 3]).unwrap_or(0) % setup.groups.len();
    let resources = setup.groups[group].resources.len();
    let resource = u8::try_from(rng.below(u64::try_from(resources).unwrap_or(1))).unwrap_or(0);
    (group, resource)
}

fn script(rng: &mut Rng, setup: &Setup, node: usize) -> Act {
    let (group, resource) = resource(rng, setup);
    let op = rng.pick(&[
        Op::Probe,
        Op::Start,
        Op::Start,
        Op::Stop,
        Op::Stop,
        Op::Monitor,
        Op::Monitor,
    ]);
    let outcome = rng.pick(&[
        None,
        None,
        Some(Outcome::Failed),
        Some(Outcome::TimedOut),
        Some(Outcome::Unfit),
        Some(Outcome::Stuck),
        Some(Outcome::Degraded),
    ]);
    let op = op.unwrap_or(Op::Start);
    // a stop is not unfit: the agent finds its resource or it does not
    let outcome = outcome
        .flatten()
        .filter(|outcome| op != Op::Stop || *outcome != Outcome::Unfit);
    // a probe that lies is not among the faults: it can only fail to tell
    let outcome = outcome.filter(|outcome| op != Op::Probe || matches!(outcome, Outcome::Failed | Outcome::TimedOut));
    let takes = rng.chance(500).then(|| rng.below(30 * SECOND));
    let times = u32::try_from(rng.between(1, 5)).unwrap_or(1);
    Act::Script(node, group, resource, op, Script { outcome, takes, times })
}

fn command(rng: &mut Rng, kind: Kind) -> Command {
    let group = group_id(rng.pick(&[0, 0, 1, 2]).unwrap_or(0));
    let groups = match rng.below(3) {
        0 => GroupSet::of([rng.pick(&[0, 1, 2, 3]).unwrap_or(0)]),
        1 => GroupSet::of([0, 2]),
        _ => GroupSet::ALL,
    };
    // a held node stays active when it is isolated: the promise of row ping does not cover that (SAFETY S-46)
    let most = if kind == Kind::Isolation { 5 } else { 8 };
    match rng.below(most) {
        0 | 1 => Command::Standby { groups },
        2 => Command::Takeover { groups },
        3 => Command::Stop,
        4 => Command::Clear { group },
        5 => Command::Resume,
        _ => Command::Hold {
            span: Some(Span::from_secs(rng.between(1, 60))),
            reason: HoldReason::new(),
        },
    }
}

/// One choice, as [`World::step`] makes it; requests are numbered by the World.
pub fn act(world: &mut World, _client: u32, act: &Act) {
    world.step(act);
}
