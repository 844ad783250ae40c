//! The pairs, their nodes, and the witness they ask.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt::Write;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Moment};

use ovzha_core::auth::Domain;
use ovzha_core::cluster::Cluster;
use ovzha_core::event::{Event, Outcome};
use ovzha_core::frame::{self, FrameBuf};
use ovzha_core::id::{BootId, LinkId};
use ovzha_core::output::{Durable, Op, Output};
use ovzha_core::time::{Instant, Span};
use ovzha_host::core_config::cluster_id;
use ovzha_host::third::keys;
use socket2::SockRef;

use crate::voters::{Times, config, ring};

const PORT: u16 = 17_694;
const SOCKETS: usize = 8;
/// Until every pair has its witness's vote, and has settled.
const WARM: Duration = Duration::from_secs(14);
const MEASURED: Duration = Duration::from_secs(20);

struct Node {
    core: Cluster,
    /// The other node of the pair.
    peer: usize,
    wakes: Instant,
}

struct Load {
    began: Moment,
    nodes: Vec<Node>,
    sockets: Vec<UdpSocket>,
    by_name: HashMap<([u8; 2], u8), Vec<usize>>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    sent: u64,
    heard: u64,
}

fn names(pair: usize) -> [String; 2] {
    [format!("n{pair}a"), format!("n{pair}b")]
}

fn secret(pair: usize) -> String {
    format!("secret{pair}")
}

const TIMES: Times = Times {
    keepalive: Span::from_secs(1),
    deadtime: Span::from_secs(10),
};

impl Load {
    fn new(pairs: usize) -> Self {
        let sockets: Vec<UdpSocket> = (0..SOCKETS)
            .map(|_| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(("127.0.0.1", PORT)).unwrap();
                socket.set_nonblocking(true).unwrap();
                SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
                socket
            })
            .collect();
        let mut load = Self {
            began: Moment::now(),
            nodes: Vec::new(),
            sockets,
            by_name: HashMap::new(),
            due: BinaryHeap::new(),
            sent: 0,
            heard: 0,
        };
        let start = load.now();
        for pair in 0..pairs {
            let cluster = cluster_id(&names(pair));
            for me in 0..2_u8 {
                let place = load.nodes.len();
                let life = u32::try_from(place).unwrap().wrapping_add(77).to_be_bytes();
                let mut core = Cluster::new(
                    config(me, cluster, 1, TIMES),
                    ring(Domain::Node, &secret(pair)),
                    BootId(life),
                    Durable::default(),
                    start,
                );
                core.hear(ring(Domain::Witness, &secret(pair)));
                load.by_name.entry((cluster.0, me)).or_default().push(place);
                let peer = place ^ 1;
                load.nodes.push(Node {
                    core,
                    peer,
                    wakes: start,
                });
            }
        }
        load
    }

    fn now(&self) -> Instant {
        Instant::from_millis(1000 + u64::try_from(self.began.elapsed().as_millis()).unwrap())
    }

    fn tell(&mut self, place: usize, event: Event<'_>) {
        let now = self.now();
        self.nodes[place].core.handle(now, event);
        self.drain(place, now);
    }

    /// Does what a node wants at once: steps succeed, the state is stored, the peer hears what is sent.
    fn drain(&mut self, place: usize, now: Instant) {
        let mut frame = FrameBuf::new();
        loop {
            let node = &mut self.nodes[place];
            match node.core.poll(&mut frame) {
                Output::Send { link: LinkId(1), bytes } => {
                    self.sent += 1;
                    // a full buffer is a lost frame, as on any network
                    self.sockets[place % SOCKETS].send(bytes).ok();
                }
                Output::Send { link, bytes } => {
                    let (peer, bytes) = (node.peer, bytes.to_vec());
                    self.nodes[peer]
                        .core
                        .handle(now, Event::Received { link, bytes: &bytes });
                    self.nodes[peer].wakes = now;
                    self.due.push(Reverse((now, peer)));
                }
                Output::Start(effect) => {
                    let outcome = if effect.op == Op::Probe {
                        Outcome::NotRunning
                    } else {
                        Outcome::Done
                    };
                    let effect = effect.id;
                    node.core.handle(now, Event::Done { effect, outcome });
                }
                Output::Store { version, .. } => node.core.handle(now, Event::Stored { version, ok: true }),
                Output::Wait { until, .. } => {
                    node.wakes = until;
                    self.due.push(Reverse((until, place)));
                    return;
                }
                Output::Notice(_) | Output::Abandon(_) | Output::Reply { .. } | Output::Disarm | Output::Pet { .. } => {
                }
                output @ (Output::FenceSelf { .. } | Output::Shoot(_) | Output::Bug(_) | Output::Exit) => {
                    panic!("{output:?}")
                }
            }
        }
    }

    /// Lets so much time pass.
    fn run(&mut self, span: Duration) {
        let end = Moment::now() + span;
        let mut bytes = [0; frame::FRAME_MAX];
        while Moment::now() < end {
            let mut idle = true;
            for socket in 0..SOCKETS {
                for _ in 0..64 {
                    let Ok(length) = self.sockets[socket].recv(&mut bytes) else {
                        break;
                    };
                    idle = false;
                    self.heard += 1;
                    let header = frame::peek(&bytes[..length]).unwrap();
                    let to = (header.cluster.0, header.addressee.0);
                    for place in self.by_name.get(&to).cloned().unwrap_or_default() {
                        let link = LinkId(1);
                        let bytes = &bytes[..length];
                        self.tell(place, Event::Received { link, bytes });
                    }
                }
            }
            let now = self.now();
            while let Some(Reverse((at, place))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now) {
                self.due.pop();
                idle = false;
                if self.nodes[place].wakes == at {
                    self.tell(place, Event::Tick);
                }
            }
            if idle {
                std::thread::sleep(Duration::from_micros(300));
            }
        }
    }

    /// Groups that run, which must be one of each pair.
    fn active(&self) -> usize {
        let runs = |node: &&Node| {
            let group = node.core.snapshot().groups;
            group
                .first()
                .is_some_and(|it| it.phase == ovzha_core::message::Phase::Active)
        };
        self.nodes.iter().filter(runs).count()
    }
}

/// What it has used so far.
struct Usage {
    cpu_ms: u64,
    resident_kib: u64,
}

struct Witness(Child, PathBuf);

impl Witness {
    fn start(program: &Path, pairs: usize) -> Self {
        let dir = std::env::temp_dir().join(format!("ovzha-load-{}", std::process::id()));
        fs::create_dir_all(dir.join("keys")).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        let mut text = format!("listen 127.0.0.1:{PORT}\nlends-for 10s\n");
        for pair in 0..pairs {
            let file = dir.join(format!("keys/{pair}"));
            fs::write(&file, keys::render(&ring(Domain::Witness, &secret(pair))).as_bytes()).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            let [one, two] = names(pair);
            writeln!(text, "cluster {one} {two} keys/{pair}").unwrap();
        }
        let file = dir.join("witness.cf");
        fs::write(&file, text).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        let child = Command::new("taskset")
            .args(["-c", "1"])
            .arg(program)
            .args(["witness", "--config"])
            .arg(&file)
            .arg("--run-dir")
            .arg(dir.join("run"))
            .arg("--state-dir")
            .arg(dir.join("state"))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        Self(child, dir)
    }

    fn usage(&self) -> Usage {
        let pid = self.0.id();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Usage {
            // the kernel's USER_HZ is 100 everywhere
            cpu_ms: ticks * 10,
            resident_kib: resident.trim().trim_end_matches(" kB").trim().parse().unwrap(),
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
        fs::remove_dir_all(&self.1).ok();
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a measurement, for people")]
fn pairs_of_one_witness() {
    let program = std::env::var_os("OVZHA_BIN").expect("OVZHA_BIN: the static binary; run .ci/run load");
    let program = PathBuf::from(program);
    let wanted = std::env::var("OVZHA_PAIRS").unwrap_or_else(|_| "100 300 1000 3000 10000".to_owned());
    println!("pairs  frames/s to it  from it  CPU of one core  resident");
    for pairs in wanted.split_whitespace().map(|word| word.parse::<usize>().unwrap()) {
        let witness = Witness::start(&program, pairs);
        std::thread::sleep(Duration::from_millis(500 + u64::try_from(pairs).unwrap() / 10));
        let mut load = Load::new(pairs);
        for place in 0..load.nodes.len() {
            for link in [LinkId(0), LinkId(1)] {
                load.tell(place, Event::Opened { link });
            }
            // the nodes don't all start in one millisecond
            if place % 64 == 0 {
                load.run(Duration::from_micros(200));
            }
        }
        load.run(WARM);
        let before = witness.usage();
        let (sent, heard) = (load.sent, load.heard);
        let began = Moment::now();
        load.run(MEASURED);
        let span = u64::try_from(began.elapsed().as_millis()).unwrap();
        let after = witness.usage();
        let per_second = |count: u64| count * 1000 / span;
        let permille = (after.cpu_ms - before.cpu_ms) * 1000 / span;
        println!(
            "{pairs:5}  {:14}  {:7}  {:11}.{} %  {:5} KiB",
            per_second(load.sent - sent),
            per_second(load.heard - heard),
            permille / 10,
            permille % 10,
            after.resident_kib,
        );
        assert_eq!(
            load.active(),
            pairs,
            "each pair's group runs on one node, with the witness's vote"
        );
    }
}
