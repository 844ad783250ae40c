//! The media of a node by the numbers of its links: those of `ha.cf`, then the witness.
//!
//! A board that is the witness sits in the serial line between the nodes: it passes their frames on, and speaks for itself
//! beside them. So one serial line may carry two links, told apart by who a frame is from.

use ovzha_core::frame::peek;
use ovzha_core::id::{LinkId, NodeId};

use crate::config::Config;
use crate::ha_cf::{LinkConfig, LinkKind};
use crate::media::Medium;

/// All of them.
#[derive(Debug)]
pub struct Ways {
    media: Vec<Medium>,
    /// The number of the link to the witness, if there is one, and which medium it is on.
    witness: Option<(LinkId, usize)>,
}

impl Ways {
    /// Closed ones.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut media: Vec<Medium> = config.links.iter().map(|link| Medium::new(config, link)).collect();
        let witness = config.settings.witness().and_then(|(kind, line)| {
            let number = u8::try_from(media.len()).map(LinkId).ok()?;
            let place = shared(&config.links, kind).unwrap_or_else(|| {
                let kind = kind.clone();
                media.push(Medium::new(config, &LinkConfig { kind, line }));
                media.len() - 1
            });
            Some((number, place))
        });
        Self { media, witness }
    }

    /// How many media there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.media.len()
    }

    /// Each medium.
    pub fn iter(&self) -> impl Iterator<Item = &Medium> {
        self.media.iter()
    }

    /// One medium, by its place.
    pub fn at(&mut self, place: usize) -> Option<&mut Medium> {
        self.media.get_mut(place)
    }

    /// The medium of a link.
    pub fn of(&mut self, link: LinkId) -> Option<&mut Medium> {
        let place = match self.witness {
            Some((witness, place)) if witness == link => place,
            Some(_) | None => usize::from(link.0),
        };
        self.media.get_mut(place)
    }

    /// The links on a medium.
    pub fn links(&self, place: usize) -> impl Iterator<Item = LinkId> + use<> {
        let witness = self.witness.filter(|(_, on)| *on == place).map(|(link, _)| link);
        let own = u8::try_from(place).map(LinkId).ok();
        own.filter(|own| witness != Some(*own)).into_iter().chain(witness)
    }

    /// The links on a medium as a frame that came over it may belong to them.
    #[must_use]
    pub fn sorter(&self, place: usize) -> Sorter {
        let mut links = self.links(place);
        let first = links.next();
        Sorter {
            first,
            witness: links.next(),
        }
    }
}

/// Which link a frame belongs to that came over one medium.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sorter {
    first: Option<LinkId>,
    /// The second link on it.
    witness: Option<LinkId>,
}

impl Sorter {
    /// The link of these bytes.
    #[must_use]
    pub fn link(&self, bytes: &[u8]) -> Option<LinkId> {
        let from_witness = || peek(bytes).is_ok_and(|header| header.sender == NodeId::WITNESS);
        self.witness.filter(|_| from_witness()).or(self.first)
    }

    /// The link of what is no frame.
    #[must_use]
    pub const fn noise(&self) -> Option<LinkId> {
        self.first
    }
}

/// The serial line of `ha.cf` that the witness is on, too.
fn shared(links: &[LinkConfig], witness: &LinkKind) -> Option<usize> {
    let LinkKind::Serial { device: board, .. } = witness else {
        return None;
    };
    links
        .iter()
        .position(|link| matches!(&link.kind, LinkKind::Serial { device, .. } if device == board))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_board_says_itself_is_told_from_what_it_passes_on() {
        let (first, witness) = (Some(LinkId(2)), Some(LinkId(3)));
        // PROTOCOL P-1: magic, version, cluster, sender in the upper half
        let frame = |sender: u8| {
            let mut bytes = [0_u8; 64];
            (bytes[0], bytes[1], bytes[4]) = (0xf7, 3, sender << 4);
            bytes
        };
        let board = Sorter { first, witness };
        assert_eq!(board.link(&frame(1)), first);
        assert_eq!(board.link(&frame(14)), witness);
        assert_eq!(board.link(b"noise"), first);
        let plain = Sorter { first, witness: None };
        assert_eq!(plain.link(&frame(14)), first);
    }
}
