//! Reads mount tables: `/proc/PID/mountinfo`.
use std::fmt;
use std::path::{Path, PathBuf};

/// A device number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceId {
    /// The driver's number.
    pub major: u32,
    /// The unit's number.
    pub minor: u32,
}

impl DeviceId {
    /// Takes apart the number that stat gives.
    #[must_use]
    pub fn from_stat(dev: u64) -> DeviceId {
        DeviceId {
            major: libc::major(dev),
            minor: libc::minor(dev),
        }
    }

    /// Reads `MAJOR:MINOR`, as mountinfo and sysfs write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<DeviceId> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(DeviceId {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }

    /// Reads `MAJOR:MINOR` in hexadecimal, as `/proc/PID/maps` writes it.
    #[must_use]
    pub fn parse_hex(text: &str) -> Option<DeviceId> {
        let (major, minor) = text.split_once(':')?;
        let hex = |digits| u32::from_str_radix(digits, 16).ok();
        Some(DeviceId {
            major: hex(major)?,
            minor: hex(minor)?,
        })
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// One line of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The file system's device number.
    pub device: DeviceId,
    /// Where it is mounted, as the namespace sees it.
    pub point: PathBuf,
    /// Read-only, by the mount or by the file system itself (as after an error).
    pub read_only: bool,
    /// The type of the file system.
    pub kind: String,
    /// What was mounted, as it was named then.
    pub source: String,
}

/// Reads a whole table, in its order. A line that can't be read is left out: the kernel wrote it, and a
/// later kernel may write more kinds of them.
#[must_use]
pub fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /point rw,noatime shared:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &str) -> Option<Mount> {
    let (mount, super_block) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let device = DeviceId::parse(fields.next()?)?;
    let point = PathBuf::from(unescape(fields.nth(1)?));
    let options = fields.next()?;
    let mut fields = super_block.split(' ');
    let kind = fields.next()?.to_owned();
    let source = unescape(fields.next()?);
    let super_options = fields.next().unwrap_or_default();
    // ext4 says the third since 6.15, after an error
    let read_only = has_word(options, "ro") || has_word(super_options, "ro") || has_word(super_options, "emergency_ro");
    Some(Mount {
        device,
        point,
        read_only,
        kind,
        source,
    })
}

/// Whether the comma list `options` holds `word`.
#[must_use]
pub fn has_word(options: &str, word: &str) -> bool {
    options.split(',').any(|option| option == word)
}

/// Turns the kernel's `\040` back into blanks and the like.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(3).unwrap_or(("", part));
        match u8::from_str_radix(digits, 8) {
            Ok(byte) => plain.push(char::from(byte)),
            Err(_) => plain.push_str(digits),
        }
        plain.push_str(rest);
    }
    plain
}

/// The table of this process.
///
/// # Errors
/// When `/proc` can't be read.
pub fn own() -> std::io::Result<Vec<Mount>> {
    of(Path::new("/proc/self"))
}

/// The table of the process whose directory in `/proc` is `process`.
///
/// # Errors
/// When it can't be read, as when the process is gone.
pub fn of(process: &Path) -> std::io::Result<Vec<Mount>> {
    Ok(parse(&String::from_utf8_lossy(&std::fs::read(
        process.join("mountinfo"),
    )?)))
}

/// The mount that is visible at `point`: the last one made there.
#[must_use]
pub fn at<'a>(mounts: &'a [Mount], point: &Path) -> Option<&'a Mount> {
    mounts.iter().rfind(|mount| mount.point == point)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Written by hand after proc(5); the second line is an ext4 that turned read-only after an error.
    const TABLE: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
90 27 147:0 / /vz rw,noatime shared:7 master:2 - ext4 /dev/drbd0 ro,errors=remount-ro
92 27 7:0 / /srv rw - ext4 /dev/loop0 rw,emergency_ro
91 90 0:50 / /vz/root/a\\040b ro - simfs /vz/private/101 rw
broken line
";

    #[test]
    fn fields_are_found_whatever_optional_ones_stand_between() {
        let mounts = parse(TABLE);
        assert_eq!(mounts.len(), 4);
        assert_eq!(mounts[1].device, DeviceId { major: 147, minor: 0 });
        assert_eq!(
            (mounts[1].kind.as_str(), mounts[1].source.as_str()),
            ("ext4", "/dev/drbd0")
        );
        assert_eq!(mounts[3].point, Path::new("/vz/root/a b"));
        assert_eq!(
            mounts.iter().map(|m| m.read_only).collect::<Vec<_>>(),
            [false, true, true, true]
        );
    }

    #[test]
    fn the_last_mount_at_a_point_is_the_visible_one() {
        let table = format!("{TABLE}95 90 8:1 / /vz rw - ext3 /dev/sda1 rw\n");
        let mounts = parse(&table);
        assert_eq!(at(&mounts, Path::new("/vz")).unwrap().source, "/dev/sda1");
        assert_eq!(at(&mounts, Path::new("/mnt")), None);
    }

    #[test]
    fn this_machines_own_table_is_read() {
        assert!(own().unwrap().iter().any(|mount| mount.point == Path::new("/proc")));
    }
}
