//! When a node's power is taken away (S-79, S-84).

use ovzha_core::auth::Domain;
use ovzha_core::id::NodeId;
use ovzha_core::message::Ballot;
use ovzha_core::witness::{Power, Relay, WitnessNotice};

use crate::bed::{Bed, asks, frees, ring, set};

/// S-79: who asks in vain beside one that is not heard gets that one cut; once, and it has its power back after a while.
#[test]
fn a_node_that_is_not_heard_is_cut_once_when_the_other_one_asks() {
    let mut bed = Bed::open_with(Relay::InPlace);
    bed.sees(0, Power::On);
    bed.speaks(0, asks(&[0]));
    for _ in 0..9 {
        bed.pass(1000);
        assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]));
    }
    assert_eq!(bed.switched, []);
    bed.pass(1000);
    bed.speaks(1, asks(&[0]));
    assert_eq!(bed.switched, [(0, false)]);
    // by time alone nothing is lent in place of watchdogs
    assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]));
    bed.sees(0, Power::Off);
    let word = bed.said[1].unwrap().1.word;
    assert!(word.off, "told at once");
    let word = bed.speaks(1, asks(&[0])).word;
    assert_eq!((word.votes, word.off), (set(&[0]), true));
    bed.pass(5000);
    assert_eq!(bed.switched, [(0, false), (0, true)]);
    bed.sees(0, Power::On);
    // it does not come back: no second cut, and what runs there keeps the vote
    bed.pass(20_000);
    let holds = Ballot {
        holds: set(&[0]),
        ..asks(&[0])
    };
    assert_eq!(bed.speaks(1, holds).word.votes, set(&[0]));
    assert_eq!(bed.switched.len(), 2);
}

/// S-84, S-79: in place of watchdogs a person's word is a cut, of a node that is not heard and until it is.
#[test]
fn a_person_who_says_that_a_node_is_off_is_believed_while_it_is_silent() {
    let mut bed = Bed::open_with(Relay::InPlace);
    bed.sees(0, Power::On);
    let holds = Ballot {
        holds: set(&[0]),
        ..asks(&[0])
    };
    assert_eq!(bed.speaks(0, holds).word.votes, set(&[0]));
    let said = Ballot {
        peer_off: true,
        ..asks(&[0])
    };
    for _ in 0..9 {
        bed.pass(1000);
        let word = bed.speaks(1, said).word;
        assert_eq!((word.votes, word.off), (set(&[]), false), "it was heard lately");
    }
    for _ in 0..6 {
        bed.pass(1000);
        bed.speaks(1, asks(&[0]));
    }
    assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]), "time lends nothing");
    let word = bed.speaks(1, said).word;
    assert_eq!((word.votes, word.off), (set(&[0]), true));
    bed.speaks(1, said);
    let told = bed
        .notices
        .iter()
        .filter(|it| **it == WitnessNotice::SaidOff(NodeId(0)));
    assert_eq!(told.count(), 1, "once");
    bed.speaks(1, frees(&[0]));
    // it is there after all: nothing of that word is left
    bed.speaks(0, frees(&[0]));
    let word = bed.speaks(1, asks(&[0])).word;
    assert_eq!((word.votes, word.off), (set(&[]), false));
}

/// S-84: a word from before that node was last heard here says nothing of what it did since.
#[test]
fn a_persons_word_that_does_not_know_when_the_node_was_heard_is_none() {
    let mut bed = Bed::open_with(Relay::InPlace);
    bed.sees(0, Power::On);
    let said = Ballot {
        peer_off: true,
        ..asks(&[0])
    };
    bed.speaks(1, asks(&[0]));
    // composed before the other one was heard, and late
    let late = bed.frame(1, said, &ring(Domain::Witness));
    bed.speaks(0, asks(&[0]));
    bed.pass(30_000);
    bed.hears(&late);
    assert!(!bed.said[1].unwrap().1.word.off);
    assert!(bed.speaks(1, said).word.off, "this one answers to what was said since");
}

/// S-84: power that comes back ends it, heard or not.
#[test]
fn a_persons_word_ends_when_the_input_sees_power_come() {
    let mut bed = Bed::open_with(Relay::InPlace);
    bed.sees(0, Power::Off);
    bed.pass(30_000);
    bed.speaks(1, asks(&[0]));
    let said = Ballot {
        peer_off: true,
        ..asks(&[0])
    };
    assert!(bed.speaks(1, said).word.off);
    bed.sees(0, Power::On);
    assert!(!bed.speaks(1, asks(&[0])).word.off);
}

/// S-79: what is heard is never cut, and never both.
#[test]
fn who_is_heard_is_not_cut() {
    let mut bed = Bed::open_with(Relay::Beside);
    for _ in 0..40 {
        bed.pass(1000);
        bed.speaks(0, asks(&[0]));
        bed.speaks(1, asks(&[0]));
    }
    assert_eq!(bed.switched, []);
    for _ in 0..10 {
        bed.pass(1000);
        bed.speaks(1, asks(&[0]));
    }
    bed.pass(1000);
    bed.speaks(0, asks(&[1]));
    assert_eq!(bed.switched, [(0, false)], "one at a time");
}

/// S-79: what passed without a word of anybody may be the witness's own deafness; who does not speak after it is cut.
#[test]
fn a_silence_of_both_is_no_news_of_one() {
    let mut bed = Bed::open_with(Relay::InPlace);
    for _ in 0..4 {
        bed.pass(1000);
        bed.speaks(0, asks(&[0]));
        bed.speaks(1, asks(&[0]));
    }
    bed.pass(60_000);
    bed.speaks(1, asks(&[0]));
    bed.pass(900);
    bed.speaks(0, asks(&[0]));
    bed.pass(2000);
    bed.speaks(1, asks(&[0]));
    assert_eq!(bed.switched, [], "both are heard again");
    bed.pass(60_000);
    for _ in 0..3 {
        bed.speaks(1, asks(&[0]));
        assert_eq!(bed.switched, []);
        bed.pass(1000);
    }
    bed.speaks(1, asks(&[0]));
    assert_eq!(
        bed.switched,
        [(0, false)],
        "the other one is heard, and this one is not"
    );
}

/// S-79: a relay that is stuck is told, and in place of watchdogs nothing is lent then.
#[test]
fn a_stuck_relay_is_told_and_lends_nothing() {
    let mut bed = Bed::open_with(Relay::InPlace);
    bed.sees(0, Power::On);
    bed.speaks(0, asks(&[0]));
    for _ in 0..30 {
        bed.pass(1000);
        assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]));
    }
    assert!(
        bed.notices.contains(&WitnessNotice::Stuck(NodeId(0))),
        "{:?}",
        bed.notices
    );
    assert_eq!(bed.switched, [(0, false), (0, true)]);
}
