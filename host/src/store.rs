//! Keeps the durable state in `/var/lib/ovzha`.
