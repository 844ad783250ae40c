//! The self-fence in a pid namespace of its own, where reboot(2) ends the namespace and nothing else.

use std::process::Command;

use ovzha_host::sys::{LastResort, in_initial_pid_namespace};

const INSIDE: &str = "OVZHA_TEST_RESET_INSIDE";

#[test]
fn the_last_resort_ends_the_namespace() {
    // only in a fresh namespace are we process 1: nothing below can happen to the machine
    if std::process::id() == 1 && std::env::var_os(INSIDE).is_some() {
        assert!(!in_initial_pid_namespace());
        let last_resort = LastResort::prepare();
        assert!(!last_resort.has_sysrq());
        let why = last_resort.reset_now();
        assert!(why.to_string().is_empty(), "came back: {why}");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let mut unshare = Command::new("unshare");
    let unshare = unshare.args(["--pid", "--fork", "--mount-proc"]);
    if !unshare.arg("true").status().is_ok_and(|s| s.success()) {
        // not root, or no unshare(1): there is no safe place to try it
        return;
    }
    let inside = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc"])
        .arg(own)
        .args(["--exact", "the_last_resort_ends_the_namespace", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inside.stdout);
    // it began, and ended by no word of its own
    assert!(said.contains("running 1 test"), "{said}");
    assert!(!said.contains("test result"), "{said}");
    assert!(!inside.status.success());
}
