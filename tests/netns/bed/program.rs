//! One of the two programs that can run a pair: ovzha, or the real Heartbeat.
use super::{Number, Pair, heartbeat};

/// Who runs the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The binary under test.
    Ovzha,
    /// Debian's Heartbeat 3.0.6.
    Heartbeat,
}

impl Program {
    /// Starts it on a node.
    pub fn start(self, pair: &mut Pair, number: Number) {
        match self {
            Self::Ovzha => pair.start(number),
            Self::Heartbeat => heartbeat::start(pair.node(number)),
        }
    }

    /// Ends it in order.
    pub fn stop(self, pair: &mut Pair, number: Number) {
        match self {
            Self::Ovzha => {
                let code = pair.stop(number);
                pair.check(code == Some(0), &format!("the daemon ended with {code:?}"));
            }
            Self::Heartbeat => heartbeat::stop(pair.node(number)),
        }
    }

    /// Waits until both nodes would take an order.
    pub fn wait_stable(self, pair: &Pair, nodes: &[Number]) {
        match self {
            Self::Ovzha => wait_settled(pair, nodes),
            Self::Heartbeat => heartbeat::wait_stable(pair, nodes),
        }
    }

    /// Asks a node to give groups up; what it answers is not looked at, as Heartbeat's tool answers nothing.
    pub fn standby(self, pair: &Pair, number: Number, set: &str) {
        match self {
            Self::Ovzha => drop(pair.node(number).ovzha(&format!("standby {set}"))),
            Self::Heartbeat => heartbeat::tool(pair.node(number), &format!("hb_standby {set}")),
        }
    }

    /// Asks a node to take groups over.
    pub fn takeover(self, pair: &Pair, number: Number, set: &str) {
        match self {
            Self::Ovzha => drop(pair.node(number).ovzha(&format!("takeover {set}"))),
            Self::Heartbeat => heartbeat::tool(pair.node(number), &format!("hb_takeover {set}")),
        }
    }
}

/// Waits until each node sees every group at rest on both.
fn wait_settled(pair: &Pair, nodes: &[Number]) {
    let at_rest = |line: &str| {
        let phase = line
            .split_whitespace()
            .find(|word| !["here", "on", "peer"].contains(word));
        matches!(phase.map(|word| word.trim_end_matches(';')), Some("active" | "idle"))
    };
    pair.wait("both nodes see every group at rest", |pair| {
        nodes.iter().all(|number| {
            let status = pair.node(*number).ovzha("status").out;
            let groups = || {
                let lines = status.lines();
                lines.filter(|line| line.starts_with("  here ") || line.starts_with("  on peer "))
            };
            groups().count() >= 2 && groups().all(at_rest)
        })
    });
}
