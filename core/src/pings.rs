//! The ping nodes: which of them answer, and what that proves about this node's own attachment.
//!
//! Everything counts from when the answered request was *sent*: an answer proves the attachment of then.

use crate::config::PINGS_MAX;
use crate::decide::Attached;
use crate::time::{Instant, Span};

/// The ping nodes' answers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Pings {
    sent: [Option<Instant>; PINGS_MAX],
    up: [bool; PINGS_MAX],
    count: u8,
    start: Instant,
}

impl Pings {
    /// `count` ping nodes, none of which has answered.
    #[must_use]
    pub const fn new(count: u8, now: Instant) -> Self {
        Self {
            sent: [None; PINGS_MAX],
            up: [false; PINGS_MAX],
            count,
            start: now,
        }
    }

    /// Whether any are configured.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.count > 0
    }

    /// This node slept: answers of before prove nothing now, and silence counts afresh.
    pub const fn woke(&mut self, now: Instant) {
        self.sent = [None; PINGS_MAX];
        self.start = now;
    }

    /// A request sent at `sent` was answered.
    pub fn reply(&mut self, ping: u8, sent: Instant) {
        if ping < self.count
            && let Some(newest) = self.sent.get_mut(usize::from(ping))
        {
            *newest = (*newest).max(Some(sent));
        }
    }

    /// When the newest answered request was sent, to any ping node.
    #[must_use]
    pub fn newest(&self) -> Option<Instant> {
        let sent = self.sent.iter().take(usize::from(self.count));
        sent.copied().max().flatten()
    }

    /// How many answer.
    #[must_use]
    pub fn alive(&self) -> u8 {
        let alive = self.up.iter().filter(|up| **up).count();
        u8::try_from(alive).unwrap_or(u8::MAX)
    }

    /// Whether this one answers.
    #[must_use]
    pub fn is_up(&self, ping: u8) -> bool {
        self.up.get(usize::from(ping)).copied().unwrap_or(false)
    }

    /// Takes one change of a ping node to the state its silence calls for; call until `None`.
    pub fn settle(&mut self, now: Instant, deadping: Span) -> Option<(u8, bool)> {
        for (index, (up, sent)) in (0_u8..).zip(self.up.iter_mut().zip(self.sent.iter())) {
            let answers = sent.is_some_and(|sent| now.since(sent) < deadping);
            if answers != *up {
                *up = answers;
                return Some((index, answers));
            }
        }
        None
    }

    /// From when the silence of all of them together counts.
    #[must_use]
    pub fn last(&self, now: Instant) -> Instant {
        self.newest().unwrap_or(self.start).min(now)
    }

    /// Silence of all of them together.
    #[must_use]
    pub fn silence(&self, now: Instant) -> Span {
        now.since(self.last(now))
    }

    /// What they prove: attached if a request sent no earlier than `after` was answered.
    #[must_use]
    pub fn attached(&self, now: Instant, after: Instant, isolated: Span) -> Attached {
        if !self.any() {
            Attached::Unknown
        } else if self.silence(now) >= isolated {
            Attached::Isolated
        } else if self.newest().is_some_and(|sent| sent >= after) {
            Attached::Proved
        } else {
            Attached::Unproved
        }
    }
}
