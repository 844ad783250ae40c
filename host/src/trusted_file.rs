//! Opens configuration files that nobody but their owner can have written.
//!
//! What the daemon reads decides where data is written, and it runs as root. So a file must be a regular
//! file, owned by the user who runs us, written by nobody else, in a directory of which the same holds.
//! For root, "the user who runs us" is root; the demo and the tests run as whoever started them.

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::diagnostic::{Diagnostic, Severity};

/// Largest file read, in bytes.
pub const SIZE_MAX: u64 = 1 << 20;
/// What `O_NOFOLLOW` answers on a symbolic link.
const LINK_FOUND: i32 = libc::ELOOP;

/// Who else may do what with a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrecy {
    /// Others may read it.
    Public,
    /// Only the owner may read it.
    Secret,
}

/// The effective user of this process.
#[must_use]
pub fn own_user() -> u32 {
    // An unreadable /proc leaves the strictest answer: root.
    fs::metadata("/proc/self").map_or(0, |meta| meta.uid())
}

/// Checks the directory the files lie in.
pub fn check_directory(dir: &Path, diagnostics: &mut Vec<Diagnostic>) {
    let mut error = |text: String| diagnostics.push(Diagnostic::of_file(Severity::Error, dir, text));
    match fs::metadata(dir) {
        Err(e) => error(format!("can't read the directory: {e}")),
        Ok(meta) if !meta.is_dir() => error("is no directory".to_owned()),
        Ok(meta) => {
            if let Some(text) = owner_problem(&meta, own_user()) {
                error(text);
            }
            if let Some(text) = write_problem(meta.mode()) {
                error(text);
            }
        }
    }
}

/// The bytes of `path`; `Ok(None)` if there is no such file.
///
/// # Errors
/// Every reason not to believe the file, as diagnostics.
pub fn read(path: &Path, secrecy: Secrecy) -> Result<Option<Vec<u8>>, Vec<Diagnostic>> {
    let error = |text: String| Diagnostic::of_file(Severity::Error, path, text);
    // O_NONBLOCK: a fifo put in the file's place must not stop us before the type is known.
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) if e.raw_os_error() == Some(LINK_FOUND) => {
            return Err(vec![error(
                "is a symbolic link; the file itself must stand here".to_owned(),
            )]);
        }
        Err(e) => return Err(vec![error(format!("can't be opened: {e}"))]),
    };
    let meta = file
        .metadata()
        .map_err(|e| vec![error(format!("can't be looked at: {e}"))])?;
    if !meta.is_file() {
        return Err(vec![error("is no regular file".to_owned())]);
    }
    let mut problems: Vec<Diagnostic> = Vec::new();
    problems.extend(owner_problem(&meta, own_user()).map(error));
    problems.extend(match secrecy {
        Secrecy::Secret => secrecy_problem(meta.mode()).map(error),
        Secrecy::Public => write_problem(meta.mode()).map(error),
    });
    let mut bytes = Vec::new();
    match file.take(SIZE_MAX.saturating_add(1)).read_to_end(&mut bytes) {
        Err(e) => problems.push(error(format!("can't be read: {e}"))),
        Ok(_) if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > SIZE_MAX => {
            problems.push(error(format!("is larger than {SIZE_MAX} bytes")));
        }
        Ok(_) => {}
    }
    if problems.is_empty() {
        Ok(Some(bytes))
    } else {
        Err(problems)
    }
}

/// Why `program` must not be run: it, a directory on the way to it, or what a link on that way leads to can be
/// changed by somebody else. `None` if only root, or the user who runs this, could.
#[must_use]
pub fn program_problem(program: &Path) -> Option<String> {
    let real = match fs::canonicalize(program) {
        Ok(real) => real,
        Err(e) => return Some(format!("{}: {e}", program.display())),
    };
    // the way as it is written leads through directories of its own if any of it is a link
    let ways = [real.as_path(), program.parent().unwrap_or(program)];
    let places = ways.iter().flat_map(|way| way.ancestors());
    let user = own_user();
    for place in places {
        let problem = match fs::metadata(place) {
            Err(e) => Some(e.to_string()),
            Ok(meta) if meta.uid() != 0 && meta.uid() != user => owner_problem(&meta, user),
            // in a sticky directory nobody can replace what is another's
            Ok(meta) if meta.is_dir() && meta.mode() & libc::S_ISVTX != 0 => None,
            Ok(meta) => write_problem(meta.mode()),
        };
        if let Some(problem) = problem {
            return Some(format!("{}: {problem}", place.display()));
        }
    }
    None
}

/// What is wrong with the owner of a file read by `user`.
fn owner_problem(meta: &Metadata, user: u32) -> Option<String> {
    (meta.uid() != user).then(|| {
        if user == 0 {
            format!("is owned by user {}, must be owned by root", meta.uid())
        } else {
            format!(
                "is owned by user {}, must be owned by user {user} who runs this",
                meta.uid()
            )
        }
    })
}

/// What is wrong with the mode of a file whose content is no secret.
#[must_use]
pub fn write_problem(mode: u32) -> Option<String> {
    (mode & 0o022 != 0).then(|| format!("mode {:04o}: group or others can write it (chmod go-w)", mode & 0o7777))
}

/// What is wrong with the mode of a file whose content is a secret.
#[must_use]
pub fn secrecy_problem(mode: u32) -> Option<String> {
    (mode & 0o077 != 0).then(|| {
        format!(
            "mode {:04o}: group or others can use it; 600 recommended (chmod 600)",
            mode & 0o7777
        )
    })
}
