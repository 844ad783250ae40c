//! The emulator in real time, with its lines and pins on sockets, as two virtual machines would have it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use ovzha_board_logic::service::{self, Reply, Request};
use ovzha_core::frame::{FRAME_MAX, FrameBuf, Header, VERSION, seal};
use ovzha_core::id::{BootId, LinkId, NodeId, Sequence};
use ovzha_core::serial::{Deframer, SerialBuf, encode};

use crate::emulator::image;
use crate::node::{cluster, ring};

struct Running {
    child: Child,
    dir: PathBuf,
}

impl Running {
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("ovzha-board-sockets-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let child = Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("board/run.mjs"))
            .arg(image())
            .arg(&dir)
            .spawn()
            .expect("node, of the Debian package nodejs: run .ci/run board");
        Self { child, dir }
    }

    fn connect(&self, name: &str) -> UnixStream {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match UnixStream::connect(self.dir.join(name)) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    return stream;
                }
                Err(error) => assert!(Instant::now() < end, "{name}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.dir).ok();
    }
}

fn send(to: &mut UnixStream, frame: &[u8]) {
    let mut out = SerialBuf::new();
    to.write_all(&[0]).unwrap();
    to.write_all(encode(frame, &mut out).unwrap()).unwrap();
}

/// The next whole frame.
fn receive(from: &mut UnixStream) -> Vec<u8> {
    let mut deframer = Deframer::new();
    let mut byte = [0];
    loop {
        from.read_exact(&mut byte).expect("nothing came within 20 s");
        if let Some(Ok(frame)) = deframer.push(byte[0]) {
            return frame.to_vec();
        }
    }
}

#[test]
fn lines_and_pins_are_on_sockets() {
    let running = Running::start();
    let (mut one, mut two) = (running.connect("u0"), running.connect("u1"));
    let mut pins = running.connect("pins");

    let mut out = [0; FRAME_MAX];
    send(&mut one, service::write(&Request::Status, &mut out).unwrap());
    let reply = service::read::<Reply>(&receive(&mut one));
    assert!(matches!(reply, Some(Reply::Status(status)) if status.starts == Some(1) && status.asked == 0));

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
}
