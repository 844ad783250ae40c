//! A UDP heartbeat link bound to one interface: unicast, broadcast or multicast.
//!
//! One socket: non-blocking, on that very interface, bound to an address of its own: this node's (so that the source
//! address is the one the peer filters for, even when the interface carries service addresses as well), the
//! broadcast address, or the group. So links that share a device and a port don't hear each other's datagrams. A
//! loopback device (demo and tests) is bound by address alone, which needs no privilege.
//! Nothing here waits or logs: what happened to a datagram is a return value and a counter. A link that can't
//! be opened, or whose interface went away, is closed and tried again by `reopen`.

use crate::network::Subnet;
pub use crate::open_error::{OpenError, OpenErrorKind};
use ovzha_core::time::{Instant, Span};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

/// Most datagrams a caller takes from one link before it looks at the others: a flood can't starve the loop.
pub const DRAIN_MAX: usize = 64;
/// A closed link is tried again this often, and an open one's interface looked at.
pub const RETRY: Span = Span::from_secs(1);
/// Asked of the kernel for datagrams not yet read (it doubles the number for its own overhead): some hundred
/// heartbeats, and a bound on what a flood can pin.
const RECEIVE_BUFFER: usize = 128 * 1024;
/// `IPTOS_LOWDELAY`: a heartbeat waits behind nothing in the queues that look at it.
const LOW_DELAY: u32 = 0x10;
/// Longer than any frame, so that a datagram cut by the kernel shows as oversized.
const DATAGRAM_MAX: usize = 2048;

/// Whose datagrams a link takes, by source address, before anything of them is looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sources {
    /// The peer's alone.
    Peer(IpAddr),
    /// Those of the interface's own networks: on a broadcast the peer's address is not known.
    Subnets(Vec<Subnet>),
    /// All: a multicast that passes routers.
    Anybody,
}

/// How multicast is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Membership {
    /// How many routers a frame may pass, and one more.
    pub ttl: u8,
    /// Whether this machine hears its own frames.
    pub loops: bool,
}

/// Where a link runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UdpConfig {
    /// The interface, as in `ucast eth1 ...`.
    pub device: String,
    /// The kernel's number of it: another one is another interface. 0 where it does not matter.
    pub index: u32,
    /// `udpport`, the same on both nodes.
    pub port: u16,
    /// What the socket is bound to: this node's address, the broadcast address, or the group.
    pub bound: IpAddr,
    /// Where frames go: the peer's address, the broadcast address, or the group.
    pub to: IpAddr,
    /// This node's addresses on the interface: what comes from them is an echo.
    pub own: Vec<IpAddr>,
    /// Who else is listened to.
    pub sources: Sources,
    /// For a multicast link.
    pub membership: Option<Membership>,
    /// Bind to the address alone, not to the device: the rule for loopback devices.
    pub bind_to_address: bool,
}

impl UdpConfig {
    /// A link between two addresses, bound to the device.
    #[must_use]
    pub fn unicast(device: &str, port: u16, own: IpAddr, peer: IpAddr) -> Self {
        Self {
            device: device.to_owned(),
            index: 0,
            port,
            bound: own,
            to: peer,
            own: vec![own],
            sources: Sources::Peer(peer),
            membership: None,
            bind_to_address: false,
        }
    }

    /// Whether a socket of `self` serves `other`, too.
    fn same_socket(&self, other: &Self) -> bool {
        let socket = |config: &Self| (config.index, config.port, config.bound, config.to, config.membership);
        self.device == other.device && socket(self) == socket(other) && self.bind_to_address == other.bind_to_address
    }
}

impl Sources {
    fn admits(&self, from: IpAddr) -> bool {
        match self {
            Self::Peer(peer) => *peer == from,
            Self::Subnets(subnets) => subnets.iter().any(|subnet| subnet.contains(from)),
            Self::Anybody => true,
        }
    }
}

/// What became of one `send`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendResult {
    /// Handed to the kernel.
    Sent,
    /// The kernel's queue is full: dropped, the next heartbeat replaces it.
    Full,
    /// Interface down, no carrier or no route: heals without us.
    Unreachable,
    /// A local firewall refuses it.
    Denied,
    /// The interface or its address is gone: the link is closed now, `reopen` is wanted.
    Gone,
    /// The link is not open.
    Closed,
    /// Anything else; `UdpCounters::last_errno` says what.
    Failed,
}

/// Whose address a frame came from. The address proves nothing; the MAC does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The peer's, or on a broadcast or multicast that of any neighbour.
    Peer,
    /// Our own: a loop on the wire, or another process here.
    Own,
}

/// What one `receive` found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// The first `len` bytes of the caller's buffer are a datagram.
    Frame {
        /// Its length.
        len: usize,
        /// Where it came from.
        source: Source,
    },
    /// One datagram (or a queued ICMP error) was dropped and counted; there may be more behind it.
    Dropped,
    /// Nothing left for now.
    Empty,
}

/// What happened on a link since the daemon started; survives reopening.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UdpCounters {
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// Datagrams from the peer's address, or from where it may be.
    pub received: u64,
    /// Datagrams from our own address.
    pub own: u64,
    /// Datagrams from any other address, dropped.
    pub foreign: u64,
    /// Datagrams longer than the caller's buffer, dropped.
    pub oversized: u64,
    /// ICMP errors (nobody listens at the peer): not a failure of the link.
    pub refused: u64,
    /// Not sent: the kernel's queue was full.
    pub full: u64,
    /// Not sent: interface down, no carrier or no route.
    pub unreachable: u64,
    /// Not sent: refused by a local firewall.
    pub denied: u64,
    /// Not sent or not received for another reason.
    pub failed: u64,
    /// How often the interface or its address was found gone.
    pub gone: u64,
    /// How often the link was opened.
    pub opened: u64,
    /// The last error number seen, 0 for none.
    pub last_errno: i32,
}

/// One link; starts closed.
#[derive(Debug)]
pub struct UdpLink {
    config: UdpConfig,
    carrier_path: String,
    socket: Option<UdpSocket>,
    tried: Option<Instant>,
    counters: UdpCounters,
    datagram: Box<[u8; DATAGRAM_MAX]>,
}

impl UdpLink {
    /// A closed link.
    #[must_use]
    pub fn new(config: UdpConfig) -> Self {
        let carrier_path = format!("/sys/class/net/{}/carrier", config.device);
        Self {
            config,
            carrier_path,
            socket: None,
            tried: None,
            counters: UdpCounters::default(),
            datagram: Box::new([0; DATAGRAM_MAX]),
        }
    }

    /// Opens it, closing what was open.
    ///
    /// # Errors
    /// Says which step failed and, for a missing privilege, which one.
    pub fn open(&mut self) -> Result<(), OpenError> {
        self.socket = None;
        match open_socket(&self.config) {
            Ok(socket) => {
                self.socket = Some(socket);
                self.counters.opened += 1;
                Ok(())
            }
            Err(error) => {
                self.counters.last_errno = error.errno();
                Err(error)
            }
        }
    }

    /// Called with every tick: opens a closed link, at most once per `RETRY`. `None` if there was nothing to do or
    /// it is not yet time.
    pub fn reopen(&mut self, now: Instant) -> Option<Result<(), OpenError>> {
        if self.socket.is_some() || self.tried.is_some_and(|at| now < at.after(RETRY)) {
            return None;
        }
        self.tried = Some(now);
        Some(self.open())
    }

    /// When `reopen` has something to do next.
    #[must_use]
    pub fn next_try(&self) -> Instant {
        if self.socket.is_some() {
            return Instant::from_millis(u64::MAX);
        }
        self.tried.map_or(Instant::default(), |at| at.after(RETRY))
    }

    /// The interface has changed: goes on with the same socket if that still serves, else closes it.
    pub fn move_to(&mut self, config: UdpConfig) {
        if !self.config.same_socket(&config) && self.socket.is_some() {
            self.close_gone();
        }
        self.config = config;
    }

    /// Closes the link if its interface was removed or renamed; one of the same name is another one. The
    /// kernel keeps the index and translates it back to a name, in the namespace of the socket: no `/sys`.
    pub fn look(&mut self) {
        let Some(socket) = self.socket.as_ref() else {
            return;
        };
        if self.config.bind_to_address {
            return;
        }
        let same = match SockRef::from(socket).device() {
            Ok(Some(name)) => name == self.config.device.as_bytes(),
            Ok(None) => false,
            Err(error) => {
                self.counters.last_errno = error.raw_os_error().unwrap_or(0);
                false
            }
        };
        if !same {
            self.close_gone();
        }
    }

    fn close_gone(&mut self) {
        self.socket = None;
        self.counters.gone += 1;
    }

    /// Sends one frame; never waits.
    pub fn send(&mut self, frame: &[u8]) -> SendResult {
        let Some(socket) = self.socket.as_ref() else {
            return SendResult::Closed;
        };
        let to = SocketAddr::new(self.config.to, self.config.port);
        let mut result = socket.send_to(frame, to);
        if errno(&result) == libc::ECONNREFUSED {
            // the answer to an earlier datagram, which the kernel reports instead of sending this one
            self.counters.refused += 1;
            result = socket.send_to(frame, to);
        }
        let error = errno(&result);
        if error != 0 {
            self.counters.last_errno = error;
        }
        match error {
            0 => {
                self.counters.sent += 1;
                SendResult::Sent
            }
            libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR => {
                self.counters.full += 1;
                SendResult::Full
            }
            libc::ENETDOWN | libc::ENETUNREACH | libc::EHOSTDOWN | libc::EHOSTUNREACH | libc::ECONNREFUSED => {
                // a removed interface may show as unreachable, too
                self.look();
                if self.socket.is_none() {
                    return SendResult::Gone;
                }
                self.counters.unreachable += 1;
                SendResult::Unreachable
            }
            libc::EPERM | libc::EACCES => {
                self.counters.denied += 1;
                SendResult::Denied
            }
            // EINVAL: the source address the socket is bound to was taken from the interface
            libc::ENODEV | libc::ENXIO | libc::EADDRNOTAVAIL | libc::EINVAL => {
                self.close_gone();
                SendResult::Gone
            }
            _ => {
                self.counters.failed += 1;
                SendResult::Failed
            }
        }
    }

    /// Takes at most one datagram from the kernel; never waits. Loop until `Empty`, at most `DRAIN_MAX` times.
    ///
    /// The source address is looked at before anything else. The source port is not: it proves nothing.
    pub fn receive(&mut self, frame: &mut [u8]) -> Received {
        let Some(socket) = self.socket.as_ref() else {
            return Received::Empty;
        };
        let (len, from) = match socket.recv_from(self.datagram.as_mut_slice()) {
            Ok(taken) => taken,
            Err(error) => return self.receive_failed(&error),
        };
        let from = from.ip();
        let source = if self.config.own.contains(&from) {
            Source::Own
        } else if self.config.sources.admits(from) {
            Source::Peer
        } else {
            self.counters.foreign += 1;
            return Received::Dropped;
        };
        let (Some(to), Some(bytes)) = (frame.get_mut(..len), self.datagram.get(..len)) else {
            self.counters.oversized += 1;
            return Received::Dropped;
        };
        to.copy_from_slice(bytes);
        match source {
            Source::Peer => self.counters.received += 1,
            Source::Own => self.counters.own += 1,
        }
        Received::Frame { len, source }
    }

    fn receive_failed(&mut self, error: &io::Error) -> Received {
        let number = error.raw_os_error().unwrap_or(0);
        if number == libc::EAGAIN {
            return Received::Empty;
        }
        self.counters.last_errno = number;
        match number {
            libc::EINTR => Received::Dropped,
            libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH => {
                self.counters.refused += 1;
                Received::Dropped
            }
            libc::ENODEV | libc::ENXIO => {
                self.close_gone();
                Received::Empty
            }
            // ENETDOWN is reported once when the interface goes down; the socket stays good
            _ => {
                self.counters.failed += 1;
                Received::Empty
            }
        }
    }

    /// Whether the interface has a carrier; `None` if the kernel doesn't say (no such interface, no `/sys`).
    /// Reads `/sys`, which is memory. It must be the `/sys` of this network namespace.
    #[must_use]
    pub fn carrier(&self) -> Option<bool> {
        let mut text = [0; 2];
        let read = File::open(&self.carrier_path).and_then(|mut file| file.read(&mut text));
        match read {
            Ok(_) if text[0] == b'1' => Some(true),
            Ok(_) if text[0] == b'0' => Some(false),
            // EINVAL: the interface is administratively down
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Some(false),
            Ok(_) | Err(_) => None,
        }
    }

    /// For `poll(2)`; `None` while closed. Changes with every opening.
    #[must_use]
    pub fn fd(&self) -> Option<RawFd> {
        self.socket.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Whether the link is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &UdpConfig {
        &self.config
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &UdpCounters {
        &self.counters
    }
}

/// The error number of a result; 0 for success, -1 for an error that has none.
fn errno<T>(result: &io::Result<T>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(-1),
    }
}

/// An opening step's error; `privilege` says which one is missing if it is that.
fn told(step: &'static str, privilege: &'static str, source: io::Error) -> OpenError {
    let (kind, hint) = match source.raw_os_error().unwrap_or(0) {
        libc::ENODEV | libc::ENXIO => (OpenErrorKind::NotYet, " (no such interface yet)"),
        libc::EADDRNOTAVAIL => (OpenErrorKind::NotYet, " (the interface doesn't have this address yet)"),
        libc::EADDRINUSE => (OpenErrorKind::Busy, " (another process holds the port)"),
        libc::EPERM | libc::EACCES => (OpenErrorKind::Denied, privilege),
        _ => (OpenErrorKind::Failed, ""),
    };
    OpenError::new(kind, step, hint, source)
}

fn open_socket(config: &UdpConfig) -> Result<UdpSocket, OpenError> {
    let domain = if config.bound.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let socket =
        Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).map_err(|e| told("can't make a UDP socket", "", e))?;
    set_up(&socket, config).map_err(|e| told("can't set up the UDP socket", "", e))?;
    if !config.bind_to_address {
        socket.bind_device(Some(config.device.as_bytes())).map_err(|e| {
            told(
                "can't bind to the interface",
                " (needs root or CAP_NET_RAW on this kernel)",
                e,
            )
        })?;
    }
    let own = SocketAddr::new(config.bound, config.port);
    socket.bind(&own.into()).map_err(|e| {
        told(
            "can't bind to the address",
            " (a port below 1024 needs root or CAP_NET_BIND_SERVICE)",
            e,
        )
    })?;
    if let Some(membership) = config.membership {
        join(&socket, config, membership).map_err(|e| told("can't join the group", "", e))?;
    }
    Ok(socket.into())
}

fn set_up(socket: &Socket, config: &UdpConfig) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    match config.bound {
        IpAddr::V4(_) => {
            socket.set_tos_v4(LOW_DELAY)?;
            // for unicast it changes nothing
            socket.set_broadcast(true)
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_tclass_v6(LOW_DELAY)
        }
    }
}

fn join(socket: &Socket, config: &UdpConfig, membership: Membership) -> io::Result<()> {
    match config.bound {
        IpAddr::V4(group) => {
            socket.set_multicast_ttl_v4(u32::from(membership.ttl))?;
            socket.set_multicast_loop_v4(membership.loops)?;
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(config.index))
        }
        IpAddr::V6(group) => {
            socket.set_multicast_if_v6(config.index)?;
            socket.set_multicast_hops_v6(u32::from(membership.ttl))?;
            socket.set_multicast_loop_v6(membership.loops)?;
            socket.join_multicast_v6(&group, config.index)
        }
    }
}
