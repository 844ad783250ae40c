//! The null-modem cable of the demo: two pseudo terminals whose far ends are joined by whoever calls `carry`.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use serialport::{ClearBuffer, SerialPort, TTYPort};

/// The cable.
#[derive(Debug)]
pub struct Cable {
    /// What the daemons write comes out here.
    far: [TTYPort; 2],
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
        Ok(Self {
            far: [left, right],
            ends: [left_end, right_end],
            names: [left_name, right_name],
        })
    }

    /// What to poll for bytes to carry.
    pub fn fds(&self) -> [RawFd; 2] {
        [self.far[0].as_raw_fd(), self.far[1].as_raw_fd()]
    }

    /// Carries what came out at the far end of this side over to the other; call it when there is something.
    /// What does not go in at once is lost, as on a real line.
    pub fn carry(&mut self, side: usize) {
        let [left, right] = &mut self.far;
        let (from, to) = if side == 0 { (left, right) } else { (right, left) };
        let mut bytes = [0; 512];
        if let Ok(count) = from.read(&mut bytes) {
            drop(to.write_all(bytes.get(..count).unwrap_or_default()));
        }
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
    let (mut far, near) = (far.try_clone_native()?, near.try_clone_native()?);
    far.set_timeout(Duration::from_millis(1))?;
    Ok((far, near, name))
}
