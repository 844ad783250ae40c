//! What people call the nodes, links, ping nodes and resources that the core only numbers.

use ovzha_core::id::{GroupId, LinkId};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Group};
use crate::haresources;
use crate::media;

/// Whoever knows the names: the configuration, or a record.
pub trait Named {
    /// Our own node.
    fn own_node(&self) -> &str;
    /// The other one.
    fn peer_node(&self) -> &str;
    /// A link, if there is one of that number.
    fn link_name(&self, link: LinkId) -> Option<String>;
    /// A group by its first resource, if there is one of that number.
    fn group_name(&self, group: GroupId) -> Option<String>;
    /// A resource as `haresources` writes it, if the group has one at that place.
    fn resource_word(&self, group: GroupId, place: u8) -> Option<String>;
    /// A ping node, if there is one of that number.
    fn ping_name(&self, ping: u8) -> Option<String>;
    /// How many groups there are.
    fn group_count(&self) -> usize;
}

impl Named for Config {
    fn own_node(&self) -> &str {
        Self::own_node(self)
    }

    fn peer_node(&self) -> &str {
        Self::peer_node(self)
    }

    fn link_name(&self, link: LinkId) -> Option<String> {
        self.links.get(usize::from(link.0)).map(media::name)
    }

    fn group_name(&self, group: GroupId) -> Option<String> {
        self.groups.get(usize::from(group.0)).map(Group::name)
    }

    fn resource_word(&self, group: GroupId, place: u8) -> Option<String> {
        let group = self.groups.get(usize::from(group.0))?;
        group.resources.get(usize::from(place)).map(haresources::Resource::word)
    }

    fn ping_name(&self, ping: u8) -> Option<String> {
        self.pings.get(usize::from(ping)).map(|ping| ping.name.clone())
    }

    fn group_count(&self) -> usize {
        self.groups.len()
    }
}

/// The names as a record keeps them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    own: String,
    peer: String,
    links: Vec<String>,
    pings: Vec<String>,
    groups: Vec<Vec<String>>,
}

/// Longest name that is kept, in bytes, so that a segment has room for all of them and more.
const NAME_MAX: usize = 100;
/// Bytes of names in all; of what goes beyond, only numbers are known.
const ALL_MAX: usize = 16 * 1024;

impl Names {
    /// The names of a configuration, each cut where it is too long.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut left = ALL_MAX;
        let mut kept = |name: &str| {
            let cut: String = name.chars().take(NAME_MAX / 4).collect();
            let name = if name.len() > NAME_MAX { cut } else { name.to_owned() };
            let fits = left.checked_sub(name.len());
            left = fits.unwrap_or(left);
            fits.map(|_| name).unwrap_or_default()
        };
        Self {
            own: kept(config.own_node()),
            peer: kept(config.peer_node()),
            links: config.links.iter().map(|link| kept(&media::name(link))).collect(),
            pings: config.pings.iter().map(|ping| kept(&ping.name)).collect(),
            groups: config
                .groups
                .iter()
                .map(|group| group.resources.iter().map(|resource| kept(&resource.word())).collect())
                .collect(),
        }
    }
}

fn known(names: &[String], place: u8) -> Option<String> {
    names.get(usize::from(place)).filter(|name| !name.is_empty()).cloned()
}

impl Named for Names {
    fn own_node(&self) -> &str {
        &self.own
    }

    fn peer_node(&self) -> &str {
        &self.peer
    }

    fn link_name(&self, link: LinkId) -> Option<String> {
        known(&self.links, link.0)
    }

    fn group_name(&self, group: GroupId) -> Option<String> {
        self.resource_word(group, 0)
    }

    fn resource_word(&self, group: GroupId, place: u8) -> Option<String> {
        known(self.groups.get(usize::from(group.0))?, place)
    }

    fn ping_name(&self, ping: u8) -> Option<String> {
        known(&self.pings, ping)
    }

    fn group_count(&self) -> usize {
        self.groups.len()
    }
}
