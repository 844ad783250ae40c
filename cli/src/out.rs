//! Writes what people read: to standard output and standard error, whole lines, nothing that steers a terminal.
//!
//! A reader that went away (`ovzha status | head -1`) is no failure: the rest of the output is dropped, the exit code
//! stays what it is.

use std::io::{self, IsTerminal, Write};

/// Writes finished text to standard output.
pub fn text(text: &str) {
    let mut stdout = io::stdout().lock();
    drop(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
}

/// Writes one line to standard output.
pub fn line(line: &str) {
    text(&format!("{line}\n"));
}

/// Writes one line to standard error, with our name before it.
pub fn complain(line: &str) {
    drop(writeln!(io::stderr().lock(), "ovzha: {line}"));
}

/// Whether standard output may be coloured: a terminal, and nobody said `NO_COLOR`.
pub fn coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `text` with everything escaped that could steer a terminal or reorder a line.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || reorders(c) {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Characters that are not seen themselves and change how others are shown.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(clean("vz: \x1b[2Jgone\r\n"), "vz: \\u{1b}[2Jgone\\r\\n");
        assert_eq!(clean("a\u{9b}31mb\u{202e}c"), "a\\u{9b}31mb\\u{202e}c");
        assert_eq!(clean("Übergabe läuft"), "Übergabe läuft");
    }
}
