//! Sends one mail, in a child that may block: by sendmail where there is one, else by SMTP to the smarthost.
//!
//! `ovzha agent deliver NODE FROM SMARTHOST TO RUN_DIR` reads the subject and the text from standard input; `-` stands
//! for what is not set. With a run directory the answer of `ovzha status` is added to the text. Everything is bounded:
//! sendmail by one minute, SMTP by three tries of at most a minute each, and memory, because the library believes a
//! server that a line has an end. A server's final refusal (5xx) is not tried again.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lettre::address::{Address, Envelope};
use lettre::transport::smtp::extension::ClientId;
use lettre::{SmtpTransport, Transport};

use super::{Mail, Smarthost, date, unix_time};
use crate::agent::Answer;
use crate::program::{self, Deadline};
use crate::sys;

/// The agent's word for it.
pub const DELIVER: &str = "deliver";
/// The longest time all of it may take, with room to say why.
pub const LIMIT: Duration = Duration::from_mins(5);
/// How long sendmail may take.
const SENDMAIL_LIMIT: Duration = Duration::from_mins(1);
/// How long `ovzha status` may take.
const STATUS_LIMIT: Duration = Duration::from_secs(10);
/// Where sendmail may be; the first that exists is used.
const SENDMAILS: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];
/// The longest text that is read.
const INPUT_MAX: u64 = 64 * 1024;
/// Address space of the sending child.
const MEMORY_MAX: u64 = 256 << 20;

/// How mails leave this machine.
#[derive(Clone, Debug)]
pub struct Post {
    /// Where sendmail may be; the first that exists is used.
    pub sendmails: Vec<PathBuf>,
    /// Who takes mails where there is none.
    pub smarthost: Option<Smarthost>,
    /// This node's name.
    pub node: String,
    /// The sender's address, if one is set.
    pub from: Option<String>,
    /// The pauses before the second try and so on: their number is that of further tries.
    pub pauses: Vec<Duration>,
    /// How long one try may take.
    pub patience: Duration,
}

impl Post {
    fn new(node: &str, from: Option<&str>, smarthost: Option<Smarthost>) -> Self {
        Self {
            sendmails: SENDMAILS.map(PathBuf::from).to_vec(),
            smarthost,
            node: node.to_owned(),
            from: from.map(str::to_owned),
            pauses: vec![Duration::from_secs(5), Duration::from_secs(30)],
            patience: Duration::from_mins(1),
        }
    }

    /// Sends it.
    #[must_use]
    pub fn send(&self, mail: &Mail) -> Answer {
        let message = self.message(mail);
        match (self.sendmail(), &self.smarthost) {
            (Some(sendmail), _) => by_sendmail(sendmail, &message),
            (None, Some(smarthost)) => self.by_smtp(smarthost, mail, &message),
            (None, None) => {
                let names: Vec<String> = self.sendmails.iter().map(|path| path.display().to_string()).collect();
                Answer::failed(format!(
                    "there is no {}, and no smarthost in ovzha.cf",
                    names.join(" or ")
                ))
            }
        }
    }

    fn sendmail(&self) -> Option<&Path> {
        let found = self.sendmails.iter().find(|path| program::is_executable(path));
        found.map(PathBuf::as_path)
    }

    /// Header, blank line, text.
    fn message(&self, mail: &Mail) -> String {
        let (unix, node) = (unix_time(), domain(&self.node));
        let from = match &self.from {
            Some(from) => self.full(from),
            None => format!("root@{node}"),
        };
        let id = format!("{unix}.{}@{node}", std::process::id());
        let to = mail.to.replace(',', ", ");
        format!(
            "To: {to}\nFrom: {from}\nSubject: {}\nDate: {}\nMessage-ID: <{id}>\nAuto-Submitted: auto-generated\n\n{}",
            mail.subject,
            date(unix),
            mail.body
        )
    }

    /// An address that another machine understands: a local name is one of this node.
    fn full(&self, address: &str) -> String {
        if address.contains('@') {
            address.to_owned()
        } else {
            format!("{address}@{}", domain(&self.node))
        }
    }

    fn by_smtp(&self, smarthost: &Smarthost, mail: &Mail, message: &str) -> Answer {
        let envelope = match self.envelope(mail) {
            Ok(envelope) => envelope,
            Err(why) => return Answer::failed(why),
        };
        let message = message.replace('\n', "\r\n").into_bytes();
        let name = smarthost.render();
        let mut pauses = self.pauses.iter();
        let mut tries = 0_u32;
        loop {
            tries = tries.saturating_add(1);
            let (again, why) = match self.attempt(smarthost, &envelope, &message) {
                Ok(()) => return Answer::done(format!("sent through {name}")),
                Err(failure) => failure,
            };
            match pauses.next().filter(|_| again) {
                Some(pause) => thread::sleep(*pause),
                None => return Answer::failed(format!("smarthost {name}: {why} (tries: {tries})")),
            }
        }
    }

    fn envelope(&self, mail: &Mail) -> Result<Envelope, String> {
        let address = |text: &str| {
            let parsed: Result<Address, _> = self.full(text).parse();
            parsed.map_err(|error| format!("{text:?}: {error}"))
        };
        let from = address(self.from.as_deref().unwrap_or("root"))?;
        let to: Result<Vec<Address>, String> = mail.to.split(',').map(address).collect();
        Envelope::new(Some(from), to?).map_err(|error| error.to_string())
    }

    /// One try, ended after `patience` even if the server goes on saying a little: whether another makes sense, and why
    /// this one failed.
    fn attempt(&self, smarthost: &Smarthost, envelope: &Envelope, message: &[u8]) -> Result<(), (bool, String)> {
        let transport = SmtpTransport::builder_dangerous(smarthost.host.as_str())
            .port(smarthost.port)
            .timeout(Some(self.patience / 2))
            .hello_name(ClientId::Domain(domain(&self.node)))
            .build();
        let (tell, told) = mpsc::channel();
        let (envelope, message) = (envelope.clone(), message.to_vec());
        thread::spawn(move || {
            let sent = transport.send_raw(&envelope, &message).map(drop);
            // nobody listens any more when it came too late
            drop(tell.send(sent.map_err(|error| (!error.is_permanent(), in_full(&error)))));
        });
        let late = |_| Err((true, format!("not done in {} s", self.patience.as_secs())));
        told.recv_timeout(self.patience).unwrap_or_else(late)
    }
}

/// An error with what it was caused by.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// A node's name as the domain of an address.
fn domain(node: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || ".-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = node.chars().map(plain).collect();
    match name.parse::<IpAddr>() {
        Err(_) if !name.is_empty() => name,
        _ => "localhost".to_owned(),
    }
}

fn by_sendmail(sendmail: &Path, message: &str) -> Answer {
    let file = message_file(message);
    let finished = file.and_then(|file| {
        program::run_with_input(sendmail, &["-t", "-oi"], Some(file), Deadline::after(SENDMAIL_LIMIT))
    });
    match finished {
        Ok(finished) if finished.succeeded() => Answer::done(format!("handed to {}", sendmail.display())),
        Ok(finished) => Answer::failed(format!("{}: {}", sendmail.display(), finished.reason())),
        Err(error) => Answer::failed(format!("{} can't be run: {error}", sendmail.display())),
    }
}

fn message_file(message: &str) -> std::io::Result<File> {
    let mut file = program::unlinked_file()?;
    file.write_all(message.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// The words that begin the child.
#[must_use]
pub fn words(
    node: &str,
    from: Option<&str>,
    smarthost: Option<&Smarthost>,
    to: &str,
    run_dir: Option<&Path>,
) -> Vec<String> {
    let or_dash = |word: Option<String>| word.unwrap_or_else(|| "-".to_owned());
    vec![
        "ovzha".to_owned(),
        "agent".to_owned(),
        DELIVER.to_owned(),
        node.to_owned(),
        or_dash(from.map(str::to_owned)),
        or_dash(smarthost.map(Smarthost::render)),
        to.to_owned(),
        or_dash(run_dir.map(|dir| dir.display().to_string())),
    ]
}

/// Runs `ovzha agent deliver` with these words.
///
/// # Errors
/// One sentence, when the words or the text can't be used.
pub fn run(words: &[&str]) -> Result<Answer, String> {
    let [node, from, smarthost, to, run_dir] = words else {
        return Err(format!("usage: ovzha agent {DELIVER} NODE FROM SMARTHOST TO RUN_DIR"));
    };
    let set = |word: &&str| *word != "-";
    let smarthost = Some(*smarthost).filter(set).map(Smarthost::parse).transpose()?;
    let post = Post::new(node, Some(*from).filter(set), smarthost);
    let mut input = String::new();
    std::io::stdin()
        .take(INPUT_MAX)
        .read_to_string(&mut input)
        .map_err(|error| format!("can't read the mail: {error}"))?;
    let (subject, text) = input.split_once('\n').unwrap_or((&input, ""));
    let mut text = text.to_owned();
    if let Some(dir) = Some(*run_dir).filter(set) {
        text.push_str(&status(dir));
    }
    let mail = Mail::new(to, subject, &text)?;
    if post.sendmail().is_none() {
        sys::limit_memory(MEMORY_MAX).map_err(|error| format!("memory can't be bounded: {error}"))?;
    }
    Ok(post.send(&mail))
}

/// What `ovzha status` says now, or why it says nothing.
fn status(run_dir: &str) -> String {
    let program = Path::new("/proc/self/exe");
    let said = program::run(
        program,
        &["status", "--run-dir", run_dir],
        Deadline::after(STATUS_LIMIT),
    );
    match said {
        Ok(finished) if finished.succeeded() => format!("\nWhat `ovzha status` says now:\n\n{}", finished.stdout),
        Ok(finished) => format!("\n`ovzha status`: {}\n", finished.reason()),
        Err(error) => format!("\n`ovzha status`: {error}\n"),
    }
}
