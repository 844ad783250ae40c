//! A third vote: two machines with the real DRBD, and a real `ovzha witness` on the host that runs them.
//!
//! Each machine has a card more, whose network is QEMU's own: at 10.0.2.2 is the host. The links between the nodes and the way
//! to the witness can be cut apart.
use crate::bed::{Files, Link, Pair, binary};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Runs the daemon again when it ends, as the guest's own start does, once the card to the witness is up.
const DAEMON: &str = "ip link set eth2 up && ip addr add 10.0.2.15/24 dev eth2 && \
    setsid sh -c 'while :; do ovzha daemon & echo $! >/run/daemon.pid; wait $!; sleep 0.5; done' \
    </dev/null >>/var/log/daemon.err 2>&1 &";
const LINKS: [Link; 3] = [Link::Eth0, Link::Eth1, Link::Serial];

/// The witness's process.
struct Third {
    child: Child,
    dir: PathBuf,
}

impl Third {
    fn start(pair: &Pair, port: u16) -> Self {
        let dir = pair.file("witness");
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        let keys = pair.node(1).must("ovzha witness-key");
        let config = format!("listen 127.0.0.1:{port}\nlends-for 10s\ncluster ovz-node1 ovz-node2 keys\n");
        for (name, text) in [("keys", &keys), ("witness.cf", &config)] {
            fs::write(dir.join(name), text).unwrap();
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let log = fs::File::create(dir.join("log")).unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(binary())
            .args(["witness", "--config"])
            .arg(dir.join("witness.cf"))
            .arg("--run-dir")
            .arg(dir.join("run"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, dir }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Third {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Both up with a watchdog and the witness, node 1 active. DRBD asks before it writes on alone.
fn up() -> (Pair, Third) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut files = Files::usual().fenced().watched();
    files.ha_cf = files
        .ha_cf
        .replace("deadtime 6\n", "deadtime 10\n")
        .replace("warntime 3\n", "warntime 5\n");
    files.ovzha_cf = format!("{}witness udp 10.0.2.2:{port}\n", files.ovzha_cf);
    let mut pair = Pair::new(&files);
    for number in [1, 2] {
        pair.node_mut(number).give_third_card();
    }
    pair.boot("wdt drbd");
    let third = Third::start(&pair, port);
    for number in [1, 2] {
        pair.node(number).must(DAEMON);
    }
    pair.wait_active(1);
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
        pair.wait_said(number, "ovzha status", &format!("udp 10.0.2.2:{port}  heard"));
    }
    pair.wait_said(1, "ovzha status", "the witness's is ours");
    (pair, third)
}

fn cut_links(pair: &Pair, cut: bool) {
    for link in LINKS {
        for from in [1, 2] {
            pair.cut(link, from, cut);
        }
    }
}

/// For so many seconds node 2 does not begin anything.
fn node_2_stays_idle(pair: &Pair, seconds: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let log = pair.node(2).must("cat /var/log/ha-log");
        assert!(!log.contains(": starting ("), "node 2 starts\n{}", pair.report());
        sleep(Duration::from_millis(500));
    }
}

/// S-14: the links say nothing of which node lives; the witness hears both.
#[test]
fn all_links_cut_the_active_goes_on_and_the_other_one_starts_nothing() {
    let (pair, third) = up();
    cut_links(&pair, true);
    node_2_stays_idle(&pair, 25);
    assert!(pair.is_active(1), "{}\n{}", pair.report(), third.log());
    // the witness knows whose copy is old, so the handler was answered and the container writes on
    let before = pair.node(1).acknowledged().len();
    pair.wait("node 1's container writes on", |pair| {
        pair.node(1).acknowledged().len() > before + 10
    });
    assert!(third.log().contains("ovz-node2: its copy of group"), "{}", third.log());
    cut_links(&pair, false);
    pair.wait_said(2, "drbdadm dstate r0", "UpToDate/UpToDate");
    assert!(pair.is_active(1) && !pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

/// S-73: the active is cut off from the other node and from the witness.
#[test]
fn an_active_that_is_cut_off_from_everything_ends_before_the_other_one_starts() {
    let (mut pair, third) = up();
    cut_links(&pair, true);
    pair.node(1).link(2, false);
    let began = Instant::now();
    pair.wait("node 2 starts", |pair| {
        pair.node(2).must("cat /var/log/ha-log").contains(": starting (")
    });
    let took = began.elapsed();
    // it was reset, or had stopped, before that
    let ended = pair.node(1).boots() > 1 || !pair.is_active(1);
    assert!(ended, "node 1 runs on\n{}\n{}", pair.report(), third.log());
    assert!(took >= Duration::from_secs(8), "{took:?}");
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    cut_links(&pair, false);
    pair.node_mut(1).power_cut();
    pair.finish();
}

/// S-78: the service goes on without the witness, and one more failure stops it.
#[test]
fn without_the_witness_nobody_takes_over() {
    let (mut pair, third) = up();
    third.signal("STOP");
    for number in [1, 2] {
        pair.wait_said(number, "cat /var/log/ha-log", "the witness is not heard");
    }
    assert!(pair.is_active(1), "{}", pair.report());
    pair.node_mut(1).power_cut();
    node_2_stays_idle(&pair, 20);
    third.signal("CONT");
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    pair.finish();
}
