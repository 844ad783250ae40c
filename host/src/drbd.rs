//! DRBD as a resource of a group, through its own tools.
//!
//! A change counts once it is read back, never by an exit code. No force flag is ever used: what DRBD refuses stays
//! refused, with the refusal sorted into "not now" (the peer is Primary, fencing has not answered) and "no" (no current
//! data). Nothing here discards data, connects what DRBD has disconnected, or writes metadata anew.
//!
//! ```text
//! texts: answers proc status json events gi  --->  words, state        what DRBD said, as one type
//!                                                    |
//! look (once)   watch (all the time)  <--------------+
//! bring_up   promote   demote   order (outdate, resume)   refusal      what is done to it
//! ```
mod answers;
mod bring_up;
mod demote;
mod events;
mod follow;
mod gi;
mod json;
mod look;
mod objects;
mod order;
mod proc;
mod promote;
mod refusal;
mod state;
mod status;
pub mod teller;
mod told;
pub mod watch;
mod words;

use crate::agent::{Answer, Exit, Op};
use crate::program::{self, Deadline};
pub use answers::{is_not_configured, parse_cstate, parse_dstate, parse_role};
pub use events::{Events, Seen};
pub use gi::parse_gi;
pub use json::parse_json;
pub use order::{Order, order};
pub use proc::{Proc, parse_proc};
pub use state::State;
pub use status::parse_status;
use std::path::PathBuf;
use std::time::Duration;
pub use told::for_core;
pub use words::{Connection, Disk, Generation, ParseError, Proof, Resync, Role, Suspended};

/// Between two tries, and between two looks. What a try has asked the peer is answered or given up in this time: it is
/// DRBD's own `ping-timeout` (unless set otherwise).
const RETRY: Duration = Duration::from_millis(500);

/// Pauses before another try or look, if there is time left for one.
fn again(deadline: Deadline) -> bool {
    deadline.remaining() > RETRY.saturating_mul(2) && deadline.pause(RETRY)
}

/// One resource on this machine.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The `drbdadm` program.
    pub drbdadm: PathBuf,
    /// The `drbdsetup` program; need not exist.
    pub drbdsetup: PathBuf,
    /// The `modprobe` program; need not exist.
    pub modprobe: PathBuf,
    /// DRBD's own state file.
    pub proc_drbd: PathBuf,
    /// The resource's name in drbd.conf.
    pub name: String,
}

/// Why a state can't be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoState {
    /// The resource is defined, and down.
    Down(String),
    /// DRBD isn't loaded.
    NotLoaded(String),
    /// drbd.conf doesn't know the name.
    Undefined(String),
    /// drbdadm failed otherwise, or said something unknown.
    Failed(String),
}

impl NoState {
    fn unread(error: &ParseError) -> NoState {
        NoState::Failed(error.to_string())
    }

    fn into_answer(self) -> Answer {
        match self {
            NoState::Down(reason) | NoState::NotLoaded(reason) | NoState::Undefined(reason) => Answer::unfit(reason),
            NoState::Failed(reason) => Answer::failed(reason),
        }
    }

    fn reason(self) -> String {
        let (NoState::Down(reason) | NoState::NotLoaded(reason) | NoState::Undefined(reason) | NoState::Failed(reason)) =
            self;
        reason
    }
}

/// Runs one operation of `datadisk RES` or `drbddisk RES`; several resources may be observed together, as the worst of
/// them.
#[must_use]
pub fn operate(op: Op, args: &[&str], deadline: Deadline) -> Answer {
    match args {
        [name] => one(name).map_or_else(|answer| answer, |resource| resource.operate(op, deadline)),
        [_, _, ..] if op == Op::Observe => {
            let states = args
                .iter()
                .map(|name| one(name)?.state(deadline).map_err(NoState::into_answer));
            observe_all(states)
        }
        _ => Answer::unfit("datadisk wants one argument, the name of the DRBD resource"),
    }
}

/// The worst of several states; one that can't be told leaves the whole untold.
fn observe_all(states: impl Iterator<Item = Result<State, Answer>>) -> Answer {
    let mut worst: Option<State> = None;
    for state in states {
        match state {
            Ok(state) => worst = Some(worst.map_or(state, |worst| worst.worse(state))),
            Err(answer) => return answer,
        }
    }
    worst.map_or_else(|| Answer::unfit("no DRBD resource"), observed)
}

fn observed(state: State) -> Answer {
    Answer {
        exit: Exit::Done,
        reason: state.to_string(),
        output: format!("{state}\n"),
    }
}

/// The resource called `name` on this machine.
fn one(name: &str) -> Result<Resource, Answer> {
    if name.starts_with('-') || name == "all" {
        return Err(Answer::unfit(format!("{name:?} is no name of one DRBD resource")));
    }
    let Some(drbdadm) = program::find("drbdadm") else {
        return Err(Answer::unfit(format!(
            "drbdadm is not installed (looked in {})",
            program::PATH
        )));
    };
    let tool = |name: &str| program::find(name).unwrap_or_else(|| PathBuf::from(name));
    Ok(Resource {
        drbdadm,
        drbdsetup: tool("drbdsetup"),
        modprobe: tool("modprobe"),
        proc_drbd: PathBuf::from("/proc/drbd"),
        name: name.to_owned(),
    })
}

impl Resource {
    /// Runs one operation.
    #[must_use]
    pub fn operate(&self, op: Op, deadline: Deadline) -> Answer {
        match op {
            Op::Start => self.start(deadline),
            Op::Stop => self.stop(deadline),
            Op::Probe => self.probe(deadline),
            Op::Monitor => self.monitor(deadline),
            Op::Observe => match self.state(deadline) {
                Ok(state) => observed(state),
                Err(error) => error.into_answer(),
            },
        }
    }

    fn probe(&self, deadline: Deadline) -> Answer {
        match self.role(deadline) {
            Ok((Role::Primary, _)) => Answer::done(format!("{} is Primary", self.name)),
            Ok((Role::Secondary, _)) => Answer::new(Exit::NotRunning, format!("{} is Secondary", self.name)),
            Ok((Role::Unknown, _)) => Answer::new(Exit::Unclear, format!("{} has no known role", self.name)),
            Err(NoState::Down(reason)) => Answer::new(Exit::NotRunning, reason),
            // it runs nowhere here, and never will unless the module can be loaded
            Err(NoState::NotLoaded(reason)) if self.is_loadable(deadline) => Answer::new(Exit::NotRunning, reason),
            Err(error) => error.into_answer(),
        }
    }

    /// Whether it is still Primary, with a disk. DRBD leaves that role for nobody while the device is open, so words
    /// that drbdadm can't find (a `drbd.conf` that somebody is editing) are told and no reason to stop anything.
    fn monitor(&self, deadline: Deadline) -> Answer {
        let state = match self.state(deadline) {
            Ok(state) => state,
            Err(NoState::Down(reason)) => return Answer::new(Exit::NotRunning, reason),
            Err(NoState::NotLoaded(reason) | NoState::Undefined(reason) | NoState::Failed(reason)) => {
                return Answer::new(Exit::Degraded, format!("{} can't be looked at: {reason}", self.name));
            }
        };
        let (exit, reason) = match (state.role, state.disk) {
            (Role::Secondary, _) => (Exit::NotRunning, format!("{} is Secondary", self.name)),
            (Role::Unknown, _) => (Exit::Degraded, format!("{} has no known role", self.name)),
            (Role::Primary, Disk::Diskless | Disk::Failed | Disk::Detaching) => {
                let text = format!("{} is Primary without a local disk ({})", self.name, state.disk);
                (Exit::Degraded, text)
            }
            (Role::Primary, _) => (Exit::Done, format!("{} is Primary", self.name)),
        };
        Answer {
            output: format!("{state}\n"),
            ..Answer::new(exit, reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(line: &str) -> State {
        State::parse_observed(line).unwrap()
    }

    #[test]
    fn several_resources_are_as_good_as_their_worst() {
        let good = "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate";
        for (other, told) in [
            (good, good),
            (
                "role=Secondary/Primary cstate=Connected dstate=UpToDate/UpToDate",
                "role=Secondary/Primary cstate=Connected dstate=UpToDate/UpToDate",
            ),
            (
                "role=Primary/Unknown cstate=StandAlone dstate=UpToDate/Outdated",
                "role=Primary/Unknown cstate=StandAlone dstate=UpToDate/Outdated",
            ),
            (
                "role=Primary/Secondary cstate=SyncTarget dstate=Inconsistent/UpToDate",
                "role=Primary/Secondary cstate=SyncTarget dstate=Inconsistent/UpToDate",
            ),
        ] {
            for pair in [[good, other], [other, good]] {
                let answer = observe_all(pair.iter().map(|line| Ok(state(line))));
                assert_eq!(answer.output.trim_end(), told);
            }
        }
        // the worst of each, from different resources
        let lines = [
            "role=Primary/Secondary cstate=WFConnection dstate=UpToDate/DUnknown",
            "role=Secondary/Secondary cstate=Connected dstate=Outdated/UpToDate",
        ];
        let answer = observe_all(lines.iter().map(|line| Ok(state(line))));
        assert_eq!(
            answer.output,
            "role=Secondary/Secondary cstate=WFConnection dstate=Outdated/DUnknown\n"
        );
    }

    #[test]
    fn one_that_cannot_be_told_leaves_the_whole_untold() {
        let good = "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate";
        let answer = observe_all([Ok(state(good)), Err(Answer::unfit("down"))].into_iter());
        assert_eq!((answer.exit, answer.output.as_str()), (Exit::Unfit, ""));
    }
}
