//! One machine of the small model: power, clock, disk, children, watchdog, and the real `Cluster` as its daemon.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::cluster::Cluster;
use ovzha_core::config::Config;
use ovzha_core::event::Outcome;
use ovzha_core::id::{BootId, KeyId, LinkId};
use ovzha_core::message::Phase;
use ovzha_core::output::{Durable, Op};
use ovzha_core::time::Instant;

use crate::third;

/// Resources of the group.
pub const RESOURCES: usize = 2;
/// A clock begins there, so that no moment is the first one.
const ZERO: u64 = 1_000_000;

/// How a machine stands still (SAFETY S-4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Still {
    /// F1: the daemon does; frames pile up, children go on.
    Process,
    /// F2: the kernel does; the hardware's time and its watchdog run on.
    Kernel,
    /// F3: all of it, with its clock.
    Machine,
}

/// What really is the case of a resource.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Truth {
    /// It does not run.
    Off,
    /// It may run in part.
    Part,
    /// It runs.
    On,
}

/// A child at work.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Task {
    /// The number of the effect, by which its daemon knows it.
    pub id: u32,
    /// The life of the daemon that began it.
    pub life: u8,
    /// The resource.
    pub resource: u8,
    /// What it does.
    pub op: Op,
    /// How it ends, but for what a probe finds.
    pub outcome: Outcome,
    /// When, in real time; a child that hangs never.
    pub ends: u64,
}

/// Something a daemon is told.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A frame came.
    Frame(Rc<[u8]>),
    /// The ping node answered.
    Pong,
    /// That effect ended so.
    Done(u32, Outcome),
    /// That version is on disk.
    Stored(u32),
    /// A person stops it.
    Stop,
    /// A link can be used.
    Opened(LinkId),
    /// A frame of the witness came.
    Word(Rc<[u8]>),
}

/// A clock that runs by a rate, in thousandths, and may stand still.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Clock {
    rate: u64,
    real: u64,
    local: u64,
}

impl Clock {
    /// At its zero now.
    pub const fn new(now: u64, rate: u64) -> Self {
        Self {
            rate,
            real: now,
            local: ZERO,
        }
    }

    /// How fast it runs.
    pub const fn rate(&self) -> u64 {
        self.rate
    }

    /// What it shows.
    pub const fn local(&self, now: u64) -> Instant {
        Instant::from_millis(self.local + (now - self.real) * self.rate / 1000)
    }

    /// When it will show that.
    pub const fn world(&self, local: Instant) -> u64 {
        let ahead = local.as_millis().saturating_sub(self.local);
        self.real + (ahead * 1000).div_ceil(self.rate)
    }

    /// It stood still since then.
    pub const fn stood(&mut self, since: u64, now: u64) {
        self.local = self.local(since).as_millis();
        self.real = now;
    }
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What the files say.
    pub config: Rc<Config>,
    /// It has power.
    pub power: bool,
    /// Its clock.
    pub clock: Clock,
    /// Its daemon, if one runs.
    pub daemon: Option<Box<Cluster>>,
    /// Lives of daemons so far.
    pub life: u8,
    /// What the daemon keeps.
    pub disk: Rc<[u8]>,
    /// The resources.
    pub truth: [Truth; RESOURCES],
    /// The children.
    pub tasks: Vec<Task>,
    /// It stands still, since when.
    pub still: Option<(Still, u64)>,
    /// What waits for a daemon that stands still.
    pub inbox: Vec<Input>,
    /// When the daemon wants to be woken.
    pub wake: u64,
    /// When the watchdog fires, while it is armed.
    pub watchdog: Option<u64>,
    /// A fence agent at work: the number of the shot, its daemon's life, whether it will cut, when it ends.
    pub shot: Option<(u32, u8, bool, u64)>,
    /// When its supervisor starts the daemon again.
    pub restart: Option<u64>,
    /// How the next start or stop goes wrong.
    pub wrong: Option<Wrong>,
    /// The number of the newest effect of this life.
    pub newest: u32,
    /// It said that it yields to the other.
    pub yields: bool,
}

/// How the next such step goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wrong {
    /// The next start fails.
    Start,
    /// The next stop fails.
    Stop,
    /// The next stop hangs until it is given up.
    Hang,
    /// The next shot cuts nothing, and says so.
    Shot,
}

impl Hash for Machine {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // all but the configuration, which never changes
        (self.power, self.clock, &self.daemon, self.life, &self.disk).hash(state);
        (self.truth, &self.tasks, self.still, &self.inbox, self.wake).hash(state);
        (self.watchdog, self.restart, self.wrong, self.newest, self.yields).hash(state);
        self.shot.hash(state);
    }
}

impl Machine {
    /// Without power.
    pub fn new(config: Config, rate: u64) -> Self {
        Self {
            config: Rc::new(config),
            power: false,
            clock: Clock::new(0, rate),
            daemon: None,
            life: 0,
            disk: Rc::from([]),
            truth: [Truth::Off; RESOURCES],
            tasks: Vec::new(),
            still: None,
            inbox: Vec::new(),
            wake: u64::MAX,
            watchdog: None,
            shot: None,
            restart: None,
            wrong: None,
            newest: 0,
            yields: false,
        }
    }

    /// The daemon can act.
    pub const fn is_awake(&self) -> bool {
        self.daemon.is_some() && self.still.is_none()
    }

    /// Its daemon was told to stop.
    pub fn is_leaving(&self) -> bool {
        self.daemon.as_deref().is_some_and(|daemon| daemon.snapshot().stopping)
    }

    /// Children go on, the kernel receives.
    pub const fn is_moving(&self) -> bool {
        self.power && matches!(self.still, None | Some((Still::Process, _)))
    }

    /// Something of the group may run.
    pub fn is_active(&self) -> bool {
        self.truth.iter().any(|truth| *truth != Truth::Off)
    }

    /// All of the group runs.
    pub fn is_whole(&self) -> bool {
        self.truth.iter().all(|truth| *truth == Truth::On)
    }

    /// Its daemon says that the group failed here.
    pub fn says_failed(&self) -> bool {
        let phase = |daemon: &Cluster| daemon.snapshot().groups.first().map(|group| group.phase);
        self.daemon.as_deref().and_then(phase) == Some(Phase::Failed)
    }

    /// A new life of the daemon, from what the disk keeps.
    pub fn start_daemon(&mut self, now: u64, me: u8) {
        self.life += 1;
        (self.newest, self.yields, self.restart) = (0, false, None);
        self.inbox.clear();
        let mut keyring = Keyring::new(Domain::Node);
        keyring.add(KeyId(1), Method::Crc, b"").unwrap();
        keyring.sign_with(KeyId(1)).unwrap();
        let durable = Durable::decode(&self.disk).unwrap_or_default();
        let boot = BootId([1, me, self.life, 0]);
        let local = self.clock.local(now);
        let mut daemon = Cluster::new((*self.config).clone(), keyring, boot, durable, local);
        daemon.hear(third::keyring());
        self.daemon = Some(Box::new(daemon));
    }

    /// The daemon is gone; its children and what runs are not.
    pub fn lose_daemon(&mut self) {
        self.daemon = None;
        self.wake = u64::MAX;
        self.inbox.clear();
        if matches!(self.still, Some((Still::Process, _))) {
            self.still = None;
        }
    }

    /// Power is gone: only the disk is left.
    pub fn lose_power(&mut self) {
        self.lose_daemon();
        self.power = false;
        (self.still, self.watchdog, self.restart, self.wrong) = (None, None, None, None);
        self.shot = None;
        self.tasks.clear();
        self.truth = [Truth::Off; RESOURCES];
        self.yields = false;
    }

    /// It moves again: what stood still with it goes on where it was.
    pub fn thaw(&mut self, now: u64) {
        let Some((kind, since)) = self.still.take() else {
            return;
        };
        if kind == Still::Process {
            return;
        }
        for task in &mut self.tasks {
            task.ends = task.ends.saturating_add(now - since);
        }
        if let Some((.., ends)) = &mut self.shot {
            *ends = ends.saturating_add(now - since);
        }
        if kind == Still::Machine {
            self.clock.stood(since, now);
            self.watchdog = self.watchdog.map(|at| at + (now - since));
        }
    }
}
