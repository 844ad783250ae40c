//! The witness's hand on a node's power (SAFETY S-79): a relay in its supply, which an input beside the node looks behind.
//!
//! A relay at rest gives power. One that sticks leaves its contacts where they are; once it moves again they follow the
//! coil. A machine that resets itself has power all the time.

use ovzha_core::witness::{Power, Relay};

use crate::world::{What, World};

/// From the order to the relay's contacts, in microseconds.
const SWITCHES: u64 = 30_000;

/// One node's relay.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one relay")]
pub struct Switch {
    /// The coil is at rest.
    rests: bool,
    /// The contacts give power.
    gives: bool,
    /// They don't move.
    stuck: bool,
    /// The input says that there is power, whatever is true.
    blind: bool,
    /// The input said so when the witness last had something to do: what it goes by if time is over before it looks again.
    pub(crate) seen: bool,
    /// The node has power as soon as the contacts give it.
    waits: bool,
    /// The node is being reset.
    resets: bool,
}

impl Switch {
    /// At rest.
    pub(crate) const NEW: Self = Self {
        rests: true,
        gives: true,
        stuck: false,
        blind: false,
        seen: false,
        waits: false,
        resets: false,
    };

    /// Its contacts don't move.
    #[must_use]
    pub const fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Its input says that there is power, whatever is true.
    #[must_use]
    pub const fn is_blind(&self) -> bool {
        self.blind
    }

    /// The node is switched on: whether it has power then.
    pub(crate) const fn lets_on(&mut self) -> bool {
        (self.waits, self.resets) = (!self.gives, false);
        self.gives
    }

    /// Its power is taken away, not by this relay.
    pub(crate) const fn lets_off(&mut self) {
        (self.waits, self.resets) = (false, false);
    }
}

impl World {
    /// A node that resets itself is without a life for a while, not without power.
    pub(crate) const fn relay_sees_reset(&mut self, node: usize) {
        self.witness.relays[node].resets = true;
    }

    /// What its input says of a node's power.
    pub(crate) const fn sensed(&self, node: usize) -> Power {
        let relay = &self.witness.relays[node];
        if self.nodes[node].power || relay.resets || relay.blind {
            Power::On
        } else {
            Power::Off
        }
    }

    /// The witness wants a node's power switched.
    pub(crate) fn relay_ordered(&mut self, node: usize, on: bool) {
        self.witness.relays[node].rests = on;
        self.at(self.now + SWITCHES, What::Relay { node });
    }

    /// A witness without power holds no coil.
    pub(crate) fn relays_rest(&mut self) {
        for node in 0..2 {
            if !self.witness.relays[node].rests {
                self.relay_ordered(node, true);
            }
        }
    }

    /// The contacts follow the coil, unless they stick, and the witness sees what that did.
    pub(crate) fn relay_moves(&mut self, node: usize) {
        let relay = &mut self.witness.relays[node];
        if relay.stuck || relay.gives == relay.rests {
            return;
        }
        relay.gives = relay.rests;
        if relay.gives && relay.waits {
            self.power_on(node);
        } else if !relay.gives {
            let waits = self.nodes[node].power || relay.resets;
            self.power_off(node);
            self.witness.relays[node].waits = waits;
        }
        self.witness_looks();
    }

    /// The relay of a node's power sticks, or moves again.
    pub(crate) fn set_relay_stuck(&mut self, node: usize, stuck: bool) {
        self.witness.relays[node].stuck = stuck;
        self.relay_moves(node);
    }

    /// The input that looks at a node's power sees no loss of it, or does again.
    pub(crate) fn set_sense_blind(&mut self, node: usize, blind: bool) {
        self.witness.relays[node].blind = blind;
        if self.setup.relay != Relay::None {
            self.witness_looks();
        }
    }
}
