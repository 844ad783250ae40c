//! A state in the words that the core, and through it the peer, is told.
use ovzha_core::message;

use super::state::State;
use super::words::{Connection, Disk, Role};

/// What the core and the peer are told of a state.
#[must_use]
pub fn for_core(state: &State) -> message::Drbd {
    let connection = if state.connection.is_up() {
        message::Connection::Connected
    } else if state.connection == Connection::StandAlone {
        message::Connection::StandAlone
    } else {
        message::Connection::Connecting
    };
    let disk = match state.disk {
        Disk::UpToDate => message::Disk::UpToDate,
        Disk::Consistent => message::Disk::Consistent,
        Disk::Outdated => message::Disk::Outdated,
        Disk::Inconsistent => message::Disk::Inconsistent,
        Disk::Diskless | Disk::Attaching | Disk::Detaching | Disk::Failed | Disk::Negotiating => message::Disk::Failed,
        Disk::Unknown => message::Disk::Unknown,
    };
    message::Drbd {
        connection,
        disk,
        primary: state.role == Role::Primary,
        suspended: state.suspended.is_so(),
    }
}
