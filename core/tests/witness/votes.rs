//! To whom a vote is lent, and for how long (S-72, S-76).

use ovzha_core::auth::Domain;
use ovzha_core::id::NodeId;
use ovzha_core::message::Ballot;
use ovzha_core::witness::WitnessNotice;

use crate::bed::{Bed, asks, frees, ring, set};

/// S-72.
#[test]
fn a_vote_goes_to_one_node_and_to_the_other_when_its_time_is_over() {
    let mut bed = Bed::open();
    assert_eq!(bed.speaks(0, asks(&[0])).word.votes, set(&[0]));
    let word = bed.speaks(1, asks(&[0, 1])).word;
    assert_eq!(
        (word.votes, word.taken),
        (set(&[1]), set(&[0])),
        "each group has a vote of its own"
    );
    bed.pass(9_999);
    assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]));
    bed.pass(1);
    assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[0]));
    assert_eq!(bed.speaks(0, asks(&[0])).word.taken, set(&[0]));
}

/// S-72: a later frame that frees it brings it back at once; one that says nothing of it does not.
#[test]
fn a_vote_that_is_given_back_is_free() {
    let mut bed = Bed::open();
    bed.speaks(0, asks(&[0, 1]));
    bed.speaks(0, frees(&[1]));
    let word = bed.speaks(1, asks(&[0, 1])).word;
    assert_eq!((word.votes, word.taken), (set(&[1]), set(&[0])));
}

/// S-72: in answer to the newest frame, or not at all.
#[test]
fn what_is_not_asked_for_any_more_is_not_said_to_be_lent() {
    let mut bed = Bed::open();
    bed.speaks(0, asks(&[0]));
    assert_eq!(bed.speaks(0, Ballot::default()).word.votes, set(&[]));
    assert_eq!(bed.speaks(1, asks(&[0])).word.taken, set(&[0]), "and yet it is");
}

/// S-76.
#[test]
fn a_witness_that_has_just_started_lends_to_nobody() {
    let mut bed = Bed::new();
    bed.meets(0);
    let word = bed.speaks(0, asks(&[0])).word;
    assert_eq!((word.votes, word.closed), (set(&[]), set(&[0, 1])));
    bed.pass(19_999);
    assert_eq!(bed.speaks(0, asks(&[0])).word.votes, set(&[]));
    bed.pass(1);
    let word = bed.speaks(0, asks(&[0])).word;
    assert_eq!((word.votes, word.closed), (set(&[0]), set(&[])));
}

/// S-76.
#[test]
fn who_asks_for_longer_than_it_lends_gets_nothing_and_that_is_told_once() {
    let mut bed = Bed::open();
    let long = Ballot {
        term: 201,
        ..asks(&[0])
    };
    for _ in 0..3 {
        assert_eq!(bed.speaks(0, long).word.votes, set(&[]));
    }
    let told = bed
        .notices
        .iter()
        .filter(|it| matches!(it, WitnessNotice::TooLong { .. }));
    assert_eq!(told.count(), 1);
}

/// P-21, P-52: a life that has proved nothing asks in vain, and a recorded frame of it frees nothing.
#[test]
fn a_life_that_proves_nothing_changes_no_vote() {
    let mut bed = Bed::open();
    bed.speaks(0, asks(&[0]));
    let old = bed.frame(0, frees(&[0]), &ring(Domain::Witness));
    bed.speaks(0, asks(&[0]));
    assert_eq!(bed.hears(&old), Some((NodeId(0), false)), "older than the newest");
    bed.lives[0] = (77, 0);
    bed.said[0] = None;
    let unproved = bed.frame(0, frees(&[0]), &ring(Domain::Witness));
    assert_eq!(bed.hears(&unproved), Some((NodeId(0), false)));
    assert_eq!(bed.speaks(1, asks(&[0])).word.taken, set(&[0]));
    // it heard the witness meanwhile: now it is believed, and the old life holds nothing
    bed.speaks(0, frees(&[0]));
    assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[0]));
}

/// P-10: a key of another domain proves nothing here.
#[test]
fn a_frame_between_the_nodes_is_none_for_the_witness() {
    let mut bed = Bed::open();
    let foreign = bed.frame(0, asks(&[0]), &ring(Domain::Node));
    assert_eq!(bed.hears(&foreign), None);
    assert_eq!(bed.hears(b"noise"), None);
}

/// S-78, seen from the other side.
#[test]
fn a_node_that_is_heard_again_is_told_and_one_that_is_not_is_told_once() {
    let mut bed = Bed::open();
    bed.notices.clear();
    bed.pass(25_000);
    bed.pass(25_000);
    assert_eq!(
        bed.notices,
        [WitnessNotice::Silent(NodeId(0)), WitnessNotice::Silent(NodeId(1))]
    );
    bed.notices.clear();
    bed.speaks(1, frees(&[0]));
    let heard = WitnessNotice::Heard {
        node: NodeId(1),
        restarted: false,
    };
    assert_eq!(bed.notices, [heard]);
}
