//! The whole of a node's knowledge, and the two doors to it: `handle` and `poll`.

use heapless::Vec;

use crate::ask::{Ask, Leave};
use crate::auth::Keyring;
use crate::bug::{BugId, Bugs};
use crate::config::{Config, DEADTIME_MAX, PINGS_MAX};
use crate::decide::Why;
use crate::event::{Command, Event, Outcome};
use crate::fence::Fence;
use crate::gather::gather;
use crate::group::{Group, InFlight, Turn};
use crate::id::{BootId, ClientId, EffectId, GROUPS_MAX, GroupId, LINKS_MAX, LinkId, Mark, Sequence};
use crate::link::Link;
use crate::member::Member;
use crate::message::{Ballot, GroupReport, HoldReason, NodeBits, Silence};
use crate::notice::Notice;
use crate::output::{Answer, Durable, GroupDurable, Refusal};
use crate::pet::Pets;
use crate::pings::Pings;
use crate::receive::Strangers;
use crate::rejection::Rejections;
use crate::rights::Standing;
use crate::stonith::Stonith;
use crate::third::Third;
use crate::time::{Instant, Span};

/// Sixteen groups that all begin something at once, told as they go through two phases each.
const NOTICES: usize = 64;
const REPLIES: usize = 8;
/// Remembered sendings, a quarter keepalive apart: what is echoed is rarely older than two keepalives.
const SENT: usize = 16;

const _: () = assert!(PINGS_MAX <= 16, "a heartbeat counts ping nodes in four bits");

/// One node's view of the pair. `Clone`, `Eq` and `Hash`, so that simulators copy it and checkers hash it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Cluster {
    pub(crate) config: Config,
    /// Never written down.
    #[cfg_attr(feature = "record", serde(skip, default = "no_keys"))]
    pub(crate) keyring: Keyring,
    pub(crate) boot: BootId,
    /// Number of our newest frame.
    pub(crate) sequence: Sequence,
    pub(crate) now: Instant,
    pub(crate) links: Vec<Link, LINKS_MAX>,
    pub(crate) rejections: Vec<Rejections, LINKS_MAX>,
    pub(crate) member: Member,
    pub(crate) pings: Pings,
    pub(crate) groups: Vec<Group, GROUPS_MAX>,
    pub(crate) strangers: Strangers,
    /// Since when there has been a usable link.
    pub(crate) first_open: Option<Instant>,
    /// From when `initdead` counts: the same, or later if no ping was answered meanwhile.
    pub(crate) init_from: Option<Instant>,
    /// What the peer said of its hearing us, and when: a leap tells that we slept with our clock.
    pub(crate) accused: Option<(Silence, Instant)>,
    /// Its words of our silence grew faster than our clock ran.
    pub(crate) hasty: bool,
    /// When we last woke from a sleep: frames that piled up meanwhile prove nothing more.
    pub(crate) woke: Option<Instant>,
    /// Since when the peer has been heard again; what it says of its own hearing counts a little later.
    pub(crate) contact: Option<Instant>,
    /// When our newest frames went out, for what their echo proves.
    pub(crate) sent: Vec<(Sequence, Instant), SENT>,
    /// When the newest of our frames was sent that the peer is known to have heard.
    pub(crate) proved: Option<Instant>,
    /// What our frames said last.
    pub(crate) told: Option<(NodeBits, Vec<GroupReport, GROUPS_MAX>)>,
    /// Our first frame with the present detail: it is repeated until the peer echoes as much.
    pub(crate) detail_from: Sequence,
    pub(crate) durable: Durable,
    pub(crate) version: u32,
    pub(crate) stored: u32,
    pub(crate) storing: Option<u32>,
    pub(crate) store_failed: Option<Instant>,
    pub(crate) hold_until: Option<Instant>,
    /// Our first frame that told of the present hold.
    pub(crate) hold_from: Sequence,
    /// Since when this node has been isolated with something running, and when it resets itself for that.
    pub(crate) fence_at: Option<(Instant, Instant)>,
    /// When a hold last ended here.
    pub(crate) unheld: Option<Instant>,
    pub(crate) fewer_since: Option<Instant>,
    pub(crate) lonely_told: bool,
    pub(crate) unheard_told: bool,
    pub(crate) skew_told: (bool, bool),
    /// Our first frame that named our groups to the peer's present life.
    pub(crate) names_from: Option<Sequence>,
    pub(crate) ask: Option<Ask>,
    pub(crate) leave: Option<Leave>,
    /// When this life began.
    pub(crate) started: Instant,
    /// The reset that is due, and by when.
    pub(crate) fence: Option<Fence>,
    /// The state that counts that reset, and whether it was asked for.
    pub(crate) counted: Option<(u32, bool)>,
    pub(crate) bugs: Bugs,
    pub(crate) pets: Pets,
    /// The witness, if there is one.
    pub(crate) third: Option<Third>,
    /// The peer's power.
    pub(crate) stonith: Stonith,
    /// The votes of each group.
    pub(crate) standings: Vec<Standing, GROUPS_MAX>,
    /// The longest term that this node lends for, as it is on disk, in tenths of a second.
    pub(crate) stored_term: u16,
    pub(crate) writing_term: u16,
    /// The pledges are on disk with this version.
    pub(crate) pledge_version: u32,
    /// Until then it has forgotten to whom it lent.
    pub(crate) bound: Instant,
    /// The groups as they are on disk, and as they are being written.
    pub(crate) recorded: Vec<GroupDurable, GROUPS_MAX>,
    pub(crate) writing: Vec<GroupDurable, GROUPS_MAX>,
    pub(crate) replies: Vec<(ClientId, Answer), REPLIES>,
    pub(crate) notices: Vec<Notice, NOTICES>,
    pub(crate) lost: u16,
    pub(crate) effects: EffectId,
}

/// For how long a former life may have lent its votes.
fn longest_lent(term: u16) -> Span {
    match term {
        // a state that says nothing of it is new, or lost: then it may have been as long as any
        0 => DEADTIME_MAX,
        term => Ballot::span_of(term),
    }
}

#[cfg(feature = "record")]
const fn no_keys() -> Keyring {
    Keyring::new(crate::auth::Domain::Node)
}

/// The votes of each group, where there is a witness.
fn standings(config: &Config, pledged: &[Mark], bound: Instant) -> Vec<Standing, GROUPS_MAX> {
    let voted = config.groups.iter().filter(|_| config.witness);
    gather(voted.map(|group| Standing::new(config.me.peer(), bound, pledged.contains(&group.identity))))
}

impl Cluster {
    /// A node that has just started and knows only what is on its disk.
    #[must_use]
    pub fn new(config: Config, keyring: Keyring, boot: BootId, durable: Durable, now: Instant) -> Self {
        let links = gather((0..config.links).map(|_| Link::new(now)));
        let rejections = gather((0..config.links).map(|_| Rejections::new()));
        let (known, durable) = durable.begin(&config.groups);
        let groups = config.groups.iter().zip(known.iter().copied());
        let groups: Vec<Group, GROUPS_MAX> = gather(groups.map(|(draft, known)| Group::new(draft, known, now)));
        let recorded = gather(groups.iter().map(|group| group.durable));
        let held = Some(durable.hold.seconds).filter(|seconds| durable.hold.held && *seconds > 0);
        let hold_until = held.map(|seconds| now.after(Span::from_secs(u64::from(seconds))));
        let (bound, stored_term) = (now.after(longest_lent(durable.term).max(config.deadtime)), durable.term);
        let standings = standings(&config, &durable.pledged, bound);
        Self {
            keyring,
            boot,
            sequence: Sequence(0),
            now,
            links,
            rejections,
            member: Member::new(now),
            pings: Pings::new(config.pings, now),
            groups,
            strangers: Strangers::default(),
            first_open: None,
            init_from: None,
            accused: None,
            hasty: false,
            woke: None,
            contact: None,
            sent: Vec::new(),
            proved: None,
            told: None,
            detail_from: Sequence(1),
            durable,
            version: 0,
            stored: 0,
            storing: None,
            store_failed: None,
            hold_until,
            hold_from: Sequence(1),
            fence_at: None,
            unheld: None,
            fewer_since: None,
            lonely_told: false,
            unheard_told: false,
            skew_told: (false, false),
            names_from: None,
            ask: None,
            leave: None,
            started: now,
            fence: None,
            counted: None,
            bugs: Bugs::default(),
            pets: Pets::default(),
            third: None,
            stonith: Stonith::default(),
            standings,
            stored_term,
            writing_term: 0,
            pledge_version: 0,
            bound,
            recorded,
            writing: Vec::new(),
            replies: Vec::new(),
            notices: Vec::new(),
            lost: 0,
            effects: EffectId(0),
            config,
        }
    }

    /// The key that the witness signs with; without it none is heard.
    pub fn hear(&mut self, keyring: Keyring) {
        match &mut self.third {
            Some(third) => third.keyring = keyring,
            None if self.config.witness => self.third = Some(Third::new(keyring, self.now)),
            None => {}
        }
    }

    /// Other keys, after `authkeys` was read again. Belief in the peer's life stays.
    pub fn rekey(&mut self, keyring: Keyring) {
        self.keyring = keyring;
    }

    /// A copy without what a frame may change that is not believed (SAFETY S-45): counters, what is echoed, who else
    /// was heard, and what is said of it. For checkers, which compare two of them.
    #[must_use]
    pub fn believed(&self) -> Self {
        let mut copy = self.clone();
        copy.rejections
            .iter_mut()
            .for_each(|counts| *counts = Rejections::new());
        copy.strangers = Strangers::default();
        copy.member.lives.forget_candidates();
        copy.links.iter_mut().for_each(|link| link.urgent = false);
        if let Some(third) = &mut copy.third {
            third.rejections = Rejections::new();
            third.lives.forget_candidates();
            third.link.urgent = false;
        }
        copy.groups.iter_mut().for_each(|group| group.holding = None);
        copy.notices.clear();
        copy.lost = 0;
        copy
    }

    /// The same without what came over which link: of a frame that is no news otherwise that may change (P-19).
    #[must_use]
    pub fn believed_but_links(&self) -> Self {
        let mut copy = self.believed();
        copy.links.clear();
        copy
    }

    /// Takes one event. Never fails; poll afterwards.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) {
        // a clock that seems to run backwards stands still
        let now = now.max(self.now);
        let slept = now.since(self.now);
        self.now = now;
        if slept > self.config.stall() {
            self.wake(now);
            self.notice(Notice::Slept(slept));
        }
        match event {
            Event::Tick => {}
            Event::Received { link, bytes } if self.is_witness_link(link) => self.hear_witness(now, bytes),
            Event::Received { link, bytes } => self.received(now, link, bytes),
            Event::Rejected { link, rejection } => self.rejected(now, link, rejection),
            Event::Opened { link } => self.opened(now, link),
            Event::Closed { link } if self.is_witness_link(link) => {
                if let Some(third) = &mut self.third {
                    third.link.closed();
                }
            }
            Event::Closed { link } => {
                if let Some(link) = self.links.get_mut(usize::from(link.0)) {
                    link.closed();
                }
            }
            Event::PingReply { ping, sent } => {
                if sent > now {
                    self.bugs.find(BugId::PingAhead, None);
                    return self.settle(now);
                }
                // the answer ends a silence that was longer, perhaps, than when this node last looked
                self.settle_gap(now);
                // attached again, perhaps for a moment only: the peer is to hear of it, too
                let silent = self.pings.silence(now) > self.config.keepalive.times(2);
                self.pings.reply(ping, sent);
                if silent {
                    self.links.iter_mut().for_each(|link| link.urgent = true);
                }
            }
            Event::Drbd { group, seen } => self.observed(now, group, seen),
            Event::Done { effect, outcome } => self.done(now, effect, outcome),
            Event::Unstuck { group, resource } => {
                if let Some(group) = self.groups.get_mut(usize::from(group.0)) {
                    group.unstuck(now, resource);
                }
            }
            Event::Stored { version, ok } => self.was_stored(now, version, ok),
            Event::Request { client, command } => self.request(now, client, command),
        }
        self.settle(now);
    }

    fn opened(&mut self, now: Instant, link: LinkId) {
        if self.is_witness_link(link)
            && let Some(third) = &mut self.third
        {
            return third.link.opened(now);
        }
        if let Some(link) = self.links.get_mut(usize::from(link.0)) {
            link.opened(now);
            self.first_open.get_or_insert(now);
            self.init_from.get_or_insert(now);
        }
    }

    /// This node's clock jumped: it stood still. What it knew of silences is void.
    pub(crate) fn wake(&mut self, now: Instant) {
        self.pings.woke(now);
        self.first_open = self.first_open.map(|_| now);
        // nobody here saw what became of the peer's power meanwhile
        self.stonith.heard();
        self.doubt(now);
    }

    /// This node stood still, or so the peer's words look: the peer's silence counts afresh, and what runs here may run
    /// elsewhere. Its own isolation counts on: late frames look the same, and must not keep an isolated node going.
    pub(crate) fn doubt(&mut self, now: Instant) {
        self.member.woke(now);
        self.links.iter_mut().for_each(|link| link.woke(now));
        self.init_from = self.init_from.map(|_| now);
        (self.accused, self.hasty) = (None, false);
        (self.woke, self.contact) = (Some(now), Some(now));
        self.fewer_since = None;
        let next = self.sequence.next();
        for group in &mut self.groups {
            group.doubtful = true;
            group.announced = next;
            (group.able_since, group.unable_since) = (None, None);
            // seen before the sleep: void
            group.drbd = None;
            group.evidence.forget(now);
        }
    }

    fn done(&mut self, now: Instant, effect: EffectId, outcome: Outcome) {
        if self.shot_ended(now, effect, outcome) {
            return;
        }
        for (index, group) in (0_u8..).zip(self.groups.iter_mut()) {
            let Some(finished) = group.done(now, effect, outcome) else {
                continue;
            };
            let InFlight {
                resource, op, since, ..
            } = finished.flight;
            let group = GroupId(index);
            if finished.news {
                self.notice(Notice::Step {
                    group,
                    resource,
                    op,
                    outcome,
                    took: now.since(since),
                });
            }
            self.turn(group, finished.turn);
            return;
        }
        let ended = self.groups.iter().position(|group| group.ended == Some(effect));
        let group = ended.and_then(|index| u8::try_from(index).ok()).map(GroupId);
        let given = effect.0 > 0 && effect <= self.effects;
        let id = if given {
            BugId::EffectTwice
        } else {
            BugId::EffectUnknown
        };
        self.bugs.find(id, group);
    }

    /// What a group's step means beyond the group.
    pub(crate) fn turn(&mut self, group: GroupId, turn: Turn) {
        match turn {
            Turn::None => {}
            Turn::Phase(why) => self.tell_phase(group, why),
            Turn::Bug(id) => self.bugs.find(id, Some(group)),
            Turn::FenceSelf => {
                self.tell_phase(group, Why::StopFailed);
                if self.config.last_resort {
                    self.count_fence();
                    let by = self.now.after(self.config.keepalive);
                    self.fence.get_or_insert(Fence { group, by });
                }
            }
        }
    }

    pub(crate) fn tell_phase(&mut self, group: GroupId, why: Why) {
        if let Some(phase) = self.groups.get(usize::from(group.0)).map(Group::phase) {
            self.notice(Notice::Phase { group, phase, why });
        }
    }

    fn was_stored(&mut self, now: Instant, version: u32, ok: bool) {
        if self.storing != Some(version) {
            self.bugs.find(BugId::StoredUnasked, None);
            return;
        }
        self.storing = None;
        if ok {
            self.recorded = core::mem::take(&mut self.writing);
            self.stored_term = self.writing_term;
            self.stored = self.stored.max(version);
            self.store_failed = None;
        } else {
            if self.store_failed.is_none() {
                self.notice(Notice::StoreFailed);
            }
            self.store_failed = Some(now);
        }
    }

    fn request(&mut self, now: Instant, client: ClientId, command: Command) {
        match command {
            Command::Standby { groups } => self.ask_standby(now, client, groups),
            Command::Takeover { groups } => self.ask_takeover(now, client, groups),
            Command::Hold { span, reason } => self.set_hold(now, client, true, span, reason),
            Command::Resume => self.set_hold(now, client, false, None, HoldReason::new()),
            Command::Clear { group } => self.clear(now, client, group),
            Command::ConfirmData { group } => self.confirm_data(client, group),
            Command::ConfirmFenced => self.confirm_fenced(client),
            Command::FencePeer { group } => self.ask_fence_peer(now, client, group),
            Command::Stop => self.ask_leave(now, client),
        }
    }

    fn clear(&mut self, now: Instant, client: ClientId, group: GroupId) {
        let answer = match self.groups.get_mut(usize::from(group.0)) {
            None => Answer::Refused(Refusal::NoSuchGroup),
            Some(known) if self.bugs.stops(usize::from(group.0)) && known.flight.is_some() => {
                Answer::Refused(Refusal::Busy)
            }
            Some(known) => {
                if self.bugs.stops(usize::from(group.0)) {
                    self.bugs.forget(group);
                    known.look(now);
                }
                let failed = core::mem::take(&mut known.durable.fenced) | core::mem::take(&mut known.durable.failed);
                known.failure = None;
                known.forgive();
                known.since = now;
                if failed {
                    self.tell_phase(group, Why::Cleared);
                }
                Answer::Done
            }
        };
        self.reply(client, answer);
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        if self.notices.push(notice).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }

    pub(crate) fn reply(&mut self, client: ClientId, answer: Answer) {
        // a ninth answer that nobody drained is lost, which is told: its client's own deadline ends the wait
        if self.replies.push((client, answer)).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// No further answer can be kept until some have gone out.
    pub(crate) fn replies_are_full(&self) -> bool {
        self.replies.is_full()
    }
}
