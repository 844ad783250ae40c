//! The log of one failover, as the node that takes over writes it; `OVZHA_REWRITE=1` writes what came out.
use crate::bed::{Files, Pair};
use std::fs;
use std::path::Path;

const LINKS: [&str; 3] = ["link ucast eth1 ", "link ucast eth0 ", "link serial /dev/ttyS0 "];
/// How often a log may show that the machine stood still, which is another story.
const TRIES_MAX: u32 = 5;

/// What is said after the level.
fn said(line: &str) -> &str {
    let text = line.split_once("]: ").map_or("", |(_, text)| text);
    text.split_once(": ").map_or("", |(_, said)| said)
}

/// The link that a line tells of.
fn link(line: &str) -> Option<usize> {
    LINKS.iter().position(|link| said(line).starts_with(link))
}

/// What a line of the start belongs to: the daemon itself, one link, the ping node, the peer, or the group here. The
/// order within each is fixed, but nothing orders one of them before another.
fn chain(line: &str) -> usize {
    let others = ["ping node ", "ovz-node1 ", "datadisk::r0 is ", "datadisk::r0: "];
    let other = || others.iter().position(|start| said(line).starts_with(start));
    let other = || other().map(|place| LINKS.len() + place);
    link(line).or_else(other).map_or(0, |place| place + 1)
}

/// A length of time as the log writes it, at the beginning of `text`; what follows it.
fn after_span(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == '.');
    let number = rest.len() < text.len();
    let units = ["ms", "s", "min"];
    let rest = units.iter().find_map(|unit| rest.strip_prefix(' ')?.strip_prefix(unit));
    rest.filter(|rest| number && !rest.starts_with(char::is_alphanumeric))
}

/// The line without what differs from run to run and from machine to machine.
fn normal(line: &str) -> String {
    let (head, text) = line.split_once("]: ").unwrap_or(("", line));
    let mut head: Vec<&str> = head.split(' ').collect();
    if let [time, .., process] = &mut head[..] {
        assert!(time.ends_with('Z') && process.starts_with("ovzha["), "{line}");
        (*time, *process) = ("<time>", "ovzha[<pid>");
    }
    let text = text.replace(env!("CARGO_PKG_VERSION"), "<version>");
    // what the kernel grants depends on where the test runs
    let text = if text.contains("realtime priority") {
        "info: <memory>, <priority>, <oom>"
    } else {
        &text
    };
    let mut words = Vec::new();
    let mut left = text;
    for mark in [" after ", " for "] {
        let found = left.match_indices(mark).find_map(|(at, _)| {
            let from = at + mark.len();
            Some((from, after_span(&left[from..])?))
        });
        if let Some((from, rest)) = found {
            words.extend([&left[..from], "<span>"]);
            left = rest;
        }
    }
    words.push(left);
    format!("{}]: {}", head.join(" "), words.concat())
}

/// The log up to the takeover, in an order that does not depend on which of two links was faster.
fn settled(log: &str) -> Vec<String> {
    let end = log.find("datadisk::r0: active (").unwrap();
    let end = end + log[end..].find('\n').unwrap() + 1;
    // seen only if it lasts longer than the way of a heartbeat
    let passes = |line: &&str| said(line).starts_with("datadisk::r0 is starting on ");
    let mut lines: Vec<&str> = log[..end].lines().filter(|line| !passes(line)).collect();
    let first_late = lines.iter().position(|line| line.contains(" late: nothing for "));
    let (start, failover) = lines.split_at_mut(first_late.unwrap());
    start.sort_by_key(|line| chain(line));
    // the links die together: all are late before the peer is, and dead before the peer is
    for together in failover.chunk_by_mut(|one, next| link(one).is_some() && link(next).is_some()) {
        together.sort_by_key(|line| (line.contains(" dead: "), link(line)));
    }
    lines.into_iter().map(normal).collect()
}

#[test]
fn the_log_of_a_failover_is_the_golden_one() {
    let mut tries = 0;
    let lines = loop {
        let mut pair = Pair::up(&Files::calm());
        pair.power_cut(1);
        pair.wait_log(2, "datadisk::r0: active (all steps done)\n");
        let log = pair.node(2).log_file("ha-log");
        pair.finish();
        if !log.contains("this node stood still") {
            break settled(&log);
        }
        tries += 1;
        assert!(tries < TRIES_MAX, "the machine is too busy:\n{log}");
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("netns/golden/failover.log");
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    if std::env::var_os("OVZHA_REWRITE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{}:\n{expected}--- now:\n{text}", path.display());
}
