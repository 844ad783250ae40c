//! A node on which OpenVZ is the stand-in of this directory (README).
use crate::apart::{Place, sh};
use ovzha_host::agent::{Exit, Op};
use ovzha_host::vz::Paths;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A node with containers 101 and 102, both to be started with vz.
pub struct Node {
    pub dir: PathBuf,
    /// Whether `vz` is a mount point.
    mounted: bool,
    /// Removed at the end.
    own: bool,
}

impl Node {
    /// All on one file system, which is always there.
    pub fn plain() -> Node {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ovzha-openvz-{}-{number}", std::process::id()));
        let node = Node::at(dir, false);
        fs::create_dir_all(node.path("etc/conf")).unwrap();
        node.containers("etc/conf");
        node
    }

    /// In the article's layout: the containers and their configuration on the device, a link to them beside it.
    pub fn with_device(place: &Place) -> Node {
        let node = Node::at(place.dir.clone(), true);
        assert_eq!(place.operate(Op::Start).exit, Exit::Done);
        fs::create_dir_all(node.path("vz/cluster/conf")).unwrap();
        node.containers("vz/cluster/conf");
        assert_eq!(place.operate(Op::Stop).exit, Exit::Done);
        symlink(node.path("vz/cluster/conf"), node.path("etc/conf")).unwrap();
        node
    }

    fn at(dir: PathBuf, mounted: bool) -> Node {
        for sub in ["etc", "vz", "lock", "vzreboot", "proc", "state"] {
            fs::create_dir_all(dir.join(sub)).unwrap();
        }
        let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openvz/");
        sh(&format!(
            "cp -r {programs}init.d {programs}libexec {programs}bin {}",
            dir.display()
        ));
        let node = Node {
            own: !mounted,
            dir,
            mounted,
        };
        node.write("running", "         0     0    90\n");
        symlink(node.path("running"), node.path("proc/veinfo")).unwrap();
        let vz = node.path("vz").display().to_string();
        node.write(
            "etc/vz.conf",
            &format!("VIRTUOZZO=yes\nLOCKDIR={vz}/lock\nVE_PRIVATE={vz}/private/$VEID\n"),
        );
        node
    }

    fn containers(&self, conf: &str) {
        fs::create_dir_all(self.path("vz/lock")).unwrap();
        for id in ["101", "102"] {
            fs::create_dir_all(self.path("vz/private").join(id)).unwrap();
            self.write(&format!("{conf}/{id}.conf"), "ONBOOT=\"yes\"\n");
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// OpenVZ 6, which has an init script.
    pub fn six(&self) -> Paths {
        Paths {
            init_script: self.path("init.d/vz"),
            systemctl: None,
            vz_conf: self.path("etc/vz.conf"),
            conf_dir: self.path("etc/conf"),
            links: vec![self.path("etc/conf")],
            script_locks: vec![self.path("lock/vz_lock")],
            proc_vz: self.path("proc"),
            vzreboot: self.path("vzreboot"),
            vzlist: Some(self.path("bin/vzlist")),
            vzctl: Some(self.path("bin/vzctl")),
            mount: self.mounted.then(|| self.path("vz")),
            state_dir: Some(self.path("state")),
        }
    }

    /// OpenVZ 7, which has a unit.
    pub fn seven(&self) -> Paths {
        Paths {
            init_script: self.path("none"),
            systemctl: Some(self.path("bin/systemctl")),
            script_locks: vec![],
            ..self.six()
        }
    }

    /// Runs one of OpenVZ's programs, as a naive manager would.
    pub fn call(&self, program: &str, args: &[&str]) -> Output {
        Command::new(self.path(program)).args(args).output().unwrap()
    }

    /// The same, for one that exits 0; what it printed.
    pub fn call_ok(&self, program: &str, args: &[&str]) -> String {
        let output = self.call(program, args);
        assert_eq!(output.status.code(), Some(0), "{program} {args:?}: {output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    /// What the kernel says that runs.
    pub fn running(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("running")).unwrap();
        let mut ids: Vec<String> = text
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().next().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    pub fn calls(&self, line: &str) -> usize {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().filter(|one| *one == line).count()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.own {
            drop(fs::remove_dir_all(&self.dir));
        }
    }
}
