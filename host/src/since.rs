//! Since when each group is active here: for people, also after the daemon was restarted or upgraded.
//!
//! Kept in the run directory, which is in memory and gone after a reboot, as milliseconds since boot. What a daemon
//! adopts without a record has been active for an unknown time. Nothing is decided by this.

use std::fmt::Write as _;

use ovzha_core::decide::Why;
use ovzha_core::message::Phase;
use ovzha_core::time::Instant;

/// One moment per group, `None`: not active, or nobody knows since when.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ActiveSince(Vec<Option<Instant>>);

impl ActiveSince {
    /// For so many groups, as a former life of the daemon wrote it down (see [`ActiveSince::render`]).
    #[must_use]
    pub fn new(groups: usize, written: &[u8], now: Instant) -> Self {
        let mut since = vec![None; groups];
        for line in String::from_utf8_lossy(written).lines() {
            let mut numbers = line.split(' ').map(|word| word.parse::<u64>().ok());
            let (Some(Some(group)), Some(Some(ms)), None) = (numbers.next(), numbers.next(), numbers.next()) else {
                continue;
            };
            let at = Some(Instant::from_millis(ms)).filter(|at| *at <= now);
            if let Some(known) = usize::try_from(group).ok().and_then(|group| since.get_mut(group)) {
                *known = at;
            }
        }
        Self(since)
    }

    /// A group changed its phase; true if there is something new to write down.
    pub fn changed(&mut self, now: Instant, group: usize, phase: Phase, why: Why) -> bool {
        let Some(known) = self.0.get_mut(group) else {
            return false;
        };
        let next = match (phase, why) {
            (Phase::Active, Why::Adopted) => *known,
            (Phase::Active, _) => Some(now),
            (_, _) => None,
        };
        let new = *known != next;
        *known = next;
        new
    }

    /// Since when a group is active.
    #[must_use]
    pub fn of(&self, group: usize) -> Option<Instant> {
        self.0.get(group).copied().flatten()
    }

    /// What the next life is to read: `GROUP MILLISECONDS` a line.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (group, since) in self.0.iter().enumerate() {
            if let Some(since) = since {
                // writing to a string can't fail
                writeln!(text, "{group} {}", since.as_millis()).unwrap_or_default();
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn a_restart_keeps_it_a_stop_ends_it() {
        let mut since = ActiveSince::new(1, b"", at(0));
        assert!(since.changed(at(500), 0, Phase::Active, Why::StepsDone));
        assert_eq!(since.of(0), Some(at(500)));
        let mut next = ActiveSince::new(1, since.render().as_bytes(), at(900));
        assert!(!next.changed(at(950), 0, Phase::Active, Why::Adopted));
        assert_eq!(next.of(0), Some(at(500)));
        assert!(next.changed(at(1000), 0, Phase::Stopping, Why::Standby));
        assert_eq!((next.of(0), next.render().as_str()), (None, ""));
    }

    #[test]
    fn what_can_not_be_is_not_believed() {
        // from a boot before this one, of no group, of no sense
        let since = ActiveSince::new(2, b"0 99999\n7 5\n1 x\n1 2 3\n\xff", at(100));
        assert_eq!(since, ActiveSince::new(2, b"", at(100)));
    }
}
