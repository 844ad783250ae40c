//! What must always hold, judged from outside: from what was begun, ended, asked and lost, never from what a node
//! believes.
//!
//! Model: the World reports [`Fact`]s; [`Watch`] keeps its own account of what runs where and writes down every
//! violation. Two actives under a fault that the protection row admits (SAFETY S-10, S-11) are counted apart,
//! with the fault that excuses them; without such a fault they are a violation.

use std::collections::BTreeMap;

use ovzha_core::decide::Why;
use ovzha_core::event::Outcome;
use ovzha_core::message::Phase;
use ovzha_core::output::Op;

use crate::cuts::Cuts;
use crate::setup::Model;

/// Tries after which a stop that fails is given up for a resource without data (SAFETY S-41).
const STOP_TRIES: u8 = 3;

/// One thing that happened, as the machine room sees it.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A step began; `effective`: the model did not refuse it.
    Begun {
        /// Which step.
        step: Step,
        /// Its number.
        id: u32,
        /// It touches the resource.
        effective: bool,
    },
    /// A start that waited for DRBD's handler touches the resource now.
    Promoted(Step),
    /// A step ended; `told`: the daemon that began it still lives and learns of it.
    Ended {
        /// Which step.
        step: Step,
        /// Its number.
        id: u32,
        /// How.
        outcome: Outcome,
        /// The daemon learns of it.
        told: bool,
    },
    /// The daemon wants a step given up.
    Abandoned(usize, u32),
    /// A child that could not be killed is gone: node, group, resource.
    Unstuck(usize, usize, u8),
    /// A resource ended by itself: node, group, resource.
    Died(usize, usize, u8),
    /// Everything on the node stopped at once.
    PowerLost(usize),
    /// A daemon began a new life.
    DaemonUp(usize),
    /// Somebody asked something of a node.
    Asked(usize, u32),
    /// The answer.
    Answered(usize, u32),
    /// A node says that a group changed its phase.
    Phase(usize, usize, Phase, Why),
    /// A node keeps these tenures (of its runs, known) on disk.
    Durable(usize, Vec<(u32, u32)>),
    /// A stop is about to say that it is done, and is not.
    Feigned(Step),
    /// What such a stop left running is gone: node, group, resource.
    Reaped(usize, usize, u8),
    /// What a node kept on disk was damaged, lost, or replaced by an older state.
    Forgot(usize),
    /// A witness began a new life.
    WitnessUp,
    /// It believed a frame of a node.
    WitnessHeard(usize),
    /// A node wants the other one's power cut, and with what number.
    Shot(usize, u32),
    /// The agent of such a shot has ended.
    ShotEnded(usize, u32),
    /// It says that it can't take a node's power away.
    RelayStuck(usize),
    /// It wants a node's power switched.
    Relay {
        /// The node.
        node: usize,
        /// It is to have power.
        on: bool,
        /// The shortest silence for which it may be without, in microseconds.
        term: u64,
        /// The input says at this moment that it has some.
        seen: bool,
    },
}

/// A step of a group on a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The node.
    pub node: usize,
    /// The group.
    pub group: usize,
    /// The resource's place.
    pub resource: u8,
    /// What is done.
    pub op: Op,
}

/// Faults that can excuse two actives; told for the moment at which the second one begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent faults, any of which may be present"
)]
pub struct Excuses {
    /// No link carried anything from one living node to the other for a while, not because one was isolated whole.
    pub cut: bool,
    /// A node was isolated whole and that is not covered: row "none", or no last resort.
    pub isolated: bool,
    /// The other node stood still.
    pub frozen: bool,
    /// The other node's daemon was dead.
    pub daemon: bool,
    /// How long nothing of the other had been heard, in its local milliseconds, and what must have passed.
    pub silence: Option<(u64, u64)>,
}

/// Why two actives were admitted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// Links cut between living nodes.
    Cut,
    /// One node isolated, in row "none"; in row "ping" only where the last resort is switched off.
    Isolated,
    /// The active stood still.
    Frozen,
    /// The active's daemon was dead.
    Daemon,
    /// A resource without data whose stop failed three times (SAFETY S-41).
    PlainStop,
    /// A script's stop said that it was done (SAFETY S-36).
    Lie,
}

#[derive(Clone, Debug, Default)]
struct Place {
    /// Resources that may run.
    up: u16,
    /// Resources seen started.
    on: u16,
    /// Of those, the ones that ended by themselves.
    dead: u16,
    /// Resources without data whose stop was given up.
    given_up: u16,
    /// Resources whose stop said that it was done.
    lied: u16,
    tries: BTreeMap<u8, u8>,
    flight: Option<u32>,
    stuck: u16,
    yields: bool,
    tenure: (u32, u32),
}

/// The checkers.
#[derive(Clone, Debug)]
pub struct Watch {
    models: Vec<Vec<Model>>,
    places: [Vec<Place>; 2],
    used: [u32; 2],
    abandoned: [Vec<u32>; 2],
    open: [BTreeMap<u32, u64>; 2],
    cuts: Cuts,
    shots: [Option<u32>; 2],
    both: Vec<bool>,
    /// Two actives that were admitted, and the one that was active first has been so ever since: who, why.
    goes_on: Vec<Option<(usize, Cause)>>,
    /// When each group was last handed over for ping nodes.
    pinged: Vec<Option<u64>>,
    /// How long it then must not be again.
    pub pinged_pause: u64,
    /// Starts and stops begun.
    pub steps: u64,
    /// How many there were when a daemon was killed first.
    pub settled_steps: u64,
    /// Everything that must not be.
    pub violations: Vec<String>,
    /// Two actives that the row admits: when, group, why.
    pub admitted: Vec<(u64, usize, Cause)>,
}

impl Place {
    /// What may run without anybody's knowing better.
    const fn let_go(&self) -> u16 {
        self.given_up | self.lied
    }
}

const fn bit(resource: u8) -> u16 {
    if resource < 16 { 1 << resource } else { 0 }
}

impl Watch {
    /// Nothing runs anywhere.
    #[must_use]
    pub fn new(models: Vec<Vec<Model>>) -> Self {
        let places: Vec<Place> = models.iter().map(|_| Place::default()).collect();
        Self {
            both: vec![false; models.len()],
            goes_on: vec![None; models.len()],
            pinged: vec![None; models.len()],
            pinged_pause: 0,
            steps: 0,
            settled_steps: u64::MAX,
            models,
            places: [places.clone(), places],
            used: [0; 2],
            abandoned: [Vec::new(), Vec::new()],
            open: [BTreeMap::new(), BTreeMap::new()],
            cuts: Cuts::default(),
            shots: [None; 2],
            violations: Vec::new(),
            admitted: Vec::new(),
        }
    }

    /// Whether the group may run on the node, wholly or in part.
    #[must_use]
    pub fn is_active(&self, node: usize, group: usize) -> bool {
        self.places[node][group].up != 0
    }

    /// The same, without what was given up for want of data to protect.
    #[must_use]
    pub fn runs(&self, node: usize, group: usize) -> bool {
        let place = &self.places[node][group];
        place.up & !place.let_go() != 0
    }

    /// Whether all of the group runs on the node.
    #[must_use]
    pub fn is_whole(&self, node: usize, group: usize) -> bool {
        let all = self.stateful(group, |_| true);
        let place = &self.places[node][group];
        place.on & !place.dead & all == all
    }

    /// Requests nobody has answered, with when they were made.
    pub fn unanswered(&self) -> impl Iterator<Item = (usize, u32, u64)> + '_ {
        let of = |node: usize| self.open[node].iter().map(move |(client, at)| (node, *client, *at));
        of(0).chain(of(1))
    }

    /// Writes a violation down.
    pub fn violation(&mut self, now: u64, text: &str) {
        self.violations
            .push(format!("{}.{:03} {text}", now / 1_000_000, now / 1000 % 1000));
    }

    fn stateful(&self, group: usize, which: impl Fn(u8) -> bool) -> u16 {
        (0_u8..)
            .zip(&self.models[group])
            .filter(|(place, model)| **model != Model::Mail && which(*place))
            .fold(0, |mask, (place, _)| mask | bit(place))
    }

    /// Takes one fact. `excuses` matter for a start only.
    pub fn see(&mut self, now: u64, fact: &Fact, excuses: &Excuses) {
        match fact {
            Fact::Begun { step, id, effective } => {
                self.steps += u64::from(matches!(step.op, Op::Start | Op::Stop));
                self.single_effect(now, *step, *id);
                if *effective {
                    self.in_order(now, *step);
                    self.begun(now, *step, excuses);
                }
            }
            Fact::Promoted(step) => self.begun(now, *step, excuses),
            Fact::Ended {
                step,
                id,
                outcome,
                told,
            } => {
                if *told {
                    self.told(now, *step, *id, *outcome);
                }
                self.ended(*step, *outcome);
            }
            Fact::Abandoned(node, id) => self.abandon(now, *node, *id),
            Fact::Unstuck(node, group, resource) => self.places[*node][*group].stuck &= !bit(*resource),
            Fact::Died(node, group, resource) => self.places[*node][*group].dead |= bit(*resource),
            Fact::PowerLost(node) => self.power_lost(*node),
            Fact::DaemonUp(node) => self.new_life(*node),
            Fact::WitnessUp => self.cuts.begins(),
            Fact::WitnessHeard(node) => self.cuts.hears(now, *node),
            Fact::RelayStuck(node) => self.cuts.tells(*node),
            Fact::Relay { node, on, term, seen } => {
                let wrong = if *on {
                    self.cuts.gives_back(*node, *seen)
                } else {
                    self.cuts.takes(now, *node, *term)
                };
                wrong.inspect(|wrong| self.violation(now, &format!("S7 {wrong}")));
            }
            Fact::Shot(node, id) => self.shot(now, *node, *id),
            Fact::ShotEnded(node, id) => self.shots[*node] = self.shots[*node].filter(|shot| shot != id),
            Fact::Asked(node, client) => {
                self.open[*node].insert(*client, now);
            }
            Fact::Answered(node, client) => {
                if self.open[*node].remove(client).is_none() {
                    self.violation(
                        now,
                        &format!("L3 node {node} answered client {client} twice or unasked"),
                    );
                }
            }
            Fact::Phase(node, group, phase, why) => self.phase(now, *node, *group, *phase, *why),
            Fact::Feigned(step) => self.places[step.node][step.group].lied |= bit(step.resource),
            Fact::Reaped(node, group, resource) => {
                let place = &mut self.places[*node][*group];
                place.up &= !bit(*resource);
                place.lied &= !bit(*resource);
            }
            Fact::Forgot(node) => {
                for place in &mut self.places[*node] {
                    place.tenure = (0, 0);
                }
            }
            Fact::Durable(node, tenures) => self.durable(now, *node, tenures),
        }
    }

    fn power_lost(&mut self, node: usize) {
        for place in &mut self.places[node] {
            let tenure = place.tenure;
            *place = Place {
                tenure,
                ..Place::default()
            };
        }
        self.both.fill(false);
        for goes_on in &mut self.goes_on {
            *goes_on = goes_on.filter(|(first, _)| *first != node);
        }
        self.new_life(node);
    }

    fn new_life(&mut self, node: usize) {
        self.pinged.fill(None);
        for place in &mut self.places[node] {
            (place.flight, place.stuck, place.yields) = (None, 0, false);
        }
        (self.used[node], self.shots[node]) = (0, None);
        self.abandoned[node].clear();
        self.open[node].clear();
    }

    /// S8: numbers are used once, and a group has one effect in flight at most.
    fn single_effect(&mut self, now: u64, step: Step, id: u32) {
        if id <= self.used[step.node] {
            self.violation(now, &format!("S8 node {} used effect number {id} again", step.node));
        }
        self.used[step.node] = id;
        let place = &mut self.places[step.node][step.group];
        let (before, stuck) = (place.flight.replace(id), place.stuck);
        if let Some(before) = before {
            self.violation(
                now,
                &format!("S8 node {} began {id} while {before} was under way", step.node),
            );
        }
        // frozen I/O may be what the stuck look waits for (S-37)
        if stuck & bit(step.resource) != 0 && step.op != Op::Resume {
            self.violation(
                now,
                &format!("S8 node {} touched a resource with a stuck child", step.node),
            );
        }
    }

    /// S-83: one shot at a time.
    fn shot(&mut self, now: u64, node: usize, id: u32) {
        if self.shots[node].replace(id).is_some() || id <= self.used[node] {
            self.violation(
                now,
                &format!("S-83 node {node} shoots twice at once, or with a used number"),
            );
        }
        self.used[node] = id;
    }

    fn abandon(&mut self, now: u64, node: usize, id: u32) {
        let known = self.places[node].iter().any(|place| place.flight == Some(id));
        if !known || self.abandoned[node].contains(&id) {
            self.violation(
                now,
                &format!("S8 node {node} abandoned {id}, which is not under way, or twice"),
            );
        }
        self.abandoned[node].push(id);
    }

    fn told(&mut self, now: u64, step: Step, id: u32, outcome: Outcome) {
        let place = &mut self.places[step.node][step.group];
        let known = place.flight == Some(id);
        if known {
            place.flight = None;
            if outcome == Outcome::Stuck {
                place.stuck |= bit(step.resource);
            }
        } else {
            self.violation(
                now,
                &format!(
                    "S8 effect {id} of node {} ended twice or was never begun: {outcome:?}",
                    step.node
                ),
            );
        }
    }

    /// S4: nothing starts before what is left of it runs; nothing stops before what is right of it has stopped.
    fn in_order(&mut self, now: u64, step: Step) {
        let place = &self.places[step.node][step.group];
        let wrong = match step.op {
            Op::Probe | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => false,
            Op::Start => {
                let left = self.stateful(step.group, |place| place < step.resource);
                place.on & left != left
            }
            Op::Stop => {
                let right = self.stateful(step.group, |place| place > step.resource);
                place.up & !place.let_go() & right != 0
            }
        };
        if wrong {
            let text = format!(
                "S4 node {} group {}: {:?} of resource {} out of order (may run {:b}, runs {:b})",
                step.node, step.group, step.op, step.resource, place.up, place.on
            );
            self.violation(now, &text);
        }
    }

    fn begun(&mut self, now: u64, step: Step, excuses: &Excuses) {
        let mail = self.models[step.group].get(usize::from(step.resource)) == Some(&Model::Mail);
        if mail {
            return;
        }
        match step.op {
            Op::Probe | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => {}
            Op::Start => {
                self.two_actives(now, step, excuses);
                let place = &mut self.places[step.node][step.group];
                place.up |= bit(step.resource);
                place.given_up &= !bit(step.resource);
                place.lied &= !bit(step.resource);
                place.tries.remove(&step.resource);
            }
            Op::Stop => self.places[step.node][step.group].on &= !bit(step.resource),
        }
    }

    /// S1: told once for each time that a second node begins.
    fn two_actives(&mut self, now: u64, step: Step, excuses: &Excuses) {
        let mine = &self.places[step.node][step.group];
        let other = &self.places[1 - step.node][step.group];
        if other.up == 0 || (mine.up != 0 && self.both[step.group]) {
            return;
        }
        self.both[step.group] = true;
        let only_given_up = other.up & !other.given_up == 0;
        let only_left = other.up & !other.let_go() == 0;
        // a daemon that is back has been heard before it was believed: its silence can't be told from outside
        let short = excuses
            .silence
            .filter(|(silence, least)| silence < least && !excuses.daemon);
        let cause = if only_given_up {
            Some(Cause::PlainStop)
        } else if only_left {
            Some(Cause::Lie)
        } else if excuses.cut {
            Some(Cause::Cut)
        } else if excuses.isolated {
            Some(Cause::Isolated)
        } else if let Some((silence, least)) = short {
            let text = format!(
                "S1 group {}: node {} starts {silence} ms after hearing the active other, {least} must pass",
                step.group, step.node
            );
            self.violation(now, &text);
            return;
        } else if excuses.frozen {
            Some(Cause::Frozen)
        } else if excuses.daemon {
            Some(Cause::Daemon)
        } else {
            let same = self.goes_on[step.group].filter(|(first, _)| *first != step.node);
            same.map(|(_, cause)| cause)
        };
        match cause {
            Some(cause) => {
                self.goes_on[step.group] = Some((1 - step.node, cause));
                self.admitted.push((now, step.group, cause));
            }
            None => self.violation(
                now,
                &format!("S1 group {}: two actives, node {} is the second", step.group, step.node),
            ),
        }
    }

    fn ended(&mut self, step: Step, outcome: Outcome) {
        let model = self.models[step.group].get(usize::from(step.resource)).copied();
        if model == Some(Model::Mail) {
            return;
        }
        let resource = step.resource;
        let place = &mut self.places[step.node][step.group];
        match (step.op, outcome) {
            (Op::Probe | Op::Start, Outcome::Done | Outcome::Degraded) => {
                place.on |= bit(resource);
                place.dead &= !bit(resource);
                place.given_up &= !bit(resource);
                place.lied &= !bit(resource);
            }
            (Op::Probe, Outcome::NotRunning) => {
                // true in the model: it ended by itself, and nobody needs to stop it
                place.up &= !bit(resource);
                place.on &= !bit(resource);
                place.dead &= !bit(resource);
            }
            (Op::Probe | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume, _) => {}
            (Op::Start, _) => place.on &= !bit(resource),
            (Op::Stop, Outcome::Done | Outcome::Degraded | Outcome::NotRunning) => {
                place.up &= !(bit(resource) & !place.lied);
                place.on &= !bit(resource);
                place.given_up &= !bit(resource);
                place.tries.remove(&resource);
            }
            (Op::Stop, _) => {
                let tries = place.tries.entry(resource).or_default();
                *tries = tries.saturating_add(1);
                if model == Some(Model::Plain) && *tries >= STOP_TRIES {
                    place.given_up |= bit(resource);
                }
            }
        }
        if place.up == 0 {
            self.both[step.group] = false;
            self.goes_on[step.group] = self.goes_on[step.group].filter(|(first, _)| *first != step.node);
        }
    }

    /// L2: ping nodes that come and go don't make a group do the same (S-42).
    fn pinged(&mut self, now: u64, group: usize) {
        let before = self.pinged[group].replace(now);
        if before.is_some_and(|at| now < at + self.pinged_pause) {
            self.violation(now, &format!("L2 group {group} moves for ping nodes again"));
        }
    }

    /// After healing, one of two actives yields: never both.
    fn phase(&mut self, now: u64, node: usize, group: usize, phase: Phase, why: Why) {
        if phase == Phase::Stopping && why == Why::FewerPings {
            self.pinged(now, group);
        }
        let yields = phase == Phase::Stopping && matches!(why, Why::EarlierTenure | Why::Slept);
        self.places[node][group].yields = yields;
        if yields && self.places[1 - node][group].yields {
            self.violation(now, &format!("S-50 group {group}: both nodes yield"));
        }
    }

    /// What a node keeps of the tenures only grows.
    fn durable(&mut self, now: u64, node: usize, tenures: &[(u32, u32)]) {
        for (group, (run, known)) in tenures.iter().enumerate() {
            let Some(place) = self.places[node].get_mut(group) else {
                continue;
            };
            let before = std::mem::replace(&mut place.tenure, (*run, *known));
            if *run < before.0 || *known < before.1 {
                self.violation(
                    now,
                    &format!("S-50 node {node} group {group}: the tenure went back from {before:?}"),
                );
            }
        }
    }
}
