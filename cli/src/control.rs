//! Asks the daemon on this machine something, over its control socket or its status socket.
//!
//! One connection is one question: a line of JSON, answered by lines of JSON and the end of the connection. Every wait
//! has an end. An end of the connection before the answer means that the daemon went away: what was asked may still
//! happen, so that is never reported as done.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{exit, out};

/// How long a daemon may take to let us in, and to answer what needs no work.
pub const SOON: Duration = Duration::from_secs(10);
/// Longest line of an answer, in bytes: a status with sixteen groups has a tenth of it.
const LINE_MAX: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// Nobody listens.
    NotRunning(String),
    /// The daemon went away, or did not answer in time.
    Unknown(String),
    /// Everything else.
    Failed(String),
}

impl Trouble {
    /// Tells it; gives the exit code.
    pub fn tell(&self) -> u8 {
        match self {
            Self::NotRunning(text) => {
                out::complain(text);
                exit::NOT_RUNNING
            }
            Self::Unknown(text) | Self::Failed(text) => {
                out::complain(text);
                exit::FAILED
            }
        }
    }
}

/// One line of the daemon's.
#[derive(Debug, Deserialize)]
struct Line {
    progress: Option<String>,
    begun: Option<String>,
    answer: Option<String>,
    reason: Option<String>,
    status: Option<Value>,
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// As asked.
    Done,
    /// Not the same for all groups.
    Partly(String),
    /// Nothing was touched.
    Refused(String),
    /// The other node could not start it; it runs where it was.
    CameBack(String),
    /// Begun, and did not end well.
    Failed(String),
    /// The daemon did not understand.
    Error(String),
    /// What DRBD's handler is to say of the peer.
    Fenced(u8),
    /// What it knows.
    Status(Value),
}

/// How a move began.
#[derive(Debug, PartialEq, Eq)]
pub enum Begun {
    /// All that was asked for moves.
    All,
    /// Some of it was refused.
    Part,
    /// It ended before it began.
    Ended(Answer),
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    /// Read and not used yet.
    pending: Vec<u8>,
}

impl Connection {
    /// Connects to the socket at `path`.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        let connected = SockAddr::unix(path).and_then(|address| {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // This also bounds connect, which waits while the daemon's queue is full.
            socket.set_write_timeout(Some(SOON))?;
            socket.connect(&address)?;
            Ok(UnixStream::from(socket))
        });
        match connected {
            Ok(stream) => Ok(Self {
                stream,
                pending: Vec::new(),
            }),
            Err(error) => Err(not_connected(path, &error)),
        }
    }

    /// Sends a request.
    pub fn send(&mut self, request: &Value) -> Result<(), Trouble> {
        let line = format!("{request}\n");
        // The daemon may refuse us by closing before it reads: its answer, if any, is fetched all the same.
        match self.stream.write_all(line.as_bytes()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Trouble::Failed(format!("can't ask the daemon: {error}"))),
        }
    }

    /// The end of the request, waited for during `limit` at most; texts on the way there go to `progress`.
    pub fn answer(&mut self, limit: Duration, mut progress: impl FnMut(&str)) -> Result<Answer, Trouble> {
        let end = Instant::now() + limit;
        loop {
            if let Begun::Ended(answer) = self.begun(end, &mut progress)? {
                return Ok(answer);
            }
        }
    }

    /// The beginning of a move, or the end of the request if that comes first.
    fn begun(&mut self, end: Instant, progress: &mut impl FnMut(&str)) -> Result<Begun, Trouble> {
        loop {
            let bytes = self.line(end)?;
            let Ok(line) = serde_json::from_slice::<Line>(&bytes) else {
                return Err(not_understood(&bytes));
            };
            let reason = line.reason.unwrap_or_else(|| "no reason was given".to_owned());
            if let Some(begun) = line.begun {
                return Ok(if begun == "all" { Begun::All } else { Begun::Part });
            }
            let answer = match (line.answer.as_deref(), line.status, line.progress) {
                (Some("done"), _, _) => Answer::Done,
                (Some("partly"), _, _) => Answer::Partly(reason),
                (Some("refused"), _, _) => Answer::Refused(reason),
                (Some("came_back"), _, _) => Answer::CameBack(reason),
                (Some("failed"), _, _) => Answer::Failed(reason),
                (Some("fenced"), _, _) => match reason.parse() {
                    Ok(code) => Answer::Fenced(code),
                    Err(_) => return Err(not_understood(&bytes)),
                },
                (Some("error"), _, _) => Answer::Error(reason),
                (None, Some(status), _) => Answer::Status(status),
                (None, None, Some(text)) => {
                    progress(&text);
                    continue;
                }
                (Some(_), _, _) | (None, None, None) => return Err(not_understood(&bytes)),
            };
            return Ok(Begun::Ended(answer));
        }
    }

    /// The next line, without its end.
    fn line(&mut self, end: Instant) -> Result<Vec<u8>, Trouble> {
        let mut seen = 0;
        loop {
            if let Some(length) = self.pending.iter().skip(seen).position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(seen + length + 1);
                let mut line = std::mem::replace(&mut self.pending, rest);
                line.pop();
                return Ok(line);
            }
            seen = self.pending.len();
            if seen > LINE_MAX {
                return Err(Trouble::Failed(
                    "the daemon's answer is too long to be one: is it another release?".to_owned(),
                ));
            }
            self.read_more(end)?;
        }
    }

    fn read_more(&mut self, end: Instant) -> Result<(), Trouble> {
        let left = end.saturating_duration_since(Instant::now());
        let mut bytes = [0; 4096];
        let got = if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            // A zero time-out would mean none.
            let left = left.max(Duration::from_millis(1));
            self.stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(&mut bytes))
        };
        match got {
            Ok(0) => Err(went_away()),
            Ok(count) => {
                self.pending.extend_from_slice(bytes.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) => unread(&error),
        }
    }
}

/// What a failed read means; an interrupted one means nothing.
fn unread(error: &io::Error) -> Result<(), Trouble> {
    let kind = error.kind();
    if kind == io::ErrorKind::Interrupted {
        Ok(())
    } else if kind == io::ErrorKind::ConnectionReset {
        Err(went_away())
    } else if matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
        let text = "the daemon did not answer in time; `ovzha status` shows what came of it";
        Err(Trouble::Unknown(text.to_owned()))
    } else {
        Err(Trouble::Failed(format!("can't read the daemon's answer: {error}")))
    }
}

fn went_away() -> Trouble {
    Trouble::Unknown(
        "the daemon closed the connection before it answered: it ended, or too many ask at once; \
         what was asked may still happen: look with `ovzha status`"
            .to_owned(),
    )
}

fn not_understood(line: &[u8]) -> Trouble {
    let start: String = String::from_utf8_lossy(line).chars().take(60).collect();
    Trouble::Failed(format!(
        "the daemon's answer can't be understood ({}): is it another release?",
        out::clean(&start)
    ))
}

fn not_connected(path: &Path, error: &io::Error) -> Trouble {
    let shown = out::clean(&path.display().to_string());
    let kind = error.kind();
    if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
        Trouble::NotRunning(format!(
            "no daemon is running here: nobody listens at {shown}; `ovzha daemon` starts one \
             (a daemon with another --run-dir is asked with the same --run-dir)"
        ))
    } else if kind == io::ErrorKind::PermissionDenied {
        Trouble::Failed(format!(
            "not allowed to use {shown}: only root may, so run this as root"
        ))
    } else if matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
        Trouble::Failed(format!(
            "the daemon at {shown} lets nobody in: it is overloaded or stands still"
        ))
    } else {
        Trouble::Failed(format!("can't connect to {shown}: {error}"))
    }
}

/// Asks one thing on the control socket in `run_dir` and waits `limit` for the end of it.
pub fn ask(run_dir: &Path, request: &Value, limit: Duration, progress: impl FnMut(&str)) -> Result<Answer, Trouble> {
    let mut connection = Connection::open(&run_dir.join("control"))?;
    connection.send(request)?;
    connection.answer(limit, progress)
}

/// Asks for a move on the control socket in `run_dir` and waits `limit` for its beginning.
pub fn begin(
    run_dir: &Path,
    request: &Value,
    limit: Duration,
    mut progress: impl FnMut(&str),
) -> Result<Begun, Trouble> {
    let mut connection = Connection::open(&run_dir.join("control"))?;
    connection.send(request)?;
    connection.begun(Instant::now() + limit, &mut progress)
}

/// What the daemon knows, from the socket that anybody may read.
pub fn status(run_dir: &Path) -> Result<Value, Trouble> {
    let mut connection = Connection::open(&run_dir.join("status"))?;
    let answer = connection.answer(SOON, |_| ()).map_err(|trouble| match trouble {
        // nothing was asked for: nothing can come of it
        Trouble::Unknown(_) => Trouble::Failed(
            "the daemon is there but does not answer: it stands still, is ending, or too many ask at once".to_owned(),
        ),
        other @ (Trouble::NotRunning(_) | Trouble::Failed(_)) => other,
    });
    match answer? {
        Answer::Status(status) => Ok(status),
        Answer::Done
        | Answer::Partly(_)
        | Answer::Refused(_)
        | Answer::CameBack(_)
        | Answer::Failed(_)
        | Answer::Fenced(_)
        | Answer::Error(_) => Err(Trouble::Failed(
            "the daemon answered something else than its status".to_owned(),
        )),
    }
}

/// Tells how a request ended; gives the exit code. `done` is said when all is as asked.
pub fn tell(answer: Result<Answer, Trouble>, done: &str) -> u8 {
    let (text, reason, code) = match answer {
        Ok(Answer::Done) => {
            out::line(done);
            return exit::DONE;
        }
        Ok(Answer::Partly(reason)) => ("not all of it was done", reason, exit::FAILED),
        Ok(Answer::Refused(reason)) => ("refused, nothing was touched", reason, exit::FAILED),
        Ok(Answer::CameBack(reason)) => ("came back: it runs where it was", reason, exit::CAME_BACK),
        Ok(Answer::Failed(reason)) => ("failed", reason, exit::FAILED),
        Ok(Answer::Error(reason)) => ("the daemon did not take the request", reason, exit::FAILED),
        Ok(Answer::Status(_) | Answer::Fenced(_)) => {
            ("the daemon answered something else", String::new(), exit::FAILED)
        }
        Err(trouble) => return trouble.tell(),
    };
    out::complain(&format!("{text}: {}", out::clean(&reason)));
    code
}
