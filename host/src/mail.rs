//! Composes the mails of this node: the notices of MailTo, the alerts.
//!
//! A mail is text in the daemon's memory until a child (`mail::deliver`, through `errand`) sends it, so that neither a
//! group nor the loop ever waits for one. Everything in a mail is plain ASCII without control characters: names and
//! the words of scripts can start no header, and every server takes them.

pub mod deliver;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::agent::{Answer, Exit, Op};

/// The most addresses one mail may have, and the longest subject and line.
const ADDRESSES_MAX: usize = 16;
const SUBJECT_MAX: usize = 200;
const LINE_MAX: usize = 500;
/// Where a mail server is asked on its host when nothing else is said.
const PORT: u16 = 25;

/// The host that takes mails where there is no sendmail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Smarthost {
    /// A name or an address; looked up by the child that sends, never by the daemon.
    pub host: String,
    /// 25 if not said.
    pub port: u16,
}

impl Smarthost {
    /// Reads `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(word: &str) -> Result<Self, String> {
        let bad = || format!("{word:?} is no HOST or HOST:PORT");
        let (host, port) = if let Some(rest) = word.strip_prefix('[') {
            let (host, port) = rest.split_once(']').ok_or_else(bad)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
            match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if port.is_empty() => (host, None),
                None => return Err(bad()),
            }
        } else {
            match word.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (word, None),
            }
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:_".contains(c);
        if host.is_empty() || host.starts_with('-') || !host.chars().all(plain) {
            return Err(bad());
        }
        let port = port.map_or(Ok(PORT), |port| port.parse().map_err(|_| bad()))?;
        if port == 0 {
            return Err(bad());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// As `parse` reads it.
    #[must_use]
    pub fn render(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// One mail, not yet sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    /// The addresses, separated by commas.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The text below the header.
    pub body: String,
}

impl Mail {
    /// A mail of safe text.
    ///
    /// # Errors
    /// When an address can't stand in a header.
    pub fn new(to: &str, subject: &str, body: &str) -> Result<Self, String> {
        let lines = body.lines().map(|line| plain(line, LINE_MAX));
        Ok(Self {
            to: recipients(to)?.join(","),
            subject: plain(subject, SUBJECT_MAX),
            body: lines.flat_map(|line| [line, "\n".to_owned()]).collect(),
        })
    }

    /// What the sending child reads: the subject, then the text.
    #[must_use]
    pub fn input(&self) -> String {
        format!("{}\n{}", self.subject, self.body)
    }
}

/// Runs one operation of `MailTo ADDRESS[,ADDRESS...] [SUBJECT]`: a mail is no reason to fail or delay a group, so this
/// only looks at the addresses; the daemon sends the notice once it sees the step done.
#[must_use]
pub fn operate(op: Op, args: &[&str]) -> Answer {
    let Some(what) = what(op) else {
        return Answer::new(Exit::Stateless, "a mail has no state");
    };
    match notice(args, what, "", 0) {
        Ok(_) => Answer::done(format!("notice queued: {what}")),
        Err(why) => Answer::done(format!("no notice: {why}")),
    }
}

/// What a notice says of an operation; `None` if nothing.
#[must_use]
pub const fn what(op: Op) -> Option<&'static str> {
    match op {
        Op::Probe | Op::Observe | Op::Monitor => None,
        Op::Start => Some("Takeover in progress"),
        Op::Stop => Some("Migrating resource away"),
    }
}

/// The notice of `MailTo` with these arguments.
///
/// # Errors
/// When an address can't stand in a header.
pub fn notice(args: &[&str], what: &str, node: &str, unix: u64) -> Result<Mail, String> {
    let [addresses, subject @ ..] = args else {
        return Err("MailTo wants an address".to_owned());
    };
    let text = format!("{what} at {} on {node}", utc(unix));
    let subject = match subject {
        [] => "Resource Group".to_owned(),
        words => plain(&words.join(" "), SUBJECT_MAX),
    };
    Mail::new(addresses, &format!("{subject} {text}"), &format!("{subject}: {text}\n"))
}

/// Addresses, separated by commas or blanks.
///
/// # Errors
/// None, too many, or one that can't stand in a header.
pub fn recipients(text: &str) -> Result<Vec<&str>, String> {
    let addresses: Vec<&str> = text.split([',', ' ']).filter(|address| !address.is_empty()).collect();
    if addresses.is_empty() || addresses.len() > ADDRESSES_MAX {
        return Err(format!("1 to {ADDRESSES_MAX} addresses, not {}", addresses.len()));
    }
    match addresses.iter().find(|address| !is_address(address)) {
        Some(bad) => Err(format!("{bad:?} is no mail address")),
        None => Ok(addresses),
    }
}

/// Whether this can stand in a header and on a command line as an address; a local name is one.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.!#$%&'*+-/=?^_`{|}~".contains(c);
    !text.is_empty() && text.len() <= 254 && !text.starts_with(['-', '@']) && text.chars().all(plain)
}

/// `text` fit for one line of a mail: no control character can start another header, plain ASCII, bounded.
fn plain(text: &str, max: usize) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().take(max).map(plain).collect()
}

/// Seconds since 1970 by the clock on the wall: for people, never for a decision.
#[must_use]
pub fn unix_time() -> u64 {
    let span = SystemTime::now().duration_since(UNIX_EPOCH);
    span.map_or(0, |span| span.as_secs())
}

/// A day and a time.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    time: String,
}

impl Civil {
    fn new(unix: u64) -> Self {
        let (days, seconds) = (unix / 86_400, unix % 86_400);
        // Counted in years that begin in March, so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            time: format!("{hour:02}:{minute:02}:{second:02}"),
        }
    }
}

/// Seconds since 1970 as `2006-08-03 21:09:41 UTC`.
#[must_use]
pub fn utc(unix: u64) -> String {
    let Civil { year, month, day, time } = Civil::new(unix);
    format!("{year:04}-{month:02}-{day:02} {time} UTC")
}

/// The same as a mail's `Date`: `03 Aug 2006 21:09:41 +0000` (the name of the day may be left out).
#[must_use]
pub fn date(unix: u64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let Civil { year, month, day, time } = Civil::new(unix);
    let place = usize::try_from(month.saturating_sub(1)).unwrap_or_default();
    let month = MONTHS.get(place).copied().unwrap_or("Jan");
    format!("{day:02} {month} {year:04} {time} +0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(1_154_639_381), "2006-08-03 21:09:41 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(4_107_542_399), "2100-02-28 23:59:59 UTC");
        assert_eq!(date(1_154_639_381), "03 Aug 2006 21:09:41 +0000");
        assert_eq!(date(951_782_400), "29 Feb 2000 00:00:00 +0000");
    }

    #[test]
    fn a_subject_can_not_start_another_header() {
        let mail = notice(
            &["root", "x\nBcc: all@example.org\r\n\r\nbody"],
            "Takeover",
            "a\u{e9}",
            0,
        )
        .unwrap();
        assert_eq!(
            mail.subject,
            "x?Bcc: all@example.org????body Takeover at 1970-01-01 00:00:00 UTC on a?"
        );
        assert_eq!(mail.input().lines().next(), Some(mail.subject.as_str()));
        assert_eq!(mail.body.lines().count(), 1);
    }

    #[test]
    fn addresses_are_checked() {
        assert_eq!(recipients("a@b.c,root d@e").unwrap(), ["a@b.c", "root", "d@e"]);
        assert!(recipients("a@b\nBcc:x").unwrap_err().contains("no mail address"));
        assert!(recipients("-oQ/tmp").unwrap_err().contains("no mail address"));
        assert!(recipients(" ,").is_err());
        assert!(recipients(&"a,".repeat(17)).is_err());
    }

    #[test]
    fn a_step_of_mailto_never_fails() {
        assert_eq!(operate(Op::Start, &["root"]).exit, Exit::Done);
        let told = operate(Op::Stop, &["<root>"]);
        assert_eq!(told.exit, Exit::Done);
        assert_eq!(told.reason, "no notice: \"<root>\" is no mail address");
        assert_eq!(operate(Op::Probe, &["root"]).exit, Exit::Stateless);
    }

    #[test]
    fn a_smarthost_is_a_host_and_a_port() {
        let parsed = |word| Smarthost::parse(word).map(|smarthost| smarthost.render());
        assert_eq!(parsed("mail.example.org").unwrap(), "mail.example.org:25");
        assert_eq!(parsed("10.0.0.1:2525").unwrap(), "10.0.0.1:2525");
        assert_eq!(parsed("[::1]").unwrap(), "[::1]:25");
        assert_eq!(parsed("[fe80::1]:26").unwrap(), "[fe80::1]:26");
        for bad in [
            "", ":25", "a:0", "a:x", "a b", "[::1", "[::1]25", "::1", "-a", "a:70000",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
