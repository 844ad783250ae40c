//! What a node knows, for people: the status command and the simulator's checkers read it.

use heapless::Vec;

use crate::bug::Bug;
use crate::cluster::Cluster;
use crate::decide::{Attached, Decision, Why, decide};
use crate::gather::gather;
use crate::group::Failure;
use crate::id::{BootId, GROUPS_MAX, LINKS_MAX, NodeId, Tenure};
use crate::link::{Link, LinkState};
use crate::member::MemberState;
use crate::message::{Drbd, GroupFlags, Hold, Phase, Silence};
use crate::output::Op;
use crate::rejection::Rejections;
use crate::time::{Instant, Span};

/// One node's view at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub now: Instant,
    /// Whose view it is.
    pub me: NodeId,
    /// Its life.
    pub boot: BootId,
    /// The peer.
    pub peer: MemberState,
    /// How long ago the peer was believed.
    pub peer_heard: Option<Span>,
    /// How long ago the peer believed us, as it last said.
    pub peer_hears_us: Option<Silence>,
    /// The peer speaks this newer version.
    pub peer_newer: Option<u8>,
    /// The peer is on its way out.
    pub peer_stopping: bool,
    /// The deadtime that counts.
    pub deadtime: Span,
    /// The links.
    pub links: Vec<LinkView, LINKS_MAX>,
    /// Which ping nodes answer, bit by bit from the lowest.
    pub pings: u16,
    /// What the pings prove.
    pub attached: Attached,
    /// The hold, and how long it lasts.
    pub hold: Hold,
    /// Seconds the hold still lasts.
    pub hold_left: Option<Span>,
    /// This node is stopping.
    pub stopping: bool,
    /// `haresources` differs, timings differ.
    pub skew: (bool, bool),
    /// The state directory could not be written.
    pub store_failed: bool,
    /// Bugs of ours that were found; their groups are not decided upon.
    pub bugs: Vec<Bug, GROUPS_MAX>,
    /// The witness, where there is to be one.
    pub witness: Option<WitnessView>,
    /// The peer's power, where a device cuts it.
    pub peer_power: Option<PeerPower>,
    /// The groups.
    pub groups: Vec<GroupView, GROUPS_MAX>,
}

/// The witness as this node hears it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WitnessView {
    /// How long ago it was believed.
    pub heard: Option<Span>,
    /// What came from it and was not used.
    pub rejections: Rejections,
    /// It does with the nodes' power what it is to do.
    pub fits: bool,
}

/// What is known of the peer's power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerPower {
    /// Nobody needs to know.
    Unasked,
    /// It is silent, and nothing waits for it to be off.
    Unknown,
    /// It is cut after so long.
    Due(Span),
    /// It has been being cut for so long.
    Cut(Span),
    /// It could not be; the next try comes after so long.
    Failed(Span),
    /// It has none.
    Off,
}

/// The votes of one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VotesView {
    /// For how long this node's own vote is not free at most.
    pub own_lent: Option<Span>,
    /// It is lent to the other one without end.
    pub pledged: bool,
    /// How long the others' votes allow this node to run it.
    pub right: Span,
    /// They have no end: the other one pledged its vote.
    pub endless: bool,
    /// The witness's.
    pub witness: WitnessVote,
}

/// Where the vote of the witness is, as it last said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WitnessVote {
    /// Lent to this node.
    Ours,
    /// Lent to the other one.
    Peers,
    /// It was started lately, and lends to nobody.
    Closed,
    /// This node is lent nothing: its copy of the data is old.
    OldCopy,
    /// Nobody has it.
    Free,
    /// It is not heard.
    Unknown,
}

/// One link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkView {
    /// Its state.
    pub state: LinkState,
    /// How long ago the peer was heard over it.
    pub heard: Option<Span>,
    /// How long the peer had not heard us over it when it last said so, and how long ago that was.
    pub theirs: Option<(Silence, Span)>,
    /// What came over it and was not used.
    pub rejections: Rejections,
}

/// One group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupView {
    /// Its phase here.
    pub phase: Phase,
    /// Since when.
    pub since: Instant,
    /// Its tenure here.
    pub tenure: Tenure,
    /// What the failover table says of it now.
    pub decision: Decision,
    /// What is being done to which resource, and since when; looks are left out.
    pub step: Option<(u8, Op, Instant)>,
    /// Parts of it (containers) are missing.
    pub degraded: bool,
    /// DRBD as last observed, and when.
    pub drbd: Option<(Drbd, Instant)>,
    /// This node's disk lacks writes of the peer: it is not started here (SAFETY S-61).
    pub marked: bool,
    /// Since when DRBD has kept the I/O of the active group waiting.
    pub frozen: Option<Instant>,
    /// It is not the same on the peer, or not there.
    pub differs: bool,
    /// Its votes, where there is a witness.
    pub votes: Option<VotesView>,
    /// What went wrong last.
    pub failure: Option<Failure>,
    /// The group on the peer, as it last said: phase, flags, tenure, DRBD.
    pub peer: Option<(Phase, GroupFlags, Tenure, Drbd)>,
}

impl Cluster {
    /// A copy of what is known now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.now;
        let pings = (0..16)
            .filter(|ping| self.pings.is_up(*ping))
            .fold(0, |mask, ping| mask | (1_u16 << ping));
        Snapshot {
            now,
            me: self.config.me,
            boot: self.boot,
            peer: self.member.state(),
            peer_heard: self.member.heard().map(|at| now.since(at)),
            peer_hears_us: self.member.head().map(|head| head.heard),
            peer_newer: self.member.newer(now, self.deadtime()),
            peer_stopping: self.member.head().is_some_and(|head| head.bits.stopping()),
            deadtime: self.deadtime(),
            links: gather(
                self.links
                    .iter()
                    .zip(&self.rejections)
                    .map(|(link, counts)| link_view(now, link, counts)),
            ),
            pings,
            attached: self.attached(now),
            hold: self.durable.hold.clone(),
            hold_left: self.hold_until.map(|until| until.since(now)),
            stopping: self.leave.is_some(),
            skew: self.skew_told,
            store_failed: self.store_failed.is_some(),
            bugs: gather(self.bugs.iter()),
            witness: self.witness_view(now),
            peer_power: self.peer_power(now),
            groups: gather((0..self.groups.len()).filter_map(|index| self.group_view(now, index))),
        }
    }

    /// The phase of a group on a living peer, as it last said.
    #[must_use]
    pub fn peer_phase(&self, group: usize) -> Option<Phase> {
        let said = self.member.group(group).filter(|_| self.member.is_alive())?;
        Some(said.bits.phase())
    }

    fn group_view(&self, now: Instant, index: usize) -> Option<GroupView> {
        let group = self.groups.get(index)?;
        let decision = self
            .view(now, index)
            .map_or(Decision::Stay(Why::Busy), |view| decide(&view));
        Some(GroupView {
            phase: group.phase(),
            since: group.since,
            tenure: group.tenure(),
            decision,
            step: group
                .flight
                .filter(|flight| flight.op != Op::Monitor)
                .map(|flight| (flight.resource, flight.op, flight.since)),
            degraded: group.is_degraded(),
            drbd: group.drbd.map(|(drbd, at)| {
                let ahead = group.durable.ahead;
                (Drbd { ahead, ..drbd }, at)
            }),
            marked: group.durable.marked,
            frozen: group.data_told.frozen,
            differs: self.group_differs(index),
            votes: self.votes_view(now, index),
            failure: group.failure,
            peer: self.member.group(index).map(|said| {
                (
                    said.bits.phase(),
                    said.bits.flags(),
                    said.tenure,
                    Drbd::unpack(said.drbd),
                )
            }),
        })
    }
}

impl Cluster {
    fn witness_view(&self, now: Instant) -> Option<WitnessView> {
        let third = self.third.as_ref().filter(|_| self.config.witness)?;
        Some(WitnessView {
            heard: third.silence(now),
            rejections: third.rejections,
            fits: third.fits,
        })
    }

    fn votes_view(&self, now: Instant, index: usize) -> Option<VotesView> {
        let standing = self.standings.get(index)?;
        let third = self.third.as_ref()?;
        let word = third.word;
        let dead = third.silence(now).is_none_or(|silence| silence >= self.deadtime());
        let witness = match index {
            _ if dead => WitnessVote::Unknown,
            _ if word.closed.contains(index) => WitnessVote::Closed,
            _ if word.marked.contains(index) => WitnessVote::OldCopy,
            _ if word.votes.contains(index) => WitnessVote::Ours,
            _ if word.taken.contains(index) => WitnessVote::Peers,
            _ => WitnessVote::Free,
        };
        Some(VotesView {
            own_lent: standing.vote.until(now).map(|until| until.since(now)),
            pledged: self.is_pledged(index),
            right: standing.right.left(now),
            endless: standing.pledge.until().is_some(),
            witness,
        })
    }
}

fn link_view(now: Instant, link: &Link, rejections: &Rejections) -> LinkView {
    LinkView {
        state: link.state(),
        heard: link.heard().map(|at| now.since(at)),
        theirs: link.theirs().map(|(silence, at)| (silence, now.since(at))),
        rejections: *rejections,
    }
}
