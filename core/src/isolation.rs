//! Whether this node is cut off: what its pings and the peer's echoes prove, and when it must be stopped by then.

use crate::cluster::Cluster;
use crate::config::last_words;
use crate::decide::Attached;
use crate::group::Group;
use crate::settle::{CONTACT, PING_GAP};
use crate::time::{Instant, Span};

/// How late a wake-up may be.
pub(crate) const WAKE_UP: Span = Span::from_millis(20);

impl Cluster {
    /// What this node's pings prove; `Unknown` without ping nodes.
    pub(crate) fn attached(&self, now: Instant) -> Attached {
        let last = self.member.heard().or(self.first_open).unwrap_or(now);
        let isolated = self.config.give_up(self.deadtime());
        // proof of the last moment, too: else this node, cut off since, could take over from one that just came back
        let end = match self.member.heard() {
            Some(_) => self.member.counted_from().after(self.deadtime()),
            None => self.init_end().unwrap_or(now),
        };
        let after = last.after(self.config.keepalive).max(end.before(self.config.keepalive));
        self.pings.attached(now, after, isolated)
    }

    /// No ping node has answered, and nothing proves that the peer heard us, for so long that it may soon take over.
    /// What was heard of the peer proves less: it may have been under way for long.
    pub(crate) fn lonely(&self, now: Instant) -> bool {
        // with a witness the votes say how long what runs may go on
        if self.config.witness {
            return false;
        }
        let isolated = self.attached(now) == Attached::Isolated;
        let known = self.proved.or(self.first_open);
        isolated && known.is_none_or(|known| now.since(known) >= self.config.give_up(self.deadtime()))
    }

    /// When this node will be the lonely one, and when a group that is then not stopped is overdue.
    pub(crate) fn lonely_deadline(&self, now: Instant) -> Option<Instant> {
        if !self.pings.any() {
            return None;
        }
        let give_up = self.config.give_up(self.deadtime());
        let known = self.proved.or(self.first_open)?;
        let silent = known.max(self.pings.last(now)).after(give_up);
        let fence = self.fence_at.map(|(_, at)| at);
        let count = fence.map(|at| at.before(self.config.keepalive));
        [Some(silent), fence, count]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
    }

    /// The peer lives, and says it has not heard us for so long that it may soon take over. What it says when it is
    /// heard again after a silence is older than our first frame since: it counts three keepalives later.
    pub(crate) fn unheard(&self, now: Instant) -> Option<Span> {
        if self.config.witness {
            return None;
        }
        let settled = self.config.keepalive.times(CONTACT);
        let head = self
            .member
            .head()
            .filter(|_| self.member.is_alive() && self.member.echoed().0 > 0)
            .filter(|_| self.contact.is_some_and(|since| now.since(since) >= settled))?;
        // a new peer has heard us and not believed us yet: then what counts is for how long it has echoed nothing
        let silence = head.heard.span().unwrap_or_else(|| self.member.echo_silence(now));
        (silence >= self.config.give_up(self.deadtime())).then_some(silence)
    }

    pub(crate) fn settle_isolation(&mut self, now: Instant) {
        if self.config.witness {
            self.fence_at = self.votes_end(now).map(|at| (now, at));
            return;
        }
        let clear = self.groups.iter().all(Group::is_clear);
        let heard = self
            .fence_at
            .is_some_and(|(since, _)| self.proved.is_some_and(|proved| proved > since));
        if clear || heard || self.is_held() && self.hold_is_known() {
            self.fence_at = None;
        }
        if !clear && self.fence_at.is_none() && self.lonely(now) && !(self.is_held() && self.hold_is_known()) {
            self.fence_at = self.overdue_at().map(|at| (now, at));
        }
    }

    /// The peer's deadtime can't end before this (LEASE T10). It began when the peer last heard us: not before it
    /// was sent what it echoed, and not before our own ping was last answered, but for the pause after which a silent
    /// ping stops the peer's count.
    pub(crate) fn overdue_at(&self) -> Option<Instant> {
        let pause = self.config.keepalive.times(PING_GAP.saturating_add(1));
        let attached = self.pings.newest().map(|at| at.before(pause));
        // a held node was not to stop, and a peer that was held does not take over from it (S-46)
        let from = self.proved.max(attached).max(self.unheld)?;
        let dead = self.deadtime();
        // both clocks' drift, the time a wake-up may be late, and what a node may spend on saying why
        let drift = Span::from_millis(dead.as_millis().checked_div(50).unwrap_or(0));
        let early = WAKE_UP.plus(last_words(self.config.deadtime));
        Some(from.after(dead.minus(drift).minus(early)))
    }
}
