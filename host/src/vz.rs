//! Starts, stops and judges OpenVZ's `vz` service by what really runs.
use crate::agent::{Answer, Op};
use crate::program::Deadline;

/// Runs one operation of `vz`.
#[must_use]
pub fn operate(op: Op, _args: &[&str], _deadline: Deadline) -> Answer {
    Answer::unfit(format!("{} of vz is not built in yet", op.word()))
}
