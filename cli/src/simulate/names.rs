//! What the words of a fault mean in these files: nodes, links, groups, resources by the names they have there.

use ovzha_core::id::{GroupId, GroupSet};
use ovzha_host::config::{self, Config};
use ovzha_host::diagnostic::quote;
use ovzha_host::ha_cf::LinkKind;
use ovzha_host::meant;

/// First words of a link's name as `ovzha status` shows it.
const MEDIA: [&str; 6] = ["ucast", "ucast6", "bcast", "mcast", "mcast6", "serial"];

/// Some of the ways between the nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ways {
    /// Links, by number.
    pub links: Vec<usize>,
    /// DRBD's own path, too.
    pub drbd: bool,
}

/// A resource: its group, and its place there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The group.
    pub group: usize,
    /// The place.
    pub resource: u8,
}

/// The names of these files.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Each node's configuration.
    pub configs: &'a [Config; 2],
}

impl Names<'_> {
    const fn any(&self) -> &Config {
        &self.configs[0]
    }

    /// A node's name.
    pub fn name(&self, node: usize) -> &str {
        self.any().nodes.get(node).map_or("", String::as_str)
    }

    /// The node of this name.
    ///
    /// # Errors
    /// A sentence that names those there are.
    pub fn node(self, word: &str) -> Result<usize, String> {
        let nodes = &self.any().nodes;
        config::place_of(word, nodes)
            .ok_or_else(|| format!("no node is called {}; known: {}", quote(word), nodes.join(", ")))
    }

    /// The group of this name or number.
    ///
    /// # Errors
    /// A sentence that names those there are.
    pub fn group(self, word: &str) -> Result<GroupId, String> {
        meant::group(self.any(), word)
    }

    /// The groups that the words of a standby or a takeover mean on this node.
    ///
    /// # Errors
    /// A sentence about the word that means none.
    pub fn groups(self, node: usize, takeover: bool, words: &[String]) -> Result<GroupSet, String> {
        meant::groups(&self.configs[node], takeover, words)
    }

    /// The ways that the words at the beginning of `words` mean, and how many words that were.
    ///
    /// # Errors
    /// A sentence that names those there are.
    pub fn ways(self, words: &[&str]) -> Result<(Ways, usize), String> {
        let Some(&word) = words.first() else {
            return Err(format!("a link is missing; known: {}", self.known_ways()));
        };
        let all = || (0..self.any().links.len()).collect();
        match word {
            "all" => {
                return Ok((
                    Ways {
                        links: all(),
                        drbd: true,
                    },
                    1,
                ));
            }
            "links" => {
                return Ok((
                    Ways {
                        links: all(),
                        drbd: false,
                    },
                    1,
                ));
            }
            "drbd" => {
                return Ok((
                    Ways {
                        links: Vec::new(),
                        drbd: true,
                    },
                    1,
                ));
            }
            _ => {}
        }
        let medium = Some(word).filter(|word| MEDIA.contains(word) && words.len() > 1);
        let wanted = medium.and(words.get(1)).unwrap_or(&word);
        let links = self.any().links.iter().enumerate().filter(|(_, link)| {
            let device = device(&link.kind);
            let named = device == *wanted || device.strip_prefix("/dev/") == Some(wanted);
            named && medium.is_none_or(|medium| ovzha_host::media::name(link).split(' ').next() == Some(medium))
        });
        let links: Vec<usize> = links.map(|(place, _)| place).collect();
        if links.is_empty() {
            return Err(format!(
                "no link is called {}; known: {}",
                quote(word),
                self.known_ways()
            ));
        }
        Ok((Ways { links, drbd: false }, 1 + usize::from(medium.is_some())))
    }

    fn known_ways(self) -> String {
        let mut known: Vec<String> = self.any().links.iter().map(|link| device(&link.kind)).collect();
        known.dedup();
        known.extend(["links", "drbd", "all"].map(str::to_owned));
        known.join(", ")
    }

    /// The resource of this word of `haresources`, or of this name where only one has it.
    ///
    /// # Errors
    /// A sentence that names those there are.
    pub fn resource(self, word: &str) -> Result<Place, String> {
        let all = || {
            let groups = self.any().groups.iter().enumerate();
            groups.flat_map(|(group, line)| {
                let resources = (0_u8..).zip(&line.resources);
                resources.map(move |(resource, what)| (Place { group, resource }, what))
            })
        };
        if let Some((place, _)) = all().find(|(_, resource)| resource.word() == word) {
            return Ok(place);
        }
        let named: Vec<Place> = all()
            .filter(|(_, resource)| resource.name == word)
            .map(|(place, _)| place)
            .collect();
        match named[..] {
            [place] => Ok(place),
            [] => {
                let known: Vec<String> = all().map(|(_, resource)| resource.word()).collect();
                Err(format!(
                    "no resource is called {}; known: {}",
                    quote(word),
                    known.join(", ")
                ))
            }
            _ => Err(format!(
                "several resources are called {}: write one as haresources does",
                quote(word)
            )),
        }
    }
}

/// What a link runs on.
fn device(kind: &LinkKind) -> String {
    match kind {
        LinkKind::Unicast { device, .. } | LinkKind::Broadcast { device, .. } | LinkKind::Multicast { device, .. } => {
            device.clone()
        }
        LinkKind::Serial { device, .. } => device.display().to_string(),
        LinkKind::Routed { to } => to.to_string(),
    }
}
