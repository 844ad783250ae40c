//! What can't be said without `unsafe`; everything else is safe code.

pub mod flash;
pub mod interrupts;
pub mod rtt;
