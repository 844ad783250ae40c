//! Runs programs of the machine, and the guest program of the bed.
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Once;

/// The program behind the stand-ins.
pub fn guest() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ovzha-bed-guest"))
}

/// The `ovzha` under test: `OVZHA_BIN`, else the static binary of `.ci/run static`.
pub fn ovzha() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/static/ovzha");
    let path = std::env::var_os("OVZHA_BIN").map_or(built, PathBuf::from);
    assert!(
        path.is_file(),
        "{} does not exist: run `.ci/run static`, or set OVZHA_BIN to an absolute path",
        path.display()
    );
    path
}

/// Fails early and clearly where the bed can't be built.
pub fn check_tools() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let uid = run("id", &["-u"]).must();
        assert_eq!(
            uid.trim(),
            "0",
            "these tests need root: they make namespaces and mount file systems"
        );
        for (tool, package) in [
            ("ip", "iproute2"),
            ("unshare", "util-linux"),
            ("nsenter", "util-linux"),
            ("pivot_root", "util-linux"),
            ("fsfreeze", "util-linux"),
            ("losetup", "mount"),
            ("mkfs.ext4", "e2fsprogs"),
            ("mkfs.ext3", "e2fsprogs"),
        ] {
            let found = run("sh", &["-c", &format!("command -v {tool}")]);
            assert!(found.ok, "{tool} is missing: apt-get install {package}");
        }
    });
}

/// What a program said.
#[derive(Debug)]
pub struct Said {
    pub what: String,
    pub ok: bool,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(what: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            what,
            ok: output.status.success(),
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Its standard output; the test fails if it failed.
    pub fn must(self) -> String {
        assert!(self.ok, "{}: {:?} {}{}", self.what, self.code, self.out, self.err);
        self.out
    }

    /// All it said.
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Runs a program to its end, for at most a minute.
pub fn run(program: &str, args: &[&str]) -> Said {
    let output = Command::new("timeout")
        .args(["60", program])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said::of(format!("{program} {}", args.join(" ")), &output)
}

/// Runs a line of shell.
pub fn sh(line: &str) -> Said {
    run("sh", &["-c", line])
}

/// Sends a signal to a process that this test started.
pub fn signal(name: &str, pid: u32) {
    // one that is gone is as the test wanted it, or shows in what the test checks next
    drop(sh(&format!("kill -s {name} {pid}")));
}

/// The first child of a process.
pub fn child_of(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// A program that runs as long as the bed does.
pub struct Guest {
    child: Child,
    pub input: Option<ChildStdin>,
    pub output: Option<ChildStdout>,
}

impl Guest {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Self { child, input, output }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub fn wait(&mut self) {
        drop(self.child.wait());
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
