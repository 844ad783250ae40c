//! From what the files say to what the core is told.

use ovzha_core::auth::{Domain, Keyring};
use ovzha_core::config::{Config as CoreConfig, Device, Draft, GroupDraft, Kind};
use ovzha_core::frame::VERSION;
use ovzha_core::id::{ClusterId, Mark, NodeId};
use ovzha_core::watchdog::Watchdog;

use crate::authkeys::AuthKeys;
use crate::config::{Config, Group};
use crate::ovzha_cf::OvzhaCf;
use crate::told;

/// How the core treats a resource of this name. A script counts as one that holds data unless `ovzha.cf` says no.
#[must_use]
pub fn kind_of(name: &str, settings: &OvzhaCf) -> Kind {
    match name {
        "datadisk" | "drbddisk" => Kind::Drbd,
        "MailTo" => Kind::Notice,
        "IPaddr" | "IPaddr2" => Kind::Plain,
        _ if settings.data(name) == Some(false) => Kind::Plain,
        _ => Kind::Data,
    }
}

/// The cluster's two bytes on the wire: the same on both nodes, whatever the order of their files.
#[must_use]
pub fn cluster_id(nodes: &[String; 2]) -> ClusterId {
    let crc = crc::Crc::<u16>::new(&crc::CRC_16_IBM_3740);
    let mut digest = crc.digest();
    for node in nodes {
        digest.update(node.as_bytes());
        digest.update(b"\n");
    }
    ClusterId(digest.finalize().to_be_bytes())
}

fn mark<'a>(words: impl Iterator<Item = &'a str>) -> Mark {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut digest = crc.digest();
    for word in words {
        digest.update(word.as_bytes());
        digest.update(b"\n");
    }
    let [_, mark @ ..] = digest.finalize().to_be_bytes();
    Mark(mark)
}

/// Which group it is: by its first resource, as people call it; of several so called, by their order.
fn identity(config: &Config, place: usize) -> Mark {
    let name = config.groups.get(place).map(Group::name).unwrap_or_default();
    let earlier = config.groups.iter().take(place).filter(|group| group.name() == name);
    let number = earlier.count().to_string();
    mark([name.as_str(), &number].into_iter())
}

/// What a group's line means: who runs it, and what is in it.
fn digest(config: &Config, group: &Group) -> Mark {
    let node = config.nodes.get(group.preferred).map_or("", String::as_str);
    let words: Vec<String> = group.resources.iter().map(told::resource_name).collect();
    mark(std::iter::once(node).chain(words.iter().map(String::as_str)))
}

/// The configuration the core decides by; `last_resort`: this node may reset itself, `watchdog`: as it was read back.
///
/// # Errors
/// The relation between two settings that does not hold, with both numbers.
pub fn core_config(config: &Config, last_resort: bool, watchdog: Option<Watchdog>) -> Result<CoreConfig, String> {
    let small = |n: usize| u8::try_from(n).map_err(|_| "too many of something".to_owned());
    let groups = config
        .groups
        .iter()
        .enumerate()
        .map(|(place, group)| -> Result<GroupDraft, String> {
            Ok(GroupDraft {
                preferred: NodeId(small(group.preferred)?),
                identity: identity(config, place),
                digest: digest(config, group),
                resources: group
                    .resources
                    .iter()
                    .map(|resource| kind_of(&resource.name, &config.settings))
                    .collect(),
                monitors: group
                    .resources
                    .iter()
                    .map(|resource| config.settings.monitor(&resource.name))
                    .collect(),
            })
        });
    let groups: Result<Vec<_>, _> = groups.collect();
    let timings = &config.timings;
    let agent = config.settings.fence_agent(config.own_node());
    CoreConfig::new(Draft {
        me: NodeId(small(config.me)?),
        cluster: cluster_id(&config.nodes),
        links: small(config.links.len())?,
        pings: small(config.pings.len())?,
        keepalive: timings.keepalive,
        warntime: timings.warntime,
        deadtime: timings.deadtime,
        deadping: config.deadping,
        initdead: timings.initdead,
        stop_budget: config.settings.stop_budget().unwrap_or(timings.deadtime.half().half()),
        auto_failback: config.auto_failback,
        ipfail: config.ipfail,
        diskless_hands_over: config.settings.diskless_hands_over(),
        last_resort,
        watchdog,
        groups: groups?.into_iter().collect(),
        resources_digest: config.resources_digest,
        timings_digest: config.timings_digest,
        witness: config.settings.witness().is_some(),
        stonith: agent.map(|_| Device {
            delay: config.settings.fence_delay(),
            timeout: config.settings.fence_timeout(),
        }),
        commanded: config.settings.commanded(),
        relay: config.settings.relay(),
        speaks: VERSION,
    })
    .map_err(|error| error.to_string())
}

/// The keys between the nodes.
///
/// # Errors
/// A key that can't be used, by its number; never its text.
pub fn keyring(keys: &AuthKeys) -> Result<Keyring, String> {
    ring(keys, Domain::Node)
}

/// The keys between a node and the witness, derived from the same.
///
/// # Errors
/// A key that can't be used, by its number, or that proves nothing; never its text.
pub fn witness_keyring(keys: &AuthKeys) -> Result<Keyring, String> {
    let ring = ring(keys, Domain::Witness)?;
    if ring.secret() {
        return Ok(ring);
    }
    Err(
        "authkeys: a key of the method crc proves nothing, and a witness must know who asks: use sha256, sha1 or md5"
            .to_owned(),
    )
}

/// The keys of an admin's orders to a board, derived from the same.
///
/// # Errors
/// A key that can't be used, by its number, never its text.
pub fn board_keyring(keys: &AuthKeys) -> Result<Keyring, String> {
    ring(keys, Domain::Board)
}

fn ring(keys: &AuthKeys, domain: Domain) -> Result<Keyring, String> {
    let mut ring = Keyring::new(domain);
    for key in &keys.keys {
        let added = ring.add(key.id, key.method, key.secret.bytes());
        added.map_err(|error| format!("authkeys: key {}: {error}", key.id.0))?;
    }
    let signing = ring.sign_with(keys.signing);
    signing.map_err(|error| format!("authkeys: auth {}: {error}", keys.signing.0))?;
    Ok(ring)
}
