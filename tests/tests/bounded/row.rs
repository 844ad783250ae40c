//! The rows that are searched: what the files say, what can go wrong, and what SAFETY.md admits then.

use ovzha_core::config::{Config, Device, Draft, GroupDraft, Kind};
use ovzha_core::frame::VERSION;
use ovzha_core::id::{ClusterId, Mark, NodeId};
use ovzha_core::time::Span;
use ovzha_core::watchdog::Watchdog;
use ovzha_core::witness::Relay;

use crate::machine::{RESOURCES, Still, Wrong};
use crate::model::{Model, TICK, letter};

/// What one direction of the link does in an interval.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Way {
    /// What is sent arrives at once.
    Carries,
    /// What is sent is lost.
    Loses,
    /// What is sent arrives when this direction does something else.
    Keeps,
}

/// One thing done between two intervals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    /// Nothing.
    Nothing,
    /// Power is cut.
    PowerCut(usize),
    /// Power comes back. No fault.
    Boot(usize),
    /// The daemon is killed.
    Kill(usize),
    /// The daemon is killed, and its supervisor starts it after so many milliseconds.
    Restart(usize, u64),
    /// A killed daemon is started. No fault.
    Daemon(usize),
    /// The node stands still.
    Freeze(usize, Still),
    /// It moves again. No fault.
    Thaw(usize),
    /// The next start or stop there goes wrong.
    GoesWrong(usize, Wrong),
    /// A person stops the daemon in order.
    Stop(usize),
    /// The relay of its power does not move any more.
    Sticks(usize),
    /// The witness loses its power.
    WitnessDies,
    /// It gets it back. No fault.
    WitnessStarts,
}

/// What is chosen for an interval.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Choice {
    /// What the link does with what each node sends.
    pub ways: [Way; 2],
    /// Whether each node's ping is answered.
    pub pings: [bool; 2],
    /// Whether the way between each node and the witness carries.
    pub roads: [bool; 2],
    /// What is done first.
    pub act: Act,
}

impl Choice {
    /// All is well.
    pub const QUIET: Self = Self {
        ways: [Way::Carries; 2],
        pings: [true; 2],
        roads: [true; 2],
        act: Act::Nothing,
    };

    /// In words; nothing if all is well.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        let silent = self.ways == [Way::Loses; 2];
        let alone = self.pings.iter().position(|answered| !answered).filter(|_| silent);
        if let Some(node) = alone {
            words.push(format!("{} is cut off from everything", letter(node)));
        } else if silent {
            words.push("all links are cut".to_owned());
        } else {
            for node in 0..2 {
                let (from, to) = (letter(node), letter(1 - node));
                match self.ways[node] {
                    Way::Carries => {}
                    Way::Loses => words.push(format!("nothing of {from} reaches {to}")),
                    Way::Keeps => words.push(format!("what {from} sends is held up")),
                }
            }
        }
        for node in (0..2).filter(|node| !self.roads[*node]) {
            words.push(format!("{} and the witness don't hear each other", letter(node)));
        }
        // every other act is told when it is done
        if let Act::GoesWrong(node, wrong) = self.act {
            let how = match wrong {
                Wrong::Start => "start will fail",
                Wrong::Stop => "stop will fail",
                Wrong::Hang => "stop will hang",
                Wrong::Shot => "shot will cut nothing",
            };
            words.push(format!("{}'s next {how}", letter(node)));
        }
        words.join(", ")
    }
}

/// A node that is cut off from everything, or was a moment ago.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Isolated {
    /// Which.
    pub node: usize,
    /// For how many intervals.
    pub lasted: u8,
    /// It follows an isolation of the other node at once.
    pub follows: bool,
    /// For how many intervals all has been well since.
    pub well: u8,
}

impl Isolated {
    /// What it is once this is chosen.
    pub fn after(before: Option<Self>, choice: &Choice) -> Option<Self> {
        let now = choice.pings.iter().position(|answered| !answered);
        match (now, before) {
            (None, Some(before)) => {
                let well = before.well + 1;
                (well < CONTACT).then_some(Self { well, ..before })
            }
            (None, None) => None,
            (Some(node), Some(before)) if node == before.node => {
                let lasted = if before.well > 0 { 0 } else { before.lasted };
                Some(Self {
                    lasted: lasted.saturating_add(1),
                    well: 0,
                    ..before
                })
            }
            (Some(node), before) => Some(Self {
                node,
                lasted: 1,
                follows: before.is_some(),
                well: 0,
            }),
        }
    }
}

/// Intervals in which two nodes that hear each other are sure to believe each other, too, whatever came before.
const CONTACT: u8 = 2;

/// What the network can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Net {
    /// It carries.
    Good,
    /// Each direction loses or holds up whole intervals, so many in a row at most.
    Gaps(u8),
    /// Each direction is cut and mended at will.
    Cuts,
    /// Each node is cut off from everything at will, one at a time; of isolations of both that follow each other at once
    /// each but the last lasts at least so many intervals.
    Isolations(u8),
    /// The link between the nodes, and the way of each to the witness, each carry both ways or not; so many changes at most.
    Roads(u8),
}

/// One thing to search.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about the files and the beginning"
)]
pub struct Row {
    /// Its name in the golden file.
    pub name: &'static str,
    /// Keepalives in a deadtime.
    pub deadtime: u64,
    /// There is a ping node.
    pub ping: bool,
    /// There is a witness, which does this with the nodes' power.
    pub votes: Option<Relay>,
    /// It has been dead for longer than a deadtime.
    pub away: bool,
    /// A start needs its vote.
    pub commanded: bool,
    /// Each node has a fence agent.
    pub agents: bool,
    /// The watchdog's timeout, in milliseconds.
    pub watchdog: Option<u64>,
    /// How fast each clock runs, in thousandths.
    pub rates: [u64; 2],
    /// Both nodes begin without power, not with the group active on `a`.
    pub cold: bool,
    /// What the network does.
    pub net: Net,
    /// What else may befall either node.
    pub acts: &'static [fn(usize) -> Act],
    /// How often, all told.
    pub faults: u8,
    /// Two actives are admitted, by this clause.
    pub admits: Option<&'static str>,
    /// Intervals that `cargo test` looks ahead.
    pub quick: u8,
    /// Intervals that `.ci/run sim` looks ahead.
    pub deep: u8,
}

impl Row {
    /// Row "none": exact clocks, nothing goes wrong.
    pub const fn new(name: &'static str, quick: u8, deep: u8, deadtime: u64) -> Self {
        Self {
            name,
            deadtime,
            ping: false,
            votes: None,
            away: false,
            commanded: false,
            agents: false,
            watchdog: None,
            rates: [1000; 2],
            cold: false,
            net: Net::Good,
            acts: &[],
            faults: 0,
            admits: None,
            quick,
            deep,
        }
    }

    /// With a ping node.
    pub const fn pinged(self) -> Self {
        Self { ping: true, ..self }
    }

    /// With watchdogs, of the shortest timeout there is.
    pub const fn watched(self) -> Self {
        let watchdog = Some(3 * TICK);
        Self { watchdog, ..self }
    }

    /// With a fence agent on each node.
    pub const fn armed(self) -> Self {
        Self { agents: true, ..self }
    }

    /// With a witness that does this with the nodes' power.
    pub const fn relay(self, relay: Relay) -> Self {
        let votes = Some(relay);
        Self { votes, ..self }
    }

    /// From a state in which the witness has long been dead.
    pub const fn away(self) -> Self {
        Self { away: true, ..self }
    }

    /// With `decisions witness`.
    pub const fn commanded(self) -> Self {
        Self {
            commanded: true,
            ..self
        }
    }

    /// With such a network.
    pub const fn net(self, net: Net) -> Self {
        Self { net, ..self }
    }

    /// With clocks that run so fast.
    pub const fn rates(self, rates: [u64; 2]) -> Self {
        Self { rates, ..self }
    }

    /// From a state in which nobody has power.
    pub const fn cold(self) -> Self {
        Self { cold: true, ..self }
    }

    /// That may happen, so many times.
    pub const fn up_to(self, faults: u8, acts: &'static [fn(usize) -> Act]) -> Self {
        Self { acts, faults, ..self }
    }

    /// Two actives are admitted.
    pub const fn admits(self, clause: &'static str) -> Self {
        let admits = Some(clause);
        Self { admits, ..self }
    }

    /// Checked by the core; the times are the smallest that it accepts, but for the deadtime.
    pub fn config(&self, me: u8) -> Config {
        let keepalives = |count: u64| Span::from_millis(count * TICK);
        let group = GroupDraft {
            preferred: NodeId(0),
            identity: Mark([1; 3]),
            digest: Mark([1; 3]),
            resources: [Kind::Data; RESOURCES].into_iter().collect(),
            monitors: [0; RESOURCES].into_iter().collect(),
        };
        let draft = Draft {
            me: NodeId(me),
            cluster: ClusterId([7, 7]),
            links: 1,
            pings: u8::from(self.ping),
            keepalive: keepalives(1),
            warntime: keepalives(2),
            deadtime: keepalives(self.deadtime),
            deadping: keepalives(3),
            initdead: keepalives(self.deadtime),
            stop_budget: keepalives(1),
            auto_failback: false,
            ipfail: false,
            diskless_hands_over: true,
            last_resort: true,
            watchdog: self.watchdog.map(|timeout| Watchdog {
                timeout: Span::from_millis(timeout),
                stays: false,
            }),
            groups: [group].into_iter().collect(),
            resources_digest: [1; 4],
            timings_digest: [1; 4],
            witness: self.votes.is_some(),
            stonith: self.agents.then_some(Device {
                delay: Span::from_millis(2 * TICK + 1),
                timeout: keepalives(60),
            }),
            commanded: self.commanded,
            relay: self.votes.unwrap_or(Relay::None),
            speaks: if self.votes.is_some() { VERSION } else { 2 },
        };
        Config::new(draft).unwrap()
    }

    /// All that can be chosen next, the quietest first.
    pub fn choices(&self, model: &Model) -> Vec<Choice> {
        let mut choices = Vec::new();
        for act in self.acts_now(model) {
            for (ways, pings, roads) in self.nets_now(model) {
                choices.push(Choice {
                    ways,
                    pings,
                    roads,
                    act,
                });
            }
        }
        choices
    }

    fn nets_now(&self, model: &Model) -> Vec<([Way; 2], [bool; 2], [bool; 2])> {
        let Net::Roads(most) = self.net else {
            let pairs = self.pairs_now(model).into_iter();
            return pairs.map(|(ways, pings)| (ways, pings, [true; 2])).collect();
        };
        let now = (model.choice.ways, [true; 2], model.choice.roads);
        let mut nets = vec![now];
        if model.changes < most {
            let both = [true, false];
            for way in [Way::Carries, Way::Loses] {
                for (a, b) in both.into_iter().flat_map(|a| both.map(|b| (a, b))) {
                    nets.push(([way; 2], [true; 2], [a, b]));
                }
            }
            nets[1..].sort_by_key(|net| (*net == now, net.2));
            nets.dedup();
        }
        nets
    }

    fn pairs_now(&self, model: &Model) -> Vec<([Way; 2], [bool; 2])> {
        let well = [true; 2];
        let each = |ways: &dyn Fn(usize) -> Vec<Way>| -> Vec<([Way; 2], [bool; 2])> {
            let mut nets = Vec::new();
            for of_a in ways(0) {
                nets.extend(ways(1).into_iter().map(|of_b| ([of_a, of_b], well)));
            }
            nets
        };
        match self.net {
            Net::Good | Net::Roads(_) => vec![([Way::Carries; 2], well)],
            Net::Gaps(most) => each(&|from| {
                if model.silent[from] < most {
                    vec![Way::Carries, Way::Loses, Way::Keeps]
                } else {
                    vec![Way::Carries]
                }
            }),
            Net::Cuts => each(&|_| vec![Way::Carries, Way::Loses]),
            Net::Isolations(least) => {
                let well = ([Way::Carries; 2], well);
                let alone = |node: usize| ([Way::Loses; 2], [node != 0, node != 1]);
                match model.isolated {
                    None => vec![well, alone(0), alone(1)],
                    Some(isolated) => {
                        let long = isolated.lasted >= least;
                        let mut nets = vec![alone(isolated.node)];
                        if long || !isolated.follows {
                            nets.insert(0, well);
                        }
                        if long {
                            nets.push(alone(1 - isolated.node));
                        }
                        nets
                    }
                }
            }
        }
    }

    fn acts_now(&self, model: &Model) -> Vec<Act> {
        let mut acts = vec![Act::Nothing];
        for (node, machine) in model.nodes.iter().enumerate() {
            if !machine.power {
                acts.push(Act::Boot(node));
            } else if machine.still.is_some() {
                acts.push(Act::Thaw(node));
            } else if machine.daemon.is_none() && machine.restart.is_none() {
                acts.push(Act::Daemon(node));
            }
        }
        if model.third.is_down() {
            acts.push(Act::WitnessStarts);
        }
        if model.faults < self.faults {
            let all = self.acts.iter().flat_map(|act| [act(0), act(1)]);
            acts.extend(all.filter(|act| is_possible(model, *act)));
            // what befalls no node is named once
            acts.dedup();
        }
        acts
    }
}

fn is_possible(model: &Model, act: Act) -> bool {
    match act {
        Act::Nothing | Act::Boot(_) | Act::Daemon(_) | Act::Thaw(_) | Act::WitnessStarts => false,
        Act::WitnessDies => model.third.is_up(),
        Act::Sticks(node) => model.third.relay() != Relay::None && !model.third.sticks[node],
        Act::Stop(node) => model.nodes[node].is_awake() && !model.nodes[node].is_leaving(),
        Act::PowerCut(node) => model.nodes[node].power,
        Act::Kill(node) | Act::Restart(node, _) | Act::Freeze(node, _) => model.nodes[node].is_awake(),
        Act::GoesWrong(node, _) => model.nodes[node].power && model.nodes[node].wrong.is_none(),
    }
}

/// Whether it counts as a fault.
pub const fn is_fault(act: Act) -> bool {
    match act {
        Act::Nothing | Act::Boot(_) | Act::Daemon(_) | Act::Thaw(_) | Act::WitnessStarts => false,
        Act::WitnessDies
        | Act::Stop(_)
        | Act::Sticks(_)
        | Act::PowerCut(_)
        | Act::Kill(_)
        | Act::Restart(..)
        | Act::Freeze(..)
        | Act::GoesWrong(..) => true,
    }
}
