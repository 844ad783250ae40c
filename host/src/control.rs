//! The control socket: requests of the admin's commands and their answers.
//!
//! One JSON line in, JSON lines out, then the end. Only root (or whoever runs the daemon) may ask; a second socket
//! gives the status to anybody and reads nothing. Clients are few, requests short, answers bounded; a client that
//! does not read is dropped, one that says nothing has five seconds.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use ovzha_core::event::Command;
use ovzha_core::id::ClientId;
use ovzha_core::message::hold_reason;
use ovzha_core::time::{Instant, Span};
use serde_json::{Value, json};

use crate::diagnostic::printable;
use crate::sys::{self, Interest};

/// Most clients at once.
const CLIENTS_MAX: usize = 8;
/// Longest request.
const REQUEST_MAX: usize = 1024;
/// Most bytes kept for a client that reads slowly.
const ANSWER_MAX: usize = 64 * 1024;
/// How long a client may take to ask.
const PATIENCE: Span = Span::from_secs(5);

/// What a client wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wish {
    /// The status object.
    Status,
    /// Something of the core.
    Core(Command),
    /// A standby, or a takeover, of the groups these words mean.
    Move {
        /// A takeover, not a standby.
        takeover: bool,
        /// As the admin wrote them.
        words: Vec<String>,
    },
    /// A group's failure is to be forgotten.
    Clear {
        /// Its number or name.
        word: String,
    },
    /// This node's copy of a group's data counts.
    ConfirmData {
        /// Its number or name.
        word: String,
    },
    /// The other node has no power.
    ConfirmFenced {
        /// Its name, so that nobody says it of the wrong one.
        node: String,
    },
    /// DRBD's fence-peer handler asks.
    FencePeer {
        /// A DRBD resource.
        resource: String,
    },
}

#[derive(Debug)]
struct Client {
    id: ClientId,
    stream: UnixStream,
    since: Instant,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// It has asked and waits for the core.
    waits: bool,
    /// All is said; close when it is written.
    ends: bool,
}

/// Both sockets and their clients.
#[derive(Debug)]
pub struct Control {
    requests: UnixListener,
    status: UnixListener,
    clients: Vec<Client>,
    last: u32,
    own_uid: u32,
}

fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    // the lock proves that whoever listened here is gone
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(told(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(told)?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(told)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Control {
    /// Opens both sockets in `run_dir`, which exists.
    ///
    /// # Errors
    /// Which socket, and why.
    pub fn open(run_dir: &Path) -> io::Result<Self> {
        Ok(Self {
            requests: listen(&run_dir.join("control"), 0o600)?,
            status: listen(&run_dir.join("status"), 0o666)?,
            clients: Vec::with_capacity(CLIENTS_MAX),
            last: 0,
            // /proc/self belongs to the effective user
            own_uid: fs::metadata("/proc/self")?.uid(),
        })
    }

    /// What to poll.
    pub fn interests(&self) -> impl Iterator<Item = (RawFd, Interest)> {
        let listeners = [self.requests.as_raw_fd(), self.status.as_raw_fd()].map(|fd| (fd, Interest::Read));
        let clients = self.clients.iter().map(|client| {
            let interest = if client.answer.is_empty() {
                Interest::Read
            } else {
                Interest::Both
            };
            (client.stream.as_raw_fd(), interest)
        });
        listeners.into_iter().chain(clients)
    }

    /// When a silent client's patience ends.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.clients
            .iter()
            .filter(|client| !client.waits && !client.ends)
            .map(|client| client.since.after(PATIENCE))
            .min()
    }

    /// Takes what came in; `status` is asked for only if somebody wants it.
    pub fn serve(&mut self, now: Instant, mut status: impl FnMut() -> Value) -> Vec<(ClientId, Wish)> {
        // bounded: whoever connects again and again must not keep the loop from the links
        for _ in 0..CLIENTS_MAX {
            let Ok((stream, _)) = self.requests.accept() else { break };
            let own = sys::peer_of(&stream).is_ok_and(|peer| peer.uid == 0 || peer.uid == self.own_uid);
            self.admit(now, stream, own);
        }
        for _ in 0..CLIENTS_MAX {
            let Ok((stream, _)) = self.status.accept() else { break };
            if let Some(id) = self.admit(now, stream, true) {
                self.say(id, &json!({ "status": status() }), true);
            }
        }
        let mut wishes = Vec::new();
        for client in &mut self.clients {
            if let Some(line) = client.read(now) {
                match parse(&line) {
                    Ok(wish) => {
                        client.waits = true;
                        wishes.push((client.id, wish));
                    }
                    Err(why) => client.say(&json!({ "answer": "error", "reason": why }), true),
                }
            }
        }
        for (id, wish) in &wishes {
            if *wish == Wish::Status {
                self.say(*id, &json!({ "status": status() }), true);
            }
        }
        wishes.retain(|(_, wish)| *wish != Wish::Status);
        self.flush();
        wishes
    }

    fn admit(&mut self, now: Instant, stream: UnixStream, own: bool) -> Option<ClientId> {
        // refused without a word: who may not ask learns nothing, and a full house is a full house
        if !own || self.clients.len() >= CLIENTS_MAX || stream.set_nonblocking(true).is_err() {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        let id = ClientId(self.last);
        let (request, answer) = (Vec::new(), Vec::new());
        self.clients.push(Client {
            id,
            stream,
            since: now,
            request,
            answer,
            waits: false,
            ends: false,
        });
        Some(id)
    }

    /// The end of a request.
    pub fn answer(&mut self, id: ClientId, word: &str, reason: Option<&str>) {
        let value = match reason {
            Some(reason) => json!({ "answer": word, "reason": reason }),
            None => json!({ "answer": word }),
        };
        self.say(id, &value, true);
        self.flush();
    }

    /// A move has begun; `part`: not of all that was asked for. Who does not want to wait for its end can go.
    pub fn begun(&mut self, id: ClientId, part: bool) {
        self.say(id, &json!({ "begun": if part { "part" } else { "all" } }), false);
        self.flush();
    }

    /// A line of the log for everybody who waits.
    pub fn progress(&mut self, text: &str) {
        for client in self.clients.iter_mut().filter(|client| client.waits && !client.ends) {
            client.say(&json!({ "progress": text }), false);
        }
        self.flush();
    }

    fn say(&mut self, id: ClientId, value: &Value, ends: bool) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.id == id) {
            client.say(value, ends);
        }
    }

    fn flush(&mut self) {
        self.clients.retain_mut(Client::flush);
    }
}

impl Client {
    /// One line, once it is whole. A client that asks too much, too late or goes away ends; one that goes away right
    /// after a whole line has asked, and does not want to hear what comes of it.
    fn read(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.ends {
            return None;
        }
        let mut bytes = [0; 512];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    // also of one that waits for the core: or its end would wake every poll until the answer
                    self.ends = true;
                    break;
                }
                // who waits has nothing more to say
                Ok(_) if self.waits => {
                    self.ends = true;
                    break;
                }
                Ok(len) => self.request.extend_from_slice(bytes.get(..len).unwrap_or(&[])),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
            if self.request.len() > REQUEST_MAX {
                self.say(&json!({ "answer": "error", "reason": "the request is too long" }), true);
                return None;
            }
        }
        if self.waits {
            return None;
        }
        let end = self.request.iter().position(|byte| *byte == b'\n');
        if end.is_none() && now.since(self.since) >= PATIENCE {
            self.ends = true;
        }
        end.map(|end| self.request.drain(..=end).collect())
    }

    fn say(&mut self, value: &Value, ends: bool) {
        let line = value.to_string();
        if self.answer.len() + line.len() < ANSWER_MAX {
            self.answer.extend_from_slice(line.as_bytes());
            self.answer.push(b'\n');
        }
        self.ends |= ends;
    }

    /// Writes what can be written; false when the client is done with.
    fn flush(&mut self) -> bool {
        while !self.answer.is_empty() {
            match self.stream.write(&self.answer) {
                Ok(0) => return false,
                Ok(len) => drop(self.answer.drain(..len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        !self.ends
    }
}

/// A request as it stands on the wire.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    command: String,
    group: Option<Value>,
    groups: Option<Vec<String>>,
    resource: Option<String>,
    node: Option<String>,
    seconds: Option<u64>,
    reason: Option<String>,
}

/// Reads one line of a client.
///
/// # Errors
/// What the client did wrong, for the client.
pub fn parse(line: &[u8]) -> Result<Wish, String> {
    let request: Request = serde_json::from_slice(line).map_err(|error| printable(&format!("no request: {error}")))?;
    let core = match request.command.as_str() {
        "status" => return Ok(Wish::Status),
        "standby" | "takeover" => {
            return Ok(Wish::Move {
                takeover: request.command == "takeover",
                words: request.groups.unwrap_or_default(),
            });
        }
        "resume" => Command::Resume,
        "clear" | "confirm-data" => {
            let word = match request.group {
                Some(Value::String(name)) => name,
                Some(Value::Number(number)) => number.to_string(),
                Some(_) | None => return Err(format!("{} wants a group", request.command)),
            };
            let clear = request.command == "clear";
            return Ok(if clear {
                Wish::Clear { word }
            } else {
                Wish::ConfirmData { word }
            });
        }
        "confirm-fenced" => {
            let node = request.node.ok_or("confirm-fenced wants a node")?;
            return Ok(Wish::ConfirmFenced { node });
        }
        "fence-peer" => {
            let resource = request.resource.ok_or("fence-peer wants a resource")?;
            return Ok(Wish::FencePeer { resource });
        }
        "hold" => {
            if request.seconds == Some(0) {
                return Err("a hold of no time is none".to_owned());
            }
            let reason = hold_reason(&request.reason.unwrap_or_default());
            Command::Hold {
                span: request.seconds.map(Span::from_secs),
                reason,
            }
        }
        other => return Err(format!("unknown command {other:?}")),
    };
    Ok(Wish::Core(core))
}
