//! A problem found in a file, with the place where it stands.
//!
//! Parsers never stop at the first problem: they put each one into [`Problems`] and go on, so that one
//! run of `ovzha check` shows everything. A file counts as refused once one [`Severity::Error`] stands.

use std::fmt;
use std::path::{Path, PathBuf};

/// Most problems kept for one file; a file with more gets one last line that says so.
const PROBLEMS_MAX: usize = 500;
/// Most characters of a file's own text repeated in a message.
const QUOTE_MAX: usize = 60;

/// Whether a problem stops the daemon from starting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted; a person should know this.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One problem and its place. Shown as `file:line: error: text`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file as the reader was told to open it.
    pub file: PathBuf,
    /// The line, counted from 1; `None` when the problem is the file itself (missing, wrong mode).
    pub line: Option<u32>,
    /// One sentence, lower case, without a full stop. Never holds a key or a control character.
    pub text: String,
}

impl Diagnostic {
    /// A problem of the whole file.
    #[must_use]
    pub fn of_file(severity: Severity, file: &Path, text: impl Into<String>) -> Self {
        Self {
            severity,
            file: file.to_path_buf(),
            line: None,
            text: text.into(),
        }
    }

    /// Whether this one refuses the file.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}: {}", self.file.display(), self.severity, self.text),
            None => write!(f, "{}: {}: {}", self.file.display(), self.severity, self.text),
        }
    }
}

/// Collects the problems of one file, at most a few hundred.
#[derive(Debug)]
pub struct Problems {
    file: PathBuf,
    list: Vec<Diagnostic>,
    left_out: usize,
    error_seen: bool,
}

impl Problems {
    /// An empty collection for `file`.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_path_buf(),
            list: Vec::new(),
            left_out: 0,
            error_seen: false,
        }
    }

    /// Adds an error at `line`.
    pub fn error(&mut self, line: u32, text: impl Into<String>) {
        self.error_seen = true;
        self.add(Severity::Error, line, text.into());
    }

    /// Adds a warning at `line`.
    pub fn warning(&mut self, line: u32, text: impl Into<String>) {
        self.add(Severity::Warning, line, text.into());
    }

    /// Whether any error was added, those left out included.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.error_seen
    }

    /// Whether the next problem would only be counted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.list.len() >= PROBLEMS_MAX
    }

    /// Everything found, in the order it was found.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Diagnostic> {
        if self.left_out > 0 {
            let severity = if self.error_seen {
                Severity::Error
            } else {
                Severity::Warning
            };
            self.list.push(Diagnostic {
                severity,
                file: self.file,
                line: self.list.last().and_then(|last| last.line),
                text: format!("{} more problems of this file are not shown", self.left_out),
            });
        }
        self.list
    }

    fn add(&mut self, severity: Severity, line: u32, text: String) {
        if self.is_full() {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.list.push(Diagnostic {
            severity,
            file: self.file.clone(),
            line: Some(line),
            text,
        });
    }
}

/// Text that quotes a stranger, on one line: control characters are shown, not sent to a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A piece of a file's text as a message may show it: in backticks, cut short, control characters escaped.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut shown = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == QUOTE_MAX {
            shown.push_str("...");
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.push('`');
    shown
}
