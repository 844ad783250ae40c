//! What waits to go out on one line, and in which order.
//!
//! Model: a frame is handed over whole when the line has finished the one before it, so that what is chosen next is chosen
//! late. Forwarded frames go first, for the nodes' life hangs on them; behind three of them in a row a word of the witness goes,
//! so that a node that babbles can't take its peer's vote. Of the witness's words only the newest is kept, of answers to
//! an admin one. What is older than [`STALE`] is dropped: the next frame says the same, and later news are no news.

use heapless::{Deque, Vec};
use ovzha_core::frame::FRAME_MAX;
use ovzha_core::serial::{SerialBuf, encode};
use ovzha_core::time::{Instant, Span};

/// Frames that wait to be forwarded; the oldest goes when another one comes.
pub const WAITING_MAX: usize = 4;
/// How long a frame may wait.
pub const STALE: Span = Span::from_millis(600);
/// Forwarded frames before a word gets its turn.
const IN_A_ROW: u8 = 3;
/// The next frame is handed over so long before the line falls idle.
const AHEAD: Span = Span::from_millis(3);
/// Bits of a byte on the line, start and stop among them, times the milliseconds of a second.
const BITS: u64 = 10_000;

type Frame = Vec<u8, FRAME_MAX>;

/// What happened to frames since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Frames of the other node that went out.
    pub forwarded: u32,
    /// Words of the witness that went out.
    pub words: u32,
    /// Frames that waited too long, or had no room.
    pub dropped: u32,
    /// All bytes that went out.
    pub bytes: u32,
}

/// One line's outgoing side.
#[derive(Clone, Debug)]
pub struct Outbox {
    baud: u64,
    waiting: Deque<(Instant, Frame), WAITING_MAX>,
    word: Option<(Instant, Frame)>,
    answer: Option<Frame>,
    in_a_row: u8,
    /// Until when the line is busy with what was handed over.
    busy: Instant,
    counts: Counts,
}

impl Outbox {
    /// Nothing waits, and the line has no speed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            baud: 0,
            waiting: Deque::new(),
            word: None,
            answer: None,
            in_a_row: 0,
            busy: Instant::from_millis(0),
            counts: Counts {
                forwarded: 0,
                words: 0,
                dropped: 0,
                bytes: 0,
            },
        }
    }

    /// The line has this speed.
    pub fn set_baud(&mut self, baud: u32) {
        self.baud = u64::from(baud);
    }

    /// A frame of the other node.
    pub fn forward(&mut self, now: Instant, frame: &[u8]) {
        let Ok(frame) = Frame::from_slice(frame) else { return };
        if self.waiting.is_full() {
            drop(self.waiting.pop_front());
            self.drop_one();
        }
        if self.waiting.push_back((now, frame)).is_err() {
            self.drop_one();
        }
    }

    /// A word of the witness: it replaces the one before.
    pub fn say(&mut self, now: Instant, frame: &[u8]) {
        let Ok(frame) = Frame::from_slice(frame) else { return };
        if self.word.replace((now, frame)).is_some() {
            self.drop_one();
        }
    }

    /// An answer to an admin.
    pub fn answer(&mut self, frame: &[u8]) {
        self.answer = Frame::from_slice(frame).ok();
    }

    /// The next frame as it goes on the line, if the line has room for one.
    pub fn next<'b>(&mut self, now: Instant, out: &'b mut SerialBuf) -> Option<&'b [u8]> {
        if self.busy > now.after(AHEAD) {
            return None;
        }
        self.drop_stale(now);
        let frame = self.choose()?;
        let encoded = encode(&frame, out)?;
        let bytes = u64::try_from(encoded.len()).ok()?;
        let takes = bytes.saturating_mul(BITS).div_ceil(self.baud.max(1));
        self.busy = self.busy.max(now).after(Span::from_millis(takes));
        self.counts.bytes = self.counts.bytes.wrapping_add(u32::try_from(bytes).ok()?);
        Some(encoded)
    }

    /// When to ask again: the line falls idle, and something waits.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let waits = !self.waiting.is_empty() || self.word.is_some() || self.answer.is_some();
        waits.then(|| self.busy.before(AHEAD))
    }

    /// All that waited has gone out by now.
    #[must_use]
    pub fn is_idle(&self, now: Instant) -> bool {
        self.due().is_none() && now >= self.busy
    }

    /// What happened to frames since the start.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn drop_one(&mut self) {
        self.counts.dropped = self.counts.dropped.saturating_add(1);
    }

    fn drop_stale(&mut self, now: Instant) {
        while self.waiting.front().is_some_and(|(at, _)| now.since(*at) > STALE) {
            drop(self.waiting.pop_front());
            self.drop_one();
        }
        if self.word.as_ref().is_some_and(|(at, _)| now.since(*at) > STALE) {
            self.word = None;
            self.drop_one();
        }
    }

    fn choose(&mut self) -> Option<Frame> {
        let others = self.word.is_some() || self.answer.is_some();
        let turn = self.in_a_row >= IN_A_ROW && others;
        if !turn && let Some((_, frame)) = self.waiting.pop_front() {
            self.in_a_row = self.in_a_row.saturating_add(1);
            self.counts.forwarded = self.counts.forwarded.saturating_add(1);
            return Some(frame);
        }
        self.in_a_row = 0;
        if let Some((_, frame)) = self.word.take() {
            self.counts.words = self.counts.words.saturating_add(1);
            return Some(frame);
        }
        self.answer.take()
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn outbox() -> Outbox {
        let mut outbox = Outbox::new();
        outbox.set_baud(19_200);
        outbox
    }

    /// The first byte of each frame that goes out at this moment or behind it, and when.
    fn drained(outbox: &mut Outbox, from: u64, to: u64) -> Vec<(u64, u8), 32> {
        let mut out = SerialBuf::new();
        let mut seen = Vec::new();
        for ms in from..to {
            // a COBS code, then the first byte
            if let Some(bytes) = outbox.next(at(ms), &mut out) {
                seen.push((ms, bytes[1])).unwrap();
            }
        }
        seen
    }

    #[test]
    fn forwarded_frames_go_first_and_a_word_behind_three() {
        let mut outbox = outbox();
        outbox.say(at(0), &[b'w'; 38]);
        for frame in 1..=4 {
            outbox.forward(at(0), &[frame; 38]);
        }
        // forty bytes take 20.9 ms
        let seen: Vec<u8, 32> = drained(&mut outbox, 0, 200).iter().map(|(_, byte)| *byte).collect();
        assert_eq!(seen.as_slice(), &[1, 2, 3, b'w', 4]);
    }

    #[test]
    fn a_frame_is_handed_over_when_the_line_is_nearly_free() {
        let mut outbox = outbox();
        outbox.forward(at(0), &[1; 94]);
        outbox.forward(at(0), &[2; 94]);
        // 96 bytes take exactly 50 ms
        assert_eq!(drained(&mut outbox, 0, 100).as_slice(), &[(0, 1), (47, 2)]);
        assert!(!outbox.is_idle(at(99)));
        assert!(outbox.is_idle(at(100)));
    }

    #[test]
    fn the_oldest_is_dropped_when_there_is_no_room_and_what_waited_too_long() {
        let mut outbox = outbox();
        for frame in 0..6 {
            outbox.forward(at(0), &[frame; 10]);
        }
        outbox.say(at(0), b"old");
        outbox.say(at(1), b"new");
        assert_eq!(outbox.counts().dropped, 3);
        assert!(drained(&mut outbox, 602, 700).is_empty(), "all of it is stale");
        assert_eq!(outbox.counts().dropped, 8);
    }

    #[test]
    fn only_the_newest_word_is_kept() {
        let mut outbox = outbox();
        outbox.say(at(0), b"old");
        outbox.say(at(1), b"new");
        outbox.answer(b"answer");
        let seen: Vec<u8, 32> = drained(&mut outbox, 1, 50).iter().map(|(_, byte)| *byte).collect();
        assert_eq!(seen.as_slice(), b"na");
    }
}
