//! The article's three files, and the changes a case makes to them.
use super::{Number, article};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What stands in `/etc/ha.d` of both nodes.
#[derive(Clone)]
pub struct Files {
    ha_cf: String,
    haresources: String,
    authkeys: [String; 2],
    ovzha_cf: Option<String>,
}

impl Files {
    /// The article's, byte for byte.
    pub fn article() -> Self {
        let read = |name: &str| fs::read_to_string(article(name)).unwrap();
        Self {
            ha_cf: read("ha.cf"),
            haresources: read("haresources"),
            authkeys: [read("authkeys"), read("authkeys")],
            ovzha_cf: None,
        }
    }

    /// The article's with short times, a log file, and ext4: what most cases use.
    pub fn quick() -> Self {
        let mut files = Self::article();
        files.haresources = files.haresources.replace("ext3", "ext4");
        files
            .set("keepalive", "keepalive 200ms")
            .set("warntime", "warntime 1")
            .set("deadtime", "deadtime 2")
            .set("initdead", "initdead 4")
            .set("logfacility", "logfile /var/log/ha-log")
    }

    /// As quick, but nobody is late or dead for a machine that is merely busy.
    pub fn calm() -> Self {
        let files = Self::quick().set("warntime", "warntime 5");
        files.set("deadtime", "deadtime 10").set("initdead", "initdead 10")
    }

    /// Replaces the line that begins with `directive`.
    #[must_use]
    pub fn set(mut self, directive: &str, line: &str) -> Self {
        let starts = |old: &&str| old.split_whitespace().next() == Some(directive);
        assert!(
            self.ha_cf.lines().any(|old| starts(&old)),
            "no line {directive} in ha.cf"
        );
        let lines = self.ha_cf.lines().map(|old| if starts(&old) { line } else { old });
        self.ha_cf = lines.flat_map(|line| [line, "\n"]).collect();
        self
    }

    /// Without ping nodes: protection row "none".
    #[must_use]
    pub fn without_ping(self) -> Self {
        self.set("ping", "").set("respawn", "")
    }

    /// With an `ovzha.cf`.
    #[must_use]
    pub fn ovzha_cf(mut self, text: &str) -> Self {
        self.ovzha_cf = Some(text.to_owned());
        self
    }

    /// With another key on one node.
    #[must_use]
    pub fn key(mut self, node: Number, key: &str) -> Self {
        self.authkeys[usize::from(node) - 1] = format!("auth 1\n1 sha1 {key}\n");
        self
    }

    /// The type of the file system.
    pub fn kind(&self) -> &'static str {
        if self.haresources.contains("ext3") {
            "ext3"
        } else {
            "ext4"
        }
    }

    /// Writes them for one node.
    pub fn write(&self, node: Number, dir: &Path) {
        fs::write(dir.join("ha.cf"), &self.ha_cf).unwrap();
        fs::write(dir.join("haresources"), &self.haresources).unwrap();
        let keys = dir.join("authkeys");
        fs::write(&keys, &self.authkeys[usize::from(node) - 1]).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some(text) = &self.ovzha_cf {
            fs::write(dir.join("ovzha.cf"), text).unwrap();
        }
        for path in [dir.join("ha.cf"), dir.join("haresources"), dir.to_path_buf()] {
            let mode = if path == dir { 0o755 } else { 0o644 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}
