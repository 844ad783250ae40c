//! A record is written, read and replayed: a fresh core decides the same, and where it would not, that is found.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

mod record_bed;

use std::fs::{self, File};

use ovzha_core::event::{Command, Event, Outcome};
use ovzha_core::id::{ClientId, GroupSet, KeyId, LinkId};
use ovzha_core::message::Phase;
use ovzha_core::time::{Instant, Span};
use ovzha_host::record::entry::{Begins, Entry};
use ovzha_host::record::names::Names;
use ovzha_host::record::reader::{ReadError, Record};
use ovzha_host::record::recorded::Recorded;
use ovzha_host::record::replay::{Shown, replay};
use ovzha_host::record::ring::Ring;
use ovzha_host::record::writer::Writer;
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

/// Changes the first block of the segment at `place` that `change` changes, and signs it anew.
fn alter(file: &mut [u8], place: usize, change: impl Fn(&mut [u8]) -> bool) {
    let segment = &mut file[place * SEGMENT..(place + 1) * SEGMENT];
    let number: [u8; 8] = segment[10..18].try_into().unwrap();
    let mut at = 22;
    loop {
        let length = usize::from(u16::from_le_bytes([segment[at], segment[at + 1]]));
        assert!(length > 0, "nothing to change");
        let content = &mut segment[at + 6..at + 6 + length];
        if change(content) {
            let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
            let mut digest = crc.digest();
            digest.update(&number);
            digest.update(content);
            segment[at + 2..at + 6].copy_from_slice(&digest.finalize().to_le_bytes());
            return;
        }
        at += 6 + length;
    }
}

#[test]
fn one_changed_event_is_found() {
    let dir = Dir::new("changed");
    drop(life(&dir));
    let mut bytes = fs::read(keep::path(&dir.run())).unwrap();
    same(&Record::new(bytes.clone()).unwrap());
    // the outcome of the start of the first resource: told as failed
    let all = Record::new(bytes.clone()).unwrap();
    let first = all.segments().next().unwrap();
    let done = first.entries().find_map(|(_, entry)| match entry {
        Entry::Told {
            event: Event::Done {
                effect,
                outcome: Outcome::Done,
            },
            ..
        } => Some(Event::Done {
            effect,
            outcome: Outcome::Done,
        }),
        Entry::Told { .. } | Entry::Said(_) | Entry::Forged | Entry::Rekeyed { .. } => None,
    });
    let told = postcard::to_allocvec(&Entry::Told {
        after: 0,
        event: done.unwrap(),
    })
    .unwrap();
    alter(&mut bytes, 0, |content| {
        let hit = content == told;
        if hit {
            *content.last_mut().unwrap() = 4;
        }
        hit
    });
    let changed = Record::new(bytes).unwrap();
    let shown: Vec<Shown> = replay(&changed).map(|(_, shown)| shown).collect();
    let Shown::Differs(difference) = &shown[0] else {
        panic!("{shown:?}")
    };
    assert!(difference.after.contains("Failed"), "{difference:?}");
    assert_ne!(difference.expected, difference.came);
}

#[test]
fn a_checkpoint_that_is_not_what_was_come_to_is_found() {
    let dir = Dir::new("checkpoint");
    let mut pair = Pair::new(&dir, 1);
    pair.pass(Span::from_secs(3600));
    let bytes = fs::read(keep::path(&dir.run())).unwrap();
    let record = Record::new(bytes.clone()).unwrap();
    let places: Vec<Begins> = record.segments().map(|segment| segment.opening.begins).collect();
    assert_eq!(places[..3], [Begins::Life, Begins::Full, Begins::Full]);
    same(&record);
    // a core that has counted one frame more than it sent
    let mut bytes = bytes;
    let sequence = record.segments().nth(1).unwrap().cluster().unwrap();
    let image = postcard::to_allocvec(&sequence).unwrap();
    alter(&mut bytes, 1, |content| {
        let hit = content == image;
        if hit {
            // behind the configuration and the life: the number of the newest frame
            let life = content.windows(4).position(|four| four == [0, 1, 0, 0]).unwrap();
            content[life + 4] ^= 1;
        }
        hit
    });
    let shown: Vec<Shown> = replay(&Record::new(bytes).unwrap()).map(|(_, shown)| shown).collect();
    assert!(matches!(&shown[0], Shown::Same { .. }));
    let Shown::Differs(difference) = &shown[1] else {
        panic!("{shown:?}")
    };
    assert_eq!(difference.after, "all of the segment before");
}

#[test]
fn a_record_cut_anywhere_is_read_as_far_as_it_goes() {
    let dir = Dir::new("torn");
    drop(life(&dir));
    let bytes = fs::read(keep::path(&dir.run())).unwrap();
    let whole = Record::new(bytes.clone()).unwrap();
    let entries = whole.segments().next().unwrap().entries().count();
    let used = bytes[..SEGMENT].iter().rposition(|byte| *byte != 0).unwrap();
    let (mut before, mut read) = (0, 0);
    for cut in (0..=used + 1).step_by(211).chain(used - 40..=used + 1) {
        // what kill -9 leaves: the rest is as the segment was before
        let mut torn = bytes[..SEGMENT].to_vec();
        torn[cut..].fill(0);
        match Record::new(torn) {
            Ok(record) => {
                let count = record.segments().next().unwrap().entries().count();
                same(&record);
                if cut >= before {
                    assert!(count >= read, "cut at {cut}: {count} entries, before {read}");
                    (before, read) = (cut, count);
                }
            }
            Err(ReadError::NoRecord) => assert_eq!(read, 0, "cut at {cut}"),
            Err(other) => panic!("cut at {cut}: {other}"),
        }
    }
    assert_eq!(read, entries);
    // a file that ends early is no worse
    let record = Record::new(bytes[..used / 2].to_vec()).unwrap();
    same(&record);
}

#[test]
fn what_is_no_record_is_refused_with_its_reason() {
    let refused = |bytes: &[u8]| Record::new(bytes.to_vec()).unwrap_err().to_string();
    for garbage in [b"".as_slice(), b"node a\n", &vec![0xff; 300_000], &vec![0; 300_000]] {
        assert_eq!(
            refused(garbage),
            "this is no record of ovzha, or nothing of it is whole"
        );
    }
    let dir = Dir::new("format");
    drop(Pair::new(&dir, 1));
    let mut bytes = fs::read(keep::path(&dir.run())).unwrap();
    // a header of format 2
    bytes[8] = 2;
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[..18]);
    bytes[18..22].copy_from_slice(&crc.to_le_bytes());
    let why = refused(&bytes);
    assert!(why.contains("format 2") && why.contains("reads 1"), "{why}");
}

#[test]
fn a_ring_that_has_wrapped_is_replayed_from_its_oldest_segment() {
    let dir = Dir::new("wrapped");
    let mut pair = Pair::new(&dir, 1);
    pair.pass(Span::from_secs(6 * 3600));
    let record = Record::open(&keep::path(&dir.run())).unwrap();
    let numbers: Vec<u64> = record.segments().map(|segment| segment.number).collect();
    assert_eq!(numbers.len(), 8);
    assert!(numbers[0] > 1, "{numbers:?}");
    assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "{numbers:?}");
    let (events, outputs) = same(&record);
    assert!(events > 10_000 && outputs > 10_000, "{events} {outputs}");
    assert_eq!(fs::metadata(keep::path(&dir.run())).unwrap().len(), 1024 * 1024);
}

#[test]
fn lives_follow_one_another_in_one_ring_and_after_a_boot_the_copy_goes_on() {
    let dir = Dir::new("lives");
    let begins = |record: &Record| {
        let all: Vec<Begins> = record.segments().map(|segment| segment.opening.begins).collect();
        all
    };
    let mut pair = Pair::new(&dir, 1);
    pair.pass(Span::from_secs(60));
    // the daemon dies and comes back
    let now = pair.now;
    for life in 2..4 {
        let cluster = core(0, life, now);
        let writer = writer(&dir.run(), &dir.state(), 1, &cluster, now);
        let mut node = Node::new(Recorded::new(cluster, Some(writer)), now);
        node.drain(now);
        node.feed(now, Event::Opened { link: LinkId(0) });
    }
    let record = Record::open(&keep::path(&dir.run())).unwrap();
    assert_eq!(begins(&record), [Begins::Life; 3]);
    same(&record);
    // the machine dies: only the copy is left
    keep::keep(&dir.run(), &dir.state()).unwrap();
    fs::remove_file(keep::path(&dir.run())).unwrap();
    assert_eq!(keep::newest(&dir.run(), &dir.state()), dir.state().join("record"));
    let cluster = core(0, 9, now);
    drop(writer(&dir.run(), &dir.state(), 2, &cluster, now));
    let record = Record::open(&keep::path(&dir.run())).unwrap();
    assert_eq!(begins(&record), [Begins::Life; 4]);
    same(&record);
    // a smaller ring keeps the newest
    for life in 10..20 {
        let cluster = core(0, life, now);
        drop(writer(&dir.run(), &dir.state(), 1, &cluster, now));
    }
    let record = Record::open(&keep::path(&dir.run())).unwrap();
    let numbers: Vec<u64> = record.segments().map(|segment| segment.number).collect();
    assert_eq!(numbers, (7..=14).collect::<Vec<_>>());
    // a former ring that is no ring is no obstacle
    fs::write(keep::path(&dir.run()), b"nonsense").unwrap();
    drop(writer(&dir.run(), &dir.state(), 1, &cluster, now));
    assert_eq!(Record::open(&keep::path(&dir.run())).unwrap().segments().count(), 1);
}

#[test]
fn a_full_disk_ends_the_record_and_not_the_core() {
    let dir = Dir::new("full");
    let cluster = core(0, 1, Instant::from_millis(5));
    // every write to it fails
    let ring = Ring::new(File::options().write(true).open("/dev/full").unwrap(), None, 1, 0, 0);
    let writer = Writer::new(ring, Names::default(), KeyId(3), &cluster, Instant::from_millis(5));
    let mut core = Recorded::new(cluster, Some(writer));
    core.handle(Instant::from_millis(6), Event::Tick);
    let why = core.writer().unwrap().take_failure().unwrap();
    assert_eq!(why.raw_os_error(), Some(28), "{why}");
    core.stop_recording();
    core.handle(Instant::from_millis(7), Event::Tick);
    drop(dir);
}
