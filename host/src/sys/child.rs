//! Forks. Between fork and exec only async-signal-safe calls are made, on memory prepared before the fork.
//!
//! The parent never waits for the exec: a program on a hung disk hangs its child only. What goes wrong in the child is
//! said on its standard error, and it exits with 127 (or 126 where the program was found).

use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use super::checked;
use super::process::Pid;
use super::standing::{CoreLimit, set_scheduler};
use super::wait::empty_set;

/// Where a child finds its one more file.
const FILE: RawFd = 3;

/// A program to start as a child of its own session.
#[derive(Debug)]
pub struct Child<'a> {
    /// The file to execute, by its whole path.
    pub program: &'a CStr,
    /// Its arguments, its own name first.
    pub argv: &'a [CString],
    /// Its whole environment, `NAME=value` each.
    pub env: &'a [CString],
    /// Its standard input; `None` is /dev/null.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Its standard output and standard error.
    pub output: BorrowedFd<'a>,
    /// One more file, as descriptor 3; `None`: it has no descriptor 3.
    pub file: Option<BorrowedFd<'a>>,
    /// The core limit it gets; `None` leaves ours.
    pub core_limit: Option<CoreLimit>,
    /// Whether the kernel kills it when we end, however that comes.
    pub ends_with_us: bool,
}

/// Everything the child needs after the fork, as plain values.
struct Prepared {
    program: *const c_char,
    argv: Vec<*const c_char>,
    env: Vec<*const c_char>,
    stdin: RawFd,
    output: RawFd,
    file: RawFd,
    core_limit: Option<CoreLimit>,
    ends_with_us: bool,
    open_files: RawFd,
}

/// Forks and lets the child become `child`; the parent comes back at once.
///
/// # Errors
/// No process could be made.
pub fn spawn(child: &Child<'_>) -> io::Result<Pid> {
    let prepared = Prepared {
        program: child.program.as_ptr(),
        argv: pointers(child.argv),
        env: pointers(child.env),
        stdin: child.stdin.map_or(-1, |fd| fd.as_raw_fd()),
        output: child.output.as_raw_fd(),
        file: child.file.map_or(-1, |fd| fd.as_raw_fd()),
        core_limit: child.core_limit,
        ends_with_us: child.ends_with_us,
        open_files: open_files_limit(),
    };
    match fork_masked()? {
        Some(pid) => Ok(pid),
        None => become_program(&prepared),
    }
}

/// Forks a copy of this process that runs `work` and ends, apart from us: own session, no descriptor of ours but
/// `input` (as 0), `output` (as 1, and for `work`: std's own handle may have been locked at the fork) and standard error,
/// every ending signal ignored but KILL. It ends when `work` returns.
///
/// `work` is ordinary code and may allocate, so this is for the start, while the process has one thread.
///
/// # Errors
/// No process could be made.
pub fn fork_apart(input: BorrowedFd<'_>, output: BorrowedFd<'_>, work: impl FnOnce(File)) -> io::Result<Pid> {
    let (input, output) = (input.as_raw_fd(), output.as_raw_fd());
    let open_files = open_files_limit();
    if let Some(pid) = fork_masked()? {
        return Ok(pid);
    }
    reset_signals();
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGPIPE, libc::SIGQUIT] {
        // SAFETY: ignoring a signal installs no code.
        unsafe { libc::signal(number, libc::SIG_IGN) };
    }
    // SAFETY: touches no memory.
    unsafe { libc::setsid() };
    reset_standing(None);
    let (input, output) = (above_two(input), above_two(output));
    move_to(input, 0);
    move_to(output, 1);
    close_from(3, open_files);
    // SAFETY: the descriptor was just put there, and nothing else of this process writes to it.
    work(unsafe { File::from_raw_fd(1) });
    leave(0)
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
}

/// How many descriptors a process may have; what an older limit left above is closed by exec all the same, if ours.
fn open_files_limit() -> RawFd {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for the answer.
    let answer = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if answer != 0 {
        return 1024;
    }
    RawFd::try_from(limit.rlim_cur).unwrap_or(65_536).min(65_536)
}

/// Forks with every signal blocked, so that none of ours is handled by the child. `None`: this is the child.
fn fork_masked() -> io::Result<Option<Pid>> {
    let mut all = empty_set();
    let mut before = empty_set();
    // SAFETY: `all` is an initialised set.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: both sets are initialised and live through the call.
    checked(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before) })?;
    // SAFETY: the child makes only async-signal-safe calls until exec, or (fork_apart) has the only thread.
    let answer = checked(unsafe { libc::fork() });
    if matches!(answer, Ok(0)) {
        return Ok(None);
    }
    // SAFETY: `before` is the mask as it was.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()) };
    let raw = answer?;
    Pid::new(raw)
        .map(Some)
        .ok_or_else(|| io::Error::other("fork(2) answered no pid"))
}

/// In the child: everything a task's process must be, then exec. Failures of a comfort are passed over.
fn become_program(prepared: &Prepared) -> ! {
    // SAFETY: touches no memory.
    unsafe { libc::setsid() };
    if prepared.ends_with_us {
        die_with_parent();
    }
    reset_signals();
    reset_standing(prepared.core_limit);
    let (input, output) = (above_two(prepared.stdin), above_two(prepared.output));
    let file = above_two(prepared.file);
    move_to(output, 1);
    move_to(output, 2);
    let input = if input >= 0 { input } else { open_null() };
    move_to(input, 0);
    // last, for it may stand where one of the others stood
    move_to(file, FILE);
    close_from(FILE + 1, prepared.open_files);
    // SAFETY: a string constant.
    unsafe { libc::chdir(c"/".as_ptr()) };
    // SAFETY: touches no memory.
    unsafe { libc::umask(0o022) };
    // the mask last, with nothing of ours left that a signal could run
    let none = empty_set();
    // SAFETY: `none` is an initialised set.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) };
    // SAFETY: both arrays end with a null pointer, and their strings live in the parent's copied memory.
    unsafe { libc::execve(prepared.program, prepared.argv.as_ptr(), prepared.env.as_ptr()) };
    let why = io::Error::last_os_error();
    let code = if why.raw_os_error() == Some(libc::ENOENT) {
        127
    } else {
        126
    };
    // SAFETY: the program's name is a string that ended with a zero byte before the fork.
    let name = unsafe { CStr::from_ptr(prepared.program) };
    complain(name.to_bytes(), &why);
    leave(code)
}

/// Lets the kernel kill `command`'s process when we end, however that comes.
pub fn end_with_us(command: &mut Command) {
    // SAFETY: between fork and exec one system call is made, which touches no memory.
    unsafe {
        command.pre_exec(|| {
            die_with_parent();
            Ok(())
        })
    };
}

/// In a child. Kept across exec; a parent that is gone already is not noticed.
fn die_with_parent() {
    // SAFETY: touches no memory; an old kernel answers an error, and the child lives on.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
}

/// Every signal back to its default: exec itself would keep the ignored ones ignored.
/// By the bare system call: the C libraries refuse the numbers they use themselves, which may be inherited ignored.
fn reset_signals() {
    // the kernel's structure (handler, flags, restorer, mask), all zero, is the default action; this is larger
    let default = [0_u64; 8];
    let mask_size: libc::size_t = 8;
    for number in 1..=64 {
        let old: *mut libc::c_void = ptr::null_mut();
        // SAFETY: `default` outlives the call; it installs no code. KILL and STOP answer an error.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), old, mask_size) };
    }
}

fn reset_standing(core_limit: Option<CoreLimit>) {
    // refused only where there was nothing to reset
    drop(set_scheduler(libc::SCHED_OTHER, 0));
    // SAFETY: touches no memory.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) };
    if !write_zero(c"/proc/self/oom_score_adj") {
        write_zero(c"/proc/self/oom_adj");
    }
    if let Some(CoreLimit(limit)) = core_limit {
        // SAFETY: `limit` is a valid limit.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
    }
}

fn write_zero(path: &CStr) -> bool {
    // SAFETY: `path` ends with a zero byte.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return false;
    }
    // SAFETY: writes one byte of a constant.
    let wrote = unsafe { libc::write(fd, c"0".as_ptr().cast(), 1) };
    // SAFETY: `fd` is ours.
    unsafe { libc::close(fd) };
    wrote == 1
}

fn open_null() -> RawFd {
    // SAFETY: a string constant.
    unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY) }
}

/// A duplicate that does not stand where 0, 1 and 2 are about to be.
fn above_two(fd: RawFd) -> RawFd {
    if fd < 0 {
        return fd;
    }
    // SAFETY: touches no memory.
    unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) }
}

/// Puts `fd` at `place`, open across exec.
fn move_to(fd: RawFd, place: RawFd) {
    if fd < 0 {
        // SAFETY: nothing uses the place: rather no descriptor there than one of ours.
        unsafe { libc::close(place) };
    } else if fd == place {
        // SAFETY: dup2 onto itself would leave close-on-exec set.
        unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
    } else {
        // SAFETY: touches no memory; an error (nothing to put there) leaves the place as it is.
        unsafe { libc::dup2(fd, place) };
    }
}

/// Closes every descriptor from `first` on; one by one before 5.9.
fn close_from(first: RawFd, limit: RawFd) {
    // SAFETY: nothing in this child uses a descriptor above `first`.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if answer == 0 {
        return;
    }
    for fd in first..limit {
        // SAFETY: as above.
        unsafe { libc::close(fd) };
    }
}

/// Says on standard error why the program did not start, without allocating.
fn complain(name: &[u8], why: &io::Error) {
    let mut line = [0_u8; 512];
    let mut rest: &mut [u8] = &mut line;
    let number = why.raw_os_error().unwrap_or(0);
    let reason = match number {
        libc::ENOENT => "no such file",
        libc::EACCES => "not permitted",
        libc::ENOEXEC => "not a program (no #! line?)",
        libc::E2BIG => "arguments too long",
        libc::ENOMEM => "no memory",
        libc::EIO => "input/output error",
        libc::ETXTBSY => "being written",
        _ => "refused",
    };
    // too long a name is cut: the buffer answers with an error that has no one to tell
    let shown = name.get(..400).unwrap_or(name);
    let done = rest
        .write_all(b"cannot run ")
        .and_then(|()| rest.write_all(shown))
        .and_then(|()| writeln!(rest, ": {reason} (error {number})"));
    drop(done);
    let left = rest.len();
    let used = line.len().saturating_sub(left);
    // SAFETY: the first `used` bytes of `line` are initialised.
    unsafe { libc::write(2, line.as_ptr().cast(), used) };
}

/// Ends the child without running anything the parent registered.
fn leave(code: libc::c_int) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}
