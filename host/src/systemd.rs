//! Has systemd start or stop a unit, also while systemd stops everything.
//!
//! At shutdown the units below ovzha have a stop job that waits for ovzha's own end; a plain `systemctl stop` would wait
//! with it, and ovzha for both. So there the stop leaves the order of the jobs alone.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::program::{self, Deadline, Finished};

/// How long systemd may take to say how it is.
const QUESTION: Duration = Duration::from_secs(30);

/// Runs `systemctl VERB UNIT` and waits for the job.
///
/// # Errors
/// The program can't be run.
pub fn change(systemctl: &Path, verb: &str, unit: &str, deadline: Deadline) -> io::Result<Finished> {
    let stops_all = verb == "stop" && is_shutting_down(systemctl, deadline);
    let mode = stops_all.then_some("--job-mode=ignore-dependencies");
    let args: Vec<&str> = mode.into_iter().chain(["--no-ask-password", verb, unit]).collect();
    program::run(systemctl, &args, deadline)
}

/// Whether systemd is stopping everything; one that is too old to say counts as not.
fn is_shutting_down(systemctl: &Path, deadline: Deadline) -> bool {
    let asked = program::run(systemctl, &["is-system-running"], deadline.within(QUESTION));
    asked.is_ok_and(|finished| finished.stdout.trim() == "stopping")
}
