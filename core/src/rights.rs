//! The votes of a node: its own, which it lends, and those that it was lent (LEASE N1 to N8).
//!
//! With a witness a group runs here only while this node has its own vote and one other. What it says of a group is one of
//! three things, in every frame that has room for it:
//!
//! ```text
//! asks     it runs here, may run, or is to be started: the own vote is not lent
//! frees    nothing runs, and nothing that was lent up to this frame is used any more: the own vote may be lent
//! neither  nobody knows yet what runs (a daemon that has just started)
//! ```

use crate::cluster::Cluster;
use crate::decide::{Decision, Entitled, Mine, View, decide};
use crate::gather::gather;
use crate::group::{Group, State};
use crate::id::{GroupSet, NodeId, Sequence};
use crate::message::{Ballot, Echo, Head, Identities, Message, PLEDGES_FROM, Pledge, Silence};
use crate::term::Times;
use crate::time::{Instant, Span};
use crate::vote::{Right, Vote, right};

/// The votes of one group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Standing {
    /// Our own.
    pub(crate) vote: Vote,
    /// What the others' allow us.
    pub(crate) right: Right,
    /// What may begin a start: lent in answer to a frame that did not say that it runs here (`Ballot::holds`), and by the witness
    /// where that commands.
    start: Right,
    /// What the peer's does that is pledged.
    pub(crate) pledge: Right,
    /// That is given back.
    pub(crate) returns: bool,
    /// Since when it is to be started here as soon as the votes allow it.
    candidate: Option<Instant>,
}

/// What is said of a group's votes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bid {
    Asks,
    Frees,
    Neither,
}

impl Standing {
    /// Of a life that has forgotten to whom its vote was lent, but not that it was pledged.
    pub(crate) fn new(peer: NodeId, until: Instant, pledged: bool) -> Self {
        let until = if pledged { Vote::NEVER } else { until };
        Self {
            vote: Vote::forgotten(Some(peer), until),
            right: Right::default(),
            start: Right::default(),
            pledge: Right::default(),
            returns: false,
            candidate: None,
        }
    }

    /// Nothing that answers to a frame up to `newest` counts any more.
    fn give_up(&mut self, newest: Sequence) {
        self.right.give_up(newest);
        self.start.give_up(newest);
        self.pledge.give_up(newest);
    }

    /// When what the others' votes allow ends.
    fn until(&self) -> Option<Instant> {
        self.right.until().max(self.pledge.until())
    }
}

impl Cluster {
    fn times(&self) -> Times {
        Times::of(&self.config)
    }

    fn bid(&self, index: usize) -> Bid {
        let (Some(group), Some(standing)) = (self.groups.get(index), self.standings.get(index)) else {
            return Bid::Neither;
        };
        match group.state() {
            State::Idle if standing.candidate.is_some() => Bid::Asks,
            State::Idle => Bid::Frees,
            State::Probing(_) if group.may_run() => Bid::Asks,
            State::Probing(_) => Bid::Neither,
            State::Partial
            | State::Claiming(_)
            | State::Starting(..)
            | State::Active
            | State::Stopping(..)
            | State::Stuck(..) => Bid::Asks,
        }
    }

    /// It runs here, or may. A part of it that was found is to be started, or stopped.
    fn holds(&self, index: usize) -> bool {
        let group = self.groups.get(index);
        group.is_some_and(|group| !group.is_clear() && group.state() != State::Partial)
    }

    /// For how long our asks bind, and our own vote at least.
    fn term(&self) -> u16 {
        Ballot::term_of(self.config.deadtime)
    }

    fn term_span(&self) -> Span {
        Ballot::span_of(self.term())
    }

    /// How long this node may lend for stands on its disk before it does: a life that begins has forgotten to whom it lent.
    pub(crate) fn settle_term(&mut self, now: Instant) {
        if !self.config.witness {
            return;
        }
        let wanted = Ballot::term_of(self.deadtime());
        // what was lent for longer may still be bound
        let kept = if now < self.bound { self.durable.term } else { 0 };
        let term = wanted.max(kept);
        if self.durable.term != term {
            self.durable.term = term;
            self.version = self.version.saturating_add(1);
        }
    }

    /// What our next frame says of our votes; `echo`: what it echoes.
    pub(crate) fn ballot(&self, echo: Echo) -> Ballot {
        let mut ballot = Ballot {
            term: self.term(),
            ..Ballot::default()
        };
        let newest = self.member.lives.newest();
        let answers = newest == Some(echo);
        let pledges = self.spoken() >= PLEDGES_FROM;
        for (place, standing) in self.standings.iter().enumerate() {
            match self.bid(place) {
                Bid::Asks => {
                    ballot.asks.insert(place);
                    if self.holds(place) {
                        ballot.holds.insert(place);
                    }
                }
                Bid::Frees => {
                    ballot.frees.insert(place);
                    let answer = standing.vote.answers(self.now, self.config.me.peer());
                    if answers && answer == newest {
                        ballot.votes.insert(place);
                    }
                    if answers && answer == newest && pledges && self.is_pledge_kept(place) {
                        ballot.pledge.given.insert(place);
                    }
                }
                Bid::Neither => {}
            }
            if standing.returns && pledges {
                ballot.pledge.returned.insert(place);
            }
            if self.groups.get(place).is_some_and(|group| group.evidence.confirmed) {
                ballot.confirmed.insert(place);
            }
        }
        ballot
    }

    /// What the witness is told.
    pub(crate) fn vote_message(&mut self) -> Option<Message> {
        let (now, forget) = (self.now, self.deadtime());
        // the votes in it are for the peer, which does not hear it
        let mut ballot = self.ballot(Echo::NOBODY);
        (ballot.votes, ballot.pledge) = (GroupSet::default(), Pledge::default());
        ballot.peer_off = self.says_off(now);
        let bits = self.node_bits();
        let groups = self.group_reports();
        let identities: Identities = gather(self.config.groups.iter().map(|group| group.identity));
        let third = self.third.as_mut()?;
        let turn = third.link.turn();
        let heard = Silence::of(third.silence(now));
        Some(Message {
            head: Head {
                echo: third.lives.echo(now, forget, turn),
                heard,
                heard_here: heard,
                bits,
            },
            detail: None,
            names: None,
            ballot: Some(ballot),
            identities: Some(identities),
            groups,
        })
    }

    /// A frame with a ballot goes out: of what it does not ask for nothing counts any more that was lent up to it. Where it runs
    /// already, votes are lent with the other node's power on: they keep it, and start nothing.
    pub(crate) fn said_to_all(&mut self, sequence: Sequence) {
        for place in 0..self.standings.len() {
            let (asks, holds) = (self.bid(place) == Bid::Asks, self.holds(place));
            let Some(standing) = self.standings.get_mut(place) else {
                continue;
            };
            if !asks {
                standing.give_up(sequence);
            } else if holds {
                standing.start.give_up(sequence);
            }
        }
    }

    /// A believed frame of the witness says which of its votes are ours, in answer to our frame `ask`.
    pub(crate) fn commanded(&mut self, ask: Sequence, votes: GroupSet) {
        self.granted(ask, votes, true);
    }

    /// When a frame of ours went out, or the last one before it of which that is known.
    pub(crate) fn sent_at(&self, ask: Sequence) -> Option<Instant> {
        let sent = self.sent.iter().rev().find(|(sequence, _)| *sequence <= ask);
        sent.map(|(_, at)| *at)
    }

    /// What must be left of a right when a start begins.
    pub(crate) fn start_needs(&self) -> Span {
        self.times().start()
    }

    /// A believed frame says which votes are ours, in answer to our frame `ask`.
    fn granted(&mut self, ask: Sequence, votes: GroupSet, witness: bool) {
        let Some(sent) = self.sent_at(ask) else { return };
        let span = right(self.term_span());
        let starts = witness || !self.config.commanded;
        let standings = self.standings.iter_mut().enumerate();
        for (_, standing) in standings.filter(|(place, _)| votes.contains(*place)) {
            standing.right.granted(ask, sent, span);
            if starts {
                standing.start.granted(ask, sent, span);
            }
        }
    }

    /// The peer has no power, as was seen after our frame `ask` had come in: what we lent it is free, if that frame asked and so none
    /// was lent since (LEASE N3).
    pub(crate) fn peer_is_off(&mut self, ask: Sequence) {
        let peer = self.config.me.peer();
        for standing in &mut self.standings {
            if ask > standing.right.floor() {
                standing.vote.taken_from(peer);
            }
        }
    }

    /// The peer's ballot, of a believed frame: `frame`. `places`: where each of our groups stands in it.
    pub(crate) fn take_ballot(&mut self, now: Instant, frame: Echo, echo: Echo, ballot: &Ballot) {
        let peer = self.config.me.peer();
        let newest = self.sequence;
        let limit = self.stored_term;
        let leaves = self.member.head().is_some_and(|head| head.bits.stopping());
        let mut lent = GroupSet::default();
        for index in 0..self.standings.len() {
            let Some(place) = self.their_place(index) else { continue };
            let may_lend = self.bid(index) == Bid::Frees && ballot.term <= limit;
            let votes = ballot.votes.contains(place);
            self.take_pledge(index, place, echo, ballot, leaves);
            let Some(standing) = self.standings.get_mut(index) else {
                continue;
            };
            if ballot.pledge.returned.contains(place) {
                standing.vote.unpledge(peer, frame, now.after(ballot.span()));
            }
            if votes || ballot.frees.contains(place) {
                // it holds nothing, and believes this life
                standing.vote.released(peer, frame);
            } else if ballot.asks.contains(place) && may_lend && standing.vote.lend(now, peer, frame, ballot.span()) {
                // a vote for the peer is a release of ours
                standing.give_up(newest);
            }
            if votes {
                lent.insert(index);
            }
        }
        if echo.boot == self.boot {
            self.granted(echo.sequence, lent, false);
        }
    }

    /// When the right to run a group ends; a new life that has none yet is given as long as one lasts.
    fn right_ends(&self, index: usize) -> Option<Instant> {
        let standing = self.standings.get(index)?;
        let adopted = self.started.after(right(self.term_span()));
        Some(standing.until().unwrap_or(adopted))
    }

    /// What the votes allow of a group.
    pub(crate) fn entitled(&self, now: Instant, index: usize) -> Entitled {
        if !self.config.witness {
            return Entitled::Unneeded;
        }
        let (Some(group), Some(standing)) = (self.groups.get(index), self.standings.get(index)) else {
            return Entitled::No;
        };
        let starts = || standing.vote.is_free(now) && standing.start.left(now) >= self.times().start();
        let keeps = || {
            let ends = self.right_ends(index);
            ends.is_some_and(|ends| ends.since(now) > self.times().stop())
        };
        match group.state() {
            State::Idle | State::Probing(_) | State::Partial | State::Claiming(_) if starts() => Entitled::Yes,
            State::Partial if keeps() => Entitled::Kept,
            State::Starting(..) | State::Active | State::Stopping(..) | State::Stuck(..) if keeps() => Entitled::Yes,
            State::Idle
            | State::Probing(_)
            | State::Partial
            | State::Claiming(_)
            | State::Starting(..)
            | State::Active
            | State::Stopping(..)
            | State::Stuck(..) => Entitled::No,
        }
    }

    /// The witness may lend a group's vote to this node by and by; where a start needs no command this is no question.
    pub(crate) fn is_commandable(&self, index: usize) -> bool {
        let (now, dead) = (self.now, self.deadtime());
        !self.config.commanded
            || self.third.as_ref().is_some_and(|third| {
                let heard = third.silence(now).is_some_and(|silence| silence < dead);
                heard && !third.word.closed.contains(index) && !third.word.marked.contains(index)
            })
    }

    /// The witness knows that the peer's copy lacks what is written here, and lends nothing to it for that; and its vote is
    /// ours at this moment.
    fn witness_knows(&self, now: Instant, index: usize) -> bool {
        let lately = self.config.keepalive.times(2);
        self.third.as_ref().is_some_and(|third| {
            let fresh = third.silence(now).is_some_and(|silence| silence <= lately);
            fresh && third.word.ahead.contains(index) && third.word.votes.contains(index)
        })
    }

    /// Somebody else knows before the first write that this node goes on without a mirror: the witness, or the peer itself.
    pub(crate) fn is_told(&self, now: Instant, index: usize) -> bool {
        let ahead = self.groups.get(index).is_some_and(|group| group.durable.ahead);
        !self.config.witness || !ahead || self.member.is_alive() || self.others_know(now, index)
    }

    /// The peer gets nobody's vote to start with older data: the witness knows, or the peer itself pledged its own.
    pub(crate) fn others_know(&self, now: Instant, index: usize) -> bool {
        let pledged = self.standings.get(index).is_some_and(|it| it.pledge.until().is_some());
        pledged || self.witness_knows(now, index)
    }

    /// When this machine must reset itself, because what runs has no right for much longer.
    pub(crate) fn votes_end(&self, now: Instant) -> Option<Instant> {
        let running = (0..self.groups.len()).filter(|index| {
            let clear = self.groups.get(*index).is_none_or(Group::is_clear);
            !clear && self.entitled(now, *index) == Entitled::No
        });
        let ends = running.filter_map(|index| self.right_ends(index)).min()?;
        Some(ends.before(self.times().reset()))
    }

    /// It has been waiting for votes for longer than one is ever lent to the other node.
    pub(crate) fn waits_for_votes(&self, now: Instant, index: usize) -> bool {
        let since = self.standings.get(index).and_then(|standing| standing.candidate);
        since.is_some_and(|since| now.since(since) >= self.deadtime())
    }

    /// Whoever would start a group if only the votes were there asks for them.
    pub(crate) fn settle_candidate(&mut self, now: Instant, index: usize) {
        let wants = self.view(now, index).is_some_and(|view| {
            let mine = matches!(view.mine, Mine::Idle);
            let allowed = View {
                entitled: Entitled::Yes,
                ..view
            };
            mine && matches!(decide(&allowed), Decision::Acquire(_))
        });
        let Some(standing) = self.standings.get_mut(index) else {
            return;
        };
        if standing.candidate.is_some() != wants {
            standing.candidate = wants.then_some(now);
            self.links.iter_mut().for_each(|link| link.urgent = true);
            if let Some(third) = &mut self.third {
                third.link.urgent = true;
            }
        }
    }

    /// The next moment at which a vote changes something.
    pub(crate) fn votes_deadline(&self, now: Instant) -> Option<Instant> {
        let free = self.standings.iter().filter_map(|standing| standing.vote.until(now));
        let stop = self.times().stop();
        let ends =
            (0..self.groups.len()).filter(|index| self.groups.get(*index).is_some_and(|group| !group.is_clear()));
        let ends = ends
            .filter_map(|index| self.right_ends(index))
            .map(|ends| ends.before(stop));
        free.chain(ends).chain(self.votes_end(now)).filter(|at| *at > now).min()
    }

    /// Not a pet after this, for what runs without a right for longer (LEASE N7, N8); none: nothing runs.
    pub(crate) fn votes_pet_limit(&self, watchdog: crate::watchdog::Watchdog) -> Option<Instant> {
        let running = (0..self.groups.len()).filter(|index| {
            let state = self.groups.get(*index).map(Group::state);
            !matches!(state, Some(State::Idle | State::Claiming(_)) | None)
        });
        // a new life has no right of the old one, and what is only being probed may run
        let ends = running.map(|index| {
            let until = self.standings.get(index).and_then(Standing::until);
            until.unwrap_or_default()
        });
        ends.min().map(|ends| ends.before(watchdog.reset_twice()))
    }
}
