//! One fault of a seed: when it strikes, what it does, and when it ends.

use ovzha_core::event::{Command, Outcome};
use ovzha_core::id::GroupSet;
use ovzha_core::message::HoldReason;
use ovzha_core::output::Op;
use ovzha_core::time::Span;
use ovzha_core::witness::{Relay, VOTES_FROM};

use crate::act::{Act, Loss};
use crate::faults::Kind;
use crate::node::{Freeze, Script};
use crate::rng::Rng;
use crate::setup::Setup;
use crate::stonith::{Agent, Does};
use crate::world::group_id;

pub(crate) const SECOND: u64 = 1_000_000;
/// A frame can be late by so much.
const MINUTES: u64 = 180 * SECOND;

/// What belongs together: a fault, what follows it, and its end, each at its time.
#[derive(Clone, Debug)]
pub struct Strike {
    /// When each thing is done.
    pub acts: Vec<(u64, Act)>,
}

/// Draws strikes.
pub(crate) struct Striker<'a> {
    pub rng: &'a mut Rng,
    pub kind: Kind,
    pub setup: &'a Setup,
}

impl std::fmt::Display for Strike {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (at, act)) in self.acts.iter().enumerate() {
            let gap = if place == 0 { "" } else { "; " };
            write!(out, "{gap}{}.{:03} {act:?}", at / SECOND, at / 1000 % 1000)?;
        }
        Ok(())
    }
}

impl Striker<'_> {
    pub fn strike(&mut self, at: u64) -> Strike {
        let node = self.rng.node();
        let until = at + self.rng.below(self.setup.deadtime * 2500);
        let acts = match self.kind {
            Kind::Restarts => self.restart(node, at),
            Kind::Voted if self.rng.chance(250) => self.voter(node, at, until),
            Kind::Voted if self.setup.relay != Relay::None && self.rng.chance(200) => self.relay(node, at, until),
            Kind::Fenced if self.rng.chance(200) => self.agent(node, at, until),
            Kind::Anything | Kind::Voted | Kind::Fenced if self.rng.chance(450) => self.anything(node, at, until),
            Kind::Crash | Kind::Isolation | Kind::Anything | Kind::Voted | Kind::Fenced => self.crash(node, at, until),
        };
        Strike { acts }
    }

    /// A restart of a daemon within deadtime, sometimes with a release of another version.
    fn restart(&mut self, node: usize, at: u64) -> Vec<(u64, Act)> {
        let mut acts = vec![(at, Act::Kill(node))];
        let back = at + self.rng.below(self.setup.deadtime * 600);
        if self.rng.chance(200) {
            acts.push((at, self.speak(node)));
        }
        acts.push((back, Act::Revive(node)));
        acts
    }

    /// What no row excuses two actives for.
    fn crash(&mut self, node: usize, at: u64, until: u64) -> Vec<(u64, Act)> {
        let on = |act| vec![(at, act)];
        match self.rng.below(24) {
            0..=2 => self.power_cut(node, at, until),
            3 => {
                let delay = self.rng.below(self.setup.deadtime * 80);
                let weather = Act::Weather(self.rng.below(400), self.rng.below(300), self.rng.below(100), delay);
                vec![(at, weather), (until, Act::Weather(0, 0, 0, 900))]
            }
            4 => {
                let stray = Act::Stray(self.rng.between(10, 300), self.rng.between(SECOND, MINUTES));
                vec![(at, stray), (until, Act::Stray(0, 0))]
            }
            5 => on(Act::Replay(
                node,
                self.rng.node(),
                usize::from(self.rng.chance(300)) * 500 + 20,
            )),
            6 | 7 => {
                let count = usize::from(self.rng.chance(300)) * 200 + 20;
                let link = self.rng.chance(300).then(|| u8::from(self.rng.chance(500)));
                on(Act::Recall(node, self.rng.node(), self.rng.below(1000), count, link))
            }
            8 => on(Act::Noise(node)),
            9..=11 => on(self.script(node)),
            12 => self.feign(node, at),
            // a request is no fault of its own: one comes with it
            13 | 14 => {
                let other = self.rng.node();
                vec![(at, Act::Ask(node, self.command())), (at, self.script(other))]
            }
            15 | 16 => self.disk(node, at, until),
            17 => self.partial(at, until),
            18 => self.device(node, at, until),
            19 => self.upgrade(node, at),
            20 => vec![
                (at, Act::Drift(node, self.rng.between(990_000, 1_010_000))),
                (at, Act::Noise(node)),
            ],
            21 => {
                let group = self.resource().0;
                vec![
                    (at, Act::Diskless(node, group, true)),
                    (until, Act::Diskless(node, group, false)),
                ]
            }
            _ => self.ail(at, until),
        }
    }

    /// The third voter: its power, or the ways to it.
    fn voter(&mut self, node: usize, at: u64, until: u64) -> Vec<(u64, Act)> {
        let cut = |node, cut| Act::WitnessCut(node, cut);
        match self.rng.below(5) {
            0 => vec![(at, Act::WitnessPower(false)), (until, Act::WitnessPower(true))],
            // restarted at once
            1 => vec![(at, Act::WitnessPower(false)), (at + SECOND, Act::WitnessPower(true))],
            2 => vec![(at, cut(node, true)), (until, cut(node, false))],
            // a node goes away in order meanwhile, and is back before the witness or after it
            3 => {
                let stops = at + self.setup.deadtime * self.rng.between(900, 1500);
                let back = until.max(stops + SECOND);
                vec![
                    (at, Act::WitnessPower(false)),
                    (stops, Act::Ask(node, Command::Stop)),
                    (back, Act::Revive(node)),
                    (back + self.rng.between(0, 60 * SECOND), Act::WitnessPower(true)),
                ]
            }
            _ => [node, 1 - node]
                .into_iter()
                .flat_map(|node| [(at, cut(node, true)), (until, cut(node, false))])
                .collect(),
        }
    }

    /// A relay sticks, or its input sees no loss of power; most often while something else makes the witness use it.
    fn relay(&mut self, node: usize, at: u64, until: u64) -> Vec<(u64, Act)> {
        let fault: fn(usize, bool) -> Act = if self.rng.chance(600) {
            Act::RelayStuck
        } else {
            Act::SenseBlind
        };
        let ends = until + self.rng.below(20 * SECOND);
        let mut acts = vec![(at, fault(node, true)), (ends, fault(node, false))];
        if self.rng.chance(700) {
            let from = at + self.rng.below(SECOND);
            acts.extend(self.anything(node, from, until.max(from)));
        }
        acts
    }

    /// A fence agent that can't do all of its work, or is slow; perhaps while the other machine is off, and a person sees that.
    fn agent(&mut self, node: usize, at: u64, until: u64) -> Vec<(u64, Act)> {
        let does = self
            .rng
            .pick(&[Does::Cuts, Does::Fails, Does::CutsUnseen])
            .unwrap_or(Does::Fails);
        let takes = self.rng.between(SECOND / 10, 20 * SECOND);
        let mut acts = vec![
            (at, Act::Agent(node, Agent { does, takes })),
            (until, Act::Agent(node, Agent::default())),
        ];
        if self.rng.chance(500) {
            acts.push((at, Act::Off(1 - node)));
            acts.push((until + self.rng.below(20 * SECOND), Act::On(1 - node)));
        }
        if self.rng.chance(500) {
            acts.push((
                at + self.rng.below(self.setup.deadtime * 3000),
                Act::ConfirmFenced(node),
            ));
        }
        acts
    }

    /// What some row admits two actives for.
    fn anything(&mut self, node: usize, at: u64, until: u64) -> Vec<(u64, Act)> {
        match self.rng.below(8) {
            0 | 1 => vec![(at, Act::Kill(node)), (until, Act::Revive(node))],
            2 | 3 => {
                let freezes = [Freeze::Process, Freeze::Kernel, Freeze::Machine];
                // beside watchdogs a machine that stands still with its clock is no part of the promise
                let covered = self.kind != Kind::Voted || self.setup.relay == Relay::InPlace;
                let most = if covered { 3 } else { 2 };
                let freeze = self.rng.pick(&freezes[..most]);
                vec![(at, Act::Freeze(node, freeze.unwrap_or(Freeze::Process), until - at))]
            }
            4 => {
                let mut acts = vec![(at, Act::Cut(None, node, true))];
                if !self.rng.chance(400) {
                    acts.push((at, Act::Cut(None, 1 - node, true)));
                }
                acts.extend([
                    (until, Act::Cut(None, node, false)),
                    (until, Act::Cut(None, 1 - node, false)),
                ]);
                if self.rng.chance(600) {
                    acts.extend([(at, Act::Drbd(true)), (until, Act::Drbd(false))]);
                }
                acts
            }
            5 => {
                let slow = Act::Slow(node, self.rng.between(self.setup.keepalive * 1000, MINUTES));
                vec![(at, slow), (until, Act::Slow(node, 0))]
            }
            6 => vec![(at, Act::Isolate(node, true)), (until, Act::Isolate(node, false))],
            _ => {
                let devices = |there| (0..self.setup.links).map(move |link| Act::Device(node, link, there));
                let gone = devices(false).map(|act| (at, act));
                gone.chain(devices(true).map(|act| (until, act))).collect()
            }
        }
    }

    /// Of one node or of both; sometimes the state directory suffers.
    fn power_cut(&mut self, node: usize, at: u64, until: u64) -> Vec<(u64, Act)> {
        let mut acts = Vec::new();
        let both = self.rng.chance(150);
        for node in (0..2).filter(|off| both || *off == node) {
            acts.push((at, Act::Off(node)));
            if self.rng.chance(150) {
                let older = Loss::Older(usize::from(self.rng.chance(500)) * 9 + 1);
                let loss = self.rng.pick(&[Loss::Damaged, Loss::Gone, older]);
                acts.push((at, Act::Lose(node, loss.unwrap_or(older))));
            }
            acts.push((until + self.rng.below(20 * SECOND), Act::On(node)));
        }
        acts
    }

    /// The disk of the state directory fails, or is slow, or hangs.
    fn disk(&mut self, node: usize, at: u64, until: u64) -> Vec<(u64, Act)> {
        if self.rng.chance(500) {
            return vec![(at, Act::Disk(node, false)), (until, Act::Disk(node, true))];
        }
        let takes = self.rng.pick(&[SECOND / 2, 5 * SECOND, 60 * SECOND]).unwrap_or(SECOND);
        vec![(at, Act::DiskTakes(node, takes)), (until, Act::DiskTakes(node, 5000))]
    }

    /// One of several links, DRBD's path, or the ping nodes alone.
    fn partial(&mut self, at: u64, until: u64) -> Vec<(u64, Act)> {
        let mut acts = Vec::new();
        if self.setup.links > 1 && self.rng.chance(500) {
            let first = self.rng.node();
            let both = self.rng.chance(400);
            for from in (0..2).filter(|from| both || *from == first) {
                acts.push((at, Act::Cut(Some(0), from, true)));
                acts.push((until, Act::Cut(Some(0), from, false)));
            }
        } else if self.kind == Kind::Crash && self.setup.pings > 0 && self.rng.chance(500) {
            let node = self.rng.node();
            acts.extend([(at, Act::Pings(node, false)), (until, Act::Pings(node, true))]);
        } else {
            acts.extend([(at, Act::Drbd(true)), (until, Act::Drbd(false))]);
        }
        acts
    }

    /// The device of one of several links.
    fn device(&mut self, node: usize, at: u64, until: u64) -> Vec<(u64, Act)> {
        if self.setup.links < 2 {
            return self.power_cut(node, at, until);
        }
        vec![(at, Act::Device(node, 1, false)), (until, Act::Device(node, 1, true))]
    }

    /// A program of another version takes the place of the running one; or its frames are of one that nobody knows.
    fn upgrade(&mut self, node: usize, at: u64) -> Vec<(u64, Act)> {
        let back = at + self.rng.below(self.setup.deadtime * 300);
        let mut acts = vec![(at, Act::Kill(node))];
        if self.rng.chance(300) {
            acts.push((at, Act::Newer(node, true)));
            acts.push((back + self.rng.below(30 * SECOND), Act::Newer(node, false)));
        } else {
            let earlier = self.speak(node);
            // every release that knows of a witness speaks of votes
            let voter = Act::Speak(node, VOTES_FROM);
            acts.push((at, if self.setup.witness { voter } else { earlier }));
        }
        acts.push((back, Act::Revive(node)));
        acts
    }

    fn speak(&mut self, node: usize) -> Act {
        Act::Speak(node, if self.rng.chance(500) { 1 } else { 2 })
    }

    /// A script says that it did what it did not.
    fn feign(&mut self, node: usize, at: u64) -> Vec<(u64, Act)> {
        let (group, resource) = self.resource();
        // what did not start and is not looked at stays so
        let start = self.setup.monitor > 0 && self.rng.chance(500);
        let op = if start { Op::Start } else { Op::Stop };
        vec![(at, Act::Feign(node, group, resource, op))]
    }

    /// Something of an active group fails by itself, once or again and again.
    fn ail(&mut self, at: u64, until: u64) -> Vec<(u64, Act)> {
        let (group, resource) = self.resource();
        let mut acts = Vec::new();
        if self.setup.monitor == 0 || self.rng.chance(200) {
            // what nobody looks at stays dead
            let node = self.rng.node();
            let on = |on| Act::Suspend(node, group, on);
            return vec![(at, on(true)), (until, on(false))];
        }
        let mut when = at;
        for _ in 0..self.rng.between(1, 3) {
            for node in 0..2 {
                // on whichever node it runs
                acts.push((when, Act::Die(node, group, resource, self.rng.chance(300))));
            }
            when += self.rng.below(30 * SECOND);
        }
        acts
    }

    fn resource(&mut self) -> (usize, u8) {
        let group = self.rng.pick(&[0, 1, 2, 3]).unwrap_or(0) % self.setup.groups.len();
        let resources = self.setup.groups[group].resources.len();
        let resource = u8::try_from(self.rng.below(u64::try_from(resources).unwrap_or(1))).unwrap_or(0);
        (group, resource)
    }

    fn script(&mut self, node: usize) -> Act {
        let (group, resource) = self.resource();
        let op = self.rng.pick(&[
            Op::Probe,
            Op::Start,
            Op::Start,
            Op::Stop,
            Op::Stop,
            Op::Monitor,
            Op::Monitor,
        ]);
        let outcome = self.rng.pick(&[
            None,
            None,
            Some(Outcome::Failed),
            Some(Outcome::TimedOut),
            Some(Outcome::Unfit),
            Some(Outcome::Stuck),
            Some(Outcome::Degraded),
        ]);
        let op = op.unwrap_or(Op::Start);
        // a stop is not unfit: the agent finds its resource or it does not
        let outcome = outcome
            .flatten()
            .filter(|outcome| op != Op::Stop || *outcome != Outcome::Unfit);
        // a probe that lies is not among the faults: it can only fail to tell
        let outcome =
            outcome.filter(|outcome| op != Op::Probe || matches!(outcome, Outcome::Failed | Outcome::TimedOut));
        let slow = outcome.is_none() || self.rng.chance(500);
        let takes = slow.then(|| self.rng.below(30 * SECOND));
        let times = u32::try_from(self.rng.between(1, 5)).unwrap_or(1);
        Act::Script(node, group, resource, op, Script { outcome, takes, times })
    }

    fn command(&mut self) -> Command {
        let group = group_id(self.rng.pick(&[0, 0, 1, 2]).unwrap_or(0));
        let groups = match self.rng.below(3) {
            0 => GroupSet::of([self.rng.pick(&[0, 1, 2, 3]).unwrap_or(0)]),
            1 => GroupSet::of([0, 2]),
            _ => GroupSet::ALL,
        };
        // a held node stays active when it is isolated: the promise of row ping does not cover that (SAFETY S-46)
        let most = if self.kind == Kind::Isolation { 5 } else { 8 };
        match self.rng.below(most) {
            0 | 1 => Command::Standby { groups },
            2 => Command::Takeover { groups },
            3 => Command::Stop,
            4 => Command::Clear { group },
            5 => Command::Resume,
            _ => Command::Hold {
                span: Some(Span::from_secs(self.rng.between(1, 60))),
                reason: HoldReason::new(),
            },
        }
    }
}
