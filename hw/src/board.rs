//! The pins of a Raspberry Pi Pico, or a W5500-EVB-Pico: the one file to change for another board.
//!
//! ```text
//! GP0 out, GP1 in     UART 0: the node that is first by name, through an RS-232 level shifter
//! GP4 out, GP5 in     UART 1: the other node
//! GP14, GP15 out      relay of the first, of the other; high cuts, low or nothing leaves it powered
//! GP12, GP13 in       sense of the first, of the other; high: it has power; pulled down
//! GP10, GP11 out      light of the first, of the other
//! GP25 out            the board's light, on the board
//! GP9 in              button to ground: held at power-on, it wipes the record; pulled up
//! GP16 to GP21        the W5500's, where there is one
//! ```

#[cfg(feature = "eth")]
use rp_pac::{SPI0, spi::Spi};
use rp_pac::{UART0, UART1};

use crate::pin::{Pin, Pull};
use crate::uart::Uart;

/// Of the crystal; it divides 1,500.
pub const CRYSTAL_MHZ: u16 = 12;
/// The crystal swings well behind so long.
pub const CRYSTAL_MS: u16 = 128;
/// Both lines, 8N1.
pub const BAUD: u32 = 19_200;
/// The flash chip's size; what the board keeps stands at its end.
pub const FLASH_SIZE: usize = 2 * 1024 * 1024;
const _: () = assert!(FLASH_SIZE >= 1024 * 1024, "memory.x gives the image 512 KiB");

/// Take a node's power when high.
pub const RELAYS: [Pin; 2] = [Pin(14), Pin(15)];
/// High: the node has power.
pub const SENSES: [Pin; 2] = [Pin(12), Pin(13)];
/// The board's, and each node's.
pub const LIGHTS: [Pin; 3] = [Pin(25), Pin(10), Pin(11)];
/// Low: held.
pub const BUTTON: Pin = Pin(9);
/// The W5500's SPI, and its pins: in, clock, out.
#[cfg(feature = "eth")]
pub const SPI: Spi = SPI0;
#[cfg(feature = "eth")]
pub const SPI_PINS: [Pin; 3] = [Pin(16), Pin(18), Pin(19)];
/// No faster: the W5500 takes no more.
#[cfg(feature = "eth")]
pub const SPI_HZ: u32 = 33_300_000;
/// Low: the W5500 is meant.
#[cfg(feature = "eth")]
pub const W5500_SELECT: Pin = Pin(17);
/// Low: it is reset. Its interrupt, GP21, is not used.
#[cfg(feature = "eth")]
pub const W5500_RESET: Pin = Pin(20);
/// The cables' UARTs: out and in of each.
const CABLES: [Pin; 4] = [Pin(0), Pin(1), Pin(4), Pin(5)];

/// The cables.
pub static LINES: [Uart; 2] = [Uart::new(UART0), Uart::new(UART1)];

/// Sets the relays to rest, then everything else.
pub fn start() {
    for pin in RELAYS.iter().chain(&LIGHTS) {
        pin.output(false);
    }
    for pin in &SENSES {
        pin.input(Pull::Down);
    }
    BUTTON.input(Pull::Up);
    for pin in &CABLES {
        pin.uart();
    }
    for line in &LINES {
        line.open();
    }
}
