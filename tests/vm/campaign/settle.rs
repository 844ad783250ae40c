//! From healed to whole (L1): waits, and does by hand what SAFETY leaves to a person.
use crate::bed::{Pair, Seen};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the pair may take from the end of a fault until it is whole; a reboot takes 5 to 10 s of it.
const BOUND: Duration = Duration::from_mins(2);
/// Between two attempts of a cure.
const AGAIN: Duration = Duration::from_secs(6);
/// A DRBD that is without a connection for so long has given it up: while it is brought up it is, too, for a moment.
const FINAL: Duration = Duration::from_secs(4);

/// What it took.
pub struct Settled {
    pub active: u8,
    pub split_brains: u64,
    pub took: Duration,
}

/// Waits until the pair is whole and its container writes; `seen` is told of each look.
pub fn settle(pair: &Pair, mut seen: impl FnMut([Option<bool>; 2])) -> Settled {
    let begin = Instant::now();
    let mut cured = None;
    let mut apart: Option<Instant> = None;
    let mut split_brains = 0;
    let mut writes: Option<(u8, usize)> = None;
    loop {
        let look = pair.look();
        seen([0, 1].map(|own: usize| look[own].as_ref().map(|seen| seen.mounted)));
        match (Pair::whole(&look), writes) {
            (Some(active), Some((before, count))) if active == before => {
                if pair.node(active).acknowledged().len() > count + 2 {
                    return Settled {
                        active,
                        split_brains,
                        took: begin.elapsed(),
                    };
                }
            }
            (Some(active), _) => writes = Some((active, pair.node(active).acknowledged().len())),
            (None, _) => writes = None,
        }
        assert!(
            begin.elapsed() < BOUND,
            "L1: not whole {} s after everything was healed: {look:#?}",
            BOUND.as_secs()
        );
        apart = if has_given_up(&look) {
            apart.or_else(|| Some(Instant::now()))
        } else {
            None
        };
        if cured.is_none_or(|at: Instant| at.elapsed() > AGAIN) {
            let split = apart.is_some_and(|since| since.elapsed() > FINAL) && resolve(pair, &look, begin);
            if split || cure(pair, &look) {
                cured = Some(Instant::now());
            }
            split_brains = split_brains.max(u64::from(split));
        }
        sleep(Duration::from_millis(300));
    }
}

/// Says it to a node, which may be away.
fn say(pair: &Pair, number: u8, line: &str) {
    drop(pair.node(number).try_run(line, Duration::from_secs(10)));
}

/// What failed is cleared, a lost disk attached again; answers whether there was anything.
fn cure(pair: &Pair, look: &[Option<Seen>; 2]) -> bool {
    let mut did = false;
    for (number, seen) in (1..).zip(look) {
        let Some(seen) = seen else { continue };
        if seen.phase == "failed" {
            say(pair, number, "ovzha clear 0");
            did = true;
        }
        if seen.drbd.contains("ds:Diskless") {
            say(pair, number, "data well; drbdadm attach r0");
            did = true;
        }
    }
    did
}

/// Whether a DRBD has given its connection up, on nodes that both run.
fn has_given_up(look: &[Option<Seen>; 2]) -> bool {
    let runs = |seen: &Option<Seen>| seen.as_ref().is_some_and(|seen| !seen.phase.is_empty());
    let mut both = look.iter().flatten();
    look.iter().all(runs) && both.any(|seen| seen.connection() == "StandAlone")
}

/// A split brain: the data of the side that has not got the group is discarded. Answers whether that was done.
fn resolve(pair: &Pair, look: &[Option<Seen>; 2], begin: Instant) -> bool {
    let [Some(first), Some(second)] = look else {
        return false;
    };
    let winner = match (first.mounted, second.mounted) {
        (true, true) => return false,
        (true, false) => 1,
        // neither has it: the one that had it last, once it is clear that neither takes it
        (false, false) if begin.elapsed() < Duration::from_secs(20) => return false,
        (false, false) if first.tenure > second.tenure => 1,
        (false, _) => 2,
    };
    say(
        pair,
        3 - winner,
        "drbdadm secondary r0; drbdadm disconnect r0; drbdadm connect --discard-my-data r0",
    );
    say(pair, winner, "drbdadm connect r0");
    true
}
