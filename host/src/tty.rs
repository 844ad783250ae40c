//! A serial heartbeat link on a tty.
//!
//! The line is slow and may be stopped (flow control, a peer that is down), so the danger is a backlog: old
//! heartbeats delivered late. Output therefore holds one keepalive's worth at most, counting what the kernel has
//! not sent yet; when newer output comes and older is still unsent after a keepalive, all of it is dropped in
//! both places and a delimiter goes out first, so that a frame cut in the middle costs only itself.
//!
//! Two descriptors of one device. `serialport` (4.10.1, read for this) opens without waiting for a carrier but
//! then clears `O_NONBLOCK`; its zero time-out polls before a read or write, yet a write longer than the room
//! left would wait. So bytes go through a descriptor of our own that stays non-blocking, opened first, and
//! `serialport` has the settings, the exclusive lock and the flushing. No break is ever sent.

pub use crate::open_error::{OpenError, OpenErrorKind};
use embedded_io::{ErrorKind, ErrorType};
use ovzha_core::serial::{DELIMITER, SERIAL_MAX, SerialBuf, encode};
use ovzha_core::time::{Instant, Span};
use serialport::{ClearBuffer, SerialPort, TTYPort};
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

/// First wait between two attempts to open the device; doubled up to `RETRY_MAX`.
pub const RETRY_MIN: Span = Span::from_millis(500);
/// Longest wait between two attempts.
pub const RETRY_MAX: Span = Span::from_secs(8);
/// Most unsent bytes kept on our side of the kernel: four of the longest frames.
const PENDING_MAX: usize = 4 * SERIAL_MAX;
/// Most unsent frames whose age is known; more of them at once count as a backlog.
const MARKS_MAX: usize = 32;

/// Where a link runs and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TtyConfig {
    /// The device, as in `serial /dev/ttyS0`.
    pub device: String,
    /// Bits per second, 8N1.
    pub baud: u32,
    /// Hardware flow control (RTS/CTS), for cables that need it.
    pub flow_control: bool,
    /// Output unsent for so long is dropped when newer comes.
    pub keepalive: Span,
}

/// What became of one `queue`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueResult {
    /// With the kernel or, for a moment, in our buffer.
    Queued,
    /// The same, and older unsent output was dropped for it.
    Flushed,
    /// Longer than any frame: dropped.
    TooLong,
    /// The link is not open, or was found hung up by this call: dropped.
    Closed,
}

/// Why there are no bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TtyError {
    /// Nothing arrived, or no room to write, for now. Not an end.
    NotNow,
    /// The link is closed; if it was open, it was found hung up by this call. `reopen` is wanted.
    Closed,
}

impl fmt::Display for TtyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNow => "nothing for now",
            Self::Closed => "the line is closed",
        })
    }
}

impl std::error::Error for TtyError {}

impl embedded_io::Error for TtyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotNow => ErrorKind::Other,
            Self::Closed => ErrorKind::NotConnected,
        }
    }
}

/// What happened on a link since the daemon started; survives reopening.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TtyCounters {
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes handed to the kernel.
    pub bytes_out: u64,
    /// Frames queued.
    pub frames: u64,
    /// Frames dropped, whole or in part, because newer ones came.
    pub flushed: u64,
    /// Frames dropped because the link was closed.
    pub closed: u64,
    /// How often the line was found hung up.
    pub hangups: u64,
    /// How often the device was opened.
    pub opened: u64,
    /// The last error number seen, 0 for none.
    pub last_errno: i32,
}

/// An open device. Dropping it drops what is unsent, because `close` of a serial device waits up to half a
/// minute for output that a stopped line will never send.
#[derive(Debug)]
struct Line {
    settings: TTYPort,
    bytes: File,
}

impl Drop for Line {
    fn drop(&mut self) {
        // a hung-up line refuses this, and has nothing left to wait for
        drop(self.settings.clear(ClearBuffer::Output));
    }
}

/// The end of one queued frame in the stream of all bytes ever queued.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    at: Instant,
}

/// One link; starts closed.
#[derive(Debug)]
pub struct TtyLink {
    config: TtyConfig,
    line: Option<Line>,
    pending: Vec<u8>,
    marks: VecDeque<Mark>,
    queued: u64,
    delimiter_due: bool,
    retry_at: Instant,
    retry_wait: Span,
    counters: TtyCounters,
}

impl TtyLink {
    /// A closed link; `reopen` opens it.
    #[must_use]
    pub fn new(config: TtyConfig) -> Self {
        Self {
            config,
            line: None,
            pending: Vec::with_capacity(PENDING_MAX),
            marks: VecDeque::with_capacity(MARKS_MAX),
            queued: 0,
            delimiter_due: true,
            retry_at: Instant::default(),
            retry_wait: RETRY_MIN,
            counters: TtyCounters::default(),
        }
    }

    /// Called with every tick: opens a closed link when its time has come. `None` if there was nothing to do.
    /// The wait grows with every attempt, whether it failed or the line hung up at once, and is short again
    /// after bytes arrived.
    pub fn reopen(&mut self, now: Instant) -> Option<Result<(), OpenError>> {
        if self.line.is_some() || now < self.retry_at {
            return None;
        }
        self.retry_at = now.after(self.retry_wait);
        self.retry_wait = self.retry_wait.times(2).min(RETRY_MAX);
        Some(match open_line(&self.config) {
            Ok(line) => {
                self.line = Some(line);
                self.counters.opened += 1;
                Ok(())
            }
            Err(error) => {
                self.counters.last_errno = error.errno();
                Err(error)
            }
        })
    }

    /// When a closed link is tried next.
    #[must_use]
    pub fn next_try(&self) -> Instant {
        self.retry_at
    }

    /// Encodes a frame for the line and queues it; never waits.
    pub fn queue(&mut self, frame: &[u8], now: Instant) -> QueueResult {
        if self.line.is_none() {
            self.counters.closed += 1;
            return QueueResult::Closed;
        }
        let mut encoded = SerialBuf::new();
        let Some(bytes) = encode(frame, &mut encoded) else {
            return QueueResult::TooLong;
        };
        let flushed = self.has_backlog(bytes.len(), now);
        if flushed {
            self.drop_output();
        }
        if self.delimiter_due {
            // ends whatever half a frame the peer may have seen of us
            self.pending.push(DELIMITER);
            self.queued += 1;
            self.delimiter_due = false;
        }
        self.pending.extend_from_slice(bytes);
        self.queued = self.queued.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
        self.marks.push_back(Mark {
            end: self.queued,
            at: now,
        });
        self.counters.frames += 1;
        match self.flush_pending() {
            Err(TtyError::Closed) => QueueResult::Closed,
            Ok(()) | Err(TtyError::NotNow) if flushed => QueueResult::Flushed,
            Ok(()) | Err(TtyError::NotNow) => QueueResult::Queued,
        }
    }

    /// Whether output is so old, or so much, that it has to go before `len` more bytes may be queued.
    fn has_backlog(&mut self, len: usize, now: Instant) -> bool {
        let unsent = self.unsent();
        let sent = self.queued.saturating_sub(unsent);
        while self.marks.front().is_some_and(|mark| mark.end <= sent) {
            self.marks.pop_front();
        }
        let old = self
            .marks
            .front()
            .is_some_and(|mark| now.since(mark.at) >= self.config.keepalive);
        // ten bits a byte; a single frame always fits, however slow the line
        let worth = u64::from(self.config.baud).saturating_mul(self.config.keepalive.as_millis()) / 10_000;
        let much = unsent > 0 && unsent > worth.max(u64::try_from(SERIAL_MAX).unwrap_or(0));
        let full = self.marks.len() >= MARKS_MAX || self.pending.len() + len + 1 > PENDING_MAX;
        old || much || full
    }

    /// Bytes that have not left this machine, as far as the kernel knows (a UART's own few are not counted).
    fn unsent(&self) -> u64 {
        let kernel = self.line.as_ref().and_then(|line| line.settings.bytes_to_write().ok());
        u64::from(kernel.unwrap_or(0)).saturating_add(u64::try_from(self.pending.len()).unwrap_or(0))
    }

    fn drop_output(&mut self) {
        if let Some(line) = &self.line {
            // a line that refuses is hung up, which the next write finds
            drop(line.settings.clear(ClearBuffer::Output));
        }
        self.forget_output();
    }

    fn forget_output(&mut self) {
        self.counters.flushed += u64::try_from(self.marks.len()).unwrap_or(0);
        self.marks.clear();
        self.pending.clear();
        self.delimiter_due = true;
    }

    /// Hands the kernel what it would not take before; to be called when `poll(2)` says so (see `wants_write`).
    ///
    /// # Errors
    /// `NotNow` if some is left, `Closed` if the line is.
    pub fn flush_pending(&mut self) -> Result<(), TtyError> {
        while !self.pending.is_empty() {
            let Some(line) = self.line.as_mut() else {
                return Err(TtyError::Closed);
            };
            match line.bytes.write(&self.pending) {
                Ok(0) => return Err(TtyError::NotNow),
                Ok(taken) => {
                    self.pending.drain(..taken);
                    self.counters.bytes_out += u64::try_from(taken).unwrap_or(0);
                }
                Err(error) => return Err(self.refused(&error)),
            }
        }
        Ok(())
    }

    /// Reads what has arrived, at most a bufferful; never waits and never gives 0 for a non-empty buffer.
    ///
    /// # Errors
    /// `NotNow` if nothing has arrived, `Closed` if the line is closed or just turned out to be hung up.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TtyError> {
        let Some(line) = self.line.as_mut() else {
            return Err(TtyError::Closed);
        };
        match line.bytes.read(buffer) {
            Ok(0) if buffer.is_empty() => Ok(0),
            // raw mode has no end-of-file: this is a hang-up
            Ok(0) => {
                self.hang_up(0);
                Err(TtyError::Closed)
            }
            Ok(count) => {
                self.counters.bytes_in += u64::try_from(count).unwrap_or(0);
                self.retry_wait = RETRY_MIN;
                Ok(count)
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// EIO is a hang-up, or a pty whose other side is closed; a removed device gives ENODEV or ENXIO. Whatever
    /// it is, opening the device again is the only cure there is.
    fn refused(&mut self, error: &io::Error) -> TtyError {
        match error.raw_os_error().unwrap_or(0) {
            libc::EAGAIN | libc::EINTR => TtyError::NotNow,
            number => {
                self.hang_up(number);
                TtyError::Closed
            }
        }
    }

    fn hang_up(&mut self, errno: i32) {
        self.counters.hangups += 1;
        self.counters.last_errno = errno;
        self.close();
    }

    /// Closes the line at once, dropping what is unsent.
    pub fn close(&mut self) {
        self.line = None;
        self.forget_output();
    }

    /// Whether `poll(2)` should also wait for room to write.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.line.is_some() && !self.pending.is_empty()
    }

    /// For `poll(2)`; `None` while closed. Changes with every opening.
    #[must_use]
    pub fn fd(&self) -> Option<RawFd> {
        self.line.as_ref().map(|line| line.bytes.as_raw_fd())
    }

    /// Whether the link is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.line.is_some()
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &TtyConfig {
        &self.config
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &TtyCounters {
        &self.counters
    }
}

impl ErrorType for TtyLink {
    type Error = TtyError;
}

/// For core's deframer. Unlike the trait's wording it never waits: `NotNow` instead.
impl embedded_io::Read for TtyLink {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TtyError> {
        Self::read(self, buffer)
    }
}

/// Raw bytes past the queue, for noise in tests and for tools; heartbeats go through `queue`.
impl embedded_io::Write for TtyLink {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, TtyError> {
        self.flush_pending()?;
        let Some(line) = self.line.as_mut() else {
            return Err(TtyError::Closed);
        };
        match line.bytes.write(bytes) {
            Ok(taken) => {
                self.counters.bytes_out += u64::try_from(taken).unwrap_or(0);
                Ok(taken)
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn flush(&mut self) -> Result<(), TtyError> {
        self.flush_pending()
    }
}

fn open_line(config: &TtyConfig) -> Result<Line, OpenError> {
    // O_NONBLOCK: not waiting for a carrier; O_NOCTTY: a hang-up must not become our SIGHUP
    let bytes = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(&config.device)
        .map_err(|e| told("can't open the device", e))?;
    let flow = if config.flow_control {
        serialport::FlowControl::Hardware
    } else {
        serialport::FlowControl::None
    };
    let settings = serialport::new(&config.device, config.baud)
        .data_bits(serialport::DataBits::Eight)
        .parity(serialport::Parity::None)
        .stop_bits(serialport::StopBits::One)
        .flow_control(flow)
        .exclusive(true);
    let settings = TTYPort::open(&settings).map_err(|e| {
        if e.kind() == serialport::ErrorKind::NoDevice {
            let busy = io::Error::from_raw_os_error(libc::EBUSY);
            return told("can't take the device for ourselves", busy);
        }
        told("can't set up the device", io::Error::from(e))
    })?;
    Ok(Line { settings, bytes })
}

fn told(step: &'static str, source: io::Error) -> OpenError {
    let (kind, hint) = match source.raw_os_error().unwrap_or(0) {
        libc::ENOENT => (OpenErrorKind::NotYet, " (no such device yet)"),
        libc::ENXIO | libc::ENODEV | libc::EIO => (OpenErrorKind::NotYet, " (nothing behind the device yet)"),
        libc::EBUSY => (OpenErrorKind::Busy, " (another process holds it; a getty?)"),
        libc::EPERM | libc::EACCES => (OpenErrorKind::Denied, " (needs root or the device's group)"),
        _ => (OpenErrorKind::Failed, ""),
    };
    OpenError::new(kind, step, hint, source)
}
