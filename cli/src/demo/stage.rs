//! The stage of the demo: a directory, two nodes with their files, two UDP links, a serial line, and patience.

use std::fs::DirBuilder;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ovzha_core::time::Span;
use ovzha_host::demo_step;
use ovzha_host::sys::{self, Interest, PollFd, Signal, Signals};

use super::cable::Cable;
use super::node::{Node, private_dir};

/// The article's names; the first is the preferred node.
pub const NAMES: [&str; 2] = ["ovz-node1", "ovz-node2"];
/// The group's steps in their order.
pub const STEPS: [&str; 3] = [demo_step::DISK, "mount", "service"];
/// As in `ha.cf`, in milliseconds.
pub const DEADTIME_MS: i64 = 2000;
/// Longest path of our directory: the path of a socket below it must have at most 107 bytes.
const DIR_MAX: usize = 60;
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Why the demo ends early.
#[derive(Debug)]
pub enum Stop {
    /// Ctrl-C, or somebody ended it.
    Interrupted,
    /// What should have happened did not.
    Failed(String),
}

impl Stop {
    /// Something was not possible.
    pub fn because<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Self {
        move |error| Self::Failed(format!("{what}: {error}"))
    }
}

/// A directory for this demo alone.
pub fn fresh_dir() -> io::Result<PathBuf> {
    let wanted = std::env::temp_dir();
    let base = if fits(&wanted) { wanted } else { PathBuf::from("/tmp") };
    let name = sys::random_bytes::<6>()?.map(|byte| format!("{byte:02x}")).concat();
    let dir = base.join(format!("ovzha-demo-{name}"));
    match DirBuilder::new().mode(0o700).create(&dir) {
        Ok(()) => Ok(dir),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", dir.display()))),
    }
}

/// Whether a path can stand in `haresources`, and leaves room for a socket's name.
fn fits(base: &Path) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let short = |text: &str| text.len() + "/ovzha-demo-0123456789ab".len() <= DIR_MAX;
    base.is_absolute() && base.to_str().is_some_and(|text| text.chars().all(plain) && short(text))
}

/// Everything the demo works with.
#[derive(Debug)]
pub struct Stage {
    /// The nodes, the preferred one first.
    pub nodes: [Node; 2],
    /// Where the resources leave their marks.
    pub marks: PathBuf,
    cable: Cable,
    program: PathBuf,
    signals: Signals,
}

impl Stage {
    /// Lays the links and writes the files of both nodes into `dir`.
    pub fn new(program: &Path, dir: &Path, signals: Signals) -> Result<Self, Stop> {
        let cable = Cable::new().map_err(Stop::because("no pseudo terminal for the serial line"))?;
        let ports = free_ports().map_err(Stop::because("no free UDP port on 127.0.0.1 and 127.0.0.2"))?;
        let marks = dir.join("marks");
        private_dir(&marks).map_err(Stop::because("no directory for the marks"))?;
        let key = sys::random_bytes::<16>().map_err(Stop::because("no random key"))?;
        let keys = format!("auth 1\n1 sha256 {}\n", key.map(|byte| format!("{byte:02x}")).concat());
        let steps = STEPS.map(|step| format!(" {}::{step}::{}", demo_step::NAME, marks.display()));
        let resources = format!("{}{}\n", NAMES[0], steps.concat());
        let node = |place: usize| {
            let (name, device) = (NAMES[place], &cable.names[place]);
            let ha_cf = ha_cf(&dir.join(name).join("log"), ports, device);
            let files = [
                ("ha.cf", ha_cf.as_str()),
                ("authkeys", &keys),
                ("haresources", &resources),
            ];
            Node::new(name, dir, &files).map_err(Stop::because("can't write a node's files"))
        };
        Ok(Self {
            nodes: [node(0)?, node(1)?],
            marks,
            cable,
            program: program.to_path_buf(),
            signals,
        })
    }

    /// Starts the daemon of one node.
    pub fn start(&mut self, place: usize) -> Result<(), Stop> {
        self.nodes[place]
            .start(&self.program)
            .map_err(Stop::because("can't start a daemon"))
    }

    /// Runs `ovzha standby` on a node, to its end.
    pub fn standby(&mut self, place: usize, limit: Duration) -> Result<(), Stop> {
        let mut command = self.nodes[place]
            .command(&self.program, "standby")
            .map_err(Stop::because("can't run ovzha standby"))?;
        let ended = self.wait(limit, "the end of ovzha standby", |_| command.try_wait().transpose());
        let status = match ended {
            Ok(status) => status.map_err(Stop::because("ovzha standby"))?,
            Err(stop) => {
                drop(command.kill());
                drop(command.wait());
                return Err(stop);
            }
        };
        if status.success() {
            Ok(())
        } else {
            Err(Stop::Failed(format!(
                "ovzha standby ended with {status}: see {}",
                self.nodes[place].output().display()
            )))
        }
    }

    /// A power cut of one node: its daemon, what it ran, and what it had in memory are gone.
    pub fn cut_power(&mut self, place: usize) -> Result<(), Stop> {
        self.nodes[place].kill();
        for step in STEPS {
            std::fs::remove_file(self.marks.join(format!("{step}.running")))
                .map_err(Stop::because("a mark of the killed node can't be removed"))?;
        }
        self.cable.unplug(place);
        self.nodes[place]
            .forget()
            .map_err(Stop::because("can't empty a node's memory"))
    }

    /// Waits until `look` sees what it wants to see, for `limit` at most.
    pub fn wait<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut look: impl FnMut(&[Node; 2]) -> Option<T>,
    ) -> Result<T, Stop> {
        let end = Instant::now() + limit;
        loop {
            if let Some(seen) = look(&self.nodes) {
                return Ok(seen);
            }
            self.tick()?;
            if Instant::now() >= end {
                let seconds = limit.as_secs();
                return Err(Stop::Failed(format!("waited {seconds} s in vain: {what}")));
            }
        }
    }

    /// Lets time pass.
    pub fn pause(&mut self, span: Duration) -> Result<(), Stop> {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.tick()?;
        }
        Ok(())
    }

    /// A moment of waiting, in which the serial line works, cut short by whoever wants the demo to end.
    fn tick(&mut self) -> Result<(), Stop> {
        let end = Instant::now() + LOOK;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let [first, second] = self.cable.fds();
            let mut fds = [self.signals.as_raw_fd(), first, second].map(|fd| PollFd::new(fd, Interest::Read));
            let left = Span::from_millis(u64::try_from(left.as_millis()).unwrap_or(0).saturating_add(1));
            sys::poll(&mut fds, Some(left)).map_err(Stop::because("poll"))?;
            for (side, _) in fds.iter().skip(1).enumerate().filter(|(_, fd)| fd.readable()) {
                self.cable.carry(side);
            }
            self.take_signals()?;
        }
        match self.nodes.iter_mut().find_map(Node::ended) {
            Some(words) => Err(Stop::Failed(words)),
            None => Ok(()),
        }
    }

    fn take_signals(&mut self) -> Result<(), Stop> {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::Interrupt | Signal::Terminate | Signal::Hangup => return Err(Stop::Interrupted),
                Signal::Child | Signal::User1 => {}
            }
        }
        Ok(())
    }
}

/// Two ports that nobody uses on either address.
fn free_ports() -> io::Result<[u16; 2]> {
    let first = bind_both()?;
    let second = bind_both()?;
    Ok([first.0, second.0])
}

/// A port, and the sockets that keep it until both ports are chosen.
fn bind_both() -> io::Result<(u16, [UdpSocket; 2])> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..20 {
        let one = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = one.local_addr()?.port();
        match UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), port)) {
            Ok(two) => return Ok((port, [one, two])),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn ha_cf(log: &Path, [first, second]: [u16; 2], serial: &str) -> String {
    let (log, names) = (log.display(), NAMES.join(" "));
    format!(
        "\
logfile {log}
node {names}
keepalive 200ms
warntime 1
deadtime {DEADTIME_MS}ms
initdead 10
udpport {first}
ucast lo 127.0.0.1
ucast lo 127.0.0.2
udpport {second}
ucast lo 127.0.0.1
ucast lo 127.0.0.2
baud 115200
serial {serial}
auto_failback off
"
    )
}
