//! The reset of this machine by itself: counted on disk before it happens, so that a node that does it twice within an
//! hour starts nothing any more (SAFETY S-41).
//!
//! The count waits for the disk a keepalive at most: a disk that does not answer must not keep a node from resetting
//! itself. An isolated node whose time runs out counts a keepalive ahead; if it stops in time after all, the count is
//! taken back. An hour of one life without a reset forgets it: no time of day is asked.

use crate::cluster::Cluster;
use crate::group::Group;
use crate::id::GroupId;
use crate::time::{Instant, Span};

/// Resets in a row after which a life starts nothing.
pub(crate) const FENCES: u8 = 2;
/// A life this long without one begins a new row.
const FORGET: Span = Span::from_secs(3600);

/// A reset that is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Fence {
    /// The group that is not stopped.
    pub(crate) group: GroupId,
    /// When it happens whether or not it is counted.
    pub(crate) by: Instant,
}

impl Cluster {
    /// The reset that is about to happen is to be on disk when it does.
    pub(crate) fn count_fence(&mut self) {
        if self.counted.is_none() {
            self.durable.fences = self.durable.fences.saturating_add(1);
            self.version = self.version.saturating_add(1);
            self.counted = Some((self.version, false));
        }
    }

    /// The group for which this machine resets itself now.
    pub(crate) fn fence_now(&mut self) -> Option<GroupId> {
        let fence = self.fence?;
        let counted = self.counted.is_some_and(|(version, _)| self.stored >= version);
        if !counted && self.store_failed.is_none() && self.now < fence.by {
            return None;
        }
        self.fence = None;
        self.counted = self.counted.map(|(version, _)| (version, true));
        Some(fence.group)
    }

    /// Row "ping": an isolated node on which something may still run resets itself before the peer's deadtime can end.
    /// A ping answered meanwhile changes nothing, for the peer may be the isolated one now; proof that it hears us does.
    pub(crate) fn overdue(&mut self, now: Instant, id: GroupId) {
        let clear = self.groups.get(usize::from(id.0)).is_none_or(Group::is_clear);
        let Some((_, at)) = self.fence_at.filter(|_| !clear && self.config.last_resort) else {
            return;
        };
        if now >= at.before(self.config.keepalive) {
            self.count_fence();
        }
        if now >= at {
            self.fence = Some(Fence { group: id, by: now });
        }
    }

    /// What was counted and did not happen is taken back; a long life without a reset forgets the earlier ones.
    pub(crate) fn settle_fences(&mut self, now: Instant) {
        let averted = self.fence.is_none() && self.fence_at.is_none();
        if averted && matches!(self.counted, Some((_, false))) {
            self.counted = None;
            self.durable.fences = self.durable.fences.saturating_sub(1);
            self.version = self.version.saturating_add(1);
        }
        let long = now.since(self.started) >= FORGET;
        if long && self.durable.fences > 0 && self.fence.is_none() && self.fence_at.is_none() {
            self.counted = None;
            self.durable.fences = 0;
            self.version = self.version.saturating_add(1);
        }
    }
}
