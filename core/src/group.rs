//! One resource group on this node: probed, started left to right, stopped right to left, one step at a time.
//!
//! A step counts when its effect is `Done`, which the host says only after it has seen the result. Which
//! resources may be running is kept as a mask that a start sets *before* it begins and only a successful
//! stop (or a probe) clears: whatever is unknown counts as running.
//! Which state may follow which stands in `states`.

mod chore;
mod monitor;
mod probe;
mod sound;
mod steps;

use heapless::Vec;

use crate::bug::BugId;
use crate::config::{GroupDraft, Kind};
use crate::data::{DataTold, Evidence};
use crate::decide::{Mine, Why};
use crate::event::Outcome;
use crate::fence_peer::Waiting;
use crate::id::{EffectId, Sequence, Tenure};
use crate::message::{Disk, Drbd, Phase};
use crate::output::{GroupDurable, Op};
use crate::states;
use crate::time::{Instant, Span};
use chore::Chore;
use monitor::Monitors;

/// Between two tries of a failed stop, and after the first blocked start.
pub const RETRY: Span = Span::from_secs(1);
/// Between two looks at a group that can't run here, or of which nobody knows what runs.
pub const LOOK_AGAIN: Span = Span::from_secs(30);

/// Where the group stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
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
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
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

/// A part of the group that is stopped while what stands left of it runs on: from this resource on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
enum Part {
    /// To be started again.
    Restart(u8),
    /// To stay stopped: its start failed.
    Leave(u8),
}

impl Part {
    const fn from(self) -> u8 {
        match self {
            Self::Restart(from) | Self::Leave(from) => from,
        }
    }
}

/// The last thing that went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
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

/// A finished effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Finished {
    /// What it was.
    pub flight: InFlight,
    /// What it means beyond the group.
    pub turn: Turn,
    /// Worth a line: every step is, a look only when it finds something new.
    pub news: bool,
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
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::struct_excessive_bools, reason = "independent facts that outlive the phases")]
pub struct Group {
    state: State,
    kinds: Vec<Kind, { crate::id::RESOURCES_MAX }>,
    running: u16,
    /// The resource being started was running, or may have been, before.
    ran: bool,
    degraded: u16,
    /// Resources with a child that can't be killed.
    stuck: u16,
    /// Only this part is being stopped or started.
    part: Option<Part>,
    monitors: Monitors,
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
    /// Why it is failed here, while it is.
    pub failed: Why,
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
    /// What shows that this node's copy of the data is current.
    pub(crate) evidence: Evidence,
    /// What was told of the data.
    pub(crate) data_told: DataTold,
    /// Our first frame that said that this node is ahead.
    pub(crate) ahead_from: Sequence,
    /// It was ahead before the present claim.
    pub(crate) was_ahead: bool,
    /// The handler said that the mirror is lost, at that time; no observation has shown it yet.
    pub(crate) unseen: Option<Instant>,
    /// DRBD's handlers that wait for an answer.
    pub(crate) fencing: Waiting,
    /// What DRBD is to be told beside the steps.
    chore: Option<Chore>,
    chore_pause: Option<Instant>,
    chore_ended: Option<(Op, Outcome)>,
    /// What went wrong last.
    pub failure: Option<Failure>,
    /// What it waits for, as last told.
    pub holding: Option<Why>,
    /// The loss of the local disk was told.
    pub disk_told: bool,
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
    /// Since when the peer has lived and not been able to run it.
    pub unable_since: Option<Instant>,
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
            ran: false,
            degraded: 0,
            stuck: 0,
            part: None,
            monitors: Monitors::new(&draft.monitors, draft.resources.len(), now),
            unfit: None,
            recheck: None,
            pause: None,
            blocked: None,
            blocks: 0,
            flight: None,
            ended: None,
            durable,
            failed: Why::StartFailed,
            unspent: false,
            yielded: None,
            wanted: false,
            chance_used: false,
            since: now,
            drbd: None,
            evidence: Evidence::none(now),
            data_told: DataTold::default(),
            ahead_from: Sequence(0),
            was_ahead: durable.ahead,
            unseen: None,
            fencing: Waiting::new(),
            chore: None,
            chore_pause: None,
            chore_ended: None,
            failure: None,
            holding: None,
            disk_told: false,
            two_told: false,
            announced: Sequence(0),
            doubtful: false,
            guest: false,
            pinged: None,
            able_since: None,
            unable_since: None,
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
            State::Starting(..) if self.part.is_some() => Mine::StartingPart,
            State::Starting(..) => Mine::Starting,
            State::Active => Mine::Active,
            State::Stopping(..) if self.part.is_some() => Mine::Restarting,
            State::Stopping(..) => Mine::Stopping,
            State::Stuck(..) => Mine::Stuck,
        }
    }

    /// Nothing of it runs, and nothing is being done.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        // what DRBD is told of the disk of a group that does not run makes nothing run
        let touches = |flight: &InFlight| !matches!(flight.op, Op::Outdate | Op::Confirm);
        matches!(self.state, State::Idle | State::Claiming(..)) && !self.flight.as_ref().is_some_and(touches)
    }

    /// This node can't run it.
    #[must_use]
    pub const fn is_unfit(&self) -> bool {
        self.unfit.is_some()
    }

    /// Runs with parts missing.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.degraded != 0 || self.state == State::Active && self.all() & !self.running != 0
    }

    /// DRBD has no local disk, as last observed.
    #[must_use]
    pub fn disk_lost(&self) -> bool {
        self.drbd.is_some_and(|(drbd, _)| drbd.disk == Disk::Failed)
    }

    /// An admin mended what failed: the next failure counts as the first one.
    pub const fn forgive(&mut self) {
        self.monitors.forgive();
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
        states::group(self.state, state);
        self.state = state;
        self.since = now;
        self.pause = None;
        self.two_told = false;
        self.chore = None;
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
        self.claim_data();
        self.enter(now, State::Claiming(why));
    }

    /// Takes the claim back; the next one comes no sooner than `pause` from now, so that two nodes that
    /// disagree do so at leisure.
    pub fn withdraw(&mut self, now: Instant, pause: Span) {
        self.withdraw_data();
        self.enter(now, if self.running == 0 { State::Idle } else { State::Partial });
        self.pause = Some(now.after(pause));
    }

    /// Begins the start.
    pub fn begin(&mut self, now: Instant, why: Why) {
        self.degraded = 0;
        self.monitors.forget();
        self.guest = matches!(why, Why::PeerYielded | Why::Takeover);
        self.enter(now, State::Starting(0, why));
    }

    /// Begins the stop; an unfinished step is abandoned and its `Done` awaited. A stop of a part becomes one of all.
    pub fn release(&mut self, now: Instant, why: Why) {
        if let Some(flight) = self.flight.as_mut().filter(|flight| flight.op != Op::Stop) {
            flight.abandon = true;
        }
        self.part = None;
        self.doubtful = false;
        if why == Why::FewerPings {
            self.pinged = Some(now);
        }
        self.enter(now, State::Stopping(why, 0));
    }

    /// The child that was stuck at this resource is gone.
    pub fn unstuck(&mut self, now: Instant, resource: u8) {
        self.stuck &= !bit(resource);
        if matches!(self.state, State::Stuck(_, None)) && self.stuck == 0 {
            // also a look at its fitness, which found the child stuck: it would take each answer of the probes
            (self.unclear, self.recheck, self.part) = (false, None, None);
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
                self.ran = self.running & bit(resource) != 0;
                self.running |= bit(resource);
                Some((resource, Op::Start))
            }
            State::Active => {
                let look = self.next_look(now).map(|resource| (resource, Op::Monitor));
                self.next_chore().or(look)
            }
            State::Stopping(why, _) => {
                let resource = self.last_running()?;
                if self.stuck & bit(resource) != 0 {
                    self.enter(now, State::Stuck(why, None));
                    return None;
                }
                Some((resource, Op::Stop))
            }
            State::Idle => self.next_chore().or_else(|| self.look_again(now)),
            State::Stuck(why, Some(at)) if now >= at => {
                self.enter(now, State::Stopping(why, 0));
                None
            }
            State::Starting(..) | State::Claiming(..) | State::Partial | State::Stuck(..) => None,
        }
    }

    fn last_running(&self) -> Option<u8> {
        let from = self.part.map_or(0, Part::from);
        (from..self.len())
            .rev()
            .find(|resource| self.running & bit(*resource) != 0)
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
                self.evidence.confirmed = false;
                (self.blocked, self.blocks) = (None, 0);
                if self.part.take().is_some() {
                    self.monitors.part_ended(now);
                }
                self.monitors.begin(now);
                self.enter(now, State::Active);
                Turn::Phase(Why::StepsDone)
            }
            State::Stopping(why, _) if self.last_running().is_none() => match self.part {
                Some(part) => self.part_stopped(now, part),
                None => self.stopped(now, why),
            },
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

    /// An effect ended. What it means is in the state; a mismatched number is ignored.
    pub fn done(&mut self, now: Instant, id: EffectId, outcome: Outcome) -> Option<Finished> {
        let flight = self.flight.filter(|flight| flight.id == id)?;
        self.flight = None;
        self.ended = Some(id);
        if !self.has_step(&flight) {
            return Some(Finished {
                flight,
                turn: Turn::Bug(BugId::EffectMisplaced),
                news: true,
            });
        }
        let look = flight.op == Op::Monitor;
        let chore = matches!(flight.op, Op::Outdate | Op::Confirm | Op::Resume);
        let news = if chore {
            // given up by us: what it still says is no news
            self.chore_done(now, flight.resource, flight.op, outcome) && !flight.abandoned
        } else {
            !look || self.looked(now, flight.resource, outcome, flight.abandoned)
        };
        let failed = self.kind(flight.resource) != Kind::Notice && outcome.is_failure_of(flight.op);
        if failed && news && !flight.abandoned {
            self.failure = Some(Failure {
                resource: flight.resource,
                op: flight.op,
                outcome,
                at: now,
            });
        }
        let turn = if look || chore && outcome != Outcome::Stuck {
            Turn::None
        } else if outcome == Outcome::Stuck {
            self.stuck |= bit(flight.resource);
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
                Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => Turn::None,
            }
        };
        Some(Finished { flight, turn, news })
    }

    /// The next moment at which something is to be tried again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let stuck = if let State::Stuck(_, at) = self.state { at } else { None };
        let fit = self.unfit.filter(|_| self.state == State::Idle);
        [
            self.pause,
            self.blocked,
            stuck,
            fit,
            self.look_deadline(),
            self.chore_pause,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn bit(resource: u8) -> u16 {
    1_u16.checked_shl(u32::from(resource)).unwrap_or(0)
}
