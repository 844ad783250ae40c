//! The heartbeat protocol and the failover decisions of ovzha.
#![no_std]
#![forbid(unsafe_code)]

pub mod auth;
pub mod frame;
mod hmac;
pub mod id;
pub mod rejection;
pub mod serial;
pub mod time;
