//! The daemon dies, stands still, is replaced, is asked to read bad files; the resources stay.
use crate::bed::{Files, Pair, now, signal};
use std::fs;
use std::time::Duration;

#[test]
fn kill_9_of_the_actives_daemon_restarted_within_deadtime_adopts_and_nothing_moves() {
    let slow = Files::quick()
        .set("deadtime", "deadtime 8")
        .set("initdead", "initdead 8");
    let mut pair = Pair::up(&slow);
    let killed = now();
    pair.kill_daemon(1);
    pair.start(1);
    pair.wait_log(1, "found running");
    pair.stays("node 1 active", Duration::from_secs(10), |pair| pair.is_active(1));
    pair.check_untouched(killed);
    let status = pair.node(1).ovzha("status");
    pair.check(status.out.contains("ovz-node1 (this node)"), &format!("{status:?}"));
    pair.finish();
}

#[test]
fn kill_9_of_the_actives_daemon_not_restarted_is_a_hold_while_drbd_says_the_peer_is_primary() {
    let mut pair = Pair::up(&Files::quick());
    let killed = now();
    pair.kill_daemon(1);
    pair.wait_log(2, "held back: the peer is DRBD Primary");
    pair.stays("node 1 runs, node 2 doesn't", Duration::from_secs(8), |pair| {
        pair.is_active(1) && !pair.is_active(2)
    });
    let tries = |pair: &Pair| {
        pair.deeds(killed)
            .iter()
            .filter(|e| e.text == "drbd primary refused")
            .count()
    };
    pair.wait("node 2 tries again", |pair| tries(pair) >= 2);
    let status = pair.node(2).ovzha("status");
    pair.check(status.out.contains("the peer is DRBD Primary"), &format!("{status:?}"));
    pair.check(
        !pair.log(2).contains(": failed ("),
        "a refusal counted as a failed start",
    );
    // the daemon comes back: adopted, and node 2 leaves it alone
    let back = now();
    pair.start(1);
    pair.wait("node 2 knows that the peer runs it", |pair| {
        pair.node(2).ovzha("status").out.contains("ovz-node1 (the peer)")
    });
    pair.stays("node 1 runs", Duration::from_secs(4), |pair| {
        pair.is_active(1) && !pair.is_active(2)
    });
    pair.check(pair.when(1, "vz st", back).is_none(), "node 1 bounced it");
    // and once the machine is really off, the takeover follows by itself
    pair.power_cut(1);
    pair.wait_active(2);
    pair.finish();
}

#[test]
fn sigstop_of_the_actives_daemon_past_deadtime_then_sigcont_never_makes_two_actives() {
    let pair = Pair::up(&Files::quick());
    let stopped = now();
    pair.daemon(1).signal("STOP");
    pair.wait_log(2, "held back: the peer is DRBD Primary");
    pair.daemon(1).signal("CONT");
    pair.wait_log(1, "stood still");
    pair.wait("node 2 hears node 1 again", |pair| {
        pair.log(2).contains("ovz-node1 is alive")
    });
    pair.stays("node 1 active, node 2 not", Duration::from_secs(6), |pair| {
        pair.is_active(1) && !pair.is_active(2)
    });
    pair.check(pair.when(1, "vz st", stopped).is_none(), "node 1 bounced it");
    pair.check(pair.when(2, "drbd is primary", stopped).is_none(), "two primaries");
    pair.finish();
}

#[test]
fn sigstop_with_drbd_cut_the_thawed_node_yields_to_the_one_that_took_over() {
    let mut pair = Pair::up(&Files::quick());
    pair.allow_split();
    let stopped = now();
    // first the daemon: what it tells of DRBD's loss is not to arrive
    pair.daemon(1).signal("STOP");
    pair.cut_drbd();
    pair.wait_active(2);
    pair.daemon(1).signal("CONT");
    pair.wait("node 1 yields", |pair| !pair.is_active(1));
    pair.stays("node 2 active, node 1 not", Duration::from_secs(5), |pair| {
        pair.is_active(2) && !pair.is_active(1)
    });
    pair.check_order(1, stopped, &["vz stop begins", "vz stop done", "drbd is secondary"]);
    pair.check(pair.when(2, "vz stop", stopped).is_none(), "both stopped");
    // the two sides meet: a split brain, told on both, ended by a person with the commands that the log names
    pair.heal_drbd();
    for number in [1, 2] {
        pair.wait_log(number, "error: datadisk::r0: DRBD r0 is StandAlone");
    }
    pair.node(1).inside("drbdadm secondary r0").must();
    pair.node(1).inside("drbdadm connect --discard-my-data r0").must();
    pair.node(2).inside("drbdadm connect r0").must();
    for number in [1, 2] {
        pair.wait_log(number, "info: datadisk::r0: DRBD r0 is no longer StandAlone");
    }
    pair.finish();
}

/// S-63.
#[test]
fn a_connection_that_drbd_gave_up_is_told_once_and_again_by_the_next_daemon() {
    let mut pair = Pair::up(&Files::calm());
    let told = |pair: &Pair, text: &str| pair.log(1).matches(text).count();
    pair.node(1).inside("drbdadm disconnect r0").must();
    pair.wait("it is told", |pair| told(pair, "DRBD r0 is StandAlone") == 1);
    // longer than the pause between two looks
    pair.stays("told once", Duration::from_secs(12), |pair| {
        told(pair, "DRBD r0 is StandAlone") == 1
    });
    pair.kill_daemon(1);
    pair.start(1);
    pair.wait("the next daemon tells it", |pair| {
        told(pair, "DRBD r0 is StandAlone") == 2
    });
    pair.node(1).inside("drbdadm connect r0").must();
    pair.wait_log(
        1,
        "info: datadisk::r0: DRBD r0 is no longer StandAlone: connected again",
    );
    pair.check(!pair.log(2).contains("StandAlone"), "node 2 only waits for its peer");
    let rows = pair.log(1).matches("info: protection: ping nodes: ").count();
    pair.check(rows == 2, "each start tells the protection that holds");
    pair.finish();
}

#[test]
fn a_new_key_rolled_out_node_by_node_is_no_interruption() {
    let pair = Pair::up(&Files::calm());
    let begin = now();
    let keys = "1 sha1 PutYourSuperSecretKeyHere\n2 sha256 AnotherAndLongerSecretKey\n";
    for (round, uses) in [(1, "auth 1\n"), (2, "auth 2\n")] {
        for number in [1, 2] {
            fs::write(pair.node(number).ha_d().join("authkeys"), format!("{uses}{keys}")).unwrap();
            pair.daemon(number).signal("HUP");
            pair.wait("the new keys are in use", |pair| {
                pair.log(number).matches("new keys in use").count() == round
            });
        }
    }
    pair.stays("node 1 active", Duration::from_secs(7), |pair| pair.is_active(1));
    pair.check_untouched(begin);
    for number in [1, 2] {
        pair.check(!pair.log(number).contains(" late: nothing"), "a link went silent");
        pair.check(!pair.log(number).contains("SecretKey"), "a key was logged");
    }
    pair.finish();
}

#[test]
fn upgrade_under_load_bounces_nothing() {
    let pair = Pair::up(&Files::quick());
    let mut load: Vec<_> = (0..3)
        .map(|_| pair.node(1).command("while :; do :; done").spawn().unwrap())
        .collect();
    let pid = pair.daemon(1).pid();
    let begin = now();
    for round in 2..=4 {
        upgrade(&pair);
        pair.wait("the new program runs", |pair| {
            pair.log(1).matches(" started on ovz-node1").count() == round
        });
        pair.wait("it has adopted the group", |pair| {
            pair.log(1).matches("found running").count() == round - 1
        });
    }
    pair.stays("node 1 active", Duration::from_secs(5), |pair| pair.is_active(1));
    pair.check(pair.daemon(1).pid() == pid && pair.daemon(1).lives(), "another process");
    pair.wait("the log writers of the former programs are fetched", |_| {
        writers(pid).len() == 1
    });
    pair.check_untouched(begin);
    pair.check(!pair.log(2).contains("ovz-node1 is dead"), "node 2 took it for dead");
    for child in &mut load {
        drop(child.kill());
        drop(child.wait());
    }
    pair.finish();
}

/// Gives node 1 another program, of the same content.
fn upgrade(pair: &Pair) {
    pair.node(1)
        .inside("cp /usr/sbin/ovzha /usr/sbin/ovzha.new && mv /usr/sbin/ovzha.new /usr/sbin/ovzha")
        .must();
    pair.daemon(1).signal("HUP");
}

/// The daemon's children that write its log; those that have ended and were not fetched, too.
fn writers(daemon: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    let is_agent = |child: &u32| {
        let words = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains("\0agent\0")
    };
    children.filter(|child| !is_agent(child)).collect()
}

#[test]
fn log_writers_that_outlive_two_programs_are_fetched() {
    let pair = Pair::up(&Files::quick());
    let daemon = pair.daemon(1).pid();
    let mut stopped = Vec::new();
    for round in 1..=2 {
        // so it does not see that its daemon has gone to another one
        let writer = writers(daemon)
            .into_iter()
            .find(|writer| !stopped.contains(writer))
            .unwrap();
        signal("STOP", writer);
        stopped.push(writer);
        upgrade(&pair);
        pair.wait("the next program has its own", |_| {
            let program = fs::read_link(format!("/proc/{daemon}/exe")).unwrap();
            !program.to_string_lossy().ends_with(" (deleted)") && writers(daemon).len() == round + 1
        });
    }
    for writer in &stopped {
        signal("CONT", *writer);
    }
    pair.wait("both are fetched", |_| writers(daemon).len() == 1);
    pair.check(!stopped.contains(&writers(daemon)[0]), "the wrong ones are gone");
    pair.wait("what they were told is on the disk", |pair| {
        pair.log(1).matches("starting anew in place").count() == 2
    });
    pair.finish();
}

#[test]
fn upgrade_during_a_start_waits_for_the_script_and_starts_nothing_twice() {
    let mut pair = Pair::new(&Files::quick());
    fs::write(pair.dir.shared().join("vz-ovz-node1-start"), "sleep 6\n").unwrap();
    pair.start(1);
    pair.start(2);
    pair.wait("the start is under way", |pair| {
        pair.when(1, "vz start begins", 0).is_some()
    });
    pair.node(1)
        .inside("cp /usr/sbin/ovzha /usr/sbin/ovzha.new && mv /usr/sbin/ovzha.new /usr/sbin/ovzha")
        .must();
    pair.daemon(1).signal("HUP");
    pair.wait("the new program runs", |pair| {
        pair.log(1).matches(" started on ovz-node1").count() == 2
    });
    pair.wait_active(1);
    pair.wait("node 1 calls itself active", |pair| {
        pair.node(1).ovzha("status").out.contains("ovz-node1 (this node)")
    });
    let begun = pair
        .deeds(0)
        .iter()
        .filter(|entry| entry.text.starts_with("vz start begins"))
        .count();
    pair.check(begun == 1, &format!("the script was started {begun} times"));
    pair.check(pair.when(2, "drbd is primary", 0).is_none(), "node 2 took it");
    pair.finish();
}

#[test]
fn hup_with_a_broken_file_is_told_and_the_daemon_keeps_running() {
    let pair = Pair::up(&Files::quick());
    let pid = pair.daemon(1).pid();
    let broken = now();
    let path = pair.node(1).ha_d().join("ha.cf");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{good}deadtime never\n")).unwrap();
    pair.daemon(1).signal("HUP");
    pair.wait_log(1, "the configuration is bad");
    let line = format!("ha.cf:{}", good.lines().count() + 1);
    pair.check(pair.log(1).contains(&line), &format!("{line} is not named"));
    pair.stays("node 1 active", Duration::from_secs(4), |pair| pair.is_active(1));
    pair.check(
        pair.daemon(1).pid() == pid && pair.daemon(1).lives(),
        "the daemon is gone",
    );
    fs::write(&path, good).unwrap();
    pair.daemon(1).signal("HUP");
    pair.wait_log(1, "nothing has changed");
    pair.check_untouched(broken);
    pair.finish();
}
