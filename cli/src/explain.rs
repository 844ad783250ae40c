//! `ovzha explain`: why a group is what it is on this node, by which clause, and what would change that.
//!
//! It replays the record up to the moment that is asked for, so it needs no daemon: it explains a dead one's last
//! moment, and a node that sent its record.

use std::path::Path;

use ovzha_core::id::GroupId;
use ovzha_host::record::explained::{Explained, explain};
use ovzha_host::record::names::{Named, Names};
use ovzha_host::record::replay::core_at;
use ovzha_host::told;

use crate::{exit, moment, out, record_file};

/// Explains one group, or all of them; gives the exit code.
pub fn run(run_dir: &Path, wanted: Option<&str>, at: Option<&str>, file: Option<&Path>) -> u8 {
    let until = match at.map_or(Ok(u64::MAX), |word| moment::parse(word, record_file::now())) {
        Ok(until) => until,
        Err(why) => {
            out::complain(&format!("--at: {why}"));
            return exit::USAGE;
        }
    };
    let record = match record_file::open(run_dir, file) {
        Ok(record) => record,
        Err(code) => return code,
    };
    let Some(segment) = record.segments().filter(|segment| segment.opening.wall <= until).last() else {
        out::complain("the record begins later than that");
        return exit::FAILED;
    };
    let Some(cluster) = core_at(&segment, until) else {
        out::complain("this release can't understand the record: use the one that wrote it");
        return exit::FAILED;
    };
    let names = &segment.opening.names;
    let last = segment
        .entries()
        .map(|(at, _)| segment.wall(at))
        .take_while(|wall| *wall <= until);
    let last = last.last().unwrap_or(segment.opening.wall);
    let mut found = false;
    for (place, number) in (0..names.group_count()).zip(0_u8..) {
        let name = told::group(names, GroupId(number));
        if wanted.is_some_and(|wanted| wanted != name && wanted != place.to_string()) {
            continue;
        }
        if let Some(explained) = explain(&cluster, place) {
            found = true;
            out::text(&page(names, &name, last, &explained));
        }
    }
    if found {
        return exit::DONE;
    }
    out::complain("there is no such group: `ovzha status` shows their numbers and names");
    exit::FAILED
}

fn page(names: &Names, name: &str, wall: u64, explained: &Explained) -> String {
    let node = names.own_node();
    let (phase, decision) = (told::phase(explained.phase), explained.decision);
    let (why, clause) = (explained.why, explained.clause);
    let mut lines = vec![
        format!("{name}: {phase} on {node} at {}", record_file::stamp(wall)),
        format!("  decision    {decision}: {why} (SAFETY {clause})"),
    ];
    lines.extend(
        explained
            .facts
            .iter()
            .map(|(subject, fact)| format!("  {subject:<11} {fact}")),
    );
    if explained.changes.is_empty() {
        lines.push("  no other single fact would change that".to_owned());
    }
    for (fact, decision, why) in &explained.changes {
        lines.push(format!("  if {fact}: {decision}, {why}"));
    }
    let clean: Vec<String> = lines.iter().map(|line| out::clean(line)).collect();
    clean.join("\n") + "\n"
}
