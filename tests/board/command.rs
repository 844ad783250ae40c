//! `ovzha board`, the real program, on a pseudo terminal whose other end is the emulated board's line.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serialport::{SerialPort, TTYPort};

use crate::emulator::{Emulator, Seen};

/// A board, a cable, and a node's files.
struct Desk {
    board: Emulator,
    near: TTYPort,
    /// The program's end.
    far: String,
    /// Held open: a terminal that nobody has open loses what is written to it.
    _held: fs::File,
    dir: PathBuf,
}

impl Desk {
    fn new(case: &str) -> Self {
        let (mut near, mut far) = TTYPort::pair().unwrap();
        near.set_timeout(Duration::from_millis(1)).unwrap();
        far.set_exclusive(false).unwrap();
        let name = far.name().unwrap();
        let held = fs::File::options().read(true).write(true).open(&name).unwrap();
        // its lock would keep the program out
        drop(far);
        let dir = std::env::temp_dir().join(format!("ovzha-board-{case}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        let desk = Self {
            board: Emulator::start(),
            near,
            far: name,
            _held: held,
            dir,
        };
        desk.write(
            "ha.cf",
            "node bravo\nnode alfa\nserial /dev/ttyS0\nkeepalive 500ms\ndeadtime 10\n",
        );
        desk.write("haresources", "alfa IPaddr::192.0.2.1\n");
        desk.write("authkeys", "auth 1\n1 sha256 one key of the cluster\n");
        desk
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs `ovzha board` with these words. Gives its exit code, and what it wrote to both outputs.
    fn run(&mut self, words: &[&str]) -> (i32, String) {
        let program = std::env::var_os("OVZHA_BIN").expect("OVZHA_BIN: the program; run .ci/run board");
        let mut child = Command::new(program)
            .arg("board")
            .args(words)
            .arg("--port")
            .arg(&self.far)
            .arg("--config-dir")
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            self.turn();
        }
        let out = child.wait_with_output().unwrap();
        let text = [out.stdout, out.stderr]
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .concat();
        (out.status.code().unwrap(), text)
    }

    /// Moves bytes both ways, and lets the node's power follow its relay.
    fn turn(&mut self) {
        let mut bytes = [0; 256];
        // nothing there is an error of its own kind
        let count = self.near.read(&mut bytes).unwrap_or(0);
        self.board.feed(0, &bytes[..count]);
        self.board.run(5);
        for seen in std::mem::take(&mut self.board.seen) {
            if let Seen::Relay { node, cut, .. } = seen {
                self.board.sense(node, !cut);
            }
        }
        let out = std::mem::take(&mut self.board.tx[0]);
        self.near.write_all(&out).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).ok();
    }
}

#[test]
fn a_board_is_provisioned_looked_at_and_its_relay_tried() {
    let mut desk = Desk::new("life");
    let (code, text) = desk.run(&["status"]);
    assert!(
        code == 0 && text.contains("not provisioned: it only forwards"),
        "{code} {text}"
    );
    let (code, text) = desk.run(&["test-relay", "alfa"]);
    assert!(code == 1 && text.contains("provision it first"), "{code} {text}");
    let (code, text) = desk.run(&["provision", "--relay", "in-place", "--no-sense"]);
    assert!(code == 1 && text.contains("wire the sense inputs"), "{code} {text}");
    let (code, text) = desk.run(&[
        "provision",
        "--relay",
        "in-place",
        "--off-for",
        "2s",
        "--lends-for",
        "12s",
    ]);
    assert_eq!(
        (code, text.as_str()),
        (0, "provisioned; it lends to nobody for the first 12 s\n")
    );
    let (code, text) = desk.run(&["status"]);
    assert_eq!(code, 0, "{text}");
    for words in [
        "its last start: a new record; starts: 2;",
        "key 1; lends for 12 s at most; it cuts in place of watchdogs, for 2.0 s\n",
        "alfa (this cable): not heard, sense: power;",
        "bravo: not heard, sense: power;",
    ] {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
    let (code, text) = desk.run(&["test-relay", "bravo"]);
    let said = "its sense input said power before, no power during the cut, power after it\n";
    assert!(code == 0 && text.ends_with(said), "{code} {text}");
    let (code, text) = desk.run(&["test-relay", "alfalfa"]);
    assert!(
        code == 1 && text.contains("the board knows alfa and bravo"),
        "{code} {text}"
    );
    let (code, text) = desk.run(&["restore", "bravo"]);
    assert_eq!((code, text.as_str()), (0, "bravo: its relay is at rest\n"));

    // the same key may change the record, another one may not
    let (code, text) = desk.run(&["provision", "--lends-for", "30s"]);
    assert_eq!(code, 0, "{text}");
    desk.write("authkeys", "auth 1\n1 sha256 a key of another cluster\n");
    let (code, text) = desk.run(&["provision"]);
    assert!(
        code == 1 && text.contains("its record is of another key"),
        "{code} {text}"
    );
    let (code, text) = desk.run(&["status"]);
    assert!(
        code == 0 && text.contains("its key is not that of this node's authkeys"),
        "{code} {text}"
    );
    desk.write("authkeys", "auth 1\n1 crc\n");
    let (code, text) = desk.run(&["provision"]);
    assert!(code == 1 && text.contains("crc proves nothing"), "{code} {text}");
}

/// A real daemon, whose witness is the board on its serial port.
#[test]
fn a_daemon_and_the_board_hear_each_other() {
    let mut desk = Desk::new("daemon");
    let (code, text) = desk.run(&["provision", "--lends-for", "12s"]);
    assert_eq!(code, 0, "{text}");
    // a link to nobody: its terminal stays open at both ends
    let (_near, far) = TTYPort::pair().unwrap();
    let link = far.name().unwrap();
    drop(far);
    desk.write(
        "ha.cf",
        &format!("node bravo\nnode alfa\nserial {link}\nkeepalive 500ms\ndeadtime 10\n"),
    );
    desk.write("ovzha.cf", &format!("witness serial {}\n", desk.far));
    let log = fs::File::create(desk.dir.join("log")).unwrap();
    let program = std::env::var_os("OVZHA_BIN").expect("OVZHA_BIN: the program; run .ci/run board");
    let mut daemon = Command::new(program)
        .args(["daemon", "--node", "alfa", "--last-resort", "none", "--log-stderr"])
        .arg("--config-dir")
        .arg(&desk.dir)
        .arg("--state-dir")
        .arg(desk.dir.join("state"))
        .arg("--run-dir")
        .arg(desk.dir.join("run"))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let read = |desk: &Desk| fs::read_to_string(desk.dir.join("log")).unwrap();
    let end = std::time::Instant::now() + Duration::from_mins(1);
    while !read(&desk).contains("the witness is heard") && std::time::Instant::now() < end {
        assert!(daemon.try_wait().unwrap().is_none(), "{}", read(&desk));
        desk.turn();
    }
    // the board believes a life that has heard it: with the daemon's next frame
    let end = std::time::Instant::now() + Duration::from_secs(3);
    while std::time::Instant::now() < end {
        desk.turn();
    }
    let said = desk.board.lines();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(read(&desk).contains("the witness is heard"), "{}\n{said}", read(&desk));
    assert!(said.contains("node 0: heard"), "{said}");
}

#[test]
fn a_board_that_does_not_answer_is_not_waited_for() {
    // a cable to a board that is held in its bootloader
    let desk = Desk::new("silence");
    let began = std::time::Instant::now();
    let program = std::env::var_os("OVZHA_BIN").expect("OVZHA_BIN: the program; run .ci/run board");
    let out = Command::new(program)
        .args(["board", "status", "--port"])
        .arg(&desk.far)
        .output()
        .unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("no board answered within 2 s"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_port_that_is_none_is_told() {
    let program = std::env::var_os("OVZHA_BIN").expect("OVZHA_BIN: the program; run .ci/run board");
    let out = Command::new(program)
        .args(["board", "status", "--port", "/dev/ovzha-no-such-port"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(text.contains("it can't be opened: No such file or directory"), "{text}");
}
