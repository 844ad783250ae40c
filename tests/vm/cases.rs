//! The cases, one test each.
use crate::bed::{Files, Link, Pair, make_container};

/// The active node 1 loses its power, node 2 takes over, node 1 returns and gets the group back. Nothing is lost on the way.
pub fn dies_returns_and_gets_it_back(pair: Pair) {
    pair.node(1).power_cut();
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    pair.node(1).set_words("drbd ovzha");
    pair.node(1).start();
    pair.node(1).wait_boot(1);
    pair.wait_said(2, "drbdadm dstate r0", "UpToDate/UpToDate");
    pair.wait_said(1, "ovzha status", "ovz-node2 alive");
    pair.wait_said(2, "ovzha status", ", able to run it");
    let said = pair.node(2).run("ovzha standby");
    assert_eq!(said.code, 0, "{}\n{}", said.text, pair.report());
    pair.wait_active(1);
    pair.check_nothing_lost(1);
    pair.finish();
}

#[test]
fn power_cut_of_the_active_loses_nothing_and_the_node_comes_back() {
    let pair = Pair::up(&Files::usual());
    dies_returns_and_gets_it_back(pair);
}

#[test]
fn the_articles_life() {
    let pair = Pair::with_empty_disks(&Files::usual());
    pair.boot("");
    // the disks as they come from the shop: metadata, the initial sync, a file system, the files moved onto it
    for number in [1, 2] {
        pair.node(number).must("drbdadm create-md --force r0 && drbdadm up r0");
    }
    pair.wait_said(1, "drbdadm cstate r0", "Connected");
    pair.node(1)
        .must("drbdadm primary --force r0 && mkfs.ext4 -q -F /dev/drbd0 && mount -t ext4 /dev/drbd0 /vz");
    make_container(pair.node(1));
    pair.node(1).must("umount /vz && drbdadm secondary r0");
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
    }
    for number in [1, 2] {
        pair.node(number)
            .must("setsid ovzha daemon </dev/null >>/var/log/daemon.err 2>&1 &");
    }
    pair.wait_active(1);
    dies_returns_and_gets_it_back(pair);
}

#[test]
fn with_both_networks_cut_the_serial_line_alone_prevents_a_takeover() {
    let pair = Pair::up(&Files::usual());
    pair.wait("node 2 hears node 1", |pair| {
        pair.node(2).run("ovzha status").text.contains("ovz-node1 alive")
    });
    for net in [0, 1] {
        pair.node(1).link(net, false);
    }
    pair.wait_said(2, "cat /var/log/ha-log", "eth1 dead");
    pair.wait_said(2, "cat /var/log/ha-log", "eth0 dead");
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    for net in [0, 1] {
        pair.node(1).link(net, true);
    }
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
    }
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

#[test]
fn a_reset_of_the_standby_moves_nothing() {
    let pair = Pair::up(&Files::usual());
    pair.node(2).reset();
    pair.node(2).wait_boot(2);
    pair.wait_said(2, "drbdadm dstate r0", "UpToDate/UpToDate");
    pair.wait_said(2, "ovzha status", "ovz-node1 alive");
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

/// F3 under the row `none`: two actives for a moment, each with its own data; the one that slept gives up.
#[test]
fn the_paused_active_yields_when_it_goes_on_and_the_split_brain_is_told() {
    let pair = Pair::up(&Files::usual());
    pair.node(1).pause();
    pair.wait_active(2);
    pair.node(1).go_on();
    pair.wait("node 1 gives up", |pair| {
        let said = pair.node(1).run("ovzha status; cat /proc/mounts; drbdadm role r0");
        !said.text.contains("/vz ext4") && said.text.contains("Secondary/")
    });
    assert!(pair.is_active(2), "{}", pair.report());
    let told = |pair: &Pair| {
        [1, 2].iter().any(|number| {
            pair.node(*number)
                .run("cat /var/log/ha-log")
                .text
                .contains("StandAlone")
        })
    };
    pair.wait("a node tells that DRBD gave the connection up", told);
    pair.finish();
}

#[test]
fn a_serial_line_that_carries_one_way_only_is_told_and_moves_nothing() {
    let pair = Pair::up(&Files::usual());
    pair.wait_said(2, "cat /var/log/ha-log", "serial /dev/ttyS1 up");
    pair.cut(Link::Serial, 1, true);
    pair.wait_said(2, "cat /var/log/ha-log", "serial /dev/ttyS1 dead");
    pair.cut(Link::Serial, 1, false);
    pair.wait("the line is up again", |pair| {
        let status = pair.node(2).run("ovzha status").text;
        status
            .lines()
            .any(|line| line.contains("serial") && line.contains(" up "))
    });
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}
