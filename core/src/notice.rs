//! The core's only log: typed, bounded, told once each.

use crate::decide::Why;
use crate::event::Outcome;
use crate::id::{ClientId, GroupId, GroupSet, LinkId};
use crate::message::Phase;
use crate::output::{Op, Refusal};
use crate::time::Span;

/// Something worth a log line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Notice {
    /// The witness is heard, again or for the first time, or has been silent for a deadtime.
    Witness {
        /// It is heard.
        heard: bool,
    },
    /// The witness does with the nodes' power what it is to do, or something else (SAFETY S-92).
    WitnessHand {
        /// It does what it is to do.
        fits: bool,
    },
    /// The peer is heard over this link, for the first time or again.
    LinkUp(LinkId),
    /// Nothing came over this link for `warntime`.
    LinkLate(LinkId, Span),
    /// Nothing came over this link for `deadtime`.
    LinkDead(LinkId, Span),
    /// Frames on this link carry another link's number: the media lines differ in order.
    LinkNumberDiffers(LinkId),
    /// The peer is heard; `restarted`: in a new life.
    PeerAlive {
        /// It had been heard in an earlier life.
        restarted: bool,
    },
    /// The peer was late by this much and is heard again.
    PeerLate(Span),
    /// The peer is dead: silent for this long.
    PeerDead(Span),
    /// The peer was never heard within `initdead`.
    PeerNeverHeard,
    /// The peer stopped in order and runs nothing.
    PeerLeft,
    /// The peer speaks this newer version.
    PeerNewer(u8),
    /// Frames of the peer's name carry a key we don't have.
    ForeignKey,
    /// The peer still runs Linux-HA Heartbeat.
    ForeignHeartbeat,
    /// Another node uses this node's name.
    NameTwice,
    /// This ping node does not answer any more.
    PingDead(u8),
    /// This ping node answers.
    PingUp(u8),
    /// No ping node and no peer is heard: this node is the lonely one.
    Isolated,
    /// No longer isolated.
    NotIsolated,
    /// The peer says that it does not hear this node.
    Unheard(Span),
    /// This node stood still for so long.
    Slept(Span),
    /// `haresources` differs between the nodes: groups stay where they are.
    ResourcesDiffer,
    /// The peer has so many groups that this node's `haresources` does not have: they are left alone.
    GroupsUnknown(u8),
    /// The timing directives differ: the longer deadtime counts.
    TimingsDiffer,
    /// A group changed its phase.
    Phase {
        /// The group.
        group: GroupId,
        /// Its new phase.
        phase: Phase,
        /// Why.
        why: Why,
    },
    /// A group waits for a person or for a condition.
    Holding {
        /// The group.
        group: GroupId,
        /// For what.
        why: Why,
    },
    /// A step ended.
    Step {
        /// The group.
        group: GroupId,
        /// The resource's place.
        resource: u8,
        /// What was done.
        op: Op,
        /// How it ended.
        outcome: Outcome,
        /// How long it took.
        took: Span,
    },
    /// A standby or takeover that was asked for begins: the peer answered that it is able.
    MoveBegins {
        /// Who asked.
        client: ClientId,
        /// A takeover, not a standby.
        takeover: bool,
        /// What moves.
        groups: GroupSet,
        /// What does not, of what was asked for.
        refused: GroupSet,
    },
    /// A group is left out of a standby or takeover that moves others.
    MoveRefused {
        /// The group.
        group: GroupId,
        /// Why.
        why: Refusal,
    },
    /// DRBD of an active group lost its local disk.
    DiskLost {
        /// The group.
        group: GroupId,
    },
    /// The other node's disk lacks writes of this one, or may; or has them all again.
    Ahead {
        /// The group.
        group: GroupId,
        /// It lacks some.
        ahead: bool,
    },
    /// This node's disk lacks writes of the other one; or has them all again.
    Marked {
        /// The group.
        group: GroupId,
        /// It lacks some.
        marked: bool,
    },
    /// DRBD keeps the I/O of an active group waiting; or lets it go on.
    Frozen {
        /// The group.
        group: GroupId,
        /// It waits.
        frozen: bool,
    },
    /// A person said that this node's copy of the data counts.
    DataConfirmed {
        /// The group.
        group: GroupId,
    },
    /// The peer's power is to be cut: a shot begins.
    PeerShot,
    /// It was seen to have none.
    PeerOff,
    /// A person said that it has none.
    PeerSaidOff,
    /// It could not be cut, or not be seen.
    ShotFailed {
        /// When it is tried again.
        again: Span,
    },
    /// The peer was heard before the shot ended: it counts for nothing.
    ShotVoid {
        /// It was said to be without power.
        off: bool,
    },
    /// This node's vote of a group is lent to the other one without end, or is not any more.
    Pledged {
        /// The group.
        group: GroupId,
        /// It is.
        pledged: bool,
    },
    /// The other node's vote of a group is lent to this one without end, or is not any more.
    PledgeHeld {
        /// The group.
        group: GroupId,
        /// It is.
        held: bool,
    },
    /// Both nodes have the group active.
    TwoActive {
        /// The group.
        group: GroupId,
        /// This node yields.
        yields: bool,
    },
    /// A hold began.
    HoldBegan,
    /// A hold ended.
    HoldEnded,
    /// The durable state could not be written; takeovers wait for it.
    StoreFailed,
    /// So many notices were lost for want of room.
    Lost(u16),
}
