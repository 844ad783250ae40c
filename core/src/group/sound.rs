//! Whether a group contradicts itself: what must hold of its state, its steps and its tenure (SAFETY S-47).

use super::{Group, InFlight, State};
use crate::config::Kind;
use crate::decide::Why;
use crate::output::Op;
use crate::time::Instant;

impl Group {
    /// Whether the present phase has such a step.
    pub(super) fn has_step(&self, flight: &InFlight) -> bool {
        match flight.op {
            Op::Probe => matches!(self.state, State::Probing(_) | State::Idle | State::Claiming(_)),
            Op::Stop => matches!(self.state, State::Stopping(..)),
            // begun while active, and given up by whatever came then
            Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => true,
            // a start that was given up ends while the group is being stopped
            Op::Start => match self.state {
                State::Starting(resource, _) => resource == flight.resource,
                State::Stopping(..) => true,
                State::Probing(_)
                | State::Idle
                | State::Partial
                | State::Claiming(_)
                | State::Active
                | State::Stuck(..) => false,
            },
        }
    }

    /// Whether what may be running fits the phase: nothing where nothing runs, something where it does.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self.state {
            State::Idle => self.running == 0,
            State::Active | State::Partial => self.running != 0,
            State::Starting(resource, _) => resource <= self.len(),
            State::Probing(_) | State::Claiming(_) | State::Stopping(..) | State::Stuck(..) => true,
        }
    }

    /// Nothing of it is being started, or runs by our doing: what comes next would be a takeover.
    pub(crate) const fn is_to_begin(&self) -> bool {
        match self.state {
            State::Probing(_) | State::Idle | State::Partial | State::Claiming(_) => true,
            State::Starting(..) | State::Active | State::Stopping(..) | State::Stuck(..) => false,
        }
    }

    /// A part of it starts again, in the run that has begun.
    pub(crate) const fn restarts(&self) -> bool {
        self.part.is_some()
    }

    /// Some of it was found running, or may run.
    pub(crate) const fn may_run(&self) -> bool {
        self.running != 0
    }

    /// The next step of its start promotes DRBD.
    pub(crate) fn is_to_promote(&self) -> bool {
        let State::Starting(resource, _) = self.state else {
            return false;
        };
        self.flight.is_none() && self.kind(resource) == Kind::Drbd
    }

    /// Whether its next step may be taken after a bug: a probe changes nothing, and a stop may be a must.
    #[must_use]
    pub const fn may_step(&self, must_stop: bool) -> bool {
        match self.state {
            State::Starting(..) => false,
            State::Stopping(why, _) => must_stop || matches!(why, Why::Isolated | Why::Stopping),
            State::Probing(_)
            | State::Idle
            | State::Partial
            | State::Claiming(_)
            | State::Active
            | State::Stuck(..) => true,
        }
    }

    /// What runs is to be found out anew.
    pub fn look(&mut self, now: Instant) {
        (self.unclear, self.recheck, self.part) = (false, None, None);
        self.running &= self.all();
        self.enter(now, State::Probing(0));
    }

    /// Whether the next start's tenure would be no greater than those before.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        let newest = self.durable.run.max(self.durable.known);
        newest.next() == newest
    }

    /// A state that can't be, to see that it is noticed.
    #[cfg(test)]
    pub(crate) fn forge(&mut self, state: State, running: u16) {
        (self.state, self.running) = (state, running);
    }
}
