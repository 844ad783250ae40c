//! What a daemon wants done, and the doing of it: the drain contract of `core/src/lib.rs`.

use std::rc::Rc;

use ovzha_core::bug::Bug;
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::{ClientId, EffectId, GroupId};
use ovzha_core::message::Phase;
use ovzha_core::notice::Notice;
use ovzha_core::output::{Answer, Effect, Output};
use ovzha_core::time::Instant;

use crate::check::Fact;
use crate::record::Happening;
use crate::trace::{answered, letter, notice};
use crate::wire::Sent;
use crate::world::{What, World};

/// Outputs of one drain, far above what a node with a few groups ever owes.
const DRAIN_MAX: u32 = 400;

/// An output that outlives the frame buffer.
enum Owed {
    Send(u8, Rc<[u8]>),
    Begin(Effect),
    Abandon(EffectId),
    Store(u32, Rc<[u8]>),
    Reply(ClientId, Answer),
    Notice(Notice),
    Shoot(EffectId),
    Fence(GroupId),
    Pet(Instant),
    Disarm,
    Bug(Bug),
    Exit,
    Wait(Instant),
}

impl World {
    /// Polls until the daemon waits.
    pub(crate) fn drain(&mut self, node: usize) {
        for _ in 0..DRAIN_MAX {
            let Some(owed) = self.poll(node) else { return };
            if let Owed::Wait(until) = owed {
                self.nodes[node].wake = self.nodes[node].clock.world(until).max(self.now + 1);
                return;
            }
            self.owe(node, owed);
        }
        self.watch
            .violation(self.now, &format!("node {node}: polling does not come to Wait"));
        self.nodes[node].wake = self.now + 1000;
    }

    fn poll(&mut self, node: usize) -> Option<Owed> {
        let mut frame = FrameBuf::new();
        let daemon = self.nodes[node].daemon.as_mut()?;
        Some(match daemon.poll(&mut frame) {
            Output::Send { link, bytes } => Owed::Send(link.0, bytes.into()),
            Output::Start(effect) => Owed::Begin(effect),
            Output::Abandon(id) => Owed::Abandon(id),
            Output::Store { version, bytes } => Owed::Store(version, bytes.into()),
            Output::Reply { client, answer } => Owed::Reply(client, answer),
            Output::Notice(notice) => Owed::Notice(notice),
            Output::Shoot(id) => Owed::Shoot(id),
            Output::FenceSelf { group } => Owed::Fence(group),
            Output::Pet { within } => Owed::Pet(within),
            Output::Disarm => Owed::Disarm,
            Output::Bug(bug) => Owed::Bug(bug),
            Output::Exit => Owed::Exit,
            Output::Wait { until, .. } => Owed::Wait(until),
        })
    }

    fn owe(&mut self, node: usize, owed: Owed) {
        let (now, who) = (self.now, letter(node));
        match owed {
            Owed::Send(link, bytes) if link == self.setup.links => self.send_to_witness(node, &bytes),
            Owed::Send(link, bytes) => self.send(node, link, &bytes),
            Owed::Begin(effect) => self.begin(node, effect),
            Owed::Abandon(id) => self.abandon(node, id.0),
            Owed::Store(version, bytes) => self.store(node, version, bytes),
            Owed::Reply(client, answer) => {
                self.trace.line(now, &(node, client, answer), || {
                    format!("{who} answers {}: {}", client.0, answered(&answer))
                });
                self.fact(&Fact::Answered(node, client.0));
                self.record(node, Happening::Answered(client.0, answer));
                self.handler_answered(client.0, &answer);
            }
            Owed::Notice(told) => {
                let groups = &self.setup.groups;
                let name = |group: usize, place: u8| -> &'static str {
                    groups
                        .get(group)
                        .and_then(|group| group.resources.get(usize::from(place)))
                        .map_or("?", |model| model.name())
                };
                self.trace
                    .line(now, &(node, told), || format!("{who} {}", notice(&told, name)));
                self.record(node, Happening::Notice(told));
                if let Notice::PeerAlive { .. } = told {
                    self.nodes[node].proved = now;
                }
                if let Notice::Ahead { group, ahead: true } = told {
                    self.mirrors[usize::from(group.0)].unsaid[node] = false;
                }
                if let Notice::Phase { group, phase, why } = told {
                    self.fact(&Fact::Phase(node, usize::from(group.0), phase, why));
                    self.nodes[node].claims(usize::from(group.0), phase, now);
                    if phase == Phase::Claiming {
                        self.check_commanded(node, group);
                    }
                }
            }
            Owed::Shoot(id) => self.shoot(node, id),
            Owed::Fence(group) => {
                self.trace.line(now, &(node, group, "reset"), || {
                    format!("{who} resets itself for g{}", group.0)
                });
                self.record(node, Happening::Resets(group));
                self.reset(node);
            }
            Owed::Pet(within) => self.pet(node, within),
            Owed::Disarm => self.disarm(node),
            Owed::Bug(bug) => {
                let group = bug.group.map_or_else(String::new, |group| format!(" g{}", group.0));
                self.trace
                    .line(now, &(node, bug), || format!("{who} BUG{group}: {}", bug.id));
                self.record(node, Happening::Bug(bug));
                if !self.lying {
                    self.watch
                        .violation(now, &format!("node {node}: bug {}{group}: {}", bug.id.number(), bug.id));
                }
            }
            Owed::Exit => {
                self.trace.line(now, &(node, "exit"), || format!("{who} exits"));
                self.nodes[node].left = true;
                self.leaves_what_runs(node);
                self.record(node, Happening::Exits);
                self.daemon_gone(node);
            }
            Owed::Wait(_) => {}
        }
    }

    fn send(&mut self, from: usize, link: u8, bytes: &Rc<[u8]>) {
        self.trace.mix(self.now, &(from, link, &**bytes));
        let bytes = if self.newer[from] {
            self.reword(from, bytes)
        } else {
            Rc::clone(bytes)
        };
        let to = 1 - from;
        let sent = Sent {
            link,
            to_life: self.nodes[to].life,
            bytes,
        };
        for arrival in self
            .wire
            .carry(&mut self.rng, self.now, from, sent)
            .into_iter()
            .flatten()
        {
            self.at(
                arrival.at,
                What::Frame {
                    to,
                    link: arrival.link,
                    bytes: arrival.bytes,
                    origin: arrival.origin,
                },
            );
        }
    }

    fn store(&mut self, node: usize, version: u32, bytes: Rc<[u8]>) {
        self.trace.mix(self.now, &(node, version, &*bytes));
        let bytes = (!self.nodes[node].disk_fails).then_some(bytes);
        let (life, takes) = (self.nodes[node].life, self.nodes[node].disk_takes);
        self.at(
            self.now + takes,
            What::Stored {
                node,
                life,
                version,
                bytes,
            },
        );
    }
}
