//! The two networks: carry Ethernet frames from one machine's card to the other's, and lose those of a cut direction.
//!
//! QEMU's `set_link` cuts both ways at once, and the guest sees its carrier go. A cut here is one the guests can't see:
//! carriers stay, frames are lost. A machine that takes nothing, because it is paused or off, makes nobody wait.
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

/// The wires of a pair. They end with the value.
pub struct Wires {
    ways: Vec<Way>,
    ends: Arc<AtomicBool>,
}

/// What one node sends over one network.
struct Way {
    net: u8,
    from: u8,
    cut: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Where the card of `node` on network `net` receives.
pub fn card(dir: &Path, net: u8, node: u8) -> PathBuf {
    dir.join(format!("net{net}.{node}"))
}

/// Where it sends to: the wire's end.
pub fn plug(dir: &Path, net: u8, node: u8) -> PathBuf {
    dir.join(format!("net{net}.{node}.out"))
}

impl Wires {
    pub fn new(dir: &Path) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let way = |(net, from): (u8, u8)| {
            let cut = Arc::new(AtomicBool::new(false));
            let socket = UnixDatagram::bind(plug(dir, net, from)).unwrap();
            let to = card(dir, net, 3 - from);
            let thread = {
                let (cut, ends) = (Arc::clone(&cut), Arc::clone(&ends));
                spawn(move || carry(&socket, &to, &cut, &ends))
            };
            Way {
                net,
                from,
                cut,
                thread: Some(thread),
            }
        };
        let ways = [(0, 1), (0, 2), (1, 1), (1, 2)].map(way).into();
        Self { ways, ends }
    }

    /// What `from` sends over network `net` gets lost, or arrives.
    pub fn cut(&self, net: u8, from: u8, cut: bool) {
        let way = self.ways.iter().find(|way| way.net == net && way.from == from);
        way.expect("two networks, two nodes").cut.store(cut, Ordering::Relaxed);
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for way in &mut self.ways {
            drop(way.thread.take().map(JoinHandle::join));
        }
    }
}

fn carry(from: &UnixDatagram, to: &Path, cut: &AtomicBool, ends: &AtomicBool) {
    let out = UnixDatagram::unbound().unwrap();
    out.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    from.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut frame = vec![0; 1 << 16];
    while !ends.load(Ordering::Relaxed) {
        let Ok(length) = from.recv(&mut frame) else { continue };
        if cut.load(Ordering::Relaxed) {
            continue;
        }
        // the receiver's queue holds ten frames: a burst is waited for, a machine that stands still is not
        let arrived = out.send_to(&frame[..length], to).is_ok();
        out.set_nonblocking(!arrived).unwrap();
    }
    drop(fs::remove_file(from.local_addr().unwrap().as_pathname().unwrap()));
}
