//! `docs/LOGS.md` against the code: every line is listed with its level, and none is listed that is not written.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::collections::BTreeSet;
use std::path::Path;

use ovzha_core::decide::Why;
use ovzha_core::event::Outcome;
use ovzha_core::id::{ClientId, GroupId, GroupSet, LinkId};
use ovzha_core::message::Phase;
use ovzha_core::notice::Notice;
use ovzha_core::output::{Op, Refusal};
use ovzha_core::time::Span;
use ovzha_host::check::{Protection, Timer};
use ovzha_host::config::{self, Config};
use ovzha_host::line::{AsideLine, ClientFate, ErrandFate, Line, WatchdogLine};
use ovzha_host::log::Level;
use ovzha_host::sys::{Ended, Pid};
use ovzha_host::told;

/// One row: the level, and the literal pieces between the placeholders.
struct Pattern {
    level: String,
    text: String,
    pieces: Vec<String>,
}

impl Pattern {
    fn fits(&self, level: Level, line: &str) -> bool {
        let (first, rest) = self.pieces.split_first().unwrap();
        let Some(mut left) = line.strip_prefix(first.as_str()) else {
            return false;
        };
        for (place, piece) in rest.iter().enumerate() {
            let last = place + 1 == rest.len();
            // a placeholder at the end stands for anything
            let found = if last && !piece.is_empty() {
                left.rfind(piece)
            } else {
                left.find(piece)
            };
            let Some(at) = found else { return false };
            left = &left[at + piece.len()..];
        }
        self.level == level.word() && (left.is_empty() || rest.last().is_some_and(String::is_empty))
    }

    fn literal(&self) -> usize {
        self.pieces.iter().map(String::len).sum()
    }
}

fn catalogue() -> Vec<Pattern> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/LOGS.md");
    let text = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let level = cells.next()?;
        let text = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        ["error", "warning", "info"].contains(&level).then(|| {
            // <...> is a placeholder
            let pieces = text.split('<').enumerate();
            let pieces = pieces.map(|(place, piece)| match piece.split_once('>') {
                Some((_, rest)) if place > 0 => rest.to_owned(),
                Some(_) | None => piece.to_owned(),
            });
            Pattern {
                level: level.to_owned(),
                text: text.to_owned(),
                pieces: pieces.collect(),
            }
        })
    };
    text.lines().filter_map(row).collect()
}

/// A number for each kind of notice. A new one must be given the next number, and a sample below.
const fn notice_number(notice: Notice) -> u8 {
    match notice {
        Notice::LinkUp(_) => 0,
        Notice::LinkLate(..) => 1,
        Notice::LinkDead(..) => 2,
        Notice::LinkNumberDiffers(_) => 3,
        Notice::PeerAlive { .. } => 4,
        Notice::PeerLate(_) => 5,
        Notice::PeerDead(_) => 6,
        Notice::PeerNeverHeard => 7,
        Notice::PeerLeft => 8,
        Notice::PeerNewer(_) => 9,
        Notice::ForeignKey => 10,
        Notice::ForeignHeartbeat => 11,
        Notice::NameTwice => 12,
        Notice::PingDead(_) => 13,
        Notice::PingUp(_) => 14,
        Notice::Isolated => 15,
        Notice::NotIsolated => 16,
        Notice::Unheard(_) => 17,
        Notice::Slept(_) => 18,
        Notice::ResourcesDiffer => 19,
        Notice::TimingsDiffer => 20,
        Notice::GroupsUnknown(_) => 31,
        Notice::Phase { .. } => 21,
        Notice::Holding { .. } => 22,
        Notice::Step { .. } => 23,
        Notice::MoveBegins { .. } => 24,
        Notice::MoveRefused { .. } => 25,
        Notice::TwoActive { .. } => 26,
        Notice::HoldBegan => 27,
        Notice::HoldEnded => 28,
        Notice::StoreFailed => 29,
        Notice::Lost(_) => 30,
        Notice::DiskLost { .. } => 32,
        Notice::Ahead { .. } => 33,
        Notice::Marked { .. } => 34,
        Notice::Frozen { .. } => 35,
        Notice::DataConfirmed { .. } => 36,
        Notice::Witness { .. } => 37,
        Notice::WitnessHand { .. } => 45,
        Notice::Pledged { .. } => 38,
        Notice::PledgeHeld { .. } => 39,
        Notice::PeerShot => 40,
        Notice::PeerOff => 41,
        Notice::PeerSaidOff => 42,
        Notice::ShotFailed { .. } => 43,
        Notice::ShotVoid { .. } => 44,
    }
}
const NOTICES: u8 = 46;

fn step(outcome: Outcome) -> Notice {
    Notice::Step {
        group: GroupId(0),
        resource: 2,
        op: Op::Start,
        outcome,
        took: Span::from_millis(1500),
    }
}

#[expect(clippy::too_many_lines, reason = "a line or two a notice")]
fn notices() -> Vec<Notice> {
    let (link, group, span, why) = (LinkId(0), GroupId(0), Span::from_secs(10), Why::PeerDead);
    let (client, groups) = (ClientId(1), GroupSet::default());
    let phase = |phase| Notice::Phase { group, phase, why };
    vec![
        Notice::LinkUp(link),
        Notice::LinkLate(link, span),
        Notice::LinkDead(link, span),
        Notice::LinkNumberDiffers(link),
        Notice::PeerAlive { restarted: false },
        Notice::PeerAlive { restarted: true },
        Notice::PeerLate(span),
        Notice::PeerDead(span),
        Notice::PeerNeverHeard,
        Notice::PeerLeft,
        Notice::PeerNewer(3),
        Notice::ForeignKey,
        Notice::ForeignHeartbeat,
        Notice::NameTwice,
        Notice::PingDead(0),
        Notice::PingUp(0),
        Notice::Isolated,
        Notice::NotIsolated,
        Notice::Unheard(span),
        Notice::Slept(span),
        Notice::ResourcesDiffer,
        Notice::TimingsDiffer,
        Notice::GroupsUnknown(2),
        phase(Phase::Active),
        phase(Phase::Failed),
        Notice::Holding { group, why },
        step(Outcome::Done),
        step(Outcome::Degraded),
        step(Outcome::TimedOut),
        Notice::MoveBegins {
            client,
            takeover: true,
            groups,
            refused: groups,
        },
        Notice::MoveRefused {
            group,
            why: Refusal::Busy,
        },
        Notice::TwoActive { group, yields: true },
        Notice::TwoActive { group, yields: false },
        Notice::HoldBegan,
        Notice::HoldEnded,
        Notice::StoreFailed,
        Notice::Lost(7),
        Notice::DiskLost { group },
        Notice::Ahead { group, ahead: true },
        Notice::Ahead { group, ahead: false },
        Notice::Marked { group, marked: true },
        Notice::Marked { group, marked: false },
        Notice::Frozen { group, frozen: true },
        Notice::Frozen { group, frozen: false },
        Notice::DataConfirmed { group },
        Notice::Witness { heard: true },
        Notice::Witness { heard: false },
        Notice::WitnessHand { fits: true },
        Notice::WitnessHand { fits: false },
        Notice::PeerShot,
        Notice::PeerOff,
        Notice::PeerSaidOff,
        Notice::ShotFailed { again: span },
        Notice::ShotVoid { off: true },
        Notice::ShotVoid { off: false },
        Notice::Pledged { group, pledged: true },
        Notice::Pledged { group, pledged: false },
        Notice::PledgeHeld { group, held: true },
        Notice::PledgeHeld { group, held: false },
    ]
}

/// The same for the daemon's own lines.
const fn line_number(line: &Line<'_>) -> u8 {
    match line {
        Line::Started { .. } => 0,
        Line::Standing(_) => 1,
        Line::Protection(_) => 2,
        Line::StateLost(_) => 3,
        Line::FormerBug { .. } => 4,
        Line::Unrecorded(_) => 5,
        Line::FormerChildren(_) => 6,
        Line::FormerEnded(_) => 7,
        Line::AskedToStop => 8,
        Line::Stopped => 9,
        Line::AskedToReload => 10,
        Line::ReloadBusy => 11,
        Line::Problem(_) => 12,
        Line::KeptConfiguration => 13,
        Line::NotCompared => 14,
        Line::NothingChanged => 15,
        Line::NewKeys => 16,
        Line::KeysMissing => 17,
        Line::Anew => 18,
        Line::AnewFailed { .. } => 19,
        Line::Asked(_) => 20,
        Line::Answered { .. } => 21,
        Line::Bug(_) => 22,
        Line::OnPeer { .. } => 23,
        Line::LinkOpened(_) => 24,
        Line::LinkLost(_) => 25,
        Line::LinkFails { .. } => 26,
        Line::PingFails(_) => 27,
        Line::StandAlone { .. } => 28,
        Line::StandAloneEnded { .. } => 29,
        Line::Reset { .. } => 30,
        Line::ResetFailed(_) => 31,
        Line::NoReset => 32,
        Line::Flooded { .. } => 33,
        Line::RunDir(_) => 34,
        Line::Poll(_) => 35,
        Line::DrbdTold { .. } => 54,
        Line::DrbdFailed { .. } => 55,
        Line::WatchEnded { .. } => 56,
        Line::NotRecorded(_) => 66,
        Line::NotKept(_) => 67,
        Line::Aside(line) => aside_number(line),
        Line::Watchdog(line) => watchdog_number(line),
    }
}
const LINES: u8 = 68;

/// The same for what runs beside.
const fn watchdog_number(line: &WatchdogLine<'_>) -> u8 {
    match line {
        WatchdogLine::Ready { .. } => 57,
        WatchdogLine::Software(_) => 58,
        WatchdogLine::Stays(_) => 59,
        WatchdogLine::Left(_) => 60,
        WatchdogLine::Armed(_) => 61,
        WatchdogLine::Disarmed => 62,
        WatchdogLine::Failed(_) => 63,
        WatchdogLine::NotDisarmed { .. } => 64,
        WatchdogLine::Unused => 65,
    }
}

fn watchdog_lines<'a>() -> Vec<Line<'a>> {
    let (device, timeout, why) = ("/dev/watchdog", Span::from_secs(9), "no such device");
    let identity = "i6300ESB timer";
    let ready = WatchdogLine::Ready {
        device,
        identity,
        timeout,
    };
    let lines = [
        ready,
        WatchdogLine::Software(device),
        WatchdogLine::Stays(device),
        WatchdogLine::Left(timeout),
        WatchdogLine::Armed(timeout),
        WatchdogLine::Disarmed,
        WatchdogLine::Failed(why),
        WatchdogLine::NotDisarmed { timeout, why },
        WatchdogLine::Unused,
    ];
    lines.into_iter().map(Line::Watchdog).collect()
}

const fn aside_number(line: &AsideLine) -> u8 {
    match line {
        AsideLine::Errand { fate, .. } => match fate {
            ErrandFate::NotBegun(_) => 36,
            ErrandFate::Said(_) => 37,
            ErrandFate::Failed(..) => 38,
            ErrandFate::Late(_) => 39,
            ErrandFate::Stuck(_) => 40,
            ErrandFate::Unstuck => 41,
        },
        AsideLine::ErrandsDropped(_) => 42,
        AsideLine::Client { fate, .. } => match fate {
            ClientFate::RunsOn(_) => 43,
            ClientFate::Started { .. } => 44,
            ClientFate::NotStarted { .. } => 45,
            ClientFate::Ended { .. } => 46,
            ClientFate::EndedForGood { .. } => 47,
            ClientFate::Stopped => 48,
            ClientFate::NotStopped(_) => 49,
            ClientFate::Said(_) => 50,
            ClientFate::PassedOver(_) => 51,
            ClientFate::OutputDropped(_) => 52,
        },
        AsideLine::ClientLeaves(_) => 53,
    }
}

fn aside_lines() -> Vec<AsideLine> {
    let (pid, last) = (Pid::new(7).unwrap(), || "no such host".to_owned());
    let (ran, pause) = (Span::from_secs(90), Span::from_secs(1));
    let errands = [
        ErrandFate::NotBegun(last()),
        ErrandFate::Said(last()),
        ErrandFate::Failed(Ended::Code(1), last()),
        ErrandFate::Failed(Ended::Signal(9), String::new()),
        ErrandFate::Late(last()),
        ErrandFate::Stuck(String::new()),
        ErrandFate::Unstuck,
    ];
    let ended = |how| ClientFate::Ended { ran, how, pause };
    let clients = [
        ClientFate::RunsOn(pid),
        ClientFate::Started {
            user: "hacluster".to_owned(),
            pid,
        },
        ClientFate::NotStarted { why: last(), pause },
        ended(Some(Ended::Code(1))),
        ended(Some(Ended::Signal(9))),
        ended(None),
        ClientFate::EndedForGood { ran, code: 100 },
        ClientFate::Stopped,
        ClientFate::NotStopped(pid),
        ClientFate::Said(last()),
        ClientFate::PassedOver(3),
        ClientFate::OutputDropped(4000),
    ];
    let errands = errands.into_iter().map(|fate| AsideLine::errand("hook link", fate));
    let clients = clients.into_iter().map(|fate| AsideLine::client("/bin/p", fate));
    let others = [AsideLine::ErrandsDropped(3), AsideLine::ClientLeaves(pid)];
    errands.chain(clients).chain(others).collect()
}

fn watch_lines() -> Vec<Line<'static>> {
    let group = "datadisk::r0";
    vec![
        Line::DrbdTold {
            group,
            text: "r0 was down and has been brought up",
        },
        Line::DrbdFailed {
            group,
            text: "r0 can't be brought up: No valid meta data found",
        },
        Line::WatchEnded {
            group,
            why: "it fell silent",
        },
    ]
}

fn lines() -> Vec<Line<'static>> {
    let (group, drbd, link, why) = ("datadisk::r0", "r0", "ucast eth1", "no space left");
    vec![
        Line::Started {
            version: "0.1.0",
            node: "ovz-node1",
        },
        Line::Standing("memory locked, realtime priority 50, out of the OOM killer's reach"),
        Line::Protection(Protection::None),
        Line::Protection(Protection::PingNodes),
        Line::Protection(Protection::Watchdog(Timer::Hardware)),
        Line::Protection(Protection::PingNodesAndWatchdog(Timer::Software)),
        Line::StateLost(why),
        Line::FormerBug {
            newest: "a sum",
            path: "/var/lib/ovzha/bugs",
        },
        Line::Unrecorded(why),
        Line::NotRecorded(why),
        Line::NotKept(why),
        Line::FormerChildren(2),
        Line::FormerEnded("start vz"),
        Line::AskedToStop,
        Line::Stopped,
        Line::AskedToReload,
        Line::ReloadBusy,
        Line::Problem("/etc/ha.d/ha.cf:7: error: unknown directive"),
        Line::KeptConfiguration,
        Line::NotCompared,
        Line::NothingChanged,
        Line::NewKeys,
        Line::KeysMissing,
        Line::Anew,
        Line::AnewFailed {
            program: "/usr/sbin/ovzha",
            why,
        },
        Line::Asked("standby"),
        Line::Answered { word: "done", why: "" },
        Line::Bug("a sum"),
        Line::OnPeer {
            group,
            phase: Phase::Active,
            peer: "ovz-node2",
        },
        Line::LinkOpened(link),
        Line::LinkLost(link),
        Line::LinkFails { link, why },
        Line::PingFails(why),
        Line::StandAlone { group, drbd },
        Line::StandAloneEnded {
            group,
            drbd,
            connected: false,
        },
        Line::Reset { group },
        Line::ResetFailed(why),
        Line::NoReset,
        Line::Flooded {
            rounds: 5000,
            done: "given up",
        },
        Line::RunDir(why),
        Line::Poll(why),
    ]
}

fn article() -> Config {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/article");
    let copy = std::env::temp_dir().join(format!("ovzha-logs-{}", std::process::id()));
    std::fs::create_dir_all(&copy).unwrap();
    for name in ["ha.cf", "authkeys", "haresources"] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::copy(dir.join(name), copy.join(name)).unwrap();
        std::fs::set_permissions(copy.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let files = config::read_files(&copy).files.unwrap();
    std::fs::remove_dir_all(&copy).unwrap();
    Config::new(files, "ovz-node1").unwrap()
}

#[test]
fn the_catalogue_has_every_line_and_no_other() {
    let config = article();
    let kinds: BTreeSet<u8> = notices().iter().map(|notice| notice_number(*notice)).collect();
    assert!(kinds.into_iter().eq(0..NOTICES), "a notice without a sample");
    let aside = aside_lines();
    let mut all: Vec<Line<'_>> = lines();
    all.extend(watch_lines());
    all.extend(watchdog_lines());
    all.extend(aside.iter().map(Line::Aside));
    let kinds: BTreeSet<u8> = all.iter().map(line_number).collect();
    assert!(kinds.into_iter().eq(0..LINES), "a line without a sample");
    let own = all.iter().map(|line| (line.level(), line.to_string()));
    let core = notices()
        .into_iter()
        .map(|notice| told::line(&config, notice, "no space left"))
        .map(|told| (told.level(), told.text().to_owned()));
    // the log's own word, see `Log`
    let dropped = (Level::Warning, "3 log lines dropped".to_owned());
    let written: Vec<(Level, String)> = own.chain(core).chain([dropped]).collect();
    let catalogue = catalogue();
    let mut used = BTreeSet::new();
    for (level, text) in &written {
        let fitting = catalogue.iter().filter(|pattern| pattern.fits(*level, text));
        let best = fitting.max_by_key(|pattern| pattern.literal());
        let best = best.unwrap_or_else(|| panic!("docs/LOGS.md does not list: {}: {text}", level.word()));
        assert!(best.literal() > 3, "only {:?} fits {text:?}", best.text);
        used.insert(best.text.clone());
    }
    for pattern in &catalogue {
        assert!(used.contains(&pattern.text), "nothing writes {:?}", pattern.text);
    }
}

/// The log of a whole failover, made by two real daemons (`tests/netns/cases/failover_log.rs`), has listed lines only.
#[test]
fn the_golden_failover_is_made_of_lines_of_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/netns/golden/failover.log");
    let (golden, catalogue) = (std::fs::read_to_string(path).unwrap(), catalogue());
    assert!(golden.lines().count() > 20, "{golden}");
    for line in golden.lines() {
        let (_, said) = line.split_once("]: ").unwrap();
        let (word, text) = said.split_once(": ").unwrap();
        let levels = [Level::Error, Level::Warning, Level::Info];
        let level = levels.into_iter().find(|level| level.word() == word).unwrap();
        let fits = |pattern: &Pattern| pattern.literal() > 3 && pattern.fits(level, text);
        assert!(catalogue.iter().any(fits), "docs/LOGS.md does not list: {said}");
    }
}
