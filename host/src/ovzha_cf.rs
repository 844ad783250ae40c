//! Parses `ovzha.cf`: what only ovzha knows, in the grammar of `ha.cf`. The file may be missing.

use std::path::Path;

use ovzha_core::time::Span;

use crate::diagnostic::{Problems, quote};
use crate::ha_cf::{At, Parsed, values};
use crate::haresources;
use crate::words;

/// What a timeout is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// Bringing a resource up.
    Start,
    /// Taking it down.
    Stop,
}

/// One `timeout` line.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Timeout {
    resource: String,
    operation: Operation,
    at: At<Span>,
}

/// What `ovzha.cf` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OvzhaCf {
    timeouts: Vec<Timeout>,
    stop_budget: Option<At<Span>>,
}

impl OvzhaCf {
    /// How long `operation` of the resource `name` may take, if it is set; else `agent::default_timeout` counts.
    #[must_use]
    pub fn timeout(&self, name: &str, operation: Operation) -> Option<Span> {
        let wanted = |timeout: &&Timeout| timeout.resource == name && timeout.operation == operation;
        self.timeouts.iter().find(wanted).map(|timeout| timeout.at.value)
    }

    /// How much earlier than the peer's takeover an isolated active node begins to stop; `None` if not set.
    #[must_use]
    pub fn stop_budget(&self) -> Option<Span> {
        self.stop_budget.map(|at| at.value)
    }
}

/// Reads the bytes of an `ovzha.cf`; `file` is only named in messages.
/// `deadtime` is the one of `ha.cf`, if that could be read: the stop budget must fit into it.
#[must_use]
pub fn parse(file: &Path, bytes: &[u8], deadtime: Option<Span>) -> Parsed<OvzhaCf> {
    let mut problems = Problems::new(file);
    let mut value = OvzhaCf::default();
    for line in words::lines(bytes) {
        match words::as_text(words::without_comment(line.bytes)) {
            Ok(text) => {
                let words: Vec<&str> = text.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect();
                directive(&mut problems, &mut value, line.number, &words);
            }
            Err(why) => problems.error(line.number, why),
        }
    }
    if let (Some(budget), Some(deadtime)) = (value.stop_budget, deadtime)
        && budget.value >= deadtime
    {
        let text = format!(
            "stop-budget {} must be shorter than deadtime {deadtime} of ha.cf",
            budget.value
        );
        problems.error(budget.line, text);
    }
    Parsed {
        value,
        diagnostics: problems.into_vec(),
    }
}

fn directive(problems: &mut Problems, value: &mut OvzhaCf, line: u32, words: &[&str]) {
    match *words {
        [] => {}
        ["timeout", resource, operation, time] => match timeout(line, resource, operation, time) {
            Ok(timeout) => add_timeout(problems, value, timeout),
            Err(why) => problems.error(line, format!("timeout: {why}")),
        },
        ["timeout", ..] => problems.error(line, "`timeout` needs RESOURCE start|stop SECONDS"),
        ["stop-budget", time] => match (span(time), value.stop_budget) {
            (_, Some(first)) => problems.error(line, format!("stop-budget stands already on line {}", first.line)),
            (Err(why), None) => problems.error(line, format!("stop-budget: {why}")),
            (Ok(span), None) => value.stop_budget = Some(At { value: span, line }),
        },
        ["stop-budget", ..] => problems.error(line, "`stop-budget` needs SECONDS"),
        [name, ..] => problems.error(line, format!("unknown directive {}", quote(name))),
    }
}

fn timeout(line: u32, resource: &str, operation: &str, time: &str) -> Result<Timeout, String> {
    if !haresources::is_known(resource) {
        return Err(format!("{} is no resource", quote(resource)));
    }
    let operation = match operation {
        "start" => Operation::Start,
        "stop" => Operation::Stop,
        _ => return Err(format!("{} is neither start nor stop", quote(operation))),
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

fn add_timeout(problems: &mut Problems, value: &mut OvzhaCf, timeout: Timeout) {
    let same = |earlier: &&Timeout| earlier.resource == timeout.resource && earlier.operation == timeout.operation;
    match value.timeouts.iter().find(same) {
        Some(first) => problems.error(
            timeout.at.line,
            format!("this timeout stands already on line {}", first.at.line),
        ),
        None => value.timeouts.push(timeout),
    }
}

fn span(word: &str) -> Result<Span, String> {
    let span = values::time(word)?.span;
    if span == Span::ZERO {
        return Err("the time must be longer than zero".to_owned());
    }
    Ok(span)
}
