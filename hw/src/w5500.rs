//! The W5500: an Ethernet chip that speaks IP and UDP itself, behind an SPI.
//!
//! Model: two of its eight sockets are used, for UDP. It resolves addresses by itself, within 0.1 s as it is set here; one datagram of a
//! socket is under way at a time. Nothing here waits for the network: what can't go out now is lost.

use core::net::{Ipv4Addr, SocketAddrV4};

use w5500_hl::Udp;
use w5500_hl::io::{Read, Seek};
use w5500_hl::ll::eh1::vdm::W5500;
use w5500_hl::ll::net::Eui48Addr;
use w5500_hl::ll::{Mode, Protocol, Registers, Sn, SocketCommand, SocketInterrupt, SocketMode, VERSION};

use crate::board::{SPI, SPI_PINS, W5500_RESET, W5500_SELECT};
use crate::spi::Device;
use crate::{clock, watchdog};

/// How long an answer to a question for an address is waited for, in 0.1 ms, and how often it is asked again.
const PATIENCE: u16 = 500;
const AGAIN: u8 = 1;
/// Its reset must be low for 0.5 ms; then it needs 1 ms at the least, and 60 ms until the wire is there.
const RESET_US: u64 = 1_000;
const READY_US: u64 = 100_000;

/// The chip. Its accesses can't fail, for an SPI ends them whatever is wired to it.
pub struct Chip(W5500<Device>);

/// One of its sockets.
pub struct Socket {
    number: Sn,
    /// A datagram of it was not sent yet, nor given up.
    under_way: bool,
}

impl Chip {
    /// Starts it, with this address on the wire. None: there is none.
    pub fn start(hardware: [u8; 6]) -> Option<Self> {
        let mut chip = W5500::new(Device::start(SPI, &SPI_PINS, W5500_SELECT));
        W5500_RESET.output(false);
        clock::sleep(clock::micros().saturating_add(RESET_US));
        W5500_RESET.output(true);
        watchdog::feed();
        clock::sleep(clock::micros().saturating_add(READY_US));
        if chip.version() != Ok(VERSION) {
            return None;
        }
        let Ok(()) = chip.set_mr(Mode::DEFAULT);
        let Ok(()) = chip.set_shar(&Eui48Addr { octets: hardware });
        let Ok(()) = chip.set_rtr(PATIENCE);
        let Ok(()) = chip.set_rcr(AGAIN);
        Some(Self(chip))
    }

    /// Its address.
    pub fn set_address(&mut self, address: Ipv4Addr, mask: Ipv4Addr, router: Ipv4Addr) {
        let Ok(()) = self.0.set_gar(&router);
        let Ok(()) = self.0.set_subr(&mask);
        let Ok(()) = self.0.set_sipr(&address);
    }

    /// Opens a socket on a port, for UDP.
    pub fn open(&mut self, number: Sn, port: u16) -> Socket {
        // not `udp_bind`, which waits for ever for a chip that stopped answering
        let Ok(()) = self
            .0
            .set_sn_mr(number, SocketMode::DEFAULT.set_protocol(Protocol::Udp));
        let Ok(()) = self.0.set_sn_port(number, port);
        let Ok(()) = self.0.set_sn_cr(number, SocketCommand::Open);
        Socket {
            number,
            under_way: false,
        }
    }

    /// The next datagram that came in, as much of it as there is room for, and from where. None: there is none.
    pub fn receive<'b>(&mut self, socket: &Socket, into: &'b mut [u8]) -> Option<(&'b [u8], SocketAddrV4)> {
        let mut reader = self.0.udp_reader(socket.number).ok()?;
        let (length, from) = (reader.stream_len(), reader.header().origin);
        // one that is said to be longer than all that came is none, and all of it goes: what comes next begins with a head again
        let whole = length == reader.header().len;
        let room = into.len().min(usize::from(length));
        let bytes = into.get_mut(..room)?;
        reader.read_exact(bytes).ok()?;
        let Ok(()) = reader.done();
        whole.then_some((bytes, from))
    }

    /// Sends a datagram, unless another one is still under way.
    pub fn send(&mut self, socket: &mut Socket, bytes: &[u8], to: &SocketAddrV4) {
        if socket.under_way {
            let Ok(events) = self.0.sn_ir(socket.number);
            // sent, or given up: nobody has the address
            if !events.sendok_raised() && !events.timeout_raised() {
                return;
            }
            let over = SocketInterrupt::SENDOK_MASK | SocketInterrupt::TIMEOUT_MASK;
            let Ok(()) = self.0.set_sn_ir(socket.number, over);
        }
        // none of ours is as long as its buffer, which is empty now
        let Ok(sent) = self.0.udp_send_to_if_free(socket.number, bytes, to);
        socket.under_way = sent > 0;
    }
}
