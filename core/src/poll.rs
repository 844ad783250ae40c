//! What is to be done next, computed from the state: nothing waits in a queue that could overflow.

use crate::ask::Ask;
use crate::bug::BugId;
use crate::cluster::Cluster;
use crate::decide::{Decision, decide};
use crate::frame::FrameBuf;
use crate::group::{Group, InFlight, RETRY, State};
use crate::id::{EffectId, GroupId, LinkId};
use crate::notice::Notice;
use crate::output::{Effect, Output, Reason};
use crate::queue::pop_front;
use crate::time::Instant;

impl Cluster {
    /// The next thing to do. Call until [`Output::Wait`].
    pub fn poll<'b>(&mut self, frame: &'b mut FrameBuf) -> Output<'b> {
        if let Some(group) = self.fence_now() {
            self.pets.end();
            return Output::FenceSelf { group };
        }
        if let Some(bug) = self.bugs.untold() {
            return Output::Bug(bug);
        }
        if let Some(notice) = pop_front(&mut self.notices) {
            return Output::Notice(notice);
        }
        if self.lost > 0 {
            return Output::Notice(Notice::Lost(core::mem::take(&mut self.lost)));
        }
        if let Some((client, answer)) = pop_front(&mut self.replies) {
            return Output::Reply { client, answer };
        }
        if self.owes_store()
            && let Some(length) = self.store(frame.state_mut())
        {
            let (version, bytes) = (self.version, frame.state(length));
            return Output::Store { version, bytes };
        }
        if let Some(output) = self.poll_effects().or_else(|| self.poll_stonith()) {
            return output;
        }
        for link in 0..self.links.len() {
            if !self.links.get(link).is_some_and(|link| link.owes(self.now)) {
                continue;
            }
            let (length, link) = (self.speak(link, frame), LinkId(u8::try_from(link).unwrap_or(u8::MAX)));
            self.pets.spoke(link, length.is_some());
            if let Some(length) = length {
                let bytes = frame.filled(length);
                return Output::Send { link, bytes };
            }
        }
        if self.third.as_ref().is_some_and(|third| third.link.owes(self.now))
            && let Some(length) = self.speak_to_witness(frame)
        {
            let (link, bytes) = (self.witness_link(), frame.filled(length));
            return Output::Send { link, bytes };
        }
        if let Some(output) = self.poll_pet() {
            return output;
        }
        if let Some(bug) = self.bugs.untold() {
            return Output::Bug(bug);
        }
        if self.has_left() {
            return self.leave_watchdog().unwrap_or(Output::Exit);
        }
        let (until, why) = self.deadline();
        Output::Wait { until, why }
    }

    fn owes_store(&self) -> bool {
        let retry = self.store_failed.is_none_or(|at| self.now.since(at) >= RETRY);
        self.version != self.stored && self.storing.is_none() && retry
    }

    /// Writes what is to be kept into `out`; its length.
    pub(crate) fn store(&mut self, out: &mut [u8]) -> Option<usize> {
        let length = self.durable.encode(out).map(<[u8]>::len);
        if length.is_none() {
            // an empty record would be read as damage
            self.bugs.find(BugId::StateTooLong, None);
            self.stored = self.version;
            return None;
        }
        self.storing = Some(self.version);
        self.writing = self.durable.groups.clone();
        self.writing_term = self.durable.term;
        length
    }

    fn poll_effects(&mut self) -> Option<Output<'static>> {
        (0..self.groups.len()).find_map(|index| self.poll_effect(index))
    }

    fn poll_effect(&mut self, index: usize) -> Option<Output<'static>> {
        let id = u8::try_from(index).map(GroupId).ok()?;
        let begins = self.may_begin(index);
        if let Err(wrong) = begins {
            self.bugs.find(wrong, Some(id));
        }
        let must_stop = self.leave.is_some() || self.lonely(self.now);
        let (distrusted, guarded) = (self.bugs.stops(index), self.is_guarded());
        let group = self.groups.get_mut(index)?;
        if let Some(flight) = group
            .flight
            .as_mut()
            .filter(|flight| flight.abandon && !flight.abandoned)
        {
            flight.abandoned = true;
            return Some(Output::Abandon(flight.id));
        }
        // slept in between: the peer may have started it since (S-26)
        let unready =
            (begins == Ok(false) || !guarded || group.doubtful) && matches!(group.state(), State::Starting(..));
        if (distrusted && !group.may_step(must_stop)) || unready {
            return None;
        }
        let (resource, op) = group.next(self.now)?;
        self.effects = EffectId(self.effects.0.wrapping_add(1));
        let effect = Effect {
            id: self.effects,
            group: id,
            resource,
            op,
        };
        group.flight = Some(InFlight {
            id: effect.id,
            resource,
            op,
            since: self.now,
            abandon: false,
            abandoned: false,
        });
        Some(Output::Start(effect))
    }

    /// What must hold before a start touches anything: the table wants it now, and its tenure is on disk. `Ok(false)`: a part
    /// that is to start again waits for the peer (S-54).
    fn may_begin(&self, index: usize) -> Result<bool, BugId> {
        let starts = |group: &&Group| matches!(group.state(), State::Starting(..)) && group.flight.is_none();
        let group = self.groups.get(index).filter(starts);
        let Some(group) = group.filter(|_| !self.bugs.stops(index)) else {
            return Ok(true);
        };
        // a part that starts again begins no run: a disk that does not answer must not keep it stopped
        if !group.restarts() && self.recorded.get(index).is_none_or(|kept| kept.run < group.durable.run) {
            return Err(BugId::StartUnrecorded);
        }
        match self.view(self.now, index).as_ref().map(decide) {
            None | Some(Decision::Acquire(_)) => Ok(true),
            Some(Decision::Stay(_) | Decision::Hold(_)) if group.restarts() => Ok(false),
            Some(Decision::Stay(_) | Decision::Release(_) | Decision::Restart(_) | Decision::Hold(_)) => {
                Err(BugId::StartUndecided)
            }
        }
    }

    /// The earliest moment at which silence alone changes something.
    fn deadline(&self) -> (Instant, Reason) {
        let mut next = (self.now.after(self.config.keepalive), Reason::Heartbeat);
        let mut consider = |at: Option<Instant>, why: Reason| {
            // what is due was done before the caller is sent to wait: only what lies ahead wakes it
            if let Some(at) = at.filter(|at| *at > self.now && *at < next.0) {
                next = (at, why);
            }
        };
        let (warn, dead) = (self.config.warntime, self.deadtime());
        for link in &self.links {
            consider(link.is_open().then_some(link.due), Reason::Heartbeat);
            consider(link.deadline(warn, dead), Reason::Silence);
        }
        consider(self.member.deadline(warn, dead, self.init_end()), Reason::Silence);
        for group in &self.groups {
            consider(group.deadline(), Reason::Retry);
        }
        consider(self.store_failed.map(|at| at.after(RETRY)), Reason::Retry);
        consider(self.ask.as_ref().map(Ask::due), Reason::Request);
        consider(self.hold_until, Reason::Hold);
        consider(self.fence.map(|fence| fence.by), Reason::Retry);
        consider(self.lonely_deadline(self.now), Reason::Silence);
        consider(self.shot_due(), Reason::Retry);
        consider(self.votes_deadline(self.now), Reason::Silence);
        if let Some(third) = &self.third {
            consider(third.link.is_open().then_some(third.link.due), Reason::Heartbeat);
        }
        next
    }
}
