//! Scripts called as Heartbeat called them: arguments, environment, what their words mean, who may have written them.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use ovzha_host::agent::{Answer, Exit, Op};
use ovzha_host::external::{self, Found, Judge, Script, Status};
use ovzha_host::program::{Deadline, End, Finished};
use ovzha_host::unit::{self, Unit};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ovzha-external-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        Dir(dir)
    }

    /// A script that begins in this directory; `DIR` in its text is the directory.
    fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let dir = self.0.display().to_string();
        let text = format!("#!/bin/sh\ncd {dir} || exit 99\n{}\n", body.replace("DIR", &dir));
        fs::write(&path, text).unwrap();
        for (place, mode) in [(path.parent().unwrap(), 0o755), (&path, 0o755)] {
            fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
        }
        path
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    fn run(&self, judge: Judge, body: &str, op: Op) -> Answer {
        Script::new(self.script("script", body), judge, &|_| None).operate(op, &[], soon())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

/// Keeps its state in a file, as an honest script does.
const HONEST: &str = "echo \"$*\" >>calls
case $1 in
start) touch up ;;
stop) rm -f up ;;
status) [ -e up ] && echo 'is running' || echo 'is stopped' ;;
esac";

/// What `ResourceManager status` of Heartbeat 3.0.6 made of these texts: 0 is running.
const RECORDED: &[(&str, bool)] = &[
    ("running", true),
    ("Running", true),
    ("RUNNING", false),
    ("OK", true),
    ("ok", false),
    ("not running", false),
    ("NOT Running", false),
    ("not currently running", false),
    ("notrunning", true),
    ("not\trunning", true),
    ("is running, but not OK", true),
    ("not here\nrunning there", false),
    ("nothing running", true),
    ("OK, not up and running", false),
    ("stopped", false),
    ("is runnin", false),
    ("it is NoT  up. Running? no", false),
    ("xOKx", true),
    ("", false),
    ("running...\nnot OK", true),
];

#[test]
fn status_texts_mean_what_they_meant_to_heartbeat() {
    for (text, runs) in RECORDED {
        for code in [0, 3] {
            let finished = Finished {
                end: End::Exited(code),
                stdout: (*text).to_owned(),
                stderr: "running".to_owned(),
            };
            assert_eq!(Status::judge(Judge::Output, &finished).runs, *runs, "{text:?}");
            // an init script's exit code speaks where its words do not
            let told = external::words(text).unwrap_or(code == 0);
            assert_eq!(Status::judge(Judge::OutputOrCode, &finished).runs, told, "{text:?}");
        }
    }
}

#[test]
fn arguments_come_before_the_action_and_the_environment_is_heartbeats() {
    let dir = Dir::new();
    let body =
        "{ echo \"[$#] $*\"; pwd; umask; env | grep -v '^_=' | sort; } >>record\ncase $3 in status) echo off ;; esac";
    let passed = |name: &str| match name {
        "HA_CURHOST" => Some("ovz-node1".to_owned()),
        "HA_DIR" => Some("/etc/ha.d".to_owned()),
        "HA_LOGFILE" => Some("/var/log/ha-log".to_owned()),
        _ => None,
    };
    let script = Script::new(dir.script("web", body), Judge::Output, &passed);
    let answer = script.operate(Op::Start, &["8080", "-x *"], soon());
    assert_eq!(
        (answer.exit, answer.reason.as_str()),
        (Exit::Done, "started, though its status is: off")
    );
    let call = |action: &str| {
        let pwd = dir.0.display();
        format!(
            "[3] 8080 -x * {action}\n{pwd}\n0022\nHA_CURHOST=ovz-node1\nHA_DIR=/etc/ha.d\nHA_LOGFILE=/var/log/ha-log\n\
             LC_ALL=C\nOLDPWD=/\nPATH=/sbin:/usr/sbin:/bin:/usr/bin\nPWD={pwd}\n"
        )
    };
    let record = dir.text("record");
    assert_eq!(record, [call("status"), call("start"), call("status")].concat());
}

#[test]
fn a_start_is_skipped_where_it_runs_already() {
    let dir = Dir::new();
    let start = dir.run(Judge::Output, HONEST, Op::Start);
    assert_eq!((start.exit, start.reason.as_str()), (Exit::Done, "is running"));
    let again = dir.run(Judge::Output, HONEST, Op::Start);
    assert_eq!(
        (again.exit, again.reason.as_str()),
        (Exit::Done, "already running: is running")
    );
    assert_eq!(dir.text("calls"), "status\nstart\nstatus\nstatus\n");
    assert_eq!(dir.run(Judge::Output, HONEST, Op::Probe).exit, Exit::Done);
    assert_eq!(dir.run(Judge::Output, HONEST, Op::Stop).exit, Exit::Done);
    assert_eq!(dir.run(Judge::Output, HONEST, Op::Probe).exit, Exit::NotRunning);
}

#[test]
fn a_failing_start_says_the_scripts_exit_code() {
    let dir = Dir::new();
    let answer = dir.run(Judge::Output, "[ $1 = status ] || exit 4", Op::Start);
    assert_eq!(answer.exit, Exit::Failed);
    assert!(answer.reason.contains("script start: exit code 4"), "{}", answer.reason);
}

#[test]
fn a_stop_that_fails_is_tried_again_until_it_works() {
    let dir = Dir::new();
    let body = "echo $1 >>calls\n[ $1 = stop ] && [ $(grep -c stop calls) -lt 3 ] && exit 1\n[ $1 = status ] && echo stopped\nexit 0";
    assert_eq!(dir.run(Judge::Output, body, Op::Stop).exit, Exit::Done);
    assert_eq!(dir.text("calls").matches("stop\n").count(), 3);
}

#[test]
fn a_stop_that_leaves_it_running_is_a_failure() {
    let dir = Dir::new();
    let script = dir.script("script", "echo $1 >>calls\n[ $1 = status ] && echo running\nexit 0");
    let script = Script::new(script, Judge::Output, &|_| None);
    let answer = script.operate(Op::Stop, &[], Deadline::after(Duration::from_secs(3)));
    assert_eq!(answer.exit, Exit::Failed, "{}", answer.reason);
    assert!(answer.reason.contains("its status is: running"), "{}", answer.reason);
    assert!(dir.text("calls").matches("stop\n").count() >= 2);
}

#[test]
fn a_failing_stop_counts_as_done_where_the_script_has_proved_that_its_status_is_true() {
    let dir = Dir::new();
    fs::write(dir.0.join("up"), "").unwrap();
    let answer = dir.run(Judge::Output, &format!("{HONEST}\n[ $1 = stop ] && exit 1"), Op::Stop);
    assert_eq!(answer.exit, Exit::Done, "{}", answer.reason);
    assert!(answer.reason.contains("exit code 1"), "{}", answer.reason);
    assert_eq!(dir.text("calls").matches("stop\n").count(), 1);
}

#[test]
fn a_hanging_status_and_a_hanging_start_end_at_the_deadline() {
    let dir = Dir::new();
    let script = dir.script("script", "[ $1 = start ] && exec sleep 600\nexit 0");
    let begin = Instant::now();
    let answer = Script::new(script, Judge::Output, &|_| None).operate(
        Op::Start,
        &[],
        Deadline::after(Duration::from_millis(500)),
    );
    assert_eq!(answer.exit, Exit::Failed);
    assert!(answer.reason.contains("did not finish in time"), "{}", answer.reason);
    let script = dir.script("script", "exec sleep 600");
    let answer = Script::new(script, Judge::Output, &|_| None).operate(
        Op::Probe,
        &[],
        Deadline::after(Duration::from_millis(500)),
    );
    assert_eq!(answer.exit, Exit::Failed, "nobody knows whether it runs");
    assert!(begin.elapsed() < Duration::from_mins(1));
}

#[test]
fn what_somebody_else_could_have_changed_is_not_run() {
    let dir = Dir::new();
    let path = dir.script("scripts/evil", "touch DIR/ran; echo running");
    let probe = |path: &Path| Script::new(path.to_path_buf(), Judge::Output, &|_| None).operate(Op::Probe, &[], soon());
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&path, 0o775);
    let answer = probe(&path);
    assert_eq!(answer.exit, Exit::Unfit);
    assert!(
        answer.reason.contains("mode 0775: group or others can write it"),
        "{}",
        answer.reason
    );
    mode(&path, 0o755);
    mode(path.parent().unwrap(), 0o757);
    assert_eq!(probe(&path).exit, Exit::Unfit, "its directory");
    let link = dir.0.join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(probe(&link).exit, Exit::Unfit, "where a link leads to");
    assert!(!dir.0.join("ran").exists());
    mode(path.parent().unwrap(), 0o755);
    assert_eq!(probe(&link).exit, Exit::Done);
}

#[test]
fn a_name_is_looked_up_in_heartbeats_order_and_then_among_the_units() {
    let dir = Dir::new();
    let ha_dir = dir.0.join("etc/ha.d");
    let find = |name: &str| external::find(&dir.0, &ha_dir, name);
    let missing = find("web").unwrap_err();
    for place in [
        "etc/ha.d/resource.d/web (not there)",
        "etc/init.d/web (not there)",
        "unit web.service",
    ] {
        assert!(missing.contains(place), "{missing}");
    }
    let unit = dir.0.join("usr/lib/systemd/system/web.service");
    fs::create_dir_all(unit.parent().unwrap()).unwrap();
    fs::write(&unit, "").unwrap();
    assert_eq!(find("web"), Ok(Found::Unit("web.service".to_owned(), unit.clone())));
    assert_eq!(find("web.service"), Ok(Found::Unit("web.service".to_owned(), unit)));
    let template = dir.0.join("etc/systemd/system/web@.service");
    fs::create_dir_all(template.parent().unwrap()).unwrap();
    fs::write(&template, "").unwrap();
    assert_eq!(find("web@7"), Ok(Found::Unit("web@7.service".to_owned(), template)));
    let init = dir.script("etc/init.d/web", "");
    assert_eq!(find("web"), Ok(Found::InitScript(init)));
    let own = dir.script("etc/ha.d/resource.d/web", "");
    assert_eq!(find("web"), Ok(Found::ResourceScript(own.clone())));
    fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        matches!(find("web"), Ok(Found::InitScript(_))),
        "what is not executable is passed over"
    );
}

#[test]
fn a_name_can_lead_nowhere_else() {
    for name in ["../x", "a/b", "-x", ".x", "", "a b", "startstop", "a;b"] {
        assert!(external::name_problem(name).is_some(), "{name:?}");
    }
    for name in ["apache", "LVSSyncDaemonSwap", "web@7", "a.b_c-d+"] {
        assert_eq!(external::name_problem(name), None);
    }
}

/// A systemctl whose unit `web.service` is up while a file is there.
const SYSTEMCTL: &str = "echo \"$*\" >>calls
case $* in
is-system-running) cat system ;;
*show*) cat state ;;
*start*) [ -e broken ] && { echo 'Job for web.service failed.' >&2; exit 1; }
    printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\n' >state ;;
*stop*) printf 'LoadState=loaded\\nActiveState=inactive\\nSubState=dead\\n' >state ;;
esac";

#[test]
fn a_unit_is_started_stopped_and_looked_at_through_systemctl() {
    let dir = Dir::new();
    let state = |load: &str, active: &str| {
        let text = format!("LoadState={load}\nActiveState={active}\nSubState=x\n");
        fs::write(dir.0.join("state"), text).unwrap();
    };
    let unit = Unit {
        systemctl: dir.script("systemctl", SYSTEMCTL),
        name: "web.service".to_owned(),
    };
    for (active, exit) in [
        ("active", Exit::Done),
        ("reloading", Exit::Done),
        ("inactive", Exit::NotRunning),
        ("failed", Exit::NotRunning),
        ("activating", Exit::Unclear),
        ("deactivating", Exit::Unclear),
    ] {
        state("loaded", active);
        assert_eq!(unit.operate(Op::Probe, soon()).exit, exit, "{active}");
    }
    state("loaded", "failed");
    let started = unit.operate(Op::Start, soon());
    assert_eq!(
        (started.exit, started.reason.as_str()),
        (Exit::Done, "web.service is active (running)")
    );
    assert_eq!(unit.operate(Op::Stop, soon()).exit, Exit::Done);
    assert_eq!(unit.operate(Op::Probe, soon()).exit, Exit::NotRunning);
    fs::write(dir.0.join("broken"), "").unwrap();
    let failed = unit.operate(Op::Start, soon());
    assert_eq!(failed.exit, Exit::Failed);
    assert!(
        failed.reason.contains("Job for web.service failed."),
        "{}",
        failed.reason
    );
    state("masked", "inactive");
    assert_eq!(unit.operate(Op::Start, soon()).exit, Exit::Unfit);
    assert_eq!(unit.operate(Op::Stop, soon()).exit, Exit::Done);
    assert!(dir.text("calls").contains("--no-ask-password start web.service\n"));
    assert!(!dir.text("calls").contains("job-mode"), "{}", dir.text("calls"));
    // while systemd stops everything the unit's own stop waits for us: ours must not wait for that
    fs::write(dir.0.join("system"), "stopping\n").unwrap();
    state("loaded", "active");
    assert_eq!(unit.operate(Op::Stop, soon()).exit, Exit::Done);
    let stop = "--job-mode=ignore-dependencies --no-ask-password stop web.service\n";
    assert!(dir.text("calls").contains(stop), "{}", dir.text("calls"));
    let answer = unit::operate(Op::Start, "web.service", &["x"], soon());
    assert_eq!(answer.exit, Exit::Unfit, "{}", answer.reason);
}

/// Reads the shipped shellfuncs, as a script does, and uses what scripts use of it.
const USER: &str = "#!/bin/sh
set -eu
HA_LOGFILE=$1/log HA_DEBUGLOG=$1/debug HA_RSCTMP=$1/tmp
. \"$2\"
ha_log \"info: begins on $HA_CURHOST\"
ha_log plain words
ha_debug looked
ocf_log err went wrong
ocf_log debug small
Run echo to the debug log
ha_pseudo_resource it status && exit 9
ha_pseudo_resource it start
ha_pseudo_resource it status
ha_pseudo_resource it monitor
ha_pseudo_resource it stop
ocf_is_true yes
have_binary sh
echo \"$HA_RESOURCEDIR $OCF_ERR_INSTALLED $OCF_NOT_RUNNING\"
( check_binary no-such-program ) || echo \"code $?\"
";

#[test]
fn shellfuncs_serve_scripts_under_every_shell() {
    let functions = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/ha.d/shellfuncs");
    let mut shells = 0;
    for shell in ["dash", "bash", "busybox"] {
        let dir = Dir::new();
        fs::write(dir.0.join("user"), USER).unwrap();
        let mut command = Command::new(shell);
        if shell == "busybox" {
            command.arg("sh");
        }
        command.arg(dir.0.join("user")).arg(&dir.0).arg(functions);
        let command = command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HA_CURHOST", "n1");
        // not every machine has every shell
        let Ok(output) = command.output() else { continue };
        shells += 1;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(
            out, "stopped\nrunning\n/etc/ha.d/resource.d 5 7\ncode 5\n",
            "{shell}: {err}"
        );
        assert_eq!(err, "", "{shell}");
        let log = dir.text("log");
        let texts: Vec<&str> = log
            .lines()
            .filter_map(|line| line.split_once("]: "))
            .map(|(_, text)| text)
            .collect();
        let told = [
            "info: begins on n1",
            "info: plain words",
            "ERROR: went wrong",
            "ERROR: no-such-program is not installed",
        ];
        assert_eq!(texts, told, "{shell}");
        assert!(
            log.starts_with(|c: char| c.is_ascii_alphabetic()) && log.contains(" user["),
            "{shell}: {log}"
        );
        let debug = dir.text("debug");
        assert!(
            debug.contains("debug: looked") && debug.contains("DEBUG: small"),
            "{shell}: {debug}"
        );
        assert!(debug.contains("\nto the debug log\n"), "{shell}: {debug}");
    }
    assert!(shells >= 2, "neither dash nor bash");
}
