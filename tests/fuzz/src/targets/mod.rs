//! What is fuzzed: every parser of bytes that others wrote, and the core under any events, each with what must hold of
//! any input.
//!
//! A target panics when its property fails. The fuzzer drives them (`main.rs`), and `tests/tests/fuzz_corpus.rs`
//! replays the committed inputs in the quick test loop.

mod choices;
mod cluster;
mod files;
mod machine;
mod network;
mod own;
mod peer;
mod wire;
mod witness;
mod world;

/// Runs one input.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("world", world::world),
    ("cluster", cluster::cluster),
    ("witness", witness::witness),
    ("serial", wire::serial),
    ("frame", wire::frame),
    ("ha_cf", files::ha_cf),
    ("authkeys", files::authkeys),
    ("haresources", files::haresources),
    ("ovzha_cf", files::ovzha_cf),
    ("files", files::files),
    ("drbd", machine::drbd),
    ("machine", machine::machine),
    ("mounts", machine::mounts),
    ("openvz", machine::openvz),
    ("arguments", machine::arguments),
    ("network", network::network),
    ("control", own::control),
    ("durable", own::durable),
    ("run_dir", own::run_dir),
];
