//! Looks at what is to cut the other node's power: whether it is there, and whether it can say that the power is off.

use std::path::Path;

use super::{Finding, Subject};
use crate::config::Files;
use crate::diagnostic::quote;
use crate::ovzha_cf::stonith::Means;
use crate::program;
use crate::stonith::Convention;
use crate::trusted_file;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let settings = &subject.files.settings;
    let Some((means, line)) = subject.node.as_ref().and_then(|node| settings.stonith(node)) else {
        return Vec::new();
    };
    let at = |finding: Finding| finding.at(subject.files.dir.join("ovzha.cf"), Some(line));
    match means {
        Means::Board { in_place } => {
            let (row, mode) = if *in_place {
                ("S-15", "in-place")
            } else {
                ("S-14", "beside")
            };
            let text = format!("stonith_host: row {row} holds only if the board was provisioned with `--relay {mode}`");
            let remedy = "the daemon says when it is not: `ovzha status`, the line `witness`";
            let mut findings = vec![at(Finding::warning(text, remedy))];
            if !in_place && settings.watchdog().is_none() {
                let text = "stonith_host: relays beside watchdogs, and there is no watchdog: they shorten a takeover, and protect \
                            from nothing more";
                let remedy = "add a `watchdog` line, or have the board cut in place of watchdogs (`board in-place`)";
                findings.push(at(Finding::warning(text, remedy)));
            }
            findings
        }
        Means::External(external) => {
            let mut findings: Vec<Finding> = lacks(subject, &external.program).into_iter().map(at).collect();
            if external.convention == Convention::Plugin {
                let text = format!(
                    "stonith_host: {} can cut power and can't say whether it is off: each takeover waits for a person",
                    quote(&external.program.to_string_lossy())
                );
                let remedy = "use the fence agent of the same device (fence_ipmilan for external/ipmi), or \
                              `ovzha confirm-fenced NODE` each time";
                findings.push(at(Finding::warning(text, remedy)));
            }
            findings
        }
    }
}

/// When a silent node is taken over at the latest, where a fence agent must see it off first.
#[must_use]
pub fn takeover(files: &Files) -> Option<String> {
    let external = files
        .ha_cf
        .nodes
        .iter()
        .any(|node| files.settings.fence_agent(&node.value).is_some());
    let (deadtime, delay) = (files.ha_cf.timings.deadtime, files.settings.fence_delay());
    let timeout = files.settings.fence_timeout();
    let latest = deadtime.plus(delay).plus(timeout);
    external.then(|| {
        format!(
            "a silent node is taken over within {latest} and the time of a start: deadtime {deadtime}, fence-delay {delay} at most, \
             fence-timeout {timeout} at most"
        )
    })
}

/// What keeps the program from being run.
fn lacks(subject: &Subject<'_>, path: &Path) -> Option<Finding> {
    let name = path.to_string_lossy();
    let place = subject.at(&name);
    if !program::is_executable(&place) {
        let text = format!(
            "stonith_host: there is no program {}: nothing is ever taken over",
            quote(&name)
        );
        return Some(Finding::machine(
            text,
            "install it (Debian: fence-agents), or check the path",
        ));
    }
    // below another root its owner is whoever made that
    let problem = trusted_file::program_problem(&place).filter(|_| subject.root == Path::new("/"))?;
    let text = format!("stonith_host: it is not run: {problem}");
    Some(Finding::machine(
        text,
        "make it, and the directories it lies in, writable by root alone",
    ))
}
