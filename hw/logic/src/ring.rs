//! A queue of bytes between an interrupt and the loop.
//!
//! Model: one side only puts, the other only takes, and each has a counter that it alone writes; so there is no lock, and nothing
//! to wait for. The counters run on for ever and go round together.

use core::sync::atomic::{AtomicU8, AtomicU16, Ordering};

/// Bytes that may wait.
pub const ROOM: u16 = 256;

/// The queue.
pub struct Ring {
    bytes: [AtomicU8; 256],
    /// How many ever came in.
    ins: AtomicU16,
    /// How many ever went out.
    outs: AtomicU16,
}

impl Ring {
    /// Nothing waits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [const { AtomicU8::new(0) }; 256],
            ins: AtomicU16::new(0),
            outs: AtomicU16::new(0),
        }
    }

    /// Puts a byte behind all others. False: there is no room, and it is lost.
    pub fn put(&self, byte: u8) -> bool {
        let number = self.ins.load(Ordering::Relaxed);
        if number.wrapping_sub(self.outs.load(Ordering::Acquire)) >= ROOM {
            return false;
        }
        self.place(number).store(byte, Ordering::Relaxed);
        self.ins.store(number.wrapping_add(1), Ordering::Release);
        true
    }

    /// The byte that waits longest; it stays.
    #[must_use]
    pub fn first(&self) -> Option<u8> {
        let number = self.outs.load(Ordering::Relaxed);
        let waits = self.ins.load(Ordering::Acquire) != number;
        waits.then(|| self.place(number).load(Ordering::Relaxed))
    }

    /// Takes the byte that waits longest.
    pub fn take(&self) -> Option<u8> {
        let byte = self.first()?;
        let number = self.outs.load(Ordering::Relaxed);
        self.outs.store(number.wrapping_add(1), Ordering::Release);
        Some(byte)
    }

    /// The place of a byte by its number: the low half of it, for there are as many places as a byte counts.
    fn place(&self, number: u16) -> &AtomicU8 {
        let [low, _] = number.to_le_bytes();
        let [first, ..] = &self.bytes;
        self.bytes.get(usize::from(low)).unwrap_or(first)
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;

    #[test]
    fn bytes_go_out_as_they_came_in_and_what_has_no_room_is_lost() {
        let ring = Ring::new();
        assert_eq!(ring.take(), None);
        for round in 0..700_u16 {
            // the counters go round in between
            let [first, second] = round.to_be_bytes();
            assert!((0..=u8::MAX).all(|byte| ring.put(byte ^ second ^ first)));
            assert!(!ring.put(1), "{ROOM} wait");
            assert_eq!(ring.first(), Some(second ^ first));
            assert!((0..=u8::MAX).all(|byte| ring.take() == Some(byte ^ second ^ first)));
            assert_eq!(ring.first(), None);
        }
    }

    #[test]
    fn one_may_put_while_the_other_takes() {
        let ring = Ring::new();
        let bytes = || (0..=u8::MAX).cycle().take(300_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for byte in bytes() {
                    while !ring.put(byte) {
                        std::thread::yield_now();
                    }
                }
            });
            for byte in bytes() {
                let taken = loop {
                    match ring.take() {
                        Some(taken) => break taken,
                        None => std::thread::yield_now(),
                    }
                };
                assert_eq!(taken, byte);
            }
        });
    }
}
