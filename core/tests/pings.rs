//! What the answers of ping nodes prove, and of which nodes they are taken.

use ovzha_core::pings::Pings;
use ovzha_core::time::{Instant, Span};

const DEADPING: Span = Span::from_secs(10);

#[test]
fn each_ping_node_is_up_by_its_own_answers() {
    let now = Instant::from_millis(50_000);
    let mut pings = Pings::new(2, now);
    pings.reply(1, now);
    assert_eq!(pings.settle(now, DEADPING), Some((1, true)));
    assert_eq!(pings.settle(now, DEADPING), None);
    assert_eq!((pings.is_up(0), pings.is_up(1), pings.alive()), (false, true, 1));
    let later = now.after(DEADPING);
    assert_eq!(pings.settle(later, DEADPING), Some((1, false)));
    assert!(!pings.is_up(1));
}

/// A host that answers for a node that `ha.cf` does not have proves nothing.
#[test]
fn an_answer_of_no_ping_node_of_ours_is_none() {
    let now = Instant::from_millis(50_000);
    let mut pings = Pings::new(2, now);
    pings.reply(2, now);
    assert_eq!(pings.newest(), None);
    assert_eq!(pings.settle(now, DEADPING), None);
    assert_eq!(pings.alive(), 0);
}
