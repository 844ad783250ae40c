//! Files in memory, locks, random bytes, descriptor flags.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::checked;

/// A nameless file in memory that appends every write: a memfd, else (before 3.17) an unlinked file in /dev/shm.
///
/// # Errors
/// Neither could be made.
pub fn anonymous_file() -> io::Result<File> {
    let file = memory_file()?;
    // opened once more, for the kernel counts writers of an opened file, but not of a fresh memfd
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    if let Ok(opened) = OpenOptions::new().read(true).append(true).open(path) {
        return Ok(opened);
    }
    let fd = file.as_raw_fd();
    // SAFETY: reads the descriptor's flags.
    let flags = checked(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    // SAFETY: sets the descriptor's flags.
    checked(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_APPEND) })?;
    Ok(file)
}

/// A nameless file in memory with `bytes` in it, positioned at their start.
///
/// # Errors
/// It could not be made or filled.
pub fn anonymous_input(bytes: &[u8]) -> io::Result<File> {
    let mut file = memory_file()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Frees the memory of what a file has before `end`, which then reads as zeros; all behind it stays where it is.
///
/// # Errors
/// The kernel or the file system can't.
pub fn give_back(file: &File, end: u64) -> io::Result<()> {
    let end = libc::off_t::try_from(end).map_err(io::Error::other)?;
    let how = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: changes the content of a file that we opened.
    checked(unsafe { libc::fallocate(file.as_raw_fd(), how, 0, end) }).map(drop)
}

fn memory_file() -> io::Result<File> {
    const NAME: &CStr = c"ovzha";
    // SAFETY: the name ends with a zero byte and lives through the call.
    let answer = unsafe { libc::syscall(libc::SYS_memfd_create, NAME.as_ptr(), libc::MFD_CLOEXEC) };
    // any refusal, not only ENOSYS: a policy may forbid memfds too
    let Ok(fd) = libc::c_int::try_from(answer) else {
        return shared_memory_file(Path::new("/dev/shm"));
    };
    if fd < 0 {
        return shared_memory_file(Path::new("/dev/shm"));
    }
    // SAFETY: the kernel just gave us this descriptor; nobody else has it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Removes the extended attribute `name` of the file at `path`.
///
/// # Errors
/// `ENODATA` when it has none of that name; `EROFS` and the like when nothing can be changed there.
pub fn remove_attribute(path: &Path, name: &CStr) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: both end with a zero byte and live through the call.
    checked(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }).map(drop)
}

/// The older way: a file that only its descriptor keeps alive.
fn shared_memory_file(dir: &Path) -> io::Result<File> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let mut last = io::Error::other("no free name");
    // a name may be left from a former life that was cut off between the two calls
    for _ in 0..16 {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!(".ovzha-{}-{number}", std::process::id()));
        let made = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => last = e,
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

/// Whether any process has the file that `read_only` shows open for writing.
///
/// Asks for a read lease, which the kernel grants only on a file without writers. `read_only` must have been opened
/// by itself, not duplicated from a writer. Where leases do not work the answer is no.
#[must_use]
pub fn somebody_writes_to(read_only: &File) -> bool {
    let fd = read_only.as_raw_fd();
    // SAFETY: a lease touches no memory.
    match checked(unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) }) {
        Ok(_) => {
            // SAFETY: gives the lease back.
            unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
            false
        }
        Err(e) => e.raw_os_error() == Some(libc::EAGAIN),
    }
}

/// Makes reads and writes on `fd` answer "would block" instead of waiting.
///
/// # Errors
/// Whatever fcntl(2) says.
pub fn set_nonblocking(fd: &impl AsFd) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: reads the descriptor's flags.
    let flags = checked(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    // SAFETY: sets the descriptor's flags.
    checked(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(|_| ())
}

/// Pages of a file that stay in memory as long as this lives. Nobody reads or writes through it.
#[derive(Debug)]
pub struct Pinned {
    start: *mut libc::c_void,
    length: usize,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: `start` and `length` are of a map that mmap(2) made and nobody has looked at.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

/// Keeps the first `length` bytes of `file` from being swapped out: write(2) then finds its pages in memory.
///
/// # Errors
/// The file can't be mapped, or more would be locked than is permitted.
pub fn keep_in_memory(file: &File, length: usize) -> io::Result<Pinned> {
    let fd = file.as_raw_fd();
    // SAFETY: the kernel chooses the place; nothing of ours is mapped over.
    let start = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, fd, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let pinned = Pinned { start, length };
    // SAFETY: the range is the map just made; its contents are not changed.
    checked(unsafe { libc::mlock(pinned.start, pinned.length) })?;
    Ok(pinned)
}

/// Takes the lock that only one instance can have; it is held as long as the answered file is open.
/// `None`: another instance has it.
///
/// # Errors
/// The file cannot be opened or locked.
pub fn lock_instance(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// `N` random bytes. From /dev/urandom: getrandom(2) came with 3.17.
///
/// # Errors
/// There is no /dev/urandom.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn the_older_way_leaves_no_name() {
        let dir = std::env::temp_dir().join(format!("ovzha-shm-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let file = shared_memory_file(&dir).unwrap();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        std::fs::remove_dir(&dir).unwrap();
        file.write_all_at(b"abc", 0).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 3);
    }

    #[test]
    fn writers_are_seen() {
        let file = anonymous_file().unwrap();
        let reader = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        assert!(somebody_writes_to(&reader));
        drop(file);
        assert!(!somebody_writes_to(&reader));
    }

    #[test]
    fn one_instance() {
        let path = std::env::temp_dir().join(format!("ovzha-lock-{}", std::process::id()));
        let first = lock_instance(&path).unwrap();
        assert!(first.is_some());
        assert!(lock_instance(&path).unwrap().is_none());
        drop(first);
        assert!(lock_instance(&path).unwrap().is_some());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn random_differs() {
        assert_ne!(random_bytes::<16>().unwrap(), random_bytes::<16>().unwrap());
    }
}
