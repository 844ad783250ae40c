//! The stand-in for DRBD, as both its `drbdadm` and the tests see it: two disks, two roles, one connection.
//!
//! The state is one line of a file that both nodes share, changed under a lock. A role belongs to one life of a node:
//! process 1 of the node holds a lock for as long as it lives, so a power cut makes its node Secondary and unheard.
//! Writes are mirrored late: the disk of the newest Primary is copied when the other side is promoted, or at the
//! moment the connection is cut. A side that promotes after a cut has data of its own, and two such sides are a split
//! brain, which nothing here repairs.
//!
//! Each resource has a home directory for its state, its disks and its diary. `r0` lives where the nodes and the test
//! share their files, `r1` in a directory below, into which the nodes' lives are linked.
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A node: 1 or 2.
pub type Node = u8;

/// The other node.
pub const fn other(node: Node) -> Node {
    3 - node
}

/// Appends a line to the diary that both nodes and the test share: `MILLISECONDS NODE TEXT`.
pub fn note(shared: &Path, node: Node, text: &str) -> io::Result<()> {
    let line = format!("{} {node} {text}\n", now());
    let mut diary = OpenOptions::new()
        .append(true)
        .create(true)
        .open(shared.join("diary"))?;
    diary.write_all(line.as_bytes())
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    let span = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(span.as_millis()).unwrap_or(0)
}

/// Which life of which node has the device Primary, and what became of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The cable is in.
    pub connected: bool,
    /// Both sides wrote for themselves.
    pub split: bool,
    /// The sides that gave the connection up: after a split brain, or told to disconnect.
    pub alone: [bool; 2],
    /// What the newest side writes reaches the other.
    pub mirrored: bool,
    /// The side with the newest data.
    pub newest: Node,
    /// The lives that are Primary; 0 is none.
    primary: [u32; 2],
}

impl Twin {
    /// Connected, both Secondary.
    pub const NEW: Self = Self {
        connected: true,
        split: false,
        alone: [false; 2],
        mirrored: true,
        newest: 1,
        primary: [0, 0],
    };

    /// Changes the state under its lock.
    pub fn change<T>(shared: &Path, work: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let lock = File::create(shared.join("drbd.lock"))?;
        lock.lock()?;
        let path = shared.join("drbd");
        let mut twin = fs::read_to_string(&path).map_or(Some(Self::NEW), |text| Self::parse(&text));
        let twin = twin
            .as_mut()
            .ok_or_else(|| io::Error::other("the state of the stand-in is damaged"))?;
        let done = work(twin);
        // a power cut ends a writer anywhere: the file is the old one or the new one
        fs::write(shared.join("drbd.new"), twin.render())?;
        fs::rename(shared.join("drbd.new"), &path)?;
        done
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<u32> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        let [connected, split, mirrored, newest, one, two, first, second] = words[..] else {
            return None;
        };
        Some(Self {
            connected: connected == 1,
            split: split == 1,
            mirrored: mirrored == 1,
            newest: u8::try_from(newest).ok()?,
            primary: [one, two],
            alone: [first == 1, second == 1],
        })
    }

    fn render(&self) -> String {
        let flag = u32::from;
        let [one, two] = self.primary;
        format!(
            "{} {} {} {} {one} {two} {} {}\n",
            flag(self.connected),
            flag(self.split),
            flag(self.mirrored),
            self.newest,
            flag(self.alone[0]),
            flag(self.alone[1]),
        )
    }

    fn index(node: Node) -> usize {
        usize::from(node == 2)
    }

    /// Whether this node's present life is Primary.
    pub fn is_primary(&self, shared: &Path, node: Node) -> bool {
        let life = self.primary[Self::index(node)];
        life != 0 && life_of(shared, node) == Some(life)
    }

    /// Whether the two sides talk.
    pub fn is_linked(&self, shared: &Path) -> bool {
        self.connected
            && !self.split
            && self.alone == [false; 2]
            && [1, 2].iter().all(|node| life_of(shared, *node).is_some())
    }

    /// Makes this node's present life Primary, once its disk has the newest data there is for it.
    pub fn promote(&mut self, shared: &Path, node: Node) -> io::Result<()> {
        let life = life_of(shared, node).ok_or_else(|| io::Error::other("this node does not live"))?;
        if self.newest != node {
            if self.mirrored {
                claim(&disk(shared, self.newest))?;
                copy(&disk(shared, self.newest), &disk(shared, node))?;
            } else {
                self.split = true;
            }
            self.newest = node;
        }
        self.primary[Self::index(node)] = life;
        Ok(())
    }

    /// Makes this node Secondary.
    pub fn demote(&mut self, node: Node) {
        self.primary[Self::index(node)] = 0;
    }

    /// The cable is pulled; the caller has frozen what is mounted.
    pub fn cut(&mut self, shared: &Path) -> io::Result<()> {
        if self.mirrored {
            copy(&disk(shared, self.newest), &disk(shared, other(self.newest)))?;
        }
        self.connected = false;
        self.mirrored = false;
        Ok(())
    }

    /// The cable is back: the sides agree unless both wrote, or both are Primary.
    pub fn heal(&mut self, shared: &Path) {
        self.connected = true;
        self.split |= [1, 2].iter().all(|node| self.is_primary(shared, *node));
        self.mirrored = !self.split;
        if self.split {
            self.alone = [true; 2];
        }
    }

    /// This side gives the connection up. What it writes until it connects again reaches the other side then.
    pub fn disconnect(&mut self, node: Node) {
        self.alone[Self::index(node)] = true;
    }

    /// Whether this side has given up.
    pub fn is_alone(&self, node: Node) -> bool {
        self.alone[Self::index(node)]
    }

    /// This side tries again; with `discard` it drops what it wrote, and then the other's data counts.
    pub fn connect(&mut self, node: Node, discard: bool) {
        self.alone[Self::index(node)] = false;
        if discard && self.split {
            (self.split, self.mirrored, self.newest) = (false, true, other(node));
        }
        if self.split && self.alone == [false; 2] {
            self.alone = [true; 2];
        }
    }
}

/// The node's disk; the same path on the nodes and in the test.
pub fn disk(shared: &Path, node: Node) -> PathBuf {
    shared.join(format!("disk{node}"))
}

/// The number of the life that the node leads now; `None` while it is off.
pub fn life_of(shared: &Path, node: Node) -> Option<u32> {
    let path = shared.join(format!("life{node}"));
    let file = File::open(&path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => fs::read_to_string(&path).ok()?.trim().parse().ok(),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Waits until nothing has the device mounted: a killed node's mounts vanish a moment after it.
fn claim(device: &Path) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..1000 {
        match OpenOptions::new().read(true).custom_flags(O_EXCL).open(device) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
        sleep(Duration::from_millis(10));
    }
    Err(last)
}

/// `O_EXCL`, which on a block device means: nobody else has it mounted.
const O_EXCL: i32 = 0o200;

/// Whether something has the device mounted, in whatever namespace.
pub fn is_held(device: &Path) -> bool {
    OpenOptions::new().read(true).custom_flags(O_EXCL).open(device).is_err()
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, OpenOptions::new().write(true).open(to)?);
    let mut block = vec![0; 1024 * 1024];
    loop {
        let count = from.read(&mut block)?;
        if count == 0 {
            return to.sync_all();
        }
        to.write_all(&block[..count])?;
    }
}
