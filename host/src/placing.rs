//! Which address a link's socket is bound to, where its frames go, and whom it listens to.
//!
//! Every socket is bound to an address of its own, never to "any": the peer's datagrams come to exactly one socket
//! even when several links share a device and a port, because the kernel matches what they were sent to. A unicast
//! link binds to this machine's address, a broadcast link to the broadcast address, a multicast link to its group.

use std::net::IpAddr;

use crate::ha_cf::LinkKind;
use crate::network::{Device, Subnet};
use crate::sys;
use crate::udp::{Membership, Sources, UdpConfig};

/// Whether a link must have a carrier. One that is open keeps going without: the peer's silence tells the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// It is to be opened: without a carrier it is not usable.
    Needed,
    /// It is open.
    Optional,
}

/// The socket of a network link on a machine with these devices; `me_in_file` is our place among the `node` lines.
///
/// Two addresses: the one that is configured on the link's device is ours. One address: it is the peer's.
/// Loopback addresses (both nodes on one machine, for the demo): the n-th belongs to the n-th node.
///
/// # Errors
/// A sentence that says why there can't be one now; that may change with the machine's network.
pub fn place(kind: &LinkKind, me_in_file: usize, devices: &[Device], carrier: Carrier) -> Result<UdpConfig, String> {
    match kind {
        LinkKind::Unicast {
            device,
            port,
            addresses,
        } => {
            if let Some(found) = loopback(device, *port, addresses, me_in_file) {
                return found;
            }
            let there = usable(device, devices, carrier)?;
            let (own, peer) = ends(there, addresses)?;
            Ok(UdpConfig {
                index: index(device)?,
                ..UdpConfig::unicast(device, *port, own, peer)
            })
        }
        LinkKind::Broadcast { device, port } => {
            let there = usable(device, devices, carrier)?;
            let broadcast = there.subnets.iter().find_map(Subnet::broadcast);
            let broadcast = broadcast.ok_or_else(|| format!("{device} has no IPv4 address to broadcast from"))?;
            Ok(UdpConfig {
                device: device.clone(),
                index: index(device)?,
                port: *port,
                bound: broadcast.into(),
                to: broadcast.into(),
                own: own_of(there, true),
                sources: Sources::Subnets(subnets_of(there, true)),
                membership: None,
                bind_to_address: false,
            })
        }
        LinkKind::Multicast {
            device,
            group,
            port,
            ttl,
            loops,
        } => {
            let there = usable(device, devices, carrier)?;
            let v4 = group.is_ipv4();
            if !there.subnets.iter().any(|subnet| subnet.address.is_ipv4() == v4) {
                return Err(format!("{device} has no {} address", if v4 { "IPv4" } else { "IPv6" }));
            }
            // what passes a router comes from another network
            let sources = if *ttl > 1 {
                Sources::Anybody
            } else {
                Sources::Subnets(subnets_of(there, v4))
            };
            Ok(UdpConfig {
                device: device.clone(),
                index: index(device)?,
                port: *port,
                bound: *group,
                to: *group,
                own: own_of(there, v4),
                sources,
                membership: Some(Membership {
                    ttl: *ttl,
                    loops: *loops,
                }),
                bind_to_address: false,
            })
        }
        LinkKind::Serial { .. } | LinkKind::Routed { .. } => {
            Err("it has no place in a network of this machine".to_owned())
        }
    }
}

/// Both nodes on this machine.
fn loopback(device: &str, port: u16, addresses: &[IpAddr], me_in_file: usize) -> Option<Result<UdpConfig, String>> {
    let &[first, second] = addresses else { return None };
    if !first.is_loopback() || !second.is_loopback() {
        return None;
    }
    let (own, peer) = if me_in_file == 0 {
        (first, second)
    } else {
        (second, first)
    };
    Some(Ok(UdpConfig {
        bind_to_address: true,
        ..UdpConfig::unicast(device, port, own, peer)
    }))
}

/// The device, if frames can leave through it.
fn usable<'a>(name: &str, devices: &'a [Device], carrier: Carrier) -> Result<&'a Device, String> {
    let device = devices.iter().find(|device| device.name == name);
    let device = device.ok_or_else(|| format!("there is no network device {name} yet"))?;
    match (carrier, device.up, device.running) {
        (Carrier::Needed, false, _) => Err(format!("{name} is down")),
        (Carrier::Needed, true, false) => Err(format!("{name} has no carrier")),
        (Carrier::Needed, true, true) | (Carrier::Optional, _, _) => Ok(device),
    }
}

fn index(device: &str) -> Result<u32, String> {
    sys::device_index(device).map_err(|error| format!("{device}: {error}"))
}

/// Our address and the peer's.
fn ends(device: &Device, addresses: &[IpAddr]) -> Result<(IpAddr, IpAddr), String> {
    let name = &device.name;
    let ours = |address: IpAddr| device.subnets.iter().any(|subnet| subnet.address == address);
    match *addresses {
        [first, second] => match (ours(first), ours(second)) {
            (true, false) => Ok((first, second)),
            (false, true) => Ok((second, first)),
            (true, true) => Err(format!("both {first} and {second} are this machine's own on {name}")),
            (false, false) => Err(format!("neither {first} nor {second} is configured on {name}")),
        },
        [only] if ours(only) => Err(format!(
            "{only} on {name} is this machine's own; the peer's address is missing"
        )),
        // what the kernel would choose, so that the peer sees the address its own file names
        [only] => {
            let near = device.subnets.iter().find(|subnet| subnet.contains(only));
            let far = || device.subnets.iter().find(|subnet| reaches(subnet.address, only));
            let own = near
                .or_else(far)
                .ok_or_else(|| format!("{name} has no address to reach {only} from"))?;
            Ok((own.address, only))
        }
        _ => Err(format!("{name} needs one or two addresses")),
    }
}

/// Whether an address can be the source of what goes through a router to another.
fn reaches(own: IpAddr, peer: IpAddr) -> bool {
    match (own, peer) {
        (IpAddr::V4(_), IpAddr::V4(_)) => true,
        (IpAddr::V6(own), IpAddr::V6(peer)) => !own.is_unicast_link_local() && !peer.is_unicast_link_local(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn subnets_of(device: &Device, v4: bool) -> Vec<Subnet> {
    let family = |subnet: &&Subnet| subnet.address.is_ipv4() == v4;
    device.subnets.iter().filter(family).copied().collect()
}

fn own_of(device: &Device, v4: bool) -> Vec<IpAddr> {
    let addresses = subnets_of(device, v4);
    addresses.iter().map(|subnet| subnet.address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| ip(text)).collect()
    }

    /// The one device that every machine has, with other addresses.
    fn device(addresses: &[&str]) -> Device {
        let subnet = |address: &&str| Subnet {
            address: ip(address),
            prefix: if ip(address).is_ipv4() { 24 } else { 64 },
            configured_broadcast: None,
        };
        Device {
            name: "lo".to_owned(),
            up: true,
            running: true,
            subnets: addresses.iter().map(subnet).collect(),
        }
    }

    fn ucast(addresses: &[&str]) -> LinkKind {
        LinkKind::Unicast {
            device: "lo".to_owned(),
            port: 694,
            addresses: ips(addresses),
        }
    }

    fn mcast(group: &str, ttl: u8) -> LinkKind {
        LinkKind::Multicast {
            device: "lo".to_owned(),
            group: ip(group),
            port: 695,
            ttl,
            loops: true,
        }
    }

    fn placed(kind: &LinkKind, device: &Device, me: usize) -> Result<UdpConfig, String> {
        place(kind, me, std::slice::from_ref(device), Carrier::Needed)
    }

    #[test]
    fn of_two_addresses_the_one_on_the_device_is_ours() {
        let both = ["192.168.255.1", "192.168.255.2"];
        let found = placed(&ucast(&both), &device(&["192.168.255.2"]), 0).unwrap();
        let wanted = UdpConfig::unicast("lo", 694, ip(both[1]), ip(both[0]));
        assert_eq!(found, UdpConfig { index: 1, ..wanted });
        let why = |addresses: &[&str], own: &[&str]| placed(&ucast(addresses), &device(own), 0).unwrap_err();
        assert_eq!(
            why(&both, &["10.0.0.1"]),
            "neither 192.168.255.1 nor 192.168.255.2 is configured on lo"
        );
        assert!(why(&both, &both).starts_with("both 192.168.255.1 and"));
        assert!(why(&both[1..], &both).ends_with("the peer's address is missing"));
        for me in [0, 1] {
            let found = placed(&ucast(&["127.0.0.11", "127.0.0.12"]), &device(&[]), me).unwrap();
            let homes = [ip("127.0.0.11"), ip("127.0.0.12")];
            assert_eq!((found.bound, found.to), (homes[me], homes[1 - me]));
            assert!(found.bind_to_address);
        }
    }

    #[test]
    fn of_one_address_the_other_end_is_the_nearest_of_ours() {
        let own = ["10.9.0.1", "192.168.255.2", "fe80::7", "fd00::2"];
        for (peer, wanted) in [
            ("192.168.255.1", "192.168.255.2"),
            ("172.16.0.1", "10.9.0.1"),
            ("fe80::1", "fe80::7"),
            ("fd00::1", "fd00::2"),
            ("2001:db8::1", "fd00::2"),
        ] {
            assert_eq!(placed(&ucast(&[peer]), &device(&own), 0).unwrap().bound, ip(wanted));
        }
        let why = placed(&ucast(&["fe80::1"]), &device(&["fd00::2"]), 0).unwrap_err();
        assert_eq!(why, "lo has no address to reach fe80::1 from");
    }

    #[test]
    fn no_socket_is_bound_to_any_address() {
        let own = device(&["192.168.1.7", "fd00::2"]);
        let bcast = LinkKind::Broadcast {
            device: "lo".to_owned(),
            port: 694,
        };
        let found = placed(&bcast, &own, 0).unwrap();
        assert_eq!((found.bound, found.to), (ip("192.168.1.255"), ip("192.168.1.255")));
        assert_eq!(found.own, ips(&["192.168.1.7"]));
        for (group, ttl, near) in [("239.0.0.1", 1, true), ("ff12::1", 1, true), ("239.0.0.1", 2, false)] {
            let found = placed(&mcast(group, ttl), &own, 0).unwrap();
            assert_eq!((found.bound, found.to, found.port), (ip(group), ip(group), 695));
            assert_eq!(matches!(found.sources, Sources::Subnets(_)), near);
        }
        let bare = device(&["fd00::2"]);
        assert_eq!(
            placed(&bcast, &bare, 0).unwrap_err(),
            "lo has no IPv4 address to broadcast from"
        );
        assert_eq!(
            placed(&mcast("239.0.0.1", 1), &bare, 0).unwrap_err(),
            "lo has no IPv4 address"
        );
        assert_eq!(
            placed(&mcast("ff12::1", 1), &device(&[]), 0).unwrap_err(),
            "lo has no IPv6 address"
        );
    }

    #[test]
    fn a_carrier_is_needed_to_open_and_not_to_stay() {
        let mut dark = device(&["192.168.255.2"]);
        let kind = ucast(&["192.168.255.1"]);
        dark.running = false;
        assert_eq!(placed(&kind, &dark, 0).unwrap_err(), "lo has no carrier");
        assert!(place(&kind, 0, std::slice::from_ref(&dark), Carrier::Optional).is_ok());
        dark.up = false;
        assert_eq!(placed(&kind, &dark, 0).unwrap_err(), "lo is down");
        let why = place(&kind, 0, &[], Carrier::Optional).unwrap_err();
        assert_eq!(why, "there is no network device lo yet");
    }
}
