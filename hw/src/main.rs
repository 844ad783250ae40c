//! The witness board's firmware: one loop around the logic.
//!
//! Model: each pass moves every part once, in one order: lines in, inputs, logic, relays, lines out, lights, flash, log. The
//! chip's watchdog is petted at the end of a whole pass and nowhere else, so a part that stands still stops the petting. A reset
//! leaves every pin an input, and a relay whose pin is an input leaves its node powered.
#![no_std]
#![no_main]

mod board;
mod clock;
#[cfg(feature = "eth")]
mod eth;
mod log;
mod pin;
mod reset;
#[cfg(feature = "eth")]
mod spi;
mod store;
mod sys;
mod uart;
#[cfg(feature = "eth")]
mod w5500;
mod watchdog;

use core::mem::MaybeUninit;

use cortex_m_rt::entry;
use ovzha_board_logic::board::{Board, Duty, Lines, Start};
use ovzha_board_logic::cable::{self, Sender};
use ovzha_board_logic::{counter, marks, record};
use ovzha_core::id::NodeId;

#[cfg(feature = "eth")]
use eth::Net;
use store::Store;

/// One pass begins so long behind the one before it, in microseconds: ten bytes of a line.
const PASS_US: u64 = 5_000;
/// The button must be held so long.
const HELD: u8 = 30;
const HELD_STEP_US: u64 = 100_000;
const BOTH: [NodeId; 2] = [NodeId(0), NodeId(1)];

#[entry]
fn main() -> ! {
    static mut DUTY: MaybeUninit<Duty> = MaybeUninit::uninit();
    static mut LINES: Lines = Lines::new();
    static mut SENDERS: [Sender; 2] = [const { Sender::new() }; 2];
    static mut BOARD: MaybeUninit<Board<'static>> = MaybeUninit::uninit();
    clock::start();
    board::start();
    let cause = reset::cause();
    watchdog::start();
    sys::interrupts::enable();
    let mut store = Store(sys::flash::driver());
    if held() {
        log::wiped(record::wipe(&mut store).is_ok());
    }
    let starts = counter::count(&mut store).ok();
    let duty = duty(DUTY, &mut store, starts);
    log::started(starts, cause, duty.is_some());
    let board = assembled(
        BOARD,
        Start {
            starts,
            cause,
            duty,
            lines: LINES,
            baud: board::BAUD,
        },
    );
    #[cfg(feature = "eth")]
    let mut net = Net::start(&mut store);
    loop {
        let began = clock::micros();
        pass(
            board,
            SENDERS,
            &mut store,
            #[cfg(feature = "eth")]
            &mut net,
        );
        board.passed(u32::try_from(clock::micros().saturating_sub(began)).unwrap_or(u32::MAX));
        watchdog::feed();
        clock::sleep(began.saturating_add(PASS_US));
    }
}

/// Moves every part once.
fn pass(
    board: &mut Board<'static>,
    senders: &mut [Sender; 2],
    store: &mut Store,
    #[cfg(feature = "eth")] net: &mut Net,
) {
    let now = clock::now();
    for (node, mut line) in BOTH.into_iter().zip(&board::LINES) {
        cable::hear(&mut line, board, now, node);
    }
    #[cfg(feature = "eth")]
    net.hear(board, now);
    for (node, input) in BOTH.into_iter().zip(&board::SENSES) {
        board.sense(now, node, input.is_high());
    }
    board.settle(now);
    for (relay, cut) in board::RELAYS.iter().zip(board.energised()) {
        relay.set(cut);
    }
    for ((node, mut line), sender) in BOTH.into_iter().zip(&board::LINES).zip(senders) {
        sender.speak(&mut line, board, now, node);
    }
    #[cfg(feature = "eth")]
    net.speak(board);
    for (light, lit) in board::LIGHTS.iter().zip(board.lights(now)) {
        light.set(lit);
    }
    if let Some(provision) = board.record() {
        let good = record::store(store, provision).is_ok();
        board.stored(now, good);
    }
    keep_marks(board, store, now);
    while let Some(notice) = board.notice_next() {
        log::told(notice);
    }
    if board.leaves(now) {
        reset::provisioned();
    }
}

/// Functions of their own, so that what each needs of the stack is free again in the other, and in the loop.
#[inline(never)]
fn duty<'d>(place: &'d mut MaybeUninit<Duty>, store: &mut Store, starts: Option<u32>) -> Option<&'d mut Duty> {
    let (starts, provision) = (starts?, record::load(store).ok().flatten()?);
    // marks that can't be read might be any
    let kept = marks::load(store, provision.witness().cluster).ok()?;
    let duty = Duty::begin(place, provision, starts, clock::now())?;
    duty.remember(&kept);
    Some(duty)
}

#[inline(never)]
fn keep_marks(board: &mut Board<'static>, store: &mut Store, now: ovzha_core::time::Instant) {
    if let Some((cluster, old)) = board.marks() {
        let good = marks::store(store, cluster, &old).is_ok();
        board.marks_kept(now, good);
    }
}

#[inline(never)]
fn assembled<'d>(place: &'d mut MaybeUninit<Board<'d>>, start: Start<'d>) -> &'d mut Board<'d> {
    place.write(Board::new(start))
}

/// Whether the button is held from the start on for as long as it takes.
fn held() -> bool {
    for _ in 0..HELD {
        if board::BUTTON.is_high() {
            return false;
        }
        watchdog::feed();
        clock::sleep(clock::micros().saturating_add(HELD_STEP_US));
    }
    true
}
