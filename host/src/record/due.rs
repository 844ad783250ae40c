//! When the ring is to be copied to the disk: one copy at a time, soon after what matters, and every ten minutes.

use ovzha_core::notice::Notice;
use ovzha_core::time::{Instant, Span};

/// From one copy to the next when nothing happens.
const EVERY: Span = Span::from_secs(600);
/// From one copy to the next, whatever happens: a group that changes goes through several phases.
const PAUSE: Span = Span::from_secs(2);

/// When the next copy is due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    at: Instant,
    /// Not before.
    earliest: Instant,
    under_way: bool,
}

impl Due {
    /// At a start: the copy on the disk is of another life.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            at: now.after(PAUSE),
            earliest: now,
            under_way: false,
        }
    }

    /// When to look again.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        (!self.under_way).then(|| self.at.max(self.earliest))
    }

    /// The core said this: whether it is to be on the disk even if this machine dies next.
    pub const fn said(&mut self, now: Instant, notice: &Notice) {
        if matches!(
            notice,
            Notice::Phase { .. } | Notice::PeerDead(_) | Notice::PeerNeverHeard | Notice::Isolated | Notice::Slept(_)
        ) {
            self.at = now;
        }
    }

    /// Whether to begin a copy now; it is then under way.
    pub fn begins(&mut self, now: Instant) -> bool {
        let due = self.next_wake().is_some_and(|at| at <= now);
        if due {
            self.under_way = true;
            self.at = now.after(EVERY);
        }
        due
    }

    /// The copy has ended, well or not.
    pub const fn ended(&mut self, now: Instant) {
        self.under_way = false;
        self.earliest = now.after(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ovzha_core::decide::Why;
    use ovzha_core::id::{GroupId, LinkId};
    use ovzha_core::message::Phase;

    #[test]
    fn one_copy_at_a_time_soon_after_what_matters() {
        let at = |seconds: u64| Instant::from_millis(seconds * 1000);
        let phase = Notice::Phase {
            group: GroupId(0),
            phase: Phase::Active,
            why: Why::StepsDone,
        };
        let mut due = Due::new(at(100));
        assert!(!due.begins(at(101)));
        assert!(due.begins(at(102)), "the first of a life");
        due.said(at(103), &phase);
        assert!(!due.begins(at(110)), "one is under way");
        assert_eq!(due.next_wake(), None);
        due.ended(at(110));
        assert!(!due.begins(at(111)), "just ended");
        assert!(due.begins(at(112)), "something happened meanwhile");
        due.ended(at(113));
        due.said(at(200), &Notice::LinkUp(LinkId(0)));
        assert!(!due.begins(at(711)), "that was nothing");
        assert!(due.begins(at(712)), "ten minutes");
        due.ended(at(713));
        due.said(at(800), &phase);
        assert!(due.begins(at(800)), "at once");
    }
}
