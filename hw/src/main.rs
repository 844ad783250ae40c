//! The witness board's firmware: one loop around the logic.
//!
//! Model: each pass moves every part once, in one order: lines in, inputs, logic, relays, lines out, lights, flash, log. The
//! chip's watchdog is petted at the end of a whole pass and nowhere else, so a part that stands still stops the petting. A reset
//! leaves every pin an input, and a relay whose pin is an input leaves its node powered.
#![no_std]
#![no_main]

mod board;
#[cfg(feature = "eth")]
mod eth;
mod line;
mod log;
mod reset;
mod store;

use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_rp::gpio::{Input, Level};
use embassy_rp::watchdog::Watchdog;
use embassy_time::{Duration, Instant, Timer};
use ovzha_board_logic::board::{Board, Duty, Start};
use ovzha_board_logic::{counter, marks, record};
use ovzha_core::id::NodeId;
use static_cell::StaticCell;

use board::Parts;
use store::Store;

/// One pass begins so long behind the one before it: ten bytes of a line.
const PASS: Duration = Duration::from_millis(5);
/// A pass that takes so long was none. Writing a record stops the loop for the erase of a sector, 0.4 s at most.
const WATCHDOG: Duration = Duration::from_millis(1_000);
/// The button must be held so long.
const HELD: u8 = 30;
const HELD_STEP: Duration = Duration::from_millis(100);

static DUTY: StaticCell<Duty> = StaticCell::new();
static BOARD: StaticCell<Board<'static>> = StaticCell::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    // with the cables alone there is one task
    #[cfg(not(feature = "eth"))]
    let _ = spawner;
    let mut parts = Parts::new(embassy_rp::init(embassy_rp::config::Config::default()));
    let cause = reset::cause();
    parts.watchdog.start(WATCHDOG);
    let mut store = Store(parts.flash);
    if held(&parts.button, &mut parts.watchdog).await {
        log::wiped(record::wipe(&mut store).is_ok());
    }
    let starts = counter::count(&mut store).ok();
    let duty = duty(&mut store, starts);
    log::started(starts, cause, duty.is_some());
    let baud = board::BAUD;
    let Some(board) = assembled(Start {
        starts,
        cause,
        duty,
        baud,
    }) else {
        // a second call, which there is not: the watchdog ends it
        return;
    };
    #[cfg(feature = "eth")]
    let mut net = eth::start(spawner, parts.ethernet, &mut store.0).await;
    #[cfg(feature = "eth")]
    parts.watchdog.feed(WATCHDOG);

    let [line_0, line_1] = parts.lines;
    let ((out_0, in_0), (out_1, in_1)) = (line_0.split(), line_1.split());
    let mut ins = [in_0, in_1];
    let mut outs = [out_0, out_1];
    loop {
        let (began, now) = (Instant::now(), now());
        for (node, line) in BOTH.into_iter().zip(&mut ins) {
            line::hear(line, board, now, node);
        }
        #[cfg(feature = "eth")]
        net.hear(board, now);
        for (node, input) in BOTH.into_iter().zip(&parts.senses) {
            board.sense(now, node, input.is_high());
        }
        board.settle(now);
        for (relay, cut) in parts.relays.iter_mut().zip(board.energised()) {
            relay.set_level(Level::from(cut));
        }
        for (node, line) in BOTH.into_iter().zip(&mut outs) {
            line::speak(line, board, now, node);
        }
        #[cfg(feature = "eth")]
        net.speak(board);
        for (light, lit) in parts.lights.iter_mut().zip(board.lights(now)) {
            light.set_level(Level::from(lit));
        }
        if let Some(provision) = board.record() {
            let good = record::store(&mut store, provision).is_ok();
            board.stored(now, good);
        }
        if let Some((cluster, old)) = board.marks() {
            let good = marks::store(&mut store, cluster, &old).is_ok();
            board.marks_kept(now, good);
        }
        while let Some(notice) = board.notice_next() {
            log::told(notice);
        }
        if board.leaves(now) {
            reset::provisioned(&mut parts.watchdog);
        }
        board.passed(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        parts.watchdog.feed(WATCHDOG);
        Timer::at(later(began, PASS)).await;
    }
}

/// Functions of their own, so that what each needs of the stack is free again in the other, and in the loop.
#[inline(never)]
fn duty(store: &mut Store, starts: Option<u32>) -> Option<&'static mut Duty> {
    let (starts, provision) = (starts?, record::load(store).ok().flatten()?);
    // marks that can't be read might be any
    let old = marks::load(store, provision.witness().cluster).ok()?;
    DUTY.try_uninit()
        .and_then(|place| Some(place.write(Duty::new(provision, &old, starts, now())?)))
}

#[inline(never)]
fn assembled(start: Start<'static>) -> Option<&'static mut Board<'static>> {
    BOARD.try_init_with(|| Board::new(start))
}

const BOTH: [NodeId; 2] = [NodeId(0), NodeId(1)];

/// The chip's clock as core knows it.
fn now() -> ovzha_core::time::Instant {
    ovzha_core::time::Instant::from_millis(Instant::now().as_millis())
}

/// As `+`, which has a panic for the end of time.
fn later(from: Instant, by: Duration) -> Instant {
    Instant::from_ticks(from.as_ticks().saturating_add(by.as_ticks()))
}

/// Whether the button is held from the start on for as long as it takes.
async fn held(button: &Input<'static>, watchdog: &mut Watchdog) -> bool {
    for _ in 0..HELD {
        if button.is_high() {
            return false;
        }
        watchdog.feed(WATCHDOG);
        Timer::at(later(Instant::now(), HELD_STEP)).await;
    }
    true
}
