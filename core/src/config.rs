//! What the core must know of the configuration, with every timing relation checked.

use core::fmt;

use heapless::Vec;

use crate::id::{ClusterId, GROUPS_MAX, LINKS_MAX, Mark, NodeId, RESOURCES_MAX};
use crate::term::Times;
use crate::time::Span;
use crate::watchdog::Watchdog;
use crate::witness::Relay;

/// Most ping nodes.
pub const PINGS_MAX: usize = 16;
/// Longest deadtime: a silence longer than about two minutes can't be told on the wire.
pub const DEADTIME_MAX: Span = Span::from_secs(240);

/// How the core treats one resource; what it is, only the host knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum Kind {
    /// One half of a DRBD mirror: data, as below, and what may be promoted depends on whose are the newest (SAFETY S-60).
    Drbd,
    /// Touches data (file system, containers): a stop that fails ends in a reset.
    Data,
    /// A failed stop is told, nothing more.
    Plain,
    /// A notice: never fails, never probed, never delays.
    Notice,
}

/// What cuts the peer's power (SAFETY S-80).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Device {
    /// The head start of a node that runs something.
    pub delay: Span,
    /// How long a shot may take.
    pub timeout: Span,
}

/// One resource group, before it is checked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupDraft {
    /// The node that is to run it.
    pub preferred: NodeId,
    /// Which group it is, on both nodes and in later files: what it is called, whatever else changes. Each its own.
    pub identity: Mark,
    /// What it means: all of its line.
    pub digest: Mark,
    /// Its resources in start order.
    pub resources: Vec<Kind, RESOURCES_MAX>,
    /// Seconds from one look at each of them to the next while the group is active; 0 or missing: never.
    pub monitors: Vec<u16, RESOURCES_MAX>,
}

/// The configuration before it is checked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::struct_excessive_bools, reason = "the switches of ha.cf and ovzha.cf")]
pub struct Draft {
    /// This node, 0 or 1.
    pub me: NodeId,
    /// The cluster's name on the wire.
    pub cluster: ClusterId,
    /// Number of links, 1 to 16.
    pub links: u8,
    /// Number of ping nodes, 0 to 16. Any makes the protection row "ping".
    pub pings: u8,
    /// Interval of heartbeats and pings.
    pub keepalive: Span,
    /// Silence after which a link or the peer is called late.
    pub warntime: Span,
    /// Silence after which the peer is dead.
    pub deadtime: Span,
    /// Silence after which a ping node is dead.
    pub deadping: Span,
    /// From the first usable link: how long to wait for a peer never heard.
    pub initdead: Span,
    /// What an isolated active node gives itself to stop before the peer's deadtime ends.
    pub stop_budget: Span,
    /// Give a group back to its preferred node.
    pub auto_failback: bool,
    /// Hand over when the peer sees more ping nodes.
    pub ipfail: bool,
    /// Hand over when DRBD loses its local disk and the peer's is current.
    pub diskless_hands_over: bool,
    /// May this node reset itself when a data resource won't stop?
    pub last_resort: bool,
    /// The hardware watchdog, if there is one to pet.
    pub watchdog: Option<Watchdog>,
    /// There is a witness: a group runs only with its vote or the peer's.
    pub witness: bool,
    /// What cuts the peer's power, if there is such a thing: nothing is taken from a peer that was not seen off. Not beside
    /// a witness.
    pub stonith: Option<Device>,
    /// A start needs the witness's own vote: the peer's keeps running what runs, and starts nothing.
    pub commanded: bool,
    /// What the witness is to do with the nodes' power: in place of watchdogs, no vote counts of one that does something else.
    pub relay: Relay,
    /// The groups, in the order of `haresources`.
    pub groups: Vec<GroupDraft, GROUPS_MAX>,
    /// Digest of what `haresources` means.
    pub resources_digest: [u8; 4],
    /// Digest of the timing directives.
    pub timings_digest: [u8; 4],
    /// Newest protocol version to speak, 1 to [`crate::frame::VERSION`].
    pub speaks: u8,
}

#[cfg(test)]
impl Draft {
    /// A node of a pair without ping nodes, whose one group has data.
    pub(crate) fn sample() -> Self {
        let group = GroupDraft {
            preferred: NodeId(0),
            identity: Mark([0; 3]),
            digest: Mark([0; 3]),
            resources: core::iter::once(Kind::Data).collect(),
            monitors: Vec::new(),
        };
        Self {
            me: NodeId(0),
            cluster: ClusterId([7, 7]),
            links: 1,
            pings: 0,
            keepalive: Span::from_secs(1),
            warntime: Span::from_secs(4),
            deadtime: Span::from_secs(10),
            deadping: Span::from_secs(10),
            initdead: Span::from_secs(20),
            stop_budget: Span::from_secs(3),
            auto_failback: false,
            ipfail: false,
            diskless_hands_over: true,
            last_resort: true,
            watchdog: None,
            groups: core::iter::once(group).collect(),
            resources_digest: [1; 4],
            timings_digest: [1; 4],
            witness: false,
            stonith: None,
            commanded: false,
            relay: Relay::None,
            speaks: 2,
        }
    }
}

/// A checked configuration.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Config(Draft);

/// Which relation is broken, with both numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ConfigError {
    /// The node is neither 0 nor 1.
    Node(u8),
    /// No link, or more than 16.
    Links(u8),
    /// More than 16 ping nodes.
    Pings(u8),
    /// A group without resources, or whose preferred node is neither 0 nor 1.
    Group(usize),
    /// Two groups that can't be told apart.
    GroupTwice(usize),
    /// The watchdog would reset a node that is merely late.
    WatchdogShort {
        /// Its timeout.
        timeout: Span,
        /// The shortest that is safe.
        least: Span,
    },
    /// A node that hangs would run on when its peer takes over.
    WatchdogLong {
        /// Its timeout.
        timeout: Span,
        /// The deadtime that it would need.
        needs: Span,
        /// The deadtime.
        deadtime: Span,
    },
    /// A vote lent for the deadtime leaves no time for a stop, or for the watchdog to be petted.
    VotesShort {
        /// What is needed.
        needs: Span,
        /// For how long a vote entitles.
        right: Span,
        /// The deadtime.
        deadtime: Span,
    },
    /// A witness and a device of the node's own: two rows at once.
    StonithAndWitness,
    /// `left` must be shorter than `right`.
    NotShorter {
        /// Name of the time that must be shorter.
        left: &'static str,
        /// Its value.
        shorter: Span,
        /// Name of the time that must be longer.
        right: &'static str,
        /// Its value.
        longer: Span,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(n) => write!(f, "node number {n}: only 0 and 1 exist"),
            Self::Links(n) => write!(f, "{n} links: 1 to {LINKS_MAX} are possible"),
            Self::Pings(n) => write!(f, "{n} ping nodes: at most {PINGS_MAX} are possible"),
            Self::Group(n) => write!(f, "group {n} has no resource or no such preferred node"),
            Self::GroupTwice(n) => write!(f, "group {n} is called as an earlier one"),
            Self::WatchdogShort { timeout, least } => {
                write!(
                    f,
                    "a watchdog's timeout of {timeout} is shorter than three keepalives ({least})"
                )
            }
            Self::WatchdogLong {
                timeout,
                needs,
                deadtime,
            } => write!(
                f,
                "a watchdog's timeout of {timeout} needs a deadtime of {needs} or more, and deadtime is {deadtime}"
            ),
            Self::VotesShort { needs, right, deadtime } => write!(
                f,
                "a deadtime of {deadtime} lets a vote count for {right}, and a stop in time needs {needs}: make deadtime longer, or stop-budget, keepalive or the watchdog's timeout shorter"
            ),
            Self::StonithAndWitness => f.write_str("with a witness the votes decide: no fencing device beside it"),
            Self::NotShorter {
                left,
                shorter,
                right,
                longer,
            } => {
                write!(f, "{left} ({shorter}) must be shorter than {right} ({longer})")
            }
        }
    }
}

/// How long a node that resets itself may take to bring its last words to its disk. Small beside the deadtime, which
/// ends that much later than the reset begins.
#[must_use]
pub fn last_words(deadtime: Span) -> Span {
    let share = deadtime.as_millis().checked_div(40).unwrap_or(0);
    Span::from_millis(share).min(Span::from_millis(50))
}

impl Device {
    fn check(&self, draft: &Draft) -> Result<(), ConfigError> {
        if draft.witness {
            return Err(ConfigError::StonithAndWitness);
        }
        // the two nodes miss each other at moments that are so far apart, at most
        let apart = draft.keepalive.times(2);
        if self.delay > apart {
            return Ok(());
        }
        Err(ConfigError::NotShorter {
            left: "twice the keepalive",
            shorter: apart,
            right: "fence-delay",
            longer: self.delay,
        })
    }
}

impl Config {
    /// Checks every relation; the first broken one is returned.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn new(draft: Draft) -> Result<Self, ConfigError> {
        if draft.me.0 > 1 {
            return Err(ConfigError::Node(draft.me.0));
        }
        if draft.links == 0 || usize::from(draft.links) > LINKS_MAX {
            return Err(ConfigError::Links(draft.links));
        }
        if usize::from(draft.pings) > PINGS_MAX {
            return Err(ConfigError::Pings(draft.pings));
        }
        let bad = draft
            .groups
            .iter()
            .position(|g| g.resources.is_empty() || g.preferred.0 > 1);
        if let Some(group) = bad {
            return Err(ConfigError::Group(group));
        }
        let twice = draft
            .groups
            .iter()
            .enumerate()
            .position(|(place, group)| draft.groups.iter().take(place).any(|g| g.identity == group.identity));
        if let Some(group) = twice {
            return Err(ConfigError::GroupTwice(group));
        }
        let next = Span::from_millis(1);
        let twice = draft.keepalive.times(2);
        for (left, shorter, right, longer) in [
            ("0", Span::ZERO, "keepalive", draft.keepalive),
            ("keepalive", draft.keepalive, "warntime", draft.warntime),
            ("warntime", draft.warntime, "deadtime", draft.deadtime),
            ("twice the keepalive", twice, "deadtime", draft.deadtime),
            ("twice the keepalive", twice, "deadping", draft.deadping),
            (
                "deadtime",
                draft.deadtime,
                "initdead and 1 ms",
                draft.initdead.plus(next),
            ),
            (
                "deadtime",
                draft.deadtime,
                "the longest deadtime",
                DEADTIME_MAX.plus(next),
            ),
            ("stop-budget", draft.stop_budget, "deadtime", draft.deadtime),
        ] {
            if shorter >= longer {
                return Err(ConfigError::NotShorter {
                    left,
                    shorter,
                    right,
                    longer,
                });
            }
        }
        if let Some(watchdog) = &draft.watchdog {
            watchdog.check(draft.keepalive, draft.deadtime, draft.pings > 0)?;
        }
        if let Some(device) = &draft.stonith {
            device.check(&draft)?;
        }
        if draft.witness {
            Times::of(&draft).check()?;
        }
        Ok(Self(draft))
    }

    /// Silence after which an active node that is isolated or unheard gives up: early enough to stop
    /// before the peer's deadtime ends (LEASE T10), or the watchdog fires (T5), never below two keepalives.
    #[must_use]
    pub fn give_up(&self, deadtime: Span) -> Span {
        let early = self
            .watchdog
            .map_or(Span::ZERO, |watchdog| watchdog.early(self.keepalive));
        let spare = self.stop_budget.plus(self.keepalive.times(2)).plus(early);
        deadtime.minus(spare).max(self.keepalive.times(2))
    }

    /// From the death of the peer to the end of the shot, at most.
    #[must_use]
    pub fn longest_shot(&self) -> Span {
        self.stonith
            .map_or(Span::ZERO, |device| device.delay.plus(device.timeout))
    }

    /// A jump of the clock by more than this is a sleep (DESIGN section 5).
    #[must_use]
    pub fn stall(&self) -> Span {
        self.deadtime.half().max(self.keepalive.times(2))
    }
}

impl core::ops::Deref for Config {
    type Target = Draft;
    fn deref(&self) -> &Draft {
        &self.0
    }
}
