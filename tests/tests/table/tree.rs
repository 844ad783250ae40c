//! A decision tree without repetitions: equal subtrees are one, a question whose answers all lead to the same is left out.
//!
//! Printed as rules of which the first that fits counts. A subtree that several places share is printed once, under a
//! number of its own, behind the rules.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::observed::{Fact, share, values};

/// Shared subtrees of fewer lines than this are printed where they are used.
const SHARED_LINES: usize = 4;
const COUNT_WIDTH: usize = 17;

/// A tree by its place in [`Trees`].
pub type Tree = usize;

/// What stands at a place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Node {
    /// Decided so.
    Leaf(String),
    /// Asks for a fact; one tree for each of its values.
    Ask(Fact, Vec<Tree>),
}

/// All trees, each once.
#[derive(Default)]
pub struct Trees {
    nodes: Vec<Node>,
    known: BTreeMap<Node, Tree>,
}

impl Trees {
    /// The one tree that is so.
    pub fn put(&mut self, node: Node) -> Tree {
        if let Node::Ask(_, answers) = &node
            && answers.iter().all(|answer| *answer == answers[0])
        {
            return answers[0];
        }
        // the one fact that is handed through
        let handed = |(value, answer): (String, &Tree)| self.nodes[*answer] == Node::Leaf(format!("Stay {value}"));
        if let Node::Ask(fact @ "failed", answers) = &node
            && values(fact).into_iter().zip(answers).all(handed)
        {
            return self.put(Node::Leaf(format!("Stay {fact}")));
        }
        let next = self.nodes.len();
        let place = *self.known.entry(node.clone()).or_insert(next);
        if place == next {
            self.nodes.push(node);
        }
        place
    }

    /// For each tree below: how many of so many views come to it.
    pub fn reach(&self, tree: Tree, views: u64) -> BTreeMap<Tree, u64> {
        let mut reach = BTreeMap::from([(tree, views)]);
        // an answer is always put before the question: from the last place down, a tree's own count is complete
        let mut open = self.nodes.len();
        while open > 0 {
            open -= 1;
            let (Some(count), Node::Ask(fact, answers)) = (reach.get(&open).copied(), &self.nodes[open]) else {
                continue;
            };
            for (value, answer) in answers.iter().enumerate() {
                *reach.entry(*answer).or_default() += share(fact, value, count);
            }
        }
        reach
    }

    /// Each decision with how many of so many views come to it.
    pub fn decisions(&self, tree: Tree, views: u64) -> Vec<(&str, u64)> {
        let reach = self.reach(tree, views);
        let mut decided: Vec<(&str, u64)> = reach
            .iter()
            .filter_map(|(tree, count)| match &self.nodes[*tree] {
                Node::Leaf(decision) => Some((decision.as_str(), *count)),
                Node::Ask(..) => None,
            })
            .collect();
        decided.sort_unstable();
        decided
    }

    /// The rules.
    pub fn print(&self, tree: Tree, views: u64) -> String {
        let mut page = Page {
            trees: self,
            reach: self.reach(tree, views),
            uses: self.uses(tree),
            numbers: BTreeMap::new(),
            text: String::new(),
        };
        page.rules(tree, views, 0);
        let mut done = 0;
        while let Some((tree, number)) = page.numbers.iter().find(|(_, number)| **number == done) {
            let (tree, number) = (*tree, *number);
            let count = page.reach[&tree];
            writeln!(page.text, "\n{count:>COUNT_WIDTH$}  [{number}]").unwrap();
            page.rules(tree, count, 1);
            done += 1;
        }
        page.text
    }

    /// How many questions and values lead to each tree.
    fn uses(&self, tree: Tree) -> BTreeMap<Tree, usize> {
        let mut uses = BTreeMap::new();
        for place in self.reach(tree, 0).keys() {
            let Node::Ask(_, answers) = &self.nodes[*place] else {
                continue;
            };
            let mut distinct = answers.clone();
            distinct.sort_unstable();
            distinct.dedup();
            for answer in distinct {
                *uses.entry(answer).or_default() += 1;
            }
        }
        uses
    }

    fn lines(&self, tree: Tree) -> usize {
        match &self.nodes[tree] {
            Node::Leaf(_) => 1,
            Node::Ask(_, answers) => answers.iter().map(|answer| self.lines(*answer)).sum(),
        }
    }
}

struct Page<'a> {
    trees: &'a Trees,
    reach: BTreeMap<Tree, u64>,
    uses: BTreeMap<Tree, usize>,
    numbers: BTreeMap<Tree, usize>,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, views: u64, depth: usize, words: &str) {
        let space = "  ".repeat(depth);
        writeln!(self.text, "{views:>COUNT_WIDTH$}  {space}{words}").unwrap();
    }

    /// The rules of a tree to which so many views come on this way.
    fn rules(&mut self, mut tree: Tree, mut views: u64, depth: usize) {
        loop {
            let Node::Ask(fact, answers) = &self.trees.nodes[tree] else {
                return self.result("otherwise", tree, views, depth);
            };
            let names = values(fact);
            let mut cases: Vec<(Tree, u64, Vec<&str>)> = Vec::new();
            for (value, answer) in answers.iter().enumerate() {
                let count = share(fact, value, views);
                if let Some(case) = cases.iter_mut().find(|case| case.0 == *answer) {
                    case.1 += count;
                    case.2.push(&names[value]);
                } else {
                    cases.push((*answer, count, vec![&names[value]]));
                }
            }
            let switch = names.len() == 2;
            if switch {
                // the shorter answer first, of equal ones yes; the other one is what follows
                cases.reverse();
                cases.sort_by_key(|(tree, ..)| self.trees.lines(*tree));
            }
            let rest = if switch { cases.pop() } else { None };
            for (tree, count, names) in cases {
                let condition = match (switch, names[0]) {
                    (true, "yes") => (*fact).to_owned(),
                    (true, _) => format!("not {fact}"),
                    (false, _) => format!("{fact} {}", names.join("|")),
                };
                self.result(&condition, tree, count, depth);
            }
            let Some((last, count, _)) = rest else { return };
            if self.is_shared(last) {
                return self.result("otherwise", last, count, depth);
            }
            (tree, views) = (last, count);
        }
    }

    fn is_shared(&self, tree: Tree) -> bool {
        self.uses.get(&tree).is_some_and(|uses| *uses > 1) && self.trees.lines(tree) >= SHARED_LINES
    }

    fn result(&mut self, condition: &str, tree: Tree, views: u64, depth: usize) {
        match &self.trees.nodes[tree] {
            Node::Leaf(decision) => self.line(views, depth, &format!("{condition} -> {decision}")),
            Node::Ask(..) if self.is_shared(tree) => {
                let next = self.numbers.len();
                let number = *self.numbers.entry(tree).or_insert(next);
                self.line(views, depth, &format!("{condition} -> [{number}]"));
            }
            Node::Ask(..) => {
                self.line(views, depth, &format!("{condition}:"));
                self.rules(tree, views, depth + 1);
            }
        }
    }
}
