//! Every directive of `ha.cf` that a Heartbeat ever knew, as data: what it takes, and what is made of it here.
//!
//! The parser goes by this table alone: it finds the row of a line's first word and does what the row's treatment
//! says. The table in `docs/GUIDE.md` is printed from it (`OVZHA_REWRITE=1 cargo test -p ovzha-host --test
//! config_directives` writes it anew), and that test feeds each row's example line to the parser.
//!
//! To take up a directive that is refused so far: give its row (`rows.rs`) `.done(Reader::METHOD)` in place of `.refused()`,
//! make the note say what it does, let the example be lines that are accepted without a word, and rewrite the guide.
//! The method gets the line as a [`Said`]. A row's note goes into messages as well, after a colon: lower case, no
//! full stop.

mod rows;

use std::fmt::Write;

pub use rows::DIRECTIVES;

use super::{Reader, Said, one, split, values};
use crate::diagnostic::quote;

/// The Heartbeats that know a directive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heartbeats {
    /// 1.2.x and 3.0.6.
    Both,
    /// 1.2.x alone.
    Old,
    /// 3.0.6 (and the 2.x before it), not 1.2.x.
    New,
    /// Some builds, by a plugin of their own.
    Plugin,
}

impl Heartbeats {
    fn shown(self) -> &'static str {
        match self {
            Self::Both => "all",
            Self::Old => "1.2",
            Self::New => "3.0",
            Self::Plugin => "plugin",
        }
    }
}

/// The form of a value that is read and then not used: what Heartbeat would refuse is refused here, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Any words, at least one.
    Words,
    /// A boolean.
    Switch,
    /// A whole number.
    Number,
    /// A time.
    Time,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// What is made of a directive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Treatment {
    /// It does here what it says.
    Done,
    /// It is read, changes nothing, and a warning says why.
    NoEffect(Form),
    /// Nothing but this value is accepted; without a word, because it is how ovzha is anyway.
    Only(&'static str),
    /// The file is refused.
    Refused,
}

/// Reads one line of a directive that is [`Treatment::Done`].
type Handler = for<'a> fn(&mut Reader, Said<'a>);

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// The first word of its line, case-sensitive.
    pub name: &'static str,
    /// What follows, as the guide shows it.
    pub takes: &'static str,
    /// Who else knows it.
    pub known_to: Heartbeats,
    /// What is made of it.
    pub treatment: Treatment,
    /// Done: value and default. Else: why not.
    pub note: &'static str,
    /// Lines that show it, for the test; they may go on with other lines that it needs.
    pub example: &'static str,
    handler: Option<Handler>,
}

/// The row of the directive `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|row| row.name == name)
}

/// The directive that an unknown word was probably meant to be, if one is near.
#[must_use]
pub fn nearest(word: &str) -> Option<&'static str> {
    let plain = word.replace('\\', "").to_ascii_lowercase();
    // `keepalive=2`, `node:`
    let plain = plain.split(['=', ':']).next()?;
    let near = |name: &str| {
        let allowed = match name.len() {
            0..=4 => 0,
            5..=6 => 1,
            _ => 2,
        };
        let alike = name.len().abs_diff(plain.len()) <= allowed;
        alike
            .then(|| distance(plain, name))
            .filter(|distance| *distance <= allowed)
    };
    DIRECTIVES
        .iter()
        .filter_map(|row| near(row.name).map(|distance| (distance, row.name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be changed, put in or left out to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.bytes().enumerate() {
        let mut corner = row;
        let mut left = row + 1;
        for (cell, b) in above.iter_mut().skip(1).zip(to.bytes()) {
            let changed = corner + usize::from(a != b);
            corner = *cell;
            left = changed.min(corner + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = above.first_mut() {
            *first = row + 1;
        }
    }
    above.last().copied().unwrap_or_default()
}

impl Directive {
    /// Takes a line of this directive, or says why not.
    pub(super) fn read(&self, reader: &mut Reader, said: Said<'_>) {
        let Self { name, note, .. } = self;
        match self.treatment {
            Treatment::Done => match self.handler {
                Some(handler) => handler(reader, said),
                None => reader.problems.error(said.line, format!("`{name}` is refused")),
            },
            Treatment::NoEffect(form) => match form.check(said.rest) {
                Ok(()) => reader
                    .problems
                    .warning(said.line, format!("{name} has no effect: {note}")),
                Err(why) => reader.problems.error(said.line, format!("{name}: {why}")),
            },
            Treatment::Only(wanted) => {
                if let Err(why) = only(wanted, said.rest) {
                    reader.problems.error(said.line, format!("{name}: {why}: {note}"));
                }
            }
            Treatment::Refused => reader.problems.error(said.line, format!("`{name}` is refused: {note}")),
        }
    }

    const fn done(mut self, handler: Handler) -> Self {
        self.treatment = Treatment::Done;
        self.handler = Some(handler);
        self
    }

    const fn no_effect(mut self, form: Form) -> Self {
        self.treatment = Treatment::NoEffect(form);
        self
    }

    const fn only(mut self, wanted: &'static str) -> Self {
        self.treatment = Treatment::Only(wanted);
        self
    }

    /// As [`row`] makes it; written out so that no row leaves its treatment unsaid.
    const fn refused(self) -> Self {
        self
    }
}

/// A row that is refused until it is given another treatment.
const fn row(
    name: &'static str,
    takes: &'static str,
    known_to: Heartbeats,
    note: &'static str,
    example: &'static str,
) -> Directive {
    Directive {
        name,
        takes,
        known_to,
        treatment: Treatment::Refused,
        note,
        example,
        handler: None,
    }
}

impl Form {
    fn check(self, rest: &str) -> Result<(), String> {
        match self {
            Self::Words => split(rest).next().map(|_| ()).ok_or("the value is missing".to_owned()),
            Self::Switch => one(rest).and_then(values::boolean).map(|_| ()),
            Self::Number => one(rest).and_then(|word| values::number(word, 0, u32::MAX)).map(|_| ()),
            Self::Time => one(rest).and_then(values::time).map(|_| ()),
            Self::OneOf(words) => one(rest).and_then(|word| {
                let known = words.iter().any(|known| word.eq_ignore_ascii_case(known));
                let wrong = || format!("{} is none of {}", quote(word), words.join(", "));
                known.then_some(()).ok_or_else(wrong)
            }),
        }
    }
}

fn only(wanted: &str, rest: &str) -> Result<(), String> {
    let word = one(rest)?;
    let same = match (values::boolean(word), values::boolean(wanted)) {
        (Ok(word), Ok(wanted)) => word == wanted,
        _ => word.eq_ignore_ascii_case(wanted),
    };
    same.then_some(())
        .ok_or_else(|| format!("{} is refused, only `{wanted}` is accepted", quote(word)))
}

/// The table as the guide shows it, one row for each directive of [`DIRECTIVES`], in Markdown.
#[must_use]
pub fn guide_table() -> String {
    let mut text =
        "| directive | in Heartbeat | here | value and default, or why not |\n|---|---|---|---|\n".to_owned();
    for row in DIRECTIVES {
        let gap = if row.takes.is_empty() { "" } else { " " };
        let state = match row.treatment {
            Treatment::Done => "done".to_owned(),
            Treatment::NoEffect(_) => "accepted, warning".to_owned(),
            Treatment::Only(wanted) => format!("only `{wanted}`"),
            Treatment::Refused => "refused".to_owned(),
        };
        let cell = |text: &str| text.replace('|', "\\|");
        writeln!(
            text,
            "| `{}{gap}{}` | {} | {state} | {} |",
            row.name,
            cell(row.takes),
            row.known_to.shown(),
            cell(row.note)
        )
        .ok();
    }
    text
}
