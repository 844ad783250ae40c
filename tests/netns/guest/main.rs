//! Everything that runs inside the test bed but is not ovzha: one program under several names.
//!
//! On a node: process 1 (`boot`, then `init`), and the stand-ins `drbdadm`, `sendmail` and `vz-writer`. Outside: the
//! switch between the nodes (`hall`), the serial cable (`relay`), and what speaks or listens on the wire (`say`,
//! `listen`). Each ends when its standard input does, so nothing outlives the test that started it.
#[path = "../twin.rs"]
#[expect(dead_code, reason = "the test's side of it cuts and heals")]
mod twin;

mod boot;
mod cable;
mod drbdadm;
mod wire;
mod writer;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// Where the nodes and the test share files, as a node sees it.
const SHARED: &str = "/bed";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            drop(writeln!(io::stderr(), "{}: {error}", words.join(" ")));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> io::Result<u8> {
    let [own, rest @ ..] = words else {
        return Err(io::Error::other("no name"));
    };
    let name = Path::new(own)
        .file_name()
        .unwrap_or_default()
        .to_str()
        .unwrap_or_default();
    match (name, rest) {
        ("drbdadm", words) => drbdadm::run(Path::new(SHARED), words),
        ("sendmail", _) => mail(),
        ("vz-writer", []) => writer::run(Path::new("/vz"), Path::new(SHARED)),
        ("vz-writer", [mount, home]) => writer::run(Path::new(mount), Path::new(home)),
        (_, ["boot", dir, node, life, cables]) => boot::boot(Path::new(dir), number(node)?, life, cables),
        (_, ["init", node, life]) => boot::init(Path::new(SHARED), number(node)?, life),
        (_, ["hall"]) => writeln!(io::stdout(), "ready").and_then(|()| until_eof()),
        (_, ["relay"]) => cable::run(),
        (_, ["say", from, to]) => wire::say(from, to),
        (_, ["listen", file]) => wire::listen(Path::new(file)),
        (_, words) => Err(io::Error::other(format!("no such words: {words:?}"))),
    }
}

fn number(word: &str) -> io::Result<u8> {
    word.parse().map_err(io::Error::other)
}

/// This machine's node number, from its name.
fn node() -> io::Result<u8> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    number(name.trim().trim_start_matches("ovz-node"))
}

/// Waits for the test to end.
fn until_eof() -> io::Result<u8> {
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(0)
}

/// `sendmail -t -oi`: keeps the message.
fn mail() -> io::Result<u8> {
    let mut message = Vec::new();
    io::stdin().lock().read_to_end(&mut message)?;
    message.extend_from_slice(b"\n.\n");
    let mut box_ = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open("/var/log/mail")?;
    box_.write_all(&message)?;
    Ok(0)
}
