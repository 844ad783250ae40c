//! What a witness does with the nodes' power, as somebody sees it who watches its relays (S7, SAFETY S-79).

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    /// When each node was last believed by this life of the witness.
    heard: [Option<u64>; 2],
    /// Whose power it takes away.
    cut: [bool; 2],
    /// Cut, and not believed since.
    spent: [bool; 2],
    /// It said that it can't.
    told: [bool; 2],
}

impl Cuts {
    /// A witness that has just started: its relays are at rest, and give power.
    pub fn begins(&mut self) {
        *self = Self::default();
    }

    /// It believed a frame of a node.
    pub fn hears(&mut self, now: u64, node: usize) {
        (self.heard[node], self.spent[node]) = (Some(now), false);
    }

    /// It says that it can't take a node's power away.
    pub const fn tells(&mut self, node: usize) {
        self.told[node] = true;
    }

    /// It gives a node its power back, whose input says that it has some (`seen`). Answers what is wrong with that.
    pub fn gives_back(&mut self, node: usize, seen: bool) -> Option<String> {
        let silent = seen && self.cut[node] && !self.told[node];
        (self.cut[node], self.told[node]) = (false, false);
        silent.then(|| format!("node {node} was to be cut and is not, and that is not told"))
    }

    /// It takes a node's power away; `term`: the shortest silence for which it may. Answers what is wrong with that.
    pub fn takes(&mut self, now: u64, node: usize, term: u64) -> Option<String> {
        if std::mem::replace(&mut self.cut[node], true) {
            return None;
        }
        if let Some(silence) = self.heard[node].map(|at| now - at).filter(|silence| *silence < term) {
            return Some(format!("node {node} is cut, which was heard {} ms ago", silence / 1000));
        }
        if self.cut[1 - node] {
            return Some("both nodes are cut".to_owned());
        }
        std::mem::replace(&mut self.spent[node], true)
            .then(|| format!("node {node} is cut twice, and was not heard between"))
    }
}
