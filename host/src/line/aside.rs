//! Lines of the log about what runs beside the cluster: mails, hooks, clients.

use std::fmt;

use ovzha_core::time::Span;

use crate::log::Level;
use crate::sys::{Ended, Pid};

/// One line. It keeps what it tells of, for it is written after that is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AsideLine {
    /// Of a mail or a hook (an errand, by its label).
    Errand {
        /// What it is.
        label: String,
        /// What became of it.
        fate: ErrandFate,
    },
    /// The queue of errands is full.
    ErrandsDropped(u32),
    /// Of a client, by its program.
    Client {
        /// Its program.
        program: String,
        /// What became of it.
        fate: ClientFate,
    },
    /// A program of a former configuration.
    ClientLeaves(Pid),
}

/// What became of a mail or a hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ErrandFate {
    /// No child of it, and why.
    NotBegun(String),
    /// Done, with this last line.
    Said(String),
    /// Another end than exit code 0, with its last line.
    Failed(Ended, String),
    /// Its deadline is over, with its last line.
    Late(String),
    /// The same, and a signal does not end it.
    Stuck(String),
    /// That one is gone after all.
    Unstuck,
}

/// What became of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientFate {
    /// A child of the former life, found again.
    RunsOn(Pid),
    /// Begun.
    Started {
        /// As whom.
        user: String,
        /// Its process.
        pid: Pid,
    },
    /// No child of it.
    NotStarted {
        /// The error.
        why: String,
        /// Until the next try.
        pause: Span,
    },
    /// It ended by itself, and is started again.
    Ended {
        /// How long it ran.
        ran: Span,
        /// How; `None` for a child of a daemon that crashed.
        how: Option<Ended>,
        /// Until then.
        pause: Span,
    },
    /// It ended with the exit code that asks for that.
    EndedForGood {
        /// How long it ran.
        ran: Span,
        /// The code.
        code: u8,
    },
    /// With the daemon.
    Stopped,
    /// It outlives the daemon.
    NotStopped(Pid),
    /// A line of its output.
    Said(String),
    /// Too many of those.
    PassedOver(u32),
    /// Far too many, in bytes.
    OutputDropped(u64),
}

impl AsideLine {
    /// A mail or a hook.
    #[must_use]
    pub fn errand(label: &str, fate: ErrandFate) -> Self {
        let label = label.to_owned();
        Self::Errand { label, fate }
    }

    /// A client.
    #[must_use]
    pub fn client(program: &str, fate: ClientFate) -> Self {
        let program = program.to_owned();
        Self::Client { program, fate }
    }

    /// How bad it is.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Errand { fate, .. } => match fate {
                ErrandFate::NotBegun(_) => Level::Error,
                ErrandFate::Failed(..) | ErrandFate::Late(_) | ErrandFate::Stuck(_) => Level::Warning,
                ErrandFate::Said(_) | ErrandFate::Unstuck => Level::Info,
            },
            Self::Client { fate, .. } => match fate {
                ClientFate::NotStarted { .. } | ClientFate::NotStopped(_) => Level::Error,
                ClientFate::Ended { .. }
                | ClientFate::EndedForGood { .. }
                | ClientFate::PassedOver(_)
                | ClientFate::OutputDropped(_) => Level::Warning,
                ClientFate::RunsOn(_) | ClientFate::Started { .. } | ClientFate::Stopped | ClientFate::Said(_) => {
                    Level::Info
                }
            },
            Self::ErrandsDropped(_) => Level::Warning,
            Self::ClientLeaves(_) => Level::Info,
        }
    }
}

impl fmt::Display for AsideLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errand { label, fate } => write!(f, "{label}: {fate}"),
            Self::ErrandsDropped(count) => write!(f, "{count} mails or hooks were dropped: too many at once"),
            Self::Client { program, fate } => write!(f, "client {program}{fate}"),
            Self::ClientLeaves(pid) => write!(f, "a client no longer in ha.cf is ended: process {pid}"),
        }
    }
}

/// A last line, where there is one.
struct Last<'a>(&'a str);

impl fmt::Display for Last<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0.is_empty() { "" } else { ": " };
        write!(f, "{sign}{}", self.0)
    }
}

impl fmt::Display for ErrandFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBegun(why) => write!(f, "can't be begun: {why}"),
            Self::Said(last) => write!(f, "said: {last}"),
            Self::Failed(Ended::Code(code), last) => write!(f, "failed, exit code {code}{}", Last(last)),
            Self::Failed(Ended::Signal(signal), last) => write!(f, "failed, signal {signal}{}", Last(last)),
            Self::Late(last) => write!(f, "not done in time, ended{}", Last(last)),
            Self::Stuck(last) => write!(f, "not done in time, can't be killed{}", Last(last)),
            Self::Unstuck => f.write_str("ended after all"),
        }
    }
}

impl fmt::Display for ClientFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunsOn(pid) => write!(f, " (process {pid}) runs on"),
            Self::Started { user, pid } => write!(f, " started as {user}: process {pid}"),
            Self::NotStarted { why, pause } => write!(f, " can't be started: {why}; again in {pause}"),
            Self::Ended { ran, how, pause } => {
                write!(f, " ended after {ran}: ")?;
                match how {
                    Some(Ended::Code(code)) => write!(f, "exit code {code}"),
                    Some(Ended::Signal(signal)) => write!(f, "signal {signal}"),
                    None => f.write_str("how is not known"),
                }?;
                write!(f, "; started again in {pause}")
            }
            Self::EndedForGood { ran, code } => {
                write!(f, " ended after {ran}: exit code {code}: it is not started again")
            }
            Self::Stopped => f.write_str(" stopped"),
            Self::NotStopped(pid) => write!(f, " can't be ended: process {pid}"),
            Self::Said(text) => write!(f, ": {text}"),
            Self::PassedOver(count) => write!(f, ": {count} more lines were not logged"),
            Self::OutputDropped(bytes) => write!(f, ": {bytes} bytes of output dropped"),
        }
    }
}
