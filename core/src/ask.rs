//! What admins ask for: asked of the peer first, followed to its end, answered once.

use crate::cluster::Cluster;
use crate::decide::{Decision, Why, decide};
use crate::group::{Group, State};
use crate::id::{ClientId, Sequence};
use crate::message::Phase;
use crate::output::{Answer, Refusal};
use crate::time::{Instant, Span};

/// A switch-over that takes longer than this is answered as failed; the groups go on as they can.
const LONGEST: Span = Span::from_secs(7200);
/// After its groups are clear a leaving node goes on talking for at most this long.
const FAREWELL: Span = Span::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    Standby,
    Takeover,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    /// The peer's word, newer than the request, is awaited.
    Asking,
    /// The groups move.
    Moving,
}

/// A standby or takeover under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ask {
    client: ClientId,
    kind: Kind,
    stage: Stage,
    /// The peer's answer must echo this frame of ours.
    from: Sequence,
    /// Groups concerned.
    groups: u16,
    /// Groups that were seen to leave the giving node.
    left: u16,
    /// When it is given up.
    pub(crate) until: Instant,
}

impl Ask {
    /// Whether the peer is being asked about this group: said in our frames, so that it answers at once.
    pub(crate) fn asks(&self, group: usize) -> bool {
        self.stage == Stage::Asking && self.groups & bit(group) != 0
    }

    /// Whether a standby moves this group away now.
    pub(crate) fn moves(&self, group: usize) -> bool {
        self.kind == Kind::Standby && self.stage == Stage::Moving && self.groups & !self.left & bit(group) != 0
    }
}

/// An orderly stop under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Leave {
    client: ClientId,
    /// Our first frame that said that nothing runs here any more, and when that was.
    clear: Option<(Sequence, Instant)>,
}

fn bit(group: usize) -> u16 {
    u32::try_from(group)
        .ok()
        .and_then(|group| 1_u16.checked_shl(group))
        .unwrap_or(0)
}

impl Cluster {
    fn patience(&self, now: Instant) -> Instant {
        now.after(self.config.keepalive.times(4).max(Span::from_secs(2)))
    }

    fn masks(&self, wanted: impl Fn(&Group) -> bool) -> u16 {
        self.groups
            .iter()
            .enumerate()
            .filter(|(_, group)| wanted(group))
            .fold(0, |mask, (index, _)| mask | bit(index))
    }

    /// What stands against any request.
    fn refusal(&self) -> Option<Refusal> {
        if self.leave.is_some() || self.member.head().is_some_and(|head| head.bits.stopping()) {
            Some(Refusal::Stopping)
        } else if self.is_held() {
            Some(Refusal::Held)
        } else if !self.member.is_alive() {
            Some(Refusal::PeerNotHeard)
        } else if self.differs() {
            Some(Refusal::Differs)
        } else if self.ask.is_some() {
            Some(Refusal::Busy)
        } else {
            None
        }
    }

    pub(crate) fn ask_standby(&mut self, now: Instant, client: ClientId) {
        let groups = self.masks(|group| group.state() == State::Active);
        let refusal = self.refusal().or(if groups == 0 {
            Some(self.nothing_to_give())
        } else {
            None
        });
        self.ask(now, client, Kind::Standby, groups, refusal);
    }

    fn nothing_to_give(&self) -> Refusal {
        if self.groups.iter().all(Group::is_clear) {
            Refusal::NothingActive
        } else {
            Refusal::Busy
        }
    }

    pub(crate) fn ask_takeover(&mut self, now: Instant, client: ClientId) {
        let groups = self.masks(|group| group.state() != State::Active);
        let refusal = self.refusal().or_else(|| {
            if groups == 0 {
                return Some(Refusal::AlreadyActive);
            }
            (0..self.groups.len())
                .filter(|index| groups & bit(*index) != 0)
                .find_map(|index| self.unable(now, index))
        });
        self.ask(now, client, Kind::Takeover, groups, refusal);
    }

    /// Why this node can't take a group.
    fn unable(&self, now: Instant, index: usize) -> Option<Refusal> {
        let group = self.groups.get(index)?;
        if group.is_unfit() {
            return Some(Refusal::Unable(Why::Unfit));
        }
        if group.durable.failed {
            return Some(Refusal::Unable(Why::StartFailed));
        }
        if !group.is_clear() {
            return Some(Refusal::Busy);
        }
        match decide(&self.view(now, index)?) {
            Decision::Hold(why) => Some(Refusal::Unable(why)),
            Decision::Stay(_) | Decision::Acquire(_) | Decision::Release(_) => None,
        }
    }

    fn ask(&mut self, now: Instant, client: ClientId, kind: Kind, groups: u16, refusal: Option<Refusal>) {
        if let Some(refusal) = refusal {
            self.reply(client, Answer::Refused(refusal));
            return;
        }
        let from = self.sequence.next();
        let until = self.patience(now);
        self.ask = Some(Ask {
            client,
            kind,
            stage: Stage::Asking,
            from,
            groups,
            left: 0,
            until,
        });
        if kind == Kind::Takeover {
            for (index, group) in self.groups.iter_mut().enumerate() {
                group.wanted = groups & bit(index) != 0;
            }
        }
        self.links.iter_mut().for_each(|link| link.urgent = true);
    }

    pub(crate) fn settle_ask(&mut self, now: Instant) {
        let Some(mut ask) = self.ask.take() else { return };
        let answer = match ask.stage {
            Stage::Asking => self.asking(now, &mut ask),
            Stage::Moving => self.moving(now, &mut ask),
        };
        match answer {
            None => self.ask = Some(ask),
            Some(answer) => {
                self.groups.iter_mut().for_each(|group| group.wanted = false);
                self.reply(ask.client, answer);
            }
        }
    }

    /// The peer is asked "able?" before anything is stopped.
    fn asking(&self, now: Instant, ask: &mut Ask) -> Option<Answer> {
        if !self.member.is_alive() {
            return Some(Answer::Refused(Refusal::PeerNotHeard));
        }
        if self.member.echoed() < ask.from {
            return (now >= ask.until).then_some(Answer::Refused(Refusal::NoAnswer));
        }
        let concerned = |index: &usize| ask.groups & bit(*index) != 0;
        let able = |index: usize| self.member.group(index).is_some_and(|said| said.bits.flags().able);
        if ask.kind == Kind::Standby && !(0..self.groups.len()).filter(concerned).all(able) {
            return Some(Answer::Refused(Refusal::PeerUnable));
        }
        if self.member.head().is_some_and(|head| head.bits.held()) {
            return Some(Answer::Refused(Refusal::Held));
        }
        ask.stage = Stage::Moving;
        ask.until = match ask.kind {
            Kind::Standby => now.after(LONGEST),
            // the peer must begin soon; how long it then takes is its own affair
            Kind::Takeover => self.patience(now),
        };
        None
    }

    fn moving(&self, now: Instant, ask: &mut Ask) -> Option<Answer> {
        let mut all = true;
        for (index, group) in self
            .groups
            .iter()
            .enumerate()
            .filter(|(index, _)| ask.groups & bit(*index) != 0)
        {
            let theirs = self
                .member
                .group(index)
                .filter(|_| self.member.is_alive())
                .map(|said| said.bits.phase());
            let (gives, takes) = match ask.kind {
                Kind::Standby => (group.phase() == Phase::Active, theirs == Some(Phase::Active)),
                Kind::Takeover => (theirs == Some(Phase::Active), group.phase() == Phase::Active),
            };
            if !gives && ask.left & bit(index) == 0 {
                ask.left |= bit(index);
                ask.until = now.after(LONGEST);
            }
            let left = ask.left & bit(index) != 0;
            if left && gives {
                return Some(Answer::CameBack);
            }
            if let State::Stuck(..) = group.state() {
                return Some(Answer::Failed(Why::StopFailed));
            }
            let nowhere = group.phase() == Phase::Failed && theirs.is_none_or(|phase| phase == Phase::Failed);
            if left && nowhere {
                return Some(Answer::Failed(Why::StartFailed));
            }
            all &= left && takes;
        }
        if all {
            return Some(Answer::Done);
        }
        if now < ask.until {
            return None;
        }
        Some(if ask.left == 0 {
            Answer::Refused(Refusal::NoAnswer)
        } else {
            Answer::Failed(Why::Busy)
        })
    }

    pub(crate) fn ask_leave(&mut self, now: Instant, client: ClientId) {
        if self.leave.is_some() {
            self.reply(client, Answer::Refused(Refusal::Stopping));
            return;
        }
        if let Some(ask) = self.ask.take() {
            self.groups.iter_mut().for_each(|group| group.wanted = false);
            self.reply(ask.client, Answer::Refused(Refusal::Stopping));
        }
        // under a hold everything stays as it is: the daemon goes, what runs goes on
        let clear = self.is_held().then_some((Sequence(0), now.before(FAREWELL)));
        self.leave = Some(Leave { client, clear });
    }

    pub(crate) fn settle_leave(&mut self, now: Instant) {
        let clear = self.groups.iter().all(Group::is_clear);
        let next = self.sequence.next();
        let Some(leave) = self.leave.as_mut().filter(|leave| leave.clear.is_none() && clear) else {
            return;
        };
        leave.clear = Some((next, now));
        let client = leave.client;
        self.reply(client, Answer::Done);
    }

    /// The orderly stop is done: nothing runs here, and the peer knows or can't be told.
    pub(crate) fn has_left(&self) -> bool {
        let Some((sequence, since)) = self.leave.as_ref().and_then(|leave| leave.clear) else {
            return false;
        };
        let heard = self.member.echoed() >= sequence || !self.member.is_alive();
        heard && self.storing.is_none() || self.now.since(since) >= FAREWELL
    }
}
