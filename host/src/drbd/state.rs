//! The state of a DRBD resource, and how every generation of `drbdadm` prints it.
//!
//! Words are taken from a closed list: an unknown word is an error, never a guess. 8.x names are used
//! throughout; 9's `Connecting` and `Established` are read as `WFConnection` and `Connected`. Several volumes
//! (lines of `dstate`) or peers (lines of `cstate` in 9) count as the worst of them.
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
    fn parse(word: &str) -> Result<Role, ParseError> {
        by_word(&ROLES, "role", word)
    }
}

impl Disk {
    fn parse(word: &str) -> Result<Disk, ParseError> {
        by_word(&DISKS, "disk state", word)
    }

    /// Whether the word is on its way to another one and worth waiting for.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Disk::Attaching | Disk::Negotiating)
    }
}

impl Connection {
    fn parse(word: &str) -> Result<Connection, ParseError> {
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
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

/// A resource as DRBD showed it at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Our role.
    pub role: Role,
    /// The peer's role as far as DRBD knows; up to ten seconds behind the truth.
    pub peer_role: Role,
    /// The connection.
    pub connection: Connection,
    /// Our disk, the worst volume.
    pub disk: Disk,
    /// The peer's disk, the worst volume.
    pub peer_disk: Disk,
    /// I/O waits.
    pub suspended: bool,
}

/// How a state is told in which I/O waits.
const SUSPENDED: &str = " suspended";

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State {
            role,
            peer_role,
            connection,
            disk,
            peer_disk,
            suspended,
        } = self;
        let suspended = if *suspended { SUSPENDED } else { "" };
        write!(
            f,
            "role={role}/{peer_role} cstate={connection} dstate={disk}/{peer_disk}{suspended}"
        )
    }
}

impl State {
    /// Both together: Primary only if both are, a Primary peer if either is, the worse connection and disks.
    #[must_use]
    pub fn worse(self, other: State) -> State {
        let primary_first = |a: Role, b: Role| match (a, b) {
            (Role::Primary, _) | (_, Role::Primary) => Role::Primary,
            (Role::Unknown, _) | (_, Role::Unknown) => Role::Unknown,
            (Role::Secondary, Role::Secondary) => Role::Secondary,
        };
        let primary_last = |a: Role, b: Role| match (a, b) {
            (Role::Primary, Role::Primary) => Role::Primary,
            (Role::Secondary, _) | (_, Role::Secondary) => Role::Secondary,
            (Role::Unknown, _) | (_, Role::Unknown) => Role::Unknown,
        };
        State {
            role: primary_last(self.role, other.role),
            peer_role: primary_first(self.peer_role, other.peer_role),
            connection: self.connection.min(other.connection),
            disk: self.disk.min(other.disk),
            peer_disk: self.peer_disk.min(other.peer_disk),
            suspended: self.suspended || other.suspended,
        }
    }

    /// Reads the line `observe` printed, as [`State`] displays itself.
    ///
    /// # Errors
    /// When a part is missing or holds an unknown word.
    pub fn parse_observed(text: &str) -> Result<State, ParseError> {
        let line = crate::program::last_line(text).unwrap_or_default();
        let value = |key: &str| {
            let found = line
                .split_whitespace()
                .find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
            found.ok_or_else(|| ParseError(format!("{key}= is missing in {line:?}")))
        };
        let pair = |key: &str| {
            let text = value(key)?;
            text.split_once('/')
                .ok_or_else(|| ParseError(format!("{text:?} lacks the peer's half")))
        };
        let (role, peer_role) = pair("role")?;
        let (disk, peer_disk) = pair("dstate")?;
        Ok(State {
            role: Role::parse(role)?,
            peer_role: Role::parse(peer_role)?,
            connection: Connection::parse(value("cstate")?)?,
            disk: Disk::parse(disk)?,
            peer_disk: Disk::parse(peer_disk)?,
            suspended: line.ends_with(SUSPENDED),
        })
    }
}

/// The lines of an answer, without the warnings that may stand before it.
///
/// `drbdadm` prefixes answers with remarks about versions; an answer has no blanks in it, every remark has.
fn answer_lines(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.skip_while(|line| line.contains(char::is_whitespace)).collect()
}

/// Whether `text` is 0.7's way to say that the resource is down.
#[must_use]
pub fn is_not_configured(text: &str) -> bool {
    crate::program::last_line(text).is_some_and(|line| matches!(line, "Not configured" | "Unconfigured"))
}

/// Reads `drbdadm role` (or `state`): own role and, up to 8.4, the peer's.
///
/// # Errors
/// When there is no answer or a word is unknown.
pub fn parse_role(text: &str) -> Result<(Role, Role), ParseError> {
    let line = crate::program::last_line(text).ok_or_else(|| ParseError("drbdadm role printed nothing".to_owned()))?;
    match line.split_once('/') {
        Some((own, peer)) => Ok((Role::parse(own)?, Role::parse(peer)?)),
        None => Ok((Role::parse(line)?, Role::Unknown)),
    }
}

/// Reads `drbdadm cstate`: one line a peer, the worst counts. No line: 9 with no connection at all.
///
/// # Errors
/// When a word is unknown.
pub fn parse_cstate(text: &str) -> Result<Connection, ParseError> {
    let words: Result<Vec<Connection>, ParseError> = answer_lines(text).into_iter().map(Connection::parse).collect();
    Ok(words?.into_iter().min().unwrap_or(Connection::StandAlone))
}

/// Reads `drbdadm dstate`: one line a volume, `own/peer...`; the worst volume and the worst peer count.
///
/// # Errors
/// When there is no answer or a word is unknown.
pub fn parse_dstate(text: &str) -> Result<(Disk, Disk), ParseError> {
    let mut worst: Option<(Disk, Disk)> = None;
    for line in answer_lines(text) {
        let mut words = line.split('/').map(Disk::parse);
        let own = words
            .next()
            .ok_or_else(|| ParseError("drbdadm dstate printed nothing".to_owned()))??;
        // A resource that is down prints its own half alone; the peer's is then not known.
        let mut peer = None;
        for word in words {
            let word = word?;
            peer = Some(peer.map_or(word, |before: Disk| before.min(word)));
        }
        let peer = peer.unwrap_or(Disk::Unknown);
        worst = Some(worst.map_or((own, peer), |(o, p)| (o.min(own), p.min(peer))));
    }
    worst.ok_or_else(|| ParseError("drbdadm dstate printed nothing".to_owned()))
}

/// Reads our disk from 0.7's `/proc/drbd`: `N: cs:WORD st:A/B ld:Consistent`. 0.7 has no `dstate`.
///
/// # Errors
/// When the minor isn't listed or a word is unknown.
pub fn parse_proc_ld(text: &str, minor: u32) -> Result<Disk, ParseError> {
    let head = format!("{minor}:");
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| line.split_whitespace().next() == Some(head.as_str()));
    let line = line.ok_or_else(|| ParseError(format!("/proc/drbd doesn't list minor {minor}")))?;
    let value = |key: &str| line.split_whitespace().find_map(|part| part.strip_prefix(key));
    if value("cs:") == Some("DiskLessClient") {
        return Ok(Disk::Diskless);
    }
    match value("ld:") {
        Some("Consistent") => Ok(Disk::Consistent),
        Some("Inconsistent") => Ok(Disk::Inconsistent),
        other => Err(ParseError(format!(
            "/proc/drbd says ld:{} of minor {minor}",
            other.unwrap_or_default()
        ))),
    }
}
