//! Splits the bytes of a configuration file into numbered lines.
//!
//! Nothing here fails: bytes that are no text come back as `Err` of the one line they stand in, so that a
//! reader can report that line and go on with the next.

/// Longest line Heartbeat 3.0.6 reads, in bytes; a longer one would be split there, so it is refused here.
pub const LINE_MAX: usize = 5119;

/// One line of a file without its line end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: u32,
    /// The bytes between two line ends; carriage returns at the end are dropped.
    pub bytes: &'a [u8],
}

/// The lines of `bytes`. A last line without a line end counts; the nothing after a final line end does not.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    (1_u32..).zip(body.split(|&b| b == b'\n')).map(|(number, raw)| Line {
        number,
        bytes: without_trailing_cr(raw),
    })
}

/// The number of the last line, at least 1: the place of a problem that is the lack of a line.
#[must_use]
pub fn last_line(bytes: &[u8]) -> u32 {
    lines(bytes).last().map_or(1, |line| line.number)
}

/// Whether a file is text at all; if not, a message for each of its lines would say less than one.
///
/// # Errors
/// The line and a sentence: a byte order mark, UTF-16, NUL bytes.
pub fn is_text(bytes: &[u8]) -> Result<(), (u32, String)> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        let text = "the file begins with a byte order mark (EF BB BF); save it as plain UTF-8";
        return Err((1, text.to_owned()));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err((1, "the file is UTF-16; save it as plain UTF-8".to_owned()));
    }
    match lines(bytes).find(|line| line.bytes.contains(&0)) {
        Some(line) => Err((line.number, "NUL byte: the file is not plain text".to_owned())),
        None => Ok(()),
    }
}

/// What a line says, without its comment. A comment may be in any encoding.
///
/// # Errors
/// As [`as_text`]; the comment counts for the length, because Heartbeat would take what is too long for another line.
pub fn code(line: Line<'_>) -> Result<&str, String> {
    let code = without_comment(line.bytes);
    if line.bytes.len() > LINE_MAX {
        return Err(too_long(line.bytes));
    }
    as_text(code)
}

/// The part before the first `#`.
#[must_use]
pub fn without_comment(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&b| b == b'#').unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or(bytes)
}

/// The bytes as text, or what is wrong with them: too long, not UTF-8, or with a control character in it.
///
/// # Errors
/// A sentence for a message, without the text itself.
pub fn as_text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.len() > LINE_MAX {
        return Err(too_long(bytes));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let byte = bytes.get(e.valid_up_to()).copied().unwrap_or(0);
        format!("byte 0x{byte:02x} is not UTF-8 text")
    })?;
    match text.chars().find(|&c| c.is_control() && c != '\t') {
        Some(c) => Err(format!("control character {} in the line", c.escape_default())),
        None => Ok(text),
    }
}

/// Says that a line is longer than [`LINE_MAX`].
#[must_use]
pub fn too_long(bytes: &[u8]) -> String {
    format!("the line has {} bytes, more than {LINE_MAX}", bytes.len())
}

fn without_trailing_cr(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_suffix(b"\r") {
        bytes = rest;
    }
    bytes
}
