//! An admin's part of the board: questions answered, orders proved and carried out.

use heapless::Vec;
use ovzha_core::auth::Keyring;
use ovzha_core::frame::FRAME_MAX;
use ovzha_core::id::{BootId, NodeId};
use ovzha_core::time::Instant;

use super::{BOTH, Board, ms};
use crate::notice::Notice;
use crate::provision::{Hand, Provision};
use crate::relay::By;
use crate::service::{self, Lent, LineStatus, Order, Proof, Refusal, Reply, Request, Status};
use crate::trial::{QUIET, Running};

impl Board<'_> {
    /// An admin asks.
    #[inline(never)]
    pub(super) fn serve(&mut self, now: Instant, from: NodeId, request: Request) {
        match request {
            Request::Status => {
                let status = Reply::Status(self.status(now, from));
                self.answer(from, &status);
            }
            Request::Provision(provision, proof) => self.provision(from, provision, proof.as_ref()),
            Request::Try(node, proof) => {
                let done = self
                    .proved(Order::Try(node), &proof)
                    .and_then(|()| self.begin(now, NodeId(node)));
                self.finish(from, done, "try relay");
            }
            Request::Restore(node, proof) => {
                let done = self.proved(Order::Restore(node), &proof);
                if done.is_ok() {
                    self.relays.restore(now, NodeId(node), By::Person);
                }
                self.finish(from, done, "restore");
            }
        }
    }

    fn finish(&mut self, from: NodeId, done: Result<(), Refusal>, order: &'static str) {
        match done {
            Ok(()) => {
                self.notice(Notice::Order(order));
                self.answer(from, &Reply::Done);
            }
            Err(refusal) => self.refuse(from, refusal, order),
        }
    }

    pub(super) fn refuse(&mut self, from: NodeId, refusal: Refusal, order: &'static str) {
        self.notice(Notice::OrderRefused(order));
        self.answer(from, &Reply::Refused(refusal));
    }

    #[inline(never)]
    pub(super) fn answer(&mut self, to: NodeId, reply: &Reply) {
        let mut out = [0; FRAME_MAX];
        let Some(frame) = service::write(reply, &mut out) else {
            return;
        };
        if let Some(line) = self.line(to) {
            line.outbox.answer(frame);
        }
    }

    /// Whether the order is this admin's, of this life, and new; then its number is used up.
    #[inline(never)]
    fn proved(&mut self, order: Order<'_>, proof: &Proof) -> Result<(), Refusal> {
        let duty = self.duty.as_ref().ok_or(Refusal::NotProvisioned)?;
        let fresh = BootId(proof.life) == self.life && proof.number > self.number;
        // made anew for each order: there are few, and a keyring is large
        let proved = |ring: Keyring| service::proves(&ring, order, proof);
        if !fresh || !duty.provision.orders_ring().is_some_and(proved) {
            return Err(Refusal::Unproved);
        }
        self.number = proof.number;
        Ok(())
    }

    #[inline(never)]
    fn provision(&mut self, from: NodeId, provision: Provision, proof: Option<&Proof>) {
        let proved = match (&self.duty, proof) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Refusal::Unproved),
            (Some(_), Some(proof)) => self.proved(Order::Provision(&provision), proof),
        };
        let fit = proved.and_then(|()| provision.check().map_err(Refusal::Unfit));
        // a board that is about to start anew, or holds a node's power, takes no other record
        let busy = self.record.is_some() || self.leaves.is_some() || !self.relays.at_rest();
        match fit {
            Ok(()) if busy => self.refuse(from, Refusal::Busy, "record"),
            Ok(()) => self.record = Some((from, provision)),
            Err(refusal) => self.refuse(from, refusal, "record"),
        }
    }

    /// Begins a relay's trial.
    #[inline(never)]
    fn begin(&mut self, now: Instant, node: NodeId) -> Result<(), Refusal> {
        let duty = self.duty.as_ref().ok_or(Refusal::NotProvisioned)?;
        let sense = self.senses.get(usize::from(node.0)).ok_or(Refusal::NoNode)?;
        if duty.provision.hand == Hand::None {
            return Err(Refusal::NoRelay);
        }
        // a node that speaks seldom is heard for longer
        let quiet = QUIET.max(duty.provision.witness().keepalive.times(3));
        if duty.witness.silence(node).is_some_and(|silence| silence < quiet) {
            return Err(Refusal::Heard);
        }
        if self.trial.is_some() || !self.relays.at_rest() || !self.relays.cut(now, node) {
            return Err(Refusal::Busy);
        }
        self.tried = None;
        self.trial = Some(Running::new(now, node, duty.provision.off_for(), sense.power()));
        Ok(())
    }

    #[inline(never)]
    fn status(&self, now: Instant, from: NodeId) -> Status {
        let duty = self.duty.as_deref();
        let lines = BOTH.map(|node| self.line_status(node));
        let mut votes = Vec::new();
        for seat in duty.into_iter().flat_map(|duty| duty.witness.seats()) {
            if let Some((node, until)) = seat.lent {
                let (group, for_ms) = (seat.group.0, ms(until.since(now)));
                // the first few: a status has no room for more
                votes
                    .push(Lent {
                        group,
                        node: node.0,
                        for_ms,
                    })
                    .ok();
            }
        }
        Status {
            life: self.life.0,
            starts: self.starts,
            cause: self.cause,
            up_ms: ms(now.since(Instant::default())),
            number: self.number,
            pass_us: self.pass_us,
            refused: self.relays.refused(),
            asked: from.0,
            lines,
            known: duty.map(|duty| duty.known(now)),
            trial: self.trial.as_ref().map(Running::trial).or(self.tried),
            votes,
        }
    }

    fn line_status(&self, node: NodeId) -> LineStatus {
        let place = usize::from(node.0);
        let (Some(line), Some(sense)) = (self.lines.get(place), self.senses.get(place)) else {
            return LineStatus::default();
        };
        let silence = self.duty.as_ref().and_then(|duty| duty.witness.silence(node));
        let sensed = self.duty.as_ref().is_some_and(|duty| duty.provision.sensed);
        let counts = line.outbox.counts();
        LineStatus {
            heard_ms: silence.map(ms),
            power: sensed.then(|| sense.power().into()),
            cut: self.relays.is_cut(node),
            lies: sense.lies(),
            crossed: line.crossed,
            frames: line.frames,
            noise: line.noise,
            forwarded: counts.forwarded,
            words: counts.words,
            dropped: counts.dropped,
        }
    }
}
