//! What the loop sleeps on: the clock, poll(2), signals as a descriptor.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use ovzha_core::time::{Instant, Span};

use super::checked;

/// Milliseconds since boot, sleep included where the kernel has such a clock (2.6.39), else without it.
#[must_use]
pub fn boottime() -> Instant {
    read_clock(libc::CLOCK_BOOTTIME)
        .or_else(|| read_clock(libc::CLOCK_MONOTONIC))
        .unwrap_or_default()
}

/// Microseconds of the clock that systemd compares with; for telling it, never for a decision.
#[must_use]
pub fn monotonic_micros() -> u64 {
    let (seconds, nanos) = read_time(libc::CLOCK_MONOTONIC).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1000)
}

fn read_clock(clock: libc::clockid_t) -> Option<Instant> {
    let (seconds, nanos) = read_time(clock)?;
    let millis = nanos / 1_000_000;
    Some(Instant::from_millis(
        seconds.saturating_mul(1000).saturating_add(millis),
    ))
}

/// Seconds and nanoseconds.
fn read_time(clock: libc::clockid_t) -> Option<(u64, u64)> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that the kernel fills in.
    let answer = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if answer != 0 {
        return None;
    }
    Some((u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?))
}

/// What to wait for on one descriptor. Errors and hang-ups are always reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Errors and hang-up only.
    Nothing,
    /// Something to read.
    Read,
    /// Room to write.
    Write,
    /// Either.
    Both,
}

/// One descriptor in a [`poll`] call: what is asked, then what happened.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct PollFd(libc::pollfd);

impl PollFd {
    /// Asks for `interest` on `fd`; a negative `fd` is skipped by the kernel.
    #[must_use]
    pub const fn new(fd: RawFd, interest: Interest) -> Self {
        let events = match interest {
            Interest::Nothing => 0,
            Interest::Read => libc::POLLIN,
            Interest::Write => libc::POLLOUT,
            Interest::Both => libc::POLLIN | libc::POLLOUT,
        };
        Self(libc::pollfd { fd, events, revents: 0 })
    }

    /// The descriptor asked about.
    #[must_use]
    pub const fn fd(&self) -> RawFd {
        self.0.fd
    }

    /// A read will not block: data, end of file, or an error to fetch.
    #[must_use]
    pub const fn readable(&self) -> bool {
        self.0.revents & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0
    }

    /// A write will not block: room, or an error to fetch.
    #[must_use]
    pub const fn writable(&self) -> bool {
        self.0.revents & (libc::POLLOUT | libc::POLLERR) != 0
    }

    /// An error, a hang-up, or not an open descriptor at all.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.0.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0
    }
}

/// Waits until something happens on `fds` or `timeout` is over (`None`: a minute, for no wait is endless).
/// Answers how many descriptors have something; 0 also when a signal cut the wait short, so read the clock again.
///
/// # Errors
/// Whatever poll(2) says other than "interrupted": no memory, or more descriptors than the process may open.
pub fn poll(fds: &mut [PollFd], timeout: Option<Span>) -> io::Result<usize> {
    let millis = timeout.unwrap_or(Span::from_secs(60)).as_millis();
    let millis = libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX);
    let count = libc::nfds_t::try_from(fds.len()).map_err(io::Error::other)?;
    let first: *mut libc::pollfd = fds.as_mut_ptr().cast();
    // SAFETY: PollFd is transparent over pollfd, and `count` is the slice's length.
    let answer = unsafe { libc::poll(first, count, millis) };
    match checked(answer) {
        Ok(ready) => Ok(usize::try_from(ready).unwrap_or(0)),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => {
            for fd in fds {
                fd.0.revents = 0;
            }
            Ok(0)
        }
        Err(e) => Err(e),
    }
}

/// The signals the daemon understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Stop in order.
    Terminate,
    /// Stop in order, from a terminal.
    Interrupt,
    /// Read the configuration again.
    Hangup,
    /// A child ended: call `Tasks::reap`.
    Child,
    /// Free for the loop's use.
    User1,
}

impl Signal {
    const ALL: [Self; 5] = [Self::Terminate, Self::Interrupt, Self::Hangup, Self::Child, Self::User1];

    const fn number(self) -> libc::c_int {
        match self {
            Self::Terminate => libc::SIGTERM,
            Self::Interrupt => libc::SIGINT,
            Self::Hangup => libc::SIGHUP,
            Self::Child => libc::SIGCHLD,
            Self::User1 => libc::SIGUSR1,
        }
    }
}

/// Delivers [`Signal`]s through a descriptor to poll. Dropping it leaves them blocked: they never kill by surprise.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks the signals for this thread (call it before any other thread exists) and opens the descriptor.
    /// PIPE and IO are ignored: a reader that went away is an error of the write, nothing more.
    ///
    /// # Errors
    /// Whatever sigprocmask(2) or signalfd(2) say.
    pub fn open() -> io::Result<Self> {
        for number in [libc::SIGPIPE, libc::SIGIO] {
            // SAFETY: ignoring a signal installs no code.
            unsafe { libc::signal(number, libc::SIG_IGN) };
        }
        let mut set = empty_set();
        for signal in Signal::ALL {
            // SAFETY: `set` is an initialised signal set.
            checked(unsafe { libc::sigaddset(&raw mut set, signal.number()) })?;
        }
        // SAFETY: `set` is initialised; the old mask is not wanted.
        checked(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) })?;
        for signal in Signal::ALL {
            // a starter may have left one ignored (nohup): then it would never arrive, or no child could be waited for
            // SAFETY: the default action installs no code.
            unsafe { libc::signal(signal.number(), libc::SIG_DFL) };
        }
        // SAFETY: `set` is initialised, -1 asks for a new descriptor.
        let fd = checked(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) })?;
        // SAFETY: the kernel just gave us this descriptor; nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal that arrived, if any. Several of one kind may be told as one.
    pub fn take(&mut self) -> Option<Signal> {
        loop {
            let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
            let size = size_of::<libc::signalfd_siginfo>();
            // SAFETY: `info` has room for the `size` bytes asked for.
            let got = unsafe { libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size) };
            if usize::try_from(got).ok() != Some(size) {
                return None;
            }
            // SAFETY: the structure is plain integers, zeroed before and filled in now.
            let info = unsafe { info.assume_init() };
            let number = libc::c_int::try_from(info.ssi_signo).unwrap_or(0);
            if let Some(signal) = Signal::ALL.into_iter().find(|s| s.number() == number) {
                return Some(signal);
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A signal set with nothing in it.
pub(super) fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `set` is memory for one signal set, which the call initialises.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised by the call above (and an array of integers anyway).
    unsafe { set.assume_init() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Ended, Pid, fork_apart, kill_child, own_pid, wait_for};
    use std::io::Write as _;

    fn wait(fd: RawFd, interest: Interest, timeout: Span) -> PollFd {
        let mut fds = [PollFd::new(fd, interest), PollFd::new(-1, Interest::Both)];
        poll(&mut fds, Some(timeout)).unwrap();
        fds[0]
    }

    #[test]
    fn poll_tells_data_room_and_hangup() {
        let (reader, mut pipe) = io::pipe().unwrap();
        let (r, w) = (reader.as_raw_fd(), pipe.as_raw_fd());
        assert!(!wait(r, Interest::Read, Span::ZERO).readable());
        assert!(wait(w, Interest::Write, Span::ZERO).writable());
        pipe.write_all(b"x").unwrap();
        assert!(wait(r, Interest::Read, Span::from_secs(60)).readable());
        drop(pipe);
        assert!(wait(r, Interest::Nothing, Span::from_secs(60)).failed());
        let before = boottime();
        let (quiet, _pipe) = io::pipe().unwrap();
        let told = wait(quiet.as_raw_fd(), Interest::Read, Span::from_millis(20));
        assert!(!told.readable() && boottime() >= before.after(Span::from_millis(20)));
    }

    /// In a process of its own, for the signals of this one are the test runner's.
    #[test]
    fn signals_arrive_through_the_descriptor() {
        let (input, open) = io::pipe().unwrap();
        // fork_apart closes all but its input and output, so the answer goes through a file
        let path = std::env::temp_dir().join(format!("ovzha-signals-{}", own_pid()));
        let child = fork_apart(input.as_fd(), open.as_fd(), |_| {
            let arrived = signals_sent_to_self().unwrap_or_default();
            drop(std::fs::write(&path, arrived));
        });
        let child = child.unwrap();
        let end = boottime().after(Span::from_secs(60));
        while wait_for(child).unwrap() != Some(Ended::Code(0)) {
            assert!(boottime() < end);
            wait(input.as_raw_fd(), Interest::Read, Span::from_millis(5));
        }
        let arrived = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(arrived, "Hangup Interrupt Terminate User1 ");
    }

    fn signals_sent_to_self() -> Option<String> {
        let mut signals = Signals::open().ok()?;
        let own = Pid::new(i32::try_from(own_pid()).ok()?)?;
        for number in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGUSR1, libc::SIGPIPE] {
            kill_child(own, number).ok()?;
        }
        let mut fds = [PollFd::new(signals.as_raw_fd(), Interest::Read)];
        poll(&mut fds, Some(Span::from_secs(60))).ok()?;
        let mut names: Vec<String> = std::iter::from_fn(|| signals.take())
            .map(|s| format!("{s:?} "))
            .collect();
        names.sort_unstable();
        Some(names.concat())
    }
}
