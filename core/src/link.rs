//! Liveness of one link to the peer: up, late, dead.
//!
//! A link lives by frames of the believed life whose sequence is new *on this link*: the slow serial copy
//! of a heartbeat counts for the serial line although its content is old news. A link's death changes
//! nothing by itself; only the peer's silence on all of them does (see `member`).

use crate::id::Sequence;
use crate::message::Silence;
use crate::states;
use crate::time::{Instant, Span};

/// Frames in one keepalive at most: whatever goes wrong, a link is not flooded. A switch-over needs six.
const EARLY: u8 = 12;

/// A link as its last frames show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub enum LinkState {
    /// Can't be written to.
    Closed,
    /// Open, the peer not heard over it yet.
    Silent,
    /// The peer is heard.
    Up,
    /// Not heard for `warntime`.
    Late,
    /// Not heard for `deadtime`.
    Dead,
}

/// One link.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "record", derive(serde::Serialize, serde::Deserialize))]
pub struct Link {
    state: LinkState,
    open: bool,
    /// Frames are timed from here when none came yet.
    opened: Instant,
    heard: Option<Instant>,
    highest: Sequence,
    /// What the peer last said of its own hearing on this link, and when it said so.
    theirs: Option<(Silence, Instant)>,
    /// When the next heartbeat is owed.
    pub due: Instant,
    /// A frame is owed at once: something changed.
    pub urgent: bool,
    /// Frames that may still go out before their time in this keepalive, and since when it runs.
    early: u8,
    refilled: Instant,
    /// Counts its frames, so that each of several lives is echoed over it.
    turn: u8,
}

impl Link {
    /// A link that is not open yet.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            state: LinkState::Closed,
            open: false,
            opened: now,
            heard: None,
            highest: Sequence(0),
            theirs: None,
            due: now,
            urgent: false,
            early: EARLY,
            refilled: now,
            turn: 0,
        }
    }

    /// The present state.
    #[must_use]
    pub const fn state(&self) -> LinkState {
        self.state
    }

    /// Can be written to.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// When the peer was last heard over it.
    #[must_use]
    pub const fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// How long the peer has not heard us over it, as it last said.
    #[must_use]
    pub const fn theirs(&self) -> Option<(Silence, Instant)> {
        self.theirs
    }

    /// Whether a frame is to go out now.
    #[must_use]
    pub fn owes(&self, now: Instant) -> bool {
        self.open && (self.due <= now || (self.urgent && self.early > 0))
    }

    /// Frames that went out over it, modulo 256.
    #[must_use]
    pub const fn turn(&self) -> u8 {
        self.turn
    }

    /// A frame goes out.
    pub fn speaks(&mut self, now: Instant, keepalive: Span) {
        if now.since(self.refilled) >= keepalive {
            self.early = EARLY;
            self.refilled = now;
        }
        self.early = self.early.saturating_sub(1);
        self.turn = self.turn.wrapping_add(1);
        self.urgent = false;
        self.due = now.after(keepalive);
    }

    /// The host opened it.
    pub fn opened(&mut self, now: Instant) {
        if !self.open {
            self.open = true;
            self.opened = now;
            self.due = now;
            self.enter(LinkState::Silent);
        }
    }

    /// The host lost it.
    pub fn closed(&mut self) {
        self.open = false;
        self.enter(LinkState::Closed);
    }

    /// A new life of the peer counts from 1 again.
    pub fn new_life(&mut self) {
        self.highest = Sequence(0);
    }

    /// An authentic frame of the believed life came over it. False: a duplicate or a replay.
    pub fn hear(&mut self, now: Instant, sequence: Sequence) -> bool {
        if sequence <= self.highest {
            return false;
        }
        self.highest = sequence;
        self.heard = Some(now);
        true
    }

    /// The frame also said how well the peer hears us here.
    pub fn told(&mut self, now: Instant, silence: Silence) {
        self.theirs = Some((silence, now));
    }

    /// This node slept: silence is counted afresh.
    pub fn woke(&mut self, now: Instant) {
        self.opened = now;
        if self.heard.is_some() {
            self.heard = Some(now);
        }
    }

    /// Silence so far.
    #[must_use]
    pub fn silence(&self, now: Instant) -> Span {
        now.since(self.heard.unwrap_or(self.opened))
    }

    /// The state that the silence calls for; `Some` if it changed.
    pub fn settle(&mut self, now: Instant, warn: Span, dead: Span) -> Option<LinkState> {
        let silence = self.silence(now);
        let next = match (self.open, self.heard) {
            (false, _) => LinkState::Closed,
            (true, None) if silence < dead => LinkState::Silent,
            (true, Some(_)) if silence < warn => LinkState::Up,
            (true, Some(_)) if silence < dead => LinkState::Late,
            (true, _) => LinkState::Dead,
        };
        let changed = next != self.state;
        self.enter(next);
        changed.then_some(next)
    }

    fn enter(&mut self, state: LinkState) {
        states::link(self.state, state);
        self.state = state;
    }

    /// The next moment at which silence would change the state.
    #[must_use]
    pub fn deadline(&self, warn: Span, dead: Span) -> Option<Instant> {
        let from = self.heard.unwrap_or(self.opened);
        match self.state {
            LinkState::Closed | LinkState::Dead => None,
            LinkState::Up => Some(from.after(warn)),
            LinkState::Silent | LinkState::Late => Some(from.after(dead)),
        }
    }
}
