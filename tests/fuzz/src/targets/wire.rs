//! Bytes of a link: frames, and frames on a serial line.

use std::hint::black_box;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::{self, BODY_MAX, FRAME_MAX};
use ovzha_core::id::{ClusterId, KeyId};
use ovzha_core::message::Message;
use ovzha_core::rejection::Rejection;
use ovzha_core::serial::{self, Deframer, SerialBuf};

use super::choices::Choices;

pub fn frame(bytes: &[u8]) {
    let mut ring = Keyring::new(Domain::Node);
    assert!(ring.add(KeyId(1), Method::Crc, b"").is_ok() && ring.sign_with(KeyId(1)).is_ok());
    black_box(frame::open(bytes, ClusterId([0, 0]), &ring)).ok();
    let mut room = [0; BODY_MAX];
    if let Some(message) = Message::decode(bytes)
        && let Some(body) = message.encode(&mut room)
    {
        assert_eq!(Message::decode(body), Some(message));
    }
    // the same body in a frame that is signed rightly
    let mut room = frame::FrameBuf::new();
    if let Ok(header) = frame::peek(bytes) {
        let body = bytes.get(frame::HEADER_LEN..).unwrap_or_default();
        if let Some(sealed) = frame::seal(&header, body, &ring, &mut room) {
            let opened = frame::open(sealed, header.cluster, &ring);
            assert!(matches!(opened, Ok(opened) if opened.header == header && opened.body == body));
        }
    }
}

/// Bytes of a line as they stand; then as pieces of frames and noise, read at split points that the input chooses.
pub fn serial(bytes: &[u8]) {
    let whole = fed(&mut Deframer::new(), bytes);
    let (mut single, mut pushing) = (Vec::new(), Deframer::new());
    for byte in bytes {
        single.extend(pushing.push(*byte).map(|step| step.map(<[u8]>::to_vec)));
    }
    assert_eq!(whole, single);
    // after any noise and a boundary a frame comes through
    let mut room = SerialBuf::new();
    let frame = bytes.get(..bytes.len().min(FRAME_MAX)).unwrap_or_default();
    if let Some(encoded) = serial::encode(frame, &mut room) {
        pushing.push(serial::DELIMITER);
        assert_eq!(fed(&mut pushing, encoded), [Ok(frame.to_vec())]);
    }
    resync(&mut Choices::new(bytes));
}

type Step = Result<Vec<u8>, Rejection>;

fn fed(deframer: &mut Deframer, bytes: &[u8]) -> Vec<Step> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    loop {
        match deframer.feed(rest) {
            serial::Feed::Consumed => return found,
            serial::Feed::Frame { frame, rest: left } => {
                assert!(frame.len() <= FRAME_MAX);
                found.push(Ok(frame.to_vec()));
                rest = left;
            }
            serial::Feed::Rejected { reason, rest: left } => {
                found.push(Err(reason));
                rest = left;
            }
        }
    }
}

/// Every frame that begins at a boundary is found, whatever stood before it, and wherever the line was read in two.
fn resync(choices: &mut Choices<'_>) {
    let (mut stream, mut sent) = (Vec::new(), Vec::new());
    let mut splits = Vec::new();
    while !choices.is_over() && stream.len() < 4096 {
        let length = usize::from(choices.byte());
        match choices.below(5) {
            0 | 1 => {
                let frame = choices.bytes(length.min(FRAME_MAX));
                if stream.last().is_none_or(|last| *last == serial::DELIMITER) {
                    sent.push(frame.to_vec());
                }
                let mut room = SerialBuf::new();
                stream.extend(serial::encode(frame, &mut room).unwrap_or_default());
            }
            2 => stream.extend(choices.bytes(length)),
            3 => stream.extend(std::iter::repeat_n(choices.byte(), length * 3)),
            _ => stream.extend(b">>>\nst=active\n<<<\n"),
        }
        if length % 2 == 1 {
            splits.push(stream.len() - stream.len().min(usize::from(choices.byte())));
        }
    }
    splits.push(stream.len());
    splits.sort_unstable();
    let whole = fed(&mut Deframer::new(), &stream);
    let (mut deframer, mut pieces, mut from) = (Deframer::new(), Vec::new(), 0);
    for to in splits {
        pieces.extend(fed(&mut deframer, &stream[from..to]));
        from = to;
    }
    assert_eq!(pieces, whole);
    let mut found = whole.iter().flatten();
    assert!(
        sent.iter().all(|frame| found.any(|came| came == frame)),
        "{sent:?} in {stream:?}: {whole:?}"
    );
    // each stretch is told once, Heartbeat's text each time
    let stretches = stream.split(|byte| *byte == serial::DELIMITER).count();
    let texts = stream.windows(4).filter(|four| frame::is_heartbeat(four)).count();
    assert!(whole.len() <= stretches + texts);
}
