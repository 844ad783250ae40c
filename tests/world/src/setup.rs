//! What a World is built from: times, links, groups, and who differs in what.

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::config::{Config, Device, Draft, GroupDraft, Kind};
use ovzha_core::frame::VERSION;
use ovzha_core::id::{ClusterId, KeyId, Mark, NodeId};
use ovzha_core::time::Span;
use ovzha_core::watchdog::Watchdog;
use ovzha_core::witness::Relay;

/// A modelled resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    /// One half of a mirror: can't be promoted while the other half is connected and Primary.
    Drbd,
    /// Touches data: its stop must succeed.
    Data,
    /// Anything else.
    Plain,
    /// A mail.
    Mail,
}

impl Model {
    /// What the core knows of it.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Drbd => Kind::Drbd,
            Self::Data => Kind::Data,
            Self::Plain => Kind::Plain,
            Self::Mail => Kind::Notice,
        }
    }

    /// How scenarios call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drbd => "drbd",
            Self::Data => "fs",
            Self::Plain => "ip",
            Self::Mail => "mail",
        }
    }
}

/// One line of `haresources`.
#[derive(Clone, Debug)]
pub struct GroupSetup {
    /// The preferred node.
    pub preferred: u8,
    /// In start order.
    pub resources: Vec<Model>,
}

/// Both nodes' files. Times in milliseconds.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the switches of ha.cf")]
pub struct Setup {
    /// Links.
    pub links: u8,
    /// Ping nodes.
    pub pings: u8,
    /// `keepalive`.
    pub keepalive: u64,
    /// `warntime`.
    pub warntime: u64,
    /// `deadtime`.
    pub deadtime: u64,
    /// `deadping`.
    pub deadping: u64,
    /// `initdead`.
    pub initdead: u64,
    /// `stop-budget`.
    pub stop_budget: u64,
    /// `auto_failback`.
    pub failback: bool,
    /// ipfail.
    pub ipfail: bool,
    /// Seconds from one look at a resource to the next.
    pub monitor: u16,
    /// `on-diskless`: hand over.
    pub diskless_hands_over: bool,
    /// The last resort is allowed.
    pub last_resort: bool,
    /// Damaged or made-up frames can pass as authentic: `crc` keys.
    pub crc: bool,
    /// DRBD is set to `fencing resource-and-stonith`, with ovzha as its handler.
    pub fencing: bool,
    /// Timeout of each node's hardware watchdog.
    pub watchdog: Option<u64>,
    /// There is a witness.
    pub witness: bool,
    /// A start needs its vote.
    pub commanded: bool,
    /// What it does with the nodes' power.
    pub relay: Relay,
    /// What `stonith_host` names, if that is something else.
    pub named: Option<Relay>,
    /// Each node has a fence agent that cuts the other one's power.
    pub stonith: bool,
    /// `fence-delay`.
    pub fence_delay: u64,
    /// `haresources`.
    pub groups: Vec<GroupSetup>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            links: 2,
            pings: 0,
            keepalive: 1000,
            warntime: 4000,
            deadtime: 10_000,
            deadping: 10_000,
            initdead: 20_000,
            stop_budget: 3000,
            failback: false,
            ipfail: false,
            monitor: 10,
            diskless_hands_over: true,
            last_resort: true,
            crc: false,
            fencing: false,
            watchdog: None,
            witness: false,
            commanded: false,
            relay: Relay::None,
            named: None,
            stonith: false,
            fence_delay: 4000,
            groups: vec![GroupSetup {
                preferred: 0,
                resources: vec![Model::Drbd, Model::Data, Model::Mail],
            }],
        }
    }
}

impl Setup {
    /// What `ha.cf` and `haresources` say to this node.
    #[must_use]
    pub fn draft(&self, me: u8) -> Draft {
        let ms = Span::from_millis;
        let groups = self.groups.iter().zip(1..).map(|(group, number)| GroupDraft {
            preferred: NodeId(group.preferred),
            identity: Mark([0, 0, number]),
            digest: Mark([1, 1, number]),
            resources: group.resources.iter().map(|model| model.kind()).collect(),
            monitors: group.resources.iter().map(|_| self.monitor).collect(),
        });
        Draft {
            me: NodeId(me),
            cluster: ClusterId([7, 7]),
            links: self.links,
            pings: self.pings,
            keepalive: ms(self.keepalive),
            warntime: ms(self.warntime),
            deadtime: ms(self.deadtime),
            deadping: ms(self.deadping),
            initdead: ms(self.initdead),
            stop_budget: ms(self.stop_budget),
            auto_failback: self.failback,
            ipfail: self.ipfail,
            diskless_hands_over: self.diskless_hands_over,
            last_resort: self.last_resort,
            watchdog: self.watchdog.filter(|_| self.last_resort).map(|timeout| Watchdog {
                timeout: ms(timeout),
                stays: false,
            }),
            groups: groups.collect(),
            resources_digest: [1; 4],
            timings_digest: [1; 4],
            witness: self.witness,
            stonith: self.stonith.then_some(Device {
                delay: ms(self.fence_delay),
                timeout: ms(60_000),
            }),
            commanded: self.commanded,
            relay: self.named.unwrap_or(self.relay),
            speaks: VERSION,
        }
    }

    /// The checked configuration of this node.
    ///
    /// # Errors
    /// The relation of times that is broken, in words.
    pub fn config(&self, me: u8) -> Result<Config, String> {
        Config::new(self.draft(me)).map_err(|error| error.to_string())
    }

    /// The keyring of `authkeys`; another `text` is another key.
    #[must_use]
    pub fn keyring(&self, text: &[u8]) -> Keyring {
        let mut ring = Keyring::new(Domain::Node);
        let method = if self.crc { Method::Crc } else { Method::Md5 };
        let added = ring.add(KeyId(1), method, text).and_then(|()| ring.sign_with(KeyId(1)));
        debug_assert!(added.is_ok(), "a keyring of one key");
        ring
    }
}
