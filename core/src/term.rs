//! The times of a vote against each other: what must fit between the ask and the end of the right (LEASE T4 to T6, T8).
//!
//! ```text
//! ask sent                                                         the vote can be lent again
//! |<-------------------- right: the term, both drifts and a spare less ------------------->|
//!   keepalives, of which some may be lost | stop: what runs is stopped | reset: it is not |
//! ```

use crate::config::{ConfigError, Draft, last_words};
use crate::isolation::WAKE_UP;
use crate::time::Span;
use crate::vote::right;
use crate::watchdog::{GONE, TRIP, Watchdog};

/// Asks that may be lost in a row before what runs is stopped.
const LOST: u64 = 2;

/// The times of a node with a witness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// Interval of asks.
    pub keepalive: Span,
    /// For how long a vote is asked for.
    pub deadtime: Span,
    /// What a stop may take.
    pub stop_budget: Span,
    /// The watchdog, if there is one.
    pub watchdog: Option<Watchdog>,
}

impl Times {
    pub(crate) fn of(draft: &Draft) -> Self {
        Self {
            keepalive: draft.keepalive,
            deadtime: draft.deadtime,
            stop_budget: draft.stop_budget,
            watchdog: draft.watchdog,
        }
    }

    /// From the order to reset to nothing running any more.
    pub(crate) fn reset(&self) -> Span {
        GONE.plus(WAKE_UP).plus(last_words(self.deadtime))
    }

    /// How long before the end of a right what runs begins to stop: the stop, and by how much the reset may be early.
    pub(crate) fn stop(&self) -> Span {
        let spare = self.stop_budget.plus(self.keepalive);
        match self.watchdog {
            Some(watchdog) => spare.plus(watchdog.reset()).plus(watchdog.early(self.keepalive)),
            None => spare.plus(self.reset()),
        }
    }

    /// Two timeouts of the watchdog: less than that must not be left when it is petted (LEASE T3).
    fn pet(&self) -> Span {
        self.watchdog.map_or(Span::ZERO, |watchdog| watchdog.reset_twice())
    }

    /// What must be left of a right when a start begins: more than a stop needs, and the first pet (LEASE N4).
    pub(crate) fn start(&self) -> Span {
        self.stop().max(self.pet()).plus(self.keepalive)
    }

    /// Whether a right leaves time for a stop although some asks in a row are lost, and for the watchdog to be petted.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let lost = self.keepalive.times(LOST.saturating_add(1)).plus(TRIP);
        let needs = self.stop().max(self.pet()).plus(lost);
        let (right, deadtime) = (right(self.deadtime), self.deadtime);
        if right < needs {
            return Err(ConfigError::VotesShort { needs, right, deadtime });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;

    fn times(keepalive: u64, deadtime: u64, stop_budget: u64, timeout: u64) -> Times {
        let ms = Span::from_millis;
        let (timeout, stays) = (ms(timeout), false);
        Times {
            keepalive: ms(keepalive),
            deadtime: ms(deadtime),
            stop_budget: ms(stop_budget),
            watchdog: (timeout > Span::ZERO).then_some(Watchdog { timeout, stays }),
        }
    }

    /// S-72, S-73. LEASE's table: keepalive 500 ms, deadtime 10 s, a watchdog of 2 s fit; D = 2 s with one of 1 s does not.
    #[test]
    fn the_times_of_lease_fit_and_shorter_ones_do_not() {
        assert_eq!(times(500, 10_000, 2500, 2000).check(), Ok(()));
        assert_eq!(times(500, 10_000, 2500, 0).check(), Ok(()));
        assert!(times(200, 2000, 500, 1000).check().is_err());
        assert!(times(500, 10_000, 7500, 2000).check().is_err());
        let why = times(1000, 10_000, 3000, 4000)
            .check()
            .map_err(|why| std::format!("{why}"));
        assert_eq!(
            why.unwrap_err(),
            "a deadtime of 10 s lets a vote count for 9.605 s, and a stop in time needs 12.492 s: make deadtime longer, or stop-budget, keepalive or the watchdog's timeout shorter"
        );
    }
}
