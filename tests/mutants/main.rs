//! Runs every mutant of core against its driver: each must be caught, and what is not mutated must pass.
//!
//! `.ci/run mutants` runs this; `OVZHA_MUTANT=word` runs those whose name has the word. The sources are copied to
//! `target/mutants`, where two copies are worked on at once. A mutant is caught by a checker that calls `VIOLATION`, by
//! a scenario that cites the mutant's clause and comes out otherwise, or by a test of core. One that does not compile, or
//! that nobody catches, is a failure. What caught each is written to `tests/mutants/CAUGHT.md` when all were run.

mod list;
mod verdict;
mod workshop;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use list::{Driver, Mutant, ROOT};
use verdict::{Catch, judge};
use workshop::Workshop;

const WORKERS: usize = 2;

const HEAD: &str = "# What catches each mutant

Written by `.ci/run mutants`, not by hand. A mutant is a rule of core with one thing forgotten (`tests/mutants/NAME.txt`).
*violation*: a checker says so. *scenario*: a scenario that cites the clause comes out otherwise. *test*: of core.

| mutant | clause | caught by | first sign |
|---|---|---|---|
";

fn run_all(mutants: &[Mutant]) -> Vec<(String, Result<Catch, String>)> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (next, found) = (&next, &found);
            scope.spawn(move || {
                let workshop = Workshop::open(worker);
                if worker == 0 {
                    // both copies are the same: one shows that what is not mutated passes
                    for driver in [Driver::Scenarios, Driver::Seeds, Driver::Core] {
                        let ran = workshop.run(driver);
                        assert!(ran.passed, "without a mutant {driver:?} fails:\n{}", ran.output);
                    }
                }
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let caught = workshop.try_mutant(mutant).and_then(|ran| judge(mutant, &ran));
                    found.lock().unwrap().push((mutant.name.clone(), caught));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

#[test]
fn every_mutant_is_caught() {
    let only = std::env::var("OVZHA_MUTANT").unwrap_or_default();
    let all = list::all();
    let mutants: Vec<Mutant> = all.iter().filter(|mutant| mutant.name.contains(&only)).cloned().collect();
    assert!(!mutants.is_empty(), "no mutant has {only:?} in its name");
    let (mut table, mut alive) = (HEAD.to_owned(), Vec::new());
    for (mutant, (_, caught)) in mutants.iter().zip(run_all(&mutants)) {
        match caught {
            Ok(catch) => {
                let Mutant { name, clause, .. } = mutant;
                writeln!(table, "| {name} | {clause} | {} | {} |", catch.by, catch.sign).unwrap();
            }
            Err(why) => alive.push(format!("{} ({} {}): {why}", mutant.name, mutant.clause, mutant.forgets)),
        }
    }
    println!("{table}");
    println!("mutants: {} of {} caught", mutants.len() - alive.len(), mutants.len());
    assert!(alive.is_empty(), "\n{}", alive.join("\n"));
    if only.is_empty() {
        fs::write(Path::new(ROOT).join("tests/mutants/CAUGHT.md"), table).unwrap();
    }
}
