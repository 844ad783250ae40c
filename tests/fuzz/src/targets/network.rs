//! Packets that anybody on the network can send us: ARP, and answers to pings.

use std::hint::black_box;

use ovzha_host::arp::Packet;
use ovzha_host::ping::{self, NoEcho, SocketKind, Version};

const ID: u16 = 0x5a17;

/// A packet as each kind of socket gives it; then as the echo reply that it would be.
pub fn network(bytes: &[u8]) {
    if let Some(packet) = Packet::parse(bytes) {
        // what goes to everybody from the sender, is otherwise the same
        assert_eq!(Packet::parse(&packet.render()), Some(packet));
    }
    for (version, kind) in [
        (Version::V4, SocketKind::Raw),
        (Version::V4, SocketKind::Datagram),
        (Version::V6, SocketKind::Raw),
        (Version::V6, SocketKind::Datagram),
    ] {
        black_box(ping::parse(bytes, version, kind, ID)).ok();
    }
    let rest = bytes.get(..10).unwrap_or_default();
    if let Ok(ten) = <[u8; 10]>::try_from(rest) {
        reply(ten);
    }
}

/// A right reply is read, with an IP header of any length; one bit of it flipped is not.
fn reply([high, low, tag @ ..]: [u8; 10]) {
    let mut icmp = vec![0, 0, 0, 0, 0x5a, 0x17, high, low];
    icmp.extend(tag);
    let sum = sum(&icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let header = 20 + usize::from(tag[0] % 11) * 4;
    let mut packet = vec![0; header];
    packet[0] = 0x40 | u8::try_from(header / 4).unwrap_or_default();
    packet[2..4].copy_from_slice(&u16::try_from(header + 16).unwrap_or_default().to_be_bytes());
    packet[9] = 1;
    packet.extend(&icmp);
    let sequence = u16::from_be_bytes([high, low]);
    for (packet, kind) in [(&packet, SocketKind::Raw), (&icmp, SocketKind::Datagram)] {
        let read = ping::parse(packet, Version::V4, kind, ID);
        assert!(
            read.is_ok_and(|echo| (echo.sequence, echo.tag) == (sequence, &tag[..])),
            "{read:?}"
        );
    }
    let bit = usize::from(tag[1]) % (icmp.len() * 8);
    icmp[bit / 8] ^= 1 << (bit % 8);
    let read = ping::parse(&icmp, Version::V4, SocketKind::Datagram, ID);
    assert_eq!(read, Err(NoEcho::Malformed));
}

fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    let sum = words.sum::<u32>();
    let sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or_default()
}
