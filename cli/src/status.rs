//! `ovzha status`: fetches what the daemon knows and shows it.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::report::Report;
use crate::{control, exit, out, render, witness};

/// Shows the status, for people or as JSON. Gives the exit code.
pub fn run(run_dir: &Path, json: bool) -> u8 {
    let status = match control::status(run_dir) {
        Ok(status) => status,
        Err(trouble) => return trouble.tell(),
    };
    if json {
        out::line(&plain_json(&status));
        return exit::DONE;
    }
    if witness::is_witness(&status) {
        return match witness::show(&status) {
            Ok(text) => {
                out::text(&text);
                exit::DONE
            }
            Err(error) => {
                out::complain(&format!(
                    "the witness's status can't be understood: {error}; try --json"
                ));
                exit::FAILED
            }
        };
    }
    match Report::deserialize(&status) {
        Ok(report) => {
            out::text(&render::status(&report, out::coloured()));
            exit::DONE
        }
        Err(error) => {
            out::complain(&format!("the daemon's status can't be understood: {error}; try --json"));
            exit::FAILED
        }
    }
}

/// JSON over several lines. JSON itself escapes what is below blank; the rest that could steer a terminal is done here.
fn plain_json(status: &Value) -> String {
    let escaped = |c: char| {
        // A control character above ASCII's can only stand inside a string.
        if c.is_control() && c != '\n' {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    format!("{status:#}").chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::plain_json;
    use serde_json::{Value, json};

    #[test]
    fn json_stays_the_same_json_and_steers_no_terminal() {
        let status = json!({ "why": "a\u{9b}31m\x1b[2J\u{7f}" });
        let plain = plain_json(&status);
        assert!(!plain.chars().any(|c| c.is_control() && c != '\n'), "{plain:?}");
        assert_eq!(serde_json::from_str::<Value>(&plain).unwrap(), status);
    }
}
