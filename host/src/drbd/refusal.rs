//! What a refusal of `drbdadm` means, and the line of its words that says why.
use crate::program::{End, Finished, one_line};

/// How every generation says that a resource is down.
const DOWN: [&str; 5] = [
    "No such resource",
    "unknown resource",
    "unknown minor",
    "Not configured",
    "Unconfigured",
];

/// Why drbdadm refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The peer is Primary.
    PeerPrimary,
    /// There is no current data to promote.
    NoData,
    /// A fencing policy is set and the peer isn't known to be outdated.
    Fencing,
    /// The resource is defined, and down.
    Down,
    /// The module isn't loaded, and drbdadm couldn't load it.
    NotLoaded,
    /// drbd.conf doesn't know the name, or not for this host.
    Undefined,
    /// Another node or a lost quorum declined.
    NotNow,
    /// Anything else.
    Other,
}

impl Refusal {
    /// Sorts by DRBD's own number where it prints one (8.x, 9), else by 0.7's texts, else by the exit code.
    pub fn of(finished: &Finished) -> Refusal {
        let has = |text: &str| finished.stderr.contains(text) || finished.stdout.contains(text);
        if has("(-1) ") || has("Partner is already primary") {
            Refusal::PeerPrimary
        } else if has("(-2) ") || has("Local replica is inconsistent") {
            Refusal::NoData
        } else if has("(-7) ") {
            Refusal::Fencing
        } else if has("(-10) ") || has("for quorum") || has("No quorum") {
            Refusal::NotNow
        } else if has("not defined in your config") {
            Refusal::Undefined
        } else if has("Failed to modprobe drbd") || has("Could not connect to 'drbd' generic netlink family") {
            Refusal::NotLoaded
        } else if DOWN.iter().any(|text| has(text)) {
            Refusal::Down
        } else if finished.end == End::Exited(10) {
            Refusal::Undefined
        } else if finished.end == End::Exited(17) {
            Refusal::NoData
        } else {
            Refusal::Other
        }
    }
}

/// The line of drbdadm's words that says why, not the one that repeats the command.
pub(super) fn refusal(finished: &Finished) -> String {
    let lines = || finished.stderr.lines().chain(finished.stdout.lines());
    let by = |text: &str| lines().find(|line| line.contains(text)).map(one_line);
    let failure = by("State change failed")
        .or_else(|| by("Failure:"))
        .or_else(|| by("Partner is"));
    let spoken = || {
        lines()
            .rfind(|line| !line.trim().is_empty() && !line.starts_with("Command '"))
            .map(one_line)
    };
    match finished.end {
        End::Exited(_) => failure.or_else(spoken).unwrap_or_else(|| finished.reason()),
        End::Signalled(_) | End::TimedOut | End::Stuck(_) => format!("drbdadm {}", finished.reason()),
    }
}
