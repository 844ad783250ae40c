//! Whose state lies in the state directory: the node names it was written under (SAFETY S-64).
//!
//! Model: one file, `owner`, written before the first state. What a node remembers is meant for its own name beside that
//! one peer: under another name it would be another node's memory, and a peer under another name never promised
//! anything. A state without an owner was written by 0.1.0 and is accepted; the next write adopts it. Without a state
//! there is nothing to refuse.
//!
//! This blocks on the disk: call it in an agent or at start, never in the loop.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::config::Config;
use crate::store;

const NAME: &str = "owner";
const NAME_NEXT: &str = "owner.next";
/// More than two node names need.
const BYTES_MAX: u64 = 4096;

/// The names of the node and of its peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The node that keeps the state.
    pub node: String,
    /// The other one.
    pub peer: String,
}

impl Owner {
    /// Of these names.
    #[must_use]
    pub fn new(node: &str, peer: &str) -> Self {
        let (node, peer) = (node.to_owned(), peer.to_owned());
        Self { node, peer }
    }

    /// This node, as its files name it.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self::new(config.own_node(), config.peer_node())
    }

    fn render(&self) -> String {
        format!("node {}\npeer {}\n", self.node, self.peer)
    }

    fn parse(text: &str) -> Option<Self> {
        let (node, peer) = text.strip_prefix("node ")?.strip_suffix('\n')?.split_once("\npeer ")?;
        let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
        (is_name(node) && is_name(peer)).then(|| Self::new(node, peer))
    }

    /// Keeps it, durably once this answers Ok, unless it is there already.
    ///
    /// # Errors
    /// Says which file and why.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        if read(dir).is_ok_and(|found| found.as_ref() == Some(self)) {
            return Ok(());
        }
        store::make(dir)?;
        store::replace(dir, NAME, NAME_NEXT, self.render().as_bytes())
    }

    /// Why this node must not go on with the state in `dir`, in one sentence; none if it may.
    #[must_use]
    pub fn refusal(&self, dir: &Path) -> Option<String> {
        self.differs(dir).map(|(what, remedy)| format!("{what}: {remedy}"))
    }

    /// The state in `dir` was written under other names: what is so, and what to do.
    #[must_use]
    pub fn differs(&self, dir: &Path) -> Option<(String, String)> {
        // what can't be read counts as damage of the state (S-48)
        let found = read(dir).ok().flatten().filter(|found| found != self)?;
        if store::read(dir) == store::Read::Absent {
            return None;
        }
        let what = format!(
            "the state in {} was written by node {} with peer {}, but this is node {} with peer {}",
            dir.display(),
            found.node,
            found.peer,
            self.node,
            self.peer,
        );
        let remedy = format!(
            "give the nodes their names back (uname -n, ha.cf), or, to rename them, stop ovzha on both nodes, give both \
             the new names, and remove {} on both",
            dir.join(NAME).display()
        );
        Some((what, remedy))
    }
}

/// The owner that stands in `dir`; none if there is no such file.
///
/// # Errors
/// Says which file and why, if it can't be read or says something else.
pub fn read(dir: &Path) -> Result<Option<Owner>, String> {
    let path = dir.join(NAME);
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(store::named(&path, &e).to_string()),
    };
    let mut text = String::new();
    let read = file.take(BYTES_MAX).read_to_string(&mut text);
    read.map_err(|e| store::named(&path, &e).to_string())?;
    let owner = Owner::parse(&text).ok_or_else(|| format!("{}: says nothing that ovzha wrote", path.display()))?;
    Ok(Some(owner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("ovzha-owner-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        dir.join("lib/ovzha")
    }

    #[test]
    fn a_state_is_refused_under_any_other_name_and_under_its_own_it_is_not() {
        let dir = scratch("names");
        let owner = Owner::new("one", "two");
        assert_eq!((read(&dir), owner.refusal(&dir)), (Ok(None), None));
        owner.write(&dir).unwrap();
        owner.write(&dir).unwrap();
        assert_eq!(read(&dir), Ok(Some(owner.clone())));
        let other = Owner::new("one", "three");
        assert_eq!(other.refusal(&dir), None, "there is no state yet");
        store::write(&dir, b"state").unwrap();
        assert_eq!(owner.refusal(&dir), None);
        for (node, peer) in [("one", "three"), ("two", "one"), ("three", "two")] {
            let why = Owner::new(node, peer).refusal(&dir).unwrap();
            assert!(why.contains("by node one with peer two"), "{why}");
            assert!(why.contains(&format!("this is node {node} with peer {peer}")), "{why}");
            assert!(why.contains("lib/ovzha/owner on both"), "{why}");
        }
        // a person removed it: adopted by the next write
        fs::remove_file(dir.join(NAME)).unwrap();
        assert_eq!(other.refusal(&dir), None);
        other.write(&dir).unwrap();
        assert!(owner.refusal(&dir).is_some());
        fs::remove_dir_all(dir.ancestors().nth(2).unwrap()).unwrap();
    }

    #[test]
    fn a_damaged_owner_is_told_and_refuses_nothing_by_itself() {
        let dir = scratch("damaged");
        store::write(&dir, b"state").unwrap();
        for text in [
            "",
            "node one\n",
            "node one\npeer \n",
            "node one\npeer two",
            "node a b\npeer c\n",
        ] {
            fs::write(dir.join(NAME), text).unwrap();
            assert!(read(&dir).unwrap_err().contains("lib/ovzha/owner"), "{text:?}");
            assert_eq!(Owner::new("one", "two").refusal(&dir), None);
        }
        Owner::new("one", "two").write(&dir).unwrap();
        assert_eq!(read(&dir), Ok(Some(Owner::new("one", "two"))));
        fs::remove_dir_all(dir.ancestors().nth(2).unwrap()).unwrap();
    }
}
