//! The emulator in real time, with its lines and pins on sockets, as two virtual machines would have it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use ovzha_core::frame::{FrameBuf, Header, VERSION, seal};
use ovzha_core::id::{BootId, LinkId, NodeId, Sequence};
use ovzha_core::serial::{SerialBuf, encode};

use crate::emulated::{Live, receive, status};
use crate::node::{cluster, ring};

fn send(to: &mut UnixStream, frame: &[u8]) {
    let mut out = SerialBuf::new();
    to.write_all(&[0]).unwrap();
    to.write_all(encode(frame, &mut out).unwrap()).unwrap();
}

#[test]
fn lines_and_pins_are_on_sockets() {
    let dir = std::env::temp_dir().join(format!("ovzha-board-sockets-{}", std::process::id()));
    let live = Live::start(&dir);
    let [mut one, mut two, mut pins] = ["u0", "u1", "pins"].map(|name| {
        let stream = live.connect(name);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    });

    let began = status(&mut one);
    assert_eq!((began.starts, began.asked), (Some(1), 0));

    let header = Header {
        version: VERSION,
        cluster: cluster(),
        sender: NodeId(0),
        addressee: NodeId(1),
        link: LinkId(0),
        boot: BootId([1; 4]),
        sequence: Sequence(1),
    };
    let mut frame = FrameBuf::new();
    let keys = ring(ovzha_core::auth::Domain::Node, "any");
    let frame = seal(&header, b"heartbeat", &keys, &mut frame).unwrap();
    send(&mut one, frame);
    assert_eq!(receive(&mut two), frame, "forwarded whole");
    send(&mut two, frame);
    assert_eq!(receive(&mut one), frame, "and the other way");

    // not provisioned: its light blinks fast
    let mut text = String::new();
    let mut bytes = [0; 64];
    while text.matches("out 25 ").count() < 4 {
        let count = pins.read(&mut bytes).expect("no pin moved within 20 s");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    assert!(!text.contains("out 14 1") && !text.contains("out 15 1"), "{text}");

    pins.write_all(b"do power\n").unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while status(&mut one).starts != Some(2) {
        assert!(Instant::now() < end, "it does not start anew");
    }
    drop(live);
    fs::remove_dir_all(&dir).unwrap();
}
