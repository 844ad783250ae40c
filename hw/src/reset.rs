//! Why the chip was started, and how it is started anew with a reason.
//!
//! A reason stands in a register of the watchdog that outlives a reset, and no loss of power. The chip has one bit for
//! "power came" and "power dipped": they can't be told apart.

use core::panic::PanicInfo;

use ovzha_board_logic::service::Cause;
use rp_pac::{VREG_AND_CHIP_RESET, WATCHDOG};

use crate::watchdog;

const PANIC: u32 = 0x7061_6e69;
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
pub fn provisioned() -> ! {
    WATCHDOG.scratch0().write_value(PROVISIONED);
    watchdog::fire()
}

/// Starts the chip anew, because the program found a fault in itself, or the processor in it.
pub fn fault() -> ! {
    WATCHDOG.scratch0().write_value(PANIC);
    watchdog::fire()
}

/// The language wants one. No call of it is left in the image (`hw/panics.max`).
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    fault()
}
