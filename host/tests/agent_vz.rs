//! `vz` against a stand-in init script that lies as the real one does, in a tree of its own.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use ovzha_host::agent::{Answer, Exit, Op};
use ovzha_host::program::Deadline;
use ovzha_host::vz::Paths;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Status is a marker file; start copies the file `boot` to the kernel's list and always exits 0; stop empties the
/// list only if `stubborn` is absent. `locked` counts how often the script refuses.
const SCRIPT: &str = r#"#!/bin/sh
cd DIR || exit 99
echo "$1" >>calls
if [ "$1" != status ] && [ -s locked ]; then sed -i 1d locked; echo "OpenVZ is locked..failed"; exit 0; fi
case $1 in
status) [ -e exit ] && exit $(cat exit); [ -e marker ] && exit 0; exit 3 ;;
start) [ -e exit ] && { echo "Running kernel is not an OpenVZ kernel"; exit $(cat exit); }
    [ -e marker ] && { echo "OpenVZ already running..failed"; exit 0; }
    [ -d proc ] && cat boot >proc/veinfo; touch marker ;;
stop) rm -f marker; [ -e stubborn ] || { [ -d proc ] && : >proc/veinfo; } ;;
esac
exit 0
"#;

struct Tree(PathBuf);

impl Tree {
    /// A node with containers 101 and 102 wanted, 103 not; `kernel`: whether it has a list of containers.
    fn new(kernel: bool) -> Tree {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ovzha-vz-{}-{number}", std::process::id()));
        for sub in ["conf", "lock", "vzreboot"] {
            fs::create_dir_all(dir.join(sub)).unwrap();
        }
        let tree = Tree(dir);
        if kernel {
            fs::create_dir(tree.at("proc")).unwrap();
            tree.write("proc/veinfo", "");
        }
        tree.write(
            "boot",
            "         0     0   90\n       101     0   20\n       102     0   20\n",
        );
        tree.write(
            "vz.conf",
            &format!("VIRTUOZZO=yes\nLOCKDIR={}\n", tree.at("lock").display()),
        );
        tree.write("conf/101.conf", "ONBOOT=\"yes\"\n");
        tree.write("conf/102.conf", "ONBOOT=yes\n");
        tree.write("conf/103.conf", "ONBOOT=\"no\"\n");
        tree.write("conf/0.conf", "ONBOOT=\"yes\"\n");
        tree.program("vz", &SCRIPT.replace("DIR", &tree.0.display().to_string()));
        tree
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn paths(&self) -> Paths {
        Paths {
            init_script: self.at("vz"),
            systemctl: None,
            vz_conf: self.at("vz.conf"),
            conf_dir: self.at("conf"),
            links: vec![self.at("conf"), self.at("vz.conf"), self.at("link")],
            script_locks: vec![],
            proc_vz: self.at("proc"),
            vzreboot: self.at("vzreboot"),
            vzlist: None,
            vzctl: None,
            mount: None,
            state_dir: None,
        }
    }

    fn operate(&self, op: Op) -> Answer {
        self.paths().operate(op, Deadline::after(Duration::from_secs(30)))
    }

    fn calls(&self, verb: &str) -> usize {
        fs::read_to_string(self.at("calls"))
            .unwrap_or_default()
            .lines()
            .filter(|line| *line == verb)
            .count()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn starts_is_probed_and_stops_by_the_kernels_list() {
    let tree = Tree::new(true);
    assert_eq!(tree.operate(Op::Probe).exit, Exit::NotRunning);
    assert_eq!(
        tree.operate(Op::Start),
        Answer::done("vz is running, 2 of its containers")
    );
    assert_eq!(tree.operate(Op::Probe).exit, Exit::Done);
    assert_eq!(tree.operate(Op::Start).exit, Exit::Done);
    assert_eq!(tree.calls("start"), 1, "it ran already");
    assert_eq!(tree.operate(Op::Stop), Answer::done("vz is stopped"));
    assert_eq!(tree.operate(Op::Probe).exit, Exit::NotRunning);
}

#[test]
fn without_a_kernels_list_the_status_is_believed() {
    let tree = Tree::new(false);
    assert_eq!(tree.operate(Op::Probe).exit, Exit::NotRunning);
    assert_eq!(tree.operate(Op::Start), Answer::done("vz says running"));
    assert_eq!(tree.operate(Op::Probe).exit, Exit::Done);
    assert_eq!(tree.operate(Op::Stop).exit, Exit::Done);
    assert_eq!(tree.operate(Op::Probe).exit, Exit::NotRunning);
}

#[test]
fn a_missing_container_degrades_and_is_named() {
    let tree = Tree::new(true);
    tree.write("boot", "101 0 20\n");
    let answer = tree.operate(Op::Start);
    assert_eq!(
        (answer.exit, answer.reason.as_str()),
        (Exit::Degraded, "vz is running, but container 102 not")
    );
    assert_eq!(
        tree.operate(Op::Probe).exit,
        Exit::Done,
        "one bad container moves no group"
    );
}

#[test]
fn vzlist_judges_where_the_kernel_does_not() {
    let tree = Tree::new(false);
    tree.program("vzlist", "#!/bin/sh\necho '101 running'\necho '102 stopped'\n");
    let paths = Paths {
        vzlist: Some(tree.at("vzlist")),
        ..tree.paths()
    };
    let answer = paths.operate(Op::Start, Deadline::after(Duration::from_secs(30)));
    assert_eq!(
        (answer.exit, answer.reason.as_str()),
        (Exit::Degraded, "vz is running, but container 102 not")
    );
}

#[test]
fn a_locked_service_is_asked_again() {
    let tree = Tree::new(true);
    tree.write("locked", "1\n");
    assert_eq!(tree.operate(Op::Start).exit, Exit::Done);
    assert_eq!(tree.calls("start"), 2);
    tree.write("locked", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    let answer = tree.paths().operate(Op::Stop, Deadline::after(Duration::from_secs(3)));
    assert_eq!(answer.exit, Exit::Failed);
}

#[test]
fn an_unfit_node_says_why_and_starts_nothing() {
    let tree = Tree::new(true);
    let unfit = |tree: &Tree, paths: Paths, reason: &str| {
        let answer = paths.operate(Op::Start, Deadline::after(Duration::from_secs(5)));
        assert_eq!(answer.exit, Exit::Unfit, "{answer:?}");
        assert!(answer.reason.contains(reason), "{answer:?}");
        assert!(!tree.at("marker").exists());
    };
    unfit(
        &tree,
        Paths {
            mount: Some(tree.at("conf")),
            ..tree.paths()
        },
        "is not mounted",
    );
    unfit(
        &tree,
        Paths {
            init_script: tree.at("none"),
            ..tree.paths()
        },
        "not installed",
    );
    unfit(
        &tree,
        Paths {
            conf_dir: tree.at("none"),
            ..tree.paths()
        },
        "no directory",
    );
    tree.write("exit", "6");
    unfit(&tree, tree.paths(), "can't run vz");
    fs::remove_file(tree.at("exit")).unwrap();
    std::os::unix::fs::symlink("/ovzha-none/vz.conf", tree.at("link")).unwrap();
    unfit(&tree, tree.paths(), "link to nowhere");
    assert_eq!(
        tree.operate(Op::Probe).exit,
        Exit::NotRunning,
        "on the standby the links dangle"
    );
    fs::remove_file(tree.at("link")).unwrap();
    tree.write("vz.conf", "VIRTUOZZO=no\n");
    unfit(&tree, tree.paths(), "VIRTUOZZO");
    assert_eq!(tree.operate(Op::Stop).exit, Exit::Done, "nothing runs");
}
