//! Questions to a board, and its answers, on a cable that also carries heartbeats.
//!
//! The port is taken for ourselves, so a daemon that uses it must be stopped before. Every wait has an end.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use ovzha_board_logic::service::{self, Reply, Request, Status};
use ovzha_core::frame::FRAME_MAX;
use ovzha_core::serial::{DELIMITER, Deframer, SerialBuf, encode};
use serialport::{ClearBuffer, SerialPort, TTYPort};

/// The board's speed (`hw/src/board.rs`).
pub const BAUD: u32 = 19_200;
/// The longest frame takes 134 ms each way; writing a record 50 to 400 ms.
const ANSWER: Duration = Duration::from_secs(2);
const TURN: Duration = Duration::from_millis(50);
/// Noise and a lost frame are common where a plug was just moved.
const TRIES: u8 = 3;

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// The port can't be opened.
    Open(serialport::Error),
    /// It failed.
    Port(io::Error),
    /// Nothing came in time.
    Silent,
    /// The question has no room in a frame.
    TooLong,
    /// What came is no answer to this question.
    Strange,
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) if error.kind() == serialport::ErrorKind::NoDevice => {
                f.write_str("another program has it: stop the daemon of this node while you talk to the board")
            }
            Self::Open(error) => write!(f, "it can't be opened: {error}"),
            Self::Port(error) => write!(f, "it failed: {error}"),
            Self::Silent => write!(
                f,
                "no board answered within {} s: is it powered, and is this the cable to it?",
                ANSWER.as_secs()
            ),
            Self::TooLong => f.write_str("the question is too long for a frame"),
            Self::Strange => f.write_str("what answered is no board of this release"),
        }
    }
}

impl std::error::Error for AskError {}

/// A cable to a board.
pub struct Port {
    tty: TTYPort,
    deframer: Deframer,
}

impl Port {
    /// Opens the port for ourselves.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(device: &str) -> Result<Self, AskError> {
        let settings = serialport::new(device, BAUD).timeout(TURN).exclusive(true);
        let tty = TTYPort::open(&settings).map_err(AskError::Open)?;
        Ok(Self {
            tty,
            deframer: Deframer::new(),
        })
    }

    /// Asks once: for orders, which a second try would find done.
    ///
    /// # Errors
    /// No answer, within two seconds.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, AskError> {
        let mut out = [0; FRAME_MAX];
        let frame = service::write(request, &mut out).ok_or(AskError::TooLong)?;
        let mut serial = SerialBuf::new();
        let bytes = encode(frame, &mut serial).ok_or(AskError::TooLong)?;
        // what stands in the buffers is of before; the delimiter ends whatever the board has heard so far
        let cleared = self.tty.clear(ClearBuffer::All);
        cleared.map_err(|error| AskError::Port(error.into()))?;
        self.deframer.reset();
        self.tty.write_all(&[DELIMITER]).map_err(AskError::Port)?;
        self.tty.write_all(bytes).map_err(AskError::Port)?;
        self.answer()
    }

    /// Asks how the board is, more than once if need be.
    ///
    /// # Errors
    /// No answer to any of the tries, or a strange one.
    pub fn status(&mut self) -> Result<Status, AskError> {
        let mut last = AskError::Silent;
        for _ in 0..TRIES {
            match self.ask(&Request::Status) {
                Ok(Reply::Status(status)) => return Ok(status),
                Ok(Reply::Done | Reply::Refused(_)) => last = AskError::Strange,
                Err(error @ (AskError::Silent | AskError::Strange)) => last = error,
                Err(error @ (AskError::Open(_) | AskError::Port(_) | AskError::TooLong)) => return Err(error),
            }
        }
        Err(last)
    }

    fn answer(&mut self) -> Result<Reply, AskError> {
        let end = Instant::now() + ANSWER;
        let mut bytes = [0; 64];
        while Instant::now() < end {
            let count = match self.tty.read(&mut bytes) {
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => 0,
                Err(error) => return Err(AskError::Port(error)),
            };
            for byte in bytes.iter().take(count) {
                let Some(Ok(frame)) = self.deframer.push(*byte) else {
                    continue;
                };
                // heartbeats and words of the witness go by
                if service::is_service(frame)
                    && let Some(reply) = service::read::<Reply>(frame)
                {
                    return Ok(reply);
                }
            }
        }
        Err(AskError::Silent)
    }
}
