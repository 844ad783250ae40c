//! The null-modem cable: copies bytes between the guests' serial ports, and never makes a sender wait.
//!
//! A real cable without flow control loses what the other side doesn't take. Two QEMUs joined directly would stop the
//! sender's UART instead, for as long as the other is frozen.
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// The cable. Ends with its value.
pub struct Cable {
    /// What this node says is lost.
    cut: Arc<[AtomicBool; 2]>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Cable {
    pub fn new(paths: [PathBuf; 2]) -> Self {
        let cut = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let ends = Arc::new(AtomicBool::new(false));
        let thread = {
            let (cut, ends) = (Arc::clone(&cut), Arc::clone(&ends));
            spawn(move || carry(&paths, &cut, &ends))
        };
        Self {
            cut,
            ends,
            thread: Some(thread),
        }
    }

    /// What `node` sends gets lost, or arrives.
    pub fn cut(&self, node: u8, cut: bool) {
        self.cut[usize::from(node) - 1].store(cut, Ordering::Relaxed);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn carry(paths: &[PathBuf; 2], cut: &[AtomicBool; 2], ends: &AtomicBool) {
    let mut ports: [Option<UnixStream>; 2] = [None, None];
    let mut piece = [0; 4096];
    while !ends.load(Ordering::Relaxed) {
        let mut moved = false;
        for own in [0, 1] {
            if ports[own].is_none() {
                // a machine that is off has no port
                ports[own] = UnixStream::connect(&paths[own]).ok();
                if let Some(port) = &ports[own] {
                    port.set_nonblocking(true).unwrap();
                }
            }
            let Some(port) = &mut ports[own] else { continue };
            match port.read(&mut piece) {
                Ok(0) => ports[own] = None,
                Ok(count) => {
                    moved = true;
                    if !cut[own].load(Ordering::Relaxed)
                        && let Some(other) = &mut ports[1 - own]
                    {
                        // what it doesn't take is lost, as on a line without flow control
                        drop(other.write(&piece[..count]));
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => ports[own] = None,
            }
        }
        if !moved {
            sleep(Duration::from_millis(2));
        }
    }
}
