//! Why the chip was started, and how it is started anew with a reason.
//!
//! A reason stands in a register of the watchdog that outlives a reset, and no loss of power. The chip has one bit for
//! "power came" and "power dipped": they can't be told apart.

use core::panic::PanicInfo;

use embassy_rp::pac::psm::regs::Wdsel;
use embassy_rp::pac::{PSM, VREG_AND_CHIP_RESET, WATCHDOG};
use embassy_rp::watchdog::Watchdog;
use ovzha_board_logic::service::Cause;

const PANIC: u32 = 0x7061_6e69;
/// What a reset by the watchdog resets: all but the two oscillators.
const EVERYTHING: u32 = 0x0001_fffc;
const PROVISIONED: u32 = 0x7072_6f76;

/// Why this time. Forgets the reason that was left.
pub fn cause() -> Cause {
    let left = WATCHDOG.scratch0().read();
    WATCHDOG.scratch0().write_value(0);
    let (reason, chip) = (WATCHDOG.reason().read(), VREG_AND_CHIP_RESET.chip_reset().read());
    if reason.timer() {
        return Cause::Watchdog;
    }
    if reason.force() {
        return match left {
            PANIC => Cause::Panic,
            PROVISIONED => Cause::Provisioned,
            _ => Cause::Debugger,
        };
    }
    if chip.had_psm_restart() {
        return Cause::Debugger;
    }
    if chip.had_run() {
        return Cause::Pin;
    }
    Cause::Power
}

/// Starts the chip anew, because it took a record.
pub fn provisioned(watchdog: &mut Watchdog) {
    WATCHDOG.scratch0().write_value(PROVISIONED);
    watchdog.trigger_reset();
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    WATCHDOG.scratch0().write_value(PANIC);
    // the watchdog may not have been started yet
    PSM.wdsel().write_value(Wdsel(EVERYTHING));
    loop {
        WATCHDOG.ctrl().modify(|ctrl| ctrl.set_trigger(true));
    }
}
