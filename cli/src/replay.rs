//! `ovzha replay`: tells a fresh core what a record says that the daemon was told, and shows whether it decides the same.

use std::path::Path;

use ovzha_host::record::names::Named;
use ovzha_host::record::reader::Segment;
use ovzha_host::record::replay::{Difference, Shown, replay};

use crate::{exit, out, record_file};

/// Replays all of it; gives the exit code.
pub fn run(run_dir: &Path, file: Option<&Path>) -> u8 {
    let record = match record_file::open(run_dir, file) {
        Ok(record) => record,
        Err(code) => return code,
    };
    let (mut events, mut outputs, mut code) = (0, 0, exit::DONE);
    let mut told = String::new();
    for (segment, shown) in replay(&record) {
        let from = origin(&segment);
        if from != told {
            out::line(&out::clean(&from));
            told = from;
        }
        match shown {
            Shown::Same {
                events: more,
                outputs: said,
            } => (events, outputs) = (events + more, outputs + said),
            Shown::Unreadable => {
                let wall = record_file::stamp(segment.opening.wall);
                out::complain(&format!("what begins at {wall} can't be replayed by this release"));
                code = code.max(exit::FAILED);
            }
            Shown::Differs(difference) => {
                tell(&difference);
                code = exit::DIFFERS;
            }
        }
    }
    out::line(&format!("{events} events, {outputs} outputs the same"));
    code
}

/// Who wrote it.
fn origin(segment: &Segment<'_>) -> String {
    let (node, theirs, ours) = (
        segment.opening.names.own_node(),
        &segment.opening.version,
        env!("CARGO_PKG_VERSION"),
    );
    if theirs == ours {
        format!("recorded by ovzha {theirs} on {node}")
    } else {
        format!("recorded by ovzha {theirs} on {node}, replayed by {ours}: what differs may be meant to")
    }
}

fn tell(difference: &Difference) {
    let Difference {
        at,
        wall,
        after,
        expected,
        came,
    } = difference;
    let wall = record_file::stamp(*wall);
    let lines = [
        format!("differs at {wall} ({} ms of that node's clock)", at.as_millis()),
        format!("  after     {after}"),
        format!("  recorded  {expected}"),
        format!("  replayed  {came}"),
    ];
    for line in lines {
        out::line(&out::clean(&line));
    }
}
