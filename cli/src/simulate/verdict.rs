//! What came of it: where each group runs, how long it was away, and which clause of SAFETY admits what went wrong.

use ovzha_core::decide::{Decision, Why};
use ovzha_host::check::Protection;
use ovzha_host::config::Group;
use ovzha_world::check::Cause;

use super::spans::Span;
use super::stage::Stage;

/// The clauses of the row that holds for the files.
pub const fn row(protection: Protection) -> &'static str {
    match protection {
        Protection::None => "S-10",
        Protection::PingNodes => "S-11",
        Protection::Watchdog(_) => "S-12",
        Protection::PingNodesAndWatchdog(_) => "S-11, S-12",
        Protection::Fencing => "S-13",
        Protection::Witness(_) | Protection::WitnessWithRelays(_) => "S-14",
        Protection::WitnessInPlace => "S-15",
    }
}

/// The clause that admits two actives for this cause, with what it says.
pub const fn admits(protection: Protection, cause: Cause) -> (&'static str, &'static str) {
    let pings = matches!(protection, Protection::PingNodes | Protection::PingNodesAndWatchdog(_));
    let watchdog = matches!(
        protection,
        Protection::Watchdog(_) | Protection::PingNodesAndWatchdog(_)
    );
    match cause {
        Cause::Cut if pings => (
            "S-11",
            "no promise when only the paths between the nodes are cut while both still reach a ping node",
        ),
        Cause::Cut => (
            "S-10",
            "two actives are possible when all links between living nodes are cut",
        ),
        Cause::Isolated => (
            "S-10",
            "two actives are possible when a living node is cut off; ping nodes prevent it",
        ),
        Cause::Frozen if watchdog => (
            "S-12",
            "no promise when the whole machine stops together with its clock",
        ),
        Cause::Frozen if pings => (
            "S-11",
            "no promise under a freeze; a watchdog prevents it, unless the clock stops, too",
        ),
        Cause::Frozen => (
            "S-10",
            "two actives are possible when the active freezes; a watchdog prevents it, unless the clock stops, too",
        ),
        Cause::Daemon if watchdog => (
            "S-66",
            "a daemon that is told to stop during a hold leaves what runs to a person",
        ),
        Cause::Daemon if pings => (
            "S-11",
            "no promise when the daemon of an active is dead; a watchdog prevents it",
        ),
        Cause::Daemon => (
            "S-10",
            "the survivor of deadtime takes over, and a dead daemon looks like a dead node",
        ),
        Cause::Lie => (
            "S-36",
            "the stop of a script is believed unless it says that it still runs",
        ),
        Cause::PlainStop => (
            "S-41",
            "a resource without data whose stop fails three times counts as stopped",
        ),
    }
}

/// One group at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// Its name.
    pub group: String,
    /// Where it runs, wholly or in part.
    pub runs_on: Vec<usize>,
    /// Nobody served it.
    pub away: Vec<Span>,
    /// Both nodes ran it.
    pub both: Vec<Span>,
    /// Why that was admitted.
    pub causes: Vec<Cause>,
    /// Why a node that could run it does not: its own words.
    pub waits: Vec<(usize, Why)>,
    /// DRBD found writes of their own on both sides.
    pub parted: bool,
}

/// Each group at the end.
pub fn ends(stage: &Stage) -> Vec<End> {
    let groups = stage.room.configs[0].groups.iter().zip(&stage.spans.groups);
    let ends = groups.enumerate().map(|(place, (group, account))| End {
        group: Group::name(group),
        runs_on: (0..2).filter(|node| account.runs[*node]).collect(),
        away: account.away.clone(),
        both: account.both.clone(),
        causes: account.causes.clone(),
        waits: (0..2)
            .filter_map(|node| Some((node, waits(stage, node, place)?)))
            .collect(),
        parted: stage.room.world.mirrors[place].alone,
    });
    ends.collect()
}

fn waits(stage: &Stage, node: usize, group: usize) -> Option<Why> {
    let daemon = stage.room.world.nodes[node].daemon.as_ref()?;
    let view = daemon.snapshot();
    match view.groups.get(group)?.decision {
        Decision::Hold(why) | Decision::Stay(why) => Some(why),
        Decision::Acquire(_) | Decision::Release(_) | Decision::Restart(_) => None,
    }
}

impl End {
    /// For how long nobody served it, in microseconds.
    pub fn away_for(&self, now: u64) -> u64 {
        sum(&self.away, now)
    }

    /// For how long both nodes ran it, in microseconds.
    pub fn both_for(&self, now: u64) -> u64 {
        sum(&self.both, now)
    }
}

fn sum(spans: &[Span], now: u64) -> u64 {
    spans.iter().map(|span| span.to.unwrap_or(now) - span.from).sum()
}
