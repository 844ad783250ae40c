//! What DRBD shows of one resource, asked once.
use std::path::Path;
use std::time::Duration;

use super::answers::{is_not_configured, parse_cstate, parse_dstate, parse_role};
use super::json::parse_json;
use super::proc::{Proc, parse_proc};
use super::refusal::{Refusal, refusal};
use super::state::State;
use super::status::parse_status;
use super::words::{Connection, Disk, Generation, Role, Suspended};
use super::{NoState, RETRY, Resource};
use crate::busy;
use crate::program::{self, Deadline, Finished};

/// How long a handshake may last. DRBD gives a peer that answers nothing up after its `timeout` (6 s unless set, and
/// hardly ever set longer than the twice of it); a disk that is still `Consistent` then stays so.
const HANDSHAKE: Duration = Duration::from_secs(12);

impl Resource {
    /// The state, once the disk is past the words that last only while DRBD attaches or shakes hands.
    pub(super) fn settled_state(&self, deadline: Deadline) -> Result<State, NoState> {
        let handshake = deadline.within(HANDSHAKE);
        loop {
            let state = self.state(deadline)?;
            let shaking_hands = state.disk == Disk::Consistent && state.connection == Connection::WfReportParams;
            let waits = state.disk.is_passing() || (shaking_hands && !handshake.is_over());
            if !waits || !deadline.pause(RETRY) {
                return Ok(state);
            }
        }
    }

    /// What DRBD shows now.
    ///
    /// 0.7 shows most in its file; 9, by `role`, nothing of the peer, so its `status` is asked first.
    ///
    /// # Errors
    /// When it is down or can't be read.
    pub fn state(&self, deadline: Deadline) -> Result<State, NoState> {
        let listed = self.listed()?;
        match listed.generation {
            Some(Generation::V07) => {
                let minors = self.minors(deadline)?;
                return not_unconfigured(
                    &self.name,
                    listed.state(&minors).map_err(|error| NoState::unread(&error))?,
                );
            }
            Some(Generation::V9) if listed.devices.is_empty() => {
                if let Some(state) = self.status(deadline) {
                    return Ok(state);
                }
            }
            Some(Generation::V8 | Generation::V9) | None => {}
        }
        let (role, peer_role) = self.role(deadline)?;
        let connection = parse_cstate(&self.ask("cstate", deadline)?).map_err(|error| NoState::unread(&error))?;
        let disks = parse_dstate(&self.ask("dstate", deadline)?).map_err(|error| NoState::unread(&error))?;
        let mut state = State::new((role, peer_role), connection, disks);
        state.generation = listed.generation;
        let shown = || listed.devices.iter().filter_map(|(_, device)| device.as_ref().ok());
        // the minors are asked for only where the file has more to say of some device
        if shown().any(|device| device.suspended.is_so() || device.resync.is_some()) {
            let device = self
                .minors(deadline)
                .and_then(|minors| listed.state(&minors).map_err(|error| NoState::unread(&error)));
            match device {
                Ok(device) => (state.suspended, state.resync) = (device.suspended, device.resync),
                // which of them is ours nobody says: it may be the one that waits
                Err(_) => state.suspended = shown().fold(Suspended::NO, |all, device| all.and(device.suspended)),
            }
        }
        Ok(state)
    }

    /// `/proc/drbd`, which lists nothing where there is none.
    pub(super) fn listed(&self) -> Result<Proc, NoState> {
        let text = std::fs::read_to_string(&self.proc_drbd).unwrap_or_default();
        parse_proc(&text).map_err(|error| NoState::unread(&error))
    }

    /// 9's status, as JSON where its tools know that, else as text, which leaves out the disk of a peer that is away.
    fn status(&self, deadline: Deadline) -> Option<State> {
        let json = program::run(&self.drbdsetup, &["status", &self.name, "--json"], deadline).ok();
        let json = json.filter(Finished::succeeded);
        let told = json.and_then(|finished| parse_json(&finished.stdout, &self.name).ok().flatten());
        told.or_else(|| {
            let text = self.ask("status", deadline).ok()?;
            let state = parse_status(&text, &self.name).ok().flatten()?;
            let generation = Some(Generation::V9);
            Some(State { generation, ..state })
        })
    }

    /// The minors of the resource's devices.
    pub(super) fn minors(&self, deadline: Deadline) -> Result<Vec<u32>, NoState> {
        let text = self.ask("sh-dev", deadline)?;
        let devices = text.lines().map(str::trim).filter(|line| line.starts_with('/'));
        let minors: Option<Vec<u32>> = devices.map(minor_of).collect();
        match minors {
            Some(minors) if !minors.is_empty() => Ok(minors),
            Some(_) | None => Err(NoState::Failed(format!("{:?} names no DRBD minor", text.trim()))),
        }
    }

    pub(super) fn role(&self, deadline: Deadline) -> Result<(Role, Role), NoState> {
        // 0.7 to 8.2 know the question as `state` only.
        let text = match self.ask("role", deadline) {
            Err(NoState::Failed(text)) if text.to_lowercase().contains("unknown command") => {
                self.ask("state", deadline)?
            }
            other => other?,
        };
        parse_role(&text).map_err(|error| NoState::unread(&error))
    }

    /// The stdout of one question to drbdadm.
    pub(super) fn ask(&self, verb: &str, deadline: Deadline) -> Result<String, NoState> {
        let finished = self.run(&[verb, &self.name], deadline).map_err(NoState::Failed)?;
        if finished.succeeded() {
            if is_not_configured(&finished.stdout) {
                return Err(NoState::Down(format!("DRBD resource {} is not configured", self.name)));
            }
            return Ok(finished.stdout);
        }
        let text = format!("drbdadm {verb} {}: {}", self.name, refusal(&finished));
        match Refusal::of(&finished) {
            Refusal::Down => Err(NoState::Down(text)),
            Refusal::NotLoaded => Err(NoState::NotLoaded(text)),
            Refusal::Undefined => Err(NoState::Undefined(text)),
            Refusal::PeerPrimary | Refusal::NoData | Refusal::Fencing | Refusal::NotNow | Refusal::Other => {
                Err(NoState::Failed(text))
            }
        }
    }

    pub(super) fn run(&self, args: &[&str], deadline: Deadline) -> Result<Finished, String> {
        let run = program::run(&self.drbdadm, args, deadline);
        run.map_err(|error| format!("{} can't be run: {error}", self.drbdadm.display()))
    }
}

/// The minor of a device, by its usual name, else as the file says.
fn minor_of(device: &str) -> Option<u32> {
    let number = device
        .strip_prefix("/dev/drbd")
        .or_else(|| device.strip_prefix("/dev/nb"));
    let number = number.and_then(|digits| digits.trim_start_matches('/').parse().ok());
    number.or_else(|| busy::device_of(Path::new(device)).map(|id| id.minor))
}

fn not_unconfigured(name: &str, state: State) -> Result<State, NoState> {
    if state.connection == Connection::Unconfigured {
        return Err(NoState::Down(format!("DRBD resource {name} is not configured")));
    }
    Ok(state)
}
