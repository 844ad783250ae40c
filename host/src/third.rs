//! `ovzha witness`: the third voter of many clusters on any third host.

pub mod file;
pub mod keys;
mod serve;

pub use serve::{Options, run};
