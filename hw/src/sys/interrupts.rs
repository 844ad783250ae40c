//! The chip's interrupts: bytes of the lines are kept, the timer only wakes the loop, a fault ends the life.
#![expect(
    unsafe_code,
    reason = "an interrupt that is let through may break a critical section, and a fault any promise"
)]

use cortex_m::peripheral::NVIC;
use cortex_m_rt::{ExceptionFrame, exception};
use rp_pac::{Interrupt, interrupt};

use crate::{board, clock, reset};

/// Lets them through.
pub fn enable() {
    for number in [Interrupt::UART0_IRQ, Interrupt::UART1_IRQ, Interrupt::TIMER_IRQ_0] {
        // SAFETY: nothing here counts on a masked interrupt: what handlers and loop share are atomics, of which each has one
        // writer, and critical sections mask all interrupts at the processor.
        unsafe { NVIC::unmask(number) };
    }
}

/// Bytes on one of the lines. Neither UART's interrupt interrupts the other's, for they have the same priority: each byte is kept once.
fn came() {
    for line in &board::LINES {
        line.interrupt();
    }
}

#[interrupt]
fn UART0_IRQ() {
    came();
}

#[interrupt]
fn UART1_IRQ() {
    came();
}

#[interrupt]
fn TIMER_IRQ_0() {
    clock::interrupt();
}

// SAFETY: whatever was promised when the fault came, nothing of it is touched here: a register is written, and the chip reset.
#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    reset::fault()
}
