//! One resource as 9's tools describe it: itself, its devices, its connections, and each connection's peer devices.
//!
//! `status`, `status --json` and `events2` fill it in; [`Objects::state`] sums it up. Words that were not said yet are
//! `None`, and count as the worst.
use super::state::State;
use super::words::{Connection, Disk, ParseError, Resync, Role, Suspended};

/// Volumes, and peers, that one resource may have here. DRBD 9 itself allows 32 peers.
const OBJECTS_MAX: usize = 64;

/// The resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Objects {
    pub role: Option<Role>,
    pub suspended: Suspended,
    pub split_brain: bool,
    pub devices: Vec<(u32, Device)>,
    pub peers: Vec<(String, Peer)>,
}

/// A volume on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Device {
    pub disk: Option<Disk>,
    pub quorum_lost: bool,
}

/// A connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer {
    pub connection: Option<Connection>,
    pub role: Option<Role>,
    pub devices: Vec<(u32, PeerDevice)>,
}

/// A volume on a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PeerDevice {
    pub replication: Option<Replication>,
    pub disk: Option<Disk>,
    /// Without a disk on purpose: a third node that only votes.
    pub client: bool,
    pub resync: Option<Resync>,
}

/// What 9 tells apart from the connection: whether data goes over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replication {
    /// None does yet, or any more.
    Off,
    /// The 8.x word for it.
    As(Connection),
}

impl Replication {
    pub fn parse(word: &str) -> Result<Replication, ParseError> {
        match word {
            "Off" => Ok(Replication::Off),
            _ => match Connection::parse(word)? {
                up if up > Connection::WfReportParams => Ok(Replication::As(up)),
                _ => Err(ParseError(format!("{word:?} is no DRBD replication state"))),
            },
        }
    }
}

/// The one of this name, made if there is none.
pub(super) fn entry<K: PartialEq, V: Default>(all: &mut Vec<(K, V)>, key: K) -> Result<&mut V, ParseError> {
    let found = all.iter().position(|(known, _)| *known == key);
    let place = found.unwrap_or(all.len());
    if found.is_none() {
        if place >= OBJECTS_MAX {
            return Err(ParseError(format!(
                "more than {OBJECTS_MAX} volumes or peers of one resource"
            )));
        }
        all.push((key, V::default()));
    }
    all.get_mut(place)
        .map(|(_, value)| value)
        .ok_or_else(|| ParseError("no room for a volume or peer".to_owned()))
}

impl Objects {
    /// The state they make together. A node without a disk on purpose is left out while it is connected.
    pub fn state(&self) -> Result<State, ParseError> {
        let role = self.role.ok_or_else(|| ParseError("role: is missing".to_owned()))?;
        let disks = self
            .devices
            .iter()
            .map(|(_, device)| device.disk.unwrap_or(Disk::Diskless));
        let disk = disks.min().unwrap_or(Disk::Diskless);
        let mut state = State {
            suspended: self.suspended,
            quorum_lost: self.devices.iter().any(|(_, device)| device.quorum_lost),
            split_brain: self.split_brain,
            ..State::new((role, Role::Unknown), Connection::StandAlone, (disk, Disk::Unknown))
        };
        let mut merged: Option<State> = None;
        let mut all_old = true;
        for (_, peer) in &self.peers {
            let one = peer.state(state, self.devices.len());
            let all_clients = !peer.devices.is_empty() && peer.devices.iter().all(|(_, device)| device.client);
            if all_clients && one.connection.is_up() {
                if one.peer_role == Role::Primary {
                    state.peer_role = Role::Primary;
                }
                continue;
            }
            all_old &= is_old(one.peer_disk);
            merged = Some(merged.map_or(one, |before| before.worse(one)));
        }
        let mut merged = merged.unwrap_or(state);
        // "it can't be promoted" must hold of every peer, not of the worst
        if is_old(merged.peer_disk) && !all_old {
            merged.peer_disk = Disk::Unknown;
        }
        let peer_role = if state.peer_role == Role::Primary {
            Role::Primary
        } else {
            merged.peer_role
        };
        Ok(State { peer_role, ..merged })
    }
}

const fn is_old(disk: Disk) -> bool {
    matches!(disk, Disk::Outdated | Disk::Inconsistent)
}

impl Peer {
    /// `base` with what this peer adds to it; `volumes` is how many there are here.
    fn state(&self, base: State, volumes: usize) -> State {
        let connection = self.connection.unwrap_or(Connection::StandAlone);
        let mut state = State {
            peer_role: self.role.unwrap_or(Role::Unknown),
            connection,
            ..base
        };
        let mut worst: Option<Disk> = None;
        for (_, device) in &self.devices {
            let disk = device.disk.unwrap_or(Disk::Unknown);
            worst = Some(worst.map_or(disk, |worst| worst.min(disk)));
            if connection == Connection::Connected {
                let replication = match device.replication {
                    Some(Replication::As(word)) => word,
                    Some(Replication::Off) | None => Connection::WfReportParams,
                };
                state.connection = state.connection.min(replication);
                if replication.is_resync() {
                    state.resync = match (state.resync, device.resync) {
                        (Some(one), Some(two)) => Some(one.with(two)),
                        (one, two) => one.or(two),
                    };
                }
            }
        }
        state.peer_disk = worst.unwrap_or(Disk::Unknown);
        if self.devices.len() < volumes || self.devices.is_empty() {
            // of some volume nothing is said: they still talk about it
            state.peer_disk = state.peer_disk.min(Disk::Unknown);
            state.connection = state.connection.min(Connection::WfReportParams);
        }
        state
    }
}
