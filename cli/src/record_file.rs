//! Finds and opens the record that a command is to look at.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ovzha_host::log::Stamp;
use ovzha_host::record::keep;
use ovzha_host::record::reader::{ReadError, Record};

use crate::{exit, out};

/// Where the daemon keeps its copy, unless it was told otherwise.
const STATE_DIR: &str = "/var/lib/ovzha";

/// The record in `file`, else that of the daemon on this machine, else its copy on the disk.
///
/// # Errors
/// The exit code, after telling why.
pub fn open(run_dir: &Path, file: Option<&Path>) -> Result<Record, u8> {
    let path = file.map_or_else(|| keep::newest(run_dir, Path::new(STATE_DIR)), PathBuf::from);
    Record::open(&path).map_err(|error| {
        let missing = matches!(&error, ReadError::Io(error) if error.kind() == std::io::ErrorKind::NotFound);
        let hint = if missing && file.is_none() {
            " (no daemon has run here yet, or `record off` stands in ovzha.cf)"
        } else {
            ""
        };
        out::complain(&format!("{}: {error}{hint}", out::clean(&path.display().to_string())));
        exit::FAILED
    })
}

/// Milliseconds since 1970 for people.
pub fn stamp(wall: u64) -> String {
    let time = UNIX_EPOCH
        .checked_add(Duration::from_millis(wall))
        .unwrap_or(UNIX_EPOCH);
    Stamp(time).to_string()
}

/// Now, in milliseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
