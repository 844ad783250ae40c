//! The witness over UDP, on a board with a W5500.
//!
//! The loop looks in each pass whether a datagram is there. A board whose W5500 does not answer goes on with its cables. Its
//! address comes by DHCP; a node is answered where it asks from, and spoken to where it was believed from.

use core::net::{Ipv4Addr, SocketAddrV4};

use ovzha_board_logic::board::Board;
use ovzha_board_logic::dhcp::{ANSWER_MAX, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, Dhcp, Lease};
use ovzha_core::frame::FRAME_MAX;
use ovzha_core::time::Instant;
use w5500_hl::ll::Sn;

use crate::store::Store;
use crate::w5500::{Chip, Socket};
use crate::{BOTH, clock};

/// As the nodes' own heartbeats.
const PORT: u16 = 694;
/// Datagrams of one pass.
const TURN: u8 = 4;
const EVERYBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::BROADCAST, DHCP_SERVER_PORT);

/// The network, if there is one.
pub struct Net {
    wired: Option<Wired>,
    ways: [Option<SocketAddrV4>; 2],
}

/// A chip that answers, and the board's address.
struct Wired {
    chip: Chip,
    heartbeats: Socket,
    address: Socket,
    dhcp: Dhcp,
}

impl Net {
    /// Brings the network up. A chip that does not answer costs a tenth of a second at the start, and no more.
    pub fn start(store: &mut Store) -> Self {
        Self {
            wired: Wired::start(store),
            ways: [None, None],
        }
    }

    /// Takes the datagrams that came in, and looks after the board's address.
    pub fn hear(&mut self, board: &mut Board<'_>, now: Instant) {
        let Some(wired) = &mut self.wired else { return };
        wired.look_after_address(now);
        // one byte more: a datagram that is longer than any frame is none
        let mut bytes = [0; FRAME_MAX + 1];
        for _ in 0..TURN {
            let Some((frame, from)) = wired.chip.receive(&wired.heartbeats, &mut bytes) else {
                return;
            };
            let Some((node, believed)) = board.datagram(now, frame) else {
                continue;
            };
            if believed && let Some(way) = self.ways.get_mut(usize::from(node.0)) {
                *way = Some(from);
            }
            if let Some(word) = board.word(node) {
                wired.chip.send(&mut wired.heartbeats, &word, &from);
            }
        }
    }

    /// Sends what the witness has to say.
    pub fn speak(&mut self, board: &mut Board<'_>) {
        let Some(wired) = &mut self.wired else { return };
        for (node, way) in BOTH.into_iter().zip(&self.ways) {
            // what can't be sent now is lost: the next word says the same
            if let (Some(way), Some(word)) = (way, board.word(node)) {
                wired.chip.send(&mut wired.heartbeats, &word, way);
            }
        }
    }
}

impl Wired {
    fn start(store: &mut Store) -> Option<Self> {
        // locally administered; the flash chip's own number makes it this board's
        let [_, _, mut hardware @ ..] = store.unique()?;
        hardware[0] = 2;
        let [_, _, number @ ..] = hardware;
        let number = u32::from_be_bytes(number);
        let mut chip = Chip::start(hardware)?;
        Some(Self {
            heartbeats: chip.open(Sn::Sn0, PORT),
            address: chip.open(Sn::Sn1, DHCP_CLIENT_PORT),
            chip,
            dhcp: Dhcp::new(hardware, number, clock::now()),
        })
    }

    #[inline(never)]
    fn look_after_address(&mut self, now: Instant) {
        let before = self.dhcp.lease();
        let mut bytes = [0; ANSWER_MAX];
        if let Some((answer, _)) = self.chip.receive(&self.address, &mut bytes) {
            self.dhcp.take(now, answer);
        }
        if let Some(ask) = self.dhcp.next(now) {
            self.chip.send(&mut self.address, &ask, &EVERYBODY);
        }
        let lease = self.dhcp.lease();
        if lease != before {
            let none = Lease {
                address: Ipv4Addr::UNSPECIFIED,
                mask: Ipv4Addr::UNSPECIFIED,
                router: Ipv4Addr::UNSPECIFIED,
            };
            let Lease { address, mask, router } = lease.unwrap_or(none);
            self.chip.set_address(address, mask, router);
        }
    }
}
