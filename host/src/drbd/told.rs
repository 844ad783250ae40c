//! A state in the words that the core, and through it the peer, is told.
use ovzha_core::data::Seen;
use ovzha_core::message;

use super::state::State;
use super::words::{Connection, Disk, Role};

/// What the core is told of a state, and the peer by it.
#[must_use]
pub fn for_core(state: &State) -> Seen {
    let connection = if state.handshaken() {
        message::Connection::Connected
    } else if state.connection == Connection::StandAlone {
        message::Connection::StandAlone
    } else {
        message::Connection::Connecting
    };
    let disk = match state.disk {
        // the best word that 0.7 has
        Disk::Consistent if state.good_disk() => message::Disk::UpToDate,
        Disk::UpToDate => message::Disk::UpToDate,
        Disk::Consistent => message::Disk::Consistent,
        Disk::Outdated => message::Disk::Outdated,
        Disk::Inconsistent => message::Disk::Inconsistent,
        Disk::Diskless | Disk::Attaching | Disk::Detaching | Disk::Failed | Disk::Negotiating => message::Disk::Failed,
        Disk::Unknown => message::Disk::Unknown,
    };
    Seen {
        drbd: message::Drbd {
            connection,
            disk,
            primary: state.role == Role::Primary,
            suspended: state.suspended.is_so(),
            ahead: state.ahead(),
        },
        mirrored: state.mirrored(),
        current: state.compared() && state.good_disk(),
        proved: !state.handshaken() && state.good_disk() && (state.peer_is_old() || state.proved.is_some()),
    }
}
