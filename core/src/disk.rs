//! What follows when DRBD of a group has no local disk any more.
//!
//! A Primary without a disk goes on over the network, on the peer's disk: one more failure and the data is gone from
//! under its users. So it is told, and the group follows its data if the peer is able (SAFETY S-59).

use crate::cluster::Cluster;
use crate::group::{Group, State};
use crate::id::GroupId;
use crate::message::{Disk, Drbd};
use crate::notice::Notice;

impl Cluster {
    /// The group is to follow its data to the peer.
    pub(crate) fn follows_disk(&self, index: usize) -> bool {
        let theirs = self.member.group(index).map(|said| Drbd::unpack(said.drbd).disk);
        let lost = self.groups.get(index).is_some_and(Group::disk_lost);
        self.config.diskless_hands_over && lost && theirs == Some(Disk::UpToDate)
    }

    pub(crate) fn tell_disk(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(usize::from(id.0)) else {
            return;
        };
        let lost = group.disk_lost() && group.state() == State::Active;
        if core::mem::replace(&mut group.disk_told, lost) != lost && lost {
            self.notice(Notice::DiskLost { group: id });
        }
    }
}
