//! The core's effects in the terms of children: what one does for an effect, for how long, and what its end means.

use std::time::Duration;

use ovzha_core::event::Outcome;
use ovzha_core::output::Op;
use ovzha_core::time::Span;

use crate::agent;
use crate::config::Config;
use crate::drbd::Order;
use crate::haresources::Resource;
use crate::ovzha_cf::Operation;
use crate::task::How;

/// What a child does for an effect.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// An operation of the resource.
    Agent(agent::Op),
    /// An order to DRBD.
    Drbd(Order),
}

/// Which it is.
#[must_use]
pub const fn work(op: Op) -> Work {
    match op {
        Op::Probe => Work::Agent(agent::Op::Probe),
        Op::Start => Work::Agent(agent::Op::Start),
        Op::Stop => Work::Agent(agent::Op::Stop),
        Op::Monitor => Work::Agent(agent::Op::Monitor),
        Op::Outdate => Work::Drbd(Order::Outdate),
        Op::Confirm => Work::Drbd(Order::Confirm),
        Op::Resume => Work::Drbd(Order::Resume),
    }
}

/// How long the daemon lets an operation run.
#[must_use]
pub fn limit(config: &Config, resource: &Resource, op: agent::Op) -> Span {
    let default = || {
        let limit: Duration = agent::default_timeout(&resource.name, op);
        Span::from_secs(limit.as_secs())
    };
    match op {
        agent::Op::Start => config.timeout(&resource.name, Operation::Start).unwrap_or_else(default),
        agent::Op::Stop => config.timeout(&resource.name, Operation::Stop).unwrap_or_else(default),
        agent::Op::Monitor => config
            .timeout(&resource.name, Operation::Monitor)
            .unwrap_or_else(default),
        agent::Op::Probe | agent::Op::Observe => default(),
    }
}

/// What the end of a child means for its effect.
#[must_use]
pub fn outcome(how: How) -> Outcome {
    match how {
        How::Code(code) => match agent::Exit::from_code(i32::from(code)) {
            agent::Exit::Done | agent::Exit::Stateless => Outcome::Done,
            agent::Exit::Degraded => Outcome::Degraded,
            agent::Exit::NotRunning => Outcome::NotRunning,
            agent::Exit::Unclear => Outcome::Partial,
            agent::Exit::Unfit => Outcome::Unfit,
            agent::Exit::Blocked => Outcome::Blocked,
            agent::Exit::Failed => Outcome::Failed,
        },
        How::Signal(_) | How::Unknown => Outcome::Failed,
        How::TimedOut => Outcome::TimedOut,
        How::Stuck => Outcome::Stuck,
    }
}
