//! Finds the processes that keep a file system or its device busy, in every mount namespace.
//!
//! A holder is found by device number, never by path: once nothing is mounted there, the path means another
//! file system, and killing its users would kill the machine. Never a holder: this process, its ancestors
//! (the daemon is one), and process 1.
use crate::mounts;
pub use crate::mounts::DeviceId;
use crate::program;
use crate::sys::{self, Pid};
use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How many holders a reason names.
const TOLD_MAX: usize = 4;

/// Which mounts make a process a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    /// None: only open files, directories, programs and mappings count.
    Ignored,
    /// Those in other mount namespaces than ours: whoever lives there holds the device.
    OtherNamespaces,
    /// Those in any mount namespace, ours too, told as the namespace of the process.
    AnyNamespace,
}

/// What may be held.
#[derive(Clone, Debug)]
pub struct Held {
    /// The device numbers.
    pub devices: Vec<DeviceId>,
    /// Which mounts count.
    pub mounts: Mounts,
}

/// A process that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its command name.
    pub command: String,
    /// By what: `file`, `cwd`, `root`, `program`, `mapping`, `mount`.
    pub by: &'static str,
    /// Its mount namespace, when it isn't ours.
    pub namespace: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) by {}", self.pid, self.command, self.by)?;
        self.namespace
            .as_ref()
            .map_or(Ok(()), |namespace| write!(f, " in {namespace}"))
    }
}

/// The number of the block device at `path`.
#[must_use]
pub fn device_of(path: &Path) -> Option<DeviceId> {
    let meta = fs::metadata(path).ok()?;
    meta.file_type()
        .is_block_device()
        .then(|| DeviceId::from_stat(meta.rdev()))
}

/// Every process that holds it now. A process that vanishes meanwhile holds nothing.
#[must_use]
pub fn holders(held: &Held) -> Vec<Holder> {
    if held.devices.is_empty() {
        return Vec::new();
    }
    let spared = spared();
    let ours = fs::read_link("/proc/self/ns/mnt").ok();
    let mut found = Vec::new();
    for pid in pids() {
        let proc = Path::new("/proc").join(pid.to_string());
        if spared.contains(&pid) {
            continue;
        }
        // 2.6.18 has no ns/mnt: every process then counts as a stranger, told without a namespace.
        let theirs = fs::read_link(proc.join("ns/mnt")).ok();
        let foreign = theirs.is_none() || theirs != ours;
        let by = held_by(&proc, &held.devices).or_else(|| {
            let counts = match held.mounts {
                Mounts::Ignored => false,
                Mounts::OtherNamespaces => foreign,
                Mounts::AnyNamespace => true,
            };
            (counts && has_mounted(&proc, &held.devices)).then_some("mount")
        });
        if let Some(by) = by {
            let namespace = theirs
                .filter(|_| foreign)
                .map(|link| link.to_string_lossy().into_owned());
            found.push(Holder {
                pid,
                command: command_of(&proc),
                by,
                namespace,
            });
        }
    }
    found
}

/// Whether any process, spared ones included, still has one of `devices` in its mount table.
#[must_use]
pub fn mounted_anywhere(devices: &[DeviceId]) -> bool {
    !devices.is_empty()
        && pids()
            .iter()
            .any(|pid| has_mounted(&Path::new("/proc").join(pid.to_string()), devices))
}

/// The holders as the end of a sentence: `311 (tail) by file, 12 (bash) by mount in mnt:[4026532201]`.
#[must_use]
pub fn tell(holders: &[Holder]) -> String {
    let told = holders
        .iter()
        .take(TOLD_MAX)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    match holders.len().checked_sub(TOLD_MAX + 1) {
        Some(more) => format!("{told} and {} more", more + 1),
        None => told,
    }
}

/// Sends each holder `signal`. The list must be fresh: ids are reused.
pub fn signal(holders: &[Holder], signal: i32) {
    for pid in holders
        .iter()
        .filter_map(|holder| Pid::new(i32::try_from(holder.pid).ok()?))
    {
        // A process that is gone is what was wanted.
        drop(sys::kill_process(pid, signal));
    }
}

fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// This process, its ancestors, and process 1.
fn spared() -> Vec<u32> {
    let mut spared = vec![1];
    let mut pid = std::process::id();
    while pid > 1 && !spared.contains(&pid) {
        spared.push(pid);
        let Some(parent) = parent_of(pid) else { break };
        pid = parent;
    }
    spared
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command may hold blanks and brackets: fields count from the last bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn command_of(proc: &Path) -> String {
    program::one_line(&fs::read_to_string(proc.join("comm")).unwrap_or_default())
}

/// By what the process holds one of `devices`, apart from mounts.
fn held_by(proc: &Path, devices: &[DeviceId]) -> Option<&'static str> {
    for (link, by) in [("cwd", "cwd"), ("root", "root"), ("exe", "program")] {
        if lies_on(&proc.join(link), devices) {
            return Some(by);
        }
    }
    let mut fds = fs::read_dir(proc.join("fd")).into_iter().flatten().flatten();
    if fds.any(|fd| lies_on(&fd.path(), devices)) {
        return Some("file");
    }
    let maps = fs::read(proc.join("maps")).unwrap_or_default();
    let maps = String::from_utf8_lossy(&maps);
    let mapped = |line: &str| line.split_whitespace().nth(3).and_then(DeviceId::parse_hex);
    maps.lines()
        .filter_map(mapped)
        .any(|device| devices.contains(&device))
        .then_some("mapping")
}

/// Whether what `link` leads to lies on one of `devices`, or is one of them.
fn lies_on(link: &PathBuf, devices: &[DeviceId]) -> bool {
    let Ok(meta) = fs::metadata(link) else { return false };
    let is_device = meta.file_type().is_block_device() && devices.contains(&DeviceId::from_stat(meta.rdev()));
    is_device || devices.contains(&DeviceId::from_stat(meta.dev()))
}

fn has_mounted(proc: &Path, devices: &[DeviceId]) -> bool {
    mounts::of(proc)
        .unwrap_or_default()
        .iter()
        .any(|mount| devices.contains(&mount.device))
}
