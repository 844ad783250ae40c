//! The orders beside promotion and demotion: the own disk marked as outdated, or as the one that counts; I/O that waits let go.
//!
//! Each is done once that is seen, and given up at the deadline. None is asked for by this file's own judgment.
use super::refusal::refusal;
use super::state::State;
use super::words::{Connection, Disk, Role};
use super::{NoState, Resource, again, one, parse_dstate};
use crate::agent::{Answer, Exit};
use crate::program::{Deadline, Finished};

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Mark the own disk as outdated, so that it can't be promoted before it has been brought up to date by the peer.
    Outdate,
    /// Have DRBD call the own disk `UpToDate`, because a person said that its data count.
    Confirm,
    /// Let I/O go on that waits.
    Resume,
}

impl Order {
    /// The order that an argument of `ovzha agent` names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Order> {
        [Order::Outdate, Order::Confirm, Order::Resume]
            .into_iter()
            .find(|order| order.word() == word)
    }

    /// The argument that names it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Order::Outdate => "outdate",
            Order::Confirm => "confirm",
            Order::Resume => "resume",
        }
    }
}

/// Carries the order out on each of these resources; the first that can't be ends it. The output is the state of the last
/// line that was seen, as the worst of all.
#[must_use]
pub fn order(order: Order, names: &[&str], deadline: Deadline) -> Answer {
    let mut worst: Option<State> = None;
    for name in names {
        let told = one(name).and_then(|resource| match order {
            Order::Outdate => resource.outdate(deadline),
            Order::Confirm => resource.confirm(deadline),
            Order::Resume => resource.resume(deadline),
        });
        match told {
            Ok(state) => worst = Some(worst.map_or(state, |worst| worst.worse(state))),
            Err(answer) => return answer,
        }
    }
    let Some(state) = worst else {
        return Answer::unfit("no DRBD resource");
    };
    Answer {
        exit: Exit::Done,
        reason: state.to_string(),
        output: format!("{state}\n"),
    }
}

impl Resource {
    /// Outdates the own disk, of a resource that is down in its metadata. DRBD refuses while it takes the peer for
    /// connected, so it is asked again until it has noticed. Answers the state in which the disk is `Outdated` or worse.
    ///
    /// # Errors
    /// The answer of a Primary, which is never outdated, and of a disk that isn't so by the deadline.
    pub fn outdate(&self, deadline: Deadline) -> Result<State, Answer> {
        let mut said: Option<Finished> = None;
        loop {
            let state = self.state_or_metadata(deadline).map_err(|error| match &said {
                None => error.into_answer(),
                Some(_) => Answer::failed(format!("{} is not known to be outdated: {}", self.name, error.reason())),
            })?;
            if state.role == Role::Primary {
                return Err(Answer::failed(format!(
                    "{} is Primary here and not outdated",
                    self.name
                )));
            }
            if matches!(
                state.disk,
                Disk::Outdated | Disk::Inconsistent | Disk::Diskless | Disk::Failed | Disk::Detaching
            ) {
                return Ok(state);
            }
            if said.is_some() && !again(deadline) {
                let text = said.as_ref().map(refusal).unwrap_or_default();
                return Err(Answer::failed(format!(
                    "{} is not outdated: its disk is {} ({}): {text}",
                    self.name, state.disk, state.connection
                )));
            }
            said = Some(self.run(&["outdate", &self.name], deadline).map_err(Answer::failed)?);
        }
    }

    /// Has DRBD call the own disk `UpToDate`, which it does with a whole disk when it is made Primary by force. It is
    /// Secondary again afterwards, and nothing was written. Answers the state with the good disk.
    ///
    /// # Errors
    /// The answer where there is no whole disk, or DRBD refuses: its peer is there and says otherwise.
    pub fn confirm(&self, deadline: Deadline) -> Result<State, Answer> {
        let state = self.state(deadline).map_err(NoState::into_answer)?;
        if state.good_disk() {
            return Ok(state);
        }
        if !matches!(state.disk, Disk::Outdated | Disk::Consistent) {
            return Err(Answer::failed(format!(
                "the disk of {} is {} ({}): there are no whole data on it to go on with",
                self.name, state.disk, state.connection
            )));
        }
        let mut said = self
            .run(&["primary", "--force", &self.name], deadline)
            .map_err(Answer::failed)?;
        if !said.succeeded() {
            // 8.0 to 8.3 spell it out
            let words = ["--", "--overwrite-data-of-peer", "primary", &self.name];
            let other = self.run(&words, deadline).map_err(Answer::failed)?;
            said = if other.succeeded() { other } else { said };
        }
        let back = self.run(&["secondary", &self.name], deadline).map_err(Answer::failed)?;
        let state = self.state(deadline).map_err(NoState::into_answer)?;
        if state.role == Role::Primary {
            return Err(Answer::failed(format!(
                "{} stays Primary: {}",
                self.name,
                refusal(&back)
            )));
        }
        if state.good_disk() {
            return Ok(state);
        }
        Err(Answer::failed(format!(
            "the disk of {} is still {}: {}",
            self.name,
            state.disk,
            refusal(&said)
        )))
    }

    /// Lets I/O go on. Answers the state in which it doesn't wait.
    ///
    /// # Errors
    /// The answer when it still waits at the deadline, or can't be looked at.
    pub fn resume(&self, deadline: Deadline) -> Result<State, Answer> {
        let mut said: Option<Finished> = None;
        loop {
            let state = self.state(deadline).map_err(|error| match &said {
                None => error.into_answer(),
                Some(_) => Answer::failed(format!(
                    "I/O of {} still waits, as far as is known: {}",
                    self.name,
                    error.reason()
                )),
            })?;
            if !state.suspended.is_so() {
                return Ok(state);
            }
            if said.is_some() && !again(deadline) {
                let text = said.as_ref().map(refusal).unwrap_or_default();
                return Err(Answer::failed(format!("I/O of {} still waits: {text}", self.name)));
            }
            said = Some(self.run(&["resume-io", &self.name], deadline).map_err(Answer::failed)?);
        }
    }

    /// The state; of a resource that is down, what its metadata says of the disk.
    fn state_or_metadata(&self, deadline: Deadline) -> Result<State, NoState> {
        match self.state(deadline) {
            Err(NoState::Down(_) | NoState::NotLoaded(_)) => {
                let text = self.ask("dstate", deadline)?;
                let disks = parse_dstate(&text).map_err(|error| NoState::unread(&error))?;
                Ok(State::new(
                    (Role::Secondary, Role::Unknown),
                    Connection::Unconfigured,
                    disks,
                ))
            }
            told => told,
        }
    }
}
