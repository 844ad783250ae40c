//! What the core wants done.

use crate::bug::Bug;
use crate::decide::Why;
pub use crate::durable::{DURABLE_MAX, Durable, GroupDurable};
use crate::id::{ClientId, EffectId, GROUPS_MAX, GroupId, LinkId};
use crate::notice::Notice;
use crate::time::Instant;

/// One thing to do. Poll until [`Output::Wait`], then wait.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Output<'b> {
    /// Send this frame over that link now, or drop it: never later.
    Send {
        /// The link.
        link: LinkId,
        /// The frame, without serial framing.
        bytes: &'b [u8],
    },
    /// Begin this effect; end it with one `Event::Done`.
    Start(Effect),
    /// Kill that effect's child; its `Done` is still owed.
    Abandon(EffectId),
    /// Write the durable state to disk, off the heartbeat path; answer with `Event::Stored`.
    Store {
        /// To be given back.
        version: u32,
        /// What to write.
        bytes: &'b [u8],
    },
    /// Tell a client the end of its request.
    Reply {
        /// Who asked.
        client: ClientId,
        /// The end.
        answer: Answer,
    },
    /// Something worth a log line.
    Notice(Notice),
    /// Cut the peer's power, and see that it is off; end it with one `Event::Done`: `Done` only if it was seen.
    Shoot(EffectId),
    /// Reset this machine at once: a data resource won't stop and the peer is to take over.
    FenceSelf {
        /// The group that won't stop.
        group: GroupId,
    },
    /// Pet the watchdog, which arms it if it is not: a reset follows unless the next pet comes in time.
    Pet {
        /// Not after this moment by the host's clock, read just before; it does not count for one that is not armed.
        within: Instant,
    },
    /// Disarm the watchdog: nothing runs here any more.
    Disarm,
    /// This program contradicts itself: to be recorded where it survives, and told loudly. The loop goes on.
    Bug(Bug),
    /// The orderly stop is done.
    Exit,
    /// Nothing more to do before `until`, unless something happens.
    Wait {
        /// When to come back at the latest.
        until: Instant,
        /// For what.
        why: Reason,
    },
}

/// Why the next wake-up exists.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Reason {
    /// A heartbeat is due.
    Heartbeat,
    /// A silence would then be long enough to be told or acted upon.
    Silence,
    /// A pause before another try ends.
    Retry,
    /// A request would then be too old.
    Request,
    /// A hold would then expire.
    Hold,
}

/// One step of a group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Effect {
    /// Its number, never used twice in a life.
    pub id: EffectId,
    /// Its group.
    pub group: GroupId,
    /// The resource's place in the group, from 0.
    pub resource: u8,
    /// What to do with it.
    pub op: Op,
}

/// What can be done with a resource.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Op {
    /// See whether it runs; change nothing.
    Probe,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// See whether it still does what it should; change nothing. May be abandoned at any time.
    Monitor,
    /// DRBD: this disk is known to be old.
    Outdate,
    /// DRBD: a person said that this disk's data count; let DRBD call it current.
    Confirm,
    /// DRBD: let frozen I/O go on.
    Resume,
}

/// The end of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Answer {
    /// What was asked is so.
    Done,
    /// Nothing was touched.
    Refused(Refusal),
    /// The other node could not start the group; it runs here again.
    CameBack,
    /// It was begun and did not end well: see the group's state.
    Failed(Why),
    /// Not the same for all groups.
    Mixed(Fates),
    /// What DRBD's fence-peer handler is to say of the peer.
    Fenced(Fenced),
}

/// What became of the peer's copy of the data: the exit codes of DRBD's fence-peer handler.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Fenced {
    /// 3: the peer's disk is Inconsistent, or there is none.
    Inconsistent,
    /// 4: the peer's disk is Outdated.
    Outdated,
    /// 5: the peer is dead.
    Dead,
    /// 6: the peer is Primary: this node's disk is the old one.
    Primary,
    /// 7: a person said that the peer's data don't count, or the peer was seen without power.
    Confirmed,
}

impl Fenced {
    /// The exit code that tells DRBD so.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Inconsistent => 3,
            Self::Outdated => 4,
            Self::Dead => 5,
            Self::Primary => 6,
            Self::Confirmed => 7,
        }
    }
}

/// What became of one group of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Fate {
    /// It runs where it was to run.
    Moved,
    /// There was nothing to move.
    Needless,
    /// It was not touched.
    Refused(Refusal),
    /// The other node could not start it; it runs where it was.
    CameBack,
    /// It was begun and did not end well.
    Failed(Why),
}

/// What became of each group of a request, by its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Fates([Option<Fate>; GROUPS_MAX]);

impl Fates {
    /// Writes down what became of the group at this place.
    pub fn set(&mut self, place: usize, fate: Fate) {
        if let Some(known) = self.0.get_mut(place) {
            *known = Some(fate);
        }
    }

    /// The groups of the request, with what became of them.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Fate)> + '_ {
        let of = |(place, fate): (usize, &Option<Fate>)| fate.map(|fate| (place, fate));
        self.0.iter().enumerate().filter_map(of)
    }

    /// The end of the request as a whole: in one word where one fits all groups that there was something to move of.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let mut told = self.iter().map(|(_, fate)| fate).filter(|fate| *fate != Fate::Needless);
        let Some(first) = told.next() else {
            return Answer::Done;
        };
        if told.any(|fate| fate != first) {
            return Answer::Mixed(*self);
        }
        match first {
            Fate::Moved | Fate::Needless => Answer::Done,
            Fate::Refused(why) => Answer::Refused(why),
            Fate::CameBack => Answer::CameBack,
            Fate::Failed(why) => Answer::Failed(why),
        }
    }
}

/// Why a request was refused before anything was touched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Refusal {
    /// Nothing is active on the node that should give.
    NothingActive,
    /// It is active here already.
    AlreadyActive,
    /// The peer is not heard.
    PeerNotHeard,
    /// The peer says it can't run the group.
    PeerUnable,
    /// The peer did not answer in time.
    NoAnswer,
    /// This node can't run the group.
    Unable(Why),
    /// Another request is under way, or a group is changing.
    Busy,
    /// A hold is in force.
    Held,
    /// This node or the peer is stopping.
    Stopping,
    /// There is no such group.
    NoSuchGroup,
    /// `haresources` differs between the nodes.
    Differs,
    /// The group has no DRBD.
    NoMirror,
    /// The peer runs the group, or is about to.
    PeerRuns,
    /// The peer is heard.
    PeerHeard,
    /// No device cuts the peer's power: nothing waits for that.
    NoStonith,
}
