//! What one look at a running pair finds: who has `/vz`, what DRBD says, what ovzha says.
use super::{Machine, Pair};
use serde_json::Value;
use std::time::Duration;

/// One node, as it answered.
#[derive(Clone, Debug)]
pub struct Seen {
    pub mounted: bool,
    /// DRBD's line of `/proc/drbd`: ` 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----`; empty when the
    /// resource is down.
    pub drbd: String,
    /// The group's phase; empty when the daemon doesn't answer.
    pub phase: String,
    pub tenure: u64,
    /// The peer says that it is able to run the group.
    pub peer_able: bool,
    /// The peer is alive, on every link.
    pub joined: bool,
}

impl Seen {
    /// DRBD's connection state.
    pub fn connection(&self) -> &str {
        let mut words = self.drbd.split_whitespace();
        words.find_map(|word| word.strip_prefix("cs:")).unwrap_or("down")
    }

    pub fn in_sync(&self) -> bool {
        self.drbd.contains("cs:Connected ") && self.drbd.contains("ds:UpToDate/UpToDate ")
    }

    pub fn is_active(&self) -> bool {
        self.mounted && self.phase == "active"
    }
}

impl Machine {
    /// Looks; `None` when nobody answers.
    pub fn look(&self) -> Option<Seen> {
        if !self.is_on() {
            return None;
        }
        let line =
            "timeout 2 ovzha status --json; echo; echo @--; grep ' 0: cs:' /proc/drbd; grep -c ' /vz ' /proc/mounts";
        let text = self.try_run(line, Duration::from_secs(4))?.text;
        let (status, rest) = text.split_once("@--\n")?;
        // a daemon that is away answers in words, not in JSON
        let status: Value = serde_json::from_str(status).unwrap_or(Value::Null);
        let group = status.get("groups").and_then(|groups| groups.get(0));
        let of_group = |name: &str| group.and_then(|group| group.get(name));
        let is = |of: &Value, name: &str, text: &str| of.get(name).and_then(Value::as_str) == Some(text);
        let links = status.get("links").and_then(Value::as_array);
        let linked = links.is_some_and(|links| links.iter().all(|link| is(link, "state", "up")));
        Some(Seen {
            mounted: rest.lines().last().is_some_and(|count| count.trim() != "0"),
            drbd: rest
                .lines()
                .find(|line| line.contains("cs:"))
                .unwrap_or_default()
                .to_owned(),
            phase: of_group("phase").and_then(Value::as_str).unwrap_or_default().to_owned(),
            tenure: of_group("tenure").and_then(Value::as_u64).unwrap_or(0),
            peer_able: of_group("on_peer").and_then(|on_peer| on_peer.get("able")) == Some(&Value::Bool(true)),
            joined: linked && is(&status, "peer_state", "alive"),
        })
    }

    /// Whether `/vz` is mounted; `None` when nobody answers.
    pub fn is_mounted(&self) -> Option<bool> {
        if !self.is_on() {
            return None;
        }
        let said = self.try_run("grep -c ' /vz ' /proc/mounts", Duration::from_secs(2))?;
        Some(said.text.trim() != "0")
    }
}

impl Pair {
    pub fn look(&self) -> [Option<Seen>; 2] {
        [1, 2].map(|number| self.node(number).look())
    }

    /// The node that has the group, when nothing is wrong any more: both nodes joined on every link, their disks in sync,
    /// the group active here, idle there and able to move.
    pub fn whole(seen: &[Option<Seen>; 2]) -> Option<u8> {
        let [Some(first), Some(second)] = seen else { return None };
        let calm = |seen: &Seen| seen.joined && seen.in_sync();
        let idle = |seen: &Seen| !seen.mounted && seen.phase == "idle";
        if !calm(first) || !calm(second) {
            return None;
        }
        if first.is_active() && first.peer_able && idle(second) {
            Some(1)
        } else if second.is_active() && second.peer_able && idle(first) {
            Some(2)
        } else {
            None
        }
    }
}
