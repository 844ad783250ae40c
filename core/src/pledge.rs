//! The pledge: the vote of a node that goes away in order while nobody hears the witness (LEASE section 2, SAFETY S-91).
//!
//! Without it the other node would stop within a deadtime, for the votes of two of three are gone.
//!
//! ```text
//! goes away          its vote is lent to the other node without end: on its disk first, then said until it is gone
//! is back            its vote is still lent, whatever its new life knows; it says so
//! the other one      hears that, has its vote for a time as ever, and gives the pledge back; or runs nothing any more
//! nobody gives back  it starts nothing of that group until the other one was cut off, or a person says that it is off
//! ```

use crate::cluster::Cluster;
use crate::group::Group;
use crate::id::GroupId;
use crate::message::{Ballot, Echo, GroupFlags, PLEDGES_FROM, Phase};
use crate::notice::Notice;
use crate::time::{Instant, Span};

/// As a span: it has no end.
pub(crate) const ENDLESS: Span = Span::from_millis(u64::MAX);

impl Cluster {
    /// This node's vote of a group is lent to the other one without end, by its disk.
    pub(crate) fn is_pledged(&self, index: usize) -> bool {
        let group = self.config.groups.get(index);
        group.is_some_and(|group| self.durable.pledged.contains(&group.identity))
    }

    /// And that would outlast a loss of power.
    pub(crate) fn is_pledge_kept(&self, index: usize) -> bool {
        self.is_pledged(index) && self.stored >= self.pledge_version
    }

    /// The witness has not been heard for a deadtime.
    fn is_witness_lost(&self, now: Instant) -> bool {
        let silence = self.third.as_ref().and_then(|third| third.silence(now));
        silence.is_none_or(|silence| silence >= self.deadtime())
    }

    /// Who goes away pledges what the other one has or wants; what is not pledged any more is forgotten.
    pub(crate) fn settle_pledges(&mut self, now: Instant) {
        for index in 0..self.standings.len() {
            let pledged = self.is_pledged(index);
            let lent = self.standings.get(index).is_some_and(|it| it.vote.is_pledged());
            if pledged && !lent {
                self.forget_pledge(index);
            } else if !pledged && self.is_to_pledge(now, index) {
                self.pledge(now, index);
            }
        }
    }

    fn is_to_pledge(&self, now: Instant, index: usize) -> bool {
        let leaves = self.leave.is_some() && !self.is_held() && self.is_witness_lost(now);
        // the peer must be able to read it
        let leaves = leaves && self.spoken() >= PLEDGES_FROM;
        let clear = self.groups.get(index).is_some_and(Group::is_clear);
        let peer = self.config.me.peer();
        let standing = self.standings.get(index);
        leaves && clear && self.member.is_alive() && standing.is_some_and(|it| it.vote.borrower(now) == Some(peer))
    }

    fn pledge(&mut self, now: Instant, index: usize) {
        let Some(identity) = self.config.groups.get(index).map(|group| group.identity) else {
            return;
        };
        if self.durable.pledged.push(identity).is_err() {
            return;
        }
        self.version = self.version.saturating_add(1);
        self.pledge_version = self.version;
        if let Some(standing) = self.standings.get_mut(index) {
            standing.vote.pledge(now);
        }
        self.tell_pledge(index, true);
    }

    fn forget_pledge(&mut self, index: usize) {
        let Some(identity) = self.config.groups.get(index).map(|group| group.identity) else {
            return;
        };
        self.durable.pledged.retain(|pledged| *pledged != identity);
        self.version = self.version.saturating_add(1);
        self.tell_pledge(index, false);
    }

    fn tell_pledge(&mut self, index: usize, pledged: bool) {
        if let Ok(group) = u8::try_from(index) {
            let group = GroupId(group);
            self.notice(Notice::Pledged { group, pledged });
        }
    }

    /// A node that goes away waits for its pledges to be on disk, and for the other one to ask for what it was given: as long as
    /// an answer takes, which the caller bounds.
    pub(crate) fn awaits_pledge(&self, now: Instant) -> bool {
        let lost = self.config.witness && self.is_witness_lost(now) && self.member.is_alive() && !self.is_held();
        let lost = lost && self.spoken() >= PLEDGES_FROM;
        let takes = |index: usize| {
            let said = self
                .member
                .group(index)
                .map(|said| (said.bits.phase(), said.bits.flags()));
            match said {
                Some((Phase::Claiming | Phase::Starting | Phase::Active, _)) => true,
                Some((Phase::Idle, GroupFlags { able, .. })) => able,
                Some((Phase::Probing | Phase::Stopping | Phase::Failed | Phase::Stuck, _)) | None => false,
            }
        };
        lost && self.store_failed.is_none()
            && (0..self.standings.len()).any(|index| takes(index) && !self.is_pledge_kept(index))
    }

    /// What the peer's ballot says of pledges, before its asks are answered. `leaves`: the peer goes away; `place`: of our group in it.
    pub(crate) fn take_pledge(&mut self, index: usize, place: usize, echo: Echo, ballot: &Ballot, leaves: bool) {
        let (newest, needs) = (self.sequence, self.start_needs());
        let ours = echo.boot == self.boot;
        let sent = self.sent_at(echo.sequence).filter(|_| ours && leaves);
        let now = self.now;
        let Some(standing) = self.standings.get_mut(index) else {
            return;
        };
        let given = ballot.pledge.given.contains(place);
        let had = standing.pledge.until().is_some();
        if let Some(sent) = sent.filter(|_| given) {
            standing.pledge.granted(echo.sequence, sent, ENDLESS);
        }
        // the giver is there again: what it lends for a time is enough, and it must be free to take over
        standing.returns = given && !leaves && (standing.right.left(now) >= needs || !had);
        if standing.returns {
            standing.pledge.give_up(newest);
        }
        let has = standing.pledge.until().is_some();
        if has != had
            && let Ok(group) = u8::try_from(index)
        {
            let group = GroupId(group);
            self.notice(Notice::PledgeHeld { group, held: has });
        }
    }
}
