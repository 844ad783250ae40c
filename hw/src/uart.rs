//! The chip's two UARTs, and the bytes on their way through them.

use core::sync::atomic::{AtomicU8, Ordering};

use ovzha_board_logic::ring::Ring;
use rp_pac::uart::Uart;
use rp_pac::{UART0, UART1};

use crate::board::BAUD;
use crate::clock;

/// The divider of the clock, in 64ths of sixteen of its beats a bit, rounded.
const DIVIDER: u32 = match clock::HZ.checked_mul(8) {
    Some(eighths) => eighths.div_ceil(BAUD).div_ceil(2),
    None => 0,
};

/// The line of the node that is first by name.
pub static LINE_0: Line = Line::new(UART0);
/// The other node's.
pub static LINE_1: Line = Line::new(UART1);

/// One UART.
pub struct Line {
    uart: Uart,
    /// 133 ms of the line, twenty passes of the loop.
    came: Ring,
    goes: Ring,
    /// Breaks, and bytes without a stop bit: how many came, and how many were told of.
    damaged: AtomicU8,
    told: AtomicU8,
}

impl Line {
    const fn new(uart: Uart) -> Self {
        Self {
            uart,
            came: Ring::new(),
            goes: Ring::new(),
            damaged: AtomicU8::new(0),
            told: AtomicU8::new(0),
        }
    }

    /// 8N1 at the board's speed; a byte that comes in interrupts.
    pub fn open(&self) {
        let [low, middle, high, _] = DIVIDER.to_le_bytes();
        let fraction = low & 63;
        let whole = u32::from_le_bytes([low, middle, high, 0]).checked_shr(6).unwrap_or(0);
        self.uart
            .uartibrd()
            .write(|it| it.set_baud_divint(u16::try_from(whole).unwrap_or(0)));
        self.uart.uartfbrd().write(|it| it.set_baud_divfrac(fraction));
        self.uart.uartlcr_h().write(|it| {
            it.set_wlen(3);
            it.set_fen(true);
        });
        // at an eighth of the FIFO, or when the line falls idle
        self.uart.uartifls().write(|it| it.set_rxiflsel(0));
        self.uart.uartimsc().write(|it| {
            it.set_rxim(true);
            it.set_rtim(true);
        });
        self.uart.uartcr().write(|it| {
            it.set_uarten(true);
            it.set_rxe(true);
            it.set_txe(true);
        });
    }

    /// Bytes came in: reading them takes the interrupt back.
    pub fn interrupt(&self) {
        while !self.uart.uartfr().read().rxfe() {
            let read = self.uart.uartdr().read();
            if read.fe() || read.be() || read.pe() {
                let count = self.damaged.load(Ordering::Relaxed);
                self.damaged.store(count.wrapping_add(1), Ordering::Relaxed);
            } else {
                // with no room it is lost, and the frame around it fails by itself
                self.came.put(read.data());
            }
        }
    }

    /// The next byte that came in.
    pub fn next(&self) -> Option<u8> {
        self.came.take()
    }

    /// Whether there was damage that was not told of.
    pub fn was_damaged(&self) -> bool {
        let told = self.told.load(Ordering::Relaxed);
        let news = self.damaged.load(Ordering::Relaxed) != told;
        self.told.store(told.wrapping_add(u8::from(news)), Ordering::Relaxed);
        news
    }

    /// All that was to go out is in the UART's FIFO.
    pub fn is_free(&self) -> bool {
        self.goes.first().is_none()
    }

    /// This is to go out.
    pub fn say(&self, bytes: &[u8]) {
        for byte in bytes {
            self.goes.put(*byte);
        }
    }

    /// Fills the UART's FIFO: 32 bytes, three passes of the loop.
    pub fn fill(&self) {
        while !self.uart.uartfr().read().txff()
            && let Some(byte) = self.goes.take()
        {
            self.uart.uartdr().write(|it| it.set_data(byte));
        }
    }
}
