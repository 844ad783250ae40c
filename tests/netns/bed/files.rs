//! The article's three files, and the changes a case makes to them.
use super::{Number, article};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The service of the second group, as Heartbeat's scripts were: it appends to a file on `/srv`.
const APPENDER: &str = r#"#!/bin/sh
mark=/run/appender-is-up
say() { printf '%s %s %s\n' "$(date +%s%3N)" "$(uname -n | tr -dc 0-9)" "$*" >>/bed/r1/diary; }
case $1 in
    start)
        say vz start begins, "$(grep -q ' /srv ' /proc/mounts && echo mounted || echo not mounted)"
        [ -e $mark ] && exit 0
        setsid vz-writer /srv /bed/r1 </dev/null >/dev/null 2>&1 &
        echo $! >/run/appender.pid
        say vz start done
        touch $mark
        ;;
    stop)
        say vz stop begins
        [ -e /run/appender.pid ] && kill "$(cat /run/appender.pid)"
        while [ -e /run/appender.pid ] && kill -0 "$(cat /run/appender.pid)"; do sleep 0.02; done
        say vz stop done
        rm -f $mark /run/appender.pid
        ;;
    status)
        if [ -e $mark ]; then echo running; else echo stopped; fi
        ;;
esac
exit 0
"#;

/// What stands in `/etc/ha.d` of both nodes.
#[derive(Clone)]
pub struct Files {
    ha_cf: String,
    haresources: String,
    authkeys: [String; 2],
    ovzha_cf: Option<String>,
    scripts: Vec<(&'static str, &'static str)>,
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
            scripts: vec![("appender", APPENDER)],
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

    /// With a second group, on another DRBD resource, that prefers the other node.
    #[must_use]
    pub fn crossed(mut self) -> Self {
        let line = "ovz-node2 datadisk::r1 Filesystem::/dev/drbd1::/srv::ext4 appender\n";
        self.haresources.push_str(line);
        self
    }

    /// Whether there is a second group.
    pub fn is_crossed(&self) -> bool {
        self.haresources.contains("::r1")
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

    /// With an `ha.cf` changed as a whole.
    #[must_use]
    pub fn edit(mut self, change: fn(&str) -> String) -> Self {
        self.ha_cf = change(&self.ha_cf);
        self
    }

    /// Without ping nodes: protection row "none".
    #[must_use]
    pub fn without_ping(self) -> Self {
        self.set("ping", "").set("respawn", "")
    }

    /// With this `haresources` in place of the article's.
    #[must_use]
    pub fn resources(mut self, text: &str) -> Self {
        self.haresources = text.to_owned();
        self
    }

    /// With an executable in `resource.d`.
    #[must_use]
    pub fn script(mut self, name: &'static str, text: &'static str) -> Self {
        self.scripts.push((name, text));
        self
    }

    /// With these links and ping nodes in place of the article's.
    #[must_use]
    pub fn links(mut self, lines: &str) -> Self {
        let old = ["udpport", "ucast", "bcast", "baud", "serial", "ping"];
        let stays = |line: &&str| line.split_whitespace().next().is_none_or(|word| !old.contains(&word));
        let kept: String = self.ha_cf.lines().filter(stays).flat_map(|line| [line, "\n"]).collect();
        self.ha_cf = kept + lines;
        self
    }

    /// Whether `ha.cf` has this word.
    pub fn names(&self, word: &str) -> bool {
        self.ha_cf.split_whitespace().any(|found| found == word)
    }

    /// With an `ovzha.cf`.
    #[must_use]
    pub fn ovzha_cf(mut self, text: &str) -> Self {
        self.ovzha_cf = Some(text.to_owned());
        self
    }

    /// With other resources: `before` left of datadisk, `after` right of it all.
    #[must_use]
    pub fn resources_around(mut self, before: &str, after: &str) -> Self {
        let (node, rest) = self.haresources.split_once(' ').unwrap();
        self.haresources = format!("{node} {before} {} {after}\n", rest.trim_end());
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
        let resource_d = dir.join("resource.d");
        for (name, text) in &self.scripts {
            fs::create_dir_all(&resource_d).unwrap();
            fs::set_permissions(&resource_d, fs::Permissions::from_mode(0o755)).unwrap();
            fs::write(resource_d.join(name), text).unwrap();
            fs::set_permissions(resource_d.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        for path in [dir.join("ha.cf"), dir.join("haresources"), dir.to_path_buf()] {
            let mode = if path == dir { 0o755 } else { 0o644 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}
