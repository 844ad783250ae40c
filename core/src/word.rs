//! What a witness says to a node (PROTOCOL P-51).

use crate::frame::{BODY_MAX, FrameBuf, Header, seal};
use crate::id::{GroupSet, NodeId};
use crate::message::{Head, NodeBits, Silence, Verdict, Word};
use crate::witness::{Station, VOTES_FROM, Witness};

impl Witness {
    /// What a node is told, in the order of its groups.
    fn word(&self, to: NodeId) -> Word {
        let (now, other) = (self.now, to.peer());
        let heard = self.station(other).and_then(|station| station.heard);
        let mut word = Word {
            other: Silence::of(heard.map(|at| now.since(at))),
            ..Word::default()
        };
        word.off = self.station(other).is_some_and(Station::is_off);
        let Some(station) = self.station(to) else { return word };
        let newest = station.lives.newest();
        for (place, group) in station.groups.iter().enumerate() {
            if !self.is_open() {
                word.closed.insert(place);
            }
            let Some(seat) = self.seats.iter().find(|seat| seat.group == *group) else {
                continue;
            };
            // in answer to the frame that is echoed, or not at all
            if newest.is_some() && seat.vote.answers(now, to) == newest {
                word.votes.insert(place);
            }
            if seat.vote.borrower(now) == Some(other) {
                word.taken.insert(place);
            }
            if seat.marked == Some(to) {
                word.marked.insert(place);
            }
            // who hears this writes on alone
            if seat.marked == Some(other) && self.is_kept(seat) {
                word.ahead.insert(place);
            }
        }
        word
    }

    /// Writes the frame that is owed to a node into `frame`; its length.
    pub(crate) fn speak(&mut self, to: NodeId, frame: &mut FrameBuf) -> Option<usize> {
        let (now, keepalive, forget) = (self.now, self.config.keepalive, self.config.longest);
        let bits = NodeBits::of_witness(self.config.relay);
        let mut word = self.word(to);
        let sequence = self.sequence.next();
        let station = self.station_mut(to)?;
        let echo = station.lives.echo(now, forget, station.link.turn());
        station.link.speaks(now, keepalive);
        if Some(echo) != station.lives.newest() {
            word.votes = GroupSet::default();
            word.off = false;
        }
        let silence = Silence::of(station.heard.map(|at| now.since(at)));
        let head = Head {
            echo,
            heard: silence,
            heard_here: silence,
            bits,
        };
        let link = station.number;
        self.sequence = sequence;
        let header = Header {
            // the one that brought the message, which an earlier node can read
            version: VOTES_FROM,
            cluster: self.config.cluster,
            sender: NodeId::WITNESS,
            addressee: to,
            link,
            boot: self.boot,
            sequence,
        };
        let mut body = [0; BODY_MAX];
        let verdict = Verdict { head, word };
        let body = verdict.encode(&mut body)?;
        seal(&header, body, &self.keyring, frame).map(<[u8]>::len)
    }
}
