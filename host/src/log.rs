//! Writes log lines without ever making the caller wait.
//!
//! Model: a line is formatted into a fixed buffer and sent without blocking to syslog (a datagram to /dev/log) and,
//! for files and standard error, through a pipe to a small writer child, which alone can hang on a full terminal or a
//! dead disk. What does not fit is dropped and counted, and the count is the next line that goes through.
//!
//! ```text
//! Log --datagram--> /dev/log (log/syslog.rs)
//!     --pipe-----> writer child (log/writer.rs) --> logfile, debugfile, stderr
//!     <--a byte--- when all that came before a flush is on the disk
//! ```

mod format;
mod syslog;
mod writer;

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ovzha_core::time::{Instant, Span};

use crate::sys::{self, Interest, Pid, PollFd};

use format::Line;
pub use format::Stamp;
use syslog::Syslog;

/// Bytes of a line with all that stands before the text; longer text is cut.
pub const LINE_MAX: usize = 1024;
/// Stands in the pipe for "bring all of it to the disk, then say so".
const FLUSH: u8 = b'F';
/// How long a dead writer child stays dead.
const WRITER_PAUSE: Span = Span::from_secs(10);
/// Repeated lines that a [`RateLimit`] knows apart.
const KEYS_MAX: usize = 32;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// A person is needed.
    Error,
    /// Not as it should be.
    Warning,
    /// What happened.
    Info,
    /// Only where somebody looks for something: the debugfile.
    Debug,
}

impl Level {
    const ALL: [Self; 4] = [Self::Error, Self::Warning, Self::Info, Self::Debug];

    /// As it stands in a line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// Its severity number in syslog.
    const fn severity(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Info => 6,
            Self::Debug => 7,
        }
    }

    /// The byte before a line in the pipe to the writer.
    const fn mark(self) -> u8 {
        match self {
            Self::Error => b'E',
            Self::Warning => b'W',
            Self::Info => b'I',
            Self::Debug => b'D',
        }
    }

    fn from_mark(mark: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.mark() == mark)
    }
}

/// A syslog facility, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facility(u8);

impl Facility {
    /// The facility that ha.cf's `logfacility` names; `None` for a word that is not one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        const WORDS: [&str; 12] = [
            "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
        ];
        if let Some(digit) = word.strip_prefix("local") {
            let digit = digit.parse::<u8>().ok().filter(|d| *d < 8)?;
            return Some(Self(16 + digit));
        }
        let word = if word == "security" { "auth" } else { word };
        let place = WORDS.iter().position(|w| *w == word)?;
        u8::try_from(place).ok().map(Self)
    }

    /// The facility of this number, 0 to 23.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        (number < 24).then_some(Self(number))
    }
}

/// Where lines go. All that are set get them; with none set, nothing is logged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Targets {
    /// Syslog, for all but debug lines.
    pub facility: Option<Facility>,
    /// A file, for all but debug lines.
    pub logfile: Option<PathBuf>,
    /// A file, for all lines.
    pub debugfile: Option<PathBuf>,
    /// Standard error, for all but debug lines.
    pub stderr: bool,
}

impl Targets {
    const fn need_writer(&self) -> bool {
        self.logfile.is_some() || self.debugfile.is_some() || self.stderr
    }
}

/// The daemon's log.
#[derive(Debug)]
pub struct Log {
    targets: Targets,
    node: String,
    pid: u32,
    /// Where syslog listens.
    socket: &'static Path,
    syslog: Option<Syslog>,
    writer: Option<Writer>,
    lost_syslog: u64,
    lost_writer: u64,
    restart_at: Instant,
}

#[derive(Debug)]
struct Writer {
    pipe: PipeWriter,
    done: PipeReader,
    pid: Pid,
}

impl Log {
    /// Opens the log. Forks the writer child if one is needed: so call it before memory is locked, priority raised or
    /// another thread started. `node` is the name that stands in every line of a file.
    ///
    /// # Errors
    /// No pipe or no process for the writer. A syslog that is not there is no error: it is tried again.
    pub fn open(targets: Targets, node: &str) -> io::Result<Self> {
        let mut log = Self {
            socket: Path::new("/dev/log"),
            syslog: None,
            writer: None,
            node: node.to_owned(),
            pid: sys::own_pid(),
            lost_syslog: 0,
            lost_writer: 0,
            restart_at: Instant::default(),
            targets,
        };
        if log.targets.need_writer() {
            log.writer = Some(start_writer(&log.targets)?);
        }
        Ok(log)
    }

    /// One of the daemon's own lines. Never blocks, never fails.
    pub fn say(&mut self, line: &crate::line::Line<'_>) {
        self.line(line.level(), format_args!("{line}"));
    }

    /// A line that tells of a notice.
    pub fn tell(&mut self, told: &crate::told::Told) {
        self.line(told.level(), format_args!("{}", told.text()));
    }

    /// Sends one line to every target that wants its level. Private: what is logged stands in `line` or in `told`, and
    /// those in `docs/LOGS.md`.
    fn line(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if self.targets.facility.is_some() && level != Level::Debug {
            self.through_syslog(level, text);
        }
        if self.targets.need_writer() {
            self.through_writer(level, text);
        }
    }

    /// A line for the debugfile, which no catalogue lists.
    pub fn debug(&mut self, text: fmt::Arguments<'_>) {
        self.line(Level::Debug, text);
    }

    /// Lines dropped and not yet told: to syslog, to the writer.
    #[must_use]
    pub const fn lost(&self) -> (u64, u64) {
        (self.lost_syslog, self.lost_writer)
    }

    /// The writer child, if there is one: not to be taken for a stranger.
    #[must_use]
    pub fn writer_pid(&self) -> Option<Pid> {
        self.writer.as_ref().map(|w| w.pid)
    }

    /// Gives what was logged a chance to survive a reset that follows at once: waits until the writer has it on the
    /// disk, at most for `most`; all of `most` where syslog must run to send it on. Answers whether the files have it.
    pub fn flush(&mut self, most: Span) -> bool {
        let end = sys::boottime().after(most);
        let mut done = false;
        if let Some(writer) = &mut self.writer {
            let asked = writer.pipe.write(&[FLUSH, b'\n']).is_ok();
            done = asked && answered(&writer.done, end);
        }
        if self.targets.facility.is_some() {
            pause(None, end);
        }
        done
    }

    fn through_syslog(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if self.lost_syslog > 0 {
            let lost = self.lost_syslog;
            if !self.send_datagram(Level::Warning, format_args!("{lost} log lines dropped")) {
                self.lost_syslog = lost.saturating_add(1);
                return;
            }
            self.lost_syslog = 0;
        }
        if !self.send_datagram(level, text) {
            self.lost_syslog = self.lost_syslog.saturating_add(1);
        }
    }

    fn send_datagram(&mut self, level: Level, text: fmt::Arguments<'_>) -> bool {
        let Facility(facility) = self.targets.facility.unwrap_or(Facility(3));
        let priority = u32::from(facility) * 8 + u32::from(level.severity());
        let mut line = Line::new();
        // no time stamp: the receiver puts its own, in its own zone
        line.put(format_args!("<{priority}>ovzha[{}]: {}: ", self.pid, level.word()));
        line.put(text);
        // a syslog that was restarted has a new socket under the old name
        for _ in 0..2 {
            if self.syslog.is_none() {
                self.syslog = Syslog::connect(self.socket).ok();
            }
            let Some(socket) = &mut self.syslog else { return false };
            match socket.send(&mut line) {
                Ok(()) => return true,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => self.syslog = None,
            }
        }
        false
    }

    fn through_writer(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if self.lost_writer > 0 {
            let lost = self.lost_writer;
            if !self.send_line(Level::Warning, format_args!("{lost} log lines dropped")) {
                self.lost_writer = lost.saturating_add(1);
                return;
            }
            self.lost_writer = 0;
        }
        if !self.send_line(level, text) {
            self.lost_writer = self.lost_writer.saturating_add(1);
        }
    }

    fn send_line(&mut self, level: Level, text: fmt::Arguments<'_>) -> bool {
        let mut line = Line::new();
        line.push(level.mark());
        line.put(format_args!(
            "{} {} ovzha[{}]: {}: ",
            Stamp(SystemTime::now()),
            self.node,
            self.pid,
            level.word()
        ));
        line.put(text);
        line.end();
        // all or nothing: a line is shorter than PIPE_BUF
        let Some(writer) = &mut self.writer else {
            self.restart_writer();
            return false;
        };
        match writer.pipe.write(line.bytes()) {
            Ok(_) => true,
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.restart_writer();
                false
            }
            Err(_) => false,
        }
    }

    /// Somebody ended the writer: starts another, but not at once again and again.
    fn restart_writer(&mut self) {
        let now = sys::boottime();
        if now < self.restart_at {
            return;
        }
        self.restart_at = now.after(WRITER_PAUSE);
        if let Some(dead) = self.writer.take() {
            // fetched so that it is no zombie; it is dead, or will be init's
            drop(sys::wait_for(dead.pid));
        }
        self.writer = start_writer(&self.targets).ok();
    }
}

fn start_writer(targets: &Targets) -> io::Result<Writer> {
    let (input, pipe): (PipeReader, PipeWriter) = io::pipe()?;
    let (done, answer): (PipeReader, PipeWriter) = io::pipe()?;
    sys::set_nonblocking(&pipe)?;
    sys::set_nonblocking(&done)?;
    let pid = sys::fork_apart(input.as_fd(), answer.as_fd(), |answer| {
        writer::run(io::stdin().lock(), answer, targets);
    })?;
    Ok(Writer { pipe, done, pid })
}

/// Waits for the writer's byte until `end`.
fn answered(mut done: &PipeReader, end: Instant) -> bool {
    loop {
        match done.read(&mut [0; 16]) {
            Ok(count) => return count > 0,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && sys::boottime() < end => pause(Some(done), end),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// Waits until `end`, or until there is something to read.
fn pause(until_read: Option<&PipeReader>, end: Instant) {
    let fd = until_read.map_or(-1, AsRawFd::as_raw_fd);
    loop {
        let mut fds = [PollFd::new(fd, Interest::Read)];
        let left = end.since(sys::boottime());
        match sys::poll(&mut fds, Some(left)) {
            // a signal cuts a wait short
            Ok(0) if sys::boottime() < end => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Lets a line that repeats through once in a while. Bounded: with too many keys the longest unseen is forgotten.
#[derive(Debug, Default)]
pub struct RateLimit {
    keys: [Option<Seen>; KEYS_MAX],
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    key: u64,
    passed: Instant,
    held: u32,
}

impl RateLimit {
    /// None seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a line of this `key` may go now, at most once in `every`: then how many were held back since the last.
    pub fn pass(&mut self, now: Instant, key: &str, every: Span) -> Option<u32> {
        // FNV-1a: two keys that collide share a limit, which costs a line
        let key = key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        if let Some(seen) = self.keys.iter_mut().flatten().find(|s| s.key == key) {
            if now < seen.passed.after(every) {
                seen.held = seen.held.saturating_add(1);
                return None;
            }
            seen.passed = now;
            return Some(std::mem::take(&mut seen.held));
        }
        let oldest = self.keys.iter_mut().min_by_key(|s| s.map(|s| s.passed));
        if let Some(place) = oldest {
            *place = Some(Seen {
                key,
                passed: now,
                held: 0,
            });
        }
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syslog_may_come_and_go() {
        let path = std::env::temp_dir().join(format!("ovzha-devlog-{}", std::process::id()));
        let targets = Targets {
            facility: Facility::parse("daemon"),
            ..Targets::default()
        };
        let mut log = Log::open(targets, "n").unwrap();
        log.socket = Box::leak(path.clone().into_boxed_path());
        log.line(Level::Warning, format_args!("nobody listens"));
        log.line(Level::Warning, format_args!("nor now"));
        assert_eq!(log.lost(), (2, 0));
        let pid = std::process::id();
        let mut buffer = [0; 2048];
        let mut received = |socket: &std::os::unix::net::UnixDatagram| {
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let syslog = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        log.line(Level::Info, format_args!("link up"));
        log.debug(format_args!("not for syslog"));
        assert_eq!(
            received(&syslog),
            format!("<28>ovzha[{pid}]: warning: 2 log lines dropped")
        );
        assert_eq!(received(&syslog), format!("<30>ovzha[{pid}]: info: link up"));
        // restarted: another socket under the same name
        drop(syslog);
        std::fs::remove_file(&path).unwrap();
        let syslog = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        log.line(Level::Error, format_args!("link down"));
        assert_eq!(received(&syslog), format!("<27>ovzha[{pid}]: error: link down"));
        // it hangs: lines are dropped, nobody waits
        for _ in 0..10_000 {
            log.line(Level::Info, format_args!("more"));
        }
        assert!(log.lost().0 > 0);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn facilities_of_ha_cf() {
        assert_eq!(Facility::parse("daemon"), Some(Facility(3)));
        assert_eq!(Facility::parse("authpriv"), Some(Facility(10)));
        assert_eq!(Facility::parse("local7"), Some(Facility(23)));
        assert_eq!(Facility::parse("local8"), None);
        assert_eq!(Facility::parse("none"), None);
    }

    #[test]
    fn repeated_lines_pass_once_in_a_while() {
        let mut limit = RateLimit::new();
        let every = Span::from_secs(60);
        let at = Instant::from_millis;
        assert_eq!(limit.pass(at(0), "bad frame", every), Some(0));
        assert_eq!(limit.pass(at(1), "bad frame", every), None);
        assert_eq!(limit.pass(at(59_999), "bad frame", every), None);
        assert_eq!(limit.pass(at(2), "other", every), Some(0));
        assert_eq!(limit.pass(at(60_000), "bad frame", every), Some(2));
        for n in 0..1000 {
            assert_eq!(limit.pass(at(70_000 + n), &format!("key {n}"), every), Some(0));
        }
    }
}
