//! All heartbeat links of this node, whatever their medium: opened, retried, written, drained.
//!
//! A link's number is its place in `ha.cf`. Nothing here waits: what can't be sent now is dropped, for the next
//! heartbeat says the same and newer.

use std::net::IpAddr;
use std::os::fd::RawFd;

use ovzha_core::frame::FRAME_MAX;
use ovzha_core::rejection::Rejection;
use ovzha_core::serial::{Deframer, pump};
use ovzha_core::time::Instant;

use crate::config::Config;
use crate::ha_cf::{LinkConfig, LinkKind, PORT_DEFAULT};
use crate::network::Network;
use crate::placing::{self, Carrier};
use crate::routed::RoutedLink;
use crate::sys::Interest;
use crate::tty::{TtyConfig, TtyLink};
use crate::udp::{DRAIN_MAX, Received, UdpLink};

/// Serial reads before the other links get their turn: a flood can't starve the loop.
const SERIAL_TURNS: usize = 128;

/// What a link gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrived<'a> {
    /// One frame, its serial framing removed.
    Frame(&'a [u8]),
    /// Bytes that can be no frame.
    Rejected(Rejection),
}

/// A change of a link's usability.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It can be written to.
    Opened,
    /// It was lost.
    Closed,
    /// It can't be opened, for this reason, which is not the one told before.
    Failing(String),
}

#[derive(Debug)]
enum Wire {
    /// The network of this machine lacks what the link needs.
    Unplaced,
    Udp(Box<UdpLink>),
    Serial(Box<TtyLink>, Box<Deframer>),
    Routed(Box<RoutedLink>),
}

/// One link.
#[derive(Debug)]
pub struct Medium {
    config: LinkConfig,
    me_in_file: usize,
    wire: Wire,
    open: bool,
    /// The network as it was when the link was placed in it.
    seen: u64,
    /// Why it can't be placed, to be told.
    trouble: Option<String>,
    told: String,
}

impl Medium {
    /// A closed link.
    #[must_use]
    pub fn new(config: &Config, link: &LinkConfig) -> Self {
        let wire = match &link.kind {
            LinkKind::Unicast { .. } | LinkKind::Broadcast { .. } | LinkKind::Multicast { .. } => Wire::Unplaced,
            LinkKind::Routed { to } => Wire::Routed(Box::new(RoutedLink::new(*to))),
            LinkKind::Serial { device, baud } => {
                let port = TtyConfig {
                    device: device.to_string_lossy().into_owned(),
                    baud: *baud,
                    flow_control: false,
                    keepalive: config.timings.keepalive,
                };
                Wire::Serial(Box::new(TtyLink::new(port)), Box::new(Deframer::new()))
            }
        };
        Self {
            config: link.clone(),
            me_in_file: config.me_in_file,
            wire,
            open: false,
            seen: 0,
            trouble: None,
            told: String::new(),
        }
    }

    /// As people know it: `ucast eth1`, `serial /dev/ttyS0`.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.config)
    }

    /// What to poll.
    #[must_use]
    pub fn interest(&self) -> Option<(RawFd, Interest)> {
        match &self.wire {
            Wire::Unplaced => None,
            Wire::Udp(link) => link.fd().map(|fd| (fd, Interest::Read)),
            Wire::Routed(link) => link.fd().map(|fd| (fd, Interest::Read)),
            Wire::Serial(line, _) => {
                let interest = if line.wants_write() {
                    Interest::Both
                } else {
                    Interest::Read
                };
                line.fd().map(|fd| (fd, interest))
            }
        }
    }

    /// When `tend` has something to do.
    #[must_use]
    pub fn next_look(&self) -> Instant {
        match &self.wire {
            // the network tells when it changes
            Wire::Unplaced => Instant::from_millis(u64::MAX),
            Wire::Udp(link) => link.next_try(),
            Wire::Routed(link) => link.next_try(),
            Wire::Serial(line, _) if line.is_open() => Instant::from_millis(u64::MAX),
            Wire::Serial(line, _) => line.next_try(),
        }
    }

    /// Opens what is closed, looks after what is open; to be called with every round of the loop.
    pub fn tend(&mut self, now: Instant, network: &Network) -> Option<Change> {
        if self.seen != network.generation() {
            self.seen = network.generation();
            self.place(network);
        }
        let tried = match &mut self.wire {
            Wire::Unplaced => None,
            Wire::Udp(link) => link.reopen(now),
            Wire::Routed(link) => link.reopen(now),
            Wire::Serial(line, deframer) => line.reopen(now).inspect(|_| deframer.reset()),
        };
        if let Some(Err(error)) = tried {
            self.trouble = Some(error.to_string());
        }
        // a loss is told before its reason
        let change = self.changed();
        if change.is_some() {
            return change;
        }
        self.trouble.take().and_then(|why| self.failing(why))
    }

    fn failing(&mut self, why: String) -> Option<Change> {
        if self.told == why {
            return None;
        }
        self.told.clone_from(&why);
        Some(Change::Failing(why))
    }

    fn changed(&mut self) -> Option<Change> {
        let open = match &self.wire {
            Wire::Unplaced => false,
            Wire::Udp(link) => link.is_open(),
            Wire::Routed(link) => link.is_open(),
            Wire::Serial(line, _) => line.is_open(),
        };
        if open == self.open {
            return None;
        }
        self.open = open;
        if open {
            self.told.clear();
        }
        Some(if open { Change::Opened } else { Change::Closed })
    }

    /// Finds the link's place in a network that has changed.
    fn place(&mut self, network: &Network) {
        if matches!(self.config.kind, LinkKind::Serial { .. } | LinkKind::Routed { .. }) {
            return;
        }
        let carrier = if self.open { Carrier::Optional } else { Carrier::Needed };
        match placing::place(&self.config.kind, self.me_in_file, network.devices(), carrier) {
            Ok(config) => {
                self.trouble = None;
                if let Wire::Udp(link) = &mut self.wire {
                    link.move_to(config);
                } else {
                    self.wire = Wire::Udp(Box::new(UdpLink::new(config)));
                }
            }
            Err(why) => {
                self.trouble = Some(why);
                self.wire = Wire::Unplaced;
            }
        }
    }

    /// Sends a frame now or drops it.
    pub fn send(&mut self, now: Instant, frame: &[u8]) {
        match &mut self.wire {
            Wire::Unplaced => {}
            // what could not be sent is counted by the link; one that was lost shows in `tend`
            Wire::Udp(link) => {
                link.send(frame);
            }
            Wire::Routed(link) => link.send(frame),
            Wire::Serial(line, _) => {
                line.queue(frame, now);
            }
        }
    }

    /// Writes what a serial line could not take before.
    pub fn flush(&mut self) {
        if let Wire::Serial(line, _) = &mut self.wire {
            // a line that hung up shows in `tend`
            line.flush_pending().ok();
        }
    }

    /// Hands everything that has arrived to `take`, as much as one turn allows.
    pub fn drain(&mut self, mut take: impl FnMut(Arrived<'_>)) {
        match &mut self.wire {
            Wire::Unplaced => {}
            Wire::Udp(link) => drain_udp(&mut |frame| link.receive(frame), &mut take),
            Wire::Routed(link) => drain_udp(&mut |frame| link.receive(frame), &mut take),
            Wire::Serial(line, deframer) => drain_serial(line, deframer, &mut take),
        }
    }
}

fn drain_udp(receive: &mut impl FnMut(&mut [u8; FRAME_MAX + 1]) -> Received, take: &mut impl FnMut(Arrived<'_>)) {
    // one byte more than the longest frame: a longer datagram is then counted as oversized by the link
    let mut frame = [0; FRAME_MAX + 1];
    for _ in 0..DRAIN_MAX {
        match receive(&mut frame) {
            Received::Frame { len, .. } => take(Arrived::Frame(frame.get(..len).unwrap_or(&[]))),
            Received::Dropped => {}
            Received::Empty => return,
        }
    }
}

fn drain_serial(line: &mut TtyLink, deframer: &mut Deframer, take: &mut impl FnMut(Arrived<'_>)) {
    for _ in 0..SERIAL_TURNS {
        let read = pump(line, deframer, |found| match found {
            Ok(frame) => take(Arrived::Frame(frame)),
            Err(reason) => take(Arrived::Rejected(reason)),
        });
        // nothing for now, or hung up: the latter shows in `tend`
        if read.is_err() {
            return;
        }
    }
}

/// A link as people know it.
#[must_use]
pub fn name(link: &LinkConfig) -> String {
    kind_name(&link.kind)
}

/// A link as people know it, by what it runs on.
#[must_use]
pub fn kind_name(kind: &LinkKind) -> String {
    let six = |address: &IpAddr| if address.is_ipv6() { "6" } else { "" };
    let (name, port) = match kind {
        LinkKind::Unicast {
            device,
            port,
            addresses,
        } => (format!("ucast{} {device}", addresses.first().map_or("", six)), *port),
        LinkKind::Broadcast { device, port } => (format!("bcast {device}"), *port),
        LinkKind::Multicast {
            device, group, port, ..
        } => (format!("mcast{} {device} {group}", six(group)), *port),
        LinkKind::Serial { device, .. } => return format!("serial {}", device.display()),
        LinkKind::Routed { to } => return format!("witness {to}"),
    };
    if port == PORT_DEFAULT {
        name
    } else {
        format!("{name} port {port}")
    }
}
