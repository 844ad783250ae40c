//! System calls that need `unsafe`, behind small safe functions.
