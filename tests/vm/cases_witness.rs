//! A third vote: two machines with the real DRBD, and a real `ovzha witness` on the host that runs them.
//!
//! The links between the nodes and the way to the witness can be cut apart.
use crate::bed::{Files, Link, Pair, Third};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LINKS: [Link; 3] = [Link::Eth0, Link::Eth1, Link::Serial];

/// Both up with a watchdog and the witness, node 1 active. DRBD asks before it writes on alone.
fn up() -> (Pair, Third) {
    let files = Files::usual().fenced().watched().witnessed();
    let pair = Pair::up(&files);
    let third = Third::start(&pair);
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
        pair.wait_said(number, "ovzha status", "  heard 0.");
    }
    pair.wait_said(1, "ovzha status", "the witness's is ours");
    (pair, third)
}

fn cut_links(pair: &Pair, cut: bool) {
    for link in LINKS {
        for from in [1, 2] {
            pair.cut(link, from, cut);
        }
    }
}

/// For so many seconds node 2 does not begin anything.
fn node_2_stays_idle(pair: &Pair, seconds: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let log = pair.node(2).must("cat /var/log/ha-log");
        assert!(!log.contains(": starting ("), "node 2 starts\n{}", pair.report());
        sleep(Duration::from_millis(500));
    }
}

/// S-14: the links say nothing of which node lives; the witness hears both.
#[test]
fn all_links_cut_the_active_goes_on_and_the_other_one_starts_nothing() {
    let (pair, third) = up();
    cut_links(&pair, true);
    node_2_stays_idle(&pair, 25);
    assert!(pair.is_active(1), "{}\n{}", pair.report(), third.log());
    // the witness knows whose copy is old, so the handler was answered and the container writes on
    let before = pair.node(1).acknowledged().len();
    pair.wait("node 1's container writes on", |pair| {
        pair.node(1).acknowledged().len() > before + 10
    });
    assert!(third.log().contains("ovz-node2: its copy of group"), "{}", third.log());
    cut_links(&pair, false);
    pair.wait_said(2, "drbdadm dstate r0", "UpToDate/UpToDate");
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

/// S-73: the active is cut off from the other node and from the witness.
#[test]
fn an_active_that_is_cut_off_from_everything_ends_before_the_other_one_starts() {
    let (pair, third) = up();
    cut_links(&pair, true);
    pair.node(1).link(2, false);
    let began = Instant::now();
    pair.wait("node 2 starts", |pair| {
        pair.node(2).must("cat /var/log/ha-log").contains(": starting (")
    });
    let took = began.elapsed();
    // it was reset, or had stopped, before that
    let ended = pair.node(1).boots() > 1 || !pair.is_active(1);
    assert!(ended, "node 1 runs on\n{}\n{}", pair.report(), third.log());
    assert!(took >= Duration::from_secs(8), "{took:?}");
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    cut_links(&pair, false);
    pair.node(1).power_cut();
    pair.finish();
}

/// S-77: the node whose copy is old was cut off when it became so, and the witness was started again since.
#[test]
fn a_restarted_witness_still_knows_whose_copy_is_old() {
    let (pair, mut third) = up();
    cut_links(&pair, true);
    pair.wait("the witness knows", |_| {
        third.log().contains("ovz-node2: its copy of group")
    });
    let before = pair.node(1).acknowledged().len();
    pair.wait("node 1's container writes on", |pair| {
        pair.node(1).acknowledged().len() > before + 10
    });
    third.restart();
    pair.node(1).power_cut();
    node_2_stays_idle(&pair, 30);
    let said = pair.node(2).must("ovzha status");
    assert!(said.contains("heard 0."), "the witness is heard\n{said}");
    // with node 1 back its data are there, and whoever runs them has lost none
    cut_links(&pair, false);
    pair.node(1).set_words("drbd wdt ovzha");
    pair.node(1).start();
    pair.node(1).wait_boot(1);
    pair.wait_active(1);
    pair.check_nothing_lost(1);
    pair.finish();
}

/// S-78: the service goes on without the witness, and one more failure stops it.
#[test]
fn without_the_witness_nobody_takes_over() {
    let (pair, third) = up();
    third.signal("STOP");
    for number in [1, 2] {
        pair.wait_said(number, "cat /var/log/ha-log", "the witness is not heard");
    }
    assert!(pair.is_active(1), "{}", pair.report());
    pair.node(1).power_cut();
    node_2_stays_idle(&pair, 20);
    third.signal("CONT");
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    pair.finish();
}
