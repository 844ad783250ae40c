//! The log with its real writer child.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ovzha_core::time::Span;
use ovzha_host::line::Line;
use ovzha_host::log::{Log, Targets};
use ovzha_host::sys::{self, boottime};

/// Longer than any test should take, even on a busy machine.
const LONG: Span = Span::from_secs(60);

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ovzha-log-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn to_file(path: &Path) -> Log {
    let targets = Targets {
        logfile: Some(path.to_owned()),
        ..Targets::default()
    };
    Log::open(targets, "ovz-node1").unwrap()
}

/// Any line will do.
fn info(log: &mut Log, text: &str) {
    log.say(&Line::Standing(text));
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = boottime().after(LONG);
    while !done() {
        assert!(boottime() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Closes the log and waits for its writer to end.
fn finish(log: Log) {
    let writer = log.writer_pid().unwrap();
    drop(log);
    wait_until("the writer ends with the daemon", || {
        sys::wait_for(writer).is_ok_and(|ended| ended == Some(sys::Ended::Code(0)))
    });
}

#[test]
fn lines_reach_their_files() {
    let scratch = Scratch::new("lines");
    let (logfile, debugfile) = (scratch.path("log"), scratch.path("debug"));
    let targets = Targets {
        logfile: Some(logfile.clone()),
        debugfile: Some(debugfile.clone()),
        ..Targets::default()
    };
    let mut log = Log::open(targets, "ovz-node1").unwrap();
    info(&mut log, "link eth1 up");
    log.debug(format_args!("detail\nof two lines"));
    log.say(&Line::Problem(&"x".repeat(3000)));
    finish(log);
    let (main, all) = (text(&logfile), text(&debugfile));
    assert_eq!((main.lines().count(), all.lines().count()), (2, 3));
    let first = main.lines().next().unwrap();
    let expected = format!(" ovz-node1 ovzha[{}]: info: link eth1 up", std::process::id());
    assert_eq!(&first[24..], expected, "{first}");
    assert!(first[..24].ends_with('Z'));
    assert!(all.contains("debug: detail\\nof two lines\n"));
    assert!(main.ends_with("xxx...\n"));
}

#[test]
fn a_rotated_file_is_opened_anew() {
    let scratch = Scratch::new("rotated");
    let (path, moved) = (scratch.path("log"), scratch.path("log.1"));
    let mut log = to_file(&path);
    info(&mut log, "one");
    wait_until("the first line", || text(&path).contains("one"));
    fs::rename(&path, &moved).unwrap();
    info(&mut log, "two");
    finish(log);
    assert!(text(&moved).contains("one") && !text(&moved).contains("two"));
    assert!(text(&path).contains("two") && !text(&path).contains("one"));
}

#[test]
fn a_file_that_cannot_be_written_yet_is_tried_again() {
    let scratch = Scratch::new("later");
    let path = scratch.path("dir/log");
    // every write to this one fails as on a full disk
    std::os::unix::fs::symlink("/dev/full", scratch.path("full")).unwrap();
    let targets = Targets {
        logfile: Some(path.clone()),
        debugfile: Some(scratch.path("full")),
        ..Targets::default()
    };
    let mut log = Log::open(targets, "n").unwrap();
    info(&mut log, "one");
    info(&mut log, "two");
    // the first line to arrive shows that the two before it were tried
    wait_until("a line arrives", || {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        info(&mut log, "later");
        std::thread::sleep(Duration::from_millis(20));
        text(&path).contains("later")
    });
    finish(log);
    let shown = text(&path);
    let lost = shown.lines().next().unwrap();
    assert!(
        lost.ends_with("log lines could not be written here)") || lost.ends_with("one"),
        "{shown}"
    );
}

#[test]
fn a_hanging_disk_costs_lines_never_time() {
    let scratch = Scratch::new("hang");
    let path = scratch.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    // nobody reads the fifo: the writer hangs in open, the pipe to it fills
    let mut log = to_file(&path);
    for n in 0..5000 {
        info(&mut log, &format!("line {n} {}", "x".repeat(100)));
    }
    let (_, lost) = log.lost();
    assert!(lost > 0 && lost < 5000, "{lost}");
    let reader = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut all = String::new();
            fs::File::open(path).unwrap().read_to_string(&mut all).unwrap();
            all
        }
    });
    wait_until("there is room again", || {
        info(&mut log, "after");
        log.lost().1 == 0
    });
    finish(log);
    let all = reader.join().unwrap();
    let notices = all.lines().filter_map(|l| l.strip_suffix(" log lines dropped"));
    let told: u64 = notices
        .map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    let arrived = u64::try_from(all.lines().filter(|l| l.contains(": line ")).count()).unwrap();
    assert!(told >= lost, "{told}");
    assert!(arrived + told >= 5000, "{arrived} arrived, {told} told");
    assert!(all.ends_with("info: after\n"));
    // what did arrive is whole
    assert!(all.lines().all(|l| l.contains(" ovz-node1 ovzha[")));
}

#[test]
fn a_killed_writer_is_replaced() {
    let scratch = Scratch::new("killed");
    let path = scratch.path("log");
    let mut log = to_file(&path);
    let first = log.writer_pid().unwrap();
    sys::kill_child(first, libc::SIGKILL).unwrap();
    wait_until("another writer", || {
        info(&mut log, "hello");
        log.writer_pid().is_some_and(|pid| pid != first)
    });
    info(&mut log, "again");
    finish(log);
    assert!(text(&path).contains("log lines dropped"));
    assert!(text(&path).ends_with("again\n"));
}

#[test]
fn a_flush_waits_for_the_file() {
    let scratch = Scratch::new("flush");
    let path = scratch.path("log");
    let mut log = to_file(&path);
    for n in 0..100 {
        info(&mut log, &format!("line {n}"));
    }
    log.say(&Line::Problem("the last one"));
    assert!(log.flush(LONG), "the writer did not answer");
    assert!(text(&path).ends_with("error: the last one\n"));
    // and it goes on
    info(&mut log, "after all");
    assert!(log.flush(LONG));
    finish(log);
    assert!(text(&path).ends_with("info: after all\n"));
}

#[test]
fn a_flush_to_a_hanging_disk_takes_its_time_and_no_more() {
    let scratch = Scratch::new("flush-hang");
    let path = scratch.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let mut log = to_file(&path);
    log.say(&Line::Problem("nobody reads this"));
    let begin = boottime();
    let most = Span::from_millis(50);
    assert!(!log.flush(most));
    assert!(boottime() >= begin.after(most), "given up early");
    sys::kill_child(log.writer_pid().unwrap(), libc::SIGKILL).unwrap();
}
