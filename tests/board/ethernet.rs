//! The witness over UDP: the unmodified Ethernet image with a W5500 in the emulator (`w5500.mjs`).

use ovzha_board_logic::service::Cause;
use serde_json::json;

use crate::bed::SECRET;
use crate::lan::{BOARD, Lan, ROUTER, Server};
use crate::pair::Pair;

/// The first node runs the group with the board's vote, and all times are over.
fn settled() -> Lan {
    let mut lan = Lan::new([SECRET; 2]);
    lan.until(30_000, "the first node becomes active", |lan| {
        lan.active() == [true, false]
    });
    lan.run(15_000);
    lan
}

#[test]
#[expect(clippy::print_stdout, reason = "the numbers are read by .ci/board.sh")]
fn a_vote_is_lent_over_ethernet_and_moves_when_its_node_dies() {
    let mut lan = settled();
    assert_eq!([&lan.board.address, &lan.board.router], [BOARD, ROUTER]);
    let before = lan.status().lines.map(|line| line.words);
    lan.split = true;
    lan.run(15_000);
    assert_eq!(lan.active(), [true, false], "it has the vote\n{}", lan.story());
    let status = lan.status();
    assert_eq!(status.votes.iter().map(|vote| vote.node).collect::<Vec<_>>(), [0]);
    let words = status.lines.map(|line| line.words);
    assert_eq!(words, before, "they go over the network");
    let now = lan.now();
    lan.nodes[0].power(now, false);
    lan.until(40_000, "the takeover", |lan| lan.active() == [false, true]);
    assert_eq!(lan.status().votes.iter().map(|vote| vote.node).collect::<Vec<_>>(), [1]);
    let pass_us = lan.status().pass_us;
    println!("board pass-us-eth {pass_us}");
    let [stack, statics, _] = lan.board.stack();
    println!("board ram-eth {}", stack + statics);
}

#[test]
fn a_node_with_another_key_is_not_heard_over_ethernet() {
    let mut lan = Lan::new(["another secret"; 2]);
    lan.run(30_000);
    let status = lan.status();
    assert_eq!(lan.board.address, BOARD);
    assert_eq!(status.lines.map(|line| line.heard_ms), [None, None]);
    assert!(status.votes.is_empty());
    assert_eq!(lan.words, [0, 0], "it answers nobody whom it does not believe");
}

#[test]
fn a_board_that_is_restarted_has_its_address_again_and_lends_when_it_may() {
    let mut lan = settled();
    lan.board.restart("pin");
    lan.until(5_000, "its address", |lan| lan.board.address == BOARD);
    assert!(
        lan.status().known.unwrap().opens_ms > 7_000,
        "it has forgotten to whom it lent"
    );
    assert_eq!(lan.status().cause, Cause::Pin);
    lan.run(20_000);
    assert_eq!(lan.status().votes.iter().map(|vote| vote.node).collect::<Vec<_>>(), [0]);
    lan.split = true;
    lan.run(15_000);
    assert_eq!(lan.active(), [true, false]);
}

/// The chip asks in vain for the dead node's address, and can send nothing meanwhile.
#[test]
fn a_node_that_does_not_answer_costs_the_other_one_few_words() {
    let mut lan = settled();
    lan.unplugged[1] = true;
    lan.run(2_000);
    let before = lan.words[0];
    lan.run(20_000);
    let words = lan.words[0] - before;
    assert!(words >= 16, "{words} words in 20 s, one a second at the least");
    assert_eq!(lan.active(), [true, false]);
}

#[test]
fn without_a_server_the_address_is_given_up_and_is_there_again_with_it() {
    let mut lan = settled();
    lan.server = Server::Silent;
    lan.until(25_000, "its time is over", |lan| lan.board.address == "0.0.0.0");
    assert_eq!(lan.active(), [true, false], "the peer is heard");
    lan.server = Server::Answers;
    lan.until(40_000, "an address", |lan| lan.board.address == BOARD);
    lan.run(3_000);
    let heard = lan.status().lines.map(|line| line.heard_ms.unwrap());
    assert!(heard.iter().all(|ms| *ms < 2_000), "{heard:?}");
}

/// Broadcasts, both: they reach every client.
#[test]
fn answers_to_another_client_cost_the_board_no_address() {
    let mut lan = settled();
    lan.server = Server::AnswersAnother;
    let end = lan.board.us + 60_000_000;
    while lan.board.us < end {
        lan.run(5);
        assert_eq!(lan.board.address, BOARD, "at {} us", lan.board.us);
    }
}

#[test]
fn a_datagram_of_a_wrong_length_costs_itself_only() {
    let mut lan = settled();
    lan.faulty = true;
    lan.until(2_000, "it came", |lan| !lan.faulty);
    lan.run(3_000);
    let heard = lan.status().lines.map(|line| line.heard_ms.unwrap());
    assert!(heard.iter().all(|ms| *ms < 2_000), "{heard:?}");
}

#[test]
fn a_board_whose_w5500_does_not_answer_goes_on_with_its_cables() {
    let mut lan = Lan::bare([SECRET; 2]);
    lan.board.lan = json!({"missing": true});
    lan.board.restart("power");
    let status = lan.status();
    assert_eq!((status.starts, status.cause), (Some(1), Cause::Power));
    lan.run(3_000);
    assert_eq!(lan.board.address, "0.0.0.0");
    assert!(lan.status().up_ms > 3_000);
}
