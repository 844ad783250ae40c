//! What a witness lends, to whom, and what it forgets: SAFETY S-72, S-76, S-77, PROTOCOL P-50 to P-52.

#[cfg(test)]
mod tests {
    use ovzha_core::auth::{Domain, Keyring, Method};
    use ovzha_core::frame::{self, BODY_MAX, FrameBuf, Header, VERSION};
    use ovzha_core::id::{BootId, ClusterId, GroupSet, KeyId, LinkId, Mark, NodeId, Sequence, Tenure};
    use ovzha_core::message::{
        Ballot, Connection, Disk, Drbd, Echo, GroupBits, GroupReport, Head, Message, NodeBits, Silence, Verdict,
    };
    use ovzha_core::time::{Instant, Span};
    use ovzha_core::witness::{Power, Relay, Said, Witness, WitnessConfig, WitnessNotice};

    const CLUSTER: ClusterId = ClusterId([7, 7]);
    const LONGEST: Span = Span::from_secs(20);
    const TERM: u16 = 100;
    const GROUPS: [Mark; 2] = [Mark([1, 1, 1]), Mark([2, 2, 2])];

    fn ring(domain: Domain) -> Keyring {
        let mut ring = Keyring::new(domain);
        ring.add(KeyId(1), Method::Sha256, b"a key").unwrap();
        ring.sign_with(KeyId(1)).unwrap();
        ring
    }

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn set(places: &[usize]) -> GroupSet {
        GroupSet::of(places.iter().copied())
    }

    fn asks(places: &[usize]) -> Ballot {
        Ballot {
            asks: set(places),
            term: TERM,
            ..Ballot::default()
        }
    }

    fn frees(places: &[usize]) -> Ballot {
        Ballot {
            frees: set(places),
            term: TERM,
            ..Ballot::default()
        }
    }

    /// A witness, and both nodes as it hears them.
    struct Bed {
        witness: Witness,
        now: Instant,
        lives: [(u8, u32); 2],
        /// What the witness last said to each node.
        said: [Option<(Header, Verdict)>; 2],
        notices: Vec<WitnessNotice>,
        ahead: [bool; 2],
        mirrored: [bool; 2],
        /// Switchings of power: which node, and whether on.
        switched: Vec<(u8, bool)>,
        /// Its disk, and whether that answers at once; none: it does not answer at all.
        disk: Vec<(Mark, NodeId)>,
        writes: Option<bool>,
        written: u32,
    }

    impl Bed {
        fn new() -> Self {
            Self::with(Relay::None)
        }

        fn with(relay: Relay) -> Self {
            let config = WitnessConfig {
                cluster: CLUSTER,
                keepalive: Span::from_secs(1),
                longest: LONGEST,
                relay,
                off_for: Span::from_secs(5),
            };
            Self {
                witness: Witness::new(config, ring(Domain::Witness), BootId([9; 4]), at(0)),
                now: at(0),
                lives: [(1, 0), (2, 0)],
                said: [None, None],
                notices: Vec::new(),
                ahead: [false; 2],
                mirrored: [false; 2],
                switched: Vec::new(),
                disk: Vec::new(),
                writes: Some(true),
                written: 0,
            }
        }

        /// One that lends, and that both nodes have heard.
        fn open() -> Self {
            Self::open_with(Relay::None)
        }

        fn open_with(relay: Relay) -> Self {
            let mut bed = Self::with(relay);
            bed.now = bed.now.after(LONGEST);
            for node in 0..2 {
                bed.meets(node);
            }
            bed
        }

        /// A node's first two frames: the second one echoes the witness, and is believed.
        fn meets(&mut self, node: usize) {
            self.speaks(node, frees(&[0, 1]));
            self.speaks(node, frees(&[0, 1]));
        }

        fn pass(&mut self, ms: u64) {
            self.now = self.now.after(Span::from_millis(ms));
            self.witness.tick(self.now);
            self.drain();
        }

        fn frame(&mut self, node: usize, ballot: Ballot, ring: &Keyring) -> Vec<u8> {
            let (life, sequence) = &mut self.lives[node];
            *sequence = sequence.saturating_add(1);
            let echo = self.said[node].map_or(Echo::NOBODY, |(header, _)| Echo {
                boot: header.boot,
                sequence: header.sequence,
            });
            let half = Drbd {
                connection: if self.mirrored[node] {
                    Connection::Connected
                } else {
                    Connection::Connecting
                },
                disk: Disk::UpToDate,
                ahead: self.ahead[node],
                ..Drbd::default()
            };
            let report = GroupReport {
                tenure: Tenure(1),
                bits: GroupBits(0),
                drbd: half.pack(),
            };
            let message = Message {
                head: Head {
                    echo,
                    heard: Silence::NEVER,
                    heard_here: Silence::NEVER,
                    bits: NodeBits::default(),
                },
                detail: None,
                names: None,
                ballot: Some(ballot),
                identities: Some(GROUPS.into_iter().collect()),
                groups: [report, report].into_iter().collect(),
            };
            let header = Header {
                version: VERSION,
                cluster: CLUSTER,
                sender: NodeId(u8::try_from(node).unwrap()),
                addressee: NodeId::WITNESS,
                link: LinkId(3),
                boot: BootId([*life; 4]),
                sequence: Sequence(*sequence),
            };
            let mut body = [0; BODY_MAX];
            let mut out = FrameBuf::new();
            let body = message.encode(&mut body).unwrap();
            frame::seal(&header, body, ring, &mut out).unwrap().to_vec()
        }

        /// A node speaks; the answer.
        fn speaks(&mut self, node: usize, ballot: Ballot) -> Verdict {
            let bytes = self.frame(node, ballot, &ring(Domain::Witness));
            self.hears(&bytes);
            self.said[node].unwrap().1
        }

        fn hears(&mut self, bytes: &[u8]) -> Option<(NodeId, bool)> {
            let answer = self.witness.handle(self.now, bytes);
            self.drain();
            answer
        }

        /// The witness loses its power, and has it again at once, open.
        fn restarts(&mut self) {
            let Self { disk, now, .. } = core::mem::replace(self, Self::new());
            self.now = now;
            self.witness.tick(now);
            for (group, node) in &disk {
                self.witness.remember(*group, *node);
            }
            self.disk = disk;
            self.pass(20_000);
            (self.lives, self.said) = ([(3, 0), (4, 0)], [None, None]);
            self.meets(0);
            self.meets(1);
        }

        fn sees(&mut self, node: u8, power: Power) {
            self.witness.sensed(self.now, NodeId(node), power);
            self.drain();
        }

        fn drain(&mut self) {
            for _ in 0..50 {
                let mut out = FrameBuf::new();
                match self.witness.poll(&mut out) {
                    Said::Wait { until } => {
                        assert!(until >= self.now);
                        return;
                    }
                    Said::Notice(notice) => self.notices.push(notice),
                    Said::Power { node, on } => self.switched.push((node.0, on)),
                    Said::Keep => {
                        self.written = self.written.saturating_add(1);
                        if self.writes == Some(true) {
                            self.disk = self.witness.marks().collect();
                        }
                        if let Some(good) = self.writes {
                            self.witness.kept(self.now, good);
                        }
                    }
                    Said::Send { to, bytes } => {
                        let opened = frame::open(bytes, CLUSTER, &ring(Domain::Witness)).unwrap();
                        assert_eq!((opened.header.sender, opened.header.addressee), (NodeId::WITNESS, to));
                        let verdict = Verdict::decode(opened.body).unwrap();
                        self.said[usize::from(to.0)] = Some((opened.header, verdict));
                    }
                }
            }
            panic!("polling does not come to Wait");
        }
    }

    /// S-72.
    #[test]
    fn a_vote_goes_to_one_node_and_to_the_other_when_its_time_is_over() {
        let mut bed = Bed::open();
        assert_eq!(bed.speaks(0, asks(&[0])).word.votes, set(&[0]));
        let word = bed.speaks(1, asks(&[0, 1])).word;
        assert_eq!(
            (word.votes, word.taken),
            (set(&[1]), set(&[0])),
            "each group has a vote of its own"
        );
        bed.pass(9_999);
        assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]));
        bed.pass(1);
        assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[0]));
        assert_eq!(bed.speaks(0, asks(&[0])).word.taken, set(&[0]));
    }

    /// S-72: a later frame that frees it brings it back at once; one that says nothing of it does not.
    #[test]
    fn a_vote_that_is_given_back_is_free() {
        let mut bed = Bed::open();
        bed.speaks(0, asks(&[0, 1]));
        bed.speaks(0, frees(&[1]));
        let word = bed.speaks(1, asks(&[0, 1])).word;
        assert_eq!((word.votes, word.taken), (set(&[1]), set(&[0])));
    }

    /// S-72: in answer to the newest frame, or not at all.
    #[test]
    fn what_is_not_asked_for_any_more_is_not_said_to_be_lent() {
        let mut bed = Bed::open();
        bed.speaks(0, asks(&[0]));
        assert_eq!(bed.speaks(0, Ballot::default()).word.votes, set(&[]));
        assert_eq!(bed.speaks(1, asks(&[0])).word.taken, set(&[0]), "and yet it is");
    }

    /// S-76.
    #[test]
    fn a_witness_that_has_just_started_lends_to_nobody() {
        let mut bed = Bed::new();
        bed.meets(0);
        let word = bed.speaks(0, asks(&[0])).word;
        assert_eq!((word.votes, word.closed), (set(&[]), set(&[0, 1])));
        bed.pass(19_999);
        assert_eq!(bed.speaks(0, asks(&[0])).word.votes, set(&[]));
        bed.pass(1);
        let word = bed.speaks(0, asks(&[0])).word;
        assert_eq!((word.votes, word.closed), (set(&[0]), set(&[])));
    }

    /// S-76.
    #[test]
    fn who_asks_for_longer_than_it_lends_gets_nothing_and_that_is_told_once() {
        let mut bed = Bed::open();
        let long = Ballot {
            term: 201,
            ..asks(&[0])
        };
        for _ in 0..3 {
            assert_eq!(bed.speaks(0, long).word.votes, set(&[]));
        }
        let told = bed
            .notices
            .iter()
            .filter(|it| matches!(it, WitnessNotice::TooLong { .. }));
        assert_eq!(told.count(), 1);
    }

    /// P-21, P-52: a life that has proved nothing asks in vain, and a recorded frame of it frees nothing.
    #[test]
    fn a_life_that_proves_nothing_changes_no_vote() {
        let mut bed = Bed::open();
        bed.speaks(0, asks(&[0]));
        let old = bed.frame(0, frees(&[0]), &ring(Domain::Witness));
        bed.speaks(0, asks(&[0]));
        assert_eq!(bed.hears(&old), Some((NodeId(0), false)), "older than the newest");
        bed.lives[0] = (77, 0);
        bed.said[0] = None;
        let unproved = bed.frame(0, frees(&[0]), &ring(Domain::Witness));
        assert_eq!(bed.hears(&unproved), Some((NodeId(0), false)));
        assert_eq!(bed.speaks(1, asks(&[0])).word.taken, set(&[0]));
        // it heard the witness meanwhile: now it is believed, and the old life holds nothing
        bed.speaks(0, frees(&[0]));
        assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[0]));
    }

    /// P-10: a key of another domain proves nothing here.
    #[test]
    fn a_frame_between_the_nodes_is_none_for_the_witness() {
        let mut bed = Bed::open();
        let foreign = bed.frame(0, asks(&[0]), &ring(Domain::Node));
        assert_eq!(bed.hears(&foreign), None);
        assert_eq!(bed.hears(b"noise"), None);
    }

    /// S-77.
    #[test]
    fn whose_copy_is_old_is_lent_nothing_until_it_is_not_or_a_person_says_so() {
        let mut bed = Bed::open();
        bed.ahead[0] = true;
        assert_eq!(
            bed.speaks(0, frees(&[0])).word.ahead,
            set(&[]),
            "who does not have the vote writes nothing"
        );
        assert_eq!(bed.speaks(0, asks(&[0])).word.ahead, set(&[0]));
        bed.pass(10_000);
        let word = bed.speaks(1, asks(&[0])).word;
        assert_eq!((word.votes, word.marked), (set(&[]), set(&[0])));
        let confirmed = Ballot {
            confirmed: set(&[0]),
            ..asks(&[0])
        };
        assert_eq!(bed.speaks(1, confirmed).word.votes, set(&[0]));
        // the other way: the resync is over
        let mut bed = Bed::open();
        bed.ahead[0] = true;
        bed.speaks(0, asks(&[0]));
        (bed.ahead[0], bed.mirrored[0]) = (false, true);
        bed.speaks(0, frees(&[0]));
        assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[0]));
    }

    /// S-77: who is ahead writes on only once a restart of the witness can't forget it.
    #[test]
    fn a_mark_is_answered_once_it_is_kept_and_outlasts_a_restart() {
        let mut bed = Bed::open();
        (bed.ahead[0], bed.writes) = (true, None);
        assert_eq!(
            bed.speaks(0, asks(&[0])).word.ahead,
            set(&[]),
            "its disk has not answered"
        );
        assert_eq!(
            bed.speaks(1, asks(&[0])).word.marked,
            set(&[0]),
            "and yet it is lent nothing"
        );
        bed.disk = bed.witness.marks().collect();
        bed.witness.kept(bed.now, true);
        bed.drain();
        assert_eq!(bed.said[0].unwrap().1.word.ahead, set(&[0]), "told at once");
        bed.restarts();
        let word = bed.speaks(1, asks(&[0, 1])).word;
        assert_eq!((word.votes, word.marked), (set(&[1]), set(&[0])));
    }

    /// S-77.
    #[test]
    fn a_disk_that_fails_is_told_once_and_tried_again() {
        let mut bed = Bed::open();
        (bed.ahead[0], bed.writes) = (true, Some(false));
        for _ in 0..25 {
            assert_eq!(bed.speaks(0, asks(&[0])).word.ahead, set(&[]));
            bed.pass(1_000);
        }
        assert_eq!(bed.written, 3, "each ten seconds");
        bed.writes = Some(true);
        bed.pass(10_000);
        assert_eq!(bed.speaks(0, asks(&[0])).word.ahead, set(&[0]));
        let told = |it: &&WitnessNotice| matches!(it, WitnessNotice::Kept(_));
        let told: Vec<_> = bed.notices.iter().filter(told).collect();
        assert_eq!(told, [&WitnessNotice::Kept(false), &WitnessNotice::Kept(true)]);
    }

    /// S-77: what is over goes from the disk a minute later, so that a mirror that comes and goes writes little.
    #[test]
    fn a_mark_that_is_over_is_taken_from_the_disk_later() {
        let mut bed = Bed::open();
        for _ in 0..50 {
            (bed.ahead[0], bed.mirrored[0]) = (true, false);
            assert_eq!(bed.speaks(0, asks(&[0])).word.ahead, set(&[0]));
            (bed.ahead[0], bed.mirrored[0]) = (false, true);
            bed.speaks(0, asks(&[0]));
            bed.pass(1_000);
        }
        assert_eq!((bed.written, bed.disk.len()), (1, 1));
        bed.pass(58_999);
        assert_eq!(bed.written, 1);
        bed.pass(1);
        assert_eq!((bed.written, bed.disk.len()), (2, 0));
        bed.pass(600_000);
        assert_eq!(bed.written, 2);
    }

    /// S-77: a mark of a group that nobody has any more is over once both nodes were heard without it.
    #[test]
    fn a_mark_of_a_group_that_is_gone_goes_too() {
        let mut bed = Bed::open();
        bed.disk = vec![(Mark([7; 3]), NodeId(1))];
        bed.restarts();
        assert!(bed.witness.seats().all(|seat| seat.marked.is_none()));
        bed.pass(60_000);
        assert_eq!(bed.disk, []);
        bed.speaks(0, asks(&[0]));
        assert_eq!(bed.witness.seats().count(), 2, "and its seat");
    }

    /// S-78, seen from the other side.
    #[test]
    fn a_node_that_is_heard_again_is_told_and_one_that_is_not_is_told_once() {
        let mut bed = Bed::open();
        bed.notices.clear();
        bed.pass(25_000);
        bed.pass(25_000);
        assert_eq!(
            bed.notices,
            [WitnessNotice::Silent(NodeId(0)), WitnessNotice::Silent(NodeId(1))]
        );
        bed.notices.clear();
        bed.speaks(1, frees(&[0]));
        let heard = WitnessNotice::Heard {
            node: NodeId(1),
            restarted: false,
        };
        assert_eq!(bed.notices, [heard]);
    }

    /// S-79: who asks in vain beside one that is not heard gets that one cut; once, and it has its power back after a while.
    #[test]
    fn a_node_that_is_not_heard_is_cut_once_when_the_other_one_asks() {
        let mut bed = Bed::open_with(Relay::InPlace);
        bed.sees(0, Power::On);
        bed.speaks(0, asks(&[0]));
        for _ in 0..9 {
            bed.pass(1000);
            assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]));
        }
        assert_eq!(bed.switched, []);
        bed.pass(1000);
        bed.speaks(1, asks(&[0]));
        assert_eq!(bed.switched, [(0, false)]);
        // by time alone nothing is lent in place of watchdogs
        assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]));
        bed.sees(0, Power::Off);
        let word = bed.said[1].unwrap().1.word;
        assert!(word.off, "told at once");
        let word = bed.speaks(1, asks(&[0])).word;
        assert_eq!((word.votes, word.off), (set(&[0]), true));
        bed.pass(5000);
        assert_eq!(bed.switched, [(0, false), (0, true)]);
        bed.sees(0, Power::On);
        // it does not come back: no second cut, and what runs there keeps the vote
        bed.pass(20_000);
        let holds = Ballot {
            holds: set(&[0]),
            ..asks(&[0])
        };
        assert_eq!(bed.speaks(1, holds).word.votes, set(&[0]));
        assert_eq!(bed.switched.len(), 2);
    }

    /// S-84, S-79: in place of watchdogs a person's word is a cut, of a node that is not heard and until it is.
    #[test]
    fn a_person_who_says_that_a_node_is_off_is_believed_while_it_is_silent() {
        let mut bed = Bed::open_with(Relay::InPlace);
        bed.sees(0, Power::On);
        let holds = Ballot {
            holds: set(&[0]),
            ..asks(&[0])
        };
        assert_eq!(bed.speaks(0, holds).word.votes, set(&[0]));
        let said = Ballot {
            peer_off: true,
            ..asks(&[0])
        };
        for _ in 0..9 {
            bed.pass(1000);
            let word = bed.speaks(1, said).word;
            assert_eq!((word.votes, word.off), (set(&[]), false), "it was heard lately");
        }
        for _ in 0..6 {
            bed.pass(1000);
            bed.speaks(1, asks(&[0]));
        }
        assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]), "time lends nothing");
        let word = bed.speaks(1, said).word;
        assert_eq!((word.votes, word.off), (set(&[0]), true));
        bed.speaks(1, said);
        let told = bed
            .notices
            .iter()
            .filter(|it| **it == WitnessNotice::SaidOff(NodeId(0)));
        assert_eq!(told.count(), 1, "once");
        bed.speaks(1, frees(&[0]));
        // it is there after all: nothing of that word is left
        bed.speaks(0, frees(&[0]));
        let word = bed.speaks(1, asks(&[0])).word;
        assert_eq!((word.votes, word.off), (set(&[]), false));
    }

    /// S-84: a word from before that node was last heard here says nothing of what it did since.
    #[test]
    fn a_persons_word_that_does_not_know_when_the_node_was_heard_is_none() {
        let mut bed = Bed::open_with(Relay::InPlace);
        bed.sees(0, Power::On);
        let said = Ballot {
            peer_off: true,
            ..asks(&[0])
        };
        bed.speaks(1, asks(&[0]));
        // composed before the other one was heard, and late
        let late = bed.frame(1, said, &ring(Domain::Witness));
        bed.speaks(0, asks(&[0]));
        bed.pass(30_000);
        bed.hears(&late);
        assert!(!bed.said[1].unwrap().1.word.off);
        assert!(bed.speaks(1, said).word.off, "this one answers to what was said since");
    }

    /// S-84: power that comes back ends it, heard or not.
    #[test]
    fn a_persons_word_ends_when_the_input_sees_power_come() {
        let mut bed = Bed::open_with(Relay::InPlace);
        bed.sees(0, Power::Off);
        bed.pass(30_000);
        bed.speaks(1, asks(&[0]));
        let said = Ballot {
            peer_off: true,
            ..asks(&[0])
        };
        assert!(bed.speaks(1, said).word.off);
        bed.sees(0, Power::On);
        assert!(!bed.speaks(1, asks(&[0])).word.off);
    }

    /// S-79: what is heard is never cut, and never both.
    #[test]
    fn who_is_heard_is_not_cut() {
        let mut bed = Bed::open_with(Relay::Beside);
        for _ in 0..40 {
            bed.pass(1000);
            bed.speaks(0, asks(&[0]));
            bed.speaks(1, asks(&[0]));
        }
        assert_eq!(bed.switched, []);
        for _ in 0..10 {
            bed.pass(1000);
            bed.speaks(1, asks(&[0]));
        }
        bed.pass(1000);
        bed.speaks(0, asks(&[1]));
        assert_eq!(bed.switched, [(0, false)], "one at a time");
    }

    /// S-79: what passed without a word of anybody may be the witness's own deafness; who does not speak after it is cut.
    #[test]
    fn a_silence_of_both_is_no_news_of_one() {
        let mut bed = Bed::open_with(Relay::InPlace);
        for _ in 0..4 {
            bed.pass(1000);
            bed.speaks(0, asks(&[0]));
            bed.speaks(1, asks(&[0]));
        }
        bed.pass(60_000);
        bed.speaks(1, asks(&[0]));
        bed.pass(900);
        bed.speaks(0, asks(&[0]));
        bed.pass(2000);
        bed.speaks(1, asks(&[0]));
        assert_eq!(bed.switched, [], "both are heard again");
        bed.pass(60_000);
        for _ in 0..3 {
            bed.speaks(1, asks(&[0]));
            assert_eq!(bed.switched, []);
            bed.pass(1000);
        }
        bed.speaks(1, asks(&[0]));
        assert_eq!(
            bed.switched,
            [(0, false)],
            "the other one is heard, and this one is not"
        );
    }

    /// S-79: a relay that is stuck is told, and in place of watchdogs nothing is lent then.
    #[test]
    fn a_stuck_relay_is_told_and_lends_nothing() {
        let mut bed = Bed::open_with(Relay::InPlace);
        bed.sees(0, Power::On);
        bed.speaks(0, asks(&[0]));
        for _ in 0..30 {
            bed.pass(1000);
            assert_eq!(bed.speaks(1, asks(&[0])).word.votes, set(&[]));
        }
        assert!(
            bed.notices.contains(&WitnessNotice::Stuck(NodeId(0))),
            "{:?}",
            bed.notices
        );
        assert_eq!(bed.switched, [(0, false), (0, true)]);
    }
}
