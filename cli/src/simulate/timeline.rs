//! What is shown of what happened, line by line: who, when, in which words.

use std::collections::BTreeMap;

use ovzha_host::log::Level;

use super::stage::{Event, Line, Stage};
use super::words;

/// So often the same is said before the rest is only counted.
const SAME_MAX: u32 = 3;
/// What is said within this time is said at the same moment, in microseconds.
const MOMENT: u64 = 50_000;

/// Who a line is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// A fault of the command line.
    Fault,
    /// Nobody: a remark on the line above.
    Remark,
    /// A node.
    Node(usize),
    /// Both nodes.
    Both,
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Microseconds of the World.
    pub at: u64,
    /// Who.
    pub who: Who,
    /// How bad it is.
    pub level: Level,
    /// What.
    pub text: String,
}

/// The lines worth showing, or with `all` every one, in order of time; and how many alike were left out.
pub fn lines(stage: &Stage, all: bool) -> (Vec<Shown>, u32) {
    let mut shown: Vec<Shown> = Vec::new();
    let mut said: BTreeMap<(usize, String), u32> = BTreeMap::new();
    let mut left_out = 0;
    for (place, line) in stage.lines.iter().enumerate() {
        if !all && is_noise(&stage.lines, place) {
            continue;
        }
        let (who, level, text) = match &line.event {
            Event::Fault(words) => {
                said.clear();
                (Who::Fault, Level::Info, words.clone())
            }
            Event::Remark(text) => (Who::Remark, Level::Info, text.clone()),
            Event::Node(node, what) => {
                let (level, text) = words::of(&stage.room.configs[*node], what, &stage.asked);
                let key = text.chars().filter(|c| !c.is_ascii_digit()).collect();
                let times = said.entry((*node, key)).or_default();
                *times += 1;
                if *times > SAME_MAX && !all {
                    left_out += 1;
                    continue;
                }
                (Who::Node(*node), level, text)
            }
        };
        let at = line.at;
        shown.push(Shown { at, who, level, text });
    }
    let mut both = both(stage);
    shown.append(&mut both);
    // stable: what was noted first stays first
    shown.sort_by_key(|line| line.at);
    (shown, left_out)
}

fn is_noise(lines: &[Line], place: usize) -> bool {
    let Some(Line {
        at,
        event: Event::Node(node, what),
    }) = lines.get(place)
    else {
        return false;
    };
    if words::is_routine(what) {
        return true;
    }
    let near = |line: &&Line| line.at.abs_diff(*at) <= MOMENT;
    let of_the_peer = |line: &Line| match &line.event {
        Event::Node(there, what) => there == node && words::is_of_the_peer(what),
        Event::Fault(_) | Event::Remark(_) => false,
    };
    let before = lines.iter().take(place).rev().take_while(near);
    let after = lines.iter().skip(place).take_while(near);
    words::is_of_a_link(what) && before.chain(after).any(of_the_peer)
}

/// Begins and ends of two actives.
fn both(stage: &Stage) -> Vec<Shown> {
    let mut found = Vec::new();
    for (group, account) in stage.room.configs[0].groups.iter().zip(&stage.spans.groups) {
        let name = group.name();
        let mut say = |at: u64, level: Level, text: String| {
            let who = Who::Both;
            found.push(Shown { at, who, level, text });
        };
        for span in &account.both {
            say(
                span.from,
                Level::Error,
                format!("{name}: runs on both nodes from here on, or parts of it do"),
            );
            if let Some(to) = span.to {
                say(to, Level::Info, format!("{name}: runs on both nodes no more"));
            }
        }
    }
    found
}
