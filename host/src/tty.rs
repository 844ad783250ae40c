//! A serial heartbeat link on a tty.
