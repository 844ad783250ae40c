//! One vote of one group: lent for a time, held for a shorter one (LEASE N1 to N6, W1 to W3, T1).
//!
//! A node may run a group only while it has its own vote and one other. A vote is lent in answer to a numbered ask: it
//! binds the voter from the moment it *handles* the ask and entitles the borrower from the moment it *sent* the ask, for a
//! time that is shorter by both clocks' drift and by a spare. So a right has always ended when its vote is free again.
//!
//! ```text
//!            ask: lent for `term`                 lent to another, or nobody knows to whom
//!   free  ------------------------>  lent  <---- (a voter that has just started)
//!     ^                               |
//!     +-------------------------------+   the term is over; a later frame of the borrower that says "free"
//! ```

use crate::id::{NodeId, Sequence};
use crate::message::Echo;
use crate::time::{Instant, Span};

/// Taken off every right: the reset of a machine that must go, timers, and rounding.
pub const SPARE: Span = Span::from_millis(200);

/// For how long a vote that binds for `term` entitles its borrower, whose clock may be 1 % slow while the voter's is 1 %
/// fast (LEASE T1).
#[must_use]
pub fn right(term: Span) -> Span {
    let left = term.minus(SPARE).as_millis();
    Span::from_millis(left.saturating_mul(99).checked_div(101).unwrap_or(0))
}

/// A vote that is not free.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
struct Lent {
    /// To whom, if that is known.
    to: Option<NodeId>,
    /// In answer to which frame.
    ask: Echo,
    until: Instant,
}

/// A vote as its voter knows it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Vote {
    lent: Option<Lent>,
}

impl Vote {
    /// The end of one that is pledged.
    pub(crate) const NEVER: Instant = Instant::from_millis(u64::MAX);

    /// Of a voter that has just started, and has forgotten whether it lent (LEASE N6, W3): until then it may be lent. `to`: the
    /// only node that can have it; a voter of two candidates does not know, and lends to nobody.
    #[must_use]
    pub const fn forgotten(to: Option<NodeId>, until: Instant) -> Self {
        let ask = Echo::NOBODY;
        Self {
            lent: Some(Lent { to, ask, until }),
        }
    }

    fn lent(&self, now: Instant) -> Option<&Lent> {
        self.lent.as_ref().filter(|lent| now < lent.until)
    }

    /// Lent to nobody.
    #[must_use]
    pub fn is_free(&self, now: Instant) -> bool {
        self.lent(now).is_none()
    }

    /// To whom it is lent.
    #[must_use]
    pub fn borrower(&self, now: Instant) -> Option<NodeId> {
        self.lent(now)?.to
    }

    /// The frame that it was last lent in answer to, if it is lent to this node.
    #[must_use]
    pub fn answers(&self, now: Instant, node: NodeId) -> Option<Echo> {
        let lent = self.lent(now).filter(|lent| lent.to == Some(node))?;
        Some(lent.ask)
    }

    /// When it is free at the latest.
    #[must_use]
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.lent(now).map(|lent| lent.until)
    }

    /// A believed frame of `to` asks for it: lent for `term` if it is free, or longer if it is that node's already. False:
    /// another one has it.
    pub fn lend(&mut self, now: Instant, to: NodeId, ask: Echo, term: Span) -> bool {
        let mut until = now.after(term);
        if let Some(lent) = self.lent(now) {
            if lent.to != Some(to) {
                return false;
            }
            // the life that asks holds nothing of one before, and what it was lent for is never shorter; a pledge is the node's
            if lent.ask.boot == ask.boot || lent.until == Self::NEVER {
                until = until.max(lent.until);
            }
        }
        self.lent = Some(Lent {
            to: Some(to),
            ask,
            until,
        });
        true
    }

    /// It has no end any more, to whom it is lent.
    pub(crate) fn pledge(&mut self, now: Instant) {
        if let Some(lent) = self.lent.as_mut().filter(|lent| now < lent.until) {
            lent.until = Self::NEVER;
        }
    }

    /// Lent without end.
    pub(crate) fn is_pledged(&self) -> bool {
        self.lent.is_some_and(|lent| lent.until == Self::NEVER)
    }

    /// A believed frame of `by` gives the pledge back, and may still use what it was lent for a time: until then it is bound.
    pub(crate) fn unpledge(&mut self, by: NodeId, frame: Echo, until: Instant) {
        let later = |ask: &Echo| frame.boot != ask.boot || frame.sequence > ask.sequence;
        if let Some(lent) = self
            .lent
            .as_mut()
            .filter(|lent| lent.to == Some(by) && later(&lent.ask))
            && lent.until == Self::NEVER
        {
            lent.until = until;
        }
    }

    /// This node has no power: it holds nothing.
    pub fn taken_from(&mut self, node: NodeId) {
        self.lent = self.lent.filter(|lent| lent.to != Some(node));
    }

    /// A believed frame of `by` says that it holds nothing from any frame up to this one. An earlier one says nothing of
    /// what was lent since.
    pub fn released(&mut self, by: NodeId, frame: Echo) {
        let later = |ask: &Echo| frame.boot != ask.boot || frame.sequence > ask.sequence;
        if self.lent.is_some_and(|lent| lent.to == Some(by) && later(&lent.ask)) {
            self.lent = None;
        }
    }
}

/// What a borrower may do with another's vote.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Right {
    until: Option<Instant>,
    /// No vote for a frame up to this one counts any more.
    floor: Sequence,
}

impl Right {
    /// A vote came in answer to our frame `ask`, which was sent at `sent`, for a term that gives `span`.
    pub fn granted(&mut self, ask: Sequence, sent: Instant, span: Span) {
        if ask > self.floor {
            self.until = self.until.max(Some(sent.after(span)));
        }
    }

    /// Given up: nothing that answers to a frame up to `newest` counts any more.
    pub fn give_up(&mut self, newest: Sequence) {
        self.until = None;
        self.floor = self.floor.max(newest);
    }

    /// No vote for a frame up to this one counts.
    #[must_use]
    pub const fn floor(&self) -> Sequence {
        self.floor
    }

    /// When it ends; none: there is none in this life.
    #[must_use]
    pub const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// What is left of it.
    #[must_use]
    pub fn left(&self, now: Instant) -> Span {
        self.until.map_or(Span::ZERO, |until| until.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BootId;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);
    const TERM: Span = Span::from_secs(10);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn frame(boot: u8, sequence: u32) -> Echo {
        Echo {
            boot: BootId([boot; 4]),
            sequence: Sequence(sequence),
        }
    }

    /// By hand: (10000 - 200) * 99 / 101 = 9605; LEASE's table has the same.
    #[test]
    fn a_right_is_shorter_than_its_term_by_both_drifts_and_the_spare() {
        assert_eq!(right(TERM), Span::from_millis(9605));
        assert_eq!(right(Span::from_millis(100)), Span::ZERO);
        for term in (300..240_000).step_by(97) {
            let held = right(Span::from_millis(term)).as_millis();
            // the borrower's second is 1.01 real ones, the voter's 1 / 1.01 of one: 0.99 and 1.01 of the clock's rate
            assert!(held * 101 + 200 * 99 <= term * 99, "{term}");
        }
    }

    #[test]
    fn a_vote_is_lent_once_at_a_time() {
        let mut vote = Vote::default();
        assert!(vote.lend(at(0), A, frame(1, 1), TERM));
        assert!(!vote.lend(at(9_999), B, frame(2, 1), TERM));
        assert_eq!(vote.borrower(at(9_999)), Some(A));
        // a later ask prolongs
        assert!(vote.lend(at(5_000), A, frame(1, 2), TERM));
        assert!(!vote.lend(at(14_999), B, frame(2, 2), TERM));
        assert!(vote.is_free(at(15_000)));
        assert!(vote.lend(at(15_000), B, frame(2, 3), TERM));
        // and does not shorten
        assert!(vote.lend(at(15_001), B, frame(2, 4), Span::from_millis(1)));
        assert_eq!(vote.until(at(15_001)), Some(at(25_000)));
    }

    #[test]
    fn a_release_frees_what_was_lent_before_it_and_nothing_else() {
        let mut vote = Vote::default();
        assert!(vote.lend(at(0), A, frame(1, 5), TERM));
        vote.released(A, frame(1, 5));
        vote.released(A, frame(1, 4));
        vote.released(B, frame(2, 99));
        assert_eq!(vote.answers(at(1), A), Some(frame(1, 5)));
        vote.released(A, frame(1, 6));
        assert!(vote.is_free(at(1)));
        assert!(vote.lend(at(2), A, frame(1, 7), TERM));
        vote.released(A, frame(3, 1));
        assert!(vote.is_free(at(2)), "a new life holds nothing of the old one");
    }

    #[test]
    fn who_forgot_to_whom_it_lent_lends_to_nobody() {
        let mut vote = Vote::forgotten(None, at(10_000));
        assert!(!vote.lend(at(9_999), A, frame(1, 1), TERM));
        vote.released(A, frame(1, 2));
        assert!(!vote.is_free(at(9_999)));
        assert!(vote.lend(at(10_000), A, frame(1, 3), TERM));
        assert_eq!(vote.borrower(at(10_000)), Some(A));
    }

    #[test]
    fn a_node_that_forgot_whether_it_lent_lends_to_its_peer_at_once() {
        let mut vote = Vote::forgotten(Some(A), at(240_000));
        assert!(!vote.is_free(at(239_999)));
        assert_eq!(
            vote.answers(at(0), A),
            Some(Echo::NOBODY),
            "to no frame that was ever sent"
        );
        // what that one asks for now is all that it can hold
        assert!(vote.lend(at(1000), A, frame(1, 1), TERM));
        assert!(vote.is_free(at(11_000)));
        let mut vote = Vote::forgotten(Some(A), at(240_000));
        vote.released(A, frame(1, 1));
        assert!(vote.is_free(at(0)));
    }

    #[test]
    fn a_right_counts_from_the_ask_and_never_for_one_that_was_given_up() {
        let mut right = Right::default();
        right.granted(Sequence(3), at(1000), Span::from_secs(9));
        assert_eq!(right.left(at(4000)), Span::from_secs(6));
        right.granted(Sequence(2), at(500), Span::from_secs(9));
        assert_eq!(right.until(), Some(at(10_000)), "an older answer shortens nothing");
        right.give_up(Sequence(7));
        right.granted(Sequence(7), at(6000), Span::from_secs(9));
        assert_eq!((right.until(), right.left(at(6000))), (None, Span::ZERO));
        right.granted(Sequence(8), at(7000), Span::from_secs(9));
        assert_eq!(right.until(), Some(at(16_000)));
    }
}
