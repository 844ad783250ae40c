//! The daemon's own lines of the log: what the host does and sees, beside the core's notices (`told`).
//!
//! Each line is a variant with its level and its text, so that `docs/LOGS.md` can be held against them.

mod aside;
mod watchdog;

use std::fmt;

use ovzha_core::message::Phase;

use crate::check::Protection;
use crate::log::Level;
use crate::told;
pub use aside::{AsideLine, ClientFate, ErrandFate};
pub use watchdog::WatchdogLine;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// The daemon runs.
    Started {
        /// Of the program.
        version: &'a str,
        /// Our name.
        node: &'a str,
    },
    /// Whether memory is locked and scheduling is realtime.
    Standing(&'a str),
    /// The row of SAFETY that really holds (S-16).
    Protection(Protection),
    /// The state on disk is damaged (S-48).
    StateLost(&'a str),
    /// A bug that an earlier life recorded (S-47).
    FormerBug {
        /// What it was.
        newest: &'a str,
        /// Where all of them stand.
        path: &'a str,
    },
    /// A bug could not be recorded.
    Unrecorded(&'a str),
    /// Nothing more is recorded in this life.
    NotRecorded(&'a str),
    /// The record was not copied to the disk.
    NotKept(&'a str),
    /// Children of the former life still run.
    FormerChildren(usize),
    /// One of them has ended.
    FormerEnded(&'a str),
    /// TERM or INT.
    AskedToStop,
    /// The last line of a life.
    Stopped,
    /// HUP.
    AskedToReload,
    /// HUP again, too soon.
    ReloadBusy,
    /// A problem of the files, with file and line.
    Problem(&'a str),
    /// The files are bad.
    KeptConfiguration,
    /// The files are good, but what changed is not known.
    NotCompared,
    /// The files are as before.
    NothingChanged,
    /// Only `authkeys` changed.
    NewKeys,
    /// The keys did not come from the child that read them.
    KeysMissing,
    /// Files or program changed: exec.
    Anew,
    /// That failed.
    AnewFailed {
        /// What was to run.
        program: &'a str,
        /// The error.
        why: &'a str,
    },
    /// A person's command.
    Asked(&'a str),
    /// How it ended.
    Answered {
        /// The word of the control protocol.
        word: &'a str,
        /// Why.
        why: &'a str,
    },
    /// The core contradicts itself (S-47).
    Bug(&'a str),
    /// A group on the peer.
    OnPeer {
        /// Its name.
        group: &'a str,
        /// What became of it.
        phase: Phase,
        /// The peer's name.
        peer: &'a str,
    },
    /// A link can be used.
    LinkOpened(&'a str),
    /// It can't any more.
    LinkLost(&'a str),
    /// It can't yet.
    LinkFails {
        /// Its name.
        link: &'a str,
        /// The error.
        why: &'a str,
    },
    /// No pings go out.
    PingFails(&'a str),
    /// DRBD gave the connection up.
    StandAlone {
        /// The group's name.
        group: &'a str,
        /// The DRBD resource.
        drbd: &'a str,
    },
    /// It is no longer so.
    StandAloneEnded {
        /// The group's name.
        group: &'a str,
        /// The DRBD resource.
        drbd: &'a str,
        /// Whether it is connected already.
        connected: bool,
    },
    /// What the child that watches DRBD has done.
    DrbdTold {
        /// The group's name.
        group: &'a str,
        /// What.
        text: &'a str,
    },
    /// What it could not do, or could not find out.
    DrbdFailed {
        /// The group's name.
        group: &'a str,
        /// What, and why.
        text: &'a str,
    },
    /// It has ended.
    WatchEnded {
        /// The group's name.
        group: &'a str,
        /// Why.
        why: &'a str,
    },
    /// The self-fence.
    Reset {
        /// The group that won't stop.
        group: &'a str,
    },
    /// It was not permitted.
    ResetFailed(&'a str),
    /// `--last-resort none`.
    NoReset,
    /// Of the hardware watchdog.
    Watchdog(WatchdogLine<'a>),
    /// The loop spins.
    Flooded {
        /// Rounds a second.
        rounds: u32,
        /// What became of the priority.
        done: &'a str,
    },
    /// The run directory is full or gone.
    RunDir(&'a str),
    /// poll(2) failed.
    Poll(&'a str),
    /// Of what runs beside the cluster.
    Aside(&'a AsideLine),
}

impl Line<'_> {
    /// How bad it is.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Line::Aside(line) => line.level(),
            Line::Watchdog(line) => line.level(),
            Line::StateLost(_)
            | Line::FormerBug { .. }
            | Line::Bug(_)
            | Line::Unrecorded(_)
            | Line::Problem(_)
            | Line::KeptConfiguration
            | Line::NotCompared
            | Line::KeysMissing
            | Line::AnewFailed { .. }
            | Line::LinkFails { .. }
            | Line::PingFails(_)
            | Line::StandAlone { .. }
            | Line::DrbdFailed { .. }
            | Line::Reset { .. }
            | Line::ResetFailed(_)
            | Line::NoReset
            | Line::Flooded { .. }
            | Line::RunDir(_)
            | Line::Poll(_) => Level::Error,
            Line::LinkLost(_) | Line::WatchEnded { .. } | Line::NotRecorded(_) | Line::NotKept(_) => Level::Warning,
            Line::Started { .. }
            | Line::Standing(_)
            | Line::Protection(_)
            | Line::FormerChildren(_)
            | Line::FormerEnded(_)
            | Line::AskedToStop
            | Line::Stopped
            | Line::AskedToReload
            | Line::ReloadBusy
            | Line::NothingChanged
            | Line::NewKeys
            | Line::Anew
            | Line::Asked(_)
            | Line::Answered { .. }
            | Line::OnPeer { .. }
            | Line::LinkOpened(_)
            | Line::StandAloneEnded { .. }
            | Line::DrbdTold { .. } => Level::Info,
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { version, node } => write!(f, "ovzha {version} started on {node}"),
            Self::Standing(text) | Self::Problem(text) => f.write_str(text),
            Self::Protection(row) => write!(f, "protection: {row}"),
            Self::StateLost(why) => write!(f, "the durable state is lost, starting held: {why}"),
            Self::Unrecorded(why) => write!(f, "the bug could not be recorded: {why}"),
            Self::NotRecorded(why) => write!(f, "what this node sees and decides is not recorded: {why}"),
            Self::NotKept(why) => write!(f, "the record was not copied to the disk: {why}"),
            Self::FormerBug { newest, path } => {
                write!(
                    f,
                    "ovzha found a bug in itself earlier: {newest}; report {path}, then remove it"
                )
            }
            Self::FormerChildren(count) => write!(f, "waiting for {count} children of the former daemon"),
            Self::FormerEnded(label) => write!(f, "left by the former daemon, ended: {label}"),
            Self::AskedToStop => f.write_str("asked to stop"),
            Self::Stopped => f.write_str("ovzha stopped"),
            Self::AskedToReload => f.write_str("asked to read the configuration again"),
            Self::ReloadBusy => f.write_str("it is being read already"),
            Self::KeptConfiguration => f.write_str("the configuration is bad: the daemon goes on with the one it has"),
            Self::NotCompared => f.write_str("the configuration could not be compared: nothing changed"),
            Self::NothingChanged => f.write_str("nothing has changed"),
            Self::NewKeys => f.write_str("new keys in use"),
            Self::KeysMissing => f.write_str("the new keys did not arrive: the old ones stay"),
            Self::Anew => f.write_str("starting anew in place; what runs goes on"),
            Self::AnewFailed { program, why } => write!(f, "{program}: {why}: the daemon goes on as it is"),
            Self::Asked(command) => write!(f, "asked: {command}"),
            Self::Answered { word, why } => write!(f, "answered: {word}: {why}"),
            Self::Bug(what) => {
                write!(
                    f,
                    "BUG in ovzha: {what}; nothing is decided there until `ovzha clear` or a restart"
                )
            }
            Self::OnPeer { group, phase, peer } => write!(f, "{group} is {} on {peer}", told::phase(*phase)),
            Self::LinkOpened(link) => write!(f, "link {link} opened"),
            Self::LinkLost(link) => write!(f, "link {link} lost; it is tried again"),
            Self::LinkFails { link, why } => write!(f, "link {link} can't be opened, it is tried again: {why}"),
            Self::PingFails(why) => write!(f, "ping nodes can't be asked: {why}"),
            Self::StandAlone { group, drbd } => stand_alone(f, group, drbd),
            Self::StandAloneEnded { group, drbd, connected } => {
                let now = if *connected {
                    "connected again"
                } else {
                    "it looks for its peer again"
                };
                write!(f, "{group}: DRBD {drbd} is no longer StandAlone: {now}")
            }
            Self::DrbdTold { group, text } | Self::DrbdFailed { group, text } => write!(f, "{group}: DRBD: {text}"),
            Self::WatchEnded { group, why } => {
                write!(f, "{group}: the child that watches DRBD is started again: {why}")
            }
            Self::Reset { group } => write!(f, "{group}: won't stop: this machine resets itself now"),
            Self::ResetFailed(why) => write!(f, "the reset failed: {why}"),
            Self::NoReset => f.write_str("--last-resort none: no reset"),
            Self::Flooded { rounds, done } => {
                write!(f, "flooded: over {rounds} rounds a second: realtime priority {done}")
            }
            Self::RunDir(why) => write!(f, "the run directory can't be written: {why}"),
            Self::Poll(why) => write!(f, "poll: {why}"),
            Self::Aside(line) => line.fmt(f),
            Self::Watchdog(line) => line.fmt(f),
        }
    }
}

/// `StandAlone` is all that DRBD itself says: its reason stands in the kernel's log alone.
fn stand_alone(f: &mut fmt::Formatter<'_>, group: &str, drbd: &str) -> fmt::Result {
    write!(
        f,
        "{group}: DRBD {drbd} is StandAlone: it gave its connection up (a split brain, or `drbdadm disconnect`), \
         nothing is mirrored, and it won't try again by itself. If it was disconnected: `drbdadm connect {drbd}`. \
         If it is a split brain, ovzha leaves both sides' data alone and a person chooses: on the node whose writes are \
         to be dropped `drbdadm secondary {drbd}`, then `drbdadm connect --discard-my-data {drbd}` \
         (before DRBD 8.4: `drbdadm -- --discard-my-data connect {drbd}`); on the other `drbdadm connect {drbd}`"
    )
}
