//! Reads single values of `ha.cf`: times, booleans, facilities, addresses, names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ovzha_core::time::Span;

use super::PORT_DEFAULT;
use crate::diagnostic::quote;

/// Longest time a directive may name: one day. Longer ones are slips of the keyboard.
const TIME_MAX_US: u64 = 86_400_000_000;
/// Longest name of a network device in bytes (the kernel's IFNAMSIZ less its NUL).
const DEVICE_MAX: usize = 15;
/// Longest node name in bytes, as `uname -n` can give it.
const NODE_NAME_MAX: usize = 64;
/// Syslog facilities by the number the syslog protocol gives them (RFC 5424 table 1).
const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// A time as read, with what a person should know about how it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeValue {
    /// The time in whole milliseconds, rounded up.
    pub span: Span,
    /// A warning about the notation.
    pub warning: Option<String>,
}

/// Reads a time: `N` seconds (decimals allowed), `Nms`, `Nus`, and `Ns` and `Nm` (minutes), which Heartbeat refuses.
///
/// # Errors
/// A sentence that names the word.
pub fn time(word: &str) -> Result<TimeValue, String> {
    let digits_end = word
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(word.len());
    let (number, unit) = word.split_at(digits_end);
    let us_per_unit: u64 = match unit {
        "" | "s" => 1_000_000,
        "m" => 60_000_000,
        "ms" => 1000,
        "us" => 1,
        _ => {
            return Err(format!(
                "{} is no time: use seconds, or the units us, ms, s or m",
                quote(word)
            ));
        }
    };
    let no_time = || format!("{} is no time", quote(word));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(no_time());
    }
    let too_long = || format!("{} is longer than a day", quote(word));
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| too_long())?
    };
    let mut us = whole.checked_mul(us_per_unit).ok_or_else(too_long)?;
    let mut place = us_per_unit;
    let mut finer = false;
    for digit in fraction.bytes() {
        place /= 10;
        us = us.saturating_add(place.saturating_mul(u64::from(digit.wrapping_sub(b'0'))));
        finer |= place == 0 && digit != b'0';
    }
    us = us.saturating_add(u64::from(finer));
    if us > TIME_MAX_US {
        return Err(too_long());
    }
    let span = Span::from_millis(us.div_ceil(1000));
    let warning = if us % 1000 != 0 {
        Some(format!("{} is rounded up to {span}", quote(word)))
    } else if unit == "s" {
        Some(format!(
            "Heartbeat itself refuses the unit in {}; {number} means the same",
            quote(word)
        ))
    } else if unit == "m" {
        Some(format!(
            "Heartbeat itself refuses the unit in {}; {span} is what is meant here",
            quote(word)
        ))
    } else {
        None
    };
    Ok(TimeValue { span, warning })
}

/// Reads a boolean: true, on, yes, y, 1 or false, off, no, n, 0, in any case.
///
/// # Errors
/// A sentence that names the word.
pub fn boolean(word: &str) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "y" | "1" => Ok(true),
        "false" | "off" | "no" | "n" | "0" => Ok(false),
        _ => Err(format!("{} is neither on nor off", quote(word))),
    }
}

/// Reads a whole number between `low` and `high`.
///
/// # Errors
/// A sentence with the word and both bounds.
pub fn number(word: &str, low: u32, high: u32) -> Result<u32, String> {
    word.parse()
        .ok()
        .filter(|n| (low..=high).contains(n) && word.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| format!("{} is no number from {low} to {high}", quote(word)))
}

/// Reads a syslog facility; `none` is `Ok(None)`.
///
/// # Errors
/// A sentence that names the word.
pub fn facility(word: &str) -> Result<Option<u8>, String> {
    if word == "none" {
        return Ok(None);
    }
    FACILITIES
        .iter()
        .find(|(name, _)| *name == word)
        .map(|&(_, code)| Some(code))
        .ok_or_else(|| format!("{} is no syslog facility", quote(word)))
}

/// The word for a syslog facility.
#[must_use]
pub fn facility_name(code: u8) -> Option<&'static str> {
    FACILITIES
        .iter()
        .find(|(_, known)| *known == code)
        .map(|(name, _)| *name)
}

/// Reads the IPv4 address of one machine.
///
/// # Errors
/// A sentence that names the word. Host names are refused: the daemon asks no name server.
pub fn address(word: &str) -> Result<Ipv4Addr, String> {
    let address: Ipv4Addr = word
        .parse()
        .map_err(|_| format!("{} is no IPv4 address (names are not looked up)", quote(word)))?;
    if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        return Err(format!("{} is not the address of one machine", quote(word)));
    }
    Ok(address)
}

/// Checks the name of a network device.
///
/// # Errors
/// A sentence that names the word.
pub fn device(word: &str) -> Result<String, String> {
    let fits = word.len() <= DEVICE_MAX && !word.contains('/') && word != "." && word != "..";
    if fits && word.parse::<Ipv4Addr>().is_err() {
        Ok(word.to_owned())
    } else {
        Err(format!("{} is no name of a network device", quote(word)))
    }
}

/// `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`; without a port Heartbeat's.
pub(crate) fn place(text: &str) -> Option<SocketAddr> {
    let bare = text
        .parse::<IpAddr>()
        .map(|address| SocketAddr::new(address, PORT_DEFAULT));
    bare.or_else(|_| text.parse()).ok()
}

/// Reads a node name, lower-cased as Heartbeat does.
///
/// # Errors
/// A sentence that names the word.
pub fn node_name(word: &str) -> Result<String, String> {
    let fits = word.len() <= NODE_NAME_MAX
        && word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if fits {
        Ok(word.to_ascii_lowercase())
    } else {
        Err(format!(
            "{} is no node name (letters, digits, `-`, `_`, `.`)",
            quote(word)
        ))
    }
}
