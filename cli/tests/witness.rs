//! `ovzha witness` as a service manager runs it: what it refuses to start with, and what it says of a disk that hangs.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::{self, BODY_MAX, FRAME_MAX, FrameBuf, Header, VERSION};
use ovzha_core::id::{BootId, GroupSet, KeyId, LinkId, Mark, NodeId, Sequence, Tenure};
use ovzha_core::message::{
    Ballot, Disk, Drbd, Echo, GroupBits, GroupReport, Head, Message, NodeBits, Silence, Verdict,
};
use ovzha_host::core_config::cluster_id;

struct Scratch(PathBuf);

impl Scratch {
    /// A directory with a `witness.cf` for one cluster.
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ovzha-witness-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let write = |name: &str, text: &str, mode: u32| {
            fs::write(dir.join(name), text).unwrap();
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        write("authkeys", "auth 1\n1 sha256 0123456789abcdef\n", 0o600);
        let keys = Command::new(env!("CARGO_BIN_EXE_ovzha"))
            .args(["witness-key", "--config-dir"])
            .arg(&dir)
            .output()
            .unwrap();
        assert!(keys.status.success(), "{}", String::from_utf8_lossy(&keys.stderr));
        write("keys", &String::from_utf8(keys.stdout).unwrap(), 0o600);
        write("witness.cf", "listen 127.0.0.1:0\ncluster alpha beta keys\n", 0o644);
        Self(dir)
    }

    /// The same, on a port of its own that lends after a second.
    fn listening(name: &str) -> (Self, u16) {
        let scratch = Self::new(name);
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!("listen 127.0.0.1:{port}\nlends-for 1s\ncluster alpha beta keys\n");
        fs::write(scratch.0.join("witness.cf"), text).unwrap();
        (scratch, port)
    }

    fn start(&self, run_dir: &str, state_dir: &Path) -> Child {
        Command::new(env!("CARGO_BIN_EXE_ovzha"))
            .arg("witness")
            .arg("--config")
            .arg(self.0.join("witness.cf"))
            .arg("--run-dir")
            .arg(self.0.join(run_dir))
            .arg("--state-dir")
            .arg(state_dir)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Its exit code and what it said; one that runs on is ended.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let limit = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > limit {
            child.kill().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let code = child.wait().unwrap().code();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (code, said)
}

#[test]
fn marks_that_cannot_be_believed_or_kept_refuse_the_start() {
    let scratch = Scratch::new("damaged");
    let state = scratch.0.join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("marks"), "alpha beta 010203=beta\n").unwrap();
    let (code, said) = ended(scratch.start("run", &state));
    let why = format!(
        "ovzha witness: what it keeps over restarts: {}: the check sum does not fit\n",
        state.join("marks").display()
    );
    assert_eq!((code, said), (Some(3), why));
    assert_eq!(
        fs::read(state.join("marks")).unwrap(),
        b"alpha beta 010203=beta\n",
        "and it is still there"
    );
    // a file where the directory should be
    let (code, said) = ended(scratch.start("run", &scratch.0.join("witness.cf")));
    assert_eq!(code, Some(3));
    assert!(
        said.starts_with("ovzha witness: what it keeps over restarts: "),
        "{said}"
    );
}

#[test]
fn two_do_not_keep_the_same_marks() {
    let scratch = Scratch::new("twice");
    let state = scratch.0.join("state");
    let mut first = scratch.start("run", &state);
    let limit = Instant::now() + Duration::from_secs(20);
    while !state.join("marks").exists() {
        assert!(Instant::now() < limit, "the first one does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    let (code, said) = ended(scratch.start("other", &state));
    assert_eq!(
        (code, said),
        (
            Some(4),
            format!("ovzha witness: another one runs with {}\n", state.display())
        )
    );
    first.kill().unwrap();
    first.wait().unwrap();
}

/// Node alpha, which runs the one group and is ahead of beta.
struct Alpha {
    socket: UdpSocket,
    ring: Keyring,
    sequence: u32,
    echo: Echo,
}

impl Alpha {
    fn new(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut ring = Keyring::new(Domain::Witness);
        ring.add(KeyId(1), Method::Sha256, b"0123456789abcdef").unwrap();
        ring.sign_with(KeyId(1)).unwrap();
        Self {
            socket,
            ring,
            sequence: 0,
            echo: Echo::NOBODY,
        }
    }

    /// Asks once. The answer says whether the witness knows whose copy is old; none: there is no answer.
    fn asks(&mut self) -> Option<bool> {
        let cluster = cluster_id(&["alpha".to_owned(), "beta".to_owned()]);
        let half = Drbd {
            disk: Disk::UpToDate,
            ahead: true,
            ..Drbd::default()
        };
        let group = GroupReport {
            tenure: Tenure(1),
            bits: GroupBits(0),
            drbd: half.pack(),
        };
        let here = GroupSet::of(std::iter::once(0));
        let message = Message {
            head: Head {
                echo: self.echo,
                heard: Silence::NEVER,
                heard_here: Silence::NEVER,
                bits: NodeBits::default(),
            },
            detail: None,
            names: None,
            ballot: Some(Ballot {
                asks: here,
                holds: here,
                term: 10,
                ..Ballot::default()
            }),
            identities: Some(std::iter::once(Mark([1, 2, 3])).collect()),
            groups: std::iter::once(group).collect(),
        };
        self.sequence += 1;
        let header = Header {
            version: VERSION,
            cluster,
            sender: NodeId(0),
            addressee: NodeId::WITNESS,
            link: LinkId(1),
            boot: BootId([7; 4]),
            sequence: Sequence(self.sequence),
        };
        let (mut body, mut out) = ([0; BODY_MAX], FrameBuf::new());
        let body = message.encode(&mut body).unwrap();
        let bytes = frame::seal(&header, body, &self.ring, &mut out).unwrap();
        // nobody may listen yet
        drop(self.socket.send(bytes));
        let mut answer = [0; FRAME_MAX];
        let length = self.socket.recv(&mut answer).ok()?;
        let opened = frame::open(&answer[..length], cluster, &self.ring).unwrap();
        self.echo = Echo {
            boot: opened.header.boot,
            sequence: opened.header.sequence,
        };
        Some(Verdict::decode(opened.body).unwrap().word.ahead.contains(0))
    }
}

/// What a child says, line by line.
fn lines(child: &mut Child) -> Receiver<String> {
    let (tell, told) = channel();
    let said = child.stderr.take().unwrap();
    std::thread::spawn(move || {
        BufReader::new(said)
            .lines()
            .try_for_each(|line| tell.send(line.unwrap()))
    });
    told
}

/// A witness whose next write hangs; what it says.
fn hanging(scratch: &Scratch, state: &Path) -> (Child, Receiver<String>) {
    fs::create_dir(state).unwrap();
    let mut witness = scratch.start("run", state);
    let said = lines(&mut witness);
    // it has read and written what it keeps
    let first = said.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(first.starts_with("ovzha witness: 1 clusters; "), "{first}");
    // whoever opens a pipe that nobody reads waits
    let made = Command::new("mkfifo").arg(state.join("marks.next")).status().unwrap();
    assert!(made.success());
    (witness, said)
}

/// A child of this process that has this file as its descriptor 3, below `/proc`.
fn child_with(parent: u32, file: &Path) -> Option<PathBuf> {
    let mut processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes.find(|process| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        let ppid = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        let has = fs::read_link(process.join("fd/3")).is_ok_and(|has| has == file);
        has && ppid == Some(parent.to_string().as_str())
    })
}

#[test]
fn a_write_ends_with_its_witness_and_no_other_one_begins_beside_it() {
    let (scratch, port) = Scratch::listening("ends");
    let state = scratch.0.join("state");
    let (mut witness, said) = hanging(&scratch, &state);
    let mut alpha = Alpha::new(port);
    let limit = Instant::now() + Duration::from_secs(20);
    let write = loop {
        assert!(
            Instant::now() < limit,
            "no write: {:?}",
            said.try_iter().collect::<Vec<_>>()
        );
        alpha.asks();
        if let Some(write) = child_with(witness.id(), &state.join("marks.lock")) {
            break write;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    witness.kill().unwrap();
    witness.wait().unwrap();
    while write.exists() {
        assert!(Instant::now() < limit, "{} writes on", write.display());
        std::thread::sleep(Duration::from_millis(10));
    }
    fs::remove_file(state.join("marks.next")).unwrap();
    let mut next = scratch.start("run", &state);
    let first = lines(&mut next).recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(first.starts_with("ovzha witness: 1 clusters; "), "{first}");
    next.kill().unwrap();
    next.wait().unwrap();
}

#[test]
fn a_disk_that_hangs_is_told_and_holds_up_nobody() {
    let (scratch, port) = Scratch::listening("hangs");
    let state = scratch.0.join("state");
    let (mut witness, said) = hanging(&scratch, &state);
    let mut alpha = Alpha::new(port);
    let (mut all, mut answers) = (Vec::new(), 0);
    let limit = Instant::now() + Duration::from_mins(1);
    let fails = "ovzha witness: can't keep whose copies are old: the disk did not answer for 10 s";
    while !all.iter().any(|line| line == fails) {
        assert!(Instant::now() < limit, "{all:#?}");
        let answer = alpha.asks();
        assert_ne!(answer, Some(true), "it knows, and would forget");
        answers += usize::from(answer.is_some());
        all.extend(said.try_iter());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(answers > 50, "{answers} answers in the time of the write");
    let old = "ovzha witness: beta: its copy of group 010203 is old".to_owned();
    assert!(all.contains(&old), "{all:#?}");
    fs::remove_file(state.join("marks.next")).unwrap();
    let again = "ovzha witness: keeps whose copies are old again";
    while alpha.asks() != Some(true) {
        assert!(Instant::now() < limit, "{all:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    all.extend(said.try_iter());
    assert!(all.iter().any(|line| line == again), "{all:#?}");
    let kept = ovzha_host::third::marks::load(&state).unwrap();
    assert_eq!(kept.values().flatten().count(), 1, "{kept:?}");
    witness.kill().unwrap();
    witness.wait().unwrap();
}
