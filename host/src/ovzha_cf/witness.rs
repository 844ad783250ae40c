//! Reads what `ovzha.cf` says of the third voter.

use std::path::PathBuf;

use ovzha_core::witness::Relay;

use super::{Reader, Said};
use crate::diagnostic::quote;
use crate::ha_cf::{At, BAUD_DEFAULT, LinkKind, baud_rate, set, values};

pub(super) fn witness(reader: &mut Reader, said: Said<'_>) {
    let way = match *said.words {
        ["serial", device] => serial(device, None),
        ["serial", device, rate] => serial(device, Some(rate)),
        ["udp", place] => udp(place),
        _ => return reader.wrong_form(said),
    };
    let slot = &mut reader.value.witness;
    set(&mut reader.problems, slot, said.line, said.name, way);
}

pub(super) fn decisions(reader: &mut Reader, said: Said<'_>) {
    let commanded = match *said.words {
        ["witness"] => true,
        ["node"] => false,
        _ => return reader.wrong_form(said),
    };
    let slot = &mut reader.value.commanded;
    set(&mut reader.problems, slot, said.line, said.name, Ok(commanded));
}

impl Reader {
    /// Who waits for a command must know of somebody who gives it, and one that cuts in place of watchdogs lends no vote to a
    /// node that wants to start while the other one has power.
    pub(super) fn check_decisions(&mut self) {
        let Some(At { line, value: true }) = self.value.commanded else {
            return;
        };
        if self.value.witness.is_none() {
            self.problems.error(line, "decisions: `witness` needs a `witness` line");
        } else if self.value.relay() == Relay::InPlace {
            let text = "decisions: with `board in-place` `witness` would start nothing while both nodes have power";
            self.problems.error(line, text);
        }
    }
}

fn serial(device: &str, rate: Option<&str>) -> Result<LinkKind, String> {
    if !device.starts_with('/') || device.ends_with('/') {
        return Err(format!("{} is no absolute path of a device", quote(device)));
    }
    let baud = rate.map_or(Ok(BAUD_DEFAULT), baud_rate)?;
    Ok(LinkKind::Serial {
        device: PathBuf::from(device),
        baud,
    })
}

/// `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`: no name, for the daemon asks no DNS.
fn udp(place: &str) -> Result<LinkKind, String> {
    let to = values::place(place).ok_or_else(|| {
        format!(
            "{} is no ADDRESS or ADDRESS:PORT; names are not looked up",
            quote(place)
        )
    })?;
    if to.port() == 0 || to.ip().is_unspecified() || to.ip().is_multicast() {
        return Err(format!("{} is no address of one machine", quote(place)));
    }
    Ok(LinkKind::Routed { to })
}
