//! The recorder: everything the core was told, and everything it said, in a ring file.
//!
//! Model: the core is pure, so its inputs in their order are the whole of a node's life. A file of fixed size is
//! divided into segments of [`SEGMENT`] bytes; the oldest is overwritten by the newest. Each segment stands for itself:
//! it opens with the names that people use and a checkpoint, which is all that the core knew at that moment; then come
//! entries, one for each event and one for each output. So a ring that has wrapped can be replayed from its oldest
//! segment on. A new life of the daemon begins a new segment: lives follow one another in the same ring.
//!
//! **No key, no tag.** A frame is recorded without its tag, and an entry after it says if that was not good. A record
//! can be given away: it holds host names, names of resources and addresses of ping nodes, and nothing to guess a key
//! from. A replay seals the frames anew, with a key that everybody knows.
//!
//! **Where it lies.** The ring is `record` in the run directory, which is in memory, because the loop waits for no disk
//! (SAFETY S-49): a page of a file on a hung disk can keep its writer waiting. It survives the daemon, `kill -9`
//! included, but not the machine. So a child copies it to the state directory ([`keep`]): when a group changes its
//! phase, when a peer is called dead, at an orderly stop, and every ten minutes. A node that resets itself has changed
//! a phase, or found itself isolated, before: nothing is begun at the last moment, when a fork may wait for a disk. A
//! start after a boot goes on with that copy.
//!
//! **Cost.** An event is one write(2) into pages that exist already and are kept in memory where the daemon's are
//! (`sys::keep_in_memory`), and so are the outputs that follow it. No allocation, no fsync, no map that a truncated file
//! could turn into a signal. An entry is written before the core sees the event, so that the record of a crash ends
//! with what caused it.
//!
//! **Torn writes.** Each block of entries carries its length and a CRC-32 that also covers the number of its segment: a
//! reader stops at the first block that does not fit, be it half written or left from an earlier turn of the ring.
//!
//! ```text
//! segment: magic "ovzhaREC" | format u16 | number u64 | CRC-32 | block*     (little endian)
//! block:   length u16 | CRC-32 of number and content | content              (content: postcard)
//! blocks:  opening, checkpoint, entries...
//! ```

mod block;
#[cfg(test)]
mod cost;
pub mod due;
pub mod entry;
pub mod explained;
pub mod keep;
pub mod names;
pub mod reader;
pub mod recorded;
pub mod replay;
pub mod ring;
pub mod timeline;
pub mod writer;

/// Raised whenever a byte of the content means something else than before, the core's own state included.
pub const FORMAT: u16 = 1;
/// Bytes of a segment.
pub const SEGMENT: usize = 128 * 1024;
/// Segments in a mebibyte.
pub const SEGMENTS_PER_MIB: usize = 8;
/// The file, in the run directory and in the state directory.
pub const NAME: &str = "record";
