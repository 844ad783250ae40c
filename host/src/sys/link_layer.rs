//! Sockets below IP: ARP frames of one device, and the kernel's table of addresses.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::checked;

/// ARP's number in an Ethernet header.
const ETH_P_ARP: u16 = 0x0806;

/// A socket that sends whole Ethernet frames through the device numbered `index` and hears the ARP frames there.
///
/// # Errors
/// Not root, or no such device.
pub fn arp_socket(index: u32) -> io::Result<Socket> {
    let protocol = ETH_P_ARP.to_be();
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
    let family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    let address = libc::sockaddr_ll {
        sll_family: family,
        sll_protocol: protocol,
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: `address` is a sockaddr_ll of the `size` announced.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) })?;
    Ok(socket)
}

/// Sends one routing request and answers what the kernel made of it. `kind` and `flags` are its `nlmsg_type` and
/// `nlmsg_flags`, `body` all behind the header.
///
/// # Errors
/// The kernel's refusal, as it says it.
pub fn route_request(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    const HEADER: usize = 16;
    let mut socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW,
        Some(Protocol::from(libc::NETLINK_ROUTE)),
    )?;
    let length = u32::try_from(body.len() + HEADER).map_err(io::Error::other)?;
    let mut message = Vec::with_capacity(body.len() + HEADER);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    // number and sender: one request, one answer
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(body);
    socket.write_all(&message)?;
    // the answer is there before the send comes back
    socket.set_nonblocking(true)?;
    let mut answer = [0; 1024];
    let length = socket.read(&mut answer)?;
    let code = answer.get(HEADER..HEADER + 4).filter(|_| length >= HEADER + 4);
    let code: [u8; 4] = code
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| io::Error::other("the kernel's answer is too short"))?;
    match i32::from_ne_bytes(code) {
        0 => Ok(()),
        negative => Err(io::Error::from_raw_os_error(negative.saturating_neg())),
    }
}
