//! Parses `authkeys`: which keys exist and which one signs.
