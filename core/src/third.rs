//! The witness as a node hears it: one more station, with its own key and its own way (LEASE F1 to F3).

#[cfg(feature = "record")]
use crate::auth::Domain;
use crate::auth::Keyring;
use crate::cluster::Cluster;
use crate::frame::{self, FrameBuf, VERSION};
use crate::id::{GroupSet, LinkId, NodeId};
use crate::link::Link;
use crate::lives::{Belief, Lives};
use crate::message::{Echo, PLEDGES_FROM, Verdict, Word};
use crate::notice::Notice;
use crate::rejection::{Rejection, Rejections};
use crate::time::{Instant, Span};
use crate::witness::{Relay, VOTES_FROM};

/// What is known of the witness.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Third {
    /// Never written down.
    #[cfg_attr(feature = "record", serde(skip, default = "no_keys"))]
    pub(crate) keyring: Keyring,
    pub(crate) lives: Lives,
    pub(crate) link: Link,
    pub(crate) heard: Option<Instant>,
    /// What it last said.
    pub(crate) word: Word,
    pub(crate) rejections: Rejections,
    /// It was told that it is not heard.
    silent_told: bool,
    /// Its hand on the nodes' power is the one that it is to have.
    pub(crate) fits: bool,
}

#[cfg(feature = "record")]
pub(crate) const fn no_keys() -> Keyring {
    Keyring::new(Domain::Witness)
}

impl Third {
    pub(crate) fn new(keyring: Keyring, now: Instant) -> Self {
        Self {
            keyring,
            lives: Lives::new(),
            link: Link::new(now),
            heard: None,
            word: Word::default(),
            rejections: Rejections::new(),
            silent_told: false,
            fits: true,
        }
    }

    /// How long it has been silent.
    pub(crate) fn silence(&self, now: Instant) -> Option<Span> {
        self.heard.map(|at| now.since(at))
    }
}

impl Cluster {
    /// The link to the witness: the number after those of the peer.
    pub(crate) fn witness_link(&self) -> LinkId {
        LinkId(self.config.links)
    }

    /// Whether this is the link to the witness.
    pub(crate) fn is_witness_link(&self, link: LinkId) -> bool {
        self.config.witness && link == self.witness_link()
    }

    /// A frame came in over it.
    pub(crate) fn hear_witness(&mut self, now: Instant, bytes: &[u8]) {
        let (cluster, me, own) = (self.config.cluster, self.config.me, (self.boot, self.sequence));
        let forget = self.deadtime();
        let Some(third) = &mut self.third else { return };
        let opened = match frame::open(bytes, cluster, &third.keyring) {
            Ok(opened) => opened,
            Err(rejection) => return third.rejections.count(rejection),
        };
        let header = &opened.header;
        if header.sender != NodeId::WITNESS {
            return third.rejections.count(Rejection::Sender);
        }
        if header.addressee != me {
            return third.rejections.count(Rejection::Addressee);
        }
        let readable = (VOTES_FROM..=VERSION).contains(&header.version);
        let verdict = Verdict::decode(opened.body).filter(|_| readable);
        let echo = verdict.as_ref().map(|verdict| verdict.head.echo);
        let fresh = third.lives.is_new_candidate(header.boot);
        let who = (header.boot, header.sequence);
        let news = match third.lives.judge(now, who, echo, own) {
            Belief::Unproved => {
                // it believes nothing of this life before it has heard of its own
                third.link.urgent |= fresh;
                return third.rejections.count(Rejection::UnprovedLife);
            }
            Belief::Old => return third.rejections.count(Rejection::Stale),
            Belief::NewLife => true,
            Belief::Known => false,
        };
        let before = third.silence(now).is_none_or(|silence| silence >= forget);
        if news {
            third.link.new_life();
        }
        third.link.hear(now, header.sequence);
        third.heard = Some(now);
        third.silent_told = false;
        if news || before {
            self.notice(Notice::Witness { heard: true });
        }
        match verdict {
            Some(Verdict { head, word }) => {
                let counts = self.take_hand(head.bits.relay());
                self.take_word(head.echo, word, counts);
            }
            None => {
                if let Some(third) = &mut self.third {
                    third.rejections.count(Rejection::Body);
                }
            }
        }
    }

    /// What it does with the nodes' power; whether its votes count.
    fn take_hand(&mut self, hand: Option<Relay>) -> bool {
        let wanted = self.config.relay;
        let fits = wanted == Relay::None || hand == Some(wanted);
        let before = self
            .third
            .as_mut()
            .map(|third| core::mem::replace(&mut third.fits, fits));
        if before != Some(fits) {
            self.notice(Notice::WitnessHand { fits });
        }
        // beside watchdogs a vote that comes back with its time is as safe as one that comes with a cut
        fits || wanted != Relay::InPlace
    }

    fn take_word(&mut self, echo: Echo, mut word: Word, counts: bool) {
        if !counts {
            word.votes = GroupSet::default();
        }
        self.other_was_heard(word.other);
        if let Some(third) = &mut self.third {
            // who waits for the other node's power to go asks at once
            third.link.urgent |= word.off && !third.word.off;
            third.word = word;
        }
        if echo.boot == self.boot {
            if word.off {
                self.peer_is_off(echo.sequence);
            }
            self.commanded(echo.sequence, word.votes);
        }
    }

    /// It has been silent for a deadtime: one more failure stops what runs.
    pub(crate) fn settle_third(&mut self, now: Instant) {
        let dead = self.deadtime();
        let Some(third) = &mut self.third else { return };
        let from = third.heard.unwrap_or(self.started);
        if !third.silent_told && now.since(from) >= dead {
            third.silent_told = true;
            third.word = Word::default();
            self.notice(Notice::Witness { heard: false });
        }
    }

    /// Writes the frame that is owed to the witness into `frame`; its length.
    pub(crate) fn speak_to_witness(&mut self, frame: &mut FrameBuf) -> Option<usize> {
        let sequence = self.sequence.next();
        let message = self.vote_message()?;
        let (now, keepalive, link) = (self.now, self.config.keepalive, self.witness_link());
        self.sequence = sequence;
        self.remember_sending(now, sequence);
        self.said_to_all(sequence);
        let third = self.third.as_mut()?;
        third.link.speaks(now, keepalive);
        let off = message.ballot.is_some_and(|ballot| ballot.peer_off);
        let header = frame::Header {
            // the one that brought the message, which an earlier witness can read
            version: if off { PLEDGES_FROM } else { VOTES_FROM },
            cluster: self.config.cluster,
            sender: self.config.me,
            addressee: NodeId::WITNESS,
            link,
            boot: self.boot,
            sequence,
        };
        let mut body = [0; frame::BODY_MAX];
        let body = message.encode(&mut body)?;
        frame::seal(&header, body, &third.keyring, frame).map(<[u8]>::len)
    }
}
