//! Speaks and listens on the nodes' networks: datagrams from anybody, and a record of what passes.
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::net::UdpSocket;
use std::path::Path;
use std::thread;

/// All Ethernet protocols, in network order: `ETH_P_ALL`.
const EVERYTHING: i32 = 0x0300;
/// Ethernet, IPv4 without options, UDP.
const HEADERS: usize = 14 + 20 + 8;
/// The port of the heartbeats.
const PORT: [u8; 2] = [0x02, 0xb6];

/// Sends each line of standard input, in hexadecimal, as one datagram `from` an address `to` another.
pub fn say(from: &str, to: &str) -> io::Result<u8> {
    let socket = UdpSocket::bind(from)?;
    for line in io::stdin().lock().lines() {
        // a full queue or an absent receiver is the receiver's affair
        drop(socket.send_to(&unhex(&line?)?, to));
    }
    Ok(0)
}

/// Writes `SOURCE DESTINATION PAYLOAD` of each heartbeat that passes into `file`, until standard input ends.
pub fn listen(file: &Path) -> io::Result<u8> {
    let mut socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(EVERYTHING)))?;
    let mut file = File::create(file)?;
    writeln!(io::stdout(), "ready")?;
    thread::spawn(move || -> io::Result<()> {
        let mut packet = [0; 2048];
        loop {
            let count = socket.read(&mut packet)?;
            if let Some(line) = heartbeat(&packet[..count]) {
                file.write_all(line.as_bytes())?;
            }
        }
    });
    crate::until_eof()
}

fn heartbeat(packet: &[u8]) -> Option<String> {
    let (head, payload) = packet.split_at_checked(HEADERS)?;
    let is_udp = head[12..14] == [0x08, 0x00] && head[14] == 0x45 && head[23] == 17;
    if !is_udp || head[36..38] != PORT {
        return None;
    }
    let address = |at: usize| format!("{}.{}.{}.{}", head[at], head[at + 1], head[at + 2], head[at + 3]);
    let length = usize::from(u16::from_be_bytes([head[38], head[39]])).checked_sub(8)?;
    let mut line = format!("{} {} ", address(26), address(30));
    for byte in payload.get(..length)? {
        write!(line, "{byte:02x}").ok()?;
    }
    line.push('\n');
    Some(line)
}

fn unhex(text: &str) -> io::Result<Vec<u8>> {
    let digits = text.trim().as_bytes();
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).map_err(io::Error::other)?;
        u8::from_str_radix(text, 16).map_err(io::Error::other)
    };
    digits.chunks(2).map(pair).collect()
}
