//! The flash chip: its one owner, and its bytes.
#![expect(
    unsafe_code,
    reason = "flash is memory at an address, and its driver wants a token that only `unsafe` makes"
)]

use embassy_rp::flash::{Blocking, FLASH_BASE, Flash};
use embassy_rp::peripherals::FLASH;

use crate::board::FLASH_SIZE;

/// The driver of the flash chip.
pub type Driver = Flash<'static, FLASH, Blocking, FLASH_SIZE>;

/// Call it once.
pub fn driver() -> Driver {
    // SAFETY: the peripheral is a token without contents, which stands for the flash chip as a whole. `embassy_rp::init`, which
    // would give another one, is never called here, and the driver itself turns interrupts off while the chip can't be read.
    Flash::new_blocking(unsafe { FLASH::steal() })
}

/// A byte of the flash; none: it is not so large.
pub fn byte(place: usize) -> Option<u8> {
    if place >= FLASH_SIZE {
        return None;
    }
    // SAFETY: within the chip's size; all of it can be read at any time but while it is written, and then nothing else runs. It is
    // read anew each time, for the program itself writes there.
    Some(unsafe { FLASH_BASE.cast::<u8>().add(place).read_volatile() })
}
