//! A modelled DRBD device: two halves, one connection, and which half has writes that the other lacks.
//!
//! A Primary writes all the time. Without fencing what it writes while disconnected is acknowledged at once; with it,
//! I/O stands still from the loss of the connection until the fence-peer handler has answered.

use ovzha_core::data::Seen;
use ovzha_core::message::{Connection, Disk, Drbd};

use crate::writes::Writes;

/// One mirrored device.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one device")]
pub struct Mirror {
    /// Who is Primary.
    pub primary: [bool; 2],
    /// A half has acknowledged writes that the other lacks.
    pub wrote: [bool; 2],
    /// Since when.
    pub wrote_at: [u64; 2],
    /// It lost its power before its daemon could say so.
    pub unsaid: [bool; 2],
    /// `fencing resource-and-stonith`.
    pub fencing: bool,
    /// I/O of a Primary stands still until its handler has answered.
    pub frozen: [bool; 2],
    /// DRBD on this half has on record that the other one is old.
    pub peer_old: [bool; 2],
    /// A half was told that it is old.
    pub outdated: [bool; 2],
    /// A resync into this half did not end.
    pub inconsistent: [bool; 2],
    /// A node has lost what it kept on disk of this device since the halves were last the same.
    pub forgot: [bool; 2],
    /// When a Primary with a disk of its own was parted from the other half.
    pub parted: [Option<u64>; 2],
    /// The other half was promoted without a word of that: each may have writes of its own.
    pub crossed: bool,
    /// The halves became the same while no daemon of this node was awake, and none has seen them so since.
    pub unwatched: [bool; 2],
    /// Booted alone, with fencing: whole, and nobody knows how old.
    pub consistent: [bool; 2],
    /// The half that is being resynced.
    pub syncing: Option<usize>,
    /// Counts resyncs, so that the end of an old one is known as such.
    pub resyncs: u32,
    /// Its own path between the nodes is cut.
    pub cut: bool,
    /// The halves are connected.
    pub connected: bool,
    /// A half has no disk.
    pub diskless: [bool; 2],
    /// I/O of a half waits because a test says so.
    pub suspended: [bool; 2],
    /// They differ: it stays disconnected until a person chooses.
    pub alone: bool,
    /// What users were told is written, and where it is.
    pub writes: Writes,
    /// This half does not know yet that the connection is lost: its machine stands still, and writes nothing.
    pub late: [bool; 2],
    /// What the connection is about to become.
    pub settles: Option<bool>,
    /// Counts changes of the path, so that an old timer is known as such.
    pub turn: u32,
}

impl Mirror {
    /// Whether this node would be refused the Primary role now.
    #[must_use]
    pub const fn refuses(&self, node: usize) -> bool {
        self.connected && self.primary[1 - node]
    }

    /// Whether its handler is asked before it becomes Primary.
    #[must_use]
    pub const fn asks(&self, node: usize) -> bool {
        self.fencing && !self.connected && !self.peer_old[node]
    }

    /// Whether both halves were written to by themselves.
    #[must_use]
    pub const fn differs(&self) -> bool {
        self.wrote[0] && self.wrote[1]
    }

    /// Whether a half has a disk, and all of the data on it.
    #[must_use]
    pub fn holds_all(&self, node: usize) -> bool {
        !self.diskless[node] && !self.inconsistent[node] && self.syncing != Some(node)
    }

    /// A half lost its disk: a resync from it or into it ends half-way.
    pub fn break_sync(&mut self, node: usize) {
        if let Some(target) = self.syncing.take() {
            self.inconsistent[target] = true;
            self.peer_old[1 - target] |= target != node;
        }
    }

    /// A half takes writes that the other one does not get.
    pub const fn writes_to(&mut self, half: usize, now: u64) {
        if !self.wrote[half] {
            (self.wrote[half], self.wrote_at[half]) = (true, now);
            self.unsaid[half] = false;
        }
    }

    /// This node takes or leaves the Primary role.
    pub const fn set_primary(&mut self, node: usize, primary: bool) {
        self.primary[node] = primary;
        self.frozen[node] = false;
    }

    /// Whether a disk that comes back is refused: old data under a Primary that has no disk and has written elsewhere.
    #[must_use]
    pub fn refuses_disk(&self, node: usize) -> bool {
        let helped = self.connected && !self.diskless[1 - node];
        let far = self.connected && self.primary[1 - node] && self.writes.lacks(node) > 0;
        let near = self.primary[node] && self.writes.misses(node, node);
        self.diskless[node] && !helped && (near || far)
    }

    /// Whether a connection is refused: a Primary without a disk wants the data that it had, and these are older.
    #[must_use]
    pub fn refuses_connection(&self) -> bool {
        let refuses = |node: usize| {
            let other = 1 - node;
            self.primary[node] && self.diskless[node] && !self.diskless[other] && self.writes.misses(other, node)
        };
        refuses(0) || refuses(1)
    }

    /// The connection is noticed to be lost, by a machine that stands `still` later. The nodes whose handlers are to be asked.
    pub fn drop_connection(&mut self, still: [bool; 2]) -> [bool; 2] {
        self.connected = false;
        if let Some(target) = self.syncing.take() {
            self.inconsistent[target] = true;
            self.peer_old[1 - target] = true;
        }
        self.late = still;
        [0, 1].map(|node| !still[node] && self.loses_peer(node))
    }

    /// A half notices that it is alone: a Primary goes on, or waits for its handler. Whether the handler is to be asked.
    pub const fn loses_peer(&mut self, node: usize) -> bool {
        self.late[node] = false;
        // without a disk there is nothing to protect: DRBD asks nobody
        if !self.primary[node] || self.diskless[node] {
            return false;
        }
        self.frozen[node] = self.fencing && !self.peer_old[node];
        self.frozen[node]
    }

    /// The halves find each other. Both were written to, or are Primary: they part again. One was: the other is to be resynced.
    pub fn connect(&mut self) {
        if self.differs() || (self.primary[0] && self.primary[1]) {
            self.alone = true;
            return;
        }
        self.connected = true;
        // what stood still goes out to the other half now
        self.frozen = [false; 2];
        (self.peer_old, self.consistent) = ([false; 2], [false; 2]);
        self.compare();
    }

    /// Connected: who is behind?
    pub fn compare(&mut self) {
        let behind = |node: usize| {
            // the generations decide; what it was told counts where they say nothing
            let told_old = self.outdated[node] && !self.wrote[node];
            let late = self.wrote[1 - node] || self.inconsistent[node] || told_old;
            // there must be a disk to copy from
            late && !self.diskless[0] && !self.diskless[1]
        };
        self.syncing = (0..2).find(|node| behind(*node));
        self.resyncs += 1;
        self.outdated = [false; 2];
    }

    /// A resync ends.
    pub const fn synced(&mut self) {
        (self.forgot, self.peer_old) = ([false; 2], [false; 2]);
        self.meet();
        if let Some(target) = self.syncing.take() {
            (self.inconsistent[target], self.wrote[1 - target]) = (false, false);
        }
    }

    /// The halves are the same.
    pub const fn meet(&mut self) {
        (self.parted, self.crossed) = ([None; 2], false);
    }

    /// A person gave up one half's data: that of the Secondary, or of the one that was told that it is old. Whose data are
    /// kept.
    pub const fn resolve(&mut self) -> usize {
        self.alone = false;
        let second = self.primary[1] || (!self.primary[0] && self.outdated[0]);
        let kept = if second { 1 } else { 0 };
        self.wrote[1 - kept] = false;
        self.outdated[1 - kept] = !self.primary[1 - kept];
        self.outdated[kept] = false;
        kept
    }

    /// The machine is off: what is on the disk stays, and how it was with the peer is known if it was on record.
    pub const fn power_off(&mut self, node: usize) {
        self.primary[node] = false;
        self.frozen[node] = false;
        self.late[node] = false;
        self.consistent[node] = self.fencing && !self.peer_old[node];
    }

    /// What this node's disk is.
    #[must_use]
    pub fn disk(&self, node: usize) -> Disk {
        if self.diskless[node] {
            Disk::Failed
        } else if self.inconsistent[node] || self.syncing == Some(node) {
            Disk::Inconsistent
        } else if self.outdated[node] {
            Disk::Outdated
        } else if self.consistent[node] && !self.connected {
            Disk::Consistent
        } else {
            Disk::UpToDate
        }
    }

    /// What this node's kernel shows.
    #[must_use]
    pub fn seen(&self, node: usize) -> Seen {
        let connection = if self.connected {
            Connection::Connected
        } else if self.alone {
            Connection::StandAlone
        } else {
            Connection::Connecting
        };
        let good = |node: usize| self.disk(node) == Disk::UpToDate;
        let reaches = self.connected && good(1 - node);
        Seen {
            drbd: Drbd {
                connection,
                disk: self.disk(node),
                primary: self.primary[node],
                suspended: self.suspended[node] || self.frozen[node],
                ahead: self.primary[node] && !reaches,
            },
            mirrored: reaches && good(node),
            current: self.connected && good(node) && !self.diskless[1 - node],
            proved: !self.connected && good(node) && self.peer_old[node],
        }
    }
}
