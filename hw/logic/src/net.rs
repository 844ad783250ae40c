//! Which way a node's witness is asked: over the cable, or over the network.
//!
//! A node asks over one of them. Words go back the way the last believed frame came, but what follows from a datagram at once goes
//! back to its sender: a node must hear the board before it can be believed. Over the network only the newest word waits, and
//! no frame is forwarded, for the nodes reach each other there by themselves.

use heapless::Vec;
use ovzha_core::frame::FRAME_MAX;
use ovzha_core::id::NodeId;

/// Both nodes' ways.
#[derive(Clone, Debug, Default)]
pub struct Net {
    /// Asked over the network last.
    reached: [bool; 2],
    /// Whose datagram is being looked at.
    asks: Option<NodeId>,
    words: [Option<Vec<u8, FRAME_MAX>>; 2],
}

impl Net {
    /// A node was believed: over the network, or over its cable.
    pub fn believed(&mut self, node: NodeId, by_net: bool) {
        if let Some(way) = self.reached.get_mut(usize::from(node.0)) {
            *way = by_net;
        }
    }

    /// A datagram that this node signed is being looked at, or none any more.
    pub const fn asked(&mut self, by: Option<NodeId>) {
        self.asks = by;
    }

    /// Keeps a word for a node that is asked over the network. False: it goes over the cable.
    pub fn say(&mut self, to: NodeId, bytes: &[u8]) -> bool {
        let place = usize::from(to.0);
        let by_net = self.asks == Some(to) || self.reached.get(place).is_some_and(|reached| *reached);
        if by_net && let Some(word) = self.words.get_mut(place) {
            *word = Vec::from_slice(bytes).ok();
        }
        by_net
    }

    /// The word that waits for a node.
    pub fn next(&mut self, to: NodeId) -> Option<Vec<u8, FRAME_MAX>> {
        self.words.get_mut(usize::from(to.0))?.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_back_the_way_the_node_was_believed_last() {
        let mut net = Net::default();
        assert!(!net.say(NodeId(0), b"one"), "nobody asked over the network");
        net.believed(NodeId(0), true);
        assert!(net.say(NodeId(0), b"two"));
        assert!(net.say(NodeId(0), b"three"));
        assert!(!net.say(NodeId(1), b"four"), "the other one did not");
        assert_eq!(net.next(NodeId(0)).as_deref(), Some(b"three".as_slice()));
        assert_eq!(net.next(NodeId(0)), None);
        net.believed(NodeId(0), false);
        assert!(!net.say(NodeId(0), b"five"));
    }

    #[test]
    fn a_node_that_is_not_believed_yet_is_answered_where_it_asks_and_nowhere_else() {
        let mut net = Net::default();
        net.asked(Some(NodeId(1)));
        assert!(!net.say(NodeId(0), b"one"));
        assert!(net.say(NodeId(1), b"two"));
        net.asked(None);
        assert!(!net.say(NodeId(1), b"three"));
        assert_eq!(net.next(NodeId(1)).as_deref(), Some(b"two".as_slice()));
    }
}
