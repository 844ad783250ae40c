//! What the board does for the pair, case by case.

use ovzha_board_logic::provision::Hand;
use ovzha_board_logic::service::{Order, Refusal, Reply, Request};
use ovzha_board_logic::trial::Seen as Felt;
use ovzha_core::auth::Domain;

use crate::bed::{Bed, Cuts, SECRET, provision};
use crate::emulated::golden;
use crate::emulator::Seen;
use crate::node::{Machine, Times};
use crate::pair::Pair;

/// A pair in its usual state: the first node has the group, its cable and the network are whole.
fn settled(hand: Hand, times: Times) -> Bed {
    let mut bed = Bed::new(hand, times);
    bed.until(30_000, "the first node becomes active", |bed| {
        bed.active() == [true, false]
    });
    // the board lends, and both nodes have heard it
    bed.run(15_000);
    assert_eq!(bed.active(), [true, false]);
    bed
}

#[test]
fn without_a_record_it_forwards_and_lends_nothing() {
    let mut bed = Bed::bare(Times::USUAL);
    bed.cuts.network = true;
    bed.until(30_000, "they hear each other through it", |bed| {
        bed.active() == [true, false]
    });
    let status = bed.status();
    assert!(status.lines.iter().all(|line| line.forwarded > 5 && line.words == 0));
    bed.cuts.cables = [true; 2];
    bed.until(15_000, "nobody's vote but its own", |bed| {
        bed.active() == [false, false]
    });
    bed.run(20_000);
    assert_eq!(bed.active(), [false, false]);
}

#[test]
fn with_all_links_between_the_nodes_cut_exactly_one_stays_active() {
    let mut bed = settled(Hand::None, Times::USUAL);
    // both still hear the board, and nothing of each other
    bed.cuts.network = true;
    bed.nodes.iter_mut().for_each(|node| node.deaf_to_peer = true);
    bed.run(60_000);
    assert_eq!(bed.active(), [true, false], "the one that has the board's vote");
    assert_eq!(bed.status().votes.first().map(|vote| vote.node), Some(0));
}

#[test]
fn of_two_that_ask_at_once_and_hear_only_the_board_one_is_lent_the_vote() {
    let mut bed = Bed::new(Hand::None, Times::USUAL);
    bed.cuts.network = true;
    bed.nodes.iter_mut().for_each(|node| node.deaf_to_peer = true);
    // a node that has just started counts its own vote as lent for 240 s (S-75)
    bed.until(260_000, "one of them", |bed| bed.active().contains(&true));
    bed.run(20_000);
    let active = bed.active();
    assert!(active == [true, false] || active == [false, true], "{active:?}");
    assert_eq!(bed.status().votes.len(), 1);
}

#[test]
fn when_the_active_loses_its_power_the_other_one_takes_over_with_the_boards_vote() {
    let mut bed = settled(Hand::None, Times::USUAL);
    bed.mains[0] = false;
    let took = bed.until(20_000, "the takeover", |bed| bed.active() == [false, true]);
    assert!((9_000..13_000).contains(&took), "{took} ms");
}

#[test]
fn with_the_board_dead_the_pair_goes_on_and_one_more_failure_stops_it() {
    let mut bed = settled(Hand::None, Times::USUAL);
    bed.cuts.cables = [true; 2];
    bed.run(60_000);
    assert_eq!(bed.active(), [true, false]);
    bed.mains[0] = false;
    bed.run(40_000);
    assert_eq!(bed.active(), [false, false], "the survivor can't tell death from a cut");
}

#[test]
fn started_in_the_middle_it_lends_to_nobody_for_the_longest_time() {
    let mut bed = settled(Hand::None, Times::USUAL);
    bed.board.restart("power");
    let began = bed.board.us;
    bed.mains[0] = false;
    bed.until(40_000, "the takeover", |bed| bed.active() == [false, true]);
    let took = (bed.board.us - began) / 1000;
    assert!((12_000..16_000).contains(&took), "it lends for 12 s at most: {took} ms");
}

#[test]
fn with_the_actives_cable_cut_nothing_moves() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    bed.cuts.cables[0] = true;
    bed.run(40_000);
    assert_eq!(bed.active(), [true, false]);
    assert!(bed.relays().is_empty(), "nobody asks for what the active has");
}

/// The active asks all the time, for what it has: that is no reason to take the other node's power.
#[test]
fn with_the_standbys_cable_cut_nothing_moves() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    bed.cuts.cables[1] = true;
    for _ in 0..60 {
        bed.run(1_000);
        assert_eq!(bed.active(), [true, false]);
    }
    assert!(bed.relays().is_empty());
    assert_eq!(bed.nodes[1].machine, Machine::Up);
}

/// Nobody was heard for longer than a vote lasts, then one node first: that is no news of the other one.
#[test]
fn with_everything_cut_and_mended_again_no_power_is_taken() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    bed.cuts = Cuts {
        network: true,
        cables: [true; 2],
    };
    bed.run(15_000);
    assert_eq!(bed.active(), [false, false], "each is cut off from everything");
    bed.cuts = Cuts::default();
    bed.until(20_000, "one of them has it again", |bed| bed.active().contains(&true));
    bed.run(5_000);
    assert!(bed.relays().is_empty(), "{}", bed.story());
}

#[test]
fn noise_on_a_line_costs_the_frames_that_it_hits() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    let mut dice = 12_345_u32;
    for _ in 0..400 {
        for _ in 0..4 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = u8::try_from(dice >> 24).unwrap();
            if byte & 1 == 0 {
                bed.board.feed(1, &[byte]);
            } else {
                bed.board.feed_damaged(1, byte);
            }
        }
        bed.run(50);
    }
    assert_eq!(bed.active(), [true, false]);
    assert!(bed.relays().is_empty());
    let status = bed.status();
    assert!(status.lines[1].noise > 50, "{status:?}");
    assert!(status.lines[1].heard_ms.is_some_and(|ms| ms < 5_000), "{status:?}");
    bed.run(3_000);
    assert!(
        bed.status().lines[1].heard_ms.is_some_and(|ms| ms < 1_500),
        "it is heard as before"
    );
}

#[test]
fn a_node_with_another_key_is_forwarded_and_lent_nothing() {
    let mut bed = Bed::bare(Times::USUAL);
    let record = provision(Hand::InPlace, "another secret");
    assert_eq!(bed.ask(0, &Request::Provision(record, None)), Reply::Done);
    bed.run(60_000);
    let status = bed.status();
    assert!(
        status
            .lines
            .iter()
            .all(|line| line.heard_ms.is_none() && line.forwarded > 50)
    );
    assert!(status.votes.is_empty());
    assert!(bed.relays().is_empty());
    assert_eq!(bed.active(), [true, false], "by each other's votes");
}

#[test]
fn cables_that_are_swapped_give_no_vote_and_cut_nobody() {
    let mut bed = Bed::new(Hand::InPlace, Times::USUAL);
    bed.nodes.swap(0, 1);
    bed.run(40_000);
    let status = bed.status();
    assert!(status.lines.iter().all(|line| line.heard_ms.is_none() && line.crossed));
    assert!(bed.relays().is_empty());
}

#[test]
fn a_frozen_active_is_cut_then_taken_over_from_and_its_thaw_is_harmless() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    let froze = bed.board.us;
    bed.nodes[0].freeze();
    bed.until(20_000, "the cut", |bed| !bed.relays().is_empty());
    let (cut_us, node, cut) = bed.relays()[0];
    assert_eq!((node, cut), (0, true));
    let silence = (cut_us - froze) / 1000;
    assert!(
        (9_000..12_500).contains(&silence),
        "only behind the time of a vote: {silence} ms"
    );
    assert!(!bed.active()[1], "not before it is seen without power");
    let took = bed.until(3_000, "the takeover", |bed| bed.active() == [false, true]);
    assert!(took >= 300, "{took} ms: the input must settle");
    bed.nodes[0].thaw();
    bed.until(6_000, "the power comes back", |bed| bed.relays().len() == 2);
    let (restored_us, node, cut) = bed.relays()[1];
    assert_eq!((node, cut), (0, false));
    let off = (restored_us - cut_us) / 1000;
    assert!((3_990..=4_020).contains(&off), "off for {off} ms");
    bed.run(30_000);
    assert_eq!(bed.active(), [false, true], "the thawed one comes back as the standby");
    assert_eq!(bed.nodes[0].machine, Machine::Up);
    assert_eq!(bed.relays().len(), 2, "once");
    golden("board", &bed.board.lines());
}

#[test]
fn a_relay_that_is_stuck_is_told_and_in_place_of_watchdogs_nothing_is_lent() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    bed.stuck = true;
    bed.nodes[0].freeze();
    bed.run(40_000);
    assert_eq!(bed.active(), [false, false], "the frozen one still has power");
    assert_eq!(bed.relays().len(), 2, "tried once: cut and back");
    assert!(
        bed.board.lines().contains("still has power: the relay is stuck"),
        "{}",
        bed.board.lines()
    );
    let status = bed.status();
    assert_eq!(status.lines[0].power, Some(Felt::On));
}

/// S-84, S-79: the frozen one's plug is pulled, which a torn wire can't tell from a node that is merely silent.
#[test]
fn a_persons_word_stands_for_the_cut_that_the_board_could_not_see() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    (bed.stuck, bed.torn[0]) = (true, true);
    bed.run(5_000);
    bed.nodes[0].freeze();
    bed.run(40_000);
    assert_eq!(bed.active(), [false, false], "nothing is lent\n{}", bed.story());
    bed.nodes[0].power(bed.now(), false);
    bed.nodes[0].stays_off();
    let now = bed.now();
    bed.nodes[1].confirm_fenced(now);
    bed.until(5_000, "the takeover", |bed| bed.active() == [false, true]);
    assert!(
        bed.board.lines().contains("node 0: no power, a person said so"),
        "{}",
        bed.board.lines()
    );
}

#[test]
fn beside_watchdogs_a_stuck_relay_leaves_the_vote_to_time() {
    let mut bed = settled(Hand::Beside, Times::USUAL);
    bed.stuck = true;
    bed.nodes[0].freeze();
    // its watchdog resets it when its right ends: the bed takes its power, as a reset does
    bed.run(9_500);
    bed.nodes[0].power(bed.now(), false);
    bed.nodes[0].stays_off();
    bed.until(10_000, "the takeover", |bed| bed.active()[1]);
}

#[test]
fn a_torn_sense_wire_is_found_and_gives_no_vote_away() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    bed.torn[0] = true;
    bed.run(5_000);
    let status = bed.status();
    assert!(status.lines[0].lies, "{status:?}");
    assert_eq!(status.lines[0].power, Some(Felt::Unknown));
    bed.nodes[0].freeze();
    for _ in 0..40 {
        bed.run(1_000);
        assert!(!bed.active()[1], "the cut was not confirmed\n{}", bed.story());
    }
    assert_eq!(bed.relays().len(), 2, "it was cut all the same, once");
    assert_eq!(bed.nodes[0].machine, Machine::Up, "and came back");
}

#[test]
fn both_nodes_dead_to_each_other_never_lose_their_power_together() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    bed.nodes[0].freeze();
    bed.until(20_000, "the cut", |bed| !bed.relays().is_empty());
    bed.run(1_000);
    bed.nodes[1].freeze();
    // the first one comes back, asks, and the second one is cut in its turn
    bed.until(60_000, "the second cut", |bed| {
        bed.relays().iter().any(|(_, node, cut)| *node == 1 && *cut)
    });
    let relays = bed.relays();
    let (_, _, first) = relays[1];
    assert!(!first, "the first has its power back before: {relays:?}");
    bed.until(10_000, "the first takes over", |bed| bed.active() == [true, false]);
}

#[test]
fn a_relay_is_tried_only_at_a_node_that_is_not_heard() {
    let mut bed = settled(Hand::Beside, Times::USUAL);
    assert_eq!(bed.order(0, SECRET, Order::Try(1)), Reply::Refused(Refusal::Heard));
    assert_eq!(bed.order(0, SECRET, Order::Try(2)), Reply::Refused(Refusal::NoNode));
    assert_eq!(bed.order(0, "wrong", Order::Try(1)), Reply::Refused(Refusal::Unproved));
    // both daemons are stopped, and the cables answer
    bed.nodes.iter_mut().for_each(crate::node::Node::freeze);
    bed.run(6_000);
    assert_eq!(bed.order(0, SECRET, Order::Try(1)), Reply::Done);
    assert_eq!(bed.order(0, SECRET, Order::Try(1)), Reply::Refused(Refusal::Busy));
    bed.run(8_000);
    let trial = bed.status().trial.unwrap();
    assert!(trial.done);
    assert_eq!(
        (trial.before, trial.during, trial.after),
        (Felt::On, Felt::Off, Felt::On)
    );
    let relays = bed.relays();
    assert_eq!(relays.len(), 2);
    let off = (relays[1].0 - relays[0].0) / 1000;
    assert!((3_990..=4_020).contains(&off), "{off} ms");
    assert!(matches!(bed.board.seen[0], Seen::Reset { .. }));
}

/// A cut lasts until a person ends it; the first node is active, and has the witness's vote.
fn latched() -> Bed {
    let mut bed = Bed::bare(Times::USUAL);
    let mut record = provision(Hand::InPlace, SECRET);
    record.hold = ovzha_board_logic::relay::Hold::Latch;
    assert_eq!(bed.ask(0, &Request::Provision(record, None)), Reply::Done);
    bed.until(30_000, "the first node becomes active", |bed| {
        bed.active() == [true, false]
    });
    bed.run(15_000);
    bed
}

#[test]
fn a_latched_cut_stays_until_a_person_ends_it() {
    let mut bed = latched();
    bed.nodes[0].freeze();
    bed.until(20_000, "the takeover", |bed| bed.active() == [false, true]);
    bed.run(30_000);
    assert_eq!(bed.relays().len(), 1, "it is still without power");
    assert_eq!(bed.order(1, SECRET, Order::Restore(0)), Reply::Done);
    bed.run(10_000);
    assert_eq!(bed.nodes[0].machine, Machine::Up);
    assert_eq!(bed.active(), [false, true]);
    // the domain of votes gives no orders
    let votes = crate::node::ring(Domain::Witness, SECRET);
    let life = bed.status().life;
    let proof = ovzha_board_logic::service::prove(&votes, Order::Restore(0), life, 99).unwrap();
    assert_eq!(
        bed.ask(1, &Request::Restore(0, proof)),
        Reply::Refused(Refusal::Unproved)
    );
}

/// Its contacts are welded, so the node that was cut goes on; started anew it wants the other one's power taken.
#[test]
fn while_one_relay_is_energised_the_other_one_is_not() {
    let mut bed = latched();
    bed.stuck = true;
    bed.nodes[0].freeze();
    bed.until(20_000, "the cut", |bed| !bed.relays().is_empty());
    bed.run(5_000);
    let now = bed.now();
    bed.nodes[0].power(now, false);
    bed.run(1_000);
    bed.nodes[1].freeze();
    let now = bed.now();
    bed.nodes[0].power(now, true);
    bed.run(60_000);
    assert!(
        bed.board.lines().contains("node 1: not cut, the other one is"),
        "{}",
        bed.story()
    );
    assert_eq!(bed.status().refused, 1);
    assert_eq!(bed.relays().len(), 1, "the first is energised still");
}

/// The board sees that the node has no power, and need not cut it.
#[test]
fn a_node_that_lost_its_power_is_taken_over_from_without_a_cut() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    bed.mains[0] = false;
    let took = bed.until(20_000, "the takeover", |bed| bed.active() == [false, true]);
    assert!(took < 13_000, "{took} ms");
    assert!(bed.relays().is_empty());
}

/// A reset in the middle of a cut gives the power back, as every reset does, and the cut is not forgotten half-way: whoever
/// starts next does so by the rules.
#[test]
fn a_reset_in_the_middle_of_a_cut_gives_the_power_back_and_no_vote_away() {
    let mut bed = settled(Hand::InPlace, Times::USUAL);
    bed.nodes[0].freeze();
    bed.until(20_000, "the cut", |bed| !bed.relays().is_empty());
    bed.run(100);
    bed.board.restart("pin");
    let restarted = bed.board.us;
    bed.run(50);
    let relays = bed.relays();
    assert_eq!(relays.len(), 2);
    assert!(!relays[1].2 && relays[1].0 <= restarted, "{relays:?}");
    assert!(!bed.active()[1], "it was not seen without power for long enough");
    bed.until(60_000, "one of them has it again", |bed| bed.active().contains(&true));
    bed.run(20_000);
}
