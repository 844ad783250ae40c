//! `ovzha witness`: the third voter of many clusters on any third host.

pub mod file;
pub mod keys;
pub mod marks;
mod serve;

pub use serve::{Options, run};
