//! `ovzha witness` as a service manager runs it: what it refuses to start with, by exit code and message.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Scratch(PathBuf);

impl Scratch {
    /// A directory with a `witness.cf` for one cluster.
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ovzha-witness-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let write = |name: &str, text: &str, mode: u32| {
            fs::write(dir.join(name), text).unwrap();
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        write("authkeys", "auth 1\n1 sha256 0123456789abcdef\n", 0o600);
        let keys = Command::new(env!("CARGO_BIN_EXE_ovzha"))
            .args(["witness-key", "--config-dir"])
            .arg(&dir)
            .output()
            .unwrap();
        assert!(keys.status.success(), "{}", String::from_utf8_lossy(&keys.stderr));
        write("keys", &String::from_utf8(keys.stdout).unwrap(), 0o600);
        write("witness.cf", "listen 127.0.0.1:0\ncluster alpha beta keys\n", 0o644);
        Self(dir)
    }

    fn start(&self, run_dir: &str, state_dir: &Path) -> Child {
        Command::new(env!("CARGO_BIN_EXE_ovzha"))
            .arg("witness")
            .arg("--config")
            .arg(self.0.join("witness.cf"))
            .arg("--run-dir")
            .arg(self.0.join(run_dir))
            .arg("--state-dir")
            .arg(state_dir)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Its exit code and what it said; one that runs on is ended.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let limit = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > limit {
            child.kill().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let code = child.wait().unwrap().code();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (code, said)
}

#[test]
fn marks_that_cannot_be_believed_or_kept_refuse_the_start() {
    let scratch = Scratch::new("damaged");
    let state = scratch.0.join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("marks"), "alpha beta 010203=beta\n").unwrap();
    let (code, said) = ended(scratch.start("run", &state));
    let why = format!(
        "ovzha witness: what it keeps over restarts: {}: the check sum does not fit\n",
        state.join("marks").display()
    );
    assert_eq!((code, said), (Some(3), why));
    assert_eq!(
        fs::read(state.join("marks")).unwrap(),
        b"alpha beta 010203=beta\n",
        "and it is still there"
    );
    // a file where the directory should be
    let (code, said) = ended(scratch.start("run", &scratch.0.join("witness.cf")));
    assert_eq!(code, Some(3));
    assert!(
        said.starts_with("ovzha witness: what it keeps over restarts: "),
        "{said}"
    );
}

#[test]
fn two_do_not_keep_the_same_marks() {
    let scratch = Scratch::new("twice");
    let state = scratch.0.join("state");
    let mut first = scratch.start("run", &state);
    let limit = Instant::now() + Duration::from_secs(20);
    while !state.join("marks").exists() {
        assert!(Instant::now() < limit, "the first one does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    let (code, said) = ended(scratch.start("other", &state));
    assert_eq!(
        (code, said),
        (
            Some(4),
            format!("ovzha witness: another one runs with {}\n", state.display())
        )
    );
    first.kill().unwrap();
    first.wait().unwrap();
}
