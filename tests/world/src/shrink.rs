//! A case that fails, with as few strikes as still make it fail in the same way.
//!
//! Greedy: halves first, then ever smaller runs of strikes are left out, as long as a violation of the same name stays.
//! The power-on at the head is never left out. What is left depends on everything, so it need not be the least there is.

use crate::seed::{Case, Report, run_case};

/// Runs that are tried at most.
pub const TRIES: u32 = 400;

/// What a violation is called: the first word behind its time.
#[must_use]
pub fn name(violation: &str) -> &str {
    violation.split(' ').nth(1).unwrap_or(violation)
}

/// The smaller case, and its run with all lines; `None` if the case does not fail.
#[must_use]
pub fn shrink(case: &Case) -> Option<(Case, Report)> {
    let report = run_case(case, false);
    let wanted = name(report.violations.first()?).to_owned();
    let mut least = case.clone();
    least.strikes.extend(report.extra);
    least.makes_up = false;
    let mut tries = 0;
    let mut fails = |case: &Case| {
        tries += 1;
        tries <= TRIES && run_case(case, false).violations.iter().any(|text| name(text) == wanted)
    };
    let mut size = least.strikes.len() / 2;
    while size > 0 {
        let mut from = 1;
        while from < least.strikes.len() {
            let mut fewer = least.clone();
            let until = (from + size).min(fewer.strikes.len());
            fewer.strikes.drain(from..until);
            if fails(&fewer) {
                least = fewer;
            } else {
                from += size;
            }
        }
        size /= 2;
    }
    let report = run_case(&least, true);
    Some((least, report))
}
