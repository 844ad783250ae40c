//! Whose data are the newest: when this node's copy of a mirrored group may be promoted (SAFETY S-60, S-61).
//!
//! The right to run is not current data. Two facts are kept on disk and outlive every restart:
//!
//! ```text
//! ahead   the other disk lacks writes of ours, or may: from the claim of a start without a mirror, or from the loss
//!         of the mirror while active, to the end of the resync. Said in every heartbeat.
//! marked  our disk lacks writes of theirs: from the first word of "ahead" that an idle node hears, until the other says
//!         that it is over and DRBD here shows a current, connected disk. A marked node starts nothing, and outdates
//!         its disk (DRBD's own memory of the same).
//! ```
//!
//! Neither: then something must show that our copy is current: DRBD has compared both copies in this life, or its
//! own metadata say that the other one can't be newer, or a person says so. What was seen before this node slept shows
//! nothing, and neither does anything from before it was isolated (`unsure`, on disk, too): the other node may have gone
//! on without it, and may have died since.

use crate::cluster::Cluster;
use crate::decide::{Data, Peer};
use crate::fence_peer::Verdict;
use crate::group::{Group, State, Turn};
use crate::id::{ClientId, GroupId, Sequence};
use crate::message::{Connection, Disk, Drbd, Phase};
use crate::notice::Notice;
use crate::output::{Answer, Op, Refusal};
use crate::time::{Instant, Span};

/// After the fence-peer handler told of a lost mirror, how long an observation that still shows it is taken for one that
/// was made before.
const STALE: Span = Span::from_secs(60);

/// A connection that DRBD still shows may be dead for so long (`ping-int` and `ping-timeout` are 10.5 s).
const SHOWN: Span = Span::from_secs(15);

/// DRBD of a group as this node observed it; of several devices the worst.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Seen {
    /// What the other node is told; `ahead`: Primary, and writes don't reach a current disk of the peer.
    pub drbd: Drbd,
    /// Every write reaches a current disk of the peer, and ours is current.
    pub mirrored: bool,
    /// Our disk is current, and DRBD has compared it with the peer's on the present connection: without a disk there, with none.
    pub current: bool,
    /// DRBD's metadata say that the peer's disk can't be newer.
    pub proved: bool,
}

/// What shows that our copy is current, when no fact on disk says more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::struct_excessive_bools, reason = "independent pieces of evidence")]
pub(crate) struct Evidence {
    /// DRBD has compared the copies since this life began, or since this node last slept.
    pub(crate) current: bool,
    /// DRBD's metadata, as last observed.
    pub(crate) proved: bool,
    /// A person said so.
    pub(crate) confirmed: bool,
    /// Writes reach both disks, as last observed.
    pub(crate) mirrored: bool,
    /// DRBD shows both nodes connected, as last observed, and our disk as current.
    pub(crate) shown: bool,
    /// The halves were seen apart since the evidence was void: a connection is a new one.
    pub(crate) apart: bool,
    /// Since when it has been void, or the life began.
    pub(crate) since: Instant,
}

impl Evidence {
    /// Of a life that begins, or is not sure of itself any more.
    pub(crate) fn none(now: Instant) -> Self {
        Self {
            since: now,
            ..Self::default()
        }
    }

    /// What was seen is void; what a person said is not.
    pub(crate) fn forget(&mut self, now: Instant) {
        *self = Self {
            confirmed: self.confirmed,
            ..Self::none(now)
        };
    }
}

/// What the peer says of its half of a group.
#[expect(clippy::struct_excessive_bools, reason = "independent words of the peer")]
struct Theirs {
    /// Our half lacks writes of its own, or may.
    ahead: bool,
    /// Neither half lacks anything.
    in_step: bool,
    /// It has heard that we are ahead.
    heard: bool,
    /// It speaks of a later start of the group than ours.
    later: bool,
    /// It runs the group, or may.
    active: bool,
}

/// What was last told of it, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct DataTold {
    ahead: bool,
    marked: bool,
    /// Since when I/O has been frozen while active.
    pub(crate) frozen: Option<Instant>,
}

impl Group {
    /// It has DRBD.
    #[must_use]
    pub fn is_mirrored(&self) -> bool {
        self.mirrors().next().is_some()
    }

    /// Stopping because the other node's line of the data counts.
    pub(crate) const fn is_yielding(&self) -> bool {
        match self.state() {
            State::Stopping(why, _) => why.yields(),
            State::Probing(_)
            | State::Idle
            | State::Partial
            | State::Claiming(_)
            | State::Starting(..)
            | State::Active
            | State::Stuck(..) => false,
        }
    }

    /// Active, and DRBD keeps its I/O waiting.
    pub(crate) fn is_frozen(&self) -> bool {
        self.state() == State::Active && self.drbd.is_some_and(|(drbd, _)| drbd.suspended && drbd.primary)
    }

    /// Takes in what DRBD shows. `in_step`: the peer says the same of its half.
    fn observe(&mut self, now: Instant, seen: Seen, in_step: bool) {
        self.drbd = Some((seen.drbd, now));
        let usable = seen.drbd.disk == Disk::UpToDate;
        self.evidence.apart |= seen.drbd.connection != Connection::Connected;
        let fresh = in_step || self.evidence.apart || now.since(self.evidence.since) >= SHOWN;
        let current = seen.current && usable && fresh;
        self.evidence.current = usable && (current || self.evidence.current);
        if current {
            self.durable.unsure = false;
        }
        self.evidence.proved = usable && seen.proved;
        self.evidence.mirrored = seen.mirrored;
        if !seen.mirrored {
            self.unseen = None;
        }
        let stale = self.unseen.is_some_and(|since| now.since(since) < STALE);
        if seen.mirrored && !stale {
            self.durable.ahead = false;
            self.evidence.confirmed = false;
        } else if rests_on_peer(seen.drbd) {
            // from here on the peer's disk is the newer one, whatever this one was ahead by: it got all of that first
            (self.durable.ahead, self.durable.unsure) = (false, true);
            self.evidence.confirmed = false;
        } else if seen.drbd.ahead && holds_writes(seen.drbd.disk) {
            self.durable.ahead = true;
        }
        self.evidence.shown = usable && seen.drbd.connection == Connection::Connected;
    }

    /// A start is announced: without a mirror what it writes is on this disk alone. Said before the first write.
    pub(crate) fn claim_data(&mut self) {
        self.was_ahead = self.durable.ahead;
        self.durable.ahead |= self.is_mirrored() && !self.evidence.mirrored;
    }

    /// The claim came to nothing, and nothing was written.
    pub(crate) const fn withdraw_data(&mut self) {
        self.durable.ahead = self.was_ahead;
    }

    /// The other node's line of the data counts, once it has one. Until then what was written here in a sleep may have been
    /// written here alone: nobody has looked since.
    const fn concede(&mut self, line: bool) {
        if !self.is_yielding() {
            return;
        }
        if line {
            self.durable.ahead = false;
        } else if self.drbd.is_none() && !self.disk_told {
            self.durable.ahead = true;
        }
    }

    /// Takes in what the peer says of its half.
    fn weigh(&mut self, theirs: &Theirs) {
        let idle = match self.state() {
            State::Idle | State::Claiming(_) | State::Partial | State::Probing(_) => true,
            State::Starting(..) | State::Active | State::Stopping(..) | State::Stuck(..) => self.is_yielding(),
        };
        // who is ahead itself gives that up for a later tenure, or for what was said after it was heard: any other word may have
        // been under way since before our start
        let counts = !self.durable.ahead || theirs.later || theirs.heard;
        if theirs.ahead && idle && counts && (theirs.active || !self.evidence.confirmed) {
            self.mark(theirs.active);
        }
        if theirs.in_step && self.evidence.shown {
            // its word that we lack nothing; what DRBD shows here agrees
            (self.durable.marked, self.durable.unsure) = (false, false);
            self.evidence.current = true;
        }
        if self.durable.ahead && theirs.heard && !theirs.ahead && !theirs.active {
            // it went on without us only if it has something that we lack
            self.durable.unsure = false;
        }
    }

    /// What DRBD is to be told. `free`: frozen I/O may go on.
    fn tell_drbd(&mut self, now: Instant, theirs: &Theirs, free: bool, keepalive: Span) {
        let disk = self.drbd.map_or(Disk::Unknown, |(drbd, _)| drbd.disk);
        if self.durable.marked && theirs.ahead {
            // connected, and current there, DRBD refuses
            if matches!(disk, Disk::UpToDate | Disk::Consistent) && !self.evidence.shown {
                self.chore(now, Op::Outdate);
            }
        } else {
            self.drop_chore(Op::Outdate);
        }
        let old = matches!(disk, Disk::Outdated | Disk::Consistent);
        if !self.evidence.confirmed || self.durable.marked {
            // the word counts no more: a disk that was not told yet stays as it is
            self.drop_chore(Op::Confirm);
        } else if old {
            self.chore(now, Op::Confirm);
        }
        let waited = self
            .data_told
            .frozen
            .is_some_and(|since| now.since(since) >= keepalive.times(2));
        if waited && free && self.fencing.is_empty() {
            self.chore(now, Op::Resume);
        } else {
            // what waits for its turn behind a look would otherwise let go what DRBD freezes anew, on other terms
            self.forget_chore(Op::Resume);
            if self.is_frozen() {
                self.abandon_chore(Op::Resume);
            }
        }
    }

    /// What has changed since it was last told.
    fn data_news(&mut self, now: Instant, group: GroupId) -> [Option<Notice>; 3] {
        let (kept, told, frozen) = (self.durable, self.data_told, self.is_frozen());
        self.data_told = DataTold {
            ahead: kept.ahead,
            marked: kept.marked,
            frozen: frozen.then(|| told.frozen.unwrap_or(now)),
        };
        let (ahead, marked) = (kept.ahead, kept.marked);
        [
            // one that is marked gives its own writes up: the other disk does not get them
            (ahead != told.ahead && (ahead || !marked)).then_some(Notice::Ahead { group, ahead }),
            (marked != told.marked).then_some(Notice::Marked { group, marked }),
            // of a group that is being stopped nobody can say that its I/O goes on
            (frozen != told.frozen.is_some() && (frozen || self.state() == State::Active))
                .then_some(Notice::Frozen { group, frozen }),
        ]
    }

    /// The other node has newer data.
    const fn mark(&mut self, theirs_count: bool) {
        if !self.durable.marked {
            (self.evidence.current, self.evidence.shown) = (false, false);
        }
        self.durable.marked = true;
        if theirs_count {
            self.durable.ahead = false;
        }
    }
}

/// What is written here is on this disk: without one it went to the other node alone, or nowhere, and this one is older.
pub(crate) const fn holds_writes(disk: Disk) -> bool {
    !matches!(disk, Disk::Failed | Disk::Inconsistent)
}

/// A Primary without a disk of its own that writes to the other half's, which is current.
fn rests_on_peer(half: Drbd) -> bool {
    half.primary && half.connection == Connection::Connected && half.disk == Disk::Failed && !half.ahead
}

/// A half of which nothing is missing on the other one.
fn is_in_step(half: Drbd) -> bool {
    half.connection == Connection::Connected && half.disk == Disk::UpToDate && !half.ahead
}

impl Cluster {
    /// What the peer, if it lives, says of its half.
    fn their_half(&self, index: usize) -> Option<Drbd> {
        let said = self.member.group(index).filter(|_| self.member.is_alive());
        said.map(|said| Drbd::unpack(said.drbd))
    }

    /// The peer was heard since what was seen here was last void: what it said before that shows nothing either.
    fn word_counts(&self, index: usize) -> bool {
        let since = self.groups.get(index).map(|group| group.evidence.since);
        self.member.heard() >= since
    }

    pub(crate) fn observed(&mut self, now: Instant, id: GroupId, seen: Seen) {
        let index = usize::from(id.0);
        let in_step = self.word_counts(index) && self.their_half(index).is_some_and(is_in_step);
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        let apart = group
            .drbd
            .is_some_and(|(drbd, _)| drbd.connection != Connection::Connected);
        group.observe(now, seen, in_step);
        // one that stands there still may be that of a node which has lost its power since
        if apart && seen.drbd.connection == Connection::Connected {
            self.stonith.heard();
        }
    }

    /// Whether this node says of a group that it is ahead: what a restart would bring back from the disk is not taken back
    /// before the disk knows. A mark counts at once, for the other node's writes do.
    pub(crate) fn says_ahead(&self, index: usize) -> bool {
        let kept = self.recorded.get(index).is_some_and(|kept| kept.ahead);
        let group = self.groups.get(index).map(|group| group.durable);
        group.is_some_and(|group| group.ahead || (kept && !group.marked))
    }

    /// Whether our copy may be promoted.
    pub(crate) fn data(&self, now: Instant, index: usize) -> Data {
        let Some(group) = self.groups.get(index).filter(|group| group.is_mirrored()) else {
            return Data::Current;
        };
        let (evidence, kept) = (group.evidence, group.durable);
        let drbd = group.drbd.map_or(Drbd::default(), |(drbd, _)| drbd);
        if kept.marked {
            return Data::Old;
        }
        let from = self.contact.map_or(self.started, |at| at.max(self.started));
        let soon = now.since(from) < self.config.initdead.max(self.deadtime());
        let may_come = drbd.connection != Connection::StandAlone && self.member.is_alive();
        let sure = !kept.unsure && (evidence.proved || drbd.primary);
        let shown = evidence.confirmed || evidence.current || sure;
        match drbd.disk {
            Disk::UpToDate if shown => Data::Current,
            // what was kept may be from before a daemon died: beside a living peer DRBD has the word first
            Disk::UpToDate if kept.ahead && !kept.unsure && !(soon && may_come) => Data::Current,
            // DRBD is being told
            Disk::Consistent | Disk::Outdated if evidence.confirmed => Data::Awaited,
            Disk::Failed | Disk::Inconsistent | Disk::Outdated => Data::Unusable,
            Disk::UpToDate | Disk::Consistent | Disk::Unknown => {
                if soon && (may_come || group.drbd.is_none()) {
                    Data::Awaited
                } else {
                    Data::Unproved
                }
            }
        }
    }

    /// From what both sides say of their halves to what is kept and done.
    pub(crate) fn settle_data(&mut self, now: Instant, id: GroupId) {
        let index = usize::from(id.0);
        let half = self.their_half(index);
        let theirs = Theirs {
            ahead: half.is_some_and(|half| half.ahead),
            in_step: self.word_counts(index) && half.is_some_and(|half| is_in_step(half) || rests_on_peer(half)),
            heard: half.is_some() && self.member.taken() >= self.ahead_from(index),
            later: self.is_later(index),
            active: self.peer_phase(index).is_some_and(|phase| !phase.is_clear()),
        };
        let lonely = self.lonely(now);
        let line = self.has_line(index);
        // on the same terms as a handler's answer
        let free = self.is_frozen(index) && matches!(self.verdict(now, index), Verdict::Answer(_));
        let (keepalive, next) = (self.config.keepalive, self.sequence.next());
        let Some(group) = self.groups.get_mut(index).filter(|group| group.is_mirrored()) else {
            return;
        };
        if lonely {
            group.durable.unsure = true;
            group.evidence.forget(now);
        }
        group.concede(line);
        group.weigh(&theirs);
        group.tell_drbd(now, &theirs, free, keepalive);
        // frozen I/O can't be stopped in order, and the other node's line counts
        let stuck = group.is_yielding() && group.drbd.is_some_and(|(drbd, _)| drbd.suspended && drbd.primary);
        if group.durable.ahead && !group.data_told.ahead {
            group.ahead_from = next;
        }
        for notice in group.data_news(now, id).into_iter().flatten() {
            self.notice(notice);
        }
        if stuck && self.fence.is_none() {
            self.turn(id, Turn::FenceSelf);
        }
    }

    /// What this node wrote alone does not count any more, if it has just begun to yield.
    pub(crate) fn settle_line(&mut self, index: usize) {
        let line = self.has_line(index);
        if let Some(group) = self.groups.get_mut(index).filter(|group| group.is_mirrored()) {
            group.concede(line);
        }
    }

    /// The peer has a line of the data of its own, or runs the group: a start alone may come to nothing.
    fn has_line(&self, index: usize) -> bool {
        let runs = self.peer_phase(index) == Some(Phase::Active);
        runs || self.their_half(index).is_some_and(|half| half.ahead)
    }

    /// Whether what is believed of the peer is of a later start than our last one.
    fn is_later(&self, index: usize) -> bool {
        let said = self.member.group(index).map(|said| said.tenure);
        said > self.groups.get(index).map(|group| group.durable.run)
    }

    fn ahead_from(&self, index: usize) -> Sequence {
        self.groups
            .get(index)
            .map_or(Sequence(u32::MAX), |group| group.ahead_from)
    }

    fn is_frozen(&self, index: usize) -> bool {
        self.groups.get(index).is_some_and(Group::is_frozen)
    }

    /// A person says that this node's copy counts.
    pub(crate) fn confirm_data(&mut self, client: ClientId, id: GroupId) {
        let answer = match self.confirm_refusal(usize::from(id.0)) {
            Some(refusal) => Answer::Refused(refusal),
            None => Answer::Done,
        };
        if answer == Answer::Done
            && let Some(group) = self.groups.get_mut(usize::from(id.0))
        {
            group.durable.marked = false;
            group.evidence.confirmed = true;
            self.notice(Notice::DataConfirmed { group: id });
        }
        self.reply(client, answer);
    }

    fn confirm_refusal(&self, index: usize) -> Option<Refusal> {
        let Some(group) = self.groups.get(index) else {
            return Some(Refusal::NoSuchGroup);
        };
        let busy = self.peer_phase(index).is_some_and(|phase| !phase.is_clear());
        if !group.is_mirrored() {
            Some(Refusal::NoMirror)
        } else if self.leave.is_some() {
            Some(Refusal::Stopping)
        } else if group.state() == State::Active {
            Some(Refusal::AlreadyActive)
        } else if !group.is_clear() {
            Some(Refusal::Busy)
        } else if busy || matches!(self.peer(self.now, index, group), Peer::Newer) {
            Some(Refusal::PeerRuns)
        } else {
            None
        }
    }
}
