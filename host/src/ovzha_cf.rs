//! Parses `ovzha.cf`: what only ovzha knows, in the grammar of `ha.cf`. The file may be missing.
//!
//! The directives are the rows of [`settings::SETTINGS`], each with a function here that reads its line. Times may
//! carry any unit: Heartbeat never sees this file.

pub mod mails;
pub mod settings;
pub mod stonith;
pub mod watchdog;
pub mod witness;

use std::path::Path;

use ovzha_core::time::Span;

use crate::agent;
use crate::diagnostic::{Problems, quote};
use crate::ha_cf::{At, LinkKind, Parsed, set, split, values};
use crate::haresources;
use crate::words;
use settings::SETTINGS;
use watchdog::{Heartbeat, Wanted};

/// Mebibytes of the record where nothing is said.
const RECORD_DEFAULT: usize = 4;
/// The most: it lies in memory.
const RECORD_MAX: usize = 64;

/// What a timeout is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// Bringing a resource up.
    Start,
    /// Taking it down.
    Stop,
    /// Looking whether it still runs.
    Monitor,
}

/// One `timeout` line.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Timeout {
    resource: String,
    operation: Operation,
    at: At<Span>,
}

/// One `monitor` line: seconds from one look to the next, 0 for off.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Monitor {
    resource: String,
    every: At<u16>,
}

/// What `ovzha.cf` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OvzhaCf {
    timeouts: Vec<Timeout>,
    data: Vec<(String, At<bool>)>,
    stop_budget: Option<At<Span>>,
    mails: mails::Mails,
    monitors: Vec<Monitor>,
    /// An active that lost its local disk stays.
    diskless_stays: Option<At<bool>>,
    watchdog: Option<At<Wanted>>,
    /// The way to the witness.
    witness: Option<At<LinkKind>>,
    stonith: Vec<stonith::StonithHost>,
    fence_delay: Option<At<Span>>,
    fence_timeout: Option<At<Span>>,
    /// A start is the witness's to say.
    commanded: Option<At<bool>>,
    /// Mebibytes of the record, 0 for off.
    record: Option<At<usize>>,
}

impl OvzhaCf {
    /// How long `operation` of the resource `name` may take, if it is set; else `agent::default_timeout` counts.
    #[must_use]
    pub fn timeout(&self, name: &str, operation: Operation) -> Option<Span> {
        let wanted = |timeout: &&Timeout| timeout.resource == name && timeout.operation == operation;
        self.timeouts.iter().find(wanted).map(|timeout| timeout.at.value)
    }

    /// Whether the resource `name` holds data, so that a stop that fails ends in a reset, if it is set.
    #[must_use]
    pub fn data(&self, name: &str) -> Option<bool> {
        let found = self.data.iter().find(|(resource, _)| resource == name);
        found.map(|(_, at)| at.value)
    }

    /// How much earlier than the peer's takeover an isolated active node begins to stop; `None` if not set.
    #[must_use]
    pub fn stop_budget(&self) -> Option<Span> {
        self.stop_budget.map(|at| at.value)
    }

    /// Where mails go, and how.
    #[must_use]
    pub const fn mails(&self) -> &mails::Mails {
        &self.mails
    }

    /// Seconds from one look at the resource `name` to the next while its group is active; 0 for never.
    #[must_use]
    pub fn monitor(&self, name: &str) -> u16 {
        let set = self.monitors.iter().find(|monitor| monitor.resource == name);
        set.map_or_else(|| agent::default_monitor(name), |monitor| monitor.every.value)
    }

    /// The watchdog's device and its timeout in whole seconds, if there is to be one.
    #[must_use]
    pub fn watchdog(&self) -> Option<(&Path, Span)> {
        self.watchdog.as_ref().and_then(|at| at.value.get())
    }

    /// The way to the witness and the line that says it, if there is to be one.
    #[must_use]
    pub fn witness(&self) -> Option<(&LinkKind, u32)> {
        self.witness.as_ref().map(|at| (&at.value, at.line))
    }

    /// Whether a start needs the witness's own vote.
    #[must_use]
    pub fn commanded(&self) -> bool {
        self.commanded.is_some_and(|at| at.value)
    }

    /// Mebibytes of the record of what the core is told and says; 0: nothing is recorded.
    #[must_use]
    pub fn record(&self) -> usize {
        self.record.map_or(RECORD_DEFAULT, |at| at.value)
    }

    /// Whether an active whose DRBD lost its local disk hands over to a peer that has current data.
    #[must_use]
    pub fn diskless_hands_over(&self) -> bool {
        !self.diskless_stays.is_some_and(|at| at.value)
    }
}

/// Reads the bytes of an `ovzha.cf`; `file` is only named in messages.
/// `heartbeat` is of `ha.cf`, if that could be read: stop budget and watchdog must fit into its times.
#[must_use]
pub fn parse(file: &Path, bytes: &[u8], heartbeat: Option<Heartbeat>) -> Parsed<OvzhaCf> {
    let mut reader = Reader {
        problems: Problems::new(file),
        value: OvzhaCf::default(),
    };
    if let Err((line, why)) = words::is_text(bytes) {
        reader.problems.error(line, why);
    } else {
        for line in words::lines(bytes) {
            match words::code(line) {
                Ok(text) => reader.line(line.number, text),
                Err(why) => reader.problems.error(line.number, why),
            }
        }
        reader.check_decisions();
        if let Some(heartbeat) = heartbeat {
            reader.check_stop_budget(heartbeat.deadtime);
            reader.check_fence_delay(heartbeat.keepalive);
            let said = reader.value.watchdog().is_some();
            reader.check_watchdog(heartbeat);
            reader.check_votes(heartbeat, said);
        }
    }
    Parsed {
        value: reader.value,
        diagnostics: reader.problems.into_vec(),
    }
}

/// One line of a directive.
#[derive(Clone, Copy)]
struct Said<'a> {
    line: u32,
    name: &'a str,
    /// What follows the name.
    words: &'a [&'a str],
}

/// The state of one pass over the file.
struct Reader {
    problems: Problems,
    value: OvzhaCf,
}

impl Reader {
    fn line(&mut self, line: u32, text: &str) {
        let words: Vec<&str> = split(text).collect();
        let Some((name, words)) = words.split_first() else {
            return;
        };
        match SETTINGS.iter().find(|row| row.name == *name) {
            Some(row) => (row.read)(self, Said { line, name, words }),
            None => self.problems.error(line, format!("unknown directive {}", quote(name))),
        }
    }

    /// Reports a line that has not the form of its directive.
    fn wrong_form(&mut self, said: Said<'_>) {
        let takes = SETTINGS
            .iter()
            .find(|row| row.name == said.name)
            .map_or("", |row| row.takes);
        self.problems.error(said.line, format!("`{}` needs {takes}", said.name));
    }

    fn check_stop_budget(&mut self, deadtime: Span) {
        if let Some(budget) = self.value.stop_budget
            && budget.value >= deadtime
        {
            let text = format!(
                "stop-budget {} must be shorter than deadtime {deadtime} of ha.cf",
                budget.value
            );
            self.problems.error(budget.line, text);
        }
    }
}

fn stop_budget(reader: &mut Reader, said: Said<'_>) {
    match *said.words {
        [time] => {
            let slot = &mut reader.value.stop_budget;
            set(&mut reader.problems, slot, said.line, said.name, span(time));
        }
        _ => reader.wrong_form(said),
    }
}

fn timeout(reader: &mut Reader, said: Said<'_>) {
    let &[resource, operation, time] = said.words else {
        return reader.wrong_form(said);
    };
    match read_timeout(said.line, resource, operation, time) {
        Err(why) => reader.problems.error(said.line, format!("timeout: {why}")),
        Ok(timeout) => {
            let timeouts = &mut reader.value.timeouts;
            let same =
                |earlier: &&Timeout| earlier.resource == timeout.resource && earlier.operation == timeout.operation;
            match timeouts.iter().find(same) {
                Some(first) => {
                    let text = format!("this timeout stands already on line {}", first.at.line);
                    reader.problems.error(said.line, text);
                }
                None => timeouts.push(timeout),
            }
        }
    }
}

fn read_timeout(line: u32, resource: &str, operation: &str, time: &str) -> Result<Timeout, String> {
    if let Some(problem) = haresources::name_problem(resource) {
        return Err(problem);
    }
    let operation = match operation {
        "start" => Operation::Start,
        "stop" => Operation::Stop,
        "monitor" => Operation::Monitor,
        _ => return Err(format!("{} is neither start, stop nor monitor", quote(operation))),
    };
    Ok(Timeout {
        resource: resource.to_owned(),
        operation,
        at: At {
            value: span(time)?,
            line,
        },
    })
}

fn data(reader: &mut Reader, said: Said<'_>) {
    let &[resource, word] = said.words else {
        return reader.wrong_form(said);
    };
    match read_data(resource, word) {
        Err(why) => reader.problems.error(said.line, format!("data: {why}")),
        Ok(value) => {
            let marks = &mut reader.value.data;
            match marks.iter().find(|(earlier, _)| earlier == resource) {
                Some((_, first)) => {
                    let text = format!("data {resource} stands already on line {}", first.line);
                    reader.problems.error(said.line, text);
                }
                None => marks.push((resource.to_owned(), At { value, line: said.line })),
            }
        }
    }
}

/// Only what is not built in may be marked: of the others it is known what they hold.
fn read_data(resource: &str, word: &str) -> Result<bool, String> {
    if haresources::is_built_in(resource) {
        return Err(format!("{resource} is built in: whether it holds data is known"));
    }
    match haresources::name_problem(resource) {
        Some(problem) => Err(problem),
        None => values::boolean(word),
    }
}

fn monitor(reader: &mut Reader, said: Said<'_>) {
    let &[resource, time] = said.words else {
        return reader.wrong_form(said);
    };
    match read_monitor(said.line, resource, time) {
        Err(why) => reader.problems.error(said.line, format!("monitor: {why}")),
        Ok(monitor) => {
            let monitors = &mut reader.value.monitors;
            match monitors.iter().find(|earlier| earlier.resource == resource) {
                Some(first) => {
                    let text = format!("the monitor of {resource} stands already on line {}", first.every.line);
                    reader.problems.error(said.line, text);
                }
                None => monitors.push(monitor),
            }
        }
    }
}

fn read_monitor(line: u32, resource: &str, time: &str) -> Result<Monitor, String> {
    if !haresources::is_built_in(resource)
        && let Some(problem) = haresources::name_problem(resource)
    {
        return Err(problem);
    }
    if resource == "MailTo" {
        return Err(format!("{resource} leaves nothing to look at"));
    }
    let value = if time == "off" { 0 } else { seconds(time)? };
    Ok(Monitor {
        resource: resource.to_owned(),
        every: At { value, line },
    })
}

fn seconds(word: &str) -> Result<u16, String> {
    let span = span(word)?;
    let whole = u16::try_from(span.as_millis() / 1000).unwrap_or(0);
    if whole == 0 || Span::from_secs(whole.into()) != span {
        return Err(format!("{span}: whole seconds, 1 to {}, or off", u16::MAX));
    }
    Ok(whole)
}

fn on_diskless(reader: &mut Reader, said: Said<'_>) {
    let stays = match *said.words {
        ["stay"] => true,
        ["hand-over"] => false,
        _ => return reader.wrong_form(said),
    };
    let slot = &mut reader.value.diskless_stays;
    set(&mut reader.problems, slot, said.line, said.name, Ok(stays));
}

fn record(reader: &mut Reader, said: Said<'_>) {
    let size = match *said.words {
        ["off"] => Ok(0),
        [size] => size
            .parse()
            .ok()
            .filter(|size| (1..=RECORD_MAX).contains(size))
            .ok_or_else(|| format!("{}: whole mebibytes, 1 to {RECORD_MAX}, or off", quote(size))),
        _ => return reader.wrong_form(said),
    };
    let slot = &mut reader.value.record;
    set(&mut reader.problems, slot, said.line, said.name, size);
}

fn span(word: &str) -> Result<Span, String> {
    let span = values::time(word)?.span;
    if span == Span::ZERO {
        return Err("the time must be longer than zero".to_owned());
    }
    Ok(span)
}
