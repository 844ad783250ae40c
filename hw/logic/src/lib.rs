//! What the witness board decides, apart from its pins: it runs on any machine, and is tested there.
//!
//! Model: [`board::Board`] is told bytes, levels and the time, and says which bytes go out, which relay is energised and
//! what is worth a log line. It owns core's `Witness`, and everything that stands between it and two cables: frames
//! forwarded from one node to the other ([`cable`], [`outbox`]), relays of which never two are energised ([`relay`]), inputs that
//! may lie ([`sense`]), what flash remembers ([`counter`], [`record`], [`marks`]), and what an admin says ([`service`]).
//!
//! ```text
//! node 0 -> UART -> frames -+-> outbox of node 1 -> UART -> node 1
//!                           +-> Witness -> outbox, relay -> power of a node
//!                           +-> service -> outbox of node 0
//! ```
#![no_std]
#![forbid(unsafe_code)]

pub mod board;
pub mod cable;
mod check;
pub mod counter;
#[cfg(feature = "net")]
pub mod dhcp;
pub mod flash;
pub mod lights;
pub mod marks;
#[cfg(feature = "net")]
pub mod net;
pub mod notice;
pub mod outbox;
pub mod provision;
pub mod record;
pub mod relay;
pub mod ring;
pub mod sense;
pub mod service;
pub mod trial;
