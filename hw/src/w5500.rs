//! The W5500: an Ethernet chip that speaks IP and UDP itself, behind an SPI.
//!
//! Model: registers and buffers in blocks, each access an address, a block, then bytes. Two of its eight sockets are used, for UDP.
//! It resolves addresses by itself, within 0.1 s as it is set here; one datagram of a socket is under way at a time. Nothing here
//! waits for the network: what can't go out now is lost.

use crate::board::{SPI, SPI_PINS, W5500_RESET, W5500_SELECT};
use crate::{clock, watchdog};

/// 125 MHz by this: 31.25 MHz, of 33.3 that the chip takes.
const SPI_DIVIDER: u8 = 4;
const COMMON: u8 = 0;
const MODE: u16 = 0x00;
const ROUTER: u16 = 0x01;
const HARDWARE: u16 = 0x09;
const RETRY: u16 = 0x19;
const VERSION: u16 = 0x39;
/// What the version register of this chip says.
const W5500: u8 = 4;
/// How long an answer to a question for an address is waited for, in 0.1 ms, and how often it is asked again.
const PATIENCE: [u8; 3] = [1, 0xf4, 1];

const SOCKET_UDP: [u8; 2] = [0x02, OPEN];
const SOCKET_COMMAND: u16 = 0x01;
const SOCKET_EVENTS: u16 = 0x02;
const SOCKET_PORT: u16 = 0x04;
const SOCKET_TO: u16 = 0x0c;
const SOCKET_FREE: u16 = 0x20;
const SOCKET_WRITE: u16 = 0x24;
const SOCKET_CAME: u16 = 0x26;
const SOCKET_READ: u16 = 0x28;
const OPEN: u8 = 0x01;
const SEND: u8 = 0x20;
const RECEIVED: u8 = 0x40;
/// Sent, or given up: nobody has the address.
const SENT_OR_LOST: u8 = 0x18;
/// Before each datagram in the buffer: from where, and how long.
const HEAD: u16 = 8;

/// Its reset must be low for 0.5 ms; then it needs 1 ms at the least, and 60 ms until the wire is there.
const RESET_US: u64 = 1_000;
const READY_US: u64 = 100_000;

/// Where a datagram came from, or goes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The address.
    pub address: [u8; 4],
    /// The port.
    pub port: u16,
}

/// One of its sockets.
#[derive(Clone, Copy)]
pub struct Socket {
    registers: u8,
    out: u8,
    into: u8,
}

/// For the witness.
pub const HEARTBEATS: Socket = Socket {
    registers: 1,
    out: 2,
    into: 3,
};
/// For the board's address.
pub const ADDRESS: Socket = Socket {
    registers: 5,
    out: 6,
    into: 7,
};

/// Starts it, with this address on the wire. False: there is none.
pub fn start(hardware: [u8; 6]) -> bool {
    for pin in &SPI_PINS {
        pin.spi();
    }
    W5500_SELECT.output(true);
    SPI.cpsr().write(|it| it.set_cpsdvsr(SPI_DIVIDER));
    // eight bits, the clock low at rest
    SPI.cr0().write(|it| it.set_dss(7));
    SPI.cr1().write(|it| it.set_sse(true));
    W5500_RESET.output(false);
    clock::sleep(clock::micros().saturating_add(RESET_US));
    W5500_RESET.output(true);
    watchdog::feed();
    clock::sleep(clock::micros().saturating_add(READY_US));
    let mut version = [0];
    read(COMMON, VERSION, &mut version);
    if version != [W5500] {
        return false;
    }
    write(COMMON, MODE, &[0]);
    write(COMMON, HARDWARE, &hardware);
    write(COMMON, RETRY, &PATIENCE);
    true
}

/// Its address: router, mask, hardware's and its own stand in a row, and the hardware's stays.
pub fn set_address(address: [u8; 4], mask: [u8; 4], router: [u8; 4]) {
    write(COMMON, ROUTER, &router);
    write(COMMON, ROUTER.saturating_add(4), &mask);
    write(COMMON, HARDWARE.saturating_add(6), &address);
}

impl Socket {
    /// Opens it on a port, for UDP.
    pub fn open(self, port: u16) {
        let [mode, open] = SOCKET_UDP;
        write(self.registers, MODE, &[mode]);
        write(self.registers, SOCKET_PORT, &port.to_be_bytes());
        write(self.registers, SOCKET_COMMAND, &[open]);
        // nothing is under way
        write(self.registers, SOCKET_EVENTS, &[0xff]);
    }

    /// The next datagram that came in, as much of it as there is room for, and from where. None: there is none.
    pub fn receive(self, into: &mut [u8]) -> Option<(&[u8], Way)> {
        let came = self.number(SOCKET_CAME);
        if came < HEAD {
            return None;
        }
        let at = self.number(SOCKET_READ);
        let mut head = [0; 8];
        read(self.into, at, &mut head);
        let [a, b, c, d, p0, p1, l0, l1] = head;
        // never more than there is, whatever the head says
        let length = u16::from_be_bytes([l0, l1]).min(came.saturating_sub(HEAD));
        let room = into.len().min(usize::from(length));
        let bytes = into.get_mut(..room)?;
        read(self.into, at.wrapping_add(HEAD), bytes);
        let next = at.wrapping_add(HEAD).wrapping_add(length);
        write(self.registers, SOCKET_READ, &next.to_be_bytes());
        write(self.registers, SOCKET_COMMAND, &[RECEIVED]);
        let way = Way {
            address: [a, b, c, d],
            port: u16::from_be_bytes([p0, p1]),
        };
        Some((bytes, way))
    }

    /// Sends a datagram, unless another one is still under way, or there is no room.
    pub fn send(self, bytes: &[u8], to: Way, under_way: &mut bool) {
        if *under_way {
            let mut events = [0];
            read(self.registers, SOCKET_EVENTS, &mut events);
            let [events] = events;
            if events & SENT_OR_LOST == 0 {
                return;
            }
            write(self.registers, SOCKET_EVENTS, &[SENT_OR_LOST]);
            *under_way = false;
        }
        let Ok(length) = u16::try_from(bytes.len()) else { return };
        if self.number(SOCKET_FREE) < length {
            return;
        }
        let [p0, p1] = to.port.to_be_bytes();
        let [a, b, c, d] = to.address;
        write(self.registers, SOCKET_TO, &[a, b, c, d, p0, p1]);
        let at = self.number(SOCKET_WRITE);
        write(self.out, at, bytes);
        write(self.registers, SOCKET_WRITE, &at.wrapping_add(length).to_be_bytes());
        write(self.registers, SOCKET_COMMAND, &[SEND]);
        *under_way = true;
    }

    /// A register of two bytes that the chip changes meanwhile: read until it is twice the same, as its data sheet asks for.
    fn number(self, register: u16) -> u16 {
        let mut before = [0; 2];
        read(self.registers, register, &mut before);
        for _ in 0..4 {
            let mut now = [0; 2];
            read(self.registers, register, &mut now);
            if now == before {
                break;
            }
            before = now;
        }
        u16::from_be_bytes(before)
    }
}

fn read(block: u8, at: u16, into: &mut [u8]) {
    meant(block, at, false);
    for byte in into {
        *byte = exchange(0);
    }
    W5500_SELECT.set(true);
}

fn write(block: u8, at: u16, bytes: &[u8]) {
    meant(block, at, true);
    for byte in bytes {
        exchange(*byte);
    }
    W5500_SELECT.set(true);
}

/// The address of an access; as long as the chip is selected bytes of it follow.
fn meant(block: u8, at: u16, writes: bool) {
    let [high, low] = at.to_be_bytes();
    W5500_SELECT.set(false);
    exchange(high);
    exchange(low);
    exchange(block.rotate_left(3) | if writes { 4 } else { 0 });
}

/// A byte each way. The SPI ends it by itself, whatever is wired to it.
fn exchange(byte: u8) -> u8 {
    SPI.dr().write(|it| it.set_data(u16::from(byte)));
    while !SPI.sr().read().rne() {}
    let [low, _] = SPI.dr().read().data().to_le_bytes();
    low
}
