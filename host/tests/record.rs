//! A record is written, read and replayed: a fresh core decides the same, and where it would not, that is found.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod record_bed;

use std::fs;

use ovzha_core::event::{Command, Event};
use ovzha_core::id::{ClientId, GroupSet, LinkId};
use ovzha_core::message::Phase;
use ovzha_core::time::Span;
use ovzha_host::record::entry::{Begins, Entry};
use ovzha_host::record::reader::{ReadError, Record};
use ovzha_host::record::recorded::Recorded;
use ovzha_host::record::replay::{Shown, replay};
use ovzha_host::record::{SEGMENT, keep};
use record_bed::{Dir, Node, Pair, SECRET, core, keyring, writer};

/// Events and outputs that were the same; fails where they were not.
fn same(record: &Record) -> (u64, u64) {
    let mut all = (0, 0);
    for (segment, shown) in replay(record) {
        match shown {
            Shown::Same { events, outputs } => all = (all.0 + events, all.1 + outputs),
            other @ (Shown::Differs(_) | Shown::Unreadable) => panic!("segment {}: {other:#?}", segment.number),
        }
    }
    all
}

fn life(dir: &Dir) -> Pair {
    let mut pair = Pair::new(dir, 1);
    pair.pass(Span::from_secs(120));
    assert_eq!(pair.nodes[0].core.snapshot().groups[0].phase, Phase::Active);
    let client = ClientId(7);
    let command = Command::Standby { groups: GroupSet::ALL };
    let now = pair.now;
    pair.nodes[0].feed(now, Event::Request { client, command });
    pair.pass(Span::from_secs(60));
    assert_eq!(pair.nodes[0].core.snapshot().groups[0].phase, Phase::Idle);
    // damage on the line, another program's noise, a frame with another key, and our own keys anew
    for bytes in [b"noise".as_slice(), &[0xf7; 40], b"###\n"] {
        let now = pair.now;
        pair.nodes[0].feed(now, Event::Received { link: LinkId(1), bytes });
    }
    pair.nodes[0].core.rekey(keyring(b"another"));
    pair.pass(Span::from_secs(20));
    pair.nodes[0].core.rekey(keyring(SECRET));
    pair.pass(Span::from_secs(20));
    pair.both = false;
    pair.pass(Span::from_secs(60));
    assert_eq!(pair.nodes[0].core.snapshot().groups[0].phase, Phase::Active, "takeover");
    pair
}

#[test]
fn a_life_is_replayed_and_holds_no_key() {
    let dir = Dir::new("life");
    let pair = life(&dir);
    let bytes = fs::read(keep::path(&dir.run())).unwrap();
    assert_eq!(bytes.len(), 1024 * 1024);
    assert!(!bytes.windows(8).any(|window| window == &SECRET[..8]));
    let record = Record::new(bytes).unwrap();
    let (events, outputs) = same(&record);
    assert!(events > 300 && outputs > 600, "{events} events, {outputs} outputs");
    // what the replay comes to is what the node is
    let last = record.segments().last().unwrap();
    let come_to = ovzha_host::record::replay::core_at(&last, u64::MAX).unwrap();
    let mut now = pair.nodes[0].core.believed();
    now.rekey(ovzha_host::record::reader::keyring(last.opening.signing));
    assert_eq!(come_to.believed(), now);
    let forged = record.segments().flat_map(|s| s.entries().collect::<Vec<_>>());
    let forged = forged.filter(|(_, entry)| *entry == Entry::Forged).count();
    assert!(forged > 10, "{forged} frames with another key");
}

#[test]
fn a_changed_decision_is_found() {
    let dir = Dir::new("changed");
    drop(life(&dir));
    let record = Record::open(&keep::path(&dir.run())).unwrap();
    // a core that is not told of one thing, here that the second link was opened, goes another way
    let mut found = 0;
    for (segment, _) in replay(&record) {
        let all: Vec<_> = segment.entries().collect();
        let opened = all.iter().position(|(_, entry)| {
            let Entry::Told { event, .. } = entry else { return false };
            *event == Event::Opened { link: LinkId(1) }
        });
        let Some(opened) = opened else { continue };
        let mut cluster = segment.cluster().unwrap();
        let mut frame = ovzha_core::frame::FrameBuf::new();
        for (place, (at, entry)) in all.into_iter().enumerate() {
            match entry {
                Entry::Told { event, .. } if place != opened => cluster.handle(at, event),
                Entry::Said(expected) => {
                    if cluster.poll(&mut frame) != expected {
                        found += 1;
                        break;
                    }
                }
                Entry::Told { .. } | Entry::Forged | Entry::Rekeyed { .. } => {}
            }
        }
    }
    assert_eq!(found, 1);
}
