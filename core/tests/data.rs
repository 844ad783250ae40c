//! What an observation of DRBD says of the data, and which one is too old to say it.

#[cfg(test)]
mod lone;

use lone::{MIRRORED, Node};
use ovzha_core::data::Seen;
use ovzha_core::event::{Command, Event};
use ovzha_core::message::{Connection, Disk, Drbd, Phase};
use ovzha_core::time::Span;

/// An observation that was made before the handler was called may come this long after it.
const STALE: Span = Span::from_secs(60);

fn seen(connection: Connection) -> Seen {
    let mirrored = connection == Connection::Connected;
    Seen {
        drbd: Drbd {
            connection,
            disk: Disk::UpToDate,
            ahead: !mirrored,
            ..Drbd::default()
        },
        mirrored,
        current: mirrored,
        proved: true,
    }
}

/// Active, and its mirror is there.
#[cfg(test)]
fn active() -> Node {
    let mut node = Node::new();
    node.tell(Event::Opened {
        link: ovzha_core::id::LinkId(0),
    });
    node.shows(seen(Connection::Connected));
    for _ in 0..25 {
        node.now = node.now.after(Span::from_secs(1));
        node.tell(Event::Tick);
    }
    assert_eq!(node.cluster.snapshot().groups[0].phase, Phase::Active);
    assert!(!is_ahead(&node));
    node
}

#[cfg(test)]
fn is_ahead(node: &Node) -> bool {
    let (drbd, _) = node.cluster.snapshot().groups[0].drbd.unwrap();
    drbd.ahead
}

/// SAFETY S-61, S-62: DRBD calls its handler when the mirror is lost, and what was observed before that may come after it.
#[test]
fn an_observation_from_before_the_handler_was_called_takes_nothing_back() {
    let mut node = active();
    node.ask(Command::FencePeer { group: MIRRORED });
    assert!(is_ahead(&node));
    node.shows(seen(Connection::Connected));
    assert!(is_ahead(&node));
    node.now = node.now.after(STALE.minus(Span::from_millis(1)));
    node.shows(seen(Connection::Connected));
    assert!(is_ahead(&node));
    // the loss was never observed, it came and went
    node.now = node.now.after(Span::from_millis(1));
    node.shows(seen(Connection::Connected));
    assert!(!is_ahead(&node));
}

/// Once the loss was observed, the mirror that is observed later is a new one.
#[test]
fn a_mirror_that_was_seen_lost_is_believed_at_once_when_it_is_back() {
    let mut node = active();
    node.ask(Command::FencePeer { group: MIRRORED });
    node.shows(seen(Connection::Connecting));
    assert!(is_ahead(&node));
    node.shows(seen(Connection::Connected));
    assert!(!is_ahead(&node));
}
