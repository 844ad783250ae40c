//! The serial cable: two ptys, a thread for each direction, and commands on standard input.
//!
//! `cut N` / `join N`: what node N sends is lost / arrives. `noise N BYTES`: node N hears that many random bytes.
//! `keep N`: what node N sends from now on is recorded; `replay N`: the record of node N is sent again to the other.
//! `count N`: bytes and frames that node N has sent, and when the last ones passed.
use crate::twin;
use serialport::{SerialPort, TTYPort};
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long one node's recorded life may be.
const RECORD_MAX: usize = 256 * 1024;

/// One direction of the cable.
#[derive(Default)]
struct Wire {
    cut: bool,
    keeps: bool,
    record: Vec<u8>,
    bytes: u64,
    frames: u64,
    last: u64,
}

struct End {
    /// Bytes for this node are written here.
    towards: TTYPort,
    /// What this node sends.
    wire: Arc<Mutex<Wire>>,
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the cable until standard input ends; prints the names of both ends first.
pub fn run() -> io::Result<u8> {
    let (one, near_one) = TTYPort::pair()?;
    let (two, near_two) = TTYPort::pair()?;
    let name = |port: &TTYPort| port.name().unwrap_or_default();
    writeln!(io::stdout(), "{} {}", name(&near_one), name(&near_two))?;
    let mut ends = Vec::new();
    for (from, to) in [(&one, &two), (&two, &one)] {
        let wire = Arc::new(Mutex::new(Wire::default()));
        let (mut from, mut to) = (from.try_clone_native()?, to.try_clone_native()?);
        ends.push(End {
            towards: from.try_clone_native()?,
            wire: Arc::clone(&wire),
        });
        thread::spawn(move || drop(carry(&mut from, &mut to, &wire)));
    }
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = command(&mut ends, &line.split_whitespace().collect::<Vec<_>>())?;
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(0)
}

fn carry(from: &mut TTYPort, to: &mut TTYPort, wire: &Mutex<Wire>) -> io::Result<()> {
    from.set_timeout(Duration::from_hours(1))?;
    to.set_timeout(Duration::from_millis(200))?;
    let mut bytes = [0; 4096];
    loop {
        let count = match from.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => continue,
            Err(error) => return Err(error),
        };
        let bytes = &bytes[..count];
        let mut wire = locked(wire);
        if wire.cut {
            continue;
        }
        wire.bytes += u64::try_from(count).unwrap_or(0);
        wire.frames += bytes.iter().filter(|byte| **byte == 0).map(|_| 1).sum::<u64>();
        wire.last = twin::now();
        if wire.keeps && wire.record.len() < RECORD_MAX {
            wire.record.extend_from_slice(bytes);
        }
        drop(wire);
        // nobody reads at the other end, or too slowly: a real line loses them too
        drop(to.write_all(bytes));
    }
}

fn command(ends: &mut [End], words: &[&str]) -> io::Result<String> {
    let (verb, node, rest) = match words {
        [verb, node, rest @ ..] => (*verb, crate::number(node)?, rest),
        _ => return Err(io::Error::other("a command and a node")),
    };
    let (mine, other) = if node == 1 { (0, 1) } else { (1, 0) };
    match (verb, rest) {
        ("cut", []) => locked(&ends[mine].wire).cut = true,
        ("join", []) => locked(&ends[mine].wire).cut = false,
        ("keep", []) => locked(&ends[mine].wire).keeps = true,
        ("noise", [count]) => noise(&mut ends[mine].towards, count.parse().map_err(io::Error::other)?)?,
        ("replay", []) => {
            let record = std::mem::take(&mut locked(&ends[mine].wire).record);
            drip(&mut ends[other].towards, &record)?;
            return Ok(format!("{} bytes", record.len()));
        }
        ("count", []) => {
            let wire = locked(&ends[mine].wire);
            return Ok(format!("{} {} {}", wire.bytes, wire.frames, wire.last));
        }
        _ => return Err(io::Error::other(format!("no such command: {words:?}"))),
    }
    Ok("done".to_owned())
}

/// Random bytes, from the kernel.
fn noise(towards: &mut TTYPort, count: usize) -> io::Result<()> {
    let mut bytes = vec![0; count];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    drip(towards, &bytes)
}

/// Writes as fast as the other end reads, for at most a minute.
fn drip(towards: &mut TTYPort, bytes: &[u8]) -> io::Result<()> {
    towards.set_timeout(Duration::from_mins(1))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = towards.write(&rest[..rest.len().min(1024)])?;
        rest = &rest[count..];
    }
    Ok(())
}
