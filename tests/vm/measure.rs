//! How long from a power cut of the active until the container runs on the other node, split by step.
//!
//! The steps are read off the survivor's log, whose clock is compared with this machine's. `OVZHA_MEASURE` is how often
//! (10); the medians are printed.
use crate::bed::{Files, Pair};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment of this machine's clock, since 1970.
type Moment = Duration;

fn now() -> Moment {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// How much a guest's clock is ahead of this one's, in milliseconds: the answer to a question lies between the two.
fn ahead(pair: &Pair, number: u8) -> i128 {
    let ask = |_| {
        let before = now();
        // busybox's `date` knows no fractions
        let said = pair.node(number).must("adjtimex");
        let round = now().checked_sub(before).unwrap();
        let value = |name: &str| {
            let line = said.lines().find(|line| line.contains(name)).unwrap();
            line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        };
        let guest = Duration::from_secs(value("tv_sec")) + Duration::from_micros(value("tv_usec"));
        let between = before + round / 2;
        (round, signed(guest) - signed(between))
    };
    (0..5).map(ask).min().unwrap().1
}

fn signed(moment: Moment) -> i128 {
    i128::try_from(moment.as_millis()).unwrap()
}

/// When the last line with this was logged, by the guest's clock, in milliseconds of its day.
fn logged(log: &str, text: &str) -> i128 {
    let line = log.lines().rfind(|line| line.contains(text));
    let line = line.unwrap_or_else(|| panic!("no line with {text:?} in\n{log}"));
    let time = line.split('T').nth(1).unwrap();
    let part = |from: usize, to: usize| time[from..to].parse::<i128>().unwrap();
    ((part(0, 2) * 60 + part(3, 5)) * 60 + part(6, 8)) * 1000 + part(9, 12)
}

const DAY: i128 = 24 * 60 * 60 * 1000;
const STEPS: [&str; 6] = ["detect", "promote", "mount", "start", "first record", "whole"];

/// Cuts the active's power; the milliseconds of each step.
fn takeover(pair: &Pair, active: u8) -> [i128; 6] {
    let other = 3 - active;
    let ahead = ahead(pair, other);
    let before = pair.node(other).acknowledged().len();
    let (cut, instant) = (now(), Instant::now());
    pair.node(active).power_cut();
    pair.wait("the container writes on the other node", |pair| {
        pair.node(other).acknowledged().len() > before
    });
    let first = pair.node(other).acks_from(before)[0].at.duration_since(instant);
    pair.wait("the survivor is active", |pair| pair.is_active(other));
    let log = pair.node(other).must("tail -n 60 /var/log/ha-log");
    let since_cut = |text: &str| (logged(&log, text) - ahead - signed(cut)).rem_euclid(DAY);
    let detected = since_cut(" is dead: ");
    let promoted = since_cut("start drbddisk::r0: done");
    let mounted = since_cut("start Filesystem::/dev/drbd0::/vz::ext4: done");
    let started = since_cut("start vz: done");
    let first = signed(first);
    [
        detected,
        promoted - detected,
        mounted - promoted,
        started - mounted,
        first - started,
        first,
    ]
}

#[test]
fn from_power_cut_to_container_running() {
    let times = std::env::var("OVZHA_MEASURE").map_or(10, |times| times.parse().expect("OVZHA_MEASURE: a number"));
    let pair = Pair::up(&Files::usual());
    let mut rows = Vec::new();
    for turn in 0..times {
        let active = 1 + u8::from(turn % 2 == 1);
        pair.wait("the pair is whole", |pair| Pair::whole(&pair.look()) == Some(active));
        rows.push(takeover(&pair, active));
        pair.check_nothing_lost(3 - active);
        pair.node(active).start();
        pair.node(active).wait_boot(1);
    }
    pair.finish();
    let mut text = format!("power cut to container running, milliseconds, {times} times, deadtime 6000\n");
    for (place, step) in STEPS.iter().enumerate() {
        let mut values: Vec<i128> = rows.iter().map(|row| row[place]).collect();
        values.sort_unstable();
        let (least, median, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
        writeln!(text, "{step:<13} median {median:>6}  least {least:>6}  most {most:>6}").unwrap();
        assert!(least > -200, "the clocks do not fit: {text}");
    }
    std::io::stdout().lock().write_all(text.as_bytes()).unwrap();
}
