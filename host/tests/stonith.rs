//! What cuts the other node's power: the lines of `ovzha.cf`, the findings about them, and the two conventions of calling.

use std::time::{Duration, Instant};

use fixture::Machine;
use ovzha_host::agent::Exit;
use ovzha_host::program::Deadline;
use ovzha_host::stonith;

#[cfg(test)]
mod fixture {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use ovzha_host::{check, config};

    /// A tree of its own, removed at the end of its test.
    pub struct Machine(pub PathBuf);

    impl Machine {
        pub fn new(ovzha_cf: &str) -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let machine = Self(std::env::temp_dir().join(format!("ovzha-stonith-{}-{number}", std::process::id())));
            machine.put("etc/ha.d/ha.cf", include_str!("files/article/ha.cf"));
            machine.put("etc/ha.d/authkeys", include_str!("files/article/authkeys"));
            machine.put("etc/ha.d/haresources", include_str!("files/article/haresources"));
            machine.put("etc/ha.d/ovzha.cf", ovzha_cf);
            machine.put("proc/sys/kernel/hostname", "ovz-node1\n");
            fs::set_permissions(machine.0.join("etc/ha.d/authkeys"), fs::Permissions::from_mode(0o600)).unwrap();
            machine
        }

        pub fn put(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
            fs::write(path, text).unwrap();
        }

        /// An executable there; `DIR` in its text is this tree.
        pub fn program(&self, path: &str, text: &str) -> String {
            self.put(
                path,
                &format!("#!/bin/sh\n{}\n", text.replace("DIR", &self.0.display().to_string())),
            );
            let path = self.0.join(path);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path.display().to_string()
        }

        /// What is said of the files, without their directory.
        pub fn problems(&self) -> Vec<String> {
            let read = config::read_files(&self.0.join("etc/ha.d"));
            let dir = format!("{}/", self.0.join("etc/ha.d").display());
            let told = read
                .diagnostics
                .iter()
                .map(|problem| problem.to_string().replace(&dir, ""));
            told.filter(|text| text.starts_with("ovzha.cf")).collect()
        }

        fn files(&self) -> config::Files {
            let read = config::read_files(&self.0.join("etc/ha.d"));
            read.files.unwrap_or_else(|| panic!("{:?}", read.diagnostics))
        }

        pub fn found(&self) -> Vec<String> {
            let found = check::machine(&self.0, &self.files());
            let texts = found.iter().map(|finding| finding.text.clone());
            texts.filter(|text| text.starts_with("stonith_host")).collect()
        }

        pub fn row(&self) -> &'static str {
            check::protection(&self.0, &self.files()).word()
        }

        pub fn takeover(&self) -> Option<String> {
            check::takeover(&self.files())
        }

        pub fn text(&self, path: &str) -> String {
            fs::read_to_string(self.0.join(path)).unwrap_or_default()
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }
}

const AGENT: &str = "stonith_host * external /usr/sbin/fence_strip ip=192.0.2.9\n";

#[test]
#[expect(clippy::too_many_lines, reason = "a table of lines, each with what is said of it")]
fn lines_that_are_refused_say_why() {
    for (text, problem) in [
        (
            "stonith_host *",
            "`stonith_host` needs HOST external PROGRAM [NAME=VALUE...] | * board [in-place]",
        ),
        (
            "stonith_host * ssh ovz-node2",
            "stonith_host: `ssh` is refused: it asks the machine itself, which may be the one that hangs",
        ),
        (
            "stonith_host * external/ssh hostlist=a",
            "stonith_host: `external/ssh` is refused: it asks the machine itself, which may be the one that hangs",
        ),
        (
            "stonith_host * null a",
            "stonith_host: `null` is refused: it does nothing and says that it did",
        ),
        (
            "stonith_host * meatware a",
            "stonith_host: `meatware` is refused: it asks a person: that is `ovzha confirm-fenced NODE`",
        ),
        (
            "stonith_host * external /usr/sbin/fence_dummy",
            "stonith_host: `/usr/sbin/fence_dummy` is refused: it does nothing and says that it did",
        ),
        (
            "stonith_host * external /usr/sbin/fence_scsi key=1",
            "stonith_host: `/usr/sbin/fence_scsi` is refused: it cuts the way to a disk, and the machine runs on",
        ),
        (
            "stonith_host * external/ipmi ovz-node2 192.0.2.9 admin secret",
            "stonith_host: `external/ipmi`: write `external /usr/lib/stonith/plugins/external/ipmi NAME=VALUE...`, its values with their names",
        ),
        (
            "stonith_host * baytech 10.0.0.3 login password",
            "stonith_host: `baytech` is neither external nor board; for a fence agent: `external /usr/sbin/fence_NAME KEY=VALUE...`",
        ),
        (
            "stonith_host * external fence_strip",
            "stonith_host: `fence_strip` is no absolute path of a program",
        ),
        (
            "stonith_host * external /root/off.sh",
            "stonith_host: `/root/off.sh`: how it is called can't be told: a fence agent is called fence_NAME, a plugin of cluster-glue lies in a directory stonith/plugins/external",
        ),
        (
            "stonith_host * external /usr/sbin/fence_strip secret",
            "stonith_host: a parameter is not NAME=VALUE",
        ),
        (
            "stonith_host * external /usr/sbin/fence_strip action=on",
            "stonith_host: action is set by ovzha",
        ),
        (
            "stonith_host ovz-node1 board",
            "stonith_host: board: the board cuts for both nodes: HOST is *",
        ),
        (
            "stonith_host * board beside",
            "stonith_host: board: only `in-place` may follow",
        ),
        (
            "stonith_host * board",
            "stonith_host: board: there is no `witness` line that leads to it",
        ),
        (
            "stonith_host ovz-node3 external /usr/sbin/fence_strip",
            "stonith_host: `ovz-node3` is no node of ha.cf",
        ),
        (
            "stonith_host ovz-node1 external /usr/sbin/fence_strip",
            "stonith_host: nothing cuts for ovz-node2: the row holds only if each node can",
        ),
        (
            "fence-delay 2",
            "fence-delay 2 s must be longer than two keepalives (2 s)",
        ),
        (
            "fence-timeout 2",
            "fence-timeout: 2 s is less than 5 s, too short for any agent",
        ),
        ("fence-timeout 10m", "fence-timeout: 600 s is more than 120 s"),
    ] {
        let problems = Machine::new(&format!("{text}\n")).problems();
        assert_eq!(
            problems.first(),
            Some(&format!("ovzha.cf:1: error: {problem}")),
            "{text}"
        );
    }
    let twice = Machine::new(&format!(
        "{AGENT}stonith_host ovz-node1 external /usr/sbin/fence_strip\n"
    ))
    .problems();
    assert_eq!(
        twice,
        ["ovzha.cf:2: error: stonith_host of that node stands already on line 1"]
    );
    let votes = Machine::new(&format!("{AGENT}witness udp 192.0.2.7\n")).problems();
    assert_eq!(
        votes,
        ["ovzha.cf:1: error: stonith_host: with a witness the votes decide: only `board` stands beside it"]
    );
    // whether a board answers there, it says itself (S-92)
    let none = Machine::new("stonith_host * board\nwitness udp 192.0.2.7\n").problems();
    assert_eq!(none, [""; 0]);
}

#[test]
fn a_password_is_in_no_message() {
    let machine = Machine::new("stonith_host * external /usr/sbin/fence_strip sesame\n");
    assert!(!machine.problems().concat().contains("sesame"));
    let files = format!("{:?}", ovzha_host::config::read_files(&machine.0.join("etc/ha.d")));
    assert!(!files.contains("sesame"), "{files}");
}

#[test]
fn the_row_that_holds_is_named() {
    let dog = "watchdog /dev/watchdog 9\n";
    let board = "witness serial /dev/ttyS1\n";
    for (text, row) in [
        (AGENT.to_owned(), "fencing"),
        (format!("{AGENT}{dog}"), "fencing"),
        (board.to_owned(), "witness"),
        (format!("{board}stonith_host * board\n"), "witness"),
        (format!("{board}{dog}stonith_host * board\n"), "witness+watchdog+relay"),
        (format!("{board}stonith_host * board in-place\n"), "witness+relay"),
        (format!("{board}{dog}stonith_host * board in-place\n"), "witness+relay"),
    ] {
        assert_eq!(Machine::new(&text).row(), row, "{text}");
    }
    let takeover = Machine::new(&format!("{AGENT}fence-delay 15\nfence-timeout 45\n")).takeover();
    let takeover = takeover.expect("there is a fence agent");
    assert!(
        takeover.contains("within 90 s and the time of a start: deadtime 30 s, fence-delay 15 s"),
        "{takeover}"
    );
    assert_eq!(Machine::new("").takeover(), None);
}

#[test]
fn what_can_t_cut_or_can_t_tell_is_found() {
    let missing = Machine::new(AGENT);
    assert_eq!(
        missing.found(),
        ["stonith_host: there is no program `/usr/sbin/fence_strip`: nothing is ever taken over"]
    );
    missing.program("usr/sbin/fence_strip", "exit 0");
    assert_eq!(missing.found(), [""; 0]);
    let plugin = Machine::new("stonith_host * external /usr/lib/stonith/plugins/external/ipmi hostname=x\n");
    plugin.program("usr/lib/stonith/plugins/external/ipmi", "exit 0");
    assert_eq!(
        plugin.found(),
        [
            "stonith_host: `/usr/lib/stonith/plugins/external/ipmi` can cut power and can't say whether it is off: each takeover waits for a person"
        ]
    );
    let beside = Machine::new("witness serial /dev/ttyS1\nstonith_host * board\n").found();
    assert_eq!(beside.len(), 2, "{beside:?}");
    assert!(beside[0].contains("row S-14 holds only if the board was provisioned with `--relay beside`"));
    assert!(beside[1].contains("there is no watchdog"));
}

#[expect(clippy::unwrap_used, reason = "a test's helper fails the test")]
fn shoot(program: &str, seconds: u64) -> (Exit, String) {
    let deadline = Deadline::after(Duration::from_secs(seconds));
    let text = format!("{program}\nip=192.0.2.9\npassword=sesame\n");
    let answer = stonith::shoot(&text, "ovz-node2", deadline).unwrap();
    (answer.exit, answer.reason)
}

/// Keeps what it was told, and is what its first word says.
const STRIP: &str = "told=$(cat)\nprintf '%s\\n--\\n' \"$told\" >>DIR/calls\naction=${told##*action=}\n";

/// S-81: off, then status; only "off" of the status counts.
#[test]
fn a_fence_agent_is_believed_by_its_status_alone() {
    let machine = Machine::new("");
    let agent = |body: &str| machine.program("sbin/fence_strip", &format!("{STRIP}{body}"));
    let honest = agent("case $action in off) echo 'Success: Powered OFF' >&2 ;; status) exit 2 ;; esac");
    assert_eq!(
        shoot(&honest, 20),
        (Exit::Done, "its status says that there is no power".to_owned())
    );
    let told = |action: &str| format!("ip=192.0.2.9\npassword=sesame\nnodename=ovz-node2\naction={action}\n--\n");
    assert_eq!(machine.text("calls"), format!("{}{}", told("off"), told("status")));
    // off already, or the device was slow to say so
    let late = agent("case $action in off) exit 1 ;; status) exit 2 ;; esac");
    assert_eq!(shoot(&late, 20).0, Exit::Done);
    let refuses = agent("echo 'Failed: wrong password' >&2; exit 1");
    let (exit, reason) = shoot(&refuses, 20);
    assert_eq!(exit, Exit::Failed);
    assert_eq!(
        reason,
        "off said: Failed: wrong password; status said: Failed: wrong password"
    );
    let unseen = agent("case $action in off) exit 0 ;; status) echo 'no such action' >&2; exit 1 ;; esac");
    assert_eq!(
        shoot(&unseen, 20),
        (
            Exit::Unclear,
            "cut, unconfirmed; status said: no such action".to_owned()
        )
    );
    // it lies: the power is still on
    let lies = agent("exit 0");
    let (exit, reason) = shoot(&lies, 3);
    assert_eq!(exit, Exit::Failed);
    assert!(
        reason.starts_with("its status says that there is power; off said:"),
        "{reason}"
    );
    // it takes a moment until the power is gone
    let slow = agent("case $action in status) [ -e DIR/asked ] && exit 2; : >DIR/asked ;; esac; exit 0");
    assert_eq!(shoot(&slow, 20).0, Exit::Done);
}

#[test]
fn an_agent_that_hangs_ends_within_its_time() {
    let machine = Machine::new("");
    let hangs = machine.program("sbin/fence_strip", "sleep 60");
    let begun = Instant::now();
    let (exit, reason) = shoot(&hangs, 3);
    assert_eq!(exit, Exit::Failed, "{reason}");
    assert!(reason.contains("did not finish in time"), "{reason}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// S-81: called as `stonith` calls it; what its exit code says is no sight of the power.
#[test]
fn a_plugin_confirms_nothing() {
    let machine = Machine::new("");
    let path = "lib/stonith/plugins/external/strip";
    let works = machine.program(path, "echo \"$* ip=$ip password=$password\" >>DIR/calls");
    let (exit, reason) = shoot(&works, 20);
    assert_eq!(
        (exit, reason.as_str()),
        (
            Exit::Unclear,
            "cut, unconfirmed: a plugin can't say whether there is power"
        )
    );
    assert_eq!(machine.text("calls"), "off ovz-node2 ip=192.0.2.9 password=sesame\n");
    let fails = machine.program(path, "echo 'no route to host' >&2; exit 1");
    assert_eq!(
        shoot(&fails, 20),
        (Exit::Failed, "off said: no route to host".to_owned())
    );
}

#[test]
fn what_anybody_may_change_is_not_run() {
    let machine = Machine::new("");
    let program = machine.program("sbin/fence_strip", "exit 2");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&program, mode).unwrap();
    let refused = stonith::shoot(&format!("{program}\n"), "b", Deadline::after(Duration::from_secs(5)));
    assert!(refused.unwrap_err().starts_with("not run: "));
}
