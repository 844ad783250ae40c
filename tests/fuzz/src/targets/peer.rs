//! The other node as a fuzzer has it: it holds the key, and says anything.

use ovzha_core::auth::Keyring;
use ovzha_core::config::Config;
use ovzha_core::frame::{self, BODY_MAX, FrameBuf, Header};
use ovzha_core::id::{BootId, GroupSet, LinkId, Mark, NodeId, Sequence, Tenure};
use ovzha_core::message::{
    Ballot, Detail, Echo, GroupBits, GroupName, GroupReport, Head, Hold, Message, NodeBits, Pledge, Silence,
    hold_reason,
};

use super::choices::Choices;
use super::cluster::CLUSTER;

/// What it last said.
pub struct Peer {
    me: NodeId,
    boot: BootId,
    sequence: u32,
}

impl Peer {
    /// In its first life.
    pub const fn new(me: NodeId) -> Self {
        Self {
            me,
            boot: BootId([0xbe, 0, 0, 1]),
            sequence: 0,
        }
    }

    /// A frame whose tag is good, or was before a bit of it changed. `ours`: the addressee's life, and its newest number.
    pub fn says(
        &mut self,
        choices: &mut Choices<'_>,
        link: LinkId,
        ours: (BootId, u32),
        groups: usize,
        ring: &Keyring,
        room: &mut FrameBuf,
    ) -> Vec<u8> {
        if choices.below(32) == 31 {
            self.boot.0[3] = choices.below(4);
            self.sequence = 0;
        }
        self.sequence = self.sequence.saturating_add(1);
        let oddity = choices.byte();
        let sequence = match oddity & 0x1f {
            1 => self.sequence.saturating_sub(u32::from(choices.byte())),
            2 => u32::from_be_bytes(choices.word()),
            _ => self.sequence,
        };
        let header = Header {
            version: match oddity & 0x1f {
                3 => choices.byte(),
                4 => 1,
                _ => frame::VERSION,
            },
            cluster: CLUSTER,
            sender: if oddity & 0x1f == 5 {
                NodeId(choices.below(16))
            } else {
                self.me
            },
            addressee: match oddity & 0x1f {
                6 => NodeId(choices.below(16)),
                7 => NodeId::ALL,
                _ => self.me.peer(),
            },
            link: LinkId(if oddity & 0x1f == 8 {
                choices.below(16)
            } else {
                link.0 & 0xf
            }),
            boot: self.boot,
            sequence: Sequence(sequence),
        };
        let mut body = [0; BODY_MAX];
        let body = if oddity & 0x1f == 9 {
            let length = usize::from(choices.byte()).min(BODY_MAX);
            choices.bytes(length)
        } else {
            message(choices, ours, groups).encode(&mut body).unwrap_or_default()
        };
        let mut frame = frame::seal(&header, body, ring, room).unwrap_or_default().to_vec();
        if oddity & 0x1f == 10 && !frame.is_empty() {
            let bit = usize::from(choices.byte()) * 8 + usize::from(choices.below(8));
            let bits = frame.len() * 8;
            frame[bit % bits / 8] ^= 1 << (bit % 8);
        }
        frame
    }
}

/// A message that says anything: mostly an echo of what we said last, which alone makes its life believed.
fn message(choices: &mut Choices<'_>, ours: (BootId, u32), groups: usize) -> Message {
    let shape = choices.byte();
    let back = if shape & 0x80 == 0 {
        0
    } else {
        u32::from(choices.byte())
    };
    let echo = match shape & 7 {
        7 => Echo::NOBODY,
        6 => Echo {
            boot: BootId(choices.word()),
            sequence: Sequence(u32::from_be_bytes(choices.word())),
        },
        _ => Echo {
            boot: ours.0,
            sequence: Sequence(ours.1.saturating_sub(back)),
        },
    };
    let head = Head {
        echo,
        heard: Silence(choices.byte()),
        heard_here: Silence(choices.byte()),
        bits: NodeBits(choices.byte()),
    };
    let reports = match shape & 0x30 {
        0x30 => usize::from(choices.below(17)),
        _ => groups,
    };
    let mut message = Message {
        head,
        detail: (shape & 0x40 != 0).then(|| detail(choices)),
        names: (shape & 8 != 0).then(|| {
            let many = usize::from(choices.below(17));
            (0..many).map(|_| name(choices)).collect()
        }),
        ballot: None,
        identities: None,
        groups: (0..reports).map(|_| report(choices)).collect(),
    };
    // behind everything else, so that what was found before there were votes is found again
    let votes = choices.byte();
    message.ballot = (votes & 1 != 0).then(|| ballot(choices));
    if votes & 0xf0 == 0xf0
        && let Some(ballot) = &mut message.ballot
    {
        ballot.pledge.given = GroupSet(u16::from(choices.byte()));
        ballot.pledge.returned = GroupSet(u16::from(choices.byte()));
    }
    message.identities = (votes & 2 != 0).then(|| {
        let many = usize::from(choices.below(17));
        (0..many).map(|_| name(choices).identity).collect()
    });
    if let Some(ballot) = message.ballot.as_mut().filter(|_| votes & 0x0e == 0x0e) {
        ballot.peer_off = true;
    }
    message
}

pub fn ballot(choices: &mut Choices<'_>) -> Ballot {
    let mut set = || GroupSet(u16::from(choices.byte()));
    Ballot {
        asks: set(),
        frees: set(),
        votes: set(),
        holds: set(),
        confirmed: set(),
        term: u16::from(choices.byte()),
        pledge: Pledge::default(),
        peer_off: false,
    }
}

fn detail(choices: &mut Choices<'_>) -> Detail {
    Detail {
        newest: choices.pick([2, 1, 3, 255]),
        resources: choices.pick([[1; 4], [2; 4]]),
        timings: choices.pick([[1; 4], [2; 4]]),
        // no configuration has a longer one; the longer of both counts, so it bounds what is waited for
        deadtime: choices.pick([20_000, 10_000, 240_000, 0]),
        hold: Hold {
            epoch: choices.pick([0, 1, 2, 3, u32::MAX]),
            held: choices.flag(),
            seconds: choices.pick([0, 1, 60, u32::MAX]),
            reason: hold_reason("theirs"),
        },
    }
}

fn name(choices: &mut Choices<'_>) -> GroupName {
    let number = choices.below(16);
    GroupName {
        identity: Mark([0, 0, number]),
        digest: Mark([1, choices.pick([1, 1, 2]), number]),
    }
}

fn report(choices: &mut Choices<'_>) -> GroupReport {
    let tenure = match choices.byte() {
        255 => u32::from_be_bytes(choices.word()),
        small => u32::from(small) % 8,
    };
    GroupReport {
        tenure: Tenure(tenure),
        bits: GroupBits(choices.byte()),
        drbd: choices.byte(),
    }
}

/// Reads what the node says on `link`, as its peer would; its number, newer than `before`.
pub fn read(bytes: &[u8], link: LinkId, ring: &Keyring, config: &Config, before: (BootId, u32)) -> u32 {
    let opened = frame::open(bytes, CLUSTER, ring);
    let Ok(opened) = opened else {
        panic!("the node's own frame does not open: {opened:?}");
    };
    let header = opened.header;
    assert!((1..=config.speaks).contains(&header.version));
    assert_eq!((header.sender, header.addressee), (config.me, config.me.peer()));
    assert_eq!((header.link, header.boot), (link, before.0));
    assert!(
        header.sequence.0 > before.1,
        "number {} after {}",
        header.sequence.0,
        before.1
    );
    let message = Message::decode(opened.body);
    let reports = message.map(|message| message.groups.len());
    assert_eq!(reports, Some(config.groups.len()), "the node's own words can't be read");
    header.sequence.0
}
