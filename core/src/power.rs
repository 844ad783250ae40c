//! The witness's hand on the nodes' power switches (LEASE W4, W5).

use crate::id::NodeId;
use crate::time::{Instant, Span};
use crate::witness::{Power, Relay, Witness, WitnessNotice};

/// A node's silence is news of that node only if the other one was heard for so much of the time that a vote lasts.
const fn quarter(term: Span) -> Span {
    term.half().half()
}

impl Witness {
    /// A sense input was read: to be called with every change, and at least keepalive of its configuration.
    pub fn sensed(&mut self, now: Instant, node: NodeId, power: Power) {
        self.tick(now);
        let Some(station) = self.station_mut(node) else { return };
        let before = core::mem::replace(&mut station.power, power);
        if before == power {
            return;
        }
        // who waits for that hears of it at once
        if let Some(other) = self.station_mut(node.peer()) {
            other.link.urgent = true;
        }
        if power == Power::Off {
            self.lost_power(node);
        } else if before == Power::Off
            && let Some(station) = self.station_mut(node)
        {
            // whatever a person said before
            station.said_off = false;
        }
    }

    /// A node without power holds nothing.
    pub(crate) fn lost_power(&mut self, node: NodeId) {
        for seat in &mut self.seats {
            seat.vote.taken_from(node);
        }
    }

    /// A believed frame of a node whose votes last for `term` came, the first of anybody since `before`.
    pub(crate) fn hears_again(&mut self, before: Option<Instant>, term: Span) {
        let most = term.minus(quarter(term));
        let cuts = self.config.relay != Relay::None;
        if cuts && before.is_none_or(|at| self.now.since(at) >= most) {
            self.hears = self.now;
        }
    }

    /// The other node asks for a vote that could be its: one that is not heard for the time of that vote loses its power, once.
    pub(crate) fn cut_silent(&mut self, node: NodeId, term: Span) {
        let now = self.now;
        let busy = self.stations.iter().any(|station| station.cut.is_some());
        let deaf = now.since(self.hears) < quarter(term);
        if self.config.relay == Relay::None || busy || deaf {
            return;
        }
        let started = self.opens.before(self.config.longest);
        let Some(station) = self.station_mut(node) else { return };
        let silent = now.since(station.heard.unwrap_or(started)) >= term;
        if silent && !station.spent && !station.is_off() {
            (station.cut, station.spent) = (Some(now), true);
            self.notice(WitnessNotice::Cut(node));
        }
    }

    /// What was cut gets its power back after a while; what should be off by then and is not, is told, once a cut.
    pub(crate) fn settle_power(&mut self) {
        let (now, off_for) = (self.now, self.config.off_for);
        for node in [NodeId(0), NodeId(1)] {
            let Some(station) = self.station_mut(node) else {
                continue;
            };
            if station.cut.is_none_or(|since| now.since(since) < off_for) {
                continue;
            }
            let stuck = station.power == Power::On;
            station.cut = None;
            if stuck {
                self.notice(WitnessNotice::Stuck(node));
            }
            self.notice(WitnessNotice::Restored(node));
        }
    }

    /// Whether a node's power is to be switched now.
    pub(crate) fn owes_power(&mut self, node: NodeId) -> Option<bool> {
        let station = self.station_mut(node)?;
        let on = station.cut.is_none();
        (core::mem::replace(&mut station.powered, on) != on).then_some(on)
    }
}
