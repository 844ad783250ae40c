//! Two nodes on one cable, both behind a recorder, with steps that all succeed: lives to be recorded.

use std::path::{Path, PathBuf};

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::cluster::Cluster;
use ovzha_core::config::{Config, Draft, GroupDraft, Kind};
use ovzha_core::event::{Event, Outcome};
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::{BootId, ClusterId, KeyId, LinkId, Mark, NodeId};
use ovzha_core::output::{Durable, Op, Output};
use ovzha_core::time::{Instant, Span};
use ovzha_host::record::keep;
use ovzha_host::record::names::Names;
use ovzha_host::record::recorded::Recorded;
use ovzha_host::record::writer::Writer;

const LINKS: u8 = 3;

/// A directory that goes away with its owner.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ovzha-record-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(path.join("run")).unwrap();
        std::fs::create_dir_all(path.join("state")).unwrap();
        Self(path)
    }

    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

pub fn config(me: u8) -> Config {
    let secs = Span::from_secs;
    Config::new(Draft {
        me: NodeId(me),
        cluster: ClusterId([7, 7]),
        links: LINKS,
        pings: 0,
        keepalive: secs(2),
        warntime: secs(10),
        deadtime: secs(30),
        deadping: secs(30),
        initdead: secs(60),
        stop_budget: secs(5),
        auto_failback: false,
        ipfail: false,
        diskless_hands_over: true,
        last_resort: true,
        watchdog: None,
        groups: std::iter::once(GroupDraft {
            preferred: NodeId(0),
            identity: Mark([1, 2, 3]),
            digest: Mark([4, 5, 6]),
            resources: [Kind::Data, Kind::Plain].into_iter().collect(),
            monitors: [10, 0].into_iter().collect(),
        })
        .collect(),
        resources_digest: [1; 4],
        timings_digest: [2; 4],
        witness: false,
        stonith: None,
        commanded: false,
        relay: ovzha_core::witness::Relay::None,
        speaks: ovzha_core::frame::VERSION,
    })
    .unwrap()
}

/// A secret that a record must not hold.
pub const SECRET: &[u8] = b"not for the record 0123456789";

pub fn keyring(text: &[u8]) -> Keyring {
    let mut ring = Keyring::new(Domain::Node);
    ring.add(KeyId(3), Method::Sha256, text).unwrap();
    ring.sign_with(KeyId(3)).unwrap();
    ring
}

pub fn core(me: u8, life: u8, now: Instant) -> Cluster {
    Cluster::new(
        config(me),
        keyring(SECRET),
        BootId([me, life, 0, 0]),
        Durable::default(),
        now,
    )
}

pub fn writer(run: &Path, state: &Path, mib: usize, cluster: &Cluster, now: Instant) -> Writer {
    let ring = keep::prepare(run, state, mib, false).unwrap();
    Writer::new(ring, Names::default(), KeyId(3), cluster, now)
}

/// One of the two.
pub struct Node {
    pub core: Recorded,
    frame: FrameBuf,
    /// What it sent.
    out: Vec<(LinkId, Vec<u8>)>,
    until: Instant,
}

impl Node {
    pub fn new(core: Recorded, now: Instant) -> Self {
        Self {
            core,
            frame: FrameBuf::new(),
            out: Vec::new(),
            until: now,
        }
    }

    /// One event, then all outputs; whatever is begun is done at once.
    pub fn feed(&mut self, now: Instant, event: Event<'_>) {
        self.core.handle(now, event);
        self.drain(now);
    }

    pub fn drain(&mut self, now: Instant) {
        loop {
            let mut ended = None;
            let mut stored = None;
            match self.core.poll(&mut self.frame) {
                Output::Send { link, bytes } => self.out.push((link, bytes.to_vec())),
                Output::Start(effect) => {
                    let outcome = match effect.op {
                        Op::Probe => Outcome::NotRunning,
                        Op::Start | Op::Stop | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => Outcome::Done,
                    };
                    ended = Some((effect.id, outcome));
                }
                Output::Store { version, .. } => stored = Some(version),
                Output::Wait { until, .. } => {
                    self.until = until;
                    return;
                }
                Output::Exit => return,
                Output::Shoot(_)
                | Output::Abandon(_)
                | Output::Reply { .. }
                | Output::Notice(_)
                | Output::FenceSelf { .. }
                | Output::Pet { .. }
                | Output::Disarm
                | Output::Bug(_) => {}
            }
            if let Some((effect, outcome)) = ended {
                self.core.handle(now, Event::Done { effect, outcome });
            }
            if let Some(version) = stored {
                self.core.handle(now, Event::Stored { version, ok: true });
            }
        }
    }
}

/// Both.
pub struct Pair {
    pub nodes: Vec<Node>,
    pub now: Instant,
    /// Frames get through.
    pub cable: bool,
    /// The second node is there.
    pub both: bool,
}

impl Pair {
    /// Both begin; the first one is recorded in `dir`.
    pub fn new(dir: &Dir, mib: usize) -> Self {
        let now = Instant::from_millis(5_000);
        let (first, second) = (core(0, 1, now), core(1, 1, now));
        let writer = writer(&dir.run(), &dir.state(), mib, &first, now);
        let mut nodes = vec![
            Node::new(Recorded::new(first, Some(writer)), now),
            Node::new(Recorded::new(second, None), now),
        ];
        for node in &mut nodes {
            node.drain(now);
            for link in 0..LINKS {
                node.feed(now, Event::Opened { link: LinkId(link) });
            }
        }
        Self {
            nodes,
            now,
            cable: true,
            both: true,
        }
    }

    /// Lets `span` pass.
    pub fn pass(&mut self, span: Span) {
        let end = self.now.after(span);
        while self.now < end {
            let next = self.nodes.iter().map(|node| node.until).min().unwrap();
            self.now = next.max(self.now.after(Span::from_millis(1))).min(end);
            for at in 0..2 {
                if at == 1 && !self.both {
                    continue;
                }
                if self.nodes[at].until <= self.now {
                    self.nodes[at].feed(self.now, Event::Tick);
                }
                for (link, bytes) in std::mem::take(&mut self.nodes[at].out) {
                    if self.cable && self.both {
                        self.nodes[1 - at].feed(self.now, Event::Received { link, bytes: &bytes });
                    }
                }
            }
            if !self.both {
                self.nodes[1].until = end;
            }
        }
    }
}
