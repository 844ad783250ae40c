//! `drbdsetup events2`: lines in, the present state of one resource out.
//!
//! The tool first describes what exists, ends that with `exists -`, then tells each change with the changed words only.
//! A line that can't be understood, or that changes what was never described, leaves the picture untrue: the caller
//! starts the tool again, which describes everything afresh.
use super::objects::{Objects, Peer, Replication, entry};
use super::state::State;
use super::status::number;
use super::words::{Connection, Disk, ParseError, Resync, Role, Suspended};

/// What the lines so far say of the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The first description isn't complete yet.
    Nothing,
    /// It is down, or nobody knows it.
    Down,
    /// It is up, like this.
    Up(State),
}

/// The reader of the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    name: String,
    complete: bool,
    found: Option<Objects>,
}

impl Events {
    /// A reader that follows the resource called `name`.
    #[must_use]
    pub fn new(name: &str) -> Events {
        Events {
            name: name.to_owned(),
            complete: false,
            found: None,
        }
    }

    /// What is known now.
    ///
    /// # Errors
    /// When the resource exists and not even its role was told.
    pub fn seen(&self) -> Result<Seen, ParseError> {
        match &self.found {
            _ if !self.complete => Ok(Seen::Nothing),
            None => Ok(Seen::Down),
            Some(objects) => objects.state().map(Seen::Up),
        }
    }

    /// Takes one line.
    ///
    /// # Errors
    /// When it can't be understood, or changes what was not described before: what is known from here on may be untrue.
    pub fn line(&mut self, line: &str) -> Result<(), ParseError> {
        let mut words = line.split_whitespace().peekable();
        // --timestamps
        if words.peek().is_some_and(|word| Action::of(word).is_none()) {
            words.next();
        }
        let (Some(action), kind) = (words.next().and_then(Action::of), words.next()) else {
            return Err(ParseError(format!("{line:?} is no event of DRBD")));
        };
        let Some(kind) = kind else {
            return Err(ParseError(format!("an event of DRBD without an object: {line:?}")));
        };
        if (action, kind) == (Action::Describe, "-") {
            self.complete = true;
            return Ok(());
        }
        let fields: Vec<(&str, &str)> = words.filter_map(|word| word.split_once(':')).collect();
        let value = |key: &str| fields.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
        if action == Action::Rename {
            let ours = [value("name"), value("new_name")].contains(&Some(&self.name));
            return if ours {
                Err(ParseError(format!("the resource was renamed: {line}")))
            } else {
                Ok(())
            };
        }
        if value("name") != Some(&self.name) {
            return Ok(());
        }
        let told = match kind {
            "resource" => self.resource(action, &fields),
            "device" => self.device(action, &fields),
            "connection" => self.connection(action, &fields),
            "peer-device" => self.peer_device(action, &fields),
            "helper" => self.helper(action, value("helper").unwrap_or_default()),
            // a path says nothing of the data, nor does what a later release may add
            _ => Ok(()),
        };
        told.map_err(|error| ParseError(format!("{error}, in {line:?}")))
    }

    fn resource(&mut self, action: Action, fields: &[(&str, &str)]) -> Result<(), ParseError> {
        if action == Action::Destroy {
            self.found = None;
            return Ok(());
        }
        if action == Action::Describe {
            self.found.get_or_insert_with(Objects::default);
        }
        let objects = self.found.as_mut().ok_or_else(unheard_of)?;
        for (key, value) in fields {
            match *key {
                "role" => objects.role = Some(Role::parse(value)?),
                "suspended" => objects.suspended = Suspended::parse(value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn device(&mut self, action: Action, fields: &[(&str, &str)]) -> Result<(), ParseError> {
        let volume = volume(fields)?;
        let objects = self.described(action)?;
        let known = objects.devices.iter().any(|(number, _)| *number == volume);
        if action == Action::Destroy {
            objects.devices.retain(|(number, _)| *number != volume);
            return Ok(());
        }
        if action == Action::Change && !known {
            return Err(unheard_of());
        }
        let device = entry(&mut objects.devices, volume)?;
        for (key, value) in fields {
            match *key {
                "disk" => device.disk = Some(Disk::parse(value)?),
                "quorum" => device.quorum_lost = *value != "yes",
                _ => {}
            }
        }
        Ok(())
    }

    fn connection(&mut self, action: Action, fields: &[(&str, &str)]) -> Result<(), ParseError> {
        let name = peer_name(fields);
        let objects = self.described(action)?;
        if action == Action::Destroy {
            objects.peers.retain(|(known, _)| *known != name);
            return Ok(());
        }
        let peer = peer(objects, action, name)?;
        for (key, value) in fields {
            match *key {
                "connection" => peer.connection = Some(Connection::parse(value)?),
                "role" => peer.role = Some(Role::parse(value)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn peer_device(&mut self, action: Action, fields: &[(&str, &str)]) -> Result<(), ParseError> {
        let (name, volume) = (peer_name(fields), volume(fields)?);
        let objects = self.described(action)?;
        if action == Action::Destroy {
            for (_, peer) in objects.peers.iter_mut().filter(|(known, _)| *known == name) {
                peer.devices.retain(|(number, _)| *number != volume);
            }
            return Ok(());
        }
        let peer = peer(objects, action, name)?;
        if action == Action::Change && !peer.devices.iter().any(|(number, _)| *number == volume) {
            return Err(unheard_of());
        }
        let device = entry(&mut peer.devices, volume)?;
        for (key, value) in fields {
            match *key {
                "replication" => {
                    device.replication = Some(Replication::parse(value)?);
                    // what was told of the phase before is no news of this one
                    device.resync = None;
                }
                "peer-disk" => device.disk = Some(Disk::parse(value)?),
                "peer-client" => device.client = *value == "yes",
                _ => {}
            }
        }
        let value = |key: &str| fields.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
        let goes = matches!(device.replication, Some(Replication::As(_)));
        let left = value("out-of-sync").and_then(|kib| kib.parse().ok()).map(Resync::Left);
        device.resync = left
            .or_else(|| value("done").and_then(Resync::percent))
            .or(device.resync);
        // data goes over it again: they have agreed
        objects.split_brain &= !goes;
        Ok(())
    }

    /// DRBD calls its split-brain handler, set or not, when the handshake has shown that both sides have data of their own.
    /// `initial-split-brain` comes before the automatic recovery that may still settle it.
    fn helper(&mut self, action: Action, helper: &str) -> Result<(), ParseError> {
        if action == Action::Call && helper == "split-brain" {
            self.described(action)?.split_brain = true;
        }
        Ok(())
    }

    /// The resource, which a description may name after what belongs to it.
    fn described(&mut self, action: Action) -> Result<&mut Objects, ParseError> {
        if action == Action::Describe {
            return Ok(self.found.get_or_insert_with(Objects::default));
        }
        match &mut self.found {
            Some(objects) => Ok(objects),
            None => Err(unheard_of()),
        }
    }
}

/// The peer; a description may name its volumes before the peer itself.
fn peer(objects: &mut Objects, action: Action, name: String) -> Result<&mut Peer, ParseError> {
    if action == Action::Change && !objects.peers.iter().any(|(known, _)| *known == name) {
        return Err(unheard_of());
    }
    entry(&mut objects.peers, name)
}

fn unheard_of() -> ParseError {
    ParseError("an event of something that was never described".to_owned())
}

/// By node id where there is one: 8.4 leaves the name out of a connection that stands alone.
fn peer_name(fields: &[(&str, &str)]) -> String {
    let value = |key: &str| fields.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
    let name = value("peer-node-id").or_else(|| value("conn-name"));
    name.unwrap_or_default().to_owned()
}

fn volume(fields: &[(&str, &str)]) -> Result<u32, ParseError> {
    let found = fields.iter().find(|(key, _)| *key == "volume");
    let (key, value) = found.ok_or_else(|| ParseError("volume: is missing".to_owned()))?;
    number(key, value)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    /// `exists` and `create`: everything about one object.
    Describe,
    Change,
    Rename,
    Destroy,
    /// A helper is called.
    Call,
    /// A helper has answered.
    Response,
}

impl Action {
    fn of(word: &str) -> Option<Action> {
        match word {
            "exists" | "create" => Some(Action::Describe),
            "change" => Some(Action::Change),
            "rename" => Some(Action::Rename),
            "destroy" => Some(Action::Destroy),
            "call" => Some(Action::Call),
            "response" => Some(Action::Response),
            _ => None,
        }
    }
}
