//! A modelled hardware watchdog: armed by the first pet, it resets its machine unless the next one comes in time
//! (SAFETY S-12, S-65 to S-69).
//!
//! It counts by its own clock. That runs on while the daemon (F1) or the kernel (F2) stands still, and stands still with
//! a paused machine (F3). A daemon that dies leaves it counting.

use ovzha_core::time::Instant;

use crate::node::Freeze;
use crate::record::Happening;
use crate::trace::letter;
use crate::world::{What, World};

const MILLION: u64 = 1_000_000;

/// One machine's watchdog.
#[derive(Clone, Debug)]
pub struct Watchdog {
    /// Its clock, in parts per million of true time.
    pub rate: u64,
    /// When it fires, while it is armed.
    fires: Option<u64>,
    /// Counts pets, so that the end of an old one is known as such.
    turn: u32,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            rate: MILLION,
            fires: None,
            turn: 0,
        }
    }
}

impl Watchdog {
    /// Whether it counts.
    #[must_use]
    pub const fn is_armed(&self) -> bool {
        self.fires.is_some()
    }

    /// Without power, or disarmed.
    pub const fn rest(&mut self) {
        self.fires = None;
        self.turn += 1;
    }
}

impl World {
    /// Whether this node has one: S-12 counts for it.
    pub(crate) fn is_watched(&self, node: usize) -> bool {
        self.nodes[node].config.watchdog.is_some()
    }

    /// The daemon pets it, which arms it; too late for an armed one changes nothing.
    pub(crate) fn pet(&mut self, node: usize, within: Instant) {
        let Some(known) = self.nodes[node].config.watchdog else {
            return;
        };
        let now = self.now;
        self.trace.mix(now, &(node, within));
        let machine = &mut self.nodes[node];
        let armed = machine.watchdog.is_armed();
        if armed && machine.clock.local(now) > within {
            return;
        }
        let dog = &mut machine.watchdog;
        let fires = now + known.timeout.as_millis() * 1000 * MILLION / dog.rate;
        dog.turn += 1;
        dog.fires = Some(fires);
        let turn = dog.turn;
        self.at(fires, What::Fires { node, turn });
        if !armed {
            self.trace.line(now, &(node, "armed"), || {
                format!("{}'s watchdog is armed", letter(node))
            });
        }
    }

    /// The daemon disarms it.
    pub(crate) fn disarm(&mut self, node: usize) {
        self.nodes[node].watchdog.rest();
        self.trace.line(self.now, &(node, "disarmed"), || {
            format!("{}'s watchdog is disarmed", letter(node))
        });
    }

    /// Its time is over, unless it was petted since.
    pub(crate) fn fires(&mut self, node: usize, turn: u32) {
        let dog = &self.nodes[node].watchdog;
        let paused = matches!(self.nodes[node].freeze, Some((Freeze::Machine, _)));
        if dog.turn != turn || dog.fires.is_none_or(|at| at > self.now) || paused {
            return;
        }
        self.trace.line(self.now, &(node, "fires"), || {
            format!("{}'s watchdog resets it", letter(node))
        });
        self.record(node, Happening::Fires);
        self.reset(node);
    }

    /// A machine that was paused `since` goes on, and its watchdog with it.
    pub(crate) fn watchdog_goes_on(&mut self, node: usize, since: u64) {
        let stood = self.now - since;
        let dog = &mut self.nodes[node].watchdog;
        let Some(fires) = &mut dog.fires else { return };
        *fires += stood;
        dog.turn += 1;
        let (at, turn) = (*fires, dog.turn);
        self.at(at, What::Fires { node, turn });
    }

    /// A reset: power is gone for a moment, and the machine boots.
    pub(crate) fn reset(&mut self, node: usize) {
        self.power_off(node);
        self.relay_sees_reset(node);
        if let Some(takes) = self.reset_takes {
            self.boot_in(node, takes);
        }
    }
}
