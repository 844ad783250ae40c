//! Golden frames of every protocol version: what they say, and that no damaged one is taken, in a datagram or on a
//! serial line.

#[cfg(test)]
mod tests {
    use heapless::Vec as Fixed;
    use ovzha_core::auth::{Domain, Keyring, Method};
    use ovzha_core::frame::{BODY_MAX, FRAME_MIN, FrameBuf, Header, VERSION, open, seal};
    use ovzha_core::id::{BootId, ClusterId, GROUPS_MAX, GroupSet, KeyId, LinkId, Mark, NodeId, Sequence, Tenure};
    use ovzha_core::message::{
        Ballot, Detail, Echo, GroupBits, GroupName, GroupReport, Head, Hold, Message, NodeBits, Pledge, REASON_MAX,
        Silence, Verdict, Word, hold_reason,
    };
    use ovzha_core::rejection::{Rejection, Rejections};
    use ovzha_core::serial::{DELIMITER, Deframer, SerialBuf, encode};

    const GOLDEN: &str = include_str!("golden/versions.txt");
    const CLUSTER: ClusterId = ClusterId([0xc1, 0x5a]);
    const METHODS: [(&str, u8, Method); 4] = [
        ("crc", 1, Method::Crc),
        ("md5", 2, Method::Md5),
        ("sha1", 3, Method::Sha1),
        ("sha256", 15, Method::Sha256),
    ];
    /// The messages of each version, as `docs/PROTOCOL.md` P-18 lists them, and of an invented later one.
    const VERSIONS: [(u8, &[&str]); 5] = [
        (1, &["heartbeat", "report"]),
        (2, &["heartbeat", "report", "names"]),
        (
            3,
            &[
                "heartbeat",
                "report",
                "names",
                "ballot",
                "ballot-report",
                "voter",
                "word",
            ],
        ),
        (
            4,
            &[
                "heartbeat",
                "report",
                "names",
                "ballot",
                "ballot-report",
                "voter",
                "word",
                "pledge",
                "peer-off",
            ],
        ),
        (5, &["heartbeat", "invented"]),
    ];

    /// Who says a message of this kind to whom.
    fn ends(kind: &str) -> (NodeId, NodeId) {
        match kind {
            "voter" | "peer-off" => (NodeId(1), NodeId::WITNESS),
            "word" => (NodeId::WITNESS, NodeId(0)),
            _ => (NodeId(1), NodeId(0)),
        }
    }

    fn ring(kind: &str, signing: u8) -> Keyring {
        let mut ring = Keyring::new(match kind {
            "voter" | "word" | "peer-off" => Domain::Witness,
            _ => Domain::Node,
        });
        for (_, id, method) in METHODS {
            ring.add(KeyId(id), method, b"HI!").unwrap();
        }
        ring.sign_with(KeyId(signing)).unwrap();
        ring
    }

    fn header(kind: &str, version: u8) -> Header {
        let (sender, addressee) = ends(kind);
        Header {
            version,
            cluster: CLUSTER,
            sender,
            addressee,
            link: LinkId(2),
            boot: BootId([0xde, 0xad, 0x00, 0x01]),
            sequence: Sequence(0x0102_0304),
        }
    }

    fn report(tenure: u32, bits: u8, drbd: u8) -> GroupReport {
        GroupReport {
            tenure: Tenure(tenure),
            bits: GroupBits(bits),
            drbd,
        }
    }

    fn heartbeat() -> Message {
        Message {
            head: Head {
                echo: Echo {
                    boot: BootId([0xbe, 0xef, 0, 2]),
                    sequence: Sequence(300),
                },
                heard: Silence(4),
                heard_here: Silence(5),
                bits: NodeBits::new(false, true, true, 2),
            },
            detail: None,
            names: None,
            ballot: None,
            identities: None,
            groups: Fixed::from_slice(&[
                report(1, 0x0c, 0x35),
                report(300, 0x41, 0),
                report(u32::MAX, 0xff, 0xd7),
            ])
            .unwrap(),
        }
    }

    fn detail(reason: &str) -> Detail {
        Detail {
            newest: 2,
            resources: [0x11, 0x22, 0x33, 0x44],
            timings: [0x55, 0x66, 0x77, 0x88],
            deadtime: 30_000,
            hold: Hold {
                epoch: 7,
                held: true,
                seconds: 1800,
                reason: hold_reason(reason),
            },
        }
    }

    fn name(first: u8) -> GroupName {
        let byte = |place: u8| first.wrapping_add(place);
        GroupName {
            identity: Mark([byte(0), byte(1), byte(2)]),
            digest: Mark([byte(3), byte(4), byte(5)]),
        }
    }

    fn ballot() -> Ballot {
        Ballot {
            asks: GroupSet(5),
            frees: GroupSet(0x8002),
            votes: GroupSet::ALL,
            holds: GroupSet(1),
            confirmed: GroupSet(300),
            term: 100,
            pledge: Pledge::default(),
            peer_off: false,
        }
    }

    fn pledge() -> Pledge {
        Pledge {
            given: GroupSet(0x4001),
            returned: GroupSet(6),
        }
    }

    fn word() -> Word {
        Word {
            votes: GroupSet(1),
            taken: GroupSet(2),
            closed: GroupSet(0x8000),
            marked: GroupSet(4),
            ahead: GroupSet(0x101),
            off: true,
            other: Silence(9),
        }
    }

    /// What a line of a node says; `None`: no message of a node, or none of ours.
    fn message(kind: &str) -> Option<Message> {
        let last = GroupName {
            identity: Mark([0; 3]),
            digest: Mark([255; 3]),
        };
        let plain = heartbeat();
        Some(match kind {
            "heartbeat" => plain,
            "report" => Message {
                detail: Some(detail("new switch")),
                ..plain
            },
            "names" => Message {
                names: Some(Fixed::from_slice(&[name(1), name(7), last]).unwrap()),
                ..plain
            },
            "ballot" => Message {
                ballot: Some(ballot()),
                ..plain
            },
            "ballot-report" => Message {
                ballot: Some(ballot()),
                detail: Some(detail("new switch")),
                ..plain
            },
            "pledge" => Message {
                ballot: Some(Ballot {
                    pledge: pledge(),
                    ..ballot()
                }),
                ..plain
            },
            "voter" => Message {
                ballot: Some(ballot()),
                identities: Some([name(1), name(7), last].map(|name| name.identity).into_iter().collect()),
                ..plain
            },
            "peer-off" => Message {
                ballot: Some(Ballot {
                    peer_off: true,
                    ..ballot()
                }),
                ..message("voter")?
            },
            _ => return None,
        })
    }

    /// What a line of the witness says.
    fn verdict(kind: &str) -> Option<Verdict> {
        let head = heartbeat().head;
        (kind == "word").then(|| Verdict { head, word: word() })
    }

    /// The bytes of what a line says.
    fn body(kind: &str) -> Vec<u8> {
        let mut room = [0; BODY_MAX];
        match (message(kind), verdict(kind)) {
            (Some(message), _) => message.encode(&mut room).unwrap().to_vec(),
            (None, Some(verdict)) => verdict.encode(&mut room).unwrap().to_vec(),
            (None, None) => invented(),
        }
    }

    /// A message of number 9: a head, and what nobody knows yet.
    fn invented() -> Vec<u8> {
        let mut room = [0; BODY_MAX];
        let alone = Message {
            groups: Fixed::new(),
            ..heartbeat()
        };
        let mut body = alone.encode(&mut room).unwrap().to_vec();
        body[0] = 9;
        body.extend(b"what a later release says");
        body
    }

    struct Golden {
        version: u8,
        kind: &'static str,
        key: u8,
        frame: Vec<u8>,
    }

    fn goldens() -> Vec<Golden> {
        let lines = GOLDEN.lines().filter(|line| !line.starts_with('#'));
        let golden = |line: &'static str| {
            let words: Vec<&str> = line.split(' ').collect();
            let [version, kind, method, hex] = words[..] else {
                panic!("{line:?}")
            };
            let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
            Golden {
                version: version.parse().unwrap(),
                kind,
                key: METHODS.iter().find(|(name, ..)| *name == method).unwrap().1,
                frame: hex.as_bytes().chunks(2).map(byte).collect(),
            }
        };
        let goldens: Vec<Golden> = lines.map(golden).collect();
        assert_eq!(goldens.len().checked_div(METHODS.len()), Some(23));
        goldens
    }

    #[test]
    fn every_version_has_its_lines_and_one_that_nobody_speaks_yet() {
        let told: Vec<(u8, &str, u8)> = goldens()
            .iter()
            .map(|line| (line.version, line.kind, line.key))
            .collect();
        let mut wanted = Vec::new();
        for (version, kinds) in VERSIONS {
            for kind in kinds {
                wanted.extend(METHODS.map(|(_, key, _)| (version, *kind, key)));
            }
        }
        assert_eq!(told, wanted);
        // who adds a version adds its lines, and invents the next one
        assert_eq!(VERSIONS.last().unwrap().0, VERSION + 1);
    }

    #[test]
    fn golden_bytes() {
        for line in goldens() {
            let (header, ring) = (header(line.kind, line.version), ring(line.kind, line.key));
            let mut frame = FrameBuf::new();
            let sealed = seal(&header, &body(line.kind), &ring, &mut frame).unwrap();
            assert_eq!(sealed, line.frame, "{} {}", line.version, line.kind);
            let opened = open(&line.frame, CLUSTER, &ring).unwrap();
            assert_eq!((opened.header, opened.key), (header, KeyId(line.key)));
            assert_eq!(Message::decode(opened.body), message(line.kind));
            assert_eq!(Verdict::decode(opened.body), verdict(line.kind));
        }
    }

    #[test]
    fn every_message_of_every_size_comes_back() {
        let reasons: Vec<String> = (0..=REASON_MAX).map(|length| "x".repeat(length)).collect();
        let mut all = Vec::new();
        for many in 0..=GROUPS_MAX {
            let groups: Fixed<GroupReport, GROUPS_MAX> = (0..4)
                .cycle()
                .take(many)
                .map(|n| report(u32::MAX >> (n * 8), n, 255 - n))
                .collect();
            let plain = Message { groups, ..heartbeat() };
            all.extend(reasons.iter().map(|reason| Message {
                detail: Some(detail(reason)),
                ..plain.clone()
            }));
            all.extend((0..=GROUPS_MAX).map(|names| Message {
                names: Some((1..).map(name).take(names).collect()),
                ..plain.clone()
            }));
            all.extend([None, Some(detail("new switch"))].map(|detail| Message {
                ballot: Some(ballot()),
                detail,
                ..plain.clone()
            }));
            all.push(Message {
                ballot: Some(Ballot {
                    pledge: pledge(),
                    ..ballot()
                }),
                ..plain.clone()
            });
            all.push(Message {
                ballot: Some(ballot()),
                identities: Some((1..).map(|first| name(first).identity).take(many).collect()),
                ..plain.clone()
            });
            all.push(plain);
        }
        for message in all {
            let mut room = [0; BODY_MAX];
            let body = message.encode(&mut room).unwrap();
            assert_eq!(Message::decode(body), Some(message));
        }
    }

    #[test]
    fn a_body_that_is_cut_says_less_or_nothing() {
        for kind in [
            "heartbeat",
            "report",
            "names",
            "ballot",
            "ballot-report",
            "voter",
            "pledge",
            "peer-off",
        ] {
            let whole = message(kind).unwrap();
            let mut ends = Vec::new();
            for many in 0..=whole.groups.len() {
                let less = Message {
                    groups: whole.groups.iter().take(many).copied().collect(),
                    ..whole.clone()
                };
                ends.push((less.encode(&mut [0; BODY_MAX]).unwrap().len(), less));
            }
            let mut room = [0; BODY_MAX];
            let body = whole.encode(&mut room).unwrap();
            for length in 0..=body.len() {
                let cut = ends
                    .iter()
                    .find(|(end, _)| *end == length)
                    .map(|(_, less)| less.clone());
                assert_eq!(Message::decode(&body[..length]), cut, "{kind} cut at {length}");
            }
        }
    }

    #[test]
    fn a_word_that_is_cut_or_goes_on_says_nothing() {
        let mut body = body("word");
        for length in 0..body.len() {
            assert_eq!(Verdict::decode(&body[..length]), None, "cut at {length}");
        }
        body.push(0);
        assert_eq!(Verdict::decode(&body), None);
    }

    #[test]
    fn every_flipped_bit_of_every_frame_is_refused_and_counted() {
        for line in goldens() {
            let ring = ring(line.kind, line.key);
            let mut counters = Rejections::new();
            let bits = line.frame.len() * 8;
            for bit in 0..bits {
                let mut damaged = line.frame.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                counters.count(open(&damaged, CLUSTER, &ring).unwrap_err());
            }
            // of the four keys that a flipped bit makes of this one, so many are in no file
            let unknown = (0..4)
                .filter(|bit| METHODS.iter().all(|(_, key, _)| *key != line.key ^ (1 << bit)))
                .count();
            let expected = [
                (Rejection::Magic, 8),
                (Rejection::Cluster, 16),
                (Rejection::UnknownKey, unknown),
                (Rejection::Tag, bits - 24 - unknown),
            ];
            for (reason, times) in expected {
                assert_eq!(counters.of(reason), u32::try_from(times).unwrap(), "{reason:?}");
            }
            assert_eq!(counters.total(), u32::try_from(bits).unwrap());
        }
    }

    #[test]
    fn every_cut_of_every_frame_is_refused() {
        for line in goldens() {
            let ring = ring(line.kind, line.key);
            for length in 0..line.frame.len() {
                let reason = if length < FRAME_MIN {
                    Rejection::TooShort
                } else {
                    Rejection::Tag
                };
                assert_eq!(open(&line.frame[..length], CLUSTER, &ring), Err(reason));
            }
            for from in 1..line.frame.len() {
                assert!(open(&line.frame[from..], CLUSTER, &ring).is_err());
            }
        }
    }

    type Found = Result<Vec<u8>, Rejection>;

    fn found(bytes: &[u8]) -> Vec<Found> {
        let mut deframer = Deframer::new();
        let push = |byte: &u8| deframer.push(*byte).map(|step| step.map(<[u8]>::to_vec));
        bytes.iter().filter_map(push).collect()
    }

    fn line_of(frame: &[u8]) -> Vec<u8> {
        encode(frame, &mut SerialBuf::new()).unwrap().to_vec()
    }

    /// Nothing of the damaged stretch opens, and the frames behind it come through, but for those that the damage took
    /// the boundary from.
    fn costs_only_itself(damaged: &[u8], ring: &Keyring, lost: usize, what: &str) {
        let behind: Vec<Vec<u8>> = goldens().into_iter().rev().take(3).map(|line| line.frame).collect();
        let mut stream = damaged.to_vec();
        for frame in &behind {
            stream.extend(line_of(frame));
        }
        let found = found(&stream);
        let came: Vec<Found> = behind.into_iter().skip(lost).map(Ok).collect();
        assert!(found.ends_with(&came), "{what}");
        let rest = &found[..found.len().saturating_sub(came.len())];
        let opens = |step: &Found| step.as_ref().is_ok_and(|frame| open(frame, CLUSTER, ring).is_ok());
        assert!(!rest.iter().any(opens), "{what}");
        assert!(rest.len() <= 2, "{what}: {rest:?}");
    }

    #[test]
    fn every_flipped_bit_on_a_serial_line_costs_one_frame() {
        for line in goldens() {
            let (bytes, ring) = (line_of(&line.frame), ring(line.kind, line.key));
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                // without its delimiter it runs into the next one
                let lost = usize::from(bit / 8 == bytes.len() - 1);
                costs_only_itself(
                    &damaged,
                    &ring,
                    lost,
                    &format!("{} {} bit {bit}", line.version, line.kind),
                );
            }
        }
    }

    #[test]
    fn every_cut_on_a_serial_line_costs_one_frame() {
        for line in goldens() {
            let (bytes, ring) = (line_of(&line.frame), ring(line.kind, line.key));
            let end = bytes.len() - 1;
            for from in 0..=end {
                for to in from..=end {
                    if (from, to) == (0, end) {
                        continue;
                    }
                    let what = format!("{} {} {from}..{to}", line.version, line.kind);
                    let cut = [&bytes[from..to], &[DELIMITER]].concat();
                    costs_only_itself(&cut, &ring, 0, &what);
                }
                if from > 0 {
                    // a sender that gave up without its delimiter: what was cut off runs into the next one
                    costs_only_itself(&bytes[..from], &ring, 1, &format!("..{from} without an end"));
                }
            }
        }
    }
}
