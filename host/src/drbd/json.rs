//! `drbdsetup status --json`, from 9 on.
//!
//! Older tools print fewer keys, so every key but `name` may be missing; a word that is there must be known.
use serde::Deserialize;

use super::objects::{self, Objects, Peer, PeerDevice, Replication, entry};
use super::state::State;
use super::words::{Connection, Disk, Generation, ParseError, Resync, Role, Suspended};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Resource {
    role: Option<String>,
    #[serde(default)]
    devices: Vec<Device>,
    #[serde(default)]
    connections: Vec<Link>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Device {
    #[serde(default, rename = "volume")]
    number: u32,
    disk_state: Option<String>,
    quorum: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Link {
    #[serde(default)]
    name: String,
    connection_state: Option<String>,
    peer_role: Option<String>,
    #[serde(default, rename = "peer_devices")]
    peer_devices: Vec<PeerVolume>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PeerVolume {
    #[serde(default, rename = "volume")]
    number: u32,
    replication_state: Option<String>,
    peer_disk_state: Option<String>,
    #[serde(default)]
    peer_client: bool,
    out_of_sync: Option<u64>,
}

/// Reads the state of the resource called `name`; `None`: it is not among those shown, it is down.
///
/// # Errors
/// When the text is no such JSON, or a word is unknown.
pub fn parse_json(text: &str, name: &str) -> Result<Option<State>, ParseError> {
    let all: Vec<serde_json::Value> =
        serde_json::from_str(text).map_err(|error| ParseError(format!("status --json can't be read: {error}")))?;
    let of_name = |one: &&serde_json::Value| one.get("name").and_then(serde_json::Value::as_str) == Some(name);
    let Some(found) = all.iter().find(of_name) else {
        return Ok(None);
    };
    let resource = Resource::deserialize(found)
        .map_err(|error| ParseError(format!("status --json of {name} can't be read: {error}")))?;
    let state = described(&resource, suspended(found))?.state()?;
    Ok(Some(State {
        generation: Some(Generation::V9),
        ..state
    }))
}

/// The reasons, told from utils 9.21 on; before, that it is so.
fn suspended(resource: &serde_json::Value) -> Suspended {
    let is = |key: &str| resource.get(key).and_then(serde_json::Value::as_bool) == Some(true);
    let reasons = [
        ("suspended-user", Suspended::USER),
        ("suspended-no-data", Suspended::NO_DATA),
        ("suspended-fencing", Suspended::FENCING),
        ("suspended-quorum", Suspended::QUORUM),
    ];
    let told = reasons.iter().filter(|(key, _)| is(key));
    let told = told.fold(Suspended::NO, |all, (_, reason)| all.and(*reason));
    if is("suspended") && !told.is_so() {
        Suspended::UNTOLD
    } else {
        told
    }
}

fn described(resource: &Resource, suspended: Suspended) -> Result<Objects, ParseError> {
    let mut objects = Objects {
        role: resource.role.as_deref().map(Role::parse).transpose()?,
        suspended,
        ..Objects::default()
    };
    for volume in &resource.devices {
        *entry(&mut objects.devices, volume.number)? = objects::Device {
            disk: volume.disk_state.as_deref().map(Disk::parse).transpose()?,
            quorum_lost: volume.quorum == Some(false),
        };
    }
    for (number, link) in resource.connections.iter().enumerate() {
        *entry(&mut objects.peers, format!("{number} {}", link.name))? = peer(link)?;
    }
    Ok(objects)
}

fn peer(link: &Link) -> Result<Peer, ParseError> {
    let mut peer = Peer {
        connection: link.connection_state.as_deref().map(Connection::parse).transpose()?,
        role: link.peer_role.as_deref().map(Role::parse).transpose()?,
        devices: Vec::new(),
    };
    for volume in &link.peer_devices {
        *entry(&mut peer.devices, volume.number)? = PeerDevice {
            replication: volume
                .replication_state
                .as_deref()
                .map(Replication::parse)
                .transpose()?,
            disk: volume.peer_disk_state.as_deref().map(Disk::parse).transpose()?,
            client: volume.peer_client,
            resync: volume.out_of_sync.map(Resync::Left),
        };
    }
    Ok(peer)
}
