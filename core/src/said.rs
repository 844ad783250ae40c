//! A person's word that a node has no power, as a witness takes it (SAFETY S-84).

use crate::id::NodeId;
use crate::message::Echo;
use crate::time::Span;
use crate::witness::{Witness, WitnessNotice};

impl Witness {
    /// The other node, which a person told that this one has no power, says so in a frame that answers to `echo`. It must know
    /// how long ago this one was last heard here, and that must be longer ago than a vote lasts: `term`.
    pub(crate) fn said_off(&mut self, node: NodeId, echo: Echo, term: Span) {
        let (now, boot) = (self.now, self.boot);
        let started = self.opens.before(self.config.longest);
        let Some(station) = self.station_mut(node) else { return };
        let knows = echo.boot == boot && echo.sequence > station.heard_at;
        let silent = now.since(station.heard.unwrap_or(started)) >= term;
        if !knows || !silent || core::mem::replace(&mut station.said_off, true) {
            return;
        }
        self.lost_power(node);
        self.notice(WitnessNotice::SaidOff(node));
    }
}
