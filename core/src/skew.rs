//! Two nodes whose files or releases differ: which groups are the same ones, and what version is spoken
//! (PROTOCOL P-16 to P-18, SAFETY S-27).
//!
//! A peer of version 2 names its groups: each of ours is matched with the one of the same identity, wherever it stands,
//! and differs if its digest does, or if the peer has none such. Of a peer of version 1 there is one digest for all:
//! if it differs, every group does, and where there are several nobody knows which of its reports is about which.

use crate::cluster::Cluster;
use crate::gather::gather;
use crate::id::Sequence;
use crate::member::Reports;
use crate::message::{GroupName, Message, Names};
use crate::notice::Notice;

/// The version from which on groups are named.
pub(crate) const NAMES_FROM: u8 = 2;

impl Cluster {
    /// The lower of both nodes' versions; 1 as long as the peer's present life has not said its own.
    pub(crate) fn spoken(&self) -> u8 {
        let theirs = self.member.detail().map_or(1, |detail| detail.newest);
        self.config.speaks.min(theirs).max(1)
    }

    /// Our groups' names for the frame of this number: from when the detail is confirmed until they are. Every frame
    /// in between has them, so the echo of any later one proves that they were heard.
    pub(crate) fn names(&mut self, confirmed: bool, sequence: Sequence) -> Option<Names> {
        if !confirmed || self.spoken() < NAMES_FROM {
            self.names_from = None;
            return None;
        }
        let from = *self.names_from.get_or_insert(sequence);
        (self.member.taken() < from).then(|| {
            gather(self.config.groups.iter().map(|group| GroupName {
                identity: group.identity,
                digest: group.digest,
            }))
        })
    }

    /// The detail was just confirmed: the names follow at once.
    pub(crate) fn name_soon(&mut self) {
        let confirmed = self.member.is_alive() && self.member.taken() >= self.detail_from;
        if confirmed && self.names_from.is_none() && self.spoken() >= NAMES_FROM {
            self.links.iter_mut().for_each(|link| link.urgent = true);
        }
    }

    /// What a message says of our groups, in our order.
    pub(crate) fn in_our_order(&self, message: &Message) -> Reports {
        let detail = message.detail.as_ref().or(self.member.detail());
        let names = message.names.as_ref().or(self.member.names());
        let ours = self.config.groups.len();
        let alike = detail.map(|detail| detail.resources == self.config.resources_digest);
        let in_place = match alike {
            Some(true) => true,
            Some(false) => ours == 1 && message.groups.len() == 1,
            None => ours == message.groups.len(),
        };
        gather(self.config.groups.iter().enumerate().map(|(index, group)| {
            let place = match names {
                Some(names) => names.iter().position(|name| name.identity == group.identity),
                None => in_place.then_some(index),
            };
            place.and_then(|place| message.groups.get(place)).copied()
        }))
    }

    /// Where one of our groups stands in what the peer says.
    pub(crate) fn their_place(&self, index: usize) -> Option<usize> {
        let mine = self.config.groups.get(index)?;
        if let Some(names) = self.member.names() {
            return names.iter().position(|name| name.identity == mine.identity);
        }
        let digest = self.member.detail().map(|detail| detail.resources);
        (digest == Some(self.config.resources_digest)).then_some(index)
    }

    /// Whether the peer's line of this group means something else, or it has none such.
    pub(crate) fn group_differs(&self, index: usize) -> bool {
        let (Some(_), Some(mine)) = (self.member.head(), self.config.groups.get(index)) else {
            return false;
        };
        let alike = self
            .member
            .detail()
            .is_none_or(|detail| detail.resources == self.config.resources_digest);
        let named = self.member.names().map(|names| {
            names
                .iter()
                .any(|name| name.identity == mine.identity && name.digest == mine.digest)
        });
        self.member.group(index).is_none() || !named.unwrap_or(alike)
    }

    /// Groups of the peer that this node's `haresources` does not have.
    pub(crate) fn unknown_groups(&self) -> u8 {
        let known = |name: &&GroupName| self.config.groups.iter().any(|group| group.identity == name.identity);
        let unknown = self
            .member
            .names()
            .map_or(0, |names| names.iter().filter(|name| !known(name)).count());
        u8::try_from(unknown).unwrap_or(u8::MAX)
    }

    pub(crate) fn settle_skew(&mut self) {
        let (resources, timings) = match self.member.detail() {
            Some(detail) => (
                detail.resources != self.config.resources_digest,
                detail.timings != self.config.timings_digest,
            ),
            None => (false, false),
        };
        // who names its groups is about to do so: then the difference can be told in full
        let awaited = self.spoken() >= NAMES_FROM && self.member.names().is_none();
        let resources = resources && (self.skew_told.0 || !awaited);
        if resources && !self.skew_told.0 {
            self.notice(Notice::ResourcesDiffer);
            let unknown = self.unknown_groups();
            if unknown > 0 {
                self.notice(Notice::GroupsUnknown(unknown));
            }
        }
        if timings && !self.skew_told.1 {
            self.notice(Notice::TimingsDiffer);
        }
        self.skew_told = (resources, timings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Domain, Keyring};
    use crate::config::{Config, Draft, GroupDraft, Kind};
    use crate::id::{BootId, Mark, NodeId, Tenure};
    use crate::message::{Detail, Echo, GroupBits, GroupReport, Head, Hold, NodeBits, Silence};
    use crate::time::Instant;
    use heapless::Vec;

    fn cluster(groups: u8) -> Cluster {
        let group = |number: u8| GroupDraft {
            preferred: NodeId(0),
            identity: Mark([number; 3]),
            digest: Mark([number; 3]),
            resources: Vec::from_slice(&[Kind::Data]).unwrap(),
            monitors: Vec::new(),
        };
        let config = Config::new(Draft {
            groups: (1..=groups).map(group).collect(),
            ..Draft::sample()
        })
        .unwrap();
        let (keyring, durable) = (Keyring::new(Domain::Node), crate::output::Durable::default());
        Cluster::new(config, keyring, BootId([9; 4]), durable, Instant::from_millis(1000))
    }

    /// The peer lists these groups, each with its number as tenure.
    fn said(digest: u8, named: &[(u8, u8)], reports: &[u32]) -> Message {
        let listed = named.iter().map(|(identity, digest)| GroupName {
            identity: Mark([*identity; 3]),
            digest: Mark([*digest; 3]),
        });
        Message {
            head: Head {
                echo: Echo::NOBODY,
                heard: Silence(0),
                heard_here: Silence(0),
                bits: NodeBits::default(),
            },
            detail: Some(Detail {
                newest: if named.is_empty() { 1 } else { 2 },
                resources: [digest; 4],
                timings: [1; 4],
                deadtime: 10_000,
                hold: Hold::default(),
            }),
            names: (!named.is_empty()).then(|| listed.collect()),
            ballot: None,
            identities: None,
            groups: reports
                .iter()
                .map(|tenure| GroupReport {
                    tenure: Tenure(*tenure),
                    bits: GroupBits(1),
                    drbd: 0,
                })
                .collect(),
        }
    }

    /// What the peer says of each of our groups, by tenure, and which differ.
    fn heard(groups: u8, message: &Message) -> (Vec<u32, 16>, Vec<bool, 16>) {
        let mut cluster = cluster(groups);
        let reports = cluster.in_our_order(message);
        let tenures = reports
            .iter()
            .map(|said| said.map_or(0, |said| said.tenure.0))
            .collect();
        let (now, me) = (cluster.now, cluster.boot);
        cluster.member.listen(now, message.clone(), reports, me, true);
        let differs = (0..usize::from(groups))
            .map(|group| cluster.group_differs(group))
            .collect();
        (tenures, differs)
    }

    fn is(message: &Message, tenures: &[u32], differs: &[bool]) {
        let groups = u8::try_from(tenures.len()).unwrap();
        let (told, skew) = heard(groups, message);
        assert_eq!((&told[..], &skew[..]), (tenures, differs), "{message:?}");
    }

    #[test]
    fn named_groups_are_matched_wherever_they_stand() {
        // the same, in another order
        is(&said(2, &[(2, 2), (1, 1)], &[20, 10]), &[10, 20], &[false, false]);
        // one added in front, one changed
        let added = said(2, &[(9, 9), (1, 1), (2, 8)], &[90, 10, 20]);
        is(&added, &[10, 20], &[false, true]);
        // one of ours is not there
        is(&said(2, &[(2, 2)], &[20]), &[0, 20], &[true, false]);
        // names without reports say nothing
        is(&said(2, &[(1, 1), (2, 2)], &[10]), &[10, 0], &[false, true]);
    }

    #[test]
    fn a_peer_that_names_nothing_is_believed_by_place_only_if_all_is_the_same() {
        is(&said(1, &[], &[10, 20]), &[10, 20], &[false, false]);
        is(&said(2, &[], &[10, 20]), &[0, 0], &[true, true]);
        is(&said(2, &[], &[10]), &[10], &[true]);
        is(&said(2, &[], &[10, 20]), &[0], &[true]);
    }

    #[test]
    fn the_lower_version_is_spoken_and_none_before_it_is_known() {
        let mut cluster = cluster(1);
        assert_eq!(cluster.spoken(), 1);
        for (newest, spoken) in [(1, 1), (2, 2), (7, 2), (0, 1)] {
            let mut message = said(1, &[], &[1]);
            message.detail.as_mut().unwrap().newest = newest;
            let (now, me) = (cluster.now, cluster.boot);
            let reports = cluster.in_our_order(&message);
            cluster.member.listen(now, message, reports, me, true);
            assert_eq!(cluster.spoken(), spoken);
        }
    }
}
