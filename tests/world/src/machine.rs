//! What a machine does with effects, with DRBD, and with power: the modelled scripts.

use ovzha_core::event::Outcome;
use ovzha_core::message::{Disk, Phase};
use ovzha_core::output::{Effect, Op};

use crate::check::{Fact, Step};
use crate::node::{Input, Task, Truth, op_number};
use crate::record::Happening;
use crate::setup::Model;
use crate::trace::letter;
use crate::world::{What, World};

const MS: u64 = 1000;
/// An abandoned child is dead so soon.
const KILLED: u64 = 100 * MS;
/// How long `drbdadm primary` waits for its handler at most.
const HANDLER: u64 = 60_000 * MS;
/// A new daemon waits so long for a child that outlived the old one, then calls its probe timed out.
const LEFTOVER: u64 = 30_000 * MS;

impl World {
    fn model(&self, step: Step) -> Model {
        self.setup
            .groups
            .get(step.group)
            .and_then(|group| group.resources.get(usize::from(step.resource)))
            .copied()
            .unwrap_or(Model::Mail)
    }

    fn name(&self, step: Step) -> &'static str {
        self.model(step).name()
    }

    fn truth(&mut self, step: Step) -> &mut Truth {
        &mut self.nodes[step.node].truth[step.group][usize::from(step.resource)]
    }

    /// A child is started.
    pub(crate) fn begin(&mut self, node: usize, effect: Effect) {
        let step = Step {
            node,
            group: usize::from(effect.group.0),
            resource: effect.resource,
            op: effect.op,
        };
        let script = self.nodes[node].script(step);
        let feigned = self.feigns(step);
        let key = (step.group, step.resource, op_number(step.op));
        let met = script.is_some() && self.nodes[node].unused.remove(&key);
        self.struck += u64::from(met) + u64::from(feigned);
        let usual = match step.op {
            Op::Probe | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => 20 * MS,
            Op::Start => 300 * MS,
            Op::Stop => 200 * MS,
        };
        let takes = script.and_then(|script| script.takes).unwrap_or(usual);
        let wanted = script.and_then(|script| script.outcome);
        let promotes = step.op == Op::Start && self.model(step) == Model::Drbd;
        let mirror = &self.mirrors[step.group];
        let refused = promotes && mirror.refuses(node);
        let useless = promotes && !matches!(mirror.disk(node), Disk::UpToDate | Disk::Consistent);
        // `drbdadm primary` waits for the handler
        let asks = promotes && !refused && !useless && wanted.is_none() && mirror.asks(node);
        let outcome = match (step.op, wanted) {
            (Op::Start, _) if refused || asks => Outcome::Blocked,
            (Op::Start, _) if useless => Outcome::Failed,
            (_, Some(outcome)) => outcome,
            // as it really is when it ends
            (Op::Probe | Op::Monitor, None) => Outcome::NotRunning,
            (Op::Start | Op::Stop | Op::Outdate | Op::Confirm | Op::Resume, None) => Outcome::Done,
        };
        // what is not there, or not for this node, was never begun
        let effective = outcome != Outcome::Blocked && !useless && (step.op, outcome) != (Op::Start, Outcome::Unfit);
        if effective && promotes {
            self.promotes(node, step.group);
        }
        self.trace_begun(step, effect);
        let id = effect.id.0;
        self.fact(&Fact::Begun { step, id, effective });
        if step.op == Op::Start && effective {
            *self.truth(step) = Truth::Part;
            self.nodes[node].leftovers.remove(&(step.group, step.resource));
            if self.model(step) == Model::Drbd {
                self.mirrors[step.group].set_primary(node, true);
                self.looks(step.group);
            }
        }
        let mut ends = self.now + if asks { HANDLER } else { takes };
        if step.op == Op::Probe {
            let leftover = self.nodes[node]
                .tasks
                .values()
                .filter(|task| is_leftover(task, step))
                .map(|task| task.ends)
                .max();
            ends = ends.max(leftover.map_or(0, |at| at.saturating_add(1)).min(self.now + LEFTOVER));
        }
        self.put(Task {
            step,
            id,
            life: self.nodes[node].life,
            outcome,
            wanted: wanted.is_some(),
            feigned,
            ends,
        });
        if asks {
            self.ask_handler(node, step.group);
        }
    }

    fn trace_begun(&mut self, step: Step, effect: Effect) {
        let (who, name) = (letter(step.node), self.name(step));
        if step.op == Op::Monitor {
            // the looks that find nothing are not worth a line
            self.trace.mix(self.now, &effect);
        } else {
            let op = format!("{:?}", step.op).to_lowercase();
            self.trace.line(self.now, &effect, || {
                format!("{who} begins {op} g{} {name}", step.group)
            });
        }
    }

    pub(crate) fn put(&mut self, task: Task) {
        let (node, ends) = (task.step.node, task.ends);
        let machine = &mut self.nodes[node];
        machine.newest += 1;
        let key = machine.newest;
        machine.tasks.insert(key, task);
        self.at(ends, What::Task { node, key });
    }

    pub(crate) fn task_ends(&mut self, node: usize, key: u32) {
        let Some(task) = self.nodes[node].tasks.get(&key).cloned() else {
            return;
        };
        if task.ends > self.now {
            return;
        }
        if let Some((_, since)) = self.nodes[node].freeze.filter(|_| self.nodes[node].is_still()) {
            let left = self.now.saturating_sub(since);
            self.nodes[node].paused.push((key, left));
            return;
        }
        self.nodes[node].tasks.remove(&key);
        self.finish(&task);
    }

    fn finish(&mut self, task: &Task) {
        let step = task.step;
        let drbd = self.model(step) == Model::Drbd;
        let mut outcome = task.outcome;
        let held = drbd && step.op == Op::Stop && self.is_held_open(step);
        if held && outcome == Outcome::Done {
            outcome = Outcome::Failed;
        }
        match (step.op, outcome) {
            (Op::Stop, Outcome::Done) if task.feigned => {
                self.nodes[step.node].leftovers.insert((step.group, step.resource));
                self.fact(&Fact::Feigned(step));
            }
            (Op::Start, Outcome::Done) if task.feigned => *self.truth(step) = Truth::Off,
            (Op::Outdate | Op::Confirm | Op::Resume, Outcome::Done) if drbd => outcome = self.told_drbd(step),
            (Op::Probe | Op::Monitor, Outcome::NotRunning) if !task.wanted => {
                outcome = match *self.truth(step) {
                    Truth::Off => Outcome::NotRunning,
                    Truth::On => Outcome::Done,
                    Truth::Part => Outcome::Partial,
                };
                if step.op == Op::Probe && self.child_lives(step) {
                    outcome = Outcome::TimedOut;
                }
            }
            (Op::Start, Outcome::Done | Outcome::Degraded) => {
                *self.truth(step) = Truth::On;
            }
            (Op::Stop, Outcome::Done | Outcome::Degraded | Outcome::NotRunning) => {
                *self.truth(step) = Truth::Off;
                self.nodes[step.node].leftovers.remove(&(step.group, step.resource));
                if drbd {
                    self.mirrors[step.group].set_primary(step.node, false);
                    self.looks(step.group);
                }
            }
            (Op::Start | Op::Probe | Op::Stop | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume, _) => {}
        }
        let node = &self.nodes[step.node];
        let told = node.life == task.life && node.daemon.is_some();
        self.trace.mix(self.now, &(task.id, told));
        self.fact(&Fact::Ended {
            step,
            id: task.id,
            outcome,
            told,
        });
        if task.feigned && step.op == Op::Start && outcome == Outcome::Done {
            self.fact(&Fact::Died(step.node, step.group, step.resource));
        }
        if outcome == Outcome::Stuck {
            // the child lives on until it is let go
            self.nodes[step.node].newest += 1;
            let key = self.nodes[step.node].newest;
            let mut child = task.clone();
            child.ends = u64::MAX;
            self.nodes[step.node].tasks.insert(key, child);
        }
        self.tell_done(step.node, task.life, task.id, outcome);
    }

    /// Whether this call only says that it did its work: scripts do, what is observed does not (SAFETY S-36).
    fn feigns(&mut self, step: Step) -> bool {
        let key = (step.group, step.resource, op_number(step.op));
        let script = matches!(self.model(step), Model::Data | Model::Plain);
        script && matches!(step.op, Op::Start | Op::Stop) && self.nodes[step.node].feigns.remove(&key)
    }

    /// What a stop left running holds the device open: it does not become Secondary.
    fn is_held_open(&self, step: Step) -> bool {
        let left = &self.nodes[step.node].leftovers;
        left.iter()
            .any(|(group, place)| *group == step.group && *place > step.resource)
    }

    /// A person ends what stops have left running on a node, unless its daemon has found it and runs it again.
    pub(crate) fn reap(&mut self, node: usize) {
        let seen = self.nodes[node].daemon.as_ref().map(|daemon| daemon.snapshot());
        for (group, resource) in self.nodes[node].leftovers.clone() {
            let view = seen.as_ref().and_then(|seen| seen.groups.get(group));
            if view.is_some_and(|view| matches!(view.phase, Phase::Starting | Phase::Active)) {
                continue;
            }
            self.nodes[node].leftovers.remove(&(group, resource));
            self.nodes[node].truth[group][usize::from(resource)] = Truth::Off;
            self.fact(&Fact::Reaped(node, group, resource));
        }
    }

    fn child_lives(&self, step: Step) -> bool {
        self.nodes[step.node].tasks.values().any(|task| is_leftover(task, step))
    }

    /// The daemon wants a child killed.
    pub(crate) fn abandon(&mut self, node: usize, id: u32) {
        // the end of a child came while the daemon stood still: it does not know yet, and nothing is left to be killed
        let of = |input: &Input| matches!(input, Input::Done(ended, _) if *ended == id);
        if !self.nodes[node].inbox.iter().any(of) {
            self.fact(&Fact::Abandoned(node, id));
        }
        let life = self.nodes[node].life;
        let found = self.nodes[node]
            .tasks
            .iter()
            .find(|(_, task)| task.id == id && task.life == life)
            .map(|(key, task)| (*key, task.clone()));
        let Some((key, mut task)) = found else { return };
        if task.outcome != Outcome::Stuck {
            task.outcome = Outcome::Failed;
        }
        task.ends = task.ends.min(self.now + KILLED);
        self.nodes[node].tasks.remove(&key);
        self.put(task);
    }

    /// A stuck child is gone at last: what it was doing is left as it is.
    pub fn unstick(&mut self, node: usize) {
        let stuck: Vec<(u32, usize, u8)> = self.nodes[node]
            .tasks
            .iter()
            .filter(|(_, task)| task.ends == u64::MAX)
            .map(|(key, task)| (*key, task.step.group, task.step.resource))
            .collect();
        for (key, group, resource) in stuck {
            self.nodes[node].tasks.remove(&key);
            self.fact(&Fact::Unstuck(node, group, resource));
            self.give(node, Input::Unstuck(group, resource));
        }
    }

    /// A resource ends by itself, or, `part`, is left running in part.
    pub fn dies(&mut self, node: usize, group: usize, resource: u8, part: bool) {
        let step = Step {
            node,
            group,
            resource,
            op: Op::Monitor,
        };
        let ran = *self.truth(step) == Truth::On && self.nodes[node].power;
        if !ran || self.model(step) == Model::Mail {
            return;
        }
        *self.truth(step) = if part { Truth::Part } else { Truth::Off };
        if self.model(step) == Model::Drbd && !part {
            self.mirrors[group].set_primary(node, false);
            self.looks(group);
        }
        let name = self.name(step);
        self.trace.line(self.now, &(node, group, resource, part), || {
            format!("{} of g{group} dies on {}", name, letter(node))
        });
        self.fact(&Fact::Died(node, group, resource));
    }

    /// A half of a mirror loses its disk, or gets it back.
    pub fn set_diskless(&mut self, node: usize, group: usize, diskless: bool) {
        self.flow(group);
        let mirror = &mut self.mirrors[group];
        if mirror.refuses_disk(node) {
            return;
        }
        mirror.diskless[node] = diskless;
        if diskless {
            mirror.break_sync(node);
        }
        // a disk that comes back alone is as after a boot; under a Primary its handler is asked first
        let unknown = !diskless && mirror.asks(node);
        mirror.consistent[node] |= unknown && !mirror.primary[node];
        mirror.frozen[node] |= unknown && mirror.primary[node];
        if unknown && mirror.primary[node] {
            self.ask_handler(node, group);
        }
        self.flow(group);
        let mirror = &mut self.mirrors[group];
        if !diskless && mirror.connected && mirror.differs() {
            // only now there is something to compare with
            self.part(group);
            self.splits(group);
        } else if mirror.connected && mirror.syncing.is_none() {
            mirror.compare();
        }
        self.resync(group);
        self.looks(group);
        // a connection that was refused for it is tried again
        self.paths_change();
    }

    /// I/O of a half waits because somebody says so, or goes on.
    pub(crate) fn suspend(&mut self, node: usize, group: usize, on: bool) {
        self.mirrors[group].suspended[node] = on;
        self.flow(group);
    }

    /// Something changed that DRBD's connection may depend on.
    pub fn paths_change(&mut self) {
        let off = |node: usize| !self.nodes[node].power || self.nodes[node].is_still() || self.wire.isolated[node];
        let away = off(0) || off(1);
        let shared = self.shared_cut();
        for group in 0..self.mirrors.len() {
            let notices = self.drbd_notices;
            let mirror = &mut self.mirrors[group];
            let open = !away && !shared && !mirror.cut && !mirror.alone;
            let wanted = (open != mirror.connected).then_some(open);
            if mirror.settles != wanted {
                mirror.settles = wanted;
                mirror.turn += 1;
                let turn = mirror.turn;
                if wanted.is_some() {
                    let takes = if open { 300 * MS } else { notices };
                    self.at(self.now + takes, What::Path { group, turn });
                }
            }
            self.flow(group);
        }
        self.note_troubles();
    }

    /// The link whose way DRBD shares is cut.
    pub(crate) fn shared_cut(&self) -> bool {
        let link = self.drbd_link.and_then(|link| self.wire.ways.get(link));
        link.is_some_and(|ways| ways[0].cut || ways[1].cut)
    }

    /// The connection of a mirror is lost, and its Primary asks what that means.
    pub(crate) fn part(&mut self, group: usize) {
        self.flow(group);
        let still = [0, 1].map(|node| self.nodes[node].is_still());
        self.mirrors[group].settles = None;
        self.mirrors[group].turn += 1;
        for (node, still) in still.into_iter().enumerate() {
            let mirror = &mut self.mirrors[group];
            if self.nodes[node].power && !still && mirror.primary[node] && !mirror.diskless[node] {
                mirror.parted[node] = Some(self.now);
            }
        }
        let asked = self.mirrors[group].drop_connection(still);
        for (node, asks) in asked.into_iter().enumerate() {
            if asks {
                self.ask_handler(node, group);
            }
        }
    }

    pub(crate) fn path_settles(&mut self, group: usize, turn: u32) {
        if self.mirrors[group].turn != turn {
            return;
        }
        self.mirrors[group].settles = None;
        if self.mirrors[group].connected {
            self.part(group);
        } else {
            self.flow(group);
            if self.mirrors[group].refuses_connection() {
                return;
            }
            self.mirrors[group].connect();
            self.resync(group);
            if self.mirrors[group].alone {
                self.splits(group);
            }
        }
        self.looks(group);
    }

    /// DRBD gives the connection up: both halves were written to.
    fn splits(&mut self, group: usize) {
        self.mirrors[group].alone = true;
        self.record(0, Happening::SplitBrain(group));
        self.trace.line(self.now, &group, || {
            format!("DRBD of g{group}: split brain, StandAlone")
        });
    }

    /// A machine that stood still finds its connections gone.
    pub(crate) fn finds_lost(&mut self, node: usize) {
        for group in 0..self.mirrors.len() {
            if !self.mirrors[group].late[node] {
                continue;
            }
            if self.mirrors[group].loses_peer(node) {
                self.ask_handler(node, group);
            }
            self.looks(group);
        }
    }

    pub(crate) fn looks(&mut self, group: usize) {
        self.flow(group);
        for node in 0..2 {
            let life = self.nodes[node].life;
            let again = false;
            self.at(
                self.now + 5 * MS,
                What::Look {
                    node,
                    life,
                    group,
                    again,
                },
            );
        }
    }

    pub(crate) fn look(&mut self, node: usize, life: u32, group: usize, again: bool) {
        if self.nodes[node].life != life || self.nodes[node].daemon.is_none() {
            return;
        }
        let mirrored = self.setup.groups[group].resources.contains(&Model::Drbd);
        if !mirrored {
            return;
        }
        if again {
            self.at(
                self.now + 5_000 * MS,
                What::Look {
                    node,
                    life,
                    group,
                    again,
                },
            );
        }
        if self.nodes[node].freeze.is_none() {
            self.give(node, Input::Look(group));
        }
    }
}

/// Whether a probe waits for this child: one that changes the resource, or can't be killed. The next life kills the looks.
fn is_leftover(task: &Task, probe: Step) -> bool {
    let same = task.step.group == probe.group && task.step.resource == probe.resource;
    let changes = matches!(task.step.op, Op::Start | Op::Stop) || task.ends == u64::MAX;
    same && changes && task.step.op != Op::Probe
}
