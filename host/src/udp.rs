//! A unicast UDP heartbeat link bound to one interface.
//!
//! One socket: non-blocking, bound to this node's address (so that the source address is the one the peer
//! filters for, even when the interface carries service addresses as well) on that very interface. A loopback
//! device (demo and tests) is bound by address alone, which needs no privilege.
//! Nothing here waits or logs: what happened to a datagram is a return value and a counter. A link that can't
//! be opened, or whose interface went away, is closed and tried again by `reopen`.

pub use crate::open_error::{OpenError, OpenErrorKind};
use ovzha_core::time::{Instant, Span};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
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

/// Where a link runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UdpConfig {
    /// The interface, as in `ucast eth1 ...`.
    pub device: String,
    /// `udpport`, the same on both nodes.
    pub port: u16,
    /// This node's address on the interface.
    pub own: Ipv4Addr,
    /// The peer's address.
    pub peer: Ipv4Addr,
    /// Bind to the address alone, not to the device: the rule for loopback devices.
    pub bind_to_address: bool,
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
    /// The peer's.
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
    /// Datagrams from the peer's address.
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
    looked: Option<Instant>,
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
            looked: None,
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

    /// Called with every tick: at most once per `RETRY` it looks whether the interface is still the one the
    /// socket is bound to, and opens a closed link. `None` if there was nothing to do or it is not yet time.
    pub fn reopen(&mut self, now: Instant) -> Option<Result<(), OpenError>> {
        if self.looked.is_some_and(|at| now < at.after(RETRY)) {
            return None;
        }
        self.looked = Some(now);
        self.look();
        if self.socket.is_some() { None } else { Some(self.open()) }
    }

    /// When `reopen` has something to do next.
    #[must_use]
    pub fn next_look(&self) -> Instant {
        self.looked.map_or(Instant::default(), |at| at.after(RETRY))
    }

    /// Closes the link if its interface was removed or renamed; one of the same name is another one. The
    /// kernel keeps the index and translates it back to a name, in the namespace of the socket: no `/sys`.
    fn look(&mut self) {
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

    /// Sends one frame to the peer; never waits.
    pub fn send(&mut self, frame: &[u8]) -> SendResult {
        let Some(socket) = self.socket.as_ref() else {
            return SendResult::Closed;
        };
        let peer = SocketAddrV4::new(self.config.peer, self.config.port);
        let mut result = socket.send_to(frame, peer);
        if errno(&result) == libc::ECONNREFUSED {
            // the answer to an earlier datagram, which the kernel reports instead of sending this one
            self.counters.refused += 1;
            result = socket.send_to(frame, peer);
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
        let from = match from {
            SocketAddr::V4(from) => *from.ip(),
            SocketAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let source = if from == self.config.peer {
            Source::Peer
        } else if from == self.config.own {
            Source::Own
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
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
        .map_err(|e| told("can't make a UDP socket", "", e))?;
    socket
        .set_nonblocking(true)
        .and_then(|()| socket.set_reuse_address(true))
        .and_then(|()| socket.set_tos_v4(LOW_DELAY))
        .and_then(|()| socket.set_recv_buffer_size(RECEIVE_BUFFER))
        .map_err(|e| told("can't set up the UDP socket", "", e))?;
    if !config.bind_to_address {
        socket.bind_device(Some(config.device.as_bytes())).map_err(|e| {
            told(
                "can't bind to the interface",
                " (needs root or CAP_NET_RAW on this kernel)",
                e,
            )
        })?;
    }
    let own = SocketAddr::new(IpAddr::V4(config.own), config.port);
    socket.bind(&own.into()).map_err(|e| {
        told(
            "can't bind to the address",
            " (a port below 1024 needs root or CAP_NET_BIND_SERVICE)",
            e,
        )
    })?;
    Ok(socket.into())
}
