//! `ovzha confirm-fenced`: a person says that the other node has no power.

use std::path::Path;

use serde_json::{Value, json};

use crate::control::{self, SOON};
use crate::{consent, exit, out, span};

/// Says what follows, asks unless `yes`, and tells the daemon. Gives the exit code.
pub fn run(run_dir: &Path, node: &str, yes: bool) -> u8 {
    let status = match control::status(run_dir) {
        Ok(status) => status,
        Err(trouble) => return trouble.tell(),
    };
    for line in consequences(&status, node) {
        out::line(&line);
    }
    if !yes && !consent::given(&format!("Does {} have no power?", out::clean(node))) {
        return exit::FAILED;
    }
    let request = json!({ "command": "confirm-fenced", "node": node });
    let done = "confirmed: this node starts what nothing else stands against";
    control::tell(control::ask(run_dir, &request, SOON, |_| ()), done)
}

/// What a person must know before they say yes.
fn consequences(status: &Value, node: &str) -> [String; 3] {
    let heard = status.get("peer_heard_ms").and_then(Value::as_u64);
    let last = heard.map_or_else(
        || "not heard since this daemon started".to_owned(),
        |ms| format!("last heard {} ago", span::human(ms)),
    );
    let node = out::clean(node);
    [
        format!("{node}: {last}"),
        "This node then starts what ran there. If it still runs there, BOTH NODES WRITE.".to_owned(),
        format!("Go and look: {node} is off, or its plug is pulled, and nobody turns it on again meanwhile."),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_named() {
        let told = consequences(&json!({ "peer_heard_ms": 65_000 }), "ovz-node2").join("\n");
        assert!(told.contains("ovz-node2: last heard 1 min 5 s ago"), "{told}");
        assert!(told.contains("BOTH NODES WRITE"), "{told}");
        let told = consequences(&json!({}), "ovz-node2").join("\n");
        assert!(told.contains("not heard since this daemon started"), "{told}");
    }
}
