//! Lines of the log about the hardware watchdog.

use std::fmt;

use ovzha_core::time::Span;

use crate::log::Level;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchdogLine<'a> {
    /// It can be armed.
    Ready {
        /// Its device.
        device: &'a str,
        /// What its driver calls it.
        identity: &'a str,
        /// As read back.
        timeout: Span,
    },
    /// The kernel's own timer, which hangs with it.
    Software(&'a str),
    /// `nowayout`.
    Stays(&'a str),
    /// The former life left it armed.
    Left(Span),
    /// It counts from now on.
    Armed(Span),
    /// It no longer does.
    Disarmed,
    /// It could not be armed or petted.
    Failed(&'a str),
    /// It could not be disarmed.
    NotDisarmed {
        /// How long is left.
        timeout: Span,
        /// Why.
        why: &'a str,
    },
    /// `--last-resort none`.
    Unused,
}

impl WatchdogLine<'_> {
    /// How bad it is.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Failed(_) | Self::NotDisarmed { .. } => Level::Error,
            Self::Software(_) | Self::Stays(_) | Self::Unused => Level::Warning,
            Self::Ready { .. } | Self::Left(_) | Self::Armed(_) | Self::Disarmed => Level::Info,
        }
    }
}

impl fmt::Display for WatchdogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready {
                device,
                identity,
                timeout,
            } => write!(
                f,
                "watchdog {device} ({identity}): resets this machine {timeout} after the last pet"
            ),
            Self::Software(device) => {
                write!(f, "watchdog {device} is softdog: it does not survive a hung kernel")
            }
            Self::Stays(device) => write!(
                f,
                "watchdog {device} can't be disarmed (nowayout): a stop of ovzha ends in a reset"
            ),
            Self::Left(timeout) => write!(f, "watchdog left armed by the former daemon, {timeout}"),
            Self::Armed(timeout) => write!(f, "watchdog armed, {timeout}"),
            Self::Disarmed => f.write_str("watchdog disarmed"),
            Self::Failed(why) => write!(f, "watchdog can't be armed or petted: {why}"),
            Self::NotDisarmed { timeout, why } => {
                write!(
                    f,
                    "watchdog can't be disarmed, this machine resets itself within {timeout}: {why}"
                )
            }
            Self::Unused => f.write_str("--last-resort none: the watchdog is not used"),
        }
    }
}
