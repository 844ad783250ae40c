//! The witness board's image in its emulator between two machines: a cable to each serial port, its relays in their supplies.
//!
//! It runs in real time, as the machines do. A relay that is energised ends the life of its machine, one that falls back begins
//! another; an input is high while its machine has power, whoever took or gave it.
use super::cable::Cable;
use super::machine::Machine;
use super::{Files, Pair, SUPERVISED};
use crate::emulated::{Live, RELAYS, SENSES, decoded, image};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// How far the emulator may fall behind real time: half a `deadtime`.
const BEHIND_MS: u64 = 5_000;

/// What an admin says of the board to `ovzha board provision`: it cuts in place of watchdogs and lends for a `deadtime`.
pub const IN_PLACE: &str = "--relay in-place --off-for 5s --lends-for 10s";

/// A relay was energised, or fell back.
#[derive(Clone, Copy, Debug)]
pub struct Switched {
    pub at: Instant,
    pub node: u8,
    pub cut: bool,
}

/// What the thread of the supplies and the case share.
#[derive(Default)]
struct Shared {
    /// The contacts are welded: no relay changes anything.
    stuck: AtomicBool,
    /// The inputs see power whatever there is.
    blind: AtomicBool,
    ends: AtomicBool,
    switched: Mutex<Vec<Switched>>,
}

/// The board.
pub struct Board {
    dir: PathBuf,
    /// None: it has no power.
    live: Mutex<Option<Live>>,
    pins: Mutex<UnixStream>,
    /// Each between a node, its end 1, and the board, its end 2.
    cables: [Cable; 2],
    shared: Arc<Shared>,
    supplies: Option<JoinHandle<()>>,
}

impl Board {
    /// Powered, without a record.
    pub fn new(dir: &Path, nodes: &[Arc<Machine>; 2]) -> Self {
        let dir = dir.join("board");
        let live = Live::start(&dir);
        let (orders, pins) = (live.connect("pins"), live.connect("pins"));
        let cables = [0, 1].map(|place: usize| Cable::new([nodes[place].file("tty"), live.file(&format!("u{place}"))]));
        let shared = Arc::new(Shared::default());
        let supplies = {
            let (nodes, shared) = (nodes.clone(), Arc::clone(&shared));
            spawn(move || supply(pins, &nodes, &shared))
        };
        Self {
            dir,
            live: Mutex::new(Some(live)),
            pins: Mutex::new(orders),
            cables,
            shared,
            supplies: Some(supplies),
        }
    }

    /// Cuts a node's cable, or mends it.
    pub fn cut_cable(&self, node: u8, cut: bool) {
        for end in [1, 2] {
            self.cables[usize::from(node) - 1].cut(end, cut);
        }
    }

    /// What a node says to the board and to the other node gets lost, or arrives.
    pub fn cut_words(&self, node: u8, cut: bool) {
        self.cables[usize::from(node) - 1].cut(1, cut);
    }

    /// Its contacts are welded.
    pub fn relays_are_stuck(&self) {
        self.shared.stuck.store(true, Ordering::Relaxed);
    }

    /// The nodes' power is wired wrongly to its inputs.
    pub fn inputs_are_blind(&self) {
        self.shared.blind.store(true, Ordering::Relaxed);
    }

    /// It loses its power for a moment.
    pub fn restart(&self) {
        self.pins.lock().unwrap().write_all(b"do power\n").unwrap();
    }

    /// It loses its power for good.
    pub fn dies(&self) {
        *self.live.lock().unwrap() = None;
    }

    /// What the relays did.
    pub fn switched(&self) -> Vec<Switched> {
        self.shared.switched.lock().unwrap().clone()
    }

    /// One more end of a node's line, where whatever is written arrives at the board among what the node says.
    pub fn line(&self, node: u8) -> UnixStream {
        let live = self.live.lock().unwrap();
        live.as_ref()
            .expect("it has no power")
            .connect(&format!("u{}", node - 1))
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        decoded(&image(), &fs::read(self.dir.join("log")).unwrap_or_default())
    }

    /// How it kept up, in milliseconds: of the wall's, the board's, the most it was behind, what the emulator used of a core.
    fn pace(&self) -> [u64; 4] {
        let text = fs::read_to_string(self.dir.join("pace")).unwrap_or_default();
        let last = text.lines().last().expect("the emulator ran for less than a second");
        let numbers: Vec<u64> = last.split(' ').map(|word| word.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    }

    /// The case proves nothing of a board that did not keep up.
    pub fn check(&self) {
        let [wall, board, worst, used] = self.pace();
        let percent = used * 100 / wall;
        let cuts = self.switched().iter().filter(|switched| switched.cut).count();
        super::say(&format!(
            "board: ms={board} of={wall} behind_at_most_ms={worst} core_percent={percent} cuts={cuts}"
        ));
        assert!(worst < BEHIND_MS, "the emulator is too slow: {worst} ms behind");
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        drop(self.supplies.take().map(JoinHandle::join));
    }
}

impl Pair {
    /// Both up with the board, which has the record that [`Pair::provision`] gave it; node 1 active.
    pub fn up_with_board(files: &Files, words: &str) -> Self {
        let pair = Self::new(files);
        pair.boot("drbd");
        pair.provision(words);
        pair
    }

    /// An admin at node 1 gives the board its record, as `ovzha board provision` with these words does, then starts the daemons;
    /// node 1 becomes active.
    pub fn provision(&self, words: &str) {
        self.node(1)
            .must(&format!("ovzha board provision --port /dev/ttyS1 {words}"));
        for number in [1, 2] {
            // when the power comes back it starts by itself
            self.node(number).set_words("drbd ovzha");
            self.node(number).must(SUPERVISED);
        }
        self.wait_active(1);
    }
}

/// Gives the machines power and takes it, and tells the board's inputs of it, until the board has none itself: then
/// relays are at rest.
fn supply(mut pins: UnixStream, nodes: &[Arc<Machine>; 2], shared: &Shared) {
    pins.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut relays = [Relay::default(); 2];
    let mut felt = [None; 2];
    let mut text = String::new();
    let mut piece = [0; 1024];
    while !shared.ends.load(Ordering::Relaxed) {
        let lost = match pins.read(&mut piece) {
            Ok(count) => {
                text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
                count == 0
            }
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        while let Some((line, rest)) = text.split_once('\n') {
            if let Some((place, energised)) = relay(line) {
                switch(&nodes[place], energised, &mut relays[place], shared);
            }
            text = rest.to_owned();
        }
        for place in [0, 1] {
            let on = nodes[place].is_on() || shared.blind.load(Ordering::Relaxed);
            if felt[place] != Some(on) {
                felt[place] = Some(on);
                let line = format!("in {} {}\n", SENSES[place], u8::from(on));
                // a board that is gone feels nothing
                drop(pins.write_all(line.as_bytes()));
            }
            if lost {
                switch(&nodes[place], false, &mut relays[place], shared);
            }
        }
        if lost {
            return;
        }
    }
}

/// Which relay a line of the pins is about, and whether it is energised now.
fn relay(line: &str) -> Option<(usize, bool)> {
    let (pin, level) = line.strip_prefix("out ")?.split_once(' ')?;
    let pin: u64 = pin.parse().ok()?;
    let place = RELAYS.iter().position(|relay| *relay == pin)?;
    Some((place, level == "1"))
}

/// A relay's contact.
#[derive(Clone, Copy, Default)]
struct Relay {
    energised: bool,
    /// Its machine ran, and has no power because of it.
    took: bool,
}

fn switch(node: &Machine, energised: bool, relay: &mut Relay, shared: &Shared) {
    if energised == relay.energised {
        return;
    }
    relay.energised = energised;
    shared.switched.lock().unwrap().push(Switched {
        at: Instant::now(),
        node: node.number(),
        cut: energised,
    });
    if shared.stuck.load(Ordering::Relaxed) {
        return;
    }
    if energised {
        relay.took = node.is_on();
        node.power_cut();
    } else if std::mem::take(&mut relay.took) && !node.is_on() {
        node.start();
    }
}
