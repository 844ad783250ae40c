//! The failover table over its whole domain, as a golden file of rules: `tests/golden/decide.txt`.
//!
//! There are 10^15 views, too many to list. Why the rules are exact all the same:
//! 1. [`observed`] is `decide` itself, compiled with facts that exist only once they are read. Every sequence of answers
//!    to what it reads is tried, so every way through it is one path of the tree; a fact that a path does not read can
//!    take any value without changing that decision. The counts of views behind all rules add up to the number of views.
//! 2. The tree is put together without loss: equal subtrees become one, a question without effect goes.
//! 3. On each path the compiled core must agree: with each single fact that the path did not read at each of its values,
//!    and with many drawn at random. This guards the translation in `tests/build.rs`.
//!
//! A change of policy is a change of the golden file. `OVZHA_REWRITE=1` writes it anew: read the difference.

#[cfg(test)]
mod observed;
#[cfg(test)]
mod tree;

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use ovzha_core::decide::{Decision, decide};

    use crate::observed::{Fact, facts, real, run, size, views};
    use crate::tree::{Node, Tree, Trees};

    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/decide.txt");
    const HEAD: &str = "\
# The failover table (core/src/decide.rs) over every view there can be; made by `cargo test -p ovzha-tests --test table`.
#
# Each line: how many views it stands for, the fact that must be so, `->` the decision or `:` further rules. Of the rules
# of one depth the first that fits counts; they are in the order in which `decide` asks. A fact that no rule on the way
# names does not matter. `[N]`: the rules under that number, which several places share. `Stay failed`: for the reason that
# the fact `failed` is.
";
    /// Views drawn at random on each path, beside those that differ in one fact.
    const DRAWN: u64 = 64;

    fn words(decision: Decision) -> String {
        format!("{decision:?}").replace('(', " ").replace(')', "")
    }

    /// The whole tree, each path of which was compared with the core.
    struct Table {
        trees: Trees,
        root: Tree,
        paths: u64,
        compared: u64,
    }

    impl Table {
        fn new() -> Self {
            let mut table = Self {
                trees: Trees::default(),
                root: 0,
                paths: 0,
                compared: 0,
            };
            table.root = table.build(&mut Vec::new());
            table
        }

        fn build(&mut self, script: &mut Vec<usize>) -> Tree {
            let (read, decision) = run(script);
            let Some((fact, _)) = read.get(script.len()) else {
                self.paths += 1;
                self.compare(&read, decision);
                return self.trees.put(Node::Leaf(words(decision)));
            };
            let answers = (0..size(fact))
                .map(|value| {
                    script.push(value);
                    let answer = self.build(script);
                    script.pop();
                    answer
                })
                .collect();
            self.trees.put(Node::Ask(fact, answers))
        }

        /// The compiled core decides the same, whatever the facts are that were not read.
        fn compare(&mut self, read: &[(Fact, usize)], expected: Decision) {
            let mut agree = |other: &dyn Fn(Fact) -> usize| {
                let known = |fact: Fact| read.iter().find(|(known, _)| *known == fact).map(|(_, value)| *value);
                let view = real(|fact| known(fact).unwrap_or_else(|| other(fact)));
                assert_eq!(decide(&view), expected, "{view:?}, of which {read:?} was read");
                self.compared += 1;
            };
            for changed in facts() {
                for value in 0..size(changed) {
                    agree(&|fact| if fact == changed { value } else { 0 });
                }
            }
            for draw in 0..DRAWN {
                agree(&|fact| {
                    // FNV over the draw and the name: any spread will do, it only must not depend on the order of asking
                    let hash = fact
                        .bytes()
                        .fold(draw.wrapping_mul(0x9e37_79b9_7f4a_7c15), |hash, byte| {
                            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                        });
                    usize::try_from(hash >> 40).unwrap() % size(fact)
                });
            }
        }
    }

    #[test]
    fn the_table_is_as_written() {
        let table = Table::new();
        let all = views();
        let decisions = table.trees.decisions(table.root, all);
        assert_eq!(
            decisions.iter().map(|(_, views)| views).sum::<u64>(),
            all,
            "a view without a decision"
        );
        let mut text = HEAD.to_owned();
        writeln!(
            text,
            "#\n# {all} views, {} paths, {} views compared with the compiled core\n",
            table.paths, table.compared
        )
        .unwrap();
        text += &table.trees.print(table.root, all);
        text += "\n# Every decision that comes out, and for how many views.\n\n";
        for (decision, views) in decisions {
            writeln!(text, "{views:>17}  {decision}").unwrap();
        }
        if std::env::var_os("OVZHA_REWRITE").is_some() {
            std::fs::write(GOLDEN, &text).unwrap();
            return;
        }
        let golden = std::fs::read_to_string(GOLDEN).unwrap();
        let differs = golden.lines().zip(text.lines()).find(|(golden, text)| golden != text);
        assert!(
            golden == text,
            "the failover table changed (OVZHA_REWRITE=1 writes it): {differs:?}"
        );
    }
}
