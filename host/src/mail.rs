//! Sends MailTo notices through sendmail, without ever failing or delaying a group.
//!
//! The agent writes the whole message into an unlinked file, starts a sender of its own (`ovzha agent deliver
//! SENDMAIL`, own process group, the message as its stdin) and returns at once. The sender gives sendmail
//! [`DELIVERY_LIMIT`], then kills it. A notice that can't be sent is told and dropped.
use crate::agent::{Answer, Exit, Op};
use crate::program::{self, Deadline};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The agent's word for sending what stands on stdin.
pub const DELIVER: &str = "deliver";
/// How long sendmail may take.
pub const DELIVERY_LIMIT: Duration = Duration::from_mins(1);
/// The most addresses one resource may name, and the longest subject.
const ADDRESSES_MAX: usize = 16;
const SUBJECT_MAX: usize = 200;

/// How notices leave this machine.
#[derive(Clone, Debug)]
pub struct Post {
    /// Where sendmail may be; the first that exists is used.
    pub sendmails: Vec<PathBuf>,
    /// The program that becomes the sender.
    pub sender: PathBuf,
    /// This node's name.
    pub node: String,
}

/// Runs one operation of `MailTo ADDRESS[,ADDRESS...] [SUBJECT]`.
#[must_use]
pub fn operate(op: Op, args: &[&str]) -> Answer {
    let node = std::env::var("HA_CURHOST").ok().filter(|name| !name.is_empty());
    let kernel = || {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let post = Post {
        sendmails: ["/usr/sbin/sendmail", "/usr/lib/sendmail"].map(PathBuf::from).to_vec(),
        sender: PathBuf::from("/proc/self/exe"),
        node: node.unwrap_or_else(kernel),
    };
    post.operate(op, args)
}

impl Post {
    /// Runs one operation. Start and stop are always done: a mail is no reason to fail a group.
    #[must_use]
    pub fn operate(&self, op: Op, args: &[&str]) -> Answer {
        let what = match op {
            Op::Probe | Op::Observe => return Answer::new(Exit::Stateless, "a mail has no state"),
            Op::Start => "Takeover in progress",
            Op::Stop => "Migrating resource away",
        };
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |span| span.as_secs());
        match self.notice(args, what, unix).and_then(|message| self.send(&message)) {
            Ok(()) => Answer::done(format!("notice handed to sendmail: {what}")),
            Err(reason) => Answer::done(format!("no notice sent: {reason}")),
        }
    }

    /// The message: header, blank line, one line of text.
    ///
    /// # Errors
    /// When an address can't stand in a header.
    pub fn notice(&self, args: &[&str], what: &str, unix: u64) -> Result<String, String> {
        let [addresses, subject @ ..] = args else {
            return Err("MailTo wants an address".to_owned());
        };
        let addresses = recipients(addresses)?;
        let text = format!("{what} at {} on {}", utc(unix), header_text(&self.node));
        let subject = match subject {
            [] => "Resource Group".to_owned(),
            words => header_text(&words.join(" ")),
        };
        Ok(format!(
            "To: {addresses}\nSubject: {subject} {text}\nAuto-Submitted: auto-generated\n\n{subject}: {text}\n"
        ))
    }

    /// Starts the sender and leaves it.
    fn send(&self, message: &str) -> Result<(), String> {
        let sendmail = self.sendmails.iter().find(|path| program::is_executable(path));
        let sendmail = sendmail.ok_or_else(|| format!("there is no {}", self.sendmails_named()))?;
        let file = message_file(message).map_err(|error| format!("no place for the message: {error}"))?;
        let mut command = Command::new(&self.sender);
        command.args(["agent", DELIVER]).arg(sendmail).stdin(Stdio::from(file));
        // Its own group: the daemon ends the agent's group when the agent is late.
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0);
        command
            .spawn()
            .map(drop)
            .map_err(|error| format!("the sender can't be started: {error}"))
    }

    fn sendmails_named(&self) -> String {
        let names: Vec<String> = self.sendmails.iter().map(|path| path.display().to_string()).collect();
        names.join(" or ")
    }
}

/// Sends the message that stands on stdin.
#[must_use]
pub fn deliver_stdin(sendmail: &Path) -> Answer {
    match std::io::stdin().as_fd().try_clone_to_owned() {
        Ok(input) => deliver(sendmail, File::from(input), Deadline::after(DELIVERY_LIMIT)),
        Err(error) => Answer::failed(format!("can't read the message: {error}")),
    }
}

/// Runs sendmail on `message` until `deadline`.
#[must_use]
pub fn deliver(sendmail: &Path, message: File, deadline: Deadline) -> Answer {
    match program::run_with_input(sendmail, &["-t", "-oi"], Some(message), deadline) {
        Ok(finished) if finished.succeeded() => Answer::done("sent"),
        Ok(finished) => Answer::failed(format!("sendmail: {}", finished.reason())),
        Err(error) => Answer::failed(format!("sendmail can't be run: {error}")),
    }
}

fn message_file(message: &str) -> std::io::Result<File> {
    let mut file = program::unlinked_file()?;
    file.write_all(message.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// Addresses, separated by commas or blanks, as one header value.
fn recipients(text: &str) -> Result<String, String> {
    let addresses: Vec<&str> = text.split([',', ' ']).filter(|address| !address.is_empty()).collect();
    if addresses.is_empty() || addresses.len() > ADDRESSES_MAX {
        return Err(format!(
            "MailTo wants 1 to {ADDRESSES_MAX} addresses, not {}",
            addresses.len()
        ));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.!#$%&'*+-/=?^_`{|}~".contains(c);
    match addresses.iter().find(|address| !address.chars().all(plain)) {
        Some(bad) => Err(format!("{bad:?} is no mail address")),
        None => Ok(addresses.join(", ")),
    }
}

/// `text` fit for one header line: no control character can start another header, plain ASCII, bounded.
fn header_text(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().take(SUBJECT_MAX).map(plain).collect()
}

/// Seconds since 1970 as `2006-08-03 21:09:41 UTC`.
fn utc(unix: u64) -> String {
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    // Counted in years that begin in March, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post() -> Post {
        Post {
            sendmails: vec![PathBuf::from("/nonexistent/sendmail")],
            sender: PathBuf::new(),
            node: "a".to_owned(),
        }
    }

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(1_154_639_381), "2006-08-03 21:09:41 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(4_107_542_399), "2100-02-28 23:59:59 UTC");
    }

    #[test]
    fn a_subject_can_not_start_another_header() {
        let notice = post()
            .notice(&["root", "x\nBcc: all@example.org\r\n\r\nbody"], "Takeover", 0)
            .unwrap();
        let header = notice.split("\n\n").next().unwrap();
        assert_eq!(header.lines().count(), 3);
        assert!(!header.lines().any(|line| line.starts_with("Bcc")));
    }

    #[test]
    fn addresses_are_checked() {
        assert_eq!(recipients("a@b.c,root d@e").unwrap(), "a@b.c, root, d@e");
        assert!(recipients("a@b\nBcc:x").unwrap_err().contains("no mail address"));
        assert!(recipients(" ,").is_err());
    }

    #[test]
    fn without_sendmail_the_group_goes_on_and_it_is_told() {
        let answer = post().operate(Op::Start, &["root"]);
        assert_eq!(answer.exit, Exit::Done);
        assert_eq!(answer.reason, "no notice sent: there is no /nonexistent/sendmail");
        assert_eq!(post().operate(Op::Probe, &["root"]).exit, Exit::Stateless);
    }
}
