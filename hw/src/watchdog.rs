//! The chip's watchdog: a loop that stands still is ended by it.

use rp_pac::psm::regs::Wdsel;
use rp_pac::watchdog::regs::Load;
use rp_pac::{PSM, WATCHDOG};

/// What it resets: all but the two oscillators.
const EVERYTHING: u32 = 0x0001_fffc;
/// A pass that takes so long was none: one second, counted twice each microsecond (erratum RP2040-E1). Writing a record stops the
/// loop for the erase of a sector, 0.4 s at most.
const SECOND: Load = Load(2_000_000);

/// Starts it.
pub fn start() {
    WATCHDOG.ctrl().modify(|it| it.set_enable(false));
    PSM.wdsel().write_value(Wdsel(EVERYTHING));
    feed();
    WATCHDOG.ctrl().modify(|it| it.set_enable(true));
}

/// Another second.
pub fn feed() {
    WATCHDOG.load().write_value(SECOND);
}

/// Resets the chip at once, whether it was started or not.
pub fn fire() -> ! {
    PSM.wdsel().write_value(Wdsel(EVERYTHING));
    loop {
        WATCHDOG.ctrl().modify(|it| it.set_trigger(true));
    }
}
