//! Reads the `watchdog` line of `ovzha.cf`: the device, and after how many seconds without a pet it resets the machine.

use std::path::{Path, PathBuf};

use ovzha_core::term::Times;
use ovzha_core::time::Span;
use ovzha_core::watchdog::{self, Watchdog};

use super::{Reader, Said, span};
use crate::diagnostic::quote;
use crate::ha_cf::{At, HaCf, set};

/// What of `ha.cf` the line is held against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// Interval of heartbeats.
    pub keepalive: Span,
    /// Silence after which the peer takes over.
    pub deadtime: Span,
    /// Whether there are ping nodes.
    pub pings: bool,
}

impl From<&HaCf> for Heartbeat {
    fn from(ha_cf: &HaCf) -> Self {
        Self {
            keepalive: ha_cf.timings.keepalive,
            deadtime: ha_cf.timings.deadtime,
            pings: !ha_cf.pings.is_empty(),
        }
    }
}

impl Heartbeat {
    /// Whether a timeout fits these times; the message says which relation does not hold.
    ///
    /// # Errors
    /// See [`Watchdog::check`].
    pub fn fits(self, timeout: Span) -> Result<(), String> {
        let stays = false;
        let checked = Watchdog { timeout, stays }.check(self.keepalive, self.deadtime, self.pings);
        checked.map_err(|error| error.to_string())
    }

    /// The longest timeout in whole seconds that fits.
    ///
    /// # Errors
    /// None does.
    fn longest(self) -> Result<Span, String> {
        let longest = watchdog::longest(self.keepalive, self.deadtime, self.pings);
        let fits = if longest == Span::ZERO {
            let second = Span::from_secs(1);
            self.fits(second)
        } else {
            self.fits(longest)
        };
        fits.map(|()| longest)
            .map_err(|why| format!("no timeout fits the times of ha.cf: {why}"))
    }

    /// Whether votes leave time for a stop, with a watchdog of this timeout or none.
    ///
    /// # Errors
    /// See [`Times::check`].
    fn votes_fit(self, stop_budget: Option<Span>, timeout: Option<Span>) -> Result<(), String> {
        let times = Times {
            keepalive: self.keepalive,
            deadtime: self.deadtime,
            stop_budget: stop_budget.unwrap_or(self.deadtime.half().half()),
            watchdog: timeout.map(|timeout| Watchdog { timeout, stays: false }),
        };
        times.check().map_err(|why| why.to_string())
    }
}

/// The line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    device: PathBuf,
    /// `None`: the longest that fits, and `ha.cf` could not be read.
    timeout: Option<Span>,
}

impl Wanted {
    /// The device, and its timeout in whole seconds.
    #[must_use]
    pub fn get(&self) -> Option<(&Path, Span)> {
        self.timeout.map(|timeout| (self.device.as_path(), timeout))
    }
}

pub(super) fn watchdog(reader: &mut Reader, said: Said<'_>) {
    let (device, timeout) = match *said.words {
        [device] => (device, None),
        [device, time] => (device, Some(time)),
        _ => return reader.wrong_form(said),
    };
    let slot = &mut reader.value.watchdog;
    set(
        &mut reader.problems,
        slot,
        said.line,
        said.name,
        wanted(device, timeout),
    );
}

fn wanted(device: &str, timeout: Option<&str>) -> Result<Wanted, String> {
    if !device.starts_with('/') || device.ends_with('/') {
        return Err(format!("{} is no absolute path of a device", quote(device)));
    }
    let timeout = timeout.map(|word| {
        let span = span(word)?;
        let whole = u16::try_from(span.as_millis() / 1000).unwrap_or(0);
        if whole == 0 || Span::from_secs(whole.into()) != span {
            return Err(format!("{span}: whole seconds, 1 to {}", u16::MAX));
        }
        Ok(span)
    });
    Ok(Wanted {
        device: PathBuf::from(device),
        timeout: timeout.transpose()?,
    })
}

impl Reader {
    /// The timeout against the times of the heartbeat; without one it becomes the longest that fits.
    pub(super) fn check_watchdog(&mut self, heartbeat: Heartbeat) {
        let Some(At { value, line }) = &mut self.value.watchdog else {
            return;
        };
        let fits = match value.timeout {
            Some(timeout) => heartbeat.fits(timeout).map_err(|why| match heartbeat.longest() {
                Ok(longest) => format!("{why}; at most {longest}"),
                Err(_) => why,
            }),
            None => heartbeat.longest().map(|longest| value.timeout = Some(longest)),
        };
        if let Err(why) = fits {
            self.problems.error(*line, format!("watchdog: {why}"));
        }
    }

    /// With a witness a vote must leave time for all of them; a watchdog without a timeout then has the longest that does.
    pub(super) fn check_votes(&mut self, heartbeat: Heartbeat, said: bool) {
        let Some(At { line, .. }) = &self.value.witness else {
            return;
        };
        let (line, budget) = (*line, self.value.stop_budget());
        let timeout = self.value.watchdog().map(|(_, timeout)| timeout);
        let seconds = timeout.map_or(0, |timeout| timeout.as_millis() / 1000);
        let shorter = (1..=seconds).rev().map(Span::from_secs);
        let shorter = shorter
            .take_while(|_| !said)
            .find(|span| heartbeat.votes_fit(budget, Some(*span)).is_ok());
        if let (Some(span), Some(At { value, .. })) = (shorter, &mut self.value.watchdog) {
            value.timeout = Some(span);
        }
        let timeout = shorter.or(timeout);
        if let Err(why) = heartbeat.votes_fit(budget, timeout) {
            self.problems.error(line, format!("witness: {why}"));
        }
    }
}
