//! What the board asks of its flash memory, and where it keeps things in it.
//!
//! Model: a sector is erased as a whole to ones; a page is programmed by clearing bits, and may be programmed again as
//! long as bits are only cleared. Nothing that was written is believed until it was read back.

/// Bytes that are erased together.
pub const SECTOR: u32 = 4096;
/// Bytes that are programmed together.
pub const PAGE: usize = 256;
/// The sectors of the boot counter, used in turn.
pub const COUNTER_SECTORS: [u32; 2] = [0, 1];
/// The sectors of the provisioning record, used in turn.
pub const RECORD_SECTORS: [u32; 2] = [2, 3];
/// The sectors of the marks, used in turn.
pub const MARK_SECTORS: [u32; 2] = [4, 5];
/// Sectors that the board keeps things in, at the end of its flash.
pub const SECTORS: u32 = 6;

/// What failed; nothing that was written before is lost by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed;

/// The sectors that the board keeps things in.
pub trait Flash {
    /// Reads from a place in a sector.
    ///
    /// # Errors
    /// The driver refused.
    fn read(&mut self, sector: u32, at: u32, into: &mut [u8]) -> Result<(), Failed>;

    /// Erases a sector.
    ///
    /// # Errors
    /// The driver refused.
    fn erase(&mut self, sector: u32) -> Result<(), Failed>;

    /// Programs a page of a sector, by its number in it.
    ///
    /// # Errors
    /// The driver refused.
    fn program(&mut self, sector: u32, page: u32, bytes: &[u8; PAGE]) -> Result<(), Failed>;
}

/// Six sectors in memory, which clear bits as flash does, for tests.
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
pub(crate) mod fake {
    extern crate std;

    use super::{Failed, Flash, PAGE, SECTOR, SECTORS};
    use std::vec;
    use std::vec::Vec;

    const LENGTH: usize = 4096;

    pub(crate) struct Fake {
        pub(crate) bytes: Vec<u8>,
        pub(crate) erases: [u32; 6],
        /// Operations until the power goes: the last one is done by half.
        pub(crate) power: Option<u32>,
        /// The cells of this sector don't hold.
        pub(crate) worn: Option<u32>,
    }

    impl Fake {
        pub(crate) fn new() -> Self {
            Self {
                bytes: vec![0xff; LENGTH * 6],
                erases: [0; 6],
                power: None,
                worn: None,
            }
        }

        fn begin(sector: u32, at: u32) -> usize {
            assert!(sector < SECTORS && at < SECTOR);
            usize::try_from(sector * SECTOR + at).unwrap()
        }

        /// Whether this operation is done whole, by half, or not at all.
        fn strength(&mut self) -> (usize, usize) {
            match self.power {
                None => (1, 1),
                Some(0) => (0, 1),
                Some(left) => {
                    self.power = Some(left - 1);
                    if left == 1 { (1, 2) } else { (1, 1) }
                }
            }
        }
    }

    impl Flash for Fake {
        fn read(&mut self, sector: u32, at: u32, into: &mut [u8]) -> Result<(), Failed> {
            let begin = Self::begin(sector, at);
            into.copy_from_slice(&self.bytes[begin..begin + into.len()]);
            Ok(())
        }

        fn erase(&mut self, sector: u32) -> Result<(), Failed> {
            let (part, of) = self.strength();
            let begin = Self::begin(sector, 0);
            self.bytes[begin..begin + LENGTH * part / of].fill(0xff);
            self.erases[usize::try_from(sector).unwrap()] += 1;
            Ok(())
        }

        fn program(&mut self, sector: u32, page: u32, bytes: &[u8; PAGE]) -> Result<(), Failed> {
            let (part, of) = self.strength();
            let begin = Self::begin(sector, page * u32::try_from(PAGE).unwrap());
            let worn = self.worn == Some(sector);
            // the half of the bits that a loss of power still clears
            let mask = if part == of { 0x00 } else { 0xf0 };
            for (cell, byte) in self.bytes[begin..begin + PAGE].iter_mut().zip(bytes) {
                if part > 0 && !worn {
                    *cell &= byte | mask;
                }
            }
            Ok(())
        }
    }
}
