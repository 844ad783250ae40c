//! Runs one program inside an agent: argv only, a deadline, a bounded piece of its output.
//!
//! The agent is a child that may block, so this is plain waiting code. Three rules hold:
//! output goes to an unlinked file in memory and never to a pipe, because a daemon that a script leaves
//! behind must neither keep us waiting for end-of-file nor die of a closed pipe; done means the program
//! itself exited; and at the deadline the program is killed with all that it started. What is in an uninterruptible
//! sleep can't be, and a script whose children sleep so has ended, but not its work: the agent goes on to tell of it,
//! then stays with it ([`stay_with_stuck`]), so that nobody takes the operation for over while something of it may
//! still act.
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::sys::{self, Pid};

/// Where programs are looked for; the same on every node, whatever the caller's environment says.
pub const PATH: &str = "/sbin:/usr/sbin:/bin:/usr/bin";
/// The most of one output stream that is kept: its end, where programs say why they failed.
pub const OUTPUT_MAX: usize = 64 * 1024;
/// How large the file behind a stream may grow before it is cut.
const FILE_MAX: u64 = 1024 * 1024;
/// How long a killed program may take to vanish before it is left behind.
const KILL_WAIT: Duration = Duration::from_secs(2);
/// The longest line handed on as a reason.
const REASON_MAX: usize = 300;

/// A point in time until which one piece of work may last.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline that lies `span` from now.
    #[must_use]
    pub fn after(span: Duration) -> Deadline {
        Deadline(Instant::now() + span)
    }

    /// What is left; zero once it is over.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.remaining().is_zero()
    }

    /// An earlier deadline: `span` from now, or this one if that comes first.
    #[must_use]
    pub fn within(self, span: Duration) -> Deadline {
        Deadline(self.0.min(Instant::now() + span))
    }

    /// Waits `span`, or what is left; says whether any time remains afterwards.
    #[must_use]
    pub fn pause(self, span: Duration) -> bool {
        sleep(span.min(self.remaining()));
        !self.is_over()
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Exited(i32),
    /// A signal that we didn't send ended it.
    Signalled(i32),
    /// It was still running at the deadline and was killed.
    TimedOut,
    /// It was killed at the deadline and is still there, or a process that it started is: its id.
    Stuck(u32),
}

/// What a program left: how it ended, and the end of both streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// The end of its standard output.
    pub stdout: String,
    /// The end of its standard error.
    pub stderr: String,
}

impl Finished {
    /// Whether it exited with code 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.end == End::Exited(0)
    }

    /// Its own last words, or how it ended when it said nothing.
    #[must_use]
    pub fn reason(&self) -> String {
        let said = last_line(&self.stderr).or_else(|| last_line(&self.stdout));
        match (self.end, said) {
            (End::Exited(_) | End::Signalled(_), Some(line)) => one_line(line),
            (End::Exited(code), None) => format!("exit code {code} without a message"),
            (End::Signalled(signal), None) => format!("ended by signal {signal}"),
            (End::TimedOut, _) => "did not finish in time and was killed".to_owned(),
            (End::Stuck(pid), _) => format!("did not finish in time and can't be killed (process {pid})"),
        }
    }
}

/// The last line of `text` that isn't blank.
#[must_use]
pub fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// `text` as one bounded line without control characters, fit for a log and a status.
#[must_use]
pub fn one_line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(REASON_MAX).collect::<String>().trim().to_owned()
}

/// The program called `name` in [`PATH`], if there is one that may be executed.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    PATH.split(':')
        .map(|dir| Path::new(dir).join(name))
        .find(|path| is_executable(path))
}

/// Whether `path` is a regular file (links followed) that somebody may execute.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Runs `program` with `args` until it exits or `deadline` is over.
///
/// # Errors
/// When the program can't be started, or no place for its output can be made.
pub fn run(program: &Path, args: &[&str], deadline: Deadline) -> io::Result<Finished> {
    run_with_input(program, args, None, deadline)
}

/// As [`run`], with `input` as the program's standard input.
///
/// # Errors
/// As [`run`].
pub fn run_with_input(program: &Path, args: &[&str], input: Option<File>, deadline: Deadline) -> io::Result<Finished> {
    let mut command = Command::new(program);
    command.args(args).env("PATH", PATH).env("LC_ALL", "C").current_dir("/");
    command.stdin(input.map_or_else(Stdio::null, Stdio::from));
    capture(command, deadline)
}

/// As [`run`], with exactly the environment `env`.
///
/// # Errors
/// As [`run`].
pub fn run_in(program: &Path, args: &[&str], env: &[(&str, String)], deadline: Deadline) -> io::Result<Finished> {
    capture(bare(program, args, env), deadline)
}

/// As [`run_in`] for a program that may leave a service running: both streams go to our own standard error, which
/// whoever started this agent keeps small for as long as anything writes there. Only its last line is known then,
/// and only where that is a file.
///
/// # Errors
/// As [`run`].
pub fn run_leaving(program: &Path, args: &[&str], env: &[(&str, String)], deadline: Deadline) -> io::Result<Finished> {
    let own = || io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
    let mut command = bare(program, args, env);
    command.stdout(own()?).stderr(own()?);
    let output = File::open("/proc/self/fd/2").ok();
    let output = output.filter(|file| file.metadata().is_ok_and(|meta| meta.is_file()));
    let before = output.as_ref().map_or(0, length);
    let end = watch(command.spawn()?, deadline, &mut || {})?;
    let said = output.map_or_else(String::new, |file| {
        let now = length(&file);
        // shorter than before: it was cut back, and all that is left is new enough
        let from = if now < before { 0 } else { before };
        String::from_utf8_lossy(&tail(&file, from, now)).into_owned()
    });
    Ok(Finished {
        end,
        stdout: String::new(),
        stderr: said,
    })
}

/// A command with nothing of our environment.
fn bare(program: &Path, args: &[&str], env: &[(&str, String)]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().current_dir("/").stdin(Stdio::null());
    command.envs(env.iter().map(|(name, value)| (name, value)));
    command
}

/// Runs `command` and keeps the end of its two streams.
fn capture(mut command: Command, deadline: Deadline) -> io::Result<Finished> {
    let mut out = Capture::new()?;
    let mut err = Capture::new()?;
    command.stdout(out.stdio()?).stderr(err.stdio()?);
    let end = watch(command.spawn()?, deadline, &mut || {
        out.bound();
        err.bound();
    })?;
    Ok(Finished {
        end,
        stdout: out.into_text(),
        stderr: err.into_text(),
    })
}

/// Waits for `child`, calling `tick` now and then; kills it at the deadline.
fn watch(mut child: Child, deadline: Deadline, tick: &mut dyn FnMut()) -> io::Result<End> {
    let mut nap = Duration::from_millis(2);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(ended(status));
        }
        tick();
        if !deadline.pause(nap) {
            break;
        }
        nap = (nap * 2).min(Duration::from_millis(20));
    }
    // It may have exited in the last nap; then kill has nothing to do and wait tells the truth.
    child.kill()?;
    let patience = Deadline::after(KILL_WAIT);
    let mut left = end_group(patience);
    loop {
        let status = child.try_wait()?;
        left.retain(|pid| is_alive(*pid));
        let over = match (status.map(ended), left.first()) {
            (Some(End::Exited(code)), None) => Some(End::Exited(code)),
            (Some(_), None) => Some(End::TimedOut),
            (Some(_), Some(pid)) => patience.is_over().then_some(End::Stuck(*pid)),
            (None, _) => patience.is_over().then_some(End::Stuck(child.id())),
        };
        if let Some(end) = over {
            if matches!(end, End::Stuck(_)) {
                left.push(child.id());
                STUCK.lock().unwrap_or_else(PoisonError::into_inner).extend(left);
            }
            return Ok(end);
        }
        sleep(Duration::from_millis(20).min(patience.remaining()));
    }
}

/// Kills what a program that is being ended has started: everything else in the process group that this agent leads.
/// A script's children that went on alone would work against whatever is done next. An agent that leads no group was
/// started by hand, and its group is somebody else's. Answers what is left after `patience`.
fn end_group(patience: Deadline) -> Vec<u32> {
    let own = std::process::id();
    loop {
        let mut others = group_members(own);
        if !others.contains(&own) {
            return Vec::new();
        }
        others.retain(|pid| *pid != own);
        for pid in others.iter().filter_map(|pid| Pid::new(i32::try_from(*pid).ok()?)) {
            // one that is gone is what was wanted
            drop(sys::kill_process(pid, libc::SIGKILL));
        }
        if others.is_empty() || !patience.pause(Duration::from_millis(20)) {
            return others;
        }
    }
}

/// The living processes of the group `leader`.
fn group_members(leader: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| group_of_living(*pid) == Some(leader)).collect()
}

/// The process group of `pid`, unless it is dead.
fn group_of_living(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the command may hold blanks and brackets: fields count from the last bracket
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    fields.next().filter(|state| *state != "Z")?;
    fields.nth(1)?.parse().ok()
}

fn is_alive(pid: u32) -> bool {
    group_of_living(pid).is_some()
}

/// The processes that outlived their kill.
static STUCK: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Waits until no process that outlived its kill is left, or `deadline` is over; at once if there is none.
pub fn stay_with_stuck(deadline: Deadline) {
    let mut stuck = STUCK.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        stuck.retain(|pid| is_alive(*pid));
        if stuck.is_empty() || !deadline.pause(Duration::from_millis(100)) {
            return;
        }
    }
}

fn ended(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Signalled(signal),
        (None, None) => End::Signalled(0),
    }
}

/// An unlinked file that takes one output stream and is kept small.
struct Capture {
    file: File,
    /// The end of what was cut off so far.
    kept: Vec<u8>,
}

impl Capture {
    fn new() -> io::Result<Capture> {
        Ok(Capture {
            file: unlinked_file()?,
            kept: Vec::new(),
        })
    }

    fn stdio(&self) -> io::Result<Stdio> {
        Ok(Stdio::from(self.file.try_clone()?))
    }

    /// Cuts the file once it grew past its bound, keeping its end in memory.
    fn bound(&mut self) {
        let Ok(meta) = self.file.metadata() else { return };
        if meta.len() > FILE_MAX {
            self.kept = tail(&self.file, 0, meta.len());
            // A failed cut leaves the file longer until the next tick.
            drop(self.file.set_len(0));
        }
    }

    fn into_text(mut self) -> String {
        let tail = tail(&self.file, 0, length(&self.file));
        self.kept.extend_from_slice(&tail);
        let from = self.kept.len().saturating_sub(OUTPUT_MAX);
        String::from_utf8_lossy(&self.kept[from..]).into_owned()
    }
}

fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |meta| meta.len())
}

/// The bytes of `file` from `from` on, but of the last [`OUTPUT_MAX`] before `length` only.
fn tail(file: &File, from: u64, length: u64) -> Vec<u8> {
    let mut bytes = vec![0; OUTPUT_MAX];
    let from = from.max(length.saturating_sub(u64::try_from(OUTPUT_MAX).unwrap_or(u64::MAX)));
    let read = file.read_at(&mut bytes, from).unwrap_or(0);
    bytes.truncate(read);
    bytes
}

/// A file without a name, in memory where there is such a place.
///
/// # Errors
/// When no directory takes a file.
pub fn unlinked_file() -> io::Result<File> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for dir in ["/dev/shm", "/run", "/tmp"] {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(dir).join(format!(".ovzha-{}-{number}", std::process::id()));
        match OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, span: Duration) -> Finished {
        run(Path::new("/bin/sh"), &["-c", script], Deadline::after(span)).unwrap()
    }

    #[test]
    fn both_streams_and_the_code_come_back() {
        let finished = sh("echo out; echo err >&2; exit 11", Duration::from_secs(5));
        assert_eq!(finished.end, End::Exited(11));
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(finished.reason(), "err");
    }

    #[test]
    fn a_program_past_its_deadline_is_killed() {
        let begin = Instant::now();
        let finished = sh("exec sleep 30", Duration::from_millis(100));
        assert_eq!(finished.end, End::TimedOut);
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_program_left_behind_keeps_nobody_waiting() {
        let begin = Instant::now();
        let finished = sh("sleep 3 & echo started", Duration::from_secs(10));
        assert_eq!(finished.stdout, "started\n");
        assert!(begin.elapsed() < Duration::from_secs(2), "waited for end-of-file");
    }

    #[test]
    fn a_flood_of_output_is_cut_to_its_end() {
        let finished = sh(
            "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last",
            Duration::from_secs(20),
        );
        assert!(finished.stdout.len() <= OUTPUT_MAX);
        assert_eq!(last_line(&finished.stdout), Some("last"));
    }

    #[test]
    fn a_program_that_outlived_its_kill_is_stayed_with() {
        let mut child = Command::new("/bin/sleep").arg("0.3").spawn().unwrap();
        STUCK.lock().unwrap().push(child.id());
        let begin = Instant::now();
        stay_with_stuck(Deadline::after(Duration::from_millis(50)));
        assert!(
            begin.elapsed() < Duration::from_millis(250),
            "no longer than its deadline"
        );
        stay_with_stuck(Deadline::after(Duration::from_secs(10)));
        assert!(begin.elapsed() >= Duration::from_millis(300) && STUCK.lock().unwrap().is_empty());
        child.wait().unwrap();
    }

    #[test]
    fn a_reason_is_one_clean_line() {
        assert_eq!(one_line("a\tb\x1b[31m\n"), "a b [31m");
        assert_eq!(one_line(&"x".repeat(1000)).len(), REASON_MAX);
    }
}
