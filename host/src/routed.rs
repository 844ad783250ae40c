//! A UDP socket to one address anywhere, as to a witness in another network: the kernel's routes choose the way.
//!
//! The socket is connected, so that nothing from elsewhere is taken, and never waits. What can't be sent is dropped, for
//! the next frame says the same and newer; a route that is missing is no reason to close it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use ovzha_core::frame::FRAME_MAX;
use ovzha_core::time::Instant;

use crate::open_error::{OpenError, OpenErrorKind};
use crate::udp::{RETRY, Received, Source};

/// One such link; starts closed.
#[derive(Debug)]
pub struct RoutedLink {
    to: SocketAddr,
    socket: Option<UdpSocket>,
    tried: Option<Instant>,
}

impl RoutedLink {
    /// A closed link.
    #[must_use]
    pub const fn new(to: SocketAddr) -> Self {
        Self {
            to,
            socket: None,
            tried: None,
        }
    }

    /// Opens it if it is closed, at most once per [`RETRY`]. `None` if there was nothing to do or it is not yet time.
    pub fn reopen(&mut self, now: Instant) -> Option<Result<(), OpenError>> {
        if self.socket.is_some() || self.tried.is_some_and(|at| now < at.after(RETRY)) {
            return None;
        }
        self.tried = Some(now);
        Some(self.open())
    }

    fn open(&mut self) -> Result<(), OpenError> {
        let any = match self.to {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let failed = |step| move |source: io::Error| OpenError::new(kind(&source), step, "", source);
        let socket = UdpSocket::bind(any).map_err(failed("socket"))?;
        socket.set_nonblocking(true).map_err(failed("non-blocking"))?;
        socket.connect(self.to).map_err(failed("route"))?;
        self.socket = Some(socket);
        Ok(())
    }

    /// When `reopen` has something to do next.
    #[must_use]
    pub fn next_try(&self) -> Instant {
        if self.socket.is_some() {
            return Instant::from_millis(u64::MAX);
        }
        self.tried.map_or(Instant::default(), |at| at.after(RETRY))
    }

    /// Sends one frame now or drops it.
    pub fn send(&mut self, frame: &[u8]) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(frame)
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            // the answer to an earlier datagram, which the kernel reports instead of sending this one
            drop(socket.send(frame));
        }
    }

    /// Takes at most one datagram; never waits. Loop until `Empty`, a bounded number of times.
    pub fn receive(&mut self, frame: &mut [u8; FRAME_MAX + 1]) -> Received {
        let Some(socket) = &self.socket else {
            return Received::Empty;
        };
        match socket.recv(frame) {
            Ok(len) => Received::Frame {
                len,
                source: Source::Peer,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Empty,
            // nobody listens there, or no way leads there: not for us to mend
            Err(_) => Received::Dropped,
        }
    }

    /// For `poll(2)`; `None` while closed.
    #[must_use]
    pub fn fd(&self) -> Option<RawFd> {
        self.socket.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Whether the link is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.socket.is_some()
    }
}

fn kind(error: &io::Error) -> OpenErrorKind {
    match error.raw_os_error() {
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EADDRNOTAVAIL) => OpenErrorKind::NotYet,
        Some(libc::EPERM | libc::EACCES) => OpenErrorKind::Denied,
        _ => OpenErrorKind::Failed,
    }
}
