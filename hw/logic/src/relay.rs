//! Which relay is energised: at most one, and never one right behind the other.
//!
//! Model: a relay at rest leaves its node powered, an energised one takes the power away, so that whatever happens to the
//! board gives power. A cut begins only while both relays have been at rest for [`GAP`]: contacts need time to fall back,
//! and a board that changes over must not have both nodes without power for a moment. In the pulse mode a cut ends by
//! itself at its limit, whatever the witness forgot; in the latch mode it ends when a person says so, or at a reset.

use ovzha_core::id::NodeId;
use ovzha_core::time::{Instant, Span};
use serde::{Deserialize, Serialize};

/// How long both relays rest between two cuts.
pub const GAP: Span = Span::from_millis(100);
/// How much longer than it was told a pulse may last.
const SPARE: Span = Span::from_secs(1);

/// When a cut ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Hold {
    /// After a time.
    Pulse,
    /// When a person restores the power.
    Latch,
}

/// Who says that a node gets its power back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum By {
    /// The witness, or a test that ended.
    Board,
    /// A person.
    Person,
}

/// The two relays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relays {
    hold: Hold,
    limit: Span,
    /// Whose relay is energised, and since when.
    cut: Option<(NodeId, Instant)>,
    /// Whose relay is to be, once the gap is over.
    wanted: Option<NodeId>,
    /// When the last cut ended.
    rested: Option<Instant>,
    refused: u32,
}

impl Relays {
    /// Both at rest.
    #[must_use]
    pub const fn new(hold: Hold, pulse: Span) -> Self {
        Self {
            hold,
            limit: pulse.plus(SPARE),
            cut: None,
            wanted: None,
            rested: None,
            refused: 0,
        }
    }

    /// Takes a node's power away, now or when the gap is over. False: refused, for the other one has none, or is about
    /// to have none.
    pub fn cut(&mut self, now: Instant, node: NodeId) -> bool {
        let busy = self.cut.map(|(node, _)| node).or(self.wanted);
        if node.0 > 1 || busy.is_some_and(|other| other != node) {
            self.refused = self.refused.saturating_add(1);
            return false;
        }
        if busy.is_none() {
            self.wanted = Some(node);
        }
        self.tick(now);
        true
    }

    /// Gives a node its power back; a latched cut ends only by a person.
    pub fn restore(&mut self, now: Instant, node: NodeId, by: By) {
        if self.wanted == Some(node) {
            self.wanted = None;
        }
        let latched = self.hold == Hold::Latch && by == By::Board;
        if self.is_cut(node) && !latched {
            self.rest(now);
        }
    }

    /// Only time has passed.
    pub fn tick(&mut self, now: Instant) {
        if let Some((_, since)) = self.cut
            && self.hold == Hold::Pulse
            && now.since(since) >= self.limit
        {
            self.rest(now);
        }
        let quiet = self.cut.is_none() && self.rested.is_none_or(|at| now.since(at) >= GAP);
        if quiet && let Some(node) = self.wanted.take() {
            self.cut = Some((node, now));
        }
    }

    /// Which relays are energised, by node.
    #[must_use]
    pub fn energised(&self) -> [bool; 2] {
        [self.is_cut(NodeId(0)), self.is_cut(NodeId(1))]
    }

    /// Whether this node's relay is energised.
    #[must_use]
    pub fn is_cut(&self, node: NodeId) -> bool {
        self.cut.is_some_and(|(cut, _)| cut == node)
    }

    /// Whether both relays are at rest, and stay so.
    #[must_use]
    pub const fn at_rest(&self) -> bool {
        self.cut.is_none() && self.wanted.is_none()
    }

    /// Cuts that were refused since the start.
    #[must_use]
    pub const fn refused(&self) -> u32 {
        self.refused
    }

    fn rest(&mut self, now: Instant) {
        self.cut = None;
        self.rested = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn a_pulse_ends_by_itself_even_if_nobody_says_so() {
        let mut relays = Relays::new(Hold::Pulse, Span::from_secs(4));
        assert!(relays.cut(at(0), A));
        assert_eq!(relays.energised(), [true, false]);
        relays.tick(at(4_999));
        assert_eq!(relays.energised(), [true, false]);
        relays.tick(at(5_000));
        assert_eq!(relays.energised(), [false, false]);
    }

    #[test]
    fn a_latched_cut_outlives_the_witness_and_ends_by_a_person() {
        let mut relays = Relays::new(Hold::Latch, Span::from_secs(4));
        assert!(relays.cut(at(0), B));
        relays.tick(at(1_000_000));
        relays.restore(at(1_000_000), B, By::Board);
        assert_eq!(relays.energised(), [false, true]);
        assert!(!relays.cut(at(1_000_001), A), "the other one has no power");
        relays.restore(at(1_000_002), B, By::Person);
        assert_eq!(relays.energised(), [false, false]);
    }

    #[test]
    fn the_other_relay_waits_until_the_first_has_fallen_back() {
        let mut relays = Relays::new(Hold::Pulse, Span::from_secs(4));
        assert!(relays.cut(at(0), A));
        relays.restore(at(1_000), A, By::Board);
        assert!(relays.cut(at(1_001), B), "it is taken, and waits");
        assert_eq!(relays.energised(), [false, false]);
        relays.tick(at(1_099));
        assert_eq!(relays.energised(), [false, false]);
        relays.tick(at(1_100));
        assert_eq!(relays.energised(), [false, true]);
    }

    #[test]
    fn a_cut_that_still_waits_can_be_taken_back() {
        let mut relays = Relays::new(Hold::Pulse, Span::from_secs(4));
        assert!(relays.cut(at(0), A));
        relays.restore(at(10), A, By::Board);
        assert!(relays.cut(at(11), B));
        assert!(!relays.cut(at(12), A), "one waits already");
        relays.restore(at(20), B, By::Board);
        relays.tick(at(5_000));
        assert!(relays.at_rest());
        assert_eq!(relays.refused(), 1);
    }

    /// Every order of up to seven commands, with time between them or not.
    #[test]
    fn never_both_whatever_is_said() {
        const SAID: u32 = 6;
        for hold in [Hold::Pulse, Hold::Latch] {
            for word in 0..SAID.pow(7) {
                let mut relays = Relays::new(hold, Span::from_millis(300));
                let (mut rest, mut now, mut before, mut fell) = (word, 0_u64, [false; 2], None);
                for _ in 0..7 {
                    match rest % SAID {
                        0 => drop(relays.cut(at(now), A)),
                        1 => drop(relays.cut(at(now), B)),
                        2 => relays.restore(at(now), A, By::Board),
                        3 => relays.restore(at(now), B, By::Person),
                        4 => now += 60,
                        _ => now += 700,
                    }
                    rest /= SAID;
                    relays.tick(at(now));
                    let levels = relays.energised();
                    assert_ne!(levels, [true, true], "both in {word}");
                    if before != [false; 2] && levels == [false; 2] {
                        fell = Some((before, now));
                    }
                    if let Some((whose, since)) = fell
                        && levels != [false; 2]
                        && levels != whose
                    {
                        assert!(now - since >= GAP.as_millis(), "make before break in {word}");
                    }
                    assert!(
                        before == [false; 2] || levels == [false; 2] || levels == before,
                        "no rest between two cuts in {word}"
                    );
                    before = levels;
                }
            }
        }
    }
}
