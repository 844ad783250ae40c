//! `ovzha board`: what an admin says to a witness board, and what it answers, for people.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use ovzha_board_logic::provision::Hand;
use ovzha_board_logic::relay::Hold;
use ovzha_board_logic::service::{self, Cause, Known, LineStatus, Order, Proof, Refusal, Reply, Request, Status};
use ovzha_board_logic::trial::{Seen, Trial};
use ovzha_core::auth::Keyring;
use ovzha_core::time::Span;
use ovzha_host::board::port::Port;
use ovzha_host::board::record::{self, Wanted};
use ovzha_host::config::{Files, read_files};
use ovzha_host::core_config::{board_keyring, witness_keyring};
use ovzha_host::sys;

use crate::span;
use crate::{exit, out};

/// A cut of two minutes, and what is looked at behind it.
const TRIAL: Duration = Duration::from_secs(130);
const LOOK: Duration = Duration::from_millis(500);

/// What to do with a board.
#[derive(Subcommand)]
pub enum What {
    /// Give a board the keys, the names and the times of this node's cluster
    ///
    /// A board that has a record takes another one only from who has the key of the present one; hold its button while its
    /// power comes to wipe it.
    Provision(Record),
    /// Show how a board is
    Status {
        /// The serial port of this node's cable to the board
        #[arg(long, value_name = "DEV")]
        port: String,
        /// Where authkeys is: its key is compared with the board's
        #[arg(long, value_name = "DIR", default_value = "/etc/ha.d")]
        config_dir: PathBuf,
    },
    /// Take a node's power away for a moment, and tell what its sense input said meanwhile
    ///
    /// Refused while the node is heard: stop its daemon first. Exit code 0 only if the input said on, off, on.
    TestRelay {
        #[command(flatten)]
        at: At,
        /// Whose relay
        node: String,
    },
    /// Give a node its power back that a latched cut took
    Restore {
        #[command(flatten)]
        at: At,
        /// Whose power
        node: String,
    },
}

/// Which board, and with whose keys.
#[derive(Args)]
pub struct At {
    /// The serial port of this node's cable to the board
    #[arg(long, value_name = "DEV")]
    port: String,
    /// Where ha.cf and authkeys are
    #[arg(long, value_name = "DIR", default_value = "/etc/ha.d")]
    config_dir: PathBuf,
}

/// What `provision` is told.
#[derive(Args)]
pub struct Record {
    #[command(flatten)]
    at: At,
    /// none: it only votes; beside: it cuts, beside watchdogs in the nodes; in-place: it cuts, in place of them
    #[arg(long, value_name = "HOW", value_parser = ["none", "beside", "in-place"], default_value = "none")]
    relay: String,
    /// How long a cut lasts
    #[arg(long, value_name = "TIME", value_parser = span::seconds, default_value = "5s")]
    off_for: u32,
    /// A cut lasts until `ovzha board restore`
    #[arg(long)]
    latch: bool,
    /// The sense inputs are not wired
    #[arg(long)]
    no_sense: bool,
    /// The longest time the board lends for, and to nobody for so long after its start
    #[arg(long, value_name = "TIME", value_parser = span::seconds, default_value = "60s")]
    lends_for: u32,
}

/// Runs it. Gives the exit code.
pub fn run(what: &What) -> u8 {
    let done = match what {
        What::Provision(record) => provision(record),
        What::Status { port, config_dir } => status(port, config_dir),
        What::TestRelay { at, node } => test_relay(at, node),
        What::Restore { at, node } => restore(at, node),
    };
    match done {
        Ok(()) => exit::DONE,
        Err(why) => {
            out::complain(&why);
            exit::FAILED
        }
    }
}

/// An open cable, and how the board at its end is.
struct Asked {
    port: Port,
    name: String,
    status: Status,
}

impl Asked {
    fn open(device: &str) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", out::clean(device));
        let mut port = Port::open(device).map_err(|error| told(&error))?;
        let status = port.status().map_err(|error| told(&error))?;
        let name = out::clean(device);
        Ok(Self { port, name, status })
    }

    fn ask(&mut self, request: &Request) -> Result<(), String> {
        match self.port.ask(request) {
            Ok(Reply::Done) => Ok(()),
            Ok(Reply::Refused(refusal)) => Err(format!("the board refused: {}", refused(refusal))),
            Ok(Reply::Status(_)) => Err(format!("{}: what answered is no board of this release", self.name)),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    fn look(&mut self) -> Result<(), String> {
        self.status = self.port.status().map_err(|error| format!("{}: {error}", self.name))?;
        Ok(())
    }

    fn proof(&self, ring: &Keyring, order: Order<'_>) -> Result<Proof, String> {
        let number = self.status.number.saturating_add(1);
        service::prove(ring, order, self.status.life, number).ok_or_else(|| "the order can't be signed".to_owned())
    }

    /// A node's place, by its name.
    fn node(&self, name: &str) -> Result<u8, String> {
        let known = self
            .status
            .known
            .as_ref()
            .ok_or("the board has no record: provision it first")?;
        let wanted = record::short(&name.to_lowercase());
        let place = known.nodes.iter().position(|node| *node == wanted);
        let place = place.and_then(|place| u8::try_from(place).ok());
        place.ok_or_else(|| format!("the board knows {} and {}", known.nodes[0], known.nodes[1]))
    }
}

fn files(dir: &Path) -> Result<Files, String> {
    let read = read_files(dir);
    let errors = read.diagnostics.iter().filter(|it| it.is_error());
    errors.for_each(|problem| out::complain(&problem.to_string()));
    read.files
        .ok_or_else(|| format!("the files in {} have errors", dir.display()))
}

fn provision(told: &Record) -> Result<(), String> {
    let files = files(&told.at.config_dir)?;
    let wanted = Wanted {
        hand: match told.relay.as_str() {
            "beside" => Hand::Beside,
            "in-place" => Hand::InPlace,
            _ => Hand::None,
        },
        hold: if told.latch { Hold::Latch } else { Hold::Pulse },
        off_for: Span::from_secs(u64::from(told.off_for)),
        sensed: !told.no_sense && told.relay != "none",
        lends_for: Span::from_secs(u64::from(told.lends_for)),
    };
    let lives = sys::random_bytes::<4>().map_err(|error| format!("/dev/urandom: {error}"))?;
    let record = record::make(&files, wanted, u32::from_be_bytes(lives))?;
    let mut board = Asked::open(&told.at.port)?;
    if board.status.starts.is_none() {
        return Err("the board's flash does not count its starts: it is worn out, take another board".to_owned());
    }
    let proof = match &board.status.known {
        None => None,
        Some(_) => Some(board.proof(&board_keyring(&files.keys)?, Order::Provision(&record))?),
    };
    let before = board.status.starts;
    board.ask(&Request::Provision(record, proof))?;
    sleep(LOOK.saturating_mul(3));
    board.look()?;
    if board.status.known.is_none() || board.status.starts == before {
        return Err("the board took the record and did not start anew with it".to_owned());
    }
    out::line(&format!(
        "provisioned; it lends to nobody for the first {} s",
        told.lends_for
    ));
    Ok(())
}

fn status(port: &str, config_dir: &Path) -> Result<(), String> {
    let board = Asked::open(port)?;
    out::text(&show(&board.status));
    if let Some(known) = &board.status.known {
        // whoever only wants to look need not be root
        let ours = read_files(config_dir)
            .files
            .and_then(|files| witness_keyring(&files.keys).ok());
        if ours.is_some_and(|ring| service::fingerprint(&ring) != known.fingerprint) {
            out::line("its key is not that of this node's authkeys: provision it anew");
        }
    }
    Ok(())
}

fn test_relay(at: &At, node: &str) -> Result<(), String> {
    let ring = board_keyring(&files(&at.config_dir)?.keys)?;
    let mut board = Asked::open(&at.port)?;
    let place = board.node(node)?;
    let proof = board.proof(&ring, Order::Try(place))?;
    board.ask(&Request::Try(place, proof))?;
    out::line(&format!("{}: its power is taken away", out::clean(node)));
    let end = Instant::now() + TRIAL;
    while Instant::now() < end {
        sleep(LOOK);
        board.look()?;
        if let Some(trial) = board.status.trial.filter(|trial| trial.done) {
            return judged(trial);
        }
    }
    Err("the board does not say how it went".to_owned())
}

fn judged(trial: Trial) -> Result<(), String> {
    let said = format!(
        "its sense input said {} before, {} during the cut, {} after it",
        seen(trial.before),
        seen(trial.during),
        seen(trial.after)
    );
    match (trial.before, trial.during, trial.after) {
        (Seen::On, Seen::Off, Seen::On) => {
            out::line(&said);
            Ok(())
        }
        (Seen::On | Seen::Off | Seen::Unknown, _, _) => Err(said),
    }
}

fn restore(at: &At, node: &str) -> Result<(), String> {
    let ring = board_keyring(&files(&at.config_dir)?.keys)?;
    let mut board = Asked::open(&at.port)?;
    let place = board.node(node)?;
    let proof = board.proof(&ring, Order::Restore(place))?;
    board.ask(&Request::Restore(place, proof))?;
    out::line(&format!("{}: its relay is at rest", out::clean(node)));
    Ok(())
}

fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::Unproved => "its record is of another key, or another program gave it an order just now".to_owned(),
        Refusal::Unfit(unfit) => record::why(unfit).to_owned(),
        Refusal::Flash => "it could not write its flash; the record before still counts".to_owned(),
        Refusal::NotProvisioned => "it has no record: provision it first".to_owned(),
        Refusal::NoRelay => "its record says that there are no relays".to_owned(),
        Refusal::Heard => "the node is heard: stop its daemon, and wait some seconds".to_owned(),
        Refusal::Busy => "a relay is energised, or another trial runs".to_owned(),
        Refusal::NoNode => "it knows no such node".to_owned(),
    }
}

fn seen(seen: Seen) -> &'static str {
    match seen {
        Seen::Unknown => "nothing",
        Seen::On => "power",
        Seen::Off => "no power",
    }
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Power => "power came, or dipped",
        Cause::Pin => "its reset pin",
        Cause::Debugger => "a debugger",
        Cause::Watchdog => "its own watchdog: its loop stood still",
        Cause::Panic => "a fault in its program",
        Cause::Provisioned => "a new record",
    }
}

/// A status for people.
fn show(status: &Status) -> String {
    let mut text = String::new();
    let starts = status
        .starts
        .map_or("none counted".to_owned(), |starts| starts.to_string());
    writeln!(
        text,
        "board up {}; its last start: {}; starts: {starts}; longest pass {} us",
        span::human(u64::from(status.up_ms)),
        cause(status.cause),
        status.pass_us
    )
    .ok();
    match &status.known {
        None => text.push_str("not provisioned: it only forwards\n"),
        Some(known) => text.push_str(&duty(known)),
    }
    for (place, line) in status.lines.iter().enumerate() {
        let name = status.known.as_ref().and_then(|known| known.nodes.get(place));
        let name = name.map_or_else(|| format!("line {place}"), |name| out::clean(name));
        text.push_str(&line_text(&name, line, usize::from(status.asked) == place));
    }
    for vote in &status.votes {
        let [a, b, c] = vote.group;
        let node = status
            .known
            .as_ref()
            .and_then(|known| known.nodes.get(usize::from(vote.node)));
        let node = node.map_or("?", |name| name.as_str());
        writeln!(
            text,
            "vote of group {a:02x}{b:02x}{c:02x}: lent to {} for {}",
            out::clean(node),
            span::human(u64::from(vote.for_ms))
        )
        .ok();
    }
    if status.refused > 0 {
        writeln!(text, "{} cuts refused: the other node had no power", status.refused).ok();
    }
    text
}

fn duty(known: &Known) -> String {
    let relay = match known.hand {
        Hand::None => "it has no relays".to_owned(),
        Hand::Beside => format!("it cuts beside watchdogs, {}", cut_text(known)),
        Hand::InPlace => format!("it cuts in place of watchdogs, {}", cut_text(known)),
    };
    let mut text = format!(
        "key {}; lends for {} at most; {relay}\n",
        known.key,
        span::human(u64::from(known.longest_ms))
    );
    if known.opens_ms > 0 {
        let left = span::human(u64::from(known.opens_ms));
        writeln!(text, "lends to nobody for another {left}: it was started lately").ok();
    }
    text
}

fn cut_text(known: &Known) -> String {
    let sense = if known.sensed { "" } else { ", and sees nothing of it" };
    match known.hold {
        Hold::Pulse => format!("for {}{sense}", span::human(u64::from(known.off_ms))),
        Hold::Latch => format!("until a person restores it{sense}"),
    }
}

fn line_text(name: &str, line: &LineStatus, asked: bool) -> String {
    let heard = line.heard_ms.map_or("not heard".to_owned(), |ms| {
        format!("heard {} ago", span::human(u64::from(ms)))
    });
    let power = line
        .power
        .map_or(String::new(), |power| format!(", sense: {}", seen(power)));
    let here = if asked { " (this cable)" } else { "" };
    let mut text = format!(
        "{name}{here}: {heard}{power}; {} frames in, {} damaged; out: {} forwarded, {} of its own, {} dropped\n",
        line.frames, line.noise, line.forwarded, line.words, line.dropped
    );
    if line.cut {
        writeln!(text, "{name}: its power is taken away").ok();
    }
    if line.lies {
        writeln!(
            text,
            "{name}: its sense wire is torn: it is heard, and the input says no power"
        )
        .ok();
    }
    if line.crossed {
        writeln!(text, "{name}: the other node is heard on this line: swap the cables").ok();
    }
    text
}
