//! Runs programs of this machine.
use std::process::{Command, Stdio};

/// What a line of shell said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub text: String,
}

/// Runs a line of shell, for at most five minutes.
pub fn sh(line: &str) -> Said {
    let output = Command::new("timeout")
        .args(["300", "sh", "-c", line])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        ok: output.status.success(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

/// As `sh`; the test fails if the line does.
pub fn must(line: &str) -> String {
    let said = sh(line);
    assert!(said.ok, "{line}\n{}", said.text);
    said.text
}
