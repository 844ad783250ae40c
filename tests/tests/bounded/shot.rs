//! A fence agent in the small model: one moment at which it cuts, sees, and says so.

use ovzha_core::event::Outcome;

use crate::machine::{Input, Wrong};
use crate::model::{Model, letter};

/// From the order to the end of a shot, in milliseconds.
const SHOT: u64 = 450;

impl Model {
    /// A node wants the other one's power cut.
    pub fn shoot(&mut self, node: usize, id: u32) {
        let machine = &mut self.nodes[node];
        let fails = machine.wrong == Some(Wrong::Shot);
        if fails {
            machine.wrong = None;
        }
        let (life, ends) = (machine.life, self.now + SHOT);
        let again = machine.shot.is_some_and(|(_, of, ..)| of == life) || id <= machine.newest;
        (machine.shot, machine.newest) = (Some((id, life, !fails, ends)), id);
        let words = if fails { " (it will fail)" } else { "" };
        self.tell(|| format!("{} shoots at {}{words}", letter(node), letter(1 - node)));
        if again {
            self.violates("S-83", format!("{}: two shots at once", letter(node)));
        }
    }

    /// It ends; a daemon that did not begin it is told nothing.
    pub fn shot_ends(&mut self, node: usize) {
        let Some((id, life, cuts, _)) = self.nodes[node].shot.take() else {
            return;
        };
        if cuts {
            self.tell(|| format!("{} has no power any more", letter(1 - node)));
            self.power_off(1 - node);
        }
        let machine = &self.nodes[node];
        if machine.life == life && machine.daemon.is_some() {
            let outcome = if cuts { Outcome::Done } else { Outcome::Failed };
            self.pending.push_back((node, Input::Done(id, outcome)));
        }
    }
}
