//! Watches the resources of an active group: when each is looked at, what was found, and what that calls for.
//!
//! A look is an effect like any other, one at a time; whatever else must begin abandons it. What it finds is
//! remembered until a later look finds something else, so that losing one changes nothing, and so that a hold keeps
//! things as they are without forgetting why:
//!
//! ```text
//! runs                       -> well
//! does not run, runs in part -> bad: restarted here once, handed over when it turns bad again soon (SAFETY S-54)
//! failed to tell, timed out  -> unsure, and bad the second time in a row
//! not possible now           -> no news; so is a time-out while DRBD's I/O is suspended
//! child can't be killed      -> stuck: nobody looks any more until it is gone
//! ```

use heapless::Vec;

use super::{Group, Part, State, Turn, bit};
use crate::decide::{Ailing, Why};
use crate::event::Outcome;
use crate::gather::gather;
use crate::id::RESOURCES_MAX;
use crate::time::{Instant, Span};

/// A resource that turns bad sooner after a restart turned bad again.
pub const AGAIN: Span = Span::from_secs(600);
/// From the end of one restart to the next while the peer can't take the group.
pub const PACE: Span = Span::from_secs(120);

/// What is known from looking.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Monitors {
    /// Seconds from one look to the next; 0: never.
    every: Vec<u16, RESOURCES_MAX>,
    due: Vec<Instant, RESOURCES_MAX>,
    bad: u16,
    unsure: u16,
    blind: u16,
    /// To be looked at before anything is done about what stands right of them.
    verify: u16,
    /// When the last restart in place ended, well or not.
    restarted: Option<Instant>,
    /// The part that was to be restarted won't stop.
    gave_up: bool,
}

impl Monitors {
    pub(super) fn new(every: &Vec<u16, RESOURCES_MAX>, resources: usize, now: Instant) -> Self {
        Self {
            every: every.clone(),
            due: gather((0..resources).map(|_| now)),
            bad: 0,
            unsure: 0,
            blind: 0,
            verify: 0,
            restarted: None,
            gave_up: false,
        }
    }

    fn every(&self, resource: u8) -> Option<Span> {
        let seconds = self.every.get(usize::from(resource)).copied().unwrap_or(0);
        (seconds > 0).then(|| Span::from_secs(u64::from(seconds)))
    }

    /// The looks at what may run, with when each is due.
    fn looks(&self, running: u16) -> impl Iterator<Item = (u8, Instant)> + '_ {
        (0_u8..)
            .zip(self.due.iter().copied())
            .filter(move |(resource, _)| running & bit(*resource) != 0 && self.every(*resource).is_some())
    }

    fn put_off(&mut self, now: Instant, resource: u8) {
        let at = now.after(self.every(resource).unwrap_or(Span::ZERO));
        if let Some(due) = self.due.get_mut(usize::from(resource)) {
            *due = at;
        }
    }

    /// A group that was started as a whole, or found running, has no history.
    pub(super) const fn forget(&mut self) {
        (self.bad, self.unsure, self.blind, self.verify) = (0, 0, 0, 0);
        self.restarted = None;
        self.gave_up = false;
    }

    /// The next failure counts as the first.
    pub(super) const fn forgive(&mut self) {
        self.restarted = None;
    }

    /// The part from `resource` on is begun anew: what was found of it is void.
    pub(super) fn part_stopped(&mut self, resource: u8) {
        let kept = bit(resource).wrapping_sub(1);
        self.bad &= kept;
        self.unsure &= kept;
        self.blind &= kept;
        self.verify = 0;
    }

    /// A restart in place ended.
    pub(super) const fn part_ended(&mut self, now: Instant) {
        self.restarted = Some(now);
        self.gave_up = false;
    }

    /// The part won't stop.
    pub(super) const fn part_stays(&mut self) {
        self.gave_up = true;
    }

    /// The first looks come an interval after the group became active.
    pub(super) fn begin(&mut self, now: Instant) {
        for resource in (0_u8..).take(self.due.len()) {
            self.put_off(now, resource);
        }
    }

    /// What stands left of a resource that turned bad is looked at now.
    fn look_left(&mut self, now: Instant, resource: u8, watched: u16) {
        let left = self.looks(watched).filter(|(left, _)| *left < resource);
        self.verify = left.fold(0, |mask, (left, _)| mask | bit(left));
        for (place, due) in (0_u8..).zip(self.due.iter_mut()) {
            if self.verify & bit(place) != 0 {
                *due = now;
            }
        }
    }

    /// Takes in what was found; true if that is news. `suspended`: DRBD keeps I/O waiting.
    fn found(&mut self, resource: u8, outcome: Outcome, suspended: bool) -> bool {
        let bit = bit(resource);
        let before = (self.bad, self.unsure, self.blind);
        let doubted = (self.bad | self.unsure) & bit != 0;
        match outcome {
            Outcome::Blocked | Outcome::Stuck => self.blind |= bit,
            Outcome::TimedOut if suspended => self.blind |= bit,
            Outcome::Done | Outcome::Degraded => {
                self.bad &= !bit;
                self.unsure &= !bit;
                self.blind &= !bit;
            }
            Outcome::Failed | Outcome::Unfit | Outcome::TimedOut if !doubted => {
                self.unsure |= bit;
                self.blind &= !bit;
            }
            Outcome::NotRunning | Outcome::Partial | Outcome::Failed | Outcome::Unfit | Outcome::TimedOut => {
                self.bad |= bit;
                self.unsure &= !bit;
                self.blind &= !bit;
            }
        }
        before != (self.bad, self.unsure, self.blind)
    }
}

impl Group {
    /// The resource to look at now.
    pub(super) fn next_look(&self, now: Instant) -> Option<u8> {
        if self.stuck != 0 {
            return None;
        }
        let due = self.monitors.looks(self.watched()).filter(|(_, due)| *due <= now);
        due.min_by_key(|(_, due)| *due).map(|(resource, _)| resource)
    }

    fn watched(&self) -> u16 {
        self.running & self.all()
    }

    /// When the next look or the next try is due.
    pub(super) fn look_deadline(&self) -> Option<Instant> {
        if self.state != State::Active {
            return None;
        }
        let look = self.monitors.looks(self.watched()).map(|(_, due)| due).min();
        let retry = self.monitors.restarted.map(|at| at.after(PACE));
        let retry = retry.filter(|_| self.ailing_from().is_some());
        [look.filter(|_| self.stuck == 0), retry].into_iter().flatten().min()
    }

    /// The leftmost resource of an active group that does not do what it should.
    fn ailing_from(&self) -> Option<u8> {
        let ailing = self.monitors.bad | (self.all() & !self.running);
        (0..self.len()).find(|resource| ailing & bit(*resource) != 0)
    }

    /// Whether and how urgently something is to be done about an active group.
    #[must_use]
    pub fn ailing(&self, now: Instant) -> Ailing {
        if let State::Stopping(..) = self.state {
            let gave_up = self.part.is_some() && self.monitors.gave_up;
            return if gave_up { Ailing::Again } else { Ailing::Well };
        }
        let Some(from) = self.ailing_from().filter(|_| self.state == State::Active) else {
            return if self.state == State::Active && self.stuck != 0 {
                Ailing::Stuck
            } else {
                Ailing::Well
            };
        };
        if self.stuck != 0 {
            return Ailing::Stuck;
        }
        // a resource may have failed for want of one to its left: those are looked at first
        if self.monitors.verify & bit(from).wrapping_sub(1) != 0 {
            return Ailing::Well;
        }
        match self.monitors.restarted.map(|at| now.since(at)) {
            None => Ailing::Once,
            Some(span) if span >= AGAIN => Ailing::Once,
            Some(span) if span >= PACE => Ailing::Due,
            Some(_) => Ailing::Again,
        }
    }

    /// A look ended; true if it found something new.
    pub(super) fn looked(&mut self, now: Instant, resource: u8, outcome: Outcome, abandoned: bool) -> bool {
        self.monitors.put_off(now, resource);
        self.monitors.verify &= !bit(resource);
        if outcome == Outcome::Stuck {
            self.stuck |= bit(resource);
        }
        if abandoned || self.state != State::Active {
            return outcome == Outcome::Stuck;
        }
        let suspended = self.drbd.is_some_and(|(drbd, _)| drbd.suspended);
        let before = self.degraded;
        if outcome == Outcome::Degraded {
            self.degraded |= bit(resource);
        } else if outcome == Outcome::Done {
            self.degraded &= !bit(resource);
        }
        let news = self.monitors.found(resource, outcome, suspended) || before != self.degraded;
        if news && self.monitors.bad & bit(resource) != 0 {
            self.monitors.look_left(now, resource, self.running & self.all());
        }
        news
    }

    /// Begins to restart what fails and what stands right of it.
    pub fn restart(&mut self, now: Instant, why: Why) {
        let Some(from) = self.ailing_from() else { return };
        if let Some(flight) = &mut self.flight {
            flight.abandon = true;
        }
        self.part = Some(Part::Restart(from));
        self.enter(now, State::Stopping(why, 0));
    }

    /// What follows when the part that was to be stopped is.
    pub(super) fn part_stopped(&mut self, now: Instant, part: Part) -> Turn {
        let from = part.from();
        self.monitors.part_stopped(from);
        self.degraded &= bit(from).wrapping_sub(1);
        match part {
            Part::Restart(_) => {
                self.enter(now, State::Starting(from, Why::MonitorFailed));
                Turn::Phase(Why::MonitorFailed)
            }
            Part::Leave(_) if self.running & self.all() == 0 => {
                // nothing stands left of it: a failed start like any other
                self.part = None;
                self.enter(now, State::Stopping(Why::StartFailed, 0));
                Turn::Phase(Why::StartFailed)
            }
            Part::Leave(_) => {
                self.part = None;
                self.monitors.part_ended(now);
                self.monitors.begin(now);
                self.enter(now, State::Active);
                Turn::Phase(Why::RestartFailed)
            }
        }
    }

    /// The start of a part failed: it is left stopped, and the rest runs on.
    pub(super) fn part_failed(&mut self, now: Instant, resource: u8) -> Turn {
        self.part = Some(Part::Leave(resource));
        self.enter(now, State::Stopping(Why::RestartFailed, 0));
        Turn::Phase(Why::RestartFailed)
    }
}
