//! Seeds of the World: safety under faults, then healing.
//!
//! `cargo test` runs a thousand, a landing ten thousand (`.ci/run sim`). `OVZHA_SEED=n` runs one and shows its trace.
//! `OVZHA_SEEDS="--count n"` is `.ci/run seeds`: so many more for the ledger, which adds up over runs.

#[cfg(test)]
mod batch;
#[cfg(test)]
mod digest;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod options;

#[cfg(test)]
mod tests {
    use std::env;
    use std::io::Write;
    use std::path::PathBuf;

    use ovzha_world::act::Act;
    use ovzha_world::seed::{Case, FAULTS, PHASE, run};
    use ovzha_world::shrink::{name, shrink};
    use ovzha_world::strike::Strike;

    use crate::batch::{Sum, run_seeds};
    use crate::digest::digest;
    use crate::ledger::Ledger;
    use crate::options::Options;

    /// What `cargo test` runs; `.ci/run sim` runs ten times as many.
    const SEEDS: u64 = 1000;
    const TWICE: u64 = 100;
    /// Seeds of one line of the ledger.
    const BATCH: u64 = 10_000;
    const SHOWN: usize = 10;

    /// Not `println!`: this line is for the log of a run that passes, too.
    fn say(text: &str) {
        writeln!(std::io::stdout(), "{text}").unwrap();
    }

    /// The command that repeats a seed, for each that failed, and the first of them made small.
    fn show(failed: &[(u64, String)]) -> String {
        let mut lines = Vec::new();
        for (seed, violation) in failed.iter().take(SHOWN) {
            lines.push(format!("OVZHA_SEED={seed} .ci/run sim"));
            lines.push(format!("    {violation}"));
        }
        let least = failed.first().and_then(|(seed, _)| shrink(&Case::of(*seed)));
        if let Some((case, report)) = least {
            let strikes = case.strikes.len() - 1;
            lines.push(format!("the first one with {strikes} strikes left:"));
            lines.extend(case.strikes.iter().map(|strike| format!("    {strike}")));
            lines.extend(report.lines);
            lines.extend(report.violations);
        }
        lines.join("\n")
    }

    fn one(seed: u64) {
        let report = run(seed, true);
        say(&report.lines.join("\n"));
        assert!(
            report.violations.is_empty(),
            "\n{}",
            show(&[(seed, report.violations.join("\n"))])
        );
    }

    /// Each fault counts once, all of them strike within ten simulated minutes, and there are at least ten.
    fn enough(sum: &Sum) {
        assert!(sum.fewest >= FAULTS, "a seed has {} faults", sum.fewest);
        assert!(sum.latest <= PHASE / 1_000_000, "faults until {} s", sum.latest);
    }

    fn more(options: &Options) {
        let cache = env::var_os("XDG_CACHE_HOME").map_or_else(
            || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache"),
            PathBuf::from,
        );
        let digest = digest();
        let mut ledger = Ledger::open(&cache.join("ovzha/seeds"), &digest);
        let mut left = options.count;
        let mut from = options.from.unwrap_or_else(|| ledger.next());
        while left > 0 {
            let sum = run_seeds(from, left.min(BATCH));
            if sum.seeds > 0 {
                enough(&sum);
            }
            if ledger.has_any(from, sum.seeds) {
                say(&sum.line());
                say(&sum.details());
            } else {
                ledger.add(&sum.entry(from));
                say(&ledger.totals());
            }
            assert!(sum.failed.is_empty(), "\n{}", show(&sum.failed));
            left -= sum.seeds;
            from += sum.seeds;
        }
    }

    #[test]
    fn seeds_keep_what_is_promised() {
        if let Ok(seed) = env::var("OVZHA_SEED") {
            return one(seed.parse().unwrap());
        }
        if let Ok(words) = env::var("OVZHA_SEEDS") {
            return more(&Options::parse(&words).unwrap_or_else(|error| panic!("{error}")));
        }
        let sum = run_seeds(0, SEEDS);
        say(&sum.line());
        say(&sum.details());
        assert!(sum.failed.is_empty(), "\n{}", show(&sum.failed));
        enough(&sum);
    }

    #[test]
    fn the_same_seed_is_the_same_run() {
        for seed in 0..TWICE {
            assert_eq!(run(seed, false).hash, run(seed, true).hash, "seed {seed}");
        }
    }

    /// A case that fails is made smaller and fails in the same way: here by a key that nobody corrects.
    #[test]
    fn what_fails_is_made_small() {
        // of some seeds a node starts alone before it hears the other one: these heal
        let fails = |seed| {
            let mut case = Case::of(seed);
            case.strikes.push(Strike {
                acts: vec![(0, Act::Key(1, "another key".to_owned()))],
            });
            shrink(&case)
        };
        let (least, report) = (0..50).find_map(fails).unwrap();
        let left: Vec<String> = least.strikes.iter().map(Strike::to_string).collect();
        assert!(left.len() == 2 && left[1].contains("another key"), "{left:?}");
        assert!(
            report.violations.iter().any(|text| name(text) == "L1"),
            "{:?}",
            report.violations
        );
        assert!(!report.lines.is_empty());
    }
}
