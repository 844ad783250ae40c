//! The provisioning record in flash.
//!
//! Model: one page a record, with its number, its length and a CRC over all of it; two sectors in turn, of which the valid one
//! with the higher number counts. So the old record stands until the new one was read back. Wiped: both erased.

use crate::check::CRC;
use crate::flash::{Failed, Flash, PAGE, RECORD_SECTORS};
use crate::provision::{PROVISION_MAX, Provision};

/// Changes when the record does: an older board's record is none.
const MARK: [u8; 4] = *b"ovz1";
/// Mark, number, length.
const HEAD: usize = 9;
const TAIL: usize = 4;

const _: () = assert!(HEAD.saturating_add(PROVISION_MAX).saturating_add(TAIL) <= PAGE);

/// The record that counts, if there is one.
///
/// # Errors
/// The driver refused.
pub fn load<F: Flash>(flash: &mut F) -> Result<Option<Provision>, Failed> {
    let [first, second] = RECORD_SECTORS;
    let (one, two) = (read(flash, first)?, read(flash, second)?);
    let newest = match (one, two) {
        (Some(one), Some(two)) if two.0 > one.0 => Some(two),
        (one, two) => one.or(two),
    };
    Ok(newest.map(|(_, provision)| provision))
}

/// Writes a record and reads it back.
///
/// # Errors
/// It is not in flash now; the one before it still is.
pub fn store<F: Flash>(flash: &mut F, provision: &Provision) -> Result<(), Failed> {
    let [first, second] = RECORD_SECTORS;
    let one = read(flash, first)?.map_or(0, |(number, _)| number);
    let two = read(flash, second)?.map_or(0, |(number, _)| number);
    let sector = if one > two { second } else { first };
    let number = one.max(two).checked_add(1).ok_or(Failed)?;
    let page = write(number, provision).ok_or(Failed)?;
    flash.erase(sector)?;
    flash.program(sector, 0, &page)?;
    match read(flash, sector)? {
        Some((now, record)) if now == number && record == *provision => Ok(()),
        Some(_) | None => Err(Failed),
    }
}

/// Forgets the record.
///
/// # Errors
/// It may still be there.
pub fn wipe<F: Flash>(flash: &mut F) -> Result<(), Failed> {
    for sector in RECORD_SECTORS {
        flash.erase(sector)?;
    }
    if load(flash)?.is_some() { Err(Failed) } else { Ok(()) }
}

fn write(number: u32, provision: &Provision) -> Option<[u8; PAGE]> {
    let mut page = [0xff; PAGE];
    let (head, body) = page.split_at_mut_checked(HEAD)?;
    let length = postcard::to_slice(provision, body.get_mut(..PROVISION_MAX)?)
        .ok()?
        .len();
    let [n0, n1, n2, n3] = number.to_le_bytes();
    let [m0, m1, m2, m3] = MARK;
    let fields = [m0, m1, m2, m3, n0, n1, n2, n3, u8::try_from(length).ok()?];
    head.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    let end = HEAD.checked_add(length)?;
    let crc = CRC.checksum(page.get(..end)?);
    *page.get_mut(end..)?.first_chunk_mut::<TAIL>()? = crc.to_le_bytes();
    Some(page)
}

fn read<F: Flash>(flash: &mut F, sector: u32) -> Result<Option<(u32, Provision)>, Failed> {
    let mut page = [0; PAGE];
    flash.read(sector, 0, &mut page)?;
    Ok(parse(&page))
}

fn parse(page: &[u8; PAGE]) -> Option<(u32, Provision)> {
    let [m0, m1, m2, m3, n0, n1, n2, n3, length] = *page.first_chunk::<HEAD>()?;
    if [m0, m1, m2, m3] != MARK {
        return None;
    }
    let end = HEAD.checked_add(usize::from(length))?;
    let (covered, rest) = page.split_at_checked(end)?;
    if CRC.checksum(covered).to_le_bytes() != *rest.first_chunk::<TAIL>()? {
        return None;
    }
    let provision: Provision = postcard::from_bytes(covered.get(HEAD..)?).ok()?;
    provision.check().ok()?;
    Some((u32::from_le_bytes([n0, n1, n2, n3]), provision))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::fake::Fake;
    use crate::provision::tests::provision;

    #[test]
    fn the_newest_record_counts_until_it_is_wiped() {
        let mut flash = Fake::new();
        assert!(load(&mut flash).unwrap().is_none());
        for lives in 0..5 {
            let mut record = provision();
            record.lives = lives;
            store(&mut flash, &record).unwrap();
            assert!(load(&mut flash).unwrap().unwrap().lives == lives);
        }
        assert_eq!(flash.erases, [0, 0, 3, 2, 0, 0], "in turn");
        wipe(&mut flash).unwrap();
        assert!(load(&mut flash).unwrap().is_none());
    }

    #[test]
    fn a_loss_of_power_leaves_the_old_record_or_the_new_one() {
        for power in 0..4 {
            let mut flash = Fake::new();
            let (old, mut new) = (provision(), provision());
            new.lives = 1_234;
            store(&mut flash, &old).unwrap();
            flash.power = Some(power);
            let said = store(&mut flash, &new);
            flash.power = None;
            let there = load(&mut flash).unwrap().unwrap();
            assert!(there == if said.is_ok() { new } else { old }, "power {power}");
        }
    }

    #[test]
    fn a_damaged_record_is_none() {
        let mut flash = Fake::new();
        store(&mut flash, &provision()).unwrap();
        let begin = 2 * 4096;
        let length = HEAD + usize::from(flash.bytes[begin + HEAD - 1]) + TAIL;
        for bit in 0..8 {
            for byte in 0..length {
                let before = flash.bytes[begin + byte];
                flash.bytes[begin + byte] ^= 1 << bit;
                assert!(load(&mut flash).unwrap().is_none(), "byte {byte} bit {bit}");
                flash.bytes[begin + byte] = before;
            }
        }
        assert!(load(&mut flash).unwrap().is_some());
    }
}
