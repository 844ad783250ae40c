//! `drbdsetup status` and `drbdadm status`: the text of 9, and of 8.4 with the tools of 9.
//!
//! Healthy words are left out of it: no `connection:` means Connected, no `replication:` Established, no `quorum:` yes.
//! Lines are wrapped before any field, so words are read one by one; what holds no colon, at the head of a line, is the
//! name of the resource or of a peer.
use super::objects::{Objects, PeerDevice, Replication, entry};
use super::state::State;
use super::words::{Connection, Disk, ParseError, Resync, Role, Suspended};

/// Reads the state of the resource called `name`, among others or alone; `None`: the text shows resources, or none at
/// all, and not this one: it is down.
///
/// # Errors
/// When a word is unknown, or the text is no status.
pub fn parse_status(text: &str, name: &str) -> Result<Option<State>, ParseError> {
    let mut reader = Reader::default();
    for line in text.lines() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let indent = line.len().saturating_sub(line.trim_start().len());
        for (place, word) in line.split_whitespace().enumerate() {
            match word.split_once(':') {
                Some((key, value)) => {
                    if reader.wanted {
                        reader.field(key, value)?;
                    } else if reader.outer.is_none() {
                        return Err(ParseError(format!(
                            "a status begins with a resource, not with {word:?}"
                        )));
                    }
                }
                None if place == 0 => reader.name(indent, word, name)?,
                None => {
                    return Err(ParseError(format!(
                        "{word:?} in a status is neither a field nor a name"
                    )));
                }
            }
        }
    }
    reader.found.as_mut().map(finish).transpose()
}

/// What was left out, because it is as it should be.
fn finish(objects: &mut Objects) -> Result<State, ParseError> {
    for (_, peer) in &mut objects.peers {
        peer.connection.get_or_insert(Connection::Connected);
        for (_, device) in &mut peer.devices {
            device.replication.get_or_insert(Replication::As(Connection::Connected));
        }
    }
    objects.state()
}

#[derive(Default)]
struct Reader {
    /// How far the first resource's name is indented, as all of them are.
    outer: Option<usize>,
    /// The present lines are about the resource that is looked for.
    wanted: bool,
    found: Option<Objects>,
    /// The peer the present lines are about.
    peer: Option<String>,
    volume: u32,
}

impl Reader {
    fn name(&mut self, indent: usize, word: &str, name: &str) -> Result<(), ParseError> {
        self.volume = 0;
        if indent <= *self.outer.get_or_insert(indent) {
            self.peer = None;
            self.wanted = word == name;
            if self.wanted && self.found.replace(Objects::default()).is_some() {
                return Err(ParseError(format!("resource {name} is shown twice")));
            }
        } else if let Some(objects) = self.found.as_mut().filter(|_| self.wanted) {
            entry(&mut objects.peers, word.to_owned())?;
            self.peer = Some(word.to_owned());
        }
        Ok(())
    }

    fn field(&mut self, key: &str, value: &str) -> Result<(), ParseError> {
        let Some(objects) = &mut self.found else { return Ok(()) };
        if key == "volume" {
            self.volume = number(key, value)?;
        }
        let volume = self.volume;
        let Some(name) = &self.peer else {
            match key {
                "role" => objects.role = Some(Role::parse(value)?),
                "suspended" => objects.suspended = Suspended::parse(value)?,
                "disk" => entry(&mut objects.devices, volume)?.disk = Some(Disk::parse(value)?),
                "quorum" => entry(&mut objects.devices, volume)?.quorum_lost = value != "yes",
                "volume" => drop(entry(&mut objects.devices, volume)?),
                _ => {}
            }
            return Ok(());
        };
        let peer = entry(&mut objects.peers, name.clone())?;
        match key {
            "role" => peer.role = Some(Role::parse(value)?),
            "connection" => peer.connection = Some(Connection::parse(value)?),
            // `disk:` in old manuals
            "peer-disk" | "disk" => device(peer, volume)?.disk = Some(Disk::parse(value)?),
            "replication" => device(peer, volume)?.replication = Some(Replication::parse(value)?),
            "peer-client" => device(peer, volume)?.client = value == "yes",
            "done" => {
                let resync = Resync::percent(value);
                device(peer, volume)?.resync = resync;
            }
            "volume" => drop(device(peer, volume)?),
            _ => {}
        }
        Ok(())
    }
}

fn device(peer: &mut super::objects::Peer, volume: u32) -> Result<&mut PeerDevice, ParseError> {
    entry(&mut peer.devices, volume)
}

pub(super) fn number(key: &str, value: &str) -> Result<u32, ParseError> {
    let number = value.parse();
    number.map_err(|_| ParseError(format!("{key}:{value} is no number")))
}
