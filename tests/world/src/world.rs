//! Two nodes, the wire between them, and time: one thing happens at a time, the same way for the same seed.
//!
//! The nodes are real `Cluster`s, driven as the daemon drives them (drain contract in `core/src/lib.rs`): one
//! `handle`, then `poll` until `Wait`, then nothing before the time it names unless something happens. What is
//! modelled is the rest of the machine room: wire, clocks, disks, children, DRBD, power. Time is in microseconds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;

use ovzha_core::auth::Keyring;
use ovzha_core::config::Config;
use ovzha_core::event::{Command, Event, Outcome};
use ovzha_core::id::{ClientId, EffectId, GroupId, LinkId};
use ovzha_core::output::Durable;
use ovzha_core::time::Instant;

use crate::check::{Fact, Watch};
use crate::excuse::Troubles;
use crate::mirror::Mirror;
use crate::node::{Input, Node};
use crate::record::Record;
use crate::rng::Rng;
use crate::setup::{Model, Setup};
use crate::stonith::Agents;
use crate::trace::Trace;
use crate::wire::{Origin, Wire};
use crate::witness::Room;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Frame {
        to: usize,
        link: u8,
        bytes: Rc<[u8]>,
        origin: Origin,
    },
    Task {
        node: usize,
        key: u32,
    },
    Stored {
        node: usize,
        life: u32,
        version: u32,
        bytes: Option<Rc<[u8]>>,
    },
    Ping {
        node: usize,
        life: u32,
    },
    Pong {
        node: usize,
        life: u32,
        ping: u8,
        sent: Instant,
    },
    Look {
        node: usize,
        life: u32,
        group: usize,
        again: bool,
    },
    Path {
        group: usize,
        turn: u32,
    },
    Thaw {
        node: usize,
        since: u64,
    },
    Boot {
        node: usize,
        boots: u32,
    },
    Daemon {
        node: usize,
        boots: u32,
    },
    Asked {
        node: usize,
        client: u32,
        command: Command,
    },
    Synced {
        group: usize,
        turn: u32,
    },
    Fires {
        node: usize,
        turn: u32,
    },
    ToWitness {
        life: u32,
        bytes: Rc<[u8]>,
    },
    WitnessWakes {
        life: u32,
    },
    WitnessKept {
        life: u32,
    },
    Relay {
        node: usize,
    },
    Hit {
        node: usize,
        boots: u32,
    },
    ShotEnds {
        node: usize,
        boots: u32,
        life: u32,
        id: u32,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) at: u64,
    serial: u64,
    pub(crate) what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.serial) == (other.at, other.serial)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

/// The machine room.
#[derive(Clone, Debug)]
pub struct World {
    /// Real time.
    pub now: u64,
    /// What it was built from.
    pub setup: Setup,
    /// The two machines.
    pub nodes: [Node; 2],
    /// The links.
    pub wire: Wire,
    /// The third voter.
    pub witness: Room,
    /// What cuts a node's power for the other one.
    pub agents: Agents,
    /// DRBD, one device a group.
    pub mirrors: Vec<Mirror>,
    /// The checkers.
    pub watch: Watch,
    /// The record.
    pub trace: Trace,
    /// The same, typed, for whoever asked for it.
    pub(crate) record: Record,
    /// What is drawn while running.
    pub rng: Rng,
    /// After a reset by its own hand a machine comes up again so much later; `None`: it stays down.
    pub reset_takes: Option<u64>,
    /// How long DRBD needs to notice that the other half is gone.
    pub drbd_notices: u64,
    /// How long a resync takes.
    pub resync_takes: u64,
    /// Faults that have struck.
    pub struck: u64,
    /// Promotions of old data that the row admits.
    pub old_data: u64,
    /// Times that users lost writes as the row admits.
    pub lost_writes: u64,
    /// Handlers that wait for an answer: whose, of which group, asked of which life.
    pub(crate) asked: BTreeMap<u32, (usize, usize, u32)>,
    pub(crate) handlers: u32,
    /// A link whose way DRBD shares, beside its own cut flag.
    pub drbd_link: Option<usize>,
    /// Frames of this node are sent as an invented later version.
    pub newer: [bool; 2],
    /// The modelled host lies: bugs that are found are no violation.
    pub lying: bool,
    pub(crate) troubles: Troubles,
    /// Requests so far: the number of the newest client.
    pub(crate) clients: u32,
    pub(crate) due: BinaryHeap<Reverse<Due>>,
    serial: u64,
}

impl World {
    /// Two machines without power.
    ///
    /// # Errors
    /// A relation of times that the configuration breaks.
    pub fn new(setup: Setup, seed: u64, verbose: bool) -> Result<Self, String> {
        let files = |me: u8| -> Result<_, String> { Ok((setup.config(me)?, setup.keyring(b"a key"))) };
        let files = [files(0)?, files(1)?];
        Ok(Self::with_files(files, setup, seed, verbose))
    }

    /// Two machines without power, each with a configuration and keys of its own; `setup` says the rest of what is
    /// modelled, and what the checkers go by.
    #[must_use]
    pub fn with_files(files: [(Config, Keyring); 2], setup: Setup, seed: u64, verbose: bool) -> Self {
        let mut rng = Rng::new(seed);
        let mut rate = || 990_000 + rng.below(20_001);
        let mut nodes = files.map(|(config, keyring)| Node::new(config, keyring, rate()));
        for node in nodes.iter_mut().filter(|node| node.config.watchdog.is_some()) {
            node.watchdog.rate = rate();
        }
        // only then, so that the runs of all others stay what they are
        let witness = Room::new(if setup.witness { rate() } else { 1_000_000 });
        let models = setup.groups.iter().map(|group| group.resources.clone()).collect();
        let mut world = Self {
            now: 0,
            nodes,
            witness,
            agents: Agents::default(),
            wire: Wire::new(setup.links, setup.keepalive * 1000),
            mirrors: setup.groups.iter().map(|_| mirror(setup.fencing)).collect(),
            watch: Watch::new(models),
            trace: Trace::new(verbose),
            record: Record::default(),
            rng,
            reset_takes: Some(30_000_000),
            drbd_notices: 2_000_000,
            resync_takes: 500_000,
            struck: 0,
            old_data: 0,
            lost_writes: 0,
            asked: BTreeMap::new(),
            handlers: 0,
            drbd_link: None,
            newer: [false; 2],
            lying: false,
            troubles: Troubles::default(),
            clients: 0,
            due: BinaryHeap::new(),
            serial: 0,
            setup,
        };
        world.trace.mix(0, &seed);
        world
    }

    /// Whether a group has a mirror.
    pub(crate) fn is_mirrored(&self, group: usize) -> bool {
        self.setup.groups[group].resources.contains(&Model::Drbd)
    }

    pub(crate) fn at(&mut self, at: u64, what: What) {
        self.serial += 1;
        self.due.push(Reverse(Due {
            at: at.max(self.now),
            serial: self.serial,
            what,
        }));
    }

    /// When something happens next.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let wakes = self.nodes.iter().filter(|node| node.is_awake()).map(|node| node.wake);
        let due = self.due.peek().map(|Reverse(due)| due.at);
        wakes.chain(due).min()
    }

    /// Lets the next thing happen. False: nothing ever will.
    pub(crate) fn happen_next(&mut self) -> bool {
        let Some(at) = self.next() else { return false };
        self.now = self.now.max(at);
        let first = self.due.peek().is_some_and(|Reverse(due)| due.at <= at);
        if first && let Some(Reverse(due)) = self.due.pop() {
            self.happen(due.what);
            return true;
        }
        for node in 0..2 {
            if self.nodes[node].is_awake() && self.nodes[node].wake <= at {
                self.feed(node, &Input::Tick);
                return true;
            }
        }
        true
    }

    /// Lets everything happen up to `until`.
    pub fn advance(&mut self, until: u64) {
        while self.next().is_some_and(|at| at <= until) {
            self.happen_next();
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Frame {
                to,
                link,
                bytes,
                origin,
            } => {
                if self.wire.is_there(to, link) {
                    self.give(to, Input::Frame { link, bytes, origin });
                }
            }
            What::Task { node, key } => self.task_ends(node, key),
            What::Stored {
                node,
                life,
                version,
                bytes,
            } => self.stored(node, life, version, bytes),
            What::Ping { node, life } => self.ping(node, life),
            What::Pong { node, life, ping, sent } => {
                if self.nodes[node].life == life {
                    self.give(node, Input::Pong(ping, sent));
                }
            }
            What::Look {
                node,
                life,
                group,
                again,
            } => self.look(node, life, group, again),
            What::Path { group, turn } => self.path_settles(group, turn),
            What::Thaw { node, since } => {
                if self.nodes[node].freeze.is_some_and(|(_, at)| at == since) {
                    self.thaw(node);
                }
            }
            What::Boot { node, boots } => {
                if self.nodes[node].boots == boots && !self.nodes[node].power {
                    self.power_on(node);
                }
            }
            What::Asked { node, client, command } => self.asked_now(node, client, command),
            What::Synced { group, turn } => self.sync_ends(group, turn),
            What::Fires { node, turn } => self.fires(node, turn),
            What::ToWitness { life, bytes } => self.witness_hears(life, &bytes),
            What::WitnessWakes { life } => self.witness_wakes(life),
            What::WitnessKept { life } => self.witness_kept(life),
            What::Relay { node } => self.relay_moves(node),
            What::Hit { node, boots } => self.hit(node, boots),
            What::ShotEnds { node, boots, life, id } => self.shot_ends(node, (boots, life), id),
            What::Daemon { node, boots } => {
                if self.nodes[node].boots == boots {
                    self.start_daemon(node);
                }
            }
        }
    }

    /// Tells a daemon something: now, after it thaws, or never if there is none.
    pub(crate) fn give(&mut self, node: usize, input: Input) {
        if self.nodes[node].daemon.is_none() {
            return;
        }
        if self.nodes[node].freeze.is_some() {
            self.nodes[node].keep(input);
        } else {
            self.feed(node, &input);
        }
    }

    /// One `handle`, then the drain.
    pub(crate) fn feed(&mut self, node: usize, input: &Input) {
        let Some(mut daemon) = self.nodes[node].daemon.take() else {
            return;
        };
        let now = self.nodes[node].clock.local(self.now);
        match input {
            Input::Tick => daemon.handle(now, Event::Tick),
            Input::Frame { link, bytes, origin } => self.hear(node, &mut daemon, *link, bytes, *origin),
            Input::Pong(ping, sent) => daemon.handle(
                now,
                Event::PingReply {
                    ping: *ping,
                    sent: *sent,
                },
            ),
            Input::Done(id, outcome) => daemon.handle(
                now,
                Event::Done {
                    effect: EffectId(*id),
                    outcome: *outcome,
                },
            ),
            Input::Stored(version, ok) => daemon.handle(
                now,
                Event::Stored {
                    version: *version,
                    ok: *ok,
                },
            ),
            Input::Look(group) => {
                let seen = self.mirrors[*group].seen(node);
                self.mirrors[*group].unwatched[node] &= !seen.mirrored;
                let group = group_id(*group);
                daemon.handle(now, Event::Drbd { group, seen });
            }
            Input::Unstuck(group, resource) => daemon.handle(
                now,
                Event::Unstuck {
                    group: group_id(*group),
                    resource: *resource,
                },
            ),
            Input::Ask(client, command) => daemon.handle(
                now,
                Event::Request {
                    client: ClientId(*client),
                    command: command.clone(),
                },
            ),
            Input::Link(link, true) => daemon.handle(now, Event::Opened { link: LinkId(*link) }),
            Input::Link(link, false) => daemon.handle(now, Event::Closed { link: LinkId(*link) }),
        }
        self.nodes[node].daemon = Some(daemon);
        self.drain(node);
    }

    fn stored(&mut self, node: usize, life: u32, version: u32, bytes: Option<Rc<[u8]>>) {
        if self.nodes[node].life != life || !self.nodes[node].power {
            return;
        }
        let ok = bytes.is_some();
        if let Some(bytes) = bytes {
            let durable = Durable::decode(&bytes).unwrap_or_default();
            let tenures = durable
                .groups
                .iter()
                .map(|group| (group.run.0, group.known.0))
                .collect();
            self.nodes[node].write(&bytes);
            self.fact(&Fact::Durable(node, tenures));
        }
        self.give(node, Input::Stored(version, ok));
    }

    fn ping(&mut self, node: usize, life: u32) {
        if self.nodes[node].life != life || self.nodes[node].daemon.is_none() {
            return;
        }
        let keepalive = self.setup.keepalive * 1000 * 1_000_000 / self.nodes[node].clock.rate();
        self.at(self.now + keepalive, What::Ping { node, life });
        if self.nodes[node].freeze.is_some() || !self.nodes[node].pings || self.wire.isolated[node] {
            return;
        }
        let sent = self.nodes[node].clock.local(self.now);
        for ping in 0..self.setup.pings {
            let at = self.now + self.rng.between(300, 2000);
            self.at(at, What::Pong { node, life, ping, sent });
        }
    }

    /// The result of a step reaches the daemon that began it, if it still lives.
    pub(crate) fn tell_done(&mut self, node: usize, life: u32, id: u32, outcome: Outcome) {
        if self.nodes[node].life == life {
            self.nodes[node].ended = id;
            self.give(node, Input::Done(id, outcome));
        }
    }
}

fn mirror(fencing: bool) -> Mirror {
    Mirror {
        fencing,
        ..Mirror::default()
    }
}

/// The core's number of a group.
pub(crate) fn group_id(group: usize) -> GroupId {
    GroupId(u8::try_from(group).unwrap_or(u8::MAX))
}
