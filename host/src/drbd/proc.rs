//! `/proc/drbd` of 0.7, 8.0 to 8.4, and of 9 where it stands in for 8.4 (`compat 8.4`).
//!
//! Read by words, never by columns or lines: a device begins at `N:` before `cs:`, and what belongs to it follows up to
//! the next one. Counters and lines that say nothing of the state are passed over.
use super::state::State;
use super::words::{Connection, Disk, Generation, ParseError, Resync, Role, Suspended};

/// The file, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proc {
    /// Which DRBD wrote it; `None` where its first line is missing.
    pub generation: Option<Generation>,
    /// Its release, such as `8.4.11`; empty where its first line is missing.
    pub release: String,
    /// The devices it lists, by minor: each with its state, or what is wrong with its words.
    pub devices: Vec<(u32, Result<State, ParseError>)>,
}

impl Proc {
    /// The state of a resource that has these minors: the worst of them.
    ///
    /// # Errors
    /// When one is not listed, or its words can't be understood.
    pub fn state(&self, minors: &[u32]) -> Result<State, ParseError> {
        let mut worst: Option<State> = None;
        for minor in minors {
            let device = self.devices.iter().find(|(number, _)| number == minor);
            let state = match device {
                Some((_, Ok(state))) => *state,
                Some((_, Err(error))) => return Err(ParseError(format!("minor {minor} in /proc/drbd: {error}"))),
                None if self.devices.is_empty() && self.generation == Some(Generation::V9) => {
                    return Err(ParseError(format!("/proc/drbd of {} shows no states", self.release)));
                }
                None => return Err(ParseError(format!("/proc/drbd doesn't list minor {minor}"))),
            };
            worst = Some(worst.map_or(state, |worst| worst.worse(state)));
        }
        worst.ok_or_else(|| ParseError("no minor to look for in /proc/drbd".to_owned()))
    }
}

/// Reads the file.
///
/// # Errors
/// When it begins with the line of a release that we don't know.
pub fn parse_proc(text: &str) -> Result<Proc, ParseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let named = words.iter().position(|word| *word == "version:");
    let release = named.and_then(|at| words.get(at.saturating_add(1))).copied();
    let generation = release.map(Generation::of_release).transpose()?;
    let mut devices = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let Some(minor) = device_head(pair) else { continue };
        let own = words.get(at.saturating_add(1)..).unwrap_or_default();
        let end = own.windows(2).position(|pair| device_head(pair).is_some());
        let own = own.get(..end.unwrap_or(own.len())).unwrap_or_default();
        devices.push((minor, device(own, generation)));
    }
    Ok(Proc {
        generation,
        release: release.unwrap_or_default().to_owned(),
        devices,
    })
}

fn device_head(pair: &[&str]) -> Option<u32> {
    match pair {
        [number, state] if state.starts_with("cs:") => number.strip_suffix(':')?.parse().ok(),
        _ => None,
    }
}

fn device(words: &[&str], generation: Option<Generation>) -> Result<State, ParseError> {
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
    let missing = |key: &str| ParseError(format!("{key} is missing"));
    let word = value("cs:").ok_or_else(|| missing("cs:"))?;
    let (connection, own_diskless, peer_diskless) = match word {
        // 0.7 hides "Connected" behind these
        "DiskLessClient" => (Connection::Connected, true, false),
        "ServerForDLess" => (Connection::Connected, false, true),
        _ => (Connection::parse(word)?, false, false),
    };
    let unconfigured = (Role::Secondary, Role::Unknown);
    let gone = (Disk::Diskless, Disk::Unknown);
    if connection == Connection::Unconfigured {
        return Ok(State {
            generation,
            ..State::new(unconfigured, connection, gone)
        });
    }
    let roles = value("ro:").or_else(|| value("st:")).ok_or_else(|| missing("ro:"))?;
    let (role, peer_role) = halves(roles)?;
    let roles = (Role::parse(role)?, Role::parse(peer_role)?);
    if let Some(disks) = value("ds:") {
        let (disk, peer_disk) = halves(disks)?;
        let disks = (Disk::parse(disk)?, Disk::parse(peer_disk)?);
        return Ok(State {
            suspended: suspended(words),
            resync: resync(words, connection),
            generation: generation.or(Some(Generation::V8)),
            ..State::new(roles, connection, disks)
        });
    }
    let disk = match value("ld:").ok_or_else(|| missing("ds:"))? {
        _ if own_diskless => Disk::Diskless,
        "Consistent" => Disk::Consistent,
        "Inconsistent" => Disk::Inconsistent,
        other => return Err(ParseError(format!("{other:?} is no DRBD 0.7 disk state"))),
    };
    let peer_disk = if peer_diskless { Disk::Diskless } else { Disk::Unknown };
    Ok(State {
        resync: resync(words, connection),
        generation: generation.or(Some(Generation::V07)),
        ..State::new(roles, connection, (disk, peer_disk))
    })
}

fn halves(text: &str) -> Result<(&str, &str), ParseError> {
    text.split_once('/')
        .ok_or_else(|| ParseError(format!("{text:?} lacks the peer's half")))
}

/// The first of the flags, which come last on the device's line: after the protocol, which is a blank without a peer.
fn suspended(words: &[&str]) -> Suspended {
    let after = words.iter().skip_while(|word| !word.starts_with("ds:")).skip(1);
    let flags = after.take(2).find(|word| is_flags(word));
    match flags {
        Some(flags) if flags.starts_with('s') => Suspended::UNTOLD,
        Some(_) | None => Suspended::NO,
    }
}

/// Four letters or dashes in 8.0, later five, then six.
fn is_flags(word: &str) -> bool {
    word.len() >= 4 && word.chars().all(|letter| letter == '-' || letter.is_ascii_lowercase())
}

/// What is left of a resync: `oos:` counts it in KiB (from 8.2.2), else the bar's `(left/total)` does. The bar's
/// percentage is useless: it counts in steps of 4 MiB.
fn resync(words: &[&str], connection: Connection) -> Option<Resync> {
    if !connection.is_resync() {
        return None;
    }
    let counted = || words.iter().find_map(|word| word.strip_prefix("oos:")?.parse().ok());
    let shown = || words.iter().find_map(|word| bar(word));
    counted().or_else(shown).map(Resync::Left)
}

/// `(65240/65496)K`, to which old modules glue the next word; the answer in KiB.
fn bar(word: &str) -> Option<u64> {
    let (left, rest) = word.strip_prefix('(')?.split_once('/')?;
    let (_, unit) = rest.split_once(')')?;
    let left: u64 = left.parse().ok()?;
    match unit.chars().next()? {
        'K' => Some(left),
        'M' => left.checked_mul(1024),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, minor: u32) -> String {
        let state = parse_proc(text).and_then(|read| read.state(&[minor]));
        state.map_or_else(|error| error.to_string(), |state| state.to_string())
    }

    #[test]
    fn a_words_place_in_the_text_means_nothing() {
        // as the article's page holds it, and as mail and web pages leave it: joined, wrapped, indented anyhow
        let joined =
            "version: 0.7.17 (api:77/proto:74) SVN Revision: 2093 0: cs:Unconfigured 1: cs:Unconfigured [root@t ~]#";
        assert_eq!(
            told(joined, 1),
            "role=Secondary/Unknown cstate=Unconfigured dstate=Diskless/DUnknown drbd=0.7"
        );
        assert_eq!(told(joined, 2), "/proc/drbd doesn't list minor 2");
        let wrapped = "version: 8.0.4 (api:86/proto:86)\n0: cs:WFConnection\n st:Primary/Unknown ds:UpToDate/DUnknown\n C\n s---\n";
        assert_eq!(
            told(wrapped, 0),
            "role=Primary/Unknown cstate=WFConnection dstate=UpToDate/DUnknown suspended=untold drbd=8"
        );
    }

    #[test]
    fn one_device_that_cannot_be_read_spoils_no_other() {
        let text = "version: 8.4.2 (api:1/proto:86-101)\n 0: cs:Unconfigure\n\n 2: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----\n";
        assert_eq!(
            told(text, 0),
            "minor 0 in /proc/drbd: \"Unconfigure\" is no DRBD connection state"
        );
        assert_eq!(
            told(text, 2),
            "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate drbd=8"
        );
        let both = parse_proc(text).and_then(|read| read.state(&[2, 0]));
        assert!(both.is_err(), "{both:?}");
        for (text, why) in [
            (" 0: cs:Connected\n", "minor 0 in /proc/drbd: ro: is missing"),
            (
                " 0: cs:Connected ro:Primary ds:UpToDate/UpToDate\n",
                "minor 0 in /proc/drbd: \"Primary\" lacks the peer's half",
            ),
            (
                " 0: cs:Connected st:Primary/Secondary\n",
                "minor 0 in /proc/drbd: ds: is missing",
            ),
            (
                " 0: cs:Connected st:Primary/Secondary ld:UpToDate\n",
                "minor 0 in /proc/drbd: \"UpToDate\" is no DRBD 0.7 disk state",
            ),
            (
                "version: 10.1.0 (api:3)\n",
                "\"10.1.0\" is no release of DRBD that we know",
            ),
            (
                "version: 9.1.12 (api:2/proto:110-121)\nTransports (api:18): tcp (9.1.12)\n",
                "/proc/drbd of 9.1.12 shows no states",
            ),
            ("", "/proc/drbd doesn't list minor 0"),
        ] {
            assert_eq!(told(text, 0), why, "{text}");
        }
    }

    #[test]
    fn what_is_left_of_a_resync_is_counted_in_kib() {
        let head = " 0: cs:SyncTarget st:Secondary/Primary ld:Inconsistent\n    ns:0 nr:37\n";
        for (rest, left) in [
            (
                "\t[===>....] sync'ed: 44.0% (1120/2000)K\n\tfinish: 0:00:05 speed: 200 (180) K/sec\n",
                "1120K",
            ),
            ("\t[>...] sync'ed: 12.5% (8960/10240)M\n\tstalled\n", "9175040K"),
            (
                "\t[>...] sync'ed: 12.5% (3/10240)Mfinish: 0:12:00 speed: 1,234 (1,234) K/sec\n",
                "3072K",
            ),
        ] {
            let told = told(&format!("{head}{rest}"), 0);
            assert!(told.ends_with(&format!(" resync={left} drbd=0.7")), "{told}");
        }
        let paused = " 0: cs:PausedSyncS ro:Primary/Secondary ds:UpToDate/Inconsistent C r--u--\n  ns:1 oos:63672\n";
        assert!(told(paused, 0).contains(" resync=63672K"), "{}", told(paused, 0));
        let verify = " 0: cs:VerifyS ro:Primary/Secondary ds:UpToDate/UpToDate C r-----\n ns:0 oos:0\n\t[>..] verified:  6.3% (65328/65496)K\n";
        assert!(!told(verify, 0).contains("resync"), "{}", told(verify, 0));
    }
}
