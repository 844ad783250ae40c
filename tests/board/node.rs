//! One node of the pair: a real core, its steps done at once, its machine with or without power.

use ovzha_core::auth::Domain;
use ovzha_core::cluster::Cluster;
use ovzha_core::event::{Command, Event, Outcome};
use ovzha_core::frame::{FrameBuf, peek};
use ovzha_core::id::{BootId, ClientId, ClusterId, LinkId, NodeId};
use ovzha_core::message::Phase;
use ovzha_core::output::{Durable, Op, Output};
use ovzha_core::serial::{Deframer, SerialBuf, encode};
use ovzha_core::time::{Instant, Span};

use crate::voters::config;
pub use crate::voters::{Times, ring};

/// The cable through the board.
pub const SERIAL: LinkId = LinkId(0);
/// A network between the nodes.
pub const NETWORK: LinkId = LinkId(1);
/// The way to the witness: the same cable as [`SERIAL`].
pub const WITNESS: LinkId = LinkId(2);
/// From power to a daemon that runs.
const BOOT: Span = Span::from_secs(4);

impl Times {
    /// A deadtime of ten seconds.
    pub const USUAL: Self = Self {
        keepalive: Span::from_millis(500),
        deadtime: Span::from_secs(10),
    };
    /// The fastest that a serial line is asked to carry.
    pub const FAST: Self = Self {
        keepalive: Span::from_millis(100),
        deadtime: Span::from_secs(10),
    };
}

/// What it is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// It runs.
    Up,
    /// It stands still with all it has, as a paused machine does.
    Frozen,
    /// It has no power, or its daemon has not begun yet.
    Off,
}

/// A node.
pub struct Node {
    me: u8,
    times: Times,
    secret: &'static str,
    core: Box<Cluster>,
    deframer: Deframer,
    pub machine: Machine,
    /// Something of the group may be writing.
    pub runs: bool,
    starts_at: Option<Instant>,
    life: u32,
    /// What it sends: on the cable, and over the network.
    pub out: (Vec<u8>, Vec<Vec<u8>>),
    /// It hears nothing from the other node over the cable, only the witness.
    pub deaf_to_peer: bool,
    /// Notices, for a failed case.
    pub told: Vec<String>,
}

pub fn cluster() -> ClusterId {
    ClusterId([0x0b, 0xad])
}

fn core(me: u8, times: Times, secret: &str, life: u32, now: Instant) -> Box<Cluster> {
    let boot = BootId(life.to_be_bytes());
    let durable = Durable::default();
    let mut core = Cluster::new(
        config(me, cluster(), 2, times),
        ring(Domain::Node, secret),
        boot,
        durable,
        now,
    );
    core.hear(ring(Domain::Witness, secret));
    for link in [SERIAL, NETWORK, WITNESS] {
        core.handle(now, Event::Opened { link });
    }
    Box::new(core)
}

impl Node {
    /// A node whose daemon begins now.
    pub fn new(me: u8, times: Times, secret: &'static str, now: Instant) -> Self {
        let life = 1000 + u32::from(me);
        Self {
            me,
            times,
            secret,
            core: core(me, times, secret, life, now),
            deframer: Deframer::new(),
            machine: Machine::Up,
            runs: false,
            starts_at: None,
            life,
            out: (Vec::new(), Vec::new()),
            deaf_to_peer: false,
            told: Vec::new(),
        }
    }

    /// Its power is there, or not.
    pub fn power(&mut self, now: Instant, on: bool) {
        if !on {
            (self.machine, self.runs, self.starts_at) = (Machine::Off, false, None);
        } else if self.machine == Machine::Off && self.starts_at.is_none() {
            self.starts_at = Some(now.after(BOOT));
        }
    }

    /// Nobody presses its power button: once off it stays off.
    pub fn stays_off(&mut self) {
        self.starts_at = None;
    }

    /// Stands still from now on.
    pub fn freeze(&mut self) {
        self.machine = Machine::Frozen;
    }

    /// Goes on where it stood.
    pub fn thaw(&mut self) {
        if self.machine == Machine::Frozen {
            self.machine = Machine::Up;
        }
    }

    /// A person at this node says that the other one has no power.
    pub fn confirm_fenced(&mut self, now: Instant) {
        let (client, command) = (ClientId(1), Command::ConfirmFenced);
        self.core.handle(now, Event::Request { client, command });
    }

    /// Whether the group runs here, all of it.
    pub fn active(&self) -> bool {
        let groups = self.core.snapshot().groups;
        let runs = groups.first().is_some_and(|group| group.phase == Phase::Active);
        self.machine == Machine::Up && runs
    }

    /// Bytes from the board.
    pub fn cable(&mut self, now: Instant, bytes: &[u8]) {
        if self.machine != Machine::Up {
            self.deframer.reset();
            return;
        }
        for byte in bytes {
            let Some(result) = self.deframer.push(*byte) else {
                continue;
            };
            let Ok(frame) = result else { continue };
            let Ok(header) = peek(frame) else { continue };
            let link = if header.sender == NodeId::WITNESS {
                WITNESS
            } else {
                SERIAL
            };
            if link == SERIAL && self.deaf_to_peer {
                continue;
            }
            self.core.handle(now, Event::Received { link, bytes: frame });
        }
    }

    /// A datagram from the other node.
    pub fn datagram(&mut self, now: Instant, bytes: &[u8]) {
        if self.machine == Machine::Up {
            self.core.handle(now, Event::Received { link: NETWORK, bytes });
        }
    }

    /// Does everything that is due.
    pub fn tick(&mut self, now: Instant) {
        if self.starts_at.is_some_and(|at| now >= at) {
            self.life += 100;
            self.core = core(self.me, self.times, self.secret, self.life, now);
            (self.machine, self.starts_at) = (Machine::Up, None);
        }
        if self.machine != Machine::Up {
            return;
        }
        self.core.handle(now, Event::Tick);
        let mut frame = FrameBuf::new();
        loop {
            match self.core.poll(&mut frame) {
                Output::Send { link: NETWORK, bytes } => self.out.1.push(bytes.to_vec()),
                Output::Send { bytes, .. } => {
                    let mut out = SerialBuf::new();
                    self.out.0.extend(encode(bytes, &mut out).unwrap());
                }
                Output::Start(effect) => {
                    let outcome = match effect.op {
                        Op::Probe if self.runs => Outcome::Done,
                        Op::Probe => Outcome::NotRunning,
                        Op::Start | Op::Stop | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => Outcome::Done,
                    };
                    match effect.op {
                        Op::Start => self.runs = true,
                        Op::Stop => self.runs = false,
                        Op::Probe | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => {}
                    }
                    let effect = effect.id;
                    self.core.handle(now, Event::Done { effect, outcome });
                }
                Output::Store { version, .. } => self.core.handle(now, Event::Stored { version, ok: true }),
                Output::Notice(notice) => self
                    .told
                    .push(format!("{} node {}: {notice:?}", now.as_millis(), self.me)),
                Output::Wait { .. } => return,
                Output::Abandon(_) | Output::Reply { .. } | Output::Disarm | Output::Pet { .. } => {}
                output @ (Output::FenceSelf { .. } | Output::Shoot(_) | Output::Bug(_) | Output::Exit) => {
                    panic!("{output:?}")
                }
            }
        }
    }
}
