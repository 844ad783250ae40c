//! The chip's clocks and its time.
//!
//! Model: a crystal of the board, 125 MHz made of it for processor and peripherals, microseconds counted since the start. With a
//! crystal that does not swing the board stands still before it has touched a pin: its relays are at rest.

use cortex_m::asm;
use ovzha_core::time::Instant;
use rp_pac::clocks::regs::ClkSysResusCtrl;
use rp_pac::clocks::vals::{ClkPeriCtrlAuxsrc, ClkRefCtrlSrc, ClkSysCtrlAuxsrc, ClkSysCtrlSrc};
use rp_pac::resets::regs::Peripherals;
use rp_pac::timer::regs::Int;
use rp_pac::xosc::vals::{CtrlFreqRange, Enable};
use rp_pac::{CLOCKS, PLL_SYS, RESETS, TIMER, WATCHDOG, XOSC};

use crate::board::{CRYSTAL_MHZ, CRYSTAL_MS};

/// Of processor and peripherals.
pub const HZ: u32 = 125_000_000;
/// How long the crystal is waited for, in 256 of its swings.
const SWINGS: u16 = match CRYSTAL_MS.checked_mul(125) {
    Some(eighths) => eighths.div_ceil(32).saturating_mul(CRYSTAL_MHZ),
    None => u16::MAX,
};
/// What the PLL swings at.
const PLL_MHZ: u16 = 1_500;
/// The crystal's swings times this are the PLL's.
const TIMES: u16 = match PLL_MHZ.checked_div(CRYSTAL_MHZ) {
    Some(times) => times,
    None => 0,
};
const _: () = assert!(TIMES.saturating_mul(CRYSTAL_MHZ) == PLL_MHZ);
/// And the PLL's divided by these are [`HZ`].
const BY: [u8; 2] = [6, 2];
/// The clocks that a multiplexer has chosen, as bits.
const CHOSEN_REF: u32 = 1;
const CHOSEN_ROSC: u32 = 1;
const CHOSEN_XOSC: u32 = 4;
const CHOSEN_AUX: u32 = 2;

/// Starts the clocks, and what the board needs of the chip.
pub fn start() {
    RESETS.reset().write_value(all_but_flash());
    CLOCKS.clk_sys_resus_ctrl().write_value(ClkSysResusCtrl(0));
    // away from the PLL, before it is touched
    CLOCKS.clk_sys_ctrl().modify(|it| it.set_src(ClkSysCtrlSrc::CLK_REF));
    while CLOCKS.clk_sys_selected().read() != CHOSEN_REF {}
    CLOCKS
        .clk_ref_ctrl()
        .write(|it| it.set_src(ClkRefCtrlSrc::ROSC_CLKSRC_PH));
    while CLOCKS.clk_ref_selected().read() != CHOSEN_ROSC {}
    XOSC.startup().write(|it| it.set_delay(SWINGS));
    XOSC.ctrl().write(|it| {
        it.set_freq_range(CtrlFreqRange::_1_15MHZ);
        it.set_enable(Enable::ENABLE);
    });
    while !XOSC.status().read().stable() {}
    pll();
    CLOCKS.clk_ref_ctrl().write(|it| it.set_src(ClkRefCtrlSrc::XOSC_CLKSRC));
    while CLOCKS.clk_ref_selected().read() != CHOSEN_XOSC {}
    CLOCKS.clk_ref_div().write(|it| it.set_int(1));
    // a tick each microsecond, for the timer and the watchdog
    WATCHDOG.tick().write(|it| {
        it.set_cycles(CRYSTAL_MHZ);
        it.set_enable(true);
    });
    CLOCKS.clk_sys_div().write(|it| it.set_int(1));
    CLOCKS.clk_sys_ctrl().write(|it| {
        it.set_auxsrc(ClkSysCtrlAuxsrc::CLKSRC_PLL_SYS);
        it.set_src(ClkSysCtrlSrc::CLK_REF);
    });
    CLOCKS
        .clk_sys_ctrl()
        .modify(|it| it.set_src(ClkSysCtrlSrc::CLKSRC_CLK_SYS_AUX));
    while CLOCKS.clk_sys_selected().read() != CHOSEN_AUX {}
    CLOCKS.clk_peri_ctrl().write(|it| {
        it.set_auxsrc(ClkPeriCtrlAuxsrc::CLK_SYS);
        it.set_enable(true);
    });
    let mut parts = Peripherals(0);
    parts.set_io_bank0(true);
    parts.set_pads_bank0(true);
    parts.set_timer(true);
    parts.set_uart0(true);
    parts.set_uart1(true);
    #[cfg(feature = "eth")]
    {
        parts.set_spi0(true);
        parts.set_spi1(true);
    }
    leave_reset(parts);
    TIMER.inte().write_value(Int(1));
}

/// Everything that neither the running program nor a debugger hangs on.
fn all_but_flash() -> Peripherals {
    let mut parts = Peripherals(0x01ff_ffff);
    parts.set_io_qspi(false);
    parts.set_pads_qspi(false);
    parts.set_pll_sys(false);
    parts.set_pll_usb(false);
    parts.set_usbctrl(false);
    parts.set_syscfg(false);
    parts
}

fn leave_reset(parts: Peripherals) {
    RESETS.reset().modify(|it| it.0 &= !parts.0);
    while RESETS.reset_done().read().0 & parts.0 != parts.0 {}
}

fn pll() {
    let mut parts = Peripherals(0);
    parts.set_pll_sys(true);
    RESETS.reset().modify(|it| it.0 |= parts.0);
    leave_reset(parts);
    PLL_SYS.cs().write(|it| it.set_refdiv(1));
    PLL_SYS.fbdiv_int().write(|it| it.set_fbdiv_int(TIMES));
    PLL_SYS.pwr().write(|it| {
        it.set_postdivpd(true);
        it.set_dsmpd(true);
    });
    while !PLL_SYS.cs().read().lock() {}
    PLL_SYS.prim().write(|it| {
        it.set_postdiv1(BY[0]);
        it.set_postdiv2(BY[1]);
    });
    PLL_SYS.pwr().write(|it| it.set_dsmpd(true));
}

/// Microseconds since the start.
pub fn micros() -> u64 {
    loop {
        let high = TIMER.timerawh().read();
        let low = TIMER.timerawl().read();
        // else the low half went round in between
        if TIMER.timerawh().read() == high {
            return u64::from(high).checked_shl(32).unwrap_or(0) | u64::from(low);
        }
    }
}

/// As core knows it.
pub fn now() -> Instant {
    Instant::from_millis(micros().checked_div(1_000).unwrap_or(0))
}

/// Sleeps until the time is there; other interrupts are served meanwhile.
pub fn sleep(until_us: u64) {
    let [a, b, c, d, ..] = until_us.to_le_bytes();
    loop {
        // looked at behind it: an alarm that was set too late does not go off
        TIMER.alarm(0).write_value(u32::from_le_bytes([a, b, c, d]));
        if micros() >= until_us {
            return;
        }
        // an interrupt since the last look ends this at once
        asm::wfe();
    }
}

/// The alarm went off: that it did woke the processor.
pub fn interrupt() {
    TIMER.intr().write_value(Int(1));
}
