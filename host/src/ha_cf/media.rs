//! Reads the lines of `ha.cf` that make links: `udpport`, `ucast`, `bcast`, `mcast`, their IPv6 kin, `baud`, `serial`.
//!
//! A link is one medium, device and (for UDP) port, for multicast also group; several `ucast` lines of one device are
//! one link with several addresses, because identical files on both nodes list both nodes' addresses.

use std::net::IpAddr;
use std::path::PathBuf;

use ovzha_core::id::LINKS_MAX;
use ovzha_core::time::Span;

use super::addresses::{self, Family};
use super::{LinkConfig, LinkKind, Said, split, values};
use crate::diagnostic::{Problems, quote};

/// The rates that Linux has a name for, in bit/s, from where a heartbeat takes less than a second.
const BAUD_RATES: [u32; 22] = [
    1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000,
    1_152_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000,
];
/// Heartbeat's default rate in bit/s.
pub(crate) const BAUD_DEFAULT: u32 = 19200;
/// Both nodes' addresses on one link.
const ADDRESSES_MAX: usize = 2;
/// Bits on the line of the longest heartbeat that is usual: 96 bytes, each with a start and a stop bit.
const HEARTBEAT_BITS: u64 = 960;

/// The links so far, and the settings that count for the lines to come.
pub(super) struct Media {
    /// The port of links above the first `udpport`.
    port_default: u16,
    pub(super) links: Vec<LinkConfig>,
    port: Option<(u16, u32)>,
    baud: Option<(u32, u32)>,
    port_unused: Option<u32>,
    port_used: bool,
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
            port_used: false,
            serial_seen: false,
        }
    }

    pub(super) fn udpport(&mut self, problems: &mut Problems, line: u32, rest: &str) {
        match super::one(rest).and_then(port_number) {
            Err(why) => problems.error(line, format!("udpport: {why}")),
            Ok(port) => {
                if let Some((_, first)) = self.port.filter(|&(old, _)| old == port) {
                    problems.error(line, format!("udpport {port} stands already on line {first}"));
                } else if self.port_used && self.port.is_none() {
                    let text = format!(
                        "udpport counts for the ucast and bcast lines below it; those above use port {}",
                        self.port_default
                    );
                    problems.warning(line, text);
                }
                // Files that say the default below their links are common, and mean what they get.
                let same = self.port_used && self.port.is_none() && port == self.port_default;
                self.port_unused = Some(line).filter(|_| !same);
                self.port = Some((port, line));
            }
        }
    }

    /// The port of a line of `ucast` or `bcast`.
    fn use_port(&mut self) -> u16 {
        self.port_used = true;
        self.port_unused = None;
        self.port.map_or(self.port_default, |(port, _)| port)
    }

    pub(super) fn baud(&mut self, problems: &mut Problems, line: u32, rest: &str) {
        let rate = super::one(rest).and_then(baud_rate);
        match (rate, self.baud) {
            (rate, Some((_, first))) => {
                problems.error(line, format!("baud stands already on line {first}"));
                if let Err(why) = rate {
                    problems.error(line, format!("baud: {why}"));
                }
            }
            (Err(why), None) => problems.error(line, format!("baud: {why}")),
            (Ok(BAUD_DEFAULT), None) if self.serial_seen => {
                problems.warning(
                    line,
                    "baud stands below the serial line it is for; its default is the same",
                );
                self.baud = Some((BAUD_DEFAULT, line));
            }
            (Ok(_), None) if self.serial_seen => {
                problems.error(line, "baud must stand above the serial line it is for");
            }
            (Ok(rate), None) => self.baud = Some((rate, line)),
        }
    }

    pub(super) fn ucast(&mut self, problems: &mut Problems, Said { line, name, rest }: Said<'_>) {
        let port = self.use_port();
        let family = family_of(name);
        let words: Vec<&str> = rest.split_whitespace().collect();
        let &[device, address] = words.as_slice() else {
            problems.error(line, format!("`{name}` needs a network device and an address"));
            return;
        };
        let address = addresses::on_link(address, family, device);
        let address = address.map_err(|why| problems.error(line, format!("{name}: {why}")));
        let device = values::device(device).map_err(|why| problems.error(line, format!("{name}: {why}")));
        if let (Ok(device), Ok(address)) = (device, address) {
            self.add_address(problems, line, device, port, address);
        }
    }

    fn add_address(&mut self, problems: &mut Problems, line: u32, device: String, wanted_port: u16, address: IpAddr) {
        // every device has its own link-local network
        let of_one_device = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        for link in &mut self.links {
            let first = link.line;
            let LinkKind::Unicast {
                device: there,
                port,
                addresses,
            } = &mut link.kind
            else {
                continue;
            };
            let same_family = addresses.iter().all(|known| known.is_ipv4() == address.is_ipv4());
            let same_link = *there == device && *port == wanted_port && same_family;
            if addresses.contains(&address) && (same_link || (*there != device && !of_one_device)) {
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
        let kind = LinkKind::Unicast {
            device,
            port: wanted_port,
            addresses: vec![address],
        };
        self.add_link(problems, line, kind);
    }

    pub(super) fn bcast(&mut self, problems: &mut Problems, Said { line, name, rest }: Said<'_>) {
        let port = self.use_port();
        if name == "udp" {
            problems.warning(line, "`udp` is the old name of `bcast`: write `bcast`");
        }
        let mut seen = false;
        for word in split(rest) {
            seen = true;
            match values::device(word) {
                Err(why) => problems.error(line, format!("{name}: {why}")),
                Ok(device) => self.add_once(problems, line, LinkKind::Broadcast { device, port }),
            }
        }
        if !seen {
            problems.error(line, format!("`{name}` needs a network device"));
        }
    }

    pub(super) fn mcast(&mut self, problems: &mut Problems, Said { line, name, rest }: Said<'_>) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let &[device, group, port, ttl, loops] = words.as_slice() else {
            let text = format!("`{name}` needs a network device, a group, a port, a TTL and 0 or 1 for the loop");
            problems.error(line, text);
            return;
        };
        let told = |why: String| format!("{name}: {why}");
        let device = values::device(device).map_err(told);
        let group = addresses::group(group, family_of(name)).map_err(told);
        let port = port_number(port).map_err(|why| told(format!("port: {why}")));
        let ttl = values::number(ttl, 0, 255).map_err(|why| told(format!("TTL: {why}")));
        let loops = values::number(loops, 0, 1).map_err(|why| told(format!("loop: {why}")));
        match (device, group, port, ttl, loops) {
            (Ok(device), Ok(group), Ok(port), Ok(ttl), Ok(loops)) => {
                if ttl == 0 || stays_inside(group) {
                    let why = if ttl == 0 {
                        "TTL 0".to_owned()
                    } else {
                        group.to_string()
                    };
                    problems.warning(line, format!("{name}: {why}: no frame leaves this machine"));
                }
                let kind = LinkKind::Multicast {
                    device,
                    group,
                    port,
                    ttl: u8::try_from(ttl).unwrap_or(u8::MAX),
                    loops: loops == 1,
                };
                self.add_once(problems, line, kind);
            }
            (device, group, port, ttl, loops) => {
                let wrong = [device.err(), group.err(), port.err(), ttl.err(), loops.err()];
                for why in wrong.into_iter().flatten() {
                    problems.error(line, why);
                }
            }
        }
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
            self.add_once(problems, line, LinkKind::Serial { device, baud });
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
                "udpport has no effect: it must stand above the ucast and bcast lines it is for",
            );
        }
        if let Some((_, line)) = self.baud.filter(|_| !self.serial_seen) {
            problems.warning(line, "baud has no effect: there is no serial line");
        }
    }

    /// Reports serial lines too slow for their heartbeats.
    pub(super) fn check_rates(&self, problems: &mut Problems, keepalive: Span) {
        for link in &self.links {
            let LinkKind::Serial { device, baud } = &link.kind else {
                continue;
            };
            let takes = Span::from_millis((HEARTBEAT_BITS * 1000).div_ceil(u64::from(*baud).max(1)));
            if takes.times(2) > keepalive {
                let text = format!(
                    "serial {}: at {baud} bit/s a heartbeat takes up to {takes}, more than half of keepalive {keepalive}",
                    device.display()
                );
                problems.warning(link.line, text);
            }
        }
    }

    /// Adds a link that no second line adds to.
    fn add_once(&mut self, problems: &mut Problems, line: u32, kind: LinkKind) {
        let same = |link: &&LinkConfig| match (&link.kind, &kind) {
            (LinkKind::Serial { device: there, .. }, LinkKind::Serial { device, .. }) => there == device,
            (
                LinkKind::Broadcast {
                    device: there,
                    port: at,
                },
                LinkKind::Broadcast { device, port },
            ) => (there, at) == (device, port),
            (
                LinkKind::Multicast {
                    device: there,
                    group: same,
                    port: at,
                    ..
                },
                LinkKind::Multicast {
                    device, group, port, ..
                },
            ) => (there, same, at) == (device, group, port),
            (
                LinkKind::Serial { .. }
                | LinkKind::Routed { .. }
                | LinkKind::Broadcast { .. }
                | LinkKind::Multicast { .. }
                | LinkKind::Unicast { .. },
                _,
            ) => false,
        };
        match self.links.iter().find(same) {
            Some(earlier) => {
                let name = crate::media::kind_name(&kind);
                problems.error(line, format!("{name} stands already on line {}", earlier.line));
            }
            None => self.add_link(problems, line, kind),
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

/// A rate that a serial port can have.
pub(crate) fn baud_rate(word: &str) -> Result<u32, String> {
    word.parse()
        .ok()
        .filter(|rate| BAUD_RATES.contains(rate))
        .ok_or_else(|| format!("{} is none of {BAUD_RATES:?}", quote(word)))
}

fn family_of(name: &str) -> Family {
    if name.ends_with('6') { Family::V6 } else { Family::V4 }
}

fn port_number(word: &str) -> Result<u16, String> {
    let port = values::number(word, 1, 65535)?;
    Ok(u16::try_from(port).unwrap_or(u16::MAX))
}

/// Whether a group's frames never leave the machine: IPv6 scope "interface".
fn stays_inside(group: IpAddr) -> bool {
    matches!(group, IpAddr::V6(group) if group.octets()[1] & 0x0f == 1)
}
