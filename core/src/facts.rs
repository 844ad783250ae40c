//! What the failover table sees of one group: a row of facts.

use crate::message::{GroupFlags, Phase};
use crate::why::Why;

/// Where the group stands on this node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mine {
    /// Not known yet.
    Probing,
    /// Found running in part after a restart.
    Partial,
    /// Nothing runs, and a start is possible.
    Idle,
    /// Announced, not begun.
    Claiming,
    /// Being started.
    Starting,
    /// Runs.
    Active,
    /// A part of it is being stopped, to be started again.
    Restarting,
    /// A part of it was stopped, and is being started again.
    StartingPart,
    /// Being stopped.
    Stopping,
    /// Nothing runs; the last start failed, and no further try is left.
    Failed,
    /// Nobody knows what runs.
    Stuck,
}

/// What is known of the peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Peer {
    /// Never heard, and `initdead` still runs.
    Awaited,
    /// Never heard within `initdead`.
    NeverHeard,
    /// Lives, but says what this release can't read.
    Newer,
    /// Lives.
    Alive(PeerGroup),
    /// Silent for `deadtime`.
    Dead,
    /// Stopped in order, running nothing.
    Left,
    /// Silent for long enough, and not seen without power yet (SAFETY S-80).
    Unfenced,
    /// The same, and the last try to cut its power failed.
    Unfenceable,
}

impl Peer {
    /// What is known of the group there, if it lives and can be read.
    #[must_use]
    pub const fn living(self) -> Option<PeerGroup> {
        match self {
            Self::Alive(peer) => Some(peer),
            Self::Awaited
            | Self::NeverHeard
            | Self::Newer
            | Self::Dead
            | Self::Left
            | Self::Unfenced
            | Self::Unfenceable => None,
        }
    }
}

/// A living peer and the group there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row of independent facts, enumerated by the table test"
)]
pub struct PeerGroup {
    /// Its phase.
    pub phase: Phase,
    /// Its flags.
    pub flags: GroupFlags,
    /// Its tenure is older than ours; equal ones are ordered by preference, then by node.
    pub earlier: bool,
    /// It said all this after hearing of our present start.
    pub fresh: bool,
    /// It is stopping.
    pub stopping: bool,
    /// None of its ping nodes answers.
    pub isolated: bool,
}

/// Who else may be out there, beside the peer we believe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Foreign {
    /// Nobody.
    Nobody,
    /// Frames of the peer's name with a key we don't have.
    Key,
    /// Linux-HA Heartbeat.
    Heartbeat,
    /// Another node with our name.
    Name,
}

/// What a ping proves about this node's own attachment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Attached {
    /// No ping nodes are configured: nothing is known.
    Unknown,
    /// A ping sent after the peer's last heartbeat and one keepalive was answered.
    Proved,
    /// Not yet.
    Unproved,
    /// No ping node has answered for long.
    Isolated,
}

/// What the monitors of an active group call for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ailing {
    /// Nothing.
    Well,
    /// A restart of what failed, here.
    Once,
    /// It failed again: a hand-over, if the peer is able.
    Again,
    /// The same; and if the peer is not able, another restart.
    Due,
    /// A monitor's child can't be killed: nobody knows.
    Stuck,
}

/// What this node's votes allow (LEASE N4, N7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Entitled {
    /// There is no witness: votes are not counted.
    Unneeded,
    /// It may start the group, and run it for some time yet.
    Yes,
    /// The part of it that runs may do so for some time yet; nothing more of it is started.
    Kept,
    /// Not any more, or not for long: what runs is to be stopped, and nothing is started.
    No,
}

/// Whether this node's copy of the data may be promoted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Data {
    /// It is the newest, or the group has no DRBD.
    Current,
    /// Not known yet, and soon will be.
    Awaited,
    /// Nothing shows that it is.
    Unproved,
    /// It is not: the other node's is newer.
    Old,
    /// There is no usable one: DRBD says Inconsistent, Outdated, or has no disk.
    Unusable,
}

/// Everything the decision about one group depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row of independent facts, enumerated by the table test"
)]
pub struct View {
    /// The group here.
    pub mine: Mine,
    /// A bug of ours was found: nothing is decided by itself.
    pub bug: bool,
    /// The peer and the group there.
    pub peer: Peer,
    /// This node is the group's preferred one.
    pub preferred: bool,
    /// This node is stopping.
    pub stopping: bool,
    /// A hold is in force.
    pub held: bool,
    /// `haresources` differs between the nodes.
    pub differs: bool,
    /// This node reset itself twice within an hour.
    pub fenced: bool,
    /// Why the group is failed here, if it is.
    pub failed: Why,
    /// This node can't run the group.
    pub unfit: bool,
    /// A start was blocked a moment ago: DRBD says the peer is Primary.
    pub blocked: bool,
    /// The start can't be written to disk.
    pub unrecorded: bool,
    /// This node's copy of the data; that of a part that starts again counts when DRBD is to be promoted.
    pub data: Data,
    /// This node's own attachment.
    pub attached: Attached,
    /// Who else is out there.
    pub foreign: Foreign,
    /// Neither the peer nor any ping node was heard for too long: this node is the isolated one.
    pub lonely: bool,
    /// The peer says it has not heard us for too long.
    pub unheard: bool,
    /// Active, slept, and not yet sure of the peer.
    pub doubtful: bool,
    /// DRBD says this node is not Primary any more.
    pub demoted: bool,
    /// DRBD is Primary here and connected: the peer's start will be refused.
    pub secured: bool,
    /// An admin said standby, and the peer answered that it is able.
    pub standby: bool,
    /// An admin said takeover here.
    pub wanted: bool,
    /// Released for the peer, which has not started it yet.
    pub yielded: bool,
    /// `auto_failback on`, and the preferred peer has been able for long enough.
    pub failback: bool,
    /// The peer has not been able to run it for a deadtime: until then it may be about to learn that its data are current.
    pub unable: bool,
    /// ipfail: the peer has seen more ping nodes for long enough.
    pub fewer_pings: bool,
    /// What its monitors call for.
    pub ailing: Ailing,
    /// DRBD lost its local disk, the peer's is current, and the group is to follow it.
    pub diskless: bool,
    /// What this node's votes allow.
    pub entitled: Entitled,
}
