//! Writes log lines without ever making the caller wait.
//!
//! Model: a line is formatted into a fixed buffer and sent without blocking to syslog (a datagram to /dev/log) and,
//! for files and standard error, through a pipe to a small writer child, which alone can hang on a full terminal or a
//! dead disk. What does not fit is dropped and counted, and the count is the next line that goes through.
//!
//! ```text
//! Log --datagram--> /dev/log
//!     --pipe-----> writer child (log/writer.rs) --> logfile, debugfile, stderr
//! ```

mod writer;

use std::fmt::{self, Write as _};
use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ovzha_core::time::{Instant, Span};

use crate::sys::{self, Pid};

/// Bytes of a line with all that stands before the text; longer text is cut.
pub const LINE_MAX: usize = 1024;
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
    syslog: Option<UnixDatagram>,
    writer: Option<Writer>,
    lost_syslog: u64,
    lost_writer: u64,
    restart_at: Instant,
}

#[derive(Debug)]
struct Writer {
    pipe: PipeWriter,
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

    /// Sends one line to every target that wants its level. Never blocks, never fails.
    pub fn line(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if self.targets.facility.is_some() && level != Level::Debug {
            self.through_syslog(level, text);
        }
        if self.targets.need_writer() {
            self.through_writer(level, text);
        }
    }

    /// A line that a person must act on.
    pub fn error(&mut self, text: fmt::Arguments<'_>) {
        self.line(Level::Error, text);
    }

    /// A line about what is not as it should be.
    pub fn warning(&mut self, text: fmt::Arguments<'_>) {
        self.line(Level::Warning, text);
    }

    /// A line about what happened.
    pub fn info(&mut self, text: fmt::Arguments<'_>) {
        self.line(Level::Info, text);
    }

    /// A line for the debugfile.
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
                self.syslog = connect_syslog(self.socket).ok();
            }
            let Some(socket) = &self.syslog else { return false };
            match socket.send(line.bytes()) {
                Ok(_) => return true,
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

fn connect_syslog(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

fn start_writer(targets: &Targets) -> io::Result<Writer> {
    let (input, pipe): (PipeReader, PipeWriter) = io::pipe()?;
    sys::set_nonblocking(&pipe)?;
    let pid = sys::fork_apart(input.as_fd(), || writer::run(io::stdin().lock(), targets))?;
    Ok(Writer { pipe, pid })
}

/// One line under construction: bounded, control characters escaped, cut at a whole character.
struct Line {
    bytes: [u8; LINE_MAX],
    used: usize,
    cut: bool,
}

/// Stands at the end of a line that was cut, before its newline.
const CUT: &[u8] = b"...";
/// What text may fill: room for `CUT` and the newline stays.
const TEXT_MAX: usize = LINE_MAX - CUT.len() - 1;

impl Line {
    const fn new() -> Self {
        Self {
            bytes: [0; LINE_MAX],
            used: 0,
            cut: false,
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.used) {
            *place = byte;
            self.used += 1;
        }
    }

    /// Appends text; once it is cut, nothing more goes in.
    fn put(&mut self, text: fmt::Arguments<'_>) {
        if self.write_fmt(text).is_err() && !self.cut {
            self.cut = true;
            for byte in CUT {
                self.push(*byte);
            }
        }
    }

    fn end(&mut self) {
        self.push(b'\n');
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let mut plain = [0; 4];
            let mut put = |piece: &str| {
                let end = self.used + piece.len();
                if self.cut || end > TEXT_MAX {
                    return Err(fmt::Error);
                }
                piece.bytes().for_each(|byte| self.push(byte));
                Ok(())
            };
            if c.is_control() {
                c.escape_default().try_for_each(|e| put(e.encode_utf8(&mut plain)))?;
            } else {
                put(c.encode_utf8(&mut plain))?;
            }
        }
        Ok(())
    }
}

/// A moment of the wall clock, UTC, as `2026-11-23T16:20:01.123Z`. For people only, never for a decision.
#[derive(Clone, Copy, Debug)]
pub struct Stamp(pub SystemTime);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, millis) = (since.as_secs(), since.subsec_millis());
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date_of(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

/// The date `days` after 1970-01-01, by years that begin on the first of March: so the leap day is the last.
const fn date_of(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01; 146,097 are 400 years
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // months from March have 31, 30, 31, 30, 31 days over and over: 153 in five
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
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
    use std::time::Duration;

    fn line(text: fmt::Arguments<'_>) -> String {
        let mut line = Line::new();
        line.put(text);
        line.end();
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    #[test]
    fn lines_are_escaped_and_cut_at_characters() {
        assert_eq!(line(format_args!("a\nb\x1b[1m\tü")), "a\\nb\\u{1b}[1m\\tü\n");
        let long = line(format_args!("{}", "ü".repeat(LINE_MAX)));
        assert!(long.len() <= LINE_MAX);
        assert!(long.ends_with("ü...\n"));
        let mut twice = Line::new();
        twice.put(format_args!("{}", "x".repeat(2 * LINE_MAX)));
        twice.put(format_args!("more"));
        assert!(twice.bytes().ends_with(b"xxx..."));
    }

    #[test]
    fn stamps_of_known_moments() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.123Z"),
            (951_782_400, "2000-02-29T00:00:00.123Z"),
            (1_154_632_181, "2006-08-03T19:09:41.123Z"),
            (1_795_450_801, "2026-11-23T16:20:01.123Z"),
            (4_107_542_400, "2100-03-01T00:00:00.123Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 123);
            assert_eq!(Stamp(time).to_string(), expected);
        }
    }

    #[test]
    fn syslog_may_come_and_go() {
        let path = std::env::temp_dir().join(format!("ovzha-devlog-{}", std::process::id()));
        let targets = Targets {
            facility: Facility::parse("daemon"),
            ..Targets::default()
        };
        let mut log = Log::open(targets, "n").unwrap();
        log.socket = Box::leak(path.clone().into_boxed_path());
        log.warning(format_args!("nobody listens"));
        log.warning(format_args!("nor now"));
        assert_eq!(log.lost(), (2, 0));
        let pid = std::process::id();
        let mut buffer = [0; 2048];
        let mut received = |socket: &UnixDatagram| {
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let syslog = UnixDatagram::bind(&path).unwrap();
        log.info(format_args!("link up"));
        log.debug(format_args!("not for syslog"));
        assert_eq!(
            received(&syslog),
            format!("<28>ovzha[{pid}]: warning: 2 log lines dropped")
        );
        assert_eq!(received(&syslog), format!("<30>ovzha[{pid}]: info: link up"));
        // restarted: another socket under the same name
        drop(syslog);
        std::fs::remove_file(&path).unwrap();
        let syslog = UnixDatagram::bind(&path).unwrap();
        log.error(format_args!("link down"));
        assert_eq!(received(&syslog), format!("<27>ovzha[{pid}]: error: link down"));
        // it hangs: lines are dropped, nobody waits
        for _ in 0..10_000 {
            log.info(format_args!("more"));
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
