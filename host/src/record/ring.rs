//! The file that a record is written to: segments in turn, blocks one after the other, each with one write(2).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::block::{self, HEADER, PREFIX};
use super::{SEGMENT, SEGMENTS_PER_MIB};
use crate::sys::Pinned;

/// The file, and where the next block goes.
#[derive(Debug)]
pub struct Ring {
    file: File,
    /// Keeps its pages in memory.
    _pinned: Option<Pinned>,
    segments: usize,
    /// The places of the segment that is written, and of the next one.
    place: usize,
    next: usize,
    number: u64,
    used: usize,
}

/// Room that is made for a block: what stands before its content is put in at the end, so that both go in one write.
pub(super) const BLOCK_ROOM: usize = SEGMENT / 2;

impl Ring {
    /// A ring in `file`, which has room for `mib` mebibytes. The next segment goes to the place `next`; the newest that
    /// was ever written has the number `number`. Nothing can be appended before [`Ring::begin`].
    #[must_use]
    pub const fn new(file: File, pinned: Option<Pinned>, mib: usize, next: usize, number: u64) -> Self {
        Self {
            file,
            _pinned: pinned,
            segments: mib * SEGMENTS_PER_MIB,
            place: 0,
            next,
            number,
            used: SEGMENT,
        }
    }

    /// Begins the next segment, over the oldest one.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.place = self.next;
        self.next = (self.next + 1) % self.segments.max(1);
        self.number += 1;
        self.used = 0;
        self.put(&block::header(self.number))
    }

    /// Bytes of content that the next block may have.
    pub(super) const fn room(&self) -> usize {
        SEGMENT.saturating_sub(self.used).saturating_sub(PREFIX)
    }

    /// Appends a block. `block` begins with room for what stands before the content. False: there is no room for it.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn append(&mut self, block: &mut [u8]) -> io::Result<bool> {
        let Some((prefix, content)) = block.split_first_chunk_mut::<PREFIX>() else {
            return Ok(false);
        };
        let Some(right) = block::prefix(self.number, content).filter(|_| content.len() <= self.room()) else {
            return Ok(false);
        };
        *prefix = right;
        self.put(block).map(|()| true)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let at = u64::try_from(self.place * SEGMENT + self.used).map_err(io::Error::other)?;
        self.file.write_all_at(bytes, at)?;
        self.used += bytes.len();
        Ok(())
    }
}

const _: () = assert!(HEADER < SEGMENT && BLOCK_ROOM < SEGMENT);
