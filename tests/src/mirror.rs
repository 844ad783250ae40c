//! A modelled DRBD device: two roles, one connection, and whose data went its own way.

use ovzha_core::message::{Connection, Disk, Drbd};

/// One mirrored device.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    /// Who is Primary.
    pub primary: [bool; 2],
    /// Who was Primary while disconnected: both, and the data differ.
    pub wrote: [bool; 2],
    /// Its own path between the nodes is cut.
    pub cut: bool,
    /// The halves replicate.
    pub connected: bool,
    /// A half has no disk.
    pub diskless: [bool; 2],
    /// I/O of a half waits.
    pub suspended: [bool; 2],
    /// They differ: it stays disconnected until a person chooses.
    pub alone: bool,
    /// Counts changes of the path, so that an old timer is known as such.
    pub turn: u32,
}

impl Mirror {
    /// Whether this node would be refused the Primary role now.
    #[must_use]
    pub const fn refuses(&self, node: usize) -> bool {
        self.connected && self.primary[1 - node]
    }

    /// This node takes or leaves the Primary role.
    pub const fn set_primary(&mut self, node: usize, primary: bool) {
        self.primary[node] = primary;
        if primary && !self.connected {
            self.wrote[node] = true;
        }
    }

    /// The connection is noticed to be lost.
    pub fn drop_connection(&mut self) {
        self.connected = false;
        for node in 0..2 {
            self.wrote[node] |= self.primary[node];
        }
    }

    /// The halves find each other. Both were written to: they part again.
    pub const fn connect(&mut self) {
        if self.wrote[0] && self.wrote[1] {
            self.alone = true;
        } else {
            self.wrote = [false; 2];
            self.connected = true;
        }
    }

    /// A person gave up one half's data.
    pub const fn resolve(&mut self) {
        self.alone = false;
        self.wrote = [false; 2];
    }

    /// What this node's kernel shows.
    #[must_use]
    pub const fn seen(&self, node: usize) -> Drbd {
        let connection = if self.connected {
            Connection::Connected
        } else if self.alone {
            Connection::StandAlone
        } else {
            Connection::Connecting
        };
        Drbd {
            connection,
            disk: if self.diskless[node] {
                Disk::Failed
            } else {
                Disk::UpToDate
            },
            primary: self.primary[node],
            suspended: self.suspended[node],
        }
    }
}
