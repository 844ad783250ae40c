//! From the files to a World of two virtual nodes: what the files say is taken, what they don't say is assumed.

use std::path::Path;

use ovzha_core::auth::{Keyring, Method};
use ovzha_core::config::{Config as CoreConfig, Kind};
use ovzha_core::event::Outcome;
use ovzha_core::output::Op;
use ovzha_core::time::Span;
use ovzha_core::watchdog::Watchdog;
use ovzha_host::agent;
use ovzha_host::check::{self, DrbdModel};
use ovzha_host::config::{Config, Files};
use ovzha_host::core_config::{core_config, keyring, kind_of};
use ovzha_host::ha_cf::LinkKind;
use ovzha_host::haresources::Resource;
use ovzha_host::ovzha_cf::Operation;
use ovzha_world::act::Act;
use ovzha_world::node::{Clock, Script};
use ovzha_world::setup::{GroupSetup, Model, Setup};
use ovzha_world::world::World;

use super::names::Place;

/// From a reset to the daemon's start, in milliseconds.
pub const BOOT_MS: u64 = 120_000;
/// How long DRBD needs to notice that the other half is gone: its `timeout` unless set.
pub const NOTICE_MS: u64 = 6000;
/// How long a resync takes.
pub const RESYNC_MS: u64 = 10_000;

/// What somebody said about the time that an operation of a resource takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Takes {
    /// Start, else stop.
    pub start: bool,
    /// The resource, as `haresources` writes it, or by its name.
    pub resource: String,
    /// In milliseconds.
    pub ms: u64,
}

/// How long an operation takes where nobody said it, in milliseconds.
fn usual(name: &str) -> u64 {
    match name {
        "MailTo" => 1,
        "IPaddr" | "IPaddr2" => 200,
        "datadisk" | "drbddisk" => 500,
        "Filesystem" => 1000,
        "vz" => 15_000,
        _ => 2000,
    }
}

/// The two virtual nodes, and what is known of them beside the World.
pub struct Room {
    /// The machines.
    pub world: World,
    /// What the daemons of the nodes would read.
    pub configs: [Config; 2],
    /// Of each group with DRBD: what `drbd.conf` says, if it says it.
    pub drbd: Vec<Option<DrbdModel>>,
    /// The link that shares DRBD's cable, if one does.
    pub shared: Vec<Option<usize>>,
    /// Milliseconds that start and stop take, by group and resource.
    pub takes: Vec<Vec<(u64, u64)>>,
}

/// Both nodes with power off; `machine` is where `etc/drbd.conf` is.
///
/// # Errors
/// One sentence: the files can't run a daemon, or a word of `takes` means no resource.
pub fn build(machine: &Path, files: &Files, takes: &[Takes], seed: u64) -> Result<Room, String> {
    let nodes: Vec<&str> = files.ha_cf.nodes.iter().map(|node| node.value.as_str()).collect();
    let [first, second] = nodes[..] else {
        return Err("ha.cf does not name two nodes".to_owned());
    };
    let (one, other) = (Config::new(files.clone(), first)?, Config::new(files.clone(), second)?);
    let configs = if one.me == 0 { [one, other] } else { [other, one] };
    let watchdog = files
        .settings
        .watchdog()
        .map(|(_, timeout)| Watchdog { timeout, stays: false });
    let node = |config: &Config| -> Result<(CoreConfig, Keyring), String> {
        Ok((core_config(config, true, watchdog)?, keyring(&config.keys)?))
    };
    let cores = [node(&configs[0])?, node(&configs[1])?];
    let groups = &configs[0].groups;
    let drbd: Vec<Option<DrbdModel>> = groups
        .iter()
        .map(|group| {
            let resource = group.resources.iter().find(|resource| resource.is_drbd())?;
            check::drbd_model(machine, files, resource.args.first()?)
        })
        .collect();
    let shared = drbd.iter().map(|model| shared(&configs[0], model.as_ref()?)).collect();
    let mut world = World::with_files(cores, setup(&configs[0]), seed, false);
    for (mirror, model) in world.mirrors.iter_mut().zip(&drbd) {
        mirror.fencing = model.as_ref().is_some_and(|model| model.freezes);
    }
    for node in &mut world.nodes {
        // drift is what the files are made to bear, and would only blur the times here
        node.clock = Clock::new(0, 1_000_000);
        node.watchdog.rate = 1_000_000;
    }
    world.reset_takes = Some(BOOT_MS * 1000);
    world.drbd_notices = NOTICE_MS * 1000;
    world.resync_takes = RESYNC_MS * 1000;
    let mut room = Room {
        takes: spans(&configs[0], takes)?,
        world,
        configs,
        drbd,
        shared,
    };
    for node in 0..2 {
        for place in room.places() {
            room.repair(node, place);
        }
    }
    Ok(room)
}

/// What the World and its checkers go by, beside the configurations.
fn setup(config: &Config) -> Setup {
    let ms = Span::as_millis;
    let signing = config.keys.keys.iter().find(|key| key.id == config.keys.signing);
    let model = |resource: &Resource| match kind_of(&resource.name, &config.settings) {
        Kind::Drbd => Model::Drbd,
        Kind::Data => Model::Data,
        Kind::Plain => Model::Plain,
        Kind::Notice => Model::Mail,
    };
    Setup {
        links: u8::try_from(config.links.len()).unwrap_or(u8::MAX),
        pings: u8::try_from(config.pings.len()).unwrap_or(u8::MAX),
        keepalive: ms(config.timings.keepalive),
        warntime: ms(config.timings.warntime),
        deadtime: ms(config.timings.deadtime),
        deadping: ms(config.deadping),
        initdead: ms(config.timings.initdead),
        failback: config.auto_failback,
        ipfail: config.ipfail,
        diskless_hands_over: config.settings.diskless_hands_over(),
        last_resort: true,
        stonith: config.settings.fence_agent(config.own_node()).is_some(),
        crc: signing.is_some_and(|key| key.method == Method::Crc),
        groups: config
            .groups
            .iter()
            .map(|group| GroupSetup {
                preferred: u8::from(group.preferred == 1),
                resources: group.resources.iter().map(model).collect(),
            })
            .collect(),
        ..Setup::default()
    }
}

/// The link to whose addresses DRBD's belong.
fn shared(config: &Config, model: &DrbdModel) -> Option<usize> {
    config.links.iter().position(|link| match &link.kind {
        LinkKind::Unicast { addresses, .. } => addresses.iter().any(|address| model.addresses.contains(address)),
        LinkKind::Broadcast { .. } | LinkKind::Multicast { .. } | LinkKind::Serial { .. } | LinkKind::Routed { .. } => {
            false
        }
    })
}

/// How long each start and stop takes.
fn spans(config: &Config, takes: &[Takes]) -> Result<Vec<Vec<(u64, u64)>>, String> {
    let resources = || config.groups.iter().flat_map(|group| &group.resources);
    let means = |said: &Takes, resource: &Resource| said.resource == resource.word() || said.resource == resource.name;
    for said in takes {
        if !resources().any(|resource| means(said, resource)) {
            let known: Vec<String> = resources().map(Resource::word).collect();
            let word = ovzha_host::diagnostic::quote(&said.resource);
            return Err(format!("no resource is called {word}; known: {}", known.join(", ")));
        }
    }
    let of = |resource: &Resource, start: bool| {
        let said = takes.iter().rfind(|said| said.start == start && means(said, resource));
        said.map_or_else(|| usual(&resource.name), |said| said.ms)
    };
    let both = |resource: &Resource| (of(resource, true), of(resource, false));
    let groups = config.groups.iter();
    Ok(groups.map(|group| group.resources.iter().map(both).collect()).collect())
}

impl Room {
    /// Every resource.
    pub fn places(&self) -> Vec<Place> {
        let groups = self.takes.iter().enumerate();
        groups
            .flat_map(|(group, resources)| {
                (0_u8..)
                    .zip(resources)
                    .map(move |(resource, _)| Place { group, resource })
            })
            .collect()
    }

    /// How long an operation takes, and how it ends: killed, if that is longer than its timeout.
    fn script(&self, place: Place, op: Op, outcome: Option<Outcome>) -> Script {
        let (start, stop) = self.takes[place.group][usize::from(place.resource)];
        let config = &self.configs[0];
        let name = &config.groups[place.group].resources[usize::from(place.resource)].name;
        let (ms, operation, agents) = if op == Op::Start {
            (start, Operation::Start, agent::Op::Start)
        } else {
            (stop, Operation::Stop, agent::Op::Stop)
        };
        let usual = u64::try_from(agent::default_timeout(name, agents).as_millis()).unwrap_or(u64::MAX);
        let timeout = config.timeout(name, operation).map_or(usual, Span::as_millis);
        let killed = ms > timeout && outcome.is_none();
        Script {
            outcome: if killed { Some(Outcome::TimedOut) } else { outcome },
            takes: Some(ms.min(timeout) * 1000),
            times: u32::MAX,
        }
    }

    /// Starts and stops of a resource end well on this node.
    pub fn repair(&mut self, node: usize, place: Place) {
        self.set(node, place, Op::Start, None);
        self.set(node, place, Op::Stop, None);
    }

    /// An operation of a resource fails on this node.
    pub fn fails(&mut self, node: usize, place: Place, op: Op) {
        self.set(node, place, op, Some(Outcome::Failed));
    }

    fn set(&mut self, node: usize, place: Place, op: Op, outcome: Option<Outcome>) {
        let script = self.script(place, op, outcome);
        self.world
            .step(&Act::Script(node, place.group, place.resource, op, script));
    }
}
