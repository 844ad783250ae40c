//! Many seeds on all processors, summed up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use ovzha_world::check::Cause;
use ovzha_world::seed::{Report, run};

use crate::ledger::Entry;

/// Seeds that one thread takes at a time.
const SHARE: u64 = 50;

/// What came of some seeds.
#[derive(Debug, Default)]
pub struct Sum {
    pub seeds: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Of the seed that had the fewest.
    pub fewest: u64,
    /// When the last fault of any of them struck, in simulated seconds.
    pub latest: u64,
    /// Simulated seconds.
    pub simulated: u64,
    /// Real milliseconds.
    pub milliseconds: u64,
    pub admitted: BTreeMap<Cause, u64>,
    /// Times that users lost writes as their row admits.
    pub lost: u64,
    pub failed: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, seed: u64, report: &Report) {
        self.fewest = if self.seeds == 0 {
            report.faults
        } else {
            self.fewest.min(report.faults)
        };
        self.seeds += 1;
        self.faults += report.faults;
        self.latest = self.latest.max(report.last);
        self.simulated += report.seconds;
        self.lost += report.lost_writes;
        for cause in &report.admitted {
            *self.admitted.entry(*cause).or_default() += 1;
        }
        if let Some(first) = report.violations.first() {
            self.failed.push((seed, format!("{:?}: {first}", report.kind)));
        }
    }

    fn join(&mut self, other: Self) {
        self.fewest = match (self.seeds, other.seeds) {
            (0, _) => other.fewest,
            (_, 0) => self.fewest,
            (_, _) => self.fewest.min(other.fewest),
        };
        self.seeds += other.seeds;
        self.faults += other.faults;
        self.latest = self.latest.max(other.latest);
        self.simulated += other.simulated;
        self.lost += other.lost;
        for (cause, times) in other.admitted {
            *self.admitted.entry(cause).or_default() += times;
        }
        self.failed.extend(other.failed);
    }

    /// The line for machines.
    pub fn line(&self) -> String {
        format!(
            "sim: seeds={} faults={} violations={} seconds={}",
            self.seeds,
            self.faults,
            self.failed.len(),
            self.milliseconds / 1000
        )
    }

    pub fn details(&self) -> String {
        let admitted: Vec<String> = self
            .admitted
            .iter()
            .map(|(cause, times)| format!("{cause:?}={times}"))
            .collect();
        format!(
            "sim: two actives that their row admits: {}; writes lost as it admits: {}; simulated: {} h",
            admitted.join(" "),
            self.lost,
            self.simulated / 3600
        )
    }

    pub fn entry(&self, from: u64) -> Entry {
        Entry {
            from,
            seeds: self.seeds,
            faults: self.faults,
            violations: u64::try_from(self.failed.len()).unwrap(),
            admitted: self.admitted.values().sum(),
            lost: self.lost,
            simulated_hours: self.simulated / 3600,
            milliseconds: self.milliseconds,
        }
    }
}

/// Runs so many seeds from that one on.
pub fn run_seeds(from: u64, count: u64) -> Sum {
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let until = from + count;
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let mut sum = Sum::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&next, until))).collect();
        for worker in workers {
            sum.join(worker.join().unwrap());
        }
    });
    sum.failed.sort();
    sum.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap();
    sum
}

fn work(next: &AtomicU64, until: u64) -> Sum {
    let mut sum = Sum::default();
    loop {
        let first = next.fetch_add(SHARE, Ordering::Relaxed);
        if first >= until {
            return sum;
        }
        for seed in first..(first + SHARE).min(until) {
            sum.add(seed, &run(seed, false));
        }
    }
}
