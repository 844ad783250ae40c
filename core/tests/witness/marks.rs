//! Whose copy is old (S-77).

use ovzha_core::id::{Mark, NodeId};
use ovzha_core::message::Ballot;
use ovzha_core::witness::WitnessNotice;

use crate::bed::{Bed, asks, frees, set};

/// S-77.
#[test]
fn whose_copy_is_old_is_lent_nothing_until_it_is_not_or_a_person_says_so() {
    let mut bed = Bed::open();
    bed.ahead[0] = true;
    assert_eq!(
        bed.speaks(0, frees(&[0])).word.ahead,
        set(&[]),
        "who does not have the vote writes nothing"
    );
    assert_eq!(bed.speaks(0, asks(&[0])).word.ahead, set(&[0]));
    bed.pass(10_000);
    let word = bed.speaks(1, asks(&[0])).word;
    assert_eq!((word.votes, word.marked), (set(&[]), set(&[0])));
    let confirmed = Ballot {
        confirmed: set(&[0]),
        ..asks(&[0])
    };
    assert_eq!(bed.speaks(1, confirmed).word.votes, set(&[0]));
    // the other way: the resync is over
    let mut bed = Bed::open();
    bed.ahead[0] = true;
    bed.speaks(0, asks(&[0]));
    (bed.ahead[0], bed.mirrored[0]) = (false, true);
    bed.speaks(0, frees(&[0]));
    assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[0]));
}

/// S-77: who is ahead writes on only once a restart of the witness can't forget it.
#[test]
fn a_mark_is_answered_once_it_is_kept_and_outlasts_a_restart() {
    let mut bed = Bed::open();
    (bed.ahead[0], bed.writes) = (true, None);
    assert_eq!(
        bed.speaks(0, asks(&[0])).word.ahead,
        set(&[]),
        "its disk has not answered"
    );
    assert_eq!(
        bed.speaks(1, asks(&[0])).word.marked,
        set(&[0]),
        "and yet it is lent nothing"
    );
    bed.disk = bed.witness.marks().collect();
    bed.witness.kept(bed.now, true);
    bed.drain();
    assert_eq!(bed.said[0].unwrap().1.word.ahead, set(&[0]), "told at once");
    bed.restarts();
    let word = bed.speaks(1, asks(&[0, 1])).word;
    assert_eq!((word.votes, word.marked), (set(&[1]), set(&[0])));
}

/// S-77.
#[test]
fn a_disk_that_fails_is_told_once_and_tried_again() {
    let mut bed = Bed::open();
    (bed.ahead[0], bed.writes) = (true, Some(false));
    for _ in 0..25 {
        assert_eq!(bed.speaks(0, asks(&[0])).word.ahead, set(&[]));
        bed.pass(1_000);
    }
    assert_eq!(bed.written, 3, "each ten seconds");
    bed.writes = Some(true);
    bed.pass(10_000);
    assert_eq!(bed.speaks(0, asks(&[0])).word.ahead, set(&[0]));
    let told = |it: &&WitnessNotice| matches!(it, WitnessNotice::Kept(_));
    let told: Vec<_> = bed.notices.iter().filter(told).collect();
    assert_eq!(told, [&WitnessNotice::Kept(false), &WitnessNotice::Kept(true)]);
}

/// S-77: what is over goes from the disk a minute later, so that a mirror that comes and goes writes little.
#[test]
fn a_mark_that_is_over_is_taken_from_the_disk_later() {
    let mut bed = Bed::open();
    for _ in 0..50 {
        (bed.ahead[0], bed.mirrored[0]) = (true, false);
        assert_eq!(bed.speaks(0, asks(&[0])).word.ahead, set(&[0]));
        (bed.ahead[0], bed.mirrored[0]) = (false, true);
        bed.speaks(0, asks(&[0]));
        bed.pass(1_000);
    }
    assert_eq!((bed.written, bed.disk.len()), (1, 1));
    bed.pass(58_999);
    assert_eq!(bed.written, 1);
    bed.pass(1);
    assert_eq!((bed.written, bed.disk.len()), (2, 0));
    bed.pass(600_000);
    assert_eq!(bed.written, 2);
}

/// S-77: a mark of a group that nobody has any more is over once both nodes were heard without it.
#[test]
fn a_mark_of_a_group_that_is_gone_goes_too() {
    let mut bed = Bed::open();
    bed.disk = vec![(Mark([7; 3]), NodeId(1))];
    bed.restarts();
    assert!(bed.witness.seats().all(|seat| seat.marked.is_none()));
    bed.pass(60_000);
    assert_eq!(bed.disk, []);
    bed.speaks(0, asks(&[0]));
    assert_eq!(bed.witness.seats().count(), 2, "and its seat");
}
