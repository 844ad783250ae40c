//! Modelled links: what becomes of a frame between two nodes.
//!
//! A link has two ways, one for each sender. A way can be cut, lose, delay (and so reorder), duplicate and
//! damage frames, and make all of them, or single ones, late by minutes. Every frame ever sent is kept, so that it can be replayed at any later time.

use std::rc::Rc;

use crate::rng::Rng;

/// Frames in a row that a way which is not cut may lose: chance alone never looks like a cut.
const LOST_IN_A_ROW: u32 = 2;

/// One direction of one link. Times in microseconds, chances per mille.
#[derive(Clone, Debug)]
pub struct Way {
    /// Nothing passes.
    pub cut: bool,
    /// Chance of a loss.
    pub loss: u64,
    /// Chance of a second copy.
    pub twice: u64,
    /// Chance of a flipped bit.
    pub damage: u64,
    /// Shortest and longest delay.
    pub delay: (u64, u64),
    /// Chance of a straggler, and by how much it is late at most: seconds, or minutes.
    pub stray: (u64, u64),
    /// Everything takes so much longer.
    pub slow: u64,
    lost: u32,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            cut: false,
            loss: 0,
            twice: 0,
            damage: 0,
            delay: (300, 900),
            stray: (0, 0),
            slow: 0,
            lost: 0,
        }
    }
}

/// What is known of a frame that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// As sent: sender, place among its frames.
    Sent(usize, usize),
    /// Damaged on the way, or made up: nobody with the key signed it.
    Forged,
    /// Made by the test with the right key.
    Made,
}

/// A frame as its sender gave it away.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The link.
    pub link: u8,
    /// The addressee's life at that moment.
    pub to_life: u32,
    /// The frame.
    pub bytes: Rc<[u8]>,
}

/// A frame that will arrive.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When.
    pub at: u64,
    /// Over which link.
    pub link: u8,
    /// What.
    pub bytes: Rc<[u8]>,
    /// What it is.
    pub origin: Origin,
}

/// All links between the two nodes.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Per link: the way from node 0, the way from node 1.
    pub ways: Vec<[Way; 2]>,
    /// A node that has lost everything together: its links and its ping nodes.
    pub isolated: [bool; 2],
    /// All that was ever sent, by sender.
    pub sent: [Vec<Sent>; 2],
    /// Links whose device a node does not have now, a bit each.
    gone: [u16; 2],
    /// A way that takes so much longer is as good as cut for a while.
    late: u64,
}

impl Wire {
    /// So many links, all well. `late`: what is so much late looks like a cut at first.
    #[must_use]
    pub fn new(links: u8, late: u64) -> Self {
        Self {
            ways: (0..links).map(|_| [Way::default(), Way::default()]).collect(),
            isolated: [false; 2],
            sent: [Vec::new(), Vec::new()],
            gone: [0; 2],
            late,
        }
    }

    /// Whether a node has this link's device.
    #[must_use]
    pub fn is_there(&self, node: usize, link: u8) -> bool {
        self.gone[node] >> link & 1 == 0
    }

    /// A link's device on a node comes or goes. Whether that is news.
    pub fn set_there(&mut self, node: usize, link: u8, there: bool) -> bool {
        let news = self.is_there(node, link) != there;
        self.gone[node] ^= u16::from(news) << link;
        news
    }

    /// Whether no link carries anything from this node, for reasons of the links alone.
    #[must_use]
    pub fn is_cut(&self, from: usize) -> bool {
        let dead = |(link, ways): (u8, &[Way; 2])| {
            let way = &ways[from];
            way.cut || way.slow >= self.late || !self.is_there(0, link) || !self.is_there(1, link)
        };
        (0..).zip(&self.ways).all(dead)
    }

    /// Takes a frame; says when which copies of it arrive.
    pub fn carry(&mut self, rng: &mut Rng, now: u64, from: usize, frame: Sent) -> [Option<Arrival>; 2] {
        let (link, bytes) = (frame.link, Rc::clone(&frame.bytes));
        let origin = Origin::Sent(from, self.sent[from].len());
        self.sent[from].push(frame);
        let away = self.isolated[0] || self.isolated[1] || !self.is_there(0, link) || !self.is_there(1, link);
        let Some(way) = self.ways.get_mut(usize::from(link)).map(|ways| &mut ways[from]) else {
            return [None, None];
        };
        if way.cut || away {
            return [None, None];
        }
        if way.lost < LOST_IN_A_ROW && rng.chance(way.loss) {
            way.lost += 1;
            return [None, None];
        }
        if way.lost < LOST_IN_A_ROW && rng.chance(way.stray.0) {
            way.lost += 1;
            let mut late = arrival(rng, way, now, link, &bytes, origin);
            late.at += rng.below(way.stray.1);
            return [Some(late), None];
        }
        way.lost = 0;
        let first = arrival(rng, way, now, link, &bytes, origin);
        let second = rng
            .chance(way.twice)
            .then(|| arrival(rng, way, now, link, &bytes, origin));
        [Some(first), second]
    }
}

fn arrival(rng: &mut Rng, way: &Way, now: u64, link: u8, bytes: &Rc<[u8]>, origin: Origin) -> Arrival {
    let at = now + way.slow + rng.between(way.delay.0, way.delay.1);
    if !rng.chance(way.damage) {
        return Arrival {
            at,
            link,
            bytes: Rc::clone(bytes),
            origin,
        };
    }
    let mut damaged = bytes.to_vec();
    let bit = usize::try_from(rng.next() & 0xffff).unwrap_or(0) % (damaged.len() * 8).max(1);
    if let Some(byte) = damaged.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    Arrival {
        at,
        link,
        bytes: damaged.into(),
        origin: Origin::Forged,
    }
}
