//! Keeps what must outlast a restart in `/var/lib/ovzha`.
//!
//! Model: a file, `state` for a node and `marks` for a witness, replaced as a whole: written beside itself, synced, renamed, the directory synced. So after
//! a crash there is the old record or the new one. What a crash cannot do, a disk can: the record carries its length
//! and a CRC-32, and a damaged one is told apart from none, because damaged means more cautious. The content is opaque.
//!
//! ```text
//! magic "ovzhaST\n" | format version u16 | length u32 | content | CRC-32 of all before   (little endian)
//! ```
//!
//! This blocks on the disk: call it in an agent or at start, never in the loop.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crc::{CRC_32_ISO_HDLC, Crc};

const MAGIC: &[u8; 8] = b"ovzhaST\n";
const VERSION: u16 = 1;
const HEADER: usize = 14;
const CHECK: usize = 4;
/// Most bytes of content of a node's state.
pub const CONTENT_MAX: usize = 256 * 1024;
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A file that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind {
    name: &'static str,
    next: &'static str,
    /// Most bytes of content.
    pub(crate) max: usize,
}

/// A node's.
const STATE: Kind = Kind {
    name: "state",
    next: "state.next",
    max: CONTENT_MAX,
};
/// A witness's: every cluster it can have, with every group marked, is less.
pub(crate) const MARKS: Kind = Kind {
    name: "marks",
    next: "marks.next",
    max: 16 * 1024 * 1024,
};

/// What is on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// Nothing was ever stored.
    Absent,
    /// Something is there that cannot be believed, and why. Treat it as the worst it might have said.
    Damaged(String),
    /// The content as written.
    Found(Vec<u8>),
}

impl Kind {
    /// Replaces the stored content, durably once this answers Ok. Creates `dir` (0700) if it is not there.
    ///
    /// # Errors
    /// Says which file and why. The old content is then still there.
    pub(crate) fn write(&self, dir: &Path, content: &[u8]) -> io::Result<()> {
        let record = self.encode(content)?;
        make(dir)?;
        replace(dir, self.name, self.next, &record)
    }

    /// Reads what was stored. A leftover of an interrupted write is not looked at.
    pub(crate) fn read(&self, dir: &Path) -> Read {
        let path = dir.join(self.name);
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Read::Absent,
            Err(e) => return Read::Damaged(named(&path, &e).to_string()),
        };
        let mut record = Vec::new();
        // one byte more than the longest, so that too long is seen
        let room = u64::try_from(HEADER + self.max + CHECK + 1).unwrap_or(u64::MAX);
        if let Err(e) = file.take(room).read_to_end(&mut record) {
            return Read::Damaged(named(&path, &e).to_string());
        }
        match decode(&record) {
            Ok(content) => Read::Found(content.to_vec()),
            Err(why) => Read::Damaged(format!("{}: {why}", path.display())),
        }
    }

    fn encode(&self, content: &[u8]) -> io::Result<Vec<u8>> {
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        if content.len() > self.max {
            let why = format!("{length} bytes of {} are more than {}", self.name, self.max);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut record = Vec::with_capacity(HEADER + content.len() + CHECK);
        record.extend_from_slice(MAGIC);
        record.extend_from_slice(&VERSION.to_le_bytes());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(content);
        let check = CRC.checksum(&record);
        record.extend_from_slice(&check.to_le_bytes());
        Ok(record)
    }
}

/// Replaces a node's state, durably once this answers Ok. Creates `dir` (0700) if it is not there.
///
/// # Errors
/// Says which file and why. The old content is then still there.
pub fn write(dir: &Path, content: &[u8]) -> io::Result<()> {
    STATE.write(dir, content)
}

/// Makes the state directory, if it is not there.
pub(crate) fn make(dir: &Path) -> io::Result<()> {
    if !dir.is_dir() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|e| named(dir, &e))?;
        if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
    }
    Ok(())
}

/// Replaces the file `name` as a whole, by way of the file `next`.
pub(crate) fn replace(dir: &Path, name: &str, next: &str, bytes: &[u8]) -> io::Result<()> {
    let next = dir.join(next);
    write_synced(&next, bytes).map_err(|e| named(&next, &e))?;
    let path = dir.join(name);
    fs::rename(&next, &path).map_err(|e| named(&path, &e))?;
    sync_dir(dir)
}

/// Reads a node's state. A leftover of an interrupted write is not looked at.
#[must_use]
pub fn read(dir: &Path) -> Read {
    STATE.read(dir)
}

/// The record that holds `content`.
///
/// # Errors
/// When it is longer than [`CONTENT_MAX`].
pub fn encode(content: &[u8]) -> io::Result<Vec<u8>> {
    STATE.encode(content)
}

/// The content of a stored record.
///
/// # Errors
/// Why it can not be believed.
pub fn decode(record: &[u8]) -> Result<&[u8], String> {
    let (body, check) = record.split_last_chunk::<CHECK>().ok_or("too short")?;
    if CRC.checksum(body) != u32::from_le_bytes(*check) {
        return Err("the check sum does not fit".to_owned());
    }
    let (magic, body) = body.split_first_chunk::<8>().ok_or("too short")?;
    if magic != MAGIC {
        return Err("not a state file of ovzha".to_owned());
    }
    let (version, body) = body.split_first_chunk::<2>().ok_or("too short")?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(format!("written in format {version}, this ovzha reads {VERSION}"));
    }
    let (length, content) = body.split_first_chunk::<4>().ok_or("too short")?;
    if usize::try_from(u32::from_le_bytes(*length)) != Ok(content.len()) {
        return Err("the length does not fit".to_owned());
    }
    Ok(content)
}

fn write_synced(path: &Path, record: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    file.write_all(record)?;
    file.sync_all()
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| named(dir, &e))
}

pub(crate) fn named(path: &Path, e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{}: {e}", path.display()))
}
