//! Speaks to DRBD through `drbdadm`: role changes and observed state.
//!
//! A role change counts once it is read back, never by an exit code. No force flag is ever used: what DRBD
//! refuses stays refused, with the refusal sorted into "not now" (the peer is Primary, fencing has not
//! answered) and "no" (no current data).
mod answers;
mod events;
mod gi;
mod json;
mod objects;
mod proc;
mod state;
mod status;
mod words;

use crate::agent::{Answer, Exit, Op};
use crate::busy;
use crate::program::{self, Deadline, End, Finished, one_line};
pub use answers::{is_not_configured, parse_cstate, parse_dstate, parse_role};
pub use events::{Events, Seen};
pub use gi::parse_gi;
pub use json::parse_json;
pub use proc::{Proc, parse_proc};
pub use state::State;
pub use status::parse_status;
use std::path::{Path, PathBuf};
use std::time::Duration;
pub use words::{Connection, Disk, Generation, ParseError, Proof, Resync, Role, Suspended};

/// Between two tries of a role change.
const RETRY: Duration = Duration::from_millis(500);
/// How often a promotion may be refused for lack of a fencing answer before it counts as blocked. The first
/// refusal after the peer's unnoticed death is certain (its ping comes too late), the second try succeeds.
const FENCING_TRIES: u32 = 3;

/// One resource on this machine.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The `drbdadm` program.
    pub drbdadm: PathBuf,
    /// DRBD's own state file, for 0.7.
    pub proc_drbd: PathBuf,
    /// The resource's name in drbd.conf.
    pub name: String,
}

/// Why a state can't be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoState {
    /// The resource is down, unknown, or DRBD isn't loaded.
    NotConfigured(String),
    /// drbdadm failed otherwise, or said something unknown.
    Failed(String),
}

impl NoState {
    fn unread(error: ParseError) -> NoState {
        NoState::Failed(error.to_string())
    }

    fn into_answer(self) -> Answer {
        match self {
            NoState::NotConfigured(reason) => Answer::unfit(reason),
            NoState::Failed(reason) => Answer::failed(reason),
        }
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
    Ok(Resource {
        drbdadm,
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
            Err(error) => error.into_answer(),
        }
    }

    /// Whether it is still Primary, with a disk. DRBD leaves that role for nobody while the device is open, so words
    /// that drbdadm can't find (a `drbd.conf` that somebody is editing) are told and no reason to stop anything.
    fn monitor(&self, deadline: Deadline) -> Answer {
        let state = match self.state(deadline) {
            Ok(state) => state,
            Err(NoState::NotConfigured(reason)) if is_down(&reason) => return Answer::new(Exit::NotRunning, reason),
            Err(NoState::NotConfigured(reason) | NoState::Failed(reason)) => {
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

    /// Makes the resource Primary here.
    fn start(&self, deadline: Deadline) -> Answer {
        let state = match self.settled_state(deadline) {
            Ok(state) => state,
            Err(error) => return error.into_answer(),
        };
        if state.role == Role::Primary {
            return Answer::done(format!("{} is already Primary", self.name));
        }
        if let Some(reason) = self.data_missing(state) {
            return Answer::failed(reason);
        }
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
                Refusal::Down => return Answer::unfit(text),
                Refusal::Fencing => {
                    refused_by_fencing += 1;
                    if refused_by_fencing >= FENCING_TRIES {
                        return Answer::new(Exit::Blocked, format!("peer is not outdated: {text}"));
                    }
                }
                Refusal::NotNow => return Answer::new(Exit::Blocked, text),
                Refusal::Other => {}
            }
            if !deadline.pause(RETRY) {
                return Answer::failed(format!("{} did not become Primary: {text}", self.name));
            }
        }
    }

    /// Whether the local data rules a promotion out, told as a reason.
    fn data_missing(&self, state: State) -> Option<String> {
        let name = &self.name;
        match state.disk {
            Disk::UpToDate => None,
            // 0.7 has no better word than Consistent, nor a peer's disk to show beside it.
            Disk::Consistent if !self.knows_outdated() => None,
            Disk::Consistent => Some(format!("the data of {name} is whole but of unknown age (Consistent)")),
            Disk::Diskless
            | Disk::Attaching
            | Disk::Detaching
            | Disk::Failed
            | Disk::Negotiating
            | Disk::Inconsistent
            | Disk::Outdated
            | Disk::Unknown => Some(format!(
                "no current data for {name}: its disk is {} ({})",
                state.disk, state.connection
            )),
        }
    }

    /// Whether this generation of DRBD tells Outdated from Consistent: not 0.7.
    fn knows_outdated(&self) -> bool {
        let text = std::fs::read_to_string(&self.proc_drbd).unwrap_or_default();
        !text.lines().next().is_some_and(|line| line.starts_with("version: 0.7"))
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
                Ok((Role::Secondary | Role::Unknown, _)) | Err(_) if deadline.pause(RETRY) => {}
                Ok((role @ (Role::Secondary | Role::Unknown), _)) => {
                    return Answer::failed(format!("drbdadm primary exited 0, but {} is {role}", self.name));
                }
                // not unfit, whatever it is: something was begun here, and must be undone
                Err(NoState::NotConfigured(reason) | NoState::Failed(reason)) => return Answer::failed(reason),
            }
        }
    }

    /// Makes the resource Secondary here.
    fn stop(&self, deadline: Deadline) -> Answer {
        match self.role(deadline) {
            Ok((Role::Secondary, _)) => return Answer::done(format!("{} is already Secondary", self.name)),
            // Down is less than Secondary: nothing of it is in use here. A name that drbd.conf doesn't know
            // proves nothing: the device may run under the name the host had before.
            Err(NoState::NotConfigured(reason)) if reason.contains("not defined") => return Answer::failed(reason),
            Err(NoState::NotConfigured(reason)) => return Answer::done(reason),
            // When it can't be read, secondary may still work, and is verified below.
            Ok((Role::Primary | Role::Unknown, _)) | Err(NoState::Failed(_)) => {}
        }
        loop {
            let finished = match self.run(&["secondary", &self.name], deadline) {
                Ok(finished) => finished,
                Err(error) => return Answer::failed(error),
            };
            if finished.succeeded() && matches!(self.role(deadline), Ok((Role::Secondary, _))) {
                return Answer::done(format!("{} is Secondary", self.name));
            }
            if !deadline.pause(RETRY) {
                let text = refusal(&finished);
                return Answer::failed(format!("{} stays Primary: {text}{}", self.name, self.holders()));
            }
        }
    }

    /// Who keeps the device open, as the end of a reason.
    fn holders(&self) -> String {
        let quick = Deadline::after(Duration::from_secs(2));
        let devices = self
            .run(&["sh-dev", &self.name], quick)
            .map(|finished| finished.stdout)
            .unwrap_or_default();
        let ids: Vec<busy::DeviceId> = devices
            .lines()
            .filter_map(|path| busy::device_of(Path::new(path.trim())))
            .collect();
        let holders = busy::holders(&busy::Held {
            devices: ids,
            mounts: busy::Mounts::AnyNamespace,
        });
        if holders.is_empty() {
            String::new()
        } else {
            format!("; held by {}", busy::tell(&holders))
        }
    }

    /// The state, once the disk is past the words that last only while DRBD attaches or shakes hands.
    fn settled_state(&self, deadline: Deadline) -> Result<State, NoState> {
        loop {
            let state = self.state(deadline)?;
            let shaking_hands = state.disk == Disk::Consistent && state.connection == Connection::WfReportParams;
            if !(state.disk.is_passing() || shaking_hands) || !deadline.pause(RETRY) {
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
        let listed = std::fs::read_to_string(&self.proc_drbd).unwrap_or_default();
        let listed = parse_proc(&listed).map_err(NoState::unread)?;
        match listed.generation {
            Some(Generation::V07) => {
                let minors = self.minors(deadline)?;
                return not_unconfigured(&self.name, listed.state(&minors).map_err(NoState::unread)?);
            }
            Some(Generation::V9) if listed.devices.is_empty() => {
                let told = self.ask("status", deadline).ok();
                let told = told.and_then(|text| parse_status(&text, &self.name).ok().flatten());
                if let Some(state) = told {
                    let generation = Some(Generation::V9);
                    return Ok(State { generation, ..state });
                }
            }
            Some(Generation::V8 | Generation::V9) | None => {}
        }
        let (role, peer_role) = self.role(deadline)?;
        let connection = parse_cstate(&self.ask("cstate", deadline)?).map_err(NoState::unread)?;
        let disks = parse_dstate(&self.ask("dstate", deadline)?).map_err(NoState::unread)?;
        let mut state = State::new((role, peer_role), connection, disks);
        state.generation = listed.generation;
        let shown = listed.devices.iter().filter_map(|(_, device)| device.as_ref().ok());
        // the minors are asked for only where the file has more to say of some device
        if shown.clone().any(|device| device.suspended.is_so() || device.resync.is_some())
            && let Ok(minors) = self.minors(deadline)
            && let Ok(device) = listed.state(&minors)
        {
            (state.suspended, state.resync) = (device.suspended, device.resync);
        }
        Ok(state)
    }

    /// The minors of the resource's devices.
    fn minors(&self, deadline: Deadline) -> Result<Vec<u32>, NoState> {
        let text = self.ask("sh-dev", deadline)?;
        let devices = text.lines().map(str::trim).filter(|line| line.starts_with('/'));
        let minors: Option<Vec<u32>> = devices.map(minor_of).collect();
        match minors {
            Some(minors) if !minors.is_empty() => Ok(minors),
            Some(_) | None => Err(NoState::Failed(format!("{:?} names no DRBD minor", text.trim()))),
        }
    }

    fn role(&self, deadline: Deadline) -> Result<(Role, Role), NoState> {
        // 0.7 to 8.2 know the question as `state` only.
        let text = match self.ask("role", deadline) {
            Err(NoState::Failed(text)) if text.to_lowercase().contains("unknown command") => {
                self.ask("state", deadline)?
            }
            other => other?,
        };
        parse_role(&text).map_err(NoState::unread)
    }

    /// The stdout of one question to drbdadm.
    fn ask(&self, verb: &str, deadline: Deadline) -> Result<String, NoState> {
        let finished = self.run(&[verb, &self.name], deadline).map_err(NoState::Failed)?;
        if finished.succeeded() {
            if is_not_configured(&finished.stdout) {
                return Err(NoState::NotConfigured(format!(
                    "DRBD resource {} is not configured",
                    self.name
                )));
            }
            return Ok(finished.stdout);
        }
        let text = format!("drbdadm {verb} {}: {}", self.name, refusal(&finished));
        match Refusal::of(&finished) {
            Refusal::Down => Err(NoState::NotConfigured(text)),
            Refusal::PeerPrimary | Refusal::NoData | Refusal::Fencing | Refusal::NotNow | Refusal::Other => {
                Err(NoState::Failed(text))
            }
        }
    }

    fn run(&self, args: &[&str], deadline: Deadline) -> Result<Finished, String> {
        let run = program::run(&self.drbdadm, args, deadline);
        run.map_err(|error| format!("{} can't be run: {error}", self.drbdadm.display()))
    }
}

/// The minor of a device, by its usual name, else as the file says.
fn minor_of(device: &str) -> Option<u32> {
    let number = device.strip_prefix("/dev/drbd").or_else(|| device.strip_prefix("/dev/nb"));
    let number = number.and_then(|digits| digits.trim_start_matches('/').parse().ok());
    number.or_else(|| busy::device_of(Path::new(device)).map(|id| id.minor))
}

fn not_unconfigured(name: &str, state: State) -> Result<State, NoState> {
    if state.connection == Connection::Unconfigured {
        return Err(NoState::NotConfigured(format!("DRBD resource {name} is not configured")));
    }
    Ok(state)
}

/// Whether DRBD itself said that the resource is down, not that `drbd.conf` is at fault.
fn is_down(reason: &str) -> bool {
    const DOWN: [&str; 6] = [
        "No such resource",
        "unknown resource",
        "unknown minor",
        "Not configured",
        "not configured",
        "Unconfigured",
    ];
    DOWN.iter().any(|text| reason.contains(text))
}

/// Why drbdadm refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The peer is Primary.
    PeerPrimary,
    /// There is no current data to promote.
    NoData,
    /// A fencing policy is set and the peer isn't known to be outdated.
    Fencing,
    /// The resource is down, unknown, or the module isn't loaded.
    Down,
    /// Another node or a lost quorum declined.
    NotNow,
    /// Anything else.
    Other,
}

impl Refusal {
    /// Sorts by DRBD's own number where it prints one (8.x, 9), else by 0.7's texts, else by the exit code.
    fn of(finished: &Finished) -> Refusal {
        let has = |text: &str| finished.stderr.contains(text) || finished.stdout.contains(text);
        if has("(-1) ") || has("Partner is already primary") {
            Refusal::PeerPrimary
        } else if has("(-2) ") || has("Local replica is inconsistent") {
            Refusal::NoData
        } else if has("(-7) ") {
            Refusal::Fencing
        } else if has("(-10) ") || has("for quorum") || has("No quorum") {
            Refusal::NotNow
        } else if Refusal::says_down(finished) {
            Refusal::Down
        } else if finished.end == End::Exited(17) {
            Refusal::NoData
        } else {
            Refusal::Other
        }
    }

    fn says_down(finished: &Finished) -> bool {
        const DOWN: [&str; 7] = [
            "not defined in your config",
            "No such resource",
            "unknown resource",
            "unknown minor",
            "Failed to modprobe drbd",
            "Could not connect to 'drbd' generic netlink family",
            "Not configured",
        ];
        finished.end == End::Exited(10) || DOWN.iter().any(|text| finished.stderr.contains(text))
    }
}

/// The line of drbdadm's words that says why, not the one that repeats the command.
fn refusal(finished: &Finished) -> String {
    let lines = || finished.stderr.lines().chain(finished.stdout.lines());
    let by = |text: &str| lines().find(|line| line.contains(text)).map(one_line);
    let failure = by("State change failed")
        .or_else(|| by("Failure:"))
        .or_else(|| by("Partner is"));
    let spoken = || {
        lines()
            .rfind(|line| !line.trim().is_empty() && !line.starts_with("Command '"))
            .map(one_line)
    };
    match finished.end {
        End::Exited(_) => failure.or_else(spoken).unwrap_or_else(|| finished.reason()),
        End::Signalled(_) | End::TimedOut | End::Stuck(_) => format!("drbdadm {}", finished.reason()),
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
