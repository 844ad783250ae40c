//! The lock files of vz and vzctl: whose they are, and which are nobody's.
//!
//! Such a file holds a process id, and its reader believes it as long as a process of that id exists. The locks of
//! containers lie on the shared device, so the id may be the dead node's, and somebody else's here.
use super::containers::is_id;
use std::fs;
use std::path::Path;

/// The programs that lock.
const LOCKERS: [&str; 4] = ["vz", "vzctl", "vzmigrate", "vzmlocal"];

/// The process of OpenVZ's own that the lock file names, if it lives.
#[must_use]
pub fn holder(lock: &Path) -> Option<u32> {
    let text = fs::read_to_string(lock).ok()?;
    let pid = text.split_whitespace().next()?.parse::<u32>().ok()?;
    let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let locks = |name: &str| LOCKERS.contains(&name);
    // a script called through its shell has the shell's name
    let is_argument = |word: &str| {
        Path::new(word)
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(locks)
    };
    (locks(read("comm").trim()) || read("cmdline").split('\0').any(is_argument)).then_some(pid)
}

/// Removes the locks in `dir` of containers other than `running` that nobody here holds.
pub fn clear_containers(dir: &Path, running: &[String]) {
    remove_files(dir, |name, path| {
        name.strip_suffix(".lck")
            .is_some_and(|id| !running.iter().any(|one| one == id))
            && holder(path).is_none()
    });
}

/// Removes the list of containers that ran when the service was last stopped on this node.
pub fn clear_vzreboot(dir: &Path) {
    remove_files(dir, |name, _| is_id(name));
}

/// Removes the files in `dir` that `unwanted` picks by name and path. One that stays shows as "locked" later.
fn remove_files(dir: &Path, unwanted: impl Fn(&str, &Path) -> bool) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file
            && entry
                .file_name()
                .to_str()
                .is_some_and(|name| unwanted(name, &entry.path()))
        {
            drop(fs::remove_file(entry.path()));
        }
    }
}
