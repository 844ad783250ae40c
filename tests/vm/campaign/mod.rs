//! The campaign: fault after fault on a running pair whose container writes, each healed and checked before the next.
//!
//! A fault that breaks a promise panics; the loop catches it, writes it down, keeps the pair's directory, and goes on
//! with a fresh pair. Asked for by `.ci/run campaign`.
mod check;
mod ledger;
mod options;
mod plan;
mod settle;
mod strike;

use crate::bed::{IN_PLACE, Pair, Third, cache, say};
use check::{Client, admits_two_actives};
use ledger::{Entry, Ledger};
use options::{Options, Protection};
use plan::{Fault, Kind};
use settle::settle;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::sleep;
use std::time::{Duration, Instant};
use strike::{Struck, heal, strike};

/// A pair between faults.
struct Run {
    pair: Pair,
    /// The third voter, where it is a third host.
    _third: Option<Third>,
    client: Client,
    active: u8,
    protection: Protection,
}

impl Run {
    /// From the golden disks.
    fn fresh(protection: Protection) -> Self {
        let files = protection.files();
        let pair = match protection {
            Protection::Board => Pair::up_with_board(&files, IN_PLACE),
            Protection::None | Protection::Fencing | Protection::Witness => Pair::up(&files),
        };
        let third = (protection == Protection::Witness).then(|| Third::start(&pair));
        let active = settle(&pair, |_| {}).active;
        Self {
            pair,
            _third: third,
            client: Client::default(),
            active,
            protection,
        }
    }

    /// Strikes, waits, heals, waits until all is well, checks. Panics where a promise is broken.
    fn one(&mut self, fault: &Fault) -> Entry {
        let begin = Instant::now();
        let was = self.active;
        let struck = strike(&self.pair, fault, was);
        let mut overlap = self.watch(fault, &struck, Instant::now() + fault.lasts);
        heal(&self.pair, fault, &struck);
        let pair = &self.pair;
        let settled = settle(pair, |mounted| overlap |= both(pair, mounted));
        assert!(
            !overlap || admits_two_actives(self.protection, &fault.kind),
            "S1: both nodes had the group at once"
        );
        let records = self
            .client
            .check(pair, settled.active, self.protection, &fault.kind, was);
        self.active = settled.active;
        Entry {
            number: fault.number,
            active: u64::from(was),
            violation: 0,
            lost: records.lost,
            takeovers: u64::from(settled.active != was),
            two_actives: u64::from(overlap),
            split_brains: settled.split_brains,
            milliseconds: millis(begin.elapsed()),
            healing_milliseconds: millis(settled.took),
            what: fault.to_string(),
        }
    }

    /// Looks who has the group until `end`; answers whether both had it at once.
    fn watch(&self, fault: &Fault, struck: &Struck, end: Instant) -> bool {
        let still = |number: u8| {
            if let Kind::Hang(side) = fault.kind {
                struck.node(side) == number && struck.hangs(self.pair.node(number))
            } else if let Kind::Pause(side) = fault.kind {
                struck.node(side) == number && struck.lives_on(self.pair.node(number))
            } else {
                false
            }
        };
        let mut overlap = false;
        while Instant::now() < end {
            let mounted = [1, 2].map(|number| {
                if still(number) {
                    // it has what it had
                    return Some(number == struck.active);
                }
                self.pair.node(number).is_mounted()
            });
            let frozen = [1, 2].into_iter().any(still);
            overlap |= mounted == [Some(true); 2] && (frozen || both(&self.pair, mounted));
            sleep(Duration::from_millis(200).min(end.saturating_duration_since(Instant::now())));
        }
        overlap
    }
}

/// Whether both have it mounted; the first is asked again, because it may have given it up before the second was asked.
fn both(pair: &Pair, mounted: [Option<bool>; 2]) -> bool {
    mounted == [Some(true); 2] && pair.node(1).is_mounted() == Some(true)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}

/// What a panic said.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// Runs the fault; after a violation there is no pair any more.
fn run_one(run: &mut Option<Run>, options: &Options, fault: &Fault) -> Entry {
    let begin = Instant::now();
    let mut active = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let run = run.get_or_insert_with(|| Run::fresh(options.protection));
        active = run.active;
        run.one(fault)
    }));
    let panic = match outcome {
        Ok(entry) => return entry,
        Err(panic) => words(panic.as_ref()),
    };
    say(&format!(
        "VIOLATION at seed {} fault {}: {fault}\n{panic}",
        options.seed, fault.number
    ));
    if let Some(run) = run.take() {
        let report = catch_unwind(AssertUnwindSafe(|| run.pair.report()));
        say(&report.unwrap_or_else(|_| "no report: the pair does not answer".to_owned()));
    }
    say(&format!(
        "to repeat: .ci/run campaign -- --seed {} --protection {} --only {} --active {}",
        options.seed,
        options.protection.name(),
        fault.number,
        active.max(1)
    ));
    let first = panic.lines().next().unwrap_or_default();
    Entry {
        number: fault.number,
        active: u64::from(active),
        violation: 1,
        milliseconds: millis(begin.elapsed()),
        what: format!("{fault}: {first}"),
        ..Entry::default()
    }
}

/// One fault on a fresh pair, past the ledger.
fn only(options: &Options, number: u32) {
    let mut run = Run::fresh(options.protection);
    if run.active != options.active {
        run.pair.node(run.active).must("ovzha standby");
        run.active = settle(&run.pair, |_| {}).active;
    }
    let entry = run_one(&mut Some(run), options, &plan::fault(options.seed, number));
    say(&format!("{entry:?}"));
    assert_eq!(entry.violation, 0, "fault {number} breaks a promise");
}

#[test]
fn campaign() {
    let asked = std::env::var("OVZHA_CAMPAIGN").unwrap_or_default();
    let options = Options::parse(&asked).unwrap_or_else(|error| panic!("{error}"));
    let mut ledger = Ledger::open(&cache().join("campaign"), &options);
    let from = options.only.unwrap_or_else(|| ledger.next());
    if options.plan {
        for number in from..from + options.faults {
            say(&format!("{number} {}", plan::fault(options.seed, number)));
        }
        return;
    }
    if let Some(number) = options.only {
        return only(&options, number);
    }
    let mut run = None;
    let mut violations = 0;
    for number in from..from + options.faults {
        let entry = run_one(&mut run, &options, &plan::fault(options.seed, number));
        say(&format!("{entry:?}"));
        violations += entry.violation;
        ledger.add(entry);
    }
    if let Some(run) = run {
        run.pair.finish();
    }
    say(&ledger.totals());
    assert_eq!(violations, 0, "promises were broken");
}
