//! Sends ICMP echo requests to the ping nodes and recognises their replies.
//!
//! Takeover hangs on these replies, so a reply counts only if it comes from the address asked, carries our
//! identifier, a sequence number still open, and a tag that only this process can compute over (address, sequence,
//! moment of sending); and it counts once. Everything else is counted and forgotten.
//!
//! A ping node may have several addresses; all are asked, and any reply is the node's. One non-blocking socket for all
//! IPv4 addresses and one for all IPv6 addresses: raw where allowed, else the kernel's unprivileged ICMP socket, whose
//! identifier is the kernel's to choose and which hands over no IP header.

pub use crate::open_error::{OpenError, OpenErrorKind};
pub use crate::udp::SendResult;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use ovzha_core::time::{Instant, Span};
use sha2::Sha256;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

/// Most addresses of all ping nodes together.
pub const ADDRESSES_MAX: usize = 64;
/// Most packets a caller takes before it looks at something else.
pub const DRAIN_MAX: usize = 2 * ADDRESSES_MAX;
/// Requests to one address that may still be answered; an older one is forgotten.
const OPEN_MAX: usize = 8;
const TAG_LEN: usize = 8;
const ICMP_HEADER: usize = 8;
const REQUEST_LEN: usize = ICMP_HEADER + TAG_LEN;
const ICMP_PROTOCOL: u8 = 1;
/// An IP header with all its options, our reply, and one byte that shows it was longer.
const PACKET_MAX: usize = 60 + REQUEST_LEN + 1;
const RECEIVE_BUFFER: usize = 64 * 1024;

/// A reply that proves its node answered a request of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The ping node's place in the list.
    pub node: u8,
    /// When the request was sent: what a takeover has to compare with the peer's last heartbeat.
    pub sent: Instant,
    /// The request's number.
    pub sequence: u16,
    /// From sending to now.
    pub round_trip: Span,
}

/// What one `receive` found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// A reply that counts.
    Reply(Reply),
    /// A packet that doesn't: counted; there may be more behind it.
    Dropped,
    /// Nothing left for now.
    Empty,
}

/// The kind of socket in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketKind {
    /// `SOCK_RAW`: sees every ICMP packet of the machine, with its IP header.
    Raw,
    /// `SOCK_DGRAM`: the kernel sets the identifier and passes only its replies.
    Datagram,
}

/// What happened since the daemon started, over all nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PingCounters {
    /// Requests handed to the kernel.
    pub sent: u64,
    /// Requests it refused: no route, queue full, firewall.
    pub not_sent: u64,
    /// Replies that count.
    pub replies: u64,
    /// Packets that are no well-formed ICMP.
    pub malformed: u64,
    /// ICMP that is no reply to this process: other types, other identifiers, other lengths.
    pub other: u64,
    /// Replies from an address we did not ask under that number, or for a number no longer open.
    pub unexpected: u64,
    /// Replies with a wrong tag.
    pub forged: u64,
    /// Replies to a request already answered.
    pub duplicate: u64,
    /// The last error number seen, 0 for none.
    pub last_errno: i32,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    sequence: u16,
    sent: Instant,
    answered: bool,
}

/// One address of a ping node.
#[derive(Clone, Debug)]
struct Target {
    node: u8,
    address: IpAddr,
    next: u16,
    requests: [Option<Request>; OPEN_MAX],
}

/// What differs between ICMP and `ICMPv6`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// ICMP.
    V4,
    /// `ICMPv6`.
    V6,
}

/// An echo reply as it came, not yet held against the requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Echo<'p> {
    /// The number of the request that it answers.
    pub sequence: u16,
    /// What the request carried, so it says.
    pub tag: &'p [u8],
}

/// Why a packet is no echo reply to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoEcho {
    /// It is damaged or cut.
    Malformed,
    /// It is for somebody else, or something else.
    Other,
}

/// Reads a packet as a socket of this kind gives it; `id`: the identifier of our requests.
///
/// # Errors
/// It is none of our replies.
pub fn parse(packet: &[u8], version: Version, kind: SocketKind, id: u16) -> Result<Echo<'_>, NoEcho> {
    let icmp = match (version, kind) {
        (Version::V4, SocketKind::Raw) => ip_payload(packet),
        (Version::V4, SocketKind::Datagram) | (Version::V6, _) => Some(packet),
    };
    // the kernel has checked the sum of ICMPv6
    let whole = |icmp: &&[u8]| version == Version::V6 || checksum(icmp) == 0;
    let (header, tag) = icmp
        .filter(whole)
        .and_then(|icmp| icmp.split_first_chunk::<ICMP_HEADER>())
        .ok_or(NoEcho::Malformed)?;
    let [kind, code, _, _, id_high, id_low, high, low] = *header;
    if (kind, code, [id_high, id_low]) != (version.reply(), 0, id.to_be_bytes()) || tag.len() != TAG_LEN {
        return Err(NoEcho::Other);
    }
    let sequence = u16::from_be_bytes([high, low]);
    Ok(Echo { sequence, tag })
}

impl Version {
    const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    const fn request(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    const fn reply(self) -> u8 {
        match self {
            Self::V4 => 0,
            Self::V6 => 129,
        }
    }

    const fn socket(self) -> (Domain, Protocol) {
        match self {
            Self::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Self::V6 => (Domain::IPV6, Protocol::ICMPV6),
        }
    }
}

#[derive(Debug)]
struct IcmpSocket {
    version: Version,
    kind: SocketKind,
    id: u16,
    // std's UDP type lends its safe send_to and recv_from; the calls are the same for ICMP sockets
    socket: UdpSocket,
}

/// All ping nodes; starts closed.
#[derive(Debug)]
pub struct Pinger {
    targets: Vec<Target>,
    key: Hmac<Sha256>,
    raw_id: u16,
    /// One for each version of IP that is asked.
    sockets: [Option<IcmpSocket>; 2],
    counters: PingCounters,
}

impl Pinger {
    /// For these ping nodes, each with its addresses; addresses beyond `ADDRESSES_MAX` are left out, which the
    /// configuration must have refused. `secret` must be random and new at every start.
    #[must_use]
    pub fn new(nodes: &[&[IpAddr]], secret: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(secret);
        // a key shorter than HMAC's block is padded with zeros: the same key, without a way to fail
        let key = <Hmac<Sha256> as KeyInit>::new(&block.into());
        let targets = (0_u8..).zip(nodes).flat_map(|(node, addresses)| {
            addresses.iter().map(move |address| Target {
                node,
                address: *address,
                next: 1,
                requests: [None; OPEN_MAX],
            })
        });
        let mut id = [0; 2];
        id.copy_from_slice(&key.clone().chain_update(b"identifier").finalize().into_bytes()[..2]);
        Self {
            targets: targets.take(ADDRESSES_MAX).collect(),
            key,
            raw_id: u16::from_be_bytes(id).max(1),
            sockets: [None, None],
            counters: PingCounters::default(),
        }
    }

    /// Whether every socket needed is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.versions().all(|version| self.socket(version).is_some())
    }

    /// The versions of IP that are asked.
    fn versions(&self) -> impl Iterator<Item = Version> {
        let asked = |version: &Version| {
            self.targets
                .iter()
                .any(|target| Version::of(target.address) == *version)
        };
        let [v4, v6] = [Version::V4, Version::V6].map(|version| Some(version).filter(asked));
        v4.into_iter().chain(v6)
    }

    fn socket(&self, version: Version) -> Option<&IcmpSocket> {
        self.sockets.iter().flatten().find(|icmp| icmp.version == version)
    }

    /// Opens the sockets that are missing. They are bound to no interface and survive their changes.
    ///
    /// # Errors
    /// If neither kind of socket may be opened.
    pub fn open(&mut self) -> Result<(), OpenError> {
        let mut result = Ok(());
        let versions: Vec<Version> = self.versions().collect();
        for (slot, version) in self.sockets.iter_mut().zip(versions) {
            if slot.is_some() {
                continue;
            }
            let opened = match open_raw(version, self.raw_id) {
                Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
                    open_datagram(version).map_err(told)
                }
                other => other.map_err(told),
            };
            match opened {
                Ok(socket) => *slot = Some(socket),
                Err(error) => {
                    self.counters.last_errno = error.errno();
                    result = Err(error);
                }
            }
        }
        result
    }

    /// Asks every address of every ping node; never waits. What could not be sent is counted: its missing answer is
    /// what matters.
    pub fn ask(&mut self, now: Instant) {
        for index in 0..self.targets.len() {
            self.send(index, now);
        }
    }

    /// Asks one address; never waits. `Gone` is never given: there is nothing to reopen.
    pub fn send(&mut self, index: usize, now: Instant) -> SendResult {
        let Some(target) = self.targets.get_mut(index) else {
            return SendResult::Closed;
        };
        let version = Version::of(target.address);
        let Some(icmp) = self.sockets.iter().flatten().find(|icmp| icmp.version == version) else {
            return SendResult::Closed;
        };
        let sequence = target.next;
        target.next = target.next.wrapping_add(1);
        let slot = usize::from(sequence) % OPEN_MAX;
        target.requests[slot] = Some(Request {
            sequence,
            sent: now,
            answered: false,
        });
        let mut packet = [0; REQUEST_LEN];
        packet[0] = version.request();
        packet[4..6].copy_from_slice(&icmp.id.to_be_bytes());
        packet[6..8].copy_from_slice(&sequence.to_be_bytes());
        let tag = mac(&self.key, index, sequence, now).finalize().into_bytes();
        packet[ICMP_HEADER..].copy_from_slice(&tag[..TAG_LEN]);
        if version == Version::V4 {
            // for ICMPv6 the kernel does it: the sum covers the addresses, too
            let sum = checksum(&packet);
            packet[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        match icmp.socket.send_to(&packet, SocketAddr::new(target.address, 0)) {
            Ok(_) => {
                self.counters.sent += 1;
                SendResult::Sent
            }
            Err(error) => {
                target.requests[slot] = None;
                let number = error.raw_os_error().unwrap_or(0);
                self.counters.not_sent += 1;
                self.counters.last_errno = number;
                match number {
                    libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR => SendResult::Full,
                    libc::ENETDOWN | libc::ENETUNREACH | libc::EHOSTDOWN | libc::EHOSTUNREACH | libc::EADDRNOTAVAIL => {
                        SendResult::Unreachable
                    }
                    libc::EPERM | libc::EACCES => SendResult::Denied,
                    _ => SendResult::Failed,
                }
            }
        }
    }

    /// Takes at most one packet from the kernel; never waits. Loop until `Empty`, at most `DRAIN_MAX` times.
    pub fn receive(&mut self, now: Instant) -> Received {
        for place in 0..self.sockets.len() {
            let received = self.receive_from(place, now);
            if received != Received::Empty {
                return received;
            }
        }
        Received::Empty
    }

    fn receive_from(&mut self, place: usize, now: Instant) -> Received {
        let Some(icmp) = self.sockets.get(place).and_then(Option::as_ref) else {
            return Received::Empty;
        };
        let mut packet = [0; PACKET_MAX];
        let (len, from) = match icmp.socket.recv_from(&mut packet) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Received::Empty,
            Err(error) => {
                // ICMP errors and the like: one is taken from the socket with every call
                self.counters.last_errno = error.raw_os_error().unwrap_or(0);
                self.counters.other += 1;
                return Received::Dropped;
            }
        };
        let (version, kind, id) = (icmp.version, icmp.kind, icmp.id);
        match parse(&packet[..len], version, kind, id) {
            Ok(Echo { sequence, tag }) => self.recognise(from.ip(), sequence, tag, now),
            Err(NoEcho::Malformed) => {
                self.counters.malformed += 1;
                Received::Dropped
            }
            Err(NoEcho::Other) => {
                self.counters.other += 1;
                Received::Dropped
            }
        }
    }

    fn recognise(&mut self, from: IpAddr, sequence: u16, tag: &[u8], now: Instant) -> Received {
        let slot = usize::from(sequence) % OPEN_MAX;
        let (mut open, mut answered) = (false, false);
        // an address may be listed twice; the tag tells which of the two was meant
        for (index, target) in self
            .targets
            .iter_mut()
            .enumerate()
            .filter(|(_, target)| target.address == from)
        {
            let Some(request) = target.requests[slot]
                .as_mut()
                .filter(|request| request.sequence == sequence)
            else {
                continue;
            };
            open = true;
            // compared in constant time
            if mac(&self.key, index, sequence, request.sent)
                .verify_truncated_left(tag)
                .is_err()
            {
                continue;
            }
            if request.answered {
                answered = true;
                continue;
            }
            request.answered = true;
            self.counters.replies += 1;
            let sent = request.sent;
            return Received::Reply(Reply {
                node: target.node,
                sent,
                sequence,
                round_trip: now.since(sent),
            });
        }
        match (open, answered) {
            (_, true) => self.counters.duplicate += 1,
            (true, false) => self.counters.forged += 1,
            (false, false) => self.counters.unexpected += 1,
        }
        Received::Dropped
    }

    /// For `poll(2)`; none while closed.
    pub fn fds(&self) -> impl Iterator<Item = RawFd> {
        self.sockets.iter().flatten().map(|icmp| icmp.socket.as_raw_fd())
    }

    /// The kinds of the sockets in use.
    pub fn kinds(&self) -> impl Iterator<Item = SocketKind> {
        self.sockets.iter().flatten().map(|icmp| icmp.kind)
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &PingCounters {
        &self.counters
    }
}

fn mac(key: &Hmac<Sha256>, index: usize, sequence: u16, sent: Instant) -> Hmac<Sha256> {
    key.clone()
        .chain_update(u64::try_from(index).unwrap_or(u64::MAX).to_be_bytes())
        .chain_update(sequence.to_be_bytes())
        .chain_update(sent.as_millis().to_be_bytes())
}

/// The Internet checksum: the complement of the ones' complement sum of 16-bit words; zero over a whole good packet.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for word in bytes.chunks(2) {
        let low = word.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([word[0], low]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// What an IPv4 packet of protocol ICMP carries; `None` if it isn't one, is cut, or is a fragment.
fn ip_payload(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    // the kernel puts fragments together before it hands them on: offset and more-fragments are zero
    let fragment = u16::from_be_bytes(packet.get(6..8)?.try_into().ok()?).trailing_zeros() < 14;
    let total = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < 20 || fragment || *packet.get(9)? != ICMP_PROTOCOL {
        return None;
    }
    packet.get(header..total)
}

/// Lets only echo replies with our identifier through to a raw socket, so that other pings on the machine
/// neither wake the daemon nor fill its buffer. Classic BPF over the packet from its IP header on, for `ICMPv6` from
/// the ICMP header on.
fn replies_only(version: Version, id: u16) -> [SockFilter; 7] {
    const LOAD_HEADER_LENGTH: u16 = 0xb1; // x = 4 * (byte[k] & 0xf)
    const LOAD_ZERO: u16 = 0x01; // x = k
    const LOAD_HALF: u16 = 0x48; // a = half[x + k]
    const IF_EQUAL: u16 = 0x15; // skip jt if a == k, else jf
    const RETURN: u16 = 0x06; // pass k bytes
    let begin = match version {
        Version::V4 => LOAD_HEADER_LENGTH,
        Version::V6 => LOAD_ZERO,
    };
    [
        SockFilter::new(begin, 0, 0, 0),
        // type and code at once: the code of an echo reply is zero
        SockFilter::new(LOAD_HALF, 0, 0, 0),
        SockFilter::new(IF_EQUAL, 0, 3, u32::from(version.reply()) << 8),
        SockFilter::new(LOAD_HALF, 0, 0, 4),
        SockFilter::new(IF_EQUAL, 0, 1, u32::from(id)),
        SockFilter::new(RETURN, 0, 0, 0xffff),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

fn open_raw(version: Version, id: u16) -> io::Result<IcmpSocket> {
    let (domain, protocol) = version.socket();
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    // only spares work: `receive` checks everything again
    drop(socket.attach_filter(&replies_only(version, id)));
    Ok(IcmpSocket {
        version,
        kind: SocketKind::Raw,
        id,
        socket: socket.into(),
    })
}

fn open_datagram(version: Version) -> io::Result<IcmpSocket> {
    let (domain, protocol) = version.socket();
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let any = match version {
        Version::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Version::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    // The "port" of such a socket is the identifier in our requests. The kernel chooses it: it lets several
    // sockets ask for the same one and then gives the replies to the last (seen on 6.18).
    socket.bind(&SocketAddr::new(any, 0).into())?;
    let socket = UdpSocket::from(socket);
    let id = socket.local_addr()?.port();
    Ok(IcmpSocket {
        version,
        kind: SocketKind::Datagram,
        id,
        socket,
    })
}

fn told(source: io::Error) -> OpenError {
    let (kind, hint) = match source.raw_os_error().unwrap_or(0) {
        libc::EPERM | libc::EACCES => (
            OpenErrorKind::Denied,
            " (needs root, CAP_NET_RAW, or a group in net.ipv4.ping_group_range)",
        ),
        _ => (OpenErrorKind::Failed, ""),
    };
    OpenError::new(kind, "can't make an ICMP socket", hint, source)
}
