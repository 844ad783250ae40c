//! Names and addresses: this machine's own, and who is at the other end of a local socket.

use std::ffi::CStr;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};

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

/// The IPv4 addresses of this machine, each with its interface.
///
/// # Errors
/// Whatever getifaddrs(3) says.
pub fn addresses() -> io::Result<Vec<(String, Ipv4Addr)>> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `first` is a valid place for the list's head.
    checked(unsafe { libc::getifaddrs(&raw mut first) })?;
    let mut found = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: `next` points into the list, which lives until freeifaddrs below.
        let entry = unsafe { &*next };
        if let Some(pair) = ipv4_of(entry) {
            found.push(pair);
        }
        next = entry.ifa_next;
    }
    // SAFETY: the list came from getifaddrs and nothing borrows from it any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

fn ipv4_of(entry: &libc::ifaddrs) -> Option<(String, Ipv4Addr)> {
    if entry.ifa_addr.is_null() || entry.ifa_name.is_null() {
        return None;
    }
    // SAFETY: not null, and every address begins with its family.
    let family = unsafe { (*entry.ifa_addr).sa_family };
    if libc::c_int::from(family) != libc::AF_INET {
        return None;
    }
    // SAFETY: of family AF_INET, so it is a sockaddr_in; read_unaligned asks no alignment.
    let address = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
    // SAFETY: a string of the list, ended by a zero byte.
    let name = unsafe { CStr::from_ptr(entry.ifa_name) };
    let address = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
    Some((name.to_string_lossy().into_owned(), address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn loopback_is_listed() {
        let list = addresses().unwrap();
        assert!(list.contains(&("lo".to_owned(), Ipv4Addr::LOCALHOST)), "{list:?}");
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
