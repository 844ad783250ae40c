//! `drbdadm get-gi`: what DRBD's metadata says of the data, also of a resource that is down.
//!
//! A line a volume: four generation identifiers, then flags of 0 and 1, in this order: the data is whole; it was current;
//! the node was Primary; it was connected; a full sync was being prepared; the peer's disk was outdated or inconsistent;
//! and, in later releases, the node crashed as a Primary and has not met its peer since. Attaching writes the third and
//! fourth anew: what they prove is read before.
use super::words::{ParseError, Proof};

const IDENTIFIERS: usize = 4;
/// Flags of 8.0 to 8.2, and of later ones.
const FLAGS: [usize; 2] = [6, 7];

/// What the metadata of a resource that is down proves about its data; `None`: nothing.
///
/// # Errors
/// When the text is no such lines.
pub fn parse_gi(text: &str) -> Result<Option<Proof>, ParseError> {
    let mut worst: Option<Option<Proof>> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let proof = volume(line)?;
        worst = Some(worst.map_or(proof, |before| before.zip(proof).map(|(one, two)| one.min(two))));
    }
    worst.ok_or_else(|| ParseError("drbdadm get-gi printed nothing".to_owned()))
}

fn volume(line: &str) -> Result<Option<Proof>, ParseError> {
    let wrong = || ParseError(format!("{line:?} is no answer of drbdadm get-gi"));
    let parts: Vec<&str> = line.split(':').collect();
    let (identifiers, flags) = parts.split_at_checked(IDENTIFIERS).ok_or_else(wrong)?;
    let is_hex = |part: &&str| part.len() == 16 && part.chars().all(|digit| digit.is_ascii_hexdigit());
    if !identifiers.iter().all(is_hex) || !FLAGS.contains(&flags.len()) {
        return Err(wrong());
    }
    let flags = flags.iter().map(|flag| match *flag {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(wrong()),
    });
    let flags: Vec<bool> = flags.collect::<Result<_, _>>()?;
    let [whole, current, primary, connected, full_sync, peer_old, ..] = flags.as_slice() else {
        return Err(wrong());
    };
    Ok(if !*whole || !*current || *full_sync {
        None
    } else if *peer_old {
        Some(Proof::PeerOld)
    } else if *primary && !*connected {
        Some(Proof::Alone)
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_current_data_proves_anything() {
        const IDS: &str = "26EC64CDE75435A1:38F90E61FC7B6149:0000000000000004:0000000000000000";
        for (flags, proof) in [
            ("1:1:1:0:0:0:0", Some(Proof::Alone)),
            ("1:1:1:0:0:1:0", Some(Proof::PeerOld)),
            ("1:1:0:0:0:1:0", Some(Proof::PeerOld)),
            ("1:1:0:0:0:1", Some(Proof::PeerOld)),
            // the peer was there when the power went: it may have gone on
            ("1:1:1:1:0:0:0", None),
            ("1:1:0:0:0:0:0", None),
            ("1:1:0:1:0:0:0", None),
            ("1:0:1:0:0:1:0", None),
            ("0:1:1:0:0:1:0", None),
            ("1:1:1:0:1:1:0", None),
            ("1:1:0:0:0:0:1", None),
        ] {
            assert_eq!(parse_gi(&format!("{IDS}:{flags}\n")), Ok(proof), "{flags}");
        }
        let two = format!("{IDS}:1:1:1:0:0:0:0\n{IDS}:1:1:1:0:0:1:0\n");
        assert_eq!(parse_gi(&two), Ok(Some(Proof::Alone)), "the weaker of two volumes");
        let one_of_two = format!("{IDS}:1:1:1:0:0:1:0\n{IDS}:1:1:0:0:0:0:0\n");
        assert_eq!(parse_gi(&one_of_two), Ok(None));
        for text in [
            "",
            "not defined in your config",
            "1:1:1:0:0:1:0",
            &format!("{IDS}:1:1:1:0:0"),
            &format!("{IDS}:1:1:2:0:0:1:0"),
        ] {
            assert!(parse_gi(text).is_err(), "{text}");
        }
    }
}
