//! `ovzha demo` run as a program: what it shows, and that nothing of it is left behind.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use fixture::{Scratch, daemon, demo, signal};

#[cfg(test)]
mod fixture {
    use std::fs;
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    /// A directory that a demo gets as its temporary one; after the demo nothing may be in it, nor name it.
    pub struct Scratch(pub PathBuf);

    impl Scratch {
        pub fn new(test: &str) -> Self {
            let dir = PathBuf::from(format!("/tmp/ovzha-test-{test}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }

        /// Files in it, and processes that have it on their command line.
        pub fn left(&self) -> Vec<String> {
            let mut left: Vec<String> = fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().path().display().to_string())
                .collect();
            for entry in fs::read_dir("/proc").unwrap().flatten() {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                if line.contains(self.0.to_str().unwrap()) {
                    left.push(line);
                }
            }
            left
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    /// The demo's own child with this word on its command line.
    pub fn daemon(parent: &Child, word: &str) -> String {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let mut pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let ours = format!("PPid:\t{}\n", parent.id());
        pids.find(|pid| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            line.contains(word) && String::from_utf8_lossy(&read("status")).contains(&ours)
        })
        .unwrap()
    }

    pub fn demo(scratch: &Scratch) -> Child {
        Command::new(env!("CARGO_BIN_EXE_ovzha"))
            .arg("demo")
            .env("TMPDIR", &scratch.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Sends a signal by its name to one process.
    pub fn signal(name: &str, pid: &str) {
        let sent = Command::new("kill").args(["-s", name, pid]).status();
        assert!(sent.unwrap().success());
    }
}

#[test]
fn it_shows_a_takeover_and_a_standby_and_cleans_up() {
    let scratch = Scratch::new("demo");
    let output = demo(&scratch).wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{shown}\n{told}");
    assert_eq!((scratch.left(), told.as_str()), (Vec::new(), ""));
    let mut rest = shown.as_str();
    for expected in [
        "ovz-node1   group active",
        "link 2: serial /dev/pts/",
        "takeover by ovz-node2",
        "last heartbeat of ovz-node1",
        "power cut of ovz-node1",
        "ovz-node1 is late",
        "ovz-node1 is dead",
        "group claiming (the peer is dead)",
        "start disk: done",
        "start mount: done",
        "start service: done",
        "group active",
        "ACTIVE      ovz-node2 (this node)",
        "ovzha standby",
        "stop service: done",
        "stop mount: done",
        "stop disk: done",
        "start disk: done",
        "ovz-node1   group active",
        "ACTIVE      ovz-node1 (this node)",
        "Measured",
    ] {
        let place = rest
            .find(expected)
            .unwrap_or_else(|| panic!("no {expected:?} in\n{rest}"));
        rest = &rest[place + expected.len()..];
    }
}

#[test]
fn ended_in_the_middle_it_leaves_nothing() {
    for name in ["INT", "TERM", "HUP", "KILL"] {
        let scratch = Scratch::new(&format!("demo-{name}"));
        let mut child = demo(&scratch);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("2. Power cut")), "{name}");
        signal(name, &child.id().to_string());
        let status = child.wait().unwrap();
        assert!(!status.success(), "{name}");
        // only a demo that was killed outright can't wait until all is swept
        let end = Instant::now() + Duration::from_secs(5);
        while name == "KILL" && !scratch.left().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(scratch.left(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_failure_is_told_and_the_logs_are_kept() {
    let scratch = Scratch::new("demo-failure");
    let mut child = demo(&scratch);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("2. Power cut")));
    signal("KILL", &daemon(&child, "daemon --node ovz-node2"));
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("the daemon of ovz-node2 ended by itself"), "{told}");
    let left = scratch.left();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(told.contains(&format!("logs are in {}/*/log", left[0])), "{told}");
    let log = std::fs::read_to_string(format!("{}/ovz-node2/log", left[0])).unwrap();
    assert!(log.contains("started on ovz-node2"), "{log}");
}

#[test]
fn a_directory_that_can_not_be_made_is_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_ovzha"))
        .arg("demo")
        .env("TMPDIR", "/nonexistent")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told.starts_with("ovzha: the demo can't start: /nonexistent/ovzha-demo-"),
        "{told}"
    );
}
