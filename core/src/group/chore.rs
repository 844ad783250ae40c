//! What DRBD is to be told beside the group's own steps: its disk is old, its disk counts, its I/O may go on.
//!
//! One operation on each DRBD resource in turn, only while nothing else of the group is done. It is level-triggered: who
//! asks for it asks again as long as its reason holds, and one that fails pauses first.

use super::{Group, State};
use crate::config::Kind;
use crate::event::Outcome;
use crate::output::Op;
use crate::time::{Instant, Span};

/// Between two tries of one that failed.
const PAUSE: Span = Span::from_secs(5);

/// One that is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Chore {
    op: Op,
    /// The resource from which on it is still to be done.
    from: u8,
}

impl Group {
    /// The places of its DRBD resources.
    pub(crate) fn mirrors(&self) -> impl Iterator<Item = u8> + '_ {
        (0_u8..)
            .zip(self.kinds.iter())
            .filter(|(_, kind)| **kind == Kind::Drbd)
            .map(|(resource, _)| resource)
    }

    /// This is to be done, unless something of the kind is under way or failed a moment ago.
    pub(crate) fn chore(&mut self, now: Instant, op: Op) {
        if self.chore.is_none() && self.chore_pause.is_none_or(|until| now >= until) {
            self.chore = Some(Chore { op, from: 0 });
            self.chore_pause = None;
        }
    }

    /// This is not to begin any more; what is under way ends.
    pub(crate) fn forget_chore(&mut self, op: Op) {
        self.chore = self.chore.filter(|chore| chore.op != op);
    }

    /// The reason for this is gone.
    pub(crate) fn drop_chore(&mut self, op: Op) {
        self.forget_chore(op);
        self.abandon_chore(op);
    }

    /// Its child is to be killed.
    pub(crate) fn abandon_chore(&mut self, op: Op) {
        if let Some(flight) = self.flight.as_mut().filter(|flight| flight.op == op) {
            flight.abandon = true;
        }
    }

    /// The next step of it.
    pub(super) fn next_chore(&mut self) -> Option<(u8, Op)> {
        let chore = self.chore?;
        let fits = match chore.op {
            Op::Outdate | Op::Confirm => self.state == State::Idle,
            Op::Resume => self.state == State::Active,
            Op::Probe | Op::Start | Op::Stop | Op::Monitor => false,
        };
        let next = self.mirrors().find(|resource| *resource >= chore.from).filter(|_| fits);
        if next.is_none() {
            self.chore = None;
        }
        next.map(|resource| (resource, chore.op))
    }

    /// A step of it ended; true if that is worth a line.
    pub(super) fn chore_done(&mut self, now: Instant, resource: u8, op: Op, outcome: Outcome) -> bool {
        let news = self.chore_ended.replace((op, outcome)) != Some((op, outcome)) || outcome == Outcome::Done;
        let Some(chore) = self.chore.as_mut().filter(|chore| chore.op == op) else {
            return news;
        };
        if outcome == Outcome::Done {
            chore.from = resource.saturating_add(1);
            // DRBD's state is looked at now; asked for again before that it would be done twice
            self.chore_pause = Some(now.after(Span::from_secs(1)));
        } else {
            self.chore = None;
            self.chore_pause = Some(now.after(PAUSE));
        }
        news
    }
}
