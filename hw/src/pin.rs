//! One pin of the chip.

use rp_pac::{IO_BANK0, PADS_BANK0, SIO};

const BY_UART_OR_SPI: [u8; 2] = [2, 1];
const BY_PROGRAM: u8 = 5;

/// What holds an input that nothing is wired to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Low.
    Down,
    /// High.
    Up,
}

/// The last there is.
const LAST: u8 = 29;

/// A pin, by its number on the chip.
#[derive(Clone, Copy)]
pub struct Pin(pub u8);

impl Pin {
    /// An output at this level.
    pub fn output(self, high: bool) {
        self.set(high);
        SIO.gpio_oe(0).value_set().write_value(self.bit());
        self.give(BY_PROGRAM);
    }

    /// An input.
    pub fn input(self, pull: Pull) {
        SIO.gpio_oe(0).value_clr().write_value(self.bit());
        PADS_BANK0.gpio(self.place()).write(|it| {
            it.set_ie(true);
            it.set_schmitt(true);
            it.set_pue(pull == Pull::Up);
            it.set_pde(pull == Pull::Down);
        });
        IO_BANK0
            .gpio(self.place())
            .ctrl()
            .write(|it| it.set_funcsel(BY_PROGRAM));
    }

    /// A UART's.
    pub fn uart(self) {
        self.give(BY_UART_OR_SPI[0]);
    }

    /// An SPI's.
    #[cfg(feature = "eth")]
    pub fn spi(self) {
        self.give(BY_UART_OR_SPI[1]);
    }

    /// Drives an output.
    pub fn set(self, high: bool) {
        let levels = SIO.gpio_out(0);
        let levels = if high { levels.value_set() } else { levels.value_clr() };
        levels.write_value(self.bit());
    }

    /// The level of an input.
    pub fn is_high(self) -> bool {
        SIO.gpio_in(0).read() & self.bit() != 0
    }

    fn give(self, function: u8) {
        PADS_BANK0.gpio(self.place()).write(|it| it.set_ie(true));
        IO_BANK0.gpio(self.place()).ctrl().write(|it| it.set_funcsel(function));
    }

    fn bit(self) -> u32 {
        1_u32.rotate_left(u32::from(self.0))
    }

    /// Bounded here, so that no check of the bound is left in the registers' functions.
    fn place(self) -> usize {
        usize::from(self.0.min(LAST))
    }
}
