//! Reads the addresses of links and ping nodes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::values;
use crate::diagnostic::quote;

/// The version of IP that a directive is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

/// The address of one machine on a link through `device`. A link-local IPv6 address may name its device (`%eth1`).
pub(super) fn on_link(word: &str, family: Family, device: &str) -> Result<IpAddr, String> {
    let Family::V6 = family else {
        return values::address(word).map(IpAddr::from);
    };
    let (text, scope) = word
        .split_once('%')
        .map_or((word, None), |(text, scope)| (text, Some(scope)));
    if let Some(scope) = scope.filter(|scope| *scope != device) {
        return Err(format!(
            "{} is on {}, not on {}",
            quote(word),
            quote(scope),
            quote(device)
        ));
    }
    machine6(text).map(IpAddr::from)
}

/// The address of a ping node. The routes choose the device, so a link-local address can't be reached.
pub(super) fn of_ping(word: &str, family: Option<Family>) -> Result<IpAddr, String> {
    let v6 = family.map_or_else(|| word.contains(':'), |family| family == Family::V6);
    if !v6 {
        return values::address(word).map(IpAddr::from);
    }
    let text = word.split('%').next().unwrap_or_default();
    let address = machine6(text)?;
    if address.is_unicast_link_local() {
        return Err(format!(
            "{} is link-local: take an address of that machine that has a route",
            quote(word)
        ));
    }
    Ok(address.into())
}

fn machine6(word: &str) -> Result<Ipv6Addr, String> {
    let address: Ipv6Addr = word
        .parse()
        .map_err(|_| format!("{} is no IPv6 address (names are not looked up)", quote(word)))?;
    if let Some(v4) = address.to_ipv4_mapped() {
        return Err(format!("{} is the IPv4 address {v4}", quote(word)));
    }
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err(format!("{} is not the address of one other machine", quote(word)));
    }
    Ok(address)
}

/// A multicast group.
pub(super) fn group(word: &str, family: Family) -> Result<IpAddr, String> {
    let (address, range): (Option<IpAddr>, _) = match family {
        Family::V4 => (
            word.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "224.0.0.0 to 239.255.255.255",
        ),
        Family::V6 => (word.parse::<Ipv6Addr>().ok().map(IpAddr::from), "ff00::/8"),
    };
    address
        .filter(IpAddr::is_multicast)
        .ok_or_else(|| format!("{} is no multicast group ({range})", quote(word)))
}
