//! The core's notices as lines of the log.
//!
//! Each line stands for itself: who, what, why, in words that an admin can search for. The guide lists them.

use ovzha_core::bug::Bug;
use ovzha_core::event::{Command, Outcome};
use ovzha_core::id::{GroupId, GroupSet, LinkId};
use ovzha_core::message::Phase;
use ovzha_core::notice::Notice;
use ovzha_core::output::{Answer, Fate, Fates, Op, Refusal};

use crate::log::Level;
use crate::record::names::Named;

/// A link as people know it.
#[must_use]
pub fn link(names: &dyn Named, link: LinkId) -> String {
    names.link_name(link).unwrap_or_else(|| format!("link {}", link.0))
}

/// A group by its first resource, as in Heartbeat.
#[must_use]
pub fn group(names: &dyn Named, group: GroupId) -> String {
    names.group_name(group).unwrap_or_else(|| format!("group {}", group.0))
}

/// A resource as `haresources` writes it.
#[must_use]
pub fn resource_name(resource: &crate::haresources::Resource) -> String {
    resource.word()
}

/// A resource of a group, as `haresources` writes it.
#[must_use]
pub fn resource(names: &dyn Named, group: GroupId, place: u8) -> String {
    let found = names.resource_word(group, place);
    found.unwrap_or_else(|| format!("resource {place}"))
}

/// A phase in one word.
#[must_use]
pub const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Probing => "probing",
        Phase::Idle => "idle",
        Phase::Claiming => "claiming",
        Phase::Starting => "starting",
        Phase::Active => "active",
        Phase::Stopping => "stopping",
        Phase::Failed => "failed",
        Phase::Stuck => "stuck",
    }
}

/// Whether a phase is worth a line when the peer says it; the others pass in a moment.
#[must_use]
pub const fn is_lasting(phase: Phase) -> bool {
    match phase {
        Phase::Starting | Phase::Active | Phase::Stopping | Phase::Failed | Phase::Stuck => true,
        Phase::Probing | Phase::Idle | Phase::Claiming => false,
    }
}

/// An operation in one word.
#[must_use]
pub const fn operation(op: Op) -> &'static str {
    match op {
        Op::Probe => "probe",
        Op::Start => "start",
        Op::Stop => "stop",
        Op::Monitor => "monitor",
        Op::Outdate => "outdate",
        Op::Confirm => "confirm-data",
        Op::Resume => "resume-io",
    }
}

/// An outcome in few words.
#[must_use]
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Degraded => "done, in part",
        Outcome::NotRunning => "not running",
        Outcome::Partial => "runs in part",
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed out",
        Outcome::Blocked => "not possible now",
        Outcome::Unfit => "not possible on this node",
        Outcome::Stuck => "stuck, can't be killed",
    }
}

/// A refusal as a sentence.
#[must_use]
pub fn refusal(names: &dyn Named, refusal: Refusal) -> String {
    let peer = names.peer_node();
    match refusal {
        Refusal::NothingActive => "nothing is active on this node that was asked for".to_owned(),
        Refusal::AlreadyActive => "everything that was asked for is active on this node already".to_owned(),
        Refusal::PeerNotHeard => format!("{peer} is not heard"),
        Refusal::PeerUnable => format!("{peer} can't run it now: see `ovzha status` there"),
        Refusal::NoAnswer => format!("{peer} did not answer in time"),
        Refusal::Unable(why) => format!("this node can't run it: {why}"),
        Refusal::Busy => "a group is changing or another request is under way".to_owned(),
        Refusal::Held => "a hold is in force: `ovzha resume` ends it".to_owned(),
        Refusal::Stopping => "a node is stopping".to_owned(),
        Refusal::NoSuchGroup => "there is no such group".to_owned(),
        Refusal::NoMirror => "the group has no DRBD".to_owned(),
        Refusal::PeerRuns => format!("{peer} runs it, or is about to"),
        Refusal::PeerHeard => format!("{peer} is heard, so it has power"),
        Refusal::NoStonith => {
            "nothing waits for that: ovzha.cf has no stonith_host line with a fence agent, and no witness".to_owned()
        }
        Refusal::Differs => format!("haresources differs between this node and {peer}"),
    }
}

/// A bug of our own: its number, what it is, where.
#[must_use]
pub fn bug(names: &dyn Named, bug: Bug) -> String {
    let place = bug.group.map_or_else(|| "all groups".to_owned(), |id| group(names, id));
    format!("bug {} ({place}): {}", bug.id.number(), bug.id)
}

/// The names of some groups.
#[must_use]
pub fn group_names(names: &dyn Named, wanted: GroupSet) -> String {
    let all = (0_u8..).take(names.group_count());
    let wanted = all.filter(|place| wanted.contains(usize::from(*place)));
    let called: Vec<String> = wanted.map(|place| group(names, GroupId(place))).collect();
    called.join(", ")
}

/// A command as an admin could type it.
#[must_use]
pub fn command(names: &dyn Named, command: &Command) -> String {
    match command {
        Command::Standby { groups } => format!("standby of {}", group_names(names, *groups)),
        Command::Takeover { groups } => format!("takeover of {}", group_names(names, *groups)),
        Command::Hold { span: None, reason } => format!("hold: {reason}"),
        Command::Hold {
            span: Some(span),
            reason,
        } => format!("hold for {span}: {reason}"),
        Command::Resume => "resume".to_owned(),
        Command::Clear { group: id } => format!("clear {}", group(names, *id)),
        Command::ConfirmData { group: id } => format!("confirm-data {}", group(names, *id)),
        Command::ConfirmFenced => format!("confirm-fenced {}", names.peer_node()),
        Command::FencePeer { group: id } => format!("fence-peer of {}", group(names, *id)),
        Command::Stop => "stop".to_owned(),
    }
}

/// The end of a request: the word of the control protocol, and why.
#[must_use]
pub fn answer(names: &dyn Named, answer: Answer) -> (&'static str, Option<String>) {
    match answer {
        Answer::Done => ("done", None),
        Answer::Refused(why) => ("refused", Some(refusal(names, why))),
        Answer::CameBack => (
            "came_back",
            Some("the node that was to get it could not start it".to_owned()),
        ),
        Answer::Failed(why) => ("failed", Some(why.to_string())),
        Answer::Fenced(fenced) => ("fenced", Some(fenced.code().to_string())),
        Answer::Mixed(fates) => ("partly", Some(fates_in_words(names, &fates))),
    }
}

fn fates_in_words(names: &dyn Named, fates: &Fates) -> String {
    let all = fates.iter().map(|(place, fate)| {
        let name = u8::try_from(place).map_or_else(|_| String::new(), |place| group(names, GroupId(place)));
        match fate {
            Fate::Moved => format!("{name}: done"),
            Fate::Needless => format!("{name}: nothing to move"),
            Fate::Refused(why) => format!("{name}: refused, {}", refusal(names, why)),
            Fate::CameBack => format!("{name}: came back, the other node could not start it"),
            Fate::Failed(why) => format!("{name}: failed, {why}"),
        }
    });
    all.collect::<Vec<_>>().join("; ")
}

/// Whether a notice says how things stand, and not what was just done: the line that `systemctl status` shows.
#[must_use]
pub const fn is_state(notice: Notice) -> bool {
    matches!(
        notice,
        Notice::Phase { .. }
            | Notice::Holding { .. }
            | Notice::PeerAlive { .. }
            | Notice::PeerDead(_)
            | Notice::PeerNeverHeard
            | Notice::PeerLeft
            | Notice::Isolated
            | Notice::PeerOff
            | Notice::TwoActive { .. }
            | Notice::HoldBegan
            | Notice::HoldEnded
    )
}

/// A line that tells of a notice; made by [`line()`] alone, so that the log says nothing that is not in its table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    level: Level,
    text: String,
}

impl Told {
    /// How bad it is.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// What is said.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// One notice as a line; `reason` is what the last child said of itself.
#[must_use]
pub fn line(names: &dyn Named, notice: Notice, reason: &str) -> Told {
    let (level, text) = words(names, notice, reason);
    Told { level, text }
}

#[expect(clippy::too_many_lines, reason = "one line of text per notice, in one table")]
fn words(names: &dyn Named, notice: Notice, reason: &str) -> (Level, String) {
    let peer = names.peer_node();
    let name = |id| group(names, id);
    // a child that was killed may have said nothing
    let said = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    match notice {
        Notice::LinkUp(id) => (Level::Info, format!("link {} up: {peer} is heard", link(names, id))),
        Notice::LinkLate(id, span) => (
            Level::Warning,
            format!("link {} late: nothing for {span}", link(names, id)),
        ),
        Notice::LinkDead(id, span) => (
            Level::Error,
            format!("link {} dead: nothing for {span}", link(names, id)),
        ),
        Notice::LinkNumberDiffers(id) => {
            let text = "carries another link's number: do the media lines of both ha.cf stand in the same order?";
            (Level::Warning, format!("link {} {text}", link(names, id)))
        }
        Notice::PeerAlive { restarted: false } => (Level::Info, format!("{peer} is alive")),
        Notice::PeerAlive { restarted: true } => (Level::Info, format!("{peer} is alive, restarted")),
        Notice::PeerLate(span) => (Level::Warning, format!("{peer} is late: nothing for {span}")),
        Notice::PeerDead(span) => (Level::Error, format!("{peer} is dead: nothing on any link for {span}")),
        Notice::PeerNeverHeard => (
            Level::Error,
            format!("{peer} was not heard within initdead: taken for dead"),
        ),
        Notice::PeerLeft => (Level::Info, format!("{peer} stopped in order")),
        Notice::PeerNewer(version) => (
            Level::Error,
            format!("{peer} speaks protocol {version}, newer than ours: no takeover from it"),
        ),
        Notice::ForeignKey => (
            Level::Error,
            format!("frames of {peer} carry a key that is not in authkeys"),
        ),
        Notice::ForeignHeartbeat => (Level::Error, format!("{peer} still runs Heartbeat")),
        Notice::NameTwice => (Level::Error, format!("another node uses the name {}", names.own_node())),
        Notice::PingDead(ping) => (Level::Warning, format!("ping node {} is dead", address(names, ping))),
        Notice::PingUp(ping) => (Level::Info, format!("ping node {} answers", address(names, ping))),
        Notice::Isolated => (
            Level::Error,
            format!("isolated: neither {peer} nor any ping node is heard"),
        ),
        Notice::NotIsolated => (Level::Info, "no longer isolated".to_owned()),
        Notice::Witness { heard: true } => (Level::Info, "the witness is heard".to_owned()),
        Notice::Witness { heard: false } => (
            Level::Error,
            "the witness is not heard: one more failure stops what runs here".to_owned(),
        ),
        Notice::WitnessHand { fits: true } => (
            Level::Info,
            "the witness does with the nodes' power what stonith_host says".to_owned(),
        ),
        Notice::WitnessHand { fits: false } => (
            Level::Error,
            "the witness does not do with the nodes' power what stonith_host says: in place of watchdogs its vote counts for nothing"
                .to_owned(),
        ),
        Notice::Unheard(span) => (Level::Error, format!("{peer} has not heard this node for {span}")),
        Notice::Slept(span) => (Level::Error, format!("this node stood still for {span}")),
        Notice::ResourcesDiffer => {
            let text = "the groups that differ neither start nor move until it is equal";
            (
                Level::Error,
                format!("haresources differs between this node and {peer}: {text}"),
            )
        }
        Notice::GroupsUnknown(count) => (
            Level::Error,
            format!("{peer} has {count} groups that haresources does not have here: they are left alone"),
        ),
        Notice::TimingsDiffer => (
            Level::Warning,
            format!("timings differ between this node and {peer}: the longer deadtime counts"),
        ),
        Notice::StoreFailed => (Level::Error, format!("the state directory can't be written: {reason}")),
        Notice::HoldBegan => (
            Level::Warning,
            "hold: no decisions on both nodes until `ovzha resume`".to_owned(),
        ),
        Notice::HoldEnded => (Level::Info, "hold ended".to_owned()),
        Notice::Lost(count) => (Level::Warning, format!("{count} notices were lost")),
        Notice::Phase { group, phase: new, why } => {
            let level = if matches!(new, Phase::Failed | Phase::Stuck) {
                Level::Error
            } else {
                Level::Info
            };
            (level, format!("{}: {} ({why})", name(group), phase(new)))
        }
        Notice::Holding { group, why } => (Level::Error, format!("{}: held back: {why}", name(group))),
        Notice::Step {
            group,
            resource: place,
            op,
            outcome: end,
            took,
        } => {
            let level = match end {
                Outcome::NotRunning if op == Op::Monitor => Level::Error,
                Outcome::Done | Outcome::NotRunning => Level::Info,
                Outcome::Degraded | Outcome::Partial | Outcome::Blocked => Level::Warning,
                Outcome::Failed | Outcome::TimedOut | Outcome::Unfit | Outcome::Stuck => Level::Error,
            };
            let step = format!("{} {}", operation(op), resource(names, group, place));
            (
                level,
                format!("{}: {step}: {} after {took}{said}", name(group), outcome(end)),
            )
        }
        Notice::MoveBegins { takeover, groups, .. } => {
            let what = if takeover { "takeover" } else { "standby" };
            (Level::Info, format!("{what} begins: {}", group_names(names, groups)))
        }
        Notice::MoveRefused { group, why } => (
            Level::Warning,
            format!("{}: not moved: {}", name(group), refusal(names, why)),
        ),
        Notice::DiskLost { group } => (Level::Error, format!("{}: DRBD has lost its local disk", name(group))),
        Notice::Ahead { group, ahead: true } => (
            Level::Warning,
            format!(
                "{}: {peer}'s disk may lack what is written here from now on",
                name(group)
            ),
        ),
        Notice::Ahead { group, ahead: false } => (
            Level::Info,
            format!("{}: {peer}'s disk lacks nothing of this node's", name(group)),
        ),
        Notice::Marked { group, marked: true } => (
            Level::Warning,
            format!(
                "{}: this node's disk lacks writes of {peer}: not to be started here until a resync is done",
                name(group)
            ),
        ),
        Notice::Marked { group, marked: false } => (
            Level::Info,
            format!("{}: this node's disk lacks no writes of {peer} any more", name(group)),
        ),
        Notice::Frozen { group, frozen: true } => {
            (Level::Error, format!("{}: DRBD keeps its I/O waiting", name(group)))
        }
        Notice::Frozen { group, frozen: false } => (Level::Info, format!("{}: DRBD lets its I/O go on", name(group))),
        Notice::DataConfirmed { group } => (
            Level::Warning,
            format!("{}: this node's data count, a person said so", name(group)),
        ),
        Notice::PeerShot => (Level::Warning, format!("the power of {peer} is being cut")),
        Notice::PeerOff => (Level::Warning, format!("{peer} has no power{said}")),
        Notice::PeerSaidOff => (Level::Warning, format!("{peer} has no power, a person said so")),
        Notice::ShotFailed { again } => (
            Level::Error,
            format!("the power of {peer} could not be cut, or not be seen off, again in {again}{said}"),
        ),
        Notice::ShotVoid { off } => {
            let text = if off {
                "seen without power"
            } else {
                "not seen without power"
            };
            (
                Level::Error,
                format!("{peer} was heard while its power was being cut, which counts for nothing: {text}{said}"),
            )
        }
        Notice::Pledged { group, pledged: true } => (
            Level::Warning,
            format!(
                "{}: this node's vote is pledged to {peer}: nothing of it starts here until {peer} gives it back",
                name(group)
            ),
        ),
        Notice::Pledged { group, pledged: false } => (
            Level::Info,
            format!("{}: this node's vote is not pledged any more", name(group)),
        ),
        Notice::PledgeHeld { group, held: true } => (
            Level::Warning,
            format!(
                "{}: {peer} pledged its vote: what runs needs neither {peer} nor the witness",
                name(group)
            ),
        ),
        Notice::PledgeHeld { group, held: false } => (
            Level::Info,
            format!("{}: the pledge of {peer} is given back", name(group)),
        ),
        Notice::TwoActive { group, yields } => {
            let text = if yields {
                "this node yields"
            } else {
                "the other node is to yield"
            };
            (Level::Error, format!("{}: active on both nodes: {text}", name(group)))
        }
    }
}

/// A ping node as `ha.cf` names it.
#[must_use]
pub fn address(names: &dyn Named, ping: u8) -> String {
    names.ping_name(ping).unwrap_or_else(|| ping.to_string())
}
