//! `ovzha clear`: forgets that a group failed here, so that it may be started here again.

use std::path::Path;

use serde_json::json;

use crate::control::{self, SOON};
use crate::out;

/// Clears the group with this number or name. Gives the exit code.
pub fn run(run_dir: &Path, group: &str) -> u8 {
    // a daemon of an earlier release knows numbers alone
    let request = match group.parse::<u8>() {
        Ok(number) => json!({ "command": "clear", "group": number }),
        Err(_) => json!({ "command": "clear", "group": group }),
    };
    let done = format!("cleared: {} may be started here again", out::clean(group));
    control::tell(control::ask(run_dir, &request, SOON, |_| ()), &done)
}
