//! Reads moments as people write them: `2026-11-28T01:30:00Z`, `2026-11-28 01:30`, or how long ago, `30m`.

use crate::span;

/// Milliseconds since 1970, UTC; a span is counted back from `now`.
///
/// # Errors
/// One sentence for the command line.
pub fn parse(word: &str, now: u64) -> Result<u64, String> {
    if let Ok(seconds) = span::seconds(word) {
        return Ok(now.saturating_sub(u64::from(seconds) * 1000));
    }
    date(word).ok_or_else(|| {
        "write a moment in UTC, 2026-11-28T01:30:00Z or 2026-11-28 01:30, or how long ago it was: 90s, 30m, 2h or 1d"
            .to_owned()
    })
}

fn date(word: &str) -> Option<u64> {
    let word = word.strip_suffix('Z').unwrap_or(word);
    let (day, time) = word.split_once(['T', ' ']).unwrap_or((word, "0:00"));
    let mut parts = day.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let mut times = time.split(':');
    let (hour, minute) = (number(times.next()?)?, number(times.next()?)?);
    // thousandths are read as far as they are printed
    let (second, fraction) = times
        .next()
        .unwrap_or("0")
        .split_once('.')
        .unwrap_or((time.split(':').nth(2).unwrap_or("0"), "0"));
    let (second, digits) = (number(second)?, u32::try_from(fraction.len()).ok()?);
    let thousandths = number(fraction)? * 1000 / 10_u64.checked_pow(digits)?;
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !fits || parts.next().is_some() || times.next().is_some() {
        return None;
    }
    let before = (1970..year)
        .map(|year| if is_leap(year) { 366 } else { 365 })
        .sum::<u64>();
    let before = before + (1..month).map(|month| days_of(year, month)).sum::<u64>();
    let minutes = ((before + day - 1) * 24 + hour) * 60 + minute;
    Some((minutes * 60 + second) * 1000 + thousandths)
}

fn number(word: &str) -> Option<u64> {
    let digits = (1..=4).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| word.parse().ok()).flatten()
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::record_file::stamp;

    #[test]
    fn moments_as_people_write_them() {
        for whole in [
            "1970-01-01T00:00:00.000Z",
            "2000-02-29T12:34:56.789Z",
            "2026-11-28T01:30:00.123Z",
            "2100-03-01T23:59:59.999Z",
        ] {
            assert_eq!(stamp(parse(whole, 0).unwrap()), whole);
        }
        assert_eq!(parse("2026-11-28 01:30", 0), parse("2026-11-28T01:30:00Z", 0));
        assert_eq!(parse("2026-11-28", 0), parse("2026-11-28T00:00:00Z", 0));
        assert_eq!(parse("30m", 3_600_000), Ok(1_800_000));
        assert_eq!(parse("1d", 3_600_000), Ok(0));
        for wrong in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "2026-11-28T24:00",
            "2026-11-28T1:2:3:4",
            "2026-11-28-1",
            "1969-01-01",
            "2026-11-28T01:30:00.",
            "99999-01-01",
        ] {
            assert!(parse(wrong, 0).is_err(), "{wrong}");
        }
    }
}
