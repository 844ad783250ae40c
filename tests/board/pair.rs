//! What any bed of a board and two nodes can: let time pass, wait for something, ask the board over a cable.

use ovzha_board_logic::service::{self, Reply, Request, Status};
use ovzha_core::frame::FRAME_MAX;
use ovzha_core::serial::{Deframer, SerialBuf, encode};
use ovzha_core::time::Instant;

use crate::emulator::Emulator;
use crate::node::Node;

/// A step of all clocks.
pub const STEP_MS: u64 = 5;
/// Steps that the board has for an answer.
const PATIENCE: u16 = 400;

/// An admin's end of a cable: what came for him and was not taken yet.
#[derive(Default)]
pub struct Admin {
    deframer: Deframer,
    replies: Vec<Reply>,
}

impl Admin {
    /// Bytes came out of the board.
    pub fn hear(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(Ok(frame)) = self.deframer.push(*byte)
                && service::is_service(frame)
            {
                self.replies.extend(service::read::<Reply>(frame));
            }
        }
    }
}

/// A board, and the nodes that it is between.
pub trait Pair: Sized {
    fn board(&self) -> &Emulator;
    fn nodes(&self) -> &[Node; 2];
    /// A cable's end at the board, and the other one.
    fn cable(&mut self, line: usize) -> (&mut Emulator, &mut Admin);
    /// Moves everything once, and looks for what must never be.
    fn step(&mut self);

    fn now(&self) -> Instant {
        Instant::from_millis(self.board().us / 1000)
    }

    /// Lets so much time pass.
    fn run(&mut self, ms: u64) {
        let end = self.board().us + ms * 1000;
        while self.board().us < end {
            self.step();
        }
    }

    /// Until it is so, or this long; answers how long it took.
    fn until(&mut self, ms: u64, what: &str, mut so: impl FnMut(&Self) -> bool) -> u64 {
        let began = self.board().us;
        while !so(self) {
            assert!(
                self.board().us < began + ms * 1000,
                "not within {ms} ms: {what}\n{}",
                self.story()
            );
            self.step();
        }
        (self.board().us - began) / 1000
    }

    /// Which nodes have the group.
    fn active(&self) -> [bool; 2] {
        self.nodes().each_ref().map(Node::active)
    }

    /// Asks the board over a node's cable, as `ovzha board` does.
    fn ask(&mut self, line: usize, request: &Request) -> Reply {
        let (mut out, mut serial) = ([0; FRAME_MAX], SerialBuf::new());
        let frame = service::write(request, &mut out).unwrap();
        let (board, admin) = self.cable(line);
        board.feed(line, &[0]);
        board.feed(line, encode(frame, &mut serial).unwrap());
        admin.replies.clear();
        for _ in 0..PATIENCE {
            self.step();
            if let Some(reply) = self.cable(line).1.replies.pop() {
                return reply;
            }
        }
        panic!("the board does not answer\n{}", self.story());
    }

    fn status(&mut self) -> Status {
        match self.ask(0, &Request::Status) {
            Reply::Status(status) => status,
            reply @ (Reply::Done | Reply::Refused(_)) => panic!("{reply:?}"),
        }
    }

    /// What was told, for a failed case.
    fn story(&self) -> String {
        let nodes = self.nodes().iter().flat_map(|node| node.told.iter());
        let told: Vec<&str> = nodes.map(String::as_str).collect();
        let board = self.board();
        format!("{}\n{}\n{:?}", told.join("\n"), board.lines(), board.seen)
    }
}
