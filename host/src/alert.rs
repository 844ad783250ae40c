//! What a person must know soon, as few mails as possible.
//!
//! Two sources: notices (something happened) and the core's snapshot (something has lasted: a link down, a group held
//! back, a hold in force). Each belongs to a kind. A kind's first event waits [`GATHER`] for what belongs to it, then
//! goes out as one mail; what comes in the following [`QUIET`] is gathered and goes out as one mail at its end, with
//! its number.

use ovzha_core::decide::Decision;
use ovzha_core::event::Outcome;
use ovzha_core::link::LinkState;
use ovzha_core::message::{Connection, Phase};
use ovzha_core::notice::Notice;
use ovzha_core::output::Op;
use ovzha_core::snapshot::Snapshot;
use ovzha_core::time::{Instant, Span};

use crate::config::Config;
use crate::mail::{Mail, utc};
use crate::told;

/// How long the first event of a kind waits for what belongs to it.
pub const GATHER: Span = Span::from_secs(5);
/// The least time between two mails of a kind.
pub const QUIET: Span = Span::from_secs(15 * 60);
/// How often the snapshot is looked at.
pub const LOOK: Span = Span::from_secs(5);
/// How long a link must have been down, a group held back, a hold in force.
const LINK_SETTLE: Span = Span::from_secs(60);
const HELD_SETTLE: Span = Span::from_secs(120);
const HOLD_SETTLE: Span = Span::from_secs(3600);
/// Lines kept for one mail; the last one always is.
const LINES_MAX: usize = 12;

/// What mails are told apart by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A step or a group failed, state can't be kept, or ovzha itself has a bug.
    Failure,
    /// A link is down.
    Link,
    /// The peer is dead.
    Peer,
    /// Two actives, or two versions of the data.
    Split,
    /// Nothing is decided for long.
    Held,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 5] = [Self::Failure, Self::Link, Self::Peer, Self::Split, Self::Held];

    const fn title(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Link => "link down",
            Self::Peer => "the other node is dead",
            Self::Split => "split brain",
            Self::Held => "held",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Failure => {
                "`ovzha status` names the step and what it said. Mend the cause, then `ovzha clear GROUP` lets the group \
                 start on that node again."
            }
            Self::Link => {
                "The cluster goes on over the other links. Look at cable, switch and interface of this one before the \
                 next one fails."
            }
            Self::Peer => {
                "This node has taken over what it can. Find out what the other one died of before it comes back; DRBD \
                 resyncs by itself."
            }
            Self::Split => {
                "Two nodes had, or have, the group active, and each may have written data of its own. DRBD stays \
                 disconnected: decide which side's data stays, then reconnect (GUIDE section 5). Nothing is discarded \
                 by itself."
            }
            Self::Held => {
                "Nothing is started or moved meanwhile. `ovzha status` says what it waits for; a hold of yours ends \
                 with `ovzha resume`."
            }
        }
    }
}

/// The events of one kind that no mail has told yet.
#[derive(Clone, Debug, Default)]
struct Pending {
    since: Option<Instant>,
    lines: Vec<String>,
    /// Events without a line in `lines`.
    more: u32,
    quiet_until: Option<Instant>,
}

impl Pending {
    fn due(&self) -> Option<Instant> {
        let gathered = self.since?.after(GATHER);
        Some(self.quiet_until.map_or(gathered, |quiet| quiet.max(gathered)))
    }

    fn add(&mut self, now: Instant, line: String) {
        self.since.get_or_insert(now);
        if self.lines.len() >= LINES_MAX {
            // the one before the newest makes room: how it began, and how it is now
            self.lines.pop();
            self.more = self.more.saturating_add(1);
        }
        self.lines.push(line);
    }
}

/// What can last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lasting {
    Link(usize),
    Held(usize),
    Hold,
    StandAlone(usize),
}

/// All alerts of a node.
#[derive(Debug)]
pub struct Alerts {
    to: String,
    pending: [Pending; Kind::ALL.len()],
    /// What lasts, since when, and whether it was told.
    lasting: Vec<(Lasting, Instant, bool)>,
    next_look: Instant,
}

impl Alerts {
    /// To these addresses, separated by commas; empty: nothing is ever due.
    #[must_use]
    pub fn new(now: Instant, to: &[String]) -> Self {
        Self {
            to: to.join(","),
            pending: std::array::from_fn(|_| Pending::default()),
            lasting: Vec::new(),
            next_look: now,
        }
    }

    /// When `look` or `mail` have something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        if self.to.is_empty() {
            return None;
        }
        let due = self.pending.iter().filter_map(Pending::due).min();
        Some(due.map_or(self.next_look, |due| due.min(self.next_look)))
    }

    /// Whether the snapshot is to be looked at.
    #[must_use]
    pub fn wants_look(&self, now: Instant) -> bool {
        !self.to.is_empty() && self.next_look <= now
    }

    /// Something happened; `text` is its line of the log.
    pub fn happened(&mut self, now: Instant, unix: u64, notice: &Notice, text: &str) {
        if let Some(kind) = kind_of(notice) {
            self.add(now, unix, kind, text);
        }
    }

    /// Something failed that is no notice.
    pub fn failed(&mut self, now: Instant, unix: u64, text: &str) {
        self.add(now, unix, Kind::Failure, text);
    }

    fn add(&mut self, now: Instant, unix: u64, kind: Kind, text: &str) {
        if self.to.is_empty() {
            return;
        }
        let place = Kind::ALL.iter().position(|known| *known == kind);
        if let Some(pending) = place.and_then(|place| self.pending.get_mut(place)) {
            pending.add(now, format!("{}  {text}", utc(unix)));
        }
    }

    /// Sees what lasts.
    pub fn look(&mut self, now: Instant, unix: u64, config: &Config, snapshot: &Snapshot) {
        self.next_look = now.after(LOOK);
        let current = lasting(config, snapshot);
        self.lasting
            .retain(|(what, ..)| current.iter().any(|(now, ..)| now == what));
        for (what, kind, settle, text) in current {
            let place = self.lasting.iter().position(|(known, ..)| *known == what);
            let place = place.unwrap_or_else(|| {
                self.lasting.push((what, now, false));
                self.lasting.len().saturating_sub(1)
            });
            let Some((_, since, told)) = self.lasting.get_mut(place) else {
                continue;
            };
            if !*told && now.since(*since) >= settle {
                *told = true;
                self.add(now, unix, kind, &text);
            }
        }
    }

    /// A mail that is due.
    pub fn mail(&mut self, now: Instant, config: &Config) -> Option<Mail> {
        let due = |pending: &Pending| pending.due().is_some_and(|due| due <= now);
        let place = self.pending.iter().position(due)?;
        let kind = *Kind::ALL.get(place)?;
        let pending = self.pending.get_mut(place)?;
        let Pending { lines, more, .. } = std::mem::take(pending);
        pending.quiet_until = Some(now.after(QUIET));
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX).saturating_add(more);
        let minutes = QUIET.as_millis() / 60_000;
        let body = [
            format!("Node {}, peer {}.\n\n", config.own_node(), config.peer_node()),
            told_lines(&lines, more),
            format!(
                "\n{}\n\nNext mail of this kind: not within {minutes} minutes.\n",
                kind.advice()
            ),
        ];
        let what = lines.first().and_then(|line| line.split_once("  "));
        let what = what.map_or("", |(_, text)| text);
        let times = if count > 1 {
            format!(" ({count})")
        } else {
            String::new()
        };
        let subject = format!("ovzha {}: {}{times}: {what}", config.own_node(), kind.title());
        // the addresses were checked with the file they stand in
        Mail::new(&self.to, &subject, &body.concat()).ok()
    }
}

/// The lines, and where those that were not kept belong.
fn told_lines(lines: &[String], more: u32) -> String {
    let (mut text, last) = (String::new(), lines.len().saturating_sub(1));
    for (place, line) in lines.iter().enumerate() {
        if place == last && more > 0 {
            text.extend(["(", &more.to_string(), " more of this kind)\n"]);
        }
        text.extend([line, "\n"]);
    }
    text
}

/// Whether a notice is an alert.
const fn kind_of(notice: &Notice) -> Option<Kind> {
    match notice {
        Notice::Step {
            outcome: Outcome::Failed | Outcome::TimedOut | Outcome::Unfit | Outcome::Stuck,
            ..
        }
        | Notice::Phase {
            phase: Phase::Failed | Phase::Stuck,
            ..
        }
        | Notice::Step {
            op: Op::Monitor,
            outcome: Outcome::NotRunning | Outcome::Partial,
            ..
        }
        | Notice::DiskLost { .. }
        | Notice::Frozen { frozen: true, .. }
        | Notice::ShotFailed { .. }
        | Notice::ShotVoid { .. }
        | Notice::StoreFailed
        | Notice::WitnessHand { fits: false } => Some(Kind::Failure),
        Notice::PeerDead(_) | Notice::PeerNeverHeard | Notice::PeerOff | Notice::Witness { heard: false } => {
            Some(Kind::Peer)
        }
        Notice::TwoActive { .. } | Notice::NameTwice => Some(Kind::Split),
        Notice::Step { .. }
        | Notice::Phase { .. }
        | Notice::Ahead { .. }
        | Notice::Marked { .. }
        | Notice::Frozen { frozen: false, .. }
        | Notice::DataConfirmed { .. }
        | Notice::PeerShot
        | Notice::PeerSaidOff
        | Notice::Pledged { .. }
        | Notice::PledgeHeld { .. }
        | Notice::LinkUp(_)
        | Notice::LinkLate(..)
        | Notice::LinkDead(..)
        | Notice::LinkNumberDiffers(_)
        | Notice::PeerAlive { .. }
        | Notice::PeerLate(_)
        | Notice::PeerLeft
        | Notice::PeerNewer(_)
        | Notice::ForeignKey
        | Notice::ForeignHeartbeat
        | Notice::PingDead(_)
        | Notice::PingUp(_)
        | Notice::Isolated
        | Notice::NotIsolated
        | Notice::Witness { heard: true }
        | Notice::WitnessHand { fits: true }
        | Notice::Unheard(_)
        | Notice::Slept(_)
        | Notice::ResourcesDiffer
        | Notice::TimingsDiffer
        | Notice::GroupsUnknown(_)
        | Notice::Holding { .. }
        | Notice::HoldBegan
        | Notice::HoldEnded
        | Notice::MoveBegins { .. }
        | Notice::MoveRefused { .. }
        | Notice::Lost(_) => None,
    }
}

/// What is so now that must not last, for how long it may, and its line.
fn lasting(config: &Config, snapshot: &Snapshot) -> Vec<(Lasting, Kind, Span, String)> {
    let mut found = Vec::new();
    // with the peer dead or gone every link is down: that is told as one thing
    let any_up = snapshot
        .links
        .iter()
        .any(|link| matches!(link.state, LinkState::Up | LinkState::Late));
    for (place, (link, view)) in config.links.iter().zip(&snapshot.links).enumerate() {
        if any_up && matches!(view.state, LinkState::Dead | LinkState::Closed | LinkState::Silent) {
            let text = format!("link {} is down", crate::media::name(link));
            found.push((Lasting::Link(place), Kind::Link, LINK_SETTLE, text));
        }
    }
    if snapshot.hold.held {
        let text = format!("a hold is in force: {}", snapshot.hold.reason);
        found.push((Lasting::Hold, Kind::Held, HOLD_SETTLE, text));
    }
    for ((place, group), view) in (0_u8..).zip(&config.groups).zip(&snapshot.groups) {
        let name = group.resources.first().map(told::resource_name).unwrap_or_default();
        let number = usize::from(place);
        if let Decision::Hold(why) = view.decision {
            let text = format!("{name}: held back: {why}");
            found.push((Lasting::Held(number), Kind::Held, HELD_SETTLE, text));
        }
        if view
            .drbd
            .is_some_and(|(drbd, _)| drbd.connection == Connection::StandAlone)
        {
            let text = format!("{name}: DRBD gave its connection up (StandAlone), as after a split brain");
            found.push((Lasting::StandAlone(number), Kind::Split, Span::ZERO, text));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    fn config() -> Config {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/article");
        let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
        let ha_cf = crate::ha_cf::parse(Path::new("ha.cf"), &read("ha.cf")).value;
        let nodes: Vec<String> = ha_cf.nodes.iter().map(|node| node.value.clone()).collect();
        let files = crate::config::Files {
            dir: dir.clone(),
            keys: crate::authkeys::parse(Path::new("authkeys"), &read("authkeys")).value,
            groups: crate::haresources::parse(Path::new("haresources"), &read("haresources"), &nodes).value,
            settings: crate::ovzha_cf::OvzhaCf::default(),
            ha_cf,
        };
        Config::new(files, "ovz-node1").unwrap()
    }

    fn alerts() -> Alerts {
        Alerts::new(Instant::default(), &["root".to_owned(), "a@b.c".to_owned()])
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(1_000_000 + seconds * 1000)
    }

    fn dead(alerts: &mut Alerts, seconds: u64) {
        alerts.happened(
            at(seconds),
            seconds,
            &Notice::PeerDead(Span::from_secs(30)),
            "b is dead",
        );
    }

    #[test]
    fn the_first_gathers_and_the_next_wait_for_the_quiet_to_end() {
        let (config, mut alerts) = (config(), alerts());
        dead(&mut alerts, 0);
        assert_eq!(alerts.mail(at(4), &config), None);
        dead(&mut alerts, 4);
        let mail = alerts.mail(at(5), &config).unwrap();
        assert_eq!(mail.to, "root,a@b.c");
        assert_eq!(mail.subject, "ovzha ovz-node1: the other node is dead (2): b is dead");
        assert!(
            mail.body
                .starts_with("Node ovz-node1, peer ovz-node2.\n\n1970-01-01 00:00:00 UTC  b is dead\n")
        );
        assert_eq!(alerts.mail(at(5), &config), None);
        for seconds in 10..60 {
            dead(&mut alerts, seconds);
        }
        let quiet = 5 + QUIET.as_millis() / 1000;
        assert_eq!(alerts.mail(at(quiet - 1), &config), None);
        let mail = alerts.mail(at(quiet), &config).unwrap();
        assert!(mail.subject.contains("(50)"), "{}", mail.subject);
        assert!(
            mail.body
                .contains("(38 more of this kind)\n1970-01-01 00:00:59 UTC  b is dead\n"),
            "{}",
            mail.body
        );
        // long after: at once again, but for what belongs to it
        dead(&mut alerts, 10_000);
        assert_eq!(alerts.mail(at(10_004), &config), None);
        assert!(alerts.mail(at(10_005), &config).is_some());
    }

    #[test]
    fn kinds_do_not_wait_for_each_other_and_good_news_is_no_alert() {
        let (config, mut alerts) = (config(), alerts());
        dead(&mut alerts, 0);
        assert!(alerts.mail(at(5), &config).is_some());
        alerts.happened(at(6), 6, &Notice::StoreFailed, "no room");
        alerts.happened(at(6), 6, &Notice::PeerAlive { restarted: false }, "b is alive");
        let mail = alerts.mail(at(11), &config).unwrap();
        assert!(mail.subject.ends_with("failure: no room"), "{}", mail.subject);
        assert_eq!(alerts.mail(at(100_000), &config), None);
    }

    #[test]
    fn nobody_asked_for_mails() {
        let (config, mut alerts) = (config(), Alerts::new(at(0), &[]));
        dead(&mut alerts, 0);
        assert_eq!((alerts.next_wake(), alerts.mail(at(100), &config)), (None, None));
    }

    #[test]
    fn a_link_is_an_alert_when_it_stays_down_once_and_only_beside_one_that_is_up() {
        let (config, mut alerts) = (config(), alerts());
        let core = crate::core_config::core_config(&config, false, None).unwrap();
        let keys = crate::core_config::keyring(&config.keys).unwrap();
        let cluster = ovzha_core::cluster::Cluster::new(
            core,
            keys,
            ovzha_core::id::BootId([0; 4]),
            ovzha_core::output::Durable::default(),
            at(0),
        );
        let mut snapshot = cluster.snapshot();
        let mut look = |alerts: &mut Alerts, seconds, states: [LinkState; 3]| {
            for (link, state) in snapshot.links.iter_mut().zip(states) {
                link.state = state;
            }
            alerts.look(at(seconds), seconds, &config, &snapshot);
        };
        let (up, dead) = (LinkState::Up, LinkState::Dead);
        look(&mut alerts, 0, [dead, dead, dead]);
        look(&mut alerts, 100, [dead, dead, dead]);
        assert_eq!(alerts.mail(at(200), &config), None);
        look(&mut alerts, 300, [up, dead, up]);
        look(&mut alerts, 359, [up, dead, up]);
        assert_eq!(alerts.mail(at(400), &config), None);
        look(&mut alerts, 360, [up, dead, up]);
        let mail = alerts.mail(at(400), &config).unwrap();
        assert!(mail.subject.contains("link down: link ucast"), "{}", mail.subject);
        look(&mut alerts, 2000, [up, dead, up]);
        assert_eq!(alerts.mail(at(5000), &config), None);
        // mended and broken again
        look(&mut alerts, 5000, [up, up, up]);
        look(&mut alerts, 5005, [up, dead, up]);
        look(&mut alerts, 5065, [up, dead, up]);
        assert!(alerts.mail(at(6000), &config).is_some());
    }
}
