//! What a node knows, as the JSON object that `ovzha status` prints or renders.
//!
//! Times are milliseconds; `null` is "never" or "not known".

use ovzha_core::cluster::Cluster;
use ovzha_core::decide::Attached;
use ovzha_core::id::GroupId;
use ovzha_core::link::LinkState;
use ovzha_core::member::MemberState;
use ovzha_core::message::{Connection, Disk, Drbd, Phase, Silence};
use ovzha_core::rejection::Rejections;
use ovzha_core::snapshot::{GroupView, LinkView, PeerPower, Snapshot, VotesView, WitnessVote};
use ovzha_core::time::{Instant, Span};
use serde_json::{Map, Value, json};

use crate::check::{Protection, Timer};
use crate::config::{Config, Group};
use crate::ha_cf::LinkKind;
use crate::line::Line;
use crate::log::Log;
use crate::record::explained;
use crate::since::ActiveSince;
use crate::watchdog::Seen;
use crate::{media, told};

/// What only the host knows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HostFacts {
    /// When the daemon started.
    pub started: Instant,
    /// Whether memory is locked and scheduling is realtime, and why not.
    pub realtime: String,
    /// Why each link can't be opened.
    pub failing: Vec<Option<String>>,
    /// What the last failed step of each group said of itself.
    pub failures: Vec<String>,
    /// Since when each group is active here.
    pub active_since: ActiveSince,
    /// The phase of each group on the peer, and since when it has been seen in it.
    pub peer_phases: Vec<(Option<Phase>, Instant)>,
    /// Why the ping nodes can't be asked, as last told.
    pub ping_failure: Option<String>,
    /// Whether DRBD of each group was last seen `StandAlone`, which is told once.
    pub stand_alone: Vec<bool>,
    /// The watchdog, if one is in use.
    pub watchdog: Option<(Timer, Seen)>,
}

impl HostFacts {
    /// A step of a group failed and said this.
    pub fn failed(&mut self, group: GroupId, reason: &str) {
        if let Some(known) = self.failures.get_mut(usize::from(group.0)) {
            reason.clone_into(known);
        }
    }

    /// A link can't be opened, or can again.
    pub fn link_fails(&mut self, link: usize, why: Option<String>) {
        if let Some(known) = self.failing.get_mut(link) {
            *known = why;
        }
    }

    /// The peer may have said something new of its groups: answers those that changed.
    pub fn watch_peer(&mut self, now: Instant, cluster: &Cluster) -> Vec<(GroupId, Phase)> {
        let mut changed = Vec::new();
        for (group, seen) in (0_u8..).zip(&mut self.peer_phases) {
            let phase = cluster.peer_phase(usize::from(group));
            if seen.0 != phase {
                *seen = (phase, now);
                changed.extend(phase.map(|phase| (GroupId(group), phase)));
            }
        }
        changed
    }

    /// The ping nodes can't be asked: told once per reason.
    pub fn ping_fails(&mut self, why: &str, log: &mut Log) {
        if self.ping_failure.as_deref() != Some(why) {
            self.ping_failure = Some(why.to_owned());
            log.say(&Line::PingFails(why));
        }
    }

    /// What a group's DRBD connection was just seen as: whether it gave up since, or no longer has.
    pub fn stand_alone_changed(&mut self, group: GroupId, seen: Connection) -> bool {
        let is_so = match seen {
            Connection::StandAlone => true,
            Connection::Connected | Connection::Connecting => false,
            // what could not be seen is no news
            Connection::Unknown => return false,
        };
        let known = self.stand_alone.get_mut(usize::from(group.0));
        known.is_some_and(|known| std::mem::replace(known, is_so) != is_so)
    }
}

fn ms(span: Span) -> Value {
    json!(span.as_millis())
}

fn opt(span: Option<Span>) -> Value {
    span.map_or(Value::Null, ms)
}

fn said(silence: Option<Silence>) -> Value {
    opt(silence.and_then(Silence::span))
}

/// The whole object.
#[must_use]
pub fn status(config: &Config, facts: &HostFacts, snapshot: &Snapshot) -> Value {
    let timer = facts.watchdog.as_ref().map(|(timer, _)| *timer);
    let protection = Protection::of_config(config, timer);
    let hold = snapshot
        .hold
        .held
        .then(|| json!({ "left_ms": opt(snapshot.hold_left), "reason": snapshot.hold.reason.as_str() }));
    let links = config
        .links
        .iter()
        .zip(&snapshot.links)
        .enumerate()
        .map(|(number, (link, view))| {
            let failing = facts.failing.get(number).and_then(Option::as_deref);
            link_value(number, &media::name(link), view, failing)
        });
    let pings = config.pings.iter().enumerate().map(|(place, ping)| {
        let answers = u32::try_from(place).is_ok_and(|place| snapshot.pings.checked_shr(place).unwrap_or(0) & 1 == 1);
        let addresses: Vec<String> = ping.addresses.iter().map(ToString::to_string).collect();
        json!({ "name": ping.name, "addresses": addresses, "answers": answers })
    });
    let groups = config.groups.iter().zip(&snapshot.groups).enumerate();
    let groups = groups.map(|(number, (group, view))| group_value(config, facts, snapshot, number, group, view));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": config.own_node(),
        "peer": config.peer_node(),
        "up_ms": ms(snapshot.now.since(facts.started)),
        "protection": protection.word(),
        "protection_text": protection.to_string(),
        "watchdog": facts.watchdog.as_ref().map(|(_, seen)| watchdog_value(seen)),
        "peer_state": member(snapshot.peer),
        "peer_heard_ms": opt(snapshot.peer_heard),
        "peer_hears_us_ms": said(snapshot.peer_hears_us),
        "peer_speaks_newer": snapshot.peer_newer,
        "deadtime_ms": ms(snapshot.deadtime),
        "stopping": snapshot.stopping,
        "hold": hold,
        "differs": { "haresources": snapshot.skew.0, "timings": snapshot.skew.1 },
        "state_dir_failed": snapshot.store_failed,
        "bugs": snapshot.bugs.iter().map(|bug| told::bug(config, *bug)).collect::<Vec<_>>(),
        "realtime": facts.realtime,
        "links": links.collect::<Vec<_>>(),
        "peer_power": snapshot.peer_power.map(peer_power),
        "witness": witness_value(config, facts, snapshot),
        "ping_nodes": pings.collect::<Vec<_>>(),
        "attached": attached(snapshot.attached),
        "groups": groups.collect::<Vec<_>>(),
    })
}

fn peer_power(power: PeerPower) -> Value {
    let (word, for_ms, in_ms) = match power {
        PeerPower::Unasked => ("unasked", None, None),
        PeerPower::Unknown => ("unknown", None, None),
        PeerPower::Due(after) => ("due", None, Some(after)),
        PeerPower::Cut(since) => ("being cut", Some(since), None),
        PeerPower::Failed(after) => ("failed", None, Some(after)),
        PeerPower::Off => ("off", None, None),
    };
    json!({ "state": word, "for_ms": opt(for_ms), "in_ms": opt(in_ms) })
}

fn watchdog_value(seen: &Seen) -> Value {
    json!({
        "device": seen.device, "identity": seen.identity, "timeout_ms": ms(seen.timeout), "armed": seen.armed,
        "failing": seen.failing,
    })
}

fn link_value(number: usize, name: &str, view: &LinkView, failing: Option<&str>) -> Value {
    let state = match view.state {
        LinkState::Closed => "closed",
        LinkState::Silent => "silent",
        LinkState::Up => "up",
        LinkState::Late => "late",
        LinkState::Dead => "dead",
    };
    // what the peer said is as old as its saying
    let theirs = view
        .theirs
        .and_then(|(silence, ago)| silence.span().map(|span| span.plus(ago)));
    json!({
        "number": number, "name": name, "state": state, "heard_ms": opt(view.heard),
        "peer_hears_ms": opt(theirs), "failing": failing, "rejected": rejected(&view.rejections),
    })
}

fn group_value(
    config: &Config,
    facts: &HostFacts,
    snapshot: &Snapshot,
    number: usize,
    group: &Group,
    view: &GroupView,
) -> Value {
    let alive = matches!(snapshot.peer, MemberState::Alive | MemberState::Late);
    let theirs = view.peer.filter(|_| alive);
    let active_on = if view.phase == Phase::Active {
        Some(config.own_node())
    } else {
        theirs
            .filter(|(phase, ..)| *phase == Phase::Active)
            .map(|_| config.peer_node())
    };
    let name = |place: u8| group.resources.get(usize::from(place)).map(told::resource_name);
    let (decision, why) = explained::words(view.decision);
    let failure = view.failure.map(|failure| {
        json!({
            "resource": name(failure.resource), "operation": told::operation(failure.op),
            "outcome": told::outcome(failure.outcome), "ago_ms": ms(snapshot.now.since(failure.at)),
            "reason": facts.failures.get(number),
        })
    });
    let on_peer = theirs.map(|(phase, flags, tenure, drbd)| {
        // how long this node has seen it so: it may have been so for longer
        let seen = facts.peer_phases.get(number).filter(|(known, _)| *known == Some(phase));
        let since = opt(seen.map(|(_, since)| snapshot.now.since(*since)));
        json!({
            "phase": told::phase(phase), "since_ms": since, "able": flags.able, "tenure": tenure.0,
            "drbd": drbd_value(drbd, None),
        })
    });
    let step = view.step.map(|(resource, op, since)| {
        let since = ms(snapshot.now.since(since));
        json!({ "resource": name(resource), "operation": told::operation(op), "for_ms": since })
    });
    json!({
        "number": number,
        "name": group.name(),
        "resources": group.resources.iter().map(told::resource_name).collect::<Vec<_>>(),
        "preferred": config.nodes.get(group.preferred),
        "phase": told::phase(view.phase), "since_ms": ms(snapshot.now.since(view.since)), "tenure": view.tenure.0,
        "active_since_ms": opt(facts.active_since.of(number).map(|since| snapshot.now.since(since))),
        "active_on": active_on, "decision": decision, "why": why.to_string(), "step": step,
        "degraded": view.degraded,
        "marked": view.marked,
        "frozen_ms": opt(view.frozen.map(|since| snapshot.now.since(since))),
        "drbd": view.drbd.map(|(drbd, at)| drbd_value(drbd, Some(snapshot.now.since(at)))),
        "votes": view.votes.map(votes_value),
        "failure": failure, "on_peer": on_peer,
    })
}

fn witness_value(config: &Config, facts: &HostFacts, snapshot: &Snapshot) -> Value {
    let (Some((way, _)), Some(seen)) = (config.settings.witness(), snapshot.witness) else {
        return Value::Null;
    };
    // its number is the one after those of ha.cf; on a shared serial line its failure is that line's
    let failing = facts.failing.get(config.links.len()).and_then(Option::as_deref);
    let alive = seen.heard.is_some_and(|silence| silence < snapshot.deadtime);
    let name = match way {
        LinkKind::Routed { to } => format!("udp {to}"),
        LinkKind::Serial { .. }
        | LinkKind::Unicast { .. }
        | LinkKind::Broadcast { .. }
        | LinkKind::Multicast { .. } => media::kind_name(way),
    };
    json!({
        "name": name, "alive": alive, "heard_ms": opt(seen.heard), "failing": failing,
        "rejected": rejected(&seen.rejections), "fits": seen.fits,
    })
}

fn votes_value(votes: VotesView) -> Value {
    let witness = match votes.witness {
        WitnessVote::Ours => "ours",
        WitnessVote::Peers => "peer",
        WitnessVote::Closed => "closed",
        WitnessVote::OldCopy => "old copy",
        WitnessVote::Free => "free",
        WitnessVote::Unknown => "unknown",
    };
    let own_lent = votes.own_lent.filter(|_| !votes.pledged);
    json!({
        "own_lent_ms": opt(own_lent),
        "own_pledged": votes.pledged,
        "right_ms": ms(votes.right),
        "right_endless": votes.endless,
        "witness": witness,
    })
}

fn rejected(counts: &Rejections) -> Map<String, Value> {
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    counts.map(|(why, n)| (why.name().to_owned(), json!(n))).collect()
}

fn drbd_value(drbd: Drbd, ago: Option<Span>) -> Value {
    if drbd == Drbd::default() {
        return Value::Null;
    }
    let connection = match drbd.connection {
        Connection::Unknown => "unknown",
        Connection::Connected => "connected",
        Connection::Connecting => "connecting",
        Connection::StandAlone => "standalone",
    };
    let disk = match drbd.disk {
        Disk::Unknown => "unknown",
        Disk::Failed => "failed",
        Disk::Inconsistent => "inconsistent",
        Disk::Outdated => "outdated",
        Disk::Consistent => "consistent",
        Disk::UpToDate => "up to date",
    };
    json!({
        "connection": connection, "disk": disk, "primary": drbd.primary, "suspended": drbd.suspended,
        "ahead": drbd.ahead,
        "observed_ms": opt(ago),
    })
}

const fn member(state: MemberState) -> &'static str {
    match state {
        MemberState::Awaited => "awaited",
        MemberState::NeverHeard => "never heard",
        MemberState::Alive => "alive",
        MemberState::Late => "late",
        MemberState::Dead => "dead",
        MemberState::Left => "left",
    }
}

const fn attached(attached: Attached) -> &'static str {
    match attached {
        Attached::Unknown => "unknown",
        Attached::Proved => "proved",
        Attached::Unproved => "unproved",
        Attached::Isolated => "isolated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_given_up_is_news_once_and_so_is_its_end() {
        let mut facts = HostFacts {
            stand_alone: vec![false; 2],
            ..HostFacts::default()
        };
        let seen = [
            (Connection::Connecting, false),
            (Connection::StandAlone, true),
            (Connection::StandAlone, false),
            (Connection::Unknown, false),
            (Connection::StandAlone, false),
            (Connection::Connecting, true),
            (Connection::Connected, false),
            (Connection::StandAlone, true),
        ];
        for (connection, news) in seen {
            assert_eq!(
                facts.stand_alone_changed(GroupId(1), connection),
                news,
                "{connection:?}"
            );
        }
        assert_eq!(facts.stand_alone, [false, true]);
        assert!(!facts.stand_alone_changed(GroupId(2), Connection::StandAlone));
    }
}
