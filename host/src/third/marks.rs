//! Keeps a witness's marks over its restarts (SAFETY S-77).
//!
//! Model: one file for all clusters, `marks` in the state directory, replaced as a whole by a child (`ovzha agent marks`): the
//! loop never waits for a disk. One write is under way at a time; what is to be kept meanwhile goes with the next one. A child that a disk
//! does not answer is ended, or left where it is if that can't be; until it is gone no other write begins, and no node is told that its mark is known.
//! It ends with the witness, and has the directory's lock as long as it lasts: a later witness does not begin beside a write of an earlier one.
//!
//! ```text
//! marks of a witness, 1
//! NODE1 NODE2 GROUP=NODE...         one line a cluster: the groups, in hexadecimal, and whose copy of each is old
//! ```
//!
//! Lines of clusters that `witness.cf` does not name stay as they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use ovzha_core::id::{Mark, NodeId};
use ovzha_core::time::{Instant, Span};

use crate::store::{self, MARKS};
use crate::task::{self, Event, Exit, How, Spec, Tasks};

const TITLE: &str = "marks of a witness, 1";

/// The nodes of a cluster, sorted by name.
pub type Nodes = [String; 2];

/// What the file holds, by cluster.
pub type Kept = BTreeMap<Nodes, Vec<(Mark, NodeId)>>;

/// A group's mark as people see it.
#[must_use]
pub fn hex(mark: Mark) -> String {
    let [a, b, c] = mark.0;
    format!("{a:02x}{b:02x}{c:02x}")
}

/// Reads the file, and writes it again: a witness that can't keep its marks is none.
///
/// # Errors
/// Which file, and why it can't be believed or written.
pub fn load(dir: &Path) -> Result<Kept, String> {
    let kept = match MARKS.read(dir) {
        store::Read::Absent => Kept::new(),
        store::Read::Damaged(why) => return Err(why),
        store::Read::Found(bytes) => parse(&bytes).map_err(|why| format!("{}: {why}", dir.join("marks").display()))?,
    };
    let content = render(kept.iter().map(|(nodes, marks)| (nodes, marks.iter().copied())));
    MARKS
        .write(dir, content.as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(kept)
}

/// The file's content.
pub fn render<'a, M: Iterator<Item = (Mark, NodeId)>>(clusters: impl Iterator<Item = (&'a Nodes, M)>) -> String {
    let mut text = format!("{TITLE}\n");
    for (nodes, marks) in clusters {
        let mut marks = marks.peekable();
        if marks.peek().is_none() {
            continue;
        }
        let [one, two] = nodes;
        write!(text, "{one} {two}").ok();
        for (group, node) in marks {
            let name = nodes.get(usize::from(node.0)).map_or("?", String::as_str);
            write!(text, " {}={name}", hex(group)).ok();
        }
        text.push('\n');
    }
    text
}

/// Reads the file's content.
///
/// # Errors
/// The line that is none of this file's, by its number.
pub fn parse(bytes: &[u8]) -> Result<Kept, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is no text".to_owned())?;
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(format!("does not begin with `{TITLE}`"));
    }
    let mut kept = Kept::new();
    for (number, line) in (2_u32..).zip(lines) {
        let (nodes, marks) = cluster(line).ok_or_else(|| format!("line {number} is no cluster's marks"))?;
        if kept.insert(nodes, marks).is_some() {
            return Err(format!("line {number} has a cluster for the second time"));
        }
    }
    Ok(kept)
}

fn cluster(line: &str) -> Option<(Nodes, Vec<(Mark, NodeId)>)> {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let nodes = [words.next()?.to_owned(), words.next()?.to_owned()];
    let mut marks = Vec::new();
    for word in words {
        let (group, node) = word.split_once('=')?;
        let place = nodes.iter().position(|name| name == node)?;
        marks.push((mark(group)?, NodeId(u8::try_from(place).ok()?)));
    }
    (!marks.is_empty()).then_some((nodes, marks))
}

fn mark(text: &str) -> Option<Mark> {
    let digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(text, 16).ok().filter(|_| digits)?;
    let [_, a, b, c] = number.to_be_bytes();
    Some(Mark([a, b, c]))
}

/// The word of the agent that writes.
pub(crate) const WORD: &str = "marks";
/// How long a write may take, and how long its child has to end by itself then.
const LIMIT: Span = Span::from_secs(10);
const GRACE: Span = Span::from_secs(5);

/// Replaces the file, and waits for the disk.
///
/// # Errors
/// Which file, and why it can't be written.
pub(crate) fn store(dir: &Path, content: &[u8]) -> Result<(), String> {
    MARKS.write(dir, content).map_err(|error| error.to_string())
}

/// Writes by way of children.
pub struct Writer {
    tasks: Tasks,
    dir: String,
    lock: File,
    busy: bool,
    stillborn: Option<String>,
}

impl Writer {
    /// Writes to this directory, whose lock this is.
    #[must_use]
    pub fn new(dir: &Path, lock: File) -> Self {
        Self {
            tasks: Tasks::new(None),
            dir: dir.to_string_lossy().into_owned(),
            lock,
            busy: false,
            stillborn: None,
        }
    }

    /// A write is under way.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.busy
    }

    /// Begins to write. Not while it is busy.
    pub fn write(&mut self, now: Instant, content: &str) {
        let spec = Spec {
            program: task::SELF,
            argv: &["ovzha", "agent", WORD, "--state-dir", &self.dir],
            env: &[],
            stdin: Some(content.as_bytes()),
            file: Some(self.lock.as_fd()),
            ends_with_us: true,
            deadline: now.after(LIMIT),
            grace: GRACE,
            label: WORD,
        };
        let begun = self.tasks.spawn(now, &spec);
        self.busy = true;
        self.stillborn = begun.err().map(|error| error.to_string());
    }

    /// After SIGCHLD.
    pub fn reap(&mut self) {
        self.tasks.reap();
    }

    /// When [`Writer::take`] is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        if !self.busy {
            return None;
        }
        let stillborn = self.stillborn.as_ref().map(|_| Instant::default());
        stillborn.or_else(|| self.tasks.next_wake())
    }

    /// How the write ended, or why it does not, once that is known.
    pub fn take(&mut self, now: Instant) -> Option<Result<(), String>> {
        if let Some(why) = self.stillborn.take() {
            self.busy = false;
            return Some(Err(why));
        }
        if !self.busy {
            return None;
        }
        self.tasks.tick(now);
        while let Some(event) = self.tasks.event(now) {
            match event {
                Event::Exit(exit) => {
                    self.busy = exit.how == How::Stuck;
                    return Some(ended(exit));
                }
                Event::Unstuck { .. } => self.busy = false,
            }
        }
        None
    }
}

fn ended(exit: Exit) -> Result<(), String> {
    match exit.how {
        How::Code(0) => Ok(()),
        How::Code(_) => Err(exit.last_line),
        How::Signal(signal) => Err(format!("the write was ended by signal {signal}")),
        How::TimedOut => Err(format!("the disk did not answer for {LIMIT}")),
        How::Stuck | How::Unknown => Err(format!(
            "the disk did not answer for {LIMIT}, and the write can't be ended"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Kept {
        let nodes = |one: &str, two: &str| [one.to_owned(), two.to_owned()];
        Kept::from([
            (
                nodes("alpha", "beta"),
                vec![(Mark([0, 0xab, 3]), NodeId(1)), (Mark([9, 9, 9]), NodeId(0))],
            ),
            (nodes("gamma", "delta"), vec![(Mark([1, 2, 3]), NodeId(0))]),
        ])
    }

    fn text(kept: &Kept) -> String {
        render(kept.iter().map(|(nodes, marks)| (nodes, marks.iter().copied())))
    }

    #[test]
    fn what_is_written_is_read() {
        let written = text(&some());
        assert_eq!(
            written,
            "marks of a witness, 1\nalpha beta 00ab03=beta 090909=alpha\ngamma delta 010203=gamma\n"
        );
        assert_eq!(parse(written.as_bytes()), Ok(some()));
        assert_eq!(text(&Kept::new()), "marks of a witness, 1\n");
    }

    #[test]
    fn what_is_none_of_it_is_refused() {
        let title = TITLE.to_owned();
        for (line, why) in [
            ("alpha", "line 2 is no cluster's marks"),
            ("alpha beta", "line 2 is no cluster's marks"),
            ("alpha beta 00ab3=beta", "line 2 is no cluster's marks"),
            ("alpha beta +0ab03=beta", "line 2 is no cluster's marks"),
            ("alpha beta 00ab03=gamma", "line 2 is no cluster's marks"),
            ("a b 000001=a\na b 000001=b", "line 3 has a cluster for the second time"),
        ] {
            assert_eq!(
                parse(format!("{title}\n{line}\n").as_bytes()),
                Err(why.to_owned()),
                "{line}"
            );
        }
        assert!(parse(b"").is_err() && parse(b"\xff").is_err());
    }
}
