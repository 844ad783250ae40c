//! Each directive of `ha.cf`: what it accepts, and what it says with its line when it does not.

use std::path::Path;

use ovzha_core::time::Span;
use ovzha_host::ha_cf::{self, LinkConfig, LinkKind, values};

/// Lines 1 to 4 of a file in which nothing is wrong.
const BASE: &str = "node a b\nserial /dev/ttyS0\nauto_failback off\nlogfacility daemon\n";

/// Line 5, and the error it gets.
const ERRORS: &[(&str, &str)] = &[
    ("nosuch 1", "unknown directive `nosuch`"),
    ("pong 10.0.0.1", "unknown directive `pong`"),
    ("undport 694", "unknown directive `undport` (did you mean `udpport`?)"),
    (
        "auto\\_failback on",
        "unknown directive `auto\\_failback` (did you mean `auto_failback`?)",
    ),
    (
        "keepalive=2",
        "unknown directive `keepalive=2` (did you mean `keepalive`?)",
    ),
    ("MCAST eth0", "unknown directive `MCAST` (did you mean `mcast`?)"),
    ("Node c", "unknown directive `Node` (did you mean `node`?)"),
    ("node c", "node `c` is one too many: ovzha is for exactly two"),
    ("node A", "node `a` stands already on line 1"),
    ("node", "`node` needs a node name"),
    ("node -x", "`-x` is no node name (letters, digits, `-`, `_`, `.`)"),
    ("keepalive", "keepalive: the value is missing"),
    ("keepalive 1 2", "keepalive: takes one value, but `2` follows it"),
    ("keepalive 0", "keepalive: the time must be longer than zero"),
    ("keepalive 1.2.3", "keepalive: `1.2.3` is no time"),
    (
        "keepalive -1",
        "keepalive: `-1` is no time: use seconds, or the units us, ms, s or m",
    ),
    (
        "keepalive 1h",
        "keepalive: `1h` is no time: use seconds, or the units us, ms, s or m",
    ),
    ("keepalive .", "keepalive: `.` is no time"),
    ("initdead 86401", "initdead: `86401` is longer than a day"),
    (
        "initdead 99999999999999999999999",
        "initdead: `99999999999999999999999` is longer than a day",
    ),
    ("realtime perhaps", "realtime: `perhaps` is neither on nor off"),
    ("rtprio 100", "rtprio: `100` is no number from 1 to 99"),
    ("rtprio +5", "rtprio: `+5` is no number from 1 to 99"),
    ("debug 256", "debug: `256` is no number from 0 to 255"),
    ("logfile ha-log", "logfile: `ha-log` is no absolute path"),
    ("ucast eth0", "`ucast` needs a network device and an address"),
    (
        "ucast eth0 10.0.0.1 10.0.0.2",
        "`ucast` needs a network device and an address",
    ),
    ("ucast eth0,10.0.0.1", "`ucast` needs a network device and an address"),
    (
        "ucast eth0 10.0.0",
        "ucast: `10.0.0` is no IPv4 address (names are not looked up)",
    ),
    (
        "ucast eth0 224.0.0.1",
        "ucast: `224.0.0.1` is not the address of one machine",
    ),
    (
        "ucast 10.0.0.1 10.0.0.2",
        "ucast: `10.0.0.1` is no name of a network device",
    ),
    (
        "ucast averylongdevicename 10.0.0.2",
        "ucast: `averylongdevicename` is no name of a network device",
    ),
    ("ucast a/b 10.0.0.2", "ucast: `a/b` is no name of a network device"),
    ("serial", "`serial` needs the path of a device"),
    ("serial ttyS1", "serial: `ttyS1` is no absolute path of a device"),
    ("serial /dev/ttyS0", "serial /dev/ttyS0 stands already on line 2"),
    ("baud 9600", "baud must stand above the serial line it is for"),
    (
        "baud 14400",
        "baud: `14400` is none of [1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000]",
    ),
    (
        "udpport 694",
        "udpport has no effect: it must stand above the ucast and bcast lines it is for",
    ),
    ("udpport 70000", "udpport: `70000` is no number from 1 to 65535"),
    (
        "ping gateway",
        "ping: `gateway` is no IPv4 address (names are not looked up)",
    ),
    ("ping", "`ping` needs an address"),
    ("ping 10.0.0.9 10.0.0.9", "ping node 10.0.0.9 stands already on line 5"),
    ("keepalive \u{1}", "control character \\u{1} in the line"),
];

/// The diagnostics of `BASE` and the lines after it, which begin at line 5.
fn after_base(lines: &str) -> Vec<String> {
    parse(&format!("{BASE}{lines}"))
}

fn parse(text: &str) -> Vec<String> {
    ha_cf::parse(Path::new("ha.cf"), text.as_bytes())
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn accepted_without_a_word() {
    for line in [
        "",
        "   # comment",
        "keepalive 2 # two seconds",
        "keepalive 500ms",
        "keepalive 250000us",
        "\tkeepalive\t.5\r",
        "deadtime 10\nwarntime 5\ninitdead 10",
        "initdead 120\nkeepalive 2\ndeadtime 30\nwarntime 10",
        "deadping 10",
        "ucast eth0 10.0.0.1\nucast eth0 10.0.0.2",
        "udpport 694\nucast lo 127.0.0.2\nucast lo 127.0.0.3\nudpport 695\nucast lo 127.0.0.2\nucast lo 127.0.0.3",
        "serial /dev/ttyS1 /dev/ttyS2",
        "ping 10.0.0.1, 10.0.0.2\nrespawn hacluster /usr/lib/heartbeat/ipfail",
        "debug 255",
        "realtime off\nrtprio 99",
        "logfile /var/log/ha-log",
    ] {
        assert_eq!(after_base(line), [""; 0], "{line}");
    }
    assert_eq!(parse("node A,\tB\r\nserial /dev/ttyS0\r\nauto_failback YES\r"), [""; 0]);
}

#[test]
fn warnings_say_what_differs_from_heartbeat() {
    for (line, warning) in [
        (
            "keepalive 2s",
            "keepalive: Heartbeat itself refuses the unit in `2s`; 2 means the same",
        ),
        (
            "initdead 1.5m",
            "initdead: Heartbeat itself refuses the unit in `1.5m`; 90 s is what is meant here",
        ),
        ("keepalive 200500us", "keepalive: `200500us` is rounded up to 201 ms"),
        (
            "deadtime 5\ninitdead 5",
            "initdead 5 s is below 10 s: a network that comes up late after a boot makes two actives",
        ),
        (
            "debugfile /var/log/ha-debug",
            "debugfile has no effect: all lines, debug ones too, go where logfile and logfacility say",
        ),
        (
            "use_logd yes",
            "use_logd has no effect: ovzha writes its log without ha_logd, and never waits for it",
        ),
        (
            "baud 19200",
            "baud stands below the serial line it is for; its default is the same",
        ),
        (
            "ucast eth0 10.0.0.1\nping 10.0.0.1",
            "ping node 10.0.0.1 is a node's own address: it proves nothing a link does not prove",
        ),
        (
            "ucast eth0 10.0.0.1\nudpport 1000\nucast eth1 10.0.1.1",
            "udpport counts for the ucast and bcast lines below it; those above use port 694",
        ),
    ] {
        let found = after_base(line);
        assert!(
            found.len() == 1 && found[0].ends_with(&format!(": warning: {warning}")),
            "{found:#?}"
        );
    }
}

#[test]
fn what_a_missing_or_old_line_means_is_told() {
    for (text, warning) in [
        (
            "node a b\nserial /dev/x\n",
            "ha.cf:2: warning: auto_failback is missing: Heartbeat's default `legacy` is treated as `on`",
        ),
        (
            "auto_failback legacy\nnode a b\nserial /dev/x\n",
            "ha.cf:1: warning: auto_failback legacy is treated as `on`; write `on` or `off`",
        ),
        (
            "nice_failback on\nnode a b\nserial /dev/x\n",
            "ha.cf:1: warning: nice_failback on is treated as `auto_failback off`; write that (Heartbeat 3.0 takes it for `legacy`)",
        ),
        (
            "nice_failback off\nnode a b\nserial /dev/x\n",
            "ha.cf:1: warning: nice_failback off is treated as `auto_failback on`; write that",
        ),
        (
            "nice_failback on\nnode a b\nserial /dev/x\nauto_failback on",
            "ha.cf:1: warning: nice_failback has no effect beside auto_failback (line 4); delete this line",
        ),
        (
            "auto_failback on\nnode a b\nbaud 9600\nucast eth0 10.0.0.1",
            "ha.cf:3: warning: baud has no effect: there is no serial line",
        ),
        (
            "auto_failback on\nnode a b\nserial /dev/x\nlogfacility none",
            "ha.cf:4: warning: logfacility none without logfile: nothing is logged",
        ),
    ] {
        assert_eq!(parse(text), [warning]);
    }
}

#[test]
fn errors_name_the_line_and_the_word() {
    for (line, error) in ERRORS {
        let found = after_base(line);
        assert_eq!(found, [format!("ha.cf:5: error: {error}")], "{line}");
    }
    assert_eq!(
        after_base("logfacility user"),
        ["ha.cf:5: error: logfacility stands already on line 4"]
    );
    assert_eq!(
        after_base("logfacility nosuch\nbaud x\nbaud y"),
        [
            "ha.cf:5: error: logfacility stands already on line 4",
            "ha.cf:5: error: logfacility: `nosuch` is no syslog facility",
            "ha.cf:6: error: baud: `x` is none of [1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000]",
            "ha.cf:7: error: baud: `y` is none of [1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000]",
        ]
    );
    assert_eq!(
        parse(&BASE.replace("off", "maybe"))[..1],
        ["ha.cf:3: error: auto_failback: `maybe` is none of on, off, legacy"]
    );
    assert_eq!(
        parse(&BASE.replace("daemon", "nosuch")),
        ["ha.cf:4: error: logfacility: `nosuch` is no syslog facility"]
    );
}

#[test]
fn without_udpport_the_port_is_what_the_machine_calls_it() {
    let ports = |text: &str| -> Vec<u16> {
        let parsed = ha_cf::parse_with_port(Path::new("ha.cf"), text.as_bytes(), 700);
        let port = |link: &LinkConfig| {
            if let LinkKind::Unicast { port, .. } = &link.kind {
                Some(*port)
            } else {
                None
            }
        };
        parsed.value.links.iter().filter_map(port).collect()
    };
    assert_eq!(ports("ucast eth0 10.0.0.1"), [700]);
    assert_eq!(
        ports("ucast eth0 10.0.0.1\nudpport 694\nucast eth1 10.0.1.1"),
        [700, 694]
    );
}

#[test]
fn a_port_below_its_links_counts_only_if_it_is_the_same() {
    let below = |port| after_base(&format!("ucast eth0 10.0.0.1\nudpport {port}"));
    assert_eq!(
        below(694),
        ["ha.cf:6: warning: udpport counts for the ucast and bcast lines below it; those above use port 694"]
    );
    assert_eq!(
        below(700)[1..],
        ["ha.cf:6: error: udpport has no effect: it must stand above the ucast and bcast lines it is for"]
    );
}

#[test]
fn a_file_that_is_no_text_gets_one_message() {
    for (bytes, problem) in [
        (
            &b"\xef\xbb\xbfnode a b\n"[..],
            "1: error: the file begins with a byte order mark (EF BB BF); save it as plain UTF-8",
        ),
        (
            b"\xff\xfen\0o\0",
            "1: error: the file is UTF-16; save it as plain UTF-8",
        ),
        (
            b"node a b\n\nx\0\0\0\n\0",
            "3: error: NUL byte: the file is not plain text",
        ),
    ] {
        let found = ha_cf::parse(Path::new("ha.cf"), bytes).diagnostics;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].to_string(), format!("ha.cf:{problem}"));
    }
}

#[test]
fn lines_are_limited_and_comments_may_hold_any_bytes() {
    let comment = [BASE.as_bytes(), b"# gr\xfc\xdfe \x1b[0m\nkeepalive 2 # \xff\n"].concat();
    assert!(ha_cf::parse(Path::new("ha.cf"), &comment).diagnostics.is_empty());
    assert_eq!(after_base(&format!("keepalive 2 #{}", "x".repeat(5119 - 13))), [""; 0]);
    assert_eq!(
        after_base(&format!("keepalive 2 #{}", "x".repeat(5120 - 13))),
        ["ha.cf:5: error: the line has 5120 bytes, more than 5119"]
    );
    assert_eq!(
        ha_cf::parse(Path::new("ha.cf"), &[BASE.as_bytes(), b"logfile /x\xfc"].concat()).diagnostics[0].text,
        "byte 0xfc is not UTF-8 text"
    );
    // The line ends of an old Mac make one long line.
    assert_eq!(
        after_base("keepalive 2\rdeadtime 5"),
        ["ha.cf:5: error: control character \\r in the line"]
    );
}

#[test]
fn times_are_checked_against_each_other_with_both_numbers() {
    for (lines, error) in [
        (
            "keepalive 2\ndeadtime 4",
            "ha.cf:6: error: deadtime 4 s must be longer than two keepalives (2 x 2 s = 4 s)",
        ),
        (
            "deadtime 500ms",
            "ha.cf:5: error: deadtime 500 ms must be longer than two keepalives (2 x 1 s = 2 s)",
        ),
        (
            "keepalive 20",
            "ha.cf:5: error: deadtime 30 s must be longer than two keepalives (2 x 20 s = 40 s)",
        ),
        (
            "warntime 1",
            "ha.cf:5: error: warntime 1 s must be longer than keepalive 1 s",
        ),
        (
            "warntime 30",
            "ha.cf:5: error: deadtime 30 s must be longer than warntime 30 s",
        ),
        (
            "initdead 29.5",
            "ha.cf:5: error: initdead 29.500 s must be at least deadtime 30 s",
        ),
        (
            "deadping 2",
            "ha.cf:5: error: deadping 2 s must be longer than two keepalives (2 x 1 s = 2 s)",
        ),
        ("deadtime 241", "ha.cf:5: error: deadtime 241 s must be at most 240 s"),
    ] {
        assert_eq!(after_base(lines), [error]);
    }
}

#[test]
fn defaults_are_heartbeats() {
    let seconds = |lines: &str| {
        let times = ha_cf::parse(Path::new("ha.cf"), format!("{BASE}{lines}").as_bytes())
            .value
            .timings;
        [times.keepalive, times.warntime, times.deadtime, times.initdead].map(Span::as_millis)
    };
    assert_eq!(seconds(""), [1000, 15_000, 30_000, 30_000]);
    assert_eq!(seconds("deadtime 5"), [1000, 2500, 5000, 12_000]);
    assert_eq!(seconds("deadtime 6"), [1000, 3000, 6000, 12_000]);
    assert_eq!(seconds("deadtime 10"), [1000, 5000, 10_000, 20_000]);
    assert_eq!(seconds("deadtime 11"), [1000, 5500, 11_000, 11_000]);
    assert_eq!(seconds("keepalive 1ms\ndeadtime 3ms"), [1, 2, 3, 12_000]);
}

#[test]
fn what_is_missing_is_told_at_the_end_of_the_file() {
    assert_eq!(
        parse("# nothing\n\n"),
        [
            "ha.cf:2: error: two nodes are needed, but none stands here (`node NAME`)",
            "ha.cf:2: error: no link to the peer: no line of ucast, bcast, mcast or serial stands here",
            "ha.cf:2: warning: auto_failback is missing: Heartbeat's default `legacy` is treated as `on`",
        ]
    );
}

#[test]
fn links_count_by_first_appearance_and_collect_addresses() {
    let text = format!(
        "{BASE}ucast eth1 10.1.0.1\nucast eth0 10.0.0.1\nucast eth1 10.1.0.2\nudpport 700\nucast eth0 10.0.0.1\n"
    );
    let parsed = ha_cf::parse(Path::new("ha.cf"), text.as_bytes());
    assert!(
        !parsed
            .diagnostics
            .iter()
            .any(ovzha_host::diagnostic::Diagnostic::is_error)
    );
    let links: Vec<String> = parsed
        .value
        .links
        .iter()
        .map(|link| match &link.kind {
            LinkKind::Unicast {
                device,
                port,
                addresses,
            } => format!("{device}:{port} {addresses:?} line {}", link.line),
            LinkKind::Broadcast { device, port } => format!("bcast {device}:{port} line {}", link.line),
            LinkKind::Multicast {
                device,
                group,
                port,
                ttl,
                loops,
            } => {
                format!("mcast {device} {group}:{port} {ttl} {loops} line {}", link.line)
            }
            LinkKind::Serial { device, baud } => format!("{} {baud} line {}", device.display(), link.line),
            LinkKind::Routed { to } => panic!("ha.cf has no link to a witness: {to}"),
        })
        .collect();
    assert_eq!(
        links,
        [
            "/dev/ttyS0 19200 line 2",
            "eth1:694 [10.1.0.1, 10.1.0.2] line 5",
            "eth0:694 [10.0.0.1] line 6",
            "eth0:700 [10.0.0.1] line 9",
        ]
    );
    assert_eq!(
        after_base(
            "ucast eth0 10.0.0.1\nucast eth0 10.0.0.2\nucast eth0 10.0.0.3\nucast eth0 10.0.0.1\nucast eth1 10.0.0.2"
        ),
        [
            "ha.cf:7: error: address 10.0.0.3 is one too many for device eth0: a link has two ends",
            "ha.cf:8: error: address 10.0.0.1 stands already on device eth0 (line 5)",
            "ha.cf:9: error: address 10.0.0.2 stands already on device eth0 (line 5)",
        ]
    );
    let many = (0..16)
        .map(|n| format!("ucast eth{n} 10.0.{n}.1\n"))
        .collect::<Vec<_>>()
        .concat();
    assert_eq!(after_base(&many), ["ha.cf:20: error: more than 16 links"]);
}

#[test]
fn problems_of_one_file_are_bounded() {
    let found = after_base(&"x\n".repeat(100_000));
    assert_eq!(found.len(), 501);
    assert_eq!(
        found[500],
        "ha.cf:504: error: 99500 more problems of this file are not shown"
    );
}

#[test]
fn times_are_exact() {
    for (word, ms) in [
        ("1", 1000),
        ("0.2", 200),
        ("1.", 1000),
        ("0.0015", 2),
        ("10ms", 10),
        ("2.5ms", 3),
        ("1us", 1),
        ("86400", 86_400_000),
    ] {
        assert_eq!(
            values::time(word).map(|time| time.span),
            Ok(Span::from_millis(ms)),
            "{word}"
        );
    }
}

#[test]
fn broadcast_multicast_and_ipv6_links() {
    let text = format!(
        "{BASE}bcast eth0, eth1\nmcast eth0 225.0.0.1 695 1 0\nucast6 eth1 fe80::1%eth1\nucast eth1 10.1.0.1\n\
         ucast6 eth1 fe80::2\nmcast6 eth1 ff12::1 694 4 1\nucast6 eth0 fe80::1\nudpport 700\nbcast eth0\n"
    );
    let parsed = ha_cf::parse(Path::new("ha.cf"), text.as_bytes());
    let names: Vec<String> = parsed.value.links.iter().map(ovzha_host::media::name).collect();
    assert_eq!(
        names,
        [
            "serial /dev/ttyS0",
            "bcast eth0",
            "bcast eth1",
            "mcast eth0 225.0.0.1 port 695",
            "ucast6 eth1",
            "ucast eth1",
            "mcast6 eth1 ff12::1",
            "ucast6 eth0",
            "bcast eth0 port 700",
        ]
    );
    assert_eq!(
        after_base(
            "bcast\nbcast eth0 eth0\nmcast eth0 10.0.0.1 0 256 2\nmcast eth0 239.0.0.1 694 1\nmcast eth0 239.0.0.1 694 0 0\n\
             mcast eth0 239.0.0.1 694 1 1\nmcast6 eth0 ff11::1 694 1 0\nmcast6 eth0 239.0.0.1 694 1 0"
        ),
        [
            "ha.cf:5: error: `bcast` needs a network device",
            "ha.cf:6: error: bcast eth0 stands already on line 6",
            "ha.cf:7: error: mcast: `10.0.0.1` is no multicast group (224.0.0.0 to 239.255.255.255)",
            "ha.cf:7: error: mcast: port: `0` is no number from 1 to 65535",
            "ha.cf:7: error: mcast: TTL: `256` is no number from 0 to 255",
            "ha.cf:7: error: mcast: loop: `2` is no number from 0 to 1",
            "ha.cf:8: error: `mcast` needs a network device, a group, a port, a TTL and 0 or 1 for the loop",
            "ha.cf:9: warning: mcast: TTL 0: no frame leaves this machine",
            "ha.cf:10: error: mcast eth0 239.0.0.1 stands already on line 9",
            "ha.cf:11: warning: mcast6: ff11::1: no frame leaves this machine",
            "ha.cf:12: error: mcast6: `239.0.0.1` is no multicast group (ff00::/8)",
        ]
    );
    assert_eq!(
        after_base(
            "ucast6 eth0 fe80::1%eth1\nucast6 eth0 10.0.0.1\nucast6 eth0 ::1\nucast6 eth0 ::ffff:10.0.0.1\nucast eth0 fd00::1"
        ),
        [
            "ha.cf:5: error: ucast6: `fe80::1%eth1` is on `eth1`, not on `eth0`",
            "ha.cf:6: error: ucast6: `10.0.0.1` is no IPv6 address (names are not looked up)",
            "ha.cf:7: error: ucast6: `::1` is not the address of one other machine",
            "ha.cf:8: error: ucast6: `::ffff:10.0.0.1` is the IPv4 address 10.0.0.1",
            "ha.cf:9: error: ucast: `fd00::1` is no IPv4 address (names are not looked up)",
        ]
    );
}

#[test]
fn any_rate_linux_knows_and_slow_ones_are_told() {
    let with = |baud: &str| {
        let text = format!("node a b\nbaud {baud}\nserial /dev/ttyS0\nauto_failback off\n");
        let parsed = ha_cf::parse(Path::new("ha.cf"), text.as_bytes());
        parsed.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for baud in ["4800", "9600", "115200", "576000", "1500000", "4000000"] {
        assert_eq!(with(baud), [""; 0], "{baud}");
    }
    assert_eq!(
        with("1200"),
        [
            "ha.cf:3: warning: serial /dev/ttyS0: at 1200 bit/s a heartbeat takes up to 800 ms, more than half of keepalive 1 s"
        ]
    );
    for baud in ["14400", "0", "9600.0", "-9600", "4000001"] {
        assert!(
            with(baud)[0].starts_with(&format!("ha.cf:2: error: baud: `{baud}` is none of [1200, ")),
            "{baud}"
        );
    }
}

#[test]
fn ping_nodes_and_their_groups() {
    let text = format!("{BASE}ping 10.0.0.1 fd00::1\nping_group routers 10.0.1.1 fd00::2\nping6 fd00::3\n");
    let parsed = ha_cf::parse(Path::new("ha.cf"), text.as_bytes());
    let pings: Vec<String> = parsed
        .value
        .pings
        .iter()
        .map(|ping| format!("{} {:?} line {}", ping.name, ping.addresses, ping.line))
        .collect();
    assert_eq!(
        pings,
        [
            "10.0.0.1 [10.0.0.1] line 5",
            "fd00::1 [fd00::1] line 5",
            "routers [10.0.1.1, fd00::2] line 6",
            "fd00::3 [fd00::3] line 7",
        ]
    );
    assert_eq!(
        after_base(
            "ping6 10.0.0.1\nping fe80::1\nping_group\nping_group a\nping_group 10.0.0.1 10.0.0.2\nping_group a 10.0.0.1 10.0.0.1\n\
             ping_group a 10.0.0.2\nping_group b 10.0.0.1 x"
        ),
        [
            "ha.cf:5: error: ping6: `10.0.0.1` is no IPv6 address (names are not looked up)",
            "ha.cf:6: error: ping: `fe80::1` is link-local: take an address of that machine that has a route",
            "ha.cf:7: error: `ping_group` needs a name and addresses",
            "ha.cf:8: error: ping_group a has no address",
            "ha.cf:9: error: ping_group: `10.0.0.1` is no name of a group",
            "ha.cf:10: warning: ping_group a: 10.0.0.1 stands there twice",
            "ha.cf:11: error: ping_group `a` stands already on line 10",
            "ha.cf:12: warning: 10.0.0.1 is in ping node `a` (line 10), too: its answer counts for both",
            "ha.cf:12: error: ping_group b: `x` is no IPv4 address (names are not looked up)",
        ]
    );
    let many = (0..65).map(|n| format!(" 10.0.0.{n}")).collect::<Vec<_>>().concat();
    assert_eq!(
        after_base(&format!("ping_group many{many}")),
        ["ha.cf:5: error: more than 64 addresses of ping nodes"]
    );
}
