//! The heartbeat protocol and the failover decisions of ovzha.
//!
//! The core is sans-IO: it is told what happened and when ([`event::Event`]), and says what is to be done
//! ([`output::Output`]). It knows no socket, path, process or clock, allocates nothing and has no panic path,
//! so that the daemon, the board and the simulator run the same code.
//!
//! ```text
//! bytes -> frame -> message -> Event -> Cluster (links, member, pings, groups -> View -> decide) -> Output
//!   ^                                                                                                  |
//!   +------- Event::Done / Drbd / PingReply / Stored <------- the host: child, socket, disk <----------+
//! ```
//!
//! **The drain contract.** After every [`cluster::Cluster::handle`], call [`cluster::Cluster::poll`] until it
//! returns [`output::Output::Wait`]; only then wait, at most until the time it names. Outputs are computed from
//! state, not queued: losing a heartbeat, a notice or a reply leaves the next poll able to make progress.
#![no_std]
#![forbid(unsafe_code)]

pub mod ask;
pub mod auth;
pub mod bug;
pub mod cluster;
pub mod config;
pub mod data;
pub mod decide;
mod disk;
mod durable;
pub mod event;
pub mod facts;
mod fence;
mod fence_peer;
pub mod frame;
mod gather;
pub mod group;
pub mod half;
mod hmac;
mod hold;
pub mod id;
mod isolation;
mod keep;
pub mod link;
pub mod lives;
pub mod member;
pub mod message;
pub mod notice;
pub mod output;
mod pet;
pub mod pings;
mod pledge;
mod poll;
mod power;
mod queue;
mod receive;
pub mod rejection;
mod rights;
mod said;
pub mod serial;
mod settle;
mod silence;
mod skew;
pub mod snapshot;
mod speak;
pub mod states;
pub mod stonith;
pub mod term;
mod third;
pub mod time;
mod view;
pub mod vote;
pub mod watchdog;
mod why;
pub mod witness;
mod word;
