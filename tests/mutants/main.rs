//! Runs every mutant of core against its driver: each must be caught, and what is not mutated must pass.
//!
//! `.ci/run mutants` runs this; `OVZHA_MUTANT=word` runs those whose name has the word. The sources are copied to
//! `target/mutants-tree`, where two copies are worked on at once. A mutant is caught by a checker that calls `VIOLATION`, by
//! a scenario that cites the mutant's clause and comes out otherwise, or by a test of core. One that does not compile, or
//! that nobody catches, is a failure. What caught each is written to `tests/mutants/CAUGHT.md`.

#[cfg(test)]
mod list;
#[cfg(test)]
mod verdict;
#[cfg(test)]
mod workshop;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
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

#[cfg(test)]
fn run_all(mutants: &[Mutant]) -> Vec<(String, Result<Catch, String>)> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (next, found) = (&next, &found);
            scope.spawn(move || {
                let workshop = Workshop::open(worker);
                // what is not mutated passes, or the rest says nothing
                for driver in [Driver::Scenarios, Driver::Core] {
                    let ran = workshop.run_sound(driver);
                    assert!(ran.passed, "without a mutant {driver:?} fails:\n{}", ran.output);
                }
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let caught = workshop.try_mutant(mutant).and_then(|ran| judge(mutant, &ran));
                    // a line for each as it goes: the whole takes minutes
                    match &caught {
                        Ok(catch) => say(&format!("{}: {}", mutant.name, catch.by)),
                        Err(why) => say(&format!("{}: NOT CAUGHT: {why}", mutant.name)),
                    }
                    found.lock().unwrap().push((mutant.name.clone(), caught));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// Not `println!`: each line is to be seen when it comes.
#[cfg(test)]
fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").unwrap();
}

/// The rows of an earlier run, by mutant.
#[cfg(test)]
fn rows(table: &str) -> BTreeMap<String, String> {
    let rows = table.lines().filter(|line| line.contains(" | S-"));
    let name = |row: &str| row.split('|').nth(1).unwrap_or_default().trim().to_owned();
    rows.map(|row| (name(row), row.to_owned())).collect()
}

#[test]
fn every_mutant_is_caught() {
    let only = std::env::var("OVZHA_MUTANT").unwrap_or_default();
    let all = list::all();
    let mutants: Vec<Mutant> = all
        .iter()
        .filter(|mutant| mutant.name.contains(&only))
        .cloned()
        .collect();
    assert!(!mutants.is_empty(), "no mutant has {only:?} in its name");
    let path = Path::new(ROOT).join("tests/mutants/CAUGHT.md");
    let mut rows = rows(&fs::read_to_string(&path).unwrap_or_default());
    let mut alive = Vec::new();
    for (mutant, (_, caught)) in mutants.iter().zip(run_all(&mutants)) {
        let Mutant {
            name, clause, forgets, ..
        } = mutant;
        match caught {
            Ok(catch) => {
                let row = format!("| {name} | {clause} | {} | {} |", catch.by, catch.sign);
                rows.insert(name.clone(), row);
            }
            Err(why) => {
                rows.remove(name);
                alive.push(format!("{name} ({clause} {forgets}): {why}"));
            }
        }
    }
    let mut table = HEAD.to_owned();
    for row in all.iter().filter_map(|mutant| rows.get(&mutant.name)) {
        writeln!(table, "{row}").unwrap();
    }
    fs::write(path, table).unwrap();
    say(&format!(
        "mutants: {} of {} caught",
        mutants.len() - alive.len(),
        mutants.len()
    ));
    assert!(alive.is_empty(), "\n{}", alive.join("\n"));
}
