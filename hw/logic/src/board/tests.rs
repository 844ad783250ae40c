//! The whole board without a chip: what its pieces do together, and what no line may make it do.

extern crate std;

use core::mem::MaybeUninit;

use heapless::{String, Vec};
use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::{FRAME_MAX, FrameBuf, Header, VERSION, seal};
use ovzha_core::id::{BootId, ClusterId, KeyId, LinkId, NodeId, Sequence};
use ovzha_core::serial::{Deframer, SerialBuf, encode};
use ovzha_core::time::Instant;

use super::{Board, Duty, Lines, Start};
use crate::notice::Notice;
use crate::provision::{Digest, Hand, Key, Provision};
use crate::relay::Hold;
use crate::service::{self, Cause, Reply, Request, Status};

const BAUD: u32 = 19_200;

fn ring(domain: Domain) -> Keyring {
    let mut ring = Keyring::new(domain);
    ring.add(KeyId(1), Method::Sha256, b"a secret").unwrap();
    ring.sign_with(KeyId(1)).unwrap();
    ring
}

fn provision() -> Provision {
    let key = |domain| Key {
        id: 1,
        digest: Digest::Sha256,
        derived: *ring(domain).derived(KeyId(1)).unwrap().1,
    };
    Provision {
        cluster: [1, 2],
        nodes: [String::try_from("alfa").unwrap(), String::try_from("bravo").unwrap()],
        keys: Vec::from_iter([key(Domain::Witness)]),
        orders: key(Domain::Board),
        keepalive_ms: 1_000,
        longest_ms: 10_000,
        hand: Hand::InPlace,
        hold: Hold::Latch,
        off_ms: 4_000,
        sensed: true,
        lives: 5,
    }
}

/// Lines of its own for each board of a test.
fn lines() -> &'static mut Lines {
    std::boxed::Box::leak(std::boxed::Box::default())
}

fn start(duty: Option<&mut Duty>) -> Start<'_> {
    Start {
        starts: Some(1),
        cause: Cause::Power,
        duty,
        lines: lines(),
        baud: BAUD,
    }
}

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// All frames that go out on a node's line until then.
fn frames(board: &mut Board<'_>, node: u8, from: u64, to: u64) -> std::vec::Vec<std::vec::Vec<u8>> {
    let (mut out, mut deframer) = (SerialBuf::new(), Deframer::new());
    let mut all = std::vec::Vec::new();
    for ms in from..to {
        board.settle(at(ms));
        let bytes = board.next(at(ms), NodeId(node), &mut out).unwrap_or(&[]);
        for byte in bytes {
            if let Some(Ok(frame)) = deframer.push(*byte) {
                all.push(frame.to_vec());
            }
        }
    }
    all
}

fn say(board: &mut Board<'_>, now: u64, node: u8, frame: &[u8]) {
    let mut out = SerialBuf::new();
    board.hear(at(now), NodeId(node), encode(frame, &mut out).unwrap());
}

fn status(board: &mut Board<'_>, now: u64) -> Status {
    let mut out = [0; FRAME_MAX];
    let asked = service::write(&Request::Status, &mut out).unwrap().to_vec();
    say(board, now, 0, &asked);
    let answers = frames(board, 0, now, now.saturating_add(400));
    let reply = answers.iter().find_map(|frame| service::read::<Reply>(frame));
    let Some(Reply::Status(status)) = reply else {
        panic!("{reply:?}")
    };
    status
}

fn heartbeat(from: u8, to: NodeId, sequence: u32) -> std::vec::Vec<u8> {
    let header = Header {
        version: VERSION,
        cluster: ClusterId([1, 2]),
        sender: NodeId(from),
        addressee: to,
        link: LinkId(0),
        boot: BootId([9; 4]),
        sequence: Sequence(sequence),
    };
    let mut frame = FrameBuf::new();
    seal(&header, b"body", &ring(Domain::Node), &mut frame)
        .unwrap()
        .to_vec()
}

#[test]
fn a_heartbeat_goes_to_the_other_line_and_nowhere_else() {
    for (from, to) in [(0, 1), (1, 0)] {
        for addressee in [NodeId(to), NodeId::ALL] {
            let mut board = Board::new(start(None));
            let frame = heartbeat(from, addressee, 1);
            say(&mut board, 0, from, &frame);
            assert_eq!(frames(&mut board, to, 0, 300), [frame]);
            assert!(frames(&mut board, from, 300, 600).is_empty());
        }
    }
}

#[test]
fn what_is_for_the_witness_and_what_an_admin_says_is_not_forwarded() {
    let mut board = Board::new(start(None));
    say(&mut board, 0, 0, &heartbeat(0, NodeId::WITNESS, 1));
    let seen = status(&mut board, 10);
    assert_eq!((seen.asked, seen.lines[0].frames), (0, 1));
    assert!(frames(&mut board, 1, 500, 800).is_empty());
}

#[test]
fn whatever_comes_in_moves_no_relay_and_stops_no_line() {
    let mut place = MaybeUninit::uninit();
    let duty = Duty::begin(&mut place, provision(), 1, at(0)).unwrap();
    let mut board = Board::new(start(Some(duty)));
    let (mut dice, mut now) = (7_u32, 0);
    let mut out = SerialBuf::new();
    let real = [
        heartbeat(0, NodeId(1), 1),
        heartbeat(0, NodeId::WITNESS, 2),
        heartbeat(14, NodeId(1), 3),
        std::vec![0xb7, 1, 0],
    ];
    for _ in 0..40_000 {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, d] = dice.to_be_bytes();
        let node = NodeId(a & 1);
        match b % 4 {
            0 => board.hear(at(now), node, &[c, d, 0]),
            1 => board.hear(at(now), node, &[c]),
            2 => {
                let mut frame = real[usize::from(c % 4)].clone();
                let place = usize::from(d) % frame.len();
                frame[place] ^= c;
                board.hear(at(now), node, encode(&frame, &mut out).unwrap());
            }
            _ => board.damaged(node),
        }
        board.settle(at(now));
        board.next(at(now), node, &mut out);
        assert_eq!(board.energised(), [false, false]);
        now += 3;
    }
    let frame = heartbeat(1, NodeId(0), 9);
    board.hear(at(now), NodeId(1), &[0]);
    say(&mut board, now, 1, &frame);
    assert!(frames(&mut board, 0, now, now + 900).contains(&frame));
}

#[test]
fn a_start_that_was_not_counted_only_forwards() {
    let mut board = Board::new(Start {
        starts: None,
        cause: Cause::Power,
        duty: None,
        lines: lines(),
        baud: BAUD,
    });
    let seen = status(&mut board, 0);
    assert!(seen.starts.is_none() && seen.known.is_none());
    assert_eq!(board.notice_next(), None::<Notice>);
}

#[test]
fn every_start_is_another_life() {
    let life = |starts| {
        let mut place = MaybeUninit::uninit();
        let duty = Duty::begin(&mut place, provision(), starts, at(0)).unwrap();
        let mut board = Board::new(start(Some(duty)));
        status(&mut board, 0).life
    };
    assert_ne!(life(1), life(2));
    assert_eq!(life(1), [0, 0, 0, 6], "the number drawn by chance, and the count");
}
