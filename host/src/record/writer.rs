//! Turns what happens at the core's doors into blocks of the ring.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use ovzha_core::cluster::Cluster;
use ovzha_core::event::Event;
use ovzha_core::id::KeyId;
use ovzha_core::output::Output;
use ovzha_core::time::Instant;
use serde::Serialize;

use super::block::PREFIX;
use super::entry::{Begins, Entry, Opening};
use super::names::Names;
use super::ring::{BLOCK_ROOM, Ring};

/// A segment with less room than this is left: what one event makes of outputs is to stand in the same segment.
const RESERVE: usize = 8 * 1024;
/// An entry is never longer: a frame, or the state to be stored, and a few numbers.
const ENTRY_MAX: usize = 512;
/// Outputs are collected up to this size before they are written.
const SAID_MAX: usize = 4 * 1024;

/// Writes a record.
#[derive(Debug)]
pub struct Writer {
    ring: Ring,
    /// Room for one block, made at the start.
    block: Box<[u8]>,
    /// Collected and not written yet.
    said: Box<[u8]>,
    used: usize,
    opening: Opening,
    /// Something is missing in this segment: nothing more goes there.
    broken: bool,
    failed: Option<io::Error>,
}

impl Writer {
    /// A life begins, in a segment of its own; `now` is when.
    #[must_use]
    pub fn new(ring: Ring, names: Names, signing: KeyId, cluster: &Cluster, now: Instant) -> Self {
        let mut writer = Self {
            ring,
            block: vec![0; BLOCK_ROOM].into_boxed_slice(),
            said: vec![0; PREFIX + SAID_MAX].into_boxed_slice(),
            used: PREFIX,
            opening: Opening {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                now,
                wall: 0,
                begins: Begins::Life,
                signing,
                names,
            },
            broken: false,
            failed: None,
        };
        writer.open(cluster);
        writer
    }

    /// Why nothing more is recorded, if that is so; answers once.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// The core, as it is, is about to be told this.
    pub(super) fn told(&mut self, cluster: &Cluster, now: Instant, event: Event<'_>) {
        self.flush();
        if self.broken || self.ring.room() < RESERVE {
            self.opening.begins = if self.broken { Begins::Gap } else { Begins::Full };
            self.open(cluster);
        }
        // what the core does with a clock that seems to run backwards: it stands still
        let after = now.since(self.opening.now).as_millis();
        self.opening.now = self.opening.now.max(now);
        self.note(&Entry::Told { after, event });
        self.flush();
    }

    /// The frame that it was told of had no good tag.
    pub(super) fn forged(&mut self) {
        self.note(&Entry::Forged);
    }

    /// It signs with this key from now on.
    pub(super) fn rekeyed(&mut self, signing: KeyId) {
        self.opening.signing = signing;
        self.note(&Entry::Rekeyed { signing });
    }

    /// It said this.
    pub(super) fn said(&mut self, output: Output<'_>) {
        let last = matches!(output, Output::Wait { .. } | Output::Exit);
        self.note(&Entry::Said(output));
        if last {
            self.flush();
        }
    }

    fn note(&mut self, entry: &Entry<'_>) {
        if self.said.len() - self.used < ENTRY_MAX {
            self.flush();
        }
        let written = self.said.get_mut(self.used..).and_then(|room| {
            let written = postcard::to_slice(entry, room);
            written.ok().map(|bytes| bytes.len())
        });
        match written {
            Some(length) => self.used += length,
            None => self.broken = true,
        }
    }

    /// Writes what was collected.
    fn flush(&mut self) {
        if self.used > PREFIX && !self.broken {
            let block = self.said.get_mut(..self.used).unwrap_or_default();
            let written = self.ring.append(block);
            self.done(written);
        }
        self.used = PREFIX;
    }

    /// Begins a segment with all that the core knows.
    fn open(&mut self, cluster: &Cluster) {
        self.broken = false;
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let wall = wall.and_then(|wall| u64::try_from(wall.as_millis()).ok());
        self.opening.wall = wall.unwrap_or_default();
        let begun = self.ring.begin().map(|()| true);
        self.done(begun);
        let opening = content(&mut self.block, &self.opening);
        let written = opening.map(|block| self.ring.append(block));
        self.done(written.unwrap_or(Ok(false)));
        let checkpoint = content(&mut self.block, cluster);
        let written = checkpoint.map(|block| self.ring.append(block));
        self.done(written.unwrap_or(Ok(false)));
    }

    fn done(&mut self, written: io::Result<bool>) {
        match written {
            Ok(true) => {}
            Ok(false) => self.broken = true,
            Err(error) => {
                self.broken = true;
                self.failed.get_or_insert(error);
            }
        }
    }
}

/// A block with this content; none if it has no room.
fn content<'b>(room: &'b mut [u8], value: &impl Serialize) -> Option<&'b mut [u8]> {
    let length = postcard::to_slice(value, room.get_mut(PREFIX..)?).ok()?.len();
    room.get_mut(..PREFIX + length)
}
