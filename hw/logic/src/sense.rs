//! Whether a node has power, by an input that may bounce, hang in the air, or lie.
//!
//! Model: a high level means power. Power is believed at once; its loss only once the level was low for [`SETTLE`], for a
//! power supply holds on for a while. A torn wire looks like lost power, and would be the worst lie there is: the
//! other node would be let in. So a node that is heard for [`LIE`] behind the fall has power whatever its input says, and
//! its input counts for nothing until it is high again.

use ovzha_core::time::{Instant, Span};
use ovzha_core::witness::Power;

/// How long the level must have been low.
pub const SETTLE: Span = Span::from_millis(300);
/// A frame so long behind the fall was sent with power: the longest that one is under way on a serial line and in the queues.
pub const LIE: Span = Span::from_secs(2);

/// One node's input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sense {
    wired: bool,
    low_since: Option<Instant>,
    /// What was told last.
    told: Power,
    lies: bool,
}

impl Sense {
    /// Not read yet.
    #[must_use]
    pub const fn new(wired: bool) -> Self {
        Self {
            wired,
            low_since: None,
            told: Power::Unknown,
            lies: false,
        }
    }

    /// The level was read; `heard`: when the node was last believed.
    pub fn read(&mut self, now: Instant, high: bool, heard: Option<Instant>) -> Power {
        self.told = self.judge(now, high, heard);
        self.told
    }

    /// What was read last.
    #[must_use]
    pub const fn power(&self) -> Power {
        self.told
    }

    /// The node was heard while its input said that it has no power.
    #[must_use]
    pub const fn lies(&self) -> bool {
        self.lies
    }

    fn judge(&mut self, now: Instant, high: bool, heard: Option<Instant>) -> Power {
        if !self.wired {
            return Power::Unknown;
        }
        if high {
            (self.low_since, self.lies) = (None, false);
            return Power::On;
        }
        let since = *self.low_since.get_or_insert(now);
        if heard.is_some_and(|at| at >= since.after(LIE)) {
            self.lies = true;
        }
        if self.lies {
            return Power::Unknown;
        }
        if now.since(since) >= SETTLE {
            Power::Off
        } else {
            self.told
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn an_input_that_is_not_wired_says_nothing() {
        let mut sense = Sense::new(false);
        assert_eq!(sense.read(at(0), true, None), Power::Unknown);
        assert_eq!(sense.read(at(9_000), false, None), Power::Unknown);
    }

    #[test]
    fn lost_power_is_believed_when_it_stays_lost() {
        let mut sense = Sense::new(true);
        assert_eq!(sense.read(at(0), true, None), Power::On);
        assert_eq!(sense.read(at(10), false, None), Power::On);
        assert_eq!(sense.read(at(20), true, None), Power::On, "it bounced");
        assert_eq!(sense.read(at(30), false, None), Power::On);
        assert_eq!(sense.read(at(329), false, None), Power::On);
        assert_eq!(sense.read(at(330), false, None), Power::Off);
        assert_eq!(sense.read(at(331), true, None), Power::On, "power is believed at once");
    }

    #[test]
    fn nothing_is_known_of_an_input_that_was_never_high_until_it_settled() {
        let mut sense = Sense::new(true);
        assert_eq!(sense.read(at(0), false, None), Power::Unknown);
        assert_eq!(sense.read(at(300), false, None), Power::Off);
    }

    #[test]
    fn a_node_that_is_heard_has_power_whatever_its_wire_says() {
        let mut sense = Sense::new(true);
        sense.read(at(0), true, Some(at(0)));
        sense.read(at(100), false, Some(at(90)));
        assert_eq!(sense.read(at(400), false, Some(at(90))), Power::Off);
        // what was under way when it fell proves nothing
        assert_eq!(sense.read(at(2_000), false, Some(at(1_900))), Power::Off);
        assert_eq!(sense.read(at(2_200), false, Some(at(2_100))), Power::Unknown);
        assert!(sense.lies());
        assert_eq!(
            sense.read(at(60_000), false, Some(at(2_100))),
            Power::Unknown,
            "until it is high"
        );
        assert_eq!(sense.read(at(60_001), true, None), Power::On);
        assert!(!sense.lies());
    }
}
