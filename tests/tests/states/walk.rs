//! Two clusters and a host that does whatever it likes: links come and go, children end in every way, time leaps.
//!
//! Not what a machine room would do, but all of it is what a host can say; the World never closes a link.

use std::collections::VecDeque;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::cluster::Cluster;
use ovzha_core::config::{Config, Draft, GroupDraft, Kind};
use ovzha_core::data::Seen;
use ovzha_core::event::{Command, Event, Outcome};
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::{BootId, ClientId, ClusterId, EffectId, GroupId, GroupSet, KeyId, LinkId, Mark, NodeId};
use ovzha_core::message::{Drbd, hold_reason};
use ovzha_core::output::{Durable, Effect, Op, Output};
use ovzha_core::time::{Instant, Span};
use ovzha_world::rng::Rng;

const LINKS: u8 = 2;
const FRAMES_MAX: usize = 40;
const DRAIN_MAX: u32 = 500;
const LEAPS: [u64; 8] = [0, 0, 20, 50, 150, 1000, 2500, 30_000];

struct Node {
    cluster: Cluster,
    disk: Vec<u8>,
    life: u8,
    now: u64,
    frames: VecDeque<(u8, Vec<u8>)>,
    effect: Option<Effect>,
    stored: Option<u32>,
    ended: bool,
}

fn config(me: u8, seed: u64) -> Config {
    let seconds = Span::from_secs;
    let kinds = [
        Kind::Plain,
        Kind::Data,
        if seed.is_multiple_of(2) { Kind::Data } else { Kind::Drbd },
    ];
    let group = GroupDraft {
        preferred: NodeId(0),
        identity: Mark([1; 3]),
        digest: Mark([1; 3]),
        resources: kinds.into_iter().collect(),
        monitors: [5; 3].into_iter().collect(),
    };
    Config::new(Draft {
        me: NodeId(me),
        cluster: ClusterId([7, 7]),
        links: LINKS,
        pings: 1,
        keepalive: seconds(1),
        // so close to the deadtime that both can pass between two looks
        warntime: seconds(4),
        // the longer one counts, once it is known
        deadtime: seconds(if seed % 4 < 2 { 5 } else { 5 + 5 * u64::from(me) }),
        deadping: seconds(3),
        initdead: seconds(10),
        stop_budget: seconds(1),
        auto_failback: true,
        ipfail: true,
        diskless_hands_over: true,
        last_resort: false,
        watchdog: None,
        groups: [group].into_iter().collect(),
        resources_digest: [1; 4],
        timings_digest: [1; 4],
        witness: false,
        stonith: None,
        commanded: false,
        relay: ovzha_core::witness::Relay::None,
        speaks: 2,
    })
    .unwrap()
}

fn life(me: u8, seed: u64, life: u8, disk: &[u8], now: u64) -> Cluster {
    let mut keyring = Keyring::new(Domain::Node);
    keyring.add(KeyId(1), Method::Crc, b"").unwrap();
    keyring.sign_with(KeyId(1)).unwrap();
    let durable = Durable::decode(disk).unwrap_or_default();
    Cluster::new(
        config(me, seed),
        keyring,
        BootId([2, me, life, 0]),
        durable,
        Instant::from_millis(now),
    )
}

impl Node {
    fn new(me: u8, seed: u64) -> Self {
        Self {
            cluster: life(me, seed, 0, &[], 1000),
            disk: Vec::new(),
            life: 0,
            now: 1000,
            frames: VecDeque::new(),
            effect: None,
            stored: None,
            ended: false,
        }
    }

    /// The frames that it sends.
    fn tell(&mut self, event: Event<'_>) -> Vec<(u8, Vec<u8>)> {
        let mut sent = Vec::new();
        self.cluster.handle(Instant::from_millis(self.now), event);
        let mut frame = FrameBuf::new();
        for _ in 0..DRAIN_MAX {
            match self.cluster.poll(&mut frame) {
                Output::Send { link, bytes } => sent.push((link.0, bytes.to_vec())),
                Output::Start(effect) => self.effect = Some(effect),
                Output::Store { version, bytes } => {
                    self.disk = bytes.to_vec();
                    self.stored = Some(version);
                }
                Output::Exit => {
                    self.ended = true;
                    return sent;
                }
                Output::Wait { .. } => return sent,
                Output::Shoot(_)
                | Output::Abandon(_)
                | Output::Reply { .. }
                | Output::Notice(_)
                | Output::FenceSelf { .. }
                | Output::Pet { .. }
                | Output::Disarm
                | Output::Bug(_) => {}
            }
        }
        panic!("polling does not come to Wait");
    }
}

fn command(rng: &mut Rng) -> Command {
    let groups = GroupSet(1);
    match rng.below(8) {
        0 => Command::Standby { groups },
        1 => Command::Takeover { groups },
        2 => Command::Hold {
            span: Some(Span::from_secs(5)),
            reason: hold_reason("walk"),
        },
        3 => Command::Resume,
        4 => Command::ConfirmData { group: GroupId(0) },
        5 => Command::Stop,
        _ => Command::Clear { group: GroupId(0) },
    }
}

fn look(rng: &mut Rng, bad: u64) -> Seen {
    let byte = u8::try_from(rng.below(256)).unwrap();
    let good = !rng.chance(bad);
    Seen {
        // connected, UpToDate
        drbd: Drbd::unpack(if good { 0x15 | byte & 0x60 } else { byte | 0x60 }),
        mirrored: good,
        current: good,
        proved: rng.chance(300),
    }
}

/// How a step ends: mostly as it should.
fn ends(rng: &mut Rng, op: Op, bad: u64) -> Outcome {
    // what DRBD is told is told rarely
    let rare = matches!(op, Op::Outdate | Op::Confirm | Op::Resume);
    if rng.chance(if rare { 400 } else { bad }) {
        Outcome::ALL[usize::try_from(rng.below(9)).unwrap()]
    } else if op == Op::Probe {
        [Outcome::NotRunning, Outcome::Done][usize::from(rng.chance(300))]
    } else {
        Outcome::Done
    }
}

/// One thing happens to the node; the frames that it sends.
fn happens(node: &mut Node, rng: &mut Rng, bad: u64) -> Vec<(u8, Vec<u8>)> {
    let link = LinkId(u8::try_from(rng.below(u64::from(LINKS))).unwrap());
    let (group, client) = (GroupId(0), ClientId(1));
    match rng.below(40) {
        0 if rng.chance(3 * bad) => node.tell(Event::Closed { link }),
        1..4 => node.tell(Event::Opened { link }),
        4..10 => {
            let Some(effect) = node.effect.take() else {
                return Vec::new();
            };
            let outcome = ends(rng, effect.op, bad);
            let effect = effect.id;
            node.tell(Event::Done { effect, outcome })
        }
        10..12 => {
            let Some(version) = node.stored.take() else {
                return Vec::new();
            };
            let ok = rng.chance(900);
            node.tell(Event::Stored { version, ok })
        }
        12..15 => {
            let sent = Instant::from_millis(node.now);
            node.tell(Event::PingReply { ping: 0, sent })
        }
        15 if rng.chance(5 * bad) => {
            let command = command(rng);
            node.tell(Event::Request { client, command })
        }
        16 | 17 => {
            let seen = look(rng, bad);
            node.tell(Event::Drbd { group, seen })
        }
        18 => {
            let resource = u8::try_from(rng.below(3)).unwrap();
            node.tell(Event::Unstuck { group, resource })
        }
        19 if rng.chance(bad) => {
            // an answer to what was never asked: a bug, after which a person clears the group
            let effect = EffectId(1);
            node.tell(Event::Done {
                effect,
                outcome: Outcome::Done,
            })
        }
        20 if rng.chance(bad) || !node.cluster.snapshot().bugs.is_empty() => node.tell(Event::Request {
            client,
            command: Command::Clear { group },
        }),
        21 if rng.chance(200) => {
            node.frames.clear();
            Vec::new()
        }
        22..35 => match node.frames.pop_front() {
            Some((link, bytes)) => node.tell(Event::Received {
                link: LinkId(link),
                bytes: &bytes,
            }),
            None => Vec::new(),
        },
        _ => node.tell(Event::Tick),
    }
}

/// So many things happen.
pub fn walk(seed: u64, steps: u32) {
    let mut rng = Rng::new(seed);
    let mut nodes = vec![Node::new(0, seed), Node::new(1, seed)];
    // of a thousand steps, and of a thousand looks at DRBD
    let bad = [20, 100, 300][usize::try_from(seed % 3).unwrap()];
    for _ in 0..steps {
        let me = usize::from(rng.chance(500));
        let leap = if rng.chance(30) { rng.below(8) } else { rng.below(5) };
        let passes = LEAPS[usize::try_from(leap).unwrap()];
        for node in &mut nodes {
            node.now += passes;
        }
        let node = &mut nodes[me];
        let sent = happens(node, &mut rng, bad);
        if node.ended || rng.chance(3) {
            node.life += 1;
            (node.effect, node.stored, node.ended) = (None, None, false);
            node.cluster = life(u8::try_from(me).unwrap(), seed, node.life, &node.disk, node.now);
        }
        let other = &mut nodes[1 - me].frames;
        other.extend(sent);
        while other.len() > FRAMES_MAX {
            other.pop_front();
        }
    }
}
