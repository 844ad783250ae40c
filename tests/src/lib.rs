//! What several test drivers share.

pub mod lines;
