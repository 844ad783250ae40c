//! This process's standing with the kernel: memory, scheduling, out-of-memory score, core dumps.

use std::fs;
use std::io;

use super::checked;

/// The core dump limit as it was before [`forbid_core_dumps`], for children to have again.
#[derive(Clone, Copy, Debug)]
pub struct CoreLimit(pub(super) libc::rlimit);

/// Keeps all memory, now and later, from being swapped out.
///
/// # Errors
/// Not permitted, or more than the limit on locked memory.
pub fn lock_memory() -> io::Result<()> {
    // SAFETY: locks pages, changes no contents.
    checked(unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) }).map(|_| ())
}

/// Asks for round-robin realtime scheduling.
///
/// # Errors
/// Not permitted, as in a control group without realtime budget.
pub fn set_realtime(priority: i32) -> io::Result<()> {
    set_scheduler(libc::SCHED_RR, priority)
}

/// Back to ordinary scheduling.
///
/// # Errors
/// Never seen; whatever the kernel says.
pub fn set_ordinary() -> io::Result<()> {
    set_scheduler(libc::SCHED_OTHER, 0)
}

/// By the bare system call: musl's wrapper only answers ENOSYS. The kernel's `sched_param` is one int.
pub(super) fn set_scheduler(policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    // SAFETY: pid 0 is ourselves; `priority` lives through the call.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Sets the nice value.
///
/// # Errors
/// Not permitted (below what it was, without root).
pub fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: touches no memory.
    checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(|_| ())
}

/// Bounds this process's address space, and that of what it starts.
///
/// # Errors
/// Whatever setrlimit(2) says.
pub fn limit_memory(bytes: u64) -> io::Result<()> {
    let bound = libc::rlim_t::from(bytes);
    let limit = libc::rlimit {
        rlim_cur: bound,
        rlim_max: bound,
    };
    // SAFETY: `limit` is a valid limit.
    checked(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }).map(|_| ())
}

/// Makes the out-of-memory killer leave this process alone. Kernels before 2.6.36 have only the older file.
///
/// # Errors
/// Not root.
pub fn protect_from_oom() -> io::Result<()> {
    match fs::write("/proc/self/oom_score_adj", "-1000") {
        Err(e) if e.kind() == io::ErrorKind::NotFound => fs::write("/proc/self/oom_adj", "-17"),
        answer => answer,
    }
}

/// No core dumps and no tracing by others of the same user: this process's memory holds keys.
/// Only the soft limit goes to 0, so that children can have it back.
///
/// # Errors
/// Whatever getrlimit(2), setrlimit(2) or prctl(2) say.
pub fn forbid_core_dumps() -> io::Result<CoreLimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for the answer.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) })?;
    let none = libc::rlimit { rlim_cur: 0, ..limit };
    // SAFETY: `none` is a valid limit.
    checked(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) })?;
    let off: libc::c_ulong = 0;
    // SAFETY: PR_SET_DUMPABLE takes a number.
    checked(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, off) })?;
    Ok(CoreLimit(limit))
}
