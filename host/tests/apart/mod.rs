//! A mount namespace, an ext4 image on a loop device, and a mount point, for one test.
//!
//! Each test runs itself again under `unshare --mount`, so nothing of it shows on the machine, and detaches
//! its loop device whatever happens. It needs root, `unshare`, `losetup` and `mkfs.ext4`.
use ovzha_host::agent::{Answer, Op};
use ovzha_host::filesystem::Filesystem;
use ovzha_host::kernel_users;
use ovzha_host::mounts;
use ovzha_host::program::Deadline;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs `body` in a mount namespace of its own: the test called `name` in a process of its own.
pub fn in_own_namespace(name: &str, body: fn(&Place)) {
    if std::env::var_os("OVZHA_TEST_APART").is_some() {
        body(&Place::new(name));
        return;
    }
    let own = fs::read_link("/proc/self/exe").unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]).arg(own);
    // a group of its own, as the daemon gives an agent: what is killed at a deadline is the rest of the group
    command
        .args(["--exact", name, "--nocapture"])
        .env("OVZHA_TEST_APART", "1")
        .process_group(0);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    assert!(
        output.status.success(),
        "needs root for unshare, mount and losetup:\n{text}"
    );
}

pub fn sh(line: &str) -> String {
    let output = Command::new("/bin/sh").args(["-c", line]).output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A directory with an ext4 image, the loop device that shows it, and a mount point.
pub struct Place {
    pub dir: PathBuf,
    pub device: String,
}

impl Place {
    fn new(name: &str) -> Place {
        let dir = std::env::temp_dir().join(format!("ovzha-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("vz")).unwrap();
        let image = dir.join("image");
        sh(&format!("truncate -s 16M {0} && mkfs.ext4 -q -F {0}", image.display()));
        let device = sh(&format!("losetup -f --show {}", image.display()));
        Place { dir, device }
    }

    pub fn point(&self) -> PathBuf {
        self.dir.join("vz")
    }

    pub fn filesystem(&self, options: &str) -> Filesystem {
        Filesystem::parse(&[&self.device, self.point().to_str().unwrap(), "ext4", options]).unwrap()
    }

    pub fn operate(&self, op: Op) -> Answer {
        self.operate_within(op, 20)
    }

    pub fn operate_within(&self, op: Op, seconds: u64) -> Answer {
        self.filesystem("noatime")
            .operate(op, Deadline::after(Duration::from_secs(seconds)))
    }

    pub fn mounted(&self) -> bool {
        let loops = kernel_users::loops();
        let device = loops
            .iter()
            .find(|used| used.node == Path::new(&self.device))
            .unwrap()
            .device;
        mounts::own().unwrap().iter().any(|mount| mount.device == device)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let point = self.point().display().to_string();
        let line = format!(
            "fsfreeze -u {point}; umount -R {point}; umount {point}; losetup -d {}; rm -rf {}",
            self.device,
            self.dir.display()
        );
        drop(
            Command::new("/bin/sh")
                .args(["-c", &line])
                .stderr(Stdio::null())
                .status(),
        );
    }
}

/// A process that is killed when the test ends.
pub struct Guest(pub Child);

impl Guest {
    /// Starts `line` and waits until it printed a line.
    pub fn start(line: &str) -> Guest {
        use std::io::{BufRead, BufReader};
        let mut child = Command::new("/bin/sh")
            .args(["-c", line])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert_eq!(said, "ready\n", "{line}");
        Guest(child)
    }

    pub fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Whether it ends soon: a dying process lets go of files and mounts a moment before it can be waited for.
    pub fn ends(&mut self) -> bool {
        let begin = Instant::now();
        while self.is_alive() && begin.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(10));
        }
        !self.is_alive()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
