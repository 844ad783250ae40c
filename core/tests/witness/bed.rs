//! A witness, and two nodes that speak to it.

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::{self, BODY_MAX, FrameBuf, Header, VERSION};
use ovzha_core::id::{BootId, ClusterId, GroupSet, KeyId, LinkId, Mark, NodeId, Sequence, Tenure};
use ovzha_core::message::{
    Ballot, Connection, Disk, Drbd, Echo, GroupBits, GroupReport, Head, Message, NodeBits, Silence, Verdict,
};
use ovzha_core::time::{Instant, Span};
use ovzha_core::witness::{Power, Relay, Said, Witness, WitnessConfig, WitnessNotice};

pub(crate) const CLUSTER: ClusterId = ClusterId([7, 7]);
pub(crate) const LONGEST: Span = Span::from_secs(20);
pub(crate) const TERM: u16 = 100;
pub(crate) const GROUPS: [Mark; 2] = [Mark([1, 1, 1]), Mark([2, 2, 2])];

pub(crate) fn ring(domain: Domain) -> Keyring {
    let mut ring = Keyring::new(domain);
    ring.add(KeyId(1), Method::Sha256, b"a key").unwrap();
    ring.sign_with(KeyId(1)).unwrap();
    ring
}

pub(crate) fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

pub(crate) fn set(places: &[usize]) -> GroupSet {
    GroupSet::of(places.iter().copied())
}

pub(crate) fn asks(places: &[usize]) -> Ballot {
    Ballot {
        asks: set(places),
        term: TERM,
        ..Ballot::default()
    }
}

pub(crate) fn frees(places: &[usize]) -> Ballot {
    Ballot {
        frees: set(places),
        term: TERM,
        ..Ballot::default()
    }
}

/// A witness, and both nodes as it hears them.
pub(crate) struct Bed {
    pub(crate) witness: Witness,
    pub(crate) now: Instant,
    pub(crate) lives: [(u8, u32); 2],
    /// What the witness last said to each node.
    pub(crate) said: [Option<(Header, Verdict)>; 2],
    pub(crate) notices: Vec<WitnessNotice>,
    pub(crate) ahead: [bool; 2],
    pub(crate) mirrored: [bool; 2],
    /// Switchings of power: which node, and whether on.
    pub(crate) switched: Vec<(u8, bool)>,
    /// Its disk, and whether that answers at once; none: it does not answer at all.
    pub(crate) disk: Vec<(Mark, NodeId)>,
    pub(crate) writes: Option<bool>,
    pub(crate) written: u32,
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self::with(Relay::None)
    }

    pub(crate) fn with(relay: Relay) -> Self {
        let config = WitnessConfig {
            cluster: CLUSTER,
            keepalive: Span::from_secs(1),
            longest: LONGEST,
            relay,
            off_for: Span::from_secs(5),
        };
        Self {
            witness: Witness::new(config, ring(Domain::Witness), BootId([9; 4]), at(0)),
            now: at(0),
            lives: [(1, 0), (2, 0)],
            said: [None, None],
            notices: Vec::new(),
            ahead: [false; 2],
            mirrored: [false; 2],
            switched: Vec::new(),
            disk: Vec::new(),
            writes: Some(true),
            written: 0,
        }
    }

    /// One that lends, and that both nodes have heard.
    pub(crate) fn open() -> Self {
        Self::open_with(Relay::None)
    }

    pub(crate) fn open_with(relay: Relay) -> Self {
        let mut bed = Self::with(relay);
        bed.now = bed.now.after(LONGEST);
        for node in 0..2 {
            bed.meets(node);
        }
        bed
    }

    /// A node's first two frames: the second one echoes the witness, and is believed.
    pub(crate) fn meets(&mut self, node: usize) {
        self.speaks(node, frees(&[0, 1]));
        self.speaks(node, frees(&[0, 1]));
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now = self.now.after(Span::from_millis(ms));
        self.witness.tick(self.now);
        self.drain();
    }

    pub(crate) fn frame(&mut self, node: usize, ballot: Ballot, ring: &Keyring) -> Vec<u8> {
        let (life, sequence) = &mut self.lives[node];
        *sequence = sequence.saturating_add(1);
        let echo = self.said[node].map_or(Echo::NOBODY, |(header, _)| Echo {
            boot: header.boot,
            sequence: header.sequence,
        });
        let half = Drbd {
            connection: if self.mirrored[node] {
                Connection::Connected
            } else {
                Connection::Connecting
            },
            disk: Disk::UpToDate,
            ahead: self.ahead[node],
            ..Drbd::default()
        };
        let report = GroupReport {
            tenure: Tenure(1),
            bits: GroupBits(0),
            drbd: half.pack(),
        };
        let message = Message {
            head: Head {
                echo,
                heard: Silence::NEVER,
                heard_here: Silence::NEVER,
                bits: NodeBits::default(),
            },
            detail: None,
            names: None,
            ballot: Some(ballot),
            identities: Some(GROUPS.into_iter().collect()),
            groups: [report, report].into_iter().collect(),
        };
        let header = Header {
            version: VERSION,
            cluster: CLUSTER,
            sender: NodeId(u8::try_from(node).unwrap()),
            addressee: NodeId::WITNESS,
            link: LinkId(3),
            boot: BootId([*life; 4]),
            sequence: Sequence(*sequence),
        };
        let mut body = [0; BODY_MAX];
        let mut out = FrameBuf::new();
        let body = message.encode(&mut body).unwrap();
        frame::seal(&header, body, ring, &mut out).unwrap().to_vec()
    }

    /// A node speaks; the answer.
    pub(crate) fn speaks(&mut self, node: usize, ballot: Ballot) -> Verdict {
        let bytes = self.frame(node, ballot, &ring(Domain::Witness));
        self.hears(&bytes);
        self.said[node].unwrap().1
    }

    pub(crate) fn hears(&mut self, bytes: &[u8]) -> Option<(NodeId, bool)> {
        let answer = self.witness.handle(self.now, bytes);
        self.drain();
        answer
    }

    /// The witness loses its power, and has it again at once, open.
    pub(crate) fn restarts(&mut self) {
        let Self { disk, now, .. } = core::mem::replace(self, Self::new());
        self.now = now;
        self.witness.tick(now);
        for (group, node) in &disk {
            self.witness.remember(*group, *node);
        }
        self.disk = disk;
        self.pass(20_000);
        (self.lives, self.said) = ([(3, 0), (4, 0)], [None, None]);
        self.meets(0);
        self.meets(1);
    }

    pub(crate) fn sees(&mut self, node: u8, power: Power) {
        self.witness.sensed(self.now, NodeId(node), power);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        for _ in 0..50 {
            let mut out = FrameBuf::new();
            match self.witness.poll(&mut out) {
                Said::Wait { until } => {
                    assert!(until >= self.now);
                    return;
                }
                Said::Notice(notice) => self.notices.push(notice),
                Said::Power { node, on } => self.switched.push((node.0, on)),
                Said::Keep => {
                    self.written = self.written.saturating_add(1);
                    if self.writes == Some(true) {
                        self.disk = self.witness.marks().collect();
                    }
                    if let Some(good) = self.writes {
                        self.witness.kept(self.now, good);
                    }
                }
                Said::Send { to, bytes } => {
                    let opened = frame::open(bytes, CLUSTER, &ring(Domain::Witness)).unwrap();
                    assert_eq!((opened.header.sender, opened.header.addressee), (NodeId::WITNESS, to));
                    let verdict = Verdict::decode(opened.body).unwrap();
                    self.said[usize::from(to.0)] = Some((opened.header, verdict));
                }
            }
        }
        panic!("polling does not come to Wait");
    }
}
