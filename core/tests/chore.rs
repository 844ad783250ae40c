//! What DRBD is told beside the steps of a group.

#[cfg(test)]
mod lone;

use lone::{MIRRORED, Node};
use ovzha_core::data::Seen;
use ovzha_core::event::{Command, Event, Outcome};
use ovzha_core::message::{Connection, Disk, Drbd, Phase};
use ovzha_core::output::Answer;

fn phase(node: &Node) -> Option<Phase> {
    node.cluster.snapshot().groups.first().map(|group| group.phase)
}

/// SAFETY S-37: nobody knows what such a child does to the disk, so the group waits for its end like for that of a step.
#[test]
fn a_child_that_cannot_be_killed_makes_the_group_stuck() {
    let mut node = Node::new();
    node.shows(Seen {
        drbd: Drbd {
            connection: Connection::Connecting,
            disk: Disk::Outdated,
            ..Drbd::default()
        },
        ..Seen::default()
    });
    node.outcome = Outcome::Stuck;
    let group = MIRRORED;
    assert_eq!(node.ask(Command::ConfirmData { group }), Some(Answer::Done));
    assert_eq!(phase(&node), Some(Phase::Stuck));
    node.tell(Event::Unstuck { group, resource: 0 });
    assert_eq!(phase(&node), Some(Phase::Idle));
}
