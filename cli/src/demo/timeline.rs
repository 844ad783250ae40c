//! What happened when: the lines of both daemons' logs and of the resources' journal, in one order.

use std::fs;
use std::path::Path;

/// Milliseconds since 1970.
pub type Moment = i64;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Moment,
    /// Where: a node, or the demo itself.
    pub who: String,
    /// What.
    pub text: String,
}

/// The lines of one daemon's log that tell of nodes and groups; links and single operations are left out.
pub fn of_log(path: &Path) -> Vec<Happening> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(log_line).collect()
}

/// `2026-11-23T17:13:43.555Z ovz-node1 ovzha[3731]: info: TEXT`
fn log_line(line: &str) -> Option<Happening> {
    let mut words = line.splitn(5, ' ');
    let at = moment(words.next()?)?;
    let who = words.next()?.to_owned();
    let text = words.nth(2)?;
    // a group is named by its first resource, which here is long
    let text = match text.strip_prefix("ovzha-demo::") {
        Some(rest) => {
            let phase = rest.split_once(": ")?.1;
            let word = phase.split(' ').next()?;
            if !["claiming", "starting", "active", "stopping", "idle", "failed", "stuck"].contains(&word) {
                return None;
            }
            format!("group {phase}")
        }
        None if [" is late", " is dead", " is alive"]
            .iter()
            .any(|end| text.contains(end)) =>
        {
            text.to_owned()
        }
        None => return None,
    };
    Some(Happening { at, who, text })
}

/// The journal of the demo's resource: `MS NODE start|stop STEP`.
pub fn of_journal(path: &Path) -> Vec<Happening> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let [at, who, word, step] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
            Some(Happening {
                at: at.parse().ok()?,
                who: who.to_owned(),
                text: format!("  {word} {step}: done"),
            })
        })
        .collect()
}

/// `2026-11-23T16:20:01.123Z` as milliseconds since 1970.
fn moment(stamp: &str) -> Option<Moment> {
    let number = |from: usize, to: usize| stamp.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    // years begin in March here, so that the leap day is the last of its year
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read() {
        assert_eq!(moment("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(moment("2000-02-29T12:34:56.789Z"), Some(951_827_696_789));
        assert_eq!(moment("2026-11-23T17:13:43.555Z"), Some(1_795_454_023_555));
        assert_eq!(moment("yesterday"), None);
    }

    #[test]
    fn a_log_line_is_shortened() {
        let told = |text: &str| {
            let line = format!("2026-11-23T17:13:43.555Z a ovzha[1]: info: {text}");
            log_line(&line).map(|happening| happening.text)
        };
        assert_eq!(
            told("ovzha-demo::disk::/tmp/x: claiming (the peer is dead)").as_deref(),
            Some("group claiming (the peer is dead)")
        );
        assert_eq!(
            told("b is late: nothing for 1 s").as_deref(),
            Some("b is late: nothing for 1 s")
        );
        assert_eq!(
            told("ovzha-demo::disk::/tmp/x: start ovzha-demo::disk::/tmp/x: done after 4 ms: x"),
            None
        );
        assert_eq!(told("link ucast lo port 1 late: nothing for 1 s"), None);
        assert_eq!(log_line("torn"), None);
    }
}
