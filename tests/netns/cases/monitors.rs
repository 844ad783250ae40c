//! What runs is broken behind the daemon's back: what its monitors make of that.
use crate::bed::{Files, Number, Pair, now};
use std::fs;
use std::time::Duration;

const EVERY_SECOND: &str = "monitor datadisk 1s\nmonitor Filesystem 1s\nmonitor vz 1s\n";
const OFF: &str = "monitor datadisk off\nmonitor Filesystem off\nmonitor vz off\n";
/// What fails, left of it: how its failure is told.
const UNMOUNTED: &str = "monitor Filesystem::/dev/drbd0::/vz::ext4: not running";
const VZ_STOPPED: &str = "monitor vz: not running";

/// Some intervals.
const WHILE: Duration = Duration::from_secs(5);

fn watched() -> Files {
    Files::calm().ovzha_cf(EVERY_SECOND)
}

/// Ends the containers without the service's knowledge; with `mark` it says stopped from then on.
fn end_containers(pair: &Pair, node: Number, mark: &str) {
    let line = format!("kill $(cat /run/vz-writer.pid); while kill -0 $(cat /run/vz-writer.pid); do :; done; {mark}");
    pair.node(node).inside(&format!("({line}) 2>/dev/null; true")).must();
}

fn end_service(pair: &Pair, node: Number) {
    end_containers(pair, node, "rm -f /run/vz-is-up /run/vz-writer.pid");
}

fn starts(pair: &Pair, node: Number, since: u64) -> usize {
    let deeds = pair.deeds(since);
    let is_start = |text: &str| text.starts_with("vz start begins");
    deeds
        .iter()
        .filter(|entry| entry.node == node && is_start(&entry.text))
        .count()
}

/// Waits until the containers were started on this node since then and both daemons know it active.
fn wait_restarted(pair: &Pair, node: Number, since: u64) {
    pair.wait("the restart", |pair| pair.when(node, "vz start done", since).is_some());
    pair.wait_settled(node);
}

/// Nothing more is done, and nothing was done on the other node at all.
fn check_once(pair: &Pair, node: Number, since: u64) {
    pair.stays("restarted once", WHILE, |pair| starts(pair, node, since) == 1);
    let deeds = pair.deeds(since);
    pair.check(
        deeds.iter().all(|entry| entry.node == node),
        &format!("the other node has done something, too: {deeds:?}"),
    );
}

#[test]
fn an_unmounted_file_system_is_restarted_once_with_what_stands_right_of_it() {
    let pair = Pair::up(&watched());
    let broken = now();
    pair.node(1).inside("umount -l /vz").must();
    wait_restarted(&pair, 1, broken);
    pair.check_order(
        1,
        broken,
        &[
            "vz stop begins",
            "vz stop done",
            "vz start begins, mounted",
            "vz start done",
        ],
    );
    check_once(&pair, 1, broken);
    pair.check(
        pair.when(1, "drbd is ", broken).is_none(),
        "what stands left of it was touched",
    );
    pair.check(pair.log(1).contains(UNMOUNTED), "not told");
    pair.finish();
}

#[test]
fn a_service_that_ends_is_restarted_once_then_handed_over_and_does_not_come_back() {
    let pair = Pair::up(&watched());
    let first = now();
    end_service(&pair, 1);
    wait_restarted(&pair, 1, first);
    check_once(&pair, 1, first);
    pair.check(pair.log(1).contains(VZ_STOPPED), "not told");
    pair.check(
        pair.when(1, "drbd is ", first).is_none(),
        "what stands left of it was touched",
    );
    let second = now();
    end_service(&pair, 1);
    pair.wait_settled(2);
    pair.check(
        pair.when(1, "drbd is secondary", second) <= pair.when(2, "drbd primary asked", second),
        "too early",
    );
    pair.check(starts(&pair, 1, second) == 0, "restarted a second time");
    let status = pair.node(1).ovzha("status").out;
    pair.check(
        status.contains("here      failed") && status.contains("leaves it as it is: a monitor found it failed again"),
        &format!("node 1 does not say that it is failed, and why: {status}"),
    );
    // broken there, too: restarted there, and then it has nowhere to go
    let third = now();
    end_service(&pair, 2);
    wait_restarted(&pair, 2, third);
    let fourth = now();
    end_service(&pair, 2);
    pair.wait_log(2, "held back: a monitor found it failed again");
    pair.stays("on node 2, nothing tried", WHILE, |pair| pair.deeds(fourth).is_empty());
    let said = pair.node(2).ovzha("clear 0");
    pair.check(said.ok, &format!("{said:?}"));
    wait_restarted(&pair, 2, fourth);
    check_once(&pair, 2, fourth);
    pair.finish();
}

#[test]
fn a_file_system_that_turned_read_only_is_mounted_anew() {
    let pair = Pair::up(&watched());
    let broken = now();
    // a file open for writing would keep it from turning
    end_containers(&pair, 1, ":");
    pair.node(1).inside("mount -o remount,ro /vz").must();
    wait_restarted(&pair, 1, broken);
    pair.check_order(
        1,
        broken,
        &["vz stop done", "vz start begins, mounted", "vz start done"],
    );
    check_once(&pair, 1, broken);
    pair.check(pair.log(1).contains("is mounted read-only"), "not told");
    let written = pair.node(1).inside("touch /vz/writable");
    pair.check(written.ok, &format!("{written:?}"));
    pair.finish();
}

#[test]
fn under_a_hold_it_is_told_and_the_restart_from_the_left_comes_with_the_holds_end() {
    let pair = Pair::up(&watched());
    let said = pair.node(1).ovzha("hold somebody works on it");
    pair.check(said.ok, &format!("{said:?}"));
    end_service(&pair, 1);
    pair.node(1).inside("umount /vz && drbdadm secondary r0").must();
    pair.wait_log(1, "monitor datadisk::r0: not running");
    let held = now();
    pair.stays("held", WHILE, |pair| pair.deeds(held).is_empty());
    let said = pair.node(1).ovzha("resume");
    pair.check(said.ok, &format!("{said:?}"));
    wait_restarted(&pair, 1, held);
    pair.check_order(
        1,
        held,
        &[
            "drbd primary asked",
            "drbd is primary",
            "vz start begins, mounted",
            "vz start done",
        ],
    );
    check_once(&pair, 1, held);
    pair.finish();
}

#[test]
fn a_lost_disk_hands_the_group_over_unless_it_is_to_stay() {
    let lose = |pair: &Pair| fs::write(pair.dir.shared().join("diskless1"), "").unwrap();
    let pair = Pair::up(&watched());
    let since = now();
    lose(&pair);
    pair.wait_settled(2);
    pair.check_order(1, since, &["vz stop done", "drbd is secondary"]);
    pair.check(pair.log(1).contains("DRBD lost its local disk"), "not told");
    pair.finish();
    let pair = Pair::up(&Files::calm().ovzha_cf(&format!("{EVERY_SECOND}on-diskless stay\n")));
    let since = now();
    lose(&pair);
    pair.wait_log(1, "without a local disk");
    pair.stays("on node 1", WHILE, |pair| pair.deeds(since).is_empty());
    pair.finish();
}

/// A script whose status says what its mark says.
const WEB: &str = r#"#!/bin/sh
mark=/run/web-is-up
case $1 in
start) echo "$(date +%s%3N) $(uname -n | tr -dc 0-9) web started" >>/bed/diary; touch $mark ;;
stop) rm -f $mark ;;
status) if [ -e $mark ]; then echo running; else echo stopped; fi ;;
esac
exit 0
"#;

fn web(ovzha_cf: &str) -> Files {
    let files = Files::calm().resources_around("", "web").script("web", WEB);
    files.ovzha_cf(ovzha_cf)
}

fn web_up(files: &Files) -> Pair {
    let pair = Pair::up(files);
    pair.wait("the script's service runs", |pair| pair.node(1).has("run/web-is-up"));
    pair
}

#[test]
fn a_script_is_looked_at_only_if_that_is_asked_for() {
    let pair = web_up(&web("monitor web 1s\n"));
    let broken = now();
    fs::remove_file(pair.node(1).root().join("run/web-is-up")).unwrap();
    pair.wait("the script's restart", |pair| {
        pair.when(1, "web started", broken).is_some()
    });
    pair.stays("alone", WHILE, |pair| pair.deeds(broken).is_empty());
    pair.check(pair.log(1).contains("monitor web: not running"), "not told");
    pair.finish();
    let pair = web_up(&web(EVERY_SECOND));
    let broken = now();
    fs::remove_file(pair.node(1).root().join("run/web-is-up")).unwrap();
    pair.stays("not looked at", WHILE, |pair| {
        pair.when(1, "web started", broken).is_none()
    });
    pair.finish();
}

#[test]
fn with_monitors_off_nobody_looks() {
    let pair = Pair::up(&Files::calm().ovzha_cf(OFF));
    let broken = now();
    end_service(&pair, 1);
    pair.node(1).inside("umount /vz").must();
    pair.stays("broken", WHILE, |pair| {
        pair.deeds(broken).is_empty() && !pair.is_mounted(1)
    });
    pair.check(!pair.log(1).contains(": monitor "), "somebody looked");
    pair.finish();
}

#[test]
fn a_killed_daemon_comes_back_and_looks_again() {
    let mut pair = Pair::up(&watched());
    pair.kill_daemon(1);
    let killed = now();
    pair.start(1);
    pair.wait_log(1, "found running");
    pair.wait_settled(1);
    pair.check_untouched(killed);
    let broken = now();
    end_service(&pair, 1);
    wait_restarted(&pair, 1, broken);
    check_once(&pair, 1, broken);
    pair.finish();
}

#[test]
fn what_broke_while_no_daemon_ran_is_mended_by_the_next_one() {
    let mut pair = Pair::up(&watched());
    pair.kill_daemon(1);
    let broken = now();
    end_service(&pair, 1);
    pair.start(1);
    wait_restarted(&pair, 1, broken);
    check_once(&pair, 1, broken);
    pair.finish();
}
