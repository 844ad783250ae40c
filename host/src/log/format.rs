//! One line of the log as bytes: bounded, escaped, with a time for people.

use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use super::LINE_MAX;

/// One line under construction: bounded, control characters escaped, cut at a whole character.
pub(super) struct Line {
    bytes: [u8; LINE_MAX],
    used: usize,
    cut: bool,
}

/// Stands at the end of a line that was cut, before its newline.
const CUT: &[u8] = b"...";
/// What text may fill: room for `CUT` and the newline stays.
const TEXT_MAX: usize = LINE_MAX - CUT.len() - 1;

impl Line {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; LINE_MAX],
            used: 0,
            cut: false,
        }
    }

    pub(super) fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.used) {
            *place = byte;
            self.used += 1;
        }
    }

    /// Appends text; once it is cut, nothing more goes in.
    pub(super) fn put(&mut self, text: fmt::Arguments<'_>) {
        if self.write_fmt(text).is_err() && !self.cut {
            self.cut = true;
            for byte in CUT {
                self.push(*byte);
            }
        }
    }

    pub(super) fn end(&mut self) {
        self.push(b'\n');
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let mut plain = [0; 4];
            let mut put = |piece: &str| {
                let end = self.used + piece.len();
                if self.cut || end > TEXT_MAX {
                    return Err(fmt::Error);
                }
                piece.bytes().for_each(|byte| self.push(byte));
                Ok(())
            };
            if c.is_control() {
                c.escape_default().try_for_each(|e| put(e.encode_utf8(&mut plain)))?;
            } else {
                put(c.encode_utf8(&mut plain))?;
            }
        }
        Ok(())
    }
}

/// A moment of the wall clock, UTC, as `2026-11-23T16:20:01.123Z`. For people only, never for a decision.
#[derive(Clone, Copy, Debug)]
pub struct Stamp(pub SystemTime);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, millis) = (since.as_secs(), since.subsec_millis());
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date_of(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

/// The date `days` after 1970-01-01, by years that begin on the first of March: so the leap day is the last.
const fn date_of(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01; 146,097 are 400 years
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // months from March have 31, 30, 31, 30, 31 days over and over: 153 in five
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn line(text: fmt::Arguments<'_>) -> String {
        let mut line = Line::new();
        line.put(text);
        line.end();
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    #[test]
    fn lines_are_escaped_and_cut_at_characters() {
        assert_eq!(line(format_args!("a\nb\x1b[1m\tü")), "a\\nb\\u{1b}[1m\\tü\n");
        let long = line(format_args!("{}", "ü".repeat(LINE_MAX)));
        assert!(long.len() <= LINE_MAX);
        assert!(long.ends_with("ü...\n"));
        let mut twice = Line::new();
        twice.put(format_args!("{}", "x".repeat(2 * LINE_MAX)));
        twice.put(format_args!("more"));
        assert!(twice.bytes().ends_with(b"xxx..."));
    }

    #[test]
    fn stamps_of_known_moments() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.123Z"),
            (951_782_400, "2000-02-29T00:00:00.123Z"),
            (1_154_632_181, "2006-08-03T19:09:41.123Z"),
            (1_795_450_801, "2026-11-23T16:20:01.123Z"),
            (4_107_542_400, "2100-03-01T00:00:00.123Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 123);
            assert_eq!(Stamp(time).to_string(), expected);
        }
    }
}
