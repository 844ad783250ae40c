//! What `ovzha check` says of the hardware watchdog, on small trees that stand for machines.

use fixture::Machine;

#[cfg(test)]
mod fixture {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use ovzha_host::check;
    use ovzha_host::config;

    /// A tree of its own, removed at the end of its test.
    pub struct Machine(PathBuf);

    impl Machine {
        pub fn new(test: &str, ovzha_cf: &str) -> Self {
            let machine = Self(std::env::temp_dir().join(format!("ovzha-dog-{test}-{}", std::process::id())));
            machine.put("etc/ha.d/ha.cf", include_str!("files/article/ha.cf"));
            machine.put("etc/ha.d/authkeys", include_str!("files/article/authkeys"));
            machine.put("etc/ha.d/haresources", include_str!("files/article/haresources"));
            machine.put("etc/ha.d/ovzha.cf", ovzha_cf);
            fs::set_permissions(machine.0.join("etc/ha.d/authkeys"), fs::Permissions::from_mode(0o600)).unwrap();
            machine
        }

        pub fn put(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn files(&self) -> config::Files {
            let read = config::read_files(&self.0.join("etc/ha.d"));
            read.files.unwrap_or_else(|| panic!("{:?}", read.diagnostics))
        }

        /// What is said of watchdogs, each finding's text.
        pub fn said(&self) -> Vec<String> {
            let found = check::machine(&self.0, &self.files());
            let texts = found.iter().map(ToString::to_string);
            texts.filter(|text| text.to_lowercase().contains("watchdog")).collect()
        }

        pub fn row(&self) -> &'static str {
            check::protection(&self.0, &self.files()).word()
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }
}

const LINE: &str = "watchdog /dev/watchdog\n";
const NOTHING: [&str; 0] = [];

#[test]
fn a_device_that_is_missing_is_told() {
    let machine = Machine::new("missing", LINE);
    assert_eq!(
        machine.said(),
        ["there is no watchdog `/dev/watchdog`: the daemon refuses to start"]
    );
    machine.put("dev/watchdog", "");
    assert_eq!(machine.said(), NOTHING);
    assert_eq!(machine.row(), "ping+watchdog");
}

#[test]
fn softdog_earns_another_row() {
    let machine = Machine::new("softdog", LINE);
    machine.put("dev/watchdog", "");
    machine.put("sys/class/watchdog/watchdog0/identity", "iTCO_wdt\n");
    assert_eq!((machine.said().len(), machine.row()), (0, "ping+watchdog"));
    machine.put("sys/class/watchdog/watchdog0/identity", "Software Watchdog\n");
    assert_eq!(
        machine.said(),
        ["`/dev/watchdog` is softdog: it does not survive a hung kernel"]
    );
    assert_eq!(machine.row(), "ping+softdog");
}

#[test]
fn the_numbered_device_is_looked_up_by_its_number() {
    let machine = Machine::new("number", "watchdog /dev/watchdog1\n");
    machine.put("dev/watchdog1", "");
    machine.put("sys/class/watchdog/watchdog0/identity", "iTCO_wdt\n");
    machine.put("sys/class/watchdog/watchdog1/identity", "Software Watchdog\n");
    assert_eq!(machine.row(), "ping+softdog");
}

#[test]
fn who_else_would_have_it_is_named() {
    let machine = Machine::new("taken", LINE);
    machine.put("dev/watchdog", "");
    machine.put(
        "etc/systemd/system.conf",
        "[Manager]\n#RuntimeWatchdogSec=off\nRuntimeWatchdogSec=30\n",
    );
    let taken = "RuntimeWatchdogSec is set: systemd has the watchdog, and the daemon refuses to start";
    assert_eq!(machine.said(), [format!("/etc/systemd/system.conf:3: {taken}")]);
    machine.put(
        "etc/systemd/system.conf.d/local.conf",
        "[Manager]\nRuntimeWatchdogSec=off\n",
    );
    assert_eq!(machine.said(), NOTHING, "the later file wins");
    machine.put("etc/systemd/system.conf.d/other.conf", "RuntimeWatchdogSec = 1min\n");
    assert_eq!(
        machine.said(),
        [format!("/etc/systemd/system.conf.d/other.conf:1: {taken}")]
    );
    machine.put("etc/systemd/system.conf.d/other.conf", "");
    machine.put("proc/77/comm", "wd_keepalive\n");
    let running = "wd_keepalive is running (pid 77): it has the watchdog, and the daemon refuses to start";
    assert_eq!(machine.said(), [running]);
}

#[test]
fn one_that_is_there_and_not_used_is_a_hint() {
    let machine = Machine::new("unused", "");
    assert_eq!(machine.said(), NOTHING);
    assert_eq!(machine.row(), "ping");
    machine.put("dev/watchdog", "");
    let unused = "/dev/watchdog is not used: an active node that hangs stays active when the other one takes over";
    assert_eq!(machine.said(), [unused]);
}
