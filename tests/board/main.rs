//! The board's release image in its emulator, between two nodes that are real cores (`.ci/run board`).
//!
//! Model: three clocks in step. The emulated board runs so many milliseconds of its own time, what came out of its two UARTs is
//! handed to the nodes and theirs to it, a byte at a time at the line's speed; its relays take the nodes' power, its
//! inputs feel it. So every case has the same course on any machine, however slow.

#[cfg(test)]
mod bed;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod command;
#[cfg(test)]
#[path = "../emulated.rs"]
mod emulated;
#[cfg(test)]
mod emulator;
#[cfg(test)]
mod ethernet;
#[cfg(test)]
mod lan;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod node;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod store;
#[cfg(test)]
#[path = "../voters.rs"]
mod voters;
