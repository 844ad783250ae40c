//! Reads the configuration anew on behalf of a running daemon, which must not touch a disk itself.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::agent::Answer;
use crate::config::Config;
use crate::core_config;

/// What tells two configurations, or two programs, apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint {
    /// `ha.cf`, `haresources`, `ovzha.cf`.
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
            files: of(&["ha.cf", "haresources", "ovzha.cf"]),
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

/// Reads the files as the daemon would at its start. Prints each problem and the fingerprint.
#[must_use]
pub fn run(dir: &Path, node: &str, program: &Path) -> Answer {
    let before = Fingerprint::take(dir, program);
    let loaded = Config::load(dir, Some(node));
    let mut problems: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    let good = loaded.config.is_some_and(|config| {
        let core = core_config::core_config(&config, false).map(|_| ());
        let keys = core_config::keyring(&config.keys).map(|_| ());
        core.and(keys).map_err(|why| problems.push(why)).is_ok()
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
