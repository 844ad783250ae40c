//! What `ovzha check` says about DRBD's times.

use crate::machine::Machine;
use crate::resource::r0;

const SLOW: &str = "keepalive 1\nwarntime 10\ndeadtime 30\n";
const QUICK: &str = "keepalive 1\nwarntime 2\ndeadtime 5\n";

/// The timings of ha.cf, the module, what stands in `net`, the one finding, and the line to write.
const TIMES: [(&str, &str, &str, &str, &str); 10] = [
    (
        QUICK,
        "8.4.11",
        "",
        "W /etc/drbd.conf: `r0`: DRBD notices the other node's death up to 10.500 s after it (ping-int 10 s + ping-timeout \
             500 ms), later than deadtime 5 s: a takeover begins while DRBD still says Connected",
        "net { ping-int 4; timeout 35; }",
    ),
    (
        SLOW,
        "8.4.11",
        "ping-int 30;",
        "W /etc/drbd.conf:2: DRBD notices the other node's death up to 30.500 s after it",
        "net { ping-int 10; }",
    ),
    (
        SLOW,
        "9.1.4",
        "ping-timeout 300;",
        "W /etc/drbd.conf:2: ping-timeout 30 s: so long DRBD waits for an answer of a dead node before it can be promoted; a \
             takeover comes that much later than deadtime 30 s",
        "net { ping-timeout 5; }",
    ),
    (
        SLOW,
        "8.3.11",
        "ko-count 1; timeout 310; ping-int 20;",
        "W /etc/drbd.conf:2: timeout 31 s, longer than deadtime 30 s: for so long the active's writes stand still when the",
        "net { timeout 60; }",
    ),
    (
        SLOW,
        "8.4.11",
        "timeout 100; ko-count 5;",
        "W /etc/drbd.conf:2: timeout 10 s x ko-count 5: a standby whose disk hangs stops the active's writes for up to 50 s, \
             longer than deadtime 30 s",
        "net { ko-count 3; }",
    ),
    (
        SLOW,
        "8.4.11",
        "ko-count 0;",
        "W /etc/drbd.conf:2: ko-count is 0: a standby whose disk hangs stops the active's writes for ever",
        "net { ko-count 5; }",
    ),
    (
        SLOW,
        "8.3.11",
        "timeout 60;",
        "W /etc/drbd.conf: `r0`: ko-count is 0, the default: a standby whose disk hangs",
        "net { ko-count 5; }",
    ),
    (
        SLOW,
        "8.4.11",
        "timeout 60; ping-int 10; ping-timeout 5; ko-count 7;",
        "",
        "",
    ),
    (SLOW, "8.4.11", "ping-int 29;", "", ""),
    (SLOW, "8.4.11", "ping-int x; timeout;", "", ""),
];

#[test]
fn times_of_drbd_against_deadtime() {
    for (timings, version, net, beginning, line) in TIMES {
        let machine = Machine::new("times");
        let (disk, in_net) = if version.starts_with('9') {
            ("", "fencing resource-and-stonith;")
        } else {
            ("fencing resource-and-stonith;", "")
        };
        let fenced = "options { auto-promote no; } handlers { \
                      fence-peer \"/usr/sbin/ovzha fence-peer\"; }";
        deadtime(&machine, timings);
        machine.write("sys/module/drbd/version", version);
        let conf = |net: &str| {
            r0(&format!(
                "net {{ {net} {in_net} }} disk {{ on-io-error detach; {disk} }} {fenced}"
            ))
        };
        machine.write("etc/drbd.conf", &conf(net));
        if line.is_empty() {
            assert_eq!(machine.found(), [""; 0], "{net}");
            continue;
        }
        machine.finds(beginning);
        assert_eq!(machine.lines(), [line]);
        // Written in place of what is there, it ends the finding.
        let word = line.trim_start_matches("net {").trim_end_matches('}');
        machine.write("etc/drbd.conf", &conf(&format!("{net} {word}")));
        assert_eq!(machine.found(), [""; 0], "{net} {word}");
    }
}

#[test]
fn a_deadtime_that_drbd_can_never_keep() {
    let machine = Machine::new("never");
    deadtime(&machine, "keepalive 200ms\nwarntime 300ms\ndeadtime 1\n");
    machine.finds("W /etc/drbd.conf: `r0`: DRBD notices the other node's death up to 10.500 s after it");
    let finding = machine.findings().remove(0);
    assert_eq!(
        finding.remedy,
        "take a longer deadtime: no ping-int is shorter than 1 s"
    );
    assert_eq!(finding.lines, [""; 0]);
}

/// Writes the article's `ha.cf` with other timings.
fn deadtime(machine: &Machine, timings: &str) {
    let article = include_str!("../files/article/ha.cf");
    let text = article.replace("keepalive 1\nwarntime 10\ndeadtime 30\n", timings);
    assert!(text.contains(timings));
    machine.write("etc/ha.d/ha.cf", &text);
}

#[test]
fn drbd_0_7_is_promoted_only_once_it_has_noticed() {
    let machine = Machine::new("noticed");
    deadtime(&machine, "keepalive 1\nwarntime 2\ndeadtime 10\n");
    machine.write("proc/drbd", "version: 0.7.20 (api:79/proto:74)\n");
    machine.write("etc/drbd.conf", &r0("disk { on-io-error detach; } net { ko-count 1; }"));
    let found = machine.found();
    assert_eq!(
        found[1..],
        [
            "W /etc/drbd.conf: `r0`: DRBD 0.7 notices the other node's death up to 13 s after it (ping-int 10 s + half of timeout: 3 \
          s) and refuses to be promoted until then: a takeover comes that late, not after deadtime 10 s"
        ]
    );
    assert_eq!(machine.lines(), ["net { ping-int 6; timeout 55; }"]);
    machine.write(
        "etc/drbd.conf",
        &r0("disk { on-io-error detach; } net { ko-count 1; ping-int 6; timeout 55; }"),
    );
    assert_eq!(machine.found(), [found[0].clone()]);
}

#[test]
fn a_boot_that_waits_for_ever() {
    let both = "/usr/sbin/ovzha fence-peer";
    for (version, startup, words, line) in [
        (
            "8.4.11",
            "",
            "`r0`: wfc-timeout, degr-wfc-timeout and outdated-wfc-timeout are 0",
            "startup { wfc-timeout 120; degr-wfc-timeout 60; outdated-wfc-timeout 20; }",
        ),
        (
            "8.4.11",
            "wfc-timeout 30;",
            "`r0`: degr-wfc-timeout and outdated-wfc-timeout are 0",
            "startup { degr-wfc-timeout 30; outdated-wfc-timeout 20; }",
        ),
        (
            "8.4.11",
            "wfc-timeout 0; degr-wfc-timeout 300; outdated-wfc-timeout 10;",
            "wfc-timeout is 0",
            "startup { wfc-timeout 300; }",
        ),
        ("8.0.16", "", "`r0`: wfc-timeout is 0", "startup { wfc-timeout 120; }"),
        (
            "8.2.7",
            "wfc-timeout 30; degr-wfc-timeout 0;",
            "degr-wfc-timeout is 0",
            "startup { degr-wfc-timeout 30; }",
        ),
    ] {
        let machine = Machine::new("wfc");
        machine.write("sys/module/drbd/version", version);
        let conf = |startup: &str| {
            r0(&format!(
                "disk {{ on-io-error detach; fencing resource-and-stonith; }} net {{ ko-count 1; }} handlers {{ outdate-peer \
                 \"{both}\"; }} startup {{ {startup} }}"
            ))
        };
        machine.write("etc/drbd.conf", &conf(startup));
        // Who does not start DRBD at boot is not kept waiting by it.
        assert_eq!(machine.found(), [""; 0]);
        machine.link("etc/systemd/system/multi-user.target.wants/drbd.service");
        let found = machine.found();
        assert!(
            found.len() == 1 && found[0].contains(&format!(": {words}, which is for ever: when")),
            "{found:#?}"
        );
        assert_eq!(machine.lines(), [line]);
        let word = line.trim_start_matches("startup {").trim_end_matches('}');
        machine.write("etc/drbd.conf", &conf(&format!("{startup} {word}")));
        assert_eq!(machine.found(), [""; 0], "{word}");
    }
}
