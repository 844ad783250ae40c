//! Frames on a byte stream: golden bytes, every split, every cut, noise of every kind.

#[cfg(test)]
mod tests {
    use embedded_io::Read;
    use ovzha_core::frame::FRAME_MAX;
    use ovzha_core::rejection::Rejection;
    use ovzha_core::serial::{DELIMITER, Deframer, Feed, SERIAL_MAX, SERIAL_OVERHEAD, SerialBuf, encode, pump};

    const GOLDEN: &str = include_str!("golden/serial-v1.txt");

    type Found = Result<Vec<u8>, Rejection>;

    fn encoded(frame: &[u8]) -> Vec<u8> {
        encode(frame, &mut SerialBuf::new()).unwrap().to_vec()
    }

    fn feed(deframer: &mut Deframer, mut bytes: &[u8], found: &mut Vec<Found>) {
        loop {
            match deframer.feed(bytes) {
                Feed::Consumed => return,
                Feed::Frame { frame, rest } => {
                    found.push(Ok(frame.to_vec()));
                    bytes = rest;
                }
                Feed::Rejected { reason, rest } => {
                    found.push(Err(reason));
                    bytes = rest;
                }
            }
        }
    }

    fn found(bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        feed(&mut Deframer::new(), bytes, &mut found);
        found
    }

    /// Frames that are hard on COBS: zeros everywhere and nowhere, every length.
    fn frames() -> Vec<Vec<u8>> {
        let mut state = 7;
        let mut frames = Vec::new();
        for len in 0..=FRAME_MAX {
            frames.push(vec![0; len]);
            frames.push(vec![0xff; len]);
            frames.push((0..len).map(|_| noise(&mut state)).collect());
            frames.push((0..len).map(|_| noise(&mut state) & 1).collect());
            let mut last = vec![1; len];
            if let Some(byte) = last.last_mut() {
                *byte = 0;
            }
            frames.push(last);
        }
        frames
    }

    fn noise(state: &mut u64) -> u8 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    }

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    #[test]
    fn golden_bytes() {
        let mut lines = GOLDEN.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        for frame in [
            b"".as_slice(),
            b"\0",
            b"\0\0",
            b"\x11\x22\0\x33",
            b"\x11\x22\x33\x44",
            b"\x11\0\0\0",
            &[0xf7; FRAME_MAX],
        ] {
            let line = format!("{:?} {}", hex(frame), hex(&encoded(frame)));
            assert_eq!(lines.next(), Some(line.as_str()));
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn every_frame_comes_back_and_costs_two_bytes() {
        for frame in frames() {
            let bytes = encoded(&frame);
            assert_eq!(bytes.len(), frame.len() + SERIAL_OVERHEAD);
            assert_eq!(bytes.iter().position(|byte| *byte == DELIMITER), Some(bytes.len() - 1));
            assert_eq!(found(&bytes), [Ok(frame)]);
        }
        assert_eq!(FRAME_MAX + SERIAL_OVERHEAD, SERIAL_MAX);
        assert_eq!(encode(&[0; FRAME_MAX + 1], &mut SerialBuf::new()), None);
    }

    #[test]
    fn the_place_of_a_split_changes_nothing() {
        let stream = [encoded(b"\0one\0\0frame\0"), vec![5, 1, 0], encoded(&[9; FRAME_MAX])].concat();
        let whole = found(&stream);
        assert_eq!(
            whole,
            [
                Ok(b"\0one\0\0frame\0".to_vec()),
                Err(Rejection::Cobs),
                Ok(vec![9; FRAME_MAX])
            ]
        );
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let (mut deframer, mut pieces) = (Deframer::new(), Vec::new());
                feed(&mut deframer, &stream[..first], &mut pieces);
                feed(&mut deframer, &stream[first..second], &mut pieces);
                feed(&mut deframer, &stream[second..], &mut pieces);
                assert_eq!(pieces, whole);
            }
        }
        let (mut deframer, mut single) = (Deframer::new(), Vec::new());
        for byte in &stream {
            single.extend(deframer.push(*byte).map(|result| result.map(<[u8]>::to_vec)));
        }
        assert_eq!(single, whole);
    }

    /// Frames, and between them all that a line brings: too much of it, Heartbeat's text, empty stretches, no COBS.
    fn troubled() -> Vec<u8> {
        [
            encoded(b"first"),
            vec![0x55; 300],
            vec![DELIMITER],
            encoded(b"second"),
            b">>>\nst=active\n<<<\n".to_vec(),
            vec![DELIMITER; 3],
            encoded(b"\0third\0"),
            vec![9, 1, DELIMITER],
            encoded(&[7; 40]),
        ]
        .concat()
    }

    #[test]
    fn the_place_of_a_split_changes_nothing_in_noise() {
        let stream = troubled();
        let whole = found(&stream);
        assert_eq!(
            whole,
            [
                Ok(b"first".to_vec()),
                Err(Rejection::TooLong),
                Ok(b"second".to_vec()),
                Err(Rejection::Heartbeat),
                Ok(b"\0third\0".to_vec()),
                Err(Rejection::Cobs),
                Ok(vec![7; 40]),
            ]
        );
        for first in 0..=stream.len() {
            let (mut begun, mut before) = (Deframer::new(), Vec::new());
            feed(&mut begun, &stream[..first], &mut before);
            for second in first..=stream.len() {
                let (mut deframer, mut pieces) = (begun.clone(), before.clone());
                feed(&mut deframer, &stream[first..second], &mut pieces);
                feed(&mut deframer, &stream[second..], &mut pieces);
                assert_eq!(pieces, whole, "{first} {second}");
            }
        }
    }

    #[test]
    fn a_boundary_more_is_nothing_beside_another_and_ends_a_frame_elsewhere() {
        let stream = troubled();
        let whole = found(&stream);
        for at in 0..=stream.len() {
            let mut more = stream.clone();
            more.insert(at, DELIMITER);
            let beside = at == 0 || stream[at - 1] == DELIMITER || stream.get(at) == Some(&DELIMITER);
            let got = found(&more);
            if beside {
                assert_eq!(got, whole, "{at}");
            } else {
                // the stretch it falls into is two, of which none is a frame that was sent
                let (sent, came) = (whole.iter().flatten().count(), got.iter().flatten());
                let known = came.filter(|frame| whole.contains(&Ok((*frame).clone()))).count();
                assert!(known + 1 >= sent, "{at}: {got:?}");
                assert!(got.len() <= whole.len() + 1, "{at}: {got:?}");
            }
        }
    }

    #[test]
    fn a_cut_frame_is_never_mistaken_and_costs_only_itself() {
        for frame in [b"\0one\0\0frame\0".as_slice(), b"without a zero", &[3; FRAME_MAX]] {
            let bytes = encoded(frame);
            for from in 0..bytes.len() {
                for to in from..bytes.len() {
                    let stream = [&bytes[from..to], &[DELIMITER], &encoded(b"next")].concat();
                    let got = found(&stream);
                    assert_eq!(got.last(), Some(&Ok(b"next".to_vec())));
                    assert!(!got.contains(&Ok(frame.to_vec())) || (from, to) == (0, bytes.len() - 1));
                }
            }
        }
    }

    #[test]
    fn noise_without_a_boundary_costs_the_frame_behind_it_and_no_more() {
        for len in [1, 2, 60, 254, 255, 256, 100_000] {
            let noise = vec![0x55; len];
            let got = found(&[noise, encoded(b"lost"), encoded(b"found")].concat());
            assert_eq!(got.last(), Some(&Ok(b"found".to_vec())), "{len}");
            assert!(!got.contains(&Ok(b"lost".to_vec())), "{len}");
            assert!(got.len() <= 2, "{len}: one stretch is told once");
        }
    }

    #[test]
    fn a_frame_is_found_behind_a_megabyte_of_noise() {
        for seed in 1..4 {
            let mut state = seed;
            let mut stream: Vec<u8> = (0..1 << 20).map(|_| noise(&mut state)).collect();
            stream.extend(encoded(b"may be lost"));
            stream.extend(encoded(b"after the noise"));
            assert_eq!(found(&stream).last(), Some(&Ok(b"after the noise".to_vec())));
        }
    }

    #[test]
    fn boundaries_alone_are_nothing() {
        assert_eq!(found(&[DELIMITER; 10]), []);
        let stream = [vec![DELIMITER; 3], encoded(b"frame"), vec![DELIMITER; 3]].concat();
        assert_eq!(found(&stream), [Ok(b"frame".to_vec())]);
    }

    #[test]
    fn too_long_is_told_once_and_at_once() {
        let mut deframer = Deframer::new();
        let mut rejected = Vec::new();
        for at in 1..10_000 {
            if let Some(result) = deframer.push(0xff) {
                rejected.push((at, result.map(<[u8]>::to_vec)));
            }
        }
        // The 256th byte opens a second block; the 257th is the first that has no room.
        assert_eq!(rejected, [(257, Err(Rejection::TooLong))]);
    }

    #[test]
    fn heartbeat_is_told_although_it_never_sends_a_boundary() {
        let message = b">>>\nt=status\nst=active\ndt=7530\nprotocol=1\nsrc=ovz-node1\n\
            hg=4a\nts=4a5b\nld=0.00 0.00 0.00 1/99 1\nttl=3\nauth=1 5a5a\n<<<\n";
        let stream = message.repeat(10);
        for from in 0..message.len() {
            let got = found(&stream[from..]);
            assert!(!got.is_empty() && got.iter().all(|result| *result == Err(Rejection::Heartbeat)));
        }
        let short = [b"###\n1:a,%%%\n".as_slice(), &[DELIMITER]].concat();
        assert_eq!(found(&short), [Err(Rejection::Heartbeat)]);
    }

    #[test]
    fn a_reset_forgets_half_a_frame() {
        let mut deframer = Deframer::new();
        let mut got = Vec::new();
        feed(&mut deframer, &encoded(b"half")[..3], &mut got);
        deframer.reset();
        feed(&mut deframer, &encoded(b"whole"), &mut got);
        assert_eq!(got, [Ok(b"whole".to_vec())]);
    }

    #[test]
    fn pump_reads_a_bounded_piece_and_tells_the_end() {
        let stream = [encoded(&[4; 100]), encoded(b"second")].concat();
        let (mut line, mut deframer, mut got) = (stream.as_slice(), Deframer::new(), Vec::new());
        let mut reads = Vec::new();
        loop {
            let count = pump(&mut line, &mut deframer, |result| got.push(result.map(<[u8]>::to_vec))).unwrap();
            reads.push(count);
            if count == 0 {
                break;
            }
        }
        assert_eq!(reads, [64, stream.len() - 64, 0]);
        assert_eq!(got, [Ok(vec![4; 100]), Ok(b"second".to_vec())]);
    }

    struct Broken;

    impl embedded_io::ErrorType for Broken {
        type Error = embedded_io::ErrorKind;
    }

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> Result<usize, Self::Error> {
            Err(embedded_io::ErrorKind::BrokenPipe)
        }
    }

    #[test]
    fn pump_hands_on_the_line_s_error() {
        let result = pump(&mut Broken, &mut Deframer::new(), |_| panic!("nothing came"));
        assert_eq!(result, Err(embedded_io::ErrorKind::BrokenPipe));
    }
}
