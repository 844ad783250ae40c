//! Whose copy is old, over a loss of power: a node spoken by hand, for the cores of the other cases have no DRBD.

use ovzha_core::auth::Domain;
use ovzha_core::frame::{BODY_MAX, FrameBuf, Header, VERSION, open, seal};
use ovzha_core::id::{BootId, GroupSet, Mark, NodeId, Sequence, Tenure};
use ovzha_core::message::{
    Ballot, Connection, Disk, Drbd, Echo, GroupBits, GroupReport, Head, Message, NodeBits, Silence, Verdict, Word,
};
use ovzha_core::serial::{Deframer, SerialBuf, encode};

use crate::bed::{Bed, SECRET};
use crate::node::{Times, WITNESS, cluster, ring};
use crate::pair::Pair;
use ovzha_board_logic::provision::Hand;

const GROUP: Mark = Mark([1, 2, 3]);

/// A node's side of its line.
struct Speaker {
    node: u8,
    boot: u8,
    sequence: u32,
    echo: Echo,
    deframer: Deframer,
}

impl Speaker {
    fn new(node: u8, boot: u8) -> Self {
        Self {
            node,
            boot,
            sequence: 0,
            echo: Echo::NOBODY,
            deframer: Deframer::new(),
        }
    }

    /// Asks for the group's vote, and hears the answer.
    fn asks(&mut self, bed: &mut Bed, ahead: bool) -> Option<Word> {
        self.sequence += 1;
        let half = Drbd {
            connection: Connection::Connecting,
            disk: Disk::UpToDate,
            ahead,
            ..Drbd::default()
        };
        let one = GroupSet(1);
        let message = Message {
            head: Head {
                echo: self.echo,
                heard: Silence::NEVER,
                heard_here: Silence::NEVER,
                bits: NodeBits::default(),
            },
            detail: None,
            names: None,
            ballot: Some(Ballot {
                asks: one,
                holds: if ahead { one } else { GroupSet::default() },
                term: 100,
                ..Ballot::default()
            }),
            identities: Some([GROUP].into_iter().collect()),
            groups: [GroupReport {
                tenure: Tenure(1),
                bits: GroupBits(0),
                drbd: half.pack(),
            }]
            .into_iter()
            .collect(),
        };
        let header = Header {
            version: VERSION,
            cluster: cluster(),
            sender: NodeId(self.node),
            addressee: NodeId::WITNESS,
            link: WITNESS,
            boot: BootId([self.boot; 4]),
            sequence: Sequence(self.sequence),
        };
        let keys = ring(Domain::Witness, SECRET);
        let (mut body, mut frame, mut line) = ([0; BODY_MAX], FrameBuf::new(), SerialBuf::new());
        let frame = seal(&header, message.encode(&mut body).unwrap(), &keys, &mut frame).unwrap();
        let place = usize::from(self.node);
        bed.board.tx[place].clear();
        bed.board.feed(place, encode(frame, &mut line).unwrap());
        bed.board.run(300);
        let mut word = None;
        for byte in std::mem::take(&mut bed.board.tx[place]) {
            let Some(Ok(frame)) = self.deframer.push(byte) else {
                continue;
            };
            if let Ok(opened) = open(frame, cluster(), &keys) {
                self.echo = Echo {
                    boot: opened.header.boot,
                    sequence: opened.header.sequence,
                };
                word = Verdict::decode(opened.body).map(|verdict| verdict.word).or(word);
            }
        }
        word
    }

    /// Until the board believes it, and lends.
    fn settles(&mut self, bed: &mut Bed, ahead: bool) -> Word {
        for _ in 0..60 {
            let word = self.asks(bed, ahead);
            if let Some(word) = word.filter(|word| word.closed == GroupSet::default() && self.sequence > 3) {
                return word;
            }
        }
        panic!("it does not lend\n{}", bed.story());
    }
}

/// S-77: with the node that is ahead dead, and the board without power for a moment, the old copy is lent nothing.
#[test]
fn whose_copy_is_old_it_still_knows_after_a_loss_of_power() {
    let mut bed = Bed::new(Hand::None, Times::USUAL);
    bed.mains = [false; 2];
    bed.run(500);
    let mut first = Speaker::new(0, 1);
    first.settles(&mut bed, true);
    let word = first.asks(&mut bed, true).unwrap();
    assert_eq!((word.votes, word.ahead), (GroupSet(1), GroupSet(1)), "{}", bed.story());
    for how in ["power", "pin"] {
        bed.board.restart(how);
        let mut second = Speaker::new(1, 2);
        let word = second.settles(&mut bed, false);
        assert_eq!(
            (word.votes, word.marked),
            (GroupSet(0), GroupSet(1)),
            "{how}\n{}",
            bed.story()
        );
    }
}
