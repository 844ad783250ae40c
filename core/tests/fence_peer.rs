//! What DRBD's handler is told of a group that this node does not run.

#[cfg(test)]
mod lone;

use lone::{MIRRORED, Node};
use ovzha_core::data::Seen;
use ovzha_core::event::Command;
use ovzha_core::id::GroupId;
use ovzha_core::message::{Connection, Disk, Drbd};
use ovzha_core::output::{Answer, Refusal};

const PLAIN: GroupId = GroupId(1);

fn ask(node: &mut Node, group: GroupId) -> Option<Answer> {
    node.ask(Command::FencePeer { group })
}

/// SAFETY S-62: "it is 1 at once for a group that this node neither runs nor starts", and what is written there is no word of
/// ours: the other node's copy does not become old by it.
#[test]
fn a_handler_of_a_group_that_is_idle_is_refused_and_makes_it_ahead_of_nothing() {
    let mut node = Node::new();
    node.shows(Seen {
        drbd: Drbd {
            connection: Connection::Connected,
            disk: Disk::UpToDate,
            ..Drbd::default()
        },
        ..Seen::default()
    });
    assert_eq!(ask(&mut node, MIRRORED), Some(Answer::Refused(Refusal::NothingActive)));
    let (shown, _) = node.cluster.snapshot().groups[0].drbd.unwrap();
    assert!(!shown.ahead);
}

#[test]
fn a_group_without_drbd_has_no_handler() {
    let mut node = Node::new();
    assert_eq!(ask(&mut node, PLAIN), Some(Answer::Refused(Refusal::NoMirror)));
    assert_eq!(ask(&mut node, GroupId(2)), Some(Answer::Refused(Refusal::NoSuchGroup)));
}
