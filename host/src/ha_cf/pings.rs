//! Reads the lines of `ha.cf` that make ping nodes: `ping`, `ping6`, `ping_group`.
//!
//! A ping node is what the cluster counts: one address, or a group that answers when any of its addresses does.

use std::net::IpAddr;

use ovzha_core::config::PINGS_MAX;

use super::addresses::{self, Family};
use super::{PingNode, Said, split};
use crate::diagnostic::{Problems, quote};
use crate::ping::ADDRESSES_MAX;

/// Longest name of a group in bytes; Heartbeat treats it as a node's.
const NAME_MAX: usize = 64;

/// The ping nodes so far.
#[derive(Default)]
pub(super) struct Pings(Vec<PingNode>);

impl Pings {
    pub(super) fn ping(&mut self, problems: &mut Problems, Said { line, name, rest }: Said<'_>) {
        let family = (name == "ping6").then_some(Family::V6);
        let mut seen = false;
        for word in split(rest) {
            seen = true;
            match addresses::of_ping(word, family) {
                Err(why) => problems.error(line, format!("{name}: {why}")),
                Ok(address) => match self.holder(address) {
                    Some(first) if first.addresses.len() == 1 => {
                        let text = format!("ping node {address} stands already on line {}", first.line);
                        problems.error(line, text);
                    }
                    first => {
                        warn_twice(problems, line, address, first);
                        self.add(problems, line, address.to_string(), vec![address]);
                    }
                },
            }
        }
        if !seen {
            problems.error(line, format!("`{name}` needs an address"));
        }
    }

    pub(super) fn group(&mut self, problems: &mut Problems, Said { line, rest, .. }: Said<'_>) {
        let mut words = rest.split_whitespace();
        let Some(name) = words.next() else {
            problems.error(line, "`ping_group` needs a name and addresses");
            return;
        };
        let fits = name.len() <= NAME_MAX && name.chars().all(|c| c.is_ascii_graphic());
        if !fits || name.parse::<IpAddr>().is_ok() {
            problems.error(line, format!("ping_group: {} is no name of a group", quote(name)));
            return;
        }
        if let Some(first) = self.0.iter().find(|ping| ping.name == name) {
            let text = format!("ping_group {} stands already on line {}", quote(name), first.line);
            problems.error(line, text);
            return;
        }
        let mut members = Vec::new();
        let mut refused = false;
        for word in words {
            match addresses::of_ping(word, None) {
                Err(why) => {
                    problems.error(line, format!("ping_group {name}: {why}"));
                    refused = true;
                }
                Ok(address) if members.contains(&address) => {
                    problems.warning(line, format!("ping_group {name}: {address} stands there twice"));
                }
                Ok(address) => {
                    warn_twice(problems, line, address, self.holder(address));
                    members.push(address);
                }
            }
        }
        if members.is_empty() && !refused {
            problems.error(line, format!("ping_group {name} has no address"));
        }
        if !members.is_empty() {
            self.add(problems, line, name.to_owned(), members);
        }
    }

    fn holder(&self, address: IpAddr) -> Option<&PingNode> {
        self.0.iter().find(|ping| ping.addresses.contains(&address))
    }

    fn add(&mut self, problems: &mut Problems, line: u32, name: String, addresses: Vec<IpAddr>) {
        let known: usize = self.0.iter().map(|ping| ping.addresses.len()).sum();
        if self.0.len() >= PINGS_MAX {
            problems.error(line, format!("more than {PINGS_MAX} ping nodes"));
        } else if known.saturating_add(addresses.len()) > ADDRESSES_MAX {
            problems.error(line, format!("more than {ADDRESSES_MAX} addresses of ping nodes"));
        } else {
            self.0.push(PingNode { name, addresses, line });
        }
    }

    pub(super) fn list(&self) -> &[PingNode] {
        &self.0
    }

    pub(super) fn take(&mut self) -> Vec<PingNode> {
        std::mem::take(&mut self.0)
    }
}

fn warn_twice(problems: &mut Problems, line: u32, address: IpAddr, first: Option<&PingNode>) {
    if let Some(first) = first {
        let text = format!(
            "{address} is in ping node {} (line {}), too: its answer counts for both",
            quote(&first.name),
            first.line
        );
        problems.warning(line, text);
    }
}
