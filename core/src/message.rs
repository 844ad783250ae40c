//! What the nodes tell each other, and its bytes.
//!
//! A body is a postcard message followed by one group report per resource group, in the order of `haresources`,
//! up to the end of the body (PROTOCOL P-5). Variants are only ever appended and never change their fields:
//! postcard does not describe itself.
//!
//! Level-triggered: every heartbeat says everything that is decided upon; losing one loses nothing.

use heapless::Vec;
use serde::{Deserialize, Serialize};

pub use crate::half::{Connection, Disk, Drbd};
use crate::id::{BootId, GROUPS_MAX, GroupSet, Mark, Sequence, Tenure};
pub use crate::silence::Silence;
use crate::time::Span;
use crate::witness::Relay;

/// Longest reason of a hold, in bytes of UTF-8.
pub const REASON_MAX: usize = 32;

/// Why a hold was set.
pub type HoldReason = heapless::String<REASON_MAX>;

/// A reason as far as it fits, without control characters.
#[must_use]
pub fn hold_reason(text: &str) -> HoldReason {
    let mut reason = HoldReason::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if reason.push(letter).is_err() {
            break;
        }
    }
    reason
}

/// The receiver's newest frame, as the sender knows it: proof that the sender hears this life (LEASE F2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Echo {
    /// The life that is echoed; all zero when none is known.
    pub boot: BootId,
    /// Its newest authentic frame.
    pub sequence: Sequence,
}

impl Echo {
    /// Nobody heard yet.
    pub const NOBODY: Self = Self {
        boot: BootId([0; 4]),
        sequence: Sequence(0),
    };
}

/// Bits about the node as a whole, and how many ping nodes answer it (the low four bits, 15: so many or more).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct NodeBits(pub u8);

impl NodeBits {
    const STOPPING: u8 = 0x80;
    const HELD: u8 = 0x40;
    const ISOLATED: u8 = 0x20;
    const PINGS: u8 = 0x0f;

    /// Packs the four facts.
    #[must_use]
    pub fn new(stopping: bool, held: bool, isolated: bool, pings: u8) -> Self {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        Self(bit(stopping, Self::STOPPING) | bit(held, Self::HELD) | bit(isolated, Self::ISOLATED) | pings.min(15))
    }

    /// A witness has no ping nodes: in their place it says what it does with the nodes' power.
    #[must_use]
    pub const fn of_witness(relay: Relay) -> Self {
        Self(match relay {
            Relay::None => 1,
            Relay::Beside => 2,
            Relay::InPlace => 3,
        })
    }

    /// What a witness does with the nodes' power; none: it does not say, or something that is not known here.
    #[must_use]
    pub const fn relay(self) -> Option<Relay> {
        match self.pings() {
            1 => Some(Relay::None),
            2 => Some(Relay::Beside),
            3 => Some(Relay::InPlace),
            _ => None,
        }
    }

    /// On its way out: it takes nothing and hands over what it has.
    #[must_use]
    pub const fn stopping(self) -> bool {
        self.0 & Self::STOPPING != 0
    }

    /// An admin said `hold`.
    #[must_use]
    pub const fn held(self) -> bool {
        self.0 & Self::HELD != 0
    }

    /// It has ping nodes, and none of them answers.
    #[must_use]
    pub const fn isolated(self) -> bool {
        self.0 & Self::ISOLATED != 0
    }

    /// Ping nodes that answer.
    #[must_use]
    pub const fn pings(self) -> u8 {
        self.0 & Self::PINGS
    }
}

/// Where a group stands on a node, as told to the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Phase {
    /// Not known yet: being probed, or found running in part.
    Probing,
    /// Nothing runs.
    Idle,
    /// Nothing runs; will start unless the other objects.
    Claiming,
    /// The first start effect has begun.
    Starting,
    /// All of it runs.
    Active,
    /// Being stopped.
    Stopping,
    /// Nothing runs; the last start failed.
    Failed,
    /// A child can't be killed or a stop failed: nobody knows what runs.
    Stuck,
}

impl Phase {
    const fn bits(self) -> u8 {
        match self {
            Self::Probing => 0,
            Self::Idle => 1,
            Self::Claiming => 2,
            Self::Starting => 3,
            Self::Active => 4,
            Self::Stopping => 5,
            Self::Failed => 6,
            Self::Stuck => 7,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            0 => Self::Probing,
            1 => Self::Idle,
            2 => Self::Claiming,
            3 => Self::Starting,
            4 => Self::Active,
            5 => Self::Stopping,
            6 => Self::Failed,
            _ => Self::Stuck,
        }
    }

    /// Whether nothing of the group can be running in this phase.
    #[must_use]
    pub const fn is_clear(self) -> bool {
        matches!(self, Self::Idle | Self::Claiming | Self::Failed)
    }
}

/// One group in one byte: its phase and five flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct GroupBits(pub u8);

/// The five flags of a group report.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent facts of the wire's flag byte"
)]
pub struct GroupFlags {
    /// Would start it if it were its turn.
    pub able: bool,
    /// Released it for the other node, which shall start it.
    pub yielded: bool,
    /// An admin asked this node to take it over; on the node that runs it: asked it to hand over.
    pub wanted: bool,
    /// Active, and slept: yields to a newer tenure.
    pub doubtful: bool,
    /// Runs, but not all that should (some containers are missing).
    pub degraded: bool,
}

impl GroupBits {
    /// Packs a phase and its flags.
    #[must_use]
    pub fn new(phase: Phase, flags: GroupFlags) -> Self {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        Self(
            phase.bits()
                | bit(flags.able, 0x08)
                | bit(flags.yielded, 0x10)
                | bit(flags.wanted, 0x20)
                | bit(flags.doubtful, 0x40)
                | bit(flags.degraded, 0x80),
        )
    }

    /// The phase.
    #[must_use]
    pub const fn phase(self) -> Phase {
        Phase::from_bits(self.0)
    }

    /// The flags.
    #[must_use]
    pub const fn flags(self) -> GroupFlags {
        GroupFlags {
            able: self.0 & 0x08 != 0,
            yielded: self.0 & 0x10 != 0,
            wanted: self.0 & 0x20 != 0,
            doubtful: self.0 & 0x40 != 0,
            degraded: self.0 & 0x80 != 0,
        }
    }
}

/// One group as its node sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct GroupReport {
    /// While it runs here: the tenure of this run. Else the highest tenure known.
    pub tenure: Tenure,
    /// Phase and flags.
    pub bits: GroupBits,
    /// DRBD, packed.
    pub drbd: u8,
}

/// What every heartbeat says about its sender.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The addressee's newest frame.
    pub echo: Echo,
    /// How long ago the sender last believed the addressee, over any link.
    pub heard: Silence,
    /// How long ago it heard the addressee over the link this heartbeat goes out on.
    pub heard_here: Silence,
    /// The node as a whole.
    pub bits: NodeBits,
}

/// A hold as both nodes keep it: the higher epoch counts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Hold {
    /// Grows with every `hold` and `resume` on either node.
    pub epoch: u32,
    /// Whether decisions are held.
    pub held: bool,
    /// For so many seconds, 0: until `resume`. Of one that is not in force: those after which it ended by itself, with what the
    /// other node does not known here.
    pub seconds: u32,
    /// Who holds and why, as the admin wrote it.
    pub reason: HoldReason,
}

impl Hold {
    /// It ended by its time alone, and the other node has not been heard without it since.
    #[must_use]
    pub const fn is_lapsed(&self) -> bool {
        !self.held && self.seconds > 0
    }
}

/// What is said only while the other has not confirmed it: it rarely changes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Detail {
    /// Newest protocol version the sender speaks.
    pub newest: u8,
    /// Digest of what `haresources` means.
    pub resources: [u8; 4],
    /// Digest of the timing directives.
    pub timings: [u8; 4],
    /// The sender's deadtime in milliseconds: the longer of both counts.
    pub deadtime: u32,
    /// The hold as the sender knows it.
    pub hold: Hold,
}

/// Which group one is, and what its line means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct GroupName {
    /// Which: the same on both nodes whatever else of it changes.
    pub identity: Mark,
    /// What all of its line means.
    pub digest: Mark,
}

/// The groups of a node, in the order of its reports.
pub type Names = Vec<GroupName, GROUPS_MAX>;

/// Votes asked for, given back and lent, a bit a group in the order of the sender's reports (LEASE section 1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Ballot {
    /// "Lend me your vote": it runs here, or is to be started.
    pub asks: GroupSet,
    /// "I hold nothing of yours from any frame of mine up to this one." Of what is neither asked for nor free nobody knows.
    pub frees: GroupSet,
    /// "My vote is yours, in answer to the frame that I echo." Implies that it is free.
    pub votes: GroupSet,
    /// It runs here now, or is being started or stopped (LEASE `holder`); not a part of it that was found.
    pub holds: GroupSet,
    /// A person said that this node's copy of the data counts: the witness forgets that it lacks something.
    pub confirmed: GroupSet,
    /// For how long what is asked for is to bind, in tenths of a second.
    pub term: u16,
    /// What is lent without end, in a message of its own.
    #[serde(skip)]
    pub pledge: Pledge,
    /// To the witness, in a message of its own: a person said that the other node has no power.
    #[serde(skip)]
    pub peer_off: bool,
}

/// Votes that are lent without end (SAFETY S-91), a bit a group as in a [`Ballot`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Pledge {
    /// "My vote is yours without end, in answer to the frame that I echo." Beside the vote.
    pub given: GroupSet,
    /// "I use nothing of yours any more that is without end, of no frame up to this one."
    pub returned: GroupSet,
}

impl Ballot {
    /// The term.
    #[must_use]
    pub fn span(&self) -> Span {
        Self::span_of(self.term)
    }

    /// So many tenths of a second.
    #[must_use]
    pub fn span_of(term: u16) -> Span {
        Span::from_millis(u64::from(term).saturating_mul(100))
    }

    /// A term in tenths of a second, rounded down: none that is longer than what was meant.
    #[must_use]
    pub fn term_of(span: Span) -> u16 {
        u16::try_from(span.as_millis().checked_div(100).unwrap_or(0)).unwrap_or(u16::MAX)
    }
}

/// What the witness says to a node, a bit a group in the order of that node's newest frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Word {
    /// Its vote is lent to this node, in answer to the frame that it echoes.
    pub votes: GroupSet,
    /// Its vote is lent to the other node.
    pub taken: GroupSet,
    /// It lends to nobody: it was started lately, and has forgotten to whom it had lent.
    pub closed: GroupSet,
    /// This node's copy lacks writes of the other one: it is lent nothing.
    pub marked: GroupSet,
    /// The other node's copy lacks writes of this one, and the witness knows.
    pub ahead: GroupSet,
    /// The other node has no power: that was seen after the frame that is echoed had come in (LEASE `cut`).
    pub off: bool,
    /// How long ago it last believed the other node.
    pub other: Silence,
}

/// The witness's whole message to a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Verdict {
    /// Its newest frame, and how long it has been silent.
    pub head: Head,
    /// What is lent.
    pub word: Word,
}

/// Everything a node can say. Only ever append variants.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
enum Wire {
    Heartbeat(Head),
    Report(Head, Detail),
    /// From version 2 on.
    Names(Head, Names),
    /// From version 3 on, between the nodes of a pair that has a witness.
    Ballot(Head, Ballot),
    /// The same with the detail.
    BallotReport(Head, Ballot, Detail),
    /// A node to the witness.
    Voter(Head, Ballot, Identities),
    /// The witness to a node.
    Word(Head, Word),
    /// From version 4 on: a ballot with pledges, which are rare; never with a detail.
    Pledge(Head, Ballot, Pledge),
    /// A node to the witness, and a person said that the other node has no power.
    PeerOff(Head, Ballot, Identities),
}

/// Which groups a node has, in the order of its reports.
pub type Identities = Vec<Mark, GROUPS_MAX>;

/// From this version on a node says what it lends without end, and what a person told it of the peer's power.
pub const PLEDGES_FROM: u8 = 4;

/// A message of the present version.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Message {
    /// In every heartbeat.
    pub head: Head,
    /// While the other has not confirmed it.
    pub detail: Option<Detail>,
    /// Version 2: once the detail is confirmed, until they are, too. Never beside a detail.
    pub names: Option<Names>,
    /// Version 3, with a witness: never beside names, which leave no room for it.
    pub ballot: Option<Ballot>,
    /// To the witness, beside a ballot and alone with it.
    pub identities: Option<Identities>,
    /// One report per group, in the order of `haresources`.
    pub groups: Vec<GroupReport, GROUPS_MAX>,
}

impl Message {
    /// Writes the body; `None` if `out` is too short.
    #[must_use]
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Option<&'b [u8]> {
        let ballot = self.ballot.unwrap_or_default();
        let wire = match (&self.identities, &self.detail, &self.names, &self.ballot) {
            (Some(identities), ..) if ballot.peer_off => Wire::PeerOff(self.head, ballot, identities.clone()),
            (Some(identities), ..) => Wire::Voter(self.head, ballot, identities.clone()),
            (None, Some(detail), _, Some(ballot)) => Wire::BallotReport(self.head, *ballot, detail.clone()),
            (None, Some(detail), _, None) => Wire::Report(self.head, detail.clone()),
            (None, None, Some(names), _) => Wire::Names(self.head, names.clone()),
            (None, None, None, Some(ballot)) if ballot.pledge != Pledge::default() => {
                Wire::Pledge(self.head, *ballot, ballot.pledge)
            }
            (None, None, None, Some(ballot)) => Wire::Ballot(self.head, *ballot),
            (None, None, None, None) => Wire::Heartbeat(self.head),
        };
        let size = out.len();
        let mut left = size.checked_sub(postcard::to_slice(&wire, out).ok()?.len())?;
        for group in &self.groups {
            let rest = out.get_mut(size.checked_sub(left)?..)?;
            left = left.checked_sub(postcard::to_slice(group, rest).ok()?.len())?;
        }
        out.get(..size.checked_sub(left)?)
    }

    /// Reads a body. `None`: a message this release does not know; its sender lives all the same.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let (wire, mut rest) = postcard::take_from_bytes::<Wire>(body).ok()?;
        let plain = |head| Self {
            head,
            detail: None,
            names: None,
            ballot: None,
            identities: None,
            groups: Vec::new(),
        };
        let mut message = match wire {
            Wire::Heartbeat(head) => plain(head),
            Wire::Report(head, detail) => Self {
                detail: Some(detail),
                ..plain(head)
            },
            Wire::Names(head, names) => Self {
                names: Some(names),
                ..plain(head)
            },
            Wire::Ballot(head, ballot) => Self {
                ballot: Some(ballot),
                ..plain(head)
            },
            Wire::BallotReport(head, ballot, detail) => Self {
                detail: Some(detail),
                ballot: Some(ballot),
                ..plain(head)
            },
            Wire::Voter(head, ballot, identities) => Self {
                ballot: Some(ballot),
                identities: Some(identities),
                ..plain(head)
            },
            Wire::Pledge(head, ballot, pledge) => Self {
                ballot: Some(Ballot { pledge, ..ballot }),
                ..plain(head)
            },
            Wire::PeerOff(head, ballot, identities) => Self {
                ballot: Some(Ballot {
                    peer_off: true,
                    ..ballot
                }),
                identities: Some(identities),
                ..plain(head)
            },
            // no node says so
            Wire::Word(..) => return None,
        };
        let groups = &mut message.groups;
        while !rest.is_empty() && !groups.is_full() {
            let (group, after) = postcard::take_from_bytes::<GroupReport>(rest).ok()?;
            groups.push(group).ok()?;
            rest = after;
        }
        rest.is_empty().then_some(message)
    }
}

impl Verdict {
    /// Writes the body; `None` if `out` is too short.
    #[must_use]
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Option<&'b [u8]> {
        let size = postcard::to_slice(&Wire::Word(self.head, self.word), out).ok()?.len();
        out.get(..size)
    }

    /// Reads a body. `None`: a message this release does not know.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let (wire, rest) = postcard::take_from_bytes::<Wire>(body).ok()?;
        match wire {
            Wire::Word(head, word) => rest.is_empty().then_some(Self { head, word }),
            Wire::Heartbeat(..)
            | Wire::Report(..)
            | Wire::Names(..)
            | Wire::Ballot(..)
            | Wire::BallotReport(..)
            | Wire::Voter(..)
            | Wire::Pledge(..)
            | Wire::PeerOff(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_says_what_it_does_with_power_or_nothing() {
        for relay in [Relay::None, Relay::Beside, Relay::InPlace] {
            assert_eq!(NodeBits::of_witness(relay).relay(), Some(relay));
        }
        for silent in [0, 4, 15] {
            assert_eq!(NodeBits(silent).relay(), None);
        }
    }

    #[test]
    fn drbd_survives_its_byte() {
        for byte in 0..=u8::MAX {
            let drbd = Drbd::unpack(byte);
            assert_eq!(Drbd::unpack(drbd.pack()), drbd);
        }
    }

    #[test]
    fn steady_heartbeat_fits_sixteen_bytes() {
        let message = Message {
            head: Head {
                echo: Echo {
                    boot: BootId([255; 4]),
                    sequence: Sequence((1 << 28) - 1),
                },
                heard: Silence(1),
                heard_here: Silence(1),
                bits: NodeBits::new(false, false, false, 2),
            },
            detail: None,
            names: None,
            ballot: None,
            identities: None,
            groups: Vec::from_slice(&[GroupReport {
                tenure: Tenure(16_383),
                bits: GroupBits(0xff),
                drbd: 0x7f,
            }])
            .unwrap(),
        };
        let mut out = [0; 128];
        let body = message.encode(&mut out).unwrap();
        assert_eq!(body.len(), 16);
        assert_eq!(Message::decode(body).unwrap(), message);
    }
}
