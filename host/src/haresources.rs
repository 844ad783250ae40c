//! Parses `haresources`: one resource group a line.
//!
//! A logical line is `NODE RESOURCE...`; a resource is `NAME::ARGUMENT::...`. A `\` at the end joins a line with the
//! next. Comments are dropped on every physical line; Heartbeat takes the words of a comment on a
//! continuation line for resources, so that case gets a warning.

use std::path::Path;

use ovzha_core::id::{GROUPS_MAX, RESOURCES_MAX};

use crate::diagnostic::{Problems, quote};
use crate::ha_cf::{Parsed, values};
use crate::words;

mod builtin;

pub(crate) use builtin::plain_path;
pub use builtin::{NAMES, is_built_in, name_problem};

/// Longest resource word in bytes.
pub const WORD_MAX: usize = 255;

/// One resource: a built-in's name and its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    /// The part before the first `::`.
    pub name: String,
    /// The parts after it, checked for the built-in they are for.
    pub args: Vec<String>,
    /// The file has the argument alone, an address; the name is `IPaddr`.
    pub bare: bool,
    /// The line the word stands on, counted from 1.
    pub line: u32,
}

impl Resource {
    /// Whether it is a DRBD resource, named by its first argument.
    #[must_use]
    pub fn is_drbd(&self) -> bool {
        matches!(self.name.as_str(), "datadisk" | "drbddisk")
    }

    /// The word as it stands in the file.
    #[must_use]
    pub fn word(&self) -> String {
        if self.bare {
            return self.args.concat();
        }
        let mut word = self.name.clone();
        for arg in &self.args {
            word.push_str("::");
            word.push_str(arg);
        }
        word
    }
}

/// One logical line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupLine {
    /// The node that is preferred, lower case.
    pub node: String,
    /// Started in this order, stopped in the other; 1 to 16.
    pub resources: Vec<Resource>,
    /// The line it begins on, counted from 1.
    pub line: u32,
}

impl GroupLine {
    /// What the group is called: its first resource, Heartbeat's key.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(&self.resources)
    }
}

/// What a group of these resources is called.
#[must_use]
pub fn name_of(resources: &[Resource]) -> String {
    resources.first().map(Resource::word).unwrap_or_default()
}

/// Reads the bytes of a `haresources`; `file` is only named in messages.
/// `nodes` are the names of `ha.cf`, lower case; when empty, names are not compared.
#[must_use]
pub fn parse(file: &Path, bytes: &[u8], nodes: &[String]) -> Parsed<Vec<GroupLine>> {
    let mut problems = Problems::new(file);
    if let Err((line, why)) = words::is_text(bytes) {
        problems.error(line, why);
        return Parsed {
            value: Vec::new(),
            diagnostics: problems.into_vec(),
        };
    }
    let mut groups = Vec::new();
    for words in logical_lines(&mut problems, bytes) {
        group(&mut problems, &mut groups, &words, nodes);
    }
    if groups.is_empty() && !problems.has_errors() {
        problems.error(
            words::last_line(bytes),
            "no resource group: a line is `NODE RESOURCE...`",
        );
    }
    builtin::check_repetition(&mut problems, &groups);
    check_names(&mut problems, &groups);
    Parsed {
        value: groups,
        diagnostics: problems.into_vec(),
    }
}

/// Commands and log lines tell groups by their names.
fn check_names(problems: &mut Problems, groups: &[GroupLine]) {
    for (place, group) in groups.iter().enumerate() {
        let Some(first) = group.resources.first() else { continue };
        let earlier = groups.iter().take(place).find(|other| other.name() == group.name());
        // what may stand once only was told already
        if let Some(earlier) = earlier.filter(|_| builtin::may_repeat(first)) {
            let line = earlier.line;
            problems.error(
                first.line,
                format!(
                    "{} begins the group of line {line} already: a group is called by its first resource",
                    quote(&first.word())
                ),
            );
        }
    }
}

/// A word and its line.
type Word<'a> = (&'a str, u32);

/// The words of each logical line; never an empty one.
fn logical_lines<'a>(problems: &mut Problems, bytes: &'a [u8]) -> Vec<Vec<Word<'a>>> {
    let mut logical = Vec::new();
    let mut current: Vec<Word<'a>> = Vec::new();
    let mut joined = false;
    for line in words::lines(bytes) {
        let code = words::without_comment(line.bytes);
        if joined && code.len() < line.bytes.len() {
            let text = "a comment on a continuation line: Heartbeat takes its words for resources";
            problems.warning(line.number, text);
        }
        // A backslash inside a comment joins nothing; `code` no longer has it.
        let (code, joins) = match code.strip_suffix(b"\\") {
            Some(rest) => (rest, true),
            None => (code, false),
        };
        match words::as_text(code) {
            Ok(text) => current.extend(text.split_whitespace().map(|word| (word, line.number))),
            Err(why) => problems.error(line.number, why),
        }
        joined = joins;
        if !joined && !current.is_empty() {
            logical.push(std::mem::take(&mut current));
        }
    }
    if joined {
        problems.error(words::last_line(bytes), "the file ends in a `\\` that joins nothing");
    }
    if !current.is_empty() {
        logical.push(current);
    }
    logical
}

fn group(problems: &mut Problems, groups: &mut Vec<GroupLine>, words: &[Word<'_>], nodes: &[String]) {
    let Some((&(name, line), resources)) = words.split_first() else {
        return;
    };
    let node = match values::node_name(name) {
        Ok(node) => node,
        Err(why) => {
            problems.error(line, why);
            name.to_ascii_lowercase()
        }
    };
    if !nodes.is_empty() && !nodes.contains(&node) {
        problems.error(
            line,
            format!("node {} is none of ha.cf ({})", quote(&node), nodes.join(", ")),
        );
    }
    if resources.is_empty() {
        problems.error(line, format!("node {} has no resource on its line", quote(&node)));
    }
    if let Some(&(_, line)) = resources.get(RESOURCES_MAX) {
        problems.error(line, format!("more than {RESOURCES_MAX} resources in one group"));
    }
    if groups.len() == GROUPS_MAX {
        problems.error(line, format!("more than {GROUPS_MAX} resource groups"));
    }
    let resources: Vec<Resource> = resources
        .iter()
        .take(RESOURCES_MAX)
        .filter_map(|&(word, line)| resource(problems, word, line))
        .collect();
    if groups.len() < GROUPS_MAX {
        groups.push(GroupLine { node, resources, line });
    }
}

/// Whether a word is meant as an address: dotted numbers, whatever follows a slash.
fn is_address(word: &str) -> bool {
    let address = word.split('/').next().unwrap_or_default();
    let begins = address.starts_with(|first: char| first.is_ascii_digit());
    begins && address.contains('.') && address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Takes a word apart; `None` if it is no resource this version can run.
fn resource(problems: &mut Problems, word: &str, line: u32) -> Option<Resource> {
    if word.len() > WORD_MAX {
        problems.error(
            line,
            format!("{} has {} bytes, more than {WORD_MAX}", quote(word), word.len()),
        );
        return None;
    }
    if word.contains('\\') {
        problems.error(
            line,
            format!("{}: a `\\` joins lines only as the last byte of a line", quote(word)),
        );
        return None;
    }
    let bare = is_address(word);
    // a bare address is one argument of IPaddr
    let name = if bare { Some("IPaddr") } else { None };
    let mut parts = name.into_iter().chain(word.split("::")).map(str::to_owned);
    let resource = Resource {
        name: parts.next().unwrap_or_default(),
        args: parts.collect(),
        bare,
        line,
    };
    match builtin::check(&resource) {
        Ok(()) => Some(resource),
        Err(why) => {
            problems.error(line, why);
            None
        }
    }
}
