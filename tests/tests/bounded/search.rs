//! Every way through a row up to a number of intervals, each state once at each depth.
//!
//! Depth first, which keeps only the way to the present state: a state is a pair of daemons of some 20 kB each. Two ways
//! that lead to equal states after equally many intervals go on as one, so that the search is complete: whatever can
//! happen within the bound is seen. Equal means the same 64-bit number made of everything the model holds; with the
//! states of this test two different ones share a number with a probability below 10^-5.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::machine::Machine;
use crate::model::{Model, TICK};
use crate::row::{Act, Choice, Isolated, Row, is_fault};

/// A row is searched on its own once in so many of its last states for whether all heals.
const HEALS_EACH: u64 = 16;
/// Intervals within which a cluster that nothing ails any more has its group on one node: the longest deadtime of the
/// rows, once for a node that boots and once for what it then still waits for.
const HEALED: u8 = 20;
/// And for so many more nothing moves.
const QUIET: u8 = 4;

/// Multiply and rotate: quick, and the same on every run.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A number that was made already.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a search found.
#[derive(Default)]
pub struct Found {
    /// Different states after each number of intervals.
    pub states: Vec<u64>,
    /// Steps taken.
    pub steps: u64,
    /// Last states that were healed.
    pub healed: u64,
    /// The shortest way to each kind of violation.
    pub worst: BTreeMap<&'static str, Vec<Choice>>,
}

/// A search under way.
pub struct Search<'a> {
    row: &'a Row,
    depth: u8,
    seen: Vec<HashSet<u64, BuildHasherDefault<Same>>>,
    way: Vec<Choice>,
    found: Found,
}

/// The state from which a row is searched.
pub fn start(row: &Row) -> Model {
    let mut model = Model::new(row);
    if row.cold {
        return model;
    }
    model.start_witness();
    model.boot(0);
    model.boot(1);
    for _ in 0..HEALED {
        model.step(Choice::QUIET);
    }
    if row.away {
        model.lose_witness();
        for _ in 0..row.deadtime + 2 {
            model.step(Choice::QUIET);
        }
    }
    assert!(model.nodes[0].is_whole() && !model.nodes[1].is_active(), "{}", row.name);
    model
}

impl<'a> Search<'a> {
    /// Searches a row up to that depth.
    pub fn run(row: &'a Row, depth: u8) -> Found {
        let mut search = Self {
            row,
            depth,
            seen: (0..=depth).map(|_| HashSet::default()).collect(),
            way: Vec::new(),
            found: Found::default(),
        };
        let model = start(row);
        search.visit(&model);
        search.found.states = search
            .seen
            .iter()
            .map(|seen| u64::try_from(seen.len()).unwrap())
            .collect();
        search.found
    }

    fn visit(&mut self, model: &Model) {
        let depth = self.way.len();
        let mut key = Mix::default();
        model.key(&mut key);
        if !self.seen[depth].insert(key.finish()) {
            return;
        }
        if depth == usize::from(self.depth) {
            // drawn by the state itself, so that the order of the search does not matter
            if key.finish() % HEALS_EACH == 0 {
                self.found.healed += 1;
                if !heals(model) {
                    self.note("L1");
                }
            }
            return;
        }
        for choice in self.row.choices(model) {
            let mut next = model.clone();
            apply(&mut next, choice);
            self.found.steps += 1;
            self.way.push(choice);
            for violation in std::mem::take(&mut next.violations) {
                self.note(violation.name);
            }
            self.visit(&next);
            self.way.pop();
        }
    }

    fn note(&mut self, name: &'static str) {
        let known = self.found.worst.entry(name).or_insert_with(|| self.way.clone());
        if self.way.len() < known.len() {
            known.clone_from(&self.way);
        }
    }
}

/// One choice, with what it binds the next ones to.
fn apply(model: &mut Model, choice: Choice) {
    model.faults += u8::from(is_fault(choice.act));
    let (before, now) = (model.choice, choice);
    let changes = (before.ways, before.roads) != (now.ways, now.roads);
    model.changes += u8::from(changes && model.third.is_there());
    model.step(choice);
    model.isolated = Isolated::after(model.isolated, &choice);
}

/// The violations of a way, and what is told of it.
pub fn follow(row: &Row, way: &[Choice]) -> (Vec<&'static str>, Vec<String>) {
    let mut model = start(row);
    let begin = model.now;
    model.story = Some(Vec::new());
    let mut names = Vec::new();
    let mut before = Choice::QUIET;
    for choice in way {
        let told = (choice.ways, choice.pings, choice.roads) == (before.ways, before.pings, before.roads);
        let words = choice.words();
        if !told || matches!(choice.act, Act::GoesWrong(..)) {
            let words = if words.is_empty() {
                "all is well again".to_owned()
            } else {
                words
            };
            let now = model.now;
            model
                .story
                .as_mut()
                .unwrap()
                .push(format!("{:>3}.{:03} {words}", now / 1000, now % 1000));
        }
        before = *choice;
        apply(&mut model, *choice);
        names.extend(
            std::mem::take(&mut model.violations)
                .into_iter()
                .map(|violation| violation.name),
        );
    }
    if !heals(&model) {
        names.push("L1");
    }
    debug_assert!(begin <= model.now, "time does not run back");
    (names, model.story.unwrap_or_default())
}

/// The same violation by fewer faults: what is not needed for it is left out.
pub fn shrink(row: &Row, name: &'static str, mut way: Vec<Choice>) -> Vec<Choice> {
    let fails = |way: &[Choice]| is_legal(row, way) && follow(row, way).0.contains(&name);
    loop {
        let smaller = (0..way.len()).find_map(|place| {
            let now = way[place];
            let nets = Choice {
                act: now.act,
                ..Choice::QUIET
            };
            let acts = Choice {
                act: Act::Nothing,
                ..now
            };
            [Choice::QUIET, nets, acts]
                .into_iter()
                .filter(|choice| *choice != now)
                .find_map(|choice| {
                    let mut less = way.clone();
                    less[place] = choice;
                    fails(&less).then_some(less)
                })
        });
        match smaller {
            Some(less) => way = less,
            None => return way,
        }
    }
}

/// Each choice is one that the row offers there.
fn is_legal(row: &Row, way: &[Choice]) -> bool {
    let mut model = start(row);
    way.iter().all(|choice| {
        let offered = row.choices(&model).contains(choice);
        apply(&mut model, *choice);
        offered
    })
}

/// Everything is mended; then the group runs on exactly one node, whole, and stays there (L1), unless every node says
/// that it failed there.
pub fn heals(model: &Model) -> bool {
    let mut model = model.clone();
    model.story = None;
    if model.third.is_down() {
        model.start_witness();
    }
    model.third.sticks = [false; 2];
    for node in 0..2 {
        model.nodes[node].wrong = None;
        // the host has a deadline for every child
        for task in model.nodes[node].tasks.iter_mut().filter(|task| task.ends == u64::MAX) {
            task.ends = model.now + TICK;
        }
        if !model.nodes[node].power {
            model.boot(node);
        } else if model.nodes[node].still.is_some() {
            model.thaw(node);
        }
        if model.nodes[node].daemon.is_none() && model.nodes[node].restart.is_none() {
            model.start_daemon(node);
        }
    }
    let truth = |model: &Model| model.nodes.each_ref().map(|machine| machine.truth);
    let mut rest = 0;
    let mut last = truth(&model);
    for _ in 0..HEALED + QUIET {
        model.step(Choice::QUIET);
        // who resets itself now is switched on again, who was told to stop is started
        for node in 0..2 {
            if !model.nodes[node].power {
                model.boot(node);
            } else if model.nodes[node].daemon.is_none() && model.nodes[node].restart.is_none() {
                model.start_daemon(node);
            }
        }
        let now = truth(&model);
        rest = if now == last { rest + 1 } else { 0 };
        last = now;
    }
    let count = |which: fn(&Machine) -> bool| model.nodes.iter().filter(|machine| which(machine)).count();
    let one = count(Machine::is_whole) == 1 && count(Machine::is_active) == 1;
    let failed = count(Machine::says_failed) == 2 && count(Machine::is_active) == 0;
    rest >= QUIET && (one || failed)
}
