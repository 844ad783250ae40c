//! The hardware watchdog: opened, petted and disarmed when the core says so, never by itself.
//!
//! While it is armed a note lies in the run directory, which is in memory. A daemon that finds one is a new life (a
//! restart, an upgrade in place) beside an armed device, and leaves it counting: opening it would be a pet, and a pet
//! must be earned (SAFETY S-67). So only a device that nobody left armed is tried at the start.

mod device;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ovzha_core::time::{Instant, Span};
use ovzha_core::watchdog as core;

use crate::check::Timer;
use crate::sys;
pub use device::Device;

/// The note's name in the run directory.
const NOTE: &str = "watchdog";

/// A device as it was found at a start: what the note keeps for the next life.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    device: PathBuf,
    /// The seconds asked for, and those read back.
    asked: u16,
    timeout: u32,
    stays: bool,
    identity: String,
}

impl Known {
    fn render(&self) -> String {
        let Self {
            asked,
            timeout,
            stays,
            identity,
            ..
        } = self;
        format!("{}\n{asked} {timeout} {stays}\n{identity}\n", self.device.display())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let device = PathBuf::from(lines.next()?);
        let mut numbers = lines.next()?.split(' ');
        Some(Self {
            device,
            asked: numbers.next()?.parse().ok()?,
            timeout: numbers.next()?.parse().ok()?,
            stays: numbers.next()?.parse().ok()?,
            identity: lines.next()?.to_owned(),
        })
    }
}

/// What became of it, to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It counts.
    Armed,
    /// It no longer does.
    Disarmed,
    /// It could not be armed or petted; told once per reason.
    Failed(String),
    /// It could not be disarmed.
    NotDisarmed(String),
}

/// What `ovzha status` shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Its device.
    pub device: String,
    /// What its driver calls it.
    pub identity: String,
    /// From the last pet to the reset.
    pub timeout: Span,
    /// It counts.
    pub armed: bool,
    /// Why it can't be armed or petted.
    pub failing: Option<String>,
}

/// The watchdog of this machine.
#[derive(Debug)]
pub struct Watchdog<D = sys::Watchdog> {
    known: Known,
    note: PathBuf,
    open: Option<D>,
    /// The former life left it armed, and this one has not petted it yet.
    left: bool,
    failing: Option<String>,
}

/// The error with what is to be done about it.
fn explained(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => format!("{error}: load its driver"),
        Some(libc::EBUSY) => {
            format!("{error}: another program has it (RuntimeWatchdogSec of systemd, a watchdog daemon)")
        }
        Some(libc::ENOTTY) => format!("{error}: it is no watchdog"),
        _ => error.to_string(),
    }
}

fn former(run_dir: &Path) -> Option<Known> {
    fs::read_to_string(run_dir.join(NOTE))
        .ok()
        .as_deref()
        .and_then(Known::parse)
}

/// Disarms what a former life left armed and no line of `ovzha.cf` asks for any more. Answers why it could not.
#[must_use]
pub fn forget<D: Device>(run_dir: &Path) -> Option<(Span, String)> {
    let known = former(run_dir)?;
    let done = D::open(&known.device).and_then(|open| release(open));
    match done {
        Ok(()) => {
            // a note that stays makes the next life try again
            drop(fs::remove_file(run_dir.join(NOTE)));
            None
        }
        Err(error) => Some((Span::from_secs(known.timeout.into()), explained(&error))),
    }
}

/// Disarms and closes it.
fn release<D: Device>(open: D) -> io::Result<()> {
    match open.disable() {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Err(error),
        // a driver that can't say goes by the letter alone
        Ok(()) | Err(_) => open.close_disarmed(),
    }
}

impl<D: Device> Watchdog<D> {
    /// Makes it ready: sets its timeout, reads it back, and leaves it disarmed if it can be. `timeout` is in whole seconds,
    /// `fits` holds what was read back against the times of the heartbeat.
    ///
    /// # Errors
    /// One sentence without the device's name: it is missing, in use, or can't have such a timeout.
    pub fn prepare(
        device: &Path,
        timeout: Span,
        run_dir: &Path,
        fits: impl Fn(Span) -> Result<(), String>,
    ) -> Result<Self, String> {
        let asked = u16::try_from(timeout.as_millis() / 1000).map_err(|error| error.to_string())?;
        let former = former(run_dir);
        let note = run_dir.join(NOTE);
        if let Some(known) = former.filter(|known| known.device == device && known.asked == asked) {
            return Ok(Self {
                known,
                note,
                open: None,
                left: true,
                failing: None,
            });
        }
        // armed by a former life for other files: this is as if it were new, and what it guards is found soon
        let open = D::open(device).map_err(|error| explained(&error))?;
        let read = open.set_timeout(asked).and_then(|back| Ok((back, open.identity()?)));
        let tried = read.map_err(|error| explained(&error)).and_then(|(back, identity)| {
            let back_span = Span::from_secs(back.into());
            fits(back_span).map_err(|why| format!("asked for {timeout}, it has {back_span}: {why}"))?;
            Ok((back, identity))
        });
        let (back, identity) = match tried {
            Ok(tried) => tried,
            Err(why) => {
                // what can't be disarmed now resets the machine, whatever is said here
                drop(release(open));
                return Err(why);
            }
        };
        let mut watchdog = Self {
            known: Known {
                device: device.to_path_buf(),
                asked,
                timeout: back,
                stays: false,
                identity,
            },
            note,
            open: None,
            left: false,
            failing: None,
        };
        watchdog.known.stays = open
            .disable()
            .is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY));
        if watchdog.known.stays {
            watchdog.open = Some(open);
            watchdog.write_note().map_err(|error| error.to_string())?;
        } else {
            open.close_disarmed().map_err(|error| explained(&error))?;
            watchdog.drop_note();
        }
        Ok(watchdog)
    }

    fn write_note(&self) -> io::Result<()> {
        fs::write(&self.note, self.known.render())
    }

    fn drop_note(&self) {
        // one that stays makes the next life leave the device alone until the core wants a pet: no harm
        drop(fs::remove_file(&self.note));
    }

    /// What the core must know of it.
    #[must_use]
    pub fn core(&self) -> core::Watchdog {
        core::Watchdog {
            timeout: self.timeout(),
            stays: self.known.stays,
        }
    }

    /// From the last pet to the reset, as read back.
    #[must_use]
    pub fn timeout(&self) -> Span {
        Span::from_secs(self.known.timeout.into())
    }

    /// What kind of timer it is.
    #[must_use]
    pub fn timer(&self) -> Timer {
        Timer::of(&self.known.identity)
    }

    /// Whether a former life left it armed, and no pet of this one came yet.
    #[must_use]
    pub const fn is_left(&self) -> bool {
        self.left
    }

    /// Whether it counts, as far as is known.
    #[must_use]
    pub const fn is_armed(&self) -> bool {
        self.open.is_some() || self.left
    }

    /// For `ovzha status`.
    #[must_use]
    pub fn seen(&self) -> Seen {
        Seen {
            device: self.known.device.display().to_string(),
            identity: self.known.identity.clone(),
            timeout: self.timeout(),
            armed: self.is_armed(),
            failing: self.failing.clone(),
        }
    }

    /// Why nothing may be started: it is not armed.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let why = || self.failing.clone().unwrap_or_else(|| "it is not armed".to_owned());
        (!self.is_armed()).then(|| format!("watchdog {}: {}", self.known.device.display(), why()))
    }

    /// Pets it, unless `now` is after `within`; arms it first if it is not armed, which is never too late.
    pub fn pet(&mut self, now: Instant, within: Instant) -> Option<Change> {
        if self.is_armed() && now > within {
            return None;
        }
        let done = match &self.open {
            Some(open) => open.pet().map(|()| false).map_err(|error| explained(&error)),
            None => self.arm().map(|()| true),
        };
        match done {
            Ok(armed) => {
                self.failing = None;
                armed.then_some(Change::Armed)
            }
            Err(why) => {
                let news = self.failing.as_deref() != Some(why.as_str());
                self.failing = Some(why.clone());
                news.then_some(Change::Failed(why))
            }
        }
    }

    fn arm(&mut self) -> Result<(), String> {
        // before it counts: a life that ends in between leaves a note too many, never one too few
        self.write_note().map_err(|error| error.to_string())?;
        let open = D::open(&self.known.device).map_err(|error| explained(&error))?;
        let expected = self.known.timeout;
        let set = match open.set_timeout(self.known.asked) {
            Ok(back) if back == expected => Ok(()),
            Ok(back) => Err(format!(
                "its timeout is {back} s now, and was {expected} s at the start"
            )),
            Err(error) => Err(explained(&error)),
        };
        if set.is_err() {
            drop(release(open));
            self.left = false;
            return set;
        }
        (self.open, self.left) = (Some(open), false);
        Ok(())
    }

    /// Disarms it.
    pub fn disarm(&mut self) -> Option<Change> {
        let open = self.open.take()?;
        match release(open) {
            Ok(()) => {
                self.drop_note();
                Some(Change::Disarmed)
            }
            Err(error) => Some(Change::NotDisarmed(explained(&error))),
        }
    }

    /// Whether it can't be disarmed (`nowayout`).
    #[must_use]
    pub const fn is_unstoppable(&self) -> bool {
        self.known.stays
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// The one device of a test.
    #[derive(Default, Debug)]
    #[expect(clippy::struct_excessive_bools, reason = "what can be wrong with it, each by itself")]
    struct Hardware {
        missing: bool,
        busy: bool,
        nowayout: bool,
        /// What the driver makes of a timeout.
        rounds_to: Option<u32>,
        timeout: u32,
        counts: bool,
        opened: u32,
        pets: u32,
    }

    thread_local! {
        static DEVICE: RefCell<Hardware> = RefCell::default();
    }

    fn device<T>(with: impl FnOnce(&mut Hardware) -> T) -> T {
        DEVICE.with(|device| with(&mut device.borrow_mut()))
    }

    #[derive(Debug)]
    struct Fake {
        disarms: bool,
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            device(|device| {
                device.busy = false;
                device.counts &= device.nowayout || !self.disarms;
            });
        }
    }

    impl Device for Fake {
        fn open(_: &Path) -> io::Result<Self> {
            device(|device| {
                if device.missing || device.busy {
                    let code = if device.missing { libc::ENOENT } else { libc::EBUSY };
                    return Err(io::Error::from_raw_os_error(code));
                }
                (device.busy, device.counts) = (true, true);
                device.opened += 1;
                Ok(Self { disarms: false })
            })
        }
        fn identity(&self) -> io::Result<String> {
            Ok("a timer".to_owned())
        }
        fn set_timeout(&self, seconds: u16) -> io::Result<u32> {
            device(|device| {
                device.timeout = device.rounds_to.unwrap_or_else(|| seconds.into());
                Ok(device.timeout)
            })
        }
        fn disable(&self) -> io::Result<()> {
            device(|device| {
                if device.nowayout {
                    return Err(io::Error::from_raw_os_error(libc::EBUSY));
                }
                device.counts = false;
                Ok(())
            })
        }
        fn pet(&self) -> io::Result<()> {
            device(|device| device.pets += 1);
            Ok(())
        }
        fn close_disarmed(mut self) -> io::Result<()> {
            self.disarms = true;
            Ok(())
        }
    }

    /// A run directory that is gone with the test.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("ovzha-watchdog-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }

        fn prepare(&self, seconds: u64) -> Result<Watchdog<Fake>, String> {
            let fits = |span: Span| {
                let fits = span <= Span::from_secs(10);
                fits.then_some(()).ok_or_else(|| "at most 10 s".to_owned())
            };
            Watchdog::prepare(Path::new("/dev/watchdog"), Span::from_secs(seconds), &self.0, fits)
        }

        fn has_note(&self) -> bool {
            self.0.join(NOTE).exists()
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    const AT: Instant = Instant::from_millis(5000);

    #[test]
    fn it_is_tried_at_the_start_and_left_disarmed() {
        let dir = Dir::new("start");
        let watchdog = dir.prepare(9).unwrap();
        assert_eq!(watchdog.core().timeout, Span::from_secs(9));
        assert!(!watchdog.is_armed() && !dir.has_note());
        device(|device| assert!(!device.counts && !device.busy && device.opened == 1));
        assert!(watchdog.refusal().unwrap().contains("not armed"));
    }

    #[test]
    fn what_was_read_back_counts() {
        let dir = Dir::new("rounds");
        device(|device| device.rounds_to = Some(10));
        assert_eq!(dir.prepare(9).unwrap().timeout(), Span::from_secs(10));
        device(|device| device.rounds_to = Some(60));
        let why = dir.prepare(9).unwrap_err();
        assert_eq!(why, "asked for 9 s, it has 60 s: at most 10 s");
        device(|device| assert!(!device.counts, "left as it was found"));
    }

    #[test]
    fn a_device_that_is_missing_or_taken_says_what_to_do() {
        let dir = Dir::new("missing");
        device(|device| device.missing = true);
        assert!(dir.prepare(9).unwrap_err().ends_with("load its driver"));
        device(|device| (device.missing, device.busy) = (false, true));
        assert!(dir.prepare(9).unwrap_err().contains("RuntimeWatchdogSec"));
    }

    #[test]
    fn it_is_armed_petted_in_time_only_and_disarmed() {
        let dir = Dir::new("pets");
        let mut watchdog = dir.prepare(9).unwrap();
        let late = Instant::from_millis(4999);
        assert_eq!(watchdog.pet(AT, late), Some(Change::Armed), "arming is never too late");
        assert!(watchdog.refusal().is_none() && dir.has_note());
        assert_eq!((watchdog.pet(AT, AT), watchdog.pet(AT, late)), (None, None));
        device(|device| assert_eq!((device.pets, device.counts), (1, true)));
        assert_eq!(watchdog.disarm(), Some(Change::Disarmed));
        device(|device| assert!(!device.counts && !device.busy));
        assert!(!dir.has_note());
        assert_eq!(watchdog.disarm(), None);
    }

    #[test]
    fn a_new_life_leaves_an_armed_one_alone_until_it_pets() {
        let dir = Dir::new("restart");
        let mut first = dir.prepare(9).unwrap();
        first.pet(AT, AT);
        drop(first);
        device(|device| assert!(device.counts, "a daemon that died left it armed"));
        let mut second = dir.prepare(9).unwrap();
        assert!(second.is_left() && second.is_armed());
        device(|device| assert_eq!(device.opened, 2, "not opened: that would be a pet"));
        assert_eq!(second.pet(AT, Instant::from_millis(4999)), None, "too late");
        device(|device| assert_eq!(device.opened, 2));
        assert_eq!(second.pet(AT, AT), Some(Change::Armed));
        assert_eq!(second.disarm(), Some(Change::Disarmed));
        device(|device| assert!(!device.counts));
    }

    #[test]
    fn other_files_set_it_anew_and_files_without_it_disarm_it() {
        let dir = Dir::new("files");
        dir.prepare(9).unwrap().pet(AT, AT);
        let second = dir.prepare(7).unwrap();
        assert_eq!((second.timeout(), second.is_left()), (Span::from_secs(7), false));
        drop(second);
        dir.prepare(9).unwrap().pet(AT, AT);
        device(|device| assert!(device.counts));
        assert_eq!(forget::<Fake>(&dir.0), None);
        device(|device| assert!(!device.counts));
        assert!(!dir.has_note());
        assert_eq!(forget::<Fake>(&dir.0), None);
    }

    #[test]
    fn one_that_cannot_be_disarmed_stays_open() {
        let dir = Dir::new("nowayout");
        device(|device| device.nowayout = true);
        let mut watchdog = dir.prepare(9).unwrap();
        assert!(watchdog.core().stays && watchdog.is_armed() && watchdog.is_unstoppable() && dir.has_note());
        watchdog.pet(AT, AT);
        device(|device| assert_eq!((device.pets, device.opened), (1, 1)));
        drop(watchdog);
        assert!(dir.prepare(9).unwrap().core().stays, "the next life knows");
        let (left, why) = forget::<Fake>(&dir.0).unwrap();
        assert!(left == Span::from_secs(9) && !why.is_empty());
    }

    #[test]
    fn a_failure_to_arm_is_told_once_and_refuses_starts() {
        let dir = Dir::new("fails");
        let mut watchdog = dir.prepare(9).unwrap();
        device(|device| device.missing = true);
        assert!(matches!(watchdog.pet(AT, AT), Some(Change::Failed(_))));
        assert_eq!(watchdog.pet(AT, AT), None);
        assert!(
            watchdog
                .refusal()
                .unwrap()
                .starts_with("watchdog /dev/watchdog: No such file")
        );
        device(|device| (device.missing, device.rounds_to) = (false, Some(30)));
        let told = watchdog.pet(AT, AT);
        assert_eq!(
            told,
            Some(Change::Failed(
                "its timeout is 30 s now, and was 9 s at the start".to_owned()
            ))
        );
        device(|device| {
            assert!(!device.counts, "nothing runs: it is no trap");
            device.rounds_to = None;
        });
        assert_eq!(watchdog.pet(AT, AT), Some(Change::Armed));
        assert_eq!(watchdog.seen().failing, None);
    }
}
