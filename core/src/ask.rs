//! What admins ask for: asked of the peer first, followed to its end, answered once.

use crate::cluster::Cluster;
use crate::decide::{Decision, Why, decide};
use crate::group::{Group, State};
use crate::id::{ClientId, GroupId, GroupSet, Sequence};
use crate::message::Phase;
use crate::notice::Notice;
use crate::output::{Answer, Fate, Fates, Refusal};
use crate::time::{Instant, Span};

/// A switch-over that takes longer than this is answered as failed; the groups go on as they can.
const LONGEST: Span = Span::from_secs(7200);
/// After its groups are clear a leaving node goes on talking for at most this long.
const FAREWELL: Span = Span::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
enum Kind {
    Standby,
    Takeover,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
enum Stage {
    /// The peer's word, newer than the request, is awaited.
    Asking,
    /// Those groups move that nothing stands against.
    Moving,
}

/// A standby or takeover under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Ask {
    client: ClientId,
    kind: Kind,
    stage: Stage,
    /// The peer's answer must echo this frame of ours.
    from: Sequence,
    /// Groups on their way.
    open: GroupSet,
    /// Of these, groups that were seen to leave the giving node.
    left: GroupSet,
    /// What became of the others.
    fates: Fates,
    /// The peer must have answered, each group must have left the giving node.
    begin: Instant,
    /// When it is given up.
    until: Instant,
}

impl Ask {
    /// Whether the peer is being asked about this group: said in our frames, so that it answers at once.
    pub(crate) fn asks(&self, group: usize) -> bool {
        self.stage == Stage::Asking && self.open.contains(group)
    }

    /// Whether a standby moves this group away now.
    pub(crate) fn moves(&self, group: usize) -> bool {
        let open = self.open.contains(group) && !self.left.contains(group);
        self.kind == Kind::Standby && self.stage == Stage::Moving && open
    }

    /// When time alone ends something of it.
    pub(crate) const fn due(&self) -> Instant {
        if self.open.0 & !self.left.0 != 0 {
            self.begin
        } else {
            self.until
        }
    }

    fn refused(&self) -> GroupSet {
        let refused = |(place, fate): (usize, Fate)| matches!(fate, Fate::Refused(_)).then_some(place);
        GroupSet::of(self.fates.iter().filter_map(refused))
    }
}

/// An orderly stop under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Leave {
    client: ClientId,
    /// Since when nothing runs here any more.
    idle: Option<Instant>,
    /// Our first frame that said so, and what is pledged, and when that was.
    clear: Option<(Sequence, Instant)>,
}

impl Cluster {
    fn patience(&self, now: Instant) -> Instant {
        now.after(self.config.keepalive.times(4).max(Span::from_secs(2)))
    }

    /// What stands against any request.
    fn refusal(&self) -> Option<Refusal> {
        if self.bugs.any() {
            Some(Refusal::Unable(Why::Bug))
        } else if self.leave.is_some() || self.member.head().is_some_and(|head| head.bits.stopping()) {
            Some(Refusal::Stopping)
        } else if self.is_held() {
            Some(Refusal::Held)
        } else if !self.member.is_alive() {
            Some(Refusal::PeerNotHeard)
        } else if self.ask.is_some() {
            Some(Refusal::Busy)
        } else {
            None
        }
    }

    pub(crate) fn ask_standby(&mut self, now: Instant, client: ClientId, groups: GroupSet) {
        self.ask(now, client, Kind::Standby, groups);
    }

    pub(crate) fn ask_takeover(&mut self, now: Instant, client: ClientId, groups: GroupSet) {
        self.ask(now, client, Kind::Takeover, groups);
    }

    /// What becomes of a group without asking anybody; `None`: it is to move.
    fn at_once(&self, now: Instant, kind: Kind, index: usize) -> Option<Fate> {
        let group = self.groups.get(index)?;
        match (kind, group.state()) {
            (_, State::Active) if kind == Kind::Standby && self.group_differs(index) => {
                Some(Fate::Refused(Refusal::Differs))
            }
            (Kind::Standby, State::Active) => None,
            (Kind::Takeover, State::Active) => Some(Fate::Needless),
            (_, State::Stuck(..)) => Some(Fate::Refused(Refusal::Unable(Why::Stuck))),
            (Kind::Standby, _) if group.is_clear() => Some(Fate::Needless),
            (Kind::Standby, _) => Some(Fate::Refused(Refusal::Busy)),
            (Kind::Takeover, _) => self.unable(now, index).map(Fate::Refused),
        }
    }

    /// Why this node can't take a group.
    fn unable(&self, now: Instant, index: usize) -> Option<Refusal> {
        let group = self.groups.get(index)?;
        if group.is_unfit() {
            return Some(Refusal::Unable(Why::Unfit));
        }
        if self.group_differs(index) {
            return Some(Refusal::Differs);
        }
        if group.durable.failed {
            return Some(Refusal::Unable(group.failed));
        }
        if group.disk_lost() {
            return Some(Refusal::Unable(Why::Diskless));
        }
        if !group.is_clear() {
            return Some(Refusal::Busy);
        }
        match decide(&self.view(now, index)?) {
            Decision::Hold(why) => Some(Refusal::Unable(why)),
            Decision::Stay(_) | Decision::Acquire(_) | Decision::Release(_) | Decision::Restart(_) => None,
        }
    }

    fn ask(&mut self, now: Instant, client: ClientId, kind: Kind, groups: GroupSet) {
        if let Some(refusal) = self.refusal() {
            self.reply(client, Answer::Refused(refusal));
            return;
        }
        let (mut open, mut fates) = (GroupSet::default(), Fates::default());
        for index in groups.places().take_while(|index| *index < self.groups.len()) {
            match self.at_once(now, kind, index) {
                None => open.insert(index),
                Some(fate) => fates.set(index, fate),
            }
        }
        if open.is_empty() {
            let nothing = fates.iter().all(|(_, fate)| fate == Fate::Needless);
            let answer = match kind {
                _ if fates == Fates::default() => Answer::Refused(Refusal::NoSuchGroup),
                Kind::Standby if nothing => Answer::Refused(Refusal::NothingActive),
                Kind::Takeover if nothing => Answer::Refused(Refusal::AlreadyActive),
                Kind::Standby | Kind::Takeover => fates.answer(),
            };
            self.reply(client, answer);
            return;
        }
        let (from, begin) = (self.sequence.next(), self.patience(now));
        self.ask = Some(Ask {
            client,
            kind,
            stage: Stage::Asking,
            from,
            open,
            left: GroupSet::default(),
            fates,
            begin,
            until: begin,
        });
        for (index, group) in self.groups.iter_mut().enumerate() {
            group.wanted = kind == Kind::Takeover && open.contains(index);
        }
        self.links.iter_mut().for_each(|link| link.urgent = true);
    }

    pub(crate) fn settle_ask(&mut self, now: Instant) {
        let Some(mut ask) = self.ask.take() else { return };
        match ask.stage {
            Stage::Asking => self.asking(now, &mut ask),
            Stage::Moving => self.moving(now, &mut ask),
        }
        if ask.open.is_empty() {
            self.reply(ask.client, ask.fates.answer());
        } else {
            self.ask = Some(ask);
        }
    }

    fn ends(&mut self, ask: &mut Ask, index: usize, fate: Fate) {
        ask.open.remove(index);
        ask.fates.set(index, fate);
        if let Some(group) = self.groups.get_mut(index) {
            group.wanted = false;
        }
    }

    /// The peer is asked "able?" before anything is stopped.
    fn asking(&mut self, now: Instant, ask: &mut Ask) {
        let held = self.member.head().is_some_and(|head| head.bits.held());
        let all = if !self.member.is_alive() {
            Some(Refusal::PeerNotHeard)
        } else if self.member.taken() < ask.from {
            if now < ask.begin {
                return;
            }
            Some(Refusal::NoAnswer)
        } else if held {
            Some(Refusal::Held)
        } else {
            None
        };
        for index in ask.open.places() {
            let able = ask.kind == Kind::Takeover || self.peer_is_able(index);
            let unable = if able { None } else { Some(Refusal::PeerUnable) };
            if let Some(why) = all.or(unable) {
                self.ends(ask, index, Fate::Refused(why));
            }
        }
        if ask.open.is_empty() {
            return;
        }
        ask.stage = Stage::Moving;
        ask.begin = self.patience(now);
        // the giving node must begin soon; how long the move then takes is its own affair
        ask.until = now.after(LONGEST);
        let refused = ask.refused();
        // first: who does not wait for the end hears no more once it begins
        for index in refused.places() {
            self.tell_refused(ask, index);
        }
        self.notice(Notice::MoveBegins {
            client: ask.client,
            takeover: ask.kind == Kind::Takeover,
            groups: ask.open,
            refused,
        });
    }

    fn peer_is_able(&self, index: usize) -> bool {
        self.member.group(index).is_some_and(|said| said.bits.flags().able)
    }

    fn tell_refused(&mut self, ask: &Ask, index: usize) {
        let fate = ask.fates.iter().find(|(place, _)| *place == index);
        if let (Some((_, Fate::Refused(why))), Ok(group)) = (fate, u8::try_from(index)) {
            let group = GroupId(group);
            self.notice(Notice::MoveRefused { group, why });
        }
    }

    fn moving(&mut self, now: Instant, ask: &mut Ask) {
        for index in ask.open.places() {
            let Some(fate) = self.came_to(now, ask, index) else {
                continue;
            };
            self.ends(ask, index, fate);
            if !ask.open.is_empty() {
                self.tell_refused(ask, index);
            }
        }
    }

    /// What became of a group on its way, if its way has ended.
    fn came_to(&self, now: Instant, ask: &mut Ask, index: usize) -> Option<Fate> {
        let group = self.groups.get(index)?;
        let said = self.member.group(index).filter(|_| self.member.is_alive());
        let theirs = said.map(|said| said.bits.phase());
        let (gives, takes) = match ask.kind {
            Kind::Standby => (group.phase() == Phase::Active, theirs == Some(Phase::Active)),
            Kind::Takeover => (theirs == Some(Phase::Active), group.phase() == Phase::Active),
        };
        if !gives {
            ask.left.insert(index);
        }
        let left = ask.left.contains(index);
        let nowhere = group.phase() == Phase::Failed && theirs.is_none_or(|phase| phase == Phase::Failed);
        if let State::Stuck(..) = group.state() {
            Some(Fate::Failed(Why::StopFailed))
        } else if ask.kind == Kind::Takeover && theirs == Some(Phase::Stuck) {
            Some(Fate::Failed(Why::PeerStuck))
        } else if !left {
            (now >= ask.begin).then(|| Fate::Refused(self.not_begun(ask.kind, index)))
        } else if gives {
            Some(Fate::CameBack)
        } else if takes {
            Some(Fate::Moved)
        } else if nowhere {
            Some(Fate::Failed(group.failed))
        } else {
            (now >= ask.until).then_some(Fate::Failed(Why::Busy))
        }
    }

    /// Why a group that was to leave did not.
    fn not_begun(&self, kind: Kind, index: usize) -> Refusal {
        if !self.member.is_alive() {
            Refusal::PeerNotHeard
        } else if self.is_held() {
            Refusal::Held
        } else if self.group_differs(index) {
            Refusal::Differs
        } else if kind == Kind::Standby && !self.peer_is_able(index) {
            Refusal::PeerUnable
        } else {
            Refusal::NoAnswer
        }
    }

    pub(crate) fn ask_leave(&mut self, now: Instant, client: ClientId) {
        if self.leave.is_some() {
            self.reply(client, Answer::Refused(Refusal::Stopping));
            return;
        }
        if let Some(mut ask) = self.ask.take() {
            for index in ask.open.places() {
                let left = ask.left.contains(index);
                let fate = if left {
                    Fate::Failed(Why::Stopping)
                } else {
                    Fate::Refused(Refusal::Stopping)
                };
                self.ends(&mut ask, index, fate);
            }
            self.reply(ask.client, ask.fates.answer());
        }
        // under a hold everything stays as it is: the daemon goes, what runs goes on
        let clear = self.is_held().then_some((Sequence(0), now.before(FAREWELL)));
        let idle = None;
        self.leave = Some(Leave { client, idle, clear });
    }

    pub(crate) fn settle_leave(&mut self, now: Instant) {
        let clear = self.groups.iter().all(Group::is_clear);
        // a hold began meanwhile: what has begun ends, the rest stays as it is
        let stays = |group: &Group| group.is_clear() || matches!(group.state(), State::Active | State::Stuck(..));
        let rests = self.is_held() && self.groups.iter().all(stays);
        let next = self.sequence.next();
        let awaits = self.awaits_pledge(now);
        let Some(leave) = self.leave.as_mut().filter(|leave| leave.clear.is_none()) else {
            return;
        };
        if clear && awaits && now.since(*leave.idle.get_or_insert(now)) < FAREWELL {
            return;
        }
        if clear {
            leave.clear = Some((next, now));
            let client = leave.client;
            self.reply(client, Answer::Done);
        } else if rests {
            leave.clear = Some((Sequence(0), now.before(FAREWELL)));
        }
    }

    /// The orderly stop is done: nothing runs here, and the peer knows or can't be told.
    pub(crate) fn has_left(&self) -> bool {
        let Some((sequence, since)) = self.leave.as_ref().and_then(|leave| leave.clear) else {
            return false;
        };
        let heard = self.member.taken() >= sequence || !self.member.is_alive();
        heard && self.storing.is_none() || self.now.since(since) >= FAREWELL
    }
}
