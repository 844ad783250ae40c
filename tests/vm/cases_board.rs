//! The witness board's release image, in its emulator, on the serial ports of two machines with the real DRBD, its relays in their
//! supplies in place of watchdogs (S-15).
use crate::bed::{Files, IN_PLACE, Link, Pair, say};
use crate::emulated::{golden, status};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What `ovzha status` says of a witness that is heard.
const HEARD: &str = "witness     serial /dev/ttyS1  heard 0.";
const NOT_HEARD: &str = "the witness is not heard";

/// The nodes hear each other through the board, too.
fn files() -> Files {
    Files::usual().fenced().boarded()
}

/// Both up, node 1 active with the board's vote. DRBD asks before it writes on alone.
fn up_with(files: &Files, words: &str) -> Pair {
    let pair = Pair::up_with_board(files, words);
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
        pair.wait_said(number, "ovzha status", HEARD);
    }
    pair.wait_said(1, "ovzha status", "the witness's is ours");
    pair
}

fn up() -> Pair {
    up_with(&files(), IN_PLACE)
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
    let pair = up_with(&files().without_serial_link(), IN_PLACE);
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

/// S-72: both lose their power, start without a word of each other, and a person says of both at the same moment that the data count.
#[test]
fn of_two_that_ask_at_once_one_is_lent_the_vote() {
    let pair = up_with(&files().without_serial_link(), "--relay none --lends-for 10s");
    let starts = |pair: &Pair| {
        [1, 2].map(|number| {
            let log = pair.node(number).must("cat /var/log/ha-log");
            log.matches(": starting (").count()
        })
    };
    let lent = |pair: &Pair| pair.board().log().matches(": lent the vote of").count();
    let before = (starts(&pair), lent(&pair));
    cut_networks(&pair, true);
    for number in [1, 2] {
        pair.node(number).power_cut();
    }
    for number in [1, 2] {
        pair.node(number).start();
    }
    for number in [1, 2] {
        pair.node(number).wait_boot(1);
        pair.wait_said(number, "ovzha status", HEARD);
        let unproved = "nothing shows that this copy of the data is the newest";
        pair.wait_said(number, "ovzha status", unproved);
    }
    assert_eq!(starts(&pair), before.0, "{}", pair.report());
    std::thread::scope(|scope| {
        for number in [1, 2] {
            let node = pair.node(number);
            scope.spawn(|| node.must("ovzha confirm-data 0 --yes"));
        }
    });
    pair.wait("one of them starts", |pair| starts(pair) != before.0);
    let begun = starts(&pair);
    let active = if begun[0] > before.0[0] { 1 } else { 2 };
    pair.wait_active(active);
    let end = Instant::now() + Duration::from_secs(25);
    while Instant::now() < end {
        assert_eq!(starts(&pair), begun, "{}", pair.report());
        sleep(Duration::from_millis(500));
    }
    pair.wait_said(3 - active, "ovzha status", "the peer has the witness's");
    assert_eq!(lent(&pair), before.1 + 1, "{}", pair.board().log());
    pair.check_nothing_lost(active);
    pair.finish();
}

/// The relay takes node 1's power behind the time of a vote, and node 2 begins only then.
fn is_cut_then_taken_over_from(pair: &Pair, froze: Instant) {
    pair.wait("the cut", |pair| {
        let begins = told(pair, 2, ": starting (");
        let cut = !pair.board().switched().is_empty();
        // the order of the two questions is that of a node that begins too early
        assert!(cut || !begins, "node 2 starts\n{}", pair.report());
        cut
    });
    let cut = pair.board().switched()[0];
    assert!(cut.cut && cut.node == 1, "{cut:?}");
    let silence = cut.at.duration_since(froze);
    assert!(silence >= Duration::from_secs(9), "{silence:?}\n{}", pair.report());
    pair.wait("node 2 active", |pair| pair.is_active(2));
    let (cut, active) = (silence.as_millis(), froze.elapsed().as_millis());
    say(&format!("board: cut_after_ms={cut} active_after_ms={active}"));
    pair.wait_active(2);
}

/// The relay gives the power back, and node 1 is the standby: what ran there when it was cut is gone.
fn comes_back(pair: Pair) {
    pair.wait("the power comes back", |pair| pair.board().switched().len() == 2);
    let [cut, back] = pair.board().switched()[..] else {
        panic!("{}", pair.report())
    };
    let off = back.at.duration_since(cut.at);
    assert!(!back.cut && off >= Duration::from_millis(4_500), "{off:?}");
    pair.wait("node 1 is switched on", |pair| pair.node(1).lives() == 2);
    pair.node(1).wait_boot(1);
    pair.wait_said(1, "drbdadm dstate r0", "UpToDate/UpToDate");
    pair.wait_said(1, "ovzha status", "ovz-node2 alive");
    assert!(pair.is_active(2) && !pair.is_active(1), "{}", pair.report());
    assert_eq!(pair.board().switched().len(), 2, "once\n{}", pair.report());
    pair.check_nothing_lost(2);
    let log = pair.board().log();
    // when a node is heard, and is told to have old data, is a matter of moments
    let moving = |line: &&str| {
        [": heard", ": silent", ": copy of"]
            .iter()
            .any(|word| line.contains(word))
    };
    let of_the_cut: Vec<&str> = log
        .lines()
        .filter(|line| !moving(line) || line.contains(": cut"))
        .collect();
    golden("vm", &of_the_cut.join("\n"));
    pair.finish();
}

/// F3, for which no other row has a promise. A thaw within the time changes nothing.
#[test]
fn the_paused_active_is_cut_before_the_other_one_starts() {
    let pair = up();
    pair.node(1).pause();
    sleep(Duration::from_secs(5));
    pair.node(1).go_on();
    container_writes_on(&pair, 1);
    assert!(pair.board().switched().is_empty(), "{}", pair.report());
    pair.node(1).pause();
    is_cut_then_taken_over_from(&pair, Instant::now());
    comes_back(pair);
}

/// F1.
#[test]
fn an_active_whose_daemon_stands_still_is_cut_before_the_other_one_starts() {
    let pair = up();
    pair.node(1).freeze_daemon();
    is_cut_then_taken_over_from(&pair, Instant::now());
    comes_back(pair);
}

/// S-73, and the board takes its power as well.
#[test]
fn an_active_that_is_cut_off_from_everything_loses_its_power_before_the_other_one_starts() {
    let pair = up();
    let began = Instant::now();
    cut_networks(&pair, true);
    pair.board().cut_cable(1, true);
    is_cut_then_taken_over_from(&pair, began);
    cut_networks(&pair, false);
    pair.board().cut_cable(1, false);
    comes_back(pair);
}

/// S-78: the service goes on without the board, and one more failure stops it.
#[test]
fn with_the_board_dead_the_service_goes_on_and_nobody_takes_over() {
    let pair = up();
    pair.board().dies();
    for number in [1, 2] {
        pair.wait_said(number, "cat /var/log/ha-log", NOT_HEARD);
        pair.wait_said(number, "cat /var/log/ha-log", "link serial /dev/ttyS1 dead");
    }
    node_2_stays_idle(&pair, 15);
    assert!(pair.is_active(1), "{}", pair.report());
    container_writes_on(&pair, 1);
    pair.check_nothing_lost(1);
    pair.node(1).power_cut();
    node_2_stays_idle(&pair, 25);
    pair.finish();
}

/// S-76.
#[test]
fn a_board_that_starts_anew_stops_nothing_and_lends_to_nobody_for_the_longest_time() {
    const LONGEST: Duration = Duration::from_secs(20);
    let pair = up_with(&files(), "--relay in-place --off-for 5s --lends-for 20s");
    pair.board().restart();
    pair.wait("the board has started anew", |pair| {
        pair.board().log().contains("start 3 after power, provisioned true")
    });
    node_2_stays_idle(&pair, 15);
    assert!(pair.is_active(1), "{}", pair.report());
    container_writes_on(&pair, 1);
    let began = Instant::now();
    pair.board().restart();
    pair.node(1).power_cut();
    node_2_stays_idle(&pair, LONGEST.as_secs() - 1);
    pair.wait("node 2 starts", |pair| told(pair, 2, ": starting ("));
    let took = began.elapsed();
    assert!(took >= LONGEST, "{took:?}\n{}", pair.report());
    pair.wait_active(2);
    // it was seen without power, and need not be cut
    assert!(pair.board().switched().is_empty(), "{}", pair.report());
    pair.check_nothing_lost(2);
    pair.finish();
}

#[test]
fn one_cable_cut_is_told_and_moves_nothing() {
    let pair = up();
    for cut in [2, 1] {
        pair.board().cut_cable(cut, true);
        pair.wait_said(cut, "cat /var/log/ha-log", NOT_HEARD);
        node_2_stays_idle(&pair, 15);
        assert!(pair.is_active(1), "{}", pair.report());
        pair.board().cut_cable(cut, false);
        pair.wait_said(cut, "ovzha status", HEARD);
    }
    nothing_moved(pair);
}

/// S-79: a machine that still has power is not dead, so nobody starts; thawed, it goes on where it was.
#[test]
fn a_relay_that_is_stuck_is_told_and_nobody_starts() {
    let pair = up();
    pair.board().relays_are_stuck();
    pair.node(1).pause();
    pair.wait("the board tells that it is stuck", |pair| {
        pair.board()
            .log()
            .contains("node 0: still has power: the relay is stuck")
    });
    node_2_stays_idle(&pair, 20);
    pair.wait_said(2, "ovzha status", "neither the witness nor the peer lends its vote");
    assert_eq!(pair.board().switched().len(), 2, "tried once\n{}", pair.report());
    assert_eq!(pair.node(1).lives(), 1);
    pair.node(1).go_on();
    pair.wait_said(2, "ovzha status", "ovz-node1 alive");
    container_writes_on(&pair, 1);
    pair.wait_said(2, "drbdadm dstate r0", "UpToDate/UpToDate");
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

/// S-84: the active is dead, which the board can neither bring about nor see: that is told, and a person says it.
#[test]
fn a_person_says_what_a_stuck_relay_and_a_blind_input_do_not() {
    let pair = up();
    pair.board().relays_are_stuck();
    pair.board().inputs_are_blind();
    pair.node(1).power_cut();
    let told = "held back: neither the witness nor the peer lends its vote";
    pair.wait_said(2, "cat /var/log/ha-log", told);
    node_2_stays_idle(&pair, 5);
    pair.node(2).must("ovzha confirm-fenced ovz-node1 --yes");
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    let log = pair.board().log();
    assert!(log.contains("node 0: no power, a person said so"), "{log}");
    pair.finish();
}

#[test]
fn noise_on_a_line_costs_frames_and_moves_nothing() {
    let pair = up();
    let mut line = pair.board().line(2);
    let before = status(&mut line).lines[1].noise;
    let mut dice = 12_345_u32;
    for _ in 0..400 {
        for _ in 0..4 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            line.write_all(&dice.to_be_bytes()[..1]).unwrap();
        }
        sleep(Duration::from_millis(50));
    }
    let noise = status(&mut line).lines[1].noise - before;
    assert!(noise > 20, "{noise} damaged");
    pair.wait_said(2, "ovzha status", HEARD);
    nothing_moved(pair);
}

/// It passes the nodes' words on, which have each other's votes; it believes neither.
#[test]
fn a_board_with_another_key_lends_nothing() {
    let pair = Pair::new(&files());
    pair.boot("drbd");
    let other = "mkdir -m 700 /run/other; cp /etc/ha.d/ha.cf /etc/ha.d/haresources /run/other; umask 077; \
        printf 'auth 1\n1 sha1 AnotherKey\n' >/run/other/authkeys";
    pair.node(1).must(other);
    pair.provision(&format!("{IN_PLACE} --config-dir /run/other"));
    pair.wait_said(1, "ovzha status", "ovz-node2 alive");
    for number in [1, 2] {
        pair.wait_said(number, "cat /var/log/ha-log", "link serial /dev/ttyS1 up");
        pair.wait_said(number, "cat /var/log/ha-log", NOT_HEARD);
    }
    pair.check_nothing_lost(1);
    pair.node(1).power_cut();
    node_2_stays_idle(&pair, 25);
    assert!(pair.board().switched().is_empty(), "{}", pair.report());
    pair.finish();
}
