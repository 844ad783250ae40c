//! The log's writer child: takes lines from the pipe to the files and standard error.
//!
//! It may wait for a disk; nobody waits for it. It ends when the daemon does (end of file). A file that cannot be
//! written now (full disk, no directory yet) costs its lines, is told in the file once it can be, and is tried again with
//! every line. A file that was moved away (rotation) is opened anew under its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Read as _, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::{FLUSH, LINE_MAX, Level, Targets};

/// Copies lines until end of file; a byte on `answer` for every flush.
pub(super) fn run(mut input: impl BufRead, mut answer: impl Write, targets: &Targets) {
    let mut logfile = targets.logfile.as_deref().map(Destination::new);
    let mut debugfile = targets.debugfile.as_deref().map(Destination::new);
    let room = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
    let mut line = Vec::with_capacity(LINE_MAX);
    loop {
        line.clear();
        match (&mut input).take(room).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        let Some((mark, text)) = line.split_first() else {
            continue;
        };
        if *mark == FLUSH {
            for file in [&logfile, &debugfile].into_iter().flatten() {
                file.sync();
            }
            // only ever asked for by a daemon that is about to end
            drop(answer.write_all(b".").and_then(|()| answer.flush()));
            continue;
        }
        let Some(level) = Level::from_mark(*mark) else { continue };
        if let Some(file) = &mut debugfile {
            file.write(text);
        }
        if level == Level::Debug {
            continue;
        }
        if let Some(file) = &mut logfile {
            file.write(text);
        }
        if targets.stderr {
            // a terminal that went away is nobody's loss
            drop(io::stderr().write_all(text));
        }
    }
}

/// One log file by its name.
struct Destination<'a> {
    path: &'a Path,
    file: Option<File>,
    lost: u64,
    /// The last write stopped within a line.
    torn: bool,
}

impl<'a> Destination<'a> {
    const fn new(path: &'a Path) -> Self {
        Self {
            path,
            file: None,
            lost: 0,
            torn: false,
        }
    }

    fn sync(&self) {
        if let Some(file) = &self.file {
            // a disk that fails now has no other copy
            drop(file.sync_data());
        }
    }

    fn write(&mut self, line: &[u8]) {
        if self.try_write(line).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }

    fn try_write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.file.as_ref().is_some_and(|f| !is_at(f, self.path)) {
            self.file = None;
            self.torn = false;
        }
        let mut file: &File = match &mut self.file {
            Some(file) => file,
            place @ None => place.insert(open(self.path)?),
        };
        let mut whole = Vec::with_capacity(line.len() + 64);
        if self.torn {
            whole.push(b'\n');
        }
        if self.lost > 0 {
            writeln!(whole, "({} log lines could not be written here)", self.lost)?;
        }
        whole.extend_from_slice(line);
        let wrote = file.write(&whole)?;
        if wrote == whole.len() {
            self.lost = 0;
            self.torn = false;
            return Ok(());
        }
        self.torn = self.torn || wrote > 0;
        Err(io::ErrorKind::WriteZero.into())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// Whether the open file is still the one under its name.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}
