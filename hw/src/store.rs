//! The end of the chip's flash, as the logic's sectors.

use ovzha_board_logic::flash::{Failed, Flash, PAGE, SECTOR, SECTORS};

use crate::board::FLASH_SIZE;
use crate::sys::flash::{self, Driver};

/// The sectors at the end of the flash.
pub struct Store(pub Driver);

impl Store {
    /// The flash chip's own number.
    #[cfg(feature = "eth")]
    pub fn unique(&mut self) -> Option<[u8; 8]> {
        let mut number = [0; 8];
        self.0.blocking_unique_id(&mut number).ok()?;
        Some(number)
    }

    /// Where a place of a sector is in the whole flash.
    fn place(sector: u32, at: u32) -> Result<u32, Failed> {
        let size = u32::try_from(FLASH_SIZE).map_err(|_| Failed)?;
        let begin = size.checked_sub(SECTORS.saturating_mul(SECTOR)).ok_or(Failed)?;
        if sector >= SECTORS || at >= SECTOR {
            return Err(Failed);
        }
        let inside = sector.saturating_mul(SECTOR).saturating_add(at);
        begin.checked_add(inside).ok_or(Failed)
    }
}

impl Flash for Store {
    fn read(&mut self, sector: u32, at: u32, into: &mut [u8]) -> Result<(), Failed> {
        let from = usize::try_from(Self::place(sector, at)?).map_err(|_| Failed)?;
        for (place, to) in (from..).zip(into) {
            *to = flash::byte(place).ok_or(Failed)?;
        }
        Ok(())
    }

    fn erase(&mut self, sector: u32) -> Result<(), Failed> {
        let from = Self::place(sector, 0)?;
        self.0
            .blocking_erase(from, from.saturating_add(SECTOR))
            .map_err(|_| Failed)
    }

    fn program(&mut self, sector: u32, page: u32, bytes: &[u8; PAGE]) -> Result<(), Failed> {
        let at = u32::try_from(PAGE).map_err(|_| Failed)?.saturating_mul(page);
        self.0
            .blocking_write(Self::place(sector, at)?, bytes)
            .map_err(|_| Failed)
    }
}
