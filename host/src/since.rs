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
pub struct ActiveSince(Vec<(String, Option<Instant>)>);

impl ActiveSince {
    /// For groups of these names, as a former life of the daemon wrote it down (see [`ActiveSince::render`]). By name:
    /// `haresources` may have been changed since.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>, written: &[u8], now: Instant) -> Self {
        let mut since: Vec<_> = names.into_iter().map(|name| (name, None)).collect();
        for line in String::from_utf8_lossy(written).lines() {
            let Some((Ok(ms), name)) = line.split_once(' ').map(|(ms, name)| (ms.parse::<u64>(), name)) else {
                continue;
            };
            let at = Some(Instant::from_millis(ms)).filter(|at| *at <= now);
            if let Some((_, known)) = since.iter_mut().find(|(known, _)| known == name) {
                *known = at;
            }
        }
        Self(since)
    }

    /// A group changed its phase; true if there is something new to write down.
    pub fn changed(&mut self, now: Instant, group: usize, phase: Phase, why: Why) -> bool {
        let Some((_, known)) = self.0.get_mut(group) else {
            return false;
        };
        let next = match (phase, why) {
            // a restart of a part in place keeps it, as does a new daemon that finds it running
            (Phase::Active, Why::Adopted)
            | (Phase::Starting | Phase::Stopping, Why::MonitorFailed | Why::RestartFailed | Why::StopFailed) => *known,
            (Phase::Active, _) => Some(known.unwrap_or(now)),
            (_, _) => None,
        };
        let new = *known != next;
        *known = next;
        new
    }

    /// Since when a group is active.
    #[must_use]
    pub fn of(&self, group: usize) -> Option<Instant> {
        self.0.get(group).and_then(|(_, since)| *since)
    }

    /// What the next life is to read: `MILLISECONDS GROUP` a line.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, since) in &self.0 {
            if let Some(since) = since {
                // writing to a string can't fail
                writeln!(text, "{} {name}", since.as_millis()).unwrap_or_default();
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

    fn groups(names: &[&str], written: &[u8], now: Instant) -> ActiveSince {
        ActiveSince::new(names.iter().map(|name| (*name).to_owned()), written, now)
    }

    #[test]
    fn a_restart_keeps_it_a_stop_ends_it() {
        let mut since = groups(&["vz"], b"", at(0));
        assert!(since.changed(at(500), 0, Phase::Active, Why::StepsDone));
        assert_eq!(since.of(0), Some(at(500)));
        let mut next = groups(&["vz"], since.render().as_bytes(), at(900));
        assert!(!next.changed(at(950), 0, Phase::Active, Why::Adopted));
        assert_eq!(next.of(0), Some(at(500)));
        assert!(next.changed(at(1000), 0, Phase::Stopping, Why::Standby));
        assert_eq!((next.of(0), next.render().as_str()), (None, ""));
    }

    #[test]
    fn a_group_keeps_its_own_whatever_its_line_is_now() {
        let before = groups(&["vz", "datadisk::r1"], b"300 datadisk::r1\n200 vz\n", at(900));
        assert_eq!((before.of(0), before.of(1)), (Some(at(200)), Some(at(300))));
        let after = groups(&["datadisk::r1", "new", "vz"], before.render().as_bytes(), at(950));
        assert_eq!(
            (after.of(0), after.of(1), after.of(2)),
            (Some(at(300)), None, Some(at(200)))
        );
    }

    #[test]
    fn what_can_not_be_is_not_believed() {
        // from a boot before this one, of no group, of no sense
        let since = groups(&["a", "b"], b"99999 a\n5 z\nx b\n1\n\xff", at(100));
        assert_eq!(since, groups(&["a", "b"], b"", at(100)));
    }
}
