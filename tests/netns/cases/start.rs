//! Who starts, and when.
use crate::bed::{Files, Pair, now};

#[test]
fn cold_start_of_both_with_the_articles_files_starts_the_preferred_node_once() {
    let mut pair = Pair::new(&Files::article());
    for number in [1, 2] {
        let check = pair.node(number).ovzha("check --config-dir /etc/ha.d");
        pair.check(matches!(check.code, Some(0 | 3)), &format!("check: {check:?}"));
    }
    let begin = now();
    pair.start(1);
    pair.start(2);
    pair.wait_active(1);
    let took = pair.when(1, "drbd primary asked", begin).unwrap() - begin;
    pair.check(took < 20_000, &format!("the start began only after {took} ms"));
    let order = [
        "drbd primary asked",
        "drbd is primary",
        "vz start begins, mounted",
        "vz start done",
    ];
    pair.check_order(1, begin, &order);
    pair.wait("the mail is sent", |pair| {
        pair.node(1).mails().contains("To: youremail@yourdomain.tld")
    });
    pair.wait_settled(1);
    let starts = pair
        .diary()
        .iter()
        .filter(|entry| entry.text.starts_with("vz start begins"))
        .count();
    pair.check(starts == 1, &format!("{starts} starts"));
    pair.finish();
}

#[test]
fn cold_start_of_one_alone_is_active_after_initdead() {
    let mut pair = Pair::new(&Files::quick());
    let begin = now();
    pair.start(2);
    pair.wait_active(2);
    let waited = pair.when(2, "drbd primary asked", begin).unwrap() - begin;
    pair.check(
        waited >= 3_900,
        &format!("initdead is 4 s, the start began after {waited} ms"),
    );
    // the other machine is on, and its half of DRBD connected: that is believed after 15 s without its daemon's word
    pair.check(
        waited < 40_000,
        &format!("initdead is 4 s, the start began only after {waited} ms"),
    );
    pair.finish();
}

#[test]
fn power_cut_of_the_active_starts_the_other() {
    let mut pair = Pair::up(&Files::quick());
    let cut = now();
    pair.power_cut(1);
    pair.wait_active(2);
    let waited = pair.when(2, "drbd primary asked", cut).unwrap() - cut;
    pair.check(
        waited >= 1_600,
        &format!("deadtime is 2 s, takeover began after {waited} ms"),
    );
    let order = [
        "drbd primary asked",
        "drbd is primary",
        "vz start begins, mounted",
        "vz start done",
    ];
    pair.check_order(2, cut, &order);
    pair.wait_log(2, "start MailTo::youremail@yourdomain.tld: done");
    let log = pair.log(2);
    let steps = [
        "is dead: nothing on any link",
        "start datadisk::r0: done",
        "start Filesystem::",
        "start vz: done",
    ];
    let places: Vec<Option<usize>> = steps.map(|step| log.find(step)).to_vec();
    pair.check(
        places.is_sorted() && !places.contains(&None),
        &format!("{steps:?} stand at {places:?}"),
    );
    // auto_failback off: the old active comes back as standby
    let back = now();
    pair.boot(1);
    pair.start(1);
    pair.wait("node 1 is heard again", |pair| {
        pair.log(2).contains("ovz-node1 is alive")
    });
    pair.stays("node 2 active", std::time::Duration::from_secs(4), |pair| {
        pair.is_active(2)
    });
    pair.check_untouched(back);
    pair.finish();
}

#[test]
fn auto_failback_on_gives_the_group_back() {
    let mut pair = Pair::up(&Files::quick().set("auto_failback", "auto_failback on"));
    pair.power_cut(1);
    pair.wait_active(2);
    pair.boot(1);
    let back = now();
    pair.start(1);
    pair.wait_active(1);
    pair.check_order(2, back, &["vz stop begins", "drbd is secondary"]);
    pair.finish();
}

#[test]
fn wrong_key_at_a_lone_start_is_a_hold_told_once() {
    let mut pair = Pair::new(&Files::quick().key(2, "AnotherKey"));
    let begin = now();
    pair.start(1);
    pair.start(2);
    for number in [1, 2] {
        pair.wait_log(number, "held back: the peer speaks with another key");
    }
    pair.stays("nobody active", std::time::Duration::from_secs(8), |pair| {
        !pair.is_active(1) && !pair.is_active(2)
    });
    pair.check_untouched(begin);
    for number in [1, 2] {
        let told = pair.log(number).matches("carry a key that is not in authkeys").count();
        pair.check(told == 1, &format!("told {told} times on node {number}"));
        let status = pair.node(number).ovzha("status");
        pair.check(
            status.out.contains("the peer speaks with another key"),
            &format!("{status:?}"),
        );
    }
    pair.finish();
}
