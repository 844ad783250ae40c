//! A stand-in drbdadm that answers what real ones were recorded to print.
use ovzha_host::agent::{Answer, Op};
use ovzha_host::drbd::Resource;
use ovzha_host::program::Deadline;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Answers VERB from the files VERB.out, VERB.err and VERB.rc; runs VERB.do first if there is one.
const DRBDADM: &str = r#"#!/bin/sh
cd DIR || exit 99
echo "$*" >>calls
[ -e "$1.do" ] && . "./$1.do"
[ -e "$1.err" ] && cat "$1.err" >&2
[ -e "$1.out" ] && cat "$1.out"
[ -e "$1.rc" ] && exit $(cat "$1.rc")
[ -e "$1.out" ] || [ -e "$1.do" ] || { echo "drbdadm: Unknown command '$1'." >&2; exit 20; }
exit 0
"#;

/// One node's tools.
pub struct Node(pub PathBuf);

impl Node {
    pub fn new(state: &str) -> Node {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let node = Node(std::env::temp_dir().join(format!("ovzha-drbd-{}-{number}", std::process::id())));
        fs::create_dir_all(&node.0).unwrap();
        node.write("drbdadm", &DRBDADM.replace("DIR", &node.0.display().to_string()));
        fs::set_permissions(node.0.join("drbdadm"), fs::Permissions::from_mode(0o755)).unwrap();
        node.write("proc", "version: 8.4.11 (api:1/proto:86-101)\n");
        let words: Vec<&str> = state.split(' ').collect();
        for (verb, text) in ["role", "cstate", "dstate"].iter().zip(words) {
            node.write(&format!("{verb}.out"), &format!("{text}\n"));
        }
        node
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    /// Another program beside drbdadm; its calls are noted with its name.
    pub fn tool(&self, name: &str, body: &str) {
        let dir = self.0.display();
        self.write(
            name,
            &format!("#!/bin/sh\ncd {dir} || exit 99\necho \"{name} $*\" >>calls\n{body}\n"),
        );
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Makes `verb` fail as recorded.
    pub fn refuse(&self, verb: &str, rc: i32, recorded: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/drbd-8.4")
            .join(format!("{recorded}.stderr.txt"));
        fs::copy(source, self.0.join(format!("{verb}.err"))).unwrap();
        self.write(&format!("{verb}.rc"), &rc.to_string());
    }

    pub fn resource(&self) -> Resource {
        Resource {
            drbdadm: self.0.join("drbdadm"),
            drbdsetup: self.0.join("drbdsetup"),
            modprobe: self.0.join("modprobe"),
            proc_drbd: self.0.join("proc"),
            name: "r0".to_owned(),
        }
    }

    pub fn operate(&self, op: Op) -> Answer {
        self.resource().operate(op, Deadline::after(Duration::from_secs(10)))
    }

    pub fn calls(&self) -> String {
        fs::read_to_string(self.0.join("calls")).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
