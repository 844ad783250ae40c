//! Bytes of a link: frames, and frames on a serial line.

use std::hint::black_box;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::{self, BODY_MAX, FRAME_MAX};
use ovzha_core::id::{ClusterId, KeyId};
use ovzha_core::message::Message;
use ovzha_core::serial::{self, Deframer, SerialBuf};

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

pub fn serial(bytes: &[u8]) {
    let (mut whole, mut single) = (Vec::new(), Vec::new());
    let (mut feeding, mut pushing) = (Deframer::new(), Deframer::new());
    let mut rest = bytes;
    loop {
        match feeding.feed(rest) {
            serial::Feed::Consumed => break,
            serial::Feed::Frame { frame, rest: left } => {
                assert!(frame.len() <= FRAME_MAX);
                whole.push(Ok(frame.to_vec()));
                rest = left;
            }
            serial::Feed::Rejected { reason, rest: left } => {
                whole.push(Err(reason));
                rest = left;
            }
        }
    }
    for byte in bytes {
        single.extend(pushing.push(*byte).map(|step| step.map(<[u8]>::to_vec)));
    }
    assert_eq!(whole, single);
    // after any noise and a boundary a frame comes through
    let mut room = SerialBuf::new();
    let frame = bytes.get(..bytes.len().min(FRAME_MAX)).unwrap_or_default();
    if let Some(encoded) = serial::encode(frame, &mut room) {
        pushing.push(serial::DELIMITER);
        let came: Vec<_> = encoded
            .iter()
            .filter_map(|byte| pushing.push(*byte).map(|step| step.map(<[u8]>::to_vec)))
            .collect();
        assert_eq!(came, [Ok(frame.to_vec())]);
    }
}
