//! The failover table compiled with a view that writes down what is looked at (see `tests/build.rs`).
//!
//! A fact has a value only once it is asked for: the next one of the script, or the first of its domain. So one run
//! yields the facts that a decision was made from, in their order; what was not read can't have mattered.

use std::cell::RefCell;

use ovzha_core::decide::{self, Ailing, Attached, Data, Decision, Entitled, Foreign, Mine, Why};
use ovzha_core::message::{GroupFlags, Phase};

/// The text of `core/src/decide.rs`, reading by calls.
#[expect(
    dead_code,
    unreachable_pub,
    clippy::trivially_copy_pass_by_ref,
    reason = "the core's text beside types of this test"
)]
mod text {
    use super::{Ailing, Attached, Data, Decision, Entitled, Foreign, Mine, Peer, PeerGroup, Phase, View, Why};
    include!(concat!(env!("OUT_DIR"), "/observed.rs"));
}

/// A fact by its name: one of the view, or `peer.` and one of the living peer.
pub type Fact = &'static str;

/// The facts of a view with more than two values.
const CHOICES: [Fact; 8] = [
    "mine", "peer", "failed", "data", "attached", "foreign", "ailing", "entitled",
];
const PEERS: [&str; 8] = [
    "Awaited",
    "NeverHeard",
    "Newer",
    "Dead",
    "Left",
    "Unfenced",
    "Unfenceable",
    ALIVE,
];
/// The one peer that has facts of its own.
const ALIVE: &str = "Alive";
const PHASE: Fact = "peer.phase";

/// A view of which only the answers to questions exist.
#[derive(Default)]
pub struct View {
    script: Vec<usize>,
    asked: RefCell<Vec<(Fact, usize)>>,
}

/// The living peer of such a view.
#[derive(Clone, Copy)]
struct PeerGroup<'a>(&'a View);

/// The peer of such a view.
enum Peer<'a> {
    Awaited,
    NeverHeard,
    Newer,
    Alive(PeerGroup<'a>),
    Dead,
    Left,
    Unfenced,
    Unfenceable,
}

impl View {
    fn ask(&self, fact: Fact) -> usize {
        let mut asked = self.asked.borrow_mut();
        if let Some((_, value)) = asked.iter().find(|(known, _)| *known == fact) {
            return *value;
        }
        let value = self.script.get(asked.len()).copied().unwrap_or(0);
        asked.push((fact, value));
        value
    }

    fn peer(&self) -> Peer<'_> {
        match PEERS[self.ask("peer")] {
            "Awaited" => Peer::Awaited,
            "NeverHeard" => Peer::NeverHeard,
            "Newer" => Peer::Newer,
            "Dead" => Peer::Dead,
            "Left" => Peer::Left,
            "Unfenced" => Peer::Unfenced,
            "Unfenceable" => Peer::Unfenceable,
            _ => Peer::Alive(PeerGroup(self)),
        }
    }

    fn mine(&self) -> Mine {
        text::MINE[self.ask("mine")]
    }

    fn failed(&self) -> Why {
        text::WHY[self.ask("failed")]
    }

    fn data(&self) -> Data {
        text::DATA[self.ask("data")]
    }

    fn attached(&self) -> Attached {
        text::ATTACHED[self.ask("attached")]
    }

    fn foreign(&self) -> Foreign {
        text::FOREIGN[self.ask("foreign")]
    }

    fn ailing(&self) -> Ailing {
        text::AILING[self.ask("ailing")]
    }

    fn entitled(&self) -> Entitled {
        text::ENTITLED[self.ask("entitled")]
    }
}

impl<'a> Peer<'a> {
    fn living(self) -> Option<PeerGroup<'a>> {
        match self {
            Self::Alive(peer) => Some(peer),
            Self::Awaited
            | Self::NeverHeard
            | Self::Newer
            | Self::Dead
            | Self::Left
            | Self::Unfenced
            | Self::Unfenceable => None,
        }
    }
}

impl PeerGroup<'_> {
    fn phase(self) -> Phase {
        text::PHASE[self.0.ask(PHASE)]
    }
}

/// The facts that are yes or no, once: a new one in the core does not compile before it stands here.
macro_rules! switches {
    (view: $($name:ident)*; peer: $($bit:ident)*; flags: $($flag:ident)*;) => {
        const SWITCHES: &[Fact] = &[$(stringify!($name)),*];
        const BITS: &[Fact] = &[$(concat!("peer.", stringify!($bit)),)* $(concat!("peer.", stringify!($flag))),*];
        impl View {
            $(fn $name(&self) -> bool { self.ask(stringify!($name)) == 1 })*
        }
        #[expect(dead_code, reason = "a peer that runs degraded is as good as another: nothing asks for it")]
        impl PeerGroup<'_> {
            $(fn $bit(self) -> bool { self.0.ask(concat!("peer.", stringify!($bit))) == 1 })*
            $(fn $flag(self) -> bool { self.0.ask(concat!("peer.", stringify!($flag))) == 1 })*
        }
        /// The core's view with these values.
        pub fn real(value: impl Fn(Fact) -> usize) -> decide::View {
            let peer = match PEERS[value("peer")] {
                "Awaited" => decide::Peer::Awaited,
                "NeverHeard" => decide::Peer::NeverHeard,
                "Newer" => decide::Peer::Newer,
                "Dead" => decide::Peer::Dead,
                "Left" => decide::Peer::Left,
                "Unfenced" => decide::Peer::Unfenced,
                "Unfenceable" => decide::Peer::Unfenceable,
                _ => decide::Peer::Alive(decide::PeerGroup {
                    phase: text::PHASE[value(PHASE)],
                    flags: GroupFlags { $($flag: value(concat!("peer.", stringify!($flag))) == 1),* },
                    $($bit: value(concat!("peer.", stringify!($bit))) == 1),*
                }),
            };
            decide::View {
                mine: text::MINE[value("mine")],
                peer,
                failed: text::WHY[value("failed")],
                data: text::DATA[value("data")],
                attached: text::ATTACHED[value("attached")],
                foreign: text::FOREIGN[value("foreign")],
                ailing: text::AILING[value("ailing")],
                entitled: text::ENTITLED[value("entitled")],
                $($name: value(stringify!($name)) == 1),*
            }
        }
    };
}

switches! {
    view: bug preferred stopping held differs fenced unfit blocked unrecorded lonely unheard doubtful demoted secured
          standby wanted yielded failback unable fewer_pings diskless;
    peer: earlier fresh stopping isolated;
    flags: able yielded wanted doubtful degraded;
}

/// Every fact.
pub fn facts() -> impl Iterator<Item = Fact> {
    CHOICES.iter().chain(SWITCHES).chain([&PHASE]).chain(BITS).copied()
}

/// The names of the values that a fact can have.
pub fn values(fact: Fact) -> Vec<String> {
    fn names<T: std::fmt::Debug>(values: &[T]) -> Vec<String> {
        values.iter().map(|value| format!("{value:?}")).collect()
    }
    match fact {
        "mine" => names(text::MINE),
        "peer" => PEERS.map(str::to_owned).to_vec(),
        "failed" => names(text::WHY),
        "data" => names(text::DATA),
        "attached" => names(text::ATTACHED),
        "foreign" => names(text::FOREIGN),
        "ailing" => names(text::AILING),
        "entitled" => names(text::ENTITLED),
        PHASE => names(text::PHASE),
        _ => ["no", "yes"].map(str::to_owned).to_vec(),
    }
}

/// How many values a fact can have.
pub fn size(fact: Fact) -> usize {
    match fact {
        "mine" => text::MINE.len(),
        "peer" => PEERS.len(),
        "failed" => text::WHY.len(),
        "data" => text::DATA.len(),
        "attached" => text::ATTACHED.len(),
        "foreign" => text::FOREIGN.len(),
        "ailing" => text::AILING.len(),
        "entitled" => text::ENTITLED.len(),
        PHASE => text::PHASE.len(),
        _ => 2,
    }
}

/// How many views there are.
pub fn views() -> u64 {
    let of_view = CHOICES.iter().chain(SWITCHES).filter(|fact| **fact != "peer");
    of_view.map(|fact| wide(fact)).product::<u64>() * peers()
}

fn wide(fact: Fact) -> u64 {
    u64::try_from(size(fact)).unwrap()
}

/// How many different peers there are: each silent one is one, a living one has facts of its own.
fn peers() -> u64 {
    let alive: u64 = [PHASE].iter().chain(BITS).map(|fact| wide(fact)).product();
    wide("peer") - 1 + alive
}

/// Of so many views in which this fact is open, those in which it has that value.
pub fn share(fact: Fact, value: usize, views: u64) -> u64 {
    if fact != "peer" {
        views / wide(fact)
    } else if PEERS[value] == ALIVE {
        views / peers() * (peers() + 1 - wide("peer"))
    } else {
        views / peers()
    }
}

/// Runs the table on the script's values. What it read, in order, and what it decided.
pub fn run(script: &[usize]) -> (Vec<(Fact, usize)>, Decision) {
    let view = View {
        script: script.to_vec(),
        ..View::default()
    };
    let decision = text::decide(&view);
    (view.asked.into_inner(), decision)
}
