//! Mounts and unmounts the file system of a group, with everything that keeps it busy.
//!
//! A mount is known by its device number, never by its path alone. A stop is never lazy and never forced:
//! plain unmounts, deepest first; then TERM, then KILL to the processes found by device number, first to
//! those with something open, and once our own mount is gone to those whose mount namespace still holds it.
//! It is done when no process's mount table names the device.
use crate::agent::{Answer, Exit, Op};
use crate::busy::{self, DeviceId, Held, Holder, Mounts};
use crate::kernel_users;
use crate::mounts::{self, Mount};
use crate::program::{self, Deadline};
use crate::sys;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Types that replay their own journal at mount; any other gets `fsck -a` first.
const JOURNALED: [&str; 8] = ["ext3", "ext4", "xfs", "jfs", "reiserfs", "btrfs", "gfs2", "ocfs2"];
/// Between two tries of an unmount.
const RETRY: Duration = Duration::from_millis(200);
/// How long plain unmounts are tried before anyone is signalled: a passing `df` isn't worth a TERM.
const PATIENCE: Duration = Duration::from_secs(2);
/// The parts of a stop's time: plain unmount, TERM, KILL, and one in reserve.
const STAGES: u32 = 4;

/// One file system to mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    device: PathBuf,
    point: PathBuf,
    kind: String,
    options: String,
}

/// Where the device is mounted, seen from our own namespace.
enum Standing {
    Here {
        read_only: bool,
    },
    Elsewhere(PathBuf),
    /// Something else is mounted at our mount point.
    Covered(String),
    Absent,
}

/// Runs one operation of `Filesystem DEV DIR TYPE [OPTIONS]`.
#[must_use]
pub fn operate(op: Op, args: &[&str], deadline: Deadline) -> Answer {
    match Filesystem::parse(args) {
        Ok(filesystem) => filesystem.operate(op, deadline),
        Err(reason) => Answer::unfit(reason),
    }
}

impl Filesystem {
    /// Reads the resource's arguments.
    ///
    /// # Errors
    /// When they don't name a local device, an absolute directory and a type.
    pub fn parse(args: &[&str]) -> Result<Filesystem, String> {
        let (device, point, kind, options) = match args {
            [device, point, kind] => (device, point, kind, ""),
            [device, point, kind, options] => (device, point, kind, *options),
            _ => return Err("Filesystem wants DEVICE DIRECTORY TYPE [OPTIONS]".to_owned()),
        };
        if !device.starts_with('/') || device.starts_with("//") {
            return Err(format!(
                "{device:?} is no path of a device (labels and network shares are not supported)"
            ));
        }
        let point: PathBuf = Path::new(point).components().collect();
        if !point.is_absolute() || point.parent().is_none() {
            return Err(format!("{} can't be a group's mount point", point.display()));
        }
        if kind.is_empty() || kind.starts_with('-') || options.starts_with('-') {
            return Err(format!("{kind:?} {options:?} are no type and options of a file system"));
        }
        // mountinfo names the real place; a mount point that is missing keeps its own name.
        let point = fs::canonicalize(&point).unwrap_or(point);
        Ok(Filesystem {
            device: device.into(),
            point,
            kind: (*kind).to_owned(),
            options: options.to_owned(),
        })
    }

    /// Runs one operation.
    #[must_use]
    pub fn operate(&self, op: Op, deadline: Deadline) -> Answer {
        match op {
            Op::Start => self.start(deadline),
            Op::Stop => self.stop(deadline),
            Op::Probe | Op::Observe | Op::Monitor => self.probe(),
        }
    }

    fn probe(&self) -> Answer {
        if !self.point.is_dir() {
            return Answer::unfit(format!("mount point {} is no directory", self.point.display()));
        }
        let unclear = |reason: String| Answer::new(Exit::Unclear, reason);
        match self.standing() {
            Err(reason) => unclear(reason),
            Ok(Standing::Here { read_only: true }) if !self.wants_read_only() => {
                unclear(format!("{} is mounted read-only", self.name()))
            }
            Ok(Standing::Here { .. }) => Answer::done(format!("{} is mounted", self.name())),
            Ok(Standing::Covered(other)) => unclear(self.covered(&other)),
            Ok(Standing::Elsewhere(place)) => unclear(self.elsewhere(&place)),
            Ok(Standing::Absent) if busy::mounted_anywhere(&self.devices()) => unclear(format!(
                "{} is mounted in another mount namespace",
                self.device.display()
            )),
            Ok(Standing::Absent) => Answer::new(Exit::NotRunning, format!("{} is not mounted", self.name())),
        }
    }

    fn start(&self, deadline: Deadline) -> Answer {
        if let Err(answer) = self.check_places() {
            return answer;
        }
        match self.standing() {
            Err(reason) => return Answer::failed(reason),
            Ok(Standing::Here { read_only: true }) if !self.wants_read_only() => {
                return Answer::failed(format!("{} is mounted already, but read-only", self.name()));
            }
            Ok(Standing::Here { .. }) => return Answer::done(format!("{} is already mounted", self.name())),
            Ok(Standing::Covered(other)) => return Answer::failed(self.covered(&other)),
            Ok(Standing::Elsewhere(place)) => return Answer::failed(self.elsewhere(&place)),
            Ok(Standing::Absent) => {}
        }
        if let Err(reason) = self.repair(deadline) {
            return Answer::failed(reason);
        }
        match self.mount(deadline) {
            Err(reason) if reason.contains("unknown filesystem type") => return Answer::unfit(reason),
            Err(reason) => return Answer::failed(reason),
            Ok(()) => {}
        }
        match self.standing() {
            Ok(Standing::Here { read_only: true }) if !self.wants_read_only() => {
                Answer::failed(format!("{} came up read-only", self.name()))
            }
            Ok(Standing::Here { .. }) => Answer::done(format!("{} is mounted", self.name())),
            Ok(Standing::Covered(_) | Standing::Elsewhere(_) | Standing::Absent) => {
                Answer::failed(format!("mount exited 0, but {} is not mounted", self.name()))
            }
            Err(reason) => Answer::failed(reason),
        }
    }

    /// Whether device and mount point are what they must be.
    fn check_places(&self) -> Result<(), Answer> {
        let device = self.device.display();
        let meta = fs::metadata(&self.device).map_err(|error| Answer::failed(format!("device {device}: {error}")))?;
        let kind = meta.file_type();
        if kind.is_file() && !mounts::has_word(&self.options, "loop") {
            return Err(Answer::unfit(format!(
                "{device} is a regular file and the options don't say loop"
            )));
        }
        if !kind.is_file() && !kind.is_block_device() {
            return Err(Answer::unfit(format!("{device} is no block device")));
        }
        if self.point.is_dir() {
            Ok(())
        } else {
            Err(Answer::unfit(format!(
                "mount point {} is no directory",
                self.point.display()
            )))
        }
    }

    /// Checks a file system that has no journal to replay.
    fn repair(&self, deadline: Deadline) -> Result<(), String> {
        if JOURNALED.contains(&self.kind.as_str()) || self.wants_read_only() {
            return Ok(());
        }
        // A node without fsck has nothing to check with; mount itself refuses what is too broken.
        let Some(fsck) = program::find("fsck") else {
            return Ok(());
        };
        let args = ["-a", "-t", &self.kind, &self.device.to_string_lossy()];
        let finished = program::run(&fsck, &args, deadline).map_err(|error| format!("fsck can't be run: {error}"))?;
        // 1: errors corrected. 2: corrected, reboot advised, which is for a mounted root.
        match finished.end {
            program::End::Exited(0..=2) => Ok(()),
            program::End::Exited(_) | program::End::Signalled(_) | program::End::TimedOut | program::End::Stuck(_) => {
                Err(format!("fsck of {}: {}", self.device.display(), finished.reason()))
            }
        }
    }

    fn mount(&self, deadline: Deadline) -> Result<(), String> {
        let (device, point) = (self.device.to_string_lossy(), self.point.to_string_lossy());
        let mut args = vec!["-t", self.kind.as_str()];
        if !self.options.is_empty() {
            args.extend(["-o", self.options.as_str()]);
        }
        args.extend([&*device, &*point]);
        run_to_success("mount", &args, deadline)
    }

    /// Unmounts, asking first and insisting then.
    fn stop(&self, deadline: Deadline) -> Answer {
        if !self.is_held() {
            return Answer::done(format!("{} is not mounted", self.name()));
        }
        let stage = deadline.remaining() / STAGES;
        kernel_users::release(&self.points(), deadline.within(stage));
        let mut why = match self.unmount_until(None, deadline.within(stage.min(PATIENCE))) {
            Ok(()) => return Answer::done(format!("{} is unmounted", self.name())),
            Err(reason) => reason,
        };
        let mut told = String::new();
        for (name, signal) in [("TERM", libc::SIGTERM), ("KILL", libc::SIGKILL)] {
            let holders = self.holders();
            if !holders.is_empty() {
                told = format!("{name} to {}", busy::tell(&holders));
            }
            match self.unmount_until(Some(signal), deadline.within(stage)) {
                Ok(()) if told.is_empty() => return Answer::done(format!("{} is unmounted", self.name())),
                Ok(()) => return Answer::done(format!("{} is unmounted after {told}", self.name())),
                Err(reason) => why = reason,
            }
        }
        let holders = self.holders();
        let by = if holders.is_empty() {
            "no process shows".to_owned()
        } else {
            busy::tell(&holders)
        };
        Answer::failed(format!("{} stays held by {by}: {why}", self.device.display()))
    }

    /// Unmounts again and again until the device is free or `deadline` is over, with each holder signalled once.
    fn unmount_until(&self, signal: Option<i32>, deadline: Deadline) -> Result<(), String> {
        let mut signalled: Vec<u32> = Vec::new();
        loop {
            if let Some(signal) = signal {
                let mut fresh = self.holders();
                fresh.retain(|holder| !signalled.contains(&holder.pid));
                busy::signal(&fresh, signal);
                signalled.extend(fresh.iter().map(|holder| holder.pid));
            }
            let tried = self.unmount_all(deadline);
            if !self.is_held() {
                return Ok(());
            }
            if !deadline.pause(RETRY) {
                return Err(tried
                    .err()
                    .unwrap_or_else(|| "another mount namespace holds it".to_owned()));
            }
        }
    }

    /// One round over everything mounted on the device or below it, deepest first.
    fn unmount_all(&self, deadline: Deadline) -> Result<(), String> {
        let points = self.points();
        let looped: Vec<DeviceId> = kernel_users::loops_below(&points)
            .iter()
            .map(|used| used.device)
            .collect();
        let table = mounts::own().map_err(|error| format!("can't read the mount table: {error}"))?;
        let concerns = |mount: &&Mount| {
            mount.point.parent().is_some()
                && (looped.contains(&mount.device) || kernel_users::is_below(&mount.point, &points))
        };
        let mut targets: Vec<&Mount> = table.iter().rev().filter(concerns).collect();
        // Stable: of two mounts at one place the later one goes first.
        targets.sort_by_key(|mount| std::cmp::Reverse(mount.point.components().count()));
        let mut first_refusal = Ok(());
        for (number, mount) in targets.iter().enumerate() {
            if number + 1 == targets.len() {
                kernel_users::detach_loops(&points, deadline);
            }
            if deadline.is_over() {
                return first_refusal.and(Err("no time left to unmount the rest".to_owned()));
            }
            let tried = run_to_success("umount", &[&*mount.point.to_string_lossy()], deadline);
            first_refusal = first_refusal.and(tried);
        }
        first_refusal
    }

    /// Who must go next: those with something open, and with our own mounts gone, other mount namespaces.
    fn holders(&self) -> Vec<Holder> {
        let mounts = if self.points().is_empty() {
            Mounts::OtherNamespaces
        } else {
            Mounts::Ignored
        };
        busy::holders(&Held {
            devices: self.devices(),
            mounts,
        })
    }

    /// Where the device is mounted in our own namespace.
    fn points(&self) -> Vec<PathBuf> {
        let devices = self.devices();
        let on_device = |mount: Mount| devices.contains(&mount.device).then_some(mount.point);
        let points = mounts::own().unwrap_or_default().into_iter().filter_map(on_device);
        points.filter(|point| point.parent().is_some()).collect()
    }

    /// Whether any process's mount table names the device. A namespace kept without a process shows nowhere:
    /// DRBD's refusal to become Secondary tells of that one.
    fn is_held(&self) -> bool {
        busy::mounted_anywhere(&self.devices())
    }

    /// The device numbers the file system goes by at this moment; asked anew each time, because the number of
    /// a loop device is another file's a moment after it was freed.
    fn devices(&self) -> Vec<DeviceId> {
        let device = fs::canonicalize(&self.device).unwrap_or_else(|_| self.device.clone());
        let mut ids: Vec<DeviceId> = busy::device_of(&device).into_iter().collect();
        ids.extend(
            kernel_users::loops()
                .into_iter()
                .filter(|used| used.file == device)
                .map(|used| used.device),
        );
        // btrfs and the like show a number of their own, with the device as source only.
        let anonymous = mounts::own()
            .unwrap_or_default()
            .into_iter()
            .filter(|mount| mount.device.major == 0);
        let by_name = anonymous.filter(|mount| Path::new(&mount.source) == device.as_path());
        ids.extend(by_name.map(|mount| mount.device));
        ids
    }

    fn standing(&self) -> Result<Standing, String> {
        let table = mounts::own().map_err(|error| format!("can't read the mount table: {error}"))?;
        let devices = self.devices();
        if let Some(mount) = mounts::at(&table, &self.point) {
            let ours = devices.contains(&mount.device);
            return Ok(if ours {
                Standing::Here {
                    read_only: mount.read_only || self.gave_up_writing(mount),
                }
            } else {
                Standing::Covered(mount.source.clone())
            });
        }
        let elsewhere = table.into_iter().find(|mount| devices.contains(&mount.device));
        Ok(elsewhere.map_or(Standing::Absent, |mount| Standing::Elsewhere(mount.point)))
    }

    /// Whether ext4 takes no more writes after an error. Since 6.12, and the stable kernels of that time, its mount still
    /// says `rw` then.
    fn gave_up_writing(&self, mount: &Mount) -> bool {
        // without an error on record nothing on the disk is touched: a look must not hang with it
        let errors = fs::canonicalize(format!("/sys/dev/block/{}", mount.device))
            .ok()
            .and_then(|dir| Some(Path::new("/sys/fs/ext4").join(dir.file_name()?).join("errors_count")))
            .and_then(|path| fs::read_to_string(path).ok());
        if errors.is_none_or(|count| count.trim() == "0") {
            return false;
        }
        // needs the journal and changes nothing: there is no such attribute
        sys::remove_attribute(&self.point, c"trusted.ovzha.none")
            .is_err_and(|error| matches!(error.raw_os_error(), Some(libc::EROFS | libc::EIO)))
    }

    fn wants_read_only(&self) -> bool {
        mounts::has_word(&self.options, "ro")
    }

    fn name(&self) -> String {
        format!("{} on {}", self.device.display(), self.point.display())
    }

    fn covered(&self, other: &str) -> String {
        format!(
            "{other} is mounted on {}, not {}",
            self.point.display(),
            self.device.display()
        )
    }

    fn elsewhere(&self, place: &Path) -> String {
        format!(
            "{} is mounted on {}, not on {}",
            self.device.display(),
            place.display(),
            self.point.display()
        )
    }
}

fn run_to_success(name: &str, args: &[&str], deadline: Deadline) -> Result<(), String> {
    let program = program::find(name).ok_or_else(|| format!("{name} is not installed"))?;
    let finished = program::run(&program, args, deadline).map_err(|error| format!("{name} can't be run: {error}"))?;
    if finished.succeeded() {
        Ok(())
    } else {
        Err(format!("{name}: {}", finished.reason()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_checked() {
        assert!(Filesystem::parse(&["/dev/drbd0", "/vz/", "ext3"]).is_ok_and(|fs| fs.point == Path::new("/vz")));
        assert!(Filesystem::parse(&["/dev/drbd0", "/vz", "ext3", "noatime"]).is_ok());
        for bad in [
            vec!["/dev/drbd0", "/vz"],
            vec!["server:/vz", "/vz", "nfs"],
            vec!["//server/vz", "/vz", "cifs"],
            vec!["-Lvz", "/vz", "ext3"],
            vec!["/dev/drbd0", "/", "ext3"],
            vec!["/dev/drbd0", "vz", "ext3"],
            vec!["/dev/drbd0", "/vz", "-f"],
        ] {
            assert_eq!(
                operate(Op::Probe, &bad, Deadline::after(PATIENCE)).exit,
                Exit::Unfit,
                "{bad:?}"
            );
        }
    }
}
