//! Processes we started: who they are, whether they live, how they ended.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;

use super::checked;

/// A process other than init: never 0 or 1, so that no call can hit everything at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pid(libc::pid_t);

impl Pid {
    /// `raw` as a process of its own, if it is greater than 1.
    #[must_use]
    pub const fn new(raw: i32) -> Option<Self> {
        if raw > 1 { Some(Self(raw)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }
}

impl std::fmt::Display for Pid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It exited with this code.
    Code(u8),
    /// This signal ended it.
    Signal(i32),
}

/// One process of this boot for good: a number may be used again, but not with the same start time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its number.
    pub pid: Pid,
    /// When it started, in the kernel's ticks since boot; 0 when /proc could not tell.
    pub started: u64,
}

/// Our own process number.
#[must_use]
pub fn own_pid() -> u32 {
    std::process::id()
}

/// Fetches the end of our child `pid` without waiting: `None` while it runs.
///
/// # Errors
/// `ECHILD` when it is not our child.
pub fn wait_for(pid: Pid) -> io::Result<Option<Ended>> {
    let mut status: libc::c_int = 0;
    // SAFETY: `status` is a valid place for the answer.
    let answer = checked(unsafe { libc::waitpid(pid.0, &raw mut status, libc::WNOHANG) })?;
    if answer == 0 {
        return Ok(None);
    }
    if libc::WIFEXITED(status) {
        let code = u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX);
        return Ok(Some(Ended::Code(code)));
    }
    Ok(Some(Ended::Signal(libc::WTERMSIG(status))))
}

/// A child of ours that has ended and was not fetched yet, if there is one: it can still be, by [`wait_for`].
#[must_use]
pub fn dead_child() -> Option<Pid> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` is a valid place for the answer.
    let answer = unsafe {
        libc::waitid(
            libc::P_ALL,
            0,
            info.as_mut_ptr(),
            libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
        )
    };
    checked(answer).ok()?;
    // SAFETY: plain integers, zeroed before and filled in by waitid.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid fills in this member, or leaves the 0 where nobody has ended.
    Pid::new(unsafe { info.si_pid() })
}

/// Sends `signal` to the process group that `leader` leads or led.
///
/// # Errors
/// `ESRCH` when there is no such group.
pub fn kill_group(leader: Pid, signal: libc::c_int) -> io::Result<()> {
    send(-leader.0, signal)
}

/// Sends `signal` to our child `pid`, which must not have been reaped: else the number may be a stranger's.
///
/// # Errors
/// Whatever kill(2) says.
pub fn kill_child(pid: Pid, signal: libc::c_int) -> io::Result<()> {
    send(pid.0, signal)
}

/// Sends `signal` to a process that need not be our child; the caller has just seen that it is the one meant.
///
/// # Errors
/// `ESRCH` when it is gone.
pub fn kill_process(pid: Pid, signal: libc::c_int) -> io::Result<()> {
    send(pid.0, signal)
}

/// Whether no process of the group that the already reaped `leader` led is left.
///
/// While a group has members its number is not given to a new process. So when there is a process of that number
/// again, the group was empty in between, and what is there now is not ours.
#[must_use]
pub fn group_is_gone(leader: Pid) -> bool {
    // as pid 1 of a namespace we inherit the orphans of the group, and must reap them to see it empty
    let mut status: libc::c_int = 0;
    // SAFETY: `status` is a valid place for the answer.
    while unsafe { libc::waitpid(-leader.0, &raw mut status, libc::WNOHANG) } > 0 {}
    let empty = send(-leader.0, 0).is_err_and(|e| e.raw_os_error() == Some(libc::ESRCH));
    empty || send(leader.0, 0).is_ok()
}

/// Whether the group that `leader` led has at most dead members, which nobody has reaped. Reads all of /proc: seldom.
#[must_use]
pub fn group_is_dead(leader: Pid) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else {
        return false;
    };
    let pids = processes.flatten().filter_map(|entry| {
        let name = entry.file_name();
        Pid::new(name.to_str()?.parse().ok()?)
    });
    !pids
        .filter_map(stat_of)
        .any(|stat| stat.group == leader.0 && !stat.is_dead())
}

fn send(target: libc::pid_t, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: kill(2) touches no memory; `Pid` keeps the target from being "everyone".
    checked(unsafe { libc::kill(target, signal) }).map(|_| ())
}

/// The identity of a running (or not yet reaped) process; the start time is 0 where /proc is missing.
#[must_use]
pub fn identity_of(pid: Pid) -> Identity {
    let started = stat_of(pid).map_or(0, |stat| stat.started);
    Identity { pid, started }
}

/// Whether that very process still runs. A dead one that nobody has reaped counts as dead.
#[must_use]
pub fn is_alive(who: Identity) -> bool {
    stat_of(who.pid).is_some_and(|stat| stat.started == who.started && !stat.is_dead())
}

/// What we need of /proc/PID/stat: fields 3, 5 and 22.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stat {
    state: u8,
    group: i32,
    started: u64,
}

impl Stat {
    const fn is_dead(self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Allocates nothing: asked again and again about adopted children.
fn stat_of(pid: Pid) -> Option<Stat> {
    let mut path = [0_u8; 32];
    let mut rest: &mut [u8] = &mut path;
    write!(rest, "/proc/{pid}/stat").ok()?;
    let left = rest.len();
    let path = str::from_utf8(path.get(..path.len() - left)?).ok()?;
    // the fields we need stand well before its end
    let mut text = [0_u8; 1024];
    let used = File::open(path).and_then(|mut file| file.read(&mut text)).ok()?;
    parse_stat(text.get(..used)?)
}

/// The name, field 2, may contain anything, even `)`: so the fields are counted from its end.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let name_end = text.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(text.get(name_end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.bytes().next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(16)?.parse().ok()?;
    Some(Stat { state, group, started })
}

/// Whether this is the machine's own pid namespace. In doubt: no.
///
/// Kernels before 3.8 have no /proc/self/ns/pid; there the kernel's own thread 2 is visible in the initial one only.
#[must_use]
pub fn in_initial_pid_namespace() -> bool {
    match fs::read_link("/proc/self/ns/pid") {
        Ok(name) => name.as_os_str() == "pid:[4026531836]",
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs::read("/proc/2/stat").is_ok_and(|text| text.starts_with(b"2 (kthreadd)"))
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_hostile_name() {
        let line = b"42 (a) b (c)) S 1 43 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2\n";
        let expected = Stat {
            state: b'S',
            group: 43,
            started: 987_654,
        };
        assert_eq!(parse_stat(line), Some(expected));
        assert_eq!(parse_stat(b"42 (sh"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn ourselves() {
        let pid = Pid::new(i32::try_from(own_pid()).unwrap()).unwrap();
        let who = identity_of(pid);
        assert_ne!(who.started, 0);
        assert!(is_alive(who));
        assert!(!is_alive(Identity {
            started: who.started + 1,
            ..who
        }));
        assert_eq!(Pid::new(1), None);
        assert_eq!(Pid::new(-5), None);
    }
}
