//! One chip at one of the processor's SPIs, as `embedded-hal` has it.

use core::convert::Infallible;

use embedded_hal::spi::{ErrorType, Operation, SpiDevice};
use rp_pac::spi::Spi;

use crate::board::SPI_HZ;
use crate::clock;
use crate::pin::Pin;

/// The processor's clock by this is the SPI's; an even number.
const DIVIDER: u8 = match clock::HZ.div_ceil(SPI_HZ).next_multiple_of(2).to_le_bytes() {
    [divider, 0, 0, 0] => divider,
    _ => 0,
};
const _: () = assert!(DIVIDER > 0, "the SPI can't be so slow");

/// The chip, and the pin that selects it: low, it is meant.
pub struct Device {
    spi: Spi,
    select: Pin,
}

impl Device {
    /// Gives it its pins.
    pub fn start(spi: Spi, pins: &[Pin], select: Pin) -> Self {
        for pin in pins {
            pin.spi();
        }
        select.output(true);
        spi.cpsr().write(|it| it.set_cpsdvsr(DIVIDER));
        // eight bits, the clock low at rest
        spi.cr0().write(|it| it.set_dss(7));
        spi.cr1().write(|it| it.set_sse(true));
        Self { spi, select }
    }

    /// A byte each way. The SPI ends it by itself, whatever is wired to it.
    fn exchange(&self, byte: u8) -> u8 {
        self.spi.dr().write(|it| it.set_data(u16::from(byte)));
        while !self.spi.sr().read().rne() {}
        let [low, _] = self.spi.dr().read().data().to_le_bytes();
        low
    }
}

impl ErrorType for Device {
    type Error = Infallible;
}

impl SpiDevice for Device {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        self.select.set(false);
        for operation in operations {
            match operation {
                Operation::Read(into) => into.iter_mut().for_each(|byte| *byte = self.exchange(0)),
                Operation::Write(bytes) => bytes.iter().for_each(|byte| {
                    self.exchange(*byte);
                }),
                Operation::Transfer(into, bytes) => {
                    let rest = core::iter::repeat(&0);
                    let count = into.len().max(bytes.len());
                    let mut into = into.iter_mut();
                    for byte in bytes.iter().chain(rest).take(count) {
                        let came = self.exchange(*byte);
                        if let Some(to) = into.next() {
                            *to = came;
                        }
                    }
                }
                Operation::TransferInPlace(bytes) => bytes.iter_mut().for_each(|byte| *byte = self.exchange(*byte)),
                Operation::DelayNs(ns) => {
                    let us = u64::from(ns.div_ceil(1_000));
                    clock::sleep(clock::micros().saturating_add(us));
                }
            }
        }
        self.select.set(true);
        Ok(())
    }
}
