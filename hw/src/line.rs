//! Moves bytes between the board's logic and one UART, without ever waiting for it.

use embassy_futures::poll_once;
use embedded_io_async::{Read, Write};
use ovzha_board_logic::board::Board;
use ovzha_core::id::NodeId;
use ovzha_core::serial::SerialBuf;
use ovzha_core::time::Instant;

/// Reads of one pass: all that its buffer holds, which may lie in two pieces.
const READS: u8 = 8;
/// Writes of one frame: its buffer may have room in two pieces.
const WRITES: u8 = 3;
const PIECE: usize = 64;

/// Takes what came in.
pub fn hear<R: Read>(line: &mut R, board: &mut Board<'_>, now: Instant, node: NodeId) {
    let mut bytes = [0; PIECE];
    for _ in 0..READS {
        match poll_once(line.read(&mut bytes)) {
            core::task::Poll::Pending => return,
            core::task::Poll::Ready(Ok(count)) => board.hear(now, node, bytes.get(..count).unwrap_or(&[])),
            // a break, or a byte without its stop bit: the frame around it fails by itself
            core::task::Poll::Ready(Err(_)) => board.damaged(node),
        }
    }
}

/// Hands over the next frame, if the line is free.
pub fn speak<W: Write>(line: &mut W, board: &mut Board<'_>, now: Instant, node: NodeId) {
    let mut out = SerialBuf::new();
    let Some(mut rest) = board.next(now, node, &mut out) else {
        return;
    };
    for _ in 0..WRITES {
        if rest.is_empty() {
            return;
        }
        match poll_once(line.write(rest)) {
            core::task::Poll::Ready(Ok(count)) => rest = rest.get(count..).unwrap_or(&[]),
            // a line that stands still: what does not fit is lost, and the next frame says the same
            core::task::Poll::Ready(Err(_)) | core::task::Poll::Pending => return,
        }
    }
}
