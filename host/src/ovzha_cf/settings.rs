//! Every directive of `ovzha.cf`, as data.
//!
//! The parser goes by this table, `docs/GUIDE.md` prints it (`OVZHA_REWRITE=1 cargo test -p ovzha-host --test
//! config_settings`), and the man page `docs/man/ovzha.cf.5` has a paragraph for each row. To add a directive: a row
//! here with a function that reads its line, a paragraph there.

use std::fmt::Write;

use super::{
    Reader, Said, data, mails, monitor, on_diskless, record, stonith, stop_budget, timeout, watchdog, witness,
};

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The first word of its line.
    pub name: &'static str,
    /// What follows.
    pub takes: &'static str,
    /// What it is for, and its default.
    pub note: &'static str,
    /// Lines that are accepted without a word; the first is a line of this directive.
    pub example: &'static str,
    pub(super) read: for<'a> fn(&mut Reader, Said<'a>),
}

/// All directives, in the order of the guide.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "timeout",
        takes: "RESOURCE start|stop|monitor TIME",
        note: "how long a step may take. Defaults, start/stop: `vz` 3600/1800, `Filesystem` 900/300 (five stages of a minute), \
               `datadisk` and `drbddisk` 60/60, `IPaddr` and `IPaddr2` 20/20, others 3600/3600. `monitor`: 60",
        example: "timeout vz stop 600\ntimeout vz start 10m",
        read: timeout,
    },
    Setting {
        name: "data",
        takes: "RESOURCE yes|no",
        note: "whether a script or unit holds data, so that this machine resets itself when it won't stop; yes if not \
               set. Of built-in resources it is known: `IPaddr` and `MailTo` hold none, all others do",
        example: "data apache no",
        read: data,
    },
    Setting {
        name: "stop-budget",
        takes: "TIME",
        note: "how much earlier than the peer's takeover an isolated active begins to stop (SAFETY S-22); a quarter of \
               deadtime if not set, and always shorter than it",
        example: "stop-budget 8s",
        read: stop_budget,
    },
    Setting {
        name: "alert",
        takes: "ADDRESS[,ADDRESS...]",
        note: "who gets a mail when something fails or lasts (section \"Mails\"); nobody if not set",
        example: "alert admin@example.org,root",
        read: mails::alert,
    },
    Setting {
        name: "smarthost",
        takes: "HOST[:PORT]",
        note: "takes mails by plain SMTP where there is no sendmail; port 25 if not said",
        example: "smarthost mail.example.org:2525",
        read: mails::smarthost,
    },
    Setting {
        name: "mail-from",
        takes: "ADDRESS",
        note: "the sender of mails; `root` of this node if not set",
        example: "mail-from ovzha@example.org",
        read: mails::mail_from,
    },
    Setting {
        name: "monitor",
        takes: "RESOURCE TIME|off",
        note: "how often the resource is looked at while its group is active (section 4). Defaults: `datadisk`, `drbddisk`, \
               `Filesystem`, `IPaddr` and `IPaddr2` 10, `vz` 30, all others off. Whole seconds",
        example: "monitor vz 1m\nmonitor Filesystem off",
        read: monitor,
    },
    Setting {
        name: "on-diskless",
        takes: "hand-over|stay",
        note: "what an active does when DRBD has lost its local disk and the peer's is current; `hand-over` if not set",
        example: "on-diskless stay",
        read: on_diskless,
    },
    Setting {
        name: "watchdog",
        takes: "DEVICE [SECONDS]",
        note: "the hardware watchdog that resets this machine when it hangs while it runs something (section \"The hardware \
               watchdog\"); the longest timeout that fits the times of `ha.cf` if no seconds are said; none if not set",
        example: "watchdog /dev/watchdog 10",
        read: watchdog::watchdog,
    },
    Setting {
        name: "witness",
        takes: "serial DEVICE [BAUD] | udp ADDRESS[:PORT]",
        note: "the third voter (section \"The witness\"): a board on a serial port, 19200 baud if not said, or `ovzha witness` on a \
               third host, port 694 if not said; none if not set. The same witness on both nodes",
        example: "witness udp 192.0.2.7",
        read: witness::witness,
    },
    Setting {
        name: "stonith_host",
        takes: "HOST external PROGRAM [NAME=VALUE...] | * board [in-place]",
        note: "what cuts the other node's power (section \"Fencing\"), from the node HOST or, `*`, from both: a fence agent or a plugin \
               of cluster-glue, or the relays of the witness board; none if not set. Each node needs one",
        example: "stonith_host * external /usr/sbin/fence_ipmilan ip=192.0.2.8 username=ovzha password_script=/etc/ha.d/ipmi",
        read: stonith::stonith_host,
    },
    Setting {
        name: "fence-delay",
        takes: "TIME",
        note: "the head start of a node that runs something when both would cut the other one's power; 10 if not set, at most 120, longer \
               than two keepalives",
        example: "fence-delay 15s",
        read: stonith::fence_delay,
    },
    Setting {
        name: "fence-timeout",
        takes: "TIME",
        note: "how long cutting the power and seeing it off may take; 60 if not set, 5 to 120",
        example: "fence-timeout 90s",
        read: stonith::fence_timeout,
    },
    Setting {
        name: "decisions",
        takes: "node|witness",
        note: "who says that a group is started: a node by itself, with the other one's vote or the witness's, or the witness alone \
               (section \"The witness\"); `node` if not set. The same on both nodes",
        example: "decisions witness\nwitness udp 192.0.2.7",
        read: witness::decisions,
    },
    Setting {
        name: "record",
        takes: "MEBIBYTES|off",
        note: "size of the record of all that this node sees and decides, in memory (section \"The record\"); 4 if not set, \
               at most 64",
        example: "record 8",
        read: record,
    },
];

/// The table as the guide shows it, in Markdown.
#[must_use]
pub fn guide_table() -> String {
    let mut text = "| directive | what it is for, default |\n|---|---|\n".to_owned();
    for row in SETTINGS {
        let cell = |text: &str| text.replace('|', "\\|");
        writeln!(text, "| `{} {}` | {} |", row.name, cell(row.takes), cell(row.note)).ok();
    }
    text
}
