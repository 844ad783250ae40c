//! Which clause of `docs/SAFETY.md` a reason stands in.

use ovzha_core::decide::Why;

/// The clause that says what this reason means and what follows from it.
#[must_use]
pub const fn of(why: Why) -> &'static str {
    match why {
        // what a start, a stop or a probe does, step by step
        Why::Busy | Why::StepsDone => "S-35",
        Why::Adopted | Why::NotRunning | Why::Partial => "S-38",
        Why::Stuck | Why::PeerStuck => "S-37",
        // whose turn it is
        Why::Preferred | Why::PeersTurn | Why::Failback | Why::PeerRuns | Why::PeerBusy => "S-33",
        Why::Takeover
        | Why::Standby
        | Why::Yielded
        | Why::PeerYielded
        | Why::PeerUnable
        | Why::Stopping
        | Why::Unfit => "S-39",
        // taking over
        Why::PeerDead | Why::PeerLeft => "S-20",
        Why::AwaitingPing => "S-21",
        Why::Isolated => "S-22",
        Why::Unheard => "S-23",
        Why::PeerPrimary => "S-25",
        Why::Slept | Why::Demoted => "S-26",
        Why::Differs => "S-27",
        Why::PeerNewer => "S-28",
        // starting alone
        Why::AwaitingPeer | Why::PeerNeverHeard | Why::ForeignKey | Why::ForeignHeartbeat => "S-30",
        Why::NameTwice => "S-32",
        // failures
        Why::StartFailed | Why::Cleared => "S-40",
        Why::StopFailed | Why::FencedTwice => "S-41",
        Why::FewerPings => "S-42",
        Why::Held => "S-46",
        Why::Bug => "S-47",
        // votes
        Why::AwaitingVote | Why::RightEnds => "S-71",
        // the other node's power
        Why::AwaitingFence => "S-80",
        Why::FenceFailed => "S-81",
        Why::Unrecorded => "S-48",
        Why::EarlierTenure => "S-50",
        // watching
        Why::Running => "S-53",
        Why::MonitorFailed | Why::MonitorFailedAgain => "S-54",
        Why::RestartFailed => "S-55",
        Why::Diskless => "S-59",
        // data
        Why::DataUnusable => "S-60",
        Why::AwaitingData | Why::DataOld | Why::DataUnproved => "S-61",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_clause_that_exists() {
        let safety = include_str!("../../docs/SAFETY.md");
        let known = |number: u8| postcard::from_bytes::<Why>(&[number]).ok();
        let all: Vec<Why> = (0..=u8::MAX).map_while(known).collect();
        assert_eq!(all.last(), Some(&Why::FenceFailed), "the last of them");
        for why in all {
            let clause = of(why);
            assert!(safety.contains(&format!("- **{clause}** ")), "{why:?}: {clause}");
        }
    }
}
