//! A copy of the sources in which one mutant after the other is built and given to its driver.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::list::{Driver, Mutant, ROOT};

/// What a copy needs: the workspace's manifests name every package.
const PARTS: [&str; 7] = ["Cargo.toml", "Cargo.lock", "core", "host", "cli", "hw", "tests"];
/// Seconds after which a driver is ended.
const PATIENCE: &str = "180";
/// The same for what is not mutated, with the first build of a copy.
const FIRST: &str = "1200";

pub struct Workshop {
    tree: PathBuf,
}

/// What came of a driver.
pub struct Ran {
    pub passed: bool,
    /// It was ended.
    pub late: bool,
    pub output: String,
}

impl Workshop {
    /// Copies what has changed since the last time.
    pub fn open(worker: usize) -> Self {
        let tree = Path::new(ROOT).join(format!("target/mutants-tree/{worker}"));
        fs::create_dir_all(&tree).unwrap();
        for part in PARTS {
            bring(&Path::new(ROOT).join(part), &tree.join(part));
        }
        Self { tree }
    }

    /// Builds and runs a driver on what is not mutated.
    pub fn run_sound(&self, driver: Driver) -> Ran {
        self.run(driver, FIRST)
    }

    fn run(&self, driver: Driver, seconds: &str) -> Ran {
        let words: &[&str] = match driver {
            Driver::Scenarios => &["-p", "ovzha-tests", "--test", "scenarios"],
            Driver::Core => &["-p", "ovzha-core", "--lib", "--test", "witness"],
        };
        let mut command = Command::new("timeout");
        command
            .args([
                seconds,
                "cargo",
                "test",
                "--offline",
                "--locked",
                "--profile",
                "mutants",
            ])
            .args(words)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", self.tree.join("target"))
            // what a mutant leaves unused is no error
            .env("RUSTFLAGS", "--cap-lints=warn")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null());
        for name in ["OVZHA_REWRITE", "OVZHA_ONLY", "CARGO_BUILD_TARGET"] {
            command.env_remove(name);
        }
        let ended = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            passed: ended.status.success(),
            late: ended.status.code() == Some(124),
            output: text(&ended.stdout) + &text(&ended.stderr),
        }
    }

    /// Puts the mutant in, runs its driver, takes it out again.
    pub fn try_mutant(&self, mutant: &Mutant) -> Result<Ran, String> {
        let path = self.tree.join(&mutant.file);
        let source = fs::read_to_string(&path).unwrap();
        let mutated = mutant.apply(&source)?;
        fs::write(&path, mutated).unwrap();
        let ran = self.run(mutant.driver, PATIENCE);
        fs::write(&path, source).unwrap();
        Ok(ran)
    }
}

/// Makes `to` like `from`, and touches nothing that is already.
fn bring(from: &Path, to: &Path) {
    if !from.is_dir() {
        let bytes = fs::read(from).unwrap();
        if fs::read(to).ok().as_ref() != Some(&bytes) {
            fs::write(to, bytes).unwrap();
        }
        return;
    }
    fs::create_dir_all(to).unwrap();
    let names = |folder: &Path| -> Vec<std::ffi::OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    let present = names(from);
    for name in names(to).iter().filter(|name| !present.contains(name)) {
        let old = to.join(name);
        if old.is_dir() {
            fs::remove_dir_all(old).unwrap();
        } else {
            fs::remove_file(old).unwrap();
        }
    }
    for name in present {
        bring(&from.join(&name), &to.join(&name));
    }
}
