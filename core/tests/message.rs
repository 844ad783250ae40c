//! Messages: golden bytes of every version, and that the longest fit a frame.

#[cfg(test)]
mod tests {
    use heapless::Vec;
    use ovzha_core::frame::BODY_MAX;
    use ovzha_core::id::{BootId, GROUPS_MAX, Mark, Sequence, Tenure};
    use ovzha_core::message::{
        Detail, Echo, GroupBits, GroupName, GroupReport, Head, Hold, Message, NodeBits, Silence, hold_reason,
    };

    const GOLDEN: &str = include_str!("golden/messages.txt");

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
                    boot: BootId([0xde, 0xad, 0, 1]),
                    sequence: Sequence(300),
                },
                heard: Silence(4),
                heard_here: Silence(5),
                bits: NodeBits::new(true, false, true, 2),
            },
            detail: None,
            names: None,
            ballot: None,
            identities: None,
            groups: Vec::from_slice(&[report(1, 0x0c, 0x35), report(300, 0x41, 0)]).unwrap(),
        }
    }

    fn detail() -> Detail {
        Detail {
            newest: 1,
            resources: [0x11, 0x22, 0x33, 0x44],
            timings: [0x55, 0x66, 0x77, 0x88],
            deadtime: 30_000,
            hold: Hold {
                epoch: 7,
                held: true,
                seconds: 1800,
                reason: hold_reason("new switch"),
            },
        }
    }

    const fn name(identity: [u8; 3], digest: [u8; 3]) -> GroupName {
        GroupName {
            identity: Mark(identity),
            digest: Mark(digest),
        }
    }

    #[test]
    fn golden_bytes() {
        let report = Message {
            detail: Some(detail()),
            ..heartbeat()
        };
        let names = Message {
            names: Some(Vec::from_slice(&[name([1, 2, 3], [4, 5, 6]), name([7, 8, 9], [10, 11, 12])]).unwrap()),
            ballot: None,
            identities: None,
            ..heartbeat()
        };
        let mut lines = GOLDEN.lines().filter(|line| !line.starts_with('#'));
        for (label, message) in [("heartbeat-1", heartbeat()), ("report-1", report), ("names-2", names)] {
            let mut room = [0; BODY_MAX];
            let bytes = message.encode(&mut room).unwrap();
            let hex = bytes
                .iter()
                .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            assert_eq!(lines.next(), Some(format!("{label} {hex}").as_str()));
            assert_eq!(Message::decode(bytes), Some(message));
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn sixteen_groups_at_their_longest_fit_a_frame() {
        let mut message = heartbeat();
        message.head.echo.sequence = Sequence(u32::MAX);
        message.groups = (0..GROUPS_MAX).map(|_| report(u32::MAX, 255, 255)).collect();
        message.names = Some((0..GROUPS_MAX).map(|_| name([200; 3], [201; 3])).collect());
        let mut room = [0; BODY_MAX];
        assert!(message.encode(&mut room).is_some());
        let mut longest = detail();
        longest.deadtime = u32::MAX;
        longest.hold = Hold {
            epoch: u32::MAX,
            held: true,
            seconds: u32::MAX,
            reason: hold_reason(&"x".repeat(99)),
        };
        message.detail = Some(longest);
        assert!(message.encode(&mut room).is_some());
    }
}
