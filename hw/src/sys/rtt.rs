//! Where a debug probe finds the log: a ring of bytes behind a header that it knows (SEGGER's RTT).
//!
//! The loop alone logs, never an interrupt. It never waits for a reader: what nobody reads is written over.
#![expect(
    unsafe_code,
    reason = "the header is found by its name, and defmt's trait is an unsafe one"
)]

use core::cell::RefCell;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use cortex_m::interrupt::{Mutex, free};
use defmt::Encoder;

/// Bytes of the log that wait to be read: thirty lines of it.
const SIZE: u32 = 512;
const ROOM: usize = 512;

/// As a probe reads it. A reference is a pointer that may be shared.
#[repr(C)]
struct Header {
    id: [u8; 16],
    ups: u32,
    downs: u32,
    name: &'static [u8; 6],
    buffer: &'static [AtomicU8; ROOM],
    size: u32,
    /// The next byte to be written.
    write: AtomicU32,
    /// The next byte to be read: the probe's.
    read: AtomicU32,
    flags: AtomicU32,
}

static BUFFER: [AtomicU8; ROOM] = [const { AtomicU8::new(0) }; ROOM];
static ENCODER: Mutex<RefCell<Encoder>> = Mutex::new(RefCell::new(Encoder::new()));

// SAFETY: no library that is linked has a symbol of this name, which only tools look for.
#[unsafe(no_mangle)]
static _SEGGER_RTT: Header = Header {
    id: *b"SEGGER RTT\0\0\0\0\0\0",
    ups: 1,
    downs: 0,
    name: b"defmt\0",
    buffer: &BUFFER,
    size: SIZE,
    write: AtomicU32::new(0),
    read: AtomicU32::new(0),
    flags: AtomicU32::new(0),
};

#[defmt::global_logger]
struct Logger;

// SAFETY: defmt wants frames that are not mixed. Only the loop logs, one frame after the other, and the encoder is behind a lock.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        encode(|encoder| encoder.start_frame(put));
    }

    unsafe fn flush() {}

    unsafe fn release() {
        encode(|encoder| encoder.end_frame(put));
    }

    unsafe fn write(bytes: &[u8]) {
        encode(|encoder| encoder.write(bytes, put));
    }
}

fn encode(step: impl FnOnce(&mut Encoder)) {
    free(|section| {
        // taken already: that would be a line within a line, which there is not; it is lost
        if let Ok(mut encoder) = ENCODER.borrow(section).try_borrow_mut() {
            step(&mut encoder);
        }
    });
}

fn put(bytes: &[u8]) {
    for byte in bytes {
        let at = _SEGGER_RTT.write.load(Ordering::Relaxed);
        let cell = usize::try_from(at).ok().and_then(|at| BUFFER.get(at));
        if let Some(cell) = cell {
            cell.store(*byte, Ordering::Relaxed);
        }
        let next = at.saturating_add(1);
        let next = if next < SIZE { next } else { 0 };
        _SEGGER_RTT.write.store(next, Ordering::Release);
    }
}
