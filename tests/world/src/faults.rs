//! What a seed does to a World: its configuration, its kind of trouble, and when it strikes.
//!
//! Six kinds, because the promises differ (SAFETY S-10, S-11, S-13 to S-15):
//!
//! | kind | faults | two actives |
//! |---|---|---|
//! | `Crash` | power cuts, loss, delay, duplication, damage, replay, failing scripts, some of the links | never |
//! | `Isolation` | row ping: the same, and one node at a time loses everything together, hanging stops | never |
//! | `Anything` | rows none and ping: all of it, cuts between living nodes, freezes, dead daemons | only with an excuse, counted |
//! | `Voted` | row witness and watchdog, beside them a hand on both power switches, or that hand alone: all of it (with watchdogs no machine that stands still with its clock), and the witness dies, restarts, is cut off, its relays stick, its inputs see no loss of power | never |
//! | `Fenced` | row fencing: all of it, and fence agents that fail, are slow, or cut without seeing it | never |
//! | `Restarts` | daemons restarted within deadtime | never, and nothing is started or stopped |

use ovzha_core::witness::Relay;

use crate::act::Act;
use crate::rng::Rng;
use crate::setup::{GroupSetup, Model, Setup};
use crate::strike::{SECOND, Strike, Striker};

/// The kind of trouble.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Crashes and bad links.
    Crash,
    /// One node at a time loses everything together.
    Isolation,
    /// Everything.
    Anything,
    /// Everything but machines that stand still with their clocks, with a witness and watchdogs.
    Voted,
    /// Everything, with a fence agent on each node.
    Fenced,
    /// Daemons restart in time.
    Restarts,
}

impl Kind {
    /// The kind of a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        match seed % 16 {
            0 | 1 | 8 | 9 => Self::Crash,
            2..=4 | 10..=12 => Self::Isolation,
            5 | 13 => Self::Anything,
            6 => Self::Fenced,
            14 | 15 => Self::Voted,
            _ => Self::Restarts,
        }
    }
}

/// Strikes that are planned at least: some find nothing to strike.
const STRIKES: u64 = 12;

/// A seed's configuration.
#[must_use]
pub fn setup(rng: &mut Rng, kind: Kind) -> Setup {
    let keepalive = rng.pick(&[200, 500, 1000, 1000]).unwrap_or(500);
    // a vote must leave time for the stop and for two timeouts of the watchdog
    let voted = kind == Kind::Voted;
    let relays = [Relay::None, Relay::None, Relay::Beside, Relay::InPlace];
    let relay = rng.pick(&relays).filter(|_| voted).unwrap_or(Relay::None);
    let deadtime = keepalive * if voted { rng.between(20, 32) } else { rng.between(8, 16) };
    let many = rng.pick(&[1, 1, 1, 2, 2, 3, 4]).unwrap_or(1);
    let groups = (0..many).map(|_| group(rng)).collect();
    let pings = match kind {
        Kind::Isolation => u8::from(rng.chance(300)) + 1,
        Kind::Anything | Kind::Crash | Kind::Voted | Kind::Fenced => u8::from(rng.chance(500)),
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
        stop_budget: deadtime / if voted { 6 } else { 4 },
        failback: rng.chance(400),
        ipfail: pings > 0 && rng.chance(300),
        monitor: rng.pick(&[0, 3, 10, 10]).unwrap_or(10),
        diskless_hands_over: rng.chance(700),
        last_resort: voted || kind == Kind::Isolation || rng.chance(700),
        // the cheap digest lets more seeds be run
        crc: rng.chance(850),
        fencing: rng.chance(500),
        watchdog: (voted && relay != Relay::InPlace).then_some(keepalive * 4),
        witness: voted,
        // in place of watchdogs the witness lends no start while both nodes have power: such files are refused
        commanded: voted && relay != Relay::InPlace && rng.chance(300),
        relay,
        named: None,
        stonith: kind == Kind::Fenced,
        fence_delay: keepalive * 5,
        groups,
    }
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

/// When what strikes, in order of time; the first entry is the power.
#[must_use]
pub fn plan(rng: &mut Rng, kind: Kind, setup: &Setup) -> Vec<Strike> {
    let mut plan = vec![begin(rng, setup)];
    let mut at = 5 * SECOND + rng.below(20 * SECOND);
    if kind == Kind::Restarts {
        // first everything settles, so that whatever moves later moved for a restart
        at += 60 * SECOND;
    }
    let strikes = STRIKES + rng.below(if kind == Kind::Restarts { 2 } else { 6 });
    for _ in 0..strikes {
        plan.push(Striker { rng, kind, setup }.strike(at));
        at += rng.below(12 * SECOND);
        if kind == Kind::Restarts {
            // two absences must not add up to a deadtime
            at += setup.deadtime * 1000;
        }
    }
    if kind == Kind::Isolation {
        isolations(rng, setup, &mut plan);
    }
    plan
}

/// Clocks up to 1 % apart from true time, often at opposite ends; releases of either protocol version; power.
fn begin(rng: &mut Rng, setup: &Setup) -> Strike {
    let mut acts = Vec::new();
    let ends = rng.chance(400);
    for node in 0..2 {
        let rate = if ends {
            990_000 + 20_000 * u64::from(node == 1)
        } else {
            rng.between(990_000, 1_010_000)
        };
        acts.push((0, Act::Drift(node, rate)));
        if rng.chance(100) && !setup.witness {
            acts.push((0, Act::Speak(node, 1)));
        }
    }
    if setup.witness {
        acts.push((rng.below(5 * SECOND), Act::WitnessPower(true)));
    }
    acts.push((rng.below(5 * SECOND), Act::On(0)));
    acts.push((rng.below(5 * SECOND), Act::On(1)));
    Strike { acts }
}

/// One node at a time, now this one, now that one, sometimes without a pause between.
fn isolations(rng: &mut Rng, setup: &Setup, plan: &mut Vec<Strike>) {
    let mut at = 5 * SECOND + rng.below(30 * SECOND);
    for _ in 0..rng.between(1, 5) {
        let node = rng.node();
        let from = at;
        // shorter ones the pings don't see, and S-11 leaves them out
        at += setup.keepalive * 4000 + rng.below(setup.deadtime * 2500);
        plan.push(Strike {
            acts: vec![(from, Act::Isolate(node, true)), (at, Act::Isolate(node, false))],
        });
        if rng.chance(600) {
            at += rng.below(20 * SECOND);
        }
    }
}
