//! Acknowledged writes: which half of a mirror holds which of them (S2), kept apart from what DRBD knows of itself.
//!
//! A Primary that can write does so all the time; a write's number is the moment at which it was acknowledged. So
//! for each half two numbers say what it holds: the newest write that each of the nodes took. What a user was told
//! is done and the half he goes on with does not hold is lost.

use ovzha_core::message::Disk;

use crate::mirror::Mirror;
use crate::world::World;

/// Where the writes of a node go now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Flow {
    /// Nowhere: it does not write, or waits.
    #[default]
    Still,
    /// To its own half.
    Own,
    /// To the other half alone: its own has no disk.
    Other,
    /// To both.
    Both,
}

/// The account of one device.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    /// The newest acknowledged write, by the node that took it.
    acked: [u64; 2],
    /// What each half holds, by the node that took it.
    holds: [[u64; 2]; 2],
    flow: [Flow; 2],
}

impl Writes {
    /// What has been acknowledged up to now, as it flowed since the last change.
    fn accrue(&mut self, now: u64) {
        for node in 0..2 {
            let (own, other) = match self.flow[node] {
                Flow::Still => continue,
                Flow::Own => (true, false),
                Flow::Other => (false, true),
                Flow::Both => (true, true),
            };
            self.acked[node] = now;
            for (half, there) in [(node, own), (1 - node, other)] {
                if there {
                    self.holds[half][node] = now;
                }
            }
        }
    }

    /// For how long, in microseconds, users of the other node or this one wrote what this half lacks; 0: it lacks nothing.
    #[must_use]
    pub fn lacks(&self, half: usize) -> u64 {
        let of = |node: usize| self.acked[node].saturating_sub(self.holds[half][node]);
        of(0).max(of(1))
    }

    /// This half lacks writes that the Primary on `writer` has acknowledged.
    #[must_use]
    pub const fn misses(&self, half: usize, writer: usize) -> bool {
        self.acked[writer] > self.holds[half][writer]
    }

    /// What this half lacks is lost for good, and was told.
    pub const fn give_up(&mut self, half: usize) {
        self.acked = self.holds[half];
    }

    /// One half becomes what the other is. Whether acknowledged writes are overwritten by that.
    pub fn copy(&mut self, source: usize) -> bool {
        let lost = (0..2).any(|node| {
            let (kept, gone) = (self.holds[source][node], self.holds[1 - source][node]);
            gone.min(self.acked[node]) > kept
        });
        self.holds[1 - source] = self.holds[source];
        lost
    }
}

impl World {
    /// After every change that a write may depend on: accounts for the time up to now, and sees where they go from here.
    pub(crate) fn flow(&mut self, group: usize) {
        let moves = |node: usize| self.nodes[node].power && !self.nodes[node].is_still();
        let path = moves(0) && moves(1) && !self.wire.isolated[0] && !self.wire.isolated[1] && !self.shared_cut();
        let can = [moves(0), moves(1)];
        let now = self.now;
        let mirror = &mut self.mirrors[group];
        mirror.writes.accrue(now);
        let flow = |node: usize| {
            let waits = mirror.frozen[node] || mirror.suspended[node];
            if !mirror.primary[node] || !can[node] || waits {
                return Flow::Still;
            }
            let carries = path && !mirror.cut;
            let own = mirror.holds_all(node);
            if !mirror.connected {
                return if own { Flow::Own } else { Flow::Still };
            }
            match (own, takes(mirror, 1 - node)) {
                // the other half's word is waited for
                _ if !carries => Flow::Still,
                (true, true) => Flow::Both,
                (true, false) => Flow::Own,
                // the target of a resync gets what is new at once
                (false, true) if !mirror.diskless[node] => Flow::Both,
                (false, true) => Flow::Other,
                (false, false) => Flow::Still,
            }
        };
        let flows = [flow(0), flow(1)];
        mirror.writes.flow = flows;
        for (node, flow) in flows.into_iter().enumerate() {
            match flow {
                Flow::Own => mirror.writes_to(node, now),
                Flow::Other => mirror.writes_to(1 - node, now),
                Flow::Still | Flow::Both => {}
            }
        }
    }

    /// S2: a node goes on with its half of the data; what users of the other one were told is done must be in it.
    pub(crate) fn goes_on(&mut self, node: usize, group: usize) {
        self.flow(group);
        let lacks = self.mirrors[group].writes.lacks(node);
        if lacks == 0 {
            return;
        }
        let admitted = self.admits_old_data(node, group);
        self.mirrors[group].writes.give_up(node);
        if admitted {
            self.lost_writes += 1;
        } else {
            let text = format!(
                "S2 group {group}: node {node} goes on without {} ms of acknowledged writes",
                lacks / 1000
            );
            self.watch.violation(self.now, &text);
        }
    }

    /// The end of a resync: the target is what the source is.
    pub(crate) fn copied(&mut self, source: usize, group: usize) {
        self.flow(group);
        if self.mirrors[group].writes.copy(source) {
            let text = format!("S2 group {group}: a resync from node {source} overwrites acknowledged writes");
            self.watch.violation(self.now, &text);
        }
    }
}

/// Whether a half takes the writes of a connected Primary; a resync brings it later what it misses.
fn takes(mirror: &Mirror, half: usize) -> bool {
    mirror.disk(half) == Disk::UpToDate
}
