//! A shell inside a guest, over a virtio port: runs lines and tells how they ended.
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
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
}

/// No number comes twice: a guest that stood still answers late, into a later connection.
fn number() -> u32 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    ASKED.fetch_add(1, Ordering::Relaxed)
}

impl Shell {
    /// What is sent while the guest has the port closed is lost: knocks until the shell answers. `None` when it didn't
    /// until `end`.
    pub fn connect(path: &Path, end: Instant) -> Option<Self> {
        let stream = UnixStream::connect(path).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut shell = Self { stream };
        while Instant::now() < end {
            let asked = number();
            // the tag in two words, so that an echo of the line is no answer
            shell.say(&format!("echo '@@{asked}@@'0@\n"))?;
            let soon = Instant::now() + Duration::from_millis(500);
            if shell.until(&format!("@@{asked}@@0@"), soon.min(end)).is_some() {
                return Some(shell);
            }
        }
        None
    }

    /// `None` when the guest takes nothing any more.
    fn say(&mut self, line: &str) -> Option<()> {
        self.stream.write_all(line.as_bytes()).ok()
    }

    fn until(&mut self, tag: &str, end: Instant) -> Option<String> {
        let mut text = String::new();
        let mut piece = [0; 4096];
        while Instant::now() < end {
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => text.push_str(&String::from_utf8_lossy(&piece[..count])),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return None,
            }
            if text.contains(tag) {
                return Some(text);
            }
        }
        None
    }

    /// Runs a line; `None` when it did not end until `end`. What it leaves in the background must have its output
    /// redirected, or it keeps the port.
    pub fn run(&mut self, line: &str, end: Instant) -> Option<Said> {
        let asked = number();
        let quoted = line.replace('\'', r"'\''");
        let seconds = end.saturating_duration_since(Instant::now()).as_secs() + 2;
        self.say(&format!(
            "echo '@@{asked}'@; timeout -s KILL {seconds} sh -c '{quoted}' </dev/null 2>&1; echo '@@{asked}@@'$?@\n"
        ))?;
        let (begin, tag) = (format!("@@{asked}@\n"), format!("@@{asked}@@"));
        let mut text = String::new();
        loop {
            text.push_str(&self.until("@", end)?);
            if let Some((said, rest)) = text.split_once(tag.as_str())
                && let Some((code, _)) = rest.split_once('@')
            {
                let said = said.replace("\r\n", "\n");
                let (_, said) = said.split_once(begin.as_str())?;
                return Some(Said {
                    code: code.parse().unwrap(),
                    text: said.to_owned(),
                });
            }
        }
    }
}
