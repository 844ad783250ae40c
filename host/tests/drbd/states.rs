//! Every recorded state of the real DRBD 8.4 through every parser that applies: what each says, and that they agree.
//!
//! `OVZHA_REWRITE=1` writes what they say anew (`drbd-8.4/states.golden`).
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ovzha_host::drbd::{Connection, Disk, Events, Seen, State};
use ovzha_host::drbd::{parse_cstate, parse_dstate, parse_gi, parse_json, parse_proc, parse_role, parse_status};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drbd-8.4")
}

/// One node in one recorded state: what each query printed, and its exit code.
type Answers = BTreeMap<String, (String, String)>;

/// All of them, by the state's and the node's name.
fn recorded() -> Vec<(String, Answers)> {
    let mut files: Vec<PathBuf> = fs::read_dir(fixtures().join("states"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut all: BTreeMap<String, Answers> = BTreeMap::new();
    for file in files {
        let state = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        for part in text.split("==> ").skip(1) {
            let (head, body) = part.split_once('\n').unwrap();
            let (node, rest) = head.split_once(' ').unwrap();
            let (query, rc) = rest.split_once(" rc ").unwrap();
            let answers = all.entry(format!("{state} {node}")).or_default();
            answers.insert(query.to_owned(), (rc.to_owned(), body.to_owned()));
        }
    }
    all.into_iter().collect()
}

fn events(text: &str) -> Result<Option<State>, String> {
    let mut events = Events::new("r0");
    for line in text.lines() {
        events.line(line).map_err(|error| error.to_string())?;
    }
    match events.seen().map_err(|error| error.to_string())? {
        Seen::Nothing => Err("the description is cut short".to_owned()),
        Seen::Down => Ok(None),
        Seen::Up(state) => Ok(Some(state)),
    }
}

/// What each parser makes of the answers. `None`: it is down.
fn read(answers: &Answers) -> Vec<(&'static str, Result<Option<State>, String>)> {
    let good = |query: &str| {
        let (rc, text) = answers.get(query)?;
        (rc == "0").then_some(text.as_str())
    };
    let mut read = Vec::new();
    if let Some(text) = good("proc_drbd") {
        let proc = parse_proc(text).unwrap();
        let state = if proc.devices.is_empty() {
            Ok(None)
        } else {
            proc.state(&[0]).map(Some)
        };
        read.push(("/proc/drbd", state.map_err(|error| error.to_string())));
    }
    if let (Some(role), Some(cstate), Some(dstate)) =
        (good("drbdadm_role"), good("drbdadm_cstate"), good("drbdadm_dstate"))
    {
        let state = State::new(
            parse_role(role).unwrap(),
            parse_cstate(cstate).unwrap(),
            parse_dstate(dstate).unwrap(),
        );
        read.push(("drbdadm", Ok(Some(state))));
    }
    for (name, query) in [
        ("status", "drbdadm_status"),
        ("status --verbose", "drbdsetup_status_verbose"),
    ] {
        if let Some(text) = good(query) {
            let state = parse_status(text, "r0").map_err(|error| error.to_string());
            read.push((name, state));
        }
    }
    for (name, query) in [
        ("events2", "drbdsetup_events2_now"),
        ("events2 --statistics", "drbdsetup_events2_now_stat"),
    ] {
        if let Some(text) = good(query) {
            read.push((name, events(text)));
        }
    }
    read
}

fn told(state: &Result<Option<State>, String>) -> String {
    match state {
        Ok(Some(state)) => state.to_string(),
        Ok(None) => "down".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn every_recorded_state_is_read_as_it_was() {
    let mut golden = String::new();
    let mut nodes = 0;
    for (name, answers) in recorded() {
        nodes += 1;
        writeln!(golden, "{name}").unwrap();
        for (parser, state) in read(&answers) {
            writeln!(golden, "  {parser:20} {}", told(&state)).unwrap();
        }
        if let Some((rc, text)) = answers.get("drbdadm_get_gi")
            && rc == "0"
        {
            let proof = parse_gi(text)
                .unwrap()
                .map_or("nothing".to_owned(), |proof| proof.to_string());
            writeln!(golden, "  {:20} {proof}", "get-gi proves").unwrap();
        }
    }
    assert_eq!(nodes, 78, "recordings are missing");
    let path = fixtures().join("states.golden");
    if std::env::var_os("OVZHA_REWRITE").is_some() {
        fs::write(&path, &golden).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(
        golden == expected,
        "{golden}\nis not {}: OVZHA_REWRITE=1 cargo test -p ovzha-host --test drbd",
        path.display()
    );
}

/// The queries of one state were made one after the other, tenths of a second apart: what moved in between.
const MOVED: [&str; 1] = ["16b-reattached-synctarget-primary node1"];

#[test]
fn the_texts_of_one_state_agree() {
    let mut compared = 0;
    for (name, answers) in recorded() {
        let states = read(&answers);
        let Some((_, Ok(Some(first)))) = states.first() else {
            for (parser, state) in &states {
                assert_eq!(*state, Ok(None), "{name}: {parser}");
            }
            continue;
        };
        for (parser, state) in &states {
            let state = state.as_ref().unwrap().unwrap();
            compared += 1;
            assert_eq!(
                (state.role, state.peer_role),
                (first.role, first.peer_role),
                "{name}: {parser}"
            );
            if !MOVED.contains(&name.as_str()) {
                assert_eq!(state.connection, first.connection, "{name}: {parser}");
            }
            assert_eq!(state.disk, first.disk, "{name}: {parser}");
            // the short status leaves out the disk of a peer that is away, and no status shows a peer of one that stands alone
            let shows = match *parser {
                "status" => state.connection.is_up(),
                "status --verbose" => state.connection != Connection::StandAlone,
                _ => true,
            };
            let expected = if shows { first.peer_disk } else { Disk::Unknown };
            assert_eq!(state.peer_disk, expected, "{name}: {parser}");
            // drbdadm's three words say nothing of it
            if *parser != "drbdadm" {
                assert_eq!(state.suspended.is_so(), first.suspended.is_so(), "{name}: {parser}");
                assert_eq!(state.ahead(), first.ahead(), "{name}: {parser}");
                assert_eq!(state.mirrored(), first.mirrored(), "{name}: {parser}");
            }
        }
    }
    assert!(compared > 300, "{compared} comparisons");
}

#[test]
fn what_84_refuses_is_no_state() {
    // rc 20 there, with nothing on stdout
    assert!(parse_json("", "r0").is_err());
    assert_eq!(parse_status("", "r0"), Ok(None));
    assert_eq!(parse_status("# No currently configured DRBD found.\n", "r0"), Ok(None));
    let hung = "Command 'drbdsetup status r0' did not terminate within 5 seconds\n";
    assert!(parse_status(hung, "r0").is_err());
}

/// The whole run's events, cut after every line: what is known is never better than at the line's own moment.
#[test]
fn the_whole_run_is_followed_event_by_event() {
    let text = fs::read_to_string(fixtures().join("events2-node2.txt")).unwrap();
    let mut events = Events::new("r0");
    let mut told = String::new();
    let mut before = String::new();
    for line in text.lines() {
        events.line(line).unwrap();
        let now = match events.seen().unwrap() {
            Seen::Nothing => "nothing".to_owned(),
            Seen::Down => "down".to_owned(),
            Seen::Up(state) => state.to_string(),
        };
        if now != before {
            told.push_str(&now);
            told.push('\n');
            before = now;
        }
    }
    let path = fixtures().join("events2-node2.golden");
    if std::env::var_os("OVZHA_REWRITE").is_some() {
        fs::write(&path, &told).unwrap();
    }
    assert_eq!(told, fs::read_to_string(&path).unwrap());
    // both split brains of the run, and that the second one was settled by a person
    assert_eq!(
        told.matches("cstate=StandAlone dstate=UpToDate/DUnknown split-brain=yes")
            .count(),
        3,
        "{told}"
    );
    assert!(
        told.trim_end()
            .ends_with("cstate=WFConnection dstate=UpToDate/DUnknown"),
        "{told}"
    );
}
