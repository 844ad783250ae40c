//! How often the board was started: the number of its life, counted in flash.
//!
//! Model: eight bytes an entry, the number and its complement, one behind the other; a full sector is followed by the other
//! one, which is erased only then. The highest valid entry counts. So a start wears one entry, an erase comes each 512
//! starts, and whatever a loss of power leaves is an entry that is not valid, or a sector that is not the newest. A
//! number counts only once it was read back: a life that could be lived twice must speak to nobody.

use crate::flash::{COUNTER_SECTORS, Failed, Flash, PAGE, SECTOR};

const ENTRY: usize = 8;
const ENTRY_LENGTH: u32 = 8;
const ENTRIES: u32 = SECTOR.div_ceil(ENTRY_LENGTH);
const ENTRIES_OF_PAGE: u32 = ENTRIES.div_ceil(16);
/// Entries that may fail to hold before the flash counts as worn out.
const TRIES: u8 = 4;

/// What one sector holds.
#[derive(Clone, Copy)]
struct Seen {
    newest: u32,
    /// The first entry that was never written.
    free: u32,
}

/// Counts this start. Gives its number, from 1 on.
///
/// # Errors
/// It can't be written, or not read back.
pub fn count<F: Flash>(flash: &mut F) -> Result<u32, Failed> {
    let [first, second] = COUNTER_SECTORS;
    let (one, two) = (look(flash, first)?, look(flash, second)?);
    let (mut sector, mut free, other) = if two.newest > one.newest {
        (second, two.free, first)
    } else {
        (first, one.free, second)
    };
    let number = one.newest.max(two.newest).checked_add(1).ok_or(Failed)?;
    for _ in 0..TRIES {
        if free >= ENTRIES {
            flash.erase(other)?;
            (sector, free) = (other, 0);
        }
        write(flash, sector, free, number)?;
        if read(flash, sector, free)? == entry(number) {
            return Ok(number);
        }
        free = free.saturating_add(1);
    }
    Err(Failed)
}

fn look<F: Flash>(flash: &mut F, sector: u32) -> Result<Seen, Failed> {
    let mut seen = Seen { newest: 0, free: 0 };
    for place in 0..ENTRIES {
        let bytes = read(flash, sector, place)?;
        if bytes != [0xff; ENTRY] {
            seen.free = place.saturating_add(1);
        }
        seen.newest = seen.newest.max(number(bytes).unwrap_or(0));
    }
    Ok(seen)
}

fn read<F: Flash>(flash: &mut F, sector: u32, place: u32) -> Result<[u8; ENTRY], Failed> {
    let mut bytes = [0; ENTRY];
    flash.read(sector, place.saturating_mul(ENTRY_LENGTH), &mut bytes)?;
    Ok(bytes)
}

/// Bits that are not cleared stay as they are, so a page of ones around the entry changes nothing else.
fn write<F: Flash>(flash: &mut F, sector: u32, place: u32, number: u32) -> Result<(), Failed> {
    let mut page = [0xff; PAGE];
    let inside = place
        .checked_rem(ENTRIES_OF_PAGE)
        .and_then(|at| usize::try_from(at).ok());
    let slot = page.chunks_exact_mut(ENTRY).nth(inside.ok_or(Failed)?).ok_or(Failed)?;
    slot.iter_mut().zip(entry(number)).for_each(|(to, from)| *to = from);
    flash.program(sector, place.checked_div(ENTRIES_OF_PAGE).ok_or(Failed)?, &page)
}

fn entry(number: u32) -> [u8; ENTRY] {
    let both = u64::from(!number).checked_shl(32).unwrap_or(0) | u64::from(number);
    both.to_le_bytes()
}

fn number(bytes: [u8; ENTRY]) -> Option<u32> {
    let [a, b, c, d, ..] = bytes;
    let number = u32::from_le_bytes([a, b, c, d]);
    (entry(number) == bytes).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::fake::Fake;

    #[test]
    fn it_grows_by_one_with_every_start_and_wears_little() {
        let mut flash = Fake::new();
        for start in 1..=2_000 {
            assert_eq!(count(&mut flash), Ok(start));
        }
        assert_eq!(flash.erases, [1, 2, 0, 0, 0, 0], "2000 starts");
    }

    #[test]
    fn a_loss_of_power_at_any_moment_repeats_no_number() {
        for before in [0, 1, 511, 512, 1_023, 1_024] {
            for power in 0..3 {
                let mut flash = Fake::new();
                for _ in 0..before {
                    count(&mut flash).unwrap();
                }
                flash.power = Some(power);
                // whatever it gives then was read back, or is a failure
                let given = count(&mut flash).unwrap_or(before);
                flash.power = None;
                let next = count(&mut flash).unwrap();
                assert!(next > given && next > before, "{before} {power}: {given}, then {next}");
            }
        }
    }

    #[test]
    fn what_does_not_hold_is_a_failure() {
        let mut flash = Fake::new();
        count(&mut flash).unwrap();
        flash.worn = Some(0);
        assert_eq!(count(&mut flash), Err(Failed));
    }
}
