//! Reads from a driver's output who caught a mutant.

use std::fs;
use std::path::Path;

use crate::list::{Driver, Mutant, ROOT, cites, first_comment};
use crate::workshop::Ran;

/// Characters of the first sign that are kept.
const SIGN: usize = 110;

/// Who caught it, and what was seen first.
pub struct Catch {
    pub by: String,
    pub sign: String,
}

/// What a driver's output says of a mutant.
pub fn judge(mutant: &Mutant, ran: &Ran) -> Result<Catch, String> {
    if ran.output.contains("error: could not compile") {
        let error = ran.output.lines().find(|line| line.starts_with("error"));
        return Err(format!("does not compile: {}", error.unwrap_or_default()));
    }
    if ran.passed {
        return Err("survives".to_owned());
    }
    if ran.late {
        return Err("its driver does not come to an end".to_owned());
    }
    let found = match mutant.driver {
        Driver::Scenarios => violation(&ran.output).or_else(|| of_scenario(mutant, &ran.output)),
        Driver::Core => of_core(&ran.output),
    };
    found.ok_or_else(|| {
        let wrong = differing(&ran.output).map(|(name, _)| name).collect::<Vec<_>>();
        format!(
            "no violation, and no scenario that cites {} comes out otherwise; others that do: {wrong:?}",
            mutant.clause
        )
    })
}

/// Without the time it happened at: that moves with everything.
fn sign(text: &str) -> String {
    let is_time = |word: &&str| word.contains('.') && word.parse::<f64>().is_ok();
    let words: Vec<&str> = text.split_whitespace().filter(|word| !is_time(word)).collect();
    let short: String = words.join(" ").chars().take(SIGN).collect();
    short.replace('|', "/")
}

fn violation(output: &str) -> Option<Catch> {
    let line = output
        .lines()
        .find(|line| line.contains(".txt: ") && line.contains("VIOLATION"))?;
    let (name, text) = line.split_once(".txt: ")?;
    Some(Catch {
        by: format!("violation in {name}"),
        sign: sign(&text.replace("VIOLATION ", "")),
    })
}

/// Scenarios that came out otherwise, each with the line that came.
fn differing(output: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines: Vec<&str> = output.lines().collect();
    let pairs: Vec<(&str, &str)> = lines
        .windows(3)
        .filter_map(|three| {
            let (name, rest) = three[0].split_once(".txt:")?;
            let came = three[2].trim_start().strip_prefix("came")?;
            rest.ends_with(':').then_some((name, came.trim()))
        })
        .collect();
    pairs.into_iter()
}

/// A scenario that cites the clause and came out otherwise.
fn of_scenario(mutant: &Mutant, output: &str) -> Option<Catch> {
    differing(output)
        .find(|(name, _)| {
            let path = Path::new(ROOT).join(format!("tests/scenarios/{name}.txt"));
            cites(&first_comment(&fs::read_to_string(path).unwrap()), &mutant.clause)
        })
        .map(|(name, came)| Catch {
            by: format!("scenario {name}"),
            sign: sign(came),
        })
}

fn of_core(output: &str) -> Option<Catch> {
    let mut failed: Vec<&str> = output
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
        .collect();
    failed.sort_unstable();
    let first = failed.first()?;
    Some(Catch {
        by: format!("test {first}"),
        sign: format!("{} of core's tests fail", failed.len()),
    })
}
