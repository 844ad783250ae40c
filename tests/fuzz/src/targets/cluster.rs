//! Any events, in any order, for one Cluster: a host that answers rightly or nonsense, and a peer that has the key and
//! says anything.
//!
//! ```text
//! input -> configuration, then events: time, frames, links, pings, DRBD, outcomes, the disk, requests, a new life
//!          Cluster::handle, then poll until Wait, each output held against what was asked and begun
//! ```
//!
//! What must hold: no panic; every drain ends; no reply that nobody waits for, and none owed for ever (L3); one step of
//! a group at a time (S8); what is said on a link can be read; a frame that does not open changes counters only (S5);
//! a bug is told only where the host contradicted itself.

use std::collections::BTreeSet;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::bug::BugId;
use ovzha_core::cluster::Cluster;
use ovzha_core::config::{Config, Device, Draft, GroupDraft, Kind};
use ovzha_core::data::Seen;
use ovzha_core::decide::{Decision, Why};
use ovzha_core::event::{Command, Event, Outcome};
use ovzha_core::frame::{self, FrameBuf};
use ovzha_core::id::{BootId, ClientId, ClusterId, EffectId, GroupId, GroupSet, KeyId, LinkId, Mark, NodeId};
use ovzha_core::message::{Drbd, hold_reason};
use ovzha_core::output::{Durable, Effect, Op, Output};
use ovzha_core::rejection::Rejection;
use ovzha_core::time::{Instant, Span};
use ovzha_core::watchdog::{Watchdog, longest};

use super::choices::Choices;
use super::peer::Peer;

/// Outputs between two events, above 64 notices, 16 bugs, 8 replies, and what 16 links and groups owe.
const DRAIN_MAX: usize = 300;
/// Events of one input.
const EVENTS_MAX: usize = 400;
/// Steps at the end, looks among them, and how late a tick may be: together longer than the two hours that a switch-over may take.
const END_MAX: usize = 30_000;
const LATE: Span = Span::from_secs(9);

/// The cluster's name on the wire.
pub const CLUSTER: ClusterId = ClusterId([7, 7]);

/// The host of one Cluster.
struct Host {
    cluster: Cluster,
    config: Config,
    ring: Keyring,
    now: Instant,
    /// When the node wants to be woken.
    wake: Instant,
    boot: BootId,
    /// Number of its newest frame.
    sequence: u32,
    open: BTreeSet<u8>,
    flights: Vec<Effect>,
    /// The other node's power is being cut.
    shot: Option<EffectId>,
    newest: EffectId,
    storing: Option<(u32, Vec<u8>)>,
    disk: Vec<u8>,
    asked: BTreeSet<u32>,
    client: u32,
    /// It said something that can't be.
    lied: bool,
    /// The node left in order, or wants this machine reset.
    over: bool,
}

/// Runs one input.
pub fn cluster(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut host = Host::new(config(&mut choices));
    let mut peer = Peer::new(host.config.me.peer());
    host.drain();
    for _ in 0..EVENTS_MAX {
        if choices.is_over() {
            break;
        }
        host.event(&mut choices, &mut peer);
        if host.over {
            host.begin();
        }
    }
    host.end();
}

/// The key that both nodes have.
pub fn ring(text: &[u8]) -> Keyring {
    let mut ring = Keyring::new(Domain::Node);
    let added = ring
        .add(KeyId(1), Method::Crc, text)
        .and_then(|()| ring.sign_with(KeyId(1)));
    assert!(added.is_ok());
    ring
}

fn config(choices: &mut Choices<'_>) -> Config {
    let switches = choices.byte();
    let on = |bit: u8| switches & (1 << bit) != 0;
    let many = choices.pick([1, 2, 3, 16]);
    let pings = choices.pick([0, 1, 2, 16]);
    let (keepalive, deadtime) = (Span::from_secs(1), Span::from_secs(20));
    let watchdog = on(0).then(|| Watchdog {
        timeout: longest(keepalive, deadtime, pings > 0),
        stays: on(1),
    });
    let group = |number: u8| {
        let kinds: &[Kind] = match choices.below(4) {
            0 => &[Kind::Drbd, Kind::Data, Kind::Notice],
            1 => &[Kind::Plain],
            2 => &[Kind::Plain, Kind::Drbd, Kind::Drbd, Kind::Data],
            _ => &[Kind::Data, Kind::Plain],
        };
        GroupDraft {
            preferred: NodeId(number & 1),
            identity: Mark([0, 0, number]),
            digest: Mark([1, 1, number]),
            resources: kinds.iter().copied().collect(),
            monitors: kinds.iter().map(|_| u16::from(number % 3) * 5).collect(),
        }
    };
    let groups = (0..many).map(group).collect();
    let draft = Draft {
        me: NodeId(u8::from(on(2))),
        cluster: CLUSTER,
        links: choices.pick([2, 1, 3, 16]),
        pings,
        keepalive,
        warntime: Span::from_secs(5),
        deadtime,
        deadping: deadtime,
        initdead: Span::from_secs(30),
        stop_budget: Span::from_secs(5),
        auto_failback: on(3),
        ipfail: on(4),
        diskless_hands_over: on(5),
        last_resort: on(6),
        watchdog,
        groups,
        resources_digest: [1; 4],
        timings_digest: [1; 4],
        witness: false,
        // a bit that means nothing without a watchdog
        stonith: (on(1) && !on(0)).then_some(Device {
            delay: Span::from_secs(5),
            timeout: Span::from_secs(60),
        }),
        commanded: false,
        relay: ovzha_core::witness::Relay::None,
        speaks: if on(7) { 1 } else { frame::VERSION },
    };
    match Config::new(draft) {
        Ok(config) => config,
        Err(why) => panic!("a configuration of this grammar is refused: {why}"),
    }
}

impl Host {
    fn new(config: Config) -> Self {
        let (now, boot) = (Instant::from_millis(1000), BootId([0xb0, 0, 0, 0]));
        let ring = ring(b"a key");
        Self {
            cluster: Cluster::new(config.clone(), ring.clone(), boot, Durable::default(), now),
            config,
            ring,
            now,
            wake: now,
            boot,
            sequence: 0,
            open: BTreeSet::new(),
            flights: Vec::new(),
            shot: None,
            newest: EffectId(0),
            storing: None,
            disk: Vec::new(),
            asked: BTreeSet::new(),
            client: 0,
            lied: false,
            over: false,
        }
    }

    /// A new life from what the disk keeps.
    fn begin(&mut self) {
        self.boot.0[3] = self.boot.0[3].wrapping_add(1);
        let durable = Durable::decode(&self.disk).unwrap_or_default();
        self.cluster = Cluster::new(self.config.clone(), self.ring.clone(), self.boot, durable, self.now);
        (self.sequence, self.newest) = (0, EffectId(0));
        self.open.clear();
        self.flights.clear();
        self.shot = None;
        self.asked.clear();
        (self.storing, self.lied, self.over) = (None, false, false);
        self.drain();
    }

    fn tell(&mut self, event: Event<'_>) {
        self.cluster.handle(self.now, event);
        self.drain();
    }

    fn event(&mut self, choices: &mut Choices<'_>, peer: &mut Peer) {
        match choices.below(16) {
            0 => self.time(choices),
            1..=3 => self.frame(choices, peer),
            4 => self.noise(choices),
            5 => self.link(choices),
            6 => {
                let back = Span::from_millis(u64::from(choices.byte()) * 40);
                let sent = if choices.below(32) == 31 {
                    self.lied = true;
                    self.now.after(Span::from_millis(1))
                } else {
                    self.now.before(back)
                };
                let ping = choices.below(17);
                self.tell(Event::PingReply { ping, sent });
            }
            7 => {
                let (group, seen) = (GroupId(choices.below(17)), seen(choices));
                self.tell(Event::Drbd { group, seen });
            }
            8..=10 => self.done(choices),
            11 => self.stored(choices),
            12 | 13 => self.request(choices),
            14 => {
                let (group, resource) = (GroupId(choices.below(17)), choices.below(17));
                self.tell(Event::Unstuck { group, resource });
            }
            _ => self.life(choices),
        }
    }

    /// To the wake-up that was asked for, or anywhere, back included.
    fn time(&mut self, choices: &mut Choices<'_>) {
        let step = u64::from(choices.byte());
        let then = match choices.below(8) {
            0..=2 => self.wake,
            3 => self.now.after(Span::from_millis(step)),
            4 => self.now.after(Span::from_millis(step * 100)),
            5 => self.now.after(Span::from_secs(step * 60)),
            6 => self.now.after(Span::from_millis(1 << (step % 48))),
            _ => self.now.before(Span::from_secs(step)),
        };
        self.cluster.handle(then, Event::Tick);
        // a clock that runs back stands still
        self.now = self.now.max(then);
        self.drain();
    }

    fn frame(&mut self, choices: &mut Choices<'_>, peer: &mut Peer) {
        let link = LinkId(choices.pick([0, 0, 0, 1, 2, 15, 16, 255]));
        let mut room = FrameBuf::new();
        let ours = (self.boot, self.sequence);
        let bytes = peer.says(choices, link, ours, self.config.groups.len(), &self.ring, &mut room);
        self.received(link, &bytes);
    }

    fn noise(&mut self, choices: &mut Choices<'_>) {
        let link = LinkId(choices.below(4));
        if choices.flag() {
            let rejection = Rejection::ALL[usize::from(choices.below(16))];
            self.tell(Event::Rejected { link, rejection });
        } else {
            let length = usize::from(choices.byte());
            let bytes = choices.bytes(length);
            self.received(link, bytes);
        }
    }

    /// S5: what does not open changes counters only, but for the Hold at a lone start.
    fn received(&mut self, link: LinkId, bytes: &[u8]) {
        if frame::open(bytes, CLUSTER, &self.ring).is_ok() {
            return self.tell(Event::Received { link, bytes });
        }
        let mut without = self.cluster.clone();
        without.handle(self.now, Event::Tick);
        self.cluster.handle(self.now, Event::Received { link, bytes });
        let lone = |group: Decision| {
            matches!(
                group,
                Decision::Hold(Why::ForeignKey | Why::ForeignHeartbeat | Why::NameTwice)
            )
        };
        let known = self.cluster.snapshot();
        if !known.groups.iter().any(|group| lone(group.decision)) {
            assert!(
                self.cluster.believed() == without.believed(),
                "a frame that does not open was believed"
            );
        }
        self.drain();
    }

    fn link(&mut self, choices: &mut Choices<'_>) {
        let link = choices.pick([0, 1, 2, 0, 15, 16]);
        if choices.below(4) == 3 {
            self.open.remove(&link);
            self.tell(Event::Closed { link: LinkId(link) });
        } else {
            self.open.insert(link);
            self.tell(Event::Opened { link: LinkId(link) });
        }
    }

    fn done(&mut self, choices: &mut Choices<'_>) {
        let outcome = choices.pick([
            Outcome::Done,
            Outcome::NotRunning,
            Outcome::Done,
            Outcome::Failed,
            Outcome::Partial,
            Outcome::TimedOut,
            Outcome::Degraded,
            Outcome::Blocked,
            Outcome::Unfit,
            Outcome::Stuck,
        ]);
        let which = usize::from(choices.byte());
        let effect = if which == 255 {
            // one that ended, or was never begun
            let effect = EffectId(u32::from_be_bytes(choices.word()));
            self.flights.retain(|flight| flight.id != effect || !self.lied);
            self.lied |= !self.flights.iter().any(|flight| flight.id == effect) && self.shot != Some(effect);
            effect
        } else if let Some(shot) = self.shot.filter(|_| which % 4 == 3 || self.flights.is_empty()) {
            shot
        } else if self.flights.is_empty() {
            return;
        } else {
            self.flights[which % self.flights.len()].id
        };
        self.flights.retain(|flight| flight.id != effect);
        self.shot = self.shot.filter(|shot| *shot != effect);
        self.tell(Event::Done { effect, outcome });
    }

    fn stored(&mut self, choices: &mut Choices<'_>) {
        let how = choices.byte();
        if how == 255 {
            let version = u32::from_be_bytes(choices.word());
            self.lied |= self.storing.as_ref().is_none_or(|(storing, _)| *storing != version);
            if !self.lied {
                self.storing = None;
            }
            return self.tell(Event::Stored { version, ok: true });
        }
        if let Some((version, bytes)) = self.storing.take() {
            let ok = how % 4 != 3;
            if ok {
                self.disk = bytes;
            }
            self.tell(Event::Stored { version, ok });
        }
    }

    fn request(&mut self, choices: &mut Choices<'_>) {
        let groups = GroupSet(u16::from_be_bytes([choices.byte(), choices.byte()]));
        let group = GroupId(choices.below(17));
        let command = match choices.below(9) {
            0 => Command::Standby { groups },
            1 => Command::Takeover { groups },
            2 => Command::Hold {
                span: None,
                reason: hold_reason("because"),
            },
            3 => Command::Hold {
                span: Some(Span::from_millis(u64::from(choices.byte()) << choices.below(48))),
                reason: hold_reason(&"ü".repeat(99)),
            },
            4 => Command::Resume,
            5 => Command::Clear { group },
            // a group that nobody has
            6 if group.0 == 16 => Command::ConfirmFenced,
            6 => Command::ConfirmData { group },
            7 => Command::FencePeer { group },
            _ => Command::Stop,
        };
        self.client += 1;
        self.asked.insert(self.client);
        let client = ClientId(self.client);
        self.tell(Event::Request { client, command });
    }

    /// The keys change, the daemon dies, its state is damaged.
    fn life(&mut self, choices: &mut Choices<'_>) {
        match choices.below(8) {
            0..=3 => {
                self.ring = ring(choices.pick([b"a key", b"other"]));
                self.cluster.rekey(self.ring.clone());
                self.drain();
            }
            4..=6 => self.over = true,
            _ => {
                let length = usize::from(choices.byte());
                self.disk = choices.bytes(length).to_vec();
                self.over = true;
            }
        }
    }

    /// All that is owed is done, no child is stuck any more, and time goes on: every request ends.
    fn end(&mut self) {
        for (group, draft) in (0..).zip(self.config.groups.clone()) {
            for resource in (0..).take(draft.resources.len()) {
                let group = GroupId(group);
                self.tell(Event::Unstuck { group, resource });
            }
        }
        for _ in 0..END_MAX {
            if self.over || self.asked.is_empty() {
                return;
            }
            if let Some(effect) = self.flights.pop().map(|flight| flight.id).or_else(|| self.shot.take()) {
                let outcome = Outcome::Done;
                self.tell(Event::Done { effect, outcome });
            } else if let Some((version, _)) = self.storing.take() {
                self.tell(Event::Stored { version, ok: true });
            } else {
                self.now = self.wake.max(self.now.after(LATE));
                self.tell(Event::Tick);
            }
        }
        panic!("L3: clients {:?} never got an answer", self.asked);
    }

    /// The drain contract, each output held against what it may be.
    fn drain(&mut self) {
        let mut room = FrameBuf::new();
        for _ in 0..DRAIN_MAX {
            match self.cluster.poll(&mut room) {
                Output::Wait { until, .. } => {
                    assert!(until > self.now, "nothing is left to do, and no time is to pass");
                    self.wake = until;
                    return;
                }
                Output::Exit | Output::FenceSelf { .. } => {
                    self.over = true;
                    return;
                }
                Output::Send { link, bytes } => {
                    let (config, ring) = (&self.config, &self.ring);
                    assert!(self.open.contains(&link.0), "a frame for {link:?}, which is not open");
                    self.sequence = super::peer::read(bytes, link, ring, config, (self.boot, self.sequence));
                }
                Output::Start(effect) => {
                    assert!(effect.id > self.newest || self.lied, "{effect:?} is not a new number");
                    self.newest = effect.id;
                    let (config, flights) = (&self.config, &mut self.flights);
                    begun(config, flights, effect, self.lied);
                }
                Output::Shoot(id) => {
                    assert!(id > self.newest || self.lied, "{id:?} is not a new number");
                    assert!(self.shot.is_none() || self.lied, "two shots at once");
                    (self.newest, self.shot) = (id, Some(id));
                }
                Output::Abandon(id) => {
                    let known = self.flights.iter().any(|flight| flight.id == id);
                    assert!(known || self.lied, "{id:?} is abandoned and not under way");
                }
                Output::Store { version, bytes } => {
                    assert!(Durable::decode(bytes).is_some(), "the state can't be read again");
                    assert!(self.storing.is_none() || self.lied, "two states at once");
                    self.storing = Some((version, bytes.to_vec()));
                }
                Output::Reply { client, .. } => {
                    assert!(self.asked.remove(&client.0), "{client:?} asked nothing");
                }
                Output::Bug(bug) => assert!(self.may_find(bug.id), "{bug:?} without a lie"),
                Output::Notice(_) | Output::Pet { .. } | Output::Disarm => {}
            }
        }
        panic!("polling does not come to Wait");
    }

    /// A tenure that can't grow any more is what a peer may say; all else is our host's contradiction.
    const fn may_find(&self, id: BugId) -> bool {
        match id {
            BugId::TenureSpent => true,
            BugId::EffectUnknown
            | BugId::EffectTwice
            | BugId::EffectMisplaced
            | BugId::StoredUnasked
            | BugId::PingAhead => self.lied,
            BugId::StateTooLong
            | BugId::TenureBack
            | BugId::StartUndecided
            | BugId::StartUnrecorded
            | BugId::DecisionMisplaced
            | BugId::PhaseUnsound
            | BugId::Speechless => false,
        }
    }
}

/// S8: one step of a group at a time, of a resource that there is and that can do it.
fn begun(config: &Config, flights: &mut Vec<Effect>, effect: Effect, lied: bool) {
    let group = config.groups.get(usize::from(effect.group.0));
    let kind = group.and_then(|group| group.resources.get(usize::from(effect.resource)));
    let mirror = matches!(effect.op, Op::Outdate | Op::Confirm | Op::Resume);
    assert!(
        kind.is_some_and(|kind| !mirror || *kind == Kind::Drbd),
        "{effect:?} of {kind:?}"
    );
    let twice = flights.iter().find(|flight| flight.group == effect.group);
    assert!(twice.is_none() || lied, "{effect:?} beside {twice:?}");
    flights.retain(|flight| flight.group != effect.group);
    flights.push(effect);
}

fn seen(choices: &mut Choices<'_>) -> Seen {
    let drbd = Drbd::unpack(choices.byte());
    let facts = choices.byte();
    Seen {
        drbd,
        mirrored: facts & 1 != 0,
        current: facts & 2 != 0,
        proved: facts & 4 != 0,
    }
}
