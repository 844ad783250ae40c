//! What the three lights show.
//!
//! ```text
//! state   short flash each second: it lends; slow blinking: it has just started and lends to nobody yet;
//!         fast blinking: not provisioned, or its flash does not count: it only forwards
//! node    lit: heard; dark: not; fast blinking: its power is taken away
//! ```

use ovzha_core::time::{Instant, Span};

/// A node that was heard so lately is heard.
const HEARD: Span = Span::from_secs(3);
const FAST_MS: u64 = 125;
const SLOW_MS: u64 = 500;
const FLASH_MS: u64 = 60;
const SECOND_MS: u64 = 1_000;

/// How the board stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It only forwards.
    Forwards,
    /// It lends to nobody yet.
    Waits,
    /// It lends.
    Lends,
}

/// The light of the board itself.
#[must_use]
pub fn state(now: Instant, standing: Standing) -> bool {
    match standing {
        Standing::Forwards => blinks(now, FAST_MS),
        Standing::Waits => blinks(now, SLOW_MS),
        Standing::Lends => now.as_millis().checked_rem(SECOND_MS).is_some_and(|ms| ms < FLASH_MS),
    }
}

/// The light of a node.
#[must_use]
pub fn node(now: Instant, silence: Option<Span>, cut: bool) -> bool {
    if cut {
        return blinks(now, FAST_MS);
    }
    silence.is_some_and(|span| span < HEARD)
}

fn blinks(now: Instant, half_ms: u64) -> bool {
    now.as_millis().checked_div(half_ms).is_some_and(|half| half & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lit(show: impl Fn(Instant) -> bool) -> usize {
        (0..2_000).filter(|ms| show(Instant::from_millis(*ms))).count()
    }

    #[test]
    fn what_they_show_can_be_told_apart() {
        assert_eq!(lit(|now| state(now, Standing::Lends)), 120);
        assert_eq!(lit(|now| state(now, Standing::Waits)), 1_000);
        assert_eq!(lit(|now| node(now, Some(Span::from_secs(2)), false)), 2_000);
        assert_eq!(lit(|now| node(now, None, false)), 0);
        let turns = |show: &dyn Fn(Instant) -> bool| {
            (1..2_000)
                .filter(|ms| show(Instant::from_millis(*ms)) != show(Instant::from_millis(*ms - 1)))
                .count()
        };
        assert_eq!(turns(&|now| state(now, Standing::Waits)), 3);
        assert_eq!(turns(&|now| state(now, Standing::Forwards)), 15);
        assert_eq!(turns(&|now| node(now, Some(Span::ZERO), true)), 15);
    }
}
