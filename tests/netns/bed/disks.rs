//! The two disks of a DRBD resource: image files behind loop devices, each with the same file system.
use super::Number;
use super::process::{run, sh};
use crate::twin::disk;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Both disks. The devices are set to detach with their last user, so they go even if the test is killed.
pub struct Disks {
    devices: [PathBuf; 2],
    _users: [File; 2],
}

impl Disks {
    /// Images in `dir`, the device nodes in the resource's `home`.
    pub fn new(dir: &Path, home: &Path, kind: &str) -> Self {
        fs::create_dir_all(dir).unwrap();
        let image = dir.join("disk1.img");
        let file = File::create(&image).unwrap();
        file.set_len(8 * 1024 * 1024).unwrap();
        run(&format!("mkfs.{kind}"), &["-q", "-F", &image.to_string_lossy()]).must();
        fs::copy(&image, dir.join("disk2.img")).unwrap();
        let attach = |number: Number| {
            let image = dir.join(format!("disk{number}.img"));
            let device = run("losetup", &["-f", "--show", &image.to_string_lossy()]).must();
            let device = PathBuf::from(device.trim());
            let user = File::open(&device).unwrap();
            run("losetup", &["-d", &device.to_string_lossy()]).must();
            let node = disk(home, number);
            run("cp", &["-a", &device.to_string_lossy(), &node.to_string_lossy()]).must();
            (device, user)
        };
        let ((one, first), (two, second)) = (attach(1), attach(2));
        Self {
            devices: [one, two],
            _users: [first, second],
        }
    }

    /// The count that stands on a disk; both nodes are off.
    pub fn read(&self, dir: &Path, node: Number) -> String {
        let device = self.devices[usize::from(node) - 1].display();
        let point = dir.join("look");
        fs::create_dir_all(&point).unwrap();
        let point = point.display();
        // a node's mounts vanish a moment after it; until then a second mount would share its file system
        let line = format!(
            "i=0; until mount -o ro {device} {point} 2>/dev/null || [ $i = 50 ]; do sleep 0.1; i=$((i+1)); done; \
             cat {point}/count 2>/dev/null; umount {point}"
        );
        sh(&format!("unshare --mount --propagation private sh -c '{line}'")).must()
    }
}
