//! A shell inside a guest, over a virtio port: runs lines and tells how they ended.
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a line said, and its exit code.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub text: String,
}

/// The open port, with the shell at its other end.
pub struct Shell {
    stream: UnixStream,
    asked: u32,
}

impl Shell {
    /// What is sent while the guest has the port closed is lost: knocks until the shell answers.
    pub fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        let mut shell = Self { stream, asked: 0 };
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            shell.asked += 1;
            let tag = format!("@@{}@@0@", shell.asked);
            // the tag in two words, so that an echo of the line is no answer
            let line = format!("echo '@@{}@@'0@\n", shell.asked);
            shell.stream.write_all(line.as_bytes()).unwrap();
            if shell.until(&tag, Instant::now() + Duration::from_millis(500)).is_some() {
                return shell;
            }
            assert!(Instant::now() < end, "no shell in the guest");
        }
    }

    fn until(&mut self, tag: &str, end: Instant) -> Option<String> {
        let mut text = String::new();
        let mut piece = [0; 4096];
        while Instant::now() < end {
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => text.push_str(&String::from_utf8_lossy(&piece[..count])),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("the guest's port: {error}"),
            }
            if text.contains(tag) {
                return Some(text);
            }
        }
        None
    }

    /// Runs a line; `None` when it did not end within `span`. What it leaves in the background must have its output
    /// redirected, or it keeps the port.
    pub fn run(&mut self, line: &str, span: Duration) -> Option<Said> {
        self.asked += 1;
        let tag = format!("@@{}@@", self.asked);
        let quoted = line.replace('\'', r"'\''");
        let seconds = span.as_secs() + 2;
        let whole = format!("timeout -s KILL {seconds} sh -c '{quoted}' </dev/null 2>&1; echo '{tag}'$?@\n");
        self.stream.write_all(whole.as_bytes()).unwrap();
        let end = Instant::now() + span;
        let mut text = String::new();
        loop {
            text.push_str(&self.until("@", end)?);
            if let Some((said, rest)) = text.split_once(tag.as_str())
                && let Some((code, _)) = rest.split_once('@')
            {
                return Some(Said {
                    code: code.parse().unwrap(),
                    text: said.replace("\r\n", "\n"),
                });
            }
        }
    }
}
