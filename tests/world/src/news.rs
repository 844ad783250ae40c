//! What a frame may change: one that is no news changes counters only (S5, SAFETY S-45).

use std::rc::Rc;

use ovzha_core::cluster::Cluster;
use ovzha_core::decide::{Decision, Why};
use ovzha_core::event::Event;
use ovzha_core::frame::peek;
use ovzha_core::id::LinkId;
use ovzha_core::message::Phase;

use crate::trace::TRACES;
use crate::wire::Origin;
use crate::world::World;

impl World {
    /// Gives a frame to a daemon; a copy of it watches what a frame may not change (S5, SAFETY S-45).
    pub(crate) fn hear(&mut self, node: usize, daemon: &mut Cluster, link: u8, bytes: &Rc<[u8]>, origin: Origin) {
        let now = self.nodes[node].clock.local(self.now);
        let received = Event::Received {
            link: LinkId(link),
            bytes,
        };
        let news = self.is_news(node, link, origin);
        if news {
            daemon.handle(now, received);
            return;
        }
        let mut without = Cluster::clone(daemon);
        without.handle(now, Event::Tick);
        daemon.handle(now, received);
        // the exception: at a lone start somebody else's frames mean Hold (S-30, S-32)
        let (with, before) = (daemon.snapshot().groups, without.snapshot().groups);
        let lone = with.iter().any(|group| {
            matches!(
                group.decision,
                Decision::Hold(Why::ForeignKey | Why::ForeignHeartbeat | Why::NameTwice)
            )
        });
        // and our own past, played to us, ends a claim, or the leave for frozen I/O to go on (S-32)
        let own = matches!(origin, Origin::Sent(from, _) if from == node);
        let claims = before.iter().any(|group| group.phase == Phase::Claiming);
        let frozen = before.iter().any(|group| group.frozen.is_some());
        // with what was found in part the same frames end the claim that was to complete it
        let in_part = with.iter().any(|group| group.decision == Decision::Stay(Why::Partial));
        let excepted = lone || (own || in_part) && claims || own && frozen;
        if !excepted && daemon.believed() != without.believed() && !only_link(daemon, &without) {
            let part = if TRACES {
                first_difference(daemon, &without)
            } else {
                String::new()
            };
            let text =
                format!("S5 node {node}: a frame that is no news changed more than counters ({origin:?}): ..{part}..");
            self.watch.violation(self.now, &text);
        }
    }

    /// Whether a frame can be news: authentic, and neither a copy nor older than this life of the daemon.
    fn is_news(&mut self, node: usize, link: u8, origin: Origin) -> bool {
        let Origin::Sent(from, place) = origin else {
            return origin == Origin::Made;
        };
        let Some(sent) = self.wire.sent[from].get(place) else {
            return false;
        };
        // a node's frame over the way to the witness is nobody's, and a copy over a link of the nodes may be news after it
        if from == node || (self.setup.witness && link >= self.setup.links) {
            return false;
        }
        // what can't be read proves nothing and still says that the peer speaks newer (S-28, S-45)
        let speaks = self.nodes[node].config.speaks;
        if peek(&sent.bytes).is_ok_and(|header| header.version > speaks) {
            return true;
        }
        if sent.to_life != self.nodes[node].life {
            // once the sender's life is proved, its earlier frames count for the link they came over (P-19)
            return self.nodes[node].heard.is_some();
        }
        let (now, proved) = (self.now, self.nodes[node].proved);
        let given = &mut self.nodes[node].given;
        let newest = given.len() <= place;
        if newest {
            given.resize(place + 1, None);
        }
        // the first copy may have come before its sender's life was proved: then a second one is news
        let first = given[place].replace(now).is_none_or(|at| at <= proved);
        if newest {
            self.nodes[node].heard = Some(self.now);
        }
        first
    }
}

/// Where what two clusters believe begins to differ, in the words of the first one.
fn first_difference(one: &Cluster, other: &Cluster) -> String {
    let of = |cluster: &Cluster| format!("{:?}", cluster.believed_but_links());
    let (one, other) = (of(one), of(other));
    let place = one.bytes().zip(other.bytes()).position(|(one, other)| one != other);
    let from = place.unwrap_or(0).saturating_sub(60);
    let part = |text: &str| text.get(from..from + 120).unwrap_or_default().to_owned();
    format!("{} | without it {}", part(&one), part(&other))
}

/// Whether two clusters differ in what came over which link and in nothing else: a copy of a frame that came before its
/// sender's life was proved counts for its link afterwards (P-19), and for nothing else.
fn only_link(one: &Cluster, other: &Cluster) -> bool {
    one.believed_but_links() == other.believed_but_links()
}
