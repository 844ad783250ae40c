//! Reads the lines of `ha.cf` that make links: `udpport`, `ucast`, `baud`, `serial`.
//!
//! A link is one medium, device and (for UDP) port; several `ucast` lines of one device are one link with
//! several addresses, because identical files on both nodes list both nodes' addresses.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use ovzha_core::id::LINKS_MAX;

use super::{LinkConfig, LinkKind, split, values};
use crate::diagnostic::{Problems, quote};

/// The rates Heartbeat takes, in bit/s.
const BAUD_RATES: [u32; 7] = [9600, 19200, 38400, 57600, 115_200, 230_400, 460_800];
/// Heartbeat's default rate in bit/s.
const BAUD_DEFAULT: u32 = 19200;
/// Both nodes' addresses on one link.
const ADDRESSES_MAX: usize = 2;

/// The links so far, and the settings that count for the lines to come.
pub(super) struct Media {
    /// The port of links above the first `udpport`.
    port_default: u16,
    pub(super) links: Vec<LinkConfig>,
    port: Option<(u16, u32)>,
    baud: Option<(u32, u32)>,
    port_unused: Option<u32>,
    ucast_seen: bool,
    serial_seen: bool,
}

impl Media {
    pub(super) fn new(port_default: u16) -> Self {
        Self {
            port_default,
            links: Vec::new(),
            port: None,
            baud: None,
            port_unused: None,
            ucast_seen: false,
            serial_seen: false,
        }
    }

    pub(super) fn udpport(&mut self, problems: &mut Problems, line: u32, rest: &str) {
        let port = super::one(rest)
            .and_then(|word| values::number(word, 1, 65535))
            .map(|port| u16::try_from(port).unwrap_or(u16::MAX));
        match port {
            Err(why) => problems.error(line, format!("udpport: {why}")),
            Ok(port) => {
                if let Some((_, first)) = self.port.filter(|&(old, _)| old == port) {
                    problems.error(line, format!("udpport {port} stands already on line {first}"));
                } else if self.ucast_seen && self.port.is_none() {
                    let text = format!(
                        "udpport counts for the ucast lines below it; those above use port {}",
                        self.port_default
                    );
                    problems.warning(line, text);
                }
                self.port = Some((port, line));
                self.port_unused = Some(line);
            }
        }
    }

    pub(super) fn baud(&mut self, problems: &mut Problems, line: u32, rest: &str) {
        let rate = super::one(rest).and_then(|word| {
            word.parse()
                .ok()
                .filter(|rate| BAUD_RATES.contains(rate))
                .ok_or_else(|| format!("{} is none of {BAUD_RATES:?}", quote(word)))
        });
        match (rate, self.baud) {
            (rate, Some((_, first))) => {
                problems.error(line, format!("baud stands already on line {first}"));
                if let Err(why) = rate {
                    problems.error(line, format!("baud: {why}"));
                }
            }
            (Err(why), None) => problems.error(line, format!("baud: {why}")),
            (Ok(_), None) if self.serial_seen => {
                problems.error(line, "baud must stand above the serial line it is for");
            }
            (Ok(rate), None) => self.baud = Some((rate, line)),
        }
    }

    pub(super) fn ucast(&mut self, problems: &mut Problems, line: u32, rest: &str) {
        self.ucast_seen = true;
        self.port_unused = None;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let &[device, address] = words.as_slice() else {
            problems.error(line, "`ucast` needs a network device and an address");
            return;
        };
        let device = values::device(device).map_err(|why| problems.error(line, format!("ucast: {why}")));
        let address = values::address(address).map_err(|why| problems.error(line, format!("ucast: {why}")));
        if let (Ok(device), Ok(address)) = (device, address) {
            self.add_address(problems, line, device, address);
        }
    }

    fn add_address(&mut self, problems: &mut Problems, line: u32, device: String, address: Ipv4Addr) {
        let wanted_port = self.port.map_or(self.port_default, |(port, _)| port);
        for link in &mut self.links {
            let first = link.line;
            let LinkKind::Udp {
                device: there,
                port,
                addresses,
            } = &mut link.kind
            else {
                continue;
            };
            let same_link = *there == device && *port == wanted_port;
            if addresses.contains(&address) && (same_link || *there != device) {
                problems.error(
                    line,
                    format!("address {address} stands already on device {there} (line {first})"),
                );
                return;
            }
            if same_link {
                if addresses.len() >= ADDRESSES_MAX {
                    let text = format!("address {address} is one too many for device {device}: a link has two ends");
                    problems.error(line, text);
                } else {
                    addresses.push(address);
                }
                return;
            }
        }
        let addresses = vec![address];
        self.add_link(
            problems,
            line,
            LinkKind::Udp {
                device,
                port: wanted_port,
                addresses,
            },
        );
    }

    pub(super) fn serial(&mut self, problems: &mut Problems, line: u32, rest: &str) {
        self.serial_seen = true;
        let baud = self.baud.map_or(BAUD_DEFAULT, |(rate, _)| rate);
        let mut seen = false;
        for word in split(rest) {
            seen = true;
            if !word.starts_with('/') || word.ends_with('/') {
                problems.error(line, format!("serial: {} is no absolute path of a device", quote(word)));
                continue;
            }
            let device = PathBuf::from(word);
            let earlier = self
                .links
                .iter()
                .find(|link| matches!(&link.kind, LinkKind::Serial { device: there, .. } if *there == device));
            if let Some(earlier) = earlier {
                problems.error(
                    line,
                    format!("serial {} stands already on line {}", quote(word), earlier.line),
                );
                continue;
            }
            self.add_link(problems, line, LinkKind::Serial { device, baud });
        }
        if !seen {
            problems.error(line, "`serial` needs the path of a device");
        }
    }

    /// Reports settings that nothing below them used.
    pub(super) fn finish(&self, problems: &mut Problems) {
        if let Some(line) = self.port_unused {
            problems.error(
                line,
                "udpport has no effect: it must stand above the ucast lines it is for",
            );
        }
        if let Some((_, line)) = self.baud.filter(|_| !self.serial_seen) {
            problems.warning(line, "baud has no effect: there is no serial line");
        }
    }

    fn add_link(&mut self, problems: &mut Problems, line: u32, kind: LinkKind) {
        if self.links.len() >= LINKS_MAX {
            problems.error(line, format!("more than {LINKS_MAX} links"));
        } else {
            self.links.push(LinkConfig { kind, line });
        }
    }
}
