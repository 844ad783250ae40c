//! Moves that somebody asked for.
use crate::bed::{Files, Pair, now};

#[test]
fn orderly_stop_of_the_active_hands_over_at_once() {
    // a deadtime that would show if anybody waited for it
    let slow = Files::quick()
        .set("deadtime", "deadtime 30")
        .set("initdead", "initdead 30");
    let mut pair = Pair::up(&slow);
    let stop = now();
    let code = pair.stop(1);
    pair.check(code == Some(0), &format!("the daemon ended with {code:?}"));
    pair.wait_active(2);
    pair.check_order(1, stop, &["vz stop begins", "vz stop done", "drbd is secondary"]);
    let (given, taken) = (
        pair.when(1, "drbd is secondary", stop),
        pair.when(2, "drbd primary asked", stop),
    );
    pair.check(given <= taken, &format!("given at {given:?}, taken at {taken:?}"));
    let waited = taken.unwrap() - given.unwrap();
    pair.check(
        waited < 10_000,
        &format!("deadtime is 30 s, the other began after {waited} ms"),
    );
    pair.wait_log(2, "ovz-node1 stopped in order");
    pair.finish();
}

#[test]
fn standby_moves_the_group_and_says_so() {
    let pair = Pair::up(&Files::quick());
    let asked = now();
    let said = pair.node(1).ovzha("standby");
    pair.check(
        said.ok && said.out.contains("the other node is active"),
        &format!("{said:?}"),
    );
    pair.check(
        pair.is_active(2) && !pair.is_active(1),
        "node 2 is not active when standby returns",
    );
    pair.check_order(1, asked, &["vz stop begins", "vz stop done", "drbd is secondary"]);
    pair.check(
        pair.when(1, "drbd is secondary", asked) <= pair.when(2, "drbd primary asked", asked),
        "too early",
    );
    let again = pair.node(1).ovzha("standby");
    pair.check(
        again.code == Some(1) && again.text().contains("nothing is active"),
        &format!("{again:?}"),
    );
    pair.finish();
}

#[test]
fn takeover_moves_the_group_and_says_so() {
    let pair = Pair::up(&Files::quick());
    let asked = now();
    let said = pair.node(2).ovzha("takeover");
    pair.check(
        said.ok && said.out.contains("this node is active"),
        &format!("{said:?}"),
    );
    pair.check(
        pair.is_active(2) && !pair.is_active(1),
        "node 2 is not active when takeover returns",
    );
    pair.check_order(1, asked, &["vz stop begins", "vz stop done", "drbd is secondary"]);
    pair.check(
        pair.when(1, "drbd is secondary", asked) <= pair.when(2, "drbd primary asked", asked),
        "too early",
    );
    pair.finish();
}

#[test]
fn standby_and_takeover_are_refused_with_the_reason_while_the_other_is_not_able() {
    let mut pair = Pair::new(&Files::quick());
    pair.node(2).inside("rm /etc/init.d/vz").must();
    pair.start(1);
    pair.start(2);
    pair.wait_settled(1);
    pair.wait("node 1 knows that node 2 is not able", |pair| {
        pair.node(1).ovzha("status").out.contains("NOT able to run it")
    });
    let asked = now();
    let standby = pair.node(1).ovzha("standby");
    let refused = standby.code == Some(1) && standby.text().contains("ovz-node2 can't run it now");
    pair.check(refused, &format!("{standby:?}"));
    let takeover = pair.node(2).ovzha("takeover");
    let refused = takeover.code == Some(1) && takeover.text().contains("this node can't run it");
    pair.check(refused, &format!("{takeover:?}"));
    pair.power_cut(2);
    pair.wait_log(1, "ovz-node2 is dead");
    let alone = pair.node(1).ovzha("standby");
    let refused = alone.code == Some(1) && alone.text().contains("ovz-node2 is not heard");
    pair.check(refused, &format!("{alone:?}"));
    pair.check(pair.is_active(1), "node 1 is not active any more");
    pair.check_untouched(asked);
    pair.finish();
}
