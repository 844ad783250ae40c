//! Holds an IPv4 address for a group: `IPaddr`, `IPaddr2`, or a bare address in `haresources`.
//!
//! ```text
//! ADDRESS[/MASK][/DEVICE[:LABEL]][/BROADCAST]     the parts behind the mask in either order, as Heartbeat took them
//! ```
//!
//! Start: find the device, ask the network whether somebody has the address, add it, announce it. The announcements go
//! on for some seconds in a process of their own, which ends once the address is gone. `IPaddr` gives the address a
//! label (`eth0:0`), which ifconfig shows; `IPaddr2` gives none.
use crate::agent::{Answer, Exit, Op};
use crate::arp::Device;
use crate::diagnostic::quote;
use crate::ha_cf::values;
use crate::program::Deadline;
use crate::sys::{self, DeviceAddress};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The agent's word for the announcements after a start.
pub const ANNOUNCE: &str = "announce";
/// The pauses before each of those.
const PAUSES: [u64; 4] = [500, 1000, 2000, 4000];
/// Longest label the kernel takes.
const LABEL_MAX: usize = 15;
/// Labels tried on one device.
const LABELS: u32 = 1024;

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;

/// An address as the file asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The address.
    pub address: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix: Option<u8>,
    /// The device it belongs on.
    pub device: Option<String>,
    /// The label it is to have there.
    pub label: Option<String>,
    /// The broadcast address beside it.
    pub broadcast: Option<Ipv4Addr>,
}

impl Wanted {
    /// Reads the argument.
    ///
    /// # Errors
    /// A sentence that names the part.
    pub fn parse(text: &str) -> Result<Wanted, String> {
        let mut parts = text.split('/');
        let mut wanted = Wanted {
            address: values::address(parts.next().unwrap_or_default())?,
            prefix: None,
            device: None,
            label: None,
            broadcast: None,
        };
        if wanted.address.is_loopback() {
            return Err(format!("{} is this machine's own on every machine", wanted.address));
        }
        for (place, part) in parts.enumerate() {
            wanted.part(place, part)?;
        }
        Ok(wanted)
    }

    fn part(&mut self, place: usize, part: &str) -> Result<(), String> {
        let dotted = part.parse::<Ipv4Addr>().ok();
        let mask = dotted.and_then(prefix_of).filter(|_| place == 0);
        if place == 0 && (mask.is_some() || part.bytes().all(|byte| byte.is_ascii_digit())) {
            let number = || part.parse().ok().filter(|prefix| (1..=32).contains(prefix));
            let prefix = mask.or_else(number);
            self.prefix = Some(prefix.ok_or_else(|| format!("{} is no network mask", quote(part)))?);
        } else if let Some(broadcast) = dotted {
            if self.broadcast.replace(broadcast).is_some() {
                return Err(format!("{} is a second broadcast address", quote(part)));
            }
        } else {
            let (device, label) = part
                .split_once(':')
                .map_or((part, None), |(device, _)| (device, Some(part)));
            if device.is_empty() || label.is_some_and(|label| label.len() > LABEL_MAX) {
                return Err(format!("{} is no network device", quote(part)));
            }
            self.label = label.map(str::to_owned);
            if self.device.replace(values::device(device)?).is_some() {
                return Err(format!("{} is a second device", quote(part)));
            }
        }
        Ok(())
    }
}

/// The length of a mask's prefix; `None` for what is no mask.
fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let length = bits.leading_ones();
    (length > 0 && bits.count_ones() == length).then_some(())?;
    u8::try_from(length).ok()
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0)
}

/// One address that this machine has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    /// The device's name.
    pub device: String,
    /// The address's label; the device's name if it has no other.
    pub label: String,
    /// The address.
    pub address: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// The broadcast address beside it.
    pub broadcast: Option<Ipv4Addr>,
    /// Whether the device is switched on.
    pub up: bool,
}

impl Present {
    fn of(entry: DeviceAddress) -> Option<Present> {
        let (IpAddr::V4(address), IpAddr::V4(mask), broadcast) = entry.address? else {
            return None;
        };
        Some(Present {
            device: entry.label.split(':').next()?.to_owned(),
            address,
            prefix: prefix_of(mask)?,
            broadcast,
            up: entry.up,
            label: entry.label,
        })
    }

    /// Whether `address` is in its network.
    fn reaches(&self, address: Ipv4Addr) -> bool {
        let mask = mask(self.prefix);
        self.address.to_bits() & mask == address.to_bits() & mask
    }

    /// Has the kernel add or remove it.
    fn change(&self, kind: u16) -> io::Result<()> {
        let adds = if kind == RTM_NEWADDR {
            NLM_F_CREATE | NLM_F_EXCL
        } else {
            0
        };
        let family = u8::try_from(libc::AF_INET).map_err(io::Error::other)?;
        let mut body = vec![family, self.prefix, 0, 0];
        body.extend_from_slice(&sys::device_index(&self.device)?.to_ne_bytes());
        attribute(&mut body, IFA_LOCAL, &self.address.octets());
        attribute(&mut body, IFA_ADDRESS, &self.address.octets());
        if let Some(broadcast) = self.broadcast {
            attribute(&mut body, IFA_BROADCAST, &broadcast.octets());
        }
        let label: Vec<u8> = self.label.bytes().chain([0]).collect();
        attribute(&mut body, IFA_LABEL, &label);
        sys::route_request(kind, NLM_F_REQUEST | NLM_F_ACK | adds, &body)
    }
}

/// Appends one attribute, padded as netlink wants it. All of ours are short.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    body.extend_from_slice(&length.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The IPv4 addresses of this machine.
fn all() -> io::Result<Vec<Present>> {
    Ok(sys::device_addresses()?.into_iter().filter_map(Present::of).collect())
}

/// Where a wanted address belongs, given what the machine has: on the device named, else on the one whose network holds
/// it, the narrowest network first.
///
/// # Errors
/// A sentence that says what is to be named.
pub fn place(wanted: &Wanted, all: &[Present]) -> Result<Present, String> {
    let address = wanted.address;
    let on_device = |present: &&Present| wanted.device.as_ref().is_none_or(|device| *device == present.device);
    let fitting = all.iter().filter(on_device).filter(|present| present.reaches(address));
    // of one at 127.0.0.1 nothing can be said about a network
    let home = fitting
        .filter(|present| !present.address.is_loopback())
        .max_by_key(|present| present.prefix);
    let Some(device) = wanted.device.clone().or_else(|| home.map(|home| home.device.clone())) else {
        return Err(format!(
            "no device has a network that {address} belongs to: name it, {address}/MASK/DEVICE"
        ));
    };
    let Some(prefix) = wanted.prefix.or_else(|| home.map(|home| home.prefix)) else {
        return Err(format!(
            "{device} has no network that {address} belongs to: name the mask, {address}/MASK/{device}"
        ));
    };
    let computed = (prefix < 31).then(|| Ipv4Addr::from_bits(address.to_bits() | !mask(prefix)));
    Ok(Present {
        label: wanted.label.clone().unwrap_or_else(|| device.clone()),
        device,
        address,
        prefix,
        broadcast: wanted.broadcast.or(computed),
        up: true,
    })
}

/// The first free label of the device, as ifconfig would name it; the device's own name where none fits.
#[must_use]
pub fn free_label(device: &str, all: &[Present]) -> String {
    (0..LABELS)
        .map(|number| format!("{device}:{number}"))
        .find(|label| label.len() <= LABEL_MAX && !all.iter().any(|present| present.label == *label))
        .unwrap_or_else(|| device.to_owned())
}

/// Runs one operation of `IPaddr ADDRESS...` or `IPaddr2 ADDRESS...`.
#[must_use]
pub fn operate(op: Op, name: &str, args: &[&str], deadline: Deadline) -> Answer {
    let [text] = args else {
        return Answer::unfit(format!(
            "{name} wants one argument, ADDRESS[/MASK][/DEVICE][/BROADCAST]"
        ));
    };
    let wanted = match Wanted::parse(text) {
        Ok(wanted) => wanted,
        Err(why) => return Answer::unfit(why),
    };
    let all = match all() {
        Ok(all) => all,
        Err(error) => return Answer::failed(format!("the addresses of this machine can't be listed: {error}")),
    };
    match op {
        Op::Probe | Op::Observe | Op::Monitor => probe(&wanted, &all),
        Op::Start => start(&wanted, name == "IPaddr", &all, deadline),
        Op::Stop => stop(&wanted, &all),
    }
}

/// The wanted address among those there are: on its device, where one is named.
fn held<'a>(wanted: &Wanted, all: &'a [Present]) -> impl Iterator<Item = &'a Present> {
    let (address, device) = (wanted.address, wanted.device.clone());
    all.iter().filter(move |present| {
        present.address == address && device.as_ref().is_none_or(|device| *device == present.device)
    })
}

fn probe(wanted: &Wanted, all: &[Present]) -> Answer {
    let address = wanted.address;
    if let Some(present) = held(wanted, all).next() {
        if present.up {
            return Answer::done(format!("{address} is on {}", present.label));
        }
        return Answer::new(
            Exit::Unclear,
            format!("{address} is on {}, which is down", present.label),
        );
    }
    match all.iter().find(|present| present.address == address) {
        Some(elsewhere) => Answer::new(Exit::Unclear, format!("{address} is on {}", elsewhere.label)),
        None => Answer::new(Exit::NotRunning, format!("{address} is not on this machine")),
    }
}

fn start(wanted: &Wanted, labelled: bool, all: &[Present], deadline: Deadline) -> Answer {
    let before = probe(wanted, all);
    if before.exit != Exit::NotRunning {
        let exit = if before.exit == Exit::Done {
            Exit::Done
        } else {
            Exit::Failed
        };
        return Answer::new(exit, before.reason);
    }
    let mut place = match place(wanted, all) {
        Ok(place) => place,
        Err(why) => return Answer::unfit(why),
    };
    if !Path::new("/sys/class/net").join(&place.device).exists() {
        return Answer::unfit(format!("there is no network device {}", place.device));
    }
    if labelled && wanted.label.is_none() {
        place.label = free_label(&place.device, all);
    }
    let device = Device::find(&place.device);
    if let Some(device) = device {
        match device.who_has(place.address) {
            Ok(None) => {}
            Ok(Some(mac)) => {
                return Answer::failed(format!("{} is in use by {mac} on {}", place.address, place.device));
            }
            Err(error) => return Answer::failed(format!("{} can't be asked about: {error}", place.address)),
        }
    }
    if deadline.is_over() {
        return Answer::failed("no time was left");
    }
    if let Err(error) = place.change(RTM_NEWADDR) {
        return Answer::failed(format!("{} can't be added to {}: {error}", place.address, place.device));
    }
    let told = device.map_or(Ok(()), |device| {
        device.announce(place.address).and_then(|()| go_on_announcing(&place))
    });
    let told = told.map_or_else(|error| format!(", not announced: {error}"), |()| String::new());
    Answer::done(format!(
        "{}/{} is on {}{told}",
        place.address, place.prefix, place.label
    ))
}

/// Starts the announcer, which nobody waits for.
fn go_on_announcing(place: &Present) -> io::Result<()> {
    let mut command = Command::new("/proc/self/exe");
    command.args(["agent", ANNOUNCE, &place.device, &place.address.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop)
}

/// Announces the address some more times, for as long as it is there.
#[must_use]
pub fn announce(device: &str, address: &str) -> Answer {
    let (Some(ethernet), Ok(address)) = (Device::find(device), address.parse::<Ipv4Addr>()) else {
        return Answer::failed("nothing to announce");
    };
    for pause in PAUSES {
        std::thread::sleep(Duration::from_millis(pause));
        let there = all().is_ok_and(|all| all.iter().any(|present| present.address == address));
        if !there {
            return Answer::done("the address is gone");
        }
        if let Err(error) = ethernet.announce(address) {
            return Answer::failed(error);
        }
    }
    Answer::done("announced")
}

fn stop(wanted: &Wanted, before: &[Present]) -> Answer {
    let going: Vec<&Present> = held(wanted, before).collect();
    if going.is_empty() {
        return Answer::done(format!("{} is not here", wanted.address));
    }
    for present in &going {
        if let Err(error) = present.change(RTM_DELADDR) {
            return Answer::failed(format!(
                "{} can't be removed from {}: {error}",
                present.address, present.device
            ));
        }
    }
    let after = match all() {
        Ok(after) => after,
        Err(error) => return Answer::failed(format!("the addresses of this machine can't be listed: {error}")),
    };
    if held(wanted, &after).next().is_some() {
        return Answer::failed(format!("{} is still here", wanted.address));
    }
    // The kernel removes a network's other addresses with its first one; they are somebody else's.
    let same = |a: &Present, b: &Present| (&a.device, a.address) == (&b.device, b.address);
    let lost = before
        .iter()
        .filter(|old| !going.contains(old) && !after.iter().any(|new| same(old, new)));
    let failed: Vec<String> = lost
        .filter_map(|old| {
            old.change(RTM_NEWADDR)
                .err()
                .map(|error| format!("; {} was lost: {error}", old.address))
        })
        .collect();
    Answer::done(format!("{} is removed{}", wanted.address, failed.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        match Wanted::parse(text) {
            Err(why) => why,
            Ok(wanted) => {
                let or = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
                format!(
                    "{} {} {} {} {}",
                    wanted.address,
                    or(wanted.prefix.map(|prefix| prefix.to_string())),
                    or(wanted.device),
                    or(wanted.label),
                    or(wanted.broadcast.map(|address| address.to_string()))
                )
            }
        }
    }

    #[test]
    fn every_form_that_heartbeat_took() {
        for (text, expected) in [
            ("10.0.0.5", "10.0.0.5 - - - -"),
            ("10.0.0.5/24", "10.0.0.5 24 - - -"),
            ("10.0.0.5/255.255.255.0", "10.0.0.5 24 - - -"),
            ("10.0.0.5/24/eth0", "10.0.0.5 24 eth0 - -"),
            ("10.0.0.5/24/eth0:1", "10.0.0.5 24 eth0 eth0:1 -"),
            ("10.0.0.5/24/eth0/10.0.0.255", "10.0.0.5 24 eth0 - 10.0.0.255"),
            ("10.0.0.5/24/10.0.0.255", "10.0.0.5 24 - - 10.0.0.255"),
            ("10.0.0.5/24/10.0.0.255/eth0", "10.0.0.5 24 eth0 - 10.0.0.255"),
            ("10.0.0.5/eth0", "10.0.0.5 - eth0 - -"),
            ("10.0.0.5/33", "`33` is no network mask"),
            ("10.0.0.5/24/eth0/eth1", "`eth1` is a second device"),
            (
                "10.0.0.5/24/10.0.0.255/10.0.0.254",
                "`10.0.0.254` is a second broadcast address",
            ),
            ("127.0.0.1/8", "127.0.0.1 is this machine's own on every machine"),
            ("224.0.0.1", "`224.0.0.1` is not the address of one machine"),
            ("10.0.0.5/", "`` is no network mask"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    fn present(label: &str, address: [u8; 4], prefix: u8) -> Present {
        Present {
            device: label.split(':').next().unwrap().to_owned(),
            label: label.to_owned(),
            address: address.into(),
            prefix,
            broadcast: None,
            up: true,
        }
    }

    #[test]
    fn the_device_is_the_one_whose_network_holds_the_address() {
        let all = [
            present("lo", [127, 0, 0, 1], 8),
            present("eth0", [10, 0, 0, 1], 8),
            present("eth1", [10, 0, 7, 1], 24),
        ];
        let found = |text: &str| {
            let place = place(&Wanted::parse(text).unwrap(), &all);
            place.map(|place| {
                format!(
                    "{}/{} {} {:?}",
                    place.address, place.prefix, place.device, place.broadcast
                )
            })
        };
        assert_eq!(found("10.0.7.9"), Ok("10.0.7.9/24 eth1 Some(10.0.7.255)".to_owned()));
        assert_eq!(found("10.9.0.9"), Ok("10.9.0.9/8 eth0 Some(10.255.255.255)".to_owned()));
        assert_eq!(found("10.0.7.9/32"), Ok("10.0.7.9/32 eth1 None".to_owned()));
        assert_eq!(
            found("192.168.0.1/24/eth1"),
            Ok("192.168.0.1/24 eth1 Some(192.168.0.255)".to_owned())
        );
        assert!(found("192.168.0.1").unwrap_err().contains("name it"));
        assert!(found("192.168.0.1/eth1").unwrap_err().contains("name the mask"));
    }

    #[test]
    fn a_label_is_the_first_free_one() {
        let all = [present("eth0", [10, 0, 0, 1], 8), present("eth0:0", [10, 0, 0, 2], 8)];
        assert_eq!(free_label("eth0", &all), "eth0:1");
        assert_eq!(free_label("a-long-device-n", &all), "a-long-device-n");
    }
}
