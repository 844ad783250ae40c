//! A node that never hears its peer, for the tests of a cluster.

use heapless::Vec;
use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::cluster::Cluster;
use ovzha_core::config::{Config, Draft, GroupDraft, Kind};
use ovzha_core::data::Seen;
use ovzha_core::event::{Command, Event, Outcome};
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::{BootId, ClientId, ClusterId, GroupId, KeyId, Mark, NodeId};
use ovzha_core::output::{Answer, Durable, Op, Output};
use ovzha_core::time::{Instant, Span};

/// A group of DRBD alone; the next one has something plain.
pub const MIRRORED: GroupId = GroupId(0);
const POLLS: usize = 100;

/// Its probes find nothing; all other children end as `outcome` says.
pub struct Node {
    pub cluster: Cluster,
    pub now: Instant,
    pub outcome: Outcome,
    answers: std::vec::Vec<Answer>,
}

fn group(number: u8, kind: Kind) -> GroupDraft {
    GroupDraft {
        preferred: NodeId(0),
        identity: Mark([number; 3]),
        digest: Mark([number; 3]),
        resources: Vec::from_slice(&[kind]).unwrap(),
        monitors: Vec::new(),
    }
}

impl Node {
    pub fn new() -> Self {
        let seconds = Span::from_secs;
        let config = Config::new(Draft {
            me: NodeId(0),
            cluster: ClusterId([7, 7]),
            links: 1,
            pings: 0,
            keepalive: seconds(1),
            warntime: seconds(4),
            deadtime: seconds(10),
            deadping: seconds(10),
            initdead: seconds(20),
            stop_budget: seconds(3),
            auto_failback: false,
            ipfail: false,
            diskless_hands_over: true,
            last_resort: true,
            watchdog: None,
            groups: Vec::from_slice(&[group(0, Kind::Drbd), group(1, Kind::Plain)]).unwrap(),
            resources_digest: [1; 4],
            timings_digest: [1; 4],
            witness: false,
            stonith: None,
            commanded: false,
            relay: ovzha_core::witness::Relay::None,
            speaks: 2,
        });
        let mut keyring = Keyring::new(Domain::Node);
        keyring.add(KeyId(1), Method::Md5, b"a key").unwrap();
        keyring.sign_with(KeyId(1)).unwrap();
        let now = Instant::from_millis(1000);
        let mut node = Self {
            cluster: Cluster::new(config.unwrap(), keyring, BootId([9; 4]), Durable::default(), now),
            now,
            outcome: Outcome::Done,
            answers: std::vec![],
        };
        node.tell(Event::Tick);
        node
    }

    pub fn tell(&mut self, event: Event<'_>) {
        self.cluster.handle(self.now, event);
        let mut frame = FrameBuf::new();
        for _ in 0..POLLS {
            match self.cluster.poll(&mut frame) {
                Output::Wait { .. } => return,
                Output::Start(effect) => {
                    let outcome = if effect.op == Op::Probe {
                        Outcome::NotRunning
                    } else {
                        self.outcome
                    };
                    let effect = effect.id;
                    self.cluster.handle(self.now, Event::Done { effect, outcome });
                }
                Output::Store { version, .. } => self.cluster.handle(self.now, Event::Stored { version, ok: true }),
                Output::Reply { answer, .. } => self.answers.push(answer),
                Output::Send { .. }
                | Output::Shoot(_)
                | Output::Abandon(_)
                | Output::Notice(_)
                | Output::FenceSelf { .. }
                | Output::Pet { .. }
                | Output::Disarm
                | Output::Bug(_)
                | Output::Exit => {}
            }
        }
        panic!("polling does not come to Wait");
    }

    /// What is answered at once.
    pub fn ask(&mut self, command: Command) -> Option<Answer> {
        self.answers.clear();
        let client = ClientId(1);
        self.tell(Event::Request { client, command });
        self.answers.first().copied()
    }

    /// DRBD is observed.
    pub fn shows(&mut self, seen: Seen) {
        self.tell(Event::Drbd { group: MIRRORED, seen });
    }
}
