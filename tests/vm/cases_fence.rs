//! `stonith_host` with a fence agent: two machines with the real DRBD, and a switch in their supplies that the agent in each of them
//! speaks to (S-13).
use crate::bed::{Files, Link, Pair, say};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Both up, node 1 active. DRBD asks before it writes on alone.
fn up() -> Pair {
    let pair = Pair::up(&Files::usual().fenced().shooting());
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
    }
    pair
}

fn told(pair: &Pair, number: u8, text: &str) -> bool {
    pair.node(number).must("cat /var/log/ha-log").contains(text)
}

/// S-80, S-81: F3, for which a pair that only listens has no promise. A pause that ends within the `deadtime` changes nothing.
#[test]
fn the_paused_active_is_shot_before_the_other_one_starts() {
    let pair = up();
    pair.node(1).pause();
    sleep(Duration::from_secs(3));
    pair.node(1).go_on();
    pair.wait_said(2, "ovzha status", "ovz-node1 alive");
    assert!(pair.power().taken().is_empty(), "{}", pair.report());
    pair.node(1).pause();
    let froze = Instant::now();
    pair.wait("the shot", |pair| {
        let begins = told(pair, 2, ": starting (");
        let shot = !pair.power().taken().is_empty();
        // the order of the two questions is that of a node that begins too early
        assert!(shot || !begins, "node 2 starts\n{}", pair.report());
        shot
    });
    let shot = pair.power().taken()[0];
    let silence = shot.at.duration_since(froze);
    assert!(shot.node == 1 && silence >= Duration::from_secs(5), "{silence:?}");
    pair.wait("node 2 active", |pair| pair.is_active(2));
    let (cut, active) = (silence.as_millis(), froze.elapsed().as_millis());
    say(&format!("fence: cut_after_ms={cut} active_after_ms={active}"));
    pair.wait_active(2);
    assert!(told(&pair, 2, "ovz-node1 has no power"), "{}", pair.report());
    pair.node(1).start();
    pair.node(1).wait_boot(1);
    pair.wait_said(1, "drbdadm dstate r0", "UpToDate/UpToDate");
    pair.wait_said(1, "ovzha status", "ovz-node2 alive");
    assert!(pair.is_active(2) && !pair.is_active(1), "{}", pair.report());
    assert_eq!(pair.power().taken().len(), 1, "once\n{}", pair.report());
    pair.check_nothing_lost(2);
    pair.finish();
}

/// S-82, S-85: both live, and each has an agent. Who runs the group shoots first; DRBD lets it write on behind that.
#[test]
fn all_links_cut_the_active_shoots_the_other_one_and_goes_on() {
    let pair = up();
    for link in [Link::Eth0, Link::Eth1, Link::Serial] {
        for from in [1, 2] {
            pair.cut(link, from, true);
        }
    }
    pair.wait("the shot", |pair| !pair.power().taken().is_empty());
    assert_eq!(pair.power().taken()[0].node, 2, "{}", pair.report());
    let before = pair.node(1).acknowledged().len();
    pair.wait("node 1's container writes on", |pair| {
        pair.node(1).acknowledged().len() > before + 10
    });
    // longer than a second shot would take
    sleep(Duration::from_secs(15));
    assert_eq!(pair.power().taken().len(), 1, "{}", pair.report());
    assert!(pair.is_active(1), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

/// S-80, S-84: what was not seen off is taken over from by nobody, until a person says so.
#[test]
fn while_the_switch_does_not_answer_a_person_must_say_that_a_node_is_off() {
    let pair = up();
    pair.power().mute(true);
    pair.node(1).power_cut();
    pair.wait("the shot fails", |pair| {
        told(pair, 2, "could not be cut, or not be seen off")
    });
    sleep(Duration::from_secs(10));
    assert!(!told(&pair, 2, ": starting ("), "node 2 starts\n{}", pair.report());
    pair.node(2).must("ovzha confirm-fenced --yes ovz-node1");
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    pair.finish();
}
