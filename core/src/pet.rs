//! When the hardware watchdog is petted: only by a node that its peer must still believe alive, so that one that hangs is
//! off before the peer takes over (SAFETY S-65 to S-69, LEASE T3 to T5 and T11).
//!
//! A pet follows a heartbeat on every open link, never the mere passing of time. A node that no ping node answers is
//! petted only while the reset would still be over when the peer's deadtime can end (`isolation`).

use crate::cluster::Cluster;
use crate::group::{Group, State};
use crate::id::LinkId;
use crate::link::Link;
use crate::output::Output;
use crate::time::{Instant, Span};
use crate::watchdog::{ATTACHED, Watchdog};

/// Keepalives within which a peer that lives is heard by a new life.
const PATIENCE: u64 = 2;

/// What is remembered of the pets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Pets {
    /// The newest one, while the watchdog is armed.
    at: Option<Instant>,
    /// Links that a heartbeat was handed to since, a bit each.
    spoken: u16,
    /// The peer knows this life, or is not there: before that no heartbeat counts.
    earned: bool,
    /// This machine was told to reset itself: the watchdog finishes it.
    ended: bool,
}

impl Pets {
    /// A heartbeat was handed to this link, or could not be made.
    pub(crate) fn spoke(&mut self, link: LinkId, handed: bool) {
        let bit = 1_u16.checked_shl(u32::from(link.0)).unwrap_or(0);
        if handed {
            self.spoken |= bit;
        } else {
            self.spoken &= !bit;
        }
    }

    /// Never again in this life.
    pub(crate) const fn end(&mut self) {
        self.ended = true;
    }
}

impl Cluster {
    /// The watchdog counts, or there is none: a start may touch something.
    pub(crate) fn is_guarded(&self) -> bool {
        self.config.watchdog.is_none() || self.pets.at.is_some()
    }

    /// There is no watchdog, or a link for the heartbeats that its pets follow.
    pub(crate) fn is_guardable(&self) -> bool {
        self.config.watchdog.is_none() || self.links.iter().any(Link::is_open)
    }

    /// What the watchdog needs now, all heartbeats that are due having been handed out.
    pub(crate) fn poll_pet(&mut self) -> Option<Output<'static>> {
        let watchdog = self.config.watchdog?;
        if self.pets.ended || self.fence.is_some() {
            return None;
        }
        if self.groups.iter().all(is_still) {
            return self.rest(watchdog);
        }
        if !self.pets.earned {
            self.pets.earned = self.is_known();
            self.pets.spoken = 0;
            return None;
        }
        let limit = self.pet_limit(watchdog);
        let votes = self.votes_pet_limit(watchdog).filter(|_| self.config.witness);
        let pause = limit.map_or(watchdog.pause(), |_| Span::ZERO);
        if self.pets.at.is_some_and(|at| self.now.since(at) < pause) {
            return None;
        }
        let spoken = self.all_spoken()?;
        let within = limit.map_or(spoken, |limit| limit.min(spoken));
        let within = votes.map_or(within, |votes| votes.min(within));
        if within < self.now {
            return None;
        }
        (self.pets.at, self.pets.spoken) = (Some(self.now), 0);
        Some(Output::Pet { within })
    }

    /// Nothing runs here, and nothing is about to.
    fn rest(&mut self, watchdog: Watchdog) -> Option<Output<'static>> {
        if !watchdog.stays {
            return self.pets.at.take().map(|_| Output::Disarm);
        }
        if self.pets.at.is_some_and(|at| self.now.since(at) < watchdog.pause()) {
            return None;
        }
        self.pets.at = Some(self.now);
        let within = self.now.after(watchdog.timeout);
        Some(Output::Pet { within })
    }

    /// The daemon ends and was told to: what it leaves running, under a hold, is a person's.
    pub(crate) fn leave_watchdog(&mut self) -> Option<Output<'static>> {
        let stays = self.config.watchdog.is_none_or(|watchdog| watchdog.stays);
        if stays || self.pets.ended || self.fence.is_some() {
            return None;
        }
        self.pets.at.take().map(|_| Output::Disarm)
    }

    /// Whether the peer answered to this life, so that it believes the next heartbeat, or is not heard. A daemon that dies
    /// again and again before that is as good as dead, and to its peer it is.
    fn is_known(&self) -> bool {
        let waited = self.now.since(self.started) >= self.config.keepalive.times(PATIENCE);
        self.proved.is_some() || (waited && self.member.heard().is_none())
    }

    /// When the next heartbeat of some open link is due, if each of them has had one since the last pet.
    fn all_spoken(&self) -> Option<Instant> {
        let open = (0_u32..).zip(&self.links).filter(|(_, link)| link.is_open());
        let mut due = None;
        for (place, link) in open {
            if self.pets.spoken.checked_shr(place).unwrap_or(0) & 1 == 0 || link.due <= self.now {
                return None;
            }
            due = Some(due.map_or(link.due, |due: Instant| due.min(link.due)));
        }
        due
    }

    /// No pet after this, if there is such a moment: no ping was answered lately, and the peer's deadtime may run.
    fn pet_limit(&self, watchdog: Watchdog) -> Option<Instant> {
        let lately = self.config.keepalive.times(ATTACHED);
        let attached = self.pings.newest().is_some_and(|sent| self.now.since(sent) <= lately);
        if !self.pings.any() || attached || (self.is_held() && self.hold_is_known()) {
            return None;
        }
        let over = self.overdue_at().map(|at| at.before(watchdog.reset()));
        Some(over.unwrap_or_default())
    }
}

/// Nothing of the group runs, whatever is being looked at.
const fn is_still(group: &Group) -> bool {
    matches!(group.state(), State::Idle | State::Claiming(..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Domain, Keyring, Method};
    use crate::config::{Config, Draft};
    use crate::event::{Command, Event, Outcome};
    use crate::frame::FrameBuf;
    use crate::id::{BootId, ClientId, EffectId, KeyId, NodeId};
    use crate::message::hold_reason;
    use crate::output::{Durable, Op};

    extern crate std;
    use std::vec;

    const KEEPALIVE: Span = Span::from_secs(1);
    const DEADTIME: Span = Span::from_secs(20);
    const TIMEOUT: Span = Span::from_secs(12);

    /// What a poll wanted, as far as it matters here.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Did {
        Sent(u8),
        Pet,
        Disarmed,
        Began(Op, EffectId),
        Fenced,
        Left,
    }

    /// A node that never hears its peer, with everything that it did and when.
    struct Node {
        cluster: Cluster,
        now: Instant,
        did: vec::Vec<(Instant, Did)>,
        /// Its pings are answered.
        answered: bool,
        /// How its stops end.
        stops: Outcome,
        /// How its probes end.
        probes: Outcome,
        /// What it sent over its first link.
        frames: vec::Vec<vec::Vec<u8>>,
    }

    fn keyring() -> Keyring {
        let mut ring = Keyring::new(Domain::Node);
        ring.add(KeyId(1), Method::Md5, b"a key").unwrap();
        ring.sign_with(KeyId(1)).unwrap();
        ring
    }

    fn draft(pings: u8, stays: bool) -> Draft {
        Draft {
            links: 2,
            pings,
            deadtime: DEADTIME,
            deadping: DEADTIME,
            initdead: DEADTIME,
            stop_budget: Span::from_secs(5),
            watchdog: Some(Watchdog {
                timeout: TIMEOUT,
                stays,
            }),
            ..Draft::sample()
        }
    }

    impl Node {
        fn of(draft: Draft) -> Self {
            let now = Instant::from_millis(1000);
            let config = Config::new(draft).unwrap();
            let mut node = Self {
                cluster: Cluster::new(config, keyring(), BootId([9; 4]), Durable::default(), now),
                now,
                did: vec![],
                answered: true,
                stops: Outcome::Done,
                probes: Outcome::NotRunning,
                frames: vec![],
            };
            node.tell(Event::Opened { link: LinkId(0) });
            node.tell(Event::Opened { link: LinkId(1) });
            node
        }

        /// Its group is active.
        fn active(pings: u8, stays: bool) -> Self {
            let mut node = Self::of(draft(pings, stays));
            node.pass(25_000);
            assert_eq!(node.cluster.groups[0].state(), State::Active);
            node
        }

        fn tell(&mut self, event: Event<'_>) {
            self.cluster.handle(self.now, event);
            let mut frame = FrameBuf::new();
            for _ in 0..200 {
                let did = match self.cluster.poll(&mut frame) {
                    Output::Wait { .. } => return,
                    Output::Exit => {
                        self.did.push((self.now, Did::Left));
                        return;
                    }
                    Output::Send { link, bytes } => {
                        if link == LinkId(0) {
                            self.frames.push(bytes.to_vec());
                        }
                        Did::Sent(link.0)
                    }
                    Output::Pet { within } => {
                        assert!(within >= self.now, "too late at once");
                        Did::Pet
                    }
                    Output::Disarm => Did::Disarmed,
                    Output::Start(effect) => Did::Began(effect.op, effect.id),
                    Output::FenceSelf { .. } => Did::Fenced,
                    Output::Store { version, .. } => {
                        self.cluster.handle(self.now, Event::Stored { version, ok: true });
                        continue;
                    }
                    Output::Bug(_)
                    | Output::Notice(_)
                    | Output::Abandon(_)
                    | Output::Shoot(_)
                    | Output::Reply { .. } => {
                        continue;
                    }
                };
                self.did.push((self.now, did));
            }
            panic!("polling does not come to Wait");
        }

        /// Time passes: pings are answered at once, and what was begun ends a moment later.
        fn pass(&mut self, millis: u64) {
            for _ in 0..millis / 100 {
                self.now = self.now.after(Span::from_millis(100));
                self.tell(Event::Tick);
                if self.answered && self.cluster.pings.any() && self.now.as_millis().is_multiple_of(1000) {
                    let sent = self.now;
                    self.tell(Event::PingReply { ping: 0, sent });
                }
                if let Some(flight) = self.cluster.groups[0].flight {
                    let outcome = match flight.op {
                        Op::Probe => self.probes,
                        Op::Stop => self.stops,
                        Op::Start | Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => Outcome::Done,
                    };
                    let effect = flight.id;
                    self.tell(Event::Done { effect, outcome });
                }
            }
        }

        fn ask(&mut self, command: Command) {
            let client = ClientId(1);
            self.tell(Event::Request { client, command });
        }

        fn times(&self, wanted: Did) -> vec::Vec<Instant> {
            let found = self.did.iter().filter(|(_, did)| *did == wanted);
            found.map(|(at, _)| *at).collect()
        }

        fn place(&self, wanted: impl Fn(Did) -> bool) -> usize {
            self.did.iter().position(|(_, did)| wanted(*did)).unwrap()
        }
    }

    /// S-66.
    #[test]
    fn it_is_armed_before_the_first_start_and_disarmed_after_the_last_stop() {
        let mut node = Node::active(0, false);
        let begun = |op| move |did| matches!(did, Did::Began(begun, _) if begun == op);
        let start = node.place(begun(Op::Start));
        let before: vec::Vec<Did> = node.did[..start].iter().map(|(_, did)| *did).collect();
        assert!(before.contains(&Did::Pet));
        node.did.clear();
        node.ask(Command::Stop);
        node.pass(20_000);
        let (stop, disarmed) = (node.place(begun(Op::Stop)), node.place(|did| did == Did::Disarmed));
        assert!(stop < disarmed && disarmed < node.place(|did| did == Did::Left));
        assert!(node.did[stop].0 < node.did[disarmed].0, "not before the stop was done");
        assert!(!node.did[disarmed..].iter().any(|(_, did)| *did == Did::Pet));
    }

    #[test]
    fn nothing_is_petted_while_nothing_runs() {
        let mut node = Node::of(draft(0, false));
        node.pass(1000);
        node.did.clear();
        node.pass(15_000);
        assert_eq!(node.cluster.groups[0].state(), State::Idle);
        assert_eq!(node.times(Did::Pet), []);
    }

    /// S-67.
    #[test]
    fn a_pet_comes_each_quarter_of_the_timeout_and_behind_a_heartbeat_on_every_open_link() {
        let mut node = Node::active(0, false);
        node.did.clear();
        node.pass(60_000);
        let pets = node.times(Did::Pet);
        assert!(pets.len() >= 19, "{pets:?}");
        for two in pets.windows(2) {
            let apart = two[1].since(two[0]);
            assert!(apart >= Span::from_secs(3) && apart <= Span::from_secs(4), "{apart}");
            for link in [0, 1] {
                let mut sent = node.times(Did::Sent(link));
                sent.retain(|at| *at > two[0] && *at <= two[1]);
                assert!(
                    sent.last().is_some_and(|at| two[1].since(*at) < KEEPALIVE),
                    "link {link}"
                );
            }
        }
    }

    #[test]
    fn a_node_that_stood_still_speaks_before_it_pets() {
        let mut node = Node::active(0, false);
        node.did.clear();
        node.now = node.now.after(Span::from_secs(7));
        node.tell(Event::Tick);
        let first: vec::Vec<Did> = node.did.iter().map(|(_, did)| *did).take(3).collect();
        assert_eq!(first, [Did::Sent(0), Did::Sent(1), Did::Pet]);
    }

    #[test]
    fn a_closed_link_is_not_waited_for_and_without_any_there_is_no_pet() {
        let mut node = Node::active(0, false);
        node.tell(Event::Closed { link: LinkId(0) });
        node.did.clear();
        node.pass(10_000);
        assert!(node.times(Did::Pet).len() >= 2);
        node.tell(Event::Closed { link: LinkId(1) });
        node.did.clear();
        node.pass(30_000);
        assert_eq!(node.did, []);
        node.tell(Event::Opened { link: LinkId(1) });
        assert_eq!(node.times(Did::Pet), [node.now]);
    }

    #[test]
    fn a_heartbeat_that_could_not_be_made_is_none() {
        let mut node = Node::active(0, false);
        node.cluster.rekey(Keyring::new(Domain::Node));
        node.did.clear();
        node.pass(30_000);
        assert_eq!(node.times(Did::Pet), []);
    }

    #[test]
    fn after_the_order_to_reset_nothing_is_petted_or_disarmed() {
        for stays in [false, true] {
            let mut node = Node::active(0, stays);
            node.stops = Outcome::Failed;
            node.ask(Command::Stop);
            node.pass(10_000);
            let fenced = node.place(|did| did == Did::Fenced);
            // the reset did not happen, and the stop works after all
            node.stops = Outcome::Done;
            node.pass(100_000);
            assert!(is_still(&node.cluster.groups[0]));
            let later = &node.did[fenced..];
            assert!(later.iter().any(|(_, did)| *did == Did::Left));
            assert!(!later.iter().any(|(_, did)| matches!(did, Did::Pet | Did::Disarmed)));
        }
    }

    /// Cut off with a stop that hangs: when the stop began, when the reset was ordered.
    fn cut_off(node: &mut Node) -> (Instant, Instant) {
        (node.answered, node.stops) = (false, Outcome::Stuck);
        node.did.clear();
        node.pass(60_000);
        assert!(matches!(node.cluster.groups[0].state(), State::Stuck(..)));
        let begun = node.place(|did| matches!(did, Did::Began(Op::Stop, _)));
        (node.did[begun].0, node.times(Did::Fenced)[0])
    }

    /// S-68.
    #[test]
    fn an_isolated_node_is_petted_only_while_the_reset_would_be_over_in_time() {
        let mut node = Node::active(1, false);
        let cut = node.now;
        let (stop, fenced) = cut_off(&mut node);
        let last = *node.times(Did::Pet).last().unwrap();
        assert!(last >= cut, "while a ping was answered lately it goes on");
        let reset = node.cluster.config.watchdog.unwrap().reset();
        assert!(last.after(reset) <= fenced, "{last:?} {fenced:?}");
        // a watchdog with a fast clock leaves the stop as much time as it has without one
        let mut without = Node::of(Draft {
            watchdog: None,
            ..draft(1, false)
        });
        without.pass(25_000);
        let (other_stop, end) = cut_off(&mut without);
        let fires = last.after(Span::from_millis(TIMEOUT.as_millis() * 99 / 101));
        assert!(fires.since(stop) >= end.since(other_stop), "{last:?}");
    }

    #[test]
    fn a_stop_that_ends_in_time_disarms_an_isolated_node() {
        let mut node = Node::active(1, false);
        node.answered = false;
        node.did.clear();
        node.pass(60_000);
        assert_eq!(node.times(Did::Disarmed).len(), 1);
        assert_eq!(node.times(Did::Fenced), []);
    }

    #[test]
    fn a_new_life_over_running_resources_pets_once_a_ping_was_answered() {
        let mut node = Node::of(draft(1, false));
        (node.answered, node.probes) = (false, Outcome::Done);
        node.pass(5000);
        assert_eq!(node.cluster.groups[0].state(), State::Active);
        assert_eq!(node.times(Did::Pet), []);
        node.answered = true;
        node.pass(2000);
        assert!(!node.times(Did::Pet).is_empty());
    }

    #[test]
    fn a_node_that_slept_must_hear_a_ping_node_anew() {
        let mut node = Node::active(1, false);
        node.answered = false;
        node.did.clear();
        node.now = node.now.after(Span::from_secs(11));
        node.pass(1500);
        assert_eq!(node.times(Did::Pet), []);
        node.answered = true;
        node.pass(2000);
        assert!(!node.times(Did::Pet).is_empty());
    }

    #[test]
    fn a_life_that_is_short_earns_no_pet() {
        let mut node = Node::of(draft(0, false));
        node.probes = Outcome::Done;
        node.pass(1900);
        assert_eq!(node.cluster.groups[0].state(), State::Active);
        assert_eq!(node.times(Did::Pet), []);
        node.pass(1500);
        assert_eq!(node.times(Did::Pet).len(), 1, "the peer is not there");
    }

    #[test]
    fn a_life_that_its_peer_answers_to_pets_behind_its_next_heartbeats() {
        let mut node = Node::of(draft(0, false));
        node.probes = Outcome::Done;
        let draft = Draft {
            me: NodeId(1),
            watchdog: None,
            ..draft(0, false)
        };
        let config = Config::new(draft).unwrap();
        let mut peer = Cluster::new(config, keyring(), BootId([8; 4]), Durable::default(), node.now);
        let (link, mut frame, mut answered) = (LinkId(0), FrameBuf::new(), None);
        peer.handle(node.now, Event::Opened { link });
        for _ in 0..19 {
            node.pass(100);
            for bytes in &core::mem::take(&mut node.frames) {
                peer.handle(node.now, Event::Received { link, bytes });
            }
            for _ in 0..20 {
                if let Output::Send { link, bytes } = peer.poll(&mut frame) {
                    node.tell(Event::Received { link, bytes });
                }
            }
            answered = answered.or(node.cluster.proved.map(|_| (node.now, node.did.len())));
        }
        let ((at, place), pet) = (answered.unwrap(), node.place(|did| did == Did::Pet));
        let between: vec::Vec<Did> = node.did[place..pet].iter().map(|(_, did)| *did).collect();
        assert!(
            between.contains(&Did::Sent(0)) && between.contains(&Did::Sent(1)),
            "{at:?} {between:?}"
        );
    }

    /// S-69.
    #[test]
    fn one_that_cannot_be_disarmed_is_petted_always() {
        let mut node = Node::of(draft(0, true));
        node.tell(Event::Closed { link: LinkId(0) });
        node.tell(Event::Closed { link: LinkId(1) });
        node.pass(60_000);
        assert!(
            matches!(node.cluster.groups[0].state(), State::Claiming(_)),
            "no start without a link"
        );
        let pets = node.times(Did::Pet);
        assert!(pets.windows(2).all(|two| two[1].since(two[0]) <= Span::from_secs(4)));
        assert!(pets.len() >= 15, "{pets:?}");
        assert_eq!(node.times(Did::Disarmed), []);
    }

    #[test]
    fn what_a_held_daemon_leaves_running_is_not_reset() {
        let mut node = Node::active(0, false);
        let (span, reason) = (None, hold_reason("work"));
        node.ask(Command::Hold { span, reason });
        node.did.clear();
        node.ask(Command::Stop);
        node.pass(20_000);
        assert_eq!(node.cluster.groups[0].state(), State::Active);
        assert!(node.place(|did| did == Did::Disarmed) < node.place(|did| did == Did::Left));
    }
}
