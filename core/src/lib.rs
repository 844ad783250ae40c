//! The heartbeat protocol and the failover decisions of ovzha.
#![no_std]
#![forbid(unsafe_code)]

pub mod id;
pub mod time;
