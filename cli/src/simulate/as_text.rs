//! A simulation for people: what was assumed, the timeline, what came of it.

use ovzha_host::config::Group;
use ovzha_host::haresources::Resource;
use ovzha_world::stonith::Agent;

use super::Shown;
use super::room::{BOOT_MS, NOTICE_MS, Room};
use super::spans::Span;
use super::timeline::{self, Who};
use super::verdict::{self, End};
use crate::{out, span};

const MS: u64 = 1000;

/// All of it.
pub fn render(shown: &Shown<'_>) -> String {
    let mut text = head(shown);
    text.push_str(&timeline(shown));
    text.push_str(&end(shown));
    text
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// `+30.001`.
fn moment(begin: u64, at: u64) -> String {
    let ms = at.saturating_sub(begin) / MS;
    format!("+{}.{:03}", ms / 1000, ms % 1000)
}

/// `12.340 s`.
fn seconds(micros: u64) -> String {
    let ms = micros / MS;
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

/// What is taken from the files, and what is assumed.
fn head(shown: &Shown<'_>) -> String {
    let config = &shown.stage.room.configs[0];
    let timings = &config.timings;
    let mut lines = vec![
        format!(
            "files: {}: {}; deadtime {}, keepalive {}",
            shown.options.config_dir.display(),
            config.nodes.join(" and "),
            timings.deadtime,
            timings.keepalive
        ),
        format!("protection: {}", shown.protection),
        format!("SAFETY: {}", verdict::row(shown.protection)),
        format!("assumed: start and stop take {}", takes(&shown.stage.room)),
        format!(
            "assumed: DRBD sees that the other half is gone after {}; a machine that was reset is back after {}; \
             a dead daemon stays dead; clocks run true",
            span::human(NOTICE_MS),
            span::human(BOOT_MS)
        ),
    ];
    if shown.stage.room.world.setup.stonith {
        let takes = span::human(Agent::default().takes / 1000);
        lines.push(format!(
            "assumed: a fence agent cuts and looks in {takes}; who was shot stays without power"
        ));
    }
    lines.extend(drbd(shown));
    if !shown.options.faults.is_empty() {
        let first: Vec<String> = config
            .groups
            .iter()
            .map(|group| format!("{} on {}", group.name(), config.nodes[group.preferred]))
            .collect();
        lines.push(format!("before: both nodes are up for a while; {}", first.join(", ")));
    }
    let mut text = String::new();
    for line in lines {
        push(&mut text, &out::clean(&line));
    }
    text.push('\n');
    text
}

fn takes(room: &Room) -> String {
    let groups = room.configs[0].groups.iter().zip(&room.takes);
    let all = groups.flat_map(|(group, takes)| group.resources.iter().zip(takes));
    // mails go out beside everything else
    let all = all.filter(|(resource, _)| resource.name != "MailTo");
    let said = all.map(|(resource, (start, stop))| {
        let (start, stop) = (span::human(*start), span::human(*stop));
        format!("{} {start} and {stop}", resource.word())
    });
    said.collect::<Vec<_>>().join(", ")
}

/// One line for each group with DRBD.
fn drbd(shown: &Shown<'_>) -> Vec<String> {
    let room = &shown.stage.room;
    let groups = room.configs[0].groups.iter().enumerate();
    groups
        .filter_map(|(place, group)| drbd_of(shown, place, group))
        .collect()
}

fn drbd_of(shown: &Shown<'_>, place: usize, group: &Group) -> Option<String> {
    let room = &shown.stage.room;
    let resource: &Resource = group.resources.iter().find(|resource| resource.is_drbd())?;
    let name = resource.args.first()?;
    let file = shown.options.machine.join("etc/drbd.conf");
    let Some(model) = room.drbd.get(place)?.as_ref() else {
        return Some(format!(
            "assumed: DRBD {name} (not in {}): a path of its own, no fencing",
            file.display()
        ));
    };
    let path = match room.shared.get(place)?.and_then(|link| room.configs[0].links.get(link)) {
        Some(link) => format!("over the cable of {}", ovzha_host::media::name(link)),
        None => "a path of its own".to_owned(),
    };
    let fencing = if model.freezes {
        "fencing resource-and-stonith by ovzha"
    } else {
        "no fencing that waits for ovzha"
    };
    Some(format!("DRBD {name} ({}): {path}, {fencing}", file.display()))
}

fn timeline(shown: &Shown<'_>) -> String {
    let stage = &shown.stage;
    let names = stage.names();
    let (lines, left_out) = timeline::lines(stage, shown.options.all);
    let width = names.name(0).len().max(names.name(1).len()).max("fault".len());
    let mut text = String::new();
    for line in &lines {
        let who = match &line.who {
            Who::Fault => "fault",
            Who::Remark => "",
            Who::Both => "both",
            Who::Node(node) => names.name(*node),
        };
        let words = if line.who == Who::Remark {
            format!("({})", line.text)
        } else {
            line.text.clone()
        };
        let moment = moment(stage.begin, line.at);
        push(
            &mut text,
            &format!("{moment:>10}  {who:<width$}  {}", out::clean(&words)),
        );
    }
    if left_out > 0 {
        push(
            &mut text,
            &format!("{left_out} lines like these are left out; --all shows them"),
        );
    }
    text
}

/// What came of it.
fn end(shown: &Shown<'_>) -> String {
    let stage = &shown.stage;
    let now = stage.room.world.now;
    let mut text = format!("\nafter {}:\n", span::human(now.saturating_sub(stage.begin) / MS));
    for end in verdict::ends(stage) {
        for line in of_group(shown, &end, now) {
            push(&mut text, &format!("  {}", out::clean(&line)));
        }
    }
    if stage.room.world.old_data + stage.room.world.lost_writes > 0 {
        text.push_str(
            "  a node went on with a copy that lacks acknowledged writes of the other one: SAFETY S-10, S-11 and S-61 say when\n",
        );
    }
    text
}

fn of_group(shown: &Shown<'_>, end: &End, now: u64) -> Vec<String> {
    let stage = &shown.stage;
    let (names, begin) = (stage.names(), stage.begin);
    let group = &end.group;
    let mut lines = Vec::new();
    let runs: Vec<&str> = end.runs_on.iter().map(|node| names.name(*node)).collect();
    let place = match runs[..] {
        [] => "runs nowhere".to_owned(),
        [one] => format!("runs on {one}"),
        _ => "runs on both nodes".to_owned(),
    };
    let away = match end.away[..] {
        [] => "was never away".to_owned(),
        [span] => format!("was away {}", range(begin, span, now)),
        _ => format!(
            "was away {} times, {} in all",
            end.away.len(),
            seconds(end.away_for(now))
        ),
    };
    lines.push(format!("{group}: {place}; {away}"));
    if runs.is_empty() {
        lines.extend(
            end.waits
                .iter()
                .map(|(node, why)| format!("    {}: {why}", names.name(*node))),
        );
    }
    if let [first, ..] = end.both[..] {
        let times = end.both.len();
        let when = if times == 1 {
            range(begin, first, now)
        } else {
            format!("{times} times, {} in all", seconds(end.both_for(now)))
        };
        lines.push(format!("{group}: two actives {when}"));
        for cause in &end.causes {
            let (clause, says) = verdict::admits(shown.protection, *cause);
            lines.push(format!("    SAFETY {clause} admits it: {says}"));
        }
    } else {
        lines.push(format!("{group}: never two actives"));
    }
    if end.parted {
        lines.push(format!(
            "{group}: DRBD stays StandAlone, each side with writes of its own: SAFETY S-51, a person chooses"
        ));
    }
    lines
}

/// `for 3.200 s (+30.001 to +33.201)`.
fn range(begin: u64, span: Span, now: u64) -> String {
    let from = moment(begin, span.from);
    match span.to {
        Some(to) => format!("for {} ({from} to {})", seconds(to - span.from), moment(begin, to)),
        None => format!("for {} (since {from})", seconds(now - span.from)),
    }
}
