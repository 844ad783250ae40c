//! What the end of a start or a stop means for the group.

use super::{Group, InFlight, LOOK_AGAIN, RETRY, State, Turn, bit};
use crate::config::Kind;
use crate::decide::Why;
use crate::event::Outcome;
use crate::time::Instant;

/// Doublings of the pause after blocked starts: 16 seconds at most.
const BLOCKS_MAX: u8 = 4;
/// Tries of a stop before a data resource ends in a reset.
const STOP_TRIES: u8 = 3;

impl Group {
    pub(super) fn stopped(&mut self, now: Instant, why: Why) -> Turn {
        if matches!(why, Why::StartFailed | Why::MonitorFailedAgain) {
            self.durable.failed = true;
            self.failed = why;
        } else if why == Why::PeerPrimary {
            let pause = RETRY.times(1_u64.checked_shl(u32::from(self.blocks)).unwrap_or(1));
            self.blocked = Some(now.after(pause));
            self.blocks = self.blocks.saturating_add(1).min(BLOCKS_MAX);
        } else if gives_to_peer(why) {
            self.yielded = Some(now);
        }
        self.enter(now, State::Idle);
        Turn::Phase(why)
    }

    /// A start that touched nothing: what it was to start runs as little as before, or as much (a group found in part).
    fn not_begun(&mut self, resource: u8) {
        if !self.ran {
            self.running &= !bit(resource);
        }
    }

    pub(super) fn start_done(&mut self, now: Instant, flight: InFlight, outcome: Outcome) -> Turn {
        let State::Starting(resource, why) = self.state else {
            return Turn::None;
        };
        let notice = self.kind(resource) == Kind::Notice;
        match outcome {
            Outcome::Done | Outcome::Degraded => {
                if outcome == Outcome::Degraded {
                    self.degraded |= bit(resource);
                }
                self.state = State::Starting(resource.saturating_add(1), why);
                Turn::None
            }
            _ if notice => {
                self.state = State::Starting(resource.saturating_add(1), why);
                Turn::None
            }
            Outcome::Blocked => {
                // DRBD refused
                self.not_begun(flight.resource);
                self.part = None;
                self.enter(now, State::Stopping(Why::PeerPrimary, 0));
                Turn::None
            }
            _ if self.part.is_some() => self.part_failed(now, resource),
            Outcome::Unfit => {
                // there is no program for it here, or not the right one
                self.not_begun(flight.resource);
                self.unfit = Some(now.after(LOOK_AGAIN));
                self.enter(now, State::Stopping(Why::StartFailed, 0));
                Turn::Phase(Why::Unfit)
            }
            Outcome::Failed | Outcome::TimedOut | Outcome::NotRunning | Outcome::Partial | Outcome::Stuck => {
                self.enter(now, State::Stopping(Why::StartFailed, 0));
                Turn::Phase(Why::StartFailed)
            }
        }
    }

    pub(super) fn stop_done(&mut self, now: Instant, resource: u8, outcome: Outcome) -> Turn {
        let State::Stopping(why, tries) = self.state else {
            return Turn::None;
        };
        let tries = tries.saturating_add(1);
        match (outcome, self.kind(resource)) {
            (Outcome::Done | Outcome::Degraded | Outcome::NotRunning, _) | (_, Kind::Notice) => {
                self.running &= !bit(resource);
                self.degraded &= !bit(resource);
                self.state = State::Stopping(why, 0);
                Turn::None
            }
            (_, Kind::Plain) if tries >= STOP_TRIES => {
                self.running &= !bit(resource);
                self.state = State::Stopping(why, 0);
                Turn::None
            }
            (_, Kind::Drbd | Kind::Data) if tries >= STOP_TRIES && self.part.is_some() => {
                // nobody waits for it: told, and tried again, unless the whole group is given up meanwhile
                self.monitors.part_stays();
                self.state = State::Stopping(why, 0);
                self.pause = Some(now.after(LOOK_AGAIN));
                Turn::Phase(Why::StopFailed)
            }
            (_, Kind::Drbd | Kind::Data) if tries >= STOP_TRIES => {
                self.enter(now, State::Stuck(why, Some(now.after(LOOK_AGAIN))));
                Turn::FenceSelf
            }
            (_, Kind::Plain | Kind::Drbd | Kind::Data) => {
                self.state = State::Stopping(why, tries);
                self.pause = Some(now.after(RETRY));
                Turn::None
            }
        }
    }
}

/// Stopped so that the peer runs it.
const fn gives_to_peer(why: Why) -> bool {
    matches!(
        why,
        Why::Standby
            | Why::Takeover
            | Why::Failback
            | Why::FewerPings
            | Why::Unheard
            | Why::Slept
            | Why::EarlierTenure
            | Why::Diskless
    )
}
