//! The load on a file system: counts upwards in a file, every line on disk before the next.
//!
//! The file must read 1, 2, 3... whichever node wrote: a gap is a lost write, a step back is a second writer. Each
//! line also names its writer: the node, and the number it began with.
use crate::twin::note;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Writes until it is ended.
pub fn run(mount: &Path, home: &Path) -> io::Result<u8> {
    let node = crate::node()?;
    if fs::metadata(mount)?.dev() == fs::metadata("/")?.dev() {
        note(home, node, "VIOLATION: the service starts without its file system")?;
        return Ok(1);
    }
    let only = File::create(home.join("writer.lock"))?;
    if let Err(TryLockError::WouldBlock) = only.try_lock() {
        note(home, node, "VIOLATION: two writers")?;
    }
    let before = fs::read_to_string(mount.join("count")).unwrap_or_default();
    let mut count: u64 = before.lines().last().map_or(Ok(0), last).map_err(io::Error::other)?;
    let mut file = File::options().append(true).create(true).open(mount.join("count"))?;
    let first = count + 1;
    loop {
        count += 1;
        let line = format!("{count} {node} {first}\n");
        if let Err(error) = file.write_all(line.as_bytes()).and_then(|()| file.sync_data()) {
            note(home, node, &format!("writer ends: {error}"))?;
            return Ok(1);
        }
        fs::write(home.join(format!("acknowledged{node}")), count.to_string())?;
        sleep(Duration::from_millis(20));
    }
}

fn last(line: &str) -> Result<u64, String> {
    let word = line.split_whitespace().next().unwrap_or_default();
    word.parse().map_err(|_| format!("the count ends in {line:?}"))
}
