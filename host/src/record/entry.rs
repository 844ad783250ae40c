//! What a record consists of: each event that the core was told, each output, and how a segment opens.

use ovzha_core::event::Event;
use ovzha_core::id::KeyId;
use ovzha_core::output::Output;
use ovzha_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::names::Names;

/// One thing at the doors of the core.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Entry<'a> {
    /// The core was told this. A frame stands here without its tag; bytes that are no frame at all stand here as the
    /// rejection that they would end as.
    Told {
        /// Milliseconds since the event before, or since the segment opened.
        after: u64,
        /// The event.
        #[serde(borrow)]
        event: Event<'a>,
    },
    /// The frame just told had no good tag.
    Forged,
    /// The keys were read again.
    Rekeyed {
        /// The key that signs from now on.
        signing: KeyId,
    },
    /// It said this; a frame stands here without its tag.
    Said(#[serde(borrow)] Output<'a>),
}

/// What the first entry of a segment follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Begins {
    /// The start of the daemon.
    Life,
    /// The last entry of the segment before, which was full.
    Full,
    /// Something that could not be written.
    Gap,
}

/// How a segment opens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Opening {
    /// Of the program that wrote it.
    pub version: String,
    /// When, by the node's own clock.
    pub now: Instant,
    /// The same moment as milliseconds since 1970. For people only.
    pub wall: u64,
    /// What it follows.
    pub begins: Begins,
    /// The key that signs; its number alone.
    pub signing: KeyId,
    /// What people call things.
    pub names: Names,
}
