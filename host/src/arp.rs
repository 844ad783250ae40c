//! Asks and tells a network who has an IPv4 address (RFC 826, RFC 5227).
//!
//! Before an address is added: is there somebody who answers for it? The wait is far below RFC 5227's seven seconds,
//! for a takeover waits for it; whoever is slower than [`LISTEN`] is not noticed. Afterwards: announcements, so that
//! neighbours send to our hardware address and no longer to the one they remember.
use crate::sys;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Questions before an address is taken, and the pause between two.
const PROBES: u32 = 3;
const PROBE_PAUSE: Duration = Duration::from_millis(150);
/// How long somebody has to answer.
pub const LISTEN: Duration = Duration::from_millis(450);
/// An Ethernet header and an ARP packet for IPv4.
const LENGTH: usize = 42;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    const ALL: Mac = Mac([0xff; 6]);
    const NONE: Mac = Mac([0; 6]);

    /// Reads `02:00:5e:10:00:01`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Mac> {
        let mut bytes = [0; 6];
        let mut parts = text.trim().split(':');
        for byte in &mut bytes {
            *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
        }
        parts.next().is_none().then_some(Mac(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

/// What an ARP packet says, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// 1 asks, 2 answers.
    pub operation: u16,
    /// Who says it.
    pub sender: (Mac, Ipv4Addr),
    /// Whom it is about.
    pub target: (Mac, Ipv4Addr),
}

impl Packet {
    /// The whole frame, sent to everybody.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(LENGTH);
        frame.extend_from_slice(&Mac::ALL.0);
        frame.extend_from_slice(&self.sender.0.0);
        // ARP; about Ethernet and IPv4, whose addresses have 6 and 4 bytes
        frame.extend_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4]);
        frame.extend_from_slice(&self.operation.to_be_bytes());
        for (mac, address) in [self.sender, self.target] {
            frame.extend_from_slice(&mac.0);
            frame.extend_from_slice(&address.octets());
        }
        frame
    }

    /// Reads a frame; `None` if it is no ARP about Ethernet and IPv4.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<Packet> {
        let frame: &[u8; LENGTH] = frame.first_chunk()?;
        if frame[12..20] != [0x08, 0x06, 0, 1, 0x08, 0, 6, 4] {
            return None;
        }
        let end = |at: usize| -> Option<(Mac, Ipv4Addr)> {
            let mac: [u8; 6] = frame.get(at..at + 6)?.try_into().ok()?;
            let address: [u8; 4] = frame.get(at + 6..at + 10)?.try_into().ok()?;
            Some((Mac(mac), Ipv4Addr::from(address)))
        };
        Some(Packet {
            operation: u16::from_be_bytes([frame[20], frame[21]]),
            sender: end(22)?,
            target: end(32)?,
        })
    }
}

/// A device that speaks ARP.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    index: u32,
    own: Mac,
}

impl Device {
    /// The Ethernet device called `name`; `None` for one that has no ARP (loopback, a tunnel).
    #[must_use]
    pub fn find(name: &str) -> Option<Device> {
        let read = |file: &str| std::fs::read_to_string(Path::new("/sys/class/net").join(name).join(file)).ok();
        if read("type")?.trim() != "1" {
            return None;
        }
        Some(Device {
            index: sys::device_index(name).ok()?,
            own: Mac::parse(&read("address")?)?,
        })
    }

    /// Who else has `address`: the first that answers within [`LISTEN`].
    ///
    /// # Errors
    /// Not root, or the device went away.
    pub fn who_has(&self, address: Ipv4Addr) -> io::Result<Option<Mac>> {
        let mut socket = sys::arp_socket(self.index)?;
        let question = Packet {
            operation: REQUEST,
            sender: (self.own, Ipv4Addr::UNSPECIFIED),
            target: (Mac::NONE, address),
        };
        let begin = Instant::now();
        let mut asked = 0;
        let mut frame = [0; 128];
        while begin.elapsed() < LISTEN {
            if asked < PROBES && begin.elapsed() >= PROBE_PAUSE * asked {
                socket.write_all(&question.render())?;
                asked += 1;
            }
            socket.set_read_timeout(Some(Duration::from_millis(20)))?;
            let length = match socket.read(&mut frame) {
                Ok(length) => length,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
                Err(error) => return Err(error),
            };
            let heard = frame.get(..length).and_then(Packet::parse);
            let owner = heard.filter(|packet| packet.sender.1 == address && packet.sender.0 != self.own);
            if let Some(packet) = owner {
                return Ok(Some(packet.sender.0));
            }
        }
        Ok(None)
    }

    /// Tells everybody once that `address` is here, in both forms that neighbours listen to.
    ///
    /// # Errors
    /// Not root, or the device went away.
    pub fn announce(&self, address: Ipv4Addr) -> io::Result<()> {
        let mut socket = sys::arp_socket(self.index)?;
        for (operation, target) in [(REQUEST, Mac::NONE), (REPLY, Mac::ALL)] {
            let packet = Packet {
                operation,
                sender: (self.own, address),
                target: (target, address),
            };
            socket.write_all(&packet.render())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_as_it_was_written() {
        let packet = Packet {
            operation: REPLY,
            sender: (Mac([2, 0, 0x5e, 0x10, 0, 1]), Ipv4Addr::new(10, 0, 0, 5)),
            target: (Mac::ALL, Ipv4Addr::new(10, 0, 0, 6)),
        };
        let mut frame = packet.render();
        assert_eq!(
            frame,
            [
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0x5e, 0x10, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0x5e,
                0x10, 0, 1, 10, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 0, 0, 6
            ]
        );
        // short frames are padded on the wire
        frame.resize(60, 0);
        assert_eq!(Packet::parse(&frame), Some(packet));
        assert_eq!(Packet::parse(&frame[..41]), None);
        frame[12] = 0x81;
        assert_eq!(Packet::parse(&frame), None);
    }

    #[test]
    fn a_hardware_address_is_read_as_it_is_shown() {
        let mac = Mac([2, 0, 0x5e, 0x10, 0, 1]);
        assert_eq!(Mac::parse(&format!("{mac}\n")), Some(mac));
        assert_eq!((Mac::parse("02:00"), Mac::parse("02:00:5e:10:00:01:02")), (None, None));
    }
}
