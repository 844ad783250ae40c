//! Reads the port of heartbeats from `/etc/services`, as Heartbeat does when `ha.cf` names none.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The name under which port 694 is registered.
const NAME: &str = "ha-cluster";
/// Debian's file has 13 kB; a much larger one is not read to its end.
const SIZE_MAX: u64 = 1 << 20;

/// The UDP port that `/etc/services` below `root` gives heartbeats, if it names one.
#[must_use]
pub fn heartbeat_port(root: &Path) -> Option<u16> {
    let mut bytes = Vec::new();
    let file = File::open(root.join("etc/services")).ok()?;
    file.take(SIZE_MAX).read_to_end(&mut bytes).ok()?;
    parse(&bytes)
}

/// The first `ha-cluster PORT/udp`, or the name as an alias of another.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<u16> {
    String::from_utf8_lossy(bytes).lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (name, port) = (words.next()?, words.next()?);
        if name != NAME && !words.any(|alias| alias == NAME) {
            return None;
        }
        let port: u16 = port.strip_suffix("/udp")?.parse().ok()?;
        (port != 0).then_some(port)
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_first_udp_line_counts() {
        for (text, port) in [
            (
                "ha-cluster\t694/tcp\nha-cluster 694/udp # Heartbeat\nha-cluster 700/udp",
                Some(694),
            ),
            ("#ha-cluster 694/udp\nhb 695/udp ha ha-cluster", Some(695)),
            (
                "ha-cluster2 694/udp\nha-cluster 0/udp\nha-cluster 70000/udp\nha-cluster",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), port, "{text}");
        }
    }
}
