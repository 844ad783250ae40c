//! The failover table: what a node does with a group, from what it knows, and why.
//!
//! Pure and total. Whoever wants to know what ovzha does in a situation finds the row here; SAFETY.md cites it.

use core::fmt;

use crate::message::{GroupFlags, Phase};

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
    /// This node can't run the group.
    pub unfit: bool,
    /// A start was blocked a moment ago: DRBD says the peer is Primary.
    pub blocked: bool,
    /// The start can't be written to disk.
    pub unrecorded: bool,
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
    /// ipfail: the peer has seen more ping nodes for long enough.
    pub fewer_pings: bool,
}

/// What to do with the group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// Leave it as it is.
    Stay(Why),
    /// Start it, or go on starting it.
    Acquire(Why),
    /// Stop it, or withdraw the claim.
    Release(Why),
    /// Leave it, and tell: a person or a condition must change.
    Hold(Why),
}

/// The reason of a decision or a change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
    /// All steps are done.
    StepsDone,
    /// An admin cleared the failure.
    Cleared,
    /// This node reset itself twice within an hour.
    FencedTwice,
    /// A bug of this program was found.
    Bug,
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
            Self::StepsDone => "all steps done",
            Self::Cleared => "the failure was cleared",
            Self::FencedTwice => "this node reset itself twice within an hour: it starts nothing until `ovzha clear`",
            Self::Bug => "a bug of ovzha was found: nothing is decided until `ovzha clear`",
        })
    }
}

/// The table.
#[must_use]
pub const fn decide(view: &View) -> Decision {
    if view.bug {
        return distrust(view);
    }
    match view.mine {
        Mine::Probing | Mine::Stopping => Decision::Stay(Why::Busy),
        Mine::Stuck => Decision::Hold(Why::Stuck),
        Mine::Failed if view.fenced => Decision::Hold(Why::FencedTwice),
        Mine::Failed => Decision::Stay(Why::StartFailed),
        Mine::Active => keep(view),
        Mine::Starting => go_on(view),
        Mine::Idle => acquire(view),
        Mine::Claiming => match acquire(view) {
            Decision::Stay(why) | Decision::Hold(why) | Decision::Release(why) => Decision::Release(why),
            Decision::Acquire(why) => Decision::Acquire(why),
        },
        Mine::Partial => complete(view),
    }
}

/// A bug of ours was found: nothing starts, stops or moves, but what may be running twice ends, and a person's order.
const fn distrust(view: &View) -> Decision {
    match view.mine {
        Mine::Claiming => Decision::Release(Why::Bug),
        Mine::Active if view.held => Decision::Stay(Why::Held),
        Mine::Active | Mine::Starting | Mine::Partial if view.stopping => Decision::Release(Why::Stopping),
        Mine::Active | Mine::Starting | Mine::Partial if view.lonely => Decision::Release(Why::Isolated),
        Mine::Stopping if view.stopping || view.lonely => Decision::Stay(Why::Busy),
        Mine::Probing => Decision::Stay(Why::Busy),
        Mine::Active | Mine::Starting | Mine::Partial | Mine::Stopping | Mine::Idle | Mine::Failed | Mine::Stuck => {
            Decision::Hold(Why::Bug)
        }
    }
}

/// Nothing runs here: is it this node's turn?
const fn acquire(view: &View) -> Decision {
    if view.stopping {
        return Decision::Stay(Why::Stopping);
    }
    if view.held {
        return Decision::Stay(Why::Held);
    }
    if view.differs {
        return Decision::Hold(Why::Differs);
    }
    if view.unfit {
        return Decision::Hold(Why::Unfit);
    }
    if view.blocked {
        return Decision::Hold(Why::PeerPrimary);
    }
    if view.unrecorded {
        return Decision::Hold(Why::Unrecorded);
    }
    if view.lonely {
        return Decision::Hold(Why::Isolated);
    }
    match view.peer {
        Peer::Awaited => match foreign(view.foreign) {
            Some(why) => Decision::Hold(why),
            None => Decision::Stay(Why::AwaitingPeer),
        },
        Peer::Newer => Decision::Hold(Why::PeerNewer),
        Peer::Left => Decision::Acquire(Why::PeerLeft),
        Peer::Dead => alone(view, Why::PeerDead),
        Peer::NeverHeard => alone(view, Why::PeerNeverHeard),
        Peer::Alive(peer) => beside(view, &peer),
    }
}

/// The peer is not heard: may this node act alone?
const fn alone(view: &View, why: Why) -> Decision {
    if let Some(why) = foreign(view.foreign) {
        return Decision::Hold(why);
    }
    match view.attached {
        Attached::Unknown | Attached::Proved => Decision::Acquire(why),
        Attached::Unproved => Decision::Stay(Why::AwaitingPing),
        Attached::Isolated => Decision::Hold(Why::Isolated),
    }
}

const fn foreign(foreign: Foreign) -> Option<Why> {
    match foreign {
        Foreign::Nobody => None,
        Foreign::Key => Some(Why::ForeignKey),
        Foreign::Heartbeat => Some(Why::ForeignHeartbeat),
        Foreign::Name => Some(Why::NameTwice),
    }
}

/// Nothing runs here and the peer lives.
const fn beside(view: &View, peer: &PeerGroup) -> Decision {
    match peer.phase {
        Phase::Probing | Phase::Stopping => Decision::Stay(Why::PeerBusy),
        Phase::Starting | Phase::Active => Decision::Stay(Why::PeerRuns),
        Phase::Stuck => Decision::Hold(Why::PeerStuck),
        // two claims cross: the preferred node's stands; who has not claimed yet leaves it to who has
        Phase::Claiming if view.preferred && matches!(view.mine, Mine::Claiming) => Decision::Acquire(Why::Preferred),
        Phase::Claiming => Decision::Stay(Why::PeersTurn),
        // it can't agree to what it does not hear, and may soon take over
        Phase::Idle | Phase::Failed if view.unheard && !peer.isolated => Decision::Stay(Why::Unheard),
        Phase::Idle | Phase::Failed => {
            if peer.stopping {
                Decision::Acquire(Why::PeerLeft)
            } else if view.wanted {
                Decision::Acquire(Why::Takeover)
            } else if peer.flags.yielded && (!view.yielded || view.preferred) {
                Decision::Acquire(Why::PeerYielded)
            } else if !peer.flags.able {
                Decision::Acquire(Why::PeerUnable)
            } else if view.yielded {
                Decision::Stay(Why::Yielded)
            } else if view.preferred && !peer.flags.wanted {
                Decision::Acquire(Why::Preferred)
            } else {
                Decision::Stay(Why::PeersTurn)
            }
        }
    }
}

/// It runs here: is there a reason to stop it?
const fn keep(view: &View) -> Decision {
    if view.held {
        return Decision::Stay(Why::Held);
    }
    if view.stopping {
        return Decision::Release(Why::Stopping);
    }
    if view.doubtful && view.demoted {
        return Decision::Release(Why::Demoted);
    }
    if view.lonely {
        return Decision::Release(Why::Isolated);
    }
    let peer = match view.peer {
        Peer::Alive(peer) => peer,
        Peer::Awaited | Peer::NeverHeard | Peer::Dead | Peer::Newer | Peer::Left => {
            return Decision::Stay(Why::Running);
        }
    };
    match peer.phase {
        Phase::Starting | Phase::Active => two_active(view, &peer),
        Phase::Probing | Phase::Stopping | Phase::Stuck => Decision::Stay(Why::Running),
        Phase::Idle | Phase::Claiming | Phase::Failed => hand_over(view, &peer),
    }
}

/// Both have it: exactly one of the two yields, and both agree which (SAFETY, after healing).
const fn two_active(view: &View, peer: &PeerGroup) -> Decision {
    if !peer.fresh || (view.secured && matches!(peer.phase, Phase::Starting)) {
        return Decision::Stay(Why::Running);
    }
    if view.doubtful != peer.flags.doubtful {
        return if view.doubtful {
            Decision::Release(Why::Slept)
        } else {
            Decision::Stay(Why::Running)
        };
    }
    let isolated = matches!(view.attached, Attached::Isolated);
    if isolated != peer.isolated {
        return if isolated {
            Decision::Release(Why::Isolated)
        } else {
            Decision::Stay(Why::Running)
        };
    }
    if peer.earlier {
        Decision::Release(Why::EarlierTenure)
    } else {
        Decision::Stay(Why::Running)
    }
}

/// It runs here, nothing runs there, and the peer lives: is it to move?
const fn hand_over(view: &View, peer: &PeerGroup) -> Decision {
    if view.differs || peer.stopping || !peer.flags.able {
        return Decision::Stay(Why::Running);
    }
    if view.standby {
        Decision::Release(Why::Standby)
    } else if peer.flags.wanted {
        Decision::Release(Why::Takeover)
    } else if view.unheard && !peer.isolated {
        Decision::Release(Why::Unheard)
    } else if view.fewer_pings {
        Decision::Release(Why::FewerPings)
    } else if view.failback && !view.preferred {
        Decision::Release(Why::Failback)
    } else {
        Decision::Stay(Why::Running)
    }
}

/// Being started here: is there a reason to give it up?
const fn go_on(view: &View) -> Decision {
    if view.stopping {
        return Decision::Release(Why::Stopping);
    }
    if view.lonely {
        return Decision::Release(Why::Isolated);
    }
    match view.peer {
        Peer::Alive(peer) => match peer.phase {
            Phase::Starting | Phase::Active => match two_active(view, &peer) {
                Decision::Release(why) => Decision::Release(why),
                Decision::Stay(_) | Decision::Acquire(_) | Decision::Hold(_) => Decision::Acquire(Why::Busy),
            },
            Phase::Idle | Phase::Claiming | Phase::Failed | Phase::Probing | Phase::Stopping | Phase::Stuck => {
                if view.unheard && peer.flags.able && !peer.isolated {
                    Decision::Release(Why::Unheard)
                } else {
                    Decision::Acquire(Why::Busy)
                }
            }
        },
        Peer::Awaited | Peer::NeverHeard | Peer::Dead | Peer::Newer | Peer::Left => Decision::Acquire(Why::Busy),
    }
}

/// Found running in part: complete it where a start would be right, else stop the part once that is clear.
const fn complete(view: &View) -> Decision {
    match acquire(view) {
        Decision::Acquire(why) => Decision::Acquire(why),
        // the peer may have found a part, too, and wait for this node: the preferred one waits, the other stops
        Decision::Stay(Why::PeerBusy) if !view.preferred => Decision::Release(Why::Partial),
        Decision::Stay(Why::AwaitingPeer | Why::AwaitingPing | Why::Held | Why::PeerBusy) => {
            Decision::Stay(Why::Partial)
        }
        // completed once both files say the same: a line that grew on one node stops nothing
        Decision::Hold(Why::Differs) if !view.lonely => Decision::Hold(Why::Differs),
        // what anybody can send stops nothing
        Decision::Hold(Why::ForeignKey | Why::ForeignHeartbeat | Why::NameTwice) => Decision::Stay(Why::Partial),
        Decision::Stay(_) | Decision::Hold(_) | Decision::Release(_) => Decision::Release(Why::Partial),
    }
}
