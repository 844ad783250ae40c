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

use embassy_rp::Peripherals;
use embassy_rp::bind_interrupts;
use embassy_rp::flash::{Blocking, Flash};
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::peripherals::{FLASH, UART0, UART1};
use embassy_rp::uart::{BufferedInterruptHandler, BufferedUart, Config};
use embassy_rp::watchdog::Watchdog;
use static_cell::ConstStaticCell;

/// Both lines, 8N1.
pub const BAUD: u32 = 19_200;
/// The flash chip's size; what the board keeps stands at its end.
pub const FLASH_SIZE: usize = 2 * 1024 * 1024;
/// Bytes of a line that may wait to be read: five passes of the loop and a flash write.
const IN: usize = 256;
/// Bytes of a line that may wait to go out: two of the longest frames.
const OUT: usize = 512;

bind_interrupts!(struct Interrupts {
    UART0_IRQ => BufferedInterruptHandler<UART0>;
    UART1_IRQ => BufferedInterruptHandler<UART1>;
});

static IN_0: ConstStaticCell<[u8; IN]> = ConstStaticCell::new([0; IN]);
static IN_1: ConstStaticCell<[u8; IN]> = ConstStaticCell::new([0; IN]);
static OUT_0: ConstStaticCell<[u8; OUT]> = ConstStaticCell::new([0; OUT]);
static OUT_1: ConstStaticCell<[u8; OUT]> = ConstStaticCell::new([0; OUT]);

/// What is soldered to the chip, by node where there is one of each.
pub struct Parts {
    /// Take a node's power when high.
    pub relays: [Output<'static>; 2],
    /// High: the node has power.
    pub senses: [Input<'static>; 2],
    /// The board's, and each node's.
    pub lights: [Output<'static>; 3],
    /// Low: held.
    pub button: Input<'static>,
    /// The cables.
    pub lines: [BufferedUart; 2],
    /// Its memory.
    pub flash: Flash<'static, FLASH, Blocking, FLASH_SIZE>,
    /// The chip's own.
    pub watchdog: Watchdog,
}

impl Parts {
    /// Sets the relays to rest, then everything else.
    pub fn new(chip: Peripherals) -> Self {
        let relays = [
            Output::new(chip.PIN_14, Level::Low),
            Output::new(chip.PIN_15, Level::Low),
        ];
        let mut config = Config::default();
        config.baudrate = BAUD;
        let (out_0, in_0) = (OUT_0.take(), IN_0.take());
        let (out_1, in_1) = (OUT_1.take(), IN_1.take());
        Self {
            relays,
            senses: [
                Input::new(chip.PIN_12, Pull::Down),
                Input::new(chip.PIN_13, Pull::Down),
            ],
            lights: [
                Output::new(chip.PIN_25, Level::Low),
                Output::new(chip.PIN_10, Level::Low),
                Output::new(chip.PIN_11, Level::Low),
            ],
            button: Input::new(chip.PIN_9, Pull::Up),
            lines: [
                BufferedUart::new(chip.UART0, chip.PIN_0, chip.PIN_1, Interrupts, out_0, in_0, config),
                BufferedUart::new(chip.UART1, chip.PIN_4, chip.PIN_5, Interrupts, out_1, in_1, config),
            ],
            flash: Flash::new_blocking(chip.FLASH),
            watchdog: Watchdog::new(chip.WATCHDOG),
        }
    }
}
