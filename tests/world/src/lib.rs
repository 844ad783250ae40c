//! The World: two machines with everything around them, modelled; what runs on them is the real core.
//!
//! ```text
//! a driver chooses           the World                                              judged from outside
//!
//! script  scenarios/*.txt -+                +-> drain, news  the real Cluster
//! seed    faults (a plan) -+  act::Act      +-> node, life   clock, disk, daemon    check   S1..S8, L1..L4
//! fuzz                    -+-> World::step -+-> machine      scripts                excuse  what a row admits
//! exhaustive check        -+   (one door)   +-> wire, lab    links, frames          trace   lines, one hash
//! ovzha simulate          -+                +-> mirror, fencing, writes  DRBD, and what users wrote
//!                                           +-> witness, relay  the real Witness, its hand on the nodes' power
//! ```
//!
//! One choice at a time changes the World, the same way for the same seed; between two choices nothing happens.

pub mod act;
pub mod check;
pub mod cuts;
mod drain;
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
pub mod relay;
pub mod rng;
pub mod script;
pub mod seed;
pub mod setup;
pub mod shrink;
pub mod stonith;
pub mod strike;
mod struck;
pub mod trace;
mod watchdog;
pub mod wire;
pub mod witness;
pub mod world;
pub mod writes;
