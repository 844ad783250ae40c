//! The Ethernet image between two nodes that reach it over UDP only: a switch, a server that gives addresses, two real cores.

use ovzha_board_logic::provision::Hand;
use ovzha_board_logic::service::{Reply, Request};
use ovzha_core::frame::peek;
use ovzha_core::id::NodeId;
use ovzha_core::serial::{Deframer, SerialBuf, encode};
use ovzha_core::time::Instant;
use serde_json::{Value, json};

use crate::bed::{SECRET, provision};
use crate::emulator::Emulator;
use crate::node::{Node, Times};
use crate::pair::{Admin, Pair, STEP_MS};

const PORT: u16 = 694;
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const NODES: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
const SERVER: [u8; 4] = [10, 0, 0, 254];
/// The address that the board is given.
pub const BOARD: &str = "10.0.0.9";
/// Another one than the server.
pub const ROUTER: &str = "10.0.0.253";
/// Short, so that every case sees it renewed.
const LEASE_S: u32 = 20;

/// What gives addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Answers,
    /// Another client, too, each time before the board.
    AnswersAnother,
    Silent,
}

/// All of it.
pub struct Lan {
    pub board: Emulator,
    pub nodes: [Node; 2],
    /// Cut: the network between the nodes; each node's way to the board.
    pub split: bool,
    pub unplugged: [bool; 2],
    pub server: Server,
    /// The chip says a wrong length with the next datagram for the witness.
    pub faulty: bool,
    /// Words that reached a node.
    pub words: [u64; 2],
    deframers: [Deframer; 2],
    admin: Admin,
    arriving: Vec<Value>,
}

impl Lan {
    /// A board that votes only, with its record and its address, and two nodes that know nothing of each other yet.
    pub fn new(secrets: [&'static str; 2]) -> Self {
        let mut lan = Self::bare(secrets);
        let reply = lan.ask(0, &Request::Provision(provision(Hand::None, SECRET), None));
        assert_eq!(reply, Reply::Done);
        lan.board.run(1_000);
        let now = lan.now();
        lan.nodes = [0, 1].map(|me| Node::new(me, Times::USUAL, secrets[usize::from(me)], now));
        lan
    }

    /// A board without a record.
    pub fn bare(secrets: [&'static str; 2]) -> Self {
        let path =
            std::env::var_os("OVZHA_BOARD_ETH").expect("OVZHA_BOARD_ETH: the image with Ethernet; run .ci/run board");
        let now = Instant::from_millis(0);
        Self {
            board: Emulator::of(path.into()),
            nodes: [0, 1].map(|me| Node::new(me, Times::USUAL, secrets[usize::from(me)], now)),
            split: false,
            unplugged: [false; 2],
            server: Server::Answers,
            faulty: false,
            words: [0; 2],
            deframers: [Deframer::new(), Deframer::new()],
            admin: Admin::default(),
            arriving: Vec::new(),
        }
    }

    /// What the board sent, to whom it goes.
    fn carry(&mut self) {
        let now = self.now();
        for (to, port, bytes) in std::mem::take(&mut self.board.datagrams) {
            if (to.as_str(), port) == ("255.255.255.255", SERVER_PORT) {
                if self.server != Server::Silent {
                    let answer = answer(&bytes);
                    let server = SERVER.map(|byte| byte.to_string()).join(".");
                    if self.server == Server::AnswersAnother {
                        let mut other = answer.clone();
                        other[4..8].copy_from_slice(b"else");
                        other[28..34].copy_from_slice(b"\x02other");
                        self.arriving.push(json!([server, SERVER_PORT, CLIENT_PORT, other]));
                    }
                    self.arriving.push(json!([server, SERVER_PORT, CLIENT_PORT, answer]));
                }
                continue;
            }
            let place = NODES
                .iter()
                .position(|node| *node == to)
                .expect("it speaks to the nodes only");
            assert_eq!(port, PORT);
            if !self.unplugged[place] {
                self.words[place] += 1;
                let mut serial = SerialBuf::new();
                self.nodes[place].cable(now, encode(&bytes, &mut serial).unwrap());
            }
        }
    }
}

impl Pair for Lan {
    fn board(&self) -> &Emulator {
        &self.board
    }

    fn nodes(&self) -> &[Node; 2] {
        &self.nodes
    }

    /// The first node's, which is there for admins only.
    fn cable(&mut self, line: usize) -> (&mut Emulator, &mut Admin) {
        assert_eq!(line, 0);
        (&mut self.board, &mut self.admin)
    }

    fn step(&mut self) {
        let now = self.now();
        for (place, address) in NODES.into_iter().enumerate() {
            self.nodes[place].tick(now);
            let (cable, network) = std::mem::take(&mut self.nodes[place].out);
            for byte in &cable {
                let Some(Ok(frame)) = self.deframers[place].push(*byte) else {
                    continue;
                };
                let to_witness = peek(frame).is_ok_and(|header| header.addressee == NodeId::WITNESS);
                if to_witness && !self.unplugged[place] && self.board.address == BOARD {
                    let said = if std::mem::take(&mut self.faulty) {
                        1_500
                    } else {
                        frame.len()
                    };
                    self.arriving.push(json!([address, PORT, PORT, frame, said]));
                }
            }
            if !self.split {
                for bytes in network {
                    self.nodes[1 - place].datagram(now, &bytes);
                }
            }
        }
        let hosts: Vec<&str> = (0..2)
            .filter(|place| !self.unplugged[*place])
            .map(|place| NODES[place])
            .collect();
        self.board.lan["hosts"] = json!(hosts);
        self.board.lan["udp"] = Value::Array(std::mem::take(&mut self.arriving));
        self.board.run(STEP_MS);
        self.carry();
        self.admin.hear(&std::mem::take(&mut self.board.tx[0]));
        assert_ne!(self.active(), [true, true], "two actives\n{}", self.story());
    }
}

/// What a server says to a client (RFC 2131): the offer of an address, or that it is the client's.
fn answer(ask: &[u8]) -> Vec<u8> {
    assert_eq!(ask[236..240], [99, 130, 83, 99]);
    let kind = match ask[242] {
        1 => 2,
        3 => 5,
        other => panic!("message {other}"),
    };
    let mut out = ask[..240].to_vec();
    out[0] = 2;
    out[16..20].copy_from_slice(&[10, 0, 0, 9]);
    out.extend([53, 1, kind, 54, 4]);
    out.extend(SERVER);
    out.extend([1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 0, 253, 51, 4]);
    out.extend(LEASE_S.to_be_bytes());
    out.push(255);
    out
}
