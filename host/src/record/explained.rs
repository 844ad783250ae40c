//! Why a group is what it is: the facts that the failover table sees, its row, and which other fact would change it.
//!
//! The table is a pure function, so "what would have to change" is asked of it: each fact is replaced by each other
//! value that it can have, one at a time, and where the decision is another one that is told.

use ovzha_core::cluster::Cluster;
use ovzha_core::decide::{Ailing, Attached, Data, Decision, Foreign, Mine, Peer, PeerGroup, View, Why, decide};
use ovzha_core::message::{GroupFlags, Phase};

use crate::{clause, told};

/// What is to be said of one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explained {
    /// Its phase on this node.
    pub phase: Phase,
    /// What the table says: one word, and why.
    pub decision: &'static str,
    /// The reason.
    pub why: Why,
    /// The clause of SAFETY that the reason stands in.
    pub clause: &'static str,
    /// What the table sees: the subject, the fact.
    pub facts: Vec<(&'static str, String)>,
    /// What would change the decision: the other fact, the decision and its reason then.
    pub changes: Vec<(&'static str, &'static str, Why)>,
}

/// Explains the group at this place; none if there is no such group.
#[must_use]
pub fn explain(cluster: &Cluster, place: usize) -> Option<Explained> {
    let view = cluster.view_now(place)?;
    let snapshot = cluster.snapshot();
    let group = snapshot.groups.get(place)?;
    let (decision, why) = words(decide(&view));
    Some(Explained {
        phase: group.phase,
        decision,
        why,
        clause: clause::of(why),
        facts: facts(&view),
        changes: changes(&view),
    })
}

/// A decision in one word, and its reason.
#[must_use]
pub const fn words(decision: Decision) -> (&'static str, Why) {
    match decision {
        Decision::Stay(why) => ("stay", why),
        Decision::Acquire(why) => ("acquire", why),
        Decision::Release(why) => ("release", why),
        Decision::Restart(why) => ("restart", why),
        Decision::Hold(why) => ("hold", why),
    }
}

fn facts(view: &View) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("here", mine(view.mine).to_owned()),
        ("peer", peer(view.peer)),
        ("data here", data(view.data).to_owned()),
        ("attached", attached(view.attached).to_owned()),
    ];
    let preferred = if view.preferred { "this node" } else { "the other node" };
    facts.push(("preferred", preferred.to_owned()));
    if view.mine == Mine::Failed {
        facts.push(("failed", view.failed.to_string()));
    }
    match view.foreign {
        Foreign::Nobody => {}
        Foreign::Key => facts.push(("heard", "frames of the peer with another key".to_owned())),
        Foreign::Heartbeat => facts.push(("heard", "Linux-HA Heartbeat".to_owned())),
        Foreign::Name => facts.push(("heard", "another node with this node's name".to_owned())),
    }
    match view.ailing {
        Ailing::Well => {}
        Ailing::Once => facts.push(("monitors", "something failed".to_owned())),
        Ailing::Again => facts.push(("monitors", "something failed again".to_owned())),
        Ailing::Due => facts.push(("monitors", "something failed again, a restart is due".to_owned())),
        Ailing::Stuck => facts.push(("monitors", "a look can't be ended".to_owned())),
    }
    let switches = SWITCHES.iter().filter(|switch| *(switch.of)(&mut view.clone()));
    facts.extend(switches.map(|switch| ("and", switch.is.to_owned())));
    facts
}

/// A fact that holds or does not.
struct Switch {
    of: fn(&mut View) -> &mut bool,
    is: &'static str,
    if_it_were: &'static str,
    if_not: &'static str,
}

macro_rules! switch {
    ($field:ident, $is:literal, $if_it_were:literal, $if_not:literal) => {
        Switch {
            of: |view| &mut view.$field,
            is: $is,
            if_it_were: $if_it_were,
            if_not: $if_not,
        }
    };
}

/// In the order in which a person would ask.
const SWITCHES: [Switch; 19] = [
    switch!(held, "a hold is in force", "a hold began", "the hold ended"),
    switch!(
        stopping,
        "this node is stopping",
        "this node were told to stop",
        "this node did not stop"
    ),
    switch!(
        lonely,
        "this node is isolated",
        "this node were isolated",
        "this node were not isolated"
    ),
    switch!(
        unheard,
        "the peer does not hear this node",
        "the peer did not hear this node",
        "the peer heard this node"
    ),
    switch!(
        differs,
        "haresources differs",
        "haresources differed between the nodes",
        "haresources were equal on both nodes"
    ),
    switch!(
        unfit,
        "this node can't run it",
        "this node could not run it",
        "this node could run it"
    ),
    switch!(
        blocked,
        "DRBD said that the peer is Primary",
        "DRBD said that the peer is Primary",
        "DRBD let this node become Primary"
    ),
    switch!(
        unrecorded,
        "the state directory can't be written",
        "the state directory could not be written",
        "the state directory could be written"
    ),
    switch!(
        standby,
        "standby was asked for",
        "standby were asked for and the peer said yes",
        "standby had not been asked for"
    ),
    switch!(
        wanted,
        "takeover was asked for",
        "takeover were asked for here",
        "takeover had not been asked for"
    ),
    switch!(
        failback,
        "it is to go back to its preferred node",
        "auto_failback applied",
        "auto_failback did not apply"
    ),
    switch!(
        fewer_pings,
        "the peer sees more ping nodes",
        "the peer saw more ping nodes",
        "the peer saw no more ping nodes"
    ),
    switch!(
        diskless,
        "DRBD has lost its local disk",
        "DRBD lost its local disk",
        "DRBD had its local disk"
    ),
    switch!(
        doubtful,
        "this node slept and is not sure of the peer",
        "this node had slept",
        "this node were sure of the peer"
    ),
    switch!(
        demoted,
        "DRBD is not Primary here",
        "DRBD were not Primary here",
        "DRBD were Primary here"
    ),
    switch!(
        yielded,
        "released for the peer",
        "it were released for the peer",
        "it were not released for the peer"
    ),
    switch!(
        unable,
        "the peer has not been able for a deadtime",
        "the peer were unable for a deadtime",
        "the peer were able"
    ),
    switch!(
        fenced,
        "this node reset itself twice within an hour",
        "this node reset itself twice within an hour",
        "`ovzha clear` were given"
    ),
    switch!(
        bug,
        "a bug of ovzha was found",
        "a bug of ovzha were found",
        "`ovzha clear` were given after the bug"
    ),
];

fn changes(view: &View) -> Vec<(&'static str, &'static str, Why)> {
    let now = words(decide(view));
    let mut others = other_peers(view);
    for switch in &SWITCHES {
        let mut other = *view;
        let fact = (switch.of)(&mut other);
        *fact = !*fact;
        let text = if *fact { switch.if_it_were } else { switch.if_not };
        others.push((text, other));
    }
    for (text, data) in [
        ("the data here were known to be the newest", Data::Current),
        ("the other node's data were newer", Data::Old),
        ("nothing showed whose data are the newest", Data::Unproved),
    ] {
        others.push((text, View { data, ..*view }));
    }
    for (text, attached) in [
        ("a ping were answered after the peer's last heartbeat", Attached::Proved),
        ("no ping node answered", Attached::Isolated),
    ] {
        if view.attached != Attached::Unknown {
            others.push((text, View { attached, ..*view }));
        }
    }
    if view.attached != Attached::Unknown {
        let (peer, attached) = (Peer::Dead, Attached::Proved);
        let text = "the peer were dead and a ping was answered after that";
        others.push((
            text,
            View {
                peer,
                attached,
                ..*view
            },
        ));
    }
    others.push((
        "a monitor found it failed",
        View {
            ailing: Ailing::Once,
            ..*view
        },
    ));
    others.push((
        "nobody strange were heard",
        View {
            foreign: Foreign::Nobody,
            ..*view
        },
    ));
    let told = others.into_iter().map(|(text, other)| (text, words(decide(&other))));
    let told = told.filter(|(_, (decision, _))| *decision != now.0);
    told.map(|(text, (decision, why))| (text, decision, why)).collect()
}

/// The same row with another peer.
fn other_peers(view: &View) -> Vec<(&'static str, View)> {
    let lives = |phase, able| {
        let flags = GroupFlags {
            able,
            ..GroupFlags::default()
        };
        Peer::Alive(PeerGroup {
            phase,
            flags,
            earlier: false,
            fresh: true,
            stopping: false,
            isolated: false,
        })
    };
    let mut peers = vec![
        ("the peer had stopped in order", Peer::Left),
        ("the peer lived, idle and able", lives(Phase::Idle, true)),
        ("the peer lived, idle and not able", lives(Phase::Idle, false)),
        ("the peer ran it", lives(Phase::Active, true)),
    ];
    if view.attached == Attached::Unknown {
        let text = match view.peer {
            Peer::Unfenced | Peer::Unfenceable => "the peer were seen without power",
            Peer::Awaited | Peer::NeverHeard | Peer::Newer | Peer::Alive(_) | Peer::Dead | Peer::Left => {
                "the peer were dead"
            }
        };
        peers.insert(0, (text, Peer::Dead));
    }
    let other = |(text, peer)| (text, View { peer, ..*view });
    peers.into_iter().map(other).collect()
}

const fn mine(mine: Mine) -> &'static str {
    match mine {
        Mine::Probing => "not known yet",
        Mine::Partial => "found running in part",
        Mine::Idle => "not running, a start is possible",
        Mine::Claiming => "a start is announced",
        Mine::Starting => "being started",
        Mine::StartingPart => "a part of it is being started again",
        Mine::Active => "active",
        Mine::Restarting => "a part of it is being restarted",
        Mine::Stopping => "being stopped",
        Mine::Failed => "failed",
        Mine::Stuck => "nobody knows what runs",
    }
}

fn peer(peer: Peer) -> String {
    match peer {
        Peer::Awaited => "not heard yet, initdead runs".to_owned(),
        Peer::NeverHeard => "not heard within initdead".to_owned(),
        Peer::Newer => "lives, speaks a newer protocol".to_owned(),
        Peer::Dead => "dead: silent for deadtime".to_owned(),
        Peer::Left => "stopped in order".to_owned(),
        Peer::Unfenced => "silent, and not seen without power yet".to_owned(),
        Peer::Unfenceable => "silent, and its power could not be cut".to_owned(),
        Peer::Alive(group) => {
            let able = if group.flags.able { "able" } else { "not able" };
            let mut text = format!("lives; the group is {} there, {able}", told::phase(group.phase));
            let notes = [
                (group.stopping, "stopping"),
                (group.isolated, "isolated"),
                (group.flags.wanted, "asked to take it over"),
                (group.flags.yielded, "released it for this node"),
                (group.flags.degraded, "degraded"),
                (group.flags.doubtful, "slept"),
            ];
            for (_, note) in notes.into_iter().filter(|(holds, _)| *holds) {
                text.push_str(", ");
                text.push_str(note);
            }
            text
        }
    }
}

const fn data(data: Data) -> &'static str {
    match data {
        Data::Current => "the newest, or no DRBD",
        Data::Awaited => "not known yet",
        Data::Unproved => "nothing shows that it is the newest",
        Data::Old => "older than the other node's",
        Data::Unusable => "unusable",
    }
}

const fn attached(attached: Attached) -> &'static str {
    match attached {
        Attached::Unknown => "no ping nodes are configured",
        Attached::Proved => "a ping was answered after the peer's last heartbeat",
        Attached::Unproved => "no ping was answered since the peer's last heartbeat and a keepalive",
        Attached::Isolated => "no ping node answers",
    }
}
