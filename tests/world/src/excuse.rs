//! What the checkers are told, and which troubles could excuse two actives at that moment.

use ovzha_core::cluster::Cluster;
use ovzha_core::member::MemberState;
use ovzha_core::output::Durable;
use ovzha_core::witness::Relay;

use crate::check::{Excuses, Fact};
use crate::node::Node;
use crate::world::World;

/// Until when each kind of trouble lasted; `u64::MAX`: it still does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Troubles {
    pub cut: Option<u64>,
    pub isolated: Option<u64>,
    /// When a node was last attached again.
    pub joined: [Option<u64>; 2],
    /// When a node was last cut off again before it could be heard.
    pub flapped: Option<u64>,
    pub frozen: [Option<u64>; 2],
    /// A machine stood still with its clock (F3).
    pub paused: [Option<u64>; 2],
    pub daemon: [Option<u64>; 2],
    /// A node said what the other one can't read.
    pub newer: [Option<u64>; 2],
    /// A node has lost what it kept on disk, a hold perhaps.
    pub forgot: [bool; 2],
    /// Since when nothing comes from a node.
    pub gone: [Option<u64>; 2],
}

impl World {
    /// Tells the checkers.
    pub(crate) fn fact(&mut self, fact: &Fact) {
        let excuses = match fact {
            Fact::Begun { step, .. } | Fact::Promoted(step) => self.excuses(step.node),
            Fact::Ended { .. }
            | Fact::Abandoned(..)
            | Fact::Unstuck(..)
            | Fact::Died(..)
            | Fact::PowerLost(_)
            | Fact::DaemonUp(_)
            | Fact::Asked(..)
            | Fact::Answered(..)
            | Fact::Phase(..)
            | Fact::Durable(..)
            | Fact::Feigned(_)
            | Fact::Reaped(..)
            | Fact::Forgot(_)
            | Fact::WitnessUp
            | Fact::WitnessHeard(_)
            | Fact::Shot(..)
            | Fact::ShotEnded(..)
            | Fact::RelayStuck(_)
            | Fact::Relay { .. } => Excuses::default(),
        };
        let before = (self.watch.violations.len(), self.watch.admitted.len());
        // ten deadtimes in milliseconds, less the drift of both clocks, in microseconds
        self.watch.pinged_pause = self.deadtime() * 10 * 970;
        self.watch.see(self.now, fact, &excuses);
        for text in self.watch.violations.get(before.0..).unwrap_or(&[]) {
            self.trace.line(self.now, text, || format!("VIOLATION {text}"));
        }
        for (_, group, cause) in self.watch.admitted.get(before.1..).unwrap_or(&[]) {
            self.trace.line(self.now, group, || {
                format!("two actives of g{group}, admitted: {cause:?}")
            });
        }
    }

    /// Which troubles of the last deadtime could excuse a start on `node` beside an active other.
    pub(crate) fn excuses(&self, node: usize) -> Excuses {
        // two of three votes, or no power: there is no excuse (S-13 to S-15) but one of S-14: what a person left running
        if self.setup.witness || self.setup.stonith && !self.agents.lied {
            let time_lends = self.setup.witness && self.setup.relay != Relay::InPlace;
            return Excuses {
                daemon: time_lends && self.nodes[1 - node].rests == Some(false),
                ..Excuses::default()
            };
        }
        let window = self.deadtime() * 1050 + 2_000_000;
        let lately = |until: Option<u64>| until.is_some_and(|until| until.saturating_add(window) >= self.now);
        let rate = self.nodes[node].clock.rate();
        // a life that was heard may not have been believed yet, when ours is the newer one
        let known = self.nodes[node].daemon.as_ref().is_some_and(|daemon| {
            let peer = daemon.snapshot().peer;
            !matches!(peer, MemberState::Awaited | MemberState::NeverHeard)
        });
        // when both stood still, what a new life of the other said in between was no news to this one
        let stood = (0..2).all(|node| lately(self.troubles.frozen[node]));
        // a paused machine does not know that what it then reads is old: it may have been about to start (S-10)
        let paused = lately(self.troubles.paused[node]);
        let silence = self.nodes[node]
            .heard
            .filter(|_| known && !stood && !paused)
            .map(|at| ((self.now - at) * rate / 1_000_000_000, self.deadtime() * 95 / 100));
        let other = &self.nodes[1 - node];
        // the hold that keeps the isolated active running is not known here any more (S-46)
        let held = other.daemon.as_ref().is_some_and(|daemon| daemon.snapshot().hold.held);
        let forgotten = held && self.troubles.forgot[node];
        let uncovered = self.setup.pings == 0 || !self.setup.last_resort || lately(self.troubles.flapped) || forgotten;
        Excuses {
            cut: lately(self.troubles.cut),
            // row ping covers it as long as a stop that hangs ends in a reset (S-11, S-22), and the peer could hear an
            // attached node
            isolated: uncovered && lately(self.troubles.isolated),
            frozen: lately(self.troubles.frozen[1 - node]) || paused,
            daemon: self.was_unwatched(1 - node),
            silence,
        }
    }

    /// No daemon saw of late what a node ran, or one that did not know enough to act.
    pub(crate) fn was_unwatched(&self, node: usize) -> bool {
        let window = self.deadtime() * 1050 + 2_000_000;
        let lately = |until: Option<u64>| until.is_some_and(|until| until.saturating_add(window) >= self.now);
        // a life of the isolated active that has never heard its peer does not know how much time it has (S-11)
        let it = &self.nodes[node];
        let anew = it.daemon.is_some() && it.heard.is_none() && lately(self.troubles.isolated);
        anew || lately(self.troubles.daemon[node])
    }

    /// A daemon ends that was told to; under a hold it leaves what runs to a person (S-46).
    pub(crate) fn leaves_what_runs(&mut self, node: usize) {
        let held = |daemon: &Cluster| daemon.snapshot().hold.held;
        let kept = |disk: &[u8]| Durable::decode(disk).is_some_and(|durable| durable.hold.held);
        let known = kept(&self.nodes[1 - node].disk);
        self.nodes[node].rests = self.nodes[node].daemon.as_deref().is_some_and(held).then_some(known);
    }

    /// A person ended the hold, or it was lost: what a daemon left running on that node keeps nobody from starting it.
    pub(crate) fn hold_is_over(&mut self, node: usize) {
        self.nodes[node].rests = self.nodes[node].rests.map(|_| false);
    }

    /// The longer of both nodes' deadtimes, in milliseconds.
    #[must_use]
    pub fn deadtime(&self) -> u64 {
        let of = |node: &Node| node.config.deadtime.as_millis();
        of(&self.nodes[0]).max(of(&self.nodes[1]))
    }

    /// A node begins to say what the other one can't read, or ends that.
    pub(crate) fn speak_newer(&mut self, node: usize, newer: bool) {
        self.newer[node] = newer;
        note(&mut self.troubles.newer[node], newer, self.now);
    }

    /// Keeps the account of troubles that could excuse two actives.
    pub(crate) fn note_troubles(&mut self) {
        let now = self.now;
        let both = self.nodes[0].power && self.nodes[1].power;
        let cut = self.wire.is_cut(0) || self.wire.is_cut(1);
        let isolated = self.wire.isolated[0] || self.wire.isolated[1];
        note(&mut self.troubles.cut, cut && both, now);
        note(&mut self.troubles.isolated, isolated && both, now);
    }
}

fn note(until: &mut Option<u64>, on: bool, now: u64) {
    if on {
        *until = Some(u64::MAX);
    } else if *until == Some(u64::MAX) {
        *until = Some(now);
    }
}
