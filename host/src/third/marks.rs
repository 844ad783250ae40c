//! Keeps a witness's marks over its restarts (SAFETY S-77).
//!
//! Model: one file for all clusters, `marks` in the state directory, replaced as a whole by a thread that does nothing else: the
//! loop never waits for a disk. One write is under way at a time; what is to be kept meanwhile goes with the next one. A disk
//! that does not answer leaves the thread where it is, and then no node is told that its mark is known.
//!
//! ```text
//! marks of a witness, 1
//! NODE1 NODE2 GROUP=NODE...         one line a cluster: the groups, in hexadecimal, and whose copy of each is old
//! ```
//!
//! Lines of clusters that `witness.cf` does not name stay as they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use ovzha_core::id::{Mark, NodeId};

use crate::store::{self, MARKS};

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

/// The thread that writes.
pub struct Writer {
    work: SyncSender<String>,
    done: Receiver<io::Result<()>>,
    bell: UnixStream,
    busy: bool,
}

impl Writer {
    /// Starts it.
    ///
    /// # Errors
    /// This machine has no room for a thread.
    pub fn start(dir: PathBuf) -> io::Result<Self> {
        let (bell, rings) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        let (work, orders) = sync_channel::<String>(1);
        let (answers, done) = sync_channel(1);
        std::thread::Builder::new()
            .name("marks".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                for content in orders {
                    let written = MARKS.write(&dir, content.as_bytes());
                    // whoever is not there any more needs no answer
                    if answers.send(written).is_err() || (&rings).write_all(b".").is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            work,
            done,
            bell,
            busy: false,
        })
    }

    /// It has not answered yet.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.busy
    }

    /// Begins to write. Not while it is busy.
    pub fn write(&mut self, content: String) {
        self.busy = self.work.try_send(content).is_ok();
    }

    /// How the write ended, once it has.
    pub fn take(&mut self) -> Option<io::Result<()>> {
        // the answer comes before its ring, which may be heard only later, and then finds none
        drop((&self.bell).read(&mut [0; 8]));
        let answer = self.done.try_recv().ok()?;
        self.busy = false;
        Some(answer)
    }
}

impl AsRawFd for Writer {
    fn as_raw_fd(&self) -> RawFd {
        self.bell.as_raw_fd()
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

    #[test]
    fn the_thread_writes_and_says_so() {
        let dir = std::env::temp_dir().join(format!("ovzha-marks-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        assert_eq!(load(&dir), Ok(Kept::new()));
        let mut writer = Writer::start(dir.clone()).unwrap();
        writer.write(text(&some()));
        assert!(writer.is_busy());
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let answer = loop {
            if let Some(answer) = writer.take() {
                break answer;
            }
            assert!(std::time::Instant::now() < limit, "no answer");
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        answer.unwrap();
        assert!(!writer.is_busy());
        assert_eq!(load(&dir), Ok(some()));
        std::fs::write(dir.join("marks"), "x").unwrap();
        assert!(load(&dir).unwrap_err().contains("marks: "));
        drop(std::fs::remove_dir_all(&dir));
    }
}
