//! One half of a DRBD mirror as its node observes it, and its byte on the wire (PROTOCOL P-5).

/// A DRBD connection as last observed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Connection {
    /// No DRBD in this group, or not observed yet.
    #[default]
    Unknown,
    /// Replicating, or resyncing.
    Connected,
    /// Waiting for the peer, or losing it.
    Connecting,
    /// Given up: split brain or told to. It won't return by itself.
    StandAlone,
}

/// A local DRBD disk as last observed; of several volumes the worst.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Disk {
    /// No DRBD in this group, or not observed yet.
    #[default]
    Unknown,
    /// No usable local disk.
    Failed,
    /// In the middle of a resync.
    Inconsistent,
    /// Known to be old.
    Outdated,
    /// Whole, age unknown.
    Consistent,
    /// Current, as far as DRBD knows.
    UpToDate,
}

/// DRBD of one group as last observed, in one byte on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Drbd {
    /// The connection to the peer.
    pub connection: Connection,
    /// The local disk.
    pub disk: Disk,
    /// This node is Primary.
    pub primary: bool,
    /// I/O is frozen.
    pub suspended: bool,
    /// The other node's disk lacks writes of this one, or may (SAFETY S-61): never said before 0.3.
    pub ahead: bool,
}

impl Drbd {
    /// Packed: connection in bits 0-1, disk in 2-4, primary 5, suspended 6, ahead 7.
    #[must_use]
    pub const fn pack(self) -> u8 {
        let connection = match self.connection {
            Connection::Unknown => 0,
            Connection::Connected => 1,
            Connection::Connecting => 2,
            Connection::StandAlone => 3,
        };
        let disk = match self.disk {
            Disk::Unknown => 0,
            Disk::Failed => 1,
            Disk::Inconsistent => 2,
            Disk::Outdated => 3,
            Disk::Consistent => 4,
            Disk::UpToDate => 5,
        };
        let primary = if self.primary { 0x20 } else { 0 };
        let suspended = if self.suspended { 0x40 } else { 0 };
        let ahead = if self.ahead { 0x80 } else { 0 };
        connection | (disk << 2) | primary | suspended | ahead
    }

    /// The reverse of `pack`; an unknown disk value of a later release reads as unknown.
    #[must_use]
    pub const fn unpack(byte: u8) -> Self {
        let connection = match byte & 3 {
            0 => Connection::Unknown,
            1 => Connection::Connected,
            2 => Connection::Connecting,
            _ => Connection::StandAlone,
        };
        let disk = match (byte >> 2) & 7 {
            1 => Disk::Failed,
            2 => Disk::Inconsistent,
            3 => Disk::Outdated,
            4 => Disk::Consistent,
            5 => Disk::UpToDate,
            _ => Disk::Unknown,
        };
        Self {
            connection,
            disk,
            primary: byte & 0x20 != 0,
            suspended: byte & 0x40 != 0,
            ahead: byte & 0x80 != 0,
        }
    }
}
