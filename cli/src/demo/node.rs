//! One node of the demo: a daemon in a directory of its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use crate::control;
use crate::report::Report;

/// A daemon, running or not.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: &'static str,
    dir: PathBuf,
    daemon: Option<Child>,
}

impl Node {
    /// Makes its directory below `stage` and writes its files.
    pub fn new(name: &'static str, stage: &Path, files: &[(&str, &str)]) -> io::Result<Self> {
        let dir = stage.join(name);
        for part in ["", "etc", "run"] {
            private_dir(&dir.join(part))?;
        }
        for (file, text) in files {
            private_file(&dir.join("etc").join(file))?.write_all(text.as_bytes())?;
        }
        Ok(Self {
            name,
            dir,
            daemon: None,
        })
    }

    /// Where it logs.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Where its sockets are.
    fn run_dir(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// What its daemon and commands print.
    pub fn output(&self) -> PathBuf {
        self.dir.join("output")
    }

    /// Starts its daemon.
    pub fn start(&mut self, program: &Path) -> io::Result<()> {
        let mut daemon = Command::new(program);
        daemon
            .arg("daemon")
            .args(["--node", self.name, "--last-resort", "none"])
            .arg("--config-dir")
            .arg(self.dir.join("etc"))
            .arg("--state-dir")
            .arg(self.dir.join("state"));
        self.daemon = Some(self.spawn(daemon)?);
        Ok(())
    }

    /// Starts a command of its admin.
    pub fn command(&self, program: &Path, verb: &str) -> io::Result<Child> {
        let mut command = Command::new(program);
        command.arg(verb);
        self.spawn(command)
    }

    fn spawn(&self, mut command: Command) -> io::Result<Child> {
        let output = OpenOptions::new().append(true).create(true).open(self.output())?;
        command
            .arg("--run-dir")
            .arg(self.run_dir())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C is for the demo, which then ends the others
            .process_group(0)
            .spawn()
    }

    /// Ends the daemon by SIGKILL: nothing of it runs on.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // one that has ended by itself needs no signal
            drop(daemon.kill());
            drop(daemon.wait());
        }
    }

    /// What a power cut takes with it: all that is in memory.
    pub fn forget(&self) -> io::Result<()> {
        fs::remove_dir_all(self.run_dir())?;
        private_dir(&self.run_dir())
    }

    /// Its last words, if its daemon has ended by itself.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.daemon.as_mut()?.try_wait().ok()??;
        let said = fs::read_to_string(self.output()).unwrap_or_default();
        Some(format!(
            "the daemon of {} ended by itself ({status})\n{}",
            self.name,
            said.trim_end()
        ))
    }

    /// What it knows; `None` while it can't be asked.
    pub fn status(&self) -> Option<Report> {
        Report::deserialize(control::status(&self.run_dir()).ok()?).ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes a directory only its owner can use.
pub fn private_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        done => done,
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
