//! How many pairs one `ovzha witness` serves: its CPU and memory while so many real cores ask it (`.ci/run load`).
//!
//! Every node is a `Cluster` of the core, with its own key and life. What the two nodes of a pair send each other is handed over at once;
//! what they send the witness goes over a real socket to a real `ovzha witness`, pinned to one CPU. The nodes of all pairs
//! share a few sockets: a frame says whom it is for.
#[cfg(test)]
mod pairs;
#[cfg(test)]
#[path = "../voters.rs"]
mod voters;
