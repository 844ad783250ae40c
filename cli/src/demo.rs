//! `ovzha demo`: two daemons on this machine, a power cut, a standby back, each as a timeline.
//!
//! The daemons are this very program with files of their own in a temporary directory. Nothing of the machine is
//! touched: the resources only leave marks, the links are loopback addresses and a pseudo terminal. What is shown is
//! what the daemons logged and what the resources wrote down, put in order.

mod cable;
mod node;
mod stage;
mod sweep;
mod timeline;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ovzha_host::sys::Signals;

use crate::report::Report;
use crate::{exit, out, render};
use node::Node;
use stage::{DEADTIME_MS, NAMES, STEPS, Stage, Stop};
use sweep::Sweeper;
use timeline::{Happening, Moment};

pub use sweep::run as sweep;

/// How long anything here may take that takes a moment.
const LIMIT: Duration = Duration::from_secs(20);
/// The node that is preferred, and the other one.
const FIRST: usize = 0;
const SECOND: usize = 1;

/// Runs the demo to its end; gives the exit code.
pub fn run() -> u8 {
    // before anything starts: a signal must find somebody who cleans up
    let prepared = Signals::open().and_then(|signals| {
        let program = std::env::current_exe()?;
        let dir = stage::fresh_dir()?;
        let sweeper = Sweeper::start(&program, &dir)?;
        Ok((signals, program, dir, sweeper))
    });
    let (signals, program, dir, sweeper) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            out::complain(&format!("the demo can't start: {error}"));
            return exit::FAILED;
        }
    };
    let outcome = show(&program, &dir, signals);
    let failed = matches!(outcome, Err(Stop::Failed(_)));
    let gone = sweeper.sweep(failed);
    if !gone {
        out::complain(&format!(
            "not everything could be cleaned up: look at {}",
            dir.display()
        ));
    }
    match outcome {
        Ok(()) if gone => exit::DONE,
        Ok(()) => exit::FAILED,
        Err(Stop::Interrupted) => {
            out::complain("interrupted; the daemons are ended, the files removed");
            exit::FAILED
        }
        Err(Stop::Failed(why)) => {
            out::complain(&format!("the demo failed: {why}"));
            out::complain(&format!(
                "the daemons are ended; their logs are in {}/*/log",
                dir.display()
            ));
            exit::FAILED
        }
    }
}

/// All acts. The daemons end with the stage.
fn show(program: &Path, dir: &Path, signals: Signals) -> Result<(), Stop> {
    let [first, second] = NAMES;
    out::line(&format!(
        "\
ovzha demo: {first} and {second}, two daemons on this machine.
Links: two UDP links on the loopback device and a serial line (a pseudo terminal).
Group: {}, three steps that only leave marks; {first} is preferred.
Times: keepalive 200 ms, warntime 1 s, deadtime 2 s. No root, no DRBD needed.",
        STEPS.join(", ")
    ));
    let mut stage = Stage::new(program, dir, signals)?;
    begin(&mut stage)?;
    let takeover = power_cut(&mut stage)?;
    let switch = standby(&mut stage)?;
    out::line(&format!(
        "
Measured
  takeover  {:>6} ms after the end of the deadtime ({DEADTIME_MS} ms) the first step had run,
            {:>6} ms after it the group was active; it was away for {} ms
  standby   {:>6} ms after the command the group was active on the other node",
        takeover.first_step - DEADTIME_MS,
        takeover.active - DEADTIME_MS,
        takeover.away,
        switch,
    ));
    Ok(())
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::try_from(since.as_millis()).unwrap_or_default()
}

/// The group on a node, as that node sees it.
fn phase(report: &Report) -> &str {
    report.groups.first().map_or("", |group| group.phase.as_str())
}

/// The peer is heard over every link.
fn connected(report: &Report) -> bool {
    report.peer_state == "alive" && report.links.iter().all(|link| link.state == "up")
}

/// The first node runs the group and both hear each other on every link, or not yet.
fn all_well(nodes: &[Node; 2], active: usize) -> Option<[Report; 2]> {
    let reports = [nodes[FIRST].status()?, nodes[SECOND].status()?];
    let well = reports.iter().all(connected)
        && phase(&reports[active]) == "active"
        && phase(&reports[1 - active]) == "idle"
        && reports[active].groups.first()?.on_peer.as_ref()?.able;
    well.then_some(reports)
}

/// The log is written by a process of its own: waits until it tells of something.
fn logged(stage: &mut Stage, place: usize, from: Moment, start: &str) -> Result<(), Stop> {
    stage.wait(LIMIT, &format!("\"{start}\" in the log of {}", NAMES[place]), |nodes| {
        let log = timeline::of_log(&nodes[place].log());
        let told = |happening: &Happening| happening.at >= from && happening.text.starts_with(start);
        log.iter().any(told).then_some(())
    })
}

/// Says what `ovzha status` says first.
fn tell_status(report: &Report) {
    let status = render::status(report, out::coloured());
    let first = status.lines().next().unwrap_or_default();
    out::line(&format!("  {}# ovzha status | head -1\n  {first}", report.node));
}

/// Act one: both start, the preferred node becomes active.
fn begin(stage: &mut Stage) -> Result<(), Stop> {
    out::line("\n1. Both nodes start; the preferred one takes the group.");
    let from = now();
    stage.start(FIRST)?;
    stage.start(SECOND)?;
    let what = "the preferred node active, all links up";
    let reports = stage.wait(LIMIT, what, |nodes| all_well(nodes, FIRST))?;
    logged(stage, FIRST, from, "group active")?;
    print_timeline(stage, "the start", from, Vec::new());
    for link in &reports[FIRST].links {
        out::line(&format!(
            "  link {}: {} is up both ways",
            link.number,
            out::clean(&link.name)
        ));
    }
    tell_status(&reports[FIRST]);
    out::line(&format!("  scheduling: {}", out::clean(&reports[FIRST].realtime)));
    // a failover out of a settled state, not out of the start
    stage.pause(Duration::from_secs(1))
}

/// What a takeover took, in milliseconds since the last heartbeat.
struct Takeover {
    first_step: i64,
    active: i64,
    /// From the power cut to the group active.
    away: i64,
}

/// Act two: the active node loses its power, the other one takes over.
fn power_cut(stage: &mut Stage) -> Result<Takeover, Stop> {
    let [first, second] = NAMES;
    out::line(&format!(
        "\n2. Power cut: {first} is killed (SIGKILL), what it ran is gone; the takeover by {second}."
    ));
    let cut_at = now();
    stage.cut_power(FIRST)?;
    let cut = Happening {
        at: cut_at,
        who: "demo".to_owned(),
        text: format!("power cut of {first}"),
    };
    // what was on its way is heard within this time
    stage.pause(Duration::from_millis(50))?;
    let last = stage.wait(LIMIT, "the survivor's status", |nodes| {
        let heard = nodes[SECOND].status()?.peer_heard_ms?;
        // an answer that a busy machine delays makes it look later than it was
        Some((now() - Moment::try_from(heard).ok()?).min(cut_at))
    })?;
    let report = stage.wait(LIMIT, "the survivor active", |nodes| {
        nodes[SECOND].status().filter(|report| phase(report) == "active")
    })?;
    let heartbeat = Happening {
        at: last,
        who: second.to_owned(),
        text: format!("last heartbeat of {first} heard"),
    };
    logged(stage, SECOND, last, "group active")?;
    let shown = print_timeline(stage, "the last heartbeat", last, vec![heartbeat, cut]);
    tell_status(&report);
    let at = |text: &str| {
        let found = shown.iter().find(|happening| happening.text.starts_with(text));
        found
            .map(|happening| happening.at - last)
            .ok_or_else(|| Stop::Failed(format!("the logs tell of no \"{}\"", text.trim())))
    };
    let active = at("group active")?;
    Ok(Takeover {
        first_step: at("  start ")?,
        active,
        away: active + last - cut_at,
    })
}

/// Act three: the killed node returns, the active one gives the group back. Answers how long that took.
fn standby(stage: &mut Stage) -> Result<i64, Stop> {
    let [first, second] = NAMES;
    out::line(&format!(
        "\n3. {first} gets its power back and joins; nothing moves by itself (auto_failback off)."
    ));
    let from = now();
    stage.start(FIRST)?;
    let what = "the restarted node connected and able";
    stage.wait(LIMIT, what, |nodes| all_well(nodes, SECOND))?;
    logged(stage, SECOND, from, &format!("{first} is alive"))?;
    print_timeline(stage, "the restart", from, Vec::new());
    out::line(&format!(
        "\n4. Standby: `ovzha standby` on {second} gives the group back."
    ));
    let asked = now();
    stage.standby(SECOND, LIMIT)?;
    let told = now();
    let report = stage.wait(LIMIT, "the first node active", |nodes| {
        nodes[FIRST].status().filter(|report| phase(report) == "active")
    })?;
    let demo = |at: Moment, text: &str| Happening {
        at,
        who: "demo".to_owned(),
        text: text.to_owned(),
    };
    let extra = vec![demo(asked, "ovzha standby"), demo(told, "ovzha standby: done")];
    logged(stage, FIRST, asked, "group active")?;
    let shown = print_timeline(stage, "the command", asked, extra);
    tell_status(&report);
    shown
        .iter()
        .find(|happening| happening.who == first && happening.text.starts_with("group active"))
        .map(|happening| happening.at - asked)
        .ok_or_else(|| Stop::Failed("the logs don't tell that the group moved".to_owned()))
}

/// Prints what happened since `from`, which is called `zero`, with what the demo itself did; gives it back.
fn print_timeline(stage: &Stage, zero: &str, from: Moment, mut all: Vec<Happening>) -> Vec<Happening> {
    all.extend(timeline::of_journal(&stage.marks.join("journal")));
    for node in &stage.nodes {
        all.extend(timeline::of_log(&node.log()));
    }
    all.retain(|happening| happening.at >= from);
    // stable: of what has the same millisecond, the step stands before what it led to
    all.sort_by_key(|happening| happening.at);
    out::line(&format!("  {:>7}     counted from {zero}", "ms"));
    for Happening { at, who, text } in &all {
        out::line(&format!("  {:>7}     {who:<11} {}", at - from, out::clean(text)));
    }
    all
}
