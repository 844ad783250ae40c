//! The states of links, peer and groups: which may follow which, declared once.
//!
//! The code decides when; this says what can be. Whoever enters a state says so here, and with debug assertions on (every
//! test and simulation) an undeclared transition panics; a release has neither the check nor the tables. The diagrams in
//! `docs/STATES.md` are made from these tables, and a test demands that each transition is really taken.

use crate::group::State;
use crate::link::LinkState;
use crate::member::MemberState;

/// A state that may follow another one.
#[derive(Clone, Copy, Debug)]
pub struct Transition<S: 'static> {
    /// From this state.
    pub from: S,
    /// To this one.
    pub to: S,
    /// When that happens.
    pub when: &'static str,
}

const fn to<S: Copy>(from: S, to: S, when: &'static str) -> Transition<S> {
    Transition { from, to, when }
}

/// A state of a group without what it carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GroupState {
    /// What runs is being found out.
    Probing,
    /// Nothing runs.
    Idle,
    /// Found running in part.
    Partial,
    /// Announced.
    Claiming,
    /// Being started.
    Starting,
    /// Runs.
    Active,
    /// Being stopped, whole or in part.
    Stopping,
    /// Nobody knows what runs.
    Stuck,
}

impl From<State> for GroupState {
    fn from(state: State) -> Self {
        match state {
            State::Probing(_) => Self::Probing,
            State::Idle => Self::Idle,
            State::Partial => Self::Partial,
            State::Claiming(_) => Self::Claiming,
            State::Starting(..) => Self::Starting,
            State::Active => Self::Active,
            State::Stopping(..) => Self::Stopping,
            State::Stuck(..) => Self::Stuck,
        }
    }
}

/// A link, see [`LinkState`].
pub const LINK: &[Transition<LinkState>] = {
    use LinkState::{Closed, Dead, Late, Silent, Up};
    &[
        to(Closed, Silent, "opened"),
        to(Silent, Up, "the peer is heard"),
        to(Silent, Dead, "nothing for a deadtime"),
        to(Up, Late, "nothing for a warntime"),
        to(Up, Dead, "nothing for a deadtime, and nobody looked meanwhile"),
        to(Late, Up, "the peer is heard"),
        to(Late, Dead, "nothing for a deadtime"),
        to(Dead, Up, "the peer is heard"),
        to(Silent, Closed, "lost"),
        to(Up, Closed, "lost"),
        to(Late, Closed, "lost"),
        to(Dead, Closed, "lost"),
        to(Silent, Late, "opened again, last heard a warntime ago"),
        to(
            Dead,
            Silent,
            "never heard, and silence is counted afresh or may last longer",
        ),
        to(Dead, Late, "the peer's deadtime is longer"),
    ]
};

/// The peer, see [`MemberState`].
pub const MEMBER: &[Transition<MemberState>] = {
    use MemberState::{Alive, Awaited, Dead, Late, Left, NeverHeard};
    &[
        to(Awaited, Alive, "heard"),
        to(Awaited, NeverHeard, "not heard for initdead"),
        to(NeverHeard, Alive, "heard"),
        to(
            NeverHeard,
            Awaited,
            "initdead is counted afresh: no ping was answered, or this node slept",
        ),
        to(Alive, Late, "silent for a warntime"),
        to(Alive, Dead, "silent for a deadtime, and nobody looked meanwhile"),
        to(Late, Alive, "heard"),
        to(Late, Dead, "silent for a deadtime"),
        to(Dead, Alive, "heard"),
        to(Dead, Late, "this node slept: a fresh deadtime begins"),
        to(Alive, Left, "it says that it stopped, and runs nothing"),
        to(Late, Left, "it says that it stopped, and runs nothing"),
        to(Left, Alive, "heard again, and not stopping"),
    ]
};

/// A group on this node.
pub const GROUP: &[Transition<GroupState>] = {
    use GroupState::{Active, Claiming, Idle, Partial, Probing, Starting, Stopping, Stuck};
    &[
        to(Probing, Idle, "nothing of it runs"),
        to(Probing, Active, "it runs whole: adopted"),
        to(Probing, Partial, "it runs in part, or that can't be told"),
        to(Probing, Stuck, "a probe can't be killed"),
        to(Idle, Claiming, "it is this node's turn"),
        to(Idle, Stuck, "a child can't be killed: a look, or an order to DRBD"),
        to(Partial, Claiming, "it is to be completed here"),
        to(Partial, Stopping, "it is not to be completed here"),
        to(
            Claiming,
            Starting,
            "the peer agrees or is gone, and the tenure is on disk",
        ),
        to(Claiming, Idle, "withdrawn"),
        to(Claiming, Partial, "withdrawn, and a part of it runs"),
        to(Claiming, Stuck, "a child can't be killed: a look, or an order to DRBD"),
        to(Starting, Active, "all steps are done"),
        to(Starting, Stopping, "a step failed, or it is given up"),
        to(Starting, Stuck, "a start can't be killed"),
        to(Active, Stopping, "it is given up, or a part is restarted"),
        to(Active, Stuck, "a child can't be killed: an order to DRBD"),
        to(Stopping, Idle, "all steps are done"),
        to(
            Stopping,
            Starting,
            "the part that failed is stopped: it is started again",
        ),
        to(
            Stopping,
            Active,
            "the part that can't be started is stopped: the rest runs on",
        ),
        to(Stopping, Stuck, "a stop failed thrice or can't be killed"),
        to(Stuck, Stopping, "tried again"),
        to(Stuck, Probing, "the child is gone, or cleared after a bug"),
        to(Idle, Probing, "a look finds it running, or cleared after a bug"),
        to(Partial, Probing, "cleared after a bug"),
        to(Claiming, Probing, "a look finds it running, or cleared after a bug"),
        to(Starting, Probing, "cleared after a bug"),
        to(Active, Probing, "cleared after a bug"),
        to(Stopping, Probing, "cleared after a bug"),
    ]
};

/// A link goes over to another state.
pub(crate) fn link(from: LinkState, to: LinkState) {
    let place = LINK.iter().position(|way| way.from == from && way.to == to);
    debug_assert!(
        from == to || place.is_some(),
        "link: {from:?} to {to:?} is declared nowhere"
    );
    taken::note(&taken::LINK, place);
}

/// The peer goes over to another state.
pub(crate) fn member(from: MemberState, to: MemberState) {
    let place = MEMBER.iter().position(|way| way.from == from && way.to == to);
    debug_assert!(
        from == to || place.is_some(),
        "peer: {from:?} to {to:?} is declared nowhere"
    );
    taken::note(&taken::MEMBER, place);
}

/// A group goes over to another state.
pub(crate) fn group(from: State, to: State) {
    let (from, to) = (GroupState::from(from), GroupState::from(to));
    let place = GROUP.iter().position(|way| way.from == from && way.to == to);
    debug_assert!(
        from == to || place.is_some(),
        "group: {from:?} to {to:?} is declared nowhere"
    );
    taken::note(&taken::GROUP, place);
}

/// Which transitions any cluster of this process took, for the test of the tables: a bit for each place. Without debug
/// assertions nothing is noted, and the compiler drops the look-up with it.
pub mod taken {
    use core::sync::atomic::{AtomicU32, Ordering};

    /// Of [`super::LINK`].
    pub static LINK: AtomicU32 = AtomicU32::new(0);
    /// Of [`super::MEMBER`].
    pub static MEMBER: AtomicU32 = AtomicU32::new(0);
    /// Of [`super::GROUP`].
    pub static GROUP: AtomicU32 = AtomicU32::new(0);

    pub(super) fn note(taken: &AtomicU32, place: Option<usize>) {
        let bit = place.and_then(|place| 1_u32.checked_shl(u32::try_from(place).ok()?));
        if cfg!(debug_assertions) {
            // no read-modify-write: the smallest targets have none, and the test has one thread
            taken.store(taken.load(Ordering::Relaxed) | bit.unwrap_or(0), Ordering::Relaxed);
        }
    }
}
