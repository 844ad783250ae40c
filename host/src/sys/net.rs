//! Names, network devices and addresses of this machine; who is at the other end of a local socket.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::checked;

/// Who connected to a local socket, as the kernel saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The process; 0 when it lives outside our namespace.
    pub pid: i32,
    /// Its user; 0 is root.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// The credentials of the process at the other end of a unix stream.
///
/// # Errors
/// Not a unix socket.
pub fn peer_of(stream: &impl AsFd) -> io::Result<Peer> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = libc::socklen_t::try_from(size_of::<libc::ucred>()).map_err(io::Error::other)?;
    let fd = stream.as_fd().as_raw_fd();
    let place = (&raw mut cred).cast();
    // SAFETY: `cred` has the `size` bytes announced; both live through the call.
    checked(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, place, &raw mut size) })?;
    Ok(Peer {
        pid: cred.pid,
        uid: cred.uid,
        gid: cred.gid,
    })
}

/// What `uname -n` prints.
///
/// # Errors
/// A name of 255 bytes or more, or one that is not UTF-8.
pub fn host_name() -> io::Result<String> {
    let mut name = [0_u8; 256];
    // SAFETY: `name` has the size given.
    checked(unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) })?;
    let name = CStr::from_bytes_until_nul(&name).map_err(io::Error::other)?;
    name.to_str().map(str::to_owned).map_err(io::Error::other)
}

/// One address of one network device, or the device alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceAddress {
    /// The device's name, or the label of one of its addresses (`eth0:1`).
    pub label: String,
    /// It is switched on.
    pub up: bool,
    /// It can carry frames: it has a carrier, or its driver does not know.
    pub running: bool,
    /// An address, with its mask and, for IPv4, the broadcast address somebody configured.
    pub address: Option<(IpAddr, IpAddr, Option<Ipv4Addr>)>,
}

/// All network devices of this namespace with their IPv4 and IPv6 addresses, in the kernel's order.
///
/// # Errors
/// Whatever getifaddrs(3) says.
pub fn device_addresses() -> io::Result<Vec<DeviceAddress>> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `first` is a valid place for the list's head.
    checked(unsafe { libc::getifaddrs(&raw mut first) })?;
    let mut found = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: `next` points into the list, which lives until freeifaddrs below.
        let entry = unsafe { &*next };
        found.extend(device_address(entry));
        next = entry.ifa_next;
    }
    // SAFETY: the list came from getifaddrs and nothing borrows from it any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

fn device_address(entry: &libc::ifaddrs) -> Option<DeviceAddress> {
    if entry.ifa_name.is_null() {
        return None;
    }
    // SAFETY: a string of the list, ended by a zero byte.
    let label = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
    let has = |flag: libc::c_int| u32::try_from(flag).is_ok_and(|flag| entry.ifa_flags & flag != 0);
    let pair = ip_of(entry.ifa_addr).zip(ip_of(entry.ifa_netmask));
    // for a point-to-point device this is the other end's address
    let broadcast = ip_of(entry.ifa_ifu).filter(|_| has(libc::IFF_BROADCAST));
    let broadcast = match broadcast {
        Some(IpAddr::V4(address)) => Some(address),
        Some(IpAddr::V6(_)) | None => None,
    };
    Some(DeviceAddress {
        label,
        up: has(libc::IFF_UP),
        running: has(libc::IFF_RUNNING),
        address: pair.map(|(address, mask)| (address, mask, broadcast)),
    })
}

fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null, and every address of the list begins with its family.
    let family = unsafe { (*address).sa_family };
    match libc::c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: of family AF_INET, so it is a sockaddr_in; read_unaligned asks no alignment.
            let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: of family AF_INET6, so it is a sockaddr_in6; as above.
            let address = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// The kernel's number of a network device. A device removed and made again under its name has another one.
///
/// # Errors
/// There is no such device.
pub fn device_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name).map_err(io::Error::other)?;
    // SAFETY: `name` is a string ended by a zero byte.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// A netlink socket that becomes readable when a network device or an address of this namespace changes. What is
/// read from it is of no interest; `ENOBUFS` means that more changed than was kept.
///
/// # Errors
/// Whatever socket(2) or bind(2) say.
pub fn network_changes() -> io::Result<File> {
    // flags of socket(2) since 2.6.27
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    let fd = checked(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })?;
    // SAFETY: the kernel just gave us this descriptor; nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
    let mut name = MaybeUninit::<libc::sockaddr_nl>::zeroed();
    // SAFETY: a sockaddr_nl is plain integers: all zero is a value of it.
    let address = unsafe { name.assume_init_mut() };
    address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).map_err(io::Error::other)?;
    address.nl_groups = u32::try_from(groups).map_err(io::Error::other)?;
    let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).map_err(io::Error::other)?;
    // SAFETY: `address` is a sockaddr_nl of the `size` announced.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const *address).cast(), size) })?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn loopback_is_listed() {
        let list = device_addresses().unwrap();
        let mask = Ipv4Addr::new(255, 0, 0, 0).into();
        let home = |found: &&DeviceAddress| found.address == Some((Ipv4Addr::LOCALHOST.into(), mask, None));
        assert_eq!(
            list.iter().find(home).map(|found| found.label.as_str()),
            Some("lo"),
            "{list:?}"
        );
        assert_eq!(device_index("lo").unwrap(), 1);
        assert!(device_index("no-such-device").is_err());
    }

    #[test]
    fn nothing_is_read_while_no_network_changes() {
        use std::io::Read;
        let mut changes = network_changes().unwrap();
        let mut bytes = [0; 64];
        // other tests of this machine may change something just now
        let mut quiet =
            |changes: &mut File| matches!(changes.read(&mut bytes), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        assert!((0..1000).any(|_| quiet(&mut changes)));
    }

    #[test]
    fn the_peer_is_ourselves() {
        let (a, _b) = UnixStream::pair().unwrap();
        let peer = peer_of(&a).unwrap();
        assert_eq!(u32::try_from(peer.pid).unwrap(), std::process::id());
    }

    #[test]
    fn the_host_has_a_name() {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(host_name().unwrap(), kernel.trim_end());
    }
}
