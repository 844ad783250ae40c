//! Frames on a byte stream: COBS and a 0x00 after each frame.
//!
//! Model: 0x00 never occurs inside an encoded frame, so whatever a line carries, the next 0x00 is a boundary.
//! Noise costs at most the frame it is in. The decoder keeps one frame, never more, and skips a stretch that is
//! longer than any frame until the next boundary (PROTOCOL P-23 to P-27).

use embedded_io::Read;

use crate::frame::{FRAME_MAX, FrameBuf};
use crate::rejection::Rejection;

/// The byte between frames.
pub const DELIMITER: u8 = 0;
/// What a frame costs more on a serial line: one COBS code and the delimiter.
pub const SERIAL_OVERHEAD: usize = 2;
/// Longest frame on a serial line.
pub const SERIAL_MAX: usize = 256;

const _: () = assert!(SERIAL_MAX == FRAME_MAX.saturating_add(SERIAL_OVERHEAD));

/// Bytes that one [`pump`] reads.
const READ_LEN: usize = 64;

/// Room for one encoded frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SerialBuf([u8; SERIAL_MAX]);

impl SerialBuf {
    /// All zero.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; SERIAL_MAX])
    }
}

impl Default for SerialBuf {
    fn default() -> Self {
        Self::new()
    }
}

/// Encodes a frame and its delimiter into `out`: always [`SERIAL_OVERHEAD`] bytes longer than the frame.
///
/// None if the frame is longer than [`FRAME_MAX`].
pub fn encode<'b>(frame: &[u8], out: &'b mut SerialBuf) -> Option<&'b [u8]> {
    if frame.len() > FRAME_MAX {
        return None;
    }
    let len = frame.len().checked_add(SERIAL_OVERHEAD)?;
    let encoded = out.0.get_mut(..len)?;
    let mut to = encoded.iter_mut();
    // A run between zeros is at most 254 long, and only when it is the whole frame: its code 0xff then stands for
    // "no zero follows", every other code for "a zero follows, or the end". So one code a run is always right.
    for run in frame.split(|byte| *byte == 0) {
        *to.next()? = u8::try_from(run.len()).ok()?.checked_add(1)?;
        for byte in run {
            *to.next()? = *byte;
        }
    }
    *to.next()? = DELIMITER;
    Some(encoded)
}

/// What a piece of the stream gave. `rest` is what was not looked at yet: feed it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feed<'d, 'i> {
    /// All of it taken, no frame complete.
    Consumed,
    /// A whole frame, not yet checked for anything.
    Frame {
        /// Its bytes.
        frame: &'d [u8],
        /// The bytes after it.
        rest: &'i [u8],
    },
    /// Bytes that can be no frame.
    Rejected {
        /// Why.
        reason: Rejection,
        /// The bytes after the place where it showed.
        rest: &'i [u8],
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    More,
    Frame(usize),
    Rejected(Rejection),
}

/// The bytes since the last delimiter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stretch {
    Nothing,
    Frame,
    TooLong,
}

/// Finds frames in a byte stream.
#[derive(Clone, Debug)]
pub struct Deframer {
    frame: FrameBuf,
    /// Bytes of the frame decoded so far.
    len: usize,
    /// Bytes still to come before the next COBS code.
    left: u8,
    /// The last block stands for a zero if another block follows.
    zero_due: bool,
    /// What came since the last delimiter.
    stretch: Stretch,
    /// The last four bytes, to recognise Heartbeat's text wherever we begin to listen.
    tail: [u8; 4],
    /// Heartbeat's text was in this stretch.
    heartbeat: bool,
}

impl Deframer {
    /// At a boundary.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frame: FrameBuf::new(),
            len: 0,
            left: 0,
            zero_due: false,
            stretch: Stretch::Nothing,
            tail: [0; 4],
            heartbeat: false,
        }
    }

    /// Forgets an unfinished frame, as after the line was opened again.
    pub fn reset(&mut self) {
        self.len = 0;
        self.left = 0;
        self.zero_due = false;
        self.stretch = Stretch::Nothing;
        self.tail = [0; 4];
        self.heartbeat = false;
    }

    /// Takes bytes up to and including the first that completes or spoils a frame.
    pub fn feed<'d, 'i>(&'d mut self, input: &'i [u8]) -> Feed<'d, 'i> {
        let mut bytes = input.iter();
        while let Some(byte) = bytes.next() {
            let rest = bytes.as_slice();
            match self.take(*byte) {
                Step::More => {}
                Step::Frame(len) => {
                    return Feed::Frame {
                        frame: self.frame.filled(len),
                        rest,
                    };
                }
                Step::Rejected(reason) => return Feed::Rejected { reason, rest },
            }
        }
        Feed::Consumed
    }

    /// Takes one byte: `Some` when it ends a frame or shows that there is none.
    pub fn push(&mut self, byte: u8) -> Option<Result<&[u8], Rejection>> {
        match self.take(byte) {
            Step::More => None,
            Step::Frame(len) => Some(Ok(self.frame.filled(len))),
            Step::Rejected(reason) => Some(Err(reason)),
        }
    }

    fn take(&mut self, byte: u8) -> Step {
        if byte == DELIMITER {
            return self.boundary();
        }
        let heartbeat = self.notice_heartbeat(byte);
        if self.stretch == Stretch::TooLong {
            // Heartbeat sends no 0x00 at all, so each of its messages is told here or never.
            return if heartbeat {
                Step::Rejected(Rejection::Heartbeat)
            } else {
                Step::More
            };
        }
        self.stretch = Stretch::Frame;
        if self.decode(byte).is_none() {
            self.stretch = Stretch::TooLong;
            return Step::Rejected(self.reason(Rejection::TooLong));
        }
        Step::More
    }

    fn boundary(&mut self) -> Step {
        let step = match self.stretch {
            // Told when it became too long.
            Stretch::Nothing | Stretch::TooLong => Step::More,
            Stretch::Frame if self.left == 0 => Step::Frame(self.len),
            Stretch::Frame => Step::Rejected(self.reason(Rejection::Cobs)),
        };
        self.reset();
        step
    }

    /// None if the frame would grow too long.
    fn decode(&mut self, byte: u8) -> Option<()> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return self.append(byte);
        }
        if self.zero_due {
            self.append(0)?;
        }
        self.left = byte.saturating_sub(1);
        self.zero_due = byte != u8::MAX;
        Some(())
    }

    fn append(&mut self, byte: u8) -> Option<()> {
        *self.frame.bytes_mut().get_mut(self.len)? = byte;
        self.len = self.len.saturating_add(1);
        Some(())
    }

    /// Whether this byte ends the first line of a Heartbeat message.
    fn notice_heartbeat(&mut self, byte: u8) -> bool {
        let [_, b, c, d] = self.tail;
        self.tail = [b, c, d, byte];
        let found = crate::frame::is_heartbeat(&self.tail);
        self.heartbeat |= found;
        found
    }

    const fn reason(&self, otherwise: Rejection) -> Rejection {
        if self.heartbeat {
            Rejection::Heartbeat
        } else {
            otherwise
        }
    }
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads once from a line and hands every frame and every rejection in it to `sink`.
/// The amount of work is bounded: at most 64 bytes a call. Gives the number of bytes read, 0 at the line's end.
///
/// # Errors
/// What the line's read said.
pub fn pump<R: Read>(
    line: &mut R,
    deframer: &mut Deframer,
    mut sink: impl FnMut(Result<&[u8], Rejection>),
) -> Result<usize, R::Error> {
    let mut buffer = [0; READ_LEN];
    let count = line.read(&mut buffer)?;
    for byte in buffer.iter().take(count) {
        if let Some(result) = deframer.push(*byte) {
            sink(result);
        }
    }
    Ok(count)
}
