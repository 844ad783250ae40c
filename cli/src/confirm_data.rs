//! `ovzha confirm-data`: a person says that this node's copy of a group's data is the one to go on with.

use std::path::Path;

use serde_json::{Value, json};

use crate::control::{self, SOON};
use crate::{consent, exit, out, span};

/// Names what may be lost, asks unless `yes`, and tells the daemon. Gives the exit code.
pub fn run(run_dir: &Path, group: &str, yes: bool) -> u8 {
    let status = match control::status(run_dir) {
        Ok(status) => status,
        Err(trouble) => return trouble.tell(),
    };
    let Some(found) = find(&status, group) else {
        out::complain(&format!("no group is called {}: see `ovzha status`", out::clean(group)));
        return exit::FAILED;
    };
    for line in losses(&status, found) {
        out::line(&line);
    }
    if !yes && !consent::given("Go on with this node's copy?") {
        return exit::FAILED;
    }
    let request = json!({ "command": "confirm-data", "group": group });
    let done = "confirmed: this node starts the group with its own copy as soon as nothing else stands against it";
    control::tell(control::ask(run_dir, &request, SOON, |_| ()), done)
}

fn find<'a>(status: &'a Value, wanted: &str) -> Option<&'a Value> {
    let groups = status.get("groups")?.as_array()?;
    groups.iter().find(|group| {
        let name = group.get("name").and_then(Value::as_str);
        let number = group.get("number").and_then(Value::as_u64);
        name == Some(wanted) || number.is_some_and(|number| wanted == number.to_string())
    })
}

/// What a person must know before they say yes.
fn losses(status: &Value, group: &Value) -> Vec<String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(out::clean).unwrap_or_default();
    let peer = text(status.get("peer"));
    let name = text(group.get("name"));
    let mut lines = Vec::new();
    if let Some(drbd) = group.get("drbd").filter(|drbd| !drbd.is_null()) {
        let (disk, connection) = (text(drbd.get("disk")), text(drbd.get("connection")));
        lines.push(format!("{name}: DRBD here: disk {disk}, {connection}"));
    }
    let heard = status.get("peer_heard_ms").and_then(Value::as_u64);
    let last = heard.map_or_else(
        || "not heard since this daemon started".to_owned(),
        |ms| format!("last heard {} ago", span::human(ms)),
    );
    lines.push(format!("{peer}: {last}"));
    let marked = group.get("marked").and_then(Value::as_bool) == Some(true);
    lines.push(if marked {
        format!("{peer} has writes that this disk lacks: it said so. THEY ARE LOST if this copy goes on.")
    } else {
        format!("Nothing shows that {peer} has no newer writes: what it wrote alone is lost if this copy goes on.")
    });
    lines.push(format!(
        "{peer} must not be running the group, and must not start it by itself: if it may come back, switch it off first."
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(marked: bool, heard: Option<u64>) -> Value {
        json!({
            "peer": "ovz-node1", "peer_heard_ms": heard,
            "groups": [{
                "number": 0, "name": "drbddisk::r0", "marked": marked,
                "drbd": { "disk": "outdated", "connection": "connecting" },
            }],
        })
    }

    #[test]
    fn what_may_be_lost_is_named() {
        let known = status(true, Some(65_000));
        let told = losses(&known, find(&known, "0").unwrap()).join("\n");
        assert!(told.contains("disk outdated, connecting"), "{told}");
        assert!(told.contains("ovz-node1: last heard 1 min 5 s ago"), "{told}");
        assert!(told.contains("THEY ARE LOST"), "{told}");
        let unknown = status(false, None);
        let told = losses(&unknown, find(&unknown, "drbddisk::r0").unwrap()).join("\n");
        assert!(told.contains("not heard since this daemon started"), "{told}");
        assert!(
            told.contains("Nothing shows that ovz-node1 has no newer writes"),
            "{told}"
        );
        assert!(find(&known, "1").is_none());
    }
}
