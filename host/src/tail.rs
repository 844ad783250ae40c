//! What a child writes, kept to its end.
//!
//! Model: a file in memory that every write of the child appends to. When it has grown past [`OUTPUT_MAX`], the memory before
//! its last bytes is given back in place, so that nothing moves under a child that is writing at that moment. A kernel
//! before 2.6.38 can't do that: there the file is cut and its end written anew, and a line that comes in between is lost.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use crate::sys;

/// Output beyond this many bytes is cut back to its tail.
pub const OUTPUT_MAX: u64 = 1024 * 1024;
/// Bytes of output that are reported.
pub const TAIL_MAX: usize = 2048;
/// Growth between two looks that counts as fast.
const FAST: u64 = 64 * 1024;

/// One child's output.
#[derive(Debug)]
pub struct Tail {
    file: File,
    /// Its length at the last look.
    seen: u64,
    /// The memory before this place was given back.
    hole: u64,
    /// Bytes that were cut off in front of what is there now.
    cut: u64,
    growing: bool,
}

impl Tail {
    /// Of a file that was given to the child.
    #[must_use]
    pub const fn new(file: File) -> Self {
        Self {
            file,
            seen: 0,
            hole: 0,
            cut: 0,
            growing: false,
        }
    }

    /// Whether it grew fast at the last look.
    #[must_use]
    pub const fn is_growing(&self) -> bool {
        self.growing
    }

    /// A look at it: gives back what is more than it may be.
    pub fn bound(&mut self) {
        let size = self.size();
        self.growing = size > self.seen.saturating_add(FAST);
        self.seen = size;
        if size.saturating_sub(self.hole) <= OUTPUT_MAX {
            return;
        }
        self.growing = true;
        let mut buffer = [0_u8; TAIL_MAX];
        let kept = read_tail(&self.file, size, &mut buffer);
        let end = size.saturating_sub(len(kept));
        if sys::give_back(&self.file, end).is_ok() {
            self.hole = end;
        } else if self.file.set_len(0).is_ok() {
            let mut end: &File = &self.file;
            let wrote = end.write(kept).unwrap_or(0);
            self.cut = self.cut.saturating_add(size);
            self.cut = self.cut.saturating_sub(u64::try_from(wrote).unwrap_or(0));
            self.seen = 0;
        }
    }

    /// Its end, at most [`TAIL_MAX`] bytes, and how many are gone before it.
    pub fn read<'b>(&self, buffer: &'b mut [u8; TAIL_MAX]) -> (&'b [u8], u64) {
        let size = self.size();
        let kept = read_tail(&self.file, size, buffer);
        let before = self.cut.saturating_add(size).saturating_sub(len(kept));
        (kept, before)
    }

    /// The same file, to be read only; none: nobody writes to it any more.
    #[must_use]
    pub fn left(self) -> Option<File> {
        let reader = File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd())).ok()?;
        // our own end is one that could write
        drop(self.file);
        sys::somebody_writes_to(&reader).then_some(reader)
    }

    fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |m| m.len())
    }
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(0)
}

/// The last bytes of a file of `size` bytes, as many as fit.
fn read_tail<'b>(file: &File, size: u64, buffer: &'b mut [u8; TAIL_MAX]) -> &'b [u8] {
    let room = u64::try_from(TAIL_MAX).unwrap_or(0);
    let got = file.read_at(buffer, size.saturating_sub(room)).unwrap_or(0);
    buffer.get(..got).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn memory_goes_back_and_the_end_stays() {
        let file = sys::anonymous_file().unwrap();
        let mut child = file.try_clone().unwrap();
        let mut tail = Tail::new(file);
        for _ in 0..3 {
            child.write_all(&vec![b'x'; 1024 * 1024]).unwrap();
            child.write_all(b"\nthe end").unwrap();
            tail.bound();
            assert!(child.metadata().unwrap().blocks() * 512 <= 64 * 1024);
        }
        let mut buffer = [0; TAIL_MAX];
        let (kept, before) = tail.read(&mut buffer);
        assert!(kept.ends_with(b"xx\nthe end"));
        assert_eq!(before + len(kept), 3 * (1024 * 1024 + 8));
    }
}
