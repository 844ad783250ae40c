//! The third voter in the machine room: a real `Witness`, its power, its clock and the ways to it.

use std::rc::Rc;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::{BootId, ClusterId, GroupId, KeyId, Mark, NodeId};
use ovzha_core::time::{Instant, Span};
use ovzha_core::witness::{Power, Relay, Said, Witness, WitnessConfig, WitnessNotice};

use crate::check::Fact;
use crate::node::{Clock, Input};
use crate::relay::Switch;
use crate::trace::letter;
use crate::wire::Origin;
use crate::world::{What, World};

/// Frames of one drain, far above what it ever owes.
const DRAIN_MAX: u32 = 64;
/// How long a node that was cut stays off.
const OFF_FOR: Span = Span::from_secs(5);
/// A write to its disk, in microseconds.
const WRITES: (u64, u64) = (2_000, 80_000);
/// A frame's way to it or from it, in microseconds.
const WAY: (u64, u64) = (200, 3000);

/// The witness's machine.
#[derive(Clone, Debug)]
pub struct Room {
    /// What runs on it; none without power.
    pub daemon: Option<Box<Witness>>,
    clock: Clock,
    life: u32,
    /// The way between it and a node is cut.
    pub cut: [bool; 2],
    /// Its hand on each node's power.
    pub relays: [Switch; 2],
    /// What its disk keeps.
    kept: Vec<(Mark, NodeId)>,
    /// What is being written to it.
    writing: Option<Vec<(Mark, NodeId)>>,
}

impl Room {
    /// A machine without power.
    #[must_use]
    pub const fn new(rate: u64) -> Self {
        Self {
            daemon: None,
            clock: Clock::new(0, rate),
            life: 0,
            cut: [false; 2],
            relays: [Switch::NEW; 2],
            kept: Vec::new(),
            writing: None,
        }
    }
}

/// The key between the nodes and the witness.
#[must_use]
pub fn witness_keyring() -> Keyring {
    let mut ring = Keyring::new(Domain::Witness);
    let added = ring
        .add(KeyId(1), Method::Sha256, b"the witness")
        .and_then(|()| ring.sign_with(KeyId(1)));
    debug_assert!(added.is_ok(), "a key of its own");
    ring
}

impl World {
    /// The witness gets power, or loses it with all that it knew but for what its disk keeps.
    pub fn power_witness(&mut self, on: bool) {
        if on && self.witness.daemon.is_some() {
            return;
        }
        self.trace.line(self.now, &("witness", on), || {
            let state = if on { "has power" } else { "is without power" };
            format!("the witness {state}")
        });
        self.witness.life += 1;
        self.witness.daemon = None;
        self.relays_rest();
        if let Some(writing) = self.witness.writing.take()
            && self.rng.between(0, 1) == 1
        {
            // nobody was told that it is there, and yet it may be
            self.witness.kept = writing;
        }
        if !on {
            return;
        }
        let config = WitnessConfig {
            cluster: ClusterId([7, 7]),
            keepalive: Span::from_millis(self.setup.keepalive),
            longest: Span::from_millis(self.deadtime()),
            relay: self.setup.relay,
            off_for: OFF_FOR,
        };
        let life = self.witness.life;
        let [_, b, c, d] = life.to_be_bytes();
        let now = self.witness.clock.local(self.now);
        let mut daemon = Witness::new(config, witness_keyring(), BootId([9, b, c, d]), now);
        for (group, node) in &self.witness.kept {
            daemon.remember(*group, *node);
        }
        self.witness.daemon = Some(Box::new(daemon));
        self.fact(&Fact::WitnessUp);
        self.witness_wakes(life);
    }

    /// A node's frame for the witness.
    pub(crate) fn send_to_witness(&mut self, node: usize, bytes: &Rc<[u8]>) {
        if self.witness.cut[node] || self.wire.isolated[node] {
            return;
        }
        let (bytes, life) = (Rc::clone(bytes), self.witness.life);
        let at = self.now + self.rng.between(WAY.0, WAY.1);
        self.at(at, What::ToWitness { life, bytes });
    }

    /// It hears a frame.
    pub(crate) fn witness_hears(&mut self, life: u32, bytes: &[u8]) {
        let now = self.witness.clock.local(self.now);
        if self.witness.life != life {
            return;
        }
        self.witness_senses(now);
        if let Some(daemon) = &mut self.witness.daemon {
            if let Some((node, true)) = daemon.handle(now, bytes) {
                self.fact(&Fact::WitnessHeard(usize::from(node.0)));
            }
            self.drain_witness();
        }
    }

    /// Its time to wake has come.
    pub(crate) fn witness_wakes(&mut self, life: u32) {
        let now = self.witness.clock.local(self.now);
        if self.witness.life != life {
            return;
        }
        self.witness_senses(now);
        if let Some(daemon) = &mut self.witness.daemon {
            daemon.tick(now);
            if let Some(until) = self.drain_witness() {
                let at = self.witness.clock.world(until).max(self.now + 1000);
                self.at(at, What::WitnessWakes { life });
            }
        }
    }

    /// What it was to write is on its disk.
    pub(crate) fn witness_kept(&mut self, life: u32) {
        let now = self.witness.clock.local(self.now);
        if self.witness.life != life {
            return;
        }
        if let (Some(daemon), Some(writing)) = (&mut self.witness.daemon, self.witness.writing.take()) {
            self.witness.kept = writing;
            daemon.kept(now, true);
            self.drain_witness();
        }
    }

    /// It reads its sense inputs, if it has any.
    fn witness_senses(&mut self, now: Instant) {
        if self.setup.relay == Relay::None {
            return;
        }
        for (node, id) in [NodeId(0), NodeId(1)].into_iter().enumerate() {
            let power = self.sensed(node);
            if let Some(daemon) = &mut self.witness.daemon {
                daemon.sensed(now, id, power);
            }
        }
    }

    /// Something changed that it looks at.
    pub(crate) fn witness_looks(&mut self) {
        self.witness_wakes(self.witness.life);
    }

    fn drain_witness(&mut self) -> Option<Instant> {
        for _ in 0..DRAIN_MAX {
            let mut frame = FrameBuf::new();
            match self.witness.daemon.as_mut()?.poll(&mut frame) {
                Said::Send { to, bytes } => self.witness_sends(to, bytes),
                Said::Notice(notice) => self.witness_tells(notice),
                Said::Keep => {
                    let daemon = self.witness.daemon.as_deref();
                    self.witness.writing = daemon.map(|daemon| daemon.marks().collect());
                    let life = self.witness.life;
                    let at = self.now + self.rng.between(WRITES.0, WRITES.1);
                    self.at(at, What::WitnessKept { life });
                }
                Said::Power { node, on } => {
                    let node = usize::from(node.0);
                    // both clocks are 1 % wrong at most
                    let term = self.setup.deadtime * 980;
                    let seen = self.witness.relays[node].seen;
                    self.fact(&Fact::Relay { node, on, term, seen });
                    self.relay_ordered(node, on);
                }
                Said::Wait { until } => {
                    for node in 0..2 {
                        self.witness.relays[node].seen = self.sensed(node) == Power::On;
                    }
                    return Some(until);
                }
            }
        }
        self.watch
            .violation(self.now, "the witness: polling does not come to Wait");
        None
    }

    fn witness_tells(&mut self, notice: WitnessNotice) {
        if let WitnessNotice::Stuck(node) = notice {
            self.fact(&Fact::RelayStuck(usize::from(node.0)));
        }
        self.trace.line(self.now, &notice, || {
            let who = |node: NodeId| letter(usize::from(node.0));
            let group = |mark: ovzha_core::id::Mark| mark.0[2].saturating_sub(1);
            match notice {
                WitnessNotice::Heard { node, restarted: false } => format!("the witness hears {}", who(node)),
                WitnessNotice::Heard { node, restarted: true } => {
                    format!("the witness hears a new life of {}", who(node))
                }
                WitnessNotice::Silent(node) => format!("the witness does not hear {}", who(node)),
                WitnessNotice::Lent { group: mark, to } => {
                    format!("the witness lends g{} to {}", group(mark), who(to))
                }
                WitnessNotice::Marked {
                    group: mark,
                    node,
                    marked,
                } => {
                    let how = if marked { "is old" } else { "is not old any more" };
                    format!("the witness knows: {}'s copy of g{} {how}", who(node), group(mark))
                }
                WitnessNotice::Cut(node) => format!("the witness cuts {}'s power", who(node)),
                WitnessNotice::Restored(node) => format!("the witness gives {} its power back", who(node)),
                WitnessNotice::Stuck(node) => format!("the witness can't cut {}'s power", who(node)),
                WitnessNotice::TooLong { node, term } => format!("{} asks the witness for {term}: too long", who(node)),
                WitnessNotice::SaidOff(node) => format!("the witness takes a person's word: {} is off", who(node)),
                WitnessNotice::Kept(good) => format!("the witness's disk works: {good}"),
                WitnessNotice::Lost(count) => format!("the witness lost {count} notices"),
            }
        });
    }

    fn witness_sends(&mut self, to: NodeId, bytes: &[u8]) {
        let node = usize::from(to.0);
        self.trace.mix(self.now, &(node, "witness", bytes));
        if node > 1 || self.witness.cut[node] || self.wire.isolated[node] {
            return;
        }
        let (link, bytes) = (self.setup.links, Rc::from(bytes));
        let at = self.now + self.rng.between(WAY.0, WAY.1);
        let origin = Origin::Made;
        self.at(
            at,
            What::Frame {
                to: node,
                link,
                bytes,
                origin,
            },
        );
    }

    /// S-90: a node that is to start by the witness's word alone begins to. One that was started since has forgotten its word.
    pub(crate) fn check_commanded(&mut self, node: usize, group: GroupId) {
        let Some(daemon) = self.witness.daemon.as_ref().filter(|it| it.is_open()) else {
            return;
        };
        let seat = daemon.seats().find(|seat| seat.group == Mark([0, 0, group.0 + 1]));
        let lent = seat.and_then(|seat| seat.lent).map(|(to, _)| usize::from(to.0));
        if self.setup.commanded && lent != Some(node) {
            let text = format!(
                "S-90 group {}: node {node} claims it without the witness's vote",
                group.0
            );
            self.watch.violation(self.now, &text);
        }
    }

    /// A node's link to the witness, as its host opens it.
    pub(crate) fn open_witness_link(&mut self, node: usize) {
        if self.setup.witness {
            self.feed(node, &Input::Link(self.setup.links, true));
        }
    }
}
