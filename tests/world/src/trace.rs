//! What happened, as lines for people and as one number to compare runs by.

use std::hash::{Hash, Hasher};

use ovzha_core::id::GroupSet;
use ovzha_core::notice::Notice;
use ovzha_core::output::Answer;

/// Whether anything is noted at all.
pub(crate) const TRACES: bool = cfg!(feature = "trace");

/// FNV-1a, 64 bits: the same on every machine and in every release.
#[derive(Clone, Debug)]
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The record of a run.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: Fnv,
    /// Lines are kept.
    pub verbose: bool,
    /// The lines since they were last taken.
    pub lines: Vec<String>,
}

impl Trace {
    /// Nothing yet.
    #[must_use]
    pub const fn new(verbose: bool) -> Self {
        Self {
            hash: Fnv(0xcbf2_9ce4_8422_2325),
            verbose,
            lines: Vec::new(),
        }
    }

    /// One number for all that was noted.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// Notes something that is compared but not shown.
    pub fn mix(&mut self, now: u64, what: &impl Hash) {
        if TRACES {
            now.hash(&mut self.hash);
            what.hash(&mut self.hash);
        }
    }

    /// Notes something that is shown as a line.
    pub fn line(&mut self, now: u64, what: &impl Hash, text: impl FnOnce() -> String) {
        self.mix(now, what);
        if TRACES && self.verbose {
            self.lines
                .push(format!("{:>8}.{:03} {}", now / 1_000_000, now / 1000 % 1000, text()));
        }
    }
}

/// The letter of a node.
#[must_use]
pub const fn letter(node: usize) -> char {
    if node == 0 { 'a' } else { 'b' }
}

/// A notice as scenarios show it; `name` gives a resource's name.
#[must_use]
pub fn notice(notice: &Notice, name: impl Fn(usize, u8) -> &'static str) -> String {
    if let Notice::Step {
        group,
        resource,
        op,
        outcome,
        took,
    } = notice
    {
        let name = name(usize::from(group.0), *resource);
        return format!(
            "{} g{} {name}: {outcome:?}, {took}",
            format!("{op:?}").to_lowercase(),
            group.0
        );
    }
    if let Notice::Phase { group, phase, why } = notice {
        return format!("g{} is {phase:?}: {why}", group.0);
    }
    if let Notice::Holding { group, why } = notice {
        return format!("g{} holds: {why}", group.0);
    }
    if let Notice::MoveBegins { takeover, groups, .. } = notice {
        let what = if *takeover { "takeover" } else { "standby" };
        return format!("{what} begins: {}", group_names(*groups));
    }
    if let Notice::MoveRefused { group, why } = notice {
        return format!("g{} is not moved: {why:?}", group.0);
    }
    plain(&format!("{notice:?}"))
}

/// The end of a request.
#[must_use]
pub fn answered(answer: &Answer) -> String {
    let Answer::Mixed(fates) = answer else {
        return plain(&format!("{answer:?}"));
    };
    let all: Vec<String> = fates.iter().map(|(place, fate)| format!("g{place} {fate:?}")).collect();
    all.join(", ")
}

/// `g0 g2`.
#[must_use]
pub fn group_names(groups: GroupSet) -> String {
    let names: Vec<String> = groups.places().map(|place| format!("g{place}")).collect();
    names.join(" ")
}

/// Debug text without the wrappers of numbers.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for (wrapper, prefix, suffix) in [("LinkId(", "L", ""), ("GroupId(", "g", ""), ("Span(", "", " ms")] {
        while let Some((before, rest)) = text.split_once(wrapper) {
            let Some((number, after)) = rest.split_once(')') else {
                break;
            };
            text = format!("{before}{prefix}{number}{suffix}{after}");
        }
    }
    text
}
