//! Frames: golden bytes of every version, every damage refused, a future version told and not refused.

#[cfg(test)]
mod tests {
    use ovzha_core::auth::{Domain, Keyring, Method};
    use ovzha_core::frame::{
        BODY_MAX, FRAME_MAX, FRAME_MIN, FrameBuf, HEADER_LEN, Header, MAGIC, Opened, VERSION, open, peek, seal,
    };
    use ovzha_core::id::{BootId, ClusterId, KeyId, LinkId, NodeId, Sequence};
    use ovzha_core::rejection::{Rejection, Rejections};

    const CLUSTER: ClusterId = ClusterId([0xc1, 0x5a]);
    const METHODS: [Method; 4] = [Method::Crc, Method::Md5, Method::Sha1, Method::Sha256];
    const GOLDEN: &str = include_str!("golden/frames-v1.txt");

    /// The keys of the goldens: 1 crc, 2 md5, 3 sha1, 15 sha256.
    fn ring(signing: u8) -> Keyring {
        let mut ring = Keyring::new(Domain::Node);
        for (id, method) in [1, 2, 3, 15].into_iter().zip(METHODS) {
            ring.add(KeyId(id), method, b"HI!").unwrap();
        }
        ring.sign_with(KeyId(signing)).unwrap();
        ring
    }

    fn header() -> Header {
        Header {
            version: 1,
            cluster: CLUSTER,
            sender: NodeId(1),
            addressee: NodeId(0),
            link: LinkId(2),
            boot: BootId([0xde, 0xad, 0x00, 0x01]),
            sequence: Sequence(0x0102_0304),
        }
    }

    fn sealed(header: &Header, body: &[u8], ring: &Keyring) -> Vec<u8> {
        seal(header, body, ring, &mut FrameBuf::new()).unwrap().to_vec()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    #[test]
    fn golden_bytes() {
        let mut lines = GOLDEN.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let witness = Header {
            version: 2,
            cluster: ClusterId([0, 0]),
            sender: NodeId::WITNESS,
            addressee: NodeId::ALL,
            link: LinkId(15),
            boot: BootId([0; 4]),
            sequence: Sequence(1),
        };
        for (name, header, key, body) in [
            ("crc", header(), 1, b"sixteen bytes ok".as_slice()),
            ("md5", header(), 2, b"sixteen bytes ok"),
            ("sha1", header(), 3, b"sixteen bytes ok"),
            ("sha256", header(), 15, b"sixteen bytes ok"),
            ("empty", header(), 3, b""),
            ("version-2", witness, 3, b"of another time"),
        ] {
            let line = format!("{name} {}", hex(&sealed(&header, body, &ring(key))));
            assert_eq!(lines.next(), Some(line.as_str()));
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn every_method_and_body_length_comes_back() {
        for key in [1, 2, 3, 15] {
            let ring = ring(key);
            for len in 0..=BODY_MAX {
                let body = vec![0x7e; len];
                let bytes = sealed(&header(), &body, &ring);
                assert_eq!(bytes.len(), FRAME_MIN + len);
                let opened = Opened {
                    header: header(),
                    key: KeyId(key),
                    body: &body,
                };
                assert_eq!(open(&bytes, CLUSTER, &ring), Ok(opened));
                assert_eq!(peek(&bytes), Ok(header()));
            }
        }
    }

    #[test]
    fn every_number_of_the_header_comes_back() {
        let ring = ring(3);
        for n in 0..16 {
            let header = Header {
                sender: NodeId(n),
                addressee: NodeId(15 - n),
                link: LinkId(n ^ 5),
                boot: BootId([n, 0, 255, 1]),
                sequence: Sequence(u32::MAX - u32::from(n)),
                ..header()
            };
            assert_eq!(
                open(&sealed(&header, b"", &ring), CLUSTER, &ring).unwrap().header,
                header
            );
        }
    }

    #[test]
    fn what_cannot_be_a_frame_is_not_written() {
        let mut out = FrameBuf::new();
        let ring = ring(3);
        assert_eq!(seal(&header(), &[0; BODY_MAX + 1], &ring, &mut out), None);
        assert_eq!(seal(&header(), b"", &Keyring::new(Domain::Node), &mut out), None);
        for bad in [
            Header {
                sender: NodeId(16),
                ..header()
            },
            Header {
                addressee: NodeId(16),
                ..header()
            },
            Header {
                link: LinkId(16),
                ..header()
            },
        ] {
            assert_eq!(seal(&bad, b"", &ring, &mut out), None);
        }
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        for key in [1, 2, 3, 15] {
            let ring = ring(key);
            let bytes = sealed(&header(), b"sixteen bytes ok", &ring);
            for len in 0..bytes.len() {
                let reason = if len < FRAME_MIN {
                    Rejection::TooShort
                } else {
                    Rejection::Tag
                };
                assert_eq!(open(&bytes[..len], CLUSTER, &ring), Err(reason), "{len}");
            }
            let mut longer = bytes;
            while longer.len() < FRAME_MAX {
                longer.push(0);
                assert_eq!(open(&longer, CLUSTER, &ring), Err(Rejection::Tag));
            }
            longer.push(0);
            assert_eq!(open(&longer, CLUSTER, &ring), Err(Rejection::TooLong));
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        for key in [1, 2, 3, 15] {
            let ring = ring(key);
            let bytes = sealed(&header(), b"sixteen bytes ok", &ring);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let expected: &[Rejection] = match bit / 8 {
                    0 => &[Rejection::Magic],
                    2 | 3 => &[Rejection::Cluster],
                    5 => &[Rejection::Tag, Rejection::UnknownKey],
                    _ => &[Rejection::Tag],
                };
                let reason = open(&damaged, CLUSTER, &ring).unwrap_err();
                assert!(expected.contains(&reason), "bit {bit}: {reason:?}");
            }
        }
    }

    #[test]
    fn checks_come_in_the_order_of_cost() {
        let ring = ring(3);
        let bytes = sealed(&header(), b"", &ring);
        let spoil = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at..].fill(0x11);
            bytes
        };
        assert_eq!(
            open(&spoil(0)[..FRAME_MIN - 1], CLUSTER, &ring),
            Err(Rejection::TooShort)
        );
        assert_eq!(open(&spoil(0), CLUSTER, &ring), Err(Rejection::Magic));
        assert_eq!(open(&spoil(2), CLUSTER, &ring), Err(Rejection::Cluster));
        assert_eq!(open(&spoil(HEADER_LEN), CLUSTER, &ring), Err(Rejection::Tag));
        let mut unknown = bytes.clone();
        unknown[5] = 0x24;
        assert_eq!(open(&unknown, CLUSTER, &ring), Err(Rejection::UnknownKey));
    }

    #[test]
    fn a_future_version_opens_and_tells_itself() {
        let ring = ring(15);
        for version in [0, VERSION + 1, u8::MAX] {
            let future = Header { version, ..header() };
            let bytes = sealed(&future, b"not for us", &ring);
            assert_eq!(open(&bytes, CLUSTER, &ring).unwrap().header.version, version);
            assert_eq!(peek(&bytes).unwrap().version, version);
        }
    }

    #[test]
    fn another_key_or_domain_opens_nothing() {
        let bytes = sealed(&header(), b"", &ring(3));
        for (domain, method, text) in [
            (Domain::Node, Method::Sha1, b"HI?".as_slice()),
            (Domain::Node, Method::Md5, b"HI!"),
            (Domain::Node, Method::Crc, b""),
            (Domain::Witness, Method::Sha1, b"HI!"),
            (Domain::Board, Method::Sha1, b"HI!"),
        ] {
            let mut other = Keyring::new(domain);
            other.add(KeyId(3), method, text).unwrap();
            assert_eq!(open(&bytes, CLUSTER, &other), Err(Rejection::Tag));
        }
    }

    #[test]
    fn a_frame_signed_by_either_key_opens_during_a_key_change() {
        for key in [2, 3] {
            assert_eq!(
                open(&sealed(&header(), b"", &ring(key)), CLUSTER, &ring(3))
                    .unwrap()
                    .key,
                KeyId(key)
            );
        }
    }

    #[test]
    fn heartbeat_is_recognised_whatever_its_length() {
        let ring = ring(3);
        for text in [
            b"###\n5:hello,%%%\n4:1 ab,".as_slice(),
            b">>>\nt=status\nst=active\n<<<\n",
            b"###\n",
            &[b"###\n".as_slice(), &[b'x'; 1400]].concat(),
        ] {
            assert_eq!(open(text, CLUSTER, &ring), Err(Rejection::Heartbeat));
            assert_eq!(peek(text), Err(Rejection::Heartbeat));
        }
        assert!(!ovzha_core::frame::is_heartbeat(b"###"));
        assert!(!MAGIC.is_ascii());
    }

    #[test]
    fn random_bytes_never_open() {
        let ring = ring(1);
        let mut state = 1u64;
        for round in 0..20_000 {
            let mut bytes: Vec<u8> = (0..round % 300).map(|_| noise(&mut state)).collect();
            // Every other one gets past magic and cluster, to the tag.
            if round % 2 == 0 && bytes.len() > 4 {
                bytes[0] = MAGIC;
                bytes[2..4].copy_from_slice(&CLUSTER.0);
            }
            assert!(open(&bytes, CLUSTER, &ring).is_err());
        }
    }

    fn noise(state: &mut u64) -> u8 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    }

    #[test]
    fn rejections_have_fixed_numbers_and_are_counted_apart() {
        let mut counters = Rejections::new();
        for (reason, number) in Rejection::ALL.into_iter().zip(1..) {
            assert_eq!(reason.code(), number);
            for _ in 0..number {
                counters.count(reason);
            }
            assert_eq!(counters.of(reason), u32::from(number));
        }
        assert_eq!(counters.total(), 136);
        assert_eq!(counters.iter().count(), Rejection::COUNT);
        let mut names: Vec<_> = Rejection::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rejection::COUNT);
    }
}
