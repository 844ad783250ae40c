//! The pair, its cables and its board, moved step by step; what must never be is looked for behind each step.

use heapless::{String as Name, Vec as Few};
use ovzha_board_logic::provision::{Digest, Hand, Key, Provision};
use ovzha_board_logic::relay::Hold;
use ovzha_board_logic::service::{self, Order, Reply, Request};
use ovzha_core::auth::{Domain, Keyring};
use ovzha_core::id::KeyId;
use ovzha_core::time::Instant;

use crate::emulator::{Emulator, Seen};
use crate::node::{Machine, Node, Times, cluster, ring};
use crate::pair::{Admin, Pair, STEP_MS};

pub const SECRET: &str = "the cluster's secret";
/// What the cells of a supply hold behind a cut.
const SUPPLY_MS: u64 = 50;

/// What is cut, and which way.
#[derive(Clone, Copy, Default)]
pub struct Cuts {
    /// The network between the nodes.
    pub network: bool,
    /// Each node's cable to the board.
    pub cables: [bool; 2],
}

/// All of it.
pub struct Bed {
    pub board: Emulator,
    pub nodes: [Node; 2],
    pub cuts: Cuts,
    /// The board's relays don't switch: contacts welded.
    pub stuck: bool,
    /// A node's sense wire hangs in the air.
    pub torn: [bool; 2],
    /// The power switch of a node, beside the relay.
    pub mains: [bool; 2],
    /// When a relay was last energised or fell back, by node.
    switched: [Option<(u64, bool)>; 2],
    handled: usize,
    admins: [Admin; 2],
    /// Bytes from each node onto its cable.
    pub said: [u64; 2],
    pub number: u32,
}

/// A record for this pair.
pub fn provision(hand: Hand, secret: &str) -> Provision {
    let key = |domain| {
        let ring: Keyring = ring(domain, secret);
        let (method, derived) = ring.derived(KeyId(1)).unwrap();
        Key {
            id: 1,
            digest: Digest::of(method).unwrap(),
            derived: *derived,
        }
    };
    Provision {
        cluster: cluster().0,
        nodes: [Name::try_from("alfa").unwrap(), Name::try_from("bravo").unwrap()],
        keys: Few::from_iter([key(Domain::Witness)]),
        orders: key(Domain::Board),
        keepalive_ms: 1_000,
        longest_ms: 12_000,
        hand,
        hold: Hold::Pulse,
        off_ms: 4_000,
        sensed: hand != Hand::None,
        lives: 4_000_000_000,
    }
}

impl Bed {
    /// A board without a record, and two nodes that know nothing of each other yet.
    pub fn bare(times: Times) -> Self {
        let mut board = Emulator::start();
        board.run(20);
        let now = Instant::from_millis(board.us / 1000);
        Self {
            board,
            nodes: [Node::new(0, times, SECRET, now), Node::new(1, times, SECRET, now)],
            cuts: Cuts::default(),
            stuck: false,
            torn: [false; 2],
            mains: [true; 2],
            switched: [None; 2],
            handled: 0,
            admins: Default::default(),
            said: [0; 2],
            number: 0,
        }
    }

    /// The board has its record before the nodes begin.
    pub fn new(hand: Hand, times: Times) -> Self {
        let mut bed = Self::bare(times);
        let reply = bed.ask(0, &Request::Provision(provision(hand, SECRET), None));
        assert_eq!(reply, Reply::Done);
        bed.board.run(800);
        assert!(
            bed.board
                .seen
                .iter()
                .any(|seen| matches!(seen, Seen::Reset { cause, .. } if cause == "forced")),
            "it starts anew with its record\n{}",
            bed.story()
        );
        let now = bed.now();
        bed.nodes = [Node::new(0, times, SECRET, now), Node::new(1, times, SECRET, now)];
        bed
    }

    /// Gives an order with its proof.
    pub fn order(&mut self, by: usize, secret: &str, order: Order<'_>) -> Reply {
        let life = self.status().life;
        self.number += 1;
        let proof = service::prove(&ring(Domain::Board, secret), order, life, self.number).unwrap();
        let request = match order {
            Order::Try(node) => Request::Try(node, proof),
            Order::Restore(node) => Request::Restore(node, proof),
            Order::Provision(provision) => Request::Provision(provision.clone(), Some(proof)),
        };
        self.ask(by, &request)
    }

    /// What the relays did.
    pub fn relays(&self) -> Vec<(u64, usize, bool)> {
        let relay = |seen: &Seen| match seen {
            Seen::Relay { at_us, node, cut } => Some((*at_us, *node, *cut)),
            Seen::Reset { .. } => None,
        };
        self.board.seen.iter().filter_map(relay).collect()
    }

    /// The relays' contacts, the mains, and what the inputs feel of them.
    fn power(&mut self, now: Instant) {
        for seen in &self.board.seen[self.handled..] {
            if let Seen::Relay { at_us, node, cut } = seen {
                self.switched[*node] = Some((*at_us, *cut));
            }
        }
        self.handled = self.board.seen.len();
        for place in 0..2 {
            let supplied = match self.switched[place] {
                Some((at, true)) if !self.stuck => self.board.us < at + SUPPLY_MS * 1000,
                Some(_) | None => true,
            };
            let on = supplied && self.mains[place];
            self.nodes[place].power(now, on);
            self.board.sense(place, on && !self.torn[place]);
        }
    }

    /// What must never be.
    fn look(&self) {
        let run = self
            .nodes
            .each_ref()
            .map(|node| node.runs && node.machine != Machine::Off);
        assert_ne!(
            run,
            [true, true],
            "two actives at {} us\n{}",
            self.board.us,
            self.story()
        );
        let cut = self.switched.map(|it| it.is_some_and(|(_, cut)| cut));
        assert_ne!(
            cut,
            [true, true],
            "both relays at {} us\n{}",
            self.board.us,
            self.story()
        );
    }
}

impl Pair for Bed {
    fn board(&self) -> &Emulator {
        &self.board
    }

    fn nodes(&self) -> &[Node; 2] {
        &self.nodes
    }

    fn cable(&mut self, line: usize) -> (&mut Emulator, &mut Admin) {
        (&mut self.board, &mut self.admins[line])
    }

    fn step(&mut self) {
        let now = self.now();
        for place in 0..2 {
            self.nodes[place].tick(now);
            let (cable, network) = std::mem::take(&mut self.nodes[place].out);
            self.said[place] += u64::try_from(cable.len()).unwrap();
            if !self.cuts.cables[place] {
                self.board.feed(place, &cable);
            }
            if !self.cuts.network {
                for bytes in network {
                    self.nodes[1 - place].datagram(now, &bytes);
                }
            }
        }
        self.board.run(STEP_MS);
        let now = self.now();
        for place in 0..2 {
            let bytes = std::mem::take(&mut self.board.tx[place]);
            self.admins[place].hear(&bytes);
            if !self.cuts.cables[place] {
                self.nodes[place].cable(now, &bytes);
            }
        }
        self.power(now);
        self.look();
    }
}
