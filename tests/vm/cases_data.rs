//! The cases of the newest data: who may promote after DRBD's connection was lost, and what DRBD's handler is told.
use crate::bed::{Files, Link, Pair};
use crate::cases::dies_returns_and_gets_it_back;

/// DRBD's network; heartbeats go on over the other one and the serial line.
fn cut_drbd(pair: &Pair, cut: bool) {
    for node in [1, 2] {
        pair.cut(Link::Eth1, node, cut);
    }
}

fn writes_on(pair: &Pair, number: u8) {
    let before = pair.node(number).acknowledged().len();
    pair.wait(&format!("node {number}'s container writes on"), |pair| {
        pair.node(number).acknowledged().len() > before + 10
    });
}

fn wait_in_sync(pair: &Pair) {
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
    }
}

/// The old active is dead and has newer data: node 2 holds; when node 1 is back, it runs there, and nothing is lost.
fn node_2_waits_for_the_newest_data(pair: Pair) {
    pair.node(1).power_cut();
    pair.wait_said(2, "ovzha status", "the other node's copy of the data is newer");
    assert!(!pair.is_active(2), "{}", pair.report());
    cut_drbd(&pair, false);
    pair.node(1).start();
    pair.node(1).wait_boot(1);
    pair.wait_active(1);
    wait_in_sync(&pair);
    pair.check_nothing_lost(1);
    // the mark is gone with the resync
    pair.wait("node 2 is able again", |pair| {
        pair.node(1).run("ovzha status").text.contains(", able to run it")
            && !pair.node(2).run("ovzha status").text.contains("lacks writes")
    });
    pair.node(1).power_cut();
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    pair.finish();
}

/// What was lost here in 0.2 (S-61): DRBD does not fence, but the active tells over the other links that it is alone.
#[test]
fn after_drbd_was_disconnected_old_data_are_not_promoted() {
    let pair = Pair::up(&Files::usual());
    wait_in_sync(&pair);
    cut_drbd(&pair, true);
    pair.wait_said(1, "drbdadm cstate r0", "WFConnection");
    writes_on(&pair, 1);
    pair.wait_said(2, "drbdadm dstate r0", "Outdated/DUnknown");
    node_2_waits_for_the_newest_data(pair);
}

/// `resource-and-stonith`: I/O stands still until node 2 has outdated its disk, and then goes on.
#[test]
fn fence_peer_outdates_the_standby_before_the_active_writes_on() {
    let pair = Pair::up(&Files::usual().fenced());
    wait_in_sync(&pair);
    cut_drbd(&pair, true);
    pair.wait_said(1, "drbdadm dstate r0", "UpToDate/Outdated");
    pair.wait_said(2, "drbdadm dstate r0", "Outdated/DUnknown");
    writes_on(&pair, 1);
    let log = pair.node(1).must("cat /var/log/ha-log");
    assert!(log.contains("fence-peer of drbddisk::r0"), "{log}");
    node_2_waits_for_the_newest_data(pair);
}

/// `resource-only`: the standby is outdated just so, while the active writes on.
#[test]
fn fence_peer_under_resource_only_outdates_the_standby() {
    let mut files = Files::usual().fenced();
    files.resource = files.resource.replace("resource-and-stonith", "resource-only");
    let pair = Pair::up(&files);
    wait_in_sync(&pair);
    cut_drbd(&pair, true);
    pair.wait_said(1, "drbdadm dstate r0", "UpToDate/Outdated");
    pair.wait_said(2, "drbdadm dstate r0", "Outdated/DUnknown");
    writes_on(&pair, 1);
    cut_drbd(&pair, false);
    wait_in_sync(&pair);
    pair.check_nothing_lost(1);
    pair.finish();
}

/// The same as two above with no network left between the nodes: the serial line carries it.
#[test]
fn fence_peer_reaches_the_standby_over_the_serial_line_alone() {
    let pair = Pair::up(&Files::usual().fenced());
    wait_in_sync(&pair);
    pair.wait_said(2, "cat /var/log/ha-log", "serial /dev/ttyS1 up");
    for node in [1, 2] {
        pair.cut(Link::Eth0, node, true);
    }
    cut_drbd(&pair, true);
    pair.wait_said(1, "drbdadm dstate r0", "UpToDate/Outdated");
    writes_on(&pair, 1);
    for node in [1, 2] {
        pair.cut(Link::Eth0, node, false);
    }
    cut_drbd(&pair, false);
    wait_in_sync(&pair);
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

/// `resource-and-stonith`: the active dies; the handler of the survivor is answered "dead".
#[test]
fn fence_peer_lets_the_survivor_promote() {
    let pair = Pair::up(&Files::usual().fenced());
    wait_in_sync(&pair);
    dies_returns_and_gets_it_back(pair);
}

/// The handler finds no daemon: I/O stays frozen, which is told, and goes on once a daemon is back that has node 2's word.
#[test]
fn io_frozen_by_a_failed_handler_goes_on_when_the_daemon_is_back() {
    let mut files = Files::usual().fenced();
    // node 2 is not to take over meanwhile
    files.ha_cf = files
        .ha_cf
        .replace("deadtime 6", "deadtime 60")
        .replace("initdead 20", "initdead 60");
    let pair = Pair::up(&files);
    wait_in_sync(&pair);
    pair.node(1).must("touch /run/stay-down");
    pair.node(1).kill_daemon();
    cut_drbd(&pair, true);
    // the handler gives a daemon 15 s to come
    pair.wait_said(1, "dmesg", "helper command: /sbin/drbdadm fence-peer r0 exit code 1");
    let before = pair.node(1).acknowledged().len();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(pair.node(1).acknowledged().len(), before, "frozen I/O was acknowledged");
    pair.node(1).must("rm /run/stay-down");
    pair.wait_said(1, "cat /var/log/ha-log", "DRBD keeps its I/O waiting");
    pair.wait_said(1, "cat /var/log/ha-log", "DRBD lets its I/O go on");
    writes_on(&pair, 1);
    cut_drbd(&pair, false);
    wait_in_sync(&pair);
    pair.finish();
}

/// F3 with fencing: the paused active acknowledges nothing once it goes on, and is reset at the first frame it hears.
#[test]
fn the_paused_active_acknowledges_nothing_when_it_goes_on_and_resets_itself() {
    let pair = Pair::up(&Files::usual().fenced());
    wait_in_sync(&pair);
    pair.node(1).pause();
    pair.wait_active(2);
    let before = pair.node(1).acknowledged().len();
    pair.node(1).go_on();
    pair.node(1).wait_boot(2);
    let after = pair.node(1).acknowledged();
    assert_eq!(
        after.len(),
        before,
        "acknowledged by the thawed side: {:?}\n{}",
        &after[before..],
        pair.report()
    );
    wait_in_sync(&pair);
    assert!(pair.is_active(2) && !pair.is_active(1), "{}", pair.report());
    pair.check_nothing_lost(2);
    pair.finish();
}

/// A lone start: nothing shows that this copy is the newest. A person says so, and it goes on.
#[test]
fn a_lone_start_holds_until_a_person_confirms_its_data() {
    for files in [Files::usual(), Files::usual().fenced()] {
        let pair = Pair::up(&files);
        wait_in_sync(&pair);
        pair.node(2).power_cut();
        pair.node(1).power_cut();
        pair.node(2).start();
        pair.node(2).wait_boot(1);
        pair.wait_said(
            2,
            "ovzha status",
            "nothing shows that this copy of the data is the newest",
        );
        let asked = pair.node(2).run("ovzha confirm-data 0 </dev/null");
        assert_eq!(asked.code, 1, "{}", asked.text);
        assert!(asked.text.contains("say --yes"), "{}", asked.text);
        let said = pair.node(2).run("ovzha confirm-data 0 --yes");
        assert_eq!(said.code, 0, "{}\n{}", said.text, pair.report());
        pair.wait_active(2);
        pair.check_nothing_lost(2);
        pair.finish();
    }
}
