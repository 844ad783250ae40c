//! Carries faults out on the World, each at its time, and writes down what follows.

use ovzha_core::decide::Decision;
use ovzha_core::member::MemberState;
use ovzha_core::output::Op;
use ovzha_core::snapshot::GroupView;
use ovzha_host::haresources::Resource;
use ovzha_host::told;
use ovzha_world::act::{Act as Choice, UNTIL_THAWED};
use ovzha_world::check::Cause;
use ovzha_world::node::Freeze;
use ovzha_world::record::Happening;
use ovzha_world::stonith::{Agent, Does};

use super::fault::{Act, Fault, When};
use super::names::{Names, Ways};
use super::room::Room;
use super::spans::Spans;
use super::words;

/// Longest wait for things to settle, beside ten deadtimes: what goes on for longer goes on for ever.
const LONGEST_MS: u64 = 600_000;
const MS: u64 = 1000;

/// What a line of the timeline is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A fault of the command line.
    Fault(String),
    /// It had no effect, and why; or the end of patience.
    Remark(String),
    /// Something happened on a node.
    Node(usize, Happening),
}

/// One line: milliseconds since the first fault, and what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// When, in microseconds of the World.
    pub at: u64,
    /// What.
    pub event: Event,
}

/// The machine room with its account of what happened.
pub struct Stage {
    /// The nodes.
    pub room: Room,
    /// What happened since the first fault, or since power came if there is none.
    pub lines: Vec<Line>,
    /// When the first fault struck.
    pub begin: u64,
    /// Who ran what, when.
    pub spans: Spans,
    /// Per link: what each node sends is cut.
    cuts: Vec<[bool; 2]>,
    drbd_cut: bool,
    /// What each client asked.
    pub asked: Vec<String>,
    /// When something last changed.
    changed: u64,
    told: usize,
    /// When each node's daemon began its life.
    up: [u64; 2],
}

impl Stage {
    /// Both nodes have power; with `started`, the cluster has come to rest.
    pub fn new(mut room: Room, started: bool) -> Self {
        room.world.keep_record();
        let mut stage = Self {
            lines: Vec::new(),
            begin: 0,
            spans: Spans::new(room.configs[0].groups.len()),
            cuts: vec![[false; 2]; room.configs[0].links.len()],
            drbd_cut: false,
            asked: Vec::new(),
            changed: 0,
            told: 0,
            up: [0; 2],
            room,
        };
        stage.choose(&Choice::On(0));
        stage.choose(&Choice::On(1));
        stage.look();
        if started {
            stage.settle();
            // where between two heartbeats the first fault strikes is the seed's
            let keepalive = stage.room.configs[0].timings.keepalive.as_millis() * MS;
            let pause = stage.room.world.rng.below(keepalive.max(1));
            stage.pass(pause);
            stage.lines.clear();
            stage.begin = stage.room.world.now;
            stage.spans.begin(stage.begin);
        } else {
            stage.spans.begin(0);
            stage.settle();
        }
        stage
    }

    fn choose(&mut self, choice: &Choice) {
        self.room.world.step(choice);
    }

    /// Carries them out, and looks on for so many milliseconds behind the last one, or until nothing changes any more.
    pub fn run(&mut self, faults: &[Fault], look_on: Option<u64>) {
        for (place, fault) in faults.iter().enumerate() {
            let now = self.room.world.now;
            match fault.when {
                When::Settled if place > 0 => self.settle(),
                When::Settled => {}
                When::After(ms) => self.pass(ms * MS),
                When::At(ms) => self.pass((self.begin + ms * MS).saturating_sub(now)),
            }
            if fault.act != Act::LookOn {
                let line = Event::Fault(fault.said.clone());
                self.say(line);
                if let Some(why) = self.act(&fault.act) {
                    self.say(Event::Remark(why));
                }
                self.changed = self.room.world.now;
                self.look();
            }
        }
        let ends_by_time = faults.last().is_some_and(|last| last.act == Act::LookOn);
        match look_on {
            Some(ms) => self.pass(ms * MS),
            None if ends_by_time => {}
            None => self.settle(),
        }
    }

    fn say(&mut self, event: Event) {
        let at = self.room.world.now;
        self.lines.push(Line { at, event });
    }

    /// Time passes.
    fn pass(&mut self, span: u64) {
        let until = self.room.world.now + span;
        while self.room.world.next().is_some_and(|at| at <= until) {
            self.choose(&Choice::Next);
            self.look();
        }
        self.choose(&Choice::Pass(until - self.room.world.now));
    }

    /// Time passes until nothing has changed for longer than anything here can take.
    fn settle(&mut self) {
        let timings = &self.room.configs[0].timings;
        let (deadtime, initdead) = (timings.deadtime.as_millis(), timings.initdead.as_millis());
        // DRBD's handler is answered after a deadtime and 20 s at the latest (SAFETY S-62)
        let quiet = (2 * deadtime + 20_000) * MS;
        let begun = self.room.world.now;
        let limit = begun.max(self.room.world.awaited().unwrap_or(0)) + (10 * deadtime + LONGEST_MS + initdead) * MS;
        self.changed = begun;
        loop {
            let awaited = self.room.world.awaited().unwrap_or(0);
            let rests = self.changed.max(awaited) + quiet;
            if self.room.world.now >= rests {
                return;
            }
            if self.room.world.now >= limit {
                self.say(Event::Remark("it goes on like this".to_owned()));
                return;
            }
            self.pass(rests.min(limit) - self.room.world.now);
            if self.is_busy() {
                self.changed = self.room.world.now;
            }
        }
    }

    /// Something is sure to end: a step, a start that was decided, the wait for a peer's first word.
    fn is_busy(&self) -> bool {
        let initdead = self.room.configs[0].timings.initdead.as_millis() * MS;
        let now = self.room.world.now;
        let nodes = self.room.world.nodes.iter().zip(self.up);
        nodes.filter(|(node, _)| node.is_awake()).any(|(node, up)| {
            let view = node.daemon.as_ref().map(|daemon| daemon.snapshot());
            let waits = view.is_some_and(|view| {
                let starts = |group: &GroupView| matches!(group.decision, Decision::Acquire(_));
                let awaits = view.peer == MemberState::Awaited && now <= up + initdead;
                awaits || view.groups.iter().any(starts)
            });
            waits
                || node
                    .tasks
                    .values()
                    .any(|task| task.step.op != Op::Monitor && task.ends != u64::MAX)
        })
    }

    /// Takes down what has happened.
    fn look(&mut self) {
        for entry in self.room.world.take_record() {
            if entry.what == Happening::DaemonUp {
                self.up[entry.node] = entry.at;
            }
            if !words::is_routine(&entry.what) {
                self.changed = entry.at;
            }
            self.lines.push(Line {
                at: entry.at,
                event: Event::Node(entry.node, entry.what),
            });
        }
        if self.spans.look(&self.room.world) {
            self.changed = self.room.world.now;
        }
        let admitted = &self.room.world.watch.admitted;
        let causes: Vec<(u64, usize, Cause)> = admitted.get(self.told..).unwrap_or(&[]).to_vec();
        self.told = admitted.len();
        for (_, group, cause) in causes {
            self.spans.admitted(group, cause);
        }
    }

    /// Does it; says why it had no effect.
    fn act(&mut self, act: &Act) -> Option<String> {
        match act {
            Act::PowerCut(node) if !self.has_power(*node) => return Some("it has no power".to_owned()),
            Act::PowerCut(node) => self.choose(&Choice::Off(*node)),
            Act::AgentFails(_, _) if !self.room.world.setup.stonith => {
                return Some("ovzha.cf names no fence agent".to_owned());
            }
            Act::AgentFails(node, fails) => {
                let does = if *fails { Does::Fails } else { Does::Cuts };
                let agent = Agent {
                    does,
                    ..Agent::default()
                };
                self.choose(&Choice::Agent(*node, agent));
            }
            Act::PowerOn(node) if self.has_power(*node) => return Some("it has power".to_owned()),
            Act::PowerOn(node) => self.choose(&Choice::On(*node)),
            Act::Freeze(node, kind, ms) => return self.freeze(*node, *kind, *ms),
            Act::Thaw(node) if self.room.world.nodes[*node].freeze.is_none() => {
                return Some("it does not stand still".to_owned());
            }
            Act::Thaw(node) => self.choose(&Choice::Thaw(*node)),
            Act::KillDaemon(node, back) => {
                if self.room.world.nodes[*node].daemon.is_none() {
                    return Some("no daemon runs there".to_owned());
                }
                self.choose(&Choice::Kill(*node));
                if let Some(ms) = back {
                    self.room.world.restart_daemon_in(*node, ms * MS);
                }
            }
            Act::StartDaemon(node) => {
                let life = self.room.world.nodes[*node].life;
                self.choose(&Choice::Revive(*node));
                if self.room.world.nodes[*node].life == life {
                    return Some("it can't start: one runs already, or the machine does not".to_owned());
                }
            }
            Act::Cut(ways, from, cut) => self.cut(ways, *from, *cut),
            Act::Isolate(node, isolated) => self.choose(&Choice::Isolate(*node, *isolated)),
            Act::PingsLost(_, _) if self.room.configs[0].pings.is_empty() => {
                return Some("ha.cf has no ping node".to_owned());
            }
            Act::PingsLost(node, lost) => self.choose(&Choice::Pings(*node, !lost)),
            Act::DiskLost(node, groups, lost) => return self.disk(*node, *groups, *lost),
            Act::Dies(node, place) => {
                let runs = self.room.world.watch.is_active(*node, place.group);
                self.choose(&Choice::Die(*node, place.group, place.resource, false));
                return (!runs).then(|| "it does not run there".to_owned());
            }
            Act::Fails(node, place, op) => self.room.fails(*node, *place, *op),
            Act::Repair(node, place) => self.room.repair(*node, *place),
            Act::Ask(node, command) => {
                let asked = node.map_or_else(|| (0..2).find(|node| self.is_awake(*node)), Some);
                let Some(node) = asked.filter(|node| self.is_awake(*node)) else {
                    return Some("no daemon answers there".to_owned());
                };
                self.asked.push(told::command(&self.room.configs[node], command));
                self.choose(&Choice::Ask(node, command.clone()));
            }
            Act::LookOn => {}
        }
        None
    }

    fn has_power(&self, node: usize) -> bool {
        self.room.world.nodes[node].power
    }

    fn is_awake(&self, node: usize) -> bool {
        self.room.world.nodes[node].is_awake()
    }

    fn freeze(&mut self, node: usize, kind: Freeze, ms: Option<u64>) -> Option<String> {
        self.choose(&Choice::Freeze(node, kind, ms.map_or(UNTIL_THAWED, |ms| ms * MS)));
        let still = self.room.world.nodes[node].freeze.is_some();
        (!still).then(|| "nothing runs there that could stand still".to_owned())
    }

    fn disk(&mut self, node: usize, groups: ovzha_core::id::GroupSet, lost: bool) -> Option<String> {
        let mirrored: Vec<usize> = (0..self.room.drbd.len())
            .filter(|group| groups.contains(*group))
            .filter(|group| {
                self.room.configs[0].groups[*group]
                    .resources
                    .iter()
                    .any(Resource::is_drbd)
            })
            .collect();
        for group in &mirrored {
            self.choose(&Choice::Diskless(node, *group, lost));
        }
        mirrored.is_empty().then(|| "no such group has DRBD".to_owned())
    }

    fn cut(&mut self, ways: &Ways, from: Option<usize>, cut: bool) {
        for link in &ways.links {
            for node in (0..2).filter(|node| from.is_none_or(|from| from == *node)) {
                self.cuts[*link][node] = cut;
                self.choose(&Choice::Cut(Some(*link), node, cut));
            }
        }
        if ways.drbd {
            self.drbd_cut = cut;
        }
        for (group, shared) in self.room.shared.clone().into_iter().enumerate() {
            // a connection needs both ways
            let cable = shared.is_some_and(|link| self.cuts[link].contains(&true));
            self.choose(&Choice::Path(group, self.drbd_cut || cable));
        }
    }

    /// The names of these files.
    pub const fn names(&self) -> Names<'_> {
        Names {
            configs: &self.room.configs,
        }
    }
}
