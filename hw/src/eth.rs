//! The witness over UDP, on a board with a W5500.
//!
//! The loop looks in each pass whether a datagram is there. A board whose W5500 does not answer goes on with its cables. Its
//! address comes by DHCP; a node is answered where it asks from, and spoken to where it was believed from.

use ovzha_board_logic::board::Board;
use ovzha_board_logic::dhcp::{ANSWER_MAX, CLIENT_PORT, Dhcp, Lease, SERVER_PORT};
use ovzha_core::frame::FRAME_MAX;
use ovzha_core::time::Instant;

use crate::store::Store;
use crate::w5500::{self, ADDRESS, HEARTBEATS, Way};
use crate::{BOTH, clock};

/// As the nodes' own heartbeats.
const PORT: u16 = 694;
/// Datagrams of one pass.
const TURN: u8 = 4;
const EVERYBODY: Way = Way {
    address: [255; 4],
    port: SERVER_PORT,
};

/// The network, if there is one.
pub struct Net {
    dhcp: Option<Dhcp>,
    ways: [Option<Way>; 2],
    asking: bool,
    speaking: bool,
}

impl Net {
    /// Brings the network up. A chip that does not answer costs a tenth of a second at the start, and no more.
    pub fn start(store: &mut Store) -> Self {
        let unique = store.unique();
        // locally administered; the flash chip's own number makes it this board's
        let [_, _, mut hardware @ ..] = unique.unwrap_or_default();
        hardware[0] = 2;
        let there = unique.is_some() && w5500::start(hardware);
        if there {
            HEARTBEATS.open(PORT);
            ADDRESS.open(CLIENT_PORT);
        }
        let [_, _, number @ ..] = hardware;
        let number = u32::from_be_bytes(number);
        Self {
            dhcp: there.then(|| Dhcp::new(hardware, number, clock::now())),
            ways: [None, None],
            asking: false,
            speaking: false,
        }
    }

    /// Takes the datagrams that came in, and looks after the board's address.
    pub fn hear(&mut self, board: &mut Board<'_>, now: Instant) {
        self.address(now);
        if self.dhcp.is_none() {
            return;
        }
        // one byte more: a datagram that is longer than any frame is none
        let mut bytes = [0; FRAME_MAX + 1];
        for _ in 0..TURN {
            let Some((frame, from)) = HEARTBEATS.receive(&mut bytes) else {
                return;
            };
            let Some((node, believed)) = board.datagram(now, frame) else {
                continue;
            };
            if believed && let Some(way) = self.ways.get_mut(usize::from(node.0)) {
                *way = Some(from);
            }
            if let Some(word) = board.word(node) {
                HEARTBEATS.send(&word, from, &mut self.speaking);
            }
        }
    }

    /// Sends what the witness has to say.
    pub fn speak(&mut self, board: &mut Board<'_>) {
        for (node, way) in BOTH.into_iter().zip(&self.ways) {
            // what can't be sent now is lost: the next word says the same
            if let (Some(way), Some(word)) = (way, board.word(node)) {
                HEARTBEATS.send(&word, *way, &mut self.speaking);
            }
        }
    }

    #[inline(never)]
    fn address(&mut self, now: Instant) {
        let Some(dhcp) = &mut self.dhcp else { return };
        let before = dhcp.lease();
        let mut bytes = [0; ANSWER_MAX];
        if let Some((answer, _)) = ADDRESS.receive(&mut bytes) {
            dhcp.take(now, answer);
        }
        if let Some(ask) = dhcp.next(now) {
            ADDRESS.send(&ask, EVERYBODY, &mut self.asking);
        }
        let lease = dhcp.lease();
        if lease != before {
            let none = Lease {
                address: [0; 4],
                mask: [0; 4],
                router: [0; 4],
            };
            let Lease { address, mask, router } = lease.unwrap_or(none);
            w5500::set_address(address, mask, router);
        }
    }
}
