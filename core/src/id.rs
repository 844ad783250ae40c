//! The small numbers that name things: nodes, links, groups, keys, lives.

use serde::{Deserialize, Serialize};

/// Most links a node may have (the header has four bits for the number).
pub const LINKS_MAX: usize = 16;
/// Most resource groups of a cluster.
pub const GROUPS_MAX: usize = 16;
/// Most resources in one group.
pub const RESOURCES_MAX: usize = 16;

/// A node's place among the `node` names of `ha.cf`, sorted by name: 0 or 1. The witness is 14.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeId(pub u8);

impl NodeId {
    /// The third voter.
    pub const WITNESS: Self = Self(14);
    /// As an addressee: everyone.
    pub const ALL: Self = Self(15);

    /// The other node of the pair.
    #[must_use]
    pub const fn peer(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// A link's place in the order of the media lines of `ha.cf`, 0 to 15; both nodes count alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkId(pub u8);

/// A resource group's place in the order of the lines of `haresources`, 0 to 15.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupId(pub u8);

/// Some of the groups.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct GroupSet(pub u16);

impl GroupSet {
    /// Every group there can be.
    pub const ALL: Self = Self(u16::MAX);

    /// Of these groups' places; what is no group's place is left out.
    #[must_use]
    pub fn of(places: impl IntoIterator<Item = usize>) -> Self {
        let mut set = Self::default();
        places.into_iter().for_each(|place| set.insert(place));
        set
    }

    pub(crate) fn bit(place: usize) -> u16 {
        u32::try_from(place)
            .ok()
            .and_then(|place| 1_u16.checked_shl(place))
            .unwrap_or(0)
    }

    /// Whether the group at this place is among them.
    #[must_use]
    pub fn contains(self, place: usize) -> bool {
        self.0 & Self::bit(place) != 0
    }

    /// Adds the group at this place.
    pub fn insert(&mut self, place: usize) {
        self.0 |= Self::bit(place);
    }

    /// Takes the group at this place out.
    pub fn remove(&mut self, place: usize) {
        self.0 &= !Self::bit(place);
    }

    /// None at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their places, in order.
    pub fn places(self) -> impl Iterator<Item = usize> {
        (0..GROUPS_MAX).filter(move |place| self.contains(*place))
    }
}

/// A key's number in `authkeys`, 0 to 15.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct KeyId(pub u8);

/// Names the cluster on a shared wire: the same on both nodes, derived from the sorted node names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct ClusterId(pub [u8; 2]);

/// One life of one daemon: random, new at every start. The only entropy the core is given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct BootId(pub [u8; 4]);

/// A frame's number within its sender's life: grows by one with every frame, starts at 1.
/// It doubles as the nonce that the receiver echoes. At ten frames a second it lasts thirteen years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Sequence(pub u32);

impl Sequence {
    /// The next number; stays at the end rather than wrapping, and the host then restarts the life.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Three bytes of a digest that tell groups apart (PROTOCOL P-18): they protect nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Mark(pub [u8; 3]);

/// How often a group has been started in this cluster, as known to a node; kept on disk.
/// After a partition the smaller one tells which of two active nodes was there first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Tenure(pub u32);

impl Tenure {
    /// The tenure of the next start.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One effect's number; every effect ends in exactly one `Done` that carries it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct EffectId(pub u32);

/// Who asked, chosen by the host; the answer carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct ClientId(pub u32);
