//! Two machines, one link, a ping node, maybe a witness, and time: between two choices everything happens the one way it can.
//!
//! The daemons are real `Cluster`s, driven as the daemon's loop drives them: one `handle`, then `poll` until `Wait`, then
//! nothing before the moment it names. Choices are made once a keepalive. In between, a frame arrives at once, is lost,
//! or waits until its direction carries again, as was chosen for that direction.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use ovzha_core::event::{Command, Event, Outcome};
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::{ClientId, EffectId, GroupId, LinkId};
use ovzha_core::message::Phase;
use ovzha_core::notice::Notice;
use ovzha_core::output::{Effect, Op, Output};
use ovzha_core::time::Instant;

use crate::machine::{Clock, Input, Machine, RESOURCES, Still, Task, Truth, Wrong};
use crate::row::{Act, Choice, Isolated, Row, Way};
use crate::third::{LINK, Third, Turn};

/// Between two choices, in milliseconds: a keepalive.
pub const TICK: u64 = 1000;
/// What a start or a stop takes.
const STEP: u64 = 450;
/// What a probe takes.
const PROBE: u64 = 50;
/// When in an interval the ping node is asked.
const PING: u64 = 100;
/// Outputs of one drain, far above what a node with one group ever owes.
pub const DRAIN_MAX: u32 = 200;

/// What a person says who stops a node.
const STOP: Event<'static> = Event::Request {
    client: ClientId(1),
    command: Command::Stop,
};

/// An output that outlives the frame buffer.
enum Did {
    Send(LinkId, Rc<[u8]>),
    Begin(Effect),
    Abandon(EffectId),
    Store(u32, Rc<[u8]>),
    Notice(Notice),
    Fence,
    Shoot(EffectId),
    Exit,
    Pet(Instant),
    Disarm,
    Bug(String),
    Nothing,
    Wait(Instant),
}

/// What must not be, by the name of its clause or invariant.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Violation {
    /// `S1`, `S4`, `S8`, `S-50`, `bug`, `L1`.
    pub name: &'static str,
    /// In words.
    pub text: String,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Real time in milliseconds.
    pub now: u64,
    /// The machines.
    pub nodes: [Machine; 2],
    /// What is chosen for the present interval.
    pub choice: Choice,
    /// Frames that wait, by their addressee.
    kept: [Vec<Rc<[u8]>>; 2],
    /// Both were active already when last looked at.
    both: bool,
    /// Intervals in a row in which each direction did not carry at once.
    pub silent: [u8; 2],
    /// Faults made so far.
    pub faults: u8,
    /// The node that was isolated last.
    pub isolated: Option<Isolated>,
    /// The third voter.
    pub third: Third,
    /// What it is told next.
    pub turns: VecDeque<Turn>,
    /// How often what carries has changed, where that is bounded.
    pub changes: u8,
    /// Violations since they were last taken.
    pub violations: Vec<Violation>,
    /// What happened, for people; kept if wanted.
    pub story: Option<Vec<String>>,
    pub pending: VecDeque<(usize, Input)>,
    watchdog: Option<u64>,
}

/// `a` or `b`.
pub const fn letter(node: usize) -> char {
    if node == 0 { 'a' } else { 'b' }
}

impl Model {
    /// Both machines without power.
    pub fn new(row: &Row) -> Self {
        let node = |me: u8| Machine::new(row.config(me), row.rates[usize::from(me)]);
        Self {
            now: 0,
            nodes: [node(0), node(1)],
            choice: Choice::QUIET,
            kept: [Vec::new(), Vec::new()],
            both: false,
            silent: [0; 2],
            faults: 0,
            isolated: None,
            third: Third::new(row),
            turns: VecDeque::new(),
            changes: 0,
            violations: Vec::new(),
            story: None,
            pending: VecDeque::new(),
            // a watchdog's own clock may be 1 % slow, too
            watchdog: row.watchdog.map(|timeout| timeout * 1000 / 990 + 1),
        }
    }

    /// One number for all that matters for what follows.
    pub fn key(&self, hasher: &mut impl Hasher) {
        (
            &self.nodes,
            &self.kept,
            self.both,
            self.silent,
            self.faults,
            self.isolated,
        )
            .hash(hasher);
        (&self.third, self.changes, self.choice.roads).hash(hasher);
        (self.choice.ways, self.choice.pings).hash(hasher);
    }

    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(story) = &mut self.story {
            story.push(format!("{:>3}.{:03} {}", now / 1000, now % 1000, text()));
        }
    }

    pub fn violates(&mut self, name: &'static str, text: String) {
        self.tell(|| format!("** {name}: {text}"));
        self.violations.push(Violation { name, text });
    }

    /// The choice is made, and an interval goes by.
    pub fn step(&mut self, choice: Choice) {
        self.choice = choice;
        for from in 0..2 {
            let carries = choice.ways[from] == Way::Carries;
            self.silent[from] = if carries {
                0
            } else {
                self.silent[from].saturating_add(1)
            };
        }
        self.act(choice.act);
        for to in 0..2 {
            if self.choice.ways[1 - to] != Way::Keeps {
                for frame in std::mem::take(&mut self.kept[to]) {
                    self.pending.push_back((to, Input::Frame(frame)));
                }
            }
        }
        self.pass(self.now + TICK);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Nothing => {}
            Act::PowerCut(node) => {
                self.tell(|| format!("{}: the power is cut", letter(node)));
                self.power_off(node);
            }
            Act::Boot(node) => self.boot(node),
            Act::Kill(node) => {
                self.tell(|| format!("{}: the daemon is killed", letter(node)));
                self.nodes[node].lose_daemon();
            }
            Act::Restart(node, after) => {
                self.tell(|| format!("{}: the daemon is killed, and restarted {after} ms later", letter(node)));
                self.nodes[node].lose_daemon();
                self.nodes[node].restart = Some(self.now + after);
            }
            Act::Daemon(node) => self.start_daemon(node),
            Act::Freeze(node, kind) => {
                self.tell(|| format!("{} stands still ({kind:?})", letter(node)));
                self.nodes[node].still = Some((kind, self.now));
            }
            Act::Thaw(node) => self.thaw(node),
            Act::GoesWrong(node, wrong) => self.nodes[node].wrong = Some(wrong),
            Act::Stop(node) => {
                self.tell(|| format!("{}: a person stops the daemon", letter(node)));
                self.pending.push_back((node, Input::Stop));
            }
            Act::Sticks(node) => {
                self.tell(|| format!("{}: its relay sticks", letter(node)));
                self.third.sticks[node] = true;
            }
            Act::WitnessDies => self.lose_witness(),
            Act::WitnessStarts => self.start_witness(),
        }
    }

    /// Power comes, and with it the daemon.
    pub fn boot(&mut self, node: usize) {
        self.tell(|| format!("{} boots", letter(node)));
        let machine = &mut self.nodes[node];
        machine.power = true;
        machine.clock = Clock::new(self.now, machine.clock.rate());
        self.start_daemon(node);
    }

    /// The daemon's supervisor starts it.
    pub fn start_daemon(&mut self, node: usize) {
        self.tell(|| format!("{}: the daemon starts", letter(node)));
        let now = self.now;
        self.nodes[node].start_daemon(now, u8::from(node == 1));
        for link in [LinkId(0), LINK] {
            self.pending.push_back((node, Input::Opened(link)));
        }
    }

    /// The node moves again: first what piled up, then the time.
    pub fn thaw(&mut self, node: usize) {
        self.tell(|| format!("{} moves again", letter(node)));
        let now = self.now;
        let machine = &mut self.nodes[node];
        machine.thaw(now);
        for input in std::mem::take(&mut machine.inbox) {
            self.pending.push_back((node, input));
        }
        self.pending.push_back((node, Input::Tick));
    }

    pub fn power_off(&mut self, node: usize) {
        self.nodes[node].lose_power();
        self.kept[node].clear();
        self.pending.retain(|(to, _)| *to != node);
        self.look();
    }

    /// Everything up to that moment happens.
    pub fn pass(&mut self, end: u64) {
        let ping = self.now + PING;
        let mut pinged = false;
        self.settle();
        loop {
            let next = (0..2).map(|node| self.next(node)).min().unwrap_or(u64::MAX);
            let next = next.min(self.third.wake);
            let next = if pinged { next } else { next.min(ping) };
            if next >= end {
                break;
            }
            self.now = self.now.max(next);
            if !pinged && next == ping {
                pinged = true;
                for node in 0..2 {
                    if self.choice.pings[node] && self.nodes[node].config.pings > 0 && self.nodes[node].is_awake() {
                        self.pending.push_back((node, Input::Pong));
                    }
                }
            }
            for node in 0..2 {
                self.fire(node);
                self.settle();
            }
            if self.third.wake <= self.now {
                self.turns.push_back(Turn::Tick);
                self.settle();
            }
        }
        self.now = end;
    }

    /// When something happens on that node next.
    fn next(&self, node: usize) -> u64 {
        let machine = &self.nodes[node];
        let wake = if machine.is_awake() { machine.wake } else { u64::MAX };
        let tasks = machine
            .tasks
            .iter()
            .map(|task| task.ends)
            .filter(|_| machine.is_moving());
        let stands = matches!(machine.still, Some((Still::Machine, _)));
        let watchdog = machine.watchdog.filter(|_| !stands);
        let shot = machine.shot.map(|(.., ends)| ends).filter(|_| machine.is_moving());
        tasks
            .chain([wake])
            .chain(shot)
            .chain(watchdog)
            .chain(machine.restart)
            .min()
            .unwrap_or(u64::MAX)
    }

    fn fire(&mut self, node: usize) {
        let now = self.now;
        let machine = &mut self.nodes[node];
        let stands = matches!(machine.still, Some((Still::Machine, _)));
        if machine.watchdog.is_some_and(|at| at <= now && !stands) {
            self.tell(|| format!("{}: the watchdog resets it", letter(node)));
            return self.power_off(node);
        }
        if machine.is_moving()
            && let Some(place) = machine.tasks.iter().position(|task| task.ends <= now)
        {
            let task = machine.tasks.remove(place);
            return self.finish(node, task);
        }
        if machine.is_moving() && machine.shot.is_some_and(|(.., ends)| ends <= now) {
            return self.shot_ends(node);
        }
        if machine.restart.is_some_and(|at| at <= now) {
            return self.start_daemon(node);
        }
        if machine.is_awake() && machine.wake <= now {
            self.pending.push_back((node, Input::Tick));
        }
    }

    /// Everybody is told what there is to tell, until nobody says anything more.
    fn settle(&mut self) {
        loop {
            if let Some((node, input)) = self.pending.pop_front() {
                self.feed(node, input);
            } else if let Some(turn) = self.turns.pop_front() {
                self.turn_witness(turn);
            } else {
                return;
            }
        }
    }

    fn feed(&mut self, node: usize, input: Input) {
        let now = self.now;
        let machine = &mut self.nodes[node];
        if machine.daemon.is_some() && matches!(machine.still, Some((Still::Process, _))) {
            machine.inbox.push(input);
            return;
        }
        if !machine.is_awake() {
            return;
        }
        let local = machine.clock.local(now);
        let Some(daemon) = machine.daemon.as_mut() else { return };
        let link = LinkId(0);
        match input {
            Input::Tick => daemon.handle(local, Event::Tick),
            Input::Frame(bytes) => daemon.handle(local, Event::Received { link, bytes: &bytes }),
            Input::Pong => daemon.handle(local, Event::PingReply { ping: 0, sent: local }),
            Input::Done(id, outcome) => {
                let effect = EffectId(id);
                daemon.handle(local, Event::Done { effect, outcome });
            }
            Input::Stored(version) => daemon.handle(local, Event::Stored { version, ok: true }),
            Input::Stop => daemon.handle(local, STOP),
            Input::Opened(link) => daemon.handle(local, Event::Opened { link }),
            Input::Word(bytes) => {
                let link = LINK;
                daemon.handle(local, Event::Received { link, bytes: &bytes });
            }
        }
        self.drain(node);
    }

    /// A word of the witness arrives.
    pub fn hears_third(&mut self, node: usize, bytes: Rc<[u8]>) {
        self.pending.push_back((node, Input::Word(bytes)));
    }

    fn drain(&mut self, node: usize) {
        let mut frame = FrameBuf::new();
        for _ in 0..DRAIN_MAX {
            let Some(daemon) = self.nodes[node].daemon.as_mut() else {
                return;
            };
            let did = match daemon.poll(&mut frame) {
                Output::Send { link, bytes } => Did::Send(link, bytes.into()),
                Output::Start(effect) => Did::Begin(effect),
                Output::Abandon(id) => Did::Abandon(id),
                Output::Store { version, bytes } => Did::Store(version, bytes.into()),
                Output::Notice(notice) => Did::Notice(notice),
                Output::FenceSelf { .. } => Did::Fence,
                Output::Shoot(id) => Did::Shoot(id),
                Output::Pet { within } => Did::Pet(within),
                Output::Disarm => Did::Disarm,
                Output::Bug(bug) => Did::Bug(bug.id.to_string()),
                Output::Exit => Did::Exit,
                Output::Reply { .. } => Did::Nothing,
                Output::Wait { until, .. } => Did::Wait(until),
            };
            if let Did::Wait(until) = did {
                let machine = &mut self.nodes[node];
                machine.wake = machine.clock.world(until).max(self.now + 1);
                return;
            }
            self.did(node, did);
        }
        self.violates("bug", format!("{}: polling does not come to Wait", letter(node)));
    }

    fn did(&mut self, node: usize, did: Did) {
        match did {
            Did::Send(LINK, bytes) => self.sends_third(node, bytes),
            Did::Send(_, bytes) => match self.choice.ways[node] {
                Way::Carries if self.nodes[1 - node].is_moving() => {
                    self.pending.push_back((1 - node, Input::Frame(bytes)));
                }
                Way::Keeps => self.kept[1 - node].push(bytes),
                Way::Carries | Way::Loses => {}
            },
            Did::Begin(effect) => self.begin(node, effect),
            Did::Abandon(id) => {
                let (now, life) = (self.now, self.nodes[node].life);
                let of = |task: &&mut Task| task.id == id.0 && task.life == life;
                if let Some(task) = self.nodes[node].tasks.iter_mut().find(of) {
                    (task.ends, task.outcome) = (task.ends.min(now + 1), Outcome::Failed);
                }
            }
            Did::Store(version, bytes) => {
                self.nodes[node].disk = bytes;
                self.pending.push_back((node, Input::Stored(version)));
            }
            Did::Notice(notice) => self.notice(node, &notice),
            Did::Fence => {
                self.tell(|| format!("{} resets itself", letter(node)));
                self.power_off(node);
            }
            Did::Shoot(id) => self.shoot(node, id.0),
            Did::Exit => {
                self.tell(|| format!("{}: the daemon ends", letter(node)));
                self.nodes[node].lose_daemon();
            }
            Did::Pet(within) => {
                let machine = &mut self.nodes[node];
                if machine.clock.local(self.now) <= within {
                    machine.watchdog = self.watchdog.map(|timeout| self.now + timeout);
                }
            }
            Did::Disarm => self.nodes[node].watchdog = None,
            Did::Bug(text) => self.violates("bug", format!("{}: {text}", letter(node))),
            Did::Nothing | Did::Wait(_) => {}
        }
    }

    pub fn notice(&mut self, node: usize, notice: &Notice) {
        if let Notice::Phase { phase, why, .. } = notice {
            self.tell(|| format!("{} is {phase:?}: {why}", letter(node)));
            let yields = *phase == Phase::Stopping && why.yields();
            self.nodes[node].yields = yields;
            if yields && self.nodes[1 - node].yields {
                self.violates("S-50", "both nodes yield".to_owned());
            }
        }
        for (words, is_so) in [
            ("the peer is dead", matches!(notice, Notice::PeerDead(_))),
            ("the peer was never heard", matches!(notice, Notice::PeerNeverHeard)),
            ("it is isolated", matches!(notice, Notice::Isolated)),
            ("it slept", matches!(notice, Notice::Slept(_))),
        ] {
            if is_so {
                self.tell(|| format!("{}: {words}", letter(node)));
            }
        }
    }

    pub fn begin(&mut self, node: usize, effect: Effect) {
        let (id, resource, op) = (effect.id.0, effect.resource, effect.op);
        debug_assert!(effect.group == GroupId(0), "there is one group");
        let machine = &mut self.nodes[node];
        let life = machine.life;
        let busy = machine.tasks.iter().any(|task| task.life == life);
        let again = id <= machine.newest;
        machine.newest = id;
        if busy || again {
            self.violates(
                "S8",
                format!("{}: effect {id} beside another one, or twice", letter(node)),
            );
        }
        let place = usize::from(resource);
        let machine = &mut self.nodes[node];
        let wrong = match (op, machine.wrong) {
            (Op::Start, Some(Wrong::Start)) | (Op::Stop, Some(Wrong::Stop | Wrong::Hang)) => machine.wrong.take(),
            _ => None,
        };
        let (outcome, takes) = match (wrong, op) {
            (Some(Wrong::Hang), _) => (Outcome::TimedOut, None),
            (Some(_), _) => (Outcome::Failed, Some(STEP)),
            (None, Op::Start | Op::Stop) => (Outcome::Done, Some(STEP)),
            (None, _) => (Outcome::Done, Some(PROBE)),
        };
        // a probe waits for a child that a former life left behind
        let leftover = machine
            .tasks
            .iter()
            .filter(|task| task.resource == resource)
            .map(|task| task.ends);
        let from = leftover.max().map_or(self.now, |ends| ends.min(self.now + 10 * TICK));
        machine.tasks.push(Task {
            id,
            life,
            resource,
            op,
            outcome,
            ends: takes.map_or(u64::MAX, |takes| from + takes),
        });
        let order = match op {
            Op::Start => machine.truth[..place].iter().all(|left| *left == Truth::On),
            Op::Stop => machine.truth[place + 1..].iter().all(|right| *right == Truth::Off),
            Op::Probe | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => true,
        };
        if op == Op::Start {
            machine.truth[place] = Truth::Part;
        }
        if op != Op::Probe {
            let words = if wrong.is_some() { " (it will fail)" } else { "" };
            self.tell(|| format!("{} begins to {op:?} {}{words}", letter(node), place + 1).to_lowercase());
        }
        if !order || place >= RESOURCES {
            self.violates("S4", format!("{}: {op:?} of {} out of order", letter(node), place + 1));
        }
        self.look();
    }

    fn finish(&mut self, node: usize, task: Task) {
        let machine = &mut self.nodes[node];
        let truth = &mut machine.truth[usize::from(task.resource)];
        let outcome = match (task.op, task.outcome) {
            (Op::Probe, Outcome::Done) => match *truth {
                Truth::Off => Outcome::NotRunning,
                Truth::Part => Outcome::Partial,
                Truth::On => Outcome::Done,
            },
            (Op::Start, Outcome::Done) => {
                *truth = Truth::On;
                Outcome::Done
            }
            (Op::Stop, Outcome::Done) => {
                *truth = Truth::Off;
                Outcome::Done
            }
            (_, outcome) => outcome,
        };
        if task.life == machine.life && machine.daemon.is_some() {
            self.pending.push_back((node, Input::Done(task.id, outcome)));
        }
        self.look();
    }

    /// S1, told once for each time that both begin to be active.
    fn look(&mut self) {
        let both = self.nodes.iter().all(Machine::is_active);
        if both && !self.both {
            self.violates("S1", "two actives".to_owned());
        }
        self.both = both;
    }
}
