//! `ovzha hold` and `ovzha resume`: nothing is decided on either node in between.

use std::path::Path;

use ovzha_core::message::REASON_MAX;
use serde_json::json;

use crate::control::{self, SOON};
use crate::{exit, out, span};

/// Begins a hold, for so many seconds or until `resume`. Gives the exit code.
pub fn hold(run_dir: &Path, seconds: Option<u32>, words: &[String]) -> u8 {
    let reason = words.join(" ").trim().to_owned();
    if let Some(wrong) = wrong_reason(&reason) {
        out::complain(&wrong);
        return exit::USAGE;
    }
    let request = match seconds {
        Some(seconds) => json!({ "command": "hold", "seconds": seconds, "reason": reason }),
        None => json!({ "command": "hold", "reason": reason }),
    };
    let until = seconds.map_or_else(
        || "until `ovzha resume`".to_owned(),
        |seconds| {
            format!(
                "for {}, or until `ovzha resume`",
                span::human(u64::from(seconds) * 1000)
            )
        },
    );
    let done = format!("hold: neither node starts, stops or moves anything {until}");
    control::tell(control::ask(run_dir, &request, SOON, |_| ()), &done)
}

/// What is wrong with a reason, if anything: it travels in heartbeats, which are short.
fn wrong_reason(reason: &str) -> Option<String> {
    if reason.is_empty() {
        Some("say why: the other admins see the reason in `ovzha status`".to_owned())
    } else if reason.len() > REASON_MAX {
        let have = reason.len();
        Some(format!(
            "the reason has {have} bytes; at most {REASON_MAX} fit into a heartbeat"
        ))
    } else if reason.chars().any(char::is_control) {
        Some("the reason has a control character in it".to_owned())
    } else {
        None
    }
}

/// Ends a hold. Gives the exit code.
pub fn resume(run_dir: &Path) -> u8 {
    let answer = control::ask(run_dir, &json!({ "command": "resume" }), SOON, |_| ());
    control::tell(answer, "resumed: the nodes decide again")
}
