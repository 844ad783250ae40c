//! Reads the configuration anew on behalf of a running daemon, which must not touch a disk itself.
//!
//! What the child found is its output, which may be logged. The keys go another way: through a file in memory that
//! only the two processes have, wiped as soon as it was read.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::agent::Answer;
use crate::authkeys::{self, AuthKeys};
use crate::config::Config;
use crate::owner::Owner;
use crate::{core_config, hooks, sys};

/// What tells two configurations, or two programs, apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint {
    /// `ha.cf`, `haresources`, `ovzha.cf`, and which hooks there are.
    pub files: String,
    /// `authkeys`.
    pub keys: String,
    /// The program file.
    pub program: String,
}

impl Fingerprint {
    /// Of what is on disk now.
    #[must_use]
    pub fn take(dir: &Path, program: &Path) -> Self {
        let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
        let of = |names: &[&str]| {
            let mut digest = crc.digest();
            for name in names {
                // a file that is missing differs from an empty one
                match fs::read(dir.join(name)) {
                    Ok(bytes) => digest.update(&bytes),
                    Err(_) => digest.update(b"\0missing"),
                }
                digest.update(b"\0");
            }
            format!("{:08x}", digest.finalize())
        };
        let program = fs::metadata(program).map_or_else(
            |_| "missing".to_owned(),
            |file| format!("{}:{}:{}.{}", file.dev(), file.ino(), file.mtime(), file.mtime_nsec()),
        );
        Self {
            files: of(&["ha.cf", "haresources", "ovzha.cf"]) + "-" + &hooks::fingerprint(dir),
            keys: of(&["authkeys"]),
            program,
        }
    }

    /// The line that `parse` reads.
    #[must_use]
    pub fn render(&self) -> String {
        format!("fingerprint {} {} {}", self.files, self.keys, self.program)
    }

    /// Finds the line among others.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.lines().find_map(|line| {
            let mut words = line.strip_prefix("fingerprint ")?.split(' ');
            let mut next = || words.next().map(str::to_owned);
            Some(Self {
                files: next()?,
                keys: next()?,
                program: next()?,
            })
        })
    }
}

/// The file in memory by which the keys come from the child.
#[derive(Debug)]
pub struct Handover(File);

/// Where the child finds it.
const HANDOVER: &str = "/proc/self/fd/3";
/// More than sixteen keys of the greatest length need.
const HANDOVER_MAX: usize = 8192;

impl Handover {
    /// An empty one.
    ///
    /// # Errors
    /// No file in memory.
    pub fn new() -> io::Result<Self> {
        sys::anonymous_input(&[]).map(Self)
    }

    /// What the child gets.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The keys that stand in it, if the child wrote any. Nothing is left of them in the file.
    #[must_use]
    pub fn keys(self) -> Option<AuthKeys> {
        let mut bytes = Zeroizing::new([0; HANDOVER_MAX]);
        let read = self.0.read_at(bytes.as_mut(), 0).unwrap_or(0);
        let text = bytes.get(..read).filter(|text| !text.is_empty())?;
        let parsed = authkeys::parse(Path::new("authkeys"), text);
        let wiped = self.0.write_all_at(&[0; HANDOVER_MAX], 0);
        // with the last descriptor the file goes too
        drop(wiped.and_then(|()| self.0.set_len(0)));
        let broken = parsed.diagnostics.iter().any(crate::diagnostic::Diagnostic::is_error);
        (!broken).then_some(parsed.value)
    }
}

/// The child's side. Called by hand there is nobody to hand them over to.
fn hand_over(keys: &AuthKeys) {
    let place = fs::metadata(HANDOVER)
        .ok()
        .filter(|file| file.is_file() && file.nlink() == 0);
    let file = place.and_then(|_| File::options().write(true).open(HANDOVER).ok());
    if let Some(mut file) = file {
        // without them the daemon says that it has none
        drop(file.write_all(&keys.render()));
    }
}

/// A daemon that starts anew without its watchdog would not come up, and what it left running would be reset.
fn watchdog(config: &Config) -> Result<(), String> {
    let Some((device, _)) = config.settings.watchdog() else {
        return Ok(());
    };
    let found = fs::metadata(device).map(|file| file.file_type().is_char_device());
    match found {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("watchdog {}: it is no device", device.display())),
        Err(error) => Err(format!("watchdog {}: {error}", device.display())),
    }
}

/// Reads the files as the daemon would at its start. Prints each problem and the fingerprint.
#[must_use]
pub fn run(dir: &Path, node: &str, program: &Path, state_dir: &Path) -> Answer {
    // refused only where there is nothing to forbid: a limit may always be lowered
    drop(sys::forbid_core_dumps());
    let before = Fingerprint::take(dir, program);
    let loaded = Config::load(dir, Some(node));
    let mut problems: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    let good = loaded.config.is_some_and(|config| {
        let core = core_config::core_config(&config, false, None).map(|_| ());
        let keys = core_config::keyring(&config.keys).map(|_| ());
        let owner = Owner::of(&config).refusal(state_dir).map_or(Ok(()), Err);
        let good = core
            .and(keys)
            .and(owner)
            .and(watchdog(&config))
            .map_err(|why| problems.push(why))
            .is_ok();
        if good {
            hand_over(&config.keys);
        }
        good
    });
    // the fingerprint first: the reason must be the last line
    let mut answer = if good {
        Answer::done("the configuration is good")
    } else {
        Answer::failed(problems.join("; "))
    };
    answer.output = format!("{}\n", before.render());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    const KEYS: &str = "auth 2\n1 sha1 old\n2 sha256 new\n3 crc \n";

    fn parsed() -> AuthKeys {
        authkeys::parse(Path::new("authkeys"), KEYS.as_bytes()).value
    }

    #[test]
    fn keys_as_text_are_the_same_keys() {
        let keys = parsed();
        assert_eq!(keys.render().as_slice(), KEYS.as_bytes());
        assert!(keys.render().capacity() >= KEYS.len() && keys == parsed());
    }

    #[test]
    fn keys_come_through_the_file_and_nothing_stays_in_it() {
        let place = Handover::new().unwrap();
        // as the child opens it: by another description of the same file
        let path = format!("/proc/self/fd/{}", place.fd().as_raw_fd());
        let mut child = File::options().read(true).write(true).open(&path).unwrap();
        child.write_all(&parsed().render()).unwrap();
        assert_eq!(place.keys(), Some(parsed()));
        assert_eq!(child.metadata().unwrap().len(), 0);
    }

    #[test]
    fn a_child_that_wrote_no_keys_or_half_of_them_gives_none() {
        assert_eq!(Handover::new().unwrap().keys(), None);
        let place = Handover::new().unwrap();
        let path = format!("/proc/self/fd/{}", place.fd().as_raw_fd());
        fs::write(path, "auth 2\n1 sha1 ol").unwrap();
        assert_eq!(place.keys(), None);
    }
}
