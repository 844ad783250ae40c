//! Children with a deadline: spawn, watch, kill, reap, keep a bounded piece of output.
