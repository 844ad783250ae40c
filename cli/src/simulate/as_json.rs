//! A simulation for programs.

use ovzha_host::log::Level;
use serde_json::{Value, json};

use super::Shown;
use super::spans::Span;
use super::timeline::{self, Who};
use super::verdict;

const MS: u64 = 1000;

/// One object on one line; times in milliseconds since the first fault.
pub fn render(shown: &Shown<'_>) -> String {
    let stage = &shown.stage;
    let (names, begin, now) = (stage.names(), stage.begin, stage.room.world.now);
    let at = |micros: u64| micros.saturating_sub(begin) / MS;
    let spans = |spans: &[Span]| -> Vec<Value> {
        let of = |span: &Span| json!({ "from_ms": at(span.from), "to_ms": span.to.map(at) });
        spans.iter().map(of).collect()
    };
    let (lines, _) = timeline::lines(stage, shown.options.all);
    let events: Vec<Value> = lines
        .iter()
        .map(|line| {
            let node = match line.who {
                Who::Node(node) => Some(names.name(node)),
                Who::Fault | Who::Remark | Who::Both => None,
            };
            let kind = match line.who {
                Who::Fault => "fault",
                Who::Remark => "remark",
                Who::Both => "two_actives",
                Who::Node(_) => level(line.level),
            };
            json!({ "at_ms": at(line.at), "kind": kind, "node": node, "text": line.text })
        })
        .collect();
    let groups: Vec<Value> = verdict::ends(stage)
        .iter()
        .map(|end| {
            let admitted: Vec<Value> = end
                .causes
                .iter()
                .map(|cause| {
                    let (clause, says) = verdict::admits(shown.protection, *cause);
                    json!({ "clause": clause, "says": says })
                })
                .collect();
            json!({
                "group": end.group,
                "runs_on": end.runs_on.iter().map(|node| names.name(*node)).collect::<Vec<_>>(),
                "away": spans(&end.away),
                "away_ms": end.away_for(now) / MS,
                "two_actives": spans(&end.both),
                "admitted_by": admitted,
                "split_brain": end.parted,
            })
        })
        .collect();
    let value = json!({
        "nodes": [names.name(0), names.name(1)],
        "protection": shown.protection.word(),
        "safety": verdict::row(shown.protection),
        "seed": shown.options.seed,
        "looked_on_ms": at(now),
        "events": events,
        "groups": groups,
        "writes_left_behind": stage.room.world.old_data + stage.room.world.lost_writes > 0,
        "violations": stage.room.world.watch.violations,
    });
    format!("{value}\n")
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}
