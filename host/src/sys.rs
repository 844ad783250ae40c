//! System calls that need `unsafe`, behind small safe functions.
//!
//! Model: one `unsafe` block is one call with its reason; nothing above this module sees a raw pointer. Old kernels
//! count (2.6.32): every newer call falls back to the older one, or its absence is an error the caller can tell.
//! Signals arrive by signalfd, so no code of ours ever runs inside a signal handler.

#[cfg(test)]
mod allocations;
mod child;
mod file;
mod link_layer;
mod net;
mod process;
mod reset;
mod standing;
mod user;
mod wait;
mod watchdog;

#[cfg(test)]
pub use allocations::allocations;
pub use child::{Child, end_with_us, fork_apart, spawn};
pub use file::{
    Pinned, anonymous_file, anonymous_input, give_back, keep_in_memory, lock_instance, random_bytes, remove_attribute,
    set_nonblocking, somebody_writes_to,
};
pub use link_layer::{arp_socket, route_request};
pub use net::{DeviceAddress, Peer, device_addresses, device_index, host_name, network_changes, peer_of};
pub use process::{
    Ended, Identity, Pid, dead_child, group_is_dead, group_is_gone, identity_of, in_initial_pid_namespace, is_alive,
    kill_child, kill_group, kill_process, own_pid, wait_for,
};
pub use reset::LastResort;
pub use standing::{
    CoreLimit, forbid_core_dumps, limit_memory, lock_memory, protect_from_oom, set_nice, set_ordinary, set_realtime,
};
pub use user::become_user;
pub use wait::{Interest, PollFd, Signal, Signals, boottime, monotonic_micros, poll};
pub use watchdog::Watchdog;

use std::io;

/// The error of a call that answers -1 and sets `errno`.
fn checked(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}
