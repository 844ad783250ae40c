//! Finds out what of a group runs here, before anything is started.

use super::{Group, LOOK_AGAIN, State, Turn, bit};
use crate::config::Kind;
use crate::decide::Why;
use crate::event::Outcome;
use crate::id::Tenure;
use crate::output::Op;
use crate::time::Instant;

impl Group {
    pub(super) fn look_again(&mut self, now: Instant) -> Option<(u8, Op)> {
        let from = match (self.recheck, self.unfit) {
            (Some(from), _) => from,
            (None, Some(at)) if now >= at => 0,
            (None, _) => return None,
        };
        let next = (from..self.len()).find(|resource| self.kind(*resource) != Kind::Notice);
        self.recheck = next;
        if next.is_none() {
            self.unfit = None;
        }
        next.map(|resource| (resource, Op::Probe))
    }

    /// A look whether the group can run here finds that some of it does.
    fn found_running(&mut self, now: Instant) {
        if matches!(self.state, State::Claiming(..)) {
            self.withdraw_data();
        }
        self.unfit = None;
        self.look(now);
    }

    pub(super) fn probed(&mut self, now: Instant) -> Turn {
        let (state, why) = if self.running == 0 {
            (State::Idle, Why::NotRunning)
        } else if self.running == self.all() && !self.unclear {
            (State::Active, Why::Adopted)
        } else {
            (State::Partial, Why::Partial)
        };
        if state == State::Active {
            // the peer may have taken over while nobody here looked after it; its notices are owed a stop
            self.doubtful = true;
            self.guest = true;
            self.running = self.everything();
            self.monitors.forget();
            self.monitors.begin(now);
            if self.durable.run == Tenure(0) {
                self.durable.run = self.durable.known.next();
            }
        }
        self.enter(now, state);
        Turn::Phase(why)
    }

    pub(super) fn probe_done(&mut self, now: Instant, resource: u8, outcome: Outcome) -> Turn {
        let next = resource.saturating_add(1);
        if let Some(from) = &mut self.recheck {
            *from = next;
            match outcome {
                Outcome::Unfit => {
                    self.unfit = Some(now.after(LOOK_AGAIN));
                    self.recheck = None;
                }
                // left by a stop that failed, or started by a person
                Outcome::Done | Outcome::Degraded => self.found_running(now),
                Outcome::NotRunning
                | Outcome::Partial
                | Outcome::Failed
                | Outcome::TimedOut
                | Outcome::Blocked
                | Outcome::Stuck => {}
            }
            return Turn::None;
        }
        match outcome {
            Outcome::Done => self.running |= bit(resource),
            Outcome::Degraded => {
                self.running |= bit(resource);
                self.degraded |= bit(resource);
            }
            Outcome::NotRunning => self.running &= !bit(resource),
            Outcome::Unfit => {
                self.running &= !bit(resource);
                self.unfit = Some(now.after(LOOK_AGAIN));
            }
            // unknown counts as running, and as not whole
            Outcome::Partial | Outcome::Failed | Outcome::TimedOut | Outcome::Blocked | Outcome::Stuck => {
                self.running |= bit(resource);
                self.unclear = true;
            }
        }
        if let State::Probing(_) = self.state {
            self.state = State::Probing(next);
        }
        Turn::None
    }
}
