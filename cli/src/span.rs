//! Writes and reads spans of time the way people say them: `1.2 s`, `3 d 2 h`, `30m`.

/// A span in its two largest units.
pub fn human(ms: u64) -> String {
    let (s, min, h, d) = (ms / 1000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    match (d, h, min, s) {
        (0, 0, 0, 0..10) => format!("{s}.{} s", ms % 1000 / 100),
        (0, 0, 0, _) => format!("{s} s"),
        (0, 0, _, _) => two(min, "min", s % 60, "s"),
        (0, _, _, _) => two(h, "h", min % 60, "min"),
        _ => two(d, "d", h % 24, "h"),
    }
}

fn two(large: u64, unit: &str, small: u64, smaller: &str) -> String {
    if small == 0 {
        format!("{large} {unit}")
    } else {
        format!("{large} {unit} {small} {smaller}")
    }
}

/// Reads `90s`, `30m`, `2h` or `1d` as seconds.
///
/// # Errors
/// One sentence for the command line.
pub fn seconds(word: &str) -> Result<u32, String> {
    let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match word.get(digits.len()..) {
        Some("s") => 1,
        Some("m" | "min") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        _ => return Err("write a number with its unit: 90s, 30m, 2h or 1d".to_owned()),
    };
    let seconds = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
    match seconds {
        Some(0) => Err("it must be longer than nothing".to_owned()),
        Some(seconds) => Ok(seconds),
        None => Err("that is no number, or too long a time".to_owned()),
    }
}

/// Reads `500ms`, and what [`seconds`] reads, as milliseconds; `0s` is no time at all.
///
/// # Errors
/// One sentence for the command line.
pub fn milliseconds(word: &str) -> Result<u64, String> {
    let fine = word.strip_suffix("ms").and_then(|digits| digits.parse::<u32>().ok());
    match (fine, word) {
        (Some(ms), _) => Ok(u64::from(ms)),
        (None, "0s") => Ok(0),
        (None, _) => seconds(word).map(|seconds| u64::from(seconds) * 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::{human, milliseconds, seconds};

    #[test]
    fn spans_as_people_say_them() {
        let said: Vec<String> = [
            0,
            1249,
            9999,
            59_999,
            60_000,
            185_000,
            7_200_000,
            11_220_000,
            266_400_000,
        ]
        .into_iter()
        .map(human)
        .collect();
        let expected = [
            "0.0 s",
            "1.2 s",
            "9.9 s",
            "59 s",
            "1 min",
            "3 min 5 s",
            "2 h",
            "3 h 7 min",
            "3 d 2 h",
        ];
        assert_eq!(said, expected);
        assert_eq!(human(u64::MAX), "213503982334 d 14 h");
    }

    #[test]
    fn spans_as_people_write_them() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1800));
        assert_eq!(seconds("2h"), Ok(7200));
        assert_eq!(seconds("1d"), Ok(86_400));
        for wrong in [
            "",
            "30",
            "m",
            "0m",
            "-1s",
            "1.5h",
            "30 m",
            "99999999999s",
            "4294967295d",
            "1h30m",
            "٣m",
        ] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(milliseconds("500ms"), Ok(500));
        assert_eq!(milliseconds("0s"), Ok(0));
        assert_eq!(milliseconds("40s"), Ok(40_000));
        assert!(milliseconds("ms").is_err());
        assert!(milliseconds("-5ms").is_err());
    }
}
