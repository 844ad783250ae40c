//! The witness board's release image in its emulator: what every driver that runs it needs.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ovzha_board_logic::service::{self, Reply, Request, Status};
use ovzha_core::frame::FRAME_MAX;
use ovzha_core::serial::{Deframer, SerialBuf, encode};

/// The relays' pins of `hw/src/board.rs`, by node.
pub const RELAYS: [u64; 2] = [14, 15];
/// The sense inputs'.
pub const SENSES: [u64; 2] = [12, 13];
/// From its start to open sockets, on a machine that does much else.
const START: Duration = Duration::from_secs(20);

/// The image under test.
pub fn image() -> PathBuf {
    let path = std::env::var_os("OVZHA_BOARD").expect("OVZHA_BOARD: the board's image; .ci/run sets it");
    PathBuf::from(path)
}

/// The emulator with an image in it, as words behind `node`.
pub fn emulator(image: &Path) -> [PathBuf; 2] {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("board/run.mjs");
    [runner, image.to_owned()]
}

/// Decodes what an image logged.
pub fn decoded(image: &Path, log: &[u8]) -> String {
    let program = std::env::var_os("OVZHA_DEFMT_PRINT").expect("OVZHA_DEFMT_PRINT: defmt-print; .ci/run sets it");
    let mut child = Command::new(program)
        .args(["--log-format", "{t} {L} {s}", "-e"])
        .arg(image)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(log).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "defmt-print failed");
    String::from_utf8(out.stdout).unwrap()
}

/// The log of one cut against the text that the driver keeps of it: without its times, which move with every change of the image.
pub fn golden(driver: &str, lines: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(driver)
        .join("golden/cut.txt");
    let timeless = lines
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1.trim().to_owned() + "\n"));
    let lines: String = timeless.collect();
    if std::env::var_os("OVZHA_REWRITE").is_some() {
        fs::write(&path, &lines).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(lines, kept, "{}: OVZHA_REWRITE=1 writes it anew", path.display());
}

/// Asks the board how it is, over a line that also carries what nodes say.
pub fn status(line: &mut UnixStream) -> Status {
    line.set_read_timeout(Some(START)).unwrap();
    let mut frame = [0; FRAME_MAX];
    let mut bytes = SerialBuf::new();
    let bytes = encode(service::write(&Request::Status, &mut frame).unwrap(), &mut bytes).unwrap();
    line.write_all(&[0]).unwrap();
    line.write_all(bytes).unwrap();
    loop {
        if let Some(Reply::Status(status)) = service::read(&receive(line)) {
            return status;
        }
    }
}

/// The next whole frame of a line.
pub fn receive(line: &mut UnixStream) -> Vec<u8> {
    let mut deframer = Deframer::new();
    let mut byte = [0];
    loop {
        line.read_exact(&mut byte).expect("nothing came within 20 s");
        if let Some(Ok(frame)) = deframer.push(byte[0]) {
            return frame.to_vec();
        }
    }
}

/// The process.
pub struct Live {
    child: Child,
    dir: PathBuf,
}

impl Live {
    /// Power comes; its files lie in this directory.
    pub fn start(dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        // ends with the thread that started it, however that ends
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "node"])
            .args(emulator(&image()))
            .arg(dir)
            .stdin(Stdio::null())
            .spawn()
            .expect("node, of the Debian package nodejs: .ci/run installs it");
        Self {
            child,
            dir: dir.to_path_buf(),
        }
    }

    /// A file or socket of it; the names stand in `tests/board/run.mjs`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A socket of it, open.
    pub fn connect(&self, name: &str) -> UnixStream {
        let end = Instant::now() + START;
        loop {
            match UnixStream::connect(self.file(name)) {
                Ok(stream) => return stream,
                Err(error) => assert!(Instant::now() < end, "{name}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
