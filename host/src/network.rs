//! The network devices of this machine with their addresses, as last read, and word of every change.
//!
//! The kernel tells changes through a netlink socket, so nothing is asked while nothing changes. Several changes
//! within a second are looked at once. Without that socket (an exotic kernel, a filter of system calls) the devices
//! are read every second instead.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, RawFd};

use ovzha_core::time::{Instant, Span};

use crate::sys::{self, DeviceAddress};

/// Between two looks, however much changes.
const PAUSE: Span = Span::from_secs(1);
/// Messages of the kernel taken at one look; what is left makes the next look.
const MESSAGES_MAX: usize = 256;

/// An address of a device with its network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subnet {
    /// The address itself.
    pub address: IpAddr,
    /// Leading bits that its whole network shares.
    pub prefix: u8,
    /// What the device was told to broadcast to, for IPv4.
    pub configured_broadcast: Option<Ipv4Addr>,
}

impl Subnet {
    /// Whether `other` is of this network.
    #[must_use]
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Where a frame for every machine of this network goes: as configured, else the highest address. `None` for
    /// IPv6, and for a network too small to have such an address.
    #[must_use]
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(own) = self.address else { return None };
        // an address added without a broadcast address may show itself or zeros instead
        let configured = self.configured_broadcast;
        let highest = (self.prefix < 31).then(|| {
            let hosts = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(own.to_bits() | hosts)
        });
        configured
            .filter(|broadcast| !broadcast.is_unspecified() && *broadcast != own)
            .or(highest)
    }
}

/// A network device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// It is switched on.
    pub up: bool,
    /// It has a carrier, or its driver does not know.
    pub running: bool,
    /// Its addresses, the primary ones first.
    pub subnets: Vec<Subnet>,
}

/// The devices in a list of their addresses.
#[must_use]
pub fn devices(list: Vec<DeviceAddress>) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    for entry in list {
        // an alias has a label of its own on the same device
        let name = entry.label.split(':').next().unwrap_or_default();
        let known = devices.iter().position(|device| device.name == name);
        let place = known.unwrap_or_else(|| {
            devices.push(Device {
                name: name.to_owned(),
                up: entry.up,
                running: entry.running,
                subnets: Vec::new(),
            });
            devices.len() - 1
        });
        if let (Some(device), Some((address, mask, configured_broadcast))) = (devices.get_mut(place), entry.address) {
            let ones = match mask {
                IpAddr::V4(mask) => mask.to_bits().leading_ones(),
                IpAddr::V6(mask) => mask.to_bits().leading_ones(),
            };
            device.subnets.push(Subnet {
                address,
                prefix: u8::try_from(ones).unwrap_or(u8::MAX),
                configured_broadcast,
            });
        }
    }
    devices
}

/// What is known of this machine's network.
#[derive(Debug)]
pub struct Network {
    changes: Option<File>,
    /// When the devices are to be read.
    due: Option<Instant>,
    looked: Instant,
    generation: u64,
    devices: Vec<Device>,
}

impl Network {
    /// The devices as they are now.
    #[must_use]
    pub fn open(now: Instant) -> Self {
        // first the watch, then the look: nothing is missed between them
        let changes = sys::network_changes().ok();
        let mut network = Self {
            changes,
            due: Some(now),
            looked: now,
            generation: 0,
            devices: Vec::new(),
        };
        network.tend(now);
        network
    }

    /// For `poll(2)`; `None` while a look is due anyway.
    #[must_use]
    pub fn fd(&self) -> Option<RawFd> {
        let changes = self.changes.as_ref().filter(|_| self.due.is_none());
        changes.map(AsRawFd::as_raw_fd)
    }

    /// When `tend` has something to do although nothing arrived.
    #[must_use]
    pub fn next_look(&self) -> Option<Instant> {
        self.due
    }

    /// Takes word of changes and reads the devices again; to be called with every round of the loop that woke for it.
    pub fn tend(&mut self, now: Instant) {
        if self.due.is_none() && self.changes.as_mut().is_some_and(changed) {
            self.due = Some(now.max(self.looked.after(PAUSE)));
        }
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.looked = now;
        self.due = match self.changes.as_mut() {
            Some(changes) => {
                // taken before the look: what changes after it is told again
                for _ in 0..MESSAGES_MAX {
                    if !changed(changes) {
                        break;
                    }
                }
                None
            }
            None => Some(now.after(PAUSE)),
        };
        // an error leaves what was known; the next change or send shows what is true
        if let Ok(list) = sys::device_addresses() {
            self.devices = devices(list);
            self.generation += 1;
        }
    }

    /// Grows whenever the devices have been read anew.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The devices as last read.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }
}

/// Whether a message was there, or more than fits.
fn changed(changes: &mut File) -> bool {
    let mut message = [0; 4096];
    loop {
        match changes.read(&mut message) {
            Ok(_) => return true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.raw_os_error() == Some(libc::ENOBUFS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn subnet(address: &str, prefix: u8, configured: Option<&str>) -> Subnet {
        Subnet {
            address: ip(address),
            prefix,
            configured_broadcast: configured.map(|text| text.parse().unwrap()),
        }
    }

    #[test]
    fn a_network_ends_where_its_mask_says() {
        let net = subnet("192.168.1.201", 25, None);
        assert!(net.contains(ip("192.168.1.129")) && !net.contains(ip("192.168.1.127")));
        assert!(!net.contains(ip("fe80::1")));
        assert!(subnet("10.0.0.1", 0, None).contains(ip("192.0.2.1")));
        let net = subnet("fe80::1", 64, None);
        assert!(net.contains(ip("fe80::2:0:0:1")) && !net.contains(ip("fe80:0:0:1::1")));
        assert!(!subnet("::1", 128, None).contains(ip("::2")));
    }

    #[test]
    fn broadcast_is_the_configured_or_the_highest_address() {
        let broadcast = |address, prefix, configured| subnet(address, prefix, configured).broadcast();
        let found = |text: &str| Some(text.parse().unwrap());
        assert_eq!(
            broadcast("192.168.1.1", 24, Some("192.168.1.127")),
            found("192.168.1.127")
        );
        assert_eq!(broadcast("192.168.1.1", 24, None), found("192.168.1.255"));
        assert_eq!(broadcast("192.168.1.1", 24, Some("0.0.0.0")), found("192.168.1.255"));
        assert_eq!(broadcast("10.1.2.3", 8, Some("10.1.2.3")), found("10.255.255.255"));
        assert_eq!(broadcast("10.1.2.3", 31, None), None);
        assert_eq!(broadcast("10.1.2.3", 32, Some("10.1.2.3")), None);
        assert_eq!(broadcast("fe80::1", 64, None), None);
    }

    #[test]
    fn an_alias_belongs_to_its_device() {
        let entry = |label: &str, address: Option<&str>| DeviceAddress {
            label: label.to_owned(),
            up: true,
            running: false,
            address: address.map(|address| (ip(address), ip("255.255.0.0"), None)),
        };
        let list = vec![
            entry("lo", None),
            entry("eth0", None),
            entry("eth0", Some("10.0.0.1")),
            entry("eth0:1", Some("10.0.0.2")),
        ];
        let devices = devices(list);
        assert_eq!(devices.len(), 2);
        assert_eq!(
            devices[1].subnets,
            [subnet("10.0.0.1", 16, None), subnet("10.0.0.2", 16, None)]
        );
    }

    #[test]
    fn this_machine_has_a_loopback_device() {
        let network = Network::open(Instant::from_millis(5));
        let home = subnet("127.0.0.1", 8, None);
        let lo = network.devices().iter().find(|device| device.name == "lo").unwrap();
        assert!(
            lo.subnets
                .iter()
                .any(|net| net.address == home.address && net.prefix == 8)
        );
        assert_eq!(network.generation(), 1);
    }
}
