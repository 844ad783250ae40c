//! Resources that are scripts: what they are told, and what becomes of a group whose script misbehaves.
use crate::bed::{Files, Pair};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Records how it was called; a file `/bed/web-NODE-VERB` is read by the shell then.
const SCRIPT: &str = r#"#!/bin/sh
up=/run/web-is-up
eval "action=\${$#}"
{ echo "[$#] $*"; env | grep -v '^_=' | sort; } >>/var/log/calls
hook=/bed/web-$HA_CURHOST-$action
case $action in
start) [ -e "$hook" ] && . "$hook"; touch $up ;;
stop) [ -e "$hook" ] && . "$hook"; rm -f $up ;;
status) [ -e "$hook" ] && . "$hook"; [ -e $up ] && echo running || echo stopped ;;
esac
exit 0
"#;

fn pair(files: &Files) -> Pair {
    let pair = Pair::new(&files.clone().resources_around("", "web::8080::a*"));
    for node in [1, 2] {
        let dir = pair.dir.of(node).join("ha.d/resource.d");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("web"), SCRIPT).unwrap();
        for path in [dir.join("web"), dir] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    pair
}

fn hook(pair: &Pair, node: u8, verb: &str, text: &str) {
    fs::write(pair.dir.shared().join(format!("web-ovz-node{node}-{verb}")), text).unwrap();
}

fn is_up(pair: &Pair, node: u8) -> bool {
    pair.node(node).has("run/web-is-up")
}

fn start(pair: &mut Pair) {
    pair.start(1);
    pair.start(2);
}

fn wait_up(pair: &Pair, node: u8) {
    pair.wait_settled(node);
    pair.wait("the script's service runs", |pair| is_up(pair, node));
}

#[test]
fn a_script_gets_heartbeats_arguments_and_environment() {
    let mut pair = pair(&Files::quick());
    start(&mut pair);
    wait_up(&pair, 1);
    let said = pair.node(1).ovzha("standby");
    pair.check(said.ok, &format!("{said:?}"));
    pair.check(!is_up(&pair, 1) && is_up(&pair, 2), "not moved");
    let env = "HA_CURHOST=ovz-node1\nHA_DATEFMT=%b %d %T \nHA_DEBUGLOG=/dev/null\nHA_DIR=/etc/ha.d\n\
               HA_FUNCS=/etc/ha.d/shellfuncs\nHA_LOGFILE=/var/log/ha-log\nHA_RCDIR=/etc/ha.d/rc.d\n\
               HA_RESOURCEDIR=/etc/ha.d/resource.d\nLC_ALL=C\nPATH=/sbin:/usr/sbin:/bin:/usr/bin\nPWD=/\n";
    let calls = fs::read_to_string(pair.dir.of(1).join("log/calls")).unwrap();
    // the probe; status, start, status; status, stop, status
    let actions = ["status", "status", "start", "status", "status", "stop", "status"];
    let expected = actions.map(|action| format!("[3] 8080 a* {action}\n{env}")).concat();
    pair.check(calls == expected, &format!("{calls}\nexpected:\n{expected}"));
    pair.finish();
}

#[test]
fn a_failing_start_of_a_script_moves_the_group_and_its_words_are_told() {
    let mut pair = pair(&Files::quick());
    hook(&pair, 1, "start", "echo 'port 8080 is taken'; exit 3\n");
    start(&mut pair);
    pair.wait_active(2);
    wait_up(&pair, 2);
    pair.check(
        pair.log(1).contains("web start: exit code 3: port 8080 is taken"),
        "the script's words are not told",
    );
    pair.check(!pair.is_mounted(1), "/vz is still mounted");
    pair.finish();
}

#[test]
fn a_hanging_start_of_a_script_moves_the_group() {
    let mut pair = pair(&Files::quick().ovzha_cf("timeout web start 3\n"));
    hook(&pair, 1, "start", "trap '' TERM\nsleep 7651\n");
    start(&mut pair);
    pair.wait_active(2);
    wait_up(&pair, 2);
    let left = pair.node(1).inside("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").out;
    pair.check(!left.contains("sleep 765"), &format!("left behind: {left}"));
    pair.finish();
}

#[test]
fn a_status_that_never_says_running_is_believed_as_heartbeat_did() {
    let mut pair = pair(&Files::quick());
    for node in [1, 2] {
        hook(&pair, node, "status", "echo all is well; exit 0\n");
    }
    start(&mut pair);
    wait_up(&pair, 1);
    let said = pair.node(1).ovzha("standby");
    pair.check(said.ok, &format!("{said:?}"));
    pair.check(!is_up(&pair, 1) && is_up(&pair, 2), "not moved");
    pair.finish();
}

#[test]
fn a_missing_script_makes_its_node_unable_and_the_group_runs_on_the_other() {
    let mut pair = pair(&Files::quick());
    fs::remove_file(pair.dir.of(1).join("ha.d/resource.d/web")).unwrap();
    start(&mut pair);
    wait_up(&pair, 2);
    let check = pair.node(1).ovzha("check");
    pair.check(
        check
            .out
            .contains("resource `web` is neither built in nor found: /etc/ha.d/resource.d/web (not there)"),
        &format!("{check:?}"),
    );
    pair.check(
        pair.node(1).is_on(),
        "node 1 has reset itself for a script that it never ran",
    );
    pair.finish();
}

#[test]
fn a_stop_that_fails_resets_the_node_unless_the_script_holds_no_data() {
    let mut pair = pair(&Files::quick().ovzha_cf("timeout web stop 3\ndata web no\n"));
    hook(&pair, 1, "stop", "exit 1\n");
    start(&mut pair);
    wait_up(&pair, 1);
    let said = pair.node(1).ovzha("standby");
    pair.check(said.ok && pair.node(1).is_on(), &format!("{said:?}"));
    pair.wait_active(2);
    pair.finish();
    let mut pair = self::pair(&Files::quick().ovzha_cf("timeout web stop 3\n"));
    hook(&pair, 1, "stop", "exit 1\n");
    start(&mut pair);
    wait_up(&pair, 1);
    let said = pair.node(1).ovzha("standby --no-wait");
    pair.check(said.ok, &format!("{said:?}"));
    pair.wait("node 1 resets itself", |pair| !pair.node(1).is_on());
    pair.note(1, "power cut");
    pair.wait_active(2);
    pair.finish();
}
