//! Power, daemons and standing still: when a node's lives begin and end.

use std::cmp::Reverse;

use ovzha_core::cluster::Cluster;
use ovzha_core::id::BootId;
use ovzha_core::output::Durable;

use crate::act::Loss;
use crate::check::Fact;
use crate::node::{Clock, Freeze, Input, Truth};
use crate::record::Happening;
use crate::trace::letter;
use crate::witness::witness_keyring;
use crate::world::{What, World};

impl World {
    /// When the last of what is sure to change a machine happens: it thaws, boots, its daemon starts, a resync ends.
    #[must_use]
    pub fn awaited(&self) -> Option<u64> {
        let changes = |what: &What| {
            matches!(
                what,
                What::Thaw { .. } | What::Boot { .. } | What::Daemon { .. } | What::Synced { .. }
            )
        };
        let found = self.due.iter().filter(|Reverse(due)| changes(&due.what));
        found.map(|Reverse(due)| due.at).max()
    }

    /// A new life of a daemon, from what the disk keeps.
    pub fn start_daemon(&mut self, node: usize) {
        if !self.nodes[node].power || self.nodes[node].daemon.is_some() || self.nodes[node].is_still() {
            return;
        }
        let random = self.rng.next().to_be_bytes();
        let boot = BootId([random[0], random[1], random[2], random[3]]);
        let machine = &mut self.nodes[node];
        machine.life += 1;
        (machine.proved, machine.began) = (self.now, self.now);
        (machine.left, machine.rests) = (false, None);
        machine.inbox.clear();
        machine.given.clear();
        machine.heard = None;
        // as the daemon does it
        let durable = match (machine.disk.is_empty(), Durable::decode(&machine.disk)) {
            (true, _) => Durable::default(),
            (false, Some(durable)) => durable,
            (false, None) => Durable::damaged(),
        };
        let now = machine.clock.local(self.now);
        let daemon = Cluster::new(machine.config.clone(), machine.keyring.clone(), boot, durable, now);
        let mut daemon = daemon;
        daemon.hear(witness_keyring());
        machine.daemon = Some(Box::new(daemon));
        let life = machine.life;
        if let Some(until) = &mut self.troubles.daemon[node] {
            *until = (*until).min(self.now);
        }
        self.troubles.gone[node] = None;
        self.trace.mix(self.now, &(node, life));
        self.record(node, Happening::DaemonUp);
        self.fact(&Fact::DaemonUp(node));
        // a daemon without a link begins, too
        self.feed(node, &Input::Tick);
        self.open_witness_link(node);
        for link in 0..self.setup.links {
            if self.wire.is_there(node, link) {
                self.feed(node, &Input::Link(link, true));
            }
        }
        self.at(self.now + 1000, What::Ping { node, life });
        for group in 0..self.mirrors.len() {
            self.at(
                self.now + 10_000,
                What::Look {
                    node,
                    life,
                    group,
                    again: true,
                },
            );
        }
    }

    /// The daemon ends, however it came to that.
    pub(crate) fn daemon_gone(&mut self, node: usize) {
        self.nodes[node].daemon = None;
        self.handlers_fail(node);
        self.troubles.gone[node].get_or_insert(self.now);
        self.nodes[node].inbox.clear();
        self.nodes[node].wake = u64::MAX;
        // what a watchdog ends in time excuses nothing (S-12); a daemon that was told to stop has disarmed it
        if !self.is_watched(node) || self.nodes[node].left {
            self.troubles.daemon[node] = Some(u64::MAX);
        }
        if matches!(self.nodes[node].freeze, Some((Freeze::Process, _))) {
            self.nodes[node].freeze = None;
        }
    }

    /// Power comes, the machine boots its daemon.
    pub fn power_on(&mut self, node: usize) {
        if self.nodes[node].power || !self.witness.relays[node].lets_on() {
            return;
        }
        let rate = self.nodes[node].clock.rate();
        self.nodes[node].power = true;
        self.nodes[node].clock = Clock::new(self.now, rate);
        self.trace
            .line(self.now, &(node, "on"), || format!("{} has power", letter(node)));
        self.record(node, Happening::Boots);
        // a boot ends a connection, whether the other half had noticed or not
        for group in (0..self.mirrors.len())
            .filter(|group| self.mirrors[*group].connected)
            .collect::<Vec<_>>()
        {
            self.part(group);
            self.looks(group);
        }
        self.paths_change();
        self.start_daemon(node);
    }

    /// Power goes: everything on the node stops, only the disk keeps what was written.
    pub fn power_off(&mut self, node: usize) {
        self.witness.relays[node].lets_off();
        if !self.nodes[node].power {
            return;
        }
        let machine = &mut self.nodes[node];
        machine.power = false;
        machine.boots += 1;
        machine.life += 1;
        machine.freeze = None;
        machine.watchdog.rest();
        machine.tasks.clear();
        machine.leftovers.clear();
        machine.paused.clear();
        machine.truth.iter_mut().flatten().for_each(|truth| *truth = Truth::Off);
        self.daemon_gone(node);
        self.troubles.daemon[node] = None;
        (self.troubles.frozen[node], self.troubles.paused[node]) = (None, None);
        let (gone, told) = (self.troubles.gone[node].unwrap_or(self.now), self.told());
        for mirror in &mut self.mirrors {
            // what it then finds on its disk does not say that it wrote alone, nor does that after another loss of power
            mirror.unsaid[node] |= gone < mirror.wrote_at[node].saturating_add(told);
            mirror.power_off(node);
        }
        self.trace.line(self.now, &(node, "off"), || {
            format!("{} is without power", letter(node))
        });
        self.fact(&Fact::PowerLost(node));
        self.paths_change();
    }

    /// The daemon is killed; what runs goes on, children too.
    pub fn kill_daemon(&mut self, node: usize) {
        if self.nodes[node].daemon.is_some() {
            self.watch.settled_steps = self.watch.settled_steps.min(self.watch.steps);
            self.nodes[node].life += 1;
            self.daemon_gone(node);
            self.trace.line(self.now, &(node, "killed"), || {
                format!("{}'s daemon is killed", letter(node))
            });
        }
    }

    /// Its supervisor starts the daemon again after so long.
    pub fn restart_daemon_in(&mut self, node: usize, takes: u64) {
        let boots = self.nodes[node].boots;
        self.at(self.now + takes, What::Daemon { node, boots });
    }

    /// Power comes back after so long.
    pub fn boot_in(&mut self, node: usize, takes: u64) {
        let boots = self.nodes[node].boots;
        self.at(self.now + takes, What::Boot { node, boots });
    }

    /// Its state directory is damaged, gone, or an older one.
    pub(crate) fn lose(&mut self, node: usize, loss: Loss) {
        let machine = &mut self.nodes[node];
        machine.disk = match loss {
            Loss::Damaged => vec![0xff],
            Loss::Gone => Vec::new(),
            Loss::Older(writes) => {
                let place = machine.backups.len().saturating_sub(writes.max(1));
                machine.backups.get(place).cloned().unwrap_or_default()
            }
        };
        for mirror in &mut self.mirrors {
            mirror.forgot[node] = true;
        }
        self.trace.line(self.now, &(node, "forgets"), || {
            format!("{}'s state on disk: {loss:?}", letter(node))
        });
        self.troubles.forgot[node] = true;
        self.hold_is_over(1 - node);
        self.fact(&Fact::Forgot(node));
    }

    /// The clock of a node runs faster or slower from now on.
    pub(crate) fn drift(&mut self, node: usize, rate: u64) {
        let machine = &mut self.nodes[node];
        machine.clock.set_rate(self.now, rate);
        if machine.is_awake() {
            // a timer follows its clock
            machine.wake = self.now + 1;
        }
    }

    /// The node stands still, for so long or until `thaw`.
    pub fn freeze(&mut self, node: usize, kind: Freeze, takes: Option<u64>) {
        if !self.nodes[node].power || self.nodes[node].freeze.is_some() {
            return;
        }
        if kind == Freeze::Process && self.nodes[node].daemon.is_none() {
            return;
        }
        let since = self.now;
        self.nodes[node].freeze = Some((kind, since));
        if kind == Freeze::Machine {
            self.nodes[node].clock.stop(since);
            self.troubles.paused[node] = Some(u64::MAX);
        }
        // S-12 covers F1 and F2
        if kind == Freeze::Machine || !self.is_watched(node) {
            self.troubles.frozen[node] = Some(u64::MAX);
        }
        self.trace.line(since, &(node, "freezes"), || {
            format!("{} stands still ({kind:?})", letter(node))
        });
        self.paths_change();
        if let Some(takes) = takes {
            self.at(since + takes, What::Thaw { node, since });
        }
    }

    /// It moves again: what piled up is handled first, then the time.
    pub fn thaw(&mut self, node: usize) {
        let Some((kind, since)) = self.nodes[node].freeze.take() else {
            return;
        };
        self.nodes[node].clock.go(self.now);
        for troubles in [&mut self.troubles.frozen, &mut self.troubles.paused] {
            if let Some(until) = &mut troubles[node] {
                *until = (*until).min(self.now);
            }
        }
        if kind == Freeze::Machine {
            self.watchdog_goes_on(node, since);
        }
        self.record(node, Happening::Thaws);
        self.trace
            .line(self.now, &(node, "thaws"), || format!("{} moves again", letter(node)));
        // before it writes again
        self.finds_lost(node);
        self.paths_change();
        for (key, left) in std::mem::take(&mut self.nodes[node].paused) {
            let ends = self.now + left;
            if let Some(task) = self.nodes[node].tasks.get_mut(&key) {
                task.ends = ends;
                self.at(ends, What::Task { node, key });
            }
        }
        debug_assert!(
            kind == Freeze::Process || self.nodes[node].power,
            "only a machine with power moves"
        );
        debug_assert!(since <= self.now, "time does not run back");
        while self.nodes[node].freeze.is_none()
            && let Some(input) = self.nodes[node].inbox.pop_front()
        {
            self.feed(node, &input);
        }
        if self.nodes[node].is_awake() {
            self.feed(node, &Input::Tick);
        }
    }
}
