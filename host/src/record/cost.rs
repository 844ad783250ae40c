//! What the recorder costs on the heartbeat path: no allocation, and so much time.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant as Clock;

use ovzha_core::event::Event;
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::LinkId;
use ovzha_core::output::Output;
use ovzha_core::time::{Instant, Span};

use super::recorded::Recorded;
use super::{SEGMENT, keep};
use crate::sys::allocations;
use record_bed::{Dir, Pair, core, writer};

#[path = "../../tests/record_bed/mod.rs"]
mod record_bed;

/// The steady state of a node that hears its peer over three links: what it is told in one keepalive.
fn keepalives(core: &mut Recorded, frames: &[Vec<u8>], count: u64) {
    let mut buffer = FrameBuf::new();
    let mut now = Instant::from_millis(1_000_000);
    for _ in 0..count {
        now = now.after(Span::from_secs(2));
        core.handle(now, Event::Tick);
        while !matches!(core.poll(&mut buffer), Output::Wait { .. }) {}
        for (link, bytes) in (0..).map(LinkId).zip(frames) {
            core.handle(now, Event::Received { link, bytes });
            while !matches!(core.poll(&mut buffer), Output::Wait { .. }) {}
        }
    }
}

/// A heartbeat of the peer for each link.
fn frames() -> Vec<Vec<u8>> {
    let now = Instant::from_millis(1_000_000);
    let mut peer = Recorded::new(core(1, 1, now), None);
    let mut buffer = FrameBuf::new();
    let mut sent = Vec::new();
    for link in 0..3 {
        peer.handle(now, Event::Opened { link: LinkId(link) });
        let mut done = false;
        while !done {
            let output = peer.poll(&mut buffer);
            done = matches!(output, Output::Wait { .. });
            if let Output::Send { bytes, .. } = output {
                sent.push(bytes.to_vec());
            }
        }
    }
    assert_eq!(sent.len(), 3);
    sent
}

#[test]
fn an_event_allocates_nothing_and_costs_little() {
    let dir = Dir::new("cost");
    let now = Instant::from_millis(1_000_000);
    let frames = frames();
    let mut took = [0; 2];
    for (place, recorded) in [false, true].into_iter().enumerate() {
        let cluster = core(0, 1, now);
        let writer = recorded.then(|| writer(&dir.run(), &dir.state(), 1, &cluster, now));
        let mut core = Recorded::new(cluster, writer);
        for link in 0..3 {
            core.handle(now, Event::Opened { link: LinkId(link) });
        }
        keepalives(&mut core, &frames, 10);
        let (before, begun) = (allocations(), Clock::now());
        // long enough for several segments, whose checkpoints count, too
        keepalives(&mut core, &frames, 3000);
        took[place] = begun.elapsed().as_nanos() / (3000 * 4);
        assert_eq!(allocations() - before, 0, "recorded: {recorded}");
        assert!(core.writer().is_none_or(|writer| writer.take_failure().is_none()));
    }
    let record = super::reader::Record::open(&keep::path(&dir.run())).unwrap();
    assert!(record.segments().count() > 3, "several segments");
    let [without, with] = took;
    let mut text = String::new();
    writeln!(text, "\nrecorder: {without} ns an event without, {with} ns with").unwrap();
    std::io::stdout().write_all(text.as_bytes()).unwrap();
    // a loop that took a hundredth of the shortest keepalive for this would be another one
    assert!(with < 1_000_000, "{with} ns");
    assert!(
        std::hint::black_box(vec![0_u8; 8]).len() == 8 && allocations() > 0,
        "the counter counts"
    );
}

#[test]
fn four_mebibytes_hold_hours_of_quiet() {
    let dir = Dir::new("hold");
    let mut pair = Pair::new(&dir, 1);
    pair.pass(Span::from_secs(8 * 3600));
    let record = super::reader::Record::open(&keep::path(&dir.run())).unwrap();
    let full: Vec<_> = record.segments().collect();
    let (first, last) = (full.first().unwrap(), full.last().unwrap());
    let span = last.opening.now.since(first.opening.now).as_millis() / 1000;
    let bytes = (full.len() - 1) * SEGMENT;
    let checkpoint = full.iter().map(super::reader::Segment::checkpoint_len).max().unwrap();
    let hours = span * 4 * 1024 * 1024 / u64::try_from(bytes).unwrap() / 3600;
    let mut text = String::new();
    writeln!(
        text,
        "\nrecorder: {} bytes a second at 3 links, keepalive 2 s, one group; a checkpoint of {checkpoint} bytes; 4 MiB hold {hours} h",
        u64::try_from(bytes).unwrap() / span
    )
    .unwrap();
    std::io::stdout().write_all(text.as_bytes()).unwrap();
    assert!(hours >= 4, "{hours}");
}
