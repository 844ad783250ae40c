//! What cuts a node's power for the other one (SAFETY S-80): a fence agent on each node, and a person who looks.
//!
//! A shot is a child of the node that fires it: it ends with that node's power, not with its daemon. The power goes half
//! way through, and the agent says at the end what it has seen.

use ovzha_core::event::{Command, Outcome};
use ovzha_core::id::EffectId;

use crate::act::Act;
use crate::check::Fact;
use crate::trace::letter;
use crate::world::{What, World};

/// What an agent does with the power of the other node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Does {
    /// Cuts it, and sees that it is off.
    Cuts,
    /// Nothing, and says so.
    Fails,
    /// Cuts it, and can't see it.
    CutsUnseen,
    /// Nothing, and says that it is off.
    Lies,
}

/// The agent of a node.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    /// What it does.
    pub does: Does,
    /// How long a shot takes, in microseconds.
    pub takes: u64,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            does: Does::Cuts,
            takes: 2_000_000,
        }
    }
}

/// Both of them.
#[derive(Clone, Debug, Default)]
pub struct Agents {
    /// By the node that shoots.
    pub of: [Agent; 2],
    /// A node without power was said to have none, and had some: what is promised is void.
    pub lied: bool,
    /// After so long somebody turns a node on again that was shot; `None`: nobody does.
    pub back: Option<u64>,
}

impl World {
    /// A daemon wants the power of the other node cut.
    pub(crate) fn shoot(&mut self, node: usize, id: EffectId) {
        self.trace.line(self.now, &(node, id, "shoots"), || {
            format!("{} shoots at {}", letter(node), letter(1 - node))
        });
        self.fact(&Fact::Shot(node, id.0));
        let (boots, life, takes) = (
            self.nodes[node].boots,
            self.nodes[node].life,
            self.agents.of[node].takes,
        );
        self.at(self.now + takes / 2, What::Hit { node, boots });
        self.at(
            self.now + takes,
            What::ShotEnds {
                node,
                boots,
                life,
                id: id.0,
            },
        );
    }

    pub(crate) fn hit(&mut self, node: usize, boots: u32) {
        let agent = self.agents.of[node];
        let works = self.nodes[node].boots == boots && self.nodes[node].power && !self.nodes[node].is_still();
        if !works || matches!(agent.does, Does::Fails | Does::Lies) {
            return;
        }
        self.step(&Act::Off(1 - node));
        if let Some(takes) = self.agents.back {
            self.boot_in(1 - node, takes);
        }
    }

    pub(crate) fn shot_ends(&mut self, node: usize, (boots, life): (u32, u32), id: u32) {
        if self.nodes[node].boots != boots {
            return;
        }
        if self.nodes[node].is_still() {
            // what it has seen it says once it moves again
            return self.at(self.now + 100_000, What::ShotEnds { node, boots, life, id });
        }
        let off = !self.nodes[1 - node].power;
        let outcome = match self.agents.of[node].does {
            Does::Cuts if off => Outcome::Done,
            Does::Cuts | Does::Fails => Outcome::Failed,
            Does::CutsUnseen => Outcome::Partial,
            Does::Lies => {
                self.agents.lied |= !off;
                Outcome::Done
            }
        };
        self.fact(&Fact::ShotEnded(node, id));
        self.tell_done(node, life, id, outcome);
    }

    /// A person at the other machine says that it is off, if it is.
    pub(crate) fn confirm_fenced(&mut self, node: usize) {
        if !self.nodes[1 - node].power {
            self.step(&Act::Ask(node, Command::ConfirmFenced));
        }
    }

    /// A person says so, whatever is true.
    pub(crate) fn is_told_off(&mut self, node: usize, command: &Command) {
        self.agents.lied |= *command == Command::ConfirmFenced && self.nodes[1 - node].power;
    }
}
