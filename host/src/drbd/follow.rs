//! One run of `drbdsetup events2`: the process, its pipe, and what its lines amount to.
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::events::{Events, Seen};
use super::teller::span;
use crate::program::PATH;
use crate::sys::{self, Interest, PollFd};

/// The longest line. DRBD's own have some 300 bytes, plus names.
const LINE_MAX: usize = 4096;
/// What is taken from the pipe at once: all that a burst of events leaves is told as its last state.
const CHUNK: usize = 16 * 1024;
/// How long the first description may take.
const DESCRIPTION_MAX: Duration = Duration::from_secs(10);
/// How long a killed process may take to vanish before it is left behind.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// What a wait has brought.
pub(super) enum Followed {
    /// Nothing.
    Quiet,
    /// What is known now of each resource.
    Lines(Vec<Seen>),
    /// It is over, and why.
    Ended(String),
}

/// The run. It ends, with the process, when it is dropped.
pub(super) struct Follower {
    child: Child,
    pipe: ChildStdout,
    /// A line whose end has not come yet.
    rest: Vec<u8>,
    readers: Vec<Events>,
    seen: Vec<Seen>,
    begun: Instant,
}

impl Follower {
    /// Starts `drbdsetup events2` for these resources.
    pub fn start(drbdsetup: &Path, names: &[String]) -> io::Result<Follower> {
        let mut command = Command::new(drbdsetup);
        command
            .arg("events2")
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .current_dir("/");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        sys::end_with_us(&mut command);
        let mut child = command.spawn()?;
        let pipe = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
        sys::set_nonblocking(&pipe)?;
        Ok(Follower {
            child,
            pipe,
            rest: Vec::new(),
            readers: names.iter().map(|name| Events::new(name)).collect(),
            seen: vec![Seen::Nothing; names.len()],
            begun: Instant::now(),
        })
    }

    /// Whether everything has been described once.
    pub fn is_complete(&self) -> bool {
        !self.seen.contains(&Seen::Nothing)
    }

    /// What is known now of each resource.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Waits for lines, at most so long; also for the end of whoever reads ours on `out`.
    pub fn wait(&mut self, patience: Duration, out: &File) -> Followed {
        let patience = if self.is_complete() {
            patience
        } else {
            let left = DESCRIPTION_MAX.saturating_sub(self.begun.elapsed());
            if left.is_zero() {
                return Followed::Ended("describes nothing".to_owned());
            }
            patience.min(left)
        };
        let mut fds = [
            PollFd::new(self.pipe.as_raw_fd(), Interest::Read),
            PollFd::new(out.as_raw_fd(), Interest::Nothing),
        ];
        if let Err(error) = sys::poll(&mut fds, Some(span(patience))) {
            return Followed::Ended(format!("can't be waited for: {error}"));
        }
        if fds.last().is_some_and(PollFd::failed) {
            return Followed::Ended("has nobody to be told to".to_owned());
        }
        let mut chunk = [0; CHUNK];
        match self.pipe.read(&mut chunk) {
            Ok(0) => Followed::Ended(self.how_it_ended()),
            Ok(length) => self.take(chunk.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Followed::Quiet
            }
            Err(error) => Followed::Ended(format!("can't be read: {error}")),
        }
    }

    fn take(&mut self, chunk: &[u8]) -> Followed {
        self.rest.extend_from_slice(chunk);
        let mut news = false;
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            for reader in &mut self.readers {
                if let Err(error) = reader.line(line.trim_end()) {
                    return Followed::Ended(format!("can't be followed: {error}"));
                }
            }
            news = true;
        }
        if self.rest.len() > LINE_MAX {
            return Followed::Ended(format!("wrote a line of over {LINE_MAX} bytes"));
        }
        if !news {
            return Followed::Quiet;
        }
        let seen: Result<Vec<Seen>, _> = self.readers.iter().map(Events::seen).collect();
        match seen {
            Ok(seen) => self.seen = seen,
            Err(error) => return Followed::Ended(format!("can't be followed: {error}")),
        }
        if self.is_complete() {
            Followed::Lines(self.seen.clone())
        } else {
            Followed::Quiet
        }
    }

    /// Its pipe is at its end; so, at once or nearly, is the process.
    fn how_it_ended(&mut self) -> String {
        match self.reaped() {
            Some(status) => format!("ended: {status}"),
            None => "closed its output".to_owned(),
        }
    }

    fn reaped(&mut self) -> Option<std::process::ExitStatus> {
        let until = Instant::now() + KILL_WAIT;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => sleep(Duration::from_millis(10)),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // one that has ended already has nothing to be killed; one that can't be ends with its next event
        drop(self.child.kill());
        self.reaped();
    }
}
