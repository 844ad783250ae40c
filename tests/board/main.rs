//! The board's release image in its emulator, between two nodes that are real cores (`.ci/run board`).
//!
//! Model: three clocks in step. The emulated board runs so many milliseconds of its own time, what came out of its two UARTs is
//! handed to the nodes and theirs to it, a byte at a time at the line's speed; its relays take the nodes' power, its
//! inputs feel it. So every case has the same course on any machine, however slow.

mod bed;
mod cases;
mod command;
mod emulator;
mod node;
mod numbers;
mod store;
