//! The hand-written mutants of core: what each forgets, which text it puts in place of which.
//!
//! One file a mutant, named like it:
//!
//! ```text
//! # S-20 What it forgets, as one sentence.
//! core/src/member.rs scenarios
//! ----
//! text that occurs once in that file
//! ----
//! what stands there instead
//! ----
//! ```
//!
//! The word behind the path is the driver that must catch it.

use std::fs;
use std::path::Path;

pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Who must catch a mutant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    /// The scenario files, with the checkers on.
    Scenarios,
    /// The tests of core itself.
    Core,
}

#[derive(Clone, Debug)]
pub struct Mutant {
    pub name: String,
    /// The clause that is broken.
    pub clause: String,
    pub forgets: String,
    /// Below the workspace's root.
    pub file: String,
    pub driver: Driver,
    pub text: String,
    pub instead: String,
}

impl Mutant {
    fn parse(name: &str, all: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("tests/mutants/{name}.txt: {what}");
        let mut parts = all.split("----\n");
        let (head, text, instead, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(head), Some(text), Some(instead), Some("")) = (head, text, instead, rest) else {
            return Err(wrong(
                "not a head, a text and what stands there instead, each ended by ----",
            ));
        };
        let mut lines = head.lines();
        let said = lines.next().and_then(|line| line.strip_prefix("# ")?.split_once(' '));
        let place = lines.next().and_then(|line| line.split_once(' '));
        let (Some((clause, forgets)), Some((file, driver))) = (said, place) else {
            return Err(wrong(
                "its head is not a clause with what is forgotten, then a file with a driver",
            ));
        };
        let driver = match driver {
            "scenarios" => Driver::Scenarios,
            "core" => Driver::Core,
            _ => return Err(wrong("the driver is scenarios or core")),
        };
        let unended = |text: &str| text.strip_suffix('\n').unwrap_or(text).to_owned();
        Ok(Self {
            name: name.to_owned(),
            clause: clause.to_owned(),
            forgets: forgets.to_owned(),
            file: file.to_owned(),
            driver,
            text: unended(text),
            instead: unended(instead),
        })
    }

    /// The source with the mutant in it.
    pub fn apply(&self, source: &str) -> Result<String, String> {
        match source.matches(&self.text).count() {
            1 => Ok(source.replacen(&self.text, &self.instead, 1)),
            times => Err(format!(
                "tests/mutants/{}.txt: its text occurs {times} times in {}, not once",
                self.name, self.file
            )),
        }
    }
}

/// All of them, by name.
pub fn all() -> Vec<Mutant> {
    let folder = Path::new(ROOT).join("tests/mutants");
    let mut mutants: Vec<Mutant> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            Mutant::parse(&name, &fs::read_to_string(&path).unwrap()).unwrap()
        })
        .collect();
    mutants.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!mutants.is_empty(), "no mutants");
    mutants
}

/// The first comment of a scenario.
pub fn first_comment(scenario: &str) -> String {
    let lines = scenario.lines().take_while(|line| line.starts_with('#'));
    lines.map(|line| line.trim_start_matches('#')).collect()
}

/// Whether a text names a clause, as a word of its own.
pub fn cites(text: &str, clause: &str) -> bool {
    text.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '-'))
        .any(|word| word == clause)
}
