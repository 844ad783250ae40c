//! The null-modem cable of the demo: two pseudo terminals whose far ends are joined by two threads.

use std::io::{Read, Write};
use std::thread;

use serialport::{ClearBuffer, SerialPort, TTYPort};

/// The cable. The threads end with the process.
#[derive(Debug)]
pub struct Cable {
    /// The near ends, as the daemons open them. Kept open here: a pty without any user looks unplugged.
    ends: [TTYPort; 2],
    /// Their device names.
    pub names: [String; 2],
}

impl Cable {
    /// Lays the cable.
    pub fn new() -> Result<Self, serialport::Error> {
        let (left, left_end, left_name) = pair()?;
        let (right, right_end, right_name) = pair()?;
        carry(left.try_clone_native()?, right.try_clone_native()?);
        carry(right, left);
        Ok(Self {
            ends: [left_end, right_end],
            names: [left_name, right_name],
        })
    }

    /// Makes an end as it is after a power cut: nobody has it open, nothing waits in it.
    pub fn unplug(&self, end: usize) {
        let Some(port) = self.ends.get(end) else { return };
        // A killed daemon can't give its exclusive use back, and a pty, unlike a real line, does not forget it as long
        // as we have it open. Dropping a copy of ours does that.
        drop(port.try_clone_native());
        // what can't be cleared is stale frames, which the protocol rejects
        drop(port.clear(ClearBuffer::All));
    }
}

/// One pseudo terminal: the far end, the near end, its name. None of it is inherited by the daemons.
fn pair() -> Result<(TTYPort, TTYPort, String), serialport::Error> {
    let (far, near) = TTYPort::pair()?;
    let name = near.name().unwrap_or_default();
    // copies are close-on-exec, the originals are not
    Ok((far.try_clone_native()?, near.try_clone_native()?, name))
}

/// Carries bytes one way. What does not go through in a tenth of a second is lost, as on a real line.
fn carry(mut from: TTYPort, mut to: TTYPort) {
    thread::spawn(move || {
        let mut bytes = [0; 512];
        loop {
            if let Ok(count) = from.read(&mut bytes) {
                drop(to.write_all(bytes.get(..count).unwrap_or_default()));
            }
        }
    });
}
