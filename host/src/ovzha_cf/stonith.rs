//! Reads the `stonith_host` lines of `ovzha.cf`: what cuts the other node's power, seen from which node.
//!
//! ```text
//! stonith_host HOST external PROGRAM [KEY=VALUE]...   a fence agent, or an external plugin of cluster-glue (`stonith`)
//! stonith_host * board [in-place]                     the relays of the witness board
//! ```
//!
//! HOST is the node that shoots, as in Heartbeat's `ha.cf`; `*` is both. What can't cut power is refused by its name.

use std::fmt;
use std::path::{Path, PathBuf};

use ovzha_core::time::Span;
use ovzha_core::witness::Relay;

use super::{OvzhaCf, Reader, Said, span};
use crate::diagnostic::{Diagnostic, Problems, quote};
use crate::ha_cf::{At, set};
use crate::stonith::Convention;

/// The head start of a node that runs something, if the file does not say.
const DELAY_DEFAULT: Span = Span::from_secs(10);
/// How long a shot may take, if the file does not say.
const TIMEOUT_DEFAULT: Span = Span::from_secs(60);
/// The most: DRBD's handler waits for it.
const TIME_MAX: Span = Span::from_secs(120);
/// Parameters of an agent.
const PARAMETERS_MAX: usize = 64;

/// A program that cuts power.
#[derive(Clone, PartialEq, Eq)]
pub struct External {
    /// Its file.
    pub program: PathBuf,
    /// How it is called.
    pub convention: Convention,
    /// What it is told; passwords may be among it.
    pub parameters: Vec<(String, String)>,
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        write!(f, "External({} {names:?})", self.program.display())
    }
}

/// What cuts the other node's power.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Means {
    /// A program of this node.
    External(External),
    /// The relays of the witness.
    Board {
        /// In place of watchdogs, not beside them.
        in_place: bool,
    },
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StonithHost {
    /// The node that shoots; `None`: both.
    host: Option<String>,
    means: At<Means>,
}

impl StonithHost {
    fn is_of(&self, node: &str) -> bool {
        self.host.as_ref().is_none_or(|host| host == node)
    }
}

impl OvzhaCf {
    /// What cuts the other node's power for this one, and the line that says it.
    #[must_use]
    pub fn stonith(&self, node: &str) -> Option<(&Means, u32)> {
        let found = self.stonith.iter().find(|line| line.is_of(node))?;
        Some((&found.means.value, found.means.line))
    }

    /// The program that does it, if it is one.
    #[must_use]
    pub fn fence_agent(&self, node: &str) -> Option<&External> {
        match self.stonith(node) {
            Some((Means::External(external), _)) => Some(external),
            Some((Means::Board { .. }, _)) | None => None,
        }
    }

    /// What the witness is to do with the nodes' power.
    #[must_use]
    pub fn relay(&self) -> Relay {
        let board = self.stonith.iter().find_map(|line| match line.means.value {
            Means::Board { in_place: true } => Some(Relay::InPlace),
            Means::Board { in_place: false } => Some(Relay::Beside),
            Means::External(_) => None,
        });
        board.unwrap_or(Relay::None)
    }

    /// The head start of a node that runs something.
    #[must_use]
    pub fn fence_delay(&self) -> Span {
        self.fence_delay.map_or(DELAY_DEFAULT, |at| at.value)
    }

    /// How long a shot may take.
    #[must_use]
    pub fn fence_timeout(&self) -> Span {
        self.fence_timeout.map_or(TIMEOUT_DEFAULT, |at| at.value)
    }
}

pub(super) fn stonith_host(reader: &mut Reader, said: Said<'_>) {
    let &[host, kind, ref words @ ..] = said.words else {
        return reader.wrong_form(said);
    };
    let host = (host != "*").then(|| host.to_ascii_lowercase());
    let means = match (kind, words) {
        ("board", []) => Ok(Means::Board { in_place: false }),
        ("board", ["in-place"]) => Ok(Means::Board { in_place: true }),
        ("board", _) => Err("board: only `in-place` may follow".to_owned()),
        ("external", [program, parameters @ ..]) => external(program, parameters).map(Means::External),
        _ => Err(other_type(kind)),
    };
    let means = means.and_then(|means| match means {
        Means::Board { .. } if host.is_some() => Err("board: the board cuts for both nodes: HOST is *".to_owned()),
        means @ (Means::External(_) | Means::Board { .. }) => Ok(means),
    });
    let lines = &mut reader.value.stonith;
    let first = lines
        .iter()
        .find(|line| line.host.is_none() || host.is_none() || line.host == host);
    if let Some(first) = first {
        let text = format!("stonith_host of that node stands already on line {}", first.means.line);
        return reader.problems.error(said.line, text);
    }
    match means {
        Ok(value) => lines.push(StonithHost {
            host,
            means: At { value, line: said.line },
        }),
        Err(why) => reader.problems.error(said.line, format!("stonith_host: {why}")),
    }
}

/// What can't cut power, by the last part of its name, and why.
const TOYS: [(&str, &str); 13] = [
    ("ssh", "asks the machine itself, which may be the one that hangs"),
    ("null", "does nothing and says that it did"),
    ("dummy", "does nothing and says that it did"),
    ("suicide", "asks the machine itself, which may be the one that hangs"),
    ("meatware", "asks a person: that is `ovzha confirm-fenced NODE`"),
    ("manual", "asks a person: that is `ovzha confirm-fenced NODE`"),
    ("ack_manual", "asks a person: that is `ovzha confirm-fenced NODE`"),
    ("kdump", "listens for a crash dump and cuts nothing"),
    ("kdumpcheck", "listens for a crash dump and cuts nothing"),
    ("heuristics_ping", "pings and cuts nothing"),
    ("scsi", "cuts the way to a disk, and the machine runs on"),
    ("mpath", "cuts the way to a disk, and the machine runs on"),
    ("sbd", "believes that the machine obeys, and nobody sees that it is off"),
];

fn toy(name: &str) -> Option<&'static str> {
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_prefix("fence_").unwrap_or(name);
    TOYS.iter().find(|(toy, _)| *toy == name).map(|(_, why)| *why)
}

fn other_type(kind: &str) -> String {
    match (toy(kind), kind.strip_prefix("external/")) {
        (Some(why), _) => format!("{} is refused: it {why}", quote(kind)),
        (None, Some(name)) => format!(
            "{}: write `external /usr/lib/stonith/plugins/external/{name} NAME=VALUE...`, its values with their names",
            quote(kind)
        ),
        (None, None) => format!(
            "{} is neither external nor board; for a fence agent: `external /usr/sbin/fence_NAME KEY=VALUE...`",
            quote(kind)
        ),
    }
}

fn external(program: &str, words: &[&str]) -> Result<External, String> {
    if !program.starts_with('/') || program.ends_with('/') {
        return Err(format!("{} is no absolute path of a program", quote(program)));
    }
    if let Some(why) = toy(program) {
        return Err(format!("{} is refused: it {why}", quote(program)));
    }
    let path = PathBuf::from(program);
    let convention = Convention::of(&path).ok_or_else(|| {
        format!(
            "{}: how it is called can't be told: a fence agent is called fence_NAME, a plugin of cluster-glue lies in a \
             directory stonith/plugins/external",
            quote(program)
        )
    })?;
    if words.len() > PARAMETERS_MAX {
        return Err(format!("more than {PARAMETERS_MAX} parameters"));
    }
    let parameters: Result<Vec<_>, String> = words.iter().map(|word| parameter(word)).collect();
    Ok(External {
        program: path,
        convention,
        parameters: parameters?,
    })
}

/// The word itself may be a password: it is not shown.
fn parameter(word: &str) -> Result<(String, String), String> {
    let (name, value) = word.split_once('=').ok_or("a parameter is not NAME=VALUE")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(fits) {
        return Err("the name of a parameter has letters, digits, `_` and `-` only".to_owned());
    }
    if matches!(name, "action" | "option" | "nodename" | "PATH" | "LC_ALL") {
        return Err(format!("{name} is set by ovzha"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn fence_delay(reader: &mut Reader, said: Said<'_>) {
    match *said.words {
        [time] => {
            let slot = &mut reader.value.fence_delay;
            set(&mut reader.problems, slot, said.line, said.name, bounded(time));
        }
        _ => reader.wrong_form(said),
    }
}

pub(super) fn fence_timeout(reader: &mut Reader, said: Said<'_>) {
    match *said.words {
        [time] => {
            let least = Span::from_secs(5);
            let time = bounded(time).and_then(|time| match time {
                time if time < least => Err(format!("{time} is less than {least}, too short for any agent")),
                time => Ok(time),
            });
            let slot = &mut reader.value.fence_timeout;
            set(&mut reader.problems, slot, said.line, said.name, time);
        }
        _ => reader.wrong_form(said),
    }
}

fn bounded(word: &str) -> Result<Span, String> {
    let time = span(word)?;
    if time > TIME_MAX {
        return Err(format!("{time} is more than {TIME_MAX}"));
    }
    Ok(time)
}

impl Reader {
    /// Of two nodes that miss each other at different moments the one with the head start must be the first for sure.
    pub(super) fn check_fence_delay(&mut self, keepalive: Span) {
        let (least, delay) = (keepalive.times(2), self.value.fence_delay());
        let first = self.value.stonith.first().map(|line| line.means.line);
        let line = self.value.fence_delay.map(|at| at.line).or(first);
        if let Some(line) = line.filter(|_| delay <= least) {
            let text = format!("fence-delay {delay} must be longer than two keepalives ({least})");
            self.problems.error(line, text);
        }
    }
}

/// What is wrong with the lines in this cluster: its nodes, and its witness.
#[must_use]
pub fn problems(file: &Path, settings: &OvzhaCf, nodes: &[String]) -> Vec<Diagnostic> {
    let mut problems = Problems::new(file);
    for StonithHost { host, means } in &settings.stonith {
        if let Some(host) = host.as_ref().filter(|host| !nodes.is_empty() && !nodes.contains(host)) {
            problems.error(means.line, format!("stonith_host: {} is no node of ha.cf", quote(host)));
        }
        let wrong = match (&means.value, settings.witness()) {
            (Means::External(_), Some(_)) => Some("with a witness the votes decide: only `board` stands beside it"),
            (Means::External(_), None) | (Means::Board { .. }, Some(_)) => None,
            (Means::Board { .. }, None) => Some("board: there is no `witness` line that leads to it"),
        };
        if let Some(wrong) = wrong {
            problems.error(means.line, format!("stonith_host: {wrong}"));
        }
    }
    let first = settings.stonith.first().map_or(1, |line| line.means.line);
    for node in nodes {
        if !settings.stonith.is_empty() && settings.stonith(node).is_none() {
            let text = format!("stonith_host: nothing cuts for {node}: the row holds only if each node can");
            problems.error(first, text);
        }
    }
    problems.into_vec()
}
