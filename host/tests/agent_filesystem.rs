//! `Filesystem` against real mounts: an ext4 image on a loop device, in a mount namespace of its own.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
mod apart;

use apart::{Guest, in_own_namespace, sh};
use ovzha_host::agent::{Exit, Op};
use ovzha_host::filesystem::Filesystem;
use ovzha_host::kernel_users;
use ovzha_host::mounts;
use ovzha_host::program::Deadline;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

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
fn a_file_system_that_gave_up_after_an_error_counts_as_read_only() {
    in_own_namespace(
        "a_file_system_that_gave_up_after_an_error_counts_as_read_only",
        |place| {
            let deadline = Deadline::after(Duration::from_secs(20));
            let device = place.device.trim_start_matches("/dev/");
            let with = place.filesystem("errors=remount-ro");
            for _ in 0..2 {
                assert_eq!(with.operate(Op::Start, deadline).exit, Exit::Done);
                assert_eq!(
                    with.operate(Op::Monitor, deadline).exit,
                    Exit::Done,
                    "also with an old error on record"
                );
                sh(&format!("echo 1 >/sys/fs/ext4/{device}/trigger_fs_error"));
                let answer = with.operate(Op::Monitor, deadline);
                assert!(
                    answer.exit == Exit::Unclear && answer.reason.ends_with("is mounted read-only"),
                    "{answer:?}"
                );
                let answer = with.operate(Op::Start, deadline);
                assert!(
                    answer.exit == Exit::Failed && answer.reason.contains("read-only"),
                    "{answer:?}"
                );
                assert_eq!(with.operate(Op::Stop, deadline).exit, Exit::Done);
            }
        },
    );
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
