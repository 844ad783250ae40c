//! The real Heartbeat 3.0.6 and ovzha in the same situations, from the same three files.
//!
//! Each case runs twice, once for each program, and compares what was done to the resources, in which order and where.
//! Where the two must be equal one outcome is given; where ovzha differs on purpose both are given, with the number of
//! the entry in `docs/DIFFERENCES.md` that says why. Run by `.ci/run peers`, never by `.ci/run netns`.
use super::wire::{DEADLY, hex};
use crate::bed::{Files, Number, Pair, Program, check_heartbeat, say};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A resource that writes down what it is asked to do. A file `/bed/rec-NODE-NAME-VERB` is read by the shell first: that
/// is how a case makes it fail.
const REC: &str = r#"#!/bin/sh
for verb; do :; done
node=$(uname -n | tr -dc 0-9)
state=/run/rec-$1
say() { printf '%s %s rec %s\n' "$(date +%s%3N)" "$node" "$*" >>/bed/diary; }
hook=/bed/rec-$node-$1-$verb
case $verb in
    start) say "$1" start; [ -e "$hook" ] && . "$hook"; touch "$state" ;;
    stop) say "$1" stop; [ -e "$hook" ] && . "$hook"; rm -f "$state" ;;
    status) if [ -e "$state" ]; then echo running; else echo stopped; exit 3; fi ;;
esac
exit 0
"#;

/// What a program must do in a situation.
enum Expected {
    /// Both the same.
    Same(&'static str),
    /// Heartbeat, ovzha, and the entry of `docs/DIFFERENCES.md`.
    Differs(&'static str, &'static str, &'static str),
}

/// One resource, and the times of the quick cases.
fn files() -> Files {
    Files::quick()
        .set("respawn", "respawn hacluster /usr/libexec/heartbeat/ipfail")
        .resources("ovz-node1 Rec::a\n")
        .script("Rec", REC)
}

/// What was done to the resources so far: `NODE NAME VERB`, joined by `; `. What is said twice in a row is told once:
/// Heartbeat tries a failing stop eleven times.
fn all_steps(pair: &Pair) -> Vec<String> {
    let mut done: Vec<String> = Vec::new();
    for entry in pair.diary() {
        let step = match entry.text.strip_prefix("rec ") {
            Some(step) => format!("{} {step}", entry.node),
            None if entry.text == "resets itself" => format!("{} resets itself", entry.node),
            None => continue,
        };
        if done.last() != Some(&step) {
            done.push(step);
        }
    }
    done
}

/// As `all_steps`, without stops of what was not running there: Heartbeat stops whatever it could have.
fn outcome(pair: &Pair) -> String {
    let mut running: Vec<String> = Vec::new();
    let mut told = all_steps(pair);
    told.retain(|step| match (step.strip_suffix(" start"), step.strip_suffix(" stop")) {
        (Some(what), _) => {
            running.push(what.to_owned());
            true
        }
        (None, Some(what)) => {
            let ran = running.iter().any(|other| other == what);
            running.retain(|other| other != what);
            ran
        }
        (None, None) => true,
    });
    told.join("; ")
}

/// All of it, stops of what does not run too.
fn every_step(pair: &Pair) -> String {
    all_steps(pair).join("; ")
}

/// As `outcome`, told for each resource on its own: the order between two groups is nobody's promise.
fn by_resource(pair: &Pair) -> String {
    let all = outcome(pair);
    let of = |name: &str| -> String {
        let own = all.split("; ").filter(|step| step.split(' ').nth(1) == Some(name));
        own.collect::<Vec<_>>().join("; ")
    };
    format!("{} | {}", of("a"), of("b"))
}

/// Waits until this has been done.
fn wait_outcome(pair: &Pair, expected: &str) {
    pair.wait(&format!("outcome {expected:?}"), |pair| outcome(pair) == expected);
}

/// Both daemons started, the resource running on node 1, nothing in flux.
fn up(pair: &mut Pair, program: Program) {
    program.start(pair, 1);
    program.start(pair, 2);
    wait_outcome(pair, "1 a start");
    program.wait_stable(pair, &[1, 2]);
}

/// Runs the situation under both programs.
fn compare(files: &Files, situation: fn(&mut Pair, Program), expected: &Expected) {
    compare_by(outcome, files, situation, expected);
}

fn compare_by(outcome: fn(&Pair) -> String, files: &Files, situation: fn(&mut Pair, Program), expected: &Expected) {
    check_heartbeat();
    let (heartbeat, ovzha) = match expected {
        Expected::Same(outcome) => (*outcome, *outcome),
        Expected::Differs(heartbeat, ovzha, entry) => {
            assert_ne!(heartbeat, ovzha, "{entry} tells of no difference");
            (*heartbeat, *ovzha)
        }
    };
    for (program, expected) in [(Program::Heartbeat, heartbeat), (Program::Ovzha, ovzha)] {
        let mut pair = Pair::new(files);
        // the writer on the disk is not what these cases look at
        pair.allow_split();
        situation(&mut pair, program);
        let end = Instant::now() + Duration::from_mins(1);
        while outcome(&pair) != expected {
            let told = || format!("{program:?} did {:?}, expected {expected:?}", outcome(&pair));
            assert!(Instant::now() < end, "{}\n{}", told(), pair.report());
            sleep(Duration::from_millis(50));
        }
        pair.stays(&format!("{program:?}: {expected:?}"), Duration::from_secs(4), |pair| {
            outcome(pair) == expected
        });
        pair.finish();
    }
}

#[test]
fn cold_start_of_both() {
    compare(&files(), up, &Expected::Same("1 a start"));
}

#[test]
fn cold_start_of_one_alone() {
    compare(
        &files(),
        |pair, program| program.start(pair, 2),
        &Expected::Same("2 a start"),
    );
}

#[test]
fn power_cut_of_the_active() {
    let cut = |pair: &mut Pair, program: Program| {
        up(pair, program);
        pair.power_cut(1);
    };
    compare(&files(), cut, &Expected::Same("1 a start; 2 a start"));
}

#[test]
fn orderly_stop_of_the_active() {
    let stop = |pair: &mut Pair, program: Program| {
        up(pair, program);
        program.stop(pair, 1);
    };
    compare(&files(), stop, &Expected::Same("1 a start; 1 a stop; 2 a start"));
}

#[test]
fn standby() {
    let standby = |pair: &mut Pair, program: Program| {
        up(pair, program);
        program.standby(pair, 1, "");
    };
    compare(&files(), standby, &Expected::Same("1 a start; 1 a stop; 2 a start"));
}

#[test]
fn takeover() {
    let takeover = |pair: &mut Pair, program: Program| {
        up(pair, program);
        program.takeover(pair, 2, "");
    };
    compare(&files(), takeover, &Expected::Same("1 a start; 1 a stop; 2 a start"));
}

/// The dead node comes back.
fn return_of_the_first(pair: &mut Pair, program: Program) {
    up(pair, program);
    pair.power_cut(1);
    wait_outcome(pair, "1 a start; 2 a start");
    pair.boot(1);
    program.start(pair, 1);
    program.wait_stable(pair, &[1, 2]);
}

#[test]
fn failback_off() {
    compare(&files(), return_of_the_first, &Expected::Same("1 a start; 2 a start"));
}

#[test]
fn failback_on() {
    let files = files().set("auto_failback", "auto_failback on");
    let outcome = "1 a start; 2 a start; 2 a stop; 1 a start";
    compare(&files, return_of_the_first, &Expected::Same(outcome));
}

#[test]
fn one_network_is_cut() {
    let cut = |pair: &mut Pair, program: Program| {
        up(pair, program);
        pair.hall.link(1, 1, false);
    };
    compare(&files(), cut, &Expected::Same("1 a start"));
}

/// Both networks of a node; the serial line stays.
fn only_serial(pair: &mut Pair, program: Program, node: Number) {
    up(pair, program);
    for net in [0, 1] {
        pair.hall.link(node, net, false);
    }
}

#[test]
fn the_active_loses_both_networks_and_its_gateway() {
    let cut = |pair: &mut Pair, program: Program| only_serial(pair, program, 1);
    compare(&files(), cut, &Expected::Same("1 a start; 1 a stop; 2 a start"));
}

#[test]
fn the_standby_loses_both_networks_and_its_gateway() {
    let cut = |pair: &mut Pair, program: Program| only_serial(pair, program, 2);
    compare_by(
        every_step,
        &files(),
        cut,
        &Expected::Differs("1 a start; 2 a stop", "1 a start", "D-1"),
    );
}

#[test]
fn a_start_fails() {
    let fails = |pair: &mut Pair, program: Program| {
        std::fs::write(pair.dir.shared().join("rec-1-a-start"), "exit 1\n").unwrap();
        program.start(pair, 1);
        program.start(pair, 2);
    };
    let nobody = "1 a start; 1 a stop";
    compare(
        &files(),
        fails,
        &Expected::Differs(nobody, "1 a start; 1 a stop; 2 a start", "D-2"),
    );
}

#[test]
fn a_stop_fails() {
    let fails = |pair: &mut Pair, program: Program| {
        up(pair, program);
        std::fs::write(pair.dir.shared().join("rec-1-a-stop"), "exit 1\n").unwrap();
        program.standby(pair, 1, "");
        if program == Program::Heartbeat {
            pair.wait("it resets itself", |pair| outcome(pair).ends_with("resets itself"));
            pair.power_cut(1);
        }
    };
    compare(
        &files(),
        fails,
        &Expected::Differs(
            "1 a start; 1 a stop; 1 resets itself; 2 a start",
            "1 a start; 1 a stop; 2 a start",
            "D-3",
        ),
    );
}

#[test]
fn a_group_of_three_starts_left_to_right_and_stops_right_to_left() {
    let move_it = |pair: &mut Pair, program: Program| {
        program.start(pair, 1);
        program.start(pair, 2);
        wait_outcome(pair, "1 a start; 1 b start; 1 c start");
        program.wait_stable(pair, &[1, 2]);
        program.stop(pair, 1);
    };
    compare(
        &files().resources("ovz-node1 Rec::a Rec::b \\\n\tRec::c\n"),
        move_it,
        &Expected::Same(
            "1 a start; 1 b start; 1 c start; 1 c stop; 1 b stop; 1 a stop; 2 a start; 2 b start; 2 c start",
        ),
    );
}

#[test]
fn what_runs_already_is_not_started_again() {
    let adopt = |pair: &mut Pair, program: Program| {
        pair.node(1).inside("touch /run/rec-a").must();
        program.start(pair, 1);
        program.start(pair, 2);
        sleep(Duration::from_secs(14));
        program.wait_stable(pair, &[1, 2]);
        program.stop(pair, 1);
    };
    compare_by(every_step, &files(), adopt, &Expected::Same("1 a stop; 2 a start"));
}

#[test]
fn failback_legacy() {
    let files = files().set("auto_failback", "auto_failback legacy");
    let back = |pair: &mut Pair, program: Program| {
        program.start(pair, 1);
        program.start(pair, 2);
        wait_outcome(pair, "1 a start");
        sleep(Duration::from_secs(3));
        pair.power_cut(1);
        wait_outcome(pair, "1 a start; 2 a start");
        pair.boot(1);
        program.start(pair, 1);
    };
    let outcome = "1 a start; 2 a start; 2 a stop; 1 a start";
    compare(&files, back, &Expected::Same(outcome));
}

#[test]
fn files_with_tabs_returns_and_upper_case_names() {
    let files = files().edit(|text| text.replace("node ovz", "node\tOVZ").replace('\n', "\r\n"));
    let files = files.resources("OVZ-NODE1\tRec::a\n");
    compare(&files, up, &Expected::Same("1 a start"));
}

#[test]
fn a_carriage_return_in_haresources() {
    let start = |pair: &mut Pair, program: Program| {
        program.start(pair, 1);
        program.start(pair, 2);
    };
    compare(
        &files().resources("ovz-node1 Rec::a\r\n"),
        start,
        &Expected::Differs("1 a\r start", "1 a start", "D-8"),
    );
}

#[test]
fn the_gateway_is_gone_for_both() {
    let gone = |pair: &mut Pair, program: Program| {
        up(pair, program);
        pair.hall.gateway(false);
    };
    compare(&files(), gone, &Expected::Same("1 a start"));
}

#[test]
fn all_is_cut() {
    let cut = |pair: &mut Pair, program: Program| {
        up(pair, program);
        pair.isolate(1, true);
    };
    compare(
        &files(),
        cut,
        &Expected::Differs("1 a start; 2 a start", "1 a start; 1 a stop; 2 a start", "D-4"),
    );
}

/// Stops every process of the program on a node, or lets them go on.
fn freeze(pair: &Pair, program: Program, number: Number, word: &str) {
    match program {
        Program::Ovzha => pair.daemon(number).signal(word),
        // a namespace of its own: these are this test's processes and no others
        Program::Heartbeat => {
            let line = format!(
                "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */heartbeat/*) kill -{word} ${{p#/proc/}};; esac; done"
            );
            pair.node(number).inside(&line).must();
        }
    }
}

#[test]
fn the_active_freezes_and_thaws() {
    let freezes = |pair: &mut Pair, program: Program| {
        up(pair, program);
        freeze(pair, program, 1, "STOP");
        wait_outcome(pair, "1 a start; 2 a start");
        // after a freeze that hardly outlasts the deadtime, Heartbeat now and then restarts one node only
        sleep(Duration::from_secs(3));
        freeze(pair, program, 1, "CONT");
    };
    let both = |pair: &Pair| {
        let steps: Vec<String> = outcome(pair).split("; ").map(str::to_owned).collect();
        let has = |step: &str| steps.iter().any(|done| done == step);
        format!("node 1 stops: {}, node 2 stops: {}", has("1 a stop"), has("2 a stop"))
    };
    compare_by(
        both,
        &files(),
        freezes,
        &Expected::Differs(
            "node 1 stops: true, node 2 stops: true",
            "node 1 stops: true, node 2 stops: false",
            "D-5",
        ),
    );
}

#[test]
fn another_key_on_one_node() {
    let differs = |pair: &mut Pair, program: Program| {
        program.start(pair, 1);
        wait_outcome(pair, "1 a start");
        program.start(pair, 2);
        sleep(Duration::from_secs(8));
    };
    compare(
        &files().key(2, "AnotherSecret"),
        differs,
        &Expected::Differs("1 a start; 2 a start", "1 a start", "D-6"),
    );
}

#[test]
fn the_datagram_of_23_bytes() {
    let sent = |pair: &mut Pair, program: Program| {
        up(pair, program);
        say(pair.node(2).pid(), "192.168.255.2:0", "192.168.255.1:694", &hex(DEADLY));
    };
    compare(
        &files(),
        sent,
        &Expected::Differs("1 a start; 2 a start", "1 a start", "D-7"),
    );
}

/// Two groups, one preferred on each node, both where they belong.
fn crossed(pair: &mut Pair, program: Program) {
    program.start(pair, 1);
    program.start(pair, 2);
    pair.wait("each group on its node", |pair| {
        by_resource(pair) == "1 a start | 2 b start"
    });
    program.wait_stable(pair, &[1, 2]);
}

const CROSSED: &str = "ovz-node1 Rec::a\novz-node2 Rec::b\n";

#[test]
fn two_groups_crossed() {
    compare_by(
        by_resource,
        &files().resources(CROSSED),
        crossed,
        &Expected::Same("1 a start | 2 b start"),
    );
}

#[test]
fn two_groups_a_power_cut() {
    let cut = |pair: &mut Pair, program: Program| {
        crossed(pair, program);
        pair.power_cut(1);
    };
    compare_by(
        by_resource,
        &files().resources(CROSSED),
        cut,
        &Expected::Same("1 a start; 2 a start | 2 b start"),
    );
}

#[test]
fn two_groups_standby_all() {
    let standby = |pair: &mut Pair, program: Program| {
        crossed(pair, program);
        program.standby(pair, 1, "all");
    };
    compare_by(
        by_resource,
        &files().resources(CROSSED),
        standby,
        &Expected::Same("1 a start; 1 a stop; 2 a start | 2 b start"),
    );
}

#[test]
fn two_groups_standby_local_and_foreign() {
    let standby = |pair: &mut Pair, program: Program| {
        crossed(pair, program);
        program.standby(pair, 2, "local");
        let moved = "1 a start | 2 b start; 2 b stop; 1 b start";
        pair.wait("the group of node 2 on node 1", |pair| by_resource(pair) == moved);
        program.wait_stable(pair, &[1, 2]);
        program.standby(pair, 1, "foreign");
    };
    compare_by(
        by_resource,
        &files().resources(CROSSED),
        standby,
        &Expected::Same("1 a start | 2 b start; 2 b stop; 1 b start; 1 b stop; 2 b start"),
    );
}

/// Writes down its arguments, and the names of the variables that it is given.
const ENV: &str = r#"#!/bin/sh
for verb; do :; done
case $verb in
    start)
        env | sed -n 's/=.*//; /^HA_[A-Z]*$/p' | sort | tr '\n' ' ' >/bed/variables
        echo "$# [$1] [$2] [$3] [$4]" >/bed/arguments
        touch /run/env-is-up
        ;;
    stop) rm -f /run/env-is-up ;;
    status) if [ -e /run/env-is-up ]; then echo running; else echo stopped; fi ;;
esac
"#;

/// What a script was called with: its arguments, then its variables.
fn called(pair: &Pair) -> String {
    let read = |name: &str| std::fs::read_to_string(pair.dir.shared().join(name)).unwrap_or_default();
    format!("{}; {}", read("arguments").trim(), read("variables").trim())
}

#[test]
fn what_a_script_is_called_with() {
    let start = |pair: &mut Pair, program: Program| {
        program.start(pair, 1);
        program.start(pair, 2);
    };
    let files = files().resources("ovz-node1 Env::one::/two::3,4\n").script("Env", ENV);
    compare_by(
        called,
        &files,
        start,
        &Expected::Differs(
            "4 [one] [/two] [3,4] [start]; HA_BIN HA_COMPRESSION HA_CURHOST HA_DATEFMT HA_DEBUGLOG HA_DIR HA_DOCDIR HA_FIFO \
             HA_FUNCS HA_LOGD HA_LOGFILE HA_NICEFAILBACK HA_OSTATUS HA_RCDIR HA_RESOURCEDIR",
            "4 [one] [/two] [3,4] [start]; HA_CURHOST HA_DATEFMT HA_DEBUGLOG HA_DIR HA_FUNCS HA_LOGFILE HA_RCDIR HA_RESOURCEDIR",
            "D-9",
        ),
    );
}
