//! Looks for times of DRBD that keep a takeover, a write or a boot waiting: longer than deadtime, or for ever.
//!
//! Units are DRBD's: `timeout` and `ping-timeout` are tenths of a second, all others seconds.

use ovzha_core::time::Span;

use super::drbd_conf::{Statement, WRITE};
use super::drbd_release::{Drbd, Release};
use super::drbd_resource::Resource;
use super::{Finding, Subject, boot};

/// Defaults of every release.
const TIMEOUT: u32 = 60;
const PING_INT: u32 = 10;
const PING_TIMEOUT: u32 = 5;
/// Default of 8.4 and 9; 0 before.
const KO_COUNT: u32 = 7;
/// Default of 0.7 to 8.2; 0 since.
const DEGR_WFC: u32 = 60;
/// What is told to write where a boot would wait for ever, in seconds; each next one must not be longer.
const WAITS: [(&str, u32); 3] = [
    ("wfc-timeout", 120),
    ("degr-wfc-timeout", 60),
    ("outdated-wfc-timeout", 20),
];

/// What DRBD's times do to a takeover, to the active, and to a boot.
pub(super) fn of_resource(subject: &Subject<'_>, resource: &Resource<'_>, drbd: Drbd) -> Vec<Finding> {
    let deadtime = subject.files.ha_cf.timings.deadtime;
    let times = Times::of(resource, drbd);
    let mut findings = Vec::new();
    findings.extend(times.answer(deadtime));
    // Who brings the pings down brings `timeout` down with them.
    findings.extend(times.noticed(deadtime).or_else(|| times.writes(deadtime)));
    findings.extend(times.hanging_disk(deadtime));
    if boot::started_by(subject, "drbd").is_some() {
        findings.extend(boot_wait(resource, drbd));
    }
    findings
}

/// A setting as it counts, with the line that says so; none for a default.
#[derive(Clone, Copy)]
struct Setting<'a> {
    value: u32,
    at: Option<&'a Statement>,
}

impl<'a> Setting<'a> {
    fn of(resource: &Resource<'a>, word: &str, default: u32) -> Self {
        resource.number(word).map_or(
            Self {
                value: default,
                at: None,
            },
            |(value, at)| Self { value, at: Some(at) },
        )
    }

    fn tenths(self) -> Span {
        Span::from_millis(u64::from(self.value).saturating_mul(100))
    }

    fn seconds(self) -> Span {
        Span::from_secs(u64::from(self.value))
    }
}

struct Times<'a> {
    drbd: Drbd,
    timeout: Setting<'a>,
    ping_int: Setting<'a>,
    ping_timeout: Setting<'a>,
    ko_count: Setting<'a>,
}

impl<'a> Times<'a> {
    fn of(resource: &Resource<'a>, drbd: Drbd) -> Self {
        let ko_count = if drbd.release < Release::R84 { 0 } else { KO_COUNT };
        Self {
            drbd,
            timeout: Setting::of(resource, "timeout", TIMEOUT),
            ping_int: Setting::of(resource, "ping-int", PING_INT),
            ping_timeout: Setting::of(resource, "ping-timeout", PING_TIMEOUT),
            ko_count: Setting::of(resource, "ko-count", ko_count),
        }
    }

    /// A promotion that waits long for a dead node's answer.
    fn answer(&self, deadtime: Span) -> Option<Finding> {
        let answer = self.ping_timeout.tenths();
        if self.drbd.release == Release::R07 || answer < deadtime {
            return None;
        }
        let text = format!(
            "ping-timeout {answer}: so long DRBD waits for an answer of a dead node before it can be promoted; a takeover \
             comes that much later than deadtime {deadtime}"
        );
        let half = deadtime.half().as_millis().checked_div(100).unwrap_or(0);
        let lines = vec![format!(
            "net {{ ping-timeout {}; }}",
            half.clamp(1, u64::from(PING_TIMEOUT))
        )];
        Some(told(text, self.ping_timeout.at).with_lines(lines))
    }

    /// A death that DRBD notices after deadtime.
    fn noticed(&self, deadtime: Span) -> Option<Finding> {
        let ping_int = self.ping_int.seconds();
        if self.drbd.release == Release::R07 {
            let half = self.timeout.tenths().half();
            let noticed = ping_int.plus(half);
            let text = format!(
                "DRBD 0.7 notices the other node's death up to {noticed} after it (ping-int {ping_int} + half of timeout: \
                 {half}) and refuses to be promoted until then: a takeover comes that late, not after deadtime {deadtime}"
            );
            // Half of a timeout that is as long as ping-int fits into two thirds.
            let fits = deadtime.times(2).as_millis().checked_div(3).unwrap_or(0);
            return (noticed > deadtime).then(|| self.pings_told(text, fits));
        }
        let answer = self.ping_timeout.tenths();
        let noticed = ping_int.plus(answer);
        if noticed <= deadtime || answer >= deadtime {
            return None;
        }
        let text = format!(
            "DRBD notices the other node's death up to {noticed} after it (ping-int {ping_int} + ping-timeout {answer}), \
             later than deadtime {deadtime}: a takeover begins while DRBD still says Connected, and with fencing its first \
             try to promote is refused and repeated"
        );
        Some(self.pings_told(text, deadtime.minus(answer).as_millis()))
    }

    /// A finding whose remedy is a ping interval of at most `fits` milliseconds, and a timeout below it, as DRBD asks for.
    fn pings_told(&self, text: String, fits: u64) -> Finding {
        let seconds = fits.checked_div(1000).unwrap_or(0).min(u64::from(PING_INT));
        if seconds == 0 {
            let remedy = "take a longer deadtime: no ping-int is shorter than 1 s";
            return Finding::warning(text, remedy).at_statement(self.ping_int.at);
        }
        let below = seconds.saturating_mul(10).saturating_sub(5);
        let line = if below < u64::from(self.timeout.value) {
            format!("net {{ ping-int {seconds}; timeout {below}; }}")
        } else {
            format!("net {{ ping-int {seconds}; }}")
        };
        told(text, self.ping_int.at).with_lines(vec![line])
    }

    /// Writes of the active that stand still when the standby dies.
    fn writes(&self, deadtime: Span) -> Option<Finding> {
        let timeout = self.timeout.tenths();
        let text = format!(
            "timeout {timeout}, longer than deadtime {deadtime}: for so long the active's writes stand still when the \
             standby dies"
        );
        let fits = deadtime.as_millis().checked_div(100).unwrap_or(0);
        let lines = vec![format!("net {{ timeout {}; }}", fits.clamp(1, u64::from(TIMEOUT)))];
        (timeout > deadtime).then(|| told(text, self.timeout.at).with_lines(lines))
    }

    /// Writes of the active that stand still while the standby's disk hangs. What is no longer than the default of 8.4
    /// (42 s) is not told: that delays no takeover, and most files would be told of it.
    fn hanging_disk(&self, deadtime: Span) -> Option<Finding> {
        let Setting { value: count, at } = self.ko_count;
        let timeout = self.timeout.tenths();
        let longest = timeout.times(u64::from(count));
        let text = if count == 0 {
            let default = if at.is_none() { ", the default" } else { "" };
            format!(
                "ko-count is 0{default}: a standby whose disk hangs stops the active's writes for ever, and while it sends \
                 heartbeats no deadtime ends that"
            )
        } else {
            let default = Span::from_millis(u64::from(TIMEOUT) * 100).times(u64::from(KO_COUNT));
            if longest <= deadtime || longest <= default {
                return None;
            }
            format!(
                "timeout {timeout} x ko-count {count}: a standby whose disk hangs stops the active's writes for up to \
                 {longest}, longer than deadtime {deadtime}"
            )
        };
        let counts = deadtime.as_millis().checked_div(timeout.as_millis()).unwrap_or(0);
        let lines = vec![format!("net {{ ko-count {}; }}", counts.clamp(1, u64::from(KO_COUNT)))];
        let place = if count == 0 { at } else { at.or(self.timeout.at) };
        Some(told(text, place).with_lines(lines))
    }
}

/// Waits of DRBD's start script that never end.
fn boot_wait(resource: &Resource<'_>, drbd: Drbd) -> Option<Finding> {
    let known = if drbd.release < Release::R83 { 2 } else { 3 };
    let degraded = if drbd.release < Release::R83 { DEGR_WFC } else { 0 };
    let mut endless: Vec<(&str, Option<&Statement>)> = Vec::new();
    let mut lines = Vec::new();
    let mut longest = u32::MAX;
    let written = |word| Setting::of(resource, word, 0).value;
    let floor = written("degr-wfc-timeout").max(written("outdated-wfc-timeout"));
    for (word, proposed) in WAITS.into_iter().take(known) {
        let default = if word == "degr-wfc-timeout" { degraded } else { 0 };
        let setting = Setting::of(resource, word, default);
        if setting.value == 0 {
            endless.push((word, setting.at));
            let proposed = if word == "wfc-timeout" {
                proposed.max(floor)
            } else {
                proposed
            };
            longest = longest.min(proposed);
            lines.push(format!("{word} {longest};"));
        } else {
            longest = longest.min(setting.value);
        }
    }
    if endless.is_empty() {
        return None;
    }
    let words: Vec<&str> = endless.iter().map(|(word, _)| *word).collect();
    let text = format!(
        "{} 0, which is for ever: when the other node is dead a boot of this one stops in DRBD's start script until somebody \
         answers it, and ovzha is not started",
        match words.as_slice() {
            [word] => format!("{word} is"),
            [first @ .., last] => format!("{} and {last} are", first.join(", ")),
            [] => String::new(),
        }
    );
    let at = endless.iter().find_map(|(_, at)| *at);
    let lines = vec![format!("startup {{ {} }}", lines.join(" "))];
    Some(told(text, at).with_lines(lines))
}

fn told(text: String, at: Option<&Statement>) -> Finding {
    Finding::warning(text, WRITE).at_statement(at)
}
