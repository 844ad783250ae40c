//! What the core is told.

use crate::data::Seen;
use crate::id::{ClientId, EffectId, GroupId, GroupSet, LinkId};
use crate::message::HoldReason;
use crate::output::Op;
use crate::rejection::Rejection;
use crate::time::{Instant, Span};

/// One thing that happened. `Cluster::handle` never fails on any of them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Event<'a> {
    /// Only time has passed.
    Tick,
    /// A frame came in, without its serial framing.
    Received {
        /// The link it came over.
        link: LinkId,
        /// The frame.
        bytes: &'a [u8],
    },
    /// Bytes that were no frame came in: noise on the line, or a datagram too long.
    Rejected {
        /// The link they came over.
        link: LinkId,
        /// Why they were no frame.
        rejection: Rejection,
    },
    /// A link can be written to.
    Opened {
        /// Which.
        link: LinkId,
    },
    /// A link was lost (interface gone, line hung up); the host goes on trying.
    Closed {
        /// Which.
        link: LinkId,
    },
    /// A ping node answered.
    PingReply {
        /// Its place in `ha.cf`.
        ping: u8,
        /// When the echo request that it answered was sent.
        sent: Instant,
    },
    /// DRBD of a group was observed.
    Drbd {
        /// The group.
        group: GroupId,
        /// What was seen.
        seen: Seen,
    },
    /// An effect ended.
    Done {
        /// Which.
        effect: EffectId,
        /// How.
        outcome: Outcome,
    },
    /// The child that was `Stuck` is gone at last.
    Unstuck {
        /// Its group.
        group: GroupId,
        /// The resource's place.
        resource: u8,
    },
    /// The durable state was written, or could not be.
    Stored {
        /// The version that `Output::Store` carried.
        version: u32,
        /// Whether it is on disk.
        ok: bool,
    },
    /// An admin wants something.
    Request {
        /// Who gets the answer.
        client: ClientId,
        /// What.
        command: Command,
    },
}

/// How an effect ended. Every effect ends in exactly one of these.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// Start, stop: done and verified. Probe: it runs.
    Done,
    /// Start: the service is up, parts of it (containers) are missing. Probe: it runs, degraded.
    Degraded,
    /// Probe: it does not run.
    NotRunning,
    /// Probe: it runs in part, or it can't be told.
    Partial,
    /// Not done.
    Failed,
    /// Killed at its deadline.
    TimedOut,
    /// Can't be done now and may be later: DRBD says the peer is Primary.
    Blocked,
    /// This node can't run it: not installed, not configured, wrong kernel.
    Unfit,
    /// Not done, and its child can't be killed.
    Stuck,
}

impl Outcome {
    /// Every one, for those that try them all.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Degraded,
        Self::NotRunning,
        Self::Partial,
        Self::Failed,
        Self::TimedOut,
        Self::Blocked,
        Self::Unfit,
        Self::Stuck,
    ];

    /// Whether an operation that ended so is shown as the last failure.
    #[must_use]
    pub const fn is_failure_of(self, op: Op) -> bool {
        match self {
            Self::Done => false,
            Self::NotRunning => matches!(op, Op::Monitor),
            Self::Degraded => !matches!(op, Op::Probe | Op::Monitor),
            Self::Partial => !matches!(op, Op::Probe),
            Self::Blocked => !matches!(op, Op::Monitor),
            Self::Failed | Self::TimedOut | Self::Unfit | Self::Stuck => true,
        }
    }
}

/// What an admin can ask of the core.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Command {
    /// Hand those of these groups that are active here to the other node.
    Standby {
        /// Which.
        groups: GroupSet,
    },
    /// Take those of these groups that are not active here.
    Takeover {
        /// Which.
        groups: GroupSet,
    },
    /// No decisions on both nodes.
    Hold {
        /// For how long; `None`: until `Resume`.
        span: Option<Span>,
        /// Why.
        reason: HoldReason,
    },
    /// Decide again.
    Resume,
    /// Forget that a group's start failed.
    Clear {
        /// Which.
        group: GroupId,
    },
    /// This node's copy of the data counts, whatever the other one has: a person says so.
    ConfirmData {
        /// Whose.
        group: GroupId,
    },
    /// The peer has no power: a person says so.
    ConfirmFenced,
    /// DRBD's handler asks whether the peer's copy is out of the way; the answer is `Answer::Fenced` or a refusal.
    FencePeer {
        /// Of which group.
        group: GroupId,
    },
    /// Orderly stop of this node: hand over, then `Output::Exit`.
    Stop,
}
