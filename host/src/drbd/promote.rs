//! Promotion: done once DRBD is seen as Primary, on data that is the newest as far as this node can tell.
use std::time::Duration;

use super::refusal::{Refusal, refusal};
use super::state::State;
use super::words::{Disk, Role};
use super::{NoState, Resource, again};
use crate::agent::{Answer, Exit};
use crate::program::Deadline;

/// How often a promotion may be refused for lack of a fencing answer before it counts as blocked. After a death that DRBD
/// hasn't noticed the first refusal is certain: its ping finds the peer gone and its handler is called, both within
/// the refused try. The second try succeeds if the handler accepted. A third one is for a connection that came back
/// meanwhile, with which all of that begins anew.
const FENCING_TRIES: u32 = 3;
/// How long a resource that was down until now may take to hear its peer: DRBD tries to connect every `connect-int` (10 s
/// unless set), and shakes hands in less than the rest.
const FIRST_CONTACT: Duration = Duration::from_secs(15);

impl Resource {
    /// Makes the resource Primary here.
    pub(super) fn start(&self, deadline: Deadline) -> Answer {
        let mut was_down = false;
        let state = match self.settled_state(deadline) {
            Err(NoState::Down(_) | NoState::NotLoaded(_)) => {
                was_down = true;
                let proof = match self.bring_up(deadline) {
                    Ok(proof) => proof,
                    Err(why) => return Answer::unfit(why),
                };
                match self.first_contact(deadline) {
                    Ok(state) => Ok(State { proved: proof, ..state }),
                    error @ Err(_) => error,
                }
            }
            told => told,
        };
        let state = match state {
            Ok(state) => state,
            Err(error) => return error.into_answer(),
        };
        if state.role == Role::Primary {
            return Answer::done(format!("{} is already Primary", self.name));
        }
        if let Some(reason) = self.data_missing(state) {
            return Answer::failed(reason);
        }
        // Whoever decided on this start knew nothing of its data: DRBD may call days-old data UpToDate when it attaches. Now
        // that it is up the next try is decided with what it shows.
        if was_down && !state.handshaken() && state.proved.is_none() {
            let why = format!(
                "{} was down, and its peer has not been heard since: its data may be old",
                self.name
            );
            return Answer::new(Exit::Blocked, why);
        }
        self.promote(deadline)
    }

    /// The state once the peer was heard, or could have been.
    fn first_contact(&self, deadline: Deadline) -> Result<State, NoState> {
        let patience = deadline.within(FIRST_CONTACT);
        loop {
            let state = self.settled_state(deadline)?;
            let may_come = !state.handshaken() && state.connection > super::Connection::StandAlone;
            if !may_come || !again(patience) {
                return Ok(state);
            }
        }
    }

    fn promote(&self, deadline: Deadline) -> Answer {
        // A peer that shows as Primary may be dead for ten seconds already: only DRBD's own ping, which is
        // part of the promotion, can tell. So it is asked, and its refusal taken.
        let mut refused_by_fencing = 0;
        loop {
            let finished = match self.run(&["primary", &self.name], deadline) {
                Ok(finished) => finished,
                Err(error) => return Answer::failed(error),
            };
            if finished.succeeded() {
                return self.verify_primary(deadline);
            }
            let text = refusal(&finished);
            match Refusal::of(&finished) {
                Refusal::PeerPrimary => return Answer::new(Exit::Blocked, format!("peer is Primary: {text}")),
                Refusal::NoData => return Answer::failed(format!("no current data for {}: {text}", self.name)),
                Refusal::Down | Refusal::NotLoaded | Refusal::Undefined => return Answer::unfit(text),
                Refusal::Fencing => {
                    refused_by_fencing += 1;
                    if refused_by_fencing >= FENCING_TRIES {
                        return Answer::new(Exit::Blocked, format!("peer is not outdated: {text}"));
                    }
                    // what the refused try has found out may be all that it lacked: nothing to wait for
                    if self.state(deadline).is_ok_and(|state| state.peer_is_old()) && !deadline.is_over() {
                        continue;
                    }
                }
                Refusal::NotNow => return Answer::new(Exit::Blocked, text),
                Refusal::Other => {}
            }
            if !again(deadline) {
                return Answer::failed(format!("{} did not become Primary: {text}", self.name));
            }
        }
    }

    /// Whether the local data rules a promotion out, told as a reason.
    fn data_missing(&self, state: State) -> Option<String> {
        let name = &self.name;
        if state.good_disk() {
            return None;
        }
        Some(if state.disk == Disk::Consistent {
            format!("the data of {name} is whole but of unknown age (Consistent)")
        } else {
            format!(
                "no current data for {name}: its disk is {} ({})",
                state.disk, state.connection
            )
        })
    }

    fn verify_primary(&self, deadline: Deadline) -> Answer {
        loop {
            match self.role(deadline) {
                Ok((Role::Primary, Role::Primary)) => {
                    // drbd.conf allows two: not for us. Nothing is mounted yet, so giving up costs nothing.
                    let back = self
                        .run(&["secondary", &self.name], deadline)
                        .map_or_else(|e| e, |f| f.reason());
                    return Answer::new(Exit::Blocked, format!("peer is Primary too; Secondary again ({back})"));
                }
                Ok((Role::Primary, _)) => return Answer::done(format!("{} is Primary", self.name)),
                Ok((Role::Secondary | Role::Unknown, _)) | Err(_) if again(deadline) => {}
                Ok((role @ (Role::Secondary | Role::Unknown), _)) => {
                    return Answer::failed(format!("drbdadm primary exited 0, but {} is {role}", self.name));
                }
                // not unfit, whatever it is: something was begun here, and must be undone
                Err(error) => return Answer::failed(error.reason()),
            }
        }
    }
}
