//! The World simulator and what drives it.
//!
//! ```text
//! script (scenarios/*.txt) --+
//!                            +--> world (time, drain) --> node, machine, mirror, wire
//! faults (a seed)          --+            |
//!                                         +--> check (what must always hold), trace (lines, hash)
//! ```

pub mod check;
mod excuse;
pub mod faults;
mod fencing;
pub mod lab;
pub mod life;
pub mod machine;
pub mod mirror;
mod news;
pub mod node;
pub mod record;
pub mod rng;
pub mod script;
pub mod seed;
pub mod setup;
pub mod trace;
mod watchdog;
pub mod wire;
pub mod world;
