//! A DRBD resource that is down, and the two orders of fencing, against a stand-in drbdadm.
use crate::stub::Node;
use ovzha_host::agent::{Exit, Op};
use ovzha_host::drbd::{Disk, Role, Suspended};
use ovzha_host::program::Deadline;
use std::fs;
use std::time::{Duration, Instant};

const GI: &str = "26EC64CDE75435A1:38F90E61FC7B6149:0000000000000004:0000000000000000";
/// `up` succeeds: from then on `role` answers.
const COMES_UP: &str = "rm -f role.err role.rc; echo Secondary/Unknown >role.out";

/// A node whose resource is down, with these flags in its metadata, and comes up in this state.
fn down(flags: &str, cstate: &str, dstate: &str) -> Node {
    let node = Node::new("");
    fs::remove_file(node.0.join("role.out")).unwrap();
    node.refuse("role", 10, "role-down");
    node.write("get-gi.out", &format!("{GI}:{flags}\n"));
    node.write("cstate.out", cstate);
    node.write("dstate.out", dstate);
    node.write("up.do", COMES_UP);
    node.write("primary.do", "echo Primary/Unknown >role.out");
    node
}

fn brief() -> Deadline {
    Deadline::after(Duration::from_secs(4))
}

#[test]
fn a_start_brings_it_up_and_promotes_what_its_metadata_proves() {
    for flags in ["1:1:1:0:0:0:0", "1:1:0:0:0:1:0"] {
        let node = down(flags, "StandAlone", "UpToDate/DUnknown");
        assert_eq!(node.operate(Op::Start).exit, Exit::Done, "{flags}");
        let calls = node.calls();
        let at = |call: &str| calls.lines().position(|line| line == call).unwrap();
        assert!(
            at("get-gi r0") < at("up r0") && at("up r0") < at("primary r0"),
            "{calls}"
        );
        assert!(!calls.contains("--"), "no flag of any kind: {calls}");
    }
}

#[test]
fn what_was_down_and_proves_nothing_waits_for_its_peer() {
    // it crashed connected: the peer may have gone on; and it attaches as UpToDate all the same
    let node = down("1:1:1:1:0:0:0", "WFConnection", "UpToDate/DUnknown");
    let answer = node.resource().operate(Op::Start, brief());
    assert_eq!(answer.exit, Exit::Blocked, "{answer:?}");
    assert!(answer.reason.contains("has not been heard since"), "{answer:?}");
    assert!(!node.calls().contains("primary"), "{}", node.calls());
    // the peer is heard in time
    let node = down("1:1:1:1:0:0:0", "WFConnection", "UpToDate/DUnknown");
    node.write(
        "cstate.do",
        "[ -e twice ] && { echo Connected >cstate.out; echo UpToDate/UpToDate >dstate.out; }; [ -e once ] && touch twice; touch once",
    );
    assert_eq!(node.operate(Op::Start).exit, Exit::Done);
}

#[test]
fn no_word_but_up_to_date_is_promoted() {
    let node = Node::new("Secondary/Unknown WFConnection Consistent/DUnknown");
    node.write("primary.do", "echo Primary/Unknown >role.out");
    for disk in ["Consistent", "Outdated", "Inconsistent", "Diskless"] {
        node.write("dstate.out", &format!("{disk}/DUnknown\n"));
        assert_eq!(node.operate(Op::Start).exit, Exit::Failed, "{disk}");
    }
    node.write("dstate.out", "UpToDate/DUnknown\n");
    assert_eq!(node.operate(Op::Start).exit, Exit::Done);
}

#[test]
fn a_whole_disk_is_confirmed_by_a_forced_promotion_that_is_taken_back() {
    for disk in ["Consistent", "Outdated"] {
        let node = Node::new("Secondary/Unknown WFConnection Outdated/DUnknown");
        node.write("dstate.out", &format!("{disk}/DUnknown\n"));
        node.write(
            "primary.do",
            "case \" $* \" in *\" --force \"*) ;; *) exit 17 ;; esac; echo Primary/Unknown >role.out; echo UpToDate/Outdated >dstate.out",
        );
        node.write("secondary.do", "echo Secondary/Unknown >role.out");
        let state = node.resource().confirm(brief()).unwrap();
        assert!(state.good_disk(), "{state}");
        let calls = node.calls();
        assert!(calls.contains("primary --force r0"), "{calls}");
        assert!(calls.contains("secondary r0"), "{calls}");
    }
}

#[test]
fn a_disk_without_whole_data_is_not_confirmed_and_nothing_is_forced() {
    for disk in ["Inconsistent", "Diskless"] {
        let node = Node::new("Secondary/Unknown WFConnection Outdated/DUnknown");
        node.write("dstate.out", &format!("{disk}/DUnknown\n"));
        let answer = node.resource().confirm(brief()).unwrap_err();
        assert_eq!(answer.exit, Exit::Failed);
        assert!(answer.reason.contains("no whole data"), "{answer:?}");
        assert!(!node.calls().contains("primary"), "{}", node.calls());
    }
}

#[test]
fn the_module_is_loaded_first() {
    let node = down("1:1:1:0:0:0:0", "StandAlone", "UpToDate/DUnknown");
    node.refuse("role", 20, "role-module-not-loaded");
    node.tool("modprobe", "[ \"$1\" = -n ] && exit 0; touch loaded");
    node.write("up.do", &format!("[ -e loaded ] || exit 1; {COMES_UP}"));
    assert_eq!(node.operate(Op::Probe).exit, Exit::NotRunning);
    assert_eq!(node.operate(Op::Start).exit, Exit::Done);
    let node = down("1:1:1:0:0:0:0", "StandAlone", "UpToDate/DUnknown");
    node.refuse("role", 20, "role-module-not-loaded");
    fs::remove_file(node.0.join("proc")).unwrap();
    node.tool("modprobe", "echo \"modprobe: module drbd not found\" >&2; exit 1");
    let answer = node.operate(Op::Start);
    assert_eq!(answer.exit, Exit::Unfit);
    assert_eq!(answer.reason, "drbd can't be loaded: modprobe: module drbd not found");
    assert!(!node.calls().contains("up r0"), "{}", node.calls());
}

#[test]
fn an_up_that_fails_is_told_and_one_by_somebody_else_is_as_good() {
    let node = down("1:1:1:0:0:0:0", "StandAlone", "UpToDate/DUnknown");
    fs::remove_file(node.0.join("up.do")).unwrap();
    node.refuse("up", 1, "up-no-metadata");
    let answer = node.operate(Op::Start);
    assert_eq!(answer.exit, Exit::Unfit);
    assert_eq!(answer.reason, "r0 can't be brought up: No valid meta data found");
    assert!(!node.calls().contains("create-md"), "{}", node.calls());
    // the init script was at it at the same time: our own fails, and it is up
    let node = down("1:1:1:0:0:0:0", "StandAlone", "UpToDate/DUnknown");
    node.refuse("up", 1, "up-twice");
    assert_eq!(node.operate(Op::Start).exit, Exit::Done);
}

#[test]
fn outdating_is_asked_for_until_it_is_seen() {
    // DRBD still takes the peer for connected, and refuses
    let node = Node::new("Secondary/Primary Connected UpToDate/UpToDate");
    node.write(
        "outdate.do",
        "[ -e once ] && { echo Outdated/DUnknown >dstate.out; exit 0; }; touch once; exit 17",
    );
    let state = node
        .resource()
        .outdate(Deadline::after(Duration::from_secs(10)))
        .unwrap();
    assert_eq!((state.disk, state.role), (Disk::Outdated, Role::Secondary));
    assert_eq!(node.calls().matches("outdate r0").count(), 2);
    // worse than that is left as it is
    let node = Node::new("Secondary/Unknown WFConnection Inconsistent/DUnknown");
    assert_eq!(node.resource().outdate(brief()).unwrap().disk, Disk::Inconsistent);
    assert!(!node.calls().contains("outdate"), "{}", node.calls());
    // an exit code is not believed
    let node = Node::new("Secondary/Unknown WFConnection UpToDate/DUnknown");
    node.write("outdate.do", "true");
    let begin = Instant::now();
    let answer = node.resource().outdate(brief()).unwrap_err();
    assert_eq!(answer.exit, Exit::Failed);
    // on a machine too busy for the last look it says that
    assert!(
        [
            "r0 is not outdated: its disk is UpToDate (WFConnection)",
            "r0 is not known to be outdated"
        ]
        .iter()
        .any(|reason| answer.reason.starts_with(reason)),
        "{answer:?}"
    );
    assert!(node.calls().matches("outdate r0").count() > 1 && begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_primary_is_never_outdated() {
    let node = Node::new("Primary/Unknown WFConnection UpToDate/DUnknown");
    node.write("outdate.do", "exit 17");
    let answer = node.resource().outdate(brief()).unwrap_err();
    assert_eq!(
        (answer.exit, answer.reason.as_str()),
        (Exit::Failed, "r0 is Primary here and not outdated")
    );
    assert!(!node.calls().contains("outdate"), "{}", node.calls());
    // it becomes one while it is asked
    let node = Node::new("Secondary/Unknown WFConnection UpToDate/DUnknown");
    node.write("outdate.do", "echo Primary/Unknown >role.out; exit 17");
    assert_eq!(node.resource().outdate(brief()).unwrap_err().exit, Exit::Failed);
    assert_eq!(node.calls().matches("outdate r0").count(), 1);
}

#[test]
fn what_is_down_is_outdated_in_its_metadata() {
    let node = down("1:1:0:0:0:0:0", "", "Consistent\n");
    node.write("outdate.do", "echo Outdated >dstate.out");
    let state = node.resource().outdate(brief()).unwrap();
    assert_eq!(
        state.to_string(),
        "role=Secondary/Unknown cstate=Unconfigured dstate=Outdated/DUnknown"
    );
    assert!(!node.calls().contains("up r0"), "{}", node.calls());
}

#[test]
fn resuming_is_done_once_nothing_waits() {
    let frozen = "version: 8.4.11 (api:1/proto:86-101)\n \
                  0: cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C s-----\n";
    let node = Node::new("Primary/Unknown WFConnection UpToDate/DUnknown");
    node.write("proc", frozen);
    node.write("sh-dev.out", "/dev/drbd0\n");
    node.write(
        "resume-io.do",
        "[ -e once ] && sed -i s/s-----/r-----/ proc; touch once",
    );
    let state = node
        .resource()
        .resume(Deadline::after(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(state.suspended, Suspended::NO);
    assert_eq!(node.calls().matches("resume-io r0").count(), 2);
    // nothing to do
    assert_eq!(node.resource().resume(brief()).unwrap().suspended, Suspended::NO);
    assert_eq!(node.calls().matches("resume-io r0").count(), 2);
    // it goes on waiting
    node.write("proc", frozen);
    node.write("resume-io.do", "true");
    let answer = node.resource().resume(brief()).unwrap_err();
    assert!(
        answer.exit == Exit::Failed && answer.reason.starts_with("I/O of r0 still waits"),
        "{answer:?}"
    );
    // which device is ours can't be told, and one of them waits
    node.write("sh-dev.out", "");
    assert_eq!(node.resource().resume(brief()).unwrap_err().exit, Exit::Failed);
}
