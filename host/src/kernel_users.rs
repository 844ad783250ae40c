//! Releases what keeps a mounted tree busy from inside the kernel: exports, swap files, loop devices.
//!
//! No process shows for these. They are found by the path the kernel itself reports, so nothing below the
//! tree is touched: it may hang.
use crate::mounts::DeviceId;
use crate::program::{self, Deadline};
use std::fs;
use std::path::{Path, PathBuf};

/// A loop device and the file behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// `/dev/loopN`.
    pub node: PathBuf,
    /// Its device number.
    pub device: DeviceId,
    /// The file behind it, as the kernel names it.
    pub file: PathBuf,
}

/// Every loop device in use.
#[must_use]
pub fn loops() -> Vec<Loop> {
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let read = |path: PathBuf| fs::read_to_string(path).ok();
    let in_use = |dir: PathBuf| {
        let name = dir
            .file_name()?
            .to_str()?
            .strip_prefix("loop")
            .map(|number| format!("/dev/loop{number}"))?;
        let file = read(dir.join("loop/backing_file"))?;
        let device = DeviceId::parse(&read(dir.join("dev"))?)?;
        Some(Loop {
            node: PathBuf::from(name),
            device,
            file: PathBuf::from(file.trim_end_matches('\n')),
        })
    };
    entries.filter_map(|entry| in_use(entry.path())).collect()
}

/// The loop devices whose files lie below one of `points`, and those whose files lie on these in turn are
/// found once their own mount points are among `points`.
#[must_use]
pub fn loops_below(points: &[PathBuf]) -> Vec<Loop> {
    loops()
        .into_iter()
        .filter(|used| is_below(&used.file, points))
        .collect()
}

/// Whether `path` lies at or below one of `points`.
#[must_use]
pub fn is_below(path: &Path, points: &[PathBuf]) -> bool {
    points.iter().any(|point| path.starts_with(point))
}

/// Takes back exports and swap below `points`. What can't be taken back shows when the unmount fails.
pub fn release(points: &[PathBuf], deadline: Deadline) {
    let exported = fs::read_to_string("/var/lib/nfs/etab").unwrap_or_default();
    for target in exports_below(&exported, points) {
        run_quietly("exportfs", &["-u", &target], deadline);
    }
    let looped = loops_below(points);
    for area in swap_areas(&fs::read_to_string("/proc/swaps").unwrap_or_default()) {
        if is_below(&area, points) || looped.iter().any(|used| used.node == area) {
            run_quietly("swapoff", &[&area.to_string_lossy()], deadline);
        }
    }
}

/// Detaches the loop devices below `points`; their own mounts must be gone by now.
pub fn detach_loops(points: &[PathBuf], deadline: Deadline) {
    for used in loops_below(points) {
        run_quietly("losetup", &["-d", &used.node.to_string_lossy()], deadline);
    }
}

fn run_quietly(name: &str, args: &[&str], deadline: Deadline) {
    if let Some(program) = program::find(name) {
        drop(program::run(&program, args, deadline));
    }
}

/// `CLIENT:PATH` of every export below `points`, from etab: `PATH<tab>CLIENT(OPTIONS)`.
#[must_use]
pub fn exports_below(etab: &str, points: &[PathBuf]) -> Vec<String> {
    let line = |line: &str| {
        let (path, rest) = line.split_once('\t')?;
        let client = rest.split('(').next()?;
        is_below(Path::new(path), points).then(|| format!("{client}:{path}"))
    };
    etab.lines().filter_map(line).collect()
}

/// The first column of `/proc/swaps`, without its heading.
#[must_use]
pub fn swap_areas(swaps: &str) -> Vec<PathBuf> {
    let first = |line: &str| {
        line.split_whitespace()
            .next()
            .map(|path| PathBuf::from(path.replace("\\040", " ")))
    };
    swaps.lines().skip(1).filter_map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Written by hand after exports(5) and proc(5).
    const ETAB: &str = "/vz/share\t192.168.1.0/24(rw,sync)\n/srv\t*(ro)\n/vzold\t*(ro)\n";
    const SWAPS: &str =
        "Filename Type Size Used Priority\n/vz/swap\\040file file 1024 0 -2\n/dev/sda2 partition 1 0 -3\n";

    #[test]
    fn only_exports_below_the_mount_point_are_named() {
        assert_eq!(
            exports_below(ETAB, &[PathBuf::from("/vz")]),
            ["192.168.1.0/24:/vz/share"]
        );
    }

    #[test]
    fn swap_areas_are_unescaped() {
        assert_eq!(swap_areas(SWAPS), [Path::new("/vz/swap file"), Path::new("/dev/sda2")]);
        assert!(swap_areas("").is_empty());
    }
}
