//! The table of directives: complete, true to what the parser does, and printed in the guide.
//!
//! `OVZHA_REWRITE=1` writes the guide's table anew.

use std::fs;
use std::path::Path;

use ovzha_host::ha_cf::directives::{DIRECTIVES, Treatment, find, guide_table};
use ovzha_host::ha_cf::{self};

/// All directives of Heartbeat 3.0.6 and 1.2.x and their media.
const HEARTBEATS: &str = "cluster node hopfudge keepalive deadtime warntime initdead deadping watchdog baud udpport logfacility \
    logfile debugfile use_logd conn_logd_time syslogmsgfmt log_badpack nice_failback auto_failback rtprio realtime memreserve \
    hbgenmethod uuidfrom debug msgfmt max_rexmit_delay compression compression_threshold traditional_compression coredumps \
    coreroot use_apphbd autojoin env crm pacemaker crm_daemon_dir crmd_spawns_pengine record_config_changes \
    record_pengine_inputs enable_config_writes quorum_server stonith stonith_host apiauth respawn failfast serial bcast mcast \
    mcast6 ucast ucast6 ping ping6 ping_group udp hbaping tipc rds normalpoll register_to_apphbd openais";
/// A file in which nothing is wrong.
const BASE: &str = "node a b\nbaud 9600\nserial /dev/ttyS0\nauto_failback off\nlogfacility daemon\n";
const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/GUIDE.md");
const BEGIN: &str = "<!-- ha.cf: printed from host/src/ha_cf/directives.rs -->\n";
const END: &str = "<!-- end of ha.cf -->\n";

fn parse(text: &str) -> Vec<String> {
    let parsed = ha_cf::parse(Path::new("ha.cf"), text.as_bytes());
    parsed.diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn every_directive_of_heartbeat_has_one_row() {
    for name in HEARTBEATS.split_whitespace() {
        assert_eq!(DIRECTIVES.iter().filter(|row| row.name == name).count(), 1, "{name}");
    }
    let known: Vec<&str> = HEARTBEATS.split_whitespace().collect();
    for row in DIRECTIVES {
        assert!(known.contains(&row.name), "{} is no directive of Heartbeat", row.name);
    }
}

#[test]
fn every_directive_is_treated_as_its_row_says() {
    assert_eq!(parse(BASE), [""; 0]);
    for row in DIRECTIVES {
        let (name, note) = (row.name, row.note);
        assert!(!note.is_empty(), "{name}");
        let in_base = BASE.lines().any(|line| line.starts_with(&format!("{name} ")));
        assert!(
            in_base || row.example.starts_with(&format!("{name} ")) || name == "nice_failback",
            "{name}"
        );
        let found = parse(&format!("{BASE}{}", row.example));
        match row.treatment {
            Treatment::Done if name == "udp" => {
                assert_eq!(
                    found,
                    ["ha.cf:6: warning: `udp` is the old name of `bcast`: write `bcast`"]
                );
            }
            Treatment::Done => assert_eq!(found, [""; 0], "{name}"),
            Treatment::NoEffect(_) => {
                assert_eq!(found, [format!("ha.cf:6: warning: {name} has no effect: {note}")]);
                let missing = parse(&format!("{BASE}{name}"));
                assert_eq!(missing, [format!("ha.cf:6: error: {name}: the value is missing")]);
            }
            Treatment::Only(wanted) => {
                assert_eq!(found, [""; 0], "{name}");
                assert_eq!(
                    parse(&format!("{BASE}{name} respawn")),
                    [format!(
                        "ha.cf:6: error: {name}: `respawn` is refused, only `{wanted}` is accepted: {note}"
                    )]
                );
            }
            Treatment::Refused => assert_eq!(found, [format!("ha.cf:6: error: `{name}` is refused: {note}")]),
        }
    }
}

#[test]
fn what_fences_is_never_just_ignored() {
    for name in ["watchdog", "stonith", "stonith_host"] {
        let treatment = find(name).map(|row| row.treatment);
        assert!(
            matches!(treatment, Some(Treatment::Refused | Treatment::Done)),
            "{name}: {treatment:?}"
        );
    }
}

#[test]
fn a_value_without_effect_is_still_checked() {
    for (line, why) in [
        ("use_logd perhaps", "use_logd: `perhaps` is neither on nor off"),
        (
            "memreserve much",
            "memreserve: `much` is no number from 0 to 4294967295",
        ),
        (
            "conn_logd_time soon",
            "conn_logd_time: `soon` is no time: use seconds, or the units us, ms, s or m",
        ),
        ("msgfmt modern", "msgfmt: `modern` is none of classic, netstring"),
        ("hopfudge 1 2", "hopfudge: takes one value, but `2` follows it"),
    ] {
        assert_eq!(parse(&format!("{BASE}{line}")), [format!("ha.cf:6: error: {why}")]);
    }
}

#[test]
fn the_guide_shows_the_table() {
    let guide = fs::read_to_string(GUIDE).unwrap();
    let (before, rest) = guide
        .split_once(BEGIN)
        .expect("the guide has the mark where the table begins");
    let (shown, after) = rest
        .split_once(END)
        .expect("the guide has the mark where the table ends");
    let table = guide_table();
    if std::env::var_os("OVZHA_REWRITE").is_some() {
        fs::write(GUIDE, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(
            shown, table,
            "docs/GUIDE.md: OVZHA_REWRITE=1 cargo test -p ovzha-host --test config_directives"
        );
    }
}
