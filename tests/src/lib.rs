//! The World simulator and what drives it.
