//! The witness board's release image, in its emulator, on the serial ports of two machines with the real DRBD, its relays in their
//! supplies in place of watchdogs (S-15).
use crate::bed::{Files, Link, Pair};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest a vote is lent for, in seconds: the `deadtime`.
const LENDS_FOR: u32 = 10;

fn files() -> Files {
    Files::usual().fenced().boarded()
}

/// Both up, node 1 active with the board's vote. DRBD asks before it writes on alone.
fn up_with(files: &Files, lends_for: u32) -> Pair {
    let pair = Pair::up_with_board(files, lends_for);
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
        pair.wait_said(number, "ovzha status", "  heard 0.");
    }
    pair.wait_said(1, "ovzha status", "the witness's is ours");
    pair
}

/// The node's log has a line with this.
fn told(pair: &Pair, number: u8, text: &str) -> bool {
    pair.node(number).must("cat /var/log/ha-log").contains(text)
}

/// For so many seconds node 2 does not begin anything.
fn node_2_stays_idle(pair: &Pair, seconds: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        assert!(!told(pair, 2, ": starting ("), "node 2 starts\n{}", pair.report());
        sleep(Duration::from_millis(500));
    }
}

fn container_writes_on(pair: &Pair, number: u8) {
    let before = pair.node(number).acknowledged().len();
    pair.wait("the container writes on", |pair| {
        pair.node(number).acknowledged().len() > before + 10
    });
}

/// No relay was ever energised, and node 1 has the group, whole.
fn nothing_moved(pair: Pair) {
    assert!(pair.board().switched().is_empty(), "{}", pair.report());
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

fn cut_networks(pair: &Pair, cut: bool) {
    for link in [Link::Eth0, Link::Eth1] {
        for from in [1, 2] {
            pair.cut(link, from, cut);
        }
    }
}

/// The nodes hear the board and nothing of each other: it has the active's ask, and lends to nobody else.
#[test]
fn all_links_cut_the_active_goes_on_and_the_other_one_starts_nothing() {
    let pair = up_with(&files().without_serial_link(), LENDS_FOR);
    cut_networks(&pair, true);
    node_2_stays_idle(&pair, 25);
    assert!(pair.is_active(1), "{}", pair.report());
    // the board knows whose copy is old, so the handler was answered
    container_writes_on(&pair, 1);
    assert!(pair.board().log().contains("node 1: copy of"), "{}", pair.board().log());
    cut_networks(&pair, false);
    pair.wait_said(2, "drbdadm dstate r0", "UpToDate/UpToDate");
    nothing_moved(pair);
}

/// The relay takes node 1's power behind the time of a vote and before node 2 begins; then it gives it back, and node 1 is the standby.
fn is_cut_then_taken_over_from(pair: Pair, froze: Instant) {
    pair.wait("the cut", |pair| !pair.board().switched().is_empty());
    let cut = pair.board().switched()[0];
    assert!(cut.cut && cut.node == 1, "{cut:?}");
    let silence = cut.at.duration_since(froze);
    assert!(silence >= Duration::from_secs(9), "{silence:?}\n{}", pair.report());
    pair.wait_active(2);
    // what the node that was frozen says for itself would come too late: its life is over
    pair.wait("the power comes back", |pair| pair.board().switched().len() == 2);
    assert!(!pair.board().switched()[1].cut);
    pair.wait("node 1 is up again", |pair| pair.node(1).lives() == 2);
    pair.node(1).wait_boot(1);
    pair.wait_said(1, "drbdadm dstate r0", "UpToDate/UpToDate");
    pair.wait_said(1, "ovzha status", "ovz-node2 alive");
    assert!(pair.is_active(2) && !pair.is_active(1), "{}", pair.report());
    assert_eq!(pair.board().switched().len(), 2, "once\n{}", pair.report());
    pair.check_nothing_lost(2);
    pair.finish();
}

/// F3, for which no other row has a promise. A thaw within the time changes nothing.
#[test]
fn the_paused_active_is_cut_before_the_other_one_starts() {
    let pair = up_with(&files(), LENDS_FOR);
    pair.node(1).pause();
    sleep(Duration::from_secs(5));
    pair.node(1).go_on();
    container_writes_on(&pair, 1);
    assert!(pair.board().switched().is_empty(), "{}", pair.report());
    pair.node(1).pause();
    is_cut_then_taken_over_from(pair, Instant::now());
}

/// F1.
#[test]
fn an_active_whose_daemon_stands_still_is_cut_before_the_other_one_starts() {
    let pair = up_with(&files(), LENDS_FOR);
    pair.node(1).freeze_daemon();
    is_cut_then_taken_over_from(pair, Instant::now());
}
