//! `ovzha standby` and `ovzha takeover`: asks for a move of all groups, then waits and says what came of it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::control::{self, Connection};
use crate::{exit, out};

/// The daemon gives a move up after two hours; a little more, so that its own answer comes first.
const LONGEST: Duration = Duration::from_mins(121);

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    /// From this node to the peer.
    Standby,
    /// From the peer to this node.
    Takeover,
}

impl Move {
    const fn word(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Takeover => "takeover",
        }
    }
}

/// Asks for it; with `wait`, says what came of it. Gives the exit code.
pub fn run(run_dir: &Path, what: Move, wait: bool) -> u8 {
    let request = json!({ "command": what.word() });
    if !wait {
        let sent = Connection::open(&run_dir.join("control")).and_then(|mut connection| connection.send(&request));
        return match sent {
            Ok(()) => {
                out::line(&format!(
                    "{} was asked for; `ovzha status` shows what comes of it",
                    what.word()
                ));
                exit::DONE
            }
            Err(trouble) => trouble.tell(),
        };
    }
    let answer = control::ask(run_dir, &request, LONGEST, |text| out::line(&out::clean(text)));
    let done = match what {
        Move::Standby => "done: the other node is active",
        Move::Takeover => "done: this node is active",
    };
    control::tell(answer, done)
}
