//! Serial links over real ptys: backlog, partial writes, hang-up, reopening.

use ovzha_core::rejection::Rejection;
use ovzha_core::serial::{Deframer, pump};
use ovzha_core::time::{Instant, Span};
use ovzha_host::tty::{OpenErrorKind, QueueResult, RETRY_MAX, TtyConfig, TtyError, TtyLink};
use serialport::{SerialPort, TTYPort};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

const KEEPALIVE: Span = Span::from_secs(1);

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn config(device: &str) -> TtyConfig {
    TtyConfig {
        device: device.into(),
        baud: 19_200,
        flow_control: false,
        keepalive: KEEPALIVE,
    }
}

/// An open link and the far end of its line.
#[expect(clippy::unwrap_used, reason = "a test without a pty can only fail")]
fn line() -> (TtyLink, TTYPort) {
    let (far, near) = TTYPort::pair().unwrap();
    let mut link = TtyLink::new(config(&near.name().unwrap()));
    link.reopen(at(0)).unwrap().unwrap();
    (link, far)
}

/// All the frames, and the number of rejected stretches, that the far end can read.
fn frames(far: &mut TTYPort) -> (Vec<Vec<u8>>, usize) {
    let (mut deframer, mut whole, mut rejected) = (Deframer::new(), Vec::new(), 0);
    let mut buffer = [0; 512];
    while let Ok(count) = far.read(&mut buffer) {
        for byte in &buffer[..count] {
            match deframer.push(*byte) {
                Some(Ok(frame)) => whole.push(frame.to_vec()),
                Some(Err(_)) => rejected += 1,
                None => {}
            }
        }
    }
    (whole, rejected)
}

/// A frame of 200 bytes that says which it is.
fn frame(number: u8) -> [u8; 200] {
    [number; 200]
}

/// Queues frames 1, 2, ... at one moment until the line takes no more; the number of the last one.
fn fill(link: &mut TtyLink, now: Instant) -> u8 {
    for number in 1..=250 {
        assert_eq!(link.queue(&frame(number), now), QueueResult::Queued);
        if link.wants_write() {
            return number;
        }
    }
    0
}

#[test]
fn frames_arrive_whole_and_bytes_come_back() {
    let (mut link, mut far) = line();
    assert_eq!(link.queue(b"one\0zero", at(0)), QueueResult::Queued);
    assert_eq!(link.queue(b"two", at(1)), QueueResult::Queued);
    assert_eq!(link.queue(&[1; 300], at(2)), QueueResult::TooLong);
    assert_eq!(frames(&mut far), (vec![b"one\0zero".to_vec(), b"two".to_vec()], 0));

    let mut deframer = Deframer::new();
    let mut heard: Vec<Result<Vec<u8>, Rejection>> = Vec::new();
    assert_eq!(
        pump(&mut link, &mut deframer, |_| {}),
        Err(TtyError::NotNow),
        "nothing there: no waiting"
    );
    far.write_all(b"\x04abc\0").unwrap();
    sleep(Duration::from_millis(50));
    pump(&mut link, &mut deframer, |found| heard.push(found.map(<[u8]>::to_vec))).unwrap();
    assert_eq!(heard, [Ok(b"abc".to_vec())]);
    let counted = link.counters();
    assert_eq!(
        (counted.bytes_in, counted.bytes_out, counted.frames),
        (5, 1 + 10 + 5, 2)
    );
}

#[test]
fn a_line_is_raw_in_both_directions() {
    let (mut link, mut far) = line();
    let every: Vec<u8> = (0..=255).collect();
    assert_eq!(embedded_io::Write::write(&mut link, &every), Ok(256));
    far.write_all(&every).unwrap();
    let mut read = [0; 256];
    far.read_exact(&mut read).unwrap();
    assert_eq!(read, every[..]);
    sleep(Duration::from_millis(50));
    assert_eq!(link.read(&mut read), Ok(256));
    assert_eq!(read, every[..]);
    assert_eq!(link.read(&mut read), Err(TtyError::NotNow), "nothing was echoed");
}

#[test]
fn a_partial_write_is_finished_before_the_next_frame() {
    let (mut link, mut far) = line();
    let last = fill(&mut link, at(0));
    assert!(last > 10, "a pty holds some kilobytes");
    assert_eq!(link.queue(&frame(251), at(0)), QueueResult::Queued);
    assert_eq!(link.flush_pending(), Err(TtyError::NotNow), "full: no waiting");
    let (mut whole, mut rejected) = (Vec::new(), 0);
    let mut deframer = Deframer::new();
    let mut buffer = [0; 512];
    for _ in 0..200 {
        let flushed = link.flush_pending();
        assert!(flushed != Err(TtyError::Closed));
        let Ok(count) = far.read(&mut buffer) else { break };
        for byte in &buffer[..count] {
            match deframer.push(*byte) {
                Some(Ok(frame)) => whole.push(frame[0]),
                Some(Err(_)) => rejected += 1,
                None => {}
            }
        }
    }
    let expected: Vec<u8> = (1..=last).chain([251]).collect();
    assert_eq!((whole, rejected, link.counters().flushed), (expected, 0, 0));
}

#[test]
fn a_backlog_older_than_a_keepalive_is_dropped_for_newer_output() {
    let (mut link, mut far) = line();
    let last = fill(&mut link, at(0));
    assert_eq!(
        link.queue(&frame(251), at(999)),
        QueueResult::Queued,
        "not yet a keepalive old"
    );
    assert_eq!(link.queue(&frame(252), at(1000)), QueueResult::Flushed);
    assert!(link.counters().flushed >= 2, "{:?}", link.counters());
    assert!(!link.wants_write(), "the flush made room for the newest");

    let (whole, rejected) = frames(&mut far);
    let numbers: Vec<u8> = whole.iter().map(|frame| frame[0]).collect();
    assert!(
        whole.iter().all(|got| *got == frame(got[0])),
        "no frame is mixed of two"
    );
    assert!(
        numbers.is_sorted() && numbers.len() < usize::from(last),
        "{numbers:?} of {last}"
    );
    assert_eq!(numbers.last(), Some(&252), "the newest arrives");
    assert!(
        !numbers.contains(&251) && rejected <= 1,
        "at most the cut frame is lost: {rejected}"
    );
}

#[test]
fn a_stopped_line_keeps_a_bounded_queue() {
    let (mut link, _far) = line();
    fill(&mut link, at(0));
    let mut flushed = 0;
    for _ in 0..10_000 {
        if link.queue(&frame(7), at(1)) == QueueResult::Flushed {
            flushed += 1;
        }
    }
    assert!(flushed > 0, "even within one keepalive there is a bound");
}

#[test]
fn a_hang_up_closes_and_the_device_is_opened_again() {
    let dir = PathBuf::from(format!("/tmp/ovzha-tty-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let device = dir.join("ttyS0");
    let path = device.to_str().unwrap().to_string();
    let mut link = TtyLink::new(config(&path));

    let error = link.reopen(at(0)).unwrap().unwrap_err();
    assert_eq!(error.kind, OpenErrorKind::NotYet, "{error}");
    assert_eq!(link.queue(b"early", at(0)), QueueResult::Closed);
    assert!(link.reopen(at(499)).is_none());

    let (mut far, near) = TTYPort::pair().unwrap();
    std::os::unix::fs::symlink(near.name().unwrap(), &device).unwrap();
    link.reopen(at(500)).unwrap().unwrap();
    drop(near);
    far.write_all(b"x").unwrap();
    sleep(Duration::from_millis(50));
    assert_eq!(link.read(&mut [0; 8]), Ok(1));

    // the other side closes: found by reading
    drop(far);
    assert_eq!(link.read(&mut [0; 8]), Err(TtyError::Closed));
    assert!(link.fd().is_none() && !link.wants_write());
    // the wait grows to its bound while the device is away (its name may by now be another test's line)
    std::fs::remove_file(&device).unwrap();
    let mut now = 60_000;
    let mut waits = Vec::new();
    for _ in 0..6 {
        let error = link.reopen(at(now)).unwrap().unwrap_err();
        assert_eq!(error.kind, OpenErrorKind::NotYet, "{error}");
        waits.push(link.next_try().since(at(now)).as_millis());
        now = link.next_try().as_millis();
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, RETRY_MAX.as_millis()]);

    let (mut far, near) = TTYPort::pair().unwrap();
    std::os::unix::fs::symlink(near.name().unwrap(), &device).unwrap();
    link.reopen(at(now)).unwrap().unwrap();
    drop(near);
    assert_eq!(link.queue(b"again", at(now)), QueueResult::Queued);
    assert_eq!(frames(&mut far), (vec![b"again".to_vec()], 0));

    // and found by writing
    drop(far);
    assert_eq!(link.queue(b"lost", at(now)), QueueResult::Closed);
    assert_eq!((link.counters().opened, link.counters().hangups), (2, 2));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_line_held_by_another_and_what_is_no_line_are_told() {
    let (_far, near) = TTYPort::pair().unwrap();
    let name = near.name().unwrap();
    let mut first = TtyLink::new(config(&name));
    let mut second = TtyLink::new(config(&name));
    first.reopen(at(0)).unwrap().unwrap();
    let error = second.reopen(at(0)).unwrap().unwrap_err();
    assert_eq!(error.kind, OpenErrorKind::Busy, "{error}");
    first.close();
    second.reopen(at(1000)).unwrap().unwrap();

    let error = TtyLink::new(config("/dev/null")).reopen(at(0)).unwrap().unwrap_err();
    assert_eq!(error.kind, OpenErrorKind::Failed, "{error}");
}
