//! The twelve things about vz that a naive manager gets wrong, one test each.
//!
//! Each first shows that the stand-in (see `openvz/README`) lies as OpenVZ does, then that `ovzha` is not taken in. Where
//! mounts or sleeping processes matter they are real.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
mod apart;
mod openvz;

use apart::{Guest, in_own_namespace, sh};
use openvz::Node;
use ovzha_host::agent::{Answer, Exit, Op};
use ovzha_host::mounts;
use ovzha_host::program::{Deadline, stay_with_stuck};
use ovzha_host::vz::Paths;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn operate(paths: &Paths, op: Op) -> Answer {
    paths.operate(op, Deadline::after(Duration::from_secs(40)))
}

/// Checks that `op` ends so, with a reason that begins with these words.
fn check(paths: &Paths, op: Op, exit: Exit, begins: &str) {
    let answer = operate(paths, op);
    assert!(
        answer.exit == exit && answer.reason.starts_with(begins),
        "{op:?}: {answer:?}, not {exit:?}: {begins}"
    );
}

/// Waits until `is_so`, for at most ten seconds.
fn wait(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A `vz start` in the background.
fn start_in_background(node: &Node) -> Child {
    let mut command = Command::new(node.path("init.d/vz"));
    let child = command.arg("start").stdout(Stdio::null()).spawn().unwrap();
    wait("the script's lock", || node.path("lock/vz_lock").exists());
    child
}

const ALL: &str = "vz is running, 2 of its containers";

#[test]
fn trap_01_start_exits_0_with_failed_containers_with_none_and_when_locked() {
    let node = Node::plain();
    node.write("vz/private/102/bad", "");
    assert!(
        node.call_ok("init.d/vz", &["start"])
            .contains("Container 102 start: ..failed")
    );
    assert_eq!(node.running(), ["101"]);
    node.call_ok("init.d/vz", &["stop"]);
    let reason = "vz is running, but container 102 not: Container start failed: its init can't be run";
    check(&node.six(), Op::Start, Exit::Degraded, reason);
    assert_eq!(node.calls("vzctl start 102"), 3, "tried once more by itself");

    // locked by a start of somebody else's: refused with 0, and waited for
    let node = Node::plain();
    node.write("slow", "");
    let mut other = start_in_background(&node);
    assert_eq!(node.call_ok("init.d/vz", &["start"]), "OpenVZ is locked..failed\n");
    check(&node.six(), Op::Start, Exit::Done, ALL);
    assert!(other.wait().unwrap().success());

    // locked by nobody, but the number in the lock is a process here
    let node = Node::plain();
    node.write("lock/vz_lock", &std::process::id().to_string());
    assert_eq!(node.call_ok("init.d/vz", &["start"]), "OpenVZ is locked..failed\n");
    check(&node.six(), Op::Start, Exit::Done, ALL);

    // none to start is no failure where there is none
    let node = Node::plain();
    sh(&format!("cd {} && rm -r etc/conf/* vz/private/*", node.dir.display()));
    check(&node.six(), Op::Start, Exit::Done, "vz is running, 0 of its containers");
}

#[test]
fn trap_02_started_without_the_mount_it_says_running_and_refuses_every_later_start() {
    in_own_namespace(
        "trap_02_started_without_the_mount_it_says_running_and_refuses_every_later_start",
        |place| {
            let node = Node::with_device(place);
            node.call_ok("init.d/vz", &["start"]);
            assert_eq!(node.call_ok("init.d/vz", &["status"]), "OpenVZ is running...\n");
            assert!(node.running().is_empty());
            check(
                &node.six(),
                Op::Probe,
                Exit::Unclear,
                "vz says running, but its mount is missing",
            );
            check(
                &node.six(),
                Op::Monitor,
                Exit::Unclear,
                "vz says running, but its mount is missing",
            );
            let reason = format!("{} is not mounted", node.path("vz").display());
            check(&node.six(), Op::Start, Exit::Unfit, &reason);

            assert_eq!(place.operate(Op::Start).exit, Exit::Done);
            assert_eq!(
                node.call_ok("init.d/vz", &["start"]),
                "OpenVZ already running..failed\n"
            );
            assert!(node.running().is_empty());
            check(
                &node.six(),
                Op::Probe,
                Exit::Unclear,
                "vz is running, but containers 101, 102 not",
            );
            check(&node.six(), Op::Start, Exit::Done, ALL);
            assert_eq!(node.running(), ["101", "102"]);
        },
    );
}

#[test]
fn trap_03_stop_exits_0_with_containers_running() {
    in_own_namespace("trap_03_stop_exits_0_with_containers_running", |place| {
        let node = Node::with_device(place);
        let (point, device) = (place.point().display().to_string(), &place.device);
        assert_eq!(place.operate(Op::Start).exit, Exit::Done);
        check(&node.six(), Op::Start, Exit::Done, ALL);
        sh(&format!("umount -l {point}"));
        let said = node.call_ok("init.d/vz", &["stop"]);
        assert!(said.contains("Stopping OpenVZ: ..done\n"), "{said}");
        assert_eq!(node.call("init.d/vz", &["status"]).status.code(), Some(3));
        assert_eq!(node.running(), ["101", "102"]);

        let reason = "vz says stopped, but containers 101, 102 run";
        check(&node.six(), Op::Probe, Exit::Unclear, reason);
        check(&node.six(), Op::Monitor, Exit::Degraded, reason);
        let reason = "vz stop exited, but containers 101, 102 still run";
        check(&node.six(), Op::Stop, Exit::Failed, reason);
        sh(&format!("mount -t ext4 {device} {point}"));
        check(&node.six(), Op::Stop, Exit::Done, "vz is stopped");
        assert!(node.running().is_empty());
    });
}

#[test]
fn trap_04_status_is_a_file_and_says_stopped_during_a_start_and_after_a_killed_one() {
    let node = Node::plain();
    node.write("slow", "");
    let mut other = start_in_background(&node);
    assert_eq!(node.call("init.d/vz", &["status"]).status.code(), Some(3));
    check(
        &node.six(),
        Op::Probe,
        Exit::Unclear,
        "a start or stop of vz is under way (process ",
    );
    check(
        &node.six(),
        Op::Monitor,
        Exit::Degraded,
        "a start or stop of vz is under way (process ",
    );
    // a stop now is no stop of nothing
    check(&node.six(), Op::Stop, Exit::Done, "vz is stopped");
    assert!(other.wait().unwrap().success());
    assert!(node.running().is_empty(), "they came up after the stop");

    // a start that was killed before its end: containers, no marker, a lock of nobody
    let node = Node::plain();
    node.call_ok("init.d/vz", &["start"]);
    fs::rename(node.path("lock/vz"), node.path("lock/vz_lock")).unwrap();
    assert_eq!(node.call("init.d/vz", &["status"]).status.code(), Some(3));
    let reason = "vz says stopped, but containers 101, 102 run";
    check(&node.six(), Op::Probe, Exit::Unclear, reason);
    check(&node.six(), Op::Stop, Exit::Done, "vz is stopped");
    assert!(node.running().is_empty());
}

#[test]
fn trap_05_vzctl_status_exits_0_for_any_container() {
    let node = Node::plain();
    fs::remove_dir(node.path("vz/private/102")).unwrap();
    let said = node.call_ok("bin/vzctl", &["status", "999"]);
    assert_eq!(said, "CTID 999 deleted unmounted down\n");
    check(
        &node.six(),
        Op::Start,
        Exit::Degraded,
        "vz is running, but container 102 not: ",
    );
    assert_eq!(
        node.call_ok("bin/vzctl", &["status", "102"]),
        "CTID 102 exist unmounted down\n"
    );
    check(
        &node.six(),
        Op::Monitor,
        Exit::Degraded,
        "vz is running, but container 102 not",
    );
    // nor where vzlist judges, which doesn't list it at all
    let paths = Paths {
        proc_vz: node.path("none"),
        ..node.six()
    };
    check(
        &paths,
        Op::Monitor,
        Exit::Degraded,
        "vz is running, but container 102 not",
    );
}

#[test]
fn trap_06_vzlist_exits_0_with_an_empty_list_while_containers_run() {
    for private_is_away in [true, false] {
        let node = Node::plain();
        // no list of the kernel's to compare with
        let paths = Paths {
            proc_vz: node.path("none"),
            ..node.six()
        };
        check(&paths, Op::Start, Exit::Done, ALL);
        if private_is_away {
            fs::rename(node.path("vz/private"), node.path("vz/away")).unwrap();
        } else {
            node.write("no-kernel", "");
        }
        let said = node.call_ok("bin/vzlist", &["-a", "-H", "-o", "ctid,status"]);
        assert_eq!(said.is_empty(), !private_is_away, "{said}");
        // not "0 of its containers", and not "all of them are missing"
        check(&paths, Op::Probe, Exit::Done, "vz says running");
        check(&paths, Op::Monitor, Exit::Done, "vz says running");
        // where the kernel has a list it alone counts
        check(&node.six(), Op::Monitor, Exit::Done, ALL);
        fs::remove_file(node.path("lock/vz")).unwrap();
        check(
            &node.six(),
            Op::Probe,
            Exit::Unclear,
            "vz says stopped, but containers 101, 102 run",
        );
    }
}

#[test]
fn trap_07_the_dead_nodes_lock_names_a_process_that_lives_here() {
    let node = Node::plain();
    let lock = node.path("vz/lock/101.lck");
    let left = || {
        node.write("vz/lock/101.lck", &format!("{} starting\n", std::process::id()));
        node.write("vz/lock/notes", "stays");
        node.write("vzreboot/103", "");
    };
    left();
    let said = node.call_ok("init.d/vz", &["start"]);
    assert!(said.contains("Container already locked"), "{said}");
    assert_eq!(node.running(), ["102"]);
    node.call_ok("init.d/vz", &["stop"]);
    let tried = node.calls("vzctl start 103");
    assert_eq!(tried, 1);

    left();
    check(&node.six(), Op::Start, Exit::Done, ALL);
    assert!(!lock.exists() && node.path("vz/lock/notes").exists());
    assert_eq!(
        node.calls("vzctl start 103"),
        tried,
        "what ran here once is no reason to start it"
    );

    // a vzctl of this node is another matter
    operate(&node.six(), Op::Stop);
    fs::copy("/bin/sleep", node.path("bin/vzmigrate")).unwrap();
    let mut holder = Command::new(node.path("bin/vzmigrate")).arg("60").spawn().unwrap();
    node.write("vz/lock/101.lck", &holder.id().to_string());
    let answer = operate(&node.six(), Op::Start);
    let locked = lock.exists();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(
        answer,
        Answer::new(
            Exit::Degraded,
            "vz is running, but container 101 not: Container already locked"
        )
    );
    assert!(locked);
}

#[test]
fn trap_08_umount_exits_0_while_another_mount_namespace_holds_the_file_system() {
    in_own_namespace(
        "trap_08_umount_exits_0_while_another_mount_namespace_holds_the_file_system",
        |place| {
            let holder = || Guest::start("exec unshare -m --propagation private sh -c 'echo ready; exec sleep 100'");
            assert_eq!(place.operate(Op::Start).exit, Exit::Done);
            let mut bystander = Guest::start("echo ready; exec sleep 100");
            let mut guest = holder();
            sh(&format!("umount {}", place.point().display()));
            assert!(!place.mounted());
            let answer = place.operate(Op::Probe);
            assert_eq!(answer.exit, Exit::Unclear, "{answer:?}");
            assert!(
                answer.reason.ends_with("is mounted in another mount namespace"),
                "{answer:?}"
            );
            let answer = place.operate(Op::Stop);
            assert_eq!(answer.exit, Exit::Done, "{answer:?}");
            assert!(answer.reason.contains("(sleep) by mount in mnt:["), "{answer:?}");
            assert!(guest.ends(), "the device would stay held");

            assert_eq!(place.operate(Op::Start).exit, Exit::Done);
            let mut guest = holder();
            let answer = place.operate(Op::Stop);
            assert_eq!(answer.exit, Exit::Done, "{answer:?}");
            assert!(guest.ends(), "the device would stay held");
            assert!(bystander.is_alive(), "it held nothing");
        },
    );
}

#[test]
fn trap_09_once_unmounted_the_mount_point_means_the_root_file_system() {
    in_own_namespace(
        "trap_09_once_unmounted_the_mount_point_means_the_root_file_system",
        |place| {
            // whoever searches by path finds this one as soon as nothing is mounted there
            let point = place.point().display().to_string();
            let mut bystander = Guest::start(&format!("cd {point}; exec 3>f; echo ready; exec sleep 100"));
            assert_eq!(place.operate(Op::Start).exit, Exit::Done);
            let mut guest = Guest::start(&format!("exec 3>{point}/f; echo ready; exec sleep 100"));
            assert_eq!(place.operate(Op::Stop).exit, Exit::Done);
            assert!(guest.ends());
            let under = fs::metadata(place.point()).unwrap().dev();
            assert_eq!(
                under,
                fs::metadata(format!("/proc/{}/cwd", bystander.0.id())).unwrap().dev()
            );
            assert_eq!(
                place.operate(Op::Stop).exit,
                Exit::Done,
                "and again with nothing mounted"
            );
            assert!(bystander.is_alive());
        },
    );
}

#[test]
fn trap_10_a_killed_stop_leaves_children_in_uninterruptible_sleep() {
    in_own_namespace(
        "trap_10_a_killed_stop_leaves_children_in_uninterruptible_sleep",
        |place| {
            let node = Node::with_device(place);
            let point = place.point().display().to_string();
            assert_eq!(place.operate(Op::Start).exit, Exit::Done);
            check(&node.six(), Op::Start, Exit::Done, ALL);
            sh(&format!("fsfreeze -f {point}"));
            let answer = node.six().operate(Op::Stop, Deadline::after(Duration::from_secs(3)));
            assert_eq!(answer.exit, Exit::Failed, "{answer:?}");
            let told = "vz stop: did not finish in time and can't be killed (process ";
            let pid = answer.reason.strip_prefix(told).and_then(|rest| rest.strip_suffix(')'));
            let proc = Path::new("/proc").join(pid.unwrap_or_else(|| panic!("{answer:?}")));
            let stat = fs::read_to_string(proc.join("stat")).unwrap();
            assert!(stat.contains("(vzctl) D "), "{stat}");
            let begin = Instant::now();
            stay_with_stuck(Deadline::after(Duration::from_secs(1)));
            assert!(
                begin.elapsed() >= Duration::from_secs(1),
                "nobody may take it for over yet"
            );

            sh(&format!("fsfreeze -u {point}"));
            stay_with_stuck(Deadline::after(Duration::from_secs(10)));
            let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
            // an init that reaps nobody leaves it as a zombie
            assert!(stat.is_empty() || stat.contains(" Z "), "it went on: {stat}");
            assert_eq!(node.running(), ["101", "102"]);
            check(&node.six(), Op::Stop, Exit::Done, "vz is stopped");
        },
    );
}

#[test]
fn trap_11_an_update_on_the_passive_node_turns_links_into_empty_directories() {
    in_own_namespace(
        "trap_11_an_update_on_the_passive_node_turns_links_into_empty_directories",
        |place| {
            let node = Node::with_device(place);
            let conf = node.path("etc/conf");
            let update = || {
                assert!(fs::metadata(&conf).is_err(), "dangles");
                fs::remove_file(&conf).unwrap();
                fs::create_dir(&conf).unwrap();
                node.write("etc/conf/0.conf", "ONBOOT=\"no\"\n");
            };
            check(&node.six(), Op::Probe, Exit::NotRunning, "vz is stopped");
            update();
            assert_eq!(place.operate(Op::Start).exit, Exit::Done);
            node.call_ok("init.d/vz", &["start"]);
            assert!(node.running().is_empty());
            let reason = format!(
                "{} holds no configuration of containers 101, 102 below ",
                conf.display()
            );
            let told = format!("vz is running, but {reason}");
            check(&node.six(), Op::Probe, Exit::Unclear, &told);
            check(&node.six(), Op::Monitor, Exit::Degraded, &told);
            node.call_ok("init.d/vz", &["stop"]);
            check(&node.six(), Op::Start, Exit::Unfit, &reason);
            check(&node.six(), Op::Probe, Exit::Unfit, &reason);
            assert_eq!(
                node.call("init.d/vz", &["status"]).status.code(),
                Some(3),
                "nothing was started"
            );

            // mended, it starts; and from now on the node knows without the device, too
            fs::remove_dir_all(&conf).unwrap();
            symlink(node.path("vz/cluster/conf"), &conf).unwrap();
            check(&node.six(), Op::Start, Exit::Done, ALL);
            check(&node.six(), Op::Stop, Exit::Done, "vz is stopped");
            assert_eq!(place.operate(Op::Stop).exit, Exit::Done);
            check(&node.six(), Op::Probe, Exit::NotRunning, "vz is stopped");
            update();
            check(
                &node.six(),
                Op::Probe,
                Exit::Unfit,
                &format!("{} is no link any more", conf.display()),
            );
            // bind mounts instead of links are a layout, too: said once, by removing the list
            fs::remove_file(node.path("state/vz-links")).unwrap();
            check(&node.six(), Op::Probe, Exit::NotRunning, "vz is stopped");
            assert_eq!(place.operate(Op::Start).exit, Exit::Done);
            sh(&format!(
                "mount --bind {} {}",
                node.path("vz/cluster/conf").display(),
                conf.display()
            ));
            check(&node.six(), Op::Start, Exit::Done, ALL);
            check(&node.six(), Op::Stop, Exit::Done, "vz is stopped");
            assert_eq!(place.operate(Op::Stop).exit, Exit::Done);
            let left = mounts::own().unwrap();
            assert!(
                mounts::at(&left, &conf).is_none(),
                "the bind mount goes with the file system"
            );
            check(&node.six(), Op::Probe, Exit::NotRunning, "vz is stopped");
        },
    );
}

#[test]
fn trap_12_the_unit_is_active_on_the_standby_so_that_its_start_does_nothing() {
    in_own_namespace(
        "trap_12_the_unit_is_active_on_the_standby_so_that_its_start_does_nothing",
        |place| {
            let node = Node::with_device(place);
            // at boot, wanted by prl-disp.service
            node.call_ok("bin/systemctl", &["start", "vz.service"]);
            check(
                &node.seven(),
                Op::Probe,
                Exit::Unclear,
                "vz says running, but its mount is missing",
            );
            assert_eq!(place.operate(Op::Start).exit, Exit::Done);
            node.call_ok("bin/systemctl", &["start", "vz.service"]);
            assert!(node.running().is_empty());
            // whether anything says what runs or nothing does
            for paths in [
                node.seven(),
                Paths {
                    proc_vz: node.path("none"),
                    vzlist: None,
                    ..node.seven()
                },
            ] {
                operate(&paths, Op::Start);
                assert_eq!(node.running(), ["101", "102"]);
                check(&paths, Op::Probe, Exit::Done, "vz ");
                check(&paths, Op::Stop, Exit::Done, "vz is stopped");
                assert!(node.running().is_empty());
                node.write("active", "");
            }
            assert_eq!(node.calls("systemctl --no-ask-password stop vz.service"), 4);
        },
    );
}
