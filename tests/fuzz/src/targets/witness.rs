//! One witness under anything that two nodes with the key, and time, can do to it.
//!
//! It must come to rest after each event; lend no vote to one node while the other one may still have it; and do to the
//! nodes' power only what it may (S7).

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::{self, BODY_MAX, FrameBuf, Header, VERSION};
use ovzha_core::id::{BootId, ClusterId, KeyId, LinkId, Mark, NodeId, Sequence, Tenure};
use ovzha_core::message::{
    Ballot, Echo, GroupBits, GroupReport, Head, Identities, Message, NodeBits, Silence, Verdict,
};
use ovzha_core::time::{Instant, Span};
use ovzha_core::witness::{Power, Relay, Said, Witness, WitnessConfig, WitnessNotice};
use ovzha_world::cuts::Cuts;

use super::choices::Choices;
use super::peer::ballot;

const CLUSTER: ClusterId = ClusterId([7, 7]);
/// Polls that no event needs.
const POLLS_MAX: u32 = 200;
/// Events of one input.
const EVENTS_MAX: u32 = 2000;
const LONGEST: Span = Span::from_secs(20);
const NODES: [NodeId; 2] = [NodeId(0), NodeId(1)];
const GROUPS: usize = 3;

/// A node as this target has it.
struct Node {
    boot: BootId,
    sequence: u32,
    /// The newest frame of the witness to it.
    heard: Echo,
    /// For how long each of its frames asked, and when the witness was given it.
    asked: Vec<(Echo, Ballot, Instant)>,
}

/// A vote that was said to be lent.
#[derive(Clone, Copy)]
struct Lent {
    to: usize,
    life: BootId,
    until: Instant,
}

struct Room {
    witness: Witness,
    now: Instant,
    nodes: [Node; 2],
    /// Until when a group's vote is a node's at least, in which life, unless that one gives it back.
    lent: [Option<Lent>; GROUPS],
    cuts: Cuts,
    /// Each node's input said that there is power, before the present event.
    seen: [bool; 2],
    ring: Keyring,
    /// What its disk has, and how often it was to be written: each third time fails.
    disk: Vec<(Mark, NodeId)>,
    writes: u32,
}

fn mark(group: usize) -> Mark {
    Mark([1, 2, u8::try_from(group).unwrap_or(0)])
}

fn ring(text: &[u8]) -> Keyring {
    let mut ring = Keyring::new(Domain::Witness);
    ring.add(KeyId(1), Method::Sha256, text).unwrap();
    ring.sign_with(KeyId(1)).unwrap();
    ring
}

/// Runs one input.
pub fn witness(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let relay = choices.pick([Relay::None, Relay::Beside, Relay::InPlace]);
    let config = WitnessConfig {
        cluster: CLUSTER,
        keepalive: Span::from_millis(500),
        longest: LONGEST,
        relay,
        off_for: Span::from_secs(5),
    };
    let node = |number: u8| Node {
        boot: BootId([number, 0, 0, 1]),
        sequence: 0,
        heard: Echo::NOBODY,
        asked: Vec::new(),
    };
    let now = Instant::from_millis(1000);
    let mut room = Room {
        witness: Witness::new(config, ring(b"a key"), BootId([9, 0, 0, 1]), now),
        now,
        nodes: [node(1), node(2)],
        lent: [None; GROUPS],
        cuts: Cuts::default(),
        seen: [false; 2],
        ring: ring(b"a key"),
        disk: Vec::new(),
        writes: 0,
    };
    room.drain();
    let mut sensed = room.seen;
    for _ in 0..EVENTS_MAX {
        if choices.is_over() {
            return;
        }
        let event = choices.byte();
        let node = usize::from(event >> 7);
        match event & 7 {
            0..=3 => room.speaks(node, &mut choices),
            4 | 5 => room.pass(u64::from(choices.byte()) * 50),
            6 => sensed[node] = room.sensed(node, choices.pick([Power::On, Power::Off, Power::Unknown])),
            _ => room.strange(choices.bytes(40)),
        }
        room.drain();
        room.seen = sensed;
    }
}

impl Room {
    fn pass(&mut self, ms: u64) {
        self.now = self.now.after(Span::from_millis(ms));
        self.witness.tick(self.now);
    }

    /// Answers whether the input says that there is power.
    fn sensed(&mut self, node: usize, power: Power) -> bool {
        self.witness.sensed(self.now, NODES[node], power);
        if power == Power::Off {
            self.back(node, |_, _| true);
        }
        power == Power::On
    }

    /// What that node was lent is free again.
    fn back(&mut self, node: usize, of: impl Fn(usize, Lent) -> bool) {
        for (group, lent) in self.lent.iter_mut().enumerate() {
            *lent = lent.filter(|it| it.to != node || !of(group, *it));
        }
    }

    /// Nobody's bytes: nothing may come of them.
    fn strange(&mut self, bytes: &[u8]) {
        let before: Vec<_> = self.witness.seats().collect();
        assert_eq!(self.witness.handle(self.now, bytes), None);
        assert!(
            before
                .iter()
                .all(|seat| seat.lent.is_none_or(|(_, until)| until <= self.now)
                    || self.witness.seats().any(|now| now == *seat))
        );
    }

    fn speaks(&mut self, node: usize, choices: &mut Choices<'_>) {
        let oddity = choices.byte();
        let it = &mut self.nodes[node];
        if oddity & 0x1f == 1 {
            it.boot.0[3] = it.boot.0[3].wrapping_add(1);
            (it.sequence, it.heard) = (0, Echo::NOBODY);
        }
        let back = if oddity & 0x1f == 2 {
            u32::from(choices.byte())
        } else {
            0
        };
        it.sequence = it.sequence.saturating_add(1);
        let sequence = Sequence(it.sequence.saturating_sub(back));
        let echo = if oddity & 0x1f == 3 { Echo::NOBODY } else { it.heard };
        let mut ballot = ballot(choices);
        if oddity & 0x20 != 0 {
            // mostly something that can be lent
            ballot.term %= 220;
        }
        let ahead = choices.byte();
        let report = |group: usize| GroupReport {
            tenure: Tenure(1),
            bits: GroupBits(0),
            drbd: if ahead >> group & 1 == 1 { 0x80 } else { 0 },
        };
        let message = Message {
            head: Head {
                echo,
                heard: Silence(0),
                heard_here: Silence(0),
                bits: NodeBits(0),
            },
            detail: None,
            names: None,
            ballot: Some(ballot),
            identities: Some((0..GROUPS).map(mark).collect::<Identities>()),
            groups: (0..GROUPS).map(report).collect(),
        };
        let header = Header {
            version: VERSION,
            cluster: CLUSTER,
            sender: NODES[node],
            addressee: NodeId::WITNESS,
            link: LinkId(1),
            boot: it.boot,
            sequence,
        };
        let (boot, mut body) = (it.boot, [0; BODY_MAX]);
        let body = message.encode(&mut body).unwrap_or_default();
        let mut room = FrameBuf::new();
        let key = if oddity & 0x1f == 4 {
            ring(b"another")
        } else {
            self.ring.clone()
        };
        let frame = frame::seal(&header, body, &key, &mut room).unwrap_or_default().to_vec();
        let believed = self.witness.handle(self.now, &frame) == Some((NODES[node], true));
        if believed {
            self.cuts.hears(self.now.as_millis(), node);
            let frame = Echo { boot, sequence };
            // a life that asks holds nothing of the one before
            let gone =
                |group, lent: Lent| ballot.frees.contains(group) || lent.life != boot && ballot.asks.contains(group);
            self.back(node, gone);
            self.nodes[node].asked.push((frame, ballot, self.now));
        }
    }

    fn drain(&mut self) {
        let mut frame = FrameBuf::new();
        for _ in 0..POLLS_MAX {
            match self.witness.poll(&mut frame) {
                Said::Send { to, bytes } => {
                    let bytes = bytes.to_vec();
                    self.hears(usize::from(to.0), &bytes);
                }
                Said::Power { node, on } => {
                    // it may be silent for less only if it was asked for less
                    let node = usize::from(node.0);
                    let wrong = if on {
                        self.cuts.gives_back(node, self.seen[node])
                    } else {
                        self.cuts.takes(self.now.as_millis(), node, 0)
                    };
                    assert_eq!(wrong, None);
                }
                Said::Keep => {
                    self.writes += 1;
                    let good = !self.writes.is_multiple_of(3);
                    if good {
                        self.disk = self.witness.marks().collect();
                    }
                    self.witness.kept(self.now, good);
                }
                Said::Notice(WitnessNotice::Stuck(node)) => self.cuts.tells(usize::from(node.0)),
                Said::Notice(_) => {}
                Said::Wait { until } => {
                    assert!(until >= self.now, "it is sent to wait, not back");
                    return;
                }
            }
        }
        panic!("polling does not come to Wait");
    }

    /// A frame of the witness: whose votes are lent, in answer to what.
    fn hears(&mut self, node: usize, bytes: &[u8]) {
        let opened = frame::open(bytes, CLUSTER, &self.ring).unwrap();
        let verdict = Verdict::decode(opened.body).unwrap();
        self.nodes[node].heard = Echo {
            boot: opened.header.boot,
            sequence: opened.header.sequence,
        };
        for group in (0..GROUPS).filter(|group| verdict.word.ahead.contains(*group)) {
            let old = (mark(group), NODES[1 - node]);
            assert!(self.disk.contains(&old), "a restart would forget what was answered");
        }
        let echo = verdict.head.echo;
        for group in (0..GROUPS).filter(|group| verdict.word.votes.contains(*group)) {
            let asked = self.nodes[node].asked.iter().rev().find(|(frame, ..)| *frame == echo);
            let (_, ballot, at) = asked.expect("a vote answers a frame that was believed");
            assert!(ballot.asks.contains(group), "nobody asked for it");
            assert!(!verdict.word.marked.contains(group), "lent to an old copy");
            let until = at.after(ballot.span());
            let before = self.lent[group];
            assert!(
                before.is_none_or(|lent| lent.to == node || lent.until <= self.now),
                "group {group} is lent to both"
            );
            let longer = before
                .filter(|lent| lent.to == node)
                .map_or(until, |lent| lent.until.max(until));
            let (to, life) = (node, echo.boot);
            self.lent[group] = Some(Lent {
                to,
                life,
                until: longer,
            });
        }
    }
}
