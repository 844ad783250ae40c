//! Gives up root for good, before a program of somebody else runs.

use std::io;

use super::checked;

/// This process becomes the user `uid` with the groups `gid` and `groups`; there is no way back. In this order: who is no
/// longer root can't change groups. Nothing to do, nor allowed, where a user who is not root asks for itself.
///
/// # Errors
/// Not permitted: the process may then have changed in part, so it must end.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    // SAFETY: touches no memory.
    let own = unsafe { libc::geteuid() };
    if own != 0 && own == uid {
        return Ok(());
    }
    // SAFETY: the pointer and the count are those of one slice.
    checked(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
    // SAFETY: touches no memory.
    checked(unsafe { libc::setgid(gid) })?;
    // SAFETY: touches no memory.
    checked(unsafe { libc::setuid(uid) })?;
    Ok(())
}
