//! Two groups crossed over two nodes: each prefers another one, each lives its own life.
//!
//! The random walk draws its steps from a seed, which it prints. What must come of each step is told by a model of its
//! own: where each group runs, which node has power. `OVZHA_SEED=n` walks that way again, `OVZHA_STEPS=n` so far.
use crate::bed::{Files, Number, Pair, now};
use ovzha_world::rng::Rng;
use serde_json::Value;
use std::time::Duration;

/// Steps of the walk, if nobody says how many: about a minute and a half.
const STEPS: u64 = 50;
/// Where it goes if nobody says where: the same way every time, or a landing would depend on luck.
const SEED: u64 = 21;

#[expect(
    clippy::print_stdout,
    reason = "whoever looks for a fault must know the seed and the steps"
)]
fn say(text: &str) {
    println!("walk: {text}");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn files(failback: bool) -> Files {
    let files = Files::quick().crossed().set("deadtime", "deadtime 3");
    if failback {
        files.set("auto_failback", "auto_failback on")
    } else {
        files
    }
}

const fn other(node: Number) -> Number {
    3 - node
}

/// The node that a group prefers.
const PREFERRED: [Number; 2] = [1, 2];

/// What is so, as far as the steps tell.
struct Walk {
    pair: Pair,
    failback: bool,
    /// Where each group runs.
    at: [Number; 2],
    /// The node without power.
    off: Option<Number>,
}

impl Walk {
    /// Both nodes on, each group on its preferred node.
    fn begin(failback: bool) -> Self {
        let mut pair = Pair::new(&files(failback));
        pair.start(1);
        pair.start(2);
        let walk = Self {
            pair,
            failback,
            at: PREFERRED,
            off: None,
        };
        walk.settle("the cold start");
        walk
    }

    fn status(&self, node: Number) -> Value {
        serde_json::from_str(&self.pair.node(node).ovzha("status --json").out).unwrap_or(Value::Null)
    }

    /// Whether each group runs where it should, once, and every daemon that lives knows it and waits for nothing.
    fn is_settled(&self) -> bool {
        let services = (0..2).all(|group| {
            let at = self.at[group];
            self.pair.runs(group, at) && !self.pair.runs(group, other(at))
        });
        services
            && [1, 2].into_iter().filter(|node| self.off != Some(*node)).all(|node| {
                let status = self.status(node);
                let peer = if self.off.is_some() { "dead" } else { "alive" };
                let group = |group: usize| {
                    let told = &status["groups"][group];
                    // with both nodes there, what either wrote alone is on both disks again, and both know it
                    let even = self.off.is_some()
                        || told["marked"] == false
                            && told["drbd"]["ahead"] == false
                            && told["on_peer"]["drbd"]["ahead"] == false;
                    even && told["active_on"] == format!("ovz-node{}", self.at[group]) && told["decision"] == "stay"
                };
                status["peer_state"] == peer && group(0) && group(1)
            })
    }

    fn settle(&self, step: &str) {
        self.pair
            .wait(&format!("all as it should be after {step}"), |_| self.is_settled());
        self.pair.stays(
            &format!("all as it was after {step}"),
            Duration::from_millis(300),
            |pair| (0..2).all(|group| pair.runs(group, self.at[group]) && !pair.runs(group, other(self.at[group]))),
        );
    }

    /// The groups that these words mean, by Heartbeat's book.
    fn meant(node: Number, takeover: bool, words: &str) -> Vec<usize> {
        let local = usize::from(node == 2);
        match words {
            "" | "all" | "0 1" => vec![0, 1],
            "local" => vec![local],
            "foreign" => vec![1 - local],
            "failback" => vec![if takeover { local } else { 1 - local }],
            "0" | "datadisk::r0" => vec![0],
            "1" | "datadisk::r1" => vec![1],
            _ => panic!("no such words: {words}"),
        }
    }

    fn ask(&mut self, node: Number, takeover: bool, words: &str) {
        let verb = if takeover { "takeover" } else { "standby" };
        let said = self.pair.node(node).ovzha(&format!("{verb} {words}"));
        let to = if takeover { node } else { other(node) };
        let mut moves = Self::meant(node, takeover, words);
        moves.retain(|group| self.at[*group] != to);
        let (code, told) = if self.off.is_some() {
            (1, "is not heard")
        } else if moves.is_empty() {
            (1, "is active on this node")
        } else {
            (0, "done: ")
        };
        let well = said.code == Some(code) && said.text().contains(told);
        self.pair
            .check(well, &format!("{code} and {told:?} were to come, there came {said:?}"));
        if code == 0 {
            for group in moves {
                self.at[group] = to;
            }
        }
    }

    fn power_cut(&mut self, node: Number) {
        self.pair.power_cut(node);
        self.off = Some(node);
        self.at = [other(node); 2];
    }

    /// The node is back, or its daemon is: with `auto_failback on` what prefers it goes there.
    fn returns(&mut self, node: Number) {
        if self.failback {
            self.at[usize::from(node == 2)] = node;
        }
    }

    fn heal(&mut self, node: Number) {
        self.pair.boot(node);
        self.pair.start(node);
        self.off = None;
        self.returns(node);
    }

    fn restart(&mut self, node: Number) {
        self.pair.kill_daemon(node);
        self.pair.start(node);
        self.returns(node);
    }

    /// One step, drawn; answers what it was.
    fn step(&mut self, rng: &mut Rng) -> String {
        let words = [
            "",
            "all",
            "0 1",
            "local",
            "foreign",
            "failback",
            "0",
            "1",
            "datadisk::r0",
            "datadisk::r1",
        ];
        let words = rng.pick(&words).unwrap_or_default();
        let node: Number = if rng.chance(500) { 1 } else { 2 };
        match (self.off, rng.below(100)) {
            (Some(off), 0..70) => {
                self.heal(off);
                format!("power for node {off}")
            }
            (Some(off), draw) => {
                self.ask(other(off), draw < 85, words);
                format!("a request on node {} alone, {words:?}", other(off))
            }
            (None, draw @ 0..72) => {
                let takeover = draw < 36;
                self.ask(node, takeover, words);
                let verb = if takeover { "takeover" } else { "standby" };
                format!("{verb} {words:?} on node {node}")
            }
            (None, 72..93) => {
                self.power_cut(node);
                format!("a power cut of node {node}")
            }
            (None, _) => {
                self.restart(node);
                format!("a restart of the daemon on node {node}")
            }
        }
    }

    /// What both files have grown to.
    fn lines(&self) -> [usize; 2] {
        let homes = self.pair.homes();
        [0, 1].map(|group| {
            let path = homes[group].join(format!("acknowledged{}", self.at[group]));
            std::fs::read_to_string(path).map_or(0, |text| text.parse().unwrap_or(0))
        })
    }
}

fn walk(seed: u64, steps: u64) {
    let begin = now();
    let mut rng = Rng::new(seed);
    let failback = rng.chance(500);
    say(&format!(
        "OVZHA_SEED={seed} OVZHA_STEPS={steps}, auto_failback {failback}"
    ));
    let mut walk = Walk::begin(failback);
    for count in 1..=steps {
        let at = now();
        let step = walk.step(&mut rng);
        walk.settle(&format!("step {count}, {step}"));
        let [one, two] = walk.at;
        say(&format!(
            "seed {seed} step {count}: {step}; g0 on {one}, g1 on {two}, {} ms, {:?} lines",
            now() - at,
            walk.lines()
        ));
    }
    let lines = walk.lines();
    walk.pair.wait("both groups go on writing", |_| {
        (0..2).all(|group| walk.lines()[group] > lines[group])
    });
    walk.pair.finish();
    say(&format!("seed {seed}: {steps} steps in {} ms", now() - begin));
}

#[test]
fn two_groups_crossed_walk_through_random_steps_each_active_once() {
    walk(
        number("OVZHA_SEED").unwrap_or(SEED),
        number("OVZHA_STEPS").unwrap_or(STEPS),
    );
}
