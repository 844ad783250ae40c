//! The failover table: what a node does with a group, from what it knows, and why.
//!
//! Pure and total. Whoever wants to know what ovzha does in a situation finds the row here; SAFETY.md cites it.

pub use crate::facts::{Ailing, Attached, Data, Entitled, Foreign, Mine, Peer, PeerGroup, View};
use crate::message::Phase;
pub use crate::why::Why;

/// What to do with the group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// Leave it as it is.
    Stay(Why),
    /// Start it, or go on starting it.
    Acquire(Why),
    /// Stop it, or withdraw the claim.
    Release(Why),
    /// Stop what failed and what stands right of it, and start it here again.
    Restart(Why),
    /// Leave it, and tell: a person or a condition must change.
    Hold(Why),
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
        Mine::Failed => Decision::Stay(view.failed),
        Mine::Active => keep(view),
        Mine::Restarting if peer_has_it(view) => Decision::Release(Why::PeerRuns),
        Mine::Restarting => match keep(view) {
            Decision::Release(why) => Decision::Release(why),
            Decision::Stay(_) | Decision::Acquire(_) | Decision::Restart(_) | Decision::Hold(_) => {
                Decision::Stay(Why::Busy)
            }
        },
        Mine::Starting => go_on(view),
        Mine::StartingPart => match go_on(view) {
            Decision::Acquire(why) => start_part(view, why),
            decision @ (Decision::Stay(_) | Decision::Release(_) | Decision::Restart(_) | Decision::Hold(_)) => {
                decision
            }
        },
        Mine::Idle => acquire(view),
        Mine::Claiming => match acquire(view) {
            Decision::Stay(why) | Decision::Hold(why) | Decision::Release(why) | Decision::Restart(why) => {
                Decision::Release(why)
            }
            Decision::Acquire(why) => Decision::Acquire(why),
        },
        Mine::Partial => complete(view),
    }
}

/// The peer took over while a part was being stopped here, or came back with what it has yet to stop: it is not started
/// again (S-54).
const fn peer_has_it(view: &View) -> bool {
    match view.peer.living() {
        Some(peer) => !view.held && matches!(peer.phase, Phase::Starting | Phase::Active | Phase::Stopping),
        None => false,
    }
}

/// No step of a restart begins while the peer may have a part of the group (S-54); one of two actives yields meanwhile.
const fn start_part(view: &View, why: Why) -> Decision {
    match view.peer {
        Peer::Newer => Decision::Hold(Why::PeerNewer),
        Peer::Alive(peer) => match peer.phase {
            Phase::Probing | Phase::Stopping => Decision::Stay(Why::PeerBusy),
            Phase::Starting | Phase::Active => Decision::Stay(Why::PeerRuns),
            Phase::Stuck => Decision::Hold(Why::PeerStuck),
            Phase::Idle | Phase::Claiming | Phase::Failed => promote_part(view, why),
        },
        // a silent peer that has not cut this node's power has not started it either
        Peer::Awaited | Peer::NeverHeard | Peer::Dead | Peer::Left | Peer::Unfenced | Peer::Unfenceable => {
            promote_part(view, why)
        }
    }
}

/// What a part with DRBD in it promotes again must still be the newest: its disk may have come back while it was stopped.
const fn promote_part(view: &View, why: Why) -> Decision {
    match view.data {
        Data::Current => Decision::Acquire(why),
        Data::Awaited => Decision::Stay(Why::AwaitingData),
        Data::Unproved => Decision::Release(Why::DataUnproved),
        Data::Old => Decision::Release(Why::DataOld),
        Data::Unusable => Decision::Release(Why::DataUnusable),
    }
}

/// A bug of ours was found: nothing starts, stops or moves, but what may be running twice ends, and a person's order.
const fn distrust(view: &View) -> Decision {
    match view.mine {
        Mine::Claiming => Decision::Release(Why::Bug),
        Mine::Active | Mine::Starting | Mine::StartingPart | Mine::Restarting | Mine::Partial
            if matches!(view.entitled, Entitled::No) =>
        {
            Decision::Release(Why::RightEnds)
        }
        Mine::Active if view.held => Decision::Stay(Why::Held),
        Mine::Active | Mine::Starting | Mine::StartingPart | Mine::Restarting | Mine::Partial if view.stopping => {
            Decision::Release(Why::Stopping)
        }
        Mine::Active | Mine::Starting | Mine::StartingPart | Mine::Restarting | Mine::Partial if view.lonely => {
            Decision::Release(Why::Isolated)
        }
        Mine::Stopping if view.stopping || view.lonely => Decision::Stay(Why::Busy),
        Mine::Probing => Decision::Stay(Why::Busy),
        Mine::Active
        | Mine::Starting
        | Mine::StartingPart
        | Mine::Restarting
        | Mine::Partial
        | Mine::Stopping
        | Mine::Idle
        | Mine::Failed
        | Mine::Stuck => Decision::Hold(Why::Bug),
    }
}

/// Nothing runs here: is it this node's turn, and are its data the newest?
const fn acquire(view: &View) -> Decision {
    match (turn(view), view.data) {
        (Decision::Acquire(_), Data::Awaited) => Decision::Stay(Why::AwaitingData),
        (Decision::Acquire(_), Data::Unproved) => Decision::Hold(Why::DataUnproved),
        (Decision::Acquire(_), Data::Old) => Decision::Hold(Why::DataOld),
        (Decision::Acquire(_), Data::Unusable) => Decision::Hold(Why::DataUnusable),
        (Decision::Acquire(_), Data::Current) if matches!(view.entitled, Entitled::No | Entitled::Kept) => {
            Decision::Stay(Why::AwaitingVote)
        }
        (Decision::Acquire(why), Data::Current) => fenced(view, why),
        (decision, _) => decision,
    }
}

/// Nothing is taken from a peer that may have power.
const fn fenced(view: &View, why: Why) -> Decision {
    match view.peer {
        Peer::Unfenced => Decision::Stay(Why::AwaitingFence),
        Peer::Unfenceable => Decision::Hold(Why::FenceFailed),
        Peer::Awaited | Peer::NeverHeard | Peer::Newer | Peer::Alive(_) | Peer::Dead | Peer::Left => {
            Decision::Acquire(why)
        }
    }
}

const fn turn(view: &View) -> Decision {
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
        Peer::Dead | Peer::Unfenced | Peer::Unfenceable => alone(view, Why::PeerDead),
        Peer::NeverHeard => alone(view, Why::PeerNeverHeard),
        Peer::Alive(peer) => beside(view, &peer),
    }
}

/// The peer is not heard: may this node act alone?
const fn alone(view: &View, why: Why) -> Decision {
    // who else is out there has no vote, and no ping node has one
    if !matches!(view.entitled, Entitled::Unneeded) {
        return Decision::Acquire(why);
    }
    if let Some(why) = foreign(view.foreign) {
        return Decision::Hold(why);
    }
    match view.attached {
        Attached::Unknown | Attached::Proved => Decision::Acquire(why),
        Attached::Unproved => Decision::Stay(Why::AwaitingPing),
        Attached::Isolated => Decision::Hold(Why::Isolated),
    }
}

/// The same, for what is begun already: may a silent peer be taken for gone?
pub(crate) const fn acts_alone(view: &View) -> bool {
    !view.lonely && matches!(alone(view, Why::PeerDead), Decision::Acquire(_))
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
            } else if !peer.flags.able && (view.unable || matches!(peer.phase, Phase::Failed)) {
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
    // no hold of this node keeps the other one from starting it then
    if matches!(view.entitled, Entitled::No) {
        return Decision::Release(Why::RightEnds);
    }
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
    let Some(peer) = view.peer.living() else {
        return tend(view);
    };
    match peer.phase {
        Phase::Starting | Phase::Active => two_active(view, &peer),
        // it may have a part of it: nothing is started anew beside that
        Phase::Probing | Phase::Stopping => Decision::Stay(Why::Running),
        Phase::Stuck if matches!(view.ailing, Ailing::Well) => Decision::Stay(Why::Running),
        Phase::Stuck => Decision::Hold(Why::PeerStuck),
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
    // neither is sure: no further step of a start begins, and what waits for the other one would wait for ever
    let starts = matches!(view.mine, Mine::Starting | Mine::StartingPart);
    if view.doubtful && starts != matches!(peer.phase, Phase::Starting) {
        return if starts {
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
        return tend(view);
    }
    if view.standby {
        Decision::Release(Why::Standby)
    } else if peer.flags.wanted {
        Decision::Release(Why::Takeover)
    } else if view.unheard && !peer.isolated {
        Decision::Release(Why::Unheard)
    } else if matches!(view.ailing, Ailing::Again | Ailing::Due) {
        Decision::Release(Why::MonitorFailedAgain)
    } else if view.diskless && !matches!(view.ailing, Ailing::Stuck) {
        Decision::Release(Why::Diskless)
    } else if view.fewer_pings {
        Decision::Release(Why::FewerPings)
    } else if view.failback && !view.preferred {
        Decision::Release(Why::Failback)
    } else {
        tend(view)
    }
}

/// It stays here: is something to be done about it?
const fn tend(view: &View) -> Decision {
    match view.ailing {
        // it may run elsewhere meanwhile
        _ if view.doubtful => Decision::Stay(Why::Running),
        Ailing::Well => Decision::Stay(Why::Running),
        // nobody here can read what runs there
        Ailing::Once | Ailing::Due if matches!(view.peer, Peer::Newer) => Decision::Hold(Why::PeerNewer),
        Ailing::Once | Ailing::Due => Decision::Restart(Why::MonitorFailed),
        Ailing::Again => Decision::Hold(Why::MonitorFailedAgain),
        Ailing::Stuck => Decision::Hold(Why::Stuck),
    }
}

/// Being started here: is there a reason to give it up?
const fn go_on(view: &View) -> Decision {
    if matches!(view.entitled, Entitled::No) {
        return Decision::Release(Why::RightEnds);
    }
    if view.stopping {
        return Decision::Release(Why::Stopping);
    }
    if view.lonely {
        return Decision::Release(Why::Isolated);
    }
    match view.peer.living() {
        Some(peer) => match peer.phase {
            Phase::Starting | Phase::Active => match two_active(view, &peer) {
                Decision::Release(why) => Decision::Release(why),
                Decision::Stay(_) | Decision::Acquire(_) | Decision::Restart(_) | Decision::Hold(_) => {
                    Decision::Acquire(Why::Busy)
                }
            },
            Phase::Idle | Phase::Claiming | Phase::Failed | Phase::Probing | Phase::Stopping | Phase::Stuck => {
                if view.unheard && peer.flags.able && !peer.isolated {
                    Decision::Release(Why::Unheard)
                } else {
                    Decision::Acquire(Why::Busy)
                }
            }
        },
        None => Decision::Acquire(Why::Busy),
    }
}

/// Found running in part: complete it where a start would be right, else stop the part once that is clear.
const fn complete(view: &View) -> Decision {
    if matches!(view.entitled, Entitled::No) {
        return Decision::Release(Why::RightEnds);
    }
    match acquire(view) {
        Decision::Acquire(why) => Decision::Acquire(why),
        // the peer may have found a part, too, and wait for this node: the preferred one waits, the other stops
        Decision::Stay(Why::PeerBusy) if !view.preferred => Decision::Release(Why::Partial),
        Decision::Stay(
            Why::AwaitingPeer
            | Why::AwaitingPing
            | Why::AwaitingData
            | Why::AwaitingFence
            | Why::AwaitingVote
            | Why::Held
            | Why::PeerBusy,
        )
        // what anybody can send stops nothing
        | Decision::Hold(Why::ForeignKey | Why::ForeignHeartbeat | Why::NameTwice) => Decision::Stay(Why::Partial),
        // as long as this node has power the other one has started nothing
        Decision::Hold(Why::FenceFailed) => Decision::Hold(Why::FenceFailed),
        // completed once both files say the same: a line that grew on one node stops nothing
        Decision::Hold(Why::Differs) if !view.lonely => Decision::Hold(Why::Differs),
        Decision::Stay(_) | Decision::Hold(_) | Decision::Release(_) | Decision::Restart(_) => {
            Decision::Release(Why::Partial)
        }
    }
}
