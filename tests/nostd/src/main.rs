//! Links ovzha-core into a program without std and without an allocator, so that its symbols can be read.
//!
//! It is never run. Every argument passes through `black_box`, so the optimiser knows neither lengths nor values
//! and no check inside the core disappears because of what this caller happens to pass. No `unsafe` block; the only
//! thing that is not ordinary Rust is the unmangled `_start`, which the linker needs.
#![cfg_attr(not(feature = "fault-std"), no_std)]
#![no_main]

mod cluster;

use core::hint::black_box;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::{self, FrameBuf, Header, VERSION};
use ovzha_core::id::{BootId, ClusterId, KeyId, LinkId, NodeId, Sequence};
use ovzha_core::rejection::Rejections;
use ovzha_core::serial::{self, Deframer, Feed, SerialBuf};

#[cfg(not(feature = "fault-std"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        black_box(());
    }
}

static INPUT: [u8; 512] = [0; 512];

/// Bytes of which the optimiser knows nothing, not even how many.
fn input() -> &'static [u8] {
    black_box(&INPUT)
}

fn byte() -> u8 {
    black_box(0)
}

/// The linker's entry point.
// SAFETY: no other symbol of this program has this name, and nothing runs the program.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    auth_frame_rejection();
    serial();
    cluster::all();
    fault();
    loop {
        black_box(());
    }
}

fn auth_frame_rejection() {
    let mut keyring = Keyring::new(black_box(Domain::Node));
    black_box(keyring.add(KeyId(byte()), black_box(Method::Sha256), input()).is_ok());
    black_box(keyring.sign_with(KeyId(byte())).is_ok());
    black_box(keyring.secret());
    let header = Header {
        version: VERSION,
        cluster: ClusterId(black_box([0; 2])),
        sender: NodeId(byte()),
        addressee: NodeId(byte()),
        link: LinkId(byte()),
        boot: BootId(black_box([0; 4])),
        sequence: Sequence(black_box(0)).next(),
    };
    let mut buf = FrameBuf::new();
    black_box(frame::seal(&header, input(), &keyring, &mut buf));
    black_box(frame::peek(input()).is_ok());
    let mut rejections = Rejections::new();
    match frame::open(input(), header.cluster, &keyring) {
        Ok(opened) => {
            black_box(opened);
        }
        Err(reason) => rejections.count(reason),
    }
    black_box(rejections.total());
    for pair in rejections.iter() {
        black_box(pair);
    }
}

fn serial() {
    let mut buf = SerialBuf::new();
    black_box(serial::encode(input(), &mut buf));
    let mut deframer = Deframer::new();
    let mut rest = input();
    loop {
        match deframer.feed(rest) {
            Feed::Consumed => break,
            Feed::Frame { frame, rest: after } => {
                black_box(frame);
                rest = after;
            }
            Feed::Rejected { reason, rest: after } => {
                black_box(reason);
                rest = after;
            }
        }
    }
    deframer.reset();
    let read = serial::pump(&mut input(), &mut deframer, |result| {
        black_box(result.is_ok());
    });
    black_box(read.is_ok());
}

#[cfg(not(any(feature = "fault-panic", feature = "fault-std")))]
fn fault() {}

#[cfg(feature = "fault-panic")]
fn fault() {
    black_box(input()[usize::from(byte())]);
}

#[cfg(feature = "fault-std")]
fn fault() {
    black_box(vec![std::time::Instant::now(); usize::from(byte())]);
}
