//! The loop of a witness: datagrams in, one `Witness` a cluster, datagrams out.
//!
//! Two clusters may have the same two bytes on the wire: the key says which one a frame is of. A frame is answered to the
//! address that it came from; a node that is believed is spoken to there from then on.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use ovzha_core::frame::{self, FRAME_MAX, FrameBuf};
use ovzha_core::id::{BootId, ClusterId, NodeId};
use ovzha_core::time::{Instant, Span};
use ovzha_core::witness::{Relay, Said, Witness, WitnessConfig, WitnessNotice};
use serde_json::{Value, json};

use super::file::{self, WitnessCf};
use super::marks::{self, Kept, Writer, hex};
use crate::control::Control;
use crate::diagnostic::Severity;
use crate::notify::Notify;
use crate::store;
use crate::sys::{self, Interest, PollFd, Signal, Signals};

/// Interval of frames to a node that does not ask: one that asks is answered at once.
const KEEPALIVE: Span = Span::from_secs(1);
/// Datagrams of one socket before the others get their turn.
const TURN: usize = 256;
const BAD: u8 = 1;
const LACKING: u8 = 3;
const TWICE: u8 = 4;

/// How `ovzha witness` was called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// `witness.cf`.
    pub file: PathBuf,
    /// Where its sockets are; in memory.
    pub run_dir: PathBuf,
    /// Where it keeps whose copies are old; on a disk.
    pub state_dir: PathBuf,
}

/// One cluster.
struct Place {
    nodes: [String; 2],
    witness: Witness,
    /// Where each node was last believed from: the socket and the address.
    ways: [Option<(usize, SocketAddr)>; 2],
    wakes: Instant,
}

struct Server {
    sockets: Vec<UdpSocket>,
    places: Vec<Place>,
    by_name: HashMap<[u8; 2], Vec<usize>>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    lends_for: Span,
    started: Instant,
    /// Datagrams that no cluster knows.
    strange: u64,
    frame: FrameBuf,
    writer: Writer,
    /// Marks of clusters that the file does not name.
    strangers: Kept,
    /// Whose marks are being written, and whose are to be written next.
    writing: Vec<usize>,
    to_write: Vec<usize>,
    /// Why the last write failed, if it did.
    fails: Option<String>,
    /// Held as long as it serves.
    _lock: std::fs::File,
}

fn say(text: &str) {
    use std::io::Write;
    // nobody to tell if this fails
    let line = format!("ovzha witness: {text}\n");
    drop(io::stderr().write_all(line.as_bytes()));
}

fn lacking(what: &str, error: &dyn std::fmt::Display) -> u8 {
    say(&format!("{what}: {error}"));
    LACKING
}

/// Runs it to its end; answers its exit code: 0 after TERM or INT, 1 bad configuration, 3 this machine lacks something, 4
/// another one runs.
#[must_use]
pub fn run(options: &Options) -> u8 {
    match begin(options) {
        Ok((server, control, signals)) => server.run(control, signals),
        Err(code) => code,
    }
}

fn begin(options: &Options) -> Result<(Server, Control, Signals), u8> {
    let config = file::load(&options.file).map_err(|problems| {
        for problem in problems {
            debug_assert_eq!(problem.severity, Severity::Error, "nothing here only warns");
            say(&problem.to_string());
        }
        BAD
    })?;
    std::fs::create_dir_all(&options.run_dir).map_err(|error| lacking("run directory", &error))?;
    let kept = |problem: String| lacking("what it keeps over restarts", &problem);
    store::make(&options.state_dir).map_err(|error| kept(error.to_string()))?;
    let alone = lock(&options.run_dir, "lock")?;
    let writer = Writer::new(&options.state_dir, lock(&options.state_dir, "marks.lock")?);
    let marks = marks::load(&options.state_dir).map_err(kept)?;
    let control = Control::open(&options.run_dir).map_err(|error| lacking("control socket", &error))?;
    let signals = Signals::open().map_err(|error| lacking("signals", &error))?;
    let server = Server::new(config, marks, writer, alone, sys::boottime())?;
    Ok((server, control, signals))
}

/// Two must not speak for the same clusters, nor write the same file.
fn lock(dir: &Path, name: &str) -> Result<std::fs::File, u8> {
    let locked = sys::lock_instance(&dir.join(name)).map_err(|error| lacking("lock", &error))?;
    locked.ok_or_else(|| {
        say(&format!("another one runs with {}", dir.display()));
        TWICE
    })
}

impl Server {
    fn new(config: WitnessCf, mut marks: Kept, writer: Writer, lock: std::fs::File, now: Instant) -> Result<Self, u8> {
        let mut sockets = Vec::new();
        for at in &config.listens {
            let bound = UdpSocket::bind(at).and_then(|socket| {
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            sockets.push(bound.map_err(|error| lacking(&format!("listen {at}"), &error))?);
        }
        let mut server = Self {
            sockets,
            places: Vec::with_capacity(config.clusters.len()),
            by_name: HashMap::new(),
            due: BinaryHeap::new(),
            lends_for: config.lends_for,
            started: now,
            strange: 0,
            frame: FrameBuf::new(),
            writer,
            strangers: Kept::new(),
            writing: Vec::new(),
            to_write: Vec::new(),
            fails: None,
            _lock: lock,
        };
        for hosted in config.clusters {
            let boot = sys::random_bytes::<4>().map_err(|error| lacking("/dev/urandom", &error))?;
            let settings = WitnessConfig {
                cluster: hosted.cluster,
                keepalive: KEEPALIVE,
                longest: config.lends_for,
                relay: Relay::None,
                off_for: Span::ZERO,
            };
            let ClusterId(name) = hosted.cluster;
            let place = server.places.len();
            server.by_name.entry(name).or_default().push(place);
            let mut witness = Witness::new(settings, hosted.keyring, BootId(boot), now);
            for (group, node) in marks.remove(&hosted.nodes).unwrap_or_default() {
                witness.remember(group, node);
            }
            server.places.push(Place {
                nodes: hosted.nodes,
                witness,
                ways: [None, None],
                wakes: now,
            });
            server.due.push(Reverse((now, place)));
        }
        server.strangers = marks;
        Ok(server)
    }

    fn run(mut self, mut control: Control, mut signals: Signals) -> u8 {
        say(&format!(
            "{} clusters; lends for {} at most, and to nobody for so long from now on",
            self.places.len(),
            self.lends_for
        ));
        let notify = Notify::open();
        notify.ready();
        let mut fds = Vec::new();
        loop {
            let until = self.due.peek().map(|Reverse((at, _))| *at);
            fds.clear();
            fds.push(PollFd::new(signals.as_raw_fd(), Interest::Read));
            fds.extend(
                self.sockets
                    .iter()
                    .map(|it| PollFd::new(it.as_raw_fd(), Interest::Read)),
            );
            fds.extend(control.interests().map(|(fd, interest)| PollFd::new(fd, interest)));
            let next = [until, control.deadline(), self.writer.next_wake()];
            let next = next.into_iter().flatten().min();
            let span = next.map(|at| at.since(sys::boottime()));
            if let Err(error) = sys::poll(&mut fds, span) {
                say(&format!("poll: {error}"));
            }
            let now = sys::boottime();
            while let Some(signal) = signals.take() {
                match signal {
                    Signal::Terminate | Signal::Interrupt => {
                        notify.stopping();
                        return 0;
                    }
                    Signal::Child => self.writer.reap(),
                    Signal::Hangup | Signal::User1 => {}
                }
            }
            for socket in 0..self.sockets.len() {
                self.receive(now, socket);
            }
            self.wake(now);
            self.keep(now);
            for (client, _) in control.serve(now, || self.status(now)) {
                control.answer(client, "error", Some("a witness only has a status"));
            }
        }
    }

    fn receive(&mut self, now: Instant, socket: usize) {
        let mut bytes = [0; FRAME_MAX + 1];
        for _ in 0..TURN {
            let Some(from) = self.sockets.get(socket).map(|it| it.recv_from(&mut bytes)) else {
                return;
            };
            match from {
                Ok((length, from)) => self.hear(now, (socket, from), bytes.get(..length).unwrap_or(&[])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // an ICMP error of something sent before
                Err(_) => {}
            }
        }
    }

    fn hear(&mut self, now: Instant, way: (usize, SocketAddr), bytes: &[u8]) {
        let Ok(header) = frame::peek(bytes) else {
            self.strange += 1;
            return;
        };
        let ClusterId(name) = header.cluster;
        let places = self.by_name.get(&name).cloned().unwrap_or_default();
        for place in places {
            let Some(there) = self.places.get_mut(place) else {
                continue;
            };
            let Some((node, believed)) = there.witness.handle(now, bytes) else {
                continue;
            };
            if believed && let Some(known) = there.ways.get_mut(usize::from(node.0)) {
                *known = Some(way);
            }
            return self.drain(place, Some((node, way)));
        }
        self.strange += 1;
    }

    fn wake(&mut self, now: Instant) {
        while let Some(Reverse((at, place))) = self.due.peek().copied() {
            if at > now {
                return;
            }
            self.due.pop();
            let Some(there) = self.places.get_mut(place) else {
                continue;
            };
            if there.wakes == at {
                there.witness.tick(now);
                self.drain(place, None);
            }
        }
    }

    /// Follows the write under way, and begins the next one.
    fn keep(&mut self, now: Instant) {
        if let Some(answer) = self.writer.take(now) {
            let good = answer.is_ok();
            let fails = answer.err();
            if fails != self.fails {
                say(&told(fails.as_deref()));
                self.fails = fails;
            }
            for place in std::mem::take(&mut self.writing) {
                if let Some(there) = self.places.get_mut(place) {
                    there.witness.kept(now, good);
                }
                self.drain(place, None);
            }
        }
        if self.to_write.is_empty() || self.writer.is_busy() {
            return;
        }
        self.writing = std::mem::take(&mut self.to_write);
        let ours = self
            .places
            .iter()
            .map(|it| (&it.nodes, it.witness.marks().collect::<Vec<_>>()));
        let strangers = self.strangers.iter().map(|(nodes, marks)| (nodes, marks.clone()));
        let all = ours.chain(strangers).map(|(nodes, marks)| (nodes, marks.into_iter()));
        let content = marks::render(all);
        self.writer.write(now, &content);
    }

    /// Sends what one witness has to say; `way`: where a node just spoke from.
    fn drain(&mut self, place: usize, way: Option<(NodeId, (usize, SocketAddr))>) {
        let Self {
            sockets,
            places,
            due,
            frame,
            to_write,
            ..
        } = self;
        let Some(there) = places.get_mut(place) else { return };
        loop {
            match there.witness.poll(frame) {
                Said::Send { to, bytes } => {
                    let fresh = way.filter(|(node, _)| *node == to).map(|(_, way)| way);
                    let known = there.ways.get(usize::from(to.0)).copied().flatten();
                    if let Some((socket, address)) = fresh.or(known)
                        && let Some(socket) = sockets.get(socket)
                    {
                        // what can't be sent is lost: the next frame says the same
                        drop(socket.send_to(bytes, address));
                    }
                }
                Said::Notice(notice) => {
                    if let Some(line) = words(&there.nodes, notice) {
                        say(&line);
                    }
                }
                Said::Keep => to_write.push(place),
                // it has no hand on anybody's power
                Said::Power { .. } => {}
                Said::Wait { until } => {
                    if until != there.wakes {
                        there.wakes = until;
                        due.push(Reverse((until, place)));
                    }
                    return;
                }
            }
        }
    }

    fn status(&self, now: Instant) -> Value {
        let ms = |span: Span| json!(span.as_millis());
        let clusters = self.places.iter().map(|place| {
            let node = |index: u8| {
                let silence = place.witness.silence(NodeId(index));
                let way = place.ways.get(usize::from(index)).copied().flatten();
                json!({
                    "node": place.nodes.get(usize::from(index)),
                    "heard_ms": silence.map_or(Value::Null, ms),
                    "address": way.map(|(_, address)| address.to_string()),
                })
            };
            let name = |node: NodeId| place.nodes.get(usize::from(node.0));
            let votes = place.witness.seats().map(|seat| {
                json!({
                    "group": hex(seat.group),
                    "lent_to": seat.lent.map(|(node, _)| name(node)),
                    "for_ms": seat.lent.map_or(Value::Null, |(_, until)| ms(until.since(now))),
                    "old_copy": seat.marked.map(name),
                })
            });
            json!({ "nodes": [node(0), node(1)], "votes": votes.collect::<Vec<_>>() })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "witness": true,
            "up_ms": ms(now.since(self.started)),
            "lends_for_ms": ms(self.lends_for),
            "opens_ms": ms(self.started.after(self.lends_for).since(now)),
            "strange_datagrams": self.strange,
            "clusters": clusters.collect::<Vec<_>>(),
        })
    }
}

/// The line of a write that failed as none before it, or of one that did not fail any more.
fn told(fails: Option<&str>) -> String {
    fails.map_or_else(
        || "keeps whose copies are old again".to_owned(),
        |error| format!("can't keep whose copies are old: {error}"),
    )
}

/// The line of a notice; none for what only a board with relays has to tell, or is told elsewhere.
fn words(nodes: &[String; 2], notice: WitnessNotice) -> Option<String> {
    let name = |node: NodeId| nodes.get(usize::from(node.0)).map_or("?", String::as_str);
    Some(match notice {
        WitnessNotice::Heard { node, restarted: false } => format!("{} is heard", name(node)),
        WitnessNotice::Heard { node, restarted: true } => format!("{} is heard, restarted", name(node)),
        WitnessNotice::Silent(node) => format!("{} is not heard any more", name(node)),
        WitnessNotice::Lent { group, to } => format!("{}: the vote of group {} is lent to it", name(to), hex(group)),
        WitnessNotice::Marked { group, node, marked } => {
            let how = if marked { "is old" } else { "is not old any more" };
            format!("{}: its copy of group {} {how}", name(node), hex(group))
        }
        WitnessNotice::TooLong { node, term } => {
            format!("{} asks for {term}, longer than lends-for: refused", name(node))
        }
        WitnessNotice::SaidOff(node) => format!("{} has no power, a person said so", name(node)),
        WitnessNotice::Lost(count) => format!("{count} messages were lost"),
        // the file is every cluster's: its failure is told once, not by each of them
        WitnessNotice::Kept(_) | WitnessNotice::Cut(_) | WitnessNotice::Restored(_) | WitnessNotice::Stuck(_) => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ovzha_core::id::Mark;

    #[test]
    fn lines_stand_in_the_catalogue() {
        let nodes = ["alpha".to_owned(), "beta".to_owned()];
        let (node, group) = (NodeId(1), Mark([1, 0xab, 3]));
        let marked = |marked| WitnessNotice::Marked { group, node, marked };
        let said = [
            (WitnessNotice::Heard { node, restarted: false }, "<node> is heard"),
            (
                WitnessNotice::Heard { node, restarted: true },
                "<node> is heard, restarted",
            ),
            (WitnessNotice::Silent(node), "<node> is not heard any more"),
            (
                WitnessNotice::Lent { group, to: node },
                "<node>: the vote of group <mark> is lent to it",
            ),
            (marked(true), "<node>: its copy of group <mark> is old"),
            (marked(false), "<node>: its copy of group <mark> is not old any more"),
            (
                WitnessNotice::TooLong {
                    node,
                    term: Span::from_secs(90),
                },
                "<node> asks for <time>, longer than lends-for: refused",
            ),
            (WitnessNotice::SaidOff(node), "<node> has no power, a person said so"),
            (WitnessNotice::Lost(4), "<number> messages were lost"),
        ];
        let (fails, again) = (told(Some("<problem>")), told(None));
        let catalogue = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/LOGS.md");
        let catalogue = std::fs::read_to_string(catalogue).unwrap_or_default();
        for row in [fails, again] {
            assert!(
                catalogue.contains(&format!("| `{row}` |")),
                "docs/LOGS.md lacks `{row}`"
            );
        }
        for (notice, row) in said {
            let term = Span::from_secs(90).to_string();
            let filled = [
                ("<node>", "beta"),
                ("<mark>", "01ab03"),
                ("<time>", &term),
                ("<number>", "4"),
            ];
            let filled = filled
                .iter()
                .fold(row.to_owned(), |row, (place, word)| row.replace(place, word));
            assert_eq!(words(&nodes, notice).as_deref(), Some(filled.as_str()));
            assert!(
                catalogue.contains(&format!("| `{row}` |")),
                "docs/LOGS.md lacks `{row}`"
            );
        }
    }
}
