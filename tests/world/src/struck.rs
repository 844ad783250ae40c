//! Which choices are faults that strike: only these are counted, and only when they change something.
//!
//! Not counted: power that comes, the end of a fault, requests, another release, a clock that runs differently, and
//! what finds nothing to strike (a power cut of a node that has no power, a script that is never called).

use ovzha_core::witness::Relay;

use crate::act::Act;
use crate::node::{Freeze, Truth};
use crate::stonith::Does;
use crate::world::World;

impl World {
    /// Whether this choice, made now, is a fault that strikes at once. Scripts strike when they are called.
    #[expect(clippy::too_many_lines, reason = "one line or two a choice")]
    pub(crate) fn is_struck_by(&self, act: &Act) -> bool {
        let relays = self.setup.relay != Relay::None;
        match act {
            Act::Off(node) => self.nodes[*node].power,
            Act::Freeze(node, kind, _) => {
                let node = &self.nodes[*node];
                let there = node.daemon.is_some() || *kind != Freeze::Process;
                node.power && node.freeze.is_none() && there
            }
            Act::Cut(link, from, true) => {
                let ways = self.wire.ways.iter().enumerate();
                let mut hit = ways.filter(|(place, _)| link.is_none_or(|link| link == *place));
                hit.any(|(_, ways)| !ways[*from].cut)
            }
            Act::Device(node, link, false) => *link < self.setup.links && self.wire.is_there(*node, *link),
            Act::Isolate(node, true) => !self.wire.isolated[*node],
            Act::WitnessPower(false) => self.witness.daemon.is_some(),
            Act::RelayStuck(node, true) => relays && !self.witness.relays[*node].is_stuck(),
            Act::SenseBlind(node, true) => relays && !self.witness.relays[*node].is_blind(),
            Act::Agent(_, agent) => agent.does != Does::Cuts,
            Act::WitnessCut(node, true) => self.setup.witness && !self.witness.cut[*node],
            Act::Drbd(true) => self.mirrors.iter().any(|mirror| !mirror.cut),
            Act::Path(group, true) => !self.mirrors[*group].cut,
            Act::Weather(loss, twice, damage, _) => loss + twice + damage > 0,
            Act::Stray(chance, _) => *chance > 0,
            Act::Slow(_, by) => *by > 0,
            Act::Replay(from, to, _) | Act::Recall(from, to, ..) => {
                !self.wire.sent[*from].is_empty() && self.nodes[*to].daemon.is_some()
            }
            Act::Kill(node) | Act::Lie(node, _) | Act::Noise(node) | Act::Bytes(node, _) | Act::Impostor(node, _) => {
                self.nodes[*node].daemon.is_some()
            }
            Act::Die(node, group, resource, _) => {
                self.nodes[*node].truth[*group][usize::from(*resource)] == Truth::On && self.nodes[*node].power
            }
            Act::Diskless(node, group, true) => self.is_mirrored(*group) && !self.mirrors[*group].diskless[*node],
            Act::Suspend(node, group, true) => self.mirrors[*group].primary[*node],
            Act::Disk(node, false) => !self.nodes[*node].disk_fails,
            Act::DiskTakes(_, takes) => *takes > 100_000,
            Act::Lose(..) => true,
            Act::Pings(node, false) => self.setup.pings > 0 && self.nodes[*node].pings,
            Act::Pass(_)
            | Act::Next
            | Act::On(_)
            | Act::Revive(_)
            | Act::Thaw(_)
            | Act::Drift(..)
            | Act::Cut(_, _, false)
            | Act::Device(_, _, true)
            | Act::Isolate(_, false)
            | Act::WitnessPower(true)
            | Act::WitnessCut(_, false)
            | Act::RelayStuck(_, false)
            | Act::SenseBlind(_, false)
            | Act::ConfirmFenced(_)
            | Act::Drbd(false)
            | Act::Path(_, false)
            | Act::Script(..)
            | Act::Unscript(..)
            | Act::Feign(..)
            | Act::Diskless(_, _, false)
            | Act::Suspend(_, _, false)
            | Act::Unstick(_)
            | Act::Reap(_)
            | Act::Ask(..)
            | Act::Disk(_, true)
            | Act::Pings(_, true)
            | Act::Config(..)
            | Act::Key(..)
            | Act::Speak(..)
            | Act::Newer(..)
            | Act::Resolve => false,
        }
    }
}
