//! The table of `ovzha.cf`: what the parser accepts, the guide prints and the man page describes.
//!
//! `OVZHA_REWRITE=1` writes the guide's table anew.

use std::fs;
use std::path::Path;

use ovzha_core::time::Span;
use ovzha_host::ovzha_cf::watchdog::Heartbeat;
use ovzha_host::ovzha_cf::{self, settings};

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/GUIDE.md");
const PAGE: &str = include_str!("../../docs/man/ovzha.cf.5");
const BEGIN: &str = "<!-- ovzha.cf: printed from host/src/ovzha_cf/settings.rs -->\n";
const END: &str = "<!-- end of ovzha.cf -->\n";

fn parse(text: &str) -> Vec<String> {
    let heartbeat = Heartbeat {
        keepalive: Span::from_secs(2),
        deadtime: Span::from_secs(30),
        pings: false,
    };
    let parsed = ovzha_cf::parse(Path::new("ovzha.cf"), text.as_bytes(), Some(heartbeat));
    parsed.diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn every_row_is_read_as_it_says() {
    for row in settings::SETTINGS {
        assert!(row.example.starts_with(&format!("{} ", row.name)), "{}", row.name);
        assert_eq!(parse(row.example), [""; 0], "{}", row.name);
        let takes = format!("ovzha.cf:1: error: `{}` needs {}", row.name, row.takes);
        assert_eq!(parse(row.name), [takes], "{}", row.name);
        let twice = parse(&format!("{}\n{}", row.example, row.example));
        assert!(
            twice.iter().any(|problem| problem.contains("stands already on line 1")),
            "{twice:?}"
        );
    }
}

#[test]
fn a_watchdog_that_does_not_fit_is_told_with_both_numbers() {
    for (text, problem) in [
        (
            "watchdog /dev/watchdog 28",
            "1: error: watchdog: a watchdog's timeout of 28 s needs a deadtime of 30.737 s or more, and deadtime is 30 s; at most 27 s",
        ),
        (
            "watchdog /dev/watchdog 5s",
            "1: error: watchdog: a watchdog's timeout of 5 s is shorter than three keepalives (6 s); at most 27 s",
        ),
        (
            "watchdog /dev/watchdog 7500ms",
            "1: error: watchdog: 7.500 s: whole seconds, 1 to 65535",
        ),
        (
            "watchdog watchdog0",
            "1: error: watchdog: `watchdog0` is no absolute path of a device",
        ),
    ] {
        assert_eq!(parse(text), [format!("ovzha.cf:{problem}")]);
    }
    assert_eq!(parse("watchdog /dev/watchdog"), [""; 0]);
}

#[test]
fn lines_that_are_wrong() {
    for (text, problem) in [
        (
            "timeout vz restart 1",
            "1: error: timeout: `restart` is neither start, stop nor monitor",
        ),
        (
            "decisions witness",
            "1: error: decisions: `witness` needs a `witness` line",
        ),
        (
            "witness udp 192.0.2.7\ndecisions witness\nstonith_host * board in-place",
            "2: error: decisions: with `board in-place` `witness` would start nothing while both nodes have power",
        ),
        (
            "timeout vz stop",
            "1: error: `timeout` needs RESOURCE start|stop|monitor TIME",
        ),
        (
            "timeout vz stop 0",
            "1: error: timeout: the time must be longer than zero",
        ),
        (
            "\nstop-budget 30",
            "2: error: stop-budget 30 s must be shorter than deadtime 30 s of ha.cf",
        ),
        (
            "stop-budget soon",
            "1: error: stop-budget: `soon` is no time: use seconds, or the units us, ms, s or m",
        ),
        (
            "data vz no",
            "1: error: data: vz is built in: whether it holds data is known",
        ),
        ("data apache maybe", "1: error: data: `maybe` is neither on nor off"),
        (
            "monitor MailTo 10",
            "1: error: monitor: MailTo leaves nothing to look at",
        ),
        (
            "monitor vz 1500ms",
            "1: error: monitor: 1.500 s: whole seconds, 1 to 65535, or off",
        ),
        ("on-diskless wait", "1: error: `on-diskless` needs hand-over|stay"),
        ("keepalive 2", "1: error: unknown directive `keepalive`"),
        ("alert <root>", "1: error: alert: \"<root>\" is no mail address"),
        (
            "smarthost mail:0",
            "1: error: smarthost: \"mail:0\" is no HOST or HOST:PORT",
        ),
        ("mail-from -f", "1: error: mail-from: `-f` is no mail address"),
        ("mail-from a b", "1: error: `mail-from` needs ADDRESS"),
        (
            "\u{feff}stop-budget 3",
            "1: error: the file begins with a byte order mark (EF BB BF); save it as plain UTF-8",
        ),
    ] {
        assert_eq!(parse(text), [format!("ovzha.cf:{problem}")], "{text}");
    }
    assert_eq!(
        parse("stop-budget 3\nstop-budget x"),
        [
            "ovzha.cf:2: error: stop-budget stands already on line 1",
            "ovzha.cf:2: error: stop-budget: `x` is no time: use seconds, or the units us, ms, s or m"
        ]
    );
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
    let table = settings::guide_table();
    if std::env::var_os("OVZHA_REWRITE").is_some() {
        fs::write(GUIDE, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(
            shown, table,
            "docs/GUIDE.md: OVZHA_REWRITE=1 cargo test -p ovzha-host --test config_settings"
        );
    }
}

/// The words of a line of mdoc, without its macros: `.It Ic NAME Ar TIME` is `NAME TIME`.
fn heading(line: &str) -> Option<String> {
    let words = line.strip_prefix(".It Ic ")?.split(' ');
    let mut text = String::new();
    let mut glue = false;
    for word in words {
        match word {
            "Ar" | "Cm" | "Ic" | "Op" => {}
            "Ns" => glue = true,
            _ => {
                if !text.is_empty() && !glue {
                    text.push(' ');
                }
                text.push_str(word);
                glue = false;
            }
        }
    }
    Some(text)
}

#[test]
fn the_man_page_has_a_paragraph_for_each_row_and_for_nothing_else() {
    let mut described: Vec<String> = PAGE.lines().filter_map(heading).collect();
    let mut known: Vec<String> = settings::SETTINGS
        .iter()
        .map(|row| format!("{} {}", row.name, row.takes))
        .collect();
    described.sort();
    known.sort();
    assert_eq!(
        described, known,
        "docs/man/ovzha.cf.5 and host/src/ovzha_cf/settings.rs"
    );
}
