//! `ovzha clear`: forgets that a group failed here, so that it may be started here again.

use std::path::Path;

use serde_json::{Value, json};

use crate::control::{self, SOON};
use crate::{exit, out};

/// Clears the group with this number or name. Gives the exit code.
pub fn run(run_dir: &Path, group: &str) -> u8 {
    let number = match group.parse::<u8>() {
        Ok(number) => number,
        Err(_) => match control::status(run_dir) {
            Ok(status) => match named(&status, group) {
                Ok(number) => number,
                Err(wrong) => {
                    out::complain(&wrong);
                    return exit::FAILED;
                }
            },
            Err(trouble) => return trouble.tell(),
        },
    };
    let request = json!({ "command": "clear", "group": number });
    let done = format!("cleared: group {number} may be started here again");
    control::tell(control::ask(run_dir, &request, SOON, |_| ()), &done)
}

/// The number of the group called `name`.
fn named(status: &Value, name: &str) -> Result<u8, String> {
    let groups = status.get("groups").and_then(Value::as_array);
    let mut known = Vec::new();
    for group in groups.into_iter().flatten() {
        let have = group.get("name").and_then(Value::as_str).unwrap_or_default();
        let number = group
            .get("number")
            .and_then(Value::as_u64)
            .and_then(|n| u8::try_from(n).ok());
        if let Some(number) = number.filter(|_| have == name) {
            return Ok(number);
        }
        known.push(have);
    }
    let text = format!("no group is called {name}; known: {}", known.join(", "));
    Err(out::clean(&text))
}
