//! What the watchdog needs of an open device; tests have one of their own.

use std::fmt::Debug;
use std::io;
use std::path::Path;

use crate::sys;

/// An open watchdog device.
pub trait Device: Sized + Debug {
    /// Opens it, which arms it.
    ///
    /// # Errors
    /// The kernel's.
    fn open(path: &Path) -> io::Result<Self>;
    /// What its driver calls it.
    ///
    /// # Errors
    /// The kernel's.
    fn identity(&self) -> io::Result<String>;
    /// Sets the timeout in seconds and reads it back.
    ///
    /// # Errors
    /// The kernel's.
    fn set_timeout(&self, seconds: u16) -> io::Result<u32>;
    /// Disarms it; `EBUSY` if it can't be, other errors if that can't be told.
    ///
    /// # Errors
    /// The kernel's.
    fn disable(&self) -> io::Result<()>;
    /// Begins the timeout anew.
    ///
    /// # Errors
    /// The kernel's.
    fn pet(&self) -> io::Result<()>;
    /// Closes it with the letter that disarms it.
    ///
    /// # Errors
    /// The kernel's.
    fn close_disarmed(self) -> io::Result<()>;
}

impl Device for sys::Watchdog {
    fn open(path: &Path) -> io::Result<Self> {
        Self::open(path)
    }
    fn identity(&self) -> io::Result<String> {
        self.identity()
    }
    fn set_timeout(&self, seconds: u16) -> io::Result<u32> {
        self.set_timeout(seconds).and_then(|()| self.timeout())
    }
    fn disable(&self) -> io::Result<()> {
        self.disable()
    }
    fn pet(&self) -> io::Result<()> {
        self.pet()
    }
    fn close_disarmed(self) -> io::Result<()> {
        self.close_disarmed()
    }
}
