//! What an admin's machine says to a witness board over one of its cables.

pub mod port;
pub mod record;
