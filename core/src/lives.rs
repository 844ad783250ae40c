//! Which life of another station is believed (LEASE F1, F2).
//!
//! A frame of the known life is believed if its number is the highest yet. A frame of another life is believed only
//! if it echoes *our* present life with a number above the one our frames had when we last believed the known life;
//! after our own start any echo of our life is enough. What is not believed changes counters and what we echo, nothing
//! else, so a recording of an earlier life has no effect.

use heapless::Vec;

use crate::id::{BootId, Sequence};
use crate::message::Echo;
use crate::queue::pop_front;
use crate::time::{Instant, Span};

/// Unproved lives that are echoed in turn, so that the real one among them can prove itself.
const CANDIDATES: usize = 3;

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Belief {
    /// New word of the life we know.
    Known,
    /// A new life proved itself.
    NewLife,
    /// A life that has proved nothing yet.
    Unproved,
    /// Nothing new: a copy over another link, a duplicate or a replay.
    Old,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
struct Life {
    boot: BootId,
    highest: Sequence,
    /// Our newest frame's number when this life was last believed.
    floor: Sequence,
}

/// The lives of one other station.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Lives {
    known: Option<Life>,
    candidates: Vec<(Echo, Instant), CANDIDATES>,
}

impl Lives {
    /// None heard yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            known: None,
            candidates: Vec::new(),
        }
    }

    /// The life we believe.
    #[must_use]
    pub fn boot(&self) -> Option<BootId> {
        self.known.map(|life| life.boot)
    }

    /// The newest frame that was believed.
    #[must_use]
    pub fn newest(&self) -> Option<Echo> {
        self.known.map(|life| Echo {
            boot: life.boot,
            sequence: life.highest,
        })
    }

    /// What a frame over a link that has carried `turn` frames before echoes: the known life and those that try to prove
    /// themselves, in turn on each link, so that a link that is dead takes the turn of none.
    pub fn echo(&mut self, now: Instant, forget: Span, turn: u8) -> Echo {
        self.candidates.retain(|(_, at)| now.since(*at) < forget);
        let known = self.newest();
        let slots = self.candidates.len().saturating_add(usize::from(known.is_some()));
        self.candidates
            .get(usize::from(turn).checked_rem(slots).unwrap_or(0))
            .map(|(echo, _)| *echo)
            .or(known)
            .unwrap_or(Echo::NOBODY)
    }

    /// Judges an authentic frame. `echo` is what it echoes, if it can be read at all.
    pub fn judge(
        &mut self,
        now: Instant,
        (boot, sequence): (BootId, Sequence),
        echo: Option<Echo>,
        (me, mine): (BootId, Sequence),
    ) -> Belief {
        if let Some(life) = self.known.as_mut().filter(|life| life.boot == boot) {
            if sequence <= life.highest {
                return Belief::Old;
            }
            life.highest = sequence;
            life.floor = mine;
            return Belief::Known;
        }
        let floor = self.known.map_or(Sequence(0), |life| life.floor);
        if echo.is_some_and(|echo| echo.boot == me && echo.sequence > floor && echo.sequence <= mine) {
            self.known = Some(Life {
                boot,
                highest: sequence,
                floor: mine,
            });
            self.candidates.clear();
            return Belief::NewLife;
        }
        self.consider(now, Echo { boot, sequence });
        Belief::Unproved
    }

    fn consider(&mut self, now: Instant, echo: Echo) {
        if let Some(seen) = self.candidates.iter_mut().find(|(seen, _)| seen.boot == echo.boot) {
            if echo.sequence > seen.0.sequence {
                *seen = (echo, now);
            }
            return;
        }
        if self.candidates.is_full() {
            pop_front(&mut self.candidates);
        }
        let full = self.candidates.push((echo, now));
        debug_assert!(full.is_ok(), "one was just removed if there was no room");
    }

    /// Drops what unproved lives left behind.
    pub(crate) fn forget_candidates(&mut self) {
        self.candidates.clear();
    }

    /// Whether a frame of this life would be news (a life that proved nothing is answered early once).
    #[must_use]
    pub fn is_new_candidate(&self, boot: BootId) -> bool {
        self.boot() != Some(boot) && !self.candidates.iter().any(|(echo, _)| echo.boot == boot)
    }
}
