//! Why a link could not be opened, in one line and by what to do about it.

use std::{fmt, io};

/// What to do about a link that could not be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenErrorKind {
    /// The interface, its address or the device is not there yet: try again later, say it once.
    NotYet,
    /// Another process holds it.
    Busy,
    /// A privilege is missing.
    Denied,
    /// Anything else; worth trying again, worth telling.
    Failed,
}

/// Why a link could not be opened. Displays as one line without the link's name.
#[derive(Debug)]
pub struct OpenError {
    /// What to do about it.
    pub kind: OpenErrorKind,
    step: &'static str,
    hint: &'static str,
    source: io::Error,
}

impl OpenError {
    pub(crate) fn new(kind: OpenErrorKind, step: &'static str, hint: &'static str, source: io::Error) -> Self {
        Self {
            kind,
            step,
            hint,
            source,
        }
    }

    /// The kernel's error number, 0 if there was none: tells whether this is the same error as last time.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(0)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.step, self.source, self.hint)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
