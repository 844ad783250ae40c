//! One emulated board: a child process that is told each step, and answers what came of it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::emulated::{self, RELAYS, SENSES};

const BUTTON: u64 = 9;

/// Something the board did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A node's relay was energised, or fell back.
    Relay { at_us: u64, node: usize, cut: bool },
    /// It started anew.
    Reset { at_us: u64, cause: String },
}

/// The child.
pub struct Emulator {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    inputs: Value,
    rx: [Vec<u16>; 2],
    /// Bytes that came out of each UART, not taken yet.
    pub tx: [Vec<u8>; 2],
    /// Bytes that came out of each UART so far.
    pub sent: [u64; 2],
    /// All that happened.
    pub seen: Vec<Seen>,
    /// The log as the image wrote it, for defmt.
    pub log: Vec<u8>,
    /// Microseconds since it was first powered.
    pub us: u64,
    pub overruns: u64,
    image: PathBuf,
    /// What its network is told with the next step.
    pub lan: Value,
    /// Datagrams that it sent, not taken yet: to whom, to which port.
    pub datagrams: Vec<(String, u16, Vec<u8>)>,
    /// The address that its W5500 has, and its way out of the network.
    pub address: String,
    pub router: String,
}

impl Emulator {
    /// Power comes.
    pub fn start() -> Self {
        Self::of(emulated::image())
    }

    /// Power comes to a board with this image.
    pub fn of(image: PathBuf) -> Self {
        let mut child = Command::new("node")
            .args(emulated::emulator(&image))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node, of the Debian package nodejs: .ci/run installs it");
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self {
            child,
            to,
            from: BufReader::new(from),
            inputs: json!({}),
            rx: [Vec::new(), Vec::new()],
            tx: [Vec::new(), Vec::new()],
            sent: [0; 2],
            seen: Vec::new(),
            log: Vec::new(),
            us: 0,
            overruns: 0,
            image,
            lan: json!({}),
            datagrams: Vec::new(),
            address: String::new(),
            router: String::new(),
        }
    }

    /// Bytes for a UART: they arrive one after the other from the next step on.
    pub fn feed(&mut self, line: usize, bytes: &[u8]) {
        self.rx[line].extend(bytes.iter().map(|byte| u16::from(*byte)));
    }

    /// A byte that has no stop bit.
    pub fn feed_damaged(&mut self, line: usize, byte: u8) {
        self.rx[line].push(u16::from(byte) | 0x100);
    }

    /// A node's power, as its sense input feels it.
    pub fn sense(&mut self, node: usize, power: bool) {
        self.inputs[SENSES[node].to_string()] = json!(power);
    }

    /// The button is held, or not.
    pub fn button(&mut self, held: bool) {
        self.inputs[BUTTON.to_string()] = json!(!held);
    }

    /// Lets it run.
    pub fn run(&mut self, ms: u64) {
        self.step(ms, &Value::Null);
    }

    /// Takes its power for a moment, or pulls its reset pin.
    pub fn restart(&mut self, how: &str) {
        self.step(0, &json!(how));
    }

    /// Its processor stands still (`hang`), hears its timer no more (`deaf`), or finds a fault in the program (`panic`), until
    /// the next reset.
    pub fn fail(&mut self, how: &str) {
        self.step(0, &json!(how));
    }

    /// Bytes of stack that were ever used, bytes of RAM below it, instructions so far.
    pub fn stack(&mut self) -> [u64; 3] {
        let said = self.step(0, &json!("stack"));
        ["stack", "statics", "instructions"].map(|name| said[name].as_u64().unwrap())
    }

    /// The log so far, decoded.
    pub fn lines(&self) -> String {
        emulated::decoded(&self.image, &self.log)
    }

    fn step(&mut self, ms: u64, what: &Value) -> Value {
        let rx = self.rx.each_mut().map(std::mem::take);
        let inputs = std::mem::replace(&mut self.inputs, json!({}));
        let mut told = std::mem::replace(&mut self.lan, json!({}));
        for (name, value) in [
            ("ms", json!(ms)),
            ("rx", json!(rx)),
            ("in", inputs),
            ("do", what.clone()),
        ] {
            told[name] = value;
        }
        writeln!(self.to, "{told}").expect("the emulator has ended: its error is above");
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).expect("the emulator has ended: its error is above");
        self.us = said["us"].as_u64().unwrap();
        self.overruns = said["overruns"].as_u64().unwrap();
        let bytes = |value: &Value| -> Vec<u8> {
            let numbers = value.as_array().unwrap().iter();
            numbers.map(|it| u8::try_from(it.as_u64().unwrap()).unwrap()).collect()
        };
        for line in 0..2 {
            let out = bytes(&said["tx"][line]);
            self.sent[line] += u64::try_from(out.len()).unwrap();
            self.tx[line].extend(out);
        }
        self.log.extend(bytes(&said["log"]));
        for (name, place) in [("address", &mut self.address), ("router", &mut self.router)] {
            said[name].as_str().unwrap().clone_into(place);
        }
        for datagram in said["udp"].as_array().unwrap() {
            let port = u16::try_from(datagram[1].as_u64().unwrap()).unwrap();
            let to = datagram[0].as_str().unwrap().to_owned();
            self.datagrams.push((to, port, bytes(&datagram[2])));
        }
        for pin in said["pins"].as_array().unwrap() {
            if let Some(node) = RELAYS.iter().position(|relay| pin[1] == json!(relay)) {
                let at_us = pin[0].as_u64().unwrap();
                let cut = pin[2].as_bool().unwrap();
                self.seen.push(Seen::Relay { at_us, node, cut });
            }
        }
        for reset in said["resets"].as_array().unwrap() {
            self.seen.push(Seen::Reset {
                at_us: reset[0].as_u64().unwrap(),
                cause: reset[1].as_str().unwrap().to_owned(),
            });
        }
        said
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
