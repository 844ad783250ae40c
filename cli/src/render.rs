//! Lays the status out for somebody who was woken by it.
//!
//! The first lines answer "who is active, since when", what is unusual comes before what is as always, and every line
//! is `subject  text`, so that it can be scanned and grepped. Everything that came over a wire is escaped.

use std::collections::BTreeMap;

use crate::out::clean;
use crate::report::{Drbd, Group, Link, PeerPower, Report, Votes, Watchdog, Witness};
use crate::span::human;

/// Columns of the subject.
const SUBJECT: usize = 12;

/// Rejections of a healthy link: doubled frames, our own heard back, a peer that has just started.
const COMMON: [&str; 3] = ["own-echo", "stale", "unproved-life"];

/// How a line is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Good,
    Bad,
}

/// Lines being collected.
struct Page {
    text: String,
    coloured: bool,
}

impl Page {
    fn put(&mut self, tone: Tone, subject: &str, text: &str) {
        let (on, off) = match (self.coloured, tone) {
            (false, _) | (true, Tone::Plain) => ("", ""),
            (true, Tone::Good) => ("\x1b[1;32m", "\x1b[0m"),
            (true, Tone::Bad) => ("\x1b[1;31m", "\x1b[0m"),
        };
        let line = format!("{subject:<SUBJECT$}{on}{text}{off}");
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn plain(&mut self, subject: &str, text: &str) {
        self.put(Tone::Plain, subject, text);
    }

    fn bad(&mut self, subject: &str, text: &str) {
        self.put(Tone::Bad, subject, text);
    }
}

/// The whole status as text.
pub fn status(report: &Report, coloured: bool) -> String {
    let mut page = Page {
        text: String::new(),
        coloured,
    };
    for group in &report.groups {
        headline(&mut page, report, group);
    }
    warnings(&mut page, report);
    for group in &report.groups {
        intention(&mut page, report, group);
    }
    surroundings(&mut page, report);
    for group in &report.groups {
        details(&mut page, group);
    }
    page.text
}

/// `(this node)` or `(the peer)` after a name.
fn who(report: &Report, name: &str) -> String {
    let whose = if name == report.node {
        " (this node)"
    } else if name == report.peer {
        " (the peer)"
    } else {
        ""
    };
    format!("{}{whose}", clean(name))
}

fn lasting(ms: Option<u64>) -> String {
    ms.map_or_else(String::new, |ms| format!(" for {}", human(ms)))
}

/// What is seen of the peer may have been so before it was seen.
fn at_least(ms: Option<u64>) -> String {
    ms.map_or_else(String::new, |ms| format!(" for at least {}", human(ms)))
}

/// "never", or how long ago.
fn ago(ms: Option<u64>) -> String {
    ms.map_or_else(|| "never".to_owned(), |ms| format!("{} ago", human(ms)))
}

/// Which group a line is about, where there are several.
fn of_group(report: &Report, group: &Group) -> String {
    if report.groups.len() > 1 {
        format!("[{} {}] ", group.number, clean(&group.name))
    } else {
        String::new()
    }
}

/// Who is active, since when.
fn headline(page: &mut Page, report: &Report, group: &Group) {
    let here = group.active_on.as_deref() == Some(report.node.as_str());
    let of = of_group(report, group);
    let (tone, text) = match (&group.active_on, group.phase.as_str()) {
        (Some(name), "active") if here => {
            // adopted without a record of its start: it was active before this daemon was
            let since = match group.active_since_ms {
                Some(ms) => lasting(Some(ms)),
                None => at_least(group.since_ms),
            };
            let (tone, parts) = if group.degraded {
                (Tone::Bad, ", DEGRADED: parts of it are missing")
            } else {
                (Tone::Good, "")
            };
            (tone, format!("{}{since}{parts}", who(report, name)))
        }
        (Some(name), phase) if here => {
            let text = format!(
                "{}, {} here{}",
                who(report, name),
                clean(phase),
                lasting(group.since_ms)
            );
            (Tone::Bad, text)
        }
        (Some(name), _) => {
            let since = group.on_peer.as_ref().and_then(|on_peer| on_peer.since_ms);
            (Tone::Good, format!("{}{}", who(report, name), at_least(since)))
        }
        (None, phase @ ("claiming" | "starting")) => (
            Tone::Bad,
            format!("nobody yet: {phase} here{}", lasting(group.since_ms)),
        ),
        (None, "stopping") => (Tone::Bad, format!("stopping here{}", lasting(group.since_ms))),
        (None, _) => (Tone::Bad, nobody(report, group)),
    };
    page.put(tone, "ACTIVE", &format!("{of}{text}"));
}

/// Not here, and not on a peer that says so. A peer that is not heard may run it all the same.
fn nobody(report: &Report, group: &Group) -> String {
    let there = group.on_peer.as_ref().map_or("", |on_peer| on_peer.phase.as_str());
    let why = clean(&group.why);
    match (there, report.peer_state.as_str()) {
        ("claiming" | "starting", _) => format!("nobody yet: {there} on the peer"),
        ("stopping" | "stuck", _) => format!("not here; {there} on the peer"),
        (_, "alive" | "late" | "left") => format!("nobody: {why}"),
        (_, "awaited") => format!("not here: {why}"),
        (_, _) => format!("not here, and the peer is not heard: {why}"),
    }
}

/// What is not as it should be, before everything that is.
fn warnings(page: &mut Page, report: &Report) {
    if let Some(hold) = &report.hold {
        let left = hold
            .left_ms
            .map_or_else(|| "until `ovzha resume`".to_owned(), |ms| format!("{} left", human(ms)));
        let text = format!(
            "{left}, \"{}\": neither node starts, stops or moves anything",
            clean(&hold.reason)
        );
        page.bad("HOLD", &text);
    }
    if report.stopping {
        page.bad("WARNING", "this node's daemon is stopping");
    }
    if report.attached == "isolated" {
        page.bad("WARNING", "no ping node answers: this node may be the isolated one");
    }
    if report.differs.haresources {
        page.bad(
            "WARNING",
            "haresources differs between the nodes: nothing starts or moves",
        );
    }
    if report.differs.timings {
        page.bad(
            "WARNING",
            "the times in ha.cf differ between the nodes: the longer deadtime counts",
        );
    }
    if report.state_dir_failed {
        page.bad(
            "WARNING",
            "the state directory can't be written: nothing can be started here",
        );
    }
    for bug in &report.bugs {
        let text = format!(
            "{}: nothing is decided there until `ovzha clear` or a restart",
            clean(bug)
        );
        page.bad("BUG", &text);
    }
    if let Some(version) = report.peer_speaks_newer {
        let text = format!("the peer speaks protocol {version}, newer than ours: upgrade this node");
        page.bad("WARNING", &text);
    }
}

/// What this node is about to do and why, and what went wrong last.
fn intention(page: &mut Page, report: &Report, group: &Group) {
    let of = of_group(report, group);
    let why = clean(&group.why);
    let (tone, text) = match group.decision.as_str() {
        "stay" => (Tone::Plain, format!("leaves it as it is: {why}")),
        "acquire" => (Tone::Plain, format!("starts it: {why}")),
        "release" => (Tone::Plain, format!("stops it: {why}")),
        "hold" => (Tone::Bad, format!("held back: {why}")),
        other => (Tone::Plain, format!("{}: {why}", clean(other))),
    };
    page.put(tone, "this node", &format!("{of}{text}"));
    if let Some(step) = &group.step {
        let text = format!(
            "{of}{} of {}{}",
            clean(&step.operation),
            clean(&step.resource),
            lasting(step.for_ms)
        );
        page.plain("under way", &text);
    }
    let Some(failure) = &group.failure else {
        page.plain("failure", &format!("{of}none"));
        return;
    };
    let said = if failure.reason.is_empty() { "" } else { ": " };
    let text = format!(
        "{of}{} of {} {}, {}{said}{}",
        clean(&failure.operation),
        clean(&failure.resource),
        clean(&failure.outcome),
        ago(failure.ago_ms),
        clean(&failure.reason)
    );
    let failed = matches!(group.phase.as_str(), "failed" | "stuck");
    page.put(if failed { Tone::Bad } else { Tone::Plain }, "failure", &text);
    if group.phase == "failed" {
        page.bad("", &format!("mend the cause, then: ovzha clear {}", group.number));
    }
}

/// The protection, the nodes, the links, the ping nodes.
fn surroundings(page: &mut Page, report: &Report) {
    page.plain("protection", &clean(&report.protection_text));
    if let Some(dog) = &report.watchdog {
        watchdog(page, dog);
    }
    let mut peer = vec![format!("{} {}", clean(&report.peer), clean(&report.peer_state))];
    if report.peer_heard_ms.is_some() {
        peer.push(format!(", heard {}", ago(report.peer_heard_ms)));
        peer.push(match report.peer_hears_us_ms {
            Some(ms) => format!(", heard us {} ago", human(ms)),
            None => ", does not hear us".to_owned(),
        });
    }
    if let Some(ms) = report.deadtime_ms {
        peer.push(format!(" (dead after {})", human(ms)));
    }
    let well = matches!(report.peer_state.as_str(), "alive" | "left");
    page.put(if well { Tone::Plain } else { Tone::Bad }, "peer", &peer.concat());
    if let Some(power) = &report.peer_power {
        peer_power(page, power);
    }
    links(page, &report.links);
    if let Some(third) = &report.witness {
        witness(page, third);
    }
    for ping in &report.ping_nodes {
        let (tone, word) = if ping.answers {
            (Tone::Plain, "answers")
        } else {
            (Tone::Bad, "DOES NOT ANSWER")
        };
        let members = if ping.addresses.len() > 1 {
            format!(" ({})", clean(&ping.addresses.join(" ")))
        } else {
            String::new()
        };
        page.put(tone, "ping node", &format!("{}{members} {word}", clean(&ping.name)));
    }
    let up = lasting(report.up_ms);
    let mut node = format!("{}, ovzha {}, up{up}", clean(&report.node), clean(&report.version));
    if !report.realtime.is_empty() {
        node = format!("{node}, {}", clean(&report.realtime));
    }
    page.plain("node", &node);
}

/// Said only while it matters: a peer that is heard has power.
fn peer_power(page: &mut Page, power: &PeerPower) {
    let span = |ms: Option<u64>| ms.map_or_else(String::new, |ms| format!(" {}", human(ms)));
    let (tone, text) = match power.state.as_str() {
        "unasked" => return,
        "due" => (Tone::Bad, format!("NOT KNOWN; is cut in{}", span(power.in_ms))),
        "being cut" => (Tone::Bad, format!("is being cut, for{}", span(power.for_ms))),
        "failed" => {
            let text = "COULD NOT BE CUT, or not be seen off; again in";
            (
                Tone::Bad,
                format!("{text}{}, or `ovzha confirm-fenced`", span(power.in_ms)),
            )
        }
        "off" => (Tone::Plain, "off".to_owned()),
        _ => (Tone::Plain, "not known; nothing here waits for it".to_owned()),
    };
    page.put(tone, "its power", &text);
}

fn watchdog(page: &mut Page, dog: &Watchdog) {
    let timeout = dog
        .timeout_ms
        .map_or_else(String::new, |ms| format!(", {} s", ms / 1000));
    let armed = if dog.armed { "armed" } else { "not armed" };
    let text = format!("{} ({}){timeout}, ", clean(&dog.device), clean(&dog.identity));
    match &dog.failing {
        Some(why) => page.bad("watchdog", &format!("{text}FAILS: {}", clean(why))),
        None => page.plain("watchdog", &format!("{text}{armed}")),
    }
}

/// What came and was not used, as far as that is unusual.
fn refused(counts: &BTreeMap<String, u64>) -> Option<String> {
    let told: Vec<String> = counts
        .iter()
        .filter(|(what, count)| **count > 0 && !COMMON.contains(&what.as_str()))
        .map(|(what, count)| format!("{count} {}", clean(what)))
        .collect();
    (!told.is_empty()).then(|| format!("rejected: {}", told.join(", ")))
}

fn links(page: &mut Page, links: &[Link]) {
    let width = links
        .iter()
        .map(|link| clean(&link.name).chars().count())
        .max()
        .unwrap_or(0);
    for link in links {
        let well = link.state == "up";
        let mut state = clean(&link.state);
        if !well {
            state = state.to_uppercase();
        }
        let (name, heard) = (clean(&link.name), ago(link.heard_ms));
        let mut text = vec![
            format!("{name:<width$}  {state:<6}  heard {heard:<14}"),
            format!("peer heard us {}", ago(link.peer_hears_ms)),
        ];
        text.extend(link.failing.iter().map(|failing| format!("({})", clean(failing))));
        text.extend(refused(&link.rejected));
        let tone = if well { Tone::Plain } else { Tone::Bad };
        page.put(tone, &format!("link {}", link.number), &text.join("  "));
    }
}

/// One group's resources, DRBD, and the group on the peer.
fn details(page: &mut Page, group: &Group) {
    let resources: Vec<String> = group.resources.iter().map(|word| clean(word)).collect();
    let preferred = clean(&group.preferred);
    let text = format!("{} (prefers {preferred}, tenure {})", resources.join(" "), group.tenure);
    page.plain(&format!("group {}", group.number), &text);
    // since when a group is active, also before a restart of the daemon, stands in the first line
    let since = if group.phase == "active" { None } else { group.since_ms };
    let phase = format!("{}{}", clean(&group.phase), lasting(since));
    page.plain("  here", &with_drbd(phase, group.drbd.as_ref()));
    if let Some(ms) = group.frozen_ms {
        page.bad("", &format!("DRBD has kept its I/O waiting for {}", human(ms)));
    }
    if group.marked {
        let text =
            "this disk lacks writes of the other node: not started here before a resync, or `ovzha confirm-data`";
        page.bad("", text);
    }
    if let Some(seen) = &group.votes {
        page.plain("  votes", &votes(seen));
    }
    let Some(on_peer) = &group.on_peer else {
        page.plain("  on peer", "not known");
        return;
    };
    // a node that runs it, or is busy with it, is not asked to take it
    let able = match (on_peer.phase.as_str(), on_peer.able) {
        ("idle" | "failed" | "probing" | "stuck", false) => ", NOT able to run it",
        ("idle" | "failed" | "probing" | "stuck", true) => ", able to run it",
        (_, _) => "",
    };
    let since = at_least(on_peer.since_ms);
    let phase = format!("{}{since}{able}, tenure {}", clean(&on_peer.phase), on_peer.tenure);
    page.plain("  on peer", &with_drbd(phase, on_peer.drbd.as_ref()));
}

fn witness(page: &mut Page, third: &Witness) {
    let lost = if third.alive {
        ""
    } else {
        "NOT HEARD, one more failure stops what runs: "
    };
    let mut text = format!("{}  {lost}heard {}", clean(&third.name), ago(third.heard_ms));
    if let Some(failing) = &third.failing {
        text = format!("{text} ({})", clean(failing));
    }
    if let Some(refused) = refused(&third.rejected) {
        text = format!("{text} {refused}");
    }
    let fits = third.fits != Some(false);
    if !fits {
        text.push_str("  NOT WHAT stonith_host SAYS of the nodes' power: see `ovzha board status`");
    }
    page.put(
        if third.alive && fits { Tone::Plain } else { Tone::Bad },
        "witness",
        &text,
    );
}

fn votes(seen: &Votes) -> String {
    let right = match seen.right_ms {
        _ if seen.right_endless => "right to run it without end: the peer pledged its vote".to_owned(),
        0 => "no right to run it".to_owned(),
        ms => format!("right to run it for {}", human(ms)),
    };
    let own = match seen.own_lent_ms {
        _ if seen.own_pledged => "own vote pledged to the peer".to_owned(),
        Some(ms) => format!("own vote lent for {} at most", human(ms)),
        None => "own vote free".to_owned(),
    };
    let witness = match seen.witness.as_str() {
        "ours" => "the witness's is ours",
        "peer" => "the peer has the witness's",
        "closed" => "the witness lends to nobody yet",
        "old copy" => "the witness lends nothing to this node: its copy is old",
        "free" => "the witness's is free",
        _ => "nobody knows of the witness's",
    };
    format!("{right}; {own}; {witness}")
}

fn with_drbd(text: String, drbd: Option<&Drbd>) -> String {
    let Some(drbd) = drbd else { return text };
    let role = if drbd.primary { "Primary" } else { "Secondary" };
    let (connection, disk) = (clean(&drbd.connection), clean(&drbd.disk));
    let suspended = if drbd.suspended { ", I/O SUSPENDED" } else { "" };
    let ahead = if drbd.ahead { ", AHEAD of the other disk" } else { "" };
    let seen = drbd
        .observed_ms
        .map_or_else(String::new, |ms| format!(" (seen {} ago)", human(ms)));
    format!("{text}; DRBD {role}, {connection}, {disk}{suspended}{ahead}{seen}")
}
