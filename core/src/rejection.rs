//! Why bytes from a link were not used: a closed list with fixed numbers, so that it can be counted.
//!
//! A refused frame changes one counter here, nothing else (PROTOCOL P-14).

/// Why bytes from a link were not used. The numbers are fixed: they appear in status output and in recordings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Rejection {
    /// 1: fewer bytes than a header and a tag.
    TooShort = 1,
    /// 2: more bytes than any frame has; on a serial line also a stretch without a delimiter.
    TooLong = 2,
    /// 3: the first byte is not ours.
    Magic = 3,
    /// 4: a frame of another cluster on the same wire.
    Cluster = 4,
    /// 5: signed with a key number that is not in `authkeys`.
    UnknownKey = 5,
    /// 6: the tag is wrong: another key, or a damaged frame.
    Tag = 6,
    /// 7: serial bytes that are no COBS.
    Cobs = 7,
    /// 8: text of Linux-HA Heartbeat: the other side still runs it.
    Heartbeat = 8,
    /// 9: authentic, of a version we speak, but the body is not a message of that version.
    Body = 9,
    /// 10: our own frame, of our present life, heard back.
    OwnEcho = 10,
    /// 11: our own name with another life: another node uses it, or our own past is replayed.
    OwnName = 11,
    /// 12: the sender is no node of this cluster.
    Sender = 12,
    /// 13: addressed to someone else.
    Addressee = 13,
    /// 14: the sender says it sent this on another link than the one it came by; it counts for none, and is believed.
    Link = 14,
    /// 15: a sequence number not newer than the newest of its link (P-19).
    Stale = 15,
    /// 16: another life of the sender that has not proved itself yet (P-21).
    UnprovedLife = 16,
}

impl Rejection {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// Every one, in the order of the numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::TooShort,
        Self::TooLong,
        Self::Magic,
        Self::Cluster,
        Self::UnknownKey,
        Self::Tag,
        Self::Cobs,
        Self::Heartbeat,
        Self::Body,
        Self::OwnEcho,
        Self::OwnName,
        Self::Sender,
        Self::Addressee,
        Self::Link,
        Self::Stale,
        Self::UnprovedLife,
    ];

    /// Its fixed number, 1 to 16.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::TooShort => 1,
            Self::TooLong => 2,
            Self::Magic => 3,
            Self::Cluster => 4,
            Self::UnknownKey => 5,
            Self::Tag => 6,
            Self::Cobs => 7,
            Self::Heartbeat => 8,
            Self::Body => 9,
            Self::OwnEcho => 10,
            Self::OwnName => 11,
            Self::Sender => 12,
            Self::Addressee => 13,
            Self::Link => 14,
            Self::Stale => 15,
            Self::UnprovedLife => 16,
        }
    }

    /// A short name for status output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "too-short",
            Self::TooLong => "too-long",
            Self::Magic => "magic",
            Self::Cluster => "cluster",
            Self::UnknownKey => "unknown-key",
            Self::Tag => "tag",
            Self::Cobs => "cobs",
            Self::Heartbeat => "heartbeat",
            Self::Body => "body",
            Self::OwnEcho => "own-echo",
            Self::OwnName => "own-name",
            Self::Sender => "sender",
            Self::Addressee => "addressee",
            Self::Link => "link",
            Self::Stale => "stale",
            Self::UnprovedLife => "unproved-life",
        }
    }
}

/// One counter a reason; each stays at its largest value rather than wrapping.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Rejections([u32; Rejection::COUNT]);

impl Rejections {
    /// All zero.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; Rejection::COUNT])
    }

    /// Counts one.
    pub fn count(&mut self, reason: Rejection) {
        if let Some(n) = self.0.get_mut(Self::place(reason)) {
            *n = n.saturating_add(1);
        }
    }

    /// How often `reason` was counted.
    #[must_use]
    pub fn of(&self, reason: Rejection) -> u32 {
        self.0.get(Self::place(reason)).copied().unwrap_or(0)
    }

    /// All of them together, saturating.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Every reason with its count, in the order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Rejection, u32)> + '_ {
        Rejection::ALL.into_iter().zip(self.0.iter().copied())
    }

    fn place(reason: Rejection) -> usize {
        usize::from(reason.code().saturating_sub(1))
    }
}
