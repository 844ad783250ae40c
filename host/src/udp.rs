//! A unicast UDP heartbeat link bound to one interface.
