//! The words in which DRBD tells a state.
//!
//! They are taken from a closed list: an unknown word is an error, never a guess. 8.x names are used throughout; 9's
//! `Connecting` and `Established` are read as `WFConnection` and `Connected`.
use std::fmt;

/// Who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// May write.
    Primary,
    /// May not.
    Secondary,
    /// Of a peer: not connected, or a generation whose `role` tells only the own one (9).
    Unknown,
}

/// How whole and how current a disk is, worst first: the order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disk {
    /// No local data.
    Diskless,
    /// Being attached.
    Attaching,
    /// Being detached (9).
    Detaching,
    /// Given up after an I/O error.
    Failed,
    /// Attached, talking about whose data is newer.
    Negotiating,
    /// In the middle of a resync, or never synced.
    Inconsistent,
    /// Whole and known to be stale.
    Outdated,
    /// Of a peer: no information. It doesn't mean dead.
    Unknown,
    /// Whole, its age unknown. In 0.7 the only good word there is.
    Consistent,
    /// Whole, and the newest that this node knows of.
    UpToDate,
}

/// The connection to the peer, 8.x names, the worst for redundancy first: the order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Connection {
    /// No minor behind the resource.
    Unconfigured,
    /// Given up; doesn't return by itself.
    StandAlone,
    /// Being taken down.
    Disconnecting,
    /// Not yet trying.
    Unconnected,
    /// The peer took too long.
    Timeout,
    /// The connection broke.
    BrokenPipe,
    /// The network failed.
    NetworkFailure,
    /// The peer spoke nonsense.
    ProtocolError,
    /// The peer is closing.
    TearDown,
    /// Waiting for the peer.
    WfConnection,
    /// Connected, exchanging parameters.
    WfReportParams,
    /// Waits to become the source of a full sync.
    StartingSyncS,
    /// Waits to become the target of a full sync.
    StartingSyncT,
    /// Sending the bitmap.
    WfBitMapS,
    /// Receiving the bitmap.
    WfBitMapT,
    /// Waiting for the identity of the sync.
    WfSyncUuid,
    /// Connected without replicating the gap (0.7), as source.
    SkippedSyncS,
    /// Connected without replicating the gap (0.7), as target.
    SkippedSyncT,
    /// Behind a congested link (8.3.10 on).
    Behind,
    /// Ahead on a congested link (8.3.10 on).
    Ahead,
    /// Resync paused, this side is stale.
    PausedSyncT,
    /// Resync paused, the peer is stale.
    PausedSyncS,
    /// Resync runs, this side is stale.
    SyncTarget,
    /// Resync runs, the peer is stale.
    SyncSource,
    /// Online verify, as source.
    VerifyS,
    /// Online verify, as target.
    VerifyT,
    /// Connected and replicating.
    Connected,
}

const CONNECTIONS: [(Connection, &str); 27] = [
    (Connection::Unconfigured, "Unconfigured"),
    (Connection::StandAlone, "StandAlone"),
    (Connection::Disconnecting, "Disconnecting"),
    (Connection::Unconnected, "Unconnected"),
    (Connection::Timeout, "Timeout"),
    (Connection::BrokenPipe, "BrokenPipe"),
    (Connection::NetworkFailure, "NetworkFailure"),
    (Connection::ProtocolError, "ProtocolError"),
    (Connection::TearDown, "TearDown"),
    (Connection::WfConnection, "WFConnection"),
    (Connection::WfReportParams, "WFReportParams"),
    (Connection::StartingSyncS, "StartingSyncS"),
    (Connection::StartingSyncT, "StartingSyncT"),
    (Connection::WfBitMapS, "WFBitMapS"),
    (Connection::WfBitMapT, "WFBitMapT"),
    (Connection::WfSyncUuid, "WFSyncUUID"),
    (Connection::SkippedSyncS, "SkippedSyncS"),
    (Connection::SkippedSyncT, "SkippedSyncT"),
    (Connection::Behind, "Behind"),
    (Connection::Ahead, "Ahead"),
    (Connection::PausedSyncT, "PausedSyncT"),
    (Connection::PausedSyncS, "PausedSyncS"),
    (Connection::SyncTarget, "SyncTarget"),
    (Connection::SyncSource, "SyncSource"),
    (Connection::VerifyS, "VerifyS"),
    (Connection::VerifyT, "VerifyT"),
    (Connection::Connected, "Connected"),
];

const DISKS: [(Disk, &str); 10] = [
    (Disk::Diskless, "Diskless"),
    (Disk::Attaching, "Attaching"),
    (Disk::Detaching, "Detaching"),
    (Disk::Failed, "Failed"),
    (Disk::Negotiating, "Negotiating"),
    (Disk::Inconsistent, "Inconsistent"),
    (Disk::Outdated, "Outdated"),
    (Disk::Unknown, "DUnknown"),
    (Disk::Consistent, "Consistent"),
    (Disk::UpToDate, "UpToDate"),
];

const ROLES: [(Role, &str); 3] = [
    (Role::Primary, "Primary"),
    (Role::Secondary, "Secondary"),
    (Role::Unknown, "Unknown"),
];

fn by_word<T: Copy>(table: &[(T, &str)], what: &str, word: &str) -> Result<T, ParseError> {
    let found = table.iter().find(|(_, known)| *known == word);
    found
        .map(|(value, _)| *value)
        .ok_or_else(|| ParseError(format!("{word:?} is no DRBD {what}")))
}

fn word_of<T: Copy + PartialEq>(table: &[(T, &'static str)], value: T) -> &'static str {
    table
        .iter()
        .find(|(known, _)| *known == value)
        .map_or("?", |(_, word)| word)
}

impl Role {
    pub(super) fn parse(word: &str) -> Result<Role, ParseError> {
        by_word(&ROLES, "role", word)
    }
}

impl Disk {
    pub(super) fn parse(word: &str) -> Result<Disk, ParseError> {
        by_word(&DISKS, "disk state", word)
    }

    /// Whether the word is on its way to another one and worth waiting for.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Disk::Attaching | Disk::Negotiating)
    }
}

impl Connection {
    pub(super) fn parse(word: &str) -> Result<Connection, ParseError> {
        match word {
            "Connecting" => Ok(Connection::WfConnection),
            "Established" => Ok(Connection::Connected),
            _ => by_word(&CONNECTIONS, "connection state", word),
        }
    }

    /// Whether the peer answers on it.
    #[must_use]
    pub fn is_up(self) -> bool {
        self >= Connection::WfReportParams
    }

    /// Whether one side is being copied to the other, or waits for that to go on.
    #[must_use]
    pub fn is_resync(self) -> bool {
        matches!(
            self,
            Connection::SyncSource | Connection::SyncTarget | Connection::PausedSyncS | Connection::PausedSyncT
        )
    }

    /// Whether every write reaches the peer: connected, and neither side is being resynced.
    #[must_use]
    pub fn is_replicating(self) -> bool {
        matches!(self, Connection::Connected | Connection::VerifyS | Connection::VerifyT)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word_of(&ROLES, *self))
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word_of(&DISKS, *self))
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word_of(&CONNECTIONS, *self))
    }
}

/// A text that says nothing we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError(pub(super) String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

/// Which DRBD speaks: the words of 0.7 mean less than those of later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// 0.7: `Consistent` is the only good word for a disk, and the peer's disk is not shown at all.
    V07,
    /// 8.0 to 8.4.
    V8,
    /// 9.
    V9,
}

const GENERATIONS: [(Generation, &str); 3] = [(Generation::V07, "0.7"), (Generation::V8, "8"), (Generation::V9, "9")];

impl Generation {
    /// The generation of a release as `/proc/drbd` names it (`8.4.11`, `8.0.14rc1`).
    ///
    /// # Errors
    /// When no generation that we know is called so.
    pub(super) fn of_release(release: &str) -> Result<Generation, ParseError> {
        let major = release.split('.').next();
        match major {
            Some("0") if release.starts_with("0.7.") => Ok(Generation::V07),
            Some("8") => Ok(Generation::V8),
            Some("9") => Ok(Generation::V9),
            _ => Err(ParseError(format!("{release:?} is no release of DRBD that we know"))),
        }
    }

    pub(super) fn parse(word: &str) -> Result<Generation, ParseError> {
        by_word(&GENERATIONS, "generation", word)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word_of(&GENERATIONS, *self))
    }
}

/// Why DRBD keeps I/O waiting; several reasons may hold at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Suspended(u8);

const REASONS: [(Suspended, &str); 5] = [
    (Suspended::USER, "user"),
    (Suspended::NO_DATA, "no-data"),
    (Suspended::FENCING, "fencing"),
    (Suspended::QUORUM, "quorum"),
    (Suspended::UNTOLD, "untold"),
];

impl Suspended {
    /// It isn't.
    pub const NO: Suspended = Suspended(0);
    /// Somebody ran `drbdadm suspend-io`.
    pub const USER: Suspended = Suspended(1);
    /// No node in reach has the data.
    pub const NO_DATA: Suspended = Suspended(2);
    /// A fence-peer handler is asked, or failed.
    pub const FENCING: Suspended = Suspended(4);
    /// Too few nodes are seen (9).
    pub const QUORUM: Suspended = Suspended(8);
    /// It waits, and the text doesn't say for what (`/proc/drbd`).
    pub const UNTOLD: Suspended = Suspended(16);

    /// Whether I/O waits at all.
    #[must_use]
    pub const fn is_so(self) -> bool {
        self.0 != 0
    }

    /// Whether every reason in `other` holds.
    #[must_use]
    pub const fn holds(self, other: Suspended) -> bool {
        self.0 & other.0 == other.0
    }

    /// The reasons of both.
    #[must_use]
    pub const fn and(self, other: Suspended) -> Suspended {
        Suspended(self.0 | other.0)
    }

    /// Reads `no`, or reasons with commas between.
    pub(super) fn parse(text: &str) -> Result<Suspended, ParseError> {
        if text == "no" {
            return Ok(Suspended::NO);
        }
        text.split(',').try_fold(Suspended::NO, |all, word| {
            by_word(&REASONS, "reason to suspend I/O", word).map(|reason| all.and(reason))
        })
    }
}

impl fmt::Display for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (_, word) in REASONS.iter().filter(|(reason, _)| self.holds(*reason)) {
            write!(f, "{before}{word}")?;
            before = ",";
        }
        if self.is_so() { Ok(()) } else { f.write_str("no") }
    }
}

/// How far a resync is, as far as the text tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resync {
    /// KiB still to copy.
    Left(u64),
    /// Hundredths of a percent copied, 0 to 10000.
    Done(u16),
}

impl Resync {
    /// Of two volumes' resyncs, what is known of both together: KiB add up; else the one that is less far.
    pub(super) fn with(self, other: Resync) -> Resync {
        match (self, other) {
            (Resync::Left(one), Resync::Left(two)) => Resync::Left(one.saturating_add(two)),
            (Resync::Done(one), Resync::Done(two)) => Resync::Done(one.min(two)),
            (left @ Resync::Left(_), Resync::Done(_)) | (Resync::Done(_), left @ Resync::Left(_)) => left,
        }
    }

    /// Reads a percentage (`96.47`, `100`); what is no number tells nothing (`nan`).
    pub(super) fn percent(text: &str) -> Option<Resync> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let hundredths = match part.len() {
            1 => part.parse::<u16>().ok()?.checked_mul(10)?,
            _ => part.get(..2)?.parse().ok()?,
        };
        let done = whole.parse::<u16>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
        (done <= 10_000).then_some(Resync::Done(done))
    }

    /// Reads what its `Display` wrote.
    pub(super) fn parse(text: &str) -> Result<Resync, ParseError> {
        let left = || text.strip_suffix('K')?.parse().ok().map(Resync::Left);
        let done = || Resync::percent(text.strip_suffix('%')?);
        left()
            .or_else(done)
            .ok_or_else(|| ParseError(format!("{text:?} is no progress of a resync")))
    }
}

impl fmt::Display for Resync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resync::Left(kib) => write!(f, "{kib}K"),
            Resync::Done(hundredths) => write!(f, "{}.{:02}%", hundredths / 100, hundredths % 100),
        }
    }
}

/// What DRBD's metadata said of a resource that was down: evidence that its data is the newest, lost by attaching it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// This node was Primary without its peer when it went down: what it wrote last, the peer has not.
    /// A peer that took over afterwards has newer data still.
    Alone,
    /// The peer's disk was known to be outdated or inconsistent: DRBD would not let it be promoted.
    PeerOld,
}

const PROOFS: [(Proof, &str); 2] = [(Proof::Alone, "alone"), (Proof::PeerOld, "peer-old")];

impl Proof {
    pub(super) fn parse(word: &str) -> Result<Proof, ParseError> {
        by_word(&PROOFS, "proof", word)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word_of(&PROOFS, *self))
    }
}
