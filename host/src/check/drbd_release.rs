//! Which DRBD a machine runs, as far as files tell: the words of `drbd.conf` differ from one to the next.

use std::fmt;

use super::Subject;
use super::drbd_conf::Statement;

/// The releases whose configuration differs in what is checked here, the oldest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Release {
    /// 0.7: no fencing, no handlers.
    R07,
    /// 8.0 to 8.2: the handler is called `outdate-peer`.
    R80,
    /// 8.3.
    R83,
    /// 8.4.
    R84,
    /// 9: fencing stands in `net`.
    R9,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::R07 => "0.7",
            Self::R80 => "8.0 to 8.2",
            Self::R83 => "8.3",
            Self::R84 => "8.4",
            Self::R9 => "9",
        })
    }
}

/// A release, and whether the loaded module said so; else the words of the file, or 8.4 where they don't tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drbd {
    pub(super) release: Release,
    pub(super) is_loaded: bool,
}

impl Drbd {
    pub(super) fn of(subject: &Subject<'_>, statements: &[Statement]) -> Self {
        let module = subject.text("/sys/module/drbd/version");
        let proc = subject.text("/proc/drbd");
        let loaded = module
            .as_deref()
            .and_then(numbered)
            .or_else(|| proc.as_deref()?.strip_prefix("version:").and_then(numbered));
        Self {
            release: loaded.unwrap_or_else(|| by_words(statements)),
            is_loaded: loaded.is_some(),
        }
    }
}

/// `8.4.11`, `0.7.20`, `8.0.14rc1 (api:...)`.
fn numbered(text: &str) -> Option<Release> {
    let mut numbers = text.trim().split('.');
    let major: u32 = numbers.next()?.parse().ok()?;
    let minor: u32 = numbers.next()?.parse().ok()?;
    match (major, minor) {
        (0, _) => Some(Release::R07),
        (8, 0..=2) => Some(Release::R80),
        (8, 3) => Some(Release::R83),
        (8, _) => Some(Release::R84),
        (9.., _) => Some(Release::R9),
        (1..=7, _) => None,
    }
}

/// The release by words that only one understands.
fn by_words(statements: &[Statement]) -> Release {
    let has = |words: &[&str]| {
        statements.iter().any(|statement| {
            let first = statement.words.first().map_or("", String::as_str);
            words.contains(&first)
        })
    };
    let in_connection = || {
        statements.iter().any(|statement| {
            let is_connection = |section: &Vec<String>| {
                section
                    .first()
                    .is_some_and(|word| word == "connection" || word == "connection-mesh")
            };
            statement.sections.iter().any(is_connection)
        })
    };
    if has(&["incon-degr-cmd", "on-disconnect"]) {
        Release::R07
    } else if has(&["node-id", "auto-promote", "quorum"]) || in_connection() {
        Release::R9
    } else if has(&["outdate-peer"]) && !has(&["fence-peer"]) {
        Release::R80
    } else {
        Release::R84
    }
}
