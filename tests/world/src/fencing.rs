//! DRBD's fence-peer handler, and what else passes between a daemon and its DRBD's data: promotions, resyncs, marks.

use ovzha_core::event::{Command, Outcome};
use ovzha_core::message::Disk;
use ovzha_core::output::{Answer, Fenced, Op};

use crate::check::{Fact, Step};
use crate::record::Happening;
use crate::setup::Model;
use crate::trace::letter;
use crate::world::{What, World, group_id};

const MS: u64 = 1000;
/// Clients from this number on are handlers.
const HANDLERS: u32 = 1_000_000;
/// A refused promotion is tried again by the agent and given up so soon.
const REFUSED: u64 = 1000 * MS;

impl World {
    /// The kernel calls the handler of a node: it asks the daemon, and fails if there is none.
    pub(crate) fn ask_handler(&mut self, node: usize, group: usize) {
        self.handlers += 1;
        let client = HANDLERS + self.handlers;
        self.trace.line(self.now, &(node, client), || {
            format!("{}'s handler asks for the peer of g{group}", letter(node))
        });
        self.record(node, Happening::HandlerAsks(group));
        if !self.nodes[node].is_awake() {
            self.handler_said(node, group, None);
            return;
        }
        self.asked.insert(client, (node, group, self.nodes[node].life));
        let command = Command::FencePeer { group: group_id(group) };
        // not before the kernel is done with what called it
        self.at(self.now + 1, What::Asked { node, client, command });
    }

    pub(crate) fn asked_now(&mut self, node: usize, client: u32, command: Command) {
        let life = self.asked.get(&client).map(|(_, _, life)| *life);
        if life == Some(self.nodes[node].life) && self.nodes[node].is_awake() {
            self.ask(node, client, command);
        } else if let Some((node, group, _)) = self.asked.remove(&client) {
            self.handler_said(node, group, None);
        }
    }

    /// A daemon answers a client: if it is a handler, DRBD goes on.
    pub(crate) fn handler_answered(&mut self, client: u32, answer: &Answer) {
        let Some((node, group, _)) = self.asked.remove(&client) else {
            return;
        };
        let fenced = if let Answer::Fenced(fenced) = answer {
            Some(*fenced)
        } else {
            None
        };
        self.handler_said(node, group, fenced);
    }

    /// The daemons of handlers that waited are gone: they fail.
    pub(crate) fn handlers_fail(&mut self, node: usize) {
        let waiting: Vec<(u32, usize)> = self
            .asked
            .iter()
            .filter(|(_, (of, ..))| *of == node)
            .map(|(client, (_, group, _))| (*client, *group))
            .collect();
        for (client, group) in waiting {
            self.asked.remove(&client);
            self.handler_said(node, group, None);
        }
    }

    fn handler_said(&mut self, node: usize, group: usize, said: Option<Fenced>) {
        let now = self.now;
        let mirror = &mut self.mirrors[group];
        let promotion = self.nodes[node]
            .tasks
            .iter()
            .find(|(_, task)| task.step.group == group && task.step.op == Op::Start && task.outcome == Outcome::Blocked)
            .map(|(key, task)| (*key, task.clone()));
        // 5 counts only on a disk that is current (drbd/FACTS section 5)
        let counts = match said {
            None => false,
            Some(Fenced::Dead) => mirror.disk(node) == Disk::UpToDate,
            Some(Fenced::Primary) => {
                mirror.outdated[node] |= !mirror.primary[node];
                false
            }
            Some(Fenced::Inconsistent | Fenced::Outdated | Fenced::Confirmed) => true,
        };
        if counts && !mirror.connected {
            mirror.peer_old[node] = true;
            mirror.consistent[node] = false;
            if mirror.frozen[node] {
                mirror.frozen[node] = false;
            }
        }
        if let Some((key, mut task)) = promotion.filter(|(_, task)| self.is_promotion(task.step)) {
            let mirror = &self.mirrors[group];
            let may = (counts || mirror.connected) && !mirror.refuses(node);
            if may {
                self.promotes(node, group);
                self.fact(&Fact::Promoted(task.step));
                self.mirrors[group].set_primary(node, true);
                task.outcome = Outcome::Done;
            }
            task.ends = now + if may { 300 * MS } else { REFUSED };
            self.nodes[node].tasks.remove(&key);
            self.put(task);
        }
        self.looks(group);
    }

    fn is_promotion(&self, step: Step) -> bool {
        self.setup.groups[step.group].resources.get(usize::from(step.resource)) == Some(&Model::Drbd)
    }

    /// Outdate, confirm, resume: what comes of it.
    pub(crate) fn told_drbd(&mut self, step: Step) -> Outcome {
        let mirror = &mut self.mirrors[step.group];
        let done = match step.op {
            Op::Outdate if mirror.connected || mirror.primary[step.node] => false,
            Op::Outdate => {
                mirror.outdated[step.node] = true;
                true
            }
            Op::Confirm => {
                let whole = !mirror.inconsistent[step.node];
                if whole {
                    (mirror.outdated[step.node], mirror.consistent[step.node]) = (false, false);
                }
                whole
            }
            Op::Resume => {
                if mirror.frozen[step.node] {
                    mirror.frozen[step.node] = false;
                }
                true
            }
            Op::Probe | Op::Start | Op::Stop | Op::Monitor => false,
        };
        self.looks(step.group);
        if done { Outcome::Done } else { Outcome::Failed }
    }

    fn asleep(&self) -> [bool; 2] {
        [0, 1].map(|node: usize| !self.nodes[node].is_awake())
    }

    /// A resync begins if one half is behind.
    pub(crate) fn resync(&mut self, group: usize) {
        let asleep = self.asleep();
        let mirror = &self.mirrors[group];
        if mirror.connected && mirror.syncing.is_some() {
            let turn = mirror.resyncs;
            let takes = self.resync_takes;
            self.at(self.now + takes, What::Synced { group, turn });
        } else if mirror.connected && !mirror.differs() {
            // nothing to copy
            let mirror = &mut self.mirrors[group];
            if !mirror.diskless.contains(&true) {
                mirror.wrote = [false; 2];
                mirror.meet();
                mirror.unwatched = asleep;
            }
        }
    }

    pub(crate) fn sync_ends(&mut self, group: usize, turn: u32) {
        let asleep = self.asleep();
        let mirror = &mut self.mirrors[group];
        if mirror.connected && mirror.settles == Some(false) {
            // nothing gets through, and DRBD has not noticed yet
            return self.at(self.now + self.resync_takes, What::Synced { group, turn });
        }
        if mirror.resyncs == turn && mirror.connected {
            let source = mirror.syncing.map(|target| 1 - target);
            if let Some(source) = source {
                self.copied(source, group);
            }
            let mirror = &mut self.mirrors[group];
            mirror.synced();
            mirror.unwatched = asleep;
            mirror.compare();
            self.resync(group);
            self.looks(group);
        }
    }

    /// S3: a half is promoted; the other one must have nothing that it lacks. S2: nor must any user miss anything.
    pub(crate) fn promotes(&mut self, node: usize, group: usize) {
        let mirror = &self.mirrors[group];
        let other = 1 - node;
        if mirror.primary[node] || mirror.connected {
            return;
        }
        let old = mirror.wrote[other] && !mirror.wrote[node];
        // who is Primary beside it has a line of its own (S1 is another checker's); who was when they were parted, and whom
        // nobody has heard since, is ahead; and so is this one now (S-61)
        let crosses =
            mirror.primary[other] || mirror.parted[other].is_some_and(|at| self.is_unheard((node, group), at));
        let admitted = self.admits_old_data(node, group);
        if old && admitted {
            self.old_data += 1;
        } else if old {
            let text = format!("S3 group {group}: node {node} promotes data that lack writes of node {other}");
            self.watch.violation(self.now, &text);
        }
        self.mirrors[group].crossed |= crosses;
        self.goes_on(node, group);
    }

    /// Within this time the other node has heard what a node that lives says of itself.
    pub(crate) const fn told(&self) -> u64 {
        4 * self.setup.keepalive * MS + 1000 * MS
    }

    /// Nothing that the other node said since then was known here when the start was announced: none of it had come, or what had was
    /// of a life that could not prove itself, for it heard nobody.
    fn is_unheard(&self, (node, group): (usize, usize), since: u64) -> bool {
        let machine = &self.nodes[node];
        let claimed = machine.claimed.get(group).copied().flatten();
        let strange = machine.proved < self.nodes[1 - node].began || claimed.is_some_and(|at| at < machine.proved);
        let told = since.saturating_add(self.told());
        strange || machine.heard.is_none_or(|heard| heard < told)
    }

    /// Whether the row admits that this node goes on without the newest writes of the other one (S-10, S-11, S-61).
    pub(crate) fn admits_old_data(&self, node: usize, group: usize) -> bool {
        let (mirror, other) = (&self.mirrors[group], 1 - node);
        let excuses = self.excuses(node);
        // without fencing what is written between the loss of the mirror and the next word of it is lost
        let told = self.told();
        let since = mirror.wrote_at[other];
        let gone = self.troubles.gone[other].unwrap_or(self.now);
        let window = gone < since.saturating_add(told) || (mirror.wrote[other] && mirror.unsaid[other]);
        // nothing has been heard of the other one since it began to write alone: a cut, and then its end (S-10)
        let cut = |until: Option<u64>| until.is_some_and(|until| until >= since);
        let parted = cut(self.troubles.cut) || (self.setup.pings == 0 && cut(self.troubles.isolated));
        // with a fence agent DRBD keeps the other one from writing alone until this node is off (S-85)
        let kept = self.setup.stonith && mirror.fencing && !self.agents.lied;
        let unheard = parted && !kept && self.is_unheard((node, group), since);
        // an isolated active writes on until it has stopped (S-11)
        let apart = self.troubles.isolated.is_some_and(|until| until >= since);
        // whatever keeps a second active away: what DRBD does while no daemon runs, nobody sees (S-61)
        let unfenced = !mirror.fencing && (window || apart || self.was_unwatched(other));
        // while it stood still nobody could tell it that the other one went on (S-10)
        let slept = mirror.wrote[other] && self.troubles.frozen[node].is_some_and(|until| until >= since);
        // it may have said that it is ahead: nobody here can read that (S-28)
        let unread = cut(self.troubles.newer[other]);
        // both halves have writes of their own already, or may; or nobody here saw that they became the same; or what was kept
        // is gone with its disk: that this half is old, or, on the other node, that its half is ahead
        let settled =
            mirror.differs() || mirror.crossed || mirror.unwatched[node] || mirror.forgot[node] || mirror.forgot[other];
        unfenced || unheard || unread || settled || slept || excuses.cut || excuses.isolated || excuses.frozen
    }
}
