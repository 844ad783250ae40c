//! The self-fence: resets the machine without a disk, memory or another process.
//!
//! Only who holds a [`LastResort`] can call it, and `--last-resort none` never makes one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use super::checked;
use super::process::in_initial_pid_namespace;

/// A reset made ready at start, so that it needs nothing later.
#[derive(Debug)]
pub struct LastResort {
    sysrq: Option<File>,
}

impl LastResort {
    /// Opens what a reset needs. Sysrq resets the whole machine, so it is opened in the initial pid namespace only;
    /// in any other, reboot(2) ends that namespace and nothing else.
    #[must_use]
    pub fn prepare() -> Self {
        let sysrq = in_initial_pid_namespace()
            .then(|| OpenOptions::new().write(true).open("/proc/sysrq-trigger").ok())
            .flatten();
        Self { sysrq }
    }

    /// Whether the strong way, sysrq, is at hand.
    #[must_use]
    pub const fn has_sysrq(&self) -> bool {
        self.sysrq.is_some()
    }

    /// Resets at once: no sync, no unmount, no goodbye. Comes back only if nothing was permitted.
    #[must_use = "it came back: the reset did not happen"]
    pub fn reset_now(&self) -> io::Error {
        // a process never leaves its pid namespace, so what was right to open is right to use
        let by_sysrq = self
            .sysrq
            .as_ref()
            .and_then(|mut trigger| trigger.write_all(b"b").err());
        // SAFETY: reboot(2) touches no memory of ours.
        let by_reboot = checked(unsafe { libc::reboot(libc::RB_AUTOBOOT) }).err();
        by_reboot
            .or(by_sysrq)
            .unwrap_or_else(|| io::Error::other("reboot(2) returned"))
    }
}
