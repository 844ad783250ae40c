//! One modelled machine: its clock, its daemon, its disk, what runs on it, and what waits for a daemon that stands still.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use ovzha_core::auth::Keyring;
use ovzha_core::cluster::Cluster;
use ovzha_core::config::Config;
use ovzha_core::event::{Command, Outcome};
use ovzha_core::message::Phase;
use ovzha_core::output::Op;
use ovzha_core::time::Instant;

use crate::check::Step;
use crate::watchdog::Watchdog;
use crate::wire::Origin;

/// Frames that wait for a daemon that stands still; what comes then is lost, as in a socket's buffer.
const INBOX: usize = 200;
/// Earlier states of a disk that can be put back.
const BACKUPS: usize = 20;
const MILLION: u64 = 1_000_000;

/// How a node stands still (SAFETY S-4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freeze {
    /// F1: the daemon alone.
    Process,
    /// F2: all of it, while its hardware's clock runs on.
    Kernel,
    /// F3: all of it, clock included.
    Machine,
}

/// A local clock: starts at a node's power-on, runs up to 1 % fast or slow, stands with a paused machine.
#[derive(Clone, Debug)]
pub struct Clock {
    /// When the present rate began, and what it had run by then, in microseconds.
    zero: (u64, u64),
    /// Parts per million; a million is exact.
    rate: u64,
    stood: u64,
    stopped: Option<u64>,
}

impl Clock {
    /// Starts at `now` with the given rate in parts per million.
    #[must_use]
    pub const fn new(now: u64, rate: u64) -> Self {
        Self {
            zero: (now, 0),
            rate,
            stood: 0,
            stopped: None,
        }
    }

    fn ran(&self, now: u64) -> u64 {
        let now = self.stopped.unwrap_or(now);
        let ran = now.saturating_sub(self.zero.0).saturating_sub(self.stood);
        self.zero.1 + ran * self.rate / MILLION
    }

    /// What it shows. It does not start at zero: a machine boots before its daemon.
    #[must_use]
    pub fn local(&self, now: u64) -> Instant {
        Instant::from_millis(1000 + self.ran(now) / 1000)
    }

    /// When it will show this.
    #[must_use]
    pub fn world(&self, local: Instant) -> u64 {
        let ran = local.as_millis().saturating_sub(1000).saturating_mul(1000);
        let left = ran.saturating_sub(self.zero.1);
        let real = (u128::from(left) * u128::from(MILLION)).div_ceil(u128::from(self.rate));
        self.zero.0 + self.stood + u64::try_from(real).unwrap_or(u64::MAX / 4)
    }

    /// Its rate.
    #[must_use]
    pub const fn rate(&self) -> u64 {
        self.rate
    }

    /// It runs with another rate from now on.
    pub fn set_rate(&mut self, now: u64, rate: u64) {
        self.zero = (self.stopped.unwrap_or(now), self.ran(now));
        (self.rate, self.stood) = (rate, 0);
    }

    /// The paused machine stops it.
    pub const fn stop(&mut self, now: u64) {
        self.stopped = Some(now);
    }

    /// It goes on from where it stood.
    pub const fn go(&mut self, now: u64) {
        if let Some(since) = self.stopped.take() {
            self.stood += now - since;
        }
    }
}

/// What a daemon is to be told.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time.
    Tick,
    /// A frame.
    Frame {
        /// The link it came over.
        link: u8,
        /// The frame.
        bytes: Rc<[u8]>,
        /// What it is.
        origin: Origin,
    },
    /// A ping node answered.
    Pong(u8, Instant),
    /// A step ended.
    Done(u32, Outcome),
    /// The disk answered.
    Stored(u32, bool),
    /// DRBD of a group is looked at.
    Look(usize),
    /// A stuck child is gone: group, resource.
    Unstuck(usize, u8),
    /// Somebody asks.
    Ask(u32, Command),
    /// A link opened, or was lost.
    Link(u8, bool),
}

/// A child at work.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it does.
    pub step: Step,
    /// The effect's number.
    pub id: u32,
    /// The daemon's life that began it.
    pub life: u32,
    /// How it will end.
    pub outcome: Outcome,
    /// A script says so, whatever is true.
    pub wanted: bool,
    /// It says that it is done, and does nothing.
    pub feigned: bool,
    /// When it ends.
    pub ends: u64,
}

/// How the next calls of an operation will end.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// The result.
    pub outcome: Option<Outcome>,
    /// How long it takes, in microseconds.
    pub takes: Option<u64>,
    /// For how many calls.
    pub times: u32,
}

/// A resource as it really is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Truth {
    /// Nothing of it runs.
    Off,
    /// It runs.
    On,
    /// Some of it may run.
    Part,
}

/// A machine.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one machine")]
pub struct Node {
    /// Its files.
    pub config: Config,
    /// Its keys.
    pub keyring: Keyring,
    /// It has power.
    pub power: bool,
    /// Its daemon, if one runs.
    pub daemon: Option<Box<Cluster>>,
    /// When its daemon last said that the peer's life is proved.
    pub proved: u64,
    /// When its daemon last began a life.
    pub began: u64,
    /// Since when it is about to start each group.
    pub claimed: Vec<Option<u64>>,
    /// Counts daemons' lives.
    pub life: u32,
    /// Counts power-ons.
    pub boots: u32,
    /// How it stands still, and since when.
    pub freeze: Option<(Freeze, u64)>,
    /// Its clock.
    pub clock: Clock,
    /// Its hardware watchdog; it counts only if its files have one.
    pub watchdog: Watchdog,
    /// What the disk keeps.
    pub disk: Vec<u8>,
    /// What it kept before, newest last.
    pub backups: VecDeque<Vec<u8>>,
    /// The disk refuses to be written.
    pub disk_fails: bool,
    /// How long a write takes.
    pub disk_takes: u64,
    /// When the daemon wants to be woken.
    pub wake: u64,
    /// What waits for a daemon that stands still.
    pub inbox: VecDeque<Input>,
    /// Children at work, by key.
    pub tasks: BTreeMap<u32, Task>,
    /// Number of the effect that ended last.
    pub ended: u32,
    /// Key of the newest task.
    pub newest: u32,
    /// What stands still with the machine: key, what was left to do.
    pub paused: Vec<(u32, u64)>,
    /// What runs, by group and resource.
    pub truth: Vec<Vec<Truth>>,
    /// Results that are written for it, by group, resource, operation.
    pub scripts: BTreeMap<(usize, u8, u8), Script>,
    /// Those that no call has met yet.
    pub unused: BTreeSet<(usize, u8, u8)>,
    /// Calls that will say "done" and do nothing, by the same.
    pub feigns: BTreeSet<(usize, u8, u8)>,
    /// What stops that said "done" have left running.
    pub leftovers: BTreeSet<(usize, u8)>,
    /// Ping nodes that answer it.
    pub pings: bool,
    /// When this life was given each of the peer's frames, by their places.
    pub given: Vec<Option<u64>>,
    /// When a frame of the other's present life first came, newest.
    pub heard: Option<u64>,
    /// The daemon reset the machine, or left in order: what the admin or the supervisor does next.
    pub left: bool,
    /// Its daemon was told to stop under a hold, which left what runs to a person; true: the other node knows of that hold, whatever
    /// it forgets.
    pub rests: Option<bool>,
}

impl Node {
    /// Its daemon says what it does with a group.
    pub(crate) fn claims(&mut self, group: usize, phase: Phase, now: u64) {
        if self.claimed.len() <= group {
            self.claimed.resize(group + 1, None);
        }
        self.claimed[group] = match phase {
            Phase::Claiming => Some(now),
            Phase::Starting => self.claimed[group],
            Phase::Probing | Phase::Idle | Phase::Active | Phase::Stopping | Phase::Failed | Phase::Stuck => None,
        };
    }

    /// A machine without power.
    #[must_use]
    pub fn new(config: Config, keyring: Keyring, rate: u64) -> Self {
        let truth = config
            .groups
            .iter()
            .map(|group| group.resources.iter().map(|_| Truth::Off).collect())
            .collect();
        Self {
            config,
            keyring,
            power: false,
            daemon: None,
            proved: 0,
            began: 0,
            claimed: Vec::new(),
            life: 0,
            boots: 0,
            freeze: None,
            clock: Clock::new(0, rate),
            watchdog: Watchdog::default(),
            disk: Vec::new(),
            backups: VecDeque::new(),
            disk_fails: false,
            disk_takes: 5000,
            wake: u64::MAX,
            inbox: VecDeque::new(),
            tasks: BTreeMap::new(),
            ended: 0,
            newest: 0,
            paused: Vec::new(),
            truth,
            scripts: BTreeMap::new(),
            unused: BTreeSet::new(),
            feigns: BTreeSet::new(),
            leftovers: BTreeSet::new(),
            pings: true,
            given: Vec::new(),
            heard: None,
            left: false,
            rests: None,
        }
    }

    /// Whether its daemon runs and does not stand still.
    #[must_use]
    pub const fn is_awake(&self) -> bool {
        self.daemon.is_some() && self.freeze.is_none()
    }

    /// Whether all of the machine stands still.
    #[must_use]
    pub const fn is_still(&self) -> bool {
        matches!(self.freeze, Some((Freeze::Kernel | Freeze::Machine, _)))
    }

    /// Writes the state directory; what it held is kept for a restore.
    pub fn write(&mut self, bytes: &[u8]) {
        let before = std::mem::replace(&mut self.disk, bytes.to_vec());
        if self.backups.len() == BACKUPS {
            self.backups.pop_front();
        }
        self.backups.push_back(before);
    }

    /// Keeps an input for later; frames only while there is room.
    pub fn keep(&mut self, input: Input) {
        let frame = matches!(input, Input::Frame { .. } | Input::Pong(..));
        if !frame || self.inbox.len() < INBOX {
            self.inbox.push_back(input);
        }
    }

    /// The script of the next call, used up by it.
    pub fn script(&mut self, step: Step) -> Option<Script> {
        let key = (step.group, step.resource, op_number(step.op));
        let script = self.scripts.get_mut(&key)?;
        let found = *script;
        script.times = script.times.saturating_sub(1);
        if script.times == 0 {
            self.scripts.remove(&key);
        }
        Some(found)
    }
}

/// A number to sort operations by.
#[must_use]
pub const fn op_number(op: Op) -> u8 {
    match op {
        Op::Probe => 0,
        Op::Start => 1,
        Op::Stop => 2,
        Op::Monitor => 3,
        Op::Outdate => 4,
        Op::Confirm => 5,
        Op::Resume => 6,
    }
}
