//! A small tree that stands for a machine on which `ovzha check` finds nothing, to be spoilt by a test.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use ovzha_host::check::{self, Class, Finding};
use ovzha_host::config;

/// A `drbd.conf` of 8.4 with nothing to say about: lines 4 and 7 open `startup` and `net`.
pub const DRBD_CONF: &str = include_str!("../files/fenced.conf");

/// A tree with `/etc`, `/proc` and so on, removed at the end of its test. As built, nothing is found on it.
pub struct Machine(pub PathBuf);

impl Machine {
    pub fn new(test: &str) -> Self {
        let machine = Self(std::env::temp_dir().join(format!("ovzha-check-{test}-{}", std::process::id())));
        fs::create_dir_all(&machine.0).unwrap();
        for (path, text) in [
            ("etc/ha.d/ha.cf", include_str!("../files/article/ha.cf")),
            ("etc/ha.d/authkeys", include_str!("../files/article/authkeys")),
            ("etc/ha.d/haresources", include_str!("../files/article/haresources")),
            ("etc/drbd.conf", DRBD_CONF),
            ("etc/fstab", "/dev/hda1 / ext3 defaults 1 1\n"),
            ("etc/init.d/vz", ""),
            ("sbin/drbdadm", ""),
            ("usr/sbin/ovzha", ""),
            ("usr/sbin/sendmail", ""),
            ("vz/.keep", ""),
            ("dev/ttyS0", ""),
            ("sys/class/net/eth0/mtu", ""),
            ("sys/class/net/eth1/mtu", ""),
            ("proc/filesystems", "nodev\tsysfs\n\text3\n"),
            ("proc/cmdline", "ro root=/dev/hda1 console=tty0\n"),
            ("proc/sys/kernel/hostname", "OVZ-node1.example.org\n"),
            ("proc/sys/kernel/osrelease", "2.6.32-042stab\n"),
            ("proc/1/comm", "init\n"),
        ] {
            machine.write(path, text);
        }
        fs::set_permissions(machine.0.join("etc/ha.d"), fs::Permissions::from_mode(0o755)).unwrap();
        machine
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn link(&self, path: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink("nowhere", path).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.0.join(path)).unwrap();
    }

    pub fn findings(&self) -> Vec<Finding> {
        let loadable = config::read_files(&self.0.join("etc/ha.d"));
        check::machine(&self.0, &loadable.files.unwrap())
    }

    /// Findings in short: `2` makes two actives, `M` machine, `W` warning; then the text.
    pub fn found(&self) -> Vec<String> {
        let mark = |f: &Finding| match (f.two_actives, f.class) {
            (true, _) => '2',
            (false, Class::Machine) => 'M',
            (false, Class::Warning) => 'W',
        };
        self.findings().iter().map(|f| format!("{} {f}", mark(f))).collect()
    }

    /// The lines that the findings say to write.
    pub fn lines(&self) -> Vec<String> {
        self.findings().into_iter().flat_map(|finding| finding.lines).collect()
    }

    /// Asserts that there is one finding, with this beginning.
    pub fn finds(&self, beginning: &str) {
        let found = self.found();
        assert!(found.len() == 1 && found[0].starts_with(beginning), "{found:#?}");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
