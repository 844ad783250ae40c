//! Who ran which group when: how long nobody did, and how long both did.

use ovzha_world::check::Cause;
use ovzha_world::world::World;

/// From when until when, in microseconds; an end that is missing has not come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Its beginning.
    pub from: u64,
    /// Its end.
    pub to: Option<u64>,
}

/// One group's account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Nobody served it.
    pub away: Vec<Span>,
    /// Both nodes ran it, or parts of it.
    pub both: Vec<Span>,
    /// Why that was admitted.
    pub causes: Vec<Cause>,
    /// Nodes that run all of it and move.
    pub serves: [bool; 2],
    /// Nodes that run some of it.
    pub runs: [bool; 2],
}

/// The accounts of all groups.
#[derive(Clone, Debug)]
pub struct Spans {
    /// By group.
    pub groups: Vec<Account>,
}

impl Spans {
    /// Nothing runs.
    pub fn new(groups: usize) -> Self {
        Self {
            groups: vec![Account::default(); groups],
        }
    }

    /// What was before this moment does not count.
    pub fn begin(&mut self, now: u64) {
        for group in &mut self.groups {
            let served = group.serves.contains(&true);
            group.away.clear();
            group.both.clear();
            group.causes.clear();
            if !served {
                group.away.push(Span { from: now, to: None });
            }
        }
    }

    /// Looks at the nodes; says whether anything changed.
    pub fn look(&mut self, world: &World) -> bool {
        let mut changed = false;
        for (place, group) in self.groups.iter_mut().enumerate() {
            let runs = [0, 1].map(|node| world.watch.is_active(node, place));
            let serves = [0, 1].map(|node| world.watch.is_whole(node, place) && !world.nodes[node].is_still());
            if (runs, serves) == (group.runs, group.serves) {
                continue;
            }
            changed = true;
            mark(&mut group.away, world.now, !serves.contains(&true));
            mark(&mut group.both, world.now, runs == [true; 2]);
            (group.runs, group.serves) = (runs, serves);
        }
        changed
    }

    /// The World counts two actives of a group as admitted.
    pub fn admitted(&mut self, group: usize, cause: Cause) {
        let causes = &mut self.groups[group].causes;
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
}

/// A state holds from now on, or no longer.
fn mark(spans: &mut Vec<Span>, now: u64, holds: bool) {
    match spans.last_mut().filter(|span| span.to.is_none()) {
        Some(open) if !holds => open.to = Some(now),
        None if holds => spans.push(Span { from: now, to: None }),
        Some(_) | None => {}
    }
}
