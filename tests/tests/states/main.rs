//! The diagrams of `docs/STATES.md`, made from the tables of `core/src/states.rs`; and that each transition is taken, by a
//! scenario or by a host that does whatever it likes (`walk`), or stands in the list below with the reason why not.
//!
//! That nothing else is taken needs no test of its own: an undeclared transition panics in every test and simulation.
//! `OVZHA_REWRITE=1` writes the file.

#[cfg(test)]
mod walk;

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Write};
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::{AtomicU32, Ordering};

    use ovzha_core::states::{GROUP, LINK, MEMBER, Transition, taken};

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    const WALKS: u64 = 3000;
    const STEPS: u32 = 4000;
    const HEAD: &str = "\
# States

Made from the tables in `core/src/states.rs` by `cargo test -p ovzha-tests --test states`; a transition that stands here is
really taken in a test, but for those at the end; one that does not stand here ends every test and simulation that takes it.
";

    /// Declared, and taken neither by a scenario nor by a walk: why.
    const UNTAKEN: [(&str, &str); 2] = [
        (
            "Active to Stuck",
            "only `drbdadm resume-io`, of all that runs beside an active group, and only if it can't be killed",
        ),
        (
            "Claiming to Probing",
            "a bug ends a claim at once, so a person would have to clear the group within the same turn of the loop",
        ),
    ];

    fn section<S: Debug>(title: &str, table: &[Transition<S>]) -> String {
        let mut text = format!("\n## {title}\n\n```mermaid\nstateDiagram-v2\n");
        for way in table {
            writeln!(text, "    {:?} --> {:?}", way.from, way.to).unwrap();
        }
        text += "```\n\n| from | to | when |\n|---|---|---|\n";
        for way in table {
            writeln!(text, "| {:?} | {:?} | {} |", way.from, way.to, way.when).unwrap();
        }
        text
    }

    /// The names of the transitions that were not taken.
    fn untaken<S: Debug>(table: &[Transition<S>], taken: &AtomicU32) -> Vec<String> {
        let taken = taken.load(Ordering::Relaxed);
        let ways = (0..).zip(table).filter(|(place, _)| taken >> place & 1 == 0);
        ways.map(|(_, way)| format!("{:?} to {:?}", way.from, way.to)).collect()
    }

    #[test]
    fn diagrams_are_as_declared() {
        let made = HEAD.to_owned() + &section("Link", LINK) + &section("Peer", MEMBER) + &section("Group", GROUP);
        let untaken = UNTAKEN.iter().map(|(name, why)| format!("- {name}: {why}.\n"));
        let made = made + "\n## Possible, and taken by no test\n\n" + &untaken.collect::<String>();
        let path = Path::new(ROOT).join("docs/STATES.md");
        if std::env::var_os("OVZHA_REWRITE").is_some() {
            fs::write(&path, &made).unwrap();
        }
        assert!(
            fs::read_to_string(path).unwrap() == made,
            "docs/STATES.md is old: OVZHA_REWRITE=1 writes it"
        );
    }

    #[test]
    fn each_transition_is_taken() {
        for entry in fs::read_dir(Path::new(ROOT).join("tests/scenarios")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "txt") {
                ovzha_world::script::run(&fs::read_to_string(path).unwrap()).unwrap();
            }
        }
        for seed in 0..WALKS {
            crate::walk::walk(seed, STEPS);
        }
        let mut left = untaken(LINK, &taken::LINK);
        left.extend(untaken(MEMBER, &taken::MEMBER));
        left.extend(untaken(GROUP, &taken::GROUP));
        let listed: Vec<&str> = UNTAKEN.iter().map(|(name, _)| *name).collect();
        assert_eq!(left, listed, "on the left: not taken; on the right: listed as such");
    }
}
