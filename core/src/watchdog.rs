//! A hardware watchdog's timeout against the times of the heartbeat: short enough that a node that hangs is off when its
//! peer takes over, long enough that one that is merely late is not reset (SAFETY S-65, LEASE T3 to T5, T11).

use crate::config::{ConfigError, last_words};
use crate::isolation::WAKE_UP;
use crate::settle::PING_GAP;
use crate::time::Span;

/// From the reset to no effect any more, with the watchdog's granularity.
pub(crate) const GONE: Span = Span::from_millis(100);
/// The longest way of a heartbeat that counts.
pub(crate) const TRIP: Span = Span::from_millis(50);
/// Keepalives for which an answered ping proves that this node is attached: one may be lost.
pub(crate) const ATTACHED: u64 = 2;
/// Keepalives a timeout must have, or a delay of the scheduler resets a healthy node.
const KEEPALIVES: u64 = 3;

/// A hardware watchdog as its driver describes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Watchdog {
    /// From a pet to the reset, by the device's own clock, as read back.
    pub timeout: Span,
    /// Once armed it can't be disarmed (`nowayout`): it is petted also while nothing runs.
    pub stays: bool,
}

/// `span` of a clock that is 1 % slow, by one that is 1 % fast: `k` of LEASE, rounded up.
fn drifted(span: Span) -> Span {
    let whole = span.as_millis().saturating_mul(101).saturating_add(98);
    Span::from_millis(whole.checked_div(99).unwrap_or(u64::MAX))
}

/// What the deadtime must have beside the reset.
fn spare(keepalive: Span, deadtime: Span, pings: bool) -> Span {
    let heartbeat = keepalive.plus(TRIP);
    let percent = heartbeat.as_millis().div_ceil(100);
    let heartbeat = heartbeat.plus(Span::from_millis(percent));
    if !pings {
        return heartbeat;
    }
    // the last pet that no limit counts for, against the earliest moment that `overdue_at` names
    let pause = keepalive.times(PING_GAP.saturating_add(1).saturating_add(ATTACHED));
    let drift = Span::from_millis(deadtime.as_millis().checked_div(50).unwrap_or(0));
    let isolated = pause.plus(drift).plus(WAKE_UP).plus(last_words(deadtime));
    heartbeat.max(isolated)
}

/// The longest timeout in whole seconds after which a node that hangs is off before its peer takes over; zero if there is
/// none. `pings`: ping nodes are configured.
#[must_use]
pub fn longest(keepalive: Span, deadtime: Span, pings: bool) -> Span {
    let left = deadtime.minus(spare(keepalive, deadtime, pings).plus(GONE));
    let span = left.as_millis().saturating_mul(99).checked_div(101).unwrap_or(0);
    Span::from_secs(span.checked_div(1000).unwrap_or(0))
}

impl Watchdog {
    /// From a pet to the moment when nothing runs any more, at the latest and by this node's clock.
    #[must_use]
    pub fn reset(&self) -> Span {
        drifted(self.timeout).plus(GONE)
    }

    /// The same where a freeze may part the look at the clock from the pet: two timeouts (LEASE T3, `WD2`).
    #[must_use]
    pub fn reset_twice(&self) -> Span {
        drifted(self.timeout.times(2)).plus(GONE)
    }

    /// How much earlier than it must the watchdog of an isolated node may fire: an active begins to stop that much sooner.
    #[must_use]
    pub fn early(&self, keepalive: Span) -> Span {
        let fast = self
            .timeout
            .as_millis()
            .saturating_mul(99)
            .checked_div(101)
            .unwrap_or(0);
        self.reset().minus(Span::from_millis(fast)).plus(keepalive)
    }

    /// Checks the timeout against the times of the heartbeat. `pings`: ping nodes are configured.
    ///
    /// # Errors
    /// The relation that does not hold.
    pub fn check(&self, keepalive: Span, deadtime: Span, pings: bool) -> Result<(), ConfigError> {
        let timeout = self.timeout;
        let needs = self.reset().plus(spare(keepalive, deadtime, pings));
        let least = keepalive.times(KEEPALIVES);
        if timeout < least {
            Err(ConfigError::WatchdogShort { timeout, least })
        } else if needs > deadtime {
            Err(ConfigError::WatchdogLong {
                timeout,
                needs,
                deadtime,
            })
        } else {
            Ok(())
        }
    }

    /// Between two pets.
    pub(crate) const fn pause(&self) -> Span {
        self.timeout.half().half()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;

    #[test]
    fn the_longest_timeout_is_the_one_that_lease_t11_leaves() {
        let of = |keepalive, deadtime, pings| longest(Span::from_millis(keepalive), Span::from_millis(deadtime), pings);
        // by hand: (10000 - 100 - 1.01 * 550) * 0.99 / 1.01 = 9159 ms; LEASE has the second
        assert_eq!(of(500, 10_000, false), Span::from_secs(9));
        assert_eq!(of(200, 2000, false), Span::from_secs(1));
        assert_eq!(of(1000, 2000, false), Span::ZERO);
        assert_eq!(of(2000, 1000, true), Span::ZERO);
        // (10000 - 100 - 6 * 500 - 200 - 20 - 50) * 0.99 / 1.01 = 6499 ms
        assert_eq!(of(500, 10_000, true), Span::from_secs(6));
    }

    /// S-65.
    #[test]
    fn every_longest_timeout_holds_and_a_second_more_does_not() {
        for keepalive in (100..4000).step_by(70).map(Span::from_millis) {
            for deadtime in (1000..90_000).step_by(777).map(Span::from_millis) {
                for pings in [false, true] {
                    let (timeout, stays) = (longest(keepalive, deadtime, pings), false);
                    let checked = |timeout| Watchdog { timeout, stays }.check(keepalive, deadtime, pings);
                    let long = |timeout| matches!(checked(timeout), Err(ConfigError::WatchdogLong { .. }));
                    let more = timeout.plus(Span::from_secs(1));
                    assert!(
                        timeout == Span::ZERO || !long(timeout),
                        "{keepalive} {deadtime} {pings}"
                    );
                    let short = more < keepalive.times(3);
                    assert!(short || long(more), "{keepalive} {deadtime} {pings}");
                    let real = |span: Span| f64::from(u32::try_from(span.as_millis()).unwrap());
                    let sum = 1.01 / 0.99 * real(timeout) + 100.0 + 1.01 * (real(keepalive) + 50.0);
                    assert!(timeout == Span::ZERO || sum <= real(deadtime), "T11");
                }
            }
        }
    }

    #[test]
    fn a_timeout_below_three_keepalives_or_too_long_is_refused_with_both_numbers() {
        let with = |seconds| {
            let (timeout, stays) = (Span::from_secs(seconds), false);
            let checked = Watchdog { timeout, stays }.check(Span::from_secs(1), Span::from_secs(20), false);
            checked.map_err(|error| std::format!("{error}"))
        };
        assert_eq!(with(3), Ok(()));
        assert_eq!(with(18), Ok(()));
        assert_eq!(
            with(2).unwrap_err(),
            "a watchdog's timeout of 2 s is shorter than three keepalives (3 s)"
        );
        assert_eq!(
            with(19).unwrap_err(),
            "a watchdog's timeout of 19 s needs a deadtime of 20.545 s or more, and deadtime is 20 s"
        );
    }
}
