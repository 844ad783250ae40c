//! The daemon's side of its watchdog: made ready at the start, then what the core orders, each change told.

use ovzha_core::output::{Effect, Op};
use ovzha_core::time::Instant;

use crate::config::Config;
use crate::line::{Line, WatchdogLine};
use crate::ovzha_cf::watchdog::Heartbeat;
use crate::run::{Daemon, Options};
use crate::sys;
use crate::watchdog::{self, Change, Watchdog};

/// Makes the watchdog of `ovzha.cf` ready; `None` without one, or where this machine may not be reset: then no device is
/// touched at all.
///
/// # Errors
/// One sentence: the device can't be used, or the one that a former life armed can't be disarmed.
pub(crate) fn prepare(options: &Options, config: &Config) -> Result<Option<Watchdog>, String> {
    if !options.last_resort {
        return Ok(None);
    }
    let Some((device, timeout)) = config.settings.watchdog() else {
        let left = watchdog::forget::<sys::Watchdog>(&options.run_dir);
        return left.map_or(Ok(None), |(left, why)| {
            Err(format!(
                "the watchdog is armed, and resets this machine within {left}: {why}"
            ))
        });
    };
    let heartbeat = Heartbeat {
        keepalive: config.timings.keepalive,
        deadtime: config.timings.deadtime,
        pings: !config.pings.is_empty(),
    };
    let ready = Watchdog::prepare(device, timeout, &options.run_dir, |timeout| heartbeat.fits(timeout));
    ready
        .map(Some)
        .map_err(|why| format!("watchdog {}: {why}", device.display()))
}

impl Daemon {
    /// The first lines of a life about its watchdog.
    pub(crate) fn tell_watchdog(&mut self) {
        let wanted = self.config.settings.watchdog().is_some();
        let Some(watchdog) = &self.watchdog else {
            if wanted {
                self.log.say(&Line::Watchdog(WatchdogLine::Unused));
            }
            return;
        };
        let seen = watchdog.seen();
        let (device, identity, timeout) = (seen.device.as_str(), seen.identity.as_str(), seen.timeout);
        let mut lines = vec![WatchdogLine::Ready {
            device,
            identity,
            timeout,
        }];
        if watchdog.timer() == crate::check::Timer::Software {
            lines.push(WatchdogLine::Software(device));
        }
        if watchdog.is_unstoppable() {
            lines.push(WatchdogLine::Stays(device));
        }
        if watchdog.is_left() {
            lines.push(WatchdogLine::Left(timeout));
        }
        for line in lines {
            self.log.say(&Line::Watchdog(line));
        }
        self.watchdog_changed();
    }

    fn watchdog_changed(&mut self) {
        let seen = self
            .watchdog
            .as_ref()
            .map(|watchdog| (watchdog.timer(), watchdog.seen()));
        self.facts.watchdog = seen;
    }

    /// The core wants it petted, and not after `within`.
    pub(crate) fn pet(&mut self, within: Instant) {
        // the clock is read here: the process may have stood still since the core looked at it
        let change = self
            .watchdog
            .as_mut()
            .and_then(|watchdog| watchdog.pet(sys::boottime(), within));
        self.tell_change(change);
    }

    /// The core wants it disarmed.
    pub(crate) fn disarm(&mut self) {
        let change = self.watchdog.as_mut().and_then(Watchdog::disarm);
        self.tell_change(change);
    }

    fn tell_change(&mut self, change: Option<Change>) {
        let (Some(change), Some(watchdog)) = (change, &self.watchdog) else {
            return;
        };
        let timeout = watchdog.timeout();
        self.log.say(&Line::Watchdog(match &change {
            Change::Armed => WatchdogLine::Armed(timeout),
            Change::Disarmed => WatchdogLine::Disarmed,
            Change::Failed(why) => WatchdogLine::Failed(why),
            Change::NotDisarmed(why) => WatchdogLine::NotDisarmed { timeout, why },
        }));
        self.watchdog_changed();
    }

    /// Begins an effect. A start without an armed watchdog is none (SAFETY S-66).
    pub(crate) fn begin(&mut self, now: Instant, effect: Effect) {
        let refusal = self.watchdog.as_ref().filter(|_| effect.op == Op::Start);
        match refusal.and_then(Watchdog::refusal) {
            Some(why) => self.children.refuse(effect, why),
            None => self.children.start(now, &self.config, effect),
        }
    }

    /// The orderly end: one that can't be disarmed goes on counting.
    pub(crate) fn leave_watchdog(&mut self) {
        let behind = self.watchdog.as_ref().filter(|watchdog| watchdog.is_unstoppable());
        if let Some(timeout) = behind.map(Watchdog::timeout) {
            let why = "nowayout";
            self.log
                .say(&Line::Watchdog(WatchdogLine::NotDisarmed { timeout, why }));
        }
    }
}
