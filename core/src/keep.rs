//! What a witness keeps over its restarts: whose copy of the data is old (SAFETY S-77).
//!
//! ```text
//! marked  what the witness goes by: a marked node is lent nothing from the first moment on
//! kept    what its store says; who is ahead is answered only once the store says so, too, for it writes on from there
//! ```
//!
//! A new mark is written at once. One that is over is taken out of the store a minute later: until then a restart is more
//! cautious than it need be, and a mirror that comes and goes wears no flash.

use crate::id::{Mark, NodeId};
use crate::time::{Instant, Span};
use crate::witness::{Seat, Witness, WitnessNotice};

/// A mark that is over stands in the store for so long at least.
const LINGERS: Span = Span::from_secs(60);
/// From a store that failed to the next try.
const AGAIN: Span = Span::from_secs(10);

/// How the store stands.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Keeper {
    /// It is being written.
    writing: bool,
    /// Not before this: it failed.
    again: Option<Instant>,
    /// When a mark was last found to be over.
    over: Option<Instant>,
}

/// One seat's mark in the store.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Kept {
    now: Option<NodeId>,
    /// What it is when the write under way is done.
    next: Option<NodeId>,
}

impl Kept {
    /// Nothing of it is in the store, nor will be.
    pub(crate) const fn is_none(&self) -> bool {
        self.now.is_none() && self.next.is_none()
    }

    /// The store has this mark, and no write under way can take it out.
    fn has(&self, marked: Option<NodeId>, writing: bool) -> bool {
        self.now == marked && (!writing || self.next == marked)
    }
}

impl Witness {
    /// What its store says at its start, before anything is handled: this node's copy of that group is old. Without room for
    /// one more it is not taken: no store has more than there is room for.
    pub fn remember(&mut self, group: Mark, node: NodeId) {
        if let Some(seat) = self.seat(group) {
            seat.marked = Some(node);
            seat.kept = Kept {
                now: Some(node),
                next: Some(node),
            };
        }
    }

    /// What is to be written after [`crate::witness::Said::Keep`]: each marked copy's group and node.
    pub fn marks(&self) -> impl Iterator<Item = (Mark, NodeId)> + '_ {
        let marks = self
            .seats
            .iter()
            .map(|seat| seat.kept.next.map(|node| (seat.group, node)));
        marks.flatten()
    }

    /// The write that [`crate::witness::Said::Keep`] asked for is over; `good`: it will be there after a loss of power.
    pub fn kept(&mut self, now: Instant, good: bool) {
        self.tick(now);
        if !core::mem::replace(&mut self.keeper.writing, false) {
            return;
        }
        if good {
            self.seats.iter_mut().for_each(|seat| seat.kept.now = seat.kept.next);
            // who waits to be told that it is known hears it at once
            self.stations.iter_mut().for_each(|it| it.link.urgent = true);
        }
        let again = (!good).then(|| self.now.after(AGAIN));
        if core::mem::replace(&mut self.keeper.again, again).is_some() == good {
            self.notice(WitnessNotice::Kept(good));
        }
    }

    /// A mark has just been found to be over.
    pub(crate) const fn mark_over(&mut self) {
        self.keeper.over = Some(self.now);
    }

    /// Whether the store is to be written now.
    pub(crate) fn owes_keep(&mut self) -> bool {
        if self.keep_due().is_none_or(|at| at > self.now) {
            return false;
        }
        self.seats.iter_mut().for_each(|seat| seat.kept.next = seat.marked);
        self.keeper.writing = true;
        true
    }

    /// When the store is to be written next, if it is.
    pub(crate) fn keep_due(&self) -> Option<Instant> {
        let Keeper {
            writing, again, over, ..
        } = self.keeper;
        if writing {
            return None;
        }
        let now = again.unwrap_or(self.now);
        let fresh = |seat: &Seat| seat.marked.is_some() && seat.kept.now != seat.marked;
        if self.seats.iter().any(fresh) {
            return Some(now);
        }
        let stale = |seat: &Seat| seat.kept.now != seat.marked;
        let lingers = over.map_or(self.now, |at| at.after(LINGERS));
        self.seats.iter().any(stale).then(|| lingers.max(now))
    }

    /// That the other node's copy is old stands in the store.
    pub(crate) fn is_kept(&self, seat: &Seat) -> bool {
        seat.kept.has(seat.marked, self.keeper.writing)
    }
}
