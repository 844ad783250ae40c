//! DRBD: what its tools print, what is done to it, and how it is watched, against stand-ins for its tools.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

#[cfg(test)]
mod generations;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod promote;
#[cfg(test)]
mod states;
mod stub;
#[cfg(test)]
mod watch;
