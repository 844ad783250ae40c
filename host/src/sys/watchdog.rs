//! A hardware watchdog's device, as `linux/watchdog.h` describes it.
//!
//! Opening it arms it, and closing it leaves it armed unless the magic letter was written before.

use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use super::checked;

/// `struct watchdog_info`.
#[repr(C)]
struct Support {
    options: u32,
    firmware: u32,
    identity: [u8; 32],
}

/// `'W'`.
const GROUP: u32 = 0x57;
const GET_SUPPORT: libc::Ioctl = libc::_IOR::<Support>(GROUP, 0);
const SET_OPTIONS: libc::Ioctl = libc::_IOR::<c_int>(GROUP, 4);
const SET_TIMEOUT: libc::Ioctl = libc::_IOWR::<c_int>(GROUP, 6);
const GET_TIMEOUT: libc::Ioctl = libc::_IOR::<c_int>(GROUP, 7);
/// `WDIOS_DISABLECARD`.
const DISABLE: c_int = 1;
/// The letter that lets a close disarm it.
const MAGIC: &[u8] = b"V";
/// Any other one is a pet.
const PET: &[u8] = b".";

/// An open watchdog: it counts.
#[derive(Debug)]
pub struct Watchdog(File);

impl Watchdog {
    /// Opens it, which arms it with the timeout it has. Never inherited by a child or the next program.
    ///
    /// # Errors
    /// There is none, or another program has it.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().write(true).open(path).map(Self)
    }

    fn integer(&self, request: libc::Ioctl, mut value: c_int) -> io::Result<c_int> {
        // SAFETY: these requests read and write one int, and `value` is a valid place for it.
        checked(unsafe { libc::ioctl(self.0.as_raw_fd(), request, &raw mut value) })?;
        Ok(value)
    }

    /// What its driver calls it.
    ///
    /// # Errors
    /// It is no watchdog.
    pub fn identity(&self) -> io::Result<String> {
        let mut support = Support {
            options: 0,
            firmware: 0,
            identity: [0; 32],
        };
        // SAFETY: the request fills in one `watchdog_info`, and `support` is a valid place for it.
        checked(unsafe { libc::ioctl(self.0.as_raw_fd(), GET_SUPPORT, &raw mut support) })?;
        let name = support.identity.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// Sets the timeout in seconds; the driver may round it.
    ///
    /// # Errors
    /// The driver can't, or not to this one.
    pub fn set_timeout(&self, seconds: u16) -> io::Result<()> {
        self.integer(SET_TIMEOUT, seconds.into()).map(|_| ())
    }

    /// The timeout that it really has, in seconds.
    ///
    /// # Errors
    /// The driver doesn't tell.
    pub fn timeout(&self) -> io::Result<u32> {
        let seconds = self.integer(GET_TIMEOUT, 0)?;
        u32::try_from(seconds).map_err(io::Error::other)
    }

    /// Disarms it, still open.
    ///
    /// # Errors
    /// `EBUSY`: it can't be disarmed (`nowayout`). Others: the driver knows no such request.
    pub fn disable(&self) -> io::Result<()> {
        self.integer(SET_OPTIONS, DISABLE).map(|_| ())
    }

    /// Begins its timeout anew.
    ///
    /// # Errors
    /// The driver's refusal.
    pub fn pet(&self) -> io::Result<()> {
        (&self.0).write_all(PET)
    }

    /// Closes it so that it is disarmed, if it can be.
    ///
    /// # Errors
    /// The letter was not taken: it goes on counting.
    pub fn close_disarmed(self) -> io::Result<()> {
        (&self.0).write_all(MAGIC)
    }
}
