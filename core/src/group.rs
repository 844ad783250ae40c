//! One resource group on this node: probed, started left to right, stopped right to left, one step at a time.
//!
//! A step counts when its effect is `Done`, which the host says only after it has seen the result. Which
//! resources may be running is kept as a mask that a start sets *before* it begins and only a successful
//! stop (or a probe) clears: whatever is unknown counts as running.
//!
//! ```text
//! Probing -> Active | Idle | Partial
//! Idle, Partial -> Claiming -> Starting -> Active -> Stopping -> Idle
//!                  Claiming -> Idle (withdrawn)
//!                              Starting -> Stopping (failed, given up) -> Idle
//! any -> Stuck (a child can't be killed, a stop failed) -> Probing, Stopping
//! ```

use heapless::Vec;

use crate::bug::BugId;
use crate::config::{GroupDraft, Kind};
use crate::decide::{Mine, Why};
use crate::event::Outcome;
use crate::id::{EffectId, Sequence, Tenure};
use crate::message::{Drbd, Phase};
use crate::output::{GroupDurable, Op};
use crate::time::{Instant, Span};

mod sound;

/// Doublings of the pause after blocked starts: 16 seconds at most.
const BLOCKS_MAX: u8 = 4;
/// Between two tries of a failed stop, and after the first blocked start.
pub const RETRY: Span = Span::from_secs(1);
/// Between two looks at a group that can't run here, or of which nobody knows what runs.
pub const LOOK_AGAIN: Span = Span::from_secs(30);
/// Tries of a stop before a data resource ends in a reset.
const STOP_TRIES: u8 = 3;

/// Where the group stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// The resource to probe next.
    Probing(u8),
    /// Nothing runs.
    Idle,
    /// Found running in part.
    Partial,
    /// Announced; begins when nobody objects.
    Claiming(Why),
    /// The resource to start next.
    Starting(u8, Why),
    /// Runs.
    Active,
    /// Being stopped; failed tries of the present resource.
    Stopping(Why, u8),
    /// Nobody knows what runs; looked at again at that time, `None`: when the child is gone.
    Stuck(Why, Option<Instant>),
}

/// An effect that was handed to the host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct InFlight {
    /// Its number.
    pub id: EffectId,
    /// The resource.
    pub resource: u8,
    /// What is done.
    pub op: Op,
    /// Since when.
    pub since: Instant,
    /// Its child is to be killed.
    pub abandon: bool,
    /// The host was told to kill it.
    pub abandoned: bool,
}

/// The last thing that went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Failure {
    /// The resource.
    pub resource: u8,
    /// What was to be done.
    pub op: Op,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub at: Instant,
}

/// What a finished step means for the rest of the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Turn {
    /// Nothing beyond the group.
    None,
    /// The phase changed, for this reason.
    Phase(Why),
    /// A data resource won't stop: this machine is to be reset.
    FenceSelf,
    /// A step ended that this phase does not have.
    Bug(BugId),
}

/// One group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts that outlive the phases")]
pub struct Group {
    state: State,
    kinds: Vec<Kind, { crate::id::RESOURCES_MAX }>,
    running: u16,
    degraded: u16,
    /// Whether this node can run it, and when to look again if not.
    unfit: Option<Instant>,
    recheck: Option<u8>,
    /// No further effect before this time.
    pub pause: Option<Instant>,
    /// A start was blocked; no try before this time.
    pub blocked: Option<Instant>,
    /// Starts blocked in a row: the pause between them grows.
    pub blocks: u8,
    /// What is under way.
    pub flight: Option<InFlight>,
    /// What ended last.
    pub ended: Option<EffectId>,
    /// What survives a restart.
    pub durable: GroupDurable,
    /// The claimed tenure was never used for a finished start.
    unspent: bool,
    /// Since when it has been released for the peer.
    pub yielded: Option<Instant>,
    /// An admin wants it here.
    pub wanted: bool,
    /// The one more try after the peer's death was used.
    pub chance_used: bool,
    /// Since when it has been in this phase.
    pub since: Instant,
    /// DRBD as last observed, and when.
    pub drbd: Option<(Drbd, Instant)>,
    /// What went wrong last.
    pub failure: Option<Failure>,
    /// What it waits for, as last told.
    pub holding: Option<Why>,
    /// The tenure conflict was told.
    pub two_told: bool,
    /// Our first frame that told of the present run; a peer that echoes it knows.
    pub announced: Sequence,
    /// Slept or adopted, and not yet sure that the peer did not take over.
    pub doubtful: bool,
    /// Moved or found here while the peer lived: it does not go back by itself before the peer's next life.
    pub guest: bool,
    /// When either node last gave it to the other for its ping nodes.
    pub pinged: Option<Instant>,
    /// Since when the peer has been able to run it.
    pub able_since: Option<Instant>,
    /// A probe could not tell.
    unclear: bool,
}

impl Group {
    /// A group of which nothing is known yet.
    #[must_use]
    pub fn new(draft: &GroupDraft, durable: GroupDurable, now: Instant) -> Self {
        Self {
            state: State::Probing(0),
            kinds: draft.resources.clone(),
            running: 0,
            degraded: 0,
            unfit: None,
            recheck: None,
            pause: None,
            blocked: None,
            blocks: 0,
            flight: None,
            ended: None,
            durable,
            unspent: false,
            yielded: None,
            wanted: false,
            chance_used: false,
            since: now,
            drbd: None,
            failure: None,
            holding: None,
            two_told: false,
            announced: Sequence(0),
            doubtful: false,
            guest: false,
            pinged: None,
            able_since: None,
            unclear: false,
        }
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Its phase as the peer is told.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Probing(_) | State::Partial => Phase::Probing,
            State::Idle if self.durable.is_barred() => Phase::Failed,
            State::Idle => Phase::Idle,
            State::Claiming(..) => Phase::Claiming,
            State::Starting(..) => Phase::Starting,
            State::Active => Phase::Active,
            State::Stopping(..) => Phase::Stopping,
            State::Stuck(..) => Phase::Stuck,
        }
    }

    /// Its state as the failover table sees it; `chance`: one more try is allowed after a failed start.
    #[must_use]
    pub const fn mine(&self, chance: bool) -> Mine {
        match self.state {
            State::Probing(_) => Mine::Probing,
            State::Partial => Mine::Partial,
            State::Idle if self.durable.is_barred() && !chance => Mine::Failed,
            State::Idle => Mine::Idle,
            State::Claiming(..) => Mine::Claiming,
            State::Starting(..) => Mine::Starting,
            State::Active => Mine::Active,
            State::Stopping(..) => Mine::Stopping,
            State::Stuck(..) => Mine::Stuck,
        }
    }

    /// Nothing of it runs, and nothing is being done.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        matches!(self.state, State::Idle | State::Claiming(..)) && self.flight.is_none()
    }

    /// This node can't run it.
    #[must_use]
    pub const fn is_unfit(&self) -> bool {
        self.unfit.is_some()
    }

    /// Runs with parts missing.
    #[must_use]
    pub const fn is_degraded(&self) -> bool {
        self.degraded != 0
    }

    /// The tenure to tell: of the present run, else the highest known.
    #[must_use]
    pub fn tenure(&self) -> Tenure {
        match self.state {
            State::Claiming(..) | State::Starting(..) | State::Active | State::Stopping(..) | State::Stuck(..) => {
                self.durable.run
            }
            State::Probing(_) | State::Idle | State::Partial => self.durable.run.max(self.durable.known),
        }
    }

    fn enter(&mut self, now: Instant, state: State) {
        self.state = state;
        self.since = now;
        self.pause = None;
        self.two_told = false;
    }

    /// Announces a start in our frame of number `sequence`; the tenure grows unless the last claim came to nothing.
    pub fn claim(&mut self, now: Instant, sequence: Sequence, why: Why) {
        let newest = self.durable.run.max(self.durable.known);
        if !(self.unspent && self.durable.run == newest) {
            self.durable.run = newest.next();
            self.durable.known = self.durable.run;
        }
        self.unspent = true;
        self.announced = sequence;
        self.enter(now, State::Claiming(why));
    }

    /// Takes the claim back; the next one comes no sooner than `pause` from now, so that two nodes that
    /// disagree do so at leisure.
    pub fn withdraw(&mut self, now: Instant, pause: Span) {
        self.enter(now, if self.running == 0 { State::Idle } else { State::Partial });
        self.pause = Some(now.after(pause));
    }

    /// Begins the start.
    pub fn begin(&mut self, now: Instant, why: Why) {
        self.degraded = 0;
        self.guest = matches!(why, Why::PeerYielded | Why::Takeover);
        self.enter(now, State::Starting(0, why));
    }

    /// Begins the stop; an unfinished step is abandoned and its `Done` awaited.
    pub fn release(&mut self, now: Instant, why: Why) {
        if let Some(flight) = &mut self.flight {
            flight.abandon = true;
        }
        self.doubtful = false;
        if why == Why::FewerPings {
            self.pinged = Some(now);
        }
        self.enter(now, State::Stopping(why, 0));
    }

    /// The child that was stuck is gone.
    pub fn unstuck(&mut self, now: Instant) {
        if let State::Stuck(_, None) = self.state {
            self.unclear = false;
            self.enter(now, State::Probing(0));
        }
    }

    /// Notices are started and stopped with the rest, but nothing is known or awaited of them.
    fn kind(&self, resource: u8) -> Kind {
        self.kinds.get(usize::from(resource)).copied().unwrap_or(Kind::Notice)
    }

    fn len(&self) -> u8 {
        u8::try_from(self.kinds.len()).unwrap_or(u8::MAX)
    }

    fn all(&self) -> u16 {
        let stateful = (0_u8..)
            .zip(self.kinds.iter())
            .filter(|(_, kind)| **kind != Kind::Notice);
        stateful.fold(0, |mask, (resource, _)| mask | bit(resource))
    }

    fn everything(&self) -> u16 {
        (0..self.len()).fold(0, |mask, resource| mask | bit(resource))
    }

    /// The next step, if there is one to begin now.
    pub fn next(&mut self, now: Instant) -> Option<(u8, Op)> {
        if self.flight.is_some() || self.pause.is_some_and(|until| now < until) {
            return None;
        }
        match self.state {
            State::Probing(from) => {
                let next = (from..self.len()).find(|resource| self.kind(*resource) != Kind::Notice);
                next.map(|resource| (resource, Op::Probe))
            }
            State::Starting(resource, _) if resource < self.len() => {
                self.running |= bit(resource);
                Some((resource, Op::Start))
            }
            State::Stopping(..) => self.last_running().map(|resource| (resource, Op::Stop)),
            State::Idle => self.look_again(now),
            State::Stuck(why, Some(at)) if now >= at => {
                self.enter(now, State::Stopping(why, 0));
                None
            }
            State::Starting(..) | State::Active | State::Claiming(..) | State::Partial | State::Stuck(..) => None,
        }
    }

    fn last_running(&self) -> Option<u8> {
        (0..self.len())
            .rev()
            .find(|resource| self.running & bit(*resource) != 0)
    }

    fn look_again(&mut self, now: Instant) -> Option<(u8, Op)> {
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

    /// Moves on where no effect is needed: all probed, all started, all stopped.
    pub fn advance(&mut self, now: Instant) -> Turn {
        if self.flight.is_some() {
            return Turn::None;
        }
        match self.state {
            State::Probing(from) if (from..self.len()).all(|r| self.kind(r) == Kind::Notice) => self.probed(now),
            State::Starting(resource, _) if resource >= self.len() => {
                (self.durable.failed, self.durable.fenced) = (false, false);
                self.unspent = false;
                self.yielded = None;
                self.wanted = false;
                (self.blocked, self.blocks) = (None, 0);
                self.enter(now, State::Active);
                Turn::Phase(Why::StepsDone)
            }
            State::Stopping(why, _) if self.running == 0 => self.stopped(now, why),
            State::Probing(_)
            | State::Starting(..)
            | State::Stopping(..)
            | State::Idle
            | State::Partial
            | State::Claiming(..)
            | State::Active
            | State::Stuck(..) => Turn::None,
        }
    }

    fn probed(&mut self, now: Instant) -> Turn {
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
            if self.durable.run == Tenure(0) {
                self.durable.run = self.durable.known.next();
            }
        }
        self.enter(now, state);
        Turn::Phase(why)
    }

    fn stopped(&mut self, now: Instant, why: Why) -> Turn {
        if why == Why::StartFailed {
            self.durable.failed = true;
        } else if why == Why::PeerPrimary {
            let pause = RETRY.times(1_u64.checked_shl(u32::from(self.blocks)).unwrap_or(1));
            self.blocked = Some(now.after(pause));
            self.blocks = self.blocks.saturating_add(1).min(BLOCKS_MAX);
        } else if gives_to_peer(why) {
            self.yielded = Some(now);
        }
        self.enter(now, State::Idle);
        Turn::Phase(why)
    }

    /// An effect ended. What it means is in the state; a mismatched number is ignored.
    pub fn done(&mut self, now: Instant, id: EffectId, outcome: Outcome) -> Option<(InFlight, Turn)> {
        let flight = self.flight.filter(|flight| flight.id == id)?;
        self.flight = None;
        self.ended = Some(id);
        if !self.has_step(&flight) {
            return Some((flight, Turn::Bug(BugId::EffectMisplaced)));
        }
        if self.kind(flight.resource) != Kind::Notice && is_failure(flight.op, outcome) && !flight.abandoned {
            self.failure = Some(Failure {
                resource: flight.resource,
                op: flight.op,
                outcome,
                at: now,
            });
        }
        let turn = if outcome == Outcome::Stuck {
            let why = if let State::Stopping(why, _) | State::Starting(_, why) = self.state {
                why
            } else {
                Why::Stuck
            };
            self.enter(now, State::Stuck(why, None));
            Turn::Phase(Why::Stuck)
        } else {
            match flight.op {
                Op::Probe => self.probe_done(now, flight.resource, outcome),
                Op::Start => self.start_done(now, flight, outcome),
                Op::Stop => self.stop_done(now, flight.resource, outcome),
            }
        };
        Some((flight, turn))
    }

    fn probe_done(&mut self, now: Instant, resource: u8, outcome: Outcome) -> Turn {
        let next = resource.saturating_add(1);
        if let Some(from) = &mut self.recheck {
            *from = next;
            if outcome == Outcome::Unfit {
                self.unfit = Some(now.after(LOOK_AGAIN));
                self.recheck = None;
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

    fn start_done(&mut self, now: Instant, flight: InFlight, outcome: Outcome) -> Turn {
        let State::Starting(resource, why) = self.state else {
            return Turn::None;
        };
        let notice = self.kind(resource) == Kind::Notice;
        match outcome {
            Outcome::Done | Outcome::Degraded => {
                if outcome == Outcome::Degraded {
                    self.degraded |= bit(resource);
                }
                self.state = State::Starting(resource.saturating_add(1), why);
                Turn::None
            }
            _ if notice => {
                self.state = State::Starting(resource.saturating_add(1), why);
                Turn::None
            }
            Outcome::Blocked => {
                // DRBD refused, so nothing of this resource was begun
                self.running &= !bit(flight.resource);
                self.enter(now, State::Stopping(Why::PeerPrimary, 0));
                Turn::None
            }
            Outcome::Unfit => {
                // nothing of this resource was begun: there is no program for it here, or not the right one
                self.running &= !bit(flight.resource);
                self.unfit = Some(now.after(LOOK_AGAIN));
                self.enter(now, State::Stopping(Why::StartFailed, 0));
                Turn::Phase(Why::Unfit)
            }
            Outcome::Failed | Outcome::TimedOut | Outcome::NotRunning | Outcome::Partial | Outcome::Stuck => {
                self.enter(now, State::Stopping(Why::StartFailed, 0));
                Turn::Phase(Why::StartFailed)
            }
        }
    }

    fn stop_done(&mut self, now: Instant, resource: u8, outcome: Outcome) -> Turn {
        let State::Stopping(why, tries) = self.state else {
            return Turn::None;
        };
        let tries = tries.saturating_add(1);
        match (outcome, self.kind(resource)) {
            (Outcome::Done | Outcome::Degraded | Outcome::NotRunning, _) | (_, Kind::Notice) => {
                self.running &= !bit(resource);
                self.degraded &= !bit(resource);
                self.state = State::Stopping(why, 0);
                Turn::None
            }
            (_, Kind::Plain) if tries >= STOP_TRIES => {
                self.running &= !bit(resource);
                self.state = State::Stopping(why, 0);
                Turn::None
            }
            (_, Kind::Data) if tries >= STOP_TRIES => {
                self.enter(now, State::Stuck(why, Some(now.after(LOOK_AGAIN))));
                Turn::FenceSelf
            }
            (_, Kind::Plain | Kind::Data) => {
                self.state = State::Stopping(why, tries);
                self.pause = Some(now.after(RETRY));
                Turn::None
            }
        }
    }

    /// The next moment at which something is to be tried again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let stuck = if let State::Stuck(_, at) = self.state { at } else { None };
        let look = self.unfit.filter(|_| self.state == State::Idle);
        [self.pause, self.blocked, stuck, look].into_iter().flatten().min()
    }
}

/// Stopped so that the peer runs it.
const fn gives_to_peer(why: Why) -> bool {
    matches!(
        why,
        Why::Standby | Why::Takeover | Why::Failback | Why::FewerPings | Why::Unheard | Why::Slept | Why::EarlierTenure
    )
}

const fn is_failure(op: Op, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Done | Outcome::NotRunning => false,
        Outcome::Degraded | Outcome::Partial => !matches!(op, Op::Probe),
        Outcome::Failed | Outcome::TimedOut | Outcome::Blocked | Outcome::Unfit | Outcome::Stuck => true,
    }
}

fn bit(resource: u8) -> u16 {
    1_u16.checked_shl(u32::from(resource)).unwrap_or(0)
}
