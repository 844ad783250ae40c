//! Trouble with the disk, the file system and the containers' service of the active node.
use crate::bed::{Files, Pair};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// For `ovzha.cf`: looks more often than usual.
const OFTEN: &str = "monitor drbddisk 2\\nmonitor Filesystem 2\\nmonitor vz 2\\n";
/// Loads the modules that a boot leaves out, each behind what it needs.
const MODULES: &str = "cd /lib/modules/boot; for name in dax dm-mod dm-delay loop; do insmod $name.ko; done; \
    grep -q '^dm_delay ' /proc/modules && grep -q '^loop ' /proc/modules";
/// Puts a mapped device between DRBD and its disk, and has DRBD let go of a disk that fails.
const MAPPED: &str = "dmsetup create --noudevsync back --table \"0 $(blockdev --getsz /dev/vda) linear /dev/vda 0\" && \
    dmsetup mknodes back && \
    sed -i 's:/dev/vda:/dev/mapper/back:; s:disk {:disk { on-io-error detach;:' /etc/drbd.d/r0.res";

/// Both up, after a line of shell that comes before DRBD, with this `ovzha.cf`; the container on node 1.
fn up(files: &Files, line: &str, ovzha_cf: &str) -> Pair {
    let pair = Pair::new(files);
    pair.boot("");
    for number in [1, 2] {
        let node = pair.node(number);
        node.must(MODULES);
        node.must(line);
        node.must(&format!("printf '{ovzha_cf}' >/etc/ha.d/ovzha.cf; drbdadm up r0"));
    }
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
        pair.node(number)
            .must("setsid ovzha daemon </dev/null >>/var/log/daemon.err 2>&1 &");
    }
    pair.wait_active(1);
    pair.wait_said(1, "ovzha status", "ovz-node2 alive");
    pair
}

/// Waits until the log of the node says this.
fn wait_logged(pair: &Pair, number: u8, text: &str) {
    pair.wait_said(number, "cat /var/log/ha-log", text);
}

/// Waits until the container on this node writes on.
fn wait_writes(pair: &Pair, number: u8) {
    let before = pair.node(number).acknowledged().len();
    pair.wait(&format!("the container of node {number} writes on"), |pair| {
        pair.node(number).acknowledged().len() > before + 3
    });
}

/// Moves the group away from `from` and checks that nothing of it is left there.
fn stand_by(pair: &Pair, from: u8) {
    pair.wait_said(from, "ovzha status", ", able to run it");
    let said = pair.node(from).run("ovzha standby");
    assert_eq!(said.code, 0, "{}\n{}", said.text, pair.report());
    pair.wait_active(3 - from);
    let left = pair
        .node(from)
        .run("grep -ls /dev/drbd0 /proc/[0-9]*/mounts; drbdadm role r0");
    assert_eq!(left.text, "Secondary/Primary\n", "{}", pair.report());
}

/// Looks for `span` that the group stays on node 1.
fn stays(pair: &Pair, span: Duration) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
        sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_power_cut_in_the_middle_of_writes_is_replayed_by_the_journal() {
    let pair = up(&Files::usual(), "true", OFTEN);
    // makes, grows and renames files, and waits for none of them
    let busy = "mkdir /vz/busy; n=0; while :; do n=$((n + 1)); dd if=/dev/zero of=/vz/busy/new bs=4k count=3; \
                mv /vz/busy/new /vz/busy/$((n % 50)); done";
    pair.node(1)
        .must(&format!("setsid sh -c '{busy}' </dev/null >/dev/null 2>&1 &"));
    pair.wait("files come and go", |pair| {
        let said = pair.node(1).run("ls /vz/busy | wc -l");
        said.text.trim().parse::<u32>().is_ok_and(|count| count >= 50)
    });
    wait_writes(&pair, 1);
    pair.node(1).power_cut();
    pair.wait_active(2);
    let kernel = pair.node(2).must("dmesg");
    assert!(kernel.contains("EXT4-fs (drbd0): recovery complete"), "{kernel}");
    pair.check_nothing_lost(2);
    // an orderly end, and a check that changes nothing
    pair.node(2).must("kill $(pidof ovzha)");
    pair.wait_said(2, "drbdadm role r0", "Secondary/Unknown");
    let checked = pair.node(2).run("drbdadm primary r0 && e2fsck -fn /dev/drbd0");
    assert_eq!(checked.code, 0, "{}", checked.text);
    pair.finish();
}

#[test]
fn a_file_system_that_turns_read_only_is_restarted_and_the_second_time_handed_over() {
    let mut files = Files::usual();
    files.haresources = files.haresources.replace("::ext4", "::ext4::errors=remount-ro");
    let pair = up(&files, "true", OFTEN);
    // as a person would; refused while a file is open for writing
    pair.node(1)
        .must("for n in $(seq 500); do mount -o remount,ro /vz 2>/dev/null && exit 0; done; exit 1");
    wait_logged(&pair, 1, "/dev/drbd0 on /vz is mounted read-only");
    pair.wait_active(1);
    assert!(!pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    // as the kernel does when it finds the file system in disorder
    pair.node(1).must("echo 1 >/sys/fs/ext4/drbd0/trigger_fs_error");
    pair.wait_active(2);
    let log = pair.node(1).must("cat /var/log/ha-log");
    assert_eq!(
        log.matches("/dev/drbd0 on /vz is mounted read-only").count(),
        2,
        "{log}"
    );
    assert!(log.contains("stopping (a monitor found it failed again)"), "{log}");
    assert!(!pair.is_active(1), "{}", pair.report());
    pair.check_nothing_lost(2);
    pair.finish();
}

#[test]
fn a_full_disk_fails_the_containers_writes_and_moves_nothing() {
    let pair = up(&Files::usual(), "true", OFTEN);
    let full = pair.node(1).run("dd if=/dev/zero of=/vz/fill bs=4k");
    assert!(full.code != 0 && full.text.contains("No space left"), "{}", full.text);
    // the last block of the records takes some more
    let acknowledged = || pair.node(1).acknowledged().len();
    pair.wait("the container can't write any more", |_| {
        let before = acknowledged();
        sleep(Duration::from_secs(3));
        acknowledged() == before
    });
    stays(&pair, Duration::from_secs(15));
    let log = pair.node(1).must("cat /var/log/ha-log");
    assert!(!log.contains("monitor "), "{log}");
    pair.node(1).must("rm /vz/fill");
    wait_writes(&pair, 1);
    pair.check_nothing_lost(1);
    stand_by(&pair, 1);
    pair.check_nothing_lost(2);
    pair.finish();
}

#[test]
fn s59_a_disk_that_fails_under_drbd_is_told_and_the_group_handed_over() {
    let pair = up(&Files::usual(), MAPPED, OFTEN);
    pair.node(1).must(
        "size=$(blockdev --getsz /dev/vda); dmsetup suspend --nolockfs back; dmsetup load back --table \"0 $size error\"; \
         dmsetup resume --noudevsync back",
    );
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    let log = pair.node(1).must("cat /var/log/ha-log");
    assert!(log.contains("iskless"), "{log}");
    assert!(!pair.is_active(1), "{}", pair.report());
    // without a disk it is no target
    let said = pair.node(2).run("ovzha standby");
    assert_eq!(said.code, 1, "{}\n{}", said.text, pair.report());
    assert!(pair.is_active(2), "{}", pair.report());
    pair.finish();
}

#[test]
fn a_slow_disk_moves_nothing_while_heartbeats_go_on() {
    let pair = up(&Files::usual(), MAPPED, OFTEN);
    let table = |kind: &str, end: &str| {
        format!(
            "size=$(blockdev --getsz /dev/vda); dmsetup suspend --nolockfs back; \
             dmsetup load back --table \"0 $size {kind} /dev/vda 0{end}\"; dmsetup resume --noudevsync back"
        )
    };
    // a second for each access
    pair.node(1).must(&table("delay", " 1000"));
    let before = pair.node(1).acknowledged().len();
    stays(&pair, Duration::from_secs(30));
    let slow = pair.node(1).acknowledged().len() - before;
    assert!((1..30).contains(&slow), "{slow} records in 30 s");
    pair.node(1).must(&table("linear", ""));
    wait_writes(&pair, 1);
    pair.check_nothing_lost(1);
    // the other node's disk: under protocol C it is waited for as well
    pair.node(2).must(&table("delay", " 1000"));
    let before = pair.node(1).acknowledged().len();
    stays(&pair, Duration::from_secs(30));
    let slow = pair.node(1).acknowledged().len() - before;
    assert!((1..30).contains(&slow), "{slow} records in 30 s");
    pair.node(2).must(&table("linear", ""));
    stand_by(&pair, 1);
    pair.check_nothing_lost(2);
    pair.finish();
}

#[test]
fn whatever_holds_the_file_system_a_stop_releases_it() {
    let pair = up(&Files::usual(), "true", "timeout Filesystem stop 20s\\n");
    let stopped = "stop Filesystem::/dev/drbd0::/vz::ext4: done";
    let mut active = 1;
    for (holder, is_there, told) in [
        (
            "dd if=/dev/zero of=/vz/image bs=64k count=16 2>/dev/null && mkfs.ext4 -q -F /vz/image && \
             losetup -f /vz/image && mount -t ext4 /dev/loop0 /mnt",
            "grep /dev/loop0 /proc/mounts && losetup -a",
            "is unmounted",
        ),
        (
            "dd if=/dev/zero of=/vz/swap bs=64k count=16 2>/dev/null && chmod 600 /vz/swap && mkswap /vz/swap >/dev/null && \
             swapon /vz/swap",
            "grep /vz/swap /proc/swaps",
            "is unmounted",
        ),
        (
            "setsid unshare -m sleep 1000 </dev/null >/dev/null 2>&1 &",
            "pidof sleep",
            "(sleep) by mount in mnt:[",
        ),
        (
            "(trap '' TERM; exec sleep 1001) </dev/null >/vz/held 2>/dev/null &",
            "pidof sleep",
            "(sleep) by file",
        ),
    ] {
        let node = pair.node(active);
        node.must(holder);
        node.must("sleep 1");
        node.must(is_there);
        let before = node.must("cat /var/log/ha-log").matches(stopped).count();
        stand_by(&pair, active);
        let log = node.must("cat /var/log/ha-log");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(stopped)).collect();
        assert!(
            lines.len() == before + 1 && lines[before].contains(told),
            "{holder}: {lines:?}"
        );
        assert!(
            !node.run(is_there).text.contains("/vz") && node.run("losetup -a").text.is_empty(),
            "{holder}"
        );
        active = 3 - active;
        pair.check_nothing_lost(active);
    }
    pair.finish();
}

#[test]
fn a_container_ends_by_itself_when_asked_and_is_killed_when_it_does_not() {
    let pair = up(&Files::usual(), "true", OFTEN);
    let ended = |number: u8| pair.node(number).run("cat /vz/private/101/data/end").text;
    pair.node(1).must(
        "sed -i \"s:trap 'exit 0' TERM:trap 'echo cleanly >>/data/end; exit 0' TERM:\" /vz/private/101/sbin/init",
    );
    stand_by(&pair, 1);
    stand_by(&pair, 2);
    assert_eq!(ended(1), "cleanly\n", "{}", pair.report());
    pair.node(1)
        .must("sed -i \"s:^trap .* TERM$:trap '' TERM:\" /vz/private/101/sbin/init");
    stand_by(&pair, 1);
    assert_eq!(ended(2), "cleanly\ncleanly\n", "{}", pair.report());
    stand_by(&pair, 2);
    assert_eq!(ended(1), "cleanly\ncleanly\n", "{}", pair.report());
    let left = pair.node(2).run("cat /sys/fs/cgroup/vz/cgroup.procs").text;
    assert!(left.is_empty(), "{left}\n{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

/// Node 1 can't give the group up, so it resets itself, and node 2 takes over.
fn resets_itself(pair: Pair, why: &str) {
    pair.node(1).must("ovzha standby --no-wait");
    pair.wait("node 1 resets itself", |pair| pair.node(1).boots() > 1);
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    // the shell of the life before
    drop(pair.node(1).try_run("true", Duration::from_secs(1)));
    pair.node(1).wait_boot(2);
    wait_logged(&pair, 1, why);
    pair.finish();
}

#[test]
fn s41_a_vz_stop_that_hangs_is_ended_at_its_timeout_and_the_node_resets_itself() {
    let pair = up(&Files::usual(), "true", "timeout vz stop 6s\\n");
    pair.node(1)
        .must("sed -i 's:^    stop)$:    stop) exec sleep 1000 ;; never):' /etc/init.d/vz");
    resets_itself(pair, "vz stop: did not finish in time and was killed");
}

#[test]
fn s41_a_file_system_that_nothing_releases_ends_in_a_reset() {
    let pair = up(&Files::usual(), "true", "timeout Filesystem stop 8s\\n");
    // a device on a device on a file: no process has it open
    pair.node(1).must(
        "dd if=/dev/zero of=/vz/image bs=64k count=16 2>/dev/null && losetup -f /vz/image && \
         dmsetup create --noudevsync top --table \"0 2048 linear /dev/loop0 0\"",
    );
    resets_itself(pair, "/dev/drbd0 stays held by no process shows");
}

#[test]
fn s41_a_container_that_sleeps_beyond_any_kill_ends_in_a_reset() {
    let pair = up(&Files::usual(), "true", "timeout vz stop 10s\\n");
    pair.node(1).must("drbdadm suspend-io r0");
    resets_itself(pair, "drbddisk::r0: stuck (the stop failed)");
}
