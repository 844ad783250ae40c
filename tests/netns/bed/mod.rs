//! Two nodes on this machine that know nothing of it: namespaces, two cables, a serial line, two mirrored disks.
//!
//! A node is a process 1 with its own network, processes, mounts and name; its end is a power cut. A third namespace
//! holds the switches and the gateway that both can ping. Everything lives below one directory of one test and ends
//! with it, by `Drop` or, when the test itself is killed, because every process here reads from a pipe of the test.
mod disks;
mod files;
mod heartbeat;
mod net;
mod node;
mod previous;
mod process;
mod program;
mod record;
mod serial;

pub use crate::twin::{Node as Number, now};
pub use files::Files;
pub use heartbeat::check_installed as check_heartbeat;
pub use net::{say, sent};
pub use node::{Daemon, Node};
pub use previous::previous;
pub use process::{Guest, Said, child_of, ovzha, run, signal};
pub use program::Program;
pub use record::{Entry, check_count};

use crate::twin::{self, Twin};
use disks::Disks;
use net::Hall;
use serial::Cable;
use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How many pairs may run at once: more would only make each other late.
const PAIRS_MAX: u32 = 4;
static PAIRS: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());

/// One of the places for a running pair.
struct Place;

impl Place {
    fn take() -> Self {
        let mut taken = PAIRS.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken >= PAIRS_MAX {
            taken = PAIRS.1.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *PAIRS.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        PAIRS.1.notify_one();
    }
}

/// The test's directory; removed at the end.
pub struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "ovzha-netns-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(dir.join("shared")).unwrap();
        Self(dir)
    }

    pub fn shared(&self) -> PathBuf {
        self.0.join("shared")
    }

    pub fn of(&self, node: Number) -> PathBuf {
        self.0.join(format!("node{node}"))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Two nodes and all that lies between them. The fields end in this order.
pub struct Pair {
    nodes: [Node; 2],
    pub cable: Cable,
    /// On ttyS1, where the files name it.
    pub second_cable: Option<Cable>,
    pub hall: Hall,
    /// One for each DRBD resource.
    disks: Vec<Disks>,
    pub dir: Dir,
    split_allowed: bool,
    drbd_was_cut: Cell<bool>,
    _place: Place,
}

impl Pair {
    /// Both nodes booted, no daemon running.
    pub fn new(files: &Files) -> Self {
        Self::of(files, &[ovzha(), ovzha()])
    }

    /// As `new`, each node with a binary of its own.
    pub fn of(files: &Files, binaries: &[PathBuf; 2]) -> Self {
        process::check_tools();
        let place = Place::take();
        let dir = Dir::new();
        let cable = Cable::new();
        let second_cable = files.names("/dev/ttyS1").then(Cable::new);
        let hall = Hall::new();
        let mut disks = vec![Disks::new(&dir.0.join("r0"), &dir.shared(), files.kind())];
        let mut drbd_conf = fs::read_to_string(article("drbd.conf")).unwrap();
        if files.is_crossed() {
            let home = dir.shared().join("r1");
            fs::create_dir_all(&home).unwrap();
            for number in [1, 2] {
                symlink(format!("../life{number}"), home.join(format!("life{number}"))).unwrap();
            }
            disks.push(Disks::new(&dir.0.join("r1"), &home, "ext4"));
            let other = drbd_conf
                .replace("r0", "r1")
                .replace("drbd0", "drbd1")
                .replace("hda3", "hda4");
            drbd_conf.push_str(&other.replace(":7788", ":7789"));
        }
        fs::write(dir.shared().join("drbd.conf"), drbd_conf).unwrap();
        let [one, two] = binaries;
        let nodes = [(1, one), (2, two)].map(|(number, binary)| Node::new(number, &dir, files, binary));
        let mut pair = Self {
            nodes,
            cable,
            second_cable,
            hall,
            disks,
            dir,
            split_allowed: false,
            drbd_was_cut: Cell::new(false),
            _place: place,
        };
        pair.boot(1);
        pair.boot(2);
        pair
    }

    /// Both nodes booted, both daemons started, the group running on its preferred node, both sure of each other.
    pub fn up(files: &Files) -> Self {
        Self::new(files).started()
    }

    /// Both daemons started, the group running on its preferred node, both sure of each other.
    #[must_use]
    pub fn started(mut self) -> Self {
        self.start(1);
        self.start(2);
        self.wait_settled(1);
        self.wait("both nodes hear each other on every link", |pair| {
            pair.log(1).matches(" up").count() >= 3 && pair.log(2).matches(" up").count() >= 3
        });
        self
    }

    /// The node `number`.
    pub fn node(&self, number: Number) -> &Node {
        &self.nodes[usize::from(number) - 1]
    }

    fn node_mut(&mut self, number: Number) -> &mut Node {
        &mut self.nodes[usize::from(number) - 1]
    }

    /// Switches the node on.
    pub fn boot(&mut self, number: Number) {
        let dir = self.dir.0.clone();
        let cables = [Some(&self.cable), self.second_cable.as_ref()];
        let ends: Vec<&str> = cables.iter().flatten().map(|cable| cable.end(number)).collect();
        let ends = ends.join(",");
        let node = self.node_mut(number);
        node.boot(&dir, &ends);
        let (pid, life) = (node.pid(), node.life());
        self.hall.plug(number, pid, life);
    }

    /// Starts the node's daemon.
    pub fn start(&mut self, number: Number) {
        self.node_mut(number).start();
    }

    /// The node's running daemon.
    pub fn daemon(&self, number: Number) -> &Daemon {
        self.node(number).daemon()
    }

    /// Ends everything on the node at once.
    pub fn power_cut(&mut self, number: Number) {
        for home in self.homes() {
            twin::note(&home, number, "power cut").unwrap();
        }
        self.node_mut(number).power_cut();
    }

    /// Writes into the shared diary.
    pub fn note(&self, number: Number, text: &str) {
        twin::note(&self.dir.shared(), number, text).unwrap();
    }

    /// The homes of the DRBD resources.
    pub fn homes(&self) -> Vec<PathBuf> {
        let homes = [self.dir.shared(), self.dir.shared().join("r1")];
        homes.into_iter().take(self.disks.len()).collect()
    }

    /// Whether the service of the group of this number runs there.
    pub fn runs(&self, group: usize, number: Number) -> bool {
        self.node(number).has(["run/vz-is-up", "run/appender-is-up"][group])
    }

    /// What the two nodes and this test did so far.
    pub fn diary(&self) -> Vec<Entry> {
        record::read(&self.dir.shared().join("diary"))
    }

    /// When `text` first stood in the diary of `number` at or after `since`.
    pub fn when(&self, number: Number, text: &str, since: u64) -> Option<u64> {
        let entry = |entry: &&Entry| entry.node == number && entry.at >= since && entry.text.starts_with(text);
        self.diary().iter().find(entry).map(|entry| entry.at)
    }

    /// Node 1 has given its disk up before node 2 asks for it, both since then.
    pub fn check_given_up_first(&self, since: u64) {
        let (given, taken) = (
            self.when(1, "drbd is secondary", since),
            self.when(2, "drbd primary asked", since),
        );
        let words = format!("given up at {given:?}, taken at {taken:?}");
        self.check(given.is_some() && given <= taken, &words);
    }

    /// What was done to resources since then, on either node.
    pub fn deeds(&self, since: u64) -> Vec<Entry> {
        let is_deed = |entry: &Entry| {
            ["vz st", "drbd is ", "drbd primary"]
                .iter()
                .any(|word| entry.text.starts_with(word))
        };
        let mut diary = self.diary();
        diary.retain(|entry| entry.at >= since && is_deed(entry));
        diary
    }

    /// Checks that since then no resource was touched on either node, nor any promotion tried.
    pub fn check_untouched(&self, since: u64) {
        let deeds = self.deeds(since);
        self.check(deeds.is_empty(), &format!("something moved: {deeds:?}"));
    }

    /// Checks that these stand in the node's diary since then, one after the other.
    pub fn check_order(&self, number: Number, since: u64, texts: &[&str]) {
        let deeds = self.deeds(since);
        let mut own = deeds.iter().filter(|entry| entry.node == number);
        for text in texts {
            let found = own.any(|entry| entry.text.starts_with(text));
            self.check(
                found,
                &format!("{text:?} does not stand in its place in node {number}'s diary: {texts:?}"),
            );
        }
    }

    /// Ends the node's daemon by KILL; what it started goes on.
    pub fn kill_daemon(&mut self, number: Number) {
        self.node_mut(number).kill_daemon();
    }

    /// Asks the node's daemon to stop in order and waits for it; its exit code.
    pub fn stop(&mut self, number: Number) -> Option<i32> {
        self.daemon(number).signal("TERM");
        self.node_mut(number).daemon_end(Duration::from_mins(1))
    }

    /// Pulls or plugs all cables of a node, the serial line included.
    pub fn isolate(&self, number: Number, isolated: bool) {
        for net in [0, 1] {
            self.hall.link(number, net, !isolated);
        }
        for node in [1, 2] {
            self.cable.cut(node, isolated);
        }
    }

    /// Everything the node's daemon has said in this and earlier lives.
    pub fn log(&self, number: Number) -> String {
        self.node(number).log()
    }

    /// Whether the containers run there.
    pub fn is_active(&self, number: Number) -> bool {
        self.node(number).has("run/vz-is-up")
    }

    /// Waits for something that must come; `what` is told when it doesn't.
    pub fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        self.wait_for(what, Duration::from_mins(1), is_so);
    }

    /// As `wait`, for at most `span`.
    pub fn wait_for(&self, what: &str, span: Duration, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + span;
        while !is_so(self) {
            assert!(Instant::now() < end, "waited {span:?} for: {what}\n{}", self.report());
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the containers run on `number`.
    pub fn wait_active(&self, number: Number) {
        self.wait(&format!("node {number} active"), |pair| pair.is_active(number));
    }

    /// Waits until the group runs on `number` and both daemons know it: a move can be asked for.
    pub fn wait_settled(&self, number: Number) {
        self.wait_active(number);
        let name = format!("ovz-node{number} (");
        self.wait(&format!("both know node {number} active"), |pair| {
            [1, 2].iter().all(|node| {
                let status = pair.node(*node).ovzha("status").out;
                status
                    .lines()
                    .any(|line| line.starts_with("ACTIVE") && line.contains(&name))
            })
        });
    }

    /// Waits until the node's log holds `text`.
    pub fn wait_log(&self, number: Number, text: &str) {
        self.wait(&format!("node {number} logs {text:?}"), |pair| {
            pair.log(number).contains(text)
        });
    }

    /// Watches for `span` that something stays as it is.
    pub fn stays(&self, what: &str, span: Duration, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            assert!(is_so(self), "did not stay so: {what}\n{}", self.report());
            sleep(Duration::from_millis(20));
        }
    }

    /// Fails with `what` unless `is_so`.
    pub fn check(&self, is_so: bool, what: &str) {
        assert!(is_so, "{what}\n{}", self.report());
    }

    /// Pulls DRBD's own cable: what was written until now is on both sides, what comes is not.
    pub fn cut_drbd(&self) {
        self.drbd_was_cut.set(true);
        let shared = self.dir.shared();
        Twin::change(&shared, |twin| {
            let frozen = [1, 2].into_iter().find(|node| self.is_mounted(*node));
            if let Some(node) = frozen {
                self.node(node).inside("fsfreeze -f /vz").must();
            }
            let cut = twin.cut(&shared);
            if let Some(node) = frozen {
                self.node(node).inside("fsfreeze -u /vz").must();
            }
            cut
        })
        .unwrap();
    }

    /// Puts DRBD's cable back.
    pub fn heal_drbd(&self) {
        let shared = self.dir.shared();
        Twin::change(&shared, |twin| {
            twin.heal(&shared);
            Ok(())
        })
        .unwrap();
    }

    /// Whether `/vz` is mounted there.
    pub fn is_mounted(&self, number: Number) -> bool {
        self.node(number).is_mounted()
    }

    /// From here on two actives are no failure of the test: the protection row allows them.
    pub fn allow_split(&mut self) {
        self.split_allowed = true;
    }

    /// Ends the pair and looks at what it left: never two writers, no write lost, none mixed, and a fresh core decides on
    /// what each node was told as that node did.
    pub fn finish(mut self) {
        for number in [1, 2] {
            self.check_record(number);
        }
        for number in [1, 2] {
            self.node_mut(number).power_cut();
        }
        for (place, home) in self.homes().iter().enumerate() {
            self.check_left(home, &self.disks[place]);
        }
    }

    /// Replays what the node recorded, if it is on and did: an earlier release does not.
    fn check_record(&self, number: Number) {
        let node = self.node(number);
        if !node.has("run/ovzha/record") {
            return;
        }
        let record = node.root().join("run/ovzha/record");
        let replayed = run(
            &ovzha().display().to_string(),
            &["replay", &record.display().to_string()],
        );
        if let Some(dir) = std::env::var_os("OVZHA_KEEP_RECORD") {
            fs::copy(&record, Path::new(&dir).join(format!("record-node{number}"))).unwrap();
        }
        let same = replayed.ok && replayed.out.contains("outputs the same");
        self.check(same, &format!("the record of node {number}: {replayed:?}"));
    }

    /// What is left of one DRBD resource and of what was done with it.
    fn check_left(&self, home: &Path, disks: &Disks) {
        let diary = record::read(&home.join("diary"));
        if !self.split_allowed {
            let broken: Vec<&Entry> = diary.iter().filter(|entry| entry.text.contains("VIOLATION")).collect();
            self.check(broken.is_empty(), &format!("{broken:?}"));
            let both = record::both_primary(&diary);
            self.check(both.is_none(), &format!("both nodes DRBD Primary: {both:?}"));
        }
        let newest = Twin::change(home, |twin| Ok(twin.newest)).unwrap();
        let count = disks.read(&self.dir.0, newest);
        if let Err(broken) = check_count(&count) {
            self.check(false, &broken);
        }
        let written = count.lines().count();
        let mirrored = !self.drbd_was_cut.get();
        for number in [1, 2] {
            let path = home.join(format!("acknowledged{number}"));
            let acknowledged: usize = fs::read_to_string(path).map_or(0, |text| text.parse().unwrap_or(0));
            let lost = mirrored && written < acknowledged;
            let told = format!("node {number} had written {acknowledged} lines, {written} are left");
            self.check(!lost, &told);
        }
    }

    /// Everything known, for a failure's message.
    pub fn report(&self) -> String {
        let line = |entry: &Entry| format!("{} {} {}\n", entry.at % 1_000_000, entry.node, entry.text);
        let mut parts = Vec::new();
        for home in self.homes() {
            parts.push(format!("--- diary in {}\n", home.display()));
            parts.extend(record::read(&home.join("diary")).iter().map(line));
        }
        for number in [1, 2] {
            let log = self.log(number);
            let from = log.len().saturating_sub(12_000);
            let from = (from..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            parts.push(format!("--- log of node {number}, now {}\n", now() % 1_000_000));
            parts.push(format!("{}\n", &log[from..]));
        }
        parts.concat()
    }
}

/// A file of the article.
pub fn article(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../host/tests/files/article")
        .join(name)
}
