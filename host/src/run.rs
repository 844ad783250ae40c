//! The daemon's loop: wait, hand one event to the core, drain its outputs.
