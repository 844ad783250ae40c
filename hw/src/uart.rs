//! One of the chip's UARTs, as a line of bytes (`embedded-io`).
//!
//! Model: what comes in is kept by its interrupt until it is read; what is written goes to the UART's FIFO.

use core::fmt::{self, Display, Formatter};
use core::sync::atomic::{AtomicU8, Ordering};

use cortex_m::asm;
use embedded_io::{Error, ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use ovzha_board_logic::ring::Ring;
use rp_pac::uart::Uart as Registers;

use crate::board::BAUD;
use crate::clock;

/// The divider of the clock, in 64ths of sixteen of its beats a bit, rounded.
const DIVIDER: u32 = match clock::HZ.checked_mul(8) {
    Some(eighths) => eighths.div_ceil(BAUD).div_ceil(2),
    None => 0,
};

/// A break, or a byte without its stop bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage;

/// One UART.
pub struct Uart {
    registers: Registers,
    /// 133 ms of the line, twenty passes of the loop.
    came: Ring,
    /// How often there was damage, and how often it was told.
    damaged: AtomicU8,
    told: AtomicU8,
}

impl Uart {
    /// One that is not open yet.
    pub const fn new(registers: Registers) -> Self {
        Self {
            registers,
            came: Ring::new(),
            damaged: AtomicU8::new(0),
            told: AtomicU8::new(0),
        }
    }

    /// 8N1 at the board's speed; a byte that comes in interrupts.
    pub fn open(&self) {
        let [low, middle, high, _] = DIVIDER.to_le_bytes();
        let fraction = low & 63;
        let whole = u32::from_le_bytes([low, middle, high, 0]).checked_shr(6).unwrap_or(0);
        self.registers
            .uartibrd()
            .write(|it| it.set_baud_divint(u16::try_from(whole).unwrap_or(0)));
        self.registers.uartfbrd().write(|it| it.set_baud_divfrac(fraction));
        self.registers.uartlcr_h().write(|it| {
            it.set_wlen(3);
            it.set_fen(true);
        });
        // at an eighth of the FIFO, or when the line falls idle
        self.registers.uartifls().write(|it| it.set_rxiflsel(0));
        self.registers.uartimsc().write(|it| {
            it.set_rxim(true);
            it.set_rtim(true);
        });
        self.registers.uartcr().write(|it| {
            it.set_uarten(true);
            it.set_rxe(true);
            it.set_txe(true);
        });
    }

    /// Bytes came in: reading them takes the interrupt back.
    pub fn interrupt(&self) {
        while !self.registers.uartfr().read().rxfe() {
            let read = self.registers.uartdr().read();
            if read.fe() || read.be() || read.pe() {
                let count = self.damaged.load(Ordering::Relaxed);
                self.damaged.store(count.wrapping_add(1), Ordering::Relaxed);
            } else {
                // with no room it is lost, and the frame around it fails by itself
                self.came.put(read.data());
            }
        }
    }

    /// Whether there is damage to be told.
    fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed) != self.told.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        !self.registers.uartfr().read().txff()
    }
}

impl Display for Damage {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str("a break, or a byte without its stop bit")
    }
}

impl core::error::Error for Damage {}

impl Error for Damage {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidData
    }
}

impl ErrorType for &Uart {
    type Error = Damage;
}

impl ReadReady for &Uart {
    fn read_ready(&mut self) -> Result<bool, Damage> {
        Ok(self.is_damaged() || self.came.first().is_some())
    }
}

/// Waits, as the trait wants it, unless it is ready; the chip's watchdog ends a wait that lasts.
impl Read for &Uart {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Damage> {
        while !into.is_empty() && !self.read_ready()? {
            asm::wfe();
        }
        if self.is_damaged() {
            let told = self.told.load(Ordering::Relaxed);
            self.told.store(told.wrapping_add(1), Ordering::Relaxed);
            return Err(Damage);
        }
        let mut count = 0_usize;
        for (to, byte) in into.iter_mut().zip(core::iter::from_fn(|| self.came.take())) {
            *to = byte;
            count = count.saturating_add(1);
        }
        Ok(count)
    }
}

impl WriteReady for &Uart {
    fn write_ready(&mut self) -> Result<bool, Damage> {
        Ok(self.has_room())
    }
}

/// Fills the UART's FIFO: 32 bytes, three passes of the loop. Waits for room, as the trait wants it, unless it is ready: one byte's time.
impl Write for &Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Damage> {
        while !bytes.is_empty() && !self.has_room() {}
        let mut count = 0_usize;
        for byte in bytes.iter().take_while(|_| self.has_room()) {
            self.registers.uartdr().write(|it| it.set_data(*byte));
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Damage> {
        while self.registers.uartfr().read().busy() {}
        Ok(())
    }
}
