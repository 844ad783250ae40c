//! The serial cable's test side: cuts it, makes noise on it, records and replays.
use super::Number;
use super::process::{self, Guest};
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::Mutex;

/// The cable.
pub struct Cable {
    ends: [String; 2],
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _guest: Guest,
}

impl Cable {
    pub fn new() -> Self {
        let mut guest = Guest::start(Command::new(process::guest()).arg("relay"));
        let input = guest.input.take().unwrap();
        let mut output = BufReader::new(guest.output.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let (one, two) = line.trim().split_once(' ').unwrap();
        Self {
            ends: [one.to_owned(), two.to_owned()],
            talk: Mutex::new((input, output)),
            _guest: guest,
        }
    }

    /// The device at the node's end.
    pub fn end(&self, node: Number) -> &str {
        &self.ends[usize::from(node) - 1]
    }

    fn ask(&self, line: &str) -> String {
        let mut talk = self.talk.lock().unwrap();
        talk.0.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        talk.1.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the cable ended at {line:?}");
        answer
    }

    /// What `node` sends gets lost, or arrives.
    pub fn cut(&self, node: Number, cut: bool) {
        self.ask(&format!("{} {node}", if cut { "cut" } else { "join" }));
    }

    /// `node` hears random bytes.
    pub fn noise(&self, node: Number, bytes: usize) {
        self.ask(&format!("noise {node} {bytes}"));
    }

    /// Records what `node` sends from now on.
    pub fn keep(&self, node: Number) {
        self.ask(&format!("keep {node}"));
    }

    /// Sends the record of `node` to the other again; how much it was.
    pub fn replay(&self, node: Number) -> String {
        self.ask(&format!("replay {node}"))
    }

    /// Bytes and frames that `node` has sent, and when the last ones passed.
    pub fn count(&self, node: Number) -> (u64, u64, u64) {
        let answer = self.ask(&format!("count {node}"));
        let numbers: Vec<u64> = answer.split_whitespace().map(|word| word.parse().unwrap()).collect();
        (numbers[0], numbers[1], numbers[2])
    }
}
