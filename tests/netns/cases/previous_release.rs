//! The first release beside this one, before this one, and after it (the guide's section on upgrading).
use crate::bed::{Files, Number, Pair, now, ovzha, previous};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Both nodes up, the first release on one of them, the group on node 1.
fn mixed(old: Number) -> Pair {
    let binaries = [1, 2].map(|number| if number == old { previous() } else { ovzha() });
    let mut pair = Pair::of(&Files::quick(), &binaries);
    pair.start(1);
    pair.start(2);
    // the first release does not wait for a preferred node that is about to learn of its data
    pair.wait("the group runs", |pair| pair.is_active(1) || pair.is_active(2));
    if pair.is_active(2) {
        pair.wait_settled(2);
        pair.wait("node 1 is able", |pair| pair.node(1).ovzha("takeover").ok);
    }
    pair.wait_settled(1);
    for number in [1, 2] {
        check_runs(&pair, number, &binaries[usize::from(number) - 1]);
    }
    pair
}

/// This program is what the node's daemon runs.
fn check_runs(pair: &Pair, number: Number, binary: &Path) {
    let running = fs::read(format!("/proc/{}/exe", pair.daemon(number).pid())).unwrap();
    let same = running == fs::read(binary).unwrap();
    pair.check(same, &format!("node {number} does not run {}", binary.display()));
}

fn status(pair: &Pair, number: Number) -> Value {
    serde_json::from_str(&pair.node(number).ovzha("status --json").out).unwrap_or(Value::Null)
}

fn tenure(pair: &Pair, number: Number) -> u64 {
    status(pair, number)["groups"][0]["tenure"].as_u64().unwrap_or(0)
}

/// Neither node has anything to say about the other's release.
fn check_quiet(pair: &Pair) {
    for number in [1, 2] {
        let log = pair.log(number);
        for noise in ["speaks protocol", "differ", "BUG", "damaged", "was lost"] {
            let line = log.lines().find(|line| line.contains(noise));
            pair.check(line.is_none(), &format!("node {number} says {line:?}"));
        }
    }
}

/// The running daemon becomes another release in place.
fn replace(pair: &Pair, number: Number, binary: &Path) {
    let lives = |pair: &Pair| pair.log(number).matches(" started on ovz-node").count();
    let before = lives(pair);
    pair.node(number).install(binary);
    pair.daemon(number).signal("HUP");
    pair.wait("the other program runs", |pair| lives(pair) > before);
    check_runs(pair, number, binary);
}

#[test]
fn the_first_release_beside_this_one_moves_the_group_both_ways() {
    for old in [1, 2] {
        let pair = mixed(old);
        for (asked, verb, then) in [
            (1, "standby", 2),
            (2, "standby", 1),
            (2, "takeover", 2),
            (1, "takeover", 1),
        ] {
            let said = pair.node(asked).ovzha(verb);
            pair.check(said.ok, &format!("{verb} on node {asked}: {said:?}"));
            pair.wait_settled(then);
        }
        check_quiet(&pair);
        pair.finish();
    }
}

#[test]
fn each_release_takes_over_from_the_other_after_a_power_cut() {
    // first the newer one dies, then the older one
    let mut pair = mixed(2);
    pair.power_cut(1);
    pair.wait_active(2);
    pair.boot(1);
    pair.start(1);
    pair.wait_settled(2);
    // once DRBD has compared both copies
    pair.wait("node 1 is able", |pair| {
        pair.node(2).ovzha("status").out.contains(", able to run it")
    });
    pair.power_cut(2);
    pair.wait_active(1);
    pair.boot(2);
    pair.start(2);
    pair.wait_settled(1);
    check_quiet(&pair);
    pair.finish();
}

#[test]
fn an_upgrade_in_place_of_one_node_after_the_other_bounces_nothing() {
    let mut pair = Pair::of(&Files::quick(), &[previous(), previous()]).started();
    let (begin, before) = (now(), tenure(&pair, 1));
    pair.check(before > 0, "the first release has no tenure");
    let daemons = [1, 2].map(|number| pair.daemon(number).pid());
    // the active one, then the other
    for number in [1, 2] {
        replace(&pair, number, &ovzha());
        pair.wait_settled(1);
        pair.stays("node 1 active", Duration::from_secs(4), |pair| pair.is_active(1));
    }
    pair.wait_log(1, "found running");
    pair.check_untouched(begin);
    let after = [1, 2].map(|number| pair.daemon(number).pid());
    pair.check(daemons == after, "another process");
    pair.check(tenure(&pair, 1) == before, "the tenure is another one");
    for number in [1, 2] {
        pair.check(!pair.log(number).contains(" is dead"), "one took the other for dead");
    }
    pair.wait("the state is adopted", |pair| {
        let owner = pair.node(1).inside("cat /var/lib/ovzha/owner").out;
        owner == "node ovz-node1\npeer ovz-node2\n"
    });
    check_quiet(&pair);
    pair.power_cut(1);
    pair.wait_active(2);
    pair.check(tenure(&pair, 2) > before, "the tenure did not grow");
    pair.finish();
}

#[test]
fn what_the_first_release_left_on_disk_is_read() {
    let mut pair = Pair::of(&Files::quick(), &[previous(), previous()]).started();
    pair.node(1).ovzha("standby").must();
    pair.wait_settled(2);
    let before = tenure(&pair, 2);
    pair.node(2).ovzha("hold two disks are changed").must();
    pair.wait("node 1 knows of the hold", |pair| {
        status(pair, 1).to_string().contains("two disks are changed")
    });
    let begin = now();
    for number in [1, 2] {
        pair.stop(number);
        pair.node(number).install(&ovzha());
    }
    pair.start(1);
    pair.start(2);
    pair.wait("the hold and the tenure are known", |pair| {
        pair.node(1).ovzha("status").out.contains("two disks are changed") && tenure(pair, 2) == before
    });
    pair.check_untouched(begin);
    pair.node(1).ovzha("resume").must();
    pair.wait_settled(2);
    pair.check_untouched(begin);
    pair.node(2).ovzha("standby").must();
    pair.check(tenure(&pair, 1) > before, "the tenure did not grow");
    pair.finish();
}

#[test]
fn a_downgrade_starts_held_and_goes_on_after_resume() {
    let mut pair = Pair::up(&Files::quick());
    let before = tenure(&pair, 1);
    let begin = now();
    pair.stop(2);
    pair.node(2).install(&previous());
    pair.start(2);
    pair.wait_log(2, "the durable state is lost, starting held: of another version");
    pair.wait("both are held", |pair| {
        [1, 2]
            .iter()
            .all(|number| status(pair, *number).to_string().contains("the state on disk was lost"))
    });
    // the active one in place
    replace(&pair, 1, &previous());
    pair.wait("the group is adopted", |pair| pair.log(1).contains("found running"));
    pair.node(2).ovzha("resume").must();
    pair.wait_settled(1);
    pair.stays("node 1 active", Duration::from_secs(4), |pair| pair.is_active(1));
    pair.check_untouched(begin);
    // what it forgot it has learned from the other node
    pair.node(1).ovzha("standby").must();
    pair.wait_settled(2);
    pair.check(tenure(&pair, 2) > before, "the tenure did not grow");
    pair.finish();
}
