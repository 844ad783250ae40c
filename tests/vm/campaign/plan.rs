//! The plan: which fault has which number under a seed. A pure function of both, so that a number can be repeated.
//!
//! The faults are dealt from a deck, shuffled anew for each round: any run as long as the deck meets every kind.
use crate::bed::Link;
use ovzha_world::rng::Rng;
use std::fmt;
use std::time::Duration;

/// The `deadtime` of the files that a campaign runs with, in milliseconds.
pub const DEADTIME: u64 = 6000;

/// Which node, by what it is when the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Active,
    Standby,
}

/// Whose frames a cut loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ways {
    Both,
    Of(Side),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    PowerCut(Side),
    Reset(Side),
    /// F1: the daemon stands still.
    Freeze(Side),
    /// F2: the kernel hangs.
    Hang(Side),
    /// F3: the machine stands still with its clock.
    Pause(Side),
    /// The daemon's sudden death.
    Kill(Side),
    Cut(Vec<Link>, Ways),
    /// `ovzha standby` on the active.
    Standby,
    /// `ovzha takeover` on the standby.
    Takeover,
    DiskFails(Side),
    /// Each access takes so many milliseconds more.
    DiskSlow(Side, u32),
    /// DRBD's network is cut, the active writes on alone, then loses its power: the other's data is old.
    DiesAlone,
}

/// A numbered fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub number: u32,
    pub kind: Kind,
    /// Until it is healed: half a `deadtime` to three.
    pub lasts: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {} ms", self.kind, self.lasts.as_millis())
    }
}

/// What lies in the deck; `rng` draws the details.
fn deck(rng: &mut Rng) -> Vec<Kind> {
    use Link::{Eth0, Eth1, Serial};
    use Side::{Active, Standby};
    let both = |links: &[Link]| Kind::Cut(links.to_vec(), Ways::Both);
    let mut one_way = |links: &[Link]| {
        let of = if rng.chance(500) { Active } else { Standby };
        Kind::Cut(links.to_vec(), Ways::Of(of))
    };
    let mut deck = vec![
        one_way(&[Eth0]),
        one_way(&[Eth1]),
        one_way(&[Serial]),
        one_way(&[Eth0, Eth1]),
        one_way(&[Eth0, Eth1, Serial]),
        both(&[Eth0]),
        both(&[Eth1]),
        both(&[Serial]),
        both(&[Eth0, Eth1]),
        both(&[Eth0, Serial]),
        both(&[Eth1, Serial]),
        both(&[Eth0, Eth1, Serial]),
        Kind::PowerCut(Active),
        Kind::Standby,
        Kind::Takeover,
        Kind::DiesAlone,
    ];
    for side in [Active, Standby] {
        deck.extend([
            Kind::PowerCut(side),
            Kind::Reset(side),
            Kind::Freeze(side),
            Kind::Hang(side),
            Kind::Pause(side),
            Kind::Kill(side),
            Kind::DiskFails(side),
        ]);
        let slow = u32::try_from(rng.between(20, 400)).unwrap();
        deck.push(Kind::DiskSlow(side, slow));
    }
    deck
}

/// The `number`-th fault under `seed`; they count from 1.
pub fn fault(seed: u64, number: u32) -> Fault {
    let at = u64::from(number - 1);
    let size = u64::try_from(deck(&mut Rng::new(0)).len()).unwrap();
    let mut rng = Rng::new(Rng::new(seed).next().wrapping_add(at / size));
    let mut kinds = deck(&mut rng);
    for place in (1..kinds.len()).rev() {
        let other = rng.below(u64::try_from(place + 1).unwrap());
        kinds.swap(place, usize::try_from(other).unwrap());
    }
    let kind = kinds.swap_remove(usize::try_from(at % size).unwrap());
    let mut rng = Rng::new(rng.next().wrapping_add(at));
    let lasts = Duration::from_millis(rng.between(DEADTIME / 2, DEADTIME * 3));
    Fault { number, kind, lasts }
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
    let plan = |seed| (1..=200).map(|number| fault(seed, number)).collect::<Vec<_>>();
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    let bound = Duration::from_millis(DEADTIME / 2)..=Duration::from_millis(DEADTIME * 3);
    assert!(plan(7).iter().all(|fault| bound.contains(&fault.lasts)));
}

#[test]
fn every_round_of_the_deck_meets_every_kind() {
    let size = deck(&mut Rng::new(0)).len();
    let size = u32::try_from(size).unwrap();
    for seed in [1, 2, 3] {
        let first = (1..=size).map(|number| fault(seed, number).kind);
        // without the details that are drawn
        let name = |kind: Kind| {
            if let Kind::DiskSlow(side, _) = kind {
                format!("slow {side:?}")
            } else if let Kind::Cut(links, Ways::Of(_)) = kind {
                format!("one way {links:?}")
            } else {
                format!("{kind:?}")
            }
        };
        let mut names: Vec<String> = first.map(name).collect();
        names.sort();
        names.dedup();
        // a power cut of the active lies in it twice
        assert_eq!(names.len(), usize::try_from(size).unwrap() - 1, "{names:?}");
    }
}
