//! Resets of a node by itself are counted on its disk: after two within an hour it starts nothing (SAFETY S-41).
use crate::bed::{Files, Pair, now};
use std::fs;
use std::time::Duration;

/// Node 1 is active and asked to give the group up; its stop fails, so it resets itself and node 2 takes over.
fn reset(pair: &mut Pair) {
    let said = pair.node(1).ovzha("standby --no-wait");
    pair.check(said.ok, &format!("{said:?}"));
    pair.wait("node 1 resets itself", |pair| !pair.node(1).is_on());
    pair.power_cut(1);
    pair.wait_active(2);
}

#[test]
fn after_two_resets_within_an_hour_the_third_life_starts_nothing_until_clear() {
    let pair = Pair::new(&Files::quick().ovzha_cf("timeout vz stop 4\n"));
    let hook = pair.dir.shared().join("vz-ovz-node1-stop");
    fs::write(&hook, "exit 1\n").unwrap();
    let mut pair = pair.started();
    reset(&mut pair);

    // the second life is as good as any
    pair.boot(1);
    pair.start(1);
    pair.wait_settled(2);
    pair.wait("node 2 knows that node 1 is able", |pair| {
        pair.node(2).ovzha("status").out.contains(", able to run it")
    });
    pair.node(2).ovzha("standby").must();
    pair.wait_settled(1);
    reset(&mut pair);

    // the third is not, whoever else is there
    pair.boot(1);
    pair.start(1);
    let twice = |pair: &Pair| {
        let status = pair.node(1).ovzha("status").out;
        status.contains("reset itself twice within an hour")
    };
    pair.wait("the status says why", twice);
    pair.wait("node 2 knows that node 1 is not able", |pair| {
        pair.node(2).ovzha("status").out.contains("NOT able to run it")
    });
    let refused = pair.node(2).ovzha("standby");
    pair.check(refused.code == Some(1) && pair.is_active(2), &format!("{refused:?}"));

    // nor are the next ones, of the machine and of the daemon, with nobody else there; initdead is 4 s
    pair.power_cut(1);
    pair.power_cut(2);
    let alone = now();
    pair.boot(1);
    for _ in 0..2 {
        pair.start(1);
        pair.wait("the status says why", twice);
        pair.stays("nobody active", Duration::from_secs(7), |pair| !pair.is_active(1));
        pair.kill_daemon(1);
    }
    pair.check_untouched(alone);
    pair.start(1);
    pair.wait("the status says why", twice);
    pair.node(1).ovzha("clear 0").must();
    // alone, and nothing shows whose data are the newest
    pair.node(1).ovzha("confirm-data 0 --yes").must();
    pair.wait_active(1);
    pair.check(!twice(&pair), "it still says so");
    fs::remove_file(&hook).unwrap();
    pair.finish();
}
