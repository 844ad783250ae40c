//! What the failover table sees of one group: the cluster's knowledge, condensed to a row of facts.

use crate::cluster::Cluster;
use crate::decide::{Data, Foreign, Peer, PeerGroup, View};
use crate::group::Group;
use crate::member::MemberState;
use crate::message::{Connection, GroupFlags, Phase};
use crate::time::{Instant, Span};

impl Cluster {
    pub(crate) fn peer(&self, now: Instant, index: usize, group: &Group) -> Peer {
        self.fenced(self.heard_peer(now, index, group))
    }

    /// The peer as far as it was heard.
    pub(crate) fn heard_peer(&self, now: Instant, index: usize, group: &Group) -> Peer {
        if self.member.newer(now, self.deadtime()).is_some() {
            return Peer::Newer;
        }
        match self.member.state() {
            MemberState::Awaited => Peer::Awaited,
            MemberState::NeverHeard => Peer::NeverHeard,
            // it may have come back unheard since: its word that it left is good for no longer than it then waits
            MemberState::Left if self.left_lately(now) => Peer::Left,
            MemberState::Left | MemberState::Dead => Peer::Dead,
            MemberState::Alive | MemberState::Late => {
                let Some(head) = self.member.head() else {
                    return Peer::Newer;
                };
                let Some(said) = self.member.group(index) else {
                    // it has no such group: nothing runs there that it knows of, and it agrees to nothing
                    return Peer::Alive(PeerGroup {
                        phase: Phase::Idle,
                        flags: GroupFlags::default(),
                        earlier: false,
                        fresh: false,
                        stopping: head.bits.stopping(),
                        isolated: head.bits.isolated(),
                    });
                };
                let first = self.peer_comes_first(index);
                Peer::Alive(PeerGroup {
                    phase: said.bits.phase(),
                    flags: said.bits.flags(),
                    earlier: said.tenure < group.tenure() || (said.tenure == group.tenure() && first),
                    fresh: self.member.taken() >= group.announced,
                    stopping: head.bits.stopping(),
                    isolated: head.bits.isolated(),
                })
            }
        }
    }

    pub(crate) fn left_lately(&self, now: Instant) -> bool {
        let dead = self.deadtime();
        let drift = Span::from_millis(dead.as_millis().checked_div(50).unwrap_or(0));
        let heard = self.member.heard();
        heard.is_some_and(|heard| now.since(heard) < dead.minus(drift))
    }

    /// Ties go to the preferred node.
    pub(crate) fn peer_comes_first(&self, index: usize) -> bool {
        self.config
            .groups
            .get(index)
            .is_some_and(|group| group.preferred == self.config.me.peer())
    }

    /// What the failover table sees of the group at this place, as of the last event; none if there is no such group.
    #[must_use]
    pub fn view_now(&self, place: usize) -> Option<View> {
        self.view(self.now, place)
    }

    /// What the failover table sees of one group.
    pub(crate) fn view(&self, now: Instant, index: usize) -> Option<View> {
        let peer = self.peer(now, index, self.groups.get(index)?);
        self.view_of(now, index, peer)
    }

    /// The same if the peer were this one.
    pub(crate) fn view_of(&self, now: Instant, index: usize, peer: Peer) -> Option<View> {
        let group = self.groups.get(index)?;
        // who reset itself twice tries again only when a peer is gone that was there
        let gone = matches!(peer, Peer::Dead | Peer::Left) || (peer == Peer::NeverHeard && !group.durable.fenced);
        let chance = gone && !group.chance_used;
        let moving = self.ask.as_ref().is_some_and(|ask| ask.moves(index));
        let alone = self.member.heard().is_none();
        let strangers = self.strangers.present(now, self.deadtime());
        Some(View {
            mine: group.mine(chance),
            bug: self.bugs.stops(index),
            peer,
            preferred: self
                .config
                .groups
                .get(index)
                .is_some_and(|draft| draft.preferred == self.config.me),
            stopping: self.leave.is_some(),
            // a hold that the peer never heard of does not keep it from taking over
            held: self.is_held() && (self.hold_is_known() || !self.lonely(now))
                || (self.peer_is_held() && group.is_to_begin()),
            differs: self.group_differs(index) && self.member.is_alive(),
            fenced: group.durable.fenced,
            failed: group.failed,
            unfit: group.is_unfit(),
            blocked: group.blocked.is_some_and(|until| now < until),
            unrecorded: self.store_failed.is_some(),
            data: if group.restarts() && !group.is_to_promote() {
                Data::Current
            } else {
                self.data(now, index)
            },
            attached: self.attached(now),
            // a wrong key or a Heartbeat matters while the peer itself was never heard; a double name always
            foreign: if alone || strangers == Foreign::Name {
                strangers
            } else {
                Foreign::Nobody
            },
            lonely: self.lonely(now),
            unheard: self.unheard(now).is_some(),
            doubtful: group.doubtful,
            demoted: group.drbd.is_some_and(|(drbd, at)| at >= group.since && !drbd.primary),
            secured: group
                .drbd
                .is_some_and(|(drbd, _)| drbd.primary && drbd.connection == Connection::Connected),
            standby: moving,
            wanted: group.wanted,
            yielded: group.yielded.is_some(),
            failback: self.config.auto_failback && !group.guest && self.settled(now, group.able_since),
            unable: group
                .unable_since
                .is_some_and(|since| now.since(since) >= self.deadtime()),
            fewer_pings: self.settled(now, self.fewer_since) && !self.is_damped(now, group),
            ailing: group.ailing(now),
            diskless: self.follows_disk(index),
            entitled: self.entitled(now, index),
        })
    }
}
