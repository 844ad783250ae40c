//! UDP links over real sockets: on loopback by address, and over a veth pair by device.

#[path = "udp_netns/mod.rs"]
mod netns;

use ovzha_core::time::Instant;
use ovzha_host::udp::{DRAIN_MAX, OpenErrorKind, Received, SendResult, Source, UdpConfig, UdpLink};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

const ECHO: &str = "OVZHA_TEST_ECHO";

fn loopback(own: u8, peer: u8, port: u16) -> UdpConfig {
    let home = |last| Ipv4Addr::new(127, 0, 0, last).into();
    UdpConfig {
        bind_to_address: true,
        ..UdpConfig::unicast("lo", port, home(own), home(peer))
    }
}

fn cabled(own: &str, peer: &str) -> Result<UdpConfig, std::net::AddrParseError> {
    Ok(UdpConfig::unicast("hb0", 694, own.parse()?, peer.parse()?))
}

/// Waits up to two seconds for something other than `Empty`.
fn next(link: &mut UdpLink, frame: &mut [u8]) -> Received {
    for _ in 0..200 {
        match link.receive(frame) {
            Received::Empty => sleep(Duration::from_millis(10)),
            other @ (Received::Frame { .. } | Received::Dropped) => return other,
        }
    }
    Received::Empty
}

/// A free port on every loopback address.
fn free_port() -> u16 {
    let probe = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.local_addr());
    probe.map_or(0, |at| at.port())
}

#[test]
fn a_frame_reaches_the_peer_and_an_absent_peer_is_no_failure() {
    let port = free_port();
    let mut a = UdpLink::new(loopback(1, 2, port));
    assert_eq!(a.send(b"early"), SendResult::Closed);
    a.open().unwrap();
    for _ in 0..3 {
        assert_eq!(a.send(b"nobody listens"), SendResult::Sent);
    }
    let mut b = UdpLink::new(loopback(2, 1, port));
    b.open().unwrap();
    assert_eq!(a.send(b"heartbeat"), SendResult::Sent);
    let mut frame = [0; 64];
    assert_eq!(
        next(&mut b, &mut frame),
        Received::Frame {
            len: 9,
            source: Source::Peer
        }
    );
    assert_eq!(&frame[..9], b"heartbeat");
    assert_eq!(b.receive(&mut frame), Received::Empty);
    assert_eq!((a.counters().sent, b.counters().received), (4, 1));
    assert!(a.fd().is_some() && a.is_open());
}

#[test]
fn foreign_sources_are_dropped_own_ones_told_apart_long_ones_counted() {
    let port = free_port();
    let mut link = UdpLink::new(loopback(3, 4, port));
    link.open().unwrap();
    let to = (Ipv4Addr::new(127, 0, 0, 3), port);
    let mut frame = [0; 64];

    let stranger = UdpSocket::bind("127.0.0.5:0").unwrap();
    stranger.send_to(b"not the peer", to).unwrap();
    assert_eq!(next(&mut link, &mut frame), Received::Dropped);
    assert_eq!(frame, [0; 64], "a foreign datagram never reaches the caller's buffer");

    let own = UdpSocket::bind("127.0.0.3:0").unwrap();
    own.send_to(b"echo", to).unwrap();
    assert_eq!(
        next(&mut link, &mut frame),
        Received::Frame {
            len: 4,
            source: Source::Own
        }
    );

    let peer = UdpSocket::bind("127.0.0.4:0").unwrap();
    peer.send_to(&[7; 65], to).unwrap();
    peer.send_to(&[8; 64], to).unwrap();
    peer.send_to(&[9; 5000], to).unwrap();
    peer.send_to(b"", to).unwrap();
    assert_eq!(next(&mut link, &mut frame), Received::Dropped);
    assert_eq!(
        next(&mut link, &mut frame),
        Received::Frame {
            len: 64,
            source: Source::Peer
        }
    );
    assert_eq!(next(&mut link, &mut frame), Received::Dropped);
    assert_eq!(
        next(&mut link, &mut frame),
        Received::Frame {
            len: 0,
            source: Source::Peer
        }
    );

    let counted = link.counters();
    assert_eq!(
        (counted.foreign, counted.own, counted.oversized, counted.received),
        (1, 1, 2, 2)
    );
}

#[test]
fn a_flood_is_bounded_by_the_kernel_and_leaves_the_link_usable() {
    let port = free_port();
    let mut link = UdpLink::new(loopback(6, 7, port));
    link.open().unwrap();
    let to = (Ipv4Addr::new(127, 0, 0, 6), port);
    let stranger = UdpSocket::bind("127.0.0.8:0").unwrap();
    for _ in 0..10_000 {
        stranger.send_to(b"garbage", to).unwrap();
    }
    let mut frame = [0; 64];
    let mut rounds = 0;
    while (0..DRAIN_MAX).all(|_| link.receive(&mut frame) == Received::Dropped) {
        rounds += 1;
    }
    assert!(rounds > 0 && link.counters().foreign < 10_000, "{:?}", link.counters());
    UdpSocket::bind("127.0.0.7:0").unwrap().send_to(b"after", to).unwrap();
    assert_eq!(
        next(&mut link, &mut frame),
        Received::Frame {
            len: 5,
            source: Source::Peer
        }
    );
}

#[test]
fn an_address_that_is_not_ours_is_not_yet() {
    let mut link = UdpLink::new(UdpConfig {
        bound: Ipv4Addr::new(192, 0, 2, 1).into(),
        ..loopback(1, 2, free_port())
    });
    let error = link.open().unwrap_err();
    assert_eq!(error.kind, OpenErrorKind::NotYet, "{error}");
    assert!(error.to_string().contains("doesn't have this address"), "{error}");
    assert!(link.fd().is_none());
}

/// A process in the peer's namespace; ended when dropped.
struct Peer(Child);

impl Peer {
    /// Runs `test` of this binary in `namespace` with `variable` set.
    #[expect(clippy::expect_used, reason = "a test that can't start its peer can only fail")]
    fn run(namespace: &str, test: &str, variable: &str) -> Self {
        let child = netns::again(namespace, test)
            .env(variable, "1")
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("the peer process starts"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Not a test of its own: the peer's side of the tests below.
#[test]
fn peer_echo() {
    if std::env::var(ECHO).is_err() {
        return;
    }
    let mut link = UdpLink::new(cabled(netns::PEER, netns::OWN).unwrap());
    let mut frame = [0; 64];
    for tick in 0..6000 {
        link.look();
        if let Some(Err(error)) = link.reopen(Instant::from_millis(tick * 5)) {
            assert_eq!(error.kind, OpenErrorKind::NotYet, "{error}");
        }
        while let Received::Frame { len, .. } = link.receive(&mut frame) {
            link.send(&frame[..len]);
        }
        sleep(Duration::from_millis(5));
    }
}

/// Sends until an echo comes back, for up to five seconds.
fn echoed(link: &mut UdpLink) -> bool {
    let mut frame = [0; 64];
    for _ in 0..100 {
        link.send(b"beat");
        sleep(Duration::from_millis(50));
        if matches!(
            link.receive(&mut frame),
            Received::Frame {
                len: 4,
                source: Source::Peer
            }
        ) {
            return true;
        }
    }
    false
}

#[test]
fn bound_to_a_device_that_comes_goes_and_comes_back() {
    let Some(peer) = netns::inside("bound_to_a_device_that_comes_goes_and_comes_back") else {
        return;
    };
    let mut link = UdpLink::new(cabled(netns::OWN, netns::PEER).unwrap());
    let absent = link.reopen(Instant::from_millis(0)).unwrap().unwrap_err();
    assert_eq!((absent.kind, link.carrier()), (OpenErrorKind::NotYet, None), "{absent}");
    assert!(absent.to_string().contains("no such interface"), "{absent}");
    assert!(
        link.reopen(Instant::from_millis(999)).is_none(),
        "not before it is time"
    );

    netns::cable(&peer);
    let _peer = Peer::run(&peer, "peer_echo", ECHO);
    link.reopen(Instant::from_millis(1000)).unwrap().unwrap();
    assert!(echoed(&mut link), "{:?}", link.counters());
    assert_eq!(link.carrier(), Some(true));

    netns::ip("link set hb0 down");
    assert_eq!(
        (link.send(b"beat"), link.carrier()),
        (SendResult::Unreachable, Some(false))
    );
    netns::ip("link set hb0 up");
    assert!(echoed(&mut link), "{:?}", link.counters());

    netns::ip(&format!("-n {peer} link set hb0 down"));
    assert_eq!(link.carrier(), Some(false));
    assert!(link.is_open(), "a pulled cable closes nothing");

    // removed and made again: the same name is another interface
    netns::ip("link del hb0");
    netns::cable(&peer);
    assert!(link.is_open());
    link.look();
    link.reopen(Instant::from_millis(5000)).unwrap().unwrap();
    assert_eq!((link.counters().gone, link.counters().opened), (1, 2));
    assert!(echoed(&mut link), "{:?}", link.counters());

    // the same, found by sending
    netns::ip("link del hb0");
    assert_eq!(link.send(b"beat"), SendResult::Gone);
    assert_eq!(link.send(b"beat"), SendResult::Closed);

    // and renamed
    netns::cable(&peer);
    link.open().unwrap();
    netns::ip("link set hb0 down");
    netns::ip("link set hb0 name hb1");
    link.look();
    assert_eq!(
        link.reopen(Instant::from_millis(9000)).unwrap().unwrap_err().kind,
        OpenErrorKind::NotYet
    );
}

#[test]
fn another_source_on_the_same_wire_is_not_heard() {
    let Some(peer) = netns::inside("another_source_on_the_same_wire_is_not_heard") else {
        return;
    };
    netns::cable(&peer);
    netns::ip(&format!("-n {peer} addr add 10.94.0.3/24 dev hb0"));
    let _peer = Peer::run(&peer, "peer_echo", ECHO);
    let config = cabled(netns::OWN, "10.94.0.3").unwrap();
    let mut link = UdpLink::new(config);
    link.open().unwrap();

    // the echo answers from its own address, which for this link is a stranger's
    let frame = &mut [0; 64];
    let other = UdpSocket::bind((netns::OWN, 0)).unwrap();
    other.send_to(b"beat", (netns::PEER, 694)).unwrap();
    for _ in 0..40 {
        other.send_to(b"beat", (netns::PEER, 694)).unwrap();
        if next(&mut link, frame) == Received::Dropped {
            break;
        }
    }
    assert!(
        link.counters().foreign > 0 && link.counters().received == 0,
        "{:?}",
        link.counters()
    );

    // the article's own `ucast` line: what this machine sends to its own address counts as own, never as the peer's
    other.send_to(b"loop", (netns::OWN, 694)).unwrap();
    while link.counters().own == 0 && next(&mut link, frame) != Received::Empty {}
    assert_eq!((link.counters().own, link.counters().received), (1, 0));

    // the address is taken away: the link says so and waits for it
    netns::ip(&format!("addr del {}/24 dev hb0", netns::OWN));
    let gone = link.send(b"beat");
    assert!(matches!(gone, SendResult::Gone | SendResult::Unreachable), "{gone:?}");
}
