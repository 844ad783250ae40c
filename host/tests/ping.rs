//! Echo requests over real sockets, in namespaces of their own: replies that count and those that must not.

#[path = "udp_netns/mod.rs"]
mod netns;

use ovzha_core::time::{Instant, Span};
use ovzha_host::ping::{OpenErrorKind, Pinger, Received, Reply, SendResult, SocketKind};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::Duration;

const SECRET: [u8; 32] = [7; 32];
const BARE: &str = "OVZHA_TEST_WITHOUT_NET_RAW";

#[expect(clippy::unwrap_used, reason = "addresses of this file")]
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// Waits up to a second for something other than `Empty`.
fn next(pinger: &mut Pinger, now: Instant) -> Received {
    for _ in 0..100 {
        match pinger.receive(now) {
            Received::Empty => sleep(Duration::from_millis(10)),
            other @ (Received::Reply(_) | Received::Dropped) => return other,
        }
    }
    Received::Empty
}

/// A raw ICMP socket of the test, sending from `source`.
#[expect(clippy::unwrap_used, reason = "these tests run as root")]
fn raw(source: Ipv4Addr) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    socket.into()
}

/// The checksum put right after a change, by another way than the one under test.
fn summed(mut icmp: Vec<u8>) -> Vec<u8> {
    icmp[2..4].fill(0);
    let sum: u32 = icmp
        .chunks_exact(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let bytes = (!folded).to_be_bytes();
    icmp[2..4].copy_from_slice(&bytes[2..]);
    icmp
}

/// The same packet with one byte changed and the checksum right.
fn changed(icmp: &[u8], place: usize) -> Vec<u8> {
    let mut other = icmp.to_vec();
    other[place] ^= 1;
    summed(other)
}

#[test]
fn only_the_right_reply_counts_and_only_once() {
    if netns::inside("only_the_right_reply_counts_and_only_once").is_none() {
        return;
    }
    let home = Ipv4Addr::LOCALHOST;
    let wire = raw(home);
    let mut pinger = Pinger::new(&[&[home.into()]], &SECRET);
    assert_eq!((pinger.send(0, at(0)), pinger.fds().next()), (SendResult::Closed, None));
    pinger.open().unwrap();
    assert_eq!(pinger.kinds().collect::<Vec<_>>(), [SocketKind::Raw]);
    assert_eq!(pinger.send(1, at(0)), SendResult::Closed, "no such node");
    assert_eq!(pinger.send(0, at(100)), SendResult::Sent);
    let counts = Reply {
        node: 0,
        sent: at(100),
        sequence: 1,
        round_trip: Span::from_millis(3),
    };
    assert_eq!(next(&mut pinger, at(103)), Received::Reply(counts));

    // the true reply, as seen on the wire
    let mut packet = [0; 256];
    let reply = loop {
        let (len, _) = wire.recv_from(&mut packet).unwrap();
        if packet[20] == 0 {
            break packet[20..len].to_vec();
        }
    };
    assert_eq!((reply.len(), summed(reply.clone()) == reply), (16, true));
    let mut inject = |from: &UdpSocket, icmp: &[u8]| {
        from.send_to(icmp, (home, 0)).unwrap();
        let found = next(&mut pinger, at(200));
        (found, *pinger.counters())
    };
    let (found, counted) = inject(&wire, &reply);
    assert_eq!((found, counted.duplicate), (Received::Dropped, 1), "a replay");
    let (found, counted) = inject(&wire, &changed(&reply, 15));
    assert_eq!((found, counted.forged), (Received::Dropped, 1), "another tag");
    let (found, counted) = inject(&wire, &changed(&reply, 7));
    assert_eq!((found, counted.unexpected), (Received::Dropped, 1), "another sequence");
    let (found, counted) = inject(&raw(Ipv4Addr::new(127, 0, 0, 2)), &reply);
    assert_eq!((found, counted.unexpected), (Received::Dropped, 2), "another source");
    let mut broken = reply.clone();
    broken[15] ^= 1;
    let (found, counted) = inject(&wire, &broken);
    assert_eq!((found, counted.malformed), (Received::Dropped, 1), "a wrong checksum");
    let (found, counted) = inject(&wire, &summed([&reply[..], &[0; 100]].concat()));
    assert_eq!(
        (found, counted.malformed + counted.other),
        (Received::Dropped, 2),
        "a longer one"
    );
    let (found, counted) = inject(&wire, &summed(reply[..8].to_vec()));
    assert_eq!(
        (found, counted.other + counted.malformed),
        (Received::Dropped, 3),
        "without a tag"
    );

    // other identifiers and other types don't even wake us
    for quiet in [changed(&reply, 4), changed(&reply, 1)] {
        wire.send_to(&quiet, (home, 0)).unwrap();
    }
    sleep(Duration::from_millis(50));
    assert_eq!(pinger.receive(at(300)), Received::Empty);
    assert_eq!(pinger.counters().replies, 1);
}

#[test]
fn a_reply_too_many_requests_late_does_not_count() {
    if netns::inside("a_reply_too_many_requests_late_does_not_count").is_none() {
        return;
    }
    let mut pinger = Pinger::new(&[&[Ipv4Addr::LOCALHOST.into()], &[Ipv4Addr::LOCALHOST.into()]], &SECRET);
    pinger.open().unwrap();
    for ms in 0..9 {
        assert_eq!(pinger.send(1, at(ms)), SendResult::Sent);
    }
    let mut sequences = Vec::new();
    loop {
        match next(&mut pinger, at(20)) {
            Received::Reply(reply) => {
                assert_eq!((reply.node, reply.sent.as_millis() + 1), (1, u64::from(reply.sequence)));
                sequences.push(reply.sequence);
            }
            Received::Dropped => {}
            Received::Empty => break,
        }
    }
    assert_eq!(sequences, [2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(pinger.counters().unexpected, 1);
}

#[test]
fn a_node_that_goes_and_comes_back() {
    let Some(peer) = netns::inside("a_node_that_goes_and_comes_back") else {
        return;
    };
    let mut pinger = Pinger::new(&[&[ip("192.0.2.1")], &[ip("10.94.0.2")]], &SECRET);
    pinger.open().unwrap();
    assert_eq!(pinger.send(0, at(0)), SendResult::Unreachable, "no route");
    netns::cable(&peer);
    // a veth end that has just come up may swallow packets for a second
    let answered = |pinger: &mut Pinger, now, attempts: u64| {
        let mut sent = SendResult::Closed;
        for attempt in 0..attempts {
            sent = pinger.send(1, at(now + attempt));
            if matches!(next(pinger, at(now + attempt)), Received::Reply(Reply { node: 1, .. })) {
                return (sent, true);
            }
        }
        (sent, false)
    };
    assert_eq!(answered(&mut pinger, 1000, 5), (SendResult::Sent, true));
    netns::ip(&format!("-n {peer} link set hb0 down"));
    assert!(!answered(&mut pinger, 2000, 1).1);
    netns::ip("link set hb0 down");
    assert_eq!(answered(&mut pinger, 3000, 1), (SendResult::Unreachable, false));
    netns::ip("link del hb0");
    assert_eq!(answered(&mut pinger, 4000, 1), (SendResult::Unreachable, false));
    netns::cable(&peer);
    assert_eq!(
        answered(&mut pinger, 5000, 5),
        (SendResult::Sent, true),
        "the same socket still serves"
    );
}

#[test]
fn without_net_raw_the_unprivileged_socket_serves() {
    const NAME: &str = "without_net_raw_the_unprivileged_socket_serves";
    if netns::inside(NAME).is_none() {
        return;
    }
    if std::env::var(BARE).is_err() {
        let status = Command::new("setpriv")
            .args(["--inh-caps", "-net_raw", "--bounding-set", "-net_raw"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(BARE, "1")
            .status();
        assert!(
            status.as_ref().is_ok_and(ExitStatus::success),
            "this test needs setpriv (util-linux): {status:?}"
        );
        return;
    }
    let range = "/proc/sys/net/ipv4/ping_group_range";
    let mut pinger = Pinger::new(&[&[ip("127.0.0.1")]], &SECRET);
    std::fs::write(range, "1 0").unwrap();
    let error = pinger.open().unwrap_err();
    assert_eq!(error.kind, OpenErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");

    std::fs::write(range, "0 0").unwrap();
    pinger.open().unwrap();
    assert_eq!(pinger.kinds().collect::<Vec<_>>(), [SocketKind::Datagram]);
    // two of them, with the same secret even, don't take each other's replies
    let mut second = Pinger::new(&[&[ip("127.0.0.1")]], &SECRET);
    second.open().unwrap();
    assert!(second.is_open());
    for one in [&mut pinger, &mut second] {
        assert_eq!(one.send(0, at(5)), SendResult::Sent);
        let found = next(one, at(6));
        let right = matches!(
            found,
            Received::Reply(Reply {
                node: 0,
                sequence: 1,
                ..
            })
        );
        assert!(right, "{found:?} {:?}", one.counters());
        assert_eq!(one.receive(at(7)), Received::Empty);
    }
}

#[test]
fn ipv6_is_asked_and_any_address_of_a_node_answers_for_it() {
    if netns::inside("ipv6_is_asked_and_any_address_of_a_node_answers_for_it").is_none() {
        return;
    }
    netns::ip("addr add fd00::1/64 dev lo nodad");
    let group = [ip("192.0.2.1"), ip("fd00::1")];
    let mut pinger = Pinger::new(&[&[ip("127.0.0.1")], &group], &SECRET);
    pinger.open().unwrap();
    assert_eq!(pinger.kinds().collect::<Vec<_>>(), [SocketKind::Raw, SocketKind::Raw]);
    let mut nodes = [false; 2];
    // a new IPv6 address takes the kernel a moment
    for round in 1..20 {
        pinger.ask(at(7));
        while let Received::Reply(reply) = next(&mut pinger, at(9)) {
            assert_eq!((reply.sent, reply.sequence <= round), (at(7), true));
            nodes[usize::from(reply.node)] = true;
        }
        if nodes == [true, true] {
            break;
        }
    }
    assert_eq!(nodes, [true, true], "{:?}", pinger.counters());

    // what else is sent to this machine as ICMPv6 never reaches us
    let wire = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
    let other = [129, 0, 0, 0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    wire.send_to(&other, &SocketAddr::new(group[1], 0).into()).unwrap();
    assert_eq!(next(&mut pinger, at(9)), Received::Empty);
}
