//! `datadisk` against a stand-in drbdadm that answers what real ones were recorded to print.
use crate::stub::Node;
use ovzha_host::agent::{Answer, Exit, Op};
use ovzha_host::drbd::{Connection, Disk, NoState, Role, State};
use ovzha_host::drbd::{is_not_configured, parse_cstate, parse_dstate, parse_role};
use ovzha_host::program::Deadline;
use std::fs;
use std::time::{Duration, Instant};

const BECOMES_PRIMARY: &str = "echo Primary/Secondary >role.out";

#[test]
fn promotes_verifies_and_demotes() {
    let node = Node::new("Secondary/Secondary Connected UpToDate/UpToDate");
    node.write("primary.do", BECOMES_PRIMARY);
    node.write("secondary.do", "echo Secondary/Secondary >role.out");
    assert_eq!(node.operate(Op::Probe).exit, Exit::NotRunning);
    assert_eq!(node.operate(Op::Start), Answer::done("r0 is Primary"));
    assert_eq!(node.operate(Op::Probe).exit, Exit::Done);
    assert_eq!(node.operate(Op::Start), Answer::done("r0 is already Primary"));
    let observed = node.operate(Op::Observe);
    assert_eq!(
        observed.output,
        "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate drbd=8\n"
    );
    assert_eq!(State::parse_observed(&observed.output).unwrap().role, Role::Primary);
    assert_eq!(node.operate(Op::Stop), Answer::done("r0 is Secondary"));
    assert_eq!(node.operate(Op::Stop), Answer::done("r0 is already Secondary"));
    assert!(!node.calls().contains("--"), "no flag of any kind: {}", node.calls());
}

#[test]
fn a_peer_that_is_primary_blocks_and_is_left_alone() {
    let node = Node::new("Secondary/Primary Connected UpToDate/UpToDate");
    node.refuse("primary", 11, "primary-while-peer-primary");
    let answer = node.operate(Op::Start);
    assert_eq!(answer.exit, Exit::Blocked);
    assert!(
        answer
            .reason
            .starts_with("peer is Primary: 0: State change failed: (-1)"),
        "{answer:?}"
    );
}

#[test]
fn a_dead_peer_still_shown_as_primary_is_no_obstacle() {
    let node = Node::new("Secondary/Primary Connected UpToDate/UpToDate");
    node.write("primary.do", "echo Primary/Unknown >role.out");
    assert_eq!(node.operate(Op::Start).exit, Exit::Done);
}

#[test]
fn two_primaries_by_configuration_are_given_up_at_once() {
    let node = Node::new("Secondary/Primary Connected UpToDate/UpToDate");
    node.write("primary.do", "echo Primary/Primary >role.out");
    node.write("secondary.do", "echo Secondary/Primary >role.out");
    assert_eq!(node.operate(Op::Start).exit, Exit::Blocked);
    assert_eq!(node.operate(Op::Probe).exit, Exit::NotRunning);
}

#[test]
fn the_first_refusal_by_fencing_is_asked_again() {
    let node = Node::new("Secondary/Primary Connected UpToDate/UpToDate");
    node.refuse("primary", 11, "fence2-no-handler");
    node.write(
        "primary.do",
        "[ -e once ] && { echo Primary/Unknown >role.out; rm primary.err primary.rc; exit 0; }; touch once",
    );
    assert_eq!(node.operate(Op::Start).exit, Exit::Done);
    let node = Node::new("Secondary/Unknown WFConnection UpToDate/DUnknown");
    node.refuse("primary", 11, "fence2-no-handler");
    let answer = node.operate(Op::Start);
    assert_eq!(answer.exit, Exit::Blocked);
    assert!(answer.reason.contains("(-7)"), "{answer:?}");
    assert_eq!(node.calls().matches("primary r0").count(), 3);
}

#[test]
fn data_that_is_not_current_is_never_promoted() {
    for disks in [
        "Inconsistent/UpToDate",
        "Outdated/DUnknown",
        "Diskless/UpToDate",
        "Failed/UpToDate",
        "Consistent/DUnknown",
        "UpToDate/UpToDate\nInconsistent/UpToDate",
    ] {
        let node = Node::new("Secondary/Unknown WFConnection");
        node.write("dstate.out", disks);
        node.write("primary.do", BECOMES_PRIMARY);
        let answer = node.operate(Op::Start);
        assert_eq!(answer.exit, Exit::Failed, "{disks}: {answer:?}");
        assert!(!node.calls().contains("primary"), "{disks}: drbdadm primary was called");
    }
    let node = Node::new("Secondary/Unknown WFConnection UpToDate/DUnknown");
    node.refuse("primary", 17, "primary-outdated");
    let answer = node.operate(Op::Start);
    assert!(
        answer.exit == Exit::Failed && answer.reason.contains("no current data"),
        "{answer:?}"
    );
}

#[test]
fn a_disk_still_negotiating_is_waited_for() {
    let node = Node::new("Secondary/Unknown WFReportParams Negotiating/DUnknown");
    node.write(
        "dstate.do",
        "[ -e once ] && echo UpToDate/UpToDate >dstate.out; touch once",
    );
    node.write("primary.do", BECOMES_PRIMARY);
    assert_eq!(node.operate(Op::Start).exit, Exit::Done);
}

#[test]
fn an_exit_code_is_not_believed() {
    let node = Node::new("Secondary/Secondary Connected UpToDate/UpToDate");
    node.write("primary.do", "true");
    let begin = Instant::now();
    let answer = node
        .resource()
        .operate(Op::Start, Deadline::after(Duration::from_secs(4)));
    assert!(
        answer.exit == Exit::Failed && answer.reason.contains("is Secondary"),
        "{answer:?}"
    );
    assert!(begin.elapsed() < Duration::from_secs(8));
}

#[test]
fn a_device_held_open_is_retried_until_the_deadline() {
    let node = Node::new("Primary/Secondary Connected UpToDate/UpToDate");
    node.refuse("secondary", 11, "secondary-while-mounted");
    node.write("sh-dev.out", "/dev/ovzha-none\n");
    let answer = node
        .resource()
        .operate(Op::Stop, Deadline::after(Duration::from_secs(4)));
    assert_eq!(answer.exit, Exit::Failed);
    assert!(
        answer
            .reason
            .contains("r0 stays Primary: 0: State change failed: (-12)"),
        "{answer:?}"
    );
    assert!(node.calls().matches("secondary r0").count() > 1);
}

#[test]
fn down_runs_nowhere_and_unknown_is_unfit() {
    for (rc, recorded, modprobe, probe) in [
        (10, "role-down", "exit 1", Exit::NotRunning),
        (20, "role-module-not-loaded", "exit 0", Exit::NotRunning),
        (20, "role-module-not-loaded", "exit 1", Exit::Unfit),
    ] {
        let node = Node::new("");
        node.tool("modprobe", modprobe);
        node.refuse("role", rc, recorded);
        assert_eq!(node.operate(Op::Probe).exit, probe, "{recorded} {modprobe}");
        assert_eq!(node.operate(Op::Stop).exit, Exit::Done, "{recorded}: nothing to demote");
        assert!(
            !node.calls().contains("up r0"),
            "a look changes nothing: {}",
            node.calls()
        );
    }
    let node = Node::new("");
    node.write(
        "role.err",
        "drbd.conf:1: 'r0' not defined in your config (for this host).\n",
    );
    node.write("role.rc", "10");
    assert_eq!(node.operate(Op::Probe).exit, Exit::Unfit);
    assert_eq!(node.operate(Op::Start).exit, Exit::Unfit);
    assert_eq!(
        node.operate(Op::Stop).exit,
        Exit::Failed,
        "it may run under another name"
    );
}

#[test]
fn drbd_0_7_is_asked_in_its_own_words() {
    let node = Node::new("");
    fs::remove_file(node.0.join("role.out")).unwrap();
    node.write("proc", "version: 0.7.17 (api:77/proto:74)\nSVN Revision: 2093\n 0: cs:Connected st:Secondary/Secondary ld:Consistent\n");
    node.write("state.out", "Secondary/Secondary\n");
    node.write("cstate.out", "Connected\n");
    node.write("sh-dev.out", "/dev/drbd0\n");
    node.write("primary.do", "echo Primary/Secondary >state.out");
    let observed = node.operate(Op::Observe);
    assert_eq!(
        observed.output,
        "role=Secondary/Secondary cstate=Connected dstate=Consistent/DUnknown drbd=0.7\n"
    );
    assert_eq!(node.operate(Op::Start).exit, Exit::Done);
    node.write("state.out", "Not configured\n");
    assert_eq!(node.operate(Op::Probe).exit, Exit::NotRunning);
}

#[test]
fn a_hanging_drbdadm_ends_with_the_deadline() {
    let node = Node::new("Secondary/Secondary Connected UpToDate/UpToDate");
    node.write("primary.do", "exec sleep 30");
    let begin = Instant::now();
    let answer = node
        .resource()
        .operate(Op::Start, Deadline::after(Duration::from_secs(1)));
    assert!(
        answer.exit == Exit::Failed && answer.reason.contains("in time"),
        "{answer:?}"
    );
    assert!(begin.elapsed() < Duration::from_secs(8));
}

#[test]
fn answers_of_every_generation_are_read() {
    use Connection::{Connected, StandAlone, WfConnection};
    // 8.4, recorded by us; the remark before the answer is what tools print next to another module version.
    let remark = "DRBD module version: 8.3.16\n   userland version: 8.4.11\nplease don't mix different DRBD series.\n";
    assert_eq!(
        parse_role(&format!("{remark}Secondary/Primary\n")).unwrap(),
        (Role::Secondary, Role::Primary)
    );
    assert_eq!(parse_cstate(&format!("{remark}WFConnection\n")).unwrap(), WfConnection);
    assert_eq!(
        parse_dstate(&format!("{remark}UpToDate/DUnknown\n")).unwrap(),
        (Disk::UpToDate, Disk::Unknown)
    );
    // Down: only the word on the disk.
    assert_eq!(parse_dstate("Outdated\n").unwrap(), (Disk::Outdated, Disk::Unknown));
    // 9: the own role only, a line a peer, a line a volume with all peers.
    assert_eq!(parse_role("Secondary\n").unwrap(), (Role::Secondary, Role::Unknown));
    assert_eq!(parse_cstate("Connected\nConnecting\n").unwrap(), WfConnection);
    assert_eq!(parse_cstate("Connected\nStandAlone\n").unwrap(), StandAlone);
    assert_eq!(parse_cstate("Established\n").unwrap(), Connected);
    assert_eq!(parse_cstate("").unwrap(), StandAlone);
    let two = "UpToDate/UpToDate\nUpToDate/Inconsistent\n";
    assert_eq!(parse_dstate(two).unwrap(), (Disk::UpToDate, Disk::Inconsistent));
    assert_eq!(
        parse_dstate("UpToDate/UpToDate/Outdated/DUnknown\n").unwrap(),
        (Disk::UpToDate, Disk::Outdated)
    );
    // 0.7.
    assert!(is_not_configured("Not configured\n") && !is_not_configured("Secondary/Unknown\n"));
}

#[test]
fn an_unknown_word_is_an_error_and_never_a_guess() {
    assert_eq!(
        parse_role("Leader/Follower").unwrap_err().to_string(),
        "\"Leader\" is no DRBD role"
    );
    assert!(parse_role("").is_err() && parse_dstate("").is_err());
    assert!(parse_cstate("Connected?").is_err());
    assert!(parse_dstate("UpToDate/Fine").is_err() && parse_dstate("uptodate/UpToDate").is_err());
    assert!(State::parse_observed("role=Primary cstate=Connected dstate=UpToDate/UpToDate").is_err());
    assert!(State::parse_observed("role=Primary/Secondary dstate=UpToDate/UpToDate").is_err());
    let node = Node::new("Chief/Indian Connected UpToDate/UpToDate");
    assert!(matches!(
        node.resource().state(Deadline::after(Duration::from_secs(5))),
        Err(NoState::Failed(_))
    ));
}

#[test]
fn suspended_io_is_told_by_every_generation_that_has_it() {
    // 8.4.11, recorded by us while a fence-peer handler ran, and after it
    let frozen = "version: 8.4.11 (api:1/proto:86-101)\nsrcversion: F73C670A7EC572DB9CF3E5B \n \
                  0: cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C s-----\n    \
                  ns:323 nr:0 dw:70517 dr:357 al:10 bm:0 lo:0 pe:3 ua:0 ap:3 ep:1 wo:f oos:0\n";
    let told = "role=Primary/Unknown cstate=WFConnection dstate=UpToDate/DUnknown suspended=untold drbd=8\n";
    let node = Node::new("Primary/Unknown WFConnection UpToDate/DUnknown");
    node.write("proc", frozen);
    node.write("sh-dev.out", "/dev/drbd0\n");
    assert_eq!(node.operate(Op::Observe).output, told);
    assert_eq!(node.operate(Op::Monitor).output, told);
    node.write(
        "proc",
        "version: 9.1.12 (api:2/proto:110-121)\nTransports (api:18): tcp (9.1.12)\n",
    );
    node.write(
        "status.out",
        "r0 role:Primary suspended:fencing\n  disk:UpToDate blocked:upper\n  b connection:Connecting\n",
    );
    let told = told.replace("untold drbd=8", "fencing drbd=9");
    assert_eq!(node.operate(Op::Observe).output, told);
    // its JSON says the same, and of a peer that is away what its text leaves out
    let json = r#"[{"name": "r0", "role": "Primary", "suspended-fencing": true, "devices": [{"disk-state": "UpToDate"}],
        "connections": [{"connection-state": "Connecting", "peer_devices": [{"peer-disk-state": "Outdated"}]}]}]"#;
    node.tool("drbdsetup", &format!("echo '{json}'"));
    assert_eq!(node.operate(Op::Observe).output, told.replace("DUnknown", "Outdated"));
    node.tool("drbdsetup", "exit 20");
    node.write("status.rc", "20");
    assert_eq!(node.operate(Op::Observe).output, told.replace(" suspended=fencing", ""));
}
