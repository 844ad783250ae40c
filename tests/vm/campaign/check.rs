//! The checkers: what the row admits, what was promised to the client, who wrote when.
use super::options::Protection;
use super::plan::{Kind, Side};
use crate::bed::{Ack, Pair};
use std::collections::BTreeSet;
use std::time::Duration;

/// Whether every way from one node to the other is cut, at least in one direction.
fn is_partition(kind: &Kind) -> bool {
    matches!(kind, Kind::Cut(links, _) if links.len() == 3)
}

/// Whether the row admits that both nodes have the group at once (S-10, S-12 to S-15).
pub fn admits_two_actives(protection: Protection, kind: &Kind) -> bool {
    match protection {
        Protection::None => is_partition(kind) || matches!(kind, Kind::Freeze(_) | Kind::Hang(_) | Kind::Pause(_)),
        // a machine that stands still with its clock counts as active until it is told better
        Protection::Fencing => is_partition(kind) || matches!(kind, Kind::Pause(_)),
        Protection::Witness => matches!(kind, Kind::Pause(_)),
        Protection::Board => false,
    }
}

/// Whether it admits that acknowledged records are discarded afterwards: two actives, each with its own.
pub fn admits_loss(protection: Protection, kind: &Kind) -> bool {
    match protection {
        Protection::None => admits_two_actives(protection, kind),
        Protection::Fencing => is_partition(kind),
        Protection::Witness | Protection::Board => false,
    }
}

/// What the client outside was told, over a whole life of a pair.
#[derive(Default)]
pub struct Client {
    /// How much of each node's acknowledgements was looked at.
    read: [usize; 2],
    /// Every record that was acknowledged and is not known to be discarded, by its number.
    promised: BTreeSet<(u64, String)>,
}

/// What a fault did to the client's records.
pub struct Records {
    pub lost: u64,
}

fn numbered(record: &str) -> (u64, String) {
    let number = record.split(' ').next().unwrap_or_default().parse();
    let number = number.unwrap_or_else(|_| panic!("S2: no record: {record:?}"));
    (number, record.to_owned())
}

impl Client {
    /// Compares what was acknowledged with what lies on the mounted disk of `active`.
    pub fn check(&mut self, pair: &Pair, active: u8, protection: Protection, kind: &Kind, was: u8) -> Records {
        // first what was acknowledged: the container writes on meanwhile
        let acks: [Vec<Ack>; 2] = [1, 2].map(|number: u8| {
            let acks = pair.node(number).acks_from(self.read[usize::from(number) - 1]);
            self.read[usize::from(number) - 1] += acks.len();
            acks
        });
        let said = pair
            .node(active)
            .try_run("cat /vz/private/101/data/records", Duration::from_mins(1));
        let text = said.expect("S2: the records can't be read").text;
        let there: Vec<(u64, String)> = text.lines().map(numbered).collect();
        assert!(
            there.windows(2).all(|two| two[0].0 < two[1].0),
            "S3: the records on disk are not in order: two writers"
        );
        let admitted = admits_loss(protection, kind);
        let mut all: Vec<&Ack> = acks.iter().flatten().collect();
        all.sort_by_key(|ack| ack.at);
        if protection != Protection::None
            && matches!(kind, Kind::Pause(Side::Active))
            && let Some(late) = under_way(&acks, was)
        {
            all.retain(|ack| *ack != late);
            self.promised.insert(numbered(&late.record));
        }
        let mut highest = self.promised.last().map_or(0, |(number, _)| *number);
        for ack in all {
            let record = numbered(&ack.record);
            assert!(
                admitted || record.0 > highest,
                "S2: acknowledged after number {highest}: {:?}: twice, or older data was promoted",
                ack.record
            );
            highest = record.0;
            let fresh = self.promised.insert(record);
            assert!(fresh || admitted, "S2: acknowledged twice: {:?}", ack.record);
        }
        let there: BTreeSet<(u64, String)> = there.into_iter().collect();
        let lost: Vec<(u64, String)> = self.promised.difference(&there).cloned().collect();
        assert!(
            admitted || lost.is_empty(),
            "S2: {} records acknowledged and lost, from {:?} to {:?}",
            lost.len(),
            lost.first(),
            lost.last()
        );
        for record in &lost {
            self.promised.remove(record);
        }
        Records {
            lost: u64::try_from(lost.len()).unwrap(),
        }
    }
}

/// What the paused node had written before the other took over, and whose acknowledgement reached the client only after
/// it went on. Anything later is a write on the thawed side.
fn under_way(acks: &[Vec<Ack>; 2], paused: u8) -> Option<&Ack> {
    let own = usize::from(paused) - 1;
    let first = acks[1 - own].first()?;
    let late: Vec<&Ack> = acks[own].iter().filter(|ack| ack.at > first.at).collect();
    let before = |ack: &&Ack| numbered(&ack.record).0 < numbered(&first.record).0;
    assert!(
        late.len() <= 1 && late.iter().all(before),
        "S1: acknowledged on the thawed side: {late:?}, after the other node's {first:?}"
    );
    late.first().copied()
}

#[test]
fn one_acknowledgement_may_be_under_way_and_no_later_write() {
    use std::time::Instant;
    let begin = Instant::now();
    let ack = |after: u64, record: &str| Ack {
        at: begin + Duration::from_secs(after),
        record: record.to_owned(),
    };
    let other = vec![ack(10, "8 ovz-node2"), ack(11, "9 ovz-node2")];
    let paused = |late: Ack| [vec![ack(1, "6 ovz-node1"), late], other.clone()];
    let written_before = paused(ack(12, "7 ovz-node1"));
    assert_eq!(under_way(&written_before, 1).unwrap().record, "7 ovz-node1");
    let written_after = paused(ack(12, "8 ovz-node1"));
    assert!(std::panic::catch_unwind(|| under_way(&written_after, 1).is_some()).is_err());
    assert!(under_way(&paused(ack(2, "7 ovz-node1")), 1).is_none());
}
