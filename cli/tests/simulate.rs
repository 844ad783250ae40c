//! `ovzha simulate` run as a program, on the article's files; `OVZHA_REWRITE=1` writes what came out.

use std::fs;
use std::path::Path;

use fixture::{Cluster, millis};
use serde_json::Value;

#[cfg(test)]
mod fixture {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output};

    use serde_json::Value;

    /// The article's files in a directory of their own, some replaced, and a machine that has nothing but `drbd.conf`.
    pub struct Cluster {
        dir: PathBuf,
    }

    impl Cluster {
        pub fn new(test: &str, changed: &[(&str, &str)]) -> Self {
            let dir = std::env::temp_dir().join(format!("ovzha-simulate-{test}-{}", std::process::id()));
            let article = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/tests/files/article");
            let write = |path: &str, text: &str| {
                let path = dir.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            };
            for (from, to) in [
                ("ha.cf", "ha.d/ha.cf"),
                ("authkeys", "ha.d/authkeys"),
                ("haresources", "ha.d/haresources"),
                ("drbd.conf", "machine/etc/drbd.conf"),
            ] {
                write(to, &fs::read_to_string(article.join(from)).unwrap());
            }
            for (path, text) in changed {
                write(path, text);
            }
            for path in ["", "ha.d"] {
                fs::set_permissions(dir.join(path), fs::Permissions::from_mode(0o755)).unwrap();
            }
            Self { dir }
        }

        pub fn run(&self, words: &[&str]) -> Output {
            Command::new(env!("CARGO_BIN_EXE_ovzha"))
                .current_dir(&self.dir)
                .args(["simulate", "-d", "ha.d", "--machine", "machine"])
                .args(words)
                .output()
                .unwrap()
        }

        /// What is printed when it is shown.
        pub fn shows(&self, words: &[&str]) -> String {
            let output = self.run(words);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), told.as_str()), (Some(0), ""), "{words:?}");
            String::from_utf8(output.stdout).unwrap()
        }

        pub fn json(&self, words: &[&str]) -> Value {
            serde_json::from_str(&self.shows(&[&["--json"], words].concat())).unwrap()
        }

        /// What is said when a word can't be understood.
        pub fn refuses(&self, words: &[&str], code: i32) -> String {
            let output = self.run(words);
            assert_eq!(output.status.code(), Some(code), "{words:?}");
            assert!(output.stdout.is_empty(), "{words:?}");
            String::from_utf8(output.stderr).unwrap()
        }
    }

    impl Drop for Cluster {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.dir));
        }
    }

    /// When the first event of this kind of text happened.
    pub fn millis(simulated: &Value, node: &str, text: &str) -> u64 {
        let events = simulated["events"].as_array().unwrap();
        let found = events
            .iter()
            .find(|event| event["node"] == node && event["text"].as_str().unwrap().contains(text));
        found.unwrap_or_else(|| panic!("{node} never says {text:?}"))["at_ms"]
            .as_u64()
            .unwrap()
    }
}

const WATCHDOG: (&str, &str) = ("ha.d/ovzha.cf", "watchdog /dev/watchdog\n");
const FENCED: (&str, &str) = (
    "machine/etc/drbd.conf",
    include_str!("../../host/tests/files/fenced.conf"),
);

/// Name, files that are changed, words.
type Run = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const RUNS: [Run; 15] = [
    ("start", &[], &[]),
    ("power-cut", &[], &["power-cut ovz-node1", "power-on ovz-node1"]),
    ("one-link", &[], &["cut eth0", "mend eth0"]),
    ("crossover", &[], &["cut eth1"]),
    ("all-cut", &[], &["cut all", "wait 1m", "mend all"]),
    ("freeze", &[], &["freeze ovz-node1 40s"]),
    ("freeze-watchdog", &[WATCHDOG], &["freeze ovz-node1 40s"]),
    ("isolate", &[], &["isolate ovz-node1"]),
    (
        "isolate-quick-stop",
        &[],
        &["--stop-takes", "vz=3s", "isolate ovz-node1", "join ovz-node1"],
    ),
    ("standby", &[], &["standby ovz-node1"]),
    ("daemon-back", &[], &["kill-daemon ovz-node1 5s"]),
    ("daemon-dead", &[], &["kill-daemon", "ovz-node1"]),
    ("monitor", &[], &["fail ovz-node1 vz", "fail ovz-node1 vz"]),
    ("fencing", &[FENCED], &["cut drbd", "power-cut ovz-node1"]),
    ("hold", &[], &["hold 5m", "power-cut ovz-node1", "resume"]),
];

#[test]
fn runs_are_as_written() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/simulate");
    let mut wrong = Vec::new();
    for (name, changed, words) in RUNS {
        let cluster = Cluster::new(name, changed);
        let came = cluster.shows(words);
        let typed: Vec<String> = words
            .iter()
            .map(|word| {
                if word.contains(' ') {
                    format!("'{word}'")
                } else {
                    (*word).to_owned()
                }
            })
            .collect();
        let text = format!("$ ovzha simulate {}\n{came}", typed.join(" "));
        let path = golden.join(format!("{name}.txt"));
        if std::env::var_os("OVZHA_REWRITE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        if kept != text {
            let place = kept.lines().zip(text.lines()).position(|(kept, came)| kept != came);
            let line = place.unwrap_or_else(|| kept.lines().count().min(text.lines().count()));
            let show = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
            wrong.push(format!(
                "{name}.txt:{}:\n  kept {}\n  came {}",
                line + 1,
                show(&kept),
                show(&text)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_seed_gives_the_same_every_time_and_another_one_other_moments() {
    let cluster = Cluster::new("seeds", &[]);
    let words = ["freeze ovz-node1 40s"];
    let with = |seed: &str| cluster.shows(&[&["--seed", seed], &words[..]].concat());
    assert_eq!(with("7"), with("7"));
    assert_ne!(with("7"), with("8"));
}

#[test]
fn a_takeover_begins_when_the_deadtime_of_the_files_is_over() {
    let ha_cf = |deadtime: u64| {
        format!(
            "node a b\nkeepalive 1\nwarntime 4\ndeadtime {deadtime}\ninitdead {deadtime}\nbcast eth0 eth1\nauto_failback off\n"
        )
    };
    for deadtime in [6, 10, 30, 77] {
        let files = [
            ("ha.d/ha.cf", ha_cf(deadtime)),
            (
                "ha.d/haresources",
                "a datadisk::r0 Filesystem::/dev/drbd0::/vz::ext3 vz\n".to_owned(),
            ),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let cluster = Cluster::new(&format!("deadtime-{deadtime}"), &files);
        for seed in ["1", "2", "3", "4", "5", "6", "7", "8"] {
            let simulated = cluster.json(&["--seed", seed, "--start-takes", "vz=20s", "power-cut a"]);
            let (dead, starts, active) = (
                millis(&simulated, "b", "a is dead"),
                millis(&simulated, "b", "starting"),
                millis(&simulated, "b", "active"),
            );
            // the last heartbeat went out up to a keepalive before the cut
            let (least, most) = ((deadtime - 1) * 1000, deadtime * 1000);
            assert!(
                (least..=most + 20).contains(&dead),
                "deadtime {deadtime} s, seed {seed}: dead after {dead} ms"
            );
            assert!(starts - dead <= 20, "{starts} {dead}");
            // datadisk 0.5 s, Filesystem 1 s, vz as was said
            assert_eq!((active - starts) / 100, 215, "{active} {starts}");
            assert_eq!(simulated["groups"][0]["away_ms"].as_u64().unwrap(), active);
        }
    }
}

#[test]
fn two_actives_are_admitted_by_the_row_of_the_files() {
    let clause = |changed: &[(&str, &str)], words: &[&str]| -> Vec<Value> {
        let simulated = Cluster::new("rows", changed).json(words);
        let group = &simulated["groups"][0];
        assert_eq!(
            group["two_actives"].as_array().unwrap().is_empty(),
            group["admitted_by"].as_array().unwrap().is_empty()
        );
        let admitted = group["admitted_by"].as_array().unwrap().iter();
        let clauses = admitted.map(|by| by["clause"].clone()).collect();
        let row = [simulated["protection"].clone(), simulated["safety"].clone()];
        [row.to_vec(), clauses].concat()
    };
    let article = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/tests/files/article/ha.cf"));
    let no_ping = article
        .unwrap()
        .replace("ping 192.168.1.1\n", "")
        .replace("respawn", "#");
    let none: &[(&str, &str)] = &[("ha.d/ha.cf", &no_ping)];
    assert_eq!(clause(none, &["cut all"]), ["none", "S-10", "S-10"]);
    assert_eq!(clause(none, &["isolate ovz-node1"]), ["none", "S-10", "S-10"]);
    assert_eq!(clause(none, &["power-cut ovz-node1"]), ["none", "S-10"]);
    assert_eq!(clause(&[], &["cut all"]), ["ping", "S-11", "S-11"]);
    assert_eq!(clause(&[], &["isolate ovz-node1"]), ["ping", "S-11"]);
    assert_eq!(
        clause(&[], &["kill-daemon ovz-node1", "cut drbd"]),
        ["ping", "S-11", "S-11"]
    );
    let watched: &[(&str, &str)] = &[none[0], WATCHDOG];
    assert_eq!(clause(watched, &["freeze ovz-node1 kernel"]), ["watchdog", "S-12"]);
    assert_eq!(clause(watched, &["kill-daemon ovz-node1"]), ["watchdog", "S-12"]);
    assert_eq!(
        clause(watched, &["freeze ovz-node1 machine 60s"]),
        ["watchdog", "S-12", "S-12"]
    );
    assert_eq!(clause(watched, &["cut all"]), ["watchdog", "S-12", "S-10"]);
    assert_eq!(
        clause(&[WATCHDOG], &["isolate ovz-node2"]),
        ["ping+watchdog", "S-11, S-12"]
    );
}

#[test]
fn the_row_is_in_the_words_of_check() {
    let cluster = Cluster::new("row-words", &[]);
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_ovzha"))
        .args(["check", "--config-dir"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/tests/files/article"))
        .output()
        .unwrap();
    let line = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("protection: "))
            .map(str::to_owned)
    };
    let of_check = line(&String::from_utf8(checked.stdout).unwrap());
    // files of a working copy may be writable by others, which check refuses: then it says no row
    if let Some(of_check) = of_check {
        assert_eq!(line(&cluster.shows(&[])), Some(of_check));
    }
}

#[test]
fn faults_strike_at_their_times() {
    let cluster = Cluster::new("times", &[]);
    let at = |words: &[&str]| -> Vec<u64> {
        let simulated = cluster.json(words);
        let events = simulated["events"].as_array().unwrap().iter();
        let faults = events.filter(|event| event["kind"] == "fault");
        faults.map(|event| event["at_ms"].as_u64().unwrap()).collect()
    };
    assert_eq!(
        at(&["cut eth0", "wait 500ms", "cut eth1", "wait 2s mend eth0"]),
        [0, 500, 2500]
    );
    assert_eq!(
        at(&["cut eth0", "at 90s mend eth0", "at", "2m", "cut", "eth1"]),
        [0, 90_000, 120_000]
    );
    // a second one waits for what the first one brings: deadtime and the starts
    let settled = at(&["power-cut ovz-node1", "power-on ovz-node1"]);
    assert!(settled[1] > 46_000 && settled[1] < 300_000, "{settled:?}");
    let looked_on = |words: &[&str]| cluster.json(words)["looked_on_ms"].as_u64().unwrap();
    assert_eq!(looked_on(&["--for", "12s", "cut eth0"]), 12_000);
    assert_eq!(looked_on(&["cut eth0", "wait 7s"]), 7000);
}

#[test]
fn what_has_no_effect_says_so() {
    let cluster = Cluster::new("no-effect", &[("ha.d/haresources", "ovz-node1 192.168.1.5\n")]);
    for (fault, why) in [
        ("power-on ovz-node1", "it has power"),
        ("thaw ovz-node1", "it does not stand still"),
        ("start-daemon ovz-node2", "it can't start"),
        ("fail ovz-node2 192.168.1.5", "it does not run there"),
        ("disk-lost ovz-node1", "no such group has DRBD"),
    ] {
        let shown = cluster.shows(&[fault]);
        assert!(shown.contains(&format!("({why}")), "{fault}: {shown}");
    }
    let shown = cluster.shows(&["power-cut ovz-node1", "power-cut ovz-node1", "standby ovz-node1"]);
    assert!(
        shown.contains("(it has no power)") && shown.contains("(no daemon answers there)"),
        "{shown}"
    );
}

#[test]
fn a_bad_word_is_named_with_what_is_possible() {
    let cluster = Cluster::new("words", &[]);
    for (words, told) in [
        (
            &["power-cut ovz-node3"][..],
            "power-cut NODE: no node is called `ovz-node3`; known: ovz-node1, ovz-node2",
        ),
        (
            &["power-cut"],
            "power-cut NODE: a node is missing; known: ovz-node1, ovz-node2",
        ),
        (
            &["cut eth7"],
            "cut LINK... [from NODE]: no link is called `eth7`; known: eth1, eth0, /dev/ttyS0, links, drbd, all",
        ),
        (
            &["cut eth0 from"],
            "cut LINK... [from NODE]: a node is missing; known: ovz-node1, ovz-node2",
        ),
        (
            &["freeze ovz-node1 40"],
            "freeze NODE [TIME] [process|kernel|machine]: `40`: write a number with its unit: 90s, 30m, 2h or 1d",
        ),
        (
            &["fail ovz-node1 vzz"],
            "fail NODE RESOURCE [start|stop|monitor]: no resource is called `vzz`; known: datadisk::r0, \
             Filesystem::/dev/drbd0::/vz::ext3, vz, MailTo::youremail@yourdomain.tld",
        ),
        (
            &["standby ovz-node1 r9"],
            "standby NODE [SET|GROUP]...: no group is called `r9`; known: datadisk::r0",
        ),
        (&["wait"], "wait TIME: a time is missing: 500ms, 40s, 5m"),
        (
            &["--stop-takes", "vz", "cut eth0"],
            "`vz`: write RESOURCE=TIME, as vz=60s",
        ),
        (
            &["--start-takes", "web=3s"],
            "no resource is called `web`; known: datadisk::r0, Filesystem::/dev/drbd0::/vz::ext3, vz, \
             MailTo::youremail@yourdomain.tld",
        ),
    ] {
        assert_eq!(cluster.refuses(words, 2), format!("ovzha: simulate: {told}\n"));
    }
    let told = cluster.refuses(&["explode ovz-node1"], 2);
    assert!(
        told.starts_with("ovzha: simulate: `explode` is no fault; known: power-cut, power-on, "),
        "{told}"
    );
}

#[test]
fn bad_files_are_told_by_file_and_line() {
    let cluster = Cluster::new("files", &[("ha.d/haresources", "ovz-node3 vz\n")]);
    let told = cluster.refuses(&["cut all"], 1);
    assert_eq!(
        told,
        "ovzha: ha.d/haresources:1: error: node `ovz-node3` is none of ha.cf (ovz-node1, ovz-node2)\n"
    );
}

#[test]
fn the_guide_shows_what_really_comes() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(dir.join("../docs/GUIDE.md")).unwrap();
    let section = guide.split("### What would happen if").nth(1).unwrap();
    let shown = section.split("```").nth(3).unwrap();
    let golden = fs::read_to_string(dir.join("tests/golden/simulate/freeze-watchdog.txt")).unwrap();
    let lines: Vec<&str> = shown.lines().skip(1).filter(|line| line.trim() != "...").collect();
    assert!(lines.len() > 10, "{shown}");
    for line in lines {
        assert!(golden.lines().any(|there| there == line), "{line}");
    }
}

#[test]
fn the_help_lists_every_fault() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ovzha"))
        .args(["simulate", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let told = Cluster::new("help", &[]).refuses(&["?"], 2);
    let known = told.trim_end().split("known: ").nth(1).unwrap();
    for word in known.split(", ") {
        assert!(
            help.split([' ', ',', ';', '\n', '(']).any(|there| there == word),
            "{word} is not in the help"
        );
    }
}
