//! `Filesystem` against real mounts: an ext4 image on a loop device, in a mount namespace of its own.
//!
//! Each test runs itself again under `unshare --mount`, so nothing of it shows on the machine, and detaches
//! its loop device whatever happens. It needs root, `unshare`, `losetup` and `mkfs.ext4`.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use ovzha_host::agent::{Answer, Exit, Op};
use ovzha_host::filesystem::Filesystem;
use ovzha_host::kernel_users;
use ovzha_host::mounts;
use ovzha_host::program::Deadline;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs `body` in a mount namespace of its own: the test called `name` in a process of its own.
fn in_own_namespace(name: &str, body: fn(&Place)) {
    if std::env::var_os("OVZHA_TEST_APART").is_some() {
        body(&Place::new(name));
        return;
    }
    let own = fs::read_link("/proc/self/exe").unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]).arg(own);
    command
        .args(["--exact", name, "--nocapture"])
        .env("OVZHA_TEST_APART", "1");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    assert!(
        output.status.success(),
        "needs root for unshare, mount and losetup:\n{text}"
    );
}

fn sh(line: &str) -> String {
    let output = Command::new("/bin/sh").args(["-c", line]).output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A directory with an ext4 image, the loop device that shows it, and a mount point.
struct Place {
    dir: PathBuf,
    device: String,
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

    fn point(&self) -> PathBuf {
        self.dir.join("vz")
    }

    fn filesystem(&self, options: &str) -> Filesystem {
        Filesystem::parse(&[&self.device, self.point().to_str().unwrap(), "ext4", options]).unwrap()
    }

    fn operate(&self, op: Op) -> Answer {
        self.operate_within(op, 20)
    }

    fn operate_within(&self, op: Op, seconds: u64) -> Answer {
        self.filesystem("noatime")
            .operate(op, Deadline::after(Duration::from_secs(seconds)))
    }

    fn mounted(&self) -> bool {
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
            "umount -R {point}; umount {point}; losetup -d {}; rm -rf {}",
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
struct Guest(Child);

impl Guest {
    /// Starts `line` and waits until it printed a line.
    fn start(line: &str) -> Guest {
        use std::io::{BufRead, BufReader};
        let mut child = Command::new("/bin/sh")
            .args(["-c", line])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert_eq!(said, "ready\n", "{line}");
        Guest(child)
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Whether it ends soon: a dying process lets go of files and mounts a moment before it can be waited for.
    fn ends(&mut self) -> bool {
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

#[test]
fn mounts_once_is_probed_and_unmounts() {
    in_own_namespace("mounts_once_is_probed_and_unmounts", |place| {
        assert_eq!(place.operate(Op::Probe).exit, Exit::NotRunning);
        let first = place.operate(Op::Start);
        assert_eq!(first.exit, Exit::Done, "{first:?}");
        assert!(place.mounted());
        assert_eq!(place.operate(Op::Probe).exit, Exit::Done);
        assert!(place.operate(Op::Start).reason.contains("already mounted"));
        assert_eq!(place.operate(Op::Stop).exit, Exit::Done);
        assert!(!place.mounted());
        assert_eq!(place.operate(Op::Stop).exit, Exit::Done, "stopping twice is done");
        assert_eq!(place.operate(Op::Probe).exit, Exit::NotRunning);
    });
}

#[test]
fn read_only_counts_only_when_asked_for() {
    in_own_namespace("read_only_counts_only_when_asked_for", |place| {
        let deadline = Deadline::after(Duration::from_secs(20));
        assert_eq!(place.filesystem("ro").operate(Op::Start, deadline).exit, Exit::Done);
        assert_eq!(place.filesystem("ro").operate(Op::Probe, deadline).exit, Exit::Done);
        assert_eq!(place.operate(Op::Probe).exit, Exit::Unclear);
        let answer = place.operate(Op::Start);
        assert!(
            answer.exit == Exit::Failed && answer.reason.contains("read-only"),
            "{answer:?}"
        );
    });
}

#[test]
fn something_else_at_the_mount_point_is_told() {
    in_own_namespace("something_else_at_the_mount_point_is_told", |place| {
        sh(&format!("mount -t tmpfs intruder {}", place.point().display()));
        assert_eq!(place.operate(Op::Probe).exit, Exit::Unclear);
        let answer = place.operate(Op::Start);
        assert!(
            answer.exit == Exit::Failed && answer.reason.contains("intruder"),
            "{answer:?}"
        );
        assert_eq!(place.operate(Op::Stop).exit, Exit::Done);
        assert!(
            mounts::own().unwrap().iter().any(|mount| mount.source == "intruder"),
            "not ours to unmount"
        );
    });
}

#[test]
fn an_open_file_is_taken_from_its_process() {
    in_own_namespace("an_open_file_is_taken_from_its_process", |place| {
        assert_eq!(place.operate(Op::Start).exit, Exit::Done);
        let point = place.point();
        let mut guest = Guest::start(&format!("exec 3>{}/f; echo ready; exec sleep 100", point.display()));
        let answer = place.operate(Op::Stop);
        assert_eq!(answer.exit, Exit::Done, "{answer:?}");
        assert!(
            answer.reason.contains("TERM") && answer.reason.contains("(sleep) by file"),
            "{answer:?}"
        );
        assert!(!place.mounted() && guest.ends());
    });
}

#[test]
fn a_directory_held_against_term_is_taken_by_kill() {
    in_own_namespace("a_directory_held_against_term_is_taken_by_kill", |place| {
        assert_eq!(place.operate(Op::Start).exit, Exit::Done);
        let point = place.point();
        let line = format!(
            "cd {}; trap '' TERM; echo ready; while :; do sleep 1; done",
            point.display()
        );
        let mut guest = Guest::start(&line);
        let answer = place.operate(Op::Stop);
        assert_eq!(answer.exit, Exit::Done, "{answer:?}");
        assert!(
            answer.reason.contains("KILL") && answer.reason.contains("by cwd"),
            "{answer:?}"
        );
        assert!(!place.mounted() && guest.ends());
    });
}

#[test]
fn another_mount_namespace_is_found_though_umount_succeeds() {
    in_own_namespace("another_mount_namespace_is_found_though_umount_succeeds", |place| {
        assert_eq!(place.operate(Op::Start).exit, Exit::Done);
        let mut guest = Guest::start("exec unshare -m --propagation private sh -c 'echo ready; exec sleep 100'");
        let mut bystander = Guest::start("echo ready; exec sleep 100");
        let answer = place.operate(Op::Stop);
        assert_eq!(answer.exit, Exit::Done, "{answer:?}");
        assert!(answer.reason.contains("(sleep) by mount in mnt:["), "{answer:?}");
        assert!(guest.ends(), "the device would stay held");
        assert!(bystander.is_alive(), "it held nothing");
    });
}

#[test]
fn mounts_below_and_beside_go_first() {
    in_own_namespace("mounts_below_and_beside_go_first", |place| {
        assert_eq!(place.operate(Op::Start).exit, Exit::Done);
        let (point, dir) = (place.point().display().to_string(), place.dir.display().to_string());
        sh(&format!(
            "mkdir -p {point}/root/101 {point}/conf {dir}/conf; mount -t tmpfs ct {point}/root/101"
        ));
        sh(&format!(
            "mkdir -p {point}/root/101/proc; mount -t proc proc {point}/root/101/proc"
        ));
        sh(&format!("mount --bind {point}/conf {dir}/conf"));
        let answer = place.operate(Op::Stop);
        assert_eq!(answer.exit, Exit::Done, "{answer:?}");
        let left = mounts::own().unwrap();
        assert!(
            !left.iter().any(|mount| mount.point.starts_with(&place.dir)),
            "{left:?}"
        );
    });
}

#[test]
fn loop_devices_on_files_below_are_released() {
    in_own_namespace("loop_devices_on_files_below_are_released", |place| {
        assert_eq!(place.operate(Op::Start).exit, Exit::Done);
        let (point, dir) = (place.point().display().to_string(), place.dir.display().to_string());
        sh(&format!(
            "truncate -s 4M {point}/inner; mkfs.ext4 -q -F {point}/inner; mkdir -p {dir}/inner"
        ));
        let inner = sh(&format!("losetup -f --show {point}/inner"));
        sh(&format!("mount -t ext4 {inner} {dir}/inner"));
        let answer = place.operate(Op::Stop);
        assert_eq!(answer.exit, Exit::Done, "{answer:?}");
        assert!(!place.mounted());
        assert!(
            !kernel_users::loops().iter().any(|used| used.node == Path::new(&inner)),
            "still attached"
        );
    });
}

#[test]
fn an_image_file_needs_and_takes_the_loop_option() {
    in_own_namespace("an_image_file_needs_and_takes_the_loop_option", |place| {
        let (image, point) = (place.dir.join("second"), place.point());
        sh(&format!("truncate -s 8M {0} && mkfs.ext4 -q -F {0}", image.display()));
        let deadline = Deadline::after(Duration::from_secs(20));
        let words = |options| Filesystem::parse(&[image.to_str().unwrap(), point.to_str().unwrap(), "ext4", options]);
        assert_eq!(words("noatime").unwrap().operate(Op::Start, deadline).exit, Exit::Unfit);
        let looped = words("loop,noatime").unwrap();
        for (op, exit) in [
            (Op::Start, Exit::Done),
            (Op::Probe, Exit::Done),
            (Op::Stop, Exit::Done),
            (Op::Probe, Exit::NotRunning),
        ] {
            let answer = looped.operate(op, deadline);
            assert_eq!(answer.exit, exit, "{op:?}: {answer:?}");
        }
    });
}

#[test]
fn this_process_is_never_signalled_and_the_stop_fails_in_time() {
    in_own_namespace("this_process_is_never_signalled_and_the_stop_fails_in_time", |place| {
        assert_eq!(place.operate(Op::Start).exit, Exit::Done);
        let held = fs::File::create(place.point().join("f")).unwrap();
        let begin = Instant::now();
        let answer = place.operate_within(Op::Stop, 4);
        assert_eq!(answer.exit, Exit::Failed, "{answer:?}");
        assert!(answer.reason.contains("no process shows"), "{answer:?}");
        assert!(begin.elapsed() < Duration::from_secs(6));
        assert!(place.mounted(), "never lazy");
        drop(held);
        assert_eq!(place.operate(Op::Stop).exit, Exit::Done);
    });
}

#[test]
fn a_missing_device_or_directory_is_told() {
    in_own_namespace("a_missing_device_or_directory_is_told", |place| {
        let deadline = Deadline::after(Duration::from_secs(5));
        let missing = Filesystem::parse(&["/dev/ovzha-none", place.point().to_str().unwrap(), "ext4"]).unwrap();
        assert_eq!(missing.operate(Op::Start, deadline).exit, Exit::Failed);
        assert_eq!(missing.operate(Op::Probe, deadline).exit, Exit::NotRunning);
        let nowhere = Filesystem::parse(&[&place.device, "/ovzha-none", "ext4"]).unwrap();
        assert_eq!(nowhere.operate(Op::Start, deadline).exit, Exit::Unfit);
        sh(&format!(
            "dd if=/dev/zero of={} bs=64k count=1 conv=notrunc 2>&1",
            place.device
        ));
        let answer = place.operate(Op::Start);
        assert!(
            answer.exit == Exit::Failed && answer.reason.starts_with("mount: "),
            "{answer:?}"
        );
        assert!(!place.mounted());
    });
}
