//! Reads a record: which segments it has, in their order, and what stands in each.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::cluster::Cluster;
use ovzha_core::id::KeyId;
use ovzha_core::time::{Instant, Span};

use super::block::{self, HEADER, Header};
use super::entry::{Entry, Opening};
use super::{FORMAT, SEGMENT};

/// Largest file that is read: what `ovzha.cf` allows.
pub const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why a file is no record.
#[derive(Debug)]
pub enum ReadError {
    /// It can't be read.
    Io(io::Error),
    /// Nothing in it was written by a recorder.
    NoRecord,
    /// Written by a release whose records this one can't read.
    Format(u16),
    /// Larger than any record.
    TooLarge,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NoRecord => f.write_str("this is no record of ovzha, or nothing of it is whole"),
            Self::Format(format) => write!(
                f,
                "a record in format {format}, and this ovzha reads {FORMAT}: use the release that wrote it"
            ),
            Self::TooLarge => f.write_str("larger than any record"),
        }
    }
}

/// One segment.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// Its number.
    pub number: u64,
    /// How it opens.
    pub opening: Opening,
    checkpoint: &'a [u8],
    blocks: &'a [u8],
}

/// A whole record.
#[derive(Debug)]
pub struct Record {
    bytes: Vec<u8>,
    /// Numbers and places, in the order of the numbers.
    segments: Vec<(u64, usize)>,
}

impl Record {
    /// Reads the file.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(ReadError::Io)?;
        let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(ReadError::Io)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > BYTES_MAX) {
            return Err(ReadError::TooLarge);
        }
        Self::new(bytes)
    }

    /// A record of these bytes; a file that was cut off counts as far as it goes.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, ReadError> {
        let mut segments = Vec::new();
        let mut foreign = None;
        for (place, segment) in bytes.chunks(SEGMENT).enumerate() {
            match block::read_header(segment) {
                Header::Nothing => {}
                Header::Foreign(format) => foreign = Some(format),
                Header::Number(number) => {
                    if parse(number, segment).is_some() {
                        segments.push((number, place));
                    }
                }
            }
        }
        segments.sort_unstable();
        match (segments.is_empty(), foreign) {
            (false, _) => Ok(Self { bytes, segments }),
            (true, Some(format)) => Err(ReadError::Format(format)),
            (true, None) => Err(ReadError::NoRecord),
        }
    }

    /// Its segments, the oldest first.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.segments.iter().filter_map(|(number, place)| {
            let segment = self.bytes.chunks(SEGMENT).nth(*place)?;
            parse(*number, segment)
        })
    }
}

fn parse(number: u64, segment: &[u8]) -> Option<Segment<'_>> {
    let (opening, rest) = block::next(number, segment.get(HEADER..)?)?;
    let (checkpoint, blocks) = block::next(number, rest)?;
    let opening = postcard::from_bytes(opening).ok()?;
    Some(Segment {
        number,
        opening,
        checkpoint,
        blocks,
    })
}

impl<'a> Segment<'a> {
    /// What the core knew when the segment opened; none if it was written by a core that knew something else.
    /// Its keys are those of [`keyring`].
    #[must_use]
    pub fn cluster(&self) -> Option<Cluster> {
        let mut cluster: Cluster = postcard::from_bytes(self.checkpoint).ok()?;
        cluster.rekey(keyring(self.opening.signing));
        cluster.hear(keyring(self.opening.signing));
        Some(cluster)
    }

    /// Bytes of the checkpoint.
    #[must_use]
    pub const fn checkpoint_len(&self) -> usize {
        self.checkpoint.len()
    }

    /// What happened, each with its moment by the node's clock; ends where something is not whole.
    #[must_use]
    pub const fn entries(&self) -> Entries<'a> {
        Entries {
            number: self.number,
            blocks: self.blocks,
            content: &[],
            now: self.opening.now,
        }
    }

    /// A moment of this segment as milliseconds since 1970.
    #[must_use]
    pub const fn wall(&self, at: Instant) -> u64 {
        let wall = self.opening.wall.saturating_add(at.since(self.opening.now).as_millis());
        wall.saturating_sub(self.opening.now.since(at).as_millis())
    }
}

/// The entries of a segment.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    number: u64,
    blocks: &'a [u8],
    content: &'a [u8],
    now: Instant,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Instant, Entry<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.content.is_empty() {
            (self.content, self.blocks) = block::next(self.number, self.blocks)?;
        }
        let Ok((entry, rest)) = postcard::take_from_bytes::<Entry<'a>>(self.content) else {
            (self.content, self.blocks) = (&[], &[]);
            return None;
        };
        self.content = rest;
        if let Entry::Told { after, .. } = entry {
            self.now = self.now.after(Span::from_millis(after));
        }
        Some((self.now, entry))
    }
}

/// The keys that recorded frames are sealed with anew: known to everybody, for they are to prove nothing.
#[must_use]
pub fn keyring(signing: KeyId) -> Keyring {
    let mut keyring = Keyring::new(Domain::Node);
    for id in 0..16 {
        // sixteen numbers below 16, each once, and no text that could be too long
        keyring.add(KeyId(id), Method::Crc, &[]).ok();
    }
    keyring.sign_with(signing).ok();
    keyring
}
