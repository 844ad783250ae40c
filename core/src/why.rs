//! Why a group is, or is to be, what it is: one word for the program, a few for people.

use core::fmt;

/// The reason of a decision or a change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Why {
    /// It runs here.
    Running,
    /// The peer runs it.
    PeerRuns,
    /// The peer is changing it.
    PeerBusy,
    /// The peer was not heard yet and `initdead` runs.
    AwaitingPeer,
    /// It is the other node's turn.
    PeersTurn,
    /// Given to the peer, which is to start it.
    Yielded,
    /// Being changed here.
    Busy,
    /// This node is stopping.
    Stopping,
    /// An admin holds the cluster.
    Held,
    /// `haresources` differs between the nodes.
    Differs,
    /// This node can't run it.
    Unfit,
    /// The last start here failed.
    StartFailed,
    /// The peer speaks a newer protocol.
    PeerNewer,
    /// Waiting for a ping node's answer to prove that this node is attached.
    AwaitingPing,
    /// No ping node answers: this node may be the lonely one.
    Isolated,
    /// The peer speaks with another key.
    ForeignKey,
    /// The peer still runs Heartbeat.
    ForeignHeartbeat,
    /// Another node uses this node's name.
    NameTwice,
    /// DRBD says that the peer is Primary.
    PeerPrimary,
    /// The peer does not know what runs there.
    PeerStuck,
    /// Nobody knows what runs here.
    Stuck,
    /// The start can't be recorded on disk.
    Unrecorded,
    /// Both are up, nobody runs it, this is its preferred node.
    Preferred,
    /// The peer is dead.
    PeerDead,
    /// The peer was never heard.
    PeerNeverHeard,
    /// The peer stopped in order.
    PeerLeft,
    /// The peer released it for this node.
    PeerYielded,
    /// The peer can't run it.
    PeerUnable,
    /// An admin said takeover.
    Takeover,
    /// An admin said standby.
    Standby,
    /// It goes back to its preferred node.
    Failback,
    /// The peer sees more ping nodes.
    FewerPings,
    /// The peer does not hear this node.
    Unheard,
    /// The peer has it active in an earlier tenure.
    EarlierTenure,
    /// This node slept, and the peer has it active since.
    Slept,
    /// DRBD demoted this node.
    Demoted,
    /// The daemon found it running.
    Adopted,
    /// The daemon found it not running.
    NotRunning,
    /// It was found running in part, and this node is not to complete it.
    Partial,
    /// The stop failed.
    StopFailed,
    /// A monitor found a resource not running.
    MonitorFailed,
    /// The same, soon after it was restarted.
    MonitorFailedAgain,
    /// The restart of a part failed; the rest runs on.
    RestartFailed,
    /// DRBD has no local disk any more.
    Diskless,
    /// All steps are done.
    StepsDone,
    /// An admin cleared the failure.
    Cleared,
    /// Whose data are the newest is about to show.
    AwaitingData,
    /// The other node's copy of the data is newer.
    DataOld,
    /// Nothing shows that this node's copy of the data is the newest.
    DataUnproved,
    /// This node's disk has no usable copy of the data.
    DataUnusable,
    /// This node reset itself twice within an hour.
    FencedTwice,
    /// A bug of this program was found.
    Bug,
    /// Neither the witness nor the peer has lent its vote.
    AwaitingVote,
    /// The votes that this node was lent end soon.
    RightEnds,
    /// The peer's power is to be cut first, and seen off.
    AwaitingFence,
    /// It could not be.
    FenceFailed,
}

impl Why {
    /// Given up because the other node's line of the data counts.
    #[must_use]
    pub const fn yields(self) -> bool {
        matches!(self, Self::EarlierTenure | Self::Slept)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "it runs here",
            Self::PeerRuns => "the peer runs it",
            Self::PeerBusy => "the peer is changing it",
            Self::AwaitingPeer => "the peer was not heard yet, initdead runs",
            Self::PeersTurn => "it is the peer's turn to start it",
            Self::Yielded => "released for the peer, which is to start it",
            Self::Busy => "it is being changed",
            Self::Stopping => "this node is stopping",
            Self::Held => "a hold is in force",
            Self::Differs => "haresources differs between the nodes",
            Self::Unfit => "this node can't run it",
            Self::StartFailed => "the start failed here",
            Self::PeerNewer => "the peer speaks a newer protocol",
            Self::AwaitingPing => "waiting for a ping node to prove this node attached",
            Self::Isolated => "no ping node answers, this node may be the isolated one",
            Self::ForeignKey => "the peer speaks with another key",
            Self::ForeignHeartbeat => "the peer still runs Heartbeat",
            Self::NameTwice => "another node uses this node's name",
            Self::PeerPrimary => "the peer is DRBD Primary",
            Self::PeerStuck => "the peer can't tell what runs there",
            Self::Stuck => "nobody can tell what runs here",
            Self::Unrecorded => "the state directory can't be written",
            Self::Preferred => "nobody runs it and this is its preferred node",
            Self::PeerDead => "the peer is dead",
            Self::PeerNeverHeard => "the peer was never heard",
            Self::PeerLeft => "the peer stopped in order",
            Self::PeerYielded => "the peer released it for this node",
            Self::PeerUnable => "the peer can't run it",
            Self::Takeover => "takeover was asked for",
            Self::Standby => "standby was asked for",
            Self::Failback => "it goes back to its preferred node",
            Self::FewerPings => "the peer reaches more ping nodes",
            Self::Unheard => "the peer does not hear this node",
            Self::EarlierTenure => "the peer has run it for longer",
            Self::Slept => "this node stood still and the peer took over",
            Self::Demoted => "DRBD is no longer Primary here",
            Self::Adopted => "found running",
            Self::NotRunning => "found not running",
            Self::Partial => "found running in part",
            Self::StopFailed => "the stop failed",
            Self::MonitorFailed => "a monitor found it failed",
            Self::MonitorFailedAgain => "a monitor found it failed again",
            Self::RestartFailed => "the restart of a part failed, the rest runs on",
            Self::Diskless => "DRBD lost its local disk",
            Self::StepsDone => "all steps done",
            Self::Cleared => "the failure was cleared",
            Self::AwaitingData => "waiting for DRBD to compare both copies of the data",
            Self::DataOld => {
                "the other node's copy of the data is newer: bring that node up, or `ovzha confirm-data` to use this copy"
            }
            Self::DataUnproved => {
                "nothing shows that this copy of the data is the newest: bring the other node up, or `ovzha confirm-data`"
            }
            Self::DataUnusable => "this node's disk has no usable copy of the data",
            Self::FencedTwice => "this node reset itself twice within an hour: it starts nothing until `ovzha clear`",
            Self::Bug => "a bug of ovzha was found: nothing is decided until `ovzha clear`",
            Self::AwaitingVote => "neither the witness nor the peer lends its vote",
            Self::RightEnds => "no vote of the witness or the peer is left",
            Self::AwaitingFence => "the peer's power is to be cut first",
            Self::FenceFailed => {
                "the peer's power could not be cut: it is tried again; if it has none: `ovzha confirm-fenced NODE`"
            }
        })
    }
}
