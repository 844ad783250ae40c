//! What `drbdadm role`, `cstate` and `dstate` answer, in every generation.
//!
//! Several volumes (lines of `dstate`) or peers (lines of `cstate` in 9) count as the worst of them.
use super::words::{Connection, Disk, ParseError, Role};

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
