//! One case for each fault that the bed can make: it is what it says, and the cluster does with it what SAFETY says.
use crate::bed::{Files, Link, Pair};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often the node's log has a line with this.
fn times_told(pair: &Pair, number: u8, text: &str) -> usize {
    let log = pair.node(number).must("cat /var/log/ha-log");
    log.lines().filter(|line| line.contains(text)).count()
}

#[test]
fn a_network_that_carries_one_way_only_is_dead_on_one_side() {
    let pair = Pair::up(&Files::usual());
    pair.wait_said(2, "ovzha status", "ucast eth0         up");
    pair.cut(Link::Eth0, 1, true);
    pair.wait_said(2, "ovzha status", "ucast eth0         DEAD");
    let status = pair.node(1).must("ovzha status");
    assert!(
        status.contains("ucast eth0         up"),
        "node 1 hears it on: {status}\n{}",
        pair.report()
    );
    pair.cut(Link::Eth0, 1, false);
    pair.wait_said(2, "ovzha status", "ucast eth0         up");
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

/// F1 without a watchdog: DRBD stays Primary there, so the other node only tries (S-25).
#[test]
fn a_daemon_that_stands_still_keeps_its_group() {
    let pair = Pair::up(&Files::usual());
    pair.wait_said(2, "ovzha status", "ovz-node1 alive");
    pair.node(1).freeze_daemon();
    pair.wait_said(2, "cat /var/log/ha-log", "ovz-node1 is dead");
    pair.wait_said(2, "ovzha status", "held back");
    pair.node(1).thaw_daemon();
    pair.wait_said(2, "ovzha status", "ovz-node1 alive");
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

#[test]
fn a_killed_daemon_comes_back_and_adopts() {
    let pair = Pair::up(&Files::usual());
    pair.wait_said(2, "ovzha status", "ovz-node1 alive");
    pair.node(1).kill_daemon();
    pair.wait("node 1's daemon is started again", |pair| {
        times_told(pair, 1, "started on ovz-node1") == 2
    });
    pair.wait_active(1);
    assert_eq!(times_told(&pair, 1, "start vz: done"), 1, "{}", pair.report());
    assert_eq!(times_told(&pair, 2, "is dead"), 0, "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

/// F2 without a watchdog.
#[test]
fn a_hung_kernel_is_taken_over_from_and_comes_back_by_the_reset_button() {
    let pair = Pair::up(&Files::usual());
    // so long until a line of the log is on the state disk
    sleep(Duration::from_secs(4));
    pair.node(1).hang();
    pair.wait_active(2);
    assert_eq!(pair.node(1).boots(), 1, "it hangs on: {}", pair.node(1).console());
    let log = pair.node(1).log_of_the_dead("ha-log");
    assert!(log.contains("active (all steps done)"), "{log}\n{}", pair.report());
    pair.node(1).reset();
    pair.node(1).wait_boot(2);
    pair.wait_said(1, "drbdadm dstate r0", "UpToDate/UpToDate");
    assert!(pair.is_active(2) && !pair.is_active(1), "{}", pair.report());
    pair.check_nothing_lost(2);
    pair.finish();
}

#[test]
fn a_failed_disk_of_the_active_makes_it_hand_over() {
    let pair = Pair::up(&Files::usual().on_frail_disks());
    pair.wait_said(1, "ovzha status", "able to run it");
    pair.node(1).disk_fails();
    pair.wait_active(2);
    pair.wait_said(1, "drbdadm dstate r0", "Diskless/UpToDate");
    pair.node(1).disk_is_well();
    pair.node(1).must("drbdadm attach r0");
    pair.wait_said(1, "drbdadm dstate r0", "UpToDate/UpToDate");
    pair.check_nothing_lost(2);
    pair.finish();
}

#[test]
fn a_slow_disk_slows_the_container_and_moves_nothing() {
    let pair = Pair::up(&Files::usual().on_frail_disks());
    pair.node(1).disk_is_slow(300);
    let begin = pair.node(1).acknowledged().len();
    let from = Instant::now();
    pair.wait("ten records", |pair| pair.node(1).acknowledged().len() >= begin + 10);
    assert!(from.elapsed() > Duration::from_secs(3), "it is not slow");
    pair.node(1).disk_is_well();
    sleep(Duration::from_secs(1));
    let (begin, from) = (pair.node(1).acknowledged().len(), Instant::now());
    pair.wait("ten more", |pair| pair.node(1).acknowledged().len() >= begin + 10);
    assert!(from.elapsed() < Duration::from_secs(3), "it is slow still");
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}
