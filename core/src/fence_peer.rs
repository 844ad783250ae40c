//! DRBD asks whether the peer's copy is out of the way, before it promotes or lets frozen I/O go on (SAFETY S-62).
//!
//! The question is nothing that goes over a link: the asking node is ahead from that moment, says so in every
//! heartbeat over every link, and a peer that hears it marks itself and outdates its disk. What the peer then says of
//! its disk is the answer. A peer that is not heard is answered for by the rules of a takeover.

use heapless::Vec;

use crate::cluster::Cluster;
use crate::data::holds_writes;
use crate::decide::{Peer, View, acts_alone};
use crate::group::State;
use crate::id::{ClientId, GroupId};
use crate::message::{Disk, Drbd, Phase};
use crate::output::{Answer, Fenced, Refusal};
use crate::time::{Instant, Span};

/// Handlers of one group that wait at the same time: one for each of its DRBD resources, and a retry.
const WAITING: usize = 4;
/// A living peer may need so long to notice that the connection is gone (`ping-int` and `ping-timeout` of DRBD are 10.5 s)
/// and to outdate its disk.
const OUTDATES: Span = Span::from_secs(20);

/// Handlers that wait for an answer, and since when.
pub(crate) type Waiting = Vec<(ClientId, Instant), WAITING>;

/// What a handler is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Not yet.
    Wait,
    /// This.
    Answer(Fenced),
    /// The peer's copy is not out of the way.
    Refuse(Refusal),
}

impl Cluster {
    pub(crate) fn ask_fence_peer(&mut self, now: Instant, client: ClientId, id: GroupId) {
        let refusal = match self.groups.get_mut(usize::from(id.0)) {
            None => Some(Refusal::NoSuchGroup),
            Some(group) if !group.is_mirrored() => Some(Refusal::NoMirror),
            Some(group) => {
                let full = group.fencing.push((client, now)).is_err();
                let runs = matches!(group.state(), State::Starting(..) | State::Active | State::Stopping(..));
                let holds = group.drbd.is_none_or(|(drbd, _)| holds_writes(drbd.disk));
                if runs && holds && !group.is_yielding() {
                    // DRBD says that the mirror is lost; what is observed may lag behind
                    group.durable.ahead = true;
                    group.unseen = Some(now);
                }
                full.then_some(Refusal::Busy)
            }
        };
        if let Some(refusal) = refusal {
            self.reply(client, Answer::Refused(refusal));
        }
    }

    pub(crate) fn settle_fencing(&mut self, now: Instant, id: GroupId) {
        let index = usize::from(id.0);
        if self.groups.get(index).is_none_or(|group| group.fencing.is_empty()) {
            return;
        }
        let verdict = self.verdict(now, index);
        let silent = self.groups.get(index).map(|group| self.peer(now, index, group));
        let shot = match silent {
            // its power is about to be cut
            Some(Peer::Unfenced | Peer::Unfenceable) => self.config.longest_shot(),
            Some(Peer::Awaited | Peer::NeverHeard | Peer::Newer | Peer::Alive(_) | Peer::Dead | Peer::Left) | None => {
                Span::ZERO
            }
        };
        let patience = self.deadtime().plus(OUTDATES).plus(shot);
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        let waiting = core::mem::take(&mut group.fencing);
        for (client, since) in waiting {
            let answer = match verdict {
                // the rest is answered when these have gone out
                _ if self.replies_are_full() => {
                    self.wait_on(index, client, since);
                    continue;
                }
                Verdict::Answer(fenced) => Answer::Fenced(fenced),
                Verdict::Refuse(refusal) => Answer::Refused(refusal),
                Verdict::Wait if now.since(since) >= patience => Answer::Refused(Refusal::NoAnswer),
                Verdict::Wait => {
                    self.wait_on(index, client, since);
                    continue;
                }
            };
            self.reply(client, answer);
        }
    }

    fn wait_on(&mut self, index: usize, client: ClientId, since: Instant) {
        if let Some(group) = self.groups.get_mut(index) {
            let full = group.fencing.push((client, since));
            debug_assert!(full.is_ok(), "it was among them a moment ago");
        }
    }

    /// What a handler of this group is to be told now.
    pub(crate) fn verdict(&self, now: Instant, index: usize) -> Verdict {
        match self.view(now, index) {
            Some(view) => self.verdict_of(now, index, &view),
            None => Verdict::Refuse(Refusal::NoSuchGroup),
        }
    }

    /// The same for this view of it.
    pub(crate) fn verdict_of(&self, now: Instant, index: usize, view: &View) -> Verdict {
        let Some(group) = self.groups.get(index) else {
            return Verdict::Refuse(Refusal::NoSuchGroup);
        };
        let starts = match group.state() {
            State::Starting(..) => true,
            State::Active | State::Stopping(..) => false,
            // promoted by somebody else: nobody decided that
            State::Probing(_) | State::Idle | State::Partial | State::Claiming(_) | State::Stuck(..) => {
                return Verdict::Refuse(Refusal::NothingActive);
            }
        };
        if group.is_yielding() {
            return Verdict::Refuse(Refusal::PeerRuns);
        }
        if group.evidence.confirmed {
            return Verdict::Answer(Fenced::Confirmed);
        }
        match view.peer {
            Peer::Alive(peer) => {
                let half = self.member.group(index).map(|said| Drbd::unpack(said.drbd));
                let primary = half.is_some_and(|half| half.primary);
                match peer.phase {
                    Phase::Starting | Phase::Active if starts && primary => Verdict::Answer(Fenced::Primary),
                    Phase::Starting | Phase::Active => Verdict::Refuse(Refusal::PeerRuns),
                    Phase::Probing | Phase::Stopping | Phase::Stuck => Verdict::Wait,
                    Phase::Idle | Phase::Claiming | Phase::Failed if primary => Verdict::Refuse(Refusal::PeerRuns),
                    Phase::Idle | Phase::Claiming | Phase::Failed => {
                        let heard = self.member.taken() >= group.ahead_from && group.durable.ahead;
                        match half.map(|half| half.disk).filter(|_| heard) {
                            Some(Disk::Outdated) => Verdict::Answer(Fenced::Outdated),
                            Some(Disk::Inconsistent | Disk::Failed) => Verdict::Answer(Fenced::Inconsistent),
                            Some(Disk::Unknown | Disk::Consistent | Disk::UpToDate) | None => Verdict::Wait,
                        }
                    }
                }
            }
            Peer::Dead | Peer::Left | Peer::NeverHeard if self.config.witness && !self.others_know(now, index) => {
                Verdict::Wait
            }
            // dead means seen without power then
            Peer::Dead | Peer::NeverHeard if self.config.stonith.is_some() && acts_alone(view) => {
                Verdict::Answer(Fenced::Confirmed)
            }
            Peer::Dead | Peer::Left | Peer::NeverHeard if acts_alone(view) => Verdict::Answer(Fenced::Dead),
            Peer::Dead
            | Peer::Left
            | Peer::NeverHeard
            | Peer::Awaited
            | Peer::Newer
            | Peer::Unfenced
            | Peer::Unfenceable => Verdict::Wait,
        }
    }
}
