//! Where a record lies: made ready at a start, with what earlier lives left, and copied to the disk by a child.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::block::{self, Header};
use super::reader::BYTES_MAX;
use super::ring::Ring;
use super::{NAME, SEGMENT, SEGMENTS_PER_MIB};
use crate::{store, sys};

const NEXT: &str = "record.next";
/// The word of the child that copies.
pub const WORD: &str = "keep-record";

/// The ring as the daemon writes it.
#[must_use]
pub fn path(run_dir: &Path) -> PathBuf {
    run_dir.join(NAME)
}

/// The record to look at: the ring, or the copy where there is no ring (the machine has started since).
#[must_use]
pub fn newest(run_dir: &Path, state_dir: &Path) -> PathBuf {
    let ring = path(run_dir);
    if ring.exists() { ring } else { state_dir.join(NAME) }
}

/// Makes a ring of `mib` mebibytes that begins with the newest segments of the former one, or of its copy in `state_dir`.
/// All of it is written once, so that its pages exist; `pinned` keeps them in memory. At a start only: this reads the disk.
///
/// # Errors
/// Says which file and why. A former ring that can't be read is no error: there is nothing to go on with.
pub fn prepare(run_dir: &Path, state_dir: &Path, mib: usize, pinned: bool) -> io::Result<Ring> {
    let segments = mib * SEGMENTS_PER_MIB;
    let next = run_dir.join(NEXT);
    let file = create(&next).map_err(|error| store::named(&next, &error))?;
    let former = open(&newest(run_dir, state_dir)).ok();
    let (kept, number) = former
        .and_then(|former| carry_over(&former, &file, segments).ok())
        .unwrap_or((0, 0));
    let nothing = vec![0; SEGMENT];
    for place in kept..segments {
        file.write_all_at(&nothing, offset(place))
            .map_err(|error| store::named(&next, &error))?;
    }
    let path = path(run_dir);
    std::fs::rename(&next, &path).map_err(|error| store::named(&path, &error))?;
    // where that is not permitted the daemon's own memory is not locked either, which is told
    let pin = || sys::keep_in_memory(&file, segments * SEGMENT).ok();
    let pinned = pinned.then(pin).flatten();
    Ok(Ring::new(file, pinned, mib, kept % segments.max(1), number))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

fn offset(place: usize) -> u64 {
    u64::try_from(place * SEGMENT).unwrap_or(u64::MAX)
}

/// Copies the newest segments, all but the room for one; answers how many and the number of the newest.
fn carry_over(from: &File, to: &File, room: usize) -> io::Result<(usize, u64)> {
    let places = from.metadata()?.len().min(BYTES_MAX) / offset(1);
    let mut found = Vec::new();
    let mut segment = vec![0; SEGMENT];
    for place in 0..usize::try_from(places).unwrap_or(0) {
        from.read_exact_at(&mut segment, offset(place))?;
        if let Header::Number(number) = block::read_header(&segment) {
            found.push((number, place));
        }
    }
    found.sort_unstable();
    let first = found.len().saturating_sub(room.saturating_sub(1));
    let kept = found.get(first..).unwrap_or_default();
    for (target, (_, place)) in kept.iter().enumerate() {
        from.read_exact_at(&mut segment, offset(*place))?;
        to.write_all_at(&segment, offset(target))?;
    }
    Ok((kept.len(), kept.last().map_or(0, |(number, _)| *number)))
}

/// Copies the ring to the state directory, durably. In a child only: this waits for the disk.
///
/// # Errors
/// Says which file and why. The copy of before is then still there.
pub fn keep(run_dir: &Path, state_dir: &Path) -> io::Result<()> {
    let path = path(run_dir);
    let bytes = std::fs::read(&path).map_err(|error| store::named(&path, &error))?;
    store::make(state_dir)?;
    store::replace(state_dir, NAME, NEXT, &bytes)
}
