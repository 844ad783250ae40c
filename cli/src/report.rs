//! The status object as the daemon writes it. What a daemon of another release leaves out is unknown, not an error.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Everything one node knows. Fields in `_ms` are ages or spans in milliseconds; `None`: never, or not known.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Report {
    pub version: String,
    pub node: String,
    pub peer: String,
    pub up_ms: Option<u64>,
    pub protection_text: String,
    pub watchdog: Option<Watchdog>,
    pub peer_state: String,
    pub peer_heard_ms: Option<u64>,
    pub peer_hears_us_ms: Option<u64>,
    pub peer_speaks_newer: Option<u64>,
    pub deadtime_ms: Option<u64>,
    pub stopping: bool,
    pub hold: Option<Hold>,
    pub differs: Differs,
    pub state_dir_failed: bool,
    pub bugs: Vec<String>,
    pub realtime: String,
    pub links: Vec<Link>,
    /// Where a fence agent cuts it.
    pub peer_power: Option<PeerPower>,
    pub witness: Option<Witness>,
    pub ping_nodes: Vec<PingNode>,
    pub attached: String,
    pub groups: Vec<Group>,
}

/// The hardware watchdog in use.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Watchdog {
    pub device: String,
    pub identity: String,
    pub timeout_ms: Option<u64>,
    pub armed: bool,
    pub failing: Option<String>,
}

/// A hold in force.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Hold {
    pub left_ms: Option<u64>,
    pub reason: String,
}

/// What the two nodes' files disagree on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Differs {
    pub haresources: bool,
    pub timings: bool,
}

/// One link.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Link {
    pub number: u64,
    pub name: String,
    pub state: String,
    pub heard_ms: Option<u64>,
    pub peer_hears_ms: Option<u64>,
    pub failing: Option<String>,
    pub rejected: BTreeMap<String, u64>,
}

/// The third voter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Witness {
    pub name: String,
    pub alive: bool,
    pub heard_ms: Option<u64>,
    pub failing: Option<String>,
    pub rejected: BTreeMap<String, u64>,
    /// It does with the nodes' power what `stonith_host` says.
    pub fits: Option<bool>,
}

/// The votes of a group.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Votes {
    /// For how long this node's own vote is not free.
    pub own_lent_ms: Option<u64>,
    /// It is lent to the other one without end.
    pub own_pledged: bool,
    /// How long the others' votes last.
    pub right_ms: u64,
    /// The other one's has no end.
    pub right_endless: bool,
    pub witness: String,
}

/// One ping node.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PingNode {
    pub name: String,
    /// One, unless it is a group.
    pub addresses: Vec<String>,
    pub answers: bool,
}

/// What is known of the peer's power.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PeerPower {
    pub state: String,
    pub for_ms: Option<u64>,
    pub in_ms: Option<u64>,
}

/// One resource group.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Group {
    pub number: u64,
    pub name: String,
    pub resources: Vec<String>,
    pub preferred: String,
    pub phase: String,
    pub since_ms: Option<u64>,
    pub tenure: u64,
    pub active_on: Option<String>,
    /// Of a group that is active here.
    pub active_since_ms: Option<u64>,
    pub decision: String,
    pub why: String,
    pub step: Option<Step>,
    pub degraded: bool,
    /// Its disk lacks writes of the peer.
    pub marked: bool,
    /// DRBD has kept its I/O waiting for so long.
    pub frozen_ms: Option<u64>,
    pub drbd: Option<Drbd>,
    pub votes: Option<Votes>,
    pub failure: Option<Failure>,
    pub on_peer: Option<OnPeer>,
}

/// What is being done to a resource.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Step {
    pub resource: String,
    pub operation: String,
    pub for_ms: Option<u64>,
}

/// DRBD as last observed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Drbd {
    pub connection: String,
    pub disk: String,
    pub primary: bool,
    pub suspended: bool,
    /// The other node's disk lacks writes of this one, or may.
    pub ahead: bool,
    pub observed_ms: Option<u64>,
}

/// What went wrong last.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub resource: String,
    pub operation: String,
    pub outcome: String,
    pub ago_ms: Option<u64>,
    pub reason: String,
}

/// The group on the peer, as the peer last said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OnPeer {
    pub phase: String,
    pub since_ms: Option<u64>,
    pub able: bool,
    pub tenure: u64,
    pub drbd: Option<Drbd>,
}
