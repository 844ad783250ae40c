//! `ovzha agent watch [--up] RESOURCE...`: the state of a group's DRBD, told whenever it changes.
//!
//! A child of the daemon that lives as long as it does. On stdout it writes lines, each whole with one write(2):
//!
//! ```text
//! role=Primary/Secondary cstate=Connected ...     the worst of the resources, as `State` displays itself
//! untold                                          a sign of life: the state can't be told at present
//! alive                                           a sign of life, of one that asks only now and then
//! told TEXT, failed TEXT                          something for the log
//! ```
//!
//! What is known comes again after [`SIGN_OF_LIFE`] of silence. States come from the best source there
//! is: `drbdsetup events2` (8.4, 9), which costs nothing while nothing happens; else `/proc/drbd`, read every second; else
//! drbdadm's questions. It ends when nobody reads its lines any more.
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::events::Seen;
use super::follow::{Followed, Follower};
use super::proc::Proc;
use super::state::State;
use super::teller::{FAILED, SIGN_OF_LIFE, TOLD, Teller, UNTOLD};
use super::words::{Connection, Generation, Proof, Role};
use super::{NoState, Resource, one};
use crate::agent::Answer;
use crate::program::Deadline;

/// The agent's word for it.
pub const WORD: &str = "watch";
/// How often `/proc/drbd` is read.
const LISTED_EVERY: Duration = Duration::from_secs(1);
/// How often drbdadm is asked where there is nothing better.
const ASKED_EVERY: Duration = Duration::from_secs(10);
/// The same while a start may wait for what it says.
const ASKED_SOON: Duration = Duration::from_secs(1);
/// How long one round of questions may take.
const ASK_MAX: Duration = Duration::from_secs(8);
/// How long one try to bring a resource up may take, and how many there are: a disk may come late at boot.
const UP_MAX: Duration = Duration::from_mins(1);
const UP_TRIES: u32 = 12;
/// Failures of events2 in a row after which the next best source is taken, and for how long.
const EVENTS_TRIES: u32 = 3;
const WITHOUT_EVENTS: Duration = Duration::from_mins(1);
/// The longest pause before events2 is started again; the first is a second.
const PAUSE_MAX: Duration = Duration::from_secs(16);
/// How often the state that events2 told is compared with what DRBD answers: in its file, and where a question is needed.
const COMPARE_LISTED: Duration = SIGN_OF_LIFE;
const COMPARE_ASKED: Duration = Duration::from_mins(1);

/// Runs it; ends only when stdout is closed, or there is nothing to watch.
#[must_use]
pub fn run(words: &[&str]) -> Answer {
    let (up, names) = match words {
        ["--up", names @ ..] => (true, names),
        names => (false, names),
    };
    let resources: Result<Vec<Resource>, Answer> = names.iter().map(|name| one(name)).collect();
    match resources {
        Err(answer) => answer,
        Ok(resources) if resources.is_empty() => Answer::unfit("no DRBD resource to watch"),
        Ok(resources) => {
            let out = io::stdout().as_fd().try_clone_to_owned();
            let error = out.map_or_else(|error| error, |out| watch(resources, up, File::from(out)));
            Answer::done(format!("nobody listens: {error}"))
        }
    }
}

/// Watches these resources and writes the lines to `out`, a pipe, until nobody reads there any more; answers the error that
/// says so. With `up` it first brings up what is down.
#[must_use]
pub fn watch(resources: Vec<Resource>, up: bool, out: File) -> io::Error {
    match Watch::new(resources, out).run(up) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// What `run` never comes back with.
enum Never {}

/// Where states come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Events,
    Listed,
    Asked,
}

struct Watch {
    teller: Teller,
    resources: Vec<Resource>,
    /// Of each resource, what its metadata proved before it was brought up; until the peer is heard or it is Primary.
    proofs: Vec<Option<Proof>>,
    /// Of each, whether DRBD has told a split brain that is not settled yet: a new events2 doesn't know of it.
    split: Vec<bool>,
    generation: Option<Generation>,
    failures: u32,
    without_events: Option<Instant>,
}

impl Watch {
    fn new(resources: Vec<Resource>, out: File) -> Watch {
        let count = resources.len();
        Watch {
            teller: Teller::new(out),
            resources,
            proofs: vec![None; count],
            split: vec![false; count],
            generation: None,
            failures: 0,
            without_events: None,
        }
    }

    fn run(&mut self, up: bool) -> io::Result<Never> {
        if up {
            self.bring_up()?;
        }
        loop {
            match self.source() {
                Source::Events => self.follow()?,
                Source::Listed => self.listed()?,
                Source::Asked => {
                    let calm = self.ask()?;
                    self.teller.rest(if calm { ASKED_EVERY } else { ASKED_SOON })?;
                }
            }
        }
    }

    /// Brings up what is down.
    fn bring_up(&mut self) -> io::Result<()> {
        for place in 0..self.resources.len() {
            for _ in 0..UP_TRIES {
                if self.is_up_now(place)? {
                    break;
                }
                self.teller.rest(SIGN_OF_LIFE)?;
            }
        }
        Ok(())
    }

    /// One try to bring a resource up; also when there is nothing to be done about it.
    fn is_up_now(&mut self, place: usize) -> io::Result<bool> {
        let Some(resource) = self.resources.get(place) else {
            return Ok(true);
        };
        match resource.role(Deadline::after(ASK_MAX)) {
            Err(NoState::Down(_) | NoState::NotLoaded(_)) => {}
            Ok(_) | Err(NoState::Undefined(_) | NoState::Failed(_)) => return Ok(true),
        }
        let name = resource.name.clone();
        match resource.bring_up(Deadline::after(UP_MAX)) {
            Ok(proof) => {
                if let Some(kept) = self.proofs.get_mut(place) {
                    *kept = proof;
                }
                self.teller
                    .remark(TOLD, &format!("{name} was down and has been brought up"))?;
                Ok(true)
            }
            Err(why) => {
                self.teller.remark(FAILED, &why)?;
                Ok(false)
            }
        }
    }

    fn source(&mut self) -> Source {
        let listed = self.listing();
        self.generation = listed.as_ref().and_then(|listed| listed.generation);
        let Some(listed) = listed.filter(|listed| listed.generation.is_some()) else {
            return Source::Asked;
        };
        let has_events = listed.generation == Some(Generation::V9) || listed.release.starts_with("8.4");
        let given_up = self.without_events.is_some_and(|until| Instant::now() < until);
        if has_events && !given_up {
            Source::Events
        } else if listed.generation == Some(Generation::V9) && listed.devices.is_empty() {
            Source::Asked
        } else {
            Source::Listed
        }
    }

    fn listing(&self) -> Option<Proc> {
        self.resources.first()?.listed().ok()
    }

    /// Follows `drbdsetup events2` until it ends, is found untrue, or can't be understood.
    fn follow(&mut self) -> io::Result<()> {
        let Some(drbdsetup) = self.resources.first().map(|resource| resource.drbdsetup.clone()) else {
            return Ok(());
        };
        let names: Vec<String> = self.resources.iter().map(|resource| resource.name.clone()).collect();
        let mut follower = match Follower::start(&drbdsetup, &names) {
            Ok(follower) => follower,
            Err(error) => return self.events_failed(&format!("{}: {error}", drbdsetup.display())),
        };
        let mut comparison = Comparison::default();
        loop {
            let patience = self.teller.silence_left().min(comparison.left());
            match follower.wait(patience, self.teller.out()) {
                Followed::Quiet => {}
                Followed::Lines(seen) => {
                    self.failures = 0;
                    self.tell(&seen)?;
                }
                Followed::Ended(why) => return self.events_failed(&format!("drbdsetup events2 {why}")),
            }
            self.teller.sign_of_life()?;
            if follower.is_complete()
                && let Some(why) = self.compare(&mut comparison, follower.seen())
            {
                return self.events_failed(&why);
            }
        }
    }

    fn events_failed(&mut self, why: &str) -> io::Result<()> {
        self.teller.remark(FAILED, &format!("{why}; it is started again"))?;
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_secs(1).saturating_mul(1 << self.failures.saturating_sub(1).min(4));
        if self.failures >= EVENTS_TRIES {
            self.without_events = Some(Instant::now() + WITHOUT_EVENTS);
            self.failures = 0;
        }
        self.teller.rest(pause.min(PAUSE_MAX))
    }

    /// Whether DRBD itself says twice in a row what events2 does not: then events2 hangs, and its last word is untrue.
    fn compare(&mut self, comparison: &mut Comparison, seen: &[Seen]) -> Option<String> {
        if !comparison.left().is_zero() {
            return None;
        }
        let listed = self.listing()?;
        let by_file = !listed.devices.is_empty();
        let every = if by_file { COMPARE_LISTED } else { COMPARE_ASKED };
        comparison.next = Instant::now() + every;
        let deadline = Deadline::after(ASK_MAX);
        for (resource, seen) in self.resources.iter().zip(seen) {
            // asked once: a resource's minors stay as they are
            let minors = comparison.minors.of(resource, deadline);
            let now = match minors {
                Some(minors) if by_file => listed.state(minors).ok(),
                Some(_) | None => match resource.state(deadline) {
                    Ok(state) => Some(state),
                    Err(NoState::Down(_) | NoState::NotLoaded(_)) => None,
                    Err(NoState::Undefined(_) | NoState::Failed(_)) => continue,
                },
            };
            let now = now.filter(|state| state.connection != Connection::Unconfigured);
            let words = |state: State| (state.role, state.connection, state.disk);
            let followed = match seen {
                Seen::Up(state) => Some(*state),
                Seen::Down | Seen::Nothing => None,
            };
            if now.map(words) != followed.map(words) {
                comparison.differed = comparison.differed.saturating_add(1);
                return (comparison.differed > 1)
                    .then(|| format!("drbdsetup events2 says nothing of a change of {}", resource.name));
            }
        }
        comparison.differed = 0;
        None
    }

    /// Reads `/proc/drbd` again and again, as long as it is the best there is.
    fn listed(&mut self) -> io::Result<()> {
        let deadline = Deadline::after(ASK_MAX);
        let minors: Result<Vec<Vec<u32>>, NoState> = self
            .resources
            .iter()
            .map(|resource| resource.minors(deadline))
            .collect();
        let minors = match minors {
            Ok(minors) => minors,
            Err(error) => {
                self.teller.remark(FAILED, &error.reason())?;
                self.ask()?;
                return self.teller.rest(ASKED_EVERY);
            }
        };
        loop {
            let Some(listed) = self.listing().filter(|listed| listed.generation.is_some()) else {
                return Ok(());
            };
            let mut seen = Vec::with_capacity(minors.len());
            for minors in &minors {
                let down = minors
                    .iter()
                    .any(|minor| !listed.devices.iter().any(|(listed, _)| listed == minor));
                match listed.state(minors) {
                    _ if down => seen.push(Seen::Down),
                    Ok(state) if state.connection == Connection::Unconfigured => seen.push(Seen::Down),
                    Ok(state) => seen.push(Seen::Up(state)),
                    Err(error) => {
                        self.teller.remark(FAILED, &error.to_string())?;
                        seen.push(Seen::Nothing);
                    }
                }
            }
            self.tell(&seen)?;
            self.teller.rest(LISTED_EVERY)?;
            if self.source() != Source::Listed {
                return Ok(());
            }
        }
    }

    /// Asks drbdadm once; answers whether nothing is awaited: both disks are current and connected, or nothing can be told.
    fn ask(&mut self) -> io::Result<bool> {
        let deadline = Deadline::after(ASK_MAX);
        let mut seen = Vec::with_capacity(self.resources.len());
        let mut why = None;
        for resource in &self.resources {
            seen.push(match resource.state(deadline) {
                Ok(state) => Seen::Up(state),
                Err(NoState::Down(_) | NoState::NotLoaded(_)) => Seen::Down,
                Err(error) => {
                    why = Some(error.reason());
                    Seen::Nothing
                }
            });
        }
        if let Some(why) = why {
            self.teller.remark(FAILED, &why)?;
        }
        let calm = self.merged(&seen).is_none_or(|state| state.mirrored());
        let line = self.line(&seen);
        self.teller.tell_asked(line)?;
        Ok(calm)
    }

    /// Tells the worst of these, if that is news.
    fn tell(&mut self, seen: &[Seen]) -> io::Result<()> {
        let line = self.line(seen);
        self.teller.tell(line)
    }

    fn line(&mut self, seen: &[Seen]) -> String {
        self.merged(seen)
            .map_or_else(|| UNTOLD.to_owned(), |state| state.to_string())
    }

    /// The worst of these, with what is remembered of each; nothing if one of them can't be told.
    fn merged(&mut self, seen: &[Seen]) -> Option<State> {
        let mut worst: Option<State> = None;
        let remembered = self.proofs.iter_mut().zip(&mut self.split);
        for (seen, (proof, split)) in seen.iter().zip(remembered) {
            let state = match seen {
                Seen::Nothing => return None,
                Seen::Down => {
                    (*proof, *split) = (None, false);
                    State::DOWN
                }
                Seen::Up(state) => {
                    if state.handshaken() || state.role == Role::Primary {
                        *proof = None;
                    }
                    *split = (*split || state.split_brain) && !state.handshaken();
                    State {
                        proved: *proof,
                        split_brain: *split,
                        ..*state
                    }
                }
            };
            let generation = state.generation.or(self.generation);
            let state = State { generation, ..state };
            worst = Some(worst.map_or(state, |worst| worst.worse(state)));
        }
        worst
    }
}

/// When events2 is compared with DRBD's own answer next, and what came of it so far.
struct Comparison {
    next: Instant,
    differed: u32,
    minors: Minors,
}

impl Default for Comparison {
    fn default() -> Comparison {
        Comparison {
            next: Instant::now() + COMPARE_LISTED,
            differed: 0,
            minors: Minors::default(),
        }
    }
}

impl Comparison {
    fn left(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }
}

/// The minors of each resource that was asked for them.
#[derive(Default)]
struct Minors(Vec<(String, Vec<u32>)>);

impl Minors {
    fn of(&mut self, resource: &Resource, deadline: Deadline) -> Option<&[u32]> {
        let known = self.0.iter().position(|(known, _)| *known == resource.name);
        let place = known.unwrap_or(self.0.len());
        if known.is_none() {
            self.0.push((resource.name.clone(), resource.minors(deadline).ok()?));
        }
        self.0.get(place).map(|(_, minors)| minors.as_slice())
    }
}
