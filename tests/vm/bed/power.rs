//! A power switch of the network, as a BMC or a socket strip is one: takes a machine's power, gives it, says what there is.
//!
//! One line in, one line out, over TCP: `off 1`, `on 1`, `status 1`, answered `ok`, `on` or `off`. A guest reaches it at 10.0.2.2, like
//! the witness, by the fence agent in [`AGENT`].
use super::machine::Machine;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// Reads its parameters as fenced and Pacemaker give them, and answers with a fence agent's exit codes.
pub const AGENT: &str = "#!/bin/sh\n\
    while IFS='=' read -r name value; do\n\
    \x20   case $name in action | plug | ipport) eval \"$name=\\$value\" ;; esac\n\
    done\n\
    case $(echo \"$action $plug\" | timeout 5 nc 10.0.2.2 \"$ipport\") in\n\
    \x20   ok | on) exit 0 ;;\n\
    \x20   off) exit 2 ;;\n\
    esac\n\
    echo \"no answer of the switch\" >&2\n\
    exit 1\n";

/// The power of a node was taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub at: Instant,
    pub node: u8,
}

#[derive(Default)]
struct Shared {
    /// It says nothing.
    mute: AtomicBool,
    ends: AtomicBool,
    taken: Mutex<Vec<Taken>>,
}

/// The switch.
pub struct Power {
    port: u16,
    shared: Arc<Shared>,
    serves: Option<JoinHandle<()>>,
}

impl Power {
    /// On a free port, without a machine yet.
    pub fn new() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let power = Self {
            port: listener.local_addr().unwrap().port(),
            shared: Arc::new(Shared::default()),
            serves: None,
        };
        (power, listener)
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The machines are plugged in.
    pub fn plug(&mut self, listener: TcpListener, nodes: [Arc<Machine>; 2]) {
        let shared = Arc::clone(&self.shared);
        self.serves = Some(spawn(move || {
            for stream in listener.incoming() {
                if shared.ends.load(Ordering::Relaxed) {
                    return;
                }
                // whoever hung up needs no answer
                drop(stream.and_then(|stream| serve(&stream, &nodes, &shared)));
            }
        }));
    }

    /// It answers nothing any more, or again.
    pub fn mute(&self, mute: bool) {
        self.shared.mute.store(mute, Ordering::Relaxed);
    }

    /// Whose power it took, in this order.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        // it waits for whoever comes next
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        drop(self.serves.take().map(JoinHandle::join));
    }
}

fn serve(stream: &TcpStream, nodes: &[Arc<Machine>; 2], shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    if shared.mute.load(Ordering::Relaxed) {
        return Ok(());
    }
    let node = |number: &str| nodes.iter().find(|node| node.number().to_string() == number);
    let answer = match line.trim().split_once(' ') {
        Some(("status", number)) => node(number).map(|node| if node.is_on() { "on" } else { "off" }),
        Some(("off", number)) => node(number).map(|node| {
            if node.is_on() {
                let taken = Taken {
                    at: Instant::now(),
                    node: node.number(),
                };
                shared.taken.lock().unwrap().push(taken);
                node.power_cut();
            }
            "ok"
        }),
        Some(_) | None => None,
    };
    let mut stream = stream;
    writeln!(stream, "{}", answer.unwrap_or("?"))
}
