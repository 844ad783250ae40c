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
/// The W5500 takes 33 MHz and more.
#[cfg(feature = "eth")]
const SPI_HZ: u32 = 30_000_000;
/// Bytes of a line that may wait to be read: five passes of the loop and a flash write.
const IN: usize = 256;
/// Bytes of a line that may wait to go out: two of the longest frames.
const OUT: usize = 512;

#[cfg(feature = "eth")]
bind_interrupts!(struct EthernetInterrupts {
    DMA_IRQ_0 => embassy_rp::dma::InterruptHandler<embassy_rp::peripherals::DMA_CH0>,
        embassy_rp::dma::InterruptHandler<embassy_rp::peripherals::DMA_CH1>;
});

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
    /// The W5500.
    #[cfg(feature = "eth")]
    pub ethernet: Ethernet,
}

/// The W5500's pins.
#[cfg(feature = "eth")]
pub struct Ethernet {
    /// Clock, out, in.
    pub spi: embassy_rp::spi::Spi<'static, embassy_rp::peripherals::SPI0, embassy_rp::spi::Async>,
    /// Low: it is meant.
    pub select: Output<'static>,
    /// Low: it has something.
    pub interrupt: Input<'static>,
    /// Low: it is reset.
    pub reset: Output<'static>,
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
        // each is taken once, here; without a buffer a line would only be silent
        let (out_0, in_0) = (taken(&OUT_0), taken(&IN_0));
        let (out_1, in_1) = (taken(&OUT_1), taken(&IN_1));
        Self {
            relays,
            senses: [Input::new(chip.PIN_12, Pull::Down), Input::new(chip.PIN_13, Pull::Down)],
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
            #[cfg(feature = "eth")]
            ethernet: {
                let mut spi = embassy_rp::spi::Config::default();
                spi.frequency = SPI_HZ;
                Ethernet {
                    spi: embassy_rp::spi::Spi::new(
                        chip.SPI0,
                        chip.PIN_18,
                        chip.PIN_19,
                        chip.PIN_16,
                        chip.DMA_CH0,
                        chip.DMA_CH1,
                        EthernetInterrupts,
                        spi,
                    ),
                    select: Output::new(chip.PIN_17, Level::High),
                    interrupt: Input::new(chip.PIN_21, Pull::Up),
                    reset: Output::new(chip.PIN_20, Level::High),
                }
            },
        }
    }
}

fn taken<const N: usize>(cell: &'static ConstStaticCell<[u8; N]>) -> &'static mut [u8] {
    cell.try_take().map_or(&mut [], |buffer| buffer)
}
