//! Fills in Heartbeat's defaults and checks what no single line of `ha.cf` can show.

use ovzha_core::config::DEADTIME_MAX;
use ovzha_core::time::Span;

use super::{At, DEADTIME_DEFAULT, HaCf, KEEPALIVE_DEFAULT, LinkKind, LogSettings, RTPRIO_DEFAULT, Reader, Timings};

/// Syslog facility of a file that names neither facility nor log file.
const FACILITY_DAEMON: u8 = 3;
/// Below this initdead Heartbeat warns.
const INITDEAD_LOW: Span = Span::from_secs(10);

impl Reader {
    /// The content with defaults; the lack of something is reported at `last_line`.
    pub(super) fn finish(&mut self, last_line: u32) -> HaCf {
        if self.nodes.len() < 2 && !self.node_refused {
            let here = if self.nodes.is_empty() { "none" } else { "only one" };
            let text = format!("two nodes are needed, but {here} stands here (`node NAME`)");
            self.problems.error(last_line, text);
        }
        self.media.finish(&mut self.problems);
        if self.media.links.is_empty() {
            self.problems.error(
                last_line,
                "no link to the peer: no line of ucast, bcast, mcast or serial stands here",
            );
        }
        self.check_pings();
        let auto_failback = self.failback(last_line);
        let timings = self.timings();
        self.media.check_rates(&mut self.problems, timings.keepalive);
        HaCf {
            nodes: std::mem::take(&mut self.nodes),
            timings,
            links: std::mem::take(&mut self.media.links),
            pings: self.pings.take(),
            deadping: self.deadping.map_or(timings.deadtime, |at| at.value),
            ipfail: self.clients.ipfail.is_some(),
            clients: std::mem::take(&mut self.clients.programs),
            environment: self.clients.environment.drain(..).map(|at| at.value).collect(),
            auto_failback,
            log: self.log_settings(),
            realtime: self.realtime.is_none_or(|at| at.value),
            rtprio: self.rtprio.map_or(RTPRIO_DEFAULT, |at| at.value),
        }
    }

    /// What `auto_failback` says, else what `nice_failback` said in its day.
    fn failback(&mut self, last_line: u32) -> bool {
        match (self.auto_failback, self.nice_failback) {
            (Some(at), old) => {
                if let Some(old) = old {
                    let text = format!(
                        "nice_failback has no effect beside auto_failback (line {}); delete this line",
                        at.line
                    );
                    self.problems.warning(old.line, text);
                }
                at.value
            }
            (None, Some(old)) => {
                let text = if old.value {
                    "nice_failback on is treated as `auto_failback off`; write that (Heartbeat 3.0 takes it for `legacy`)"
                } else {
                    "nice_failback off is treated as `auto_failback on`; write that"
                };
                self.problems.warning(old.line, text);
                !old.value
            }
            (None, None) => {
                let text = "auto_failback is missing: Heartbeat's default `legacy` is treated as `on`";
                self.problems.warning(last_line, text);
                true
            }
        }
    }

    fn timings(&mut self) -> Timings {
        let value = |slot: Option<At<Span>>| slot.map(|at| at.value);
        let keepalive = value(self.keepalive).unwrap_or(KEEPALIVE_DEFAULT);
        let deadtime = value(self.deadtime).unwrap_or(DEADTIME_DEFAULT);
        let warntime = value(self.warntime).unwrap_or_else(|| deadtime.minus(deadtime.half()));
        let initdead = value(self.initdead).unwrap_or_else(|| initdead_default(deadtime));
        let deadping = value(self.deadping).unwrap_or(deadtime);
        let (beat, late, dead, first, ping) = (
            ("keepalive", self.keepalive, keepalive),
            ("warntime", self.warntime, warntime),
            ("deadtime", self.deadtime, deadtime),
            ("initdead", self.initdead, initdead),
            ("deadping", self.deadping, deadping),
        );
        self.longer_than_two_keepalives(dead, beat);
        if self.deadping.is_some() {
            self.longer_than_two_keepalives(ping, beat);
        }
        if self.warntime.is_some() {
            self.ordered(beat, late, late.2 > beat.2, "longer than");
            self.ordered(late, dead, dead.2 > late.2, "longer than");
        }
        if let Some(at) = self.deadtime.filter(|at| at.value > DEADTIME_MAX) {
            let text = format!("deadtime {deadtime} must be at most {DEADTIME_MAX}");
            self.problems.error(at.line, text);
        }
        if self.initdead.is_some() {
            self.ordered(dead, first, first.2 >= dead.2, "at least");
        }
        if let Some(at) = self
            .initdead
            .filter(|at| at.value < INITDEAD_LOW && at.value >= deadtime)
        {
            let text = format!(
                "initdead {initdead} is below {INITDEAD_LOW}: a network that comes up late after a boot makes two actives"
            );
            self.problems.warning(at.line, text);
        }
        Timings {
            keepalive,
            warntime,
            deadtime,
            initdead,
        }
    }

    fn longer_than_two_keepalives(&mut self, long: Named, keepalive: Named) {
        let twice = keepalive.2.times(2);
        if long.2 <= twice {
            let text = format!(
                "{} {} must be longer than two keepalives (2 x {} = {twice})",
                long.0, long.2, keepalive.2
            );
            self.problems.error(later_line(long.1, keepalive.1), text);
        }
    }

    fn ordered(&mut self, short: Named, long: Named, holds: bool, relation: &str) {
        if !holds {
            let text = format!("{} {} must be {relation} {} {}", long.0, long.2, short.0, short.2);
            self.problems.error(later_line(short.1, long.1), text);
        }
    }

    fn check_pings(&mut self) {
        let links = &self.media.links;
        for ping in self.pings.list() {
            for address in &ping.addresses {
                let on_link = links.iter().any(
                    |link| matches!(&link.kind, LinkKind::Unicast { addresses, .. } if addresses.contains(address)),
                );
                if on_link {
                    let text =
                        format!("ping node {address} is a node's own address: it proves nothing a link does not prove");
                    self.problems.warning(ping.line, text);
                }
            }
        }
        if let Some(at) = self.clients.ipfail.filter(|_| self.pings.list().is_empty()) {
            self.problems
                .warning(at.line, "ipfail has no effect: there is no ping node");
        }
    }

    fn log_settings(&mut self) -> LogSettings {
        let file = self.logfile.take().map(|at| at.value);
        let facility = match (self.facility, &file) {
            (Some(at), None) if at.value.is_none() => {
                self.problems
                    .warning(at.line, "logfacility none without logfile: nothing is logged");
                None
            }
            (Some(at), _) => at.value,
            (None, Some(_)) => None,
            (None, None) => Some(FACILITY_DAEMON),
        };
        LogSettings {
            facility,
            file,
            debug: self.debug.map_or(0, |at| at.value),
        }
    }
}

/// A time's name, where it stands if it stands anywhere, and its value.
type Named = (&'static str, Option<At<Span>>, Span);

fn initdead_default(deadtime: Span) -> Span {
    if deadtime > Span::from_secs(10) {
        deadtime
    } else if deadtime < Span::from_secs(6) {
        Span::from_secs(12)
    } else {
        deadtime.times(2)
    }
}

/// The line at which two times first contradict each other. Two defaults never do, so one of them stands somewhere.
fn later_line(a: Option<At<Span>>, b: Option<At<Span>>) -> u32 {
    let line = |slot: Option<At<Span>>| slot.map_or(1, |at| at.line);
    line(a).max(line(b))
}
