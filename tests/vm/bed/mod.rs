//! Two machines, the networks and the serial cable between them, their mirrored disks, and the files of a cluster.
//!
//! The disks come from a golden pair that is made once per image: DRBD's metadata, both sides up to date, a file system
//! and the container's private area. Each case works on copies. Everything of a case lies in one directory, which is
//! left behind when the case fails: consoles, QEMU's output, the nodes' logs on their state disks.
mod archive;
mod board;
mod cable;
mod files;
mod image;
mod machine;
mod modules;
mod power;
mod qmp;
mod seen;
mod shell;
mod third;
mod tool;
mod wire;

pub use board::{Board, IN_PLACE};
pub use files::{Files, binary};
pub use image::cache;
pub use machine::{Ack, Machine};
pub use seen::Seen;
pub use third::Third;

use cable::Cable;
use image::Image;
use power::Power;
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tool::must;
use wire::Wires;

/// Megabytes of the mirrored disk.
const DISK: u64 = 64;
/// Megabytes of a node's own disk.
const STATE: u64 = 16;
/// One case at a time: two emulated machines fill this one.
static ONE: Mutex<()> = Mutex::new(());
/// Runs the daemon again when it ends, as the guest's own start does.
pub const SUPERVISED: &str = "setsid sh -c 'while :; do \
    [ -e /run/stay-down ] || { ovzha daemon & echo $! >/run/daemon.pid; wait $!; }; sleep 0.5; done' \
    </dev/null >>/var/log/daemon.err 2>&1 &";

/// On standard output whatever the test harness captures.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

/// A way of the heartbeats from one node to the other. DRBD has `Eth1` for itself as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    Eth0,
    Eth1,
    Serial,
}

/// What the nodes' serial ports are plugged into.
enum Serial {
    /// Each other.
    Cable(Cable),
    /// The witness board, which passes their words on.
    Board(Board),
}

/// Two machines.
pub struct Pair {
    nodes: [Arc<Machine>; 2],
    serial: Serial,
    power: Option<Power>,
    pub wires: Wires,
    dir: PathBuf,
    _one: Option<MutexGuard<'static, ()>>,
}

impl Pair {
    /// On copies of the golden disks, both off.
    pub fn new(files: &Files) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let image = Image::get();
        let golden = golden(&image);
        let pair = Self::bare(&image, files, Some(one));
        for number in [1, 2] {
            let name = format!("node{number}.disk");
            let (from, to) = (golden.join(&name), pair.dir.join(&name));
            must(&format!("cp --sparse=always {} {}", from.display(), to.display()));
        }
        pair
    }

    /// On empty disks, as they come from the shop.
    pub fn with_empty_disks(files: &Files) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self::bare(&Image::get(), files, Some(one))
    }

    fn bare(image: &Image, files: &Files, one: Option<MutexGuard<'static, ()>>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // the path of a socket has at most 107 bytes
        let name = format!(
            "ovzha-vm-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = Path::new("/tmp").join(name);
        fs::create_dir_all(&dir).unwrap();
        let overlay = dir.join("overlay");
        let power = files.shoot().then(Power::new);
        let port = power.as_ref().map_or(0, |(power, _)| power.port());
        files.write(&overlay, port);
        let initramfs = dir.join("initramfs");
        image.with(&overlay, &initramfs);
        for number in [1, 2] {
            let file = |what: &str| dir.join(format!("node{number}.{what}"));
            fs::File::create(file("disk")).unwrap().set_len(DISK << 20).unwrap();
            fs::File::create(file("state")).unwrap().set_len(STATE << 20).unwrap();
            must(&format!("mke2fs -q -t ext4 -F {}", file("state").display()));
        }
        let third_card = files.have_witness() || files.shoot();
        let nodes = [1, 2].map(|number| Arc::new(Machine::new(number, &dir, image, &initramfs, third_card)));
        let power = power.map(|(mut power, listener)| {
            power.plug(listener, nodes.clone());
            power
        });
        let wires = Wires::new(&dir);
        let serial = if files.have_board() {
            Serial::Board(Board::new(&dir, &nodes))
        } else {
            Serial::Cable(Cable::new(nodes.each_ref().map(|node| node.file("tty"))))
        };
        Self {
            nodes,
            serial,
            power,
            wires,
            dir,
            _one: one,
        }
    }

    /// A file of the pair.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn node(&self, number: u8) -> &Machine {
        &self.nodes[usize::from(number) - 1]
    }

    /// The witness board. For [`Files::boarded`].
    pub fn board(&self) -> &Board {
        match &self.serial {
            Serial::Board(board) => board,
            Serial::Cable(_) => panic!("the nodes' serial ports are plugged into each other"),
        }
    }

    /// The switch in both supplies. For [`Files::shooting`].
    pub fn power(&self) -> &Power {
        self.power.as_ref().expect("nothing takes the machines' power")
    }

    /// Switches both on with these words on the kernel's command line and waits until both are up.
    pub fn boot(&self, words: &str) {
        for node in &self.nodes {
            node.set_words(words);
            node.start();
        }
        for node in &self.nodes {
            node.wait_boot(1);
        }
    }

    /// What `from` sends over this link gets lost, or arrives; no carrier goes away.
    pub fn cut(&self, link: Link, from: u8, cut: bool) {
        match link {
            Link::Eth0 => self.wires.cut(0, from, cut),
            Link::Eth1 => self.wires.cut(1, from, cut),
            Link::Serial => match &self.serial {
                Serial::Cable(cable) => cable.cut(from, cut),
                Serial::Board(board) => board.cut_words(from, cut),
            },
        }
    }

    /// Both up, DRBD connected, the daemons running, the container on node 1.
    pub fn up(files: &Files) -> Self {
        let pair = Self::new(files);
        pair.boot(if files.ovzha_cf.contains("watchdog") {
            "wdt drbd ovzha"
        } else {
            "drbd ovzha"
        });
        pair.wait_active(1);
        pair
    }

    /// Waits for something that must come; `what` is told when it doesn't.
    pub fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_mins(2);
        while !is_so(self) {
            assert!(Instant::now() < end, "waited for: {what}\n{}", self.report());
            sleep(Duration::from_millis(100));
        }
    }

    /// Whether ovzha calls the group active on this node.
    pub fn is_active(&self, number: u8) -> bool {
        let said = self.node(number).run("ovzha status");
        let name = format!("ovz-node{number} (");
        said.text
            .lines()
            .any(|line| line.starts_with("ACTIVE") && line.contains(&name))
    }

    /// Waits until the node says that it is active, and its container writes.
    pub fn wait_active(&self, number: u8) {
        self.wait(&format!("node {number} active"), |pair| pair.is_active(number));
        let before = self.node(number).acknowledged().len();
        self.wait(&format!("node {number}'s container writes"), |pair| {
            pair.node(number).acknowledged().len() > before + 3
        });
    }

    /// Waits until a line of shell on the node says this.
    pub fn wait_said(&self, number: u8, line: &str, text: &str) {
        self.wait(&format!("node {number}: {line}: {text}"), |pair| {
            pair.node(number).run(line).text.contains(text)
        });
    }

    /// Checks that each record a node acknowledged is on the mounted disk of `number`, which must be active.
    pub fn check_nothing_lost(&self, number: u8) {
        // first what was acknowledged: the container writes on meanwhile
        let acknowledged = [1, 2].map(|number| self.node(number).acknowledged());
        let text = self.node(number).must("cat /vz/private/101/data/records");
        let there: HashSet<&str> = text.lines().collect();
        let numbers: Vec<u64> = text
            .lines()
            .filter_map(|line| line.split(' ').next()?.parse().ok())
            .collect();
        let in_order = numbers.windows(2).all(|two| two[0] < two[1]);
        assert!(in_order, "the records are not in order: two writers\n{}", self.report());
        let lost: Vec<&String> = acknowledged
            .iter()
            .flatten()
            .filter(|record| !there.contains(record.as_str()))
            .collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}\n{}", self.report());
    }

    /// Everything known, for a failure's message.
    pub fn report(&self) -> String {
        let mut parts = vec![format!("all of it lies in {}\n", self.dir.display())];
        for (number, node) in (1..).zip(&self.nodes) {
            let said = |line: &str| {
                let said = node
                    .is_on()
                    .then(|| node.try_run(line, Duration::from_secs(10)))
                    .flatten();
                said.map(|said| said.text)
            };
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "no answer\n".to_owned());
            parts.push(format!("--- node {number}: DRBD\n{}", or_none(said("cat /proc/drbd"))));
            parts.push(format!("--- node {number}: status\n{}", or_none(said("ovzha status"))));
            parts.push(format!(
                "--- node {number}: log\n{}",
                said("tail -n 60 /var/log/ha-log /var/log/daemon.err")
                    .unwrap_or_else(|| node.log_of_the_dead("ha-log"))
            ));
            parts.push(format!("--- node {number}: console\n{}\n", node.console()));
        }
        if let Serial::Board(board) = &self.serial {
            parts.push(format!("--- board\n{}", board.log()));
        }
        parts.concat()
    }

    /// Replays what a node recorded, on that node: a fresh core must decide as it did. One that hangs is passed over.
    fn check_record(&self, number: u8) {
        let node = self.node(number);
        let has = "test -e /run/ovzha/record";
        let asked = |line: &str| {
            node.is_on()
                .then(|| node.try_run(line, Duration::from_secs(20)))
                .flatten()
        };
        if asked(has).is_none_or(|said| said.code != 0) {
            return;
        }
        if let Some(dir) = std::env::var_os("OVZHA_KEEP_RECORD") {
            let text = node.must("gzip -9c /run/ovzha/record | base64");
            let path = Path::new(&dir).join(format!("record-node{number}"));
            fs::write(&path, text).unwrap();
            let path = path.display();
            must(&format!(
                "base64 -d {path} | gunzip >{path}.raw && mv {path}.raw {path}"
            ));
        }
        let replayed = asked("ovzha replay");
        let same = replayed
            .as_ref()
            .is_none_or(|said| said.code == 0 && said.text.contains("outputs the same"));
        assert!(
            same,
            "node {number}: {}",
            replayed.map(|said| said.text).unwrap_or_default()
        );
    }

    /// Ends the pair and removes what it left; a case that failed leaves it.
    pub fn finish(self) {
        for number in [1, 2] {
            self.check_record(number);
        }
        if let Serial::Board(board) = &self.serial {
            board.check();
        }
        for node in &self.nodes {
            node.power_cut();
        }
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// The golden disks of this image, made if they are not there.
fn golden(image: &Image) -> PathBuf {
    let dir = image.dir.join("golden");
    if dir.join("ready").exists() {
        return dir;
    }
    // the place is the caller's
    let pair = Pair::bare(image, &Files::usual(), None);
    pair.boot("");
    make_disks(&pair);
    for number in [1, 2] {
        pair.node(number).must("sync; drbdadm down r0");
    }
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(&dir).unwrap();
    for number in [1, 2] {
        pair.node(number).power_cut();
        let name = format!("node{number}.disk");
        let (from, to) = (pair.dir.join(&name), dir.join(&name));
        must(&format!("cp --sparse=always {} {}", from.display(), to.display()));
    }
    fs::write(dir.join("ready"), "").unwrap();
    pair.finish();
    dir
}

/// DRBD's metadata on both, in sync without copying nothing; a file system with the container in it.
fn make_disks(pair: &Pair) {
    for number in [1, 2] {
        pair.node(number).must("drbdadm create-md --force r0 && drbdadm up r0");
    }
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm cstate r0", "Connected");
    }
    pair.node(1).must("drbdadm new-current-uuid --clear-bitmap r0");
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
    }
    pair.node(1)
        .must("drbdadm primary r0 && mkfs.ext4 -q -F /dev/drbd0 && mount -t ext4 /dev/drbd0 /vz");
    make_container(pair.node(1));
    pair.node(1).must("umount /vz && drbdadm secondary r0");
}

/// The container's private area on the mounted disk.
pub fn make_container(node: &Machine) {
    node.must(
        "cd / && r=/vz/private/101 && mkdir -p $r/bin $r/sbin $r/proc $r/dev $r/data && cp /bin/busybox $r/bin/ && \
         for a in sh dd cat tail cut sleep echo hostname; do ln -sf busybox $r/bin/$a; done && \
         cp /etc/vz/container-init $r/sbin/init && mknod $r/dev/null c 1 3 && chmod 666 $r/dev/null && sync",
    );
}
