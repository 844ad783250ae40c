//! Mounts and unmounts the file system of a group, with everything that keeps it busy.
use crate::agent::{Answer, Op};
use crate::program::Deadline;

/// Runs one operation of `Filesystem DEV DIR TYPE [OPTIONS]`.
#[must_use]
pub fn operate(op: Op, _args: &[&str], _deadline: Deadline) -> Answer {
    Answer::unfit(format!("{} of Filesystem is not built in yet", op.word()))
}
