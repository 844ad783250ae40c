//! Moves bytes between the board's logic and one line, without ever waiting for it.

use ovzha_board_logic::board::Board;
use ovzha_core::id::NodeId;
use ovzha_core::serial::SerialBuf;
use ovzha_core::time::Instant;

use crate::uart::Line;

/// Bytes of one pass: what the line carries in 133 ms.
const TURN: u16 = 256;

/// Takes what came in.
pub fn hear(line: &Line, board: &mut Board<'_>, now: Instant, node: NodeId) {
    for _ in 0..TURN {
        let Some(byte) = line.next() else { break };
        board.hear(now, node, &[byte]);
    }
    // a break, or a byte without its stop bit: the frame around it fails by itself
    if line.was_damaged() {
        board.damaged(node);
    }
}

/// Hands over the next frame, if the line is free, and goes on with the one before.
pub fn speak(line: &Line, board: &mut Board<'_>, now: Instant, node: NodeId) {
    if line.is_free() {
        let mut out = SerialBuf::new();
        if let Some(bytes) = board.next(now, node, &mut out) {
            line.say(bytes);
        }
    }
    line.fill();
}
