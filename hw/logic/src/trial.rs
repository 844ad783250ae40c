//! A relay's trial by an admin: cut, look, restore, look.
//!
//! Only a node that is not heard is cut: its daemon is to be stopped before. What the sense input says before, during
//! and behind the cut is the whole outcome; the admin judges it.

use ovzha_core::id::NodeId;
use ovzha_core::time::{Instant, Span};
use ovzha_core::witness::Power;
use serde::{Deserialize, Serialize};

/// A node that was heard so lately, or within three keepalives, is not cut for a trial.
pub const QUIET: Span = Span::from_secs(5);
/// How long is looked behind the cut.
const BEHIND: Span = Span::from_secs(3);

/// What the sense input of a node says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Seen {
    /// There is none, or nothing is known.
    Unknown,
    /// Power.
    On,
    /// No power.
    Off,
}

impl From<Power> for Seen {
    fn from(power: Power) -> Self {
        match power {
            Power::Unknown => Self::Unknown,
            Power::On => Self::On,
            Power::Off => Self::Off,
        }
    }
}

/// How it went, or goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// Whose relay.
    pub node: u8,
    /// It has ended.
    pub done: bool,
    /// What the input said before.
    pub before: Seen,
    /// At the end of the cut.
    pub during: Seen,
    /// At the end.
    pub after: Seen,
}

/// One that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Running {
    trial: Trial,
    began: Instant,
    off_for: Span,
    restored: bool,
}

/// What is to be done with the relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing for now.
    Wait,
    /// Give the power back.
    Restore(NodeId),
    /// It has ended.
    Done(Trial),
}

impl Running {
    /// The relay was energised just now.
    #[must_use]
    pub fn new(now: Instant, node: NodeId, off_for: Span, before: Power) -> Self {
        Self {
            trial: Trial {
                node: node.0,
                done: false,
                before: before.into(),
                during: Seen::Unknown,
                after: Seen::Unknown,
            },
            began: now,
            off_for,
            restored: false,
        }
    }

    /// What is known so far.
    #[must_use]
    pub const fn trial(&self) -> Trial {
        self.trial
    }

    /// Time has passed; `power`: what the node's input says now.
    pub fn step(&mut self, now: Instant, power: Power) -> Step {
        let since = now.since(self.began);
        if !self.restored {
            self.trial.during = power.into();
            if since < self.off_for {
                return Step::Wait;
            }
            self.restored = true;
            return Step::Restore(NodeId(self.trial.node));
        }
        self.trial.after = power.into();
        if since < self.off_for.plus(BEHIND) {
            return Step::Wait;
        }
        self.trial.done = true;
        Step::Done(self.trial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_input_said_before_during_and_behind_the_cut_is_the_outcome() {
        let at = Instant::from_millis;
        let mut running = Running::new(at(0), NodeId(1), Span::from_secs(4), Power::On);
        assert_eq!(running.step(at(10), Power::On), Step::Wait, "a supply holds on");
        assert_eq!(running.step(at(3_999), Power::Off), Step::Wait);
        assert_eq!(running.step(at(4_000), Power::Off), Step::Restore(NodeId(1)));
        assert_eq!(running.step(at(4_010), Power::Off), Step::Wait, "it is told once");
        assert!(!running.trial().done);
        let outcome = Trial {
            node: 1,
            done: true,
            before: Seen::On,
            during: Seen::Off,
            after: Seen::On,
        };
        assert_eq!(running.step(at(7_000), Power::On), Step::Done(outcome));
    }
}
