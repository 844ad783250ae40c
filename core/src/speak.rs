//! Frames out: what a heartbeat says, built anew for each link from the present state.

use heapless::Vec;

use crate::bug::BugId;
use crate::cluster::Cluster;
use crate::decide::{Attached, Data};
use crate::frame::{BODY_MAX, FrameBuf, Header, seal};
use crate::gather::gather;
use crate::group::State;
use crate::id::{GROUPS_MAX, LinkId, Sequence};
use crate::link::Link;
use crate::message::{Detail, Drbd, GroupBits, GroupFlags, GroupReport, Head, Message, NodeBits, Phase, Silence};
use crate::queue::pop_front;
use crate::time::Instant;
use crate::witness::VOTES_FROM;

impl Cluster {
    pub(crate) fn node_bits(&self) -> NodeBits {
        let isolated = self.attached(self.now) == Attached::Isolated;
        NodeBits::new(self.leave.is_some(), self.is_held(), isolated, self.pings.alive())
    }

    pub(crate) fn group_reports(&self) -> Vec<GroupReport, GROUPS_MAX> {
        let isolated = self.attached(self.now) == Attached::Isolated;
        let free = self.leave.is_none() && !self.is_held() && !isolated;
        gather(self.groups.iter().enumerate().map(|(index, group)| {
            let bug = self.bugs.stops(index);
            let idle = matches!(group.state(), State::Idle | State::Claiming(_)) && !group.durable.is_barred();
            let can = !group.is_unfit() && !group.disk_lost() && group.blocked.is_none() && self.store_failed.is_none();
            let current = self.data(self.now, index) == Data::Current && self.is_commandable(index);
            let flags = GroupFlags {
                able: free && !self.group_differs(index) && can && current && idle && !bug,
                yielded: group.yielded.is_some(),
                wanted: group.wanted || self.ask.as_ref().is_some_and(|ask| ask.asks(index)),
                doubtful: group.doubtful,
                degraded: group.is_degraded(),
            };
            let ahead = self.says_ahead(index);
            let drbd = group.drbd.map_or(Drbd::default(), |(drbd, _)| drbd);
            let drbd = Drbd { ahead, ..drbd }.pack();
            // nobody knows what runs: the other node is not to believe that nothing does
            let busy = matches!(group.phase(), Phase::Starting | Phase::Active | Phase::Stopping);
            let phase = if self.bugs.is_unsure(index) && !busy {
                Phase::Stuck
            } else {
                group.phase()
            };
            GroupReport {
                tenure: group.tenure(),
                bits: GroupBits::new(phase, flags),
                drbd,
            }
        }))
    }

    pub(crate) fn remember_sending(&mut self, now: Instant, sequence: Sequence) {
        let apart = self.config.keepalive.half().half();
        if self.sent.last().is_some_and(|(_, at)| now.since(*at) < apart) {
            return;
        }
        if self.sent.is_full() {
            pop_front(&mut self.sent);
        }
        let full = self.sent.push((sequence, now));
        debug_assert!(full.is_ok(), "one was just removed if there was no room");
    }

    fn detail(&self) -> Detail {
        Detail {
            newest: self.config.speaks,
            resources: self.config.resources_digest,
            timings: self.config.timings_digest,
            deadtime: u32::try_from(self.config.deadtime.as_millis()).unwrap_or(u32::MAX),
            hold: self.durable.hold.clone(),
        }
    }

    /// Writes the heartbeat that link `index` owes into `frame`; its length.
    pub(crate) fn speak(&mut self, index: usize, frame: &mut FrameBuf) -> Option<usize> {
        let now = self.now;
        let sequence = self.sequence.next();
        self.sequence = sequence;
        self.remember_sending(now, sequence);
        let heard_here = self.links.get(index).and_then(Link::heard).map(|at| now.since(at));
        let heard = self.member.heard().map(|at| now.since(at));
        let confirmed = self.member.is_alive() && self.member.taken() >= self.detail_from;
        let forget = self.deadtime();
        // not the same one on every link at once: a new life is answered by the first round
        let offset = u8::try_from(index).unwrap_or(0);
        let turn = self.links.get(index).map_or(0, Link::turn).wrapping_add(offset);
        let echo = self.member.lives.echo(now, forget, turn);
        let names = self.names(confirmed, sequence);
        let votes = self.config.witness && names.is_none() && self.spoken() >= VOTES_FROM;
        let ballot = votes.then(|| self.ballot(echo));
        if votes {
            self.said_to_all(sequence);
        }
        let message = Message {
            head: Head {
                echo,
                heard: Silence::of(heard),
                heard_here: Silence::of(heard_here),
                bits: self.node_bits(),
            },
            detail: (!confirmed).then(|| self.detail()),
            names,
            ballot,
            identities: None,
            groups: self.group_reports(),
        };
        if let Some(link) = self.links.get_mut(index) {
            link.speaks(now, self.config.keepalive);
        }
        let link = LinkId(u8::try_from(index).unwrap_or(u8::MAX));
        let header = Header {
            version: self.spoken(),
            cluster: self.config.cluster,
            sender: self.config.me,
            addressee: self.config.me.peer(),
            link,
            boot: self.boot,
            sequence,
        };
        let mut body = [0; BODY_MAX];
        // sixteen groups and a full detail fit BODY_MAX (tested); a keyring without a signing key says nothing
        let sealed = message
            .encode(&mut body)
            .and_then(|body| seal(&header, body, &self.keyring, frame))
            .map(<[u8]>::len);
        if sealed.is_none() {
            self.bugs.find(BugId::Speechless, None);
        }
        sealed
    }
}
