//! The rows of the table of directives, in the order of the guide.

use super::Heartbeats::{Both, New, Old, Plugin};
use super::{Directive, Form, row};
use crate::ha_cf::Reader;

/// Why the media of separate plugins are refused.
const NO_PLUGINS: &str = "there are no media plugins";

/// All directives of all Heartbeats.
pub const DIRECTIVES: &[Directive] = &[
    row(
        "node",
        "NAME...",
        Both,
        "exactly two, and one of them is what `uname -n` says (in full or up to the first dot)",
        "",
    )
    .done(Reader::node),
    row("keepalive", "TIME", Both, "1 s", "keepalive 2").done(Reader::time),
    row(
        "deadtime",
        "TIME",
        Both,
        "30 s; more than 2 x keepalive, at most 240 s",
        "deadtime 20",
    )
    .done(Reader::time),
    row(
        "warntime",
        "TIME",
        Both,
        "half of deadtime; keepalive < warntime < deadtime",
        "warntime 10000ms",
    )
    .done(Reader::time),
    row(
        "initdead",
        "TIME",
        Both,
        "deadtime above 10 s, 12 s if deadtime is below 6 s, else 2 x deadtime; at least deadtime; below 10 s a warning",
        "initdead 120",
    )
    .done(Reader::time),
    row(
        "deadping",
        "TIME",
        Both,
        "deadtime; more than 2 x keepalive",
        "deadping 10",
    )
    .done(Reader::time),
    row(
        "udpport",
        "PORT",
        Both,
        "`ha-cluster` of `/etc/services`, else 694; counts for the links below it, may change between them",
        "udpport 695\nucast eth0 10.0.0.1",
    )
    .done(Reader::udpport),
    row(
        "ucast",
        "DEVICE ADDRESS",
        Both,
        "IPv4; one or two lines a device and port: the peer's address, or both nodes'",
        "ucast eth0 10.0.0.1",
    )
    .done(Reader::ucast),
    row(
        "bcast",
        "DEVICE...",
        Both,
        "to the broadcast address of each device, a link each",
        "bcast eth0 eth1",
    )
    .done(Reader::bcast),
    row(
        "udp",
        "DEVICE...",
        Both,
        "the old name of `bcast`: the same, with a warning",
        "udp eth0",
    )
    .done(Reader::bcast),
    row(
        "mcast",
        "DEVICE GROUP PORT TTL LOOP",
        Both,
        "TTL 0 to 255 (1: this network alone), LOOP 0 or 1; has its own port",
        "mcast eth0 225.0.0.1 694 1 0",
    )
    .done(Reader::mcast),
    row(
        "ucast6",
        "DEVICE ADDRESS",
        New,
        "as `ucast`; a link-local address is one of that device",
        "ucast6 eth0 fd00::1",
    )
    .done(Reader::ucast),
    row(
        "mcast6",
        "DEVICE GROUP PORT TTL LOOP",
        New,
        "as `mcast`",
        "mcast6 eth0 ff02::694 694 1 0",
    )
    .done(Reader::mcast),
    row(
        "baud",
        "RATE",
        Both,
        "19200; any rate Linux has a name for, 1200 to 4000000; once, above `serial`",
        "",
    )
    .done(Reader::baud),
    row(
        "serial",
        "DEVICE...",
        Both,
        "absolute paths, a link each",
        "serial /dev/ttyS1",
    )
    .done(Reader::serial),
    row(
        "ping",
        "ADDRESS...",
        Both,
        "IPv4 or IPv6, a ping node each, at most 16 with groups; any switches the protection row to `ping`",
        "ping 10.0.0.254",
    )
    .done(Reader::ping),
    row("ping6", "ADDRESS...", New, "as `ping`, IPv6 alone", "ping6 fd00::1").done(Reader::ping),
    row(
        "ping_group",
        "NAME ADDRESS...",
        Both,
        "one ping node: it answers when any of the addresses does; at most 64 addresses in all",
        "ping_group routers 10.0.0.254 10.0.1.254",
    )
    .done(Reader::ping_group),
    row(
        "auto_failback",
        "on|off|legacy",
        Both,
        "`legacy`, or no line, is treated as `on`, with a warning",
        "",
    )
    .done(Reader::auto_failback),
    row(
        "nice_failback",
        "on|off",
        Both,
        "what it meant before `auto_failback`: `on` leaves a group where it runs, `off` fails back; a warning. \
         Heartbeat 3.0 takes it for `auto_failback legacy`, which would move the group. Without effect beside `auto_failback`",
        "",
    )
    .done(Reader::nice_failback),
    row(
        "respawn",
        "USER PROGRAM...",
        Both,
        "keeps the program running as the user (section \"Programs\"). `.../ipfail` switches the built-in ipfail on and need not exist; \
         `.../dopd` is not run: a warning says which line of `drbd.conf` does its work",
        "respawn hacluster /usr/lib/heartbeat/ipfail\nping 10.0.0.254\nrespawn daemon /usr/local/sbin/watch -v",
    )
    .done(Reader::respawn),
    row(
        "failfast",
        "USER PROGRAM...",
        New,
        "the death of a program resets no node here, for that would stop every group on it at once; write `respawn`, and use a monitor for what a \
         group can't live without",
        "failfast root /usr/sbin/watcher",
    )
    .refused(),
    row(
        "apiauth",
        "CLIENT uid=... gid=...",
        Both,
        "there is no client interface; root may ask the daemon anything, everybody may ask for its status",
        "apiauth ipfail uid=hacluster",
    )
    .no_effect(Form::Words),
    row(
        "env",
        "NAME=VALUE",
        New,
        "programs of `respawn` and hooks get it as HA_NAME",
        "env LANG=C",
    )
    .done(Reader::env),
    row(
        "watchdog",
        "DEVICE",
        Both,
        "write it into `ovzha.cf`, where its timeout is held against deadtime",
        "watchdog /dev/watchdog",
    )
    .refused(),
    row(
        "stonith",
        "TYPE FILE",
        Both,
        "write `stonith_host HOST external PROGRAM NAME=VALUE...` into `ovzha.cf`",
        "stonith baytech /etc/ha.d/conf/stonith.baytech",
    )
    .refused(),
    row(
        "stonith_host",
        "HOST TYPE PARAMETER...",
        Both,
        "write `stonith_host HOST external PROGRAM NAME=VALUE...` into `ovzha.cf`: there each value has its name",
        "stonith_host * baytech 10.0.0.3 login password",
    )
    .refused(),
    row(
        "logfacility",
        "NAME",
        Both,
        "`daemon` if there is no `logfile` either; `none` for no syslog",
        "",
    )
    .done(Reader::logfacility),
    row("logfile", "PATH", Both, "absolute path", "logfile /var/log/ha-log").done(Reader::logfile),
    row(
        "debugfile",
        "PATH",
        Both,
        "all lines, debug ones too, go where logfile and logfacility say",
        "debugfile /var/log/ha-debug",
    )
    .no_effect(Form::Words),
    row("debug", "0..255", Both, "0; above 0 the log says more", "debug 1").done(Reader::debug),
    row(
        "use_logd",
        "on|off",
        New,
        "ovzha writes its log without ha_logd, and never waits for it",
        "use_logd yes",
    )
    .no_effect(Form::Switch),
    row("conn_logd_time", "TIME", New, "there is no ha_logd", "conn_logd_time 60").no_effect(Form::Time),
    row(
        "syslogmsgfmt",
        "on|off",
        New,
        "lines of a log file have one form",
        "syslogmsgfmt on",
    )
    .no_effect(Form::Switch),
    row(
        "log_badpack",
        "on|off",
        New,
        "bad frames are counted for each link, which `ovzha status` shows; what they mean is logged once",
        "log_badpack false",
    )
    .no_effect(Form::Switch),
    row(
        "realtime",
        "on|off",
        Both,
        "on: realtime scheduling and locked memory where the system allows",
        "realtime off",
    )
    .done(Reader::realtime),
    row("rtprio", "1..99", Both, "50", "rtprio 10").done(Reader::rtprio),
    row(
        "memreserve",
        "KBYTES",
        New,
        "the daemon's memory is locked as a whole, and its loop needs no more of it later",
        "memreserve 6500",
    )
    .no_effect(Form::Number),
    row(
        "coredumps",
        "on|off",
        New,
        "the daemon never leaves a core file, because its memory holds the keys",
        "coredumps true",
    )
    .no_effect(Form::Switch),
    row(
        "coreroot",
        "PATH",
        New,
        "the daemon never leaves a core file, because its memory holds the keys",
        "coreroot /var/lib/heartbeat/cores",
    )
    .no_effect(Form::Words),
    row(
        "use_apphbd",
        "on|off",
        Both,
        "there is no apphbd; whoever starts the daemon restarts it",
        "use_apphbd yes",
    )
    .no_effect(Form::Switch),
    row(
        "register_to_apphbd",
        "on|off",
        Old,
        "there is no apphbd; whoever starts the daemon restarts it",
        "register_to_apphbd yes",
    )
    .no_effect(Form::Switch),
    row(
        "cluster",
        "NAME",
        New,
        "a cluster is known by the names of its two nodes",
        "cluster linux-ha",
    )
    .no_effect(Form::Words),
    row(
        "hopfudge",
        "NUMBER",
        Both,
        "frames are never passed on from link to link",
        "hopfudge 1",
    )
    .no_effect(Form::Number),
    row(
        "hbgenmethod",
        "file|time",
        Both,
        "each start of the daemon draws its own random number",
        "hbgenmethod time",
    )
    .no_effect(Form::OneOf(&["file", "time"])),
    row(
        "uuidfrom",
        "file|nodename",
        New,
        "nodes are known by their names, there are no UUIDs",
        "uuidfrom nodename",
    )
    .no_effect(Form::OneOf(&["file", "nodename"])),
    row(
        "msgfmt",
        "classic|netstring",
        Both,
        "ovzha has a protocol of its own, with one form",
        "msgfmt netstring",
    )
    .no_effect(Form::OneOf(&["classic", "netstring"])),
    row(
        "max_rexmit_delay",
        "MILLISECONDS",
        New,
        "nothing is sent again: each heartbeat says everything that counts",
        "max_rexmit_delay 250",
    )
    .no_effect(Form::Number),
    row(
        "compression",
        "zlib|bz2",
        New,
        "a frame is far smaller than what compression begins with",
        "compression bz2",
    )
    .no_effect(Form::Words),
    row(
        "compression_threshold",
        "KBYTES",
        New,
        "nothing is compressed",
        "compression_threshold 2",
    )
    .no_effect(Form::Number),
    row(
        "traditional_compression",
        "on|off",
        New,
        "nothing is compressed",
        "traditional_compression no",
    )
    .no_effect(Form::Switch),
    row(
        "normalpoll",
        "TIME",
        Old,
        "the daemon sleeps until something happens or is due",
        "normalpoll 100ms",
    )
    .no_effect(Form::Time),
    row(
        "autojoin",
        "none|other|any",
        New,
        "nodes are those of the `node` lines",
        "autojoin none",
    )
    .only("none"),
    row(
        "crm",
        "on|off|respawn|manual",
        New,
        "ovzha reads haresources; it does not run pacemaker",
        "crm no",
    )
    .only("off"),
    row(
        "pacemaker",
        "on|off|respawn|manual",
        New,
        "ovzha reads haresources; it does not run pacemaker",
        "pacemaker off",
    )
    .only("off"),
    row(
        "crm_daemon_dir",
        "PATH",
        New,
        "it is for `crm on`",
        "crm_daemon_dir /usr/lib/heartbeat",
    )
    .no_effect(Form::Words),
    row(
        "crmd_spawns_pengine",
        "on|off",
        New,
        "it is for `crm on`",
        "crmd_spawns_pengine on",
    )
    .no_effect(Form::Switch),
    row(
        "record_config_changes",
        "on|off",
        New,
        "it is for `crm on`",
        "record_config_changes on",
    )
    .no_effect(Form::Switch),
    row(
        "record_pengine_inputs",
        "on|off",
        New,
        "it is for `crm on`",
        "record_pengine_inputs off",
    )
    .no_effect(Form::Switch),
    row(
        "enable_config_writes",
        "on|off",
        New,
        "it is for `crm on`",
        "enable_config_writes on",
    )
    .no_effect(Form::Switch),
    row(
        "quorum_server",
        "HOST",
        New,
        "it is for `crm on`; without it Heartbeat asks no quorum server either",
        "quorum_server 10.0.0.5",
    )
    .no_effect(Form::Words),
    row("hbaping", "...", Plugin, NO_PLUGINS, "hbaping 1:2:3").refused(),
    row("openais", "...", Plugin, NO_PLUGINS, "openais x").refused(),
    row("tipc", "...", Plugin, NO_PLUGINS, "tipc x").refused(),
    row("rds", "...", Plugin, NO_PLUGINS, "rds x").refused(),
];
