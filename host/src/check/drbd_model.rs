//! What `drbd.conf` says of a resource that a simulation needs to know.

use std::net::IpAddr;
use std::path::Path;

use super::drbd_resource::Resource;
use super::{Subject, drbd_conf, drbd_fencing};
use crate::config::Files;

/// One resource of `drbd.conf`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DrbdModel {
    /// Where its halves meet: the addresses of its `on` sections, in file order.
    pub addresses: Vec<IpAddr>,
    /// A Primary without its other half keeps I/O waiting until our handler has answered.
    pub freezes: bool,
}

/// The resource of this name in `etc/drbd.conf` below `root`; `None` if the file or the resource is not there.
#[must_use]
pub fn drbd_model(root: &Path, files: &Files, name: &str) -> Option<DrbdModel> {
    let subject = Subject {
        root,
        files,
        node: None,
    };
    let (statements, resources) = drbd_conf::read(&subject)?;
    if !resources.iter().any(|there| there == name) {
        return None;
    }
    let resource = Resource {
        name,
        statements: &statements,
    };
    let named = resource
        .own()
        .filter(|at| at.words.first().is_some_and(|word| word == "address"));
    Some(DrbdModel {
        addresses: named
            .filter_map(|at| at.words.last().and_then(|word| address(word)))
            .collect(),
        freezes: drbd_fencing::freezes(&resource),
    })
}

/// `192.168.255.1:7788`, `[fe80::1]:7788`.
fn address(word: &str) -> Option<IpAddr> {
    let (host, _port) = word.rsplit_once(':')?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}
