//! `ovzha standby` and `ovzha takeover`: asks for a move of groups, then waits and says what came of it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::control::{self, Begun};
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

/// Asks for it, of the groups that `words` mean; with `wait`, says what came of it. Gives the exit code.
pub fn run(run_dir: &Path, what: Move, words: &[String], wait: bool) -> u8 {
    // a daemon of an earlier release knows no groups, and all is what it does
    let request = if words.is_empty() {
        json!({ "command": what.word() })
    } else {
        json!({ "command": what.word(), "groups": words })
    };
    let show = |text: &str| out::line(&out::clean(text));
    let done = match what {
        Move::Standby => "done: the other node is active",
        Move::Takeover => "done: this node is active",
    };
    if wait {
        return control::tell(control::ask(run_dir, &request, LONGEST, show), done);
    }
    match control::begin(run_dir, &request, LONGEST, show) {
        Ok(Begun::All) => {
            out::line(&format!(
                "{} has begun; `ovzha status` shows what comes of it",
                what.word()
            ));
            exit::DONE
        }
        Ok(Begun::Part) => {
            out::complain(&format!(
                "{} has begun, but not of all groups: see above; `ovzha status` shows what comes of it",
                what.word()
            ));
            exit::FAILED
        }
        Ok(Begun::Ended(answer)) => control::tell(Ok(answer), done),
        Err(trouble) => trouble.tell(),
    }
}
