//! Cables that are cut, one by one and together.
use crate::bed::{Files, Pair, now};
use std::time::Duration;

/// Waits until both nodes have told `count` links in these words since their logs were this long.
fn wait_told(pair: &Pair, since: [usize; 2], word: &str, count: usize) {
    pair.wait(&format!("{count} links told{word} on both"), |pair| {
        [1, 2].iter().zip(since).all(|(number, from)| {
            let log = pair.log(*number);
            let told = |line: &&str| line.contains("link ") && line.contains(word);
            log.get(from..).unwrap_or_default().lines().filter(told).count() >= count
        })
    });
}

fn lengths(pair: &Pair) -> [usize; 2] {
    [pair.log(1).len(), pair.log(2).len()]
}

#[test]
fn one_link_cut_is_told_late_dead_and_back_and_nothing_moves() {
    let pair = Pair::up(&Files::quick());
    let cut = now();
    let from = lengths(&pair);
    pair.hall.link(2, 1, false);
    wait_told(&pair, from, " late:", 1);
    wait_told(&pair, from, " dead:", 1);
    let back = lengths(&pair);
    pair.hall.link(2, 1, true);
    wait_told(&pair, back, " up:", 1);
    let from = lengths(&pair);
    pair.cable.cut(1, true);
    pair.cable.cut(2, true);
    wait_told(&pair, from, " late:", 1);
    wait_told(&pair, from, " dead:", 1);
    let back = lengths(&pair);
    pair.cable.cut(1, false);
    pair.cable.cut(2, false);
    wait_told(&pair, back, " up:", 1);
    pair.check(pair.is_active(1), "node 1 is not active any more");
    pair.check_untouched(cut);
    pair.finish();
}

#[test]
fn two_links_cut_the_serial_line_alone_keeps_the_peer_alive() {
    let pair = Pair::up(&Files::quick());
    let cut = now();
    let from = lengths(&pair);
    pair.hall.link(2, 0, false);
    pair.hall.link(2, 1, false);
    wait_told(&pair, from, " late:", 2);
    wait_told(&pair, from, " dead:", 2);
    pair.stays("node 1 active", Duration::from_secs(6), |pair| pair.is_active(1));
    let back = lengths(&pair);
    pair.hall.link(2, 0, true);
    pair.hall.link(2, 1, true);
    wait_told(&pair, back, " up:", 2);
    pair.check_untouched(cut);
    for number in [1, 2] {
        pair.check(
            !pair.log(number).contains(" is dead: nothing on any link"),
            "the peer was taken for dead",
        );
    }
    pair.finish();
}

#[test]
fn the_active_that_sees_fewer_ping_nodes_hands_over() {
    let pair = Pair::up(&Files::quick());
    let cut = now();
    pair.hall.link(1, 0, false);
    pair.wait_active(2);
    pair.check_order(1, cut, &["vz stop begins", "drbd is secondary"]);
    pair.check(
        pair.when(1, "drbd is secondary", cut) <= pair.when(2, "drbd primary asked", cut),
        "too early",
    );
    pair.finish();
}

#[test]
fn all_links_cut_without_ping_both_run_and_after_healing_the_earlier_stays() {
    let mut pair = Pair::up(&Files::quick().without_ping());
    pair.allow_split();
    let cut = now();
    // first the links: what the active tells of DRBD's loss is not to arrive
    pair.isolate(1, true);
    pair.cut_drbd();
    pair.wait_active(2);
    pair.check(pair.is_active(1), "row none: the other side was to go on");
    pair.heal_drbd();
    pair.isolate(1, false);
    pair.wait("node 2 yields", |pair| !pair.is_active(2));
    pair.stays("node 1 active, node 2 not", Duration::from_secs(5), |pair| {
        pair.is_active(1) && !pair.is_active(2)
    });
    pair.check(pair.when(1, "vz stop", cut).is_none(), "both stopped");
    for number in [1, 2] {
        pair.check(
            pair.log(number).contains("active on both nodes"),
            "two actives were not told",
        );
    }
    // frames that waited for the cable arrive at once and tell of a growing silence: that is no sleep of ours
    for number in [1, 2] {
        pair.check(
            !pair.log(number).contains("stood still"),
            "healing was taken for a sleep",
        );
    }
    let cstate = pair.node(1).inside("drbdadm cstate r0").must();
    pair.check(cstate == "StandAlone\n", "somebody resolved the split brain");
    pair.finish();
}

#[test]
fn all_links_and_pings_cut_the_isolated_active_stops_before_the_other_starts() {
    let slow = Files::quick()
        .set("deadtime", "deadtime 6")
        .set("initdead", "initdead 6");
    let pair = Pair::up(&slow);
    let cut = now();
    // first the links: what the active tells of DRBD's loss is not to arrive
    pair.isolate(1, true);
    pair.cut_drbd();
    pair.wait_active(2);
    pair.check_given_up_first(cut);
    let healed = now();
    pair.heal_drbd();
    pair.isolate(1, false);
    pair.wait("node 1 is heard again", |pair| {
        pair.log(2).contains("ovz-node1 is alive")
    });
    pair.stays("node 2 active, node 1 not", Duration::from_secs(5), |pair| {
        pair.is_active(2) && !pair.is_active(1)
    });
    pair.check_untouched(healed);
    pair.finish();
}

#[test]
fn one_way_cut_of_all_links_the_unheard_active_gives_up_in_time() {
    let slow = Files::quick()
        .set("deadtime", "deadtime 6")
        .set("initdead", "initdead 6");
    let pair = Pair::up(&slow);
    // or the stand-in alone would prevent two actives
    let cut = now();
    pair.hall.mute(1, true);
    pair.cable.cut(1, true);
    pair.cut_drbd();
    pair.wait_active(2);
    pair.check_given_up_first(cut);
    pair.hall.mute(1, false);
    pair.cable.cut(1, false);
    pair.wait("node 1 is heard again", |pair| {
        pair.node(2).ovzha("status").out.contains("ovz-node1 alive")
    });
    pair.stays("node 2 active, node 1 not", Duration::from_secs(4), |pair| {
        pair.is_active(2) && !pair.is_active(1)
    });
    pair.finish();
}
