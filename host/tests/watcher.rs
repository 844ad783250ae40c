//! The daemon's side of watching DRBD: a stand-in for the child, its pipe, its deaths and its silence.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant as Clock};

use ovzha_core::id::GroupId;
use ovzha_core::time::{Instant, Span};
use ovzha_host::drbd::{Connection, Disk, Proof, Role, State};
use ovzha_host::sys::{self, Interest, PollFd};
use ovzha_host::watcher::{Said, Watchers};

const CONNECTED: &str = "role=Secondary/Primary cstate=Connected dstate=UpToDate/UpToDate drbd=8";
const GROUP: GroupId = GroupId(3);

struct Bed {
    dir: PathBuf,
    watchers: Watchers,
    begun: Instant,
    /// How far the clock was moved on by hand.
    skipped: Span,
}

impl Bed {
    /// Two resources, watched by a program that does this; it notes how it was called, and its process.
    fn new(body: &str) -> Bed {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ovzha-watcher-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let program = dir.join("program");
        let head = format!(
            "#!/bin/sh\ncd {} || exit 99\necho \"$*\" >>calls; echo $$ >>pids\n",
            dir.display()
        );
        fs::write(&program, format!("{head}{body}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let begun = sys::boottime();
        let groups = vec![(GROUP, vec!["r0".to_owned(), "r1".to_owned()])];
        let watchers =
            Watchers::new(begun, groups, None).with_program(CString::new(program.as_os_str().as_bytes()).unwrap());
        Bed {
            dir,
            watchers,
            begun,
            skipped: Span::from_millis(0),
        }
    }

    fn now(&self) -> Instant {
        sys::boottime().after(self.skipped)
    }

    /// One round of the daemon's loop: wait, then all that was said.
    fn round(&mut self) -> Vec<Said> {
        let mut fds: Vec<PollFd> = self.watchers.fds().map(|fd| PollFd::new(fd, Interest::Read)).collect();
        let wait = self
            .watchers
            .next_wake()
            .map_or(Span::from_millis(20), |at| at.since(self.now()));
        sys::poll(&mut fds, Some(wait.min(Span::from_millis(20)))).unwrap();
        let now = self.now();
        self.watchers.tick(now);
        let mut said = Vec::new();
        while let Some((group, one)) = self.watchers.said(now) {
            assert_eq!(group, GROUP);
            said.push(one);
        }
        said
    }

    /// Rounds until this many things were said.
    fn said(&mut self, count: usize) -> Vec<Said> {
        let patience = Clock::now();
        let mut all = Vec::new();
        while all.len() < count {
            assert!(
                patience.elapsed() < Duration::from_secs(20),
                "only {all:?}; calls {}",
                self.calls()
            );
            all.extend(self.round());
        }
        all
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.dir.join("calls")).unwrap_or_default()
    }

    fn pids(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join("pids")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.dir));
    }
}

fn state(line: &str) -> Said {
    Said::State(State::parse_observed(line).unwrap())
}

fn is_there(pid: &str) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

#[test]
fn states_and_remarks_come_through_the_pipe_as_they_were_said() {
    let mut bed = Bed::new(&format!(
        "echo 'told r0 was down'; echo untold; printf 'role=Secondary/Primary cstate=Conn'; sleep 0.1\n\
         echo 'ected dstate=UpToDate/UpToDate drbd=8'; echo 'failed a\x1bb'; echo 'failed a\x1bb'; echo '{CONNECTED} proved=alone'; echo alive; exec sleep 60"
    ));
    assert!(!bed.watchers.is_watched(GROUP));
    assert_eq!(
        bed.said(4),
        [
            Said::Told("r0 was down".to_owned()),
            state(CONNECTED),
            Said::Failed("a\\u{1b}b".to_owned()),
            state(&format!("{CONNECTED} proved=alone")),
        ]
    );
    assert!(bed.watchers.is_watched(GROUP) && !bed.watchers.is_watched(GroupId(0)));
    assert_eq!(bed.calls(), "agent watch --up r0 r1\n");
    // what only the watching child can know is added to what a single look has seen
    let looked = |connection| {
        State::new(
            (Role::Secondary, Role::Unknown),
            connection,
            (Disk::UpToDate, Disk::Unknown),
        )
    };
    let alone = bed.watchers.complete(GROUP, looked(Connection::WfConnection));
    assert_eq!(alone.proved, Some(Proof::Alone));
    let met = bed.watchers.complete(GROUP, looked(Connection::Connected));
    assert_eq!(met.proved, None);
}

#[test]
fn a_child_that_ends_is_started_again_later_and_later_and_brings_nothing_up() {
    let mut bed = Bed::new("echo 'drbdadm is not installed'; exit 5");
    assert_eq!(bed.said(1), [Said::Ended("drbdadm is not installed".to_owned())]);
    // the same reason again and again is told once
    let begin = Clock::now();
    while bed.calls().lines().count() < 3 {
        assert_eq!(bed.round(), []);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
    // one second, then two
    assert!(begin.elapsed() > Duration::from_millis(2500), "{:?}", begin.elapsed());
    assert!(
        bed.calls().lines().all(|call| call == "agent watch --up r0 r1"),
        "{}",
        bed.calls()
    );
    assert!(!bed.watchers.is_watched(GROUP));
    let mut bed = Bed::new(&format!("echo '{CONNECTED}'; exit 0"));
    assert_eq!(
        bed.said(3),
        [state(CONNECTED), Said::Ended("it ended".to_owned()), state(CONNECTED)]
    );
    assert_eq!(bed.calls(), "agent watch --up r0 r1\nagent watch r0 r1\n");
}

#[test]
fn a_silent_child_is_ended_with_all_that_it_started() {
    let mut bed = Bed::new(&format!("echo '{CONNECTED}'; sleep 60 & echo $! >>pids; wait"));
    assert_eq!(bed.said(1), [state(CONNECTED)]);
    bed.skipped = Span::from_secs(14);
    assert_eq!(bed.round(), []);
    bed.skipped = Span::from_secs(16);
    assert_eq!(bed.said(1), [Said::Ended("it fell silent".to_owned())]);
    assert!(!bed.watchers.is_watched(GROUP));
    let pids = bed.pids();
    assert_eq!(pids.len(), 2);
    let begin = Clock::now();
    while pids.iter().any(|pid| is_there(pid)) {
        drop(bed.round());
        assert!(begin.elapsed() < Duration::from_secs(5), "{pids:?}");
    }
    // one that has told no state yet may be bringing up a resource
    let mut bed = Bed::new("echo untold; exec sleep 60");
    while bed.pids().is_empty() {
        assert_eq!(bed.round(), []);
    }
    bed.skipped = Span::from_secs(60);
    assert_eq!(bed.round(), []);
    bed.skipped = Span::from_secs(100);
    assert_eq!(bed.said(1), [Said::Ended("it fell silent".to_owned())]);
}

#[test]
fn a_flood_is_taken_in_bounded_rounds_and_a_line_without_end_is_the_end() {
    let mut bed = Bed::new(&format!("yes '{CONNECTED}' | head -n 100; exec sleep 60"));
    let mut rounds = 0;
    let mut all = 0;
    while all < 100 {
        let said = bed.round();
        assert!(said.len() <= 16, "{}", said.len());
        assert!(said.iter().all(|said| *said == state(CONNECTED)));
        (all, rounds) = (all + said.len(), rounds + 1);
        assert!(bed.now().since(bed.begun) < Span::from_secs(10), "{all} lines");
    }
    assert!(rounds >= 7);
    let mut bed = Bed::new("head -c 100000 /dev/zero | tr '\\0' x; exec sleep 60");
    assert_eq!(
        bed.said(1),
        [Said::Ended("it wrote a line of over 512 bytes".to_owned())]
    );
}

#[test]
fn before_a_re_exec_they_are_ended_and_reaped() {
    let mut bed = Bed::new(&format!("echo '{CONNECTED}'; exec sleep 60"));
    assert_eq!(bed.said(1), [state(CONNECTED)]);
    let now = bed.now();
    bed.watchers.stop(now);
    assert!(!is_there(&bed.pids()[0]), "not even a dead one is left");
    assert_eq!(bed.watchers.fds().count(), 0);
    // the exec failed: the daemon goes on, and so does the watching
    assert_eq!(bed.said(1), [state(CONNECTED)]);
    let pid = bed.pids()[1].clone();
    assert!(is_there(&pid));
    bed.watchers = Watchers::new(now, Vec::new(), None);
    assert!(!is_there(&pid), "a daemon that ends leaves none");
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let mut bed = Bed::new("");
    fs::remove_file(bed.dir.join("program")).unwrap();
    let said = bed.said(1);
    assert!(
        matches!(&said[..], [Said::Ended(why)] if why.contains("no such file")),
        "{said:?}"
    );
}
