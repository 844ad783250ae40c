//! Parses `ha.cf`: every directive, with its line.
