//! `ovzha fence-peer`: DRBD's fence-peer handler (`outdate-peer` before 8.3). The daemon knows the answer.
//!
//! The kernel waits for this program with no bound of its own, and I/O may stand still meanwhile: so it ends by itself,
//! and whatever went wrong is code 1, after which DRBD takes the peer's disk for what it was.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::control::{self, Answer, Trouble};
use crate::{exit, out};

/// How long a daemon that is not there may take to come: its supervisor starts it again.
const COMES: Duration = Duration::from_secs(15);
/// Between two looks for it.
const AGAIN: Duration = Duration::from_millis(500);

/// Asks for the resource named on the command line, else in DRBD's environment. Gives DRBD's code.
pub fn run(run_dir: &Path, resource: Option<String>, seconds: u32) -> u8 {
    let Some(resource) = resource.or_else(|| std::env::var("DRBD_RESOURCE").ok()) else {
        out::complain("no resource: DRBD names it in DRBD_RESOURCE; by hand: ovzha fence-peer RESOURCE");
        return exit::USAGE;
    };
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let request = json!({ "command": "fence-peer", "resource": resource });
    let come = Instant::now() + COMES;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match control::ask(run_dir, &request, left, |_| ()) {
            Ok(Answer::Fenced(said)) => {
                out::line(&format!("{}: {}", out::clean(&resource), meaning(said)));
                return said;
            }
            Err(Trouble::NotRunning(_)) if Instant::now() < come.min(end) => sleep(AGAIN),
            answer => {
                // a daemon of an earlier release has no such command; whatever it was, DRBD hears of it as a failure
                control::tell(answer, "the daemon answered something else");
                return exit::FAILED;
            }
        }
    }
}

fn meaning(code: u8) -> String {
    let words = match code {
        3 => "the peer's disk is inconsistent, or it has none",
        4 => "the peer's disk is outdated",
        5 => "the peer is dead",
        6 => "the peer is Primary: this node's disk is the old one",
        7 => "the peer has no power, or a person said that its data don't count",
        _ => "an answer of another release",
    };
    format!("{words} ({code})")
}
