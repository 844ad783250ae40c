//! The commands that talk to the daemon, run as programs against a daemon that says what a test wants.

use std::time::Duration;

use fixture::{Daemon, answer, ovzha};

#[cfg(test)]
mod fixture {
    use std::fs;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    /// One socket, one client: takes its request, says the lines, hangs up.
    pub struct Daemon {
        pub dir: PathBuf,
        requests: Receiver<String>,
    }

    impl Daemon {
        /// Listens on `name` and answers with `lines`; the status socket is not asked anything.
        pub fn new(test: &str, name: &str, lines: &[&str]) -> Self {
            let dir = PathBuf::from(format!("/tmp/ovzha-ctl-{test}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            let listener = UnixListener::bind(dir.join(name)).unwrap();
            let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
            let asks = name == "control";
            let (send, requests) = channel();
            std::thread::spawn(move || {
                let (stream, _) = listener.accept().unwrap();
                serve(stream, &lines, asks, |request| send.send(request).unwrap());
            });
            Self { dir, requests }
        }

        /// What the client asked.
        pub fn asked(&self) -> String {
            self.requests.recv_timeout(Duration::from_secs(5)).unwrap()
        }
    }

    fn serve(mut stream: UnixStream, lines: &[String], asks: bool, heard: impl FnOnce(String)) {
        if asks {
            let mut request = String::new();
            BufReader::new(stream.try_clone().unwrap())
                .read_line(&mut request)
                .unwrap();
            heard(request.trim_end().to_owned());
        }
        for line in lines {
            // in two pieces: an answer need not come at once
            let (first, second) = line.as_bytes().split_at(line.len() / 2);
            drop(stream.write_all(first));
            std::thread::sleep(Duration::from_millis(5));
            drop(stream.write_all(second));
        }
    }

    impl Drop for Daemon {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.dir));
        }
    }

    /// Runs it; gives the exit code, standard output and standard error.
    pub fn ovzha(args: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_ovzha")).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs one command against a daemon that gives these answers; adds what the daemon was asked.
    pub fn answer(test: &str, args: &[&str], lines: &[&str]) -> (String, i32, String, String) {
        let daemon = Daemon::new(test, "control", lines);
        let (code, out, err) = ovzha(&[&["--run-dir", daemon.dir.to_str().unwrap()], args].concat());
        (daemon.asked(), code, out, err)
    }
}

/// `OVZHA_REWRITE=1` writes what is shown now; read the difference before it is committed.
#[test]
fn the_status_as_people_see_it() {
    for name in [
        "active",
        "standby",
        "hold",
        "failure",
        "isolated",
        "links-dead",
        "starting",
        "waiting",
        "old-data",
        "frozen",
        "witness",
        "witness-lost",
    ] {
        let golden = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        let json: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(format!("{golden}.json")).unwrap()).unwrap();
        let daemon = Daemon::new(name, "status", &[&json.to_string()]);
        let (code, out, err) = ovzha(&["status", "--run-dir", daemon.dir.to_str().unwrap()]);
        assert_eq!((code, err.as_str()), (0, ""));
        if std::env::var_os("OVZHA_REWRITE").is_some() {
            std::fs::write(format!("{golden}.txt"), &out).unwrap();
        }
        let expected = std::fs::read_to_string(format!("{golden}.txt")).unwrap();
        assert_eq!(out, expected, "{name}");
    }
}

#[test]
fn the_status_as_programs_see_it() {
    let daemon = Daemon::new(
        "json",
        "status",
        &["{\"status\":{\"node\":\"a\\u001b[31m\u{9b}\",\"up_ms\":5}}"],
    );
    let (code, out, _) = ovzha(&["status", "--json", "--run-dir", daemon.dir.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert_eq!(out, "{\n  \"node\": \"a\\u001b[31m\\u009b\",\n  \"up_ms\": 5\n}\n");
}

#[test]
fn a_move_is_followed_to_its_end() {
    let lines = [
        "{\"progress\":\"datadisk::r0: stopping\\u001b[2J\"}",
        "{\"begun\":\"all\"}",
        "{\"answer\":\"done\"}",
    ];
    let (asked, code, out, err) = answer("standby", &["standby"], &lines);
    assert_eq!(asked, "{\"command\":\"standby\"}");
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "datadisk::r0: stopping\\u{1b}[2J\ndone: the other node is active\n"
    );
    let (asked, code, out, _) = answer("takeover", &["takeover"], &["{\"answer\":\"done\"}"]);
    assert_eq!(asked, "{\"command\":\"takeover\"}");
    assert_eq!((code, out.as_str()), (0, "done: this node is active\n"));
}

#[test]
fn every_other_end_has_its_exit_code_and_one_line() {
    for (word, code, told) in [
        ("refused", 1, "ovzha: refused, nothing was touched: because\n"),
        ("partly", 1, "ovzha: not all of it was done: because\n"),
        ("failed", 1, "ovzha: failed: because\n"),
        ("error", 1, "ovzha: the daemon did not take the request: because\n"),
        ("came_back", 5, "ovzha: came back: it runs where it was: because\n"),
    ] {
        let line = format!("{{\"answer\":\"{word}\",\"reason\":\"because\"}}");
        let (_, have, out, err) = answer(&format!("end-{word}"), &["standby"], &[&line]);
        assert_eq!((have, out.as_str(), err.as_str()), (code, "", told));
    }
}

#[test]
fn a_daemon_that_goes_away_leaves_the_outcome_open() {
    let (_, code, out, err) = answer("gone", &["standby"], &["{\"progress\":\"stopping\"}"]);
    assert_eq!((code, out.as_str()), (1, "stopping\n"));
    assert!(
        err.contains("before it answered") && err.contains("`ovzha status`"),
        "{err}"
    );
}

#[test]
fn an_answer_that_is_none_is_told() {
    for (test, line) in [
        ("no-json", "<html>"),
        ("no-answer", "{}"),
        ("new-answer", "{\"answer\":\"dunno\"}"),
    ] {
        let (_, code, _, err) = answer(test, &["resume"], &[line]);
        assert_eq!(code, 1);
        assert!(err.contains("can't be understood") && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn no_wait_says_what_became_of_the_request_at_once() {
    // the daemon's own end is far off: nobody waits for it
    let begin = std::time::Instant::now();
    let lines = ["{\"progress\":\"standby begins: vz\"}", "{\"begun\":\"all\"}", ""];
    let (asked, code, out, _) = answer("no-wait", &["standby", "--no-wait", "local", "vz"], &lines);
    assert_eq!(asked, "{\"command\":\"standby\",\"groups\":[\"local\",\"vz\"]}");
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "standby begins: vz\nstandby has begun; `ovzha status` shows what comes of it\n"
    );
    assert!(begin.elapsed() < Duration::from_secs(5));
    let part = ["{\"progress\":\"a: not moved: no\"}", "{\"begun\":\"part\"}"];
    let (_, code, out, err) = answer("no-wait-part", &["takeover", "--no-wait"], &part);
    assert_eq!((code, out.as_str()), (1, "a: not moved: no\n"));
    assert!(err.contains("not of all groups"), "{err}");
    // refused: nothing was begun, and nobody says so
    let refused = ["{\"answer\":\"refused\",\"reason\":\"b is not heard\"}"];
    let (_, code, out, err) = answer("no-wait-refused", &["standby", "--no-wait"], &refused);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, "ovzha: refused, nothing was touched: b is not heard\n");
}

#[test]
fn hold_resume_and_clear_ask_for_what_was_typed() {
    let done = ["{\"answer\":\"done\"}"];
    let (asked, code, out, _) = answer("hold", &["hold", "--for", "30m", "swap", "of the switch"], &done);
    assert_eq!(
        asked,
        "{\"command\":\"hold\",\"reason\":\"swap of the switch\",\"seconds\":1800}"
    );
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "hold: neither node starts, stops or moves anything for 30 min, or until `ovzha resume`\n"
    );
    let (asked, ..) = answer("hold-open", &["hold", "x"], &done);
    assert_eq!(asked, "{\"command\":\"hold\",\"reason\":\"x\"}");
    let (asked, code, ..) = answer("resume", &["resume"], &done);
    assert_eq!((asked.as_str(), code), ("{\"command\":\"resume\"}", 0));
    let (asked, code, ..) = answer("clear", &["clear", "0"], &done);
    assert_eq!((asked.as_str(), code), ("{\"command\":\"clear\",\"group\":0}", 0));
    let (asked, code, ..) = answer("clear-name", &["clear", "datadisk::r0"], &done);
    assert_eq!(
        (asked.as_str(), code),
        ("{\"command\":\"clear\",\"group\":\"datadisk::r0\"}", 0)
    );
}

/// DRBD takes what is none of its codes for a failure, so whatever goes wrong is 1.
#[test]
fn fence_peer_ends_with_drbds_code() {
    for (answered, code, said) in [
        (
            "{\"answer\":\"fenced\",\"reason\":\"3\"}",
            3,
            "r0: the peer's disk is inconsistent, or it has none (3)\n",
        ),
        (
            "{\"answer\":\"fenced\",\"reason\":\"4\"}",
            4,
            "r0: the peer's disk is outdated (4)\n",
        ),
        (
            "{\"answer\":\"fenced\",\"reason\":\"5\"}",
            5,
            "r0: the peer is dead (5)\n",
        ),
        ("{\"answer\":\"fenced\",\"reason\":\"many\"}", 1, ""),
        ("{\"answer\":\"refused\",\"reason\":\"b runs it\"}", 1, ""),
        ("{\"answer\":\"done\"}", 1, ""),
    ] {
        let (asked, got, out, _) = answer("fence-peer", &["fence-peer", "r0"], &[answered]);
        assert_eq!(asked, "{\"command\":\"fence-peer\",\"resource\":\"r0\"}");
        // "done" is no answer to this question, and its text no good news
        assert_eq!(got, code, "{answered}");
        if code > 1 {
            assert_eq!(out, said);
        }
    }
    // nobody there, and no time to wait for one; no resource
    let (code, ..) = ovzha(&["--run-dir", "/nonexistent", "fence-peer", "r0", "--timeout", "0"]);
    assert_eq!(code, 1);
    let (code, _, err) = ovzha(&["fence-peer"]);
    assert_eq!(code, 2);
    assert!(err.contains("DRBD_RESOURCE"), "{err}");
}

#[test]
fn without_a_daemon_every_command_says_so() {
    for args in [
        vec!["status"],
        vec!["status", "--json"],
        vec!["standby"],
        vec!["standby", "--no-wait"],
        vec!["takeover"],
        vec!["hold", "x"],
        vec!["resume"],
        vec!["clear", "0"],
        vec!["clear", "name"],
        vec!["confirm-data", "0", "--yes"],
    ] {
        let (code, out, err) = ovzha(&[&["--run-dir", "/nonexistent"], args.as_slice()].concat());
        assert_eq!((code, out.as_str()), (4, ""), "{args:?}");
        assert!(
            err.starts_with("ovzha: no daemon is running here") && err.lines().count() == 1,
            "{err}"
        );
    }
}

#[test]
fn a_socket_that_nobody_serves_any_more_is_no_daemon() {
    let daemon = Daemon::new("stale", "other", &[]);
    drop(std::os::unix::net::UnixListener::bind(daemon.dir.join("control")).unwrap());
    let (code, _, err) = ovzha(&["resume", "--run-dir", daemon.dir.to_str().unwrap()]);
    assert_eq!(code, 4, "{err}");
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_told() {
    let long = format!("/tmp/{}", "x".repeat(200));
    let (code, _, err) = ovzha(&["resume", "--run-dir", &long]);
    assert_eq!(code, 1);
    assert!(err.contains("can't connect to"), "{err}");
}

#[test]
fn what_can_not_be_understood_is_exit_code_2() {
    for args in [
        vec![],
        vec!["dance"],
        vec!["hold"],
        vec!["hold", " "],
        vec!["hold", "--for", "30", "x"],
        vec!["hold", "a reason that is longer than a heartbeat is"],
        vec!["hold", "a\nb"],
        vec!["clear"],
        vec!["standby", "--now"],
        vec!["daemon", "--last-resort", "maybe"],
    ] {
        let (code, out, err) = ovzha(&args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        assert!(!err.is_empty());
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let (code, out, err) = ovzha(&["--version"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "ovzha 0.3.0\n", ""));
    let (code, out, _) = ovzha(&["--help"]);
    assert_eq!(code, 0);
    for verb in [
        "daemon",
        "status",
        "standby",
        "takeover",
        "hold",
        "resume",
        "clear",
        "confirm-data",
        "fence-peer",
        "check",
        "demo",
    ] {
        assert!(out.contains(&format!("\n  {verb} ")), "{verb} is not in\n{out}");
    }
    assert!(out.contains("Exit codes:") && !out.contains("agent"), "{out}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let status = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/active.json")).unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let daemon = Daemon::new("pipe", "status", &[&status.to_string()]);
    let script = format!(
        "{{ {} status --run-dir {}; echo \"exit $?\" >&2; }} | :",
        env!("CARGO_BIN_EXE_ovzha"),
        daemon.dir.display()
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "exit 0\n");
}
