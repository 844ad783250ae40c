//! The ledger of `.ci/fuzz.sh`: what it adds up, and how it tells a crash, with a fuzzer that only says what it did.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/fuzz.sh");
/// Knows two targets: one is well, one fails; a third is interrupted.
const FAKE: &str = r#"#!/bin/bash
case $OVZHA_FUZZ in
    words) echo '"word"'; exit 0 ;;
    list) printf '%s\n' ledger-good ledger-bad; exit 1 ;;
esac
echo "stat::number_of_executed_units: 100"
case $OVZHA_FUZZ in
    ledger-bad) echo "artifact_prefix='x'; Test unit written to /the/input"; exit 77 ;;
    ledger-stopped) exit 72 ;;
esac
"#;

#[cfg(test)]
struct Scratch(PathBuf);

#[cfg(test)]
impl Scratch {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("ovzha-fuzz-ledger-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let fake = dir.join("fuzzer");
        fs::write(&fake, FAKE).unwrap();
        fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn run(&self, targets: &[&str]) -> Output {
        let mut script = Command::new(SCRIPT);
        script.arg("1").args(targets);
        script.env("OVZHA_FUZZER", self.0.join("fuzzer"));
        script.env("XDG_CACHE_HOME", &self.0).output().unwrap()
    }

    fn ledger(&self) -> PathBuf {
        self.0.join("ovzha/fuzz/ledger")
    }
}

#[cfg(test)]
impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The lines for machines, without the seconds: how long a run took is no matter here.
#[cfg(test)]
fn told(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter(|line| line.contains("total_executions="));
    let plain = |line: &str| -> String {
        let words = line.split(' ').filter(|word| !word.contains("seconds="));
        words.collect::<Vec<_>>().join(" ")
    };
    lines.map(plain).collect()
}

#[test]
fn executions_add_up_over_runs_and_a_crash_is_told() {
    let scratch = Scratch::new();
    let first = scratch.run(&["ledger-good"]);
    assert!(first.status.success(), "{first:?}");
    assert_eq!(
        told(&first),
        [
            "fuzz: target=ledger-good executions=100 crashes=0 total_executions=100",
            "fuzz: targets=1 executions=100 crashes=0 total_executions=100"
        ]
    );
    // a line that was torn by the end of a machine is left out, not added to
    let mut text = fs::read_to_string(scratch.ledger()).unwrap();
    assert_eq!(text.lines().count(), 1);
    text.push_str("time=2026-11-28T02:29:11Z commit=0 target=ledger-good execu");
    fs::write(scratch.ledger(), text).unwrap();

    let all = scratch.run(&[]);
    assert!(!all.status.success());
    assert_eq!(
        told(&all),
        [
            "fuzz: target=ledger-good executions=100 crashes=0 total_executions=200",
            "fuzz: target=ledger-bad executions=100 crashes=1 total_executions=100"
        ]
    );
    let text = String::from_utf8_lossy(&all.stdout).into_owned();
    let fuzzer = scratch.0.join("fuzzer");
    let repeat = format!("OVZHA_FUZZ=ledger-bad {} /the/input", fuzzer.display());
    assert!(text.contains(&repeat), "{text}");

    let stopped = scratch.run(&["ledger-stopped", "ledger-good"]);
    assert!(!stopped.status.success(), "an interrupt ends the step");
    assert_eq!(
        told(&stopped),
        ["fuzz: target=ledger-stopped executions=100 crashes=0 total_executions=100"]
    );
    assert_eq!(fs::read_to_string(scratch.ledger()).unwrap().lines().count(), 4);
    for name in ["ledger-good", "ledger-bad", "ledger-stopped"] {
        let log = format!("../target/fuzz/{name}.log");
        fs::remove_file(Path::new(env!("CARGO_MANIFEST_DIR")).join(log)).unwrap();
    }
}
