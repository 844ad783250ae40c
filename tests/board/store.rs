//! Its memory: lives counted, records kept, the button, the chip's watchdog.

use ovzha_board_logic::provision::{Hand, Unfit};
use ovzha_board_logic::service::{Cause, Order, Refusal, Reply, Request};

use crate::bed::{Bed, SECRET, provision};
use crate::emulator::{Emulator, Seen};
use crate::node::Times;
use crate::pair::Pair;

/// What the last reset was by, and how long after this moment.
fn last_reset(board: &Emulator, since_us: u64) -> (&str, u64) {
    match board.seen.last() {
        Some(Seen::Reset { at_us, cause }) => (cause, (at_us - since_us) / 1000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn its_lives_are_counted_over_every_kind_of_reset() {
    let mut bed = Bed::bare(Times::USUAL);
    let status = bed.status();
    assert_eq!((status.starts, status.cause), (Some(1), Cause::Power));
    assert!(status.known.is_none(), "nobody told it anything");
    bed.board.restart("pin");
    bed.board.run(20);
    assert_eq!((bed.status().starts, bed.status().cause), (Some(2), Cause::Pin));
    bed.board.fail("hang");
    bed.board.run(1_100);
    assert_eq!((bed.status().starts, bed.status().cause), (Some(3), Cause::Watchdog));
    bed.board.restart("power");
    bed.board.run(20);
    assert_eq!((bed.status().starts, bed.status().cause), (Some(4), Cause::Power));
    assert!(bed.relays().is_empty(), "no reset moves a relay");
}

/// The loop is stopped in two ways from outside; the image is the one that is shipped.
#[test]
fn a_loop_that_stands_still_is_reset_by_the_chips_watchdog_and_no_relay_moves() {
    for how in ["hang", "deaf"] {
        let mut bed = Bed::new(Hand::InPlace, Times::USUAL);
        bed.run(14_000);
        let before = bed.board.us;
        bed.board.fail(how);
        bed.board.run(1_500);
        let (cause, after) = last_reset(&bed.board, before);
        assert_eq!(cause, "watchdog", "{how}");
        assert!((900..=1_010).contains(&after), "{how}: after {after} ms");
        assert!(bed.relays().is_empty(), "{how}");
        bed.run(1_000);
        let status = bed.status();
        assert_eq!(status.cause, Cause::Watchdog);
        assert!(
            status.known.unwrap().opens_ms > 9_000,
            "it has forgotten to whom it lent"
        );
    }
}

#[test]
fn a_panic_is_recorded_and_moves_no_relay() {
    let mut bed = Bed::new(Hand::InPlace, Times::USUAL);
    bed.run(2_000);
    let before = bed.board.us;
    bed.board.fail("panic");
    bed.board.run(50);
    assert_eq!(last_reset(&bed.board, before), ("forced", 0), "at once");
    bed.run(500);
    assert_eq!(bed.status().cause, Cause::Panic);
    assert!(bed.relays().is_empty());
    bed.board.restart("pin");
    bed.run(100);
    assert_eq!(bed.status().cause, Cause::Pin, "it is told once");
}

#[test]
fn a_record_is_kept_and_changed_only_by_who_has_the_key() {
    let mut bed = Bed::new(Hand::InPlace, Times::USUAL);
    let mut other = provision(Hand::Beside, "another secret");
    assert_eq!(
        bed.ask(1, &Request::Provision(other.clone(), None)),
        Reply::Refused(Refusal::Unproved)
    );
    assert_eq!(
        bed.order(0, "another secret", Order::Provision(&other)),
        Reply::Refused(Refusal::Unproved)
    );
    other.longest_ms = 1;
    assert_eq!(
        bed.order(0, SECRET, Order::Provision(&other)),
        Reply::Refused(Refusal::Unfit(Unfit::Longest))
    );
    other.longest_ms = 30_000;
    let first = bed.status();
    assert_eq!(bed.order(0, SECRET, Order::Provision(&other)), Reply::Done);
    bed.run(1_000);
    let second = bed.status();
    assert_eq!(second.cause, Cause::Provisioned);
    let (first, second) = (first.known.unwrap(), second.known.unwrap());
    assert_eq!(second.longest_ms, 30_000);
    assert_ne!(first.fingerprint, second.fingerprint);
    bed.board.restart("power");
    bed.run(200);
    assert_eq!(bed.status().known.unwrap().longest_ms, 30_000);
}

#[test]
fn a_recorded_order_works_once() {
    let mut bed = Bed::new(Hand::Beside, Times::USUAL);
    let status = bed.status();
    let key = crate::node::ring(ovzha_core::auth::Domain::Board, SECRET);
    let proof = ovzha_board_logic::service::prove(&key, Order::Restore(0), status.life, 1).unwrap();
    assert_eq!(bed.ask(0, &Request::Restore(0, proof)), Reply::Done);
    assert_eq!(
        bed.ask(0, &Request::Restore(0, proof)),
        Reply::Refused(Refusal::Unproved)
    );
    bed.board.restart("pin");
    bed.run(100);
    assert_eq!(
        bed.ask(0, &Request::Restore(0, proof)),
        Reply::Refused(Refusal::Unproved),
        "another life"
    );
}

#[test]
fn the_button_wipes_the_record_only_if_it_is_held_from_the_start_on() {
    let mut bed = Bed::new(Hand::InPlace, Times::USUAL);
    let lived = bed.status().starts.unwrap();
    bed.board.button(true);
    bed.board.run(5_000);
    assert!(
        bed.status().known.is_some(),
        "it is running: the button is not looked at"
    );
    bed.board.restart("power");
    bed.board.run(1_500);
    bed.board.button(false);
    bed.board.run(500);
    assert!(bed.status().known.is_some(), "let go too early");
    bed.board.button(true);
    bed.board.restart("power");
    bed.board.run(3_500);
    bed.board.button(false);
    let status = bed.status();
    assert!(status.known.is_none(), "wiped");
    assert_eq!(status.starts, Some(lived + 2), "its lives are counted on");
    assert!(bed.relays().is_empty());
    assert!(bed.board.lines().contains("button held: record wiped true"));
}
