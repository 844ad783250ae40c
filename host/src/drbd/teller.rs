//! The lines that the watching child writes to the daemon, and the signs of life between them.
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ovzha_core::time::Span;

use crate::program::one_line;
use crate::sys::{self, Interest, PollFd};

/// The first word of a sign of life without a state.
pub const UNTOLD: &str = "untold";
/// A sign of life of one that asks now and then: what it told last may be old by now, and isn't told again.
pub const ALIVE: &str = "alive";
/// The first word of a line for the log that is good or no news for a person.
pub const TOLD: &str = "told ";
/// The first word of a line for the log that a person should read.
pub const FAILED: &str = "failed ";
/// The longest silence.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// The writing end of the pipe. Every error of it is the end: nobody reads there any more.
pub(super) struct Teller {
    out: File,
    /// The present state's line, or [`UNTOLD`], or [`ALIVE`].
    last: String,
    said: Instant,
    remark: String,
}

impl Teller {
    pub fn new(out: File) -> Teller {
        Teller {
            out,
            last: UNTOLD.to_owned(),
            said: Instant::now(),
            remark: String::new(),
        }
    }

    /// The pipe, to be waited on beside other things: it fails once nobody reads it.
    pub fn out(&self) -> &File {
        &self.out
    }

    /// Tells the present state, if it is news.
    pub fn tell(&mut self, line: String) -> io::Result<()> {
        if line == self.last {
            return self.sign_of_life();
        }
        self.last = line;
        self.write_last()
    }

    /// Tells what was asked just now, news or not, and is as good as its moment.
    pub fn tell_asked(&mut self, line: String) -> io::Result<()> {
        self.last = line;
        let told = self.write_last();
        ALIVE.clone_into(&mut self.last);
        told
    }

    /// Something for the log; the same is not said twice in a row.
    pub fn remark(&mut self, word: &str, text: &str) -> io::Result<()> {
        let line = format!("{word}{}", one_line(text));
        if line == self.remark {
            return Ok(());
        }
        self.write(&line)?;
        self.remark = line;
        Ok(())
    }

    /// How long it may still be silent.
    pub fn silence_left(&self) -> Duration {
        SIGN_OF_LIFE.saturating_sub(self.said.elapsed())
    }

    /// What is known, once more, if it is time.
    pub fn sign_of_life(&mut self) -> io::Result<()> {
        if self.silence_left().is_zero() {
            self.write_last()?;
        }
        Ok(())
    }

    /// Waits, with a sign of life where it is due.
    pub fn rest(&mut self, pause: Duration) -> io::Result<()> {
        let until = Instant::now() + pause;
        loop {
            self.sign_of_life()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            if self.is_unheard(left.min(self.silence_left())) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
    }

    /// Waits, at most so long, for the reader to go.
    fn is_unheard(&self, patience: Duration) -> bool {
        let mut out = [PollFd::new(self.out.as_raw_fd(), Interest::Nothing)];
        if sys::poll(&mut out, Some(span(patience))).is_err() {
            sleep(patience);
        }
        out.iter().any(PollFd::failed)
    }

    fn write_last(&mut self) -> io::Result<()> {
        self.said = Instant::now();
        self.write(&self.last)
    }

    fn write(&self, line: &str) -> io::Result<()> {
        (&self.out).write_all(format!("{line}\n").as_bytes())
    }
}

/// A wait as poll(2) takes it; never none at all, which would spin.
pub(super) fn span(patience: Duration) -> Span {
    let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    Span::from_millis(millis.max(1))
}
