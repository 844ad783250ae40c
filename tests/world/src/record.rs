//! What a reader that words it itself is told: the happenings of the trace, typed, for `ovzha simulate`.

use ovzha_core::bug::Bug;
use ovzha_core::id::GroupId;
use ovzha_core::notice::Notice;
use ovzha_core::output::Answer;

use crate::world::World;

/// One thing that happened on a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happening {
    /// The daemon has a line for its log.
    Notice(Notice),
    /// A client was answered.
    Answered(u32, Answer),
    /// The machine boots.
    Boots,
    /// Its daemon begins a life.
    DaemonUp,
    /// It moves again.
    Thaws,
    /// It resets itself for a group that won't stop.
    Resets(GroupId),
    /// Its watchdog resets it.
    Fires,
    /// The daemon ends in order.
    Exits,
    /// DRBD of a group finds two sides with writes of their own.
    SplitBrain(usize),
    /// DRBD's handler asks for the peer of a group.
    HandlerAsks(usize),
    /// The daemon contradicts itself.
    Bug(Bug),
}

/// A happening with its time in microseconds and its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When.
    pub at: u64,
    /// Where.
    pub node: usize,
    /// What.
    pub what: Happening,
}

/// Happenings since they were last taken; nothing is kept before somebody asks for it.
#[derive(Clone, Debug, Default)]
pub struct Record(Option<Vec<Entry>>);

impl World {
    /// From now on happenings are kept, until [`World::take_record`].
    pub fn keep_record(&mut self) {
        self.record = Record(Some(Vec::new()));
    }

    /// What has happened since the last call.
    pub fn take_record(&mut self) -> Vec<Entry> {
        self.record.0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn record(&mut self, node: usize, what: Happening) {
        let at = self.now;
        if let Some(kept) = &mut self.record.0 {
            kept.push(Entry { at, node, what });
        }
    }
}
