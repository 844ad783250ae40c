//! A real `ovzha witness` on the host. A guest reaches it at 10.0.2.2, over a card whose network is QEMU's own.
use super::{Pair, binary};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The guests' own hook: its daemon calls it before it opens a link.
pub const CARD_UP: &str = "#!/bin/sh\n\
    [ \"$1\" = pre-start ] && ip link set eth2 up && ip addr add 10.0.2.15/24 dev eth2 2>/dev/null\n\
    exit 0\n";

/// A free one, the same for all of this process.
pub fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port())
}

/// The witness's process.
pub struct Third {
    child: Child,
    dir: PathBuf,
}

impl Third {
    /// For this pair, whose node 1 has the keys.
    pub fn start(pair: &Pair) -> Self {
        let port = port();
        let dir = pair.file("witness");
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        let keys = pair.node(1).must("ovzha witness-key");
        let config = format!("listen 127.0.0.1:{port}\nlends-for 10s\ncluster ovz-node1 ovz-node2 keys\n");
        for (name, text) in [("keys", &keys), ("witness.cf", &config)] {
            fs::write(dir.join(name), text).unwrap();
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let child = Self::run(&dir);
        Self { child, dir }
    }

    fn run(dir: &Path) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log"));
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(binary())
            .args(["witness", "--config"])
            .arg(dir.join("witness.cf"))
            .arg("--run-dir")
            .arg(dir.join("run"))
            .arg("--state-dir")
            .arg(dir.join("state"))
            .stdin(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .unwrap()
    }

    /// Dies without a word, and begins a new life.
    pub fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::run(&self.dir);
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Third {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
