//! Cleans up after the demo, however the demo ends.
//!
//! A child of its own waits for the end of its standard input, which comes when the demo closes it or dies, be it by
//! SIGKILL. Then it ends every process that has the demo's directory on its command line (the daemons, their log
//! writers and agents; the directory's name is like no other), and removes the directory, unless it was told to keep it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ovzha_host::sys::{self, Pid};

use crate::exit;

/// SIGKILL, the same number on every Linux.
const KILL: i32 = 9;
/// How long killed processes may take to vanish.
const PATIENCE: Duration = Duration::from_secs(5);
/// Told on standard input: leave the directory, there is something to look at.
const KEEP: &[u8] = b"keep";

/// The child, seen from the demo.
#[derive(Debug)]
pub struct Sweeper {
    child: Child,
    line: Option<ChildStdin>,
}

impl Sweeper {
    /// Starts the child for `dir`.
    pub fn start(program: &Path, dir: &Path) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg("demo")
            .arg("--sweep")
            .arg(dir)
            .stdin(Stdio::piped())
            // Ctrl-C is for the demo: whoever cleans up after it must outlive it
            .process_group(0)
            .spawn()?;
        let line = child.stdin.take();
        Ok(Self { child, line })
    }

    /// Lets it sweep and waits for the end of that; with `keep` the directory stays. Says whether all is gone.
    pub fn sweep(mut self, keep: bool) -> bool {
        if let Some(mut line) = self.line.take()
            && keep
        {
            // a child that is gone keeps the directory, too
            drop(line.write_all(KEEP));
        }
        let end = Instant::now() + PATIENCE * 2;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => sleep(Duration::from_millis(5)),
                Err(_) => return false,
            }
        }
        false
    }
}

/// The child itself. Gives the exit code.
pub fn run(dir: &Path) -> u8 {
    let mut told = Vec::new();
    // a broken pipe is an end, too
    drop(io::stdin().lock().take(16).read_to_end(&mut told));
    let end = Instant::now() + PATIENCE;
    let mut gone = false;
    while !gone && Instant::now() < end {
        let left = processes(dir);
        for pid in &left {
            // one that ended meanwhile needs no signal
            drop(sys::kill_process(*pid, KILL));
        }
        gone = left.is_empty();
        if !gone {
            sleep(Duration::from_millis(10));
        }
    }
    let removed = told == KEEP || fs::remove_dir_all(dir).is_ok();
    if gone && removed { exit::DONE } else { exit::FAILED }
}

/// The processes but this one that have `dir` on their command line.
fn processes(dir: &Path) -> Vec<Pid> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own)
        .filter(|pid| names(*pid, dir.as_os_str()))
        .filter_map(Pid::new)
        .collect()
}

/// Whether `dir` stands on the command line of a process. A dead one that nobody has reaped has none.
fn names(pid: i32, dir: &OsStr) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.windows(dir.len()).any(|part| part == dir.as_bytes())
}
