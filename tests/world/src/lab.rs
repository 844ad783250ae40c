//! What a tester does to the machine room: cables, keys, frames out of nowhere, questions.

use std::rc::Rc;

use ovzha_core::config::Config;
use ovzha_core::event::Command;
use ovzha_core::frame::{FrameBuf, Header, VERSION, open, seal};
use ovzha_core::id::{BootId, ClusterId, GroupSet, LinkId, NodeId, Sequence};

use crate::check::Fact;
use crate::node::Input;
use crate::trace::{group_names, letter};
use crate::wire::Origin;
use crate::world::{What, World};

const CLUSTER: ClusterId = ClusterId([7, 7]);

impl World {
    /// Cuts or mends one way of one link, or of all (`None`).
    pub fn set_cut(&mut self, link: Option<usize>, from: usize, cut: bool) {
        for (index, ways) in self.wire.ways.iter_mut().enumerate() {
            if link.is_none_or(|link| link == index) {
                ways[from].cut = cut;
            }
        }
        self.paths_change();
    }

    /// A link's device on a node is there, or is not: both ways are dead, and its daemon knows.
    pub(crate) fn set_device(&mut self, node: usize, link: u8, there: bool) {
        if link < self.setup.links && self.wire.set_there(node, link, there) {
            self.paths_change();
            self.give(node, Input::Link(link, there));
        }
    }

    /// Everything from this node takes so much longer.
    pub(crate) fn set_slow(&mut self, node: usize, by: u64) {
        for ways in &mut self.wire.ways {
            ways[node].slow = by;
        }
        self.paths_change();
    }

    /// `authkeys` of its next life, and as by SIGHUP of the one that runs.
    pub(crate) fn rekey(&mut self, node: usize, text: &str) {
        let keyring = self.setup.keyring(text.as_bytes());
        if let Some(daemon) = self.nodes[node].daemon.as_mut() {
            daemon.rekey(keyring.clone());
        }
        self.nodes[node].keyring = keyring;
    }

    /// Its next daemon is of a release that speaks this version at most.
    pub(crate) fn speak(&mut self, node: usize, version: u8) {
        let mut draft = (*self.nodes[node].config).clone();
        draft.speaks = version;
        if let Ok(config) = Config::new(draft) {
            self.nodes[node].config = config;
        }
    }

    /// A node loses everything together, or gets it back: links, DRBD, ping nodes.
    pub fn set_isolated(&mut self, node: usize, isolated: bool) {
        // in microseconds, and both clocks may be slow: attached for less, it may not have been heard
        let keepalive = self.setup.keepalive * 1020;
        let joined = self.troubles.joined[node];
        if isolated && joined.is_some_and(|at| self.now - at < keepalive) {
            self.troubles.flapped = Some(self.now);
        }
        if !isolated && self.wire.isolated[node] {
            self.troubles.joined[node] = Some(self.now);
        }
        self.wire.isolated[node] = isolated;
        self.paths_change();
    }

    /// DRBD's own path.
    pub fn set_drbd_cut(&mut self, cut: bool) {
        for mirror in &mut self.mirrors {
            mirror.cut = cut;
        }
        self.paths_change();
    }

    /// The path of one group's DRBD.
    pub(crate) fn set_path_cut(&mut self, group: usize, cut: bool) {
        self.mirrors[group].cut = cut;
        self.paths_change();
    }

    /// A person chooses whose data stays, wherever DRBD parted.
    pub fn resolve_split_brains(&mut self) {
        for group in 0..self.mirrors.len() {
            let primary = self.mirrors[group].primary;
            // DRBD takes back the word of no Primary
            if self.mirrors[group].alone && !(primary[0] && primary[1]) {
                self.flow(group);
                let mirror = &mut self.mirrors[group];
                let kept = mirror.resolve();
                // the person was told what the other half holds, and let it go
                mirror.writes.give_up(kept);
                mirror.writes.copy(kept);
            }
        }
        self.paths_change();
    }

    /// Somebody asks a node; the answer is owed.
    pub fn ask(&mut self, node: usize, client: u32, command: Command) {
        if !self.nodes[node].is_awake() {
            return;
        }
        self.trace.line(self.now, &(node, client), || {
            format!("{} is asked by {client}: {}", letter(node), word(&command))
        });
        self.fact(&Fact::Asked(node, client));
        if command == Command::Resume {
            (0..2).for_each(|node| self.hold_is_over(node));
        }
        self.give(node, Input::Ask(client, command));
    }

    /// Bytes arrive over a link at once.
    pub fn inject(&mut self, to: usize, link: u8, bytes: &[u8], origin: Origin) {
        let bytes = Rc::from(bytes);
        self.at(
            self.now + 1,
            What::Frame {
                to,
                link,
                bytes,
                origin,
            },
        );
    }

    /// Everything `from` has sent so far, or its newest `last` frames, is played to `to` again.
    pub fn replay(&mut self, from: usize, to: usize, last: usize) {
        let all = self.wire.sent[from].len();
        self.play(from, to, all.saturating_sub(last), last, None);
    }

    /// Old frames: `count` of them, from that per mille of all that `from` ever sent.
    pub(crate) fn recall(&mut self, from: usize, to: usize, place: u64, count: usize, link: Option<u8>) {
        let all = self.wire.sent[from].len();
        let place = usize::try_from(place).unwrap_or(0);
        self.play(from, to, all * place / 1000, count, link);
    }

    fn play(&mut self, from: usize, to: usize, first: usize, count: usize, over: Option<u8>) {
        let sent = self.wire.sent[from].iter().enumerate().skip(first).take(count);
        let frames: Vec<(usize, u8, Rc<[u8]>)> = sent
            .map(|(place, sent)| (place, over.unwrap_or(sent.link), Rc::clone(&sent.bytes)))
            .collect();
        for (index, (place, link, bytes)) in (0_u64..).zip(frames) {
            let origin = Origin::Sent(from, place);
            self.at(
                self.now + 1 + index * 200,
                What::Frame {
                    to,
                    link,
                    bytes,
                    origin,
                },
            );
        }
    }

    /// Another machine that has the key and uses node `name`'s name is heard by `to`.
    pub fn impostor(&mut self, name: u8, to: usize, frames: u32) {
        let boot = BootId([0xee; 4]);
        for sequence in 1..=frames {
            let header = Header {
                version: VERSION,
                cluster: CLUSTER,
                sender: NodeId(name),
                addressee: NodeId::ALL,
                link: LinkId(0),
                boot,
                sequence: Sequence(sequence),
            };
            let keyring = self.setup.keyring(b"a key");
            let mut frame = FrameBuf::new();
            if let Some(bytes) = seal(&header, &[], &keyring, &mut frame) {
                let bytes = Rc::from(bytes);
                let at = self.now + 1 + u64::from(sequence) * 1000;
                let origin = Origin::Made;
                self.at(
                    at,
                    What::Frame {
                        to,
                        link: 0,
                        bytes,
                        origin,
                    },
                );
            }
        }
    }

    /// The same frame as an invented later version would send it: another version, a body nobody here knows.
    pub(crate) fn reword(&self, from: usize, bytes: &Rc<[u8]>) -> Rc<[u8]> {
        let keyring = &self.nodes[from].keyring;
        let Ok(opened) = open(bytes, CLUSTER, keyring) else {
            return Rc::clone(bytes);
        };
        let header = Header {
            version: VERSION + 1,
            ..opened.header
        };
        let mut frame = FrameBuf::new();
        seal(&header, b"what a later release says", keyring, &mut frame).map_or_else(|| Rc::clone(bytes), Rc::from)
    }

    /// The nodes on which the group runs or may run, as letters.
    #[must_use]
    pub fn active(&self, group: usize) -> String {
        (0..2)
            .filter(|node| self.watch.is_active(*node, group))
            .map(letter)
            .collect()
    }
}

fn of(groups: GroupSet) -> String {
    if groups == GroupSet::ALL {
        String::new()
    } else {
        format!(" {}", group_names(groups))
    }
}

/// A request as scenarios show it.
#[must_use]
pub fn word(command: &Command) -> String {
    match command {
        Command::Standby { groups } => format!("standby{}", of(*groups)),
        Command::Takeover { groups } => format!("takeover{}", of(*groups)),
        Command::Hold { span: Some(span), .. } => format!("hold for {span}"),
        Command::Hold { span: None, .. } => "hold".to_owned(),
        Command::Resume => "resume".to_owned(),
        Command::Clear { group } => format!("clear g{}", group.0),
        Command::Stop => "stop".to_owned(),
        Command::ConfirmData { group } => format!("confirm-data g{}", group.0),
        Command::ConfirmFenced => "confirm-fenced".to_owned(),
        Command::FencePeer { group } => format!("fence-peer g{}", group.0),
    }
}
