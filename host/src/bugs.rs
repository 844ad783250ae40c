//! Keeps the bugs that the core found in itself (SAFETY S-47), so that they outlive the daemon: `bugs` in the state
//! directory, a line each, the oldest dropped where there are too many.
//!
//! This blocks on the disk: call it in an agent or at start, never in the loop.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Lines that are kept.
const LINES_MAX: usize = 100;
/// Most bytes that are read of them.
const BYTES_MAX: u64 = 64 * 1024;

/// Where they are.
#[must_use]
pub fn path(dir: &Path) -> PathBuf {
    dir.join("bugs")
}

/// Adds a line, with the time of day.
///
/// # Errors
/// Says which file and why.
pub fn record(dir: &Path, text: &str) -> io::Result<()> {
    let path = path(dir);
    let next = dir.join("bugs.next");
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if !dir.is_dir() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(named)?;
    }
    let mut lines = read(dir);
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |past| past.as_secs());
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    lines.push(format!("{time} {text}"));
    let first = lines.len().saturating_sub(LINES_MAX);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&next)
        .map_err(named)?;
    for line in lines.iter().skip(first) {
        writeln!(file, "{line}").map_err(named)?;
    }
    file.sync_all().map_err(named)?;
    fs::rename(&next, &path).map_err(named)
}

/// What was recorded, the newest last; nothing if it can't be read.
#[must_use]
pub fn read(dir: &Path) -> Vec<String> {
    let mut text = String::new();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path(dir));
    if let Ok(file) = opened
        && file.take(BYTES_MAX).read_to_string(&mut text).is_err()
    {
        text.clear();
    }
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bugs_are_kept_and_bounded() {
        let dir = std::env::temp_dir().join(format!("ovzha-bugs-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        assert_eq!(read(&dir), Vec::<String>::new());
        for number in 0..LINES_MAX + 3 {
            record(&dir, &format!("bug {number}\nin two lines")).unwrap();
        }
        let lines = read(&dir);
        assert_eq!(lines.len(), LINES_MAX);
        assert!(lines[LINES_MAX - 1].ends_with(" bug 102in two lines"), "{lines:?}");
        fs::remove_dir_all(&dir).unwrap();
    }
}
