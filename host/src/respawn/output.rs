//! What a client says: a file in memory, read a few times a second, of which a bounded number of lines is logged.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};

use ovzha_core::time::{Instant, Span};

use crate::line::{AsideLine, ClientFate};
use crate::sys::Pid;
use crate::task;

/// Lines logged in one period; the others are counted.
const LINES_MAX: u32 = 20;
const PERIOD: Span = Span::from_secs(60);
/// The longest line; the rest of it comes as the next one.
const LINE_MAX: usize = 400;
/// Read at one look; the size at which the file is emptied once all of it is read, at four times that in any case.
const READ_MAX: usize = 16 * 1024;
const SIZE_MAX: u64 = 256 * 1024;

#[derive(Debug)]
pub(super) struct Output {
    file: File,
    /// Up to where it has been read.
    at: u64,
    /// A line whose end has not come yet.
    rest: Vec<u8>,
    period: Instant,
    logged: u32,
    passed_over: u32,
}

impl Output {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            at: 0,
            rest: Vec::new(),
            period: Instant::default(),
            logged: 0,
            passed_over: 0,
        }
    }

    /// The output of a client of a former life: still the file that the daemon gave it, not another that the client has
    /// put in its place. So it is looked at before it is opened for writing.
    pub(super) fn find(pid: Pid, (device, inode): (u64, u64)) -> Option<Self> {
        let path = format!("/proc/{pid}/fd/1");
        let place = File::options().read(true).custom_flags(libc::O_PATH).open(path).ok()?;
        let meta = place.metadata().ok()?;
        if !meta.is_file() || (meta.dev(), meta.ino()) != (device, inode) {
            return None;
        }
        let path = format!("/proc/self/fd/{}", place.as_raw_fd());
        let file = File::options().read(true).append(true).open(path).ok()?;
        let mut output = Self::new(file);
        // what was said before may have been logged
        output.at = meta.len();
        Some(output)
    }

    /// What `find` knows it by.
    pub(super) fn name(&self) -> String {
        self.file
            .metadata()
            .map_or("-".to_owned(), |meta| format!("{}:{}", meta.dev(), meta.ino()))
    }

    /// Logs what is new.
    pub(super) fn read(&mut self, now: Instant, program: &str, lines: &mut Vec<AsideLine>) {
        if now.since(self.period) >= PERIOD {
            if self.passed_over > 0 {
                lines.push(AsideLine::client(program, ClientFate::PassedOver(self.passed_over)));
            }
            (self.period, self.logged, self.passed_over) = (now, 0, 0);
        }
        let size = self.file.metadata().map_or(0, |meta| meta.len());
        let mut buffer = [0; READ_MAX];
        let got = self.file.read_at(&mut buffer, self.at).unwrap_or(0);
        self.at = self.at.saturating_add(u64::try_from(got).unwrap_or(0));
        for byte in buffer.iter().take(got) {
            if *byte == b'\n' || self.rest.len() >= LINE_MAX {
                self.line(program, lines);
            }
            if *byte != b'\n' {
                self.rest.push(*byte);
            }
        }
        let unread = size.saturating_sub(self.at);
        // emptied seldom: what is written between the look and the cut is lost
        let full = size > 4 * SIZE_MAX || size > SIZE_MAX && unread == 0;
        if full && self.file.set_len(0).is_ok() {
            self.at = 0;
            if unread > 0 {
                self.rest.clear();
                self.log(program, ClientFate::OutputDropped(unread), lines);
            }
        }
    }

    /// Logs what is left when the client has ended.
    pub(super) fn finish(&mut self, now: Instant, program: &str, lines: &mut Vec<AsideLine>) {
        self.read(now, program, lines);
        self.line(program, lines);
        if self.passed_over > 0 {
            lines.push(AsideLine::client(program, ClientFate::PassedOver(self.passed_over)));
            self.passed_over = 0;
        }
    }

    fn line(&mut self, program: &str, lines: &mut Vec<AsideLine>) {
        let text = task::escape(&self.rest);
        self.rest.clear();
        if !text.trim().is_empty() {
            self.log(program, ClientFate::Said(text), lines);
        }
    }

    fn log(&mut self, program: &str, fate: ClientFate, lines: &mut Vec<AsideLine>) {
        if self.logged < LINES_MAX {
            self.logged = self.logged.saturating_add(1);
            lines.push(AsideLine::client(program, fate));
        } else {
            self.passed_over = self.passed_over.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;
    use std::io::Write;

    fn said(output: &mut Output, seconds: u64) -> Vec<String> {
        let mut lines = Vec::new();
        output.read(Instant::from_millis(seconds * 1000), "/bin/p", &mut lines);
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_come_whole_and_safe() {
        let mut output = Output::new(sys::anonymous_file().unwrap());
        let mut writer = output.file.try_clone().unwrap();
        writer.write_all(b"one\ntw").unwrap();
        assert_eq!(said(&mut output, 1), ["client /bin/p: one"]);
        writer.write_all(b"o\x1b\n\n").unwrap();
        assert_eq!(said(&mut output, 1), ["client /bin/p: two\\u{1b}"]);
        assert_eq!(said(&mut output, 1), Vec::<String>::new());
    }

    #[test]
    fn a_flood_is_counted_not_logged_and_the_file_stays_small() {
        let mut output = Output::new(sys::anonymous_file().unwrap());
        let mut writer = output.file.try_clone().unwrap();
        let mut total = 0;
        for _ in 0..200 {
            writer.write_all(&b"flood\n".repeat(3000)).unwrap();
            total += said(&mut output, 1).len();
        }
        assert_eq!(total, 20);
        assert!(output.file.metadata().unwrap().len() <= 5 * SIZE_MAX);
        let told = said(&mut output, 61);
        assert!(told[0].ends_with("more lines were not logged"), "{told:?}");
    }
}
