//! The child that watches DRBD, with stand-ins for drbdsetup and drbdadm, read through a real pipe.
use crate::stub::Node;
use ovzha_host::drbd::teller::SIGN_OF_LIFE;
use ovzha_host::drbd::watch::watch;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

const V84: &str = "version: 8.4.11 (api:1/proto:86-101)\nsrcversion: F73C670A7EC572DB9CF3E5B \n";
const CONNECTED: &str = "role=Secondary/Primary cstate=Connected dstate=UpToDate/UpToDate drbd=8";
const ALONE: &str = "role=Secondary/Unknown cstate=WFConnection dstate=UpToDate/DUnknown drbd=8";
const DOWN: &str = "role=Secondary/Unknown cstate=Unconfigured dstate=DUnknown/DUnknown drbd=8";

/// What events2 describes at its start, as recorded, with the peer connected or not.
fn described(connected: bool) -> String {
    let (connection, role, replication, disk) = if connected {
        ("Connected", "Primary", "Established", "UpToDate")
    } else {
        ("Connecting", "Unknown", "Off", "DUnknown")
    };
    format!(
        "exists resource name:r0 role:Secondary suspended:no\n\
         exists connection name:r0 peer-node-id:0 conn-name:peer connection:{connection} role:{role}\n\
         exists device name:r0 volume:0 minor:0 disk:UpToDate\n\
         exists peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:{replication} peer-disk:{disk} \
         resync-suspended:no\nexists -\n"
    )
}

/// What it says when the peer is lost, as recorded.
const LOST: &str = "change connection name:r0 peer-node-id:0 conn-name:peer connection:NetworkFailure role:Unknown\n\
    change peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Off peer-disk:DUnknown\n\
    change connection name:r0 peer-node-id:0 conn-name:peer\n\
    change connection name:r0 peer-node-id:0 conn-name:peer connection:Unconnected\n\
    change connection name:r0 peer-node-id:0 conn-name:peer connection:Connecting\n";

struct Watched {
    node: Node,
    lines: Receiver<(Instant, String)>,
    thread: Option<JoinHandle<()>>,
    begun: Instant,
}

impl Watched {
    fn begin(node: Node, up: bool) -> Watched {
        let (reader, writer) = std::io::pipe().unwrap();
        let resource = node.resource();
        let thread = spawn(move || {
            let out = File::from(OwnedFd::from(writer));
            drop(watch(vec![resource], up, out));
        });
        let (send, lines) = channel();
        // ends with the receiver: the pipe is closed, and the watch ends of that
        spawn(move || {
            for line in BufReader::new(reader).lines() {
                let Ok(line) = line else { return };
                if send.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Watched {
            node,
            lines,
            thread: Some(thread),
            begun: Instant::now(),
        }
    }

    fn next(&self) -> String {
        let said = self.lines.recv_timeout(Duration::from_secs(30));
        said.unwrap_or_else(|_| panic!("nothing more said; {}", self.node.calls()))
            .1
    }

    /// The next line that is not the same state once more.
    fn changed_from(&self, before: &str) -> String {
        loop {
            let line = self.next();
            if line != before {
                return line;
            }
        }
    }
}

/// A drbdsetup whose events2 does this.
fn events2(node: &Node, body: &str) {
    fs::write(node.0.join("connected"), described(true)).unwrap();
    fs::write(node.0.join("alone"), described(false)).unwrap();
    fs::write(node.0.join("lost"), LOST).unwrap();
    node.tool("drbdsetup", &format!("[ \"$1\" = events2 ] || exit 20\n{body}"));
}

/// A node on which DRBD shows the same in its file.
fn node(device: &str) -> Node {
    let node = Node::new("Secondary/Primary Connected UpToDate/UpToDate");
    node.write("proc", &format!("{V84} 0: {device}\n"));
    node.write("sh-dev.out", "/dev/drbd0\n");
    node
}

const SHOWN_CONNECTED: &str = "cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----";
const SHOWN_ALONE: &str = "cs:WFConnection ro:Secondary/Unknown ds:UpToDate/DUnknown C r-----";

#[test]
fn a_change_is_told_at_once_and_the_same_again_as_a_sign_of_life() {
    let node = node(SHOWN_CONNECTED);
    let dir = node.0.display();
    let shown = format!("{V84} 0: {SHOWN_ALONE}\n");
    events2(
        &node,
        &format!(
            "cat connected; while [ ! -e go ]; do sleep 0.02; done; printf '%s' '{shown}' >{dir}/proc; cat lost; exec sleep 60"
        ),
    );
    let watched = Watched::begin(node, false);
    assert_eq!(watched.next(), CONNECTED);
    let first = watched.begun.elapsed();
    assert!(first < Duration::from_secs(8), "{first:?}");
    let (again, line) = watched.lines.recv_timeout(Duration::from_secs(15)).unwrap();
    assert_eq!(line, CONNECTED);
    let silence = again.duration_since(watched.begun);
    assert!(silence <= SIGN_OF_LIFE + first + Duration::from_secs(4), "{silence:?}");
    let begin = Instant::now();
    watched.node.write("go", "");
    // a burst is told as its last state, or as the states between
    let mut line = watched.changed_from(CONNECTED);
    while line != ALONE {
        assert!(!line.starts_with("failed"), "{line}");
        line = watched.next();
    }
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(watched.node.calls().matches("drbdsetup events2").count(), 1);
}

#[test]
fn events2_that_dies_is_started_again() {
    let node = node(SHOWN_CONNECTED);
    // the peer is lost while it is dead
    let dir = node.0.display();
    let shown = format!("{V84} 0: {SHOWN_ALONE}\n");
    events2(
        &node,
        &format!(
            "[ -e once ] || {{ touch once; cat connected; exit 1; }}; printf '%s' '{shown}' >{dir}/proc; cat alone; exec sleep 60"
        ),
    );
    let watched = Watched::begin(node, false);
    assert_eq!(watched.next(), CONNECTED);
    assert_eq!(
        watched.next(),
        "failed drbdsetup events2 ended: exit status: 1; it is started again"
    );
    assert_eq!(watched.changed_from(CONNECTED), ALONE);
    assert!(
        watched.begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        watched.begun.elapsed()
    );
}

#[test]
fn events2_that_hangs_is_found_out_by_the_file() {
    let node = node(SHOWN_CONNECTED);
    events2(
        &node,
        "[ -e once ] && { cat alone; exec sleep 60; }; touch once; cat connected; exec sleep 60",
    );
    let watched = Watched::begin(node, false);
    assert_eq!(watched.next(), CONNECTED);
    watched.node.write("proc", &format!("{V84} 0: {SHOWN_ALONE}\n"));
    let begin = Instant::now();
    assert_eq!(
        watched.changed_from(CONNECTED),
        "failed drbdsetup events2 says nothing of a change of r0; it is started again"
    );
    assert_eq!(watched.changed_from(CONNECTED), ALONE);
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
}

#[test]
fn without_a_working_events2_the_file_is_read() {
    let node = node(SHOWN_CONNECTED);
    events2(&node, "echo what; exit 0");
    let watched = Watched::begin(node, false);
    assert!(
        watched
            .next()
            .starts_with("failed drbdsetup events2 can't be followed: \"what\" is no event of DRBD")
    );
    // three tries, with a pause of 1, 2 and 4 s after them, in which it is still said that nothing is known
    assert_eq!(watched.next(), "untold");
    assert_eq!(watched.changed_from("untold"), CONNECTED);
    assert_eq!(watched.node.calls().matches("drbdsetup events2").count(), 3);
    let begin = Instant::now();
    watched.node.write("proc", &format!("{V84} 0: {SHOWN_ALONE}\n"));
    assert_eq!(watched.changed_from(CONNECTED), ALONE);
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    watched.node.write("proc", V84);
    assert_eq!(watched.changed_from(ALONE), DOWN);
}

#[test]
fn of_07_the_file_is_read() {
    let node = node(SHOWN_CONNECTED);
    let shown = |device: &str| format!("version: 0.7.17 (api:77/proto:74)\nSVN Revision: 2093\n 0: {device}\n");
    node.write("proc", &shown("cs:Connected st:Primary/Secondary ld:Consistent"));
    let watched = Watched::begin(node, true);
    let connected = "role=Primary/Secondary cstate=Connected dstate=Consistent/DUnknown drbd=0.7";
    assert_eq!(watched.next(), connected);
    watched
        .node
        .write("proc", &shown("cs:WFConnection st:Primary/Unknown ld:Consistent"));
    let alone = "role=Primary/Unknown cstate=WFConnection dstate=Consistent/DUnknown drbd=0.7";
    assert_eq!(watched.changed_from(connected), alone);
    watched.node.write("proc", &shown("cs:Unconfigured"));
    assert_eq!(watched.changed_from(alone), DOWN.replace("drbd=8", "drbd=0.7"));
    assert!(!watched.node.calls().contains("drbdsetup"), "{}", watched.node.calls());
}

#[test]
fn where_there_is_neither_drbdadm_is_asked() {
    let node = node(SHOWN_CONNECTED);
    fs::remove_file(node.0.join("proc")).unwrap();
    let watched = Watched::begin(node, true);
    let connected = CONNECTED.trim_end_matches(" drbd=8");
    assert_eq!(watched.next(), connected);
    // by now it may be old: it is not told again without being asked again
    assert_eq!(watched.next(), "alive");
    watched.node.write("cstate.out", "WFConnection\n");
    let begin = Instant::now();
    assert!(watched.changed_from("alive").contains("cstate=WFConnection"));
    assert!(begin.elapsed() < Duration::from_secs(18), "{:?}", begin.elapsed());
}

#[test]
fn what_is_down_is_brought_up_once_and_what_it_proved_is_told_until_the_peer_is_heard() {
    let node = node(SHOWN_ALONE);
    node.write("proc", V84);
    fs::remove_file(node.0.join("role.out")).unwrap();
    node.refuse("role", 10, "role-down");
    node.write(
        "get-gi.out",
        "5F5731735CF2559F:26EC64CDE75435A1:38FA0E61FC7B6149:38F90E61FC7B6149:1:1:1:0:0:0:0\n",
    );
    let shown = format!("{V84} 0: {SHOWN_ALONE}\n");
    node.write(
        "up.do",
        &format!("rm -f role.err role.rc; echo Secondary/Unknown >role.out; printf '%s' '{shown}' >proc"),
    );
    let heard = LOST
        .replace("NetworkFailure", "Connected")
        .lines()
        .next()
        .unwrap()
        .to_owned()
        + "\nchange peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:WFBitMapS peer-disk:Consistent\n\
           change peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Off peer-disk:DUnknown\n\
           change connection name:r0 peer-node-id:0 conn-name:peer connection:Connecting\n";
    node.write("heard", &heard);
    events2(
        &node,
        "cat alone; while [ ! -e go ]; do sleep 0.02; done; while read -r line; do echo \"$line\"; sleep 0.2; done <heard; exec sleep 60",
    );
    let watched = Watched::begin(node, true);
    assert_eq!(watched.next(), "told r0 was down and has been brought up");
    let proved = format!("{ALONE} proved=alone");
    assert_eq!(watched.changed_from("untold"), proved);
    let calls = watched.node.calls();
    let at = |call: &str| calls.lines().position(|line| line == call).unwrap();
    assert!(at("get-gi r0") < at("up r0"), "{calls}");
    watched.node.write("go", "");
    let mut line = watched.changed_from(&proved);
    while line != ALONE {
        line = watched.changed_from(&line);
    }
    assert_eq!(watched.node.calls().matches("up r0").count(), 1);
}

#[test]
fn what_is_down_later_stays_down() {
    let node = node(SHOWN_CONNECTED);
    fs::remove_file(node.0.join("role.out")).unwrap();
    node.refuse("role", 10, "role-down");
    node.write("proc", V84);
    events2(&node, "echo 'exists -'; exec sleep 60");
    let watched = Watched::begin(node, false);
    assert_eq!(watched.next(), DOWN);
    assert_eq!(watched.next(), DOWN);
    assert!(!watched.node.calls().contains("up r0"), "{}", watched.node.calls());
}

#[test]
fn it_ends_when_nobody_listens_and_takes_events2_with_it() {
    let node = node(SHOWN_CONNECTED);
    events2(&node, "echo $$ >pid; cat connected; exec sleep 60");
    let mut watched = Watched::begin(node, false);
    assert_eq!(watched.next(), CONNECTED);
    let pid = fs::read_to_string(watched.node.0.join("pid")).unwrap();
    // the reading thread ends with its next line
    watched.lines = channel().1;
    watched.thread.take().unwrap().join().unwrap();
    assert!(watched.begun.elapsed() < Duration::from_secs(25));
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        !std::path::Path::new(&format!("/proc/{}", pid.trim())).exists()
    });
    assert!(gone, "{pid} is left");
}
