//! Whose copies are old, in flash (SAFETY S-77).
//!
//! Model: one page a record, with its number, its cluster, the marks and a CRC over all of it; page behind page through two
//! sectors in turn, of which one is erased only when the other is full. The highest valid number counts. So what a loss
//! of power leaves half written is a record that was not answered for, and an erase comes each sixteen writes.

use heapless::Vec;
use ovzha_core::id::{ClusterId, Mark, NodeId};
use ovzha_core::witness::MARKS_MAX;

use crate::check::CRC;
use crate::flash::{Failed, Flash, MARK_SECTORS, PAGE, SECTOR};

const MAGIC: [u8; 4] = *b"ovm1";
/// Magic, number, cluster, how many.
const HEAD: usize = 11;
const ENTRY: usize = 4;
const TAIL: usize = 4;
const PAGES: u32 = 16;

const _: () = assert!(
    HEAD.saturating_add(ENTRY.saturating_mul(MARKS_MAX))
        .saturating_add(TAIL)
        <= PAGE
);
const _: () = assert!(SECTOR == 4096 && PAGE == 256, "sixteen pages a sector");

/// Marked copies: of a group, a node's.
pub type Marks = Vec<(Mark, NodeId), MARKS_MAX>;

/// What a page holds.
enum Page {
    Blank,
    Record(u32),
    Other,
}

/// What both sectors hold.
#[derive(Default)]
struct Seen {
    /// The newest record: its number, sector and page.
    newest: Option<(u32, u32, u32)>,
    /// Behind the last page of each that is not blank.
    free: [u32; 2],
}

/// The marks of this cluster; those of another are none.
///
/// # Errors
/// The driver refused.
pub fn load<F: Flash>(flash: &mut F, cluster: ClusterId) -> Result<Marks, Failed> {
    let Some((_, sector, page)) = look(flash)?.newest else {
        return Ok(Marks::new());
    };
    let bytes = read(flash, sector, page)?;
    Ok(marks_of(&bytes, cluster).unwrap_or_default())
}

/// Writes them and reads them back.
///
/// # Errors
/// They are not in flash now; those before still are.
pub fn store<F: Flash>(flash: &mut F, cluster: ClusterId, marks: &Marks) -> Result<(), Failed> {
    let seen = look(flash)?;
    let [first, second] = MARK_SECTORS;
    let (number, sector) = seen.newest.map_or((0, first), |(number, sector, _)| (number, sector));
    let [free_first, free_second] = seen.free;
    let free = if sector == first { free_first } else { free_second };
    let (sector, page) = if free < PAGES {
        (sector, free)
    } else {
        let other = if sector == first { second } else { first };
        flash.erase(other)?;
        (other, 0)
    };
    let bytes = written(number.checked_add(1).ok_or(Failed)?, cluster, marks).ok_or(Failed)?;
    flash.program(sector, page, &bytes)?;
    if read(flash, sector, page)? == bytes {
        Ok(())
    } else {
        Err(Failed)
    }
}

#[inline(never)]
fn look<F: Flash>(flash: &mut F) -> Result<Seen, Failed> {
    let mut seen = Seen::default();
    for (sector, free) in MARK_SECTORS.into_iter().zip(&mut seen.free) {
        for page in 0..PAGES {
            match kind(&read(flash, sector, page)?) {
                Page::Blank => continue,
                Page::Record(number) if seen.newest.is_none_or(|(newest, ..)| number > newest) => {
                    seen.newest = Some((number, sector, page));
                }
                Page::Record(_) | Page::Other => {}
            }
            *free = page.saturating_add(1);
        }
    }
    Ok(seen)
}

fn read<F: Flash>(flash: &mut F, sector: u32, page: u32) -> Result<[u8; PAGE], Failed> {
    let mut bytes = [0; PAGE];
    let at = u32::try_from(PAGE).map_err(|_| Failed)?.saturating_mul(page);
    flash.read(sector, at, &mut bytes)?;
    Ok(bytes)
}

fn kind(bytes: &[u8; PAGE]) -> Page {
    if bytes.iter().all(|byte| *byte == 0xff) {
        return Page::Blank;
    }
    covered(bytes).map_or(Page::Other, |(number, ..)| Page::Record(number))
}

/// The number, the cluster and the entries of a valid record.
fn covered(bytes: &[u8; PAGE]) -> Option<(u32, ClusterId, &[u8])> {
    let [m0, m1, m2, m3, n0, n1, n2, n3, c0, c1, count] = *bytes.first_chunk::<HEAD>()?;
    if [m0, m1, m2, m3] != MAGIC {
        return None;
    }
    let end = HEAD.checked_add(ENTRY.checked_mul(usize::from(count))?)?;
    let (record, rest) = bytes.split_at_checked(end)?;
    if CRC.checksum(record).to_le_bytes() != *rest.first_chunk::<TAIL>()? {
        return None;
    }
    Some((
        u32::from_le_bytes([n0, n1, n2, n3]),
        ClusterId([c0, c1]),
        record.get(HEAD..)?,
    ))
}

fn marks_of(bytes: &[u8; PAGE], cluster: ClusterId) -> Option<Marks> {
    let (_, _, entries) = covered(bytes).filter(|(_, whose, _)| *whose == cluster)?;
    let (entries, _) = entries.as_chunks::<ENTRY>();
    let mut marks = Marks::new();
    for [a, b, c, node] in entries {
        marks.push((Mark([*a, *b, *c]), NodeId(*node))).ok()?;
    }
    Some(marks)
}

fn written(number: u32, cluster: ClusterId, marks: &Marks) -> Option<[u8; PAGE]> {
    let mut page = [0xff; PAGE];
    let ([m0, m1, m2, m3], [n0, n1, n2, n3]) = (MAGIC, number.to_le_bytes());
    let ClusterId([c0, c1]) = cluster;
    let count = u8::try_from(marks.len()).ok()?;
    *page.first_chunk_mut::<HEAD>()? = [m0, m1, m2, m3, n0, n1, n2, n3, c0, c1, count];
    let mut end = HEAD;
    for (Mark([a, b, c]), NodeId(node)) in marks {
        *page.get_mut(end..)?.first_chunk_mut::<ENTRY>()? = [*a, *b, *c, *node];
        end = end.checked_add(ENTRY)?;
    }
    let crc = CRC.checksum(page.get(..end)?);
    *page.get_mut(end..)?.first_chunk_mut::<TAIL>()? = crc.to_le_bytes();
    Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::fake::Fake;

    const CLUSTER: ClusterId = ClusterId([7, 7]);

    fn marks(of: &[(u8, u8)]) -> Marks {
        of.iter()
            .map(|(group, node)| (Mark([1, 2, *group]), NodeId(*node)))
            .collect()
    }

    #[test]
    fn the_newest_marks_count_and_are_this_clusters() {
        let mut flash = Fake::new();
        assert_eq!(load(&mut flash, CLUSTER), Ok(Marks::new()));
        for turn in 0..100 {
            let some = marks(&[(turn, turn & 1), (turn + 100, 1)]);
            store(&mut flash, CLUSTER, &some).unwrap();
            assert_eq!(load(&mut flash, CLUSTER), Ok(some));
        }
        assert_eq!(load(&mut flash, ClusterId([7, 8])), Ok(Marks::new()));
        // a hundred records: seven sectors, of which the first one was blank
        assert_eq!(flash.erases, [0, 0, 0, 0, 3, 3]);
        let full: Marks = (0..32).map(|group| (Mark([0, 0, group]), NodeId(1))).collect();
        store(&mut flash, CLUSTER, &full).unwrap();
        assert_eq!(load(&mut flash, CLUSTER), Ok(full));
    }

    #[test]
    fn a_loss_of_power_leaves_the_old_marks_or_the_new_ones() {
        for before in [1, 15, 16, 31, 32] {
            for power in 0..4 {
                let mut flash = Fake::new();
                (0..before).for_each(|turn| store(&mut flash, CLUSTER, &marks(&[(turn, 0)])).unwrap());
                let (old, new) = (marks(&[(before - 1, 0)]), marks(&[(77, 1)]));
                flash.power = Some(power);
                let said = store(&mut flash, CLUSTER, &new);
                flash.power = None;
                let there = load(&mut flash, CLUSTER).unwrap();
                assert_eq!(there, if said.is_ok() { new.clone() } else { old }, "{before} {power}");
                // and what is half written stands in nobody's way
                for _ in 0..40 {
                    store(&mut flash, CLUSTER, &new).unwrap();
                    assert_eq!(load(&mut flash, CLUSTER).unwrap(), new);
                }
            }
        }
    }

    #[test]
    fn a_damaged_record_is_none_and_one_that_does_not_hold_is_a_failure() {
        let mut flash = Fake::new();
        store(&mut flash, CLUSTER, &marks(&[(1, 1)])).unwrap();
        let begin = 4 * 4096;
        for byte in 0..HEAD + ENTRY + TAIL {
            for bit in 0..8 {
                flash.bytes[begin + byte] ^= 1 << bit;
                assert_eq!(load(&mut flash, CLUSTER), Ok(Marks::new()), "byte {byte} bit {bit}");
                flash.bytes[begin + byte] ^= 1 << bit;
            }
        }
        flash.worn = Some(4);
        assert_eq!(store(&mut flash, CLUSTER, &marks(&[(2, 0)])), Err(Failed));
        assert_eq!(load(&mut flash, CLUSTER), Ok(marks(&[(1, 1)])));
    }
}
