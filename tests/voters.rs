//! A node of a pair with a witness, as drivers without a World set it up: one group of one resource without data.

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::config::{Config, Draft, GroupDraft, Kind};
use ovzha_core::frame::VERSION;
use ovzha_core::id::{ClusterId, KeyId, Mark, NodeId};
use ovzha_core::time::Span;

/// The times of a pair.
#[derive(Clone, Copy)]
pub struct Times {
    pub keepalive: Span,
    pub deadtime: Span,
}

/// The keys of a domain that come of this text.
pub fn ring(domain: Domain, secret: &str) -> Keyring {
    let mut ring = Keyring::new(domain);
    ring.add(KeyId(1), Method::Sha256, secret.as_bytes()).unwrap();
    ring.sign_with(KeyId(1)).unwrap();
    ring
}

/// What its files would say.
pub fn config(me: u8, cluster: ClusterId, links: u8, times: Times) -> Config {
    let group = GroupDraft {
        preferred: NodeId(0),
        identity: Mark([1, 2, 3]),
        digest: Mark([4, 5, 6]),
        resources: std::iter::once(Kind::Plain).collect(),
        monitors: std::iter::once(0).collect(),
    };
    Config::new(Draft {
        me: NodeId(me),
        cluster,
        links,
        pings: 0,
        keepalive: times.keepalive,
        warntime: times.deadtime.half(),
        deadtime: times.deadtime,
        deadping: times.deadtime,
        initdead: times.deadtime,
        stop_budget: Span::from_secs(2),
        auto_failback: false,
        ipfail: false,
        diskless_hands_over: true,
        last_resort: false,
        watchdog: None,
        witness: true,
        stonith: None,
        commanded: false,
        relay: ovzha_core::witness::Relay::None,
        groups: std::iter::once(group).collect(),
        resources_digest: [1; 4],
        timings_digest: [1; 4],
        speaks: VERSION,
    })
    .unwrap()
}
