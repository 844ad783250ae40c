//! The third voter of the small model: the real `Witness`, its ways to the nodes, and its hand on their power.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::{BootId, ClusterId, KeyId, LinkId, NodeId};
use ovzha_core::time::Span;
use ovzha_core::witness::{Power, Relay, Said, Witness, WitnessConfig};

use crate::machine::Clock;
use crate::model::{DRAIN_MAX, Model, TICK};
use crate::row::Row;

/// The link by which the nodes speak to it: the one behind the only link they have.
pub const LINK: LinkId = LinkId(1);
/// How long a node that it cut off stays without power.
const OFF_FOR: u64 = 3 * TICK;

/// What the witness is told or does next.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Turn {
    /// Time has passed.
    Tick,
    /// A node's frame came.
    Frame(Rc<[u8]>),
}

/// The machine of the witness.
#[derive(Clone, Debug)]
pub struct Third {
    config: Option<WitnessConfig>,
    daemon: Option<Box<Witness>>,
    life: u8,
    clock: Clock,
    /// When it wants to be woken.
    pub wake: u64,
    /// The relay of a node's power does not move.
    pub sticks: [bool; 2],
}

impl Hash for Third {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // all but the configuration, which never changes
        (&self.daemon, self.life, self.clock, self.wake, self.sticks).hash(state);
    }
}

/// The key between the nodes and it.
pub fn keyring() -> Keyring {
    let mut keyring = Keyring::new(Domain::Witness);
    keyring.add(KeyId(1), Method::Crc, b"").unwrap();
    keyring.sign_with(KeyId(1)).unwrap();
    keyring
}

impl Third {
    /// Without power, or not there at all.
    pub fn new(row: &Row) -> Self {
        let config = row.votes.map(|relay| WitnessConfig {
            cluster: ClusterId([7, 7]),
            keepalive: Span::from_millis(TICK),
            longest: Span::from_millis(row.deadtime * TICK),
            relay,
            off_for: Span::from_millis(OFF_FOR),
        });
        Self {
            config,
            daemon: None,
            life: 0,
            clock: Clock::new(0, 1000),
            wake: u64::MAX,
            sticks: [false; 2],
        }
    }

    /// What it does with the nodes' power.
    pub fn relay(&self) -> Relay {
        self.config.as_ref().map_or(Relay::None, |config| config.relay)
    }

    /// There is to be one.
    pub const fn is_there(&self) -> bool {
        self.config.is_some()
    }

    /// There is to be one, and it runs not.
    pub const fn is_down(&self) -> bool {
        self.config.is_some() && self.daemon.is_none()
    }

    /// It runs.
    pub const fn is_up(&self) -> bool {
        self.daemon.is_some()
    }
}

impl Model {
    /// It gets power.
    pub fn start_witness(&mut self) {
        self.tell(|| "the witness starts".to_owned());
        let now = self.now;
        let third = &mut self.third;
        let Some(config) = third.config.clone() else { return };
        third.life += 1;
        third.clock = Clock::new(now, 1000);
        let boot = BootId([3, 0, third.life, 0]);
        let local = third.clock.local(now);
        third.daemon = Some(Box::new(Witness::new(config, keyring(), boot, local)));
        self.turn_witness(Turn::Tick);
    }

    /// It loses power, and forgets all.
    pub fn lose_witness(&mut self) {
        self.tell(|| "the witness dies".to_owned());
        self.third.daemon = None;
        self.third.wake = u64::MAX;
        self.turns.clear();
    }

    /// A node's frame for it.
    pub fn sends_third(&mut self, node: usize, bytes: Rc<[u8]>) {
        if self.choice.roads[node] && self.third.is_up() {
            self.turns.push_back(Turn::Frame(bytes));
        }
    }

    /// One event, then all it has to say.
    pub fn turn_witness(&mut self, turn: Turn) {
        let now = self.now;
        let powers = self.nodes.each_ref().map(|node| node.power);
        let third = &mut self.third;
        let local = third.clock.local(now);
        let relay = third.relay();
        let Some(daemon) = third.daemon.as_mut() else { return };
        if relay != Relay::None {
            for (node, power) in [NodeId(0), NodeId(1)].into_iter().zip(powers) {
                daemon.sensed(local, node, if power { Power::On } else { Power::Off });
            }
        }
        match turn {
            Turn::Tick => daemon.tick(local),
            Turn::Frame(bytes) => {
                daemon.handle(local, &bytes);
            }
        }
        self.drain_witness();
    }

    fn drain_witness(&mut self) {
        let mut frame = FrameBuf::new();
        for _ in 0..DRAIN_MAX {
            let Some(daemon) = self.third.daemon.as_mut() else {
                return;
            };
            match daemon.poll(&mut frame) {
                Said::Send { to, bytes } => {
                    let node = usize::from(to.0);
                    let bytes = Rc::from(bytes);
                    if self.choice.roads[node] && self.nodes[node].is_moving() {
                        self.hears_third(node, bytes);
                    }
                }
                Said::Power { node, on } => self.switch(usize::from(node.0), on),
                Said::Notice(_) => {}
                // its disk is not in the model
                Said::Keep => daemon.kept(self.third.clock.local(self.now), true),
                Said::Wait { until } => {
                    self.third.wake = self.third.clock.world(until).max(self.now + 1);
                    return;
                }
            }
        }
        self.violates("bug", "the witness: polling does not come to Wait".to_owned());
    }

    /// A relay moves at once, or not at all.
    fn switch(&mut self, node: usize, on: bool) {
        if self.third.sticks[node] {
            self.tell(|| format!("{}: the witness can't switch its power", crate::model::letter(node)));
        } else if on && !self.nodes[node].power {
            self.boot(node);
        } else if !on && self.nodes[node].power {
            self.tell(|| format!("{}: the witness cuts its power", crate::model::letter(node)));
            self.power_off(node);
        }
        self.turns.push_back(Turn::Tick);
    }
}
