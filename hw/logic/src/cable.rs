//! Bytes between the board and one node's cable, without ever waiting for it.
//!
//! Model: a line is whatever reads and writes bytes as `embedded-io` has it. In each pass it is asked whether it is ready, and read
//! or written only then. A frame that it takes in pieces stays here; the board's next one is asked for when it has all of it. A line
//! that can't read tells of damage: the frame around it fails by itself. One that can't write loses the frame.

use embedded_io::{Read, ReadReady, Write, WriteReady};
use heapless::Vec;
use ovzha_core::id::NodeId;
use ovzha_core::serial::{SERIAL_MAX, SerialBuf};
use ovzha_core::time::Instant;

use crate::board::Board;

/// Bytes of one read: what a UART of the chip's kind holds.
const READ_LEN: usize = 32;
/// Reads and writes of one pass: all that a line of 19,200 baud carries in 0.4 s.
const TURNS: u8 = 24;

/// Takes what came in on a node's line.
pub fn hear<L: Read + ReadReady>(line: &mut L, board: &mut Board<'_>, now: Instant, node: NodeId) {
    let mut bytes = [0; READ_LEN];
    for _ in 0..TURNS {
        let read = match line.read_ready() {
            Ok(true) => line.read(&mut bytes),
            Ok(false) => return,
            Err(damage) => Err(damage),
        };
        match read.map(|count| bytes.get(..count)) {
            Ok(Some(bytes)) => board.hear(now, node, bytes),
            Ok(None) => return,
            Err(_) => board.damaged(node),
        }
    }
}

/// The frame that is on its way out. Unused it is all zeros, so that the image need not have it.
#[derive(Default)]
pub struct Sender {
    frame: Vec<u8, SERIAL_MAX>,
    /// How much of it the line has.
    written: usize,
}

impl Sender {
    /// Nothing is on its way.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frame: Vec::new(),
            written: 0,
        }
    }

    /// Goes on with the frame that is on its way to a node, or with the board's next one.
    pub fn speak<L: Write + WriteReady>(&mut self, line: &mut L, board: &mut Board<'_>, now: Instant, node: NodeId) {
        if self.written >= self.frame.len() {
            self.frame.clear();
            self.written = 0;
            let mut out = SerialBuf::new();
            let bytes = board.next(now, node, &mut out).unwrap_or_default();
            // as long as a frame may be, and no longer
            self.frame.extend_from_slice(bytes).unwrap_or(());
        }
        for _ in 0..TURNS {
            let rest = self.frame.get(self.written..).unwrap_or_default();
            if rest.is_empty() || matches!(line.write_ready(), Ok(false)) {
                return;
            }
            // what is lost is said again, or was a heartbeat, of which the next one is under way
            let count = line.write(rest).unwrap_or(rest.len());
            self.written = self.written.saturating_add(count);
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    extern crate std;

    use std::collections::VecDeque;

    use embedded_io::{ErrorKind, ErrorType};
    use ovzha_core::frame::FRAME_MAX;
    use ovzha_core::serial::{Deframer, encode};

    use super::*;
    use crate::board::{Lines, Start};
    use crate::service::{self, Cause, Reply, Request, Status};

    const NOW: Instant = Instant::from_millis(5);
    const HERE: NodeId = NodeId(1);

    /// A line that takes and gives so much at once. Waiting is a failure.
    #[derive(Default)]
    struct Fake {
        came: VecDeque<Result<u8, ErrorKind>>,
        piece: usize,
        room: usize,
        wrote: std::vec::Vec<u8>,
        broken: bool,
        calls: usize,
    }

    impl ErrorType for Fake {
        type Error = ErrorKind;
    }

    impl ReadReady for Fake {
        fn read_ready(&mut self) -> Result<bool, ErrorKind> {
            Ok(!self.came.is_empty())
        }
    }

    impl Read for Fake {
        fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
            self.calls += 1;
            self.came.front().copied().expect("it would wait for a byte")?;
            let count = self.came.iter().take_while(|it| it.is_ok()).count();
            let count = count.min(self.piece).min(into.len());
            for (to, byte) in into.iter_mut().zip(self.came.drain(..count)) {
                *to = byte.unwrap();
            }
            Ok(count)
        }
    }

    impl WriteReady for Fake {
        fn write_ready(&mut self) -> Result<bool, ErrorKind> {
            Ok(self.broken || self.room > 0)
        }
    }

    impl Write for Fake {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            self.calls += 1;
            if self.broken {
                return Err(ErrorKind::BrokenPipe);
            }
            assert!(self.room > 0, "it would wait for room");
            let count = bytes.len().min(self.room).min(self.piece);
            self.room -= count;
            self.wrote.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> Result<(), ErrorKind> {
            panic!("nobody waits until all is gone");
        }
    }

    fn board() -> Board<'static> {
        Board::new(Start {
            starts: Some(1),
            cause: Cause::Power,
            duty: None,
            lines: std::boxed::Box::leak(std::boxed::Box::<Lines>::default()),
            baud: 19_200,
        })
    }

    /// The question for the board's status, as it comes over a line.
    fn question() -> std::vec::Vec<Result<u8, ErrorKind>> {
        let (mut out, mut serial) = ([0; FRAME_MAX], SerialBuf::new());
        let frame = service::write(&Request::Status, &mut out).unwrap();
        encode(frame, &mut serial).unwrap().iter().copied().map(Ok).collect()
    }

    fn answers(bytes: &[u8]) -> std::vec::Vec<Status> {
        let mut deframer = Deframer::new();
        let replies = bytes
            .iter()
            .filter_map(|byte| Some(service::read::<Reply>(deframer.push(*byte)?.unwrap()).unwrap()));
        replies
            .map(|reply| match reply {
                Reply::Status(status) => status,
                reply @ (Reply::Done | Reply::Refused(_)) => panic!("{reply:?}"),
            })
            .collect()
    }

    #[test]
    fn a_frame_comes_and_goes_in_pieces_of_any_length() {
        for piece in [1, 2, 7, 31, 32, 33, 300] {
            let (mut board, mut sender) = (board(), Sender::new());
            let mut line = Fake {
                piece,
                ..Fake::default()
            };
            line.came.extend(question());
            for _ in 0..300 {
                line.room = piece;
                hear(&mut line, &mut board, NOW, HERE);
                sender.speak(&mut line, &mut board, NOW, HERE);
            }
            assert_eq!(answers(&line.wrote).len(), 1, "pieces of {piece}");
            assert!(line.came.is_empty());
        }
    }

    #[test]
    fn a_line_without_room_is_not_waited_for() {
        let (mut board, mut sender) = (board(), Sender::new());
        let mut line = Fake {
            piece: 32,
            room: 10,
            ..Fake::default()
        };
        line.came.extend(question());
        hear(&mut line, &mut board, NOW, HERE);
        for _ in 0..3 {
            sender.speak(&mut line, &mut board, NOW, HERE);
            assert_eq!(line.wrote.len(), 10);
        }
        line.room = SERIAL_MAX;
        sender.speak(&mut line, &mut board, NOW, HERE);
        assert_eq!(answers(&line.wrote).len(), 1);
    }

    #[test]
    fn damage_is_counted_and_what_comes_behind_it_is_heard() {
        let (mut board, mut sender) = (board(), Sender::new());
        let mut line = Fake {
            piece: 32,
            room: SERIAL_MAX,
            ..Fake::default()
        };
        line.came.push_back(Err(ErrorKind::InvalidData));
        hear(&mut line, &mut board, NOW, HERE);
        assert_eq!(
            line.calls,
            usize::from(TURNS),
            "a line that is never whole again does not hold the loop"
        );
        line.came.clear();
        line.came.extend(question());
        hear(&mut line, &mut board, NOW, HERE);
        sender.speak(&mut line, &mut board, NOW, HERE);
        let [status] = answers(&line.wrote).try_into().unwrap();
        assert_eq!(status.lines[usize::from(HERE.0)].noise, u32::from(TURNS));
    }

    #[test]
    fn a_line_that_fails_loses_a_frame_and_carries_the_next_one() {
        let (mut board, mut sender) = (board(), Sender::new());
        let mut line = Fake {
            piece: 32,
            room: SERIAL_MAX,
            broken: true,
            ..Fake::default()
        };
        line.came.extend(question());
        hear(&mut line, &mut board, NOW, HERE);
        sender.speak(&mut line, &mut board, NOW, HERE);
        line.broken = false;
        sender.speak(&mut line, &mut board, NOW, HERE);
        assert_eq!(line.wrote, []);
        let later = Instant::from_millis(1_000);
        line.came.extend(question());
        hear(&mut line, &mut board, later, HERE);
        sender.speak(&mut line, &mut board, later, HERE);
        assert_eq!(answers(&line.wrote).len(), 1);
    }
}
