//! A third vote: a real `ovzha witness` on the gateway, the cables between the nodes cut, one by one and together.
use crate::bed::{Files, Guest, Pair, now, ovzha, run, signal};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A witness in the namespace of the switches.
struct Witness {
    guest: Guest,
    home: PathBuf,
}

impl Witness {
    /// With the keys that node 1 prints.
    fn start(pair: &Pair) -> Self {
        let home = pair.dir.shared().join("witness");
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
        let keys = home.join("pair.key");
        fs::write(&keys, pair.node(1).ovzha("witness-key").must()).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        let file = home.join("witness.cf");
        fs::write(
            &file,
            "listen 192.168.1.1\nlends-for 6s\ncluster ovz-node1 ovz-node2 pair.key\n",
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let guest = Self::run(pair, &home);
        Self { guest, home }
    }

    fn run(pair: &Pair, home: &std::path::Path) -> Guest {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(home.join("log"))
            .unwrap();
        let mut command = Command::new("nsenter");
        command.args(["-t", &pair.hall.pid().to_string(), "-n"]).arg(ovzha());
        command.arg("witness").arg("--config").arg(home.join("witness.cf"));
        command.arg("--run-dir").arg(home.join("run"));
        command
            .arg("--state-dir")
            .arg(home.join("state"))
            .stderr(Stdio::from(log));
        Guest::start(&mut command)
    }

    fn stop(&mut self) {
        signal("KILL", self.guest.pid());
        self.guest.wait();
    }

    fn start_again(&mut self, pair: &Pair) {
        self.guest = Self::run(pair, &self.home);
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.join("log")).unwrap()
    }

    fn status(&self) -> String {
        let run_dir = self.home.join("run");
        run(
            &ovzha().display().to_string(),
            &["status", "--run-dir", &run_dir.display().to_string()],
        )
        .must()
    }
}

fn files() -> Files {
    // longer than a machine that is merely busy may be late
    let files = Files::quick()
        .set("deadtime", "deadtime 6")
        .set("initdead", "initdead 6")
        .set("warntime", "warntime 3");
    files.ovzha_cf("witness udp 192.168.1.1\n")
}

fn up() -> (Pair, Witness) {
    up_with(&files())
}

fn up_with(files: &Files) -> (Pair, Witness) {
    let pair = Pair::new(files);
    let witness = Witness::start(&pair);
    let pair = pair.started();
    pair.wait("the witness lends to node 1", |_| {
        witness.status().contains("lent to ovz-node1")
    });
    (pair, witness)
}

/// S-14, S-71, S-72: both still hear the witness.
#[test]
fn with_a_witness_the_active_stays_when_all_links_between_the_nodes_are_cut() {
    let (pair, witness) = up();
    let cut = now();
    for number in [1, 2] {
        pair.hall.mute(number, true);
        pair.cable.cut(number, true);
    }
    pair.cut_drbd();
    for number in [1, 2] {
        pair.wait_log(number, "is dead: nothing on any link");
    }
    pair.stays("node 1 active, node 2 not", Duration::from_secs(8), |pair| {
        pair.is_active(1) && !pair.is_active(2)
    });
    pair.heal_drbd();
    for number in [1, 2] {
        pair.hall.mute(number, false);
        pair.cable.cut(number, false);
    }
    pair.wait("both hear each other again", |pair| {
        [1, 2]
            .iter()
            .all(|number| pair.log(*number).matches(" is alive").count() >= 2)
    });
    pair.check_untouched(cut);
    pair.check(!witness.log().contains("ovz-node2: the vote"), "node 2 was lent a vote");
    pair.finish();
}

/// S-14, S-73: what has lost every vote is stopped before the other node starts it.
#[test]
fn with_a_witness_an_active_that_is_cut_off_from_everything_stops_first() {
    let (pair, _witness) = up();
    let cut = now();
    pair.isolate(1, true);
    pair.cut_drbd();
    pair.wait_active(2);
    pair.check_given_up_first(cut);
    pair.finish();
}

/// S-14, S-71.
#[test]
fn with_a_witness_a_dead_active_is_taken_over_from() {
    let (mut pair, witness) = up();
    pair.power_cut(1);
    pair.wait_active(2);
    pair.check(witness.status().contains("lent to ovz-node2"), &witness.status());
    pair.boot(1);
    pair.start(1);
    pair.wait_settled(2);
    pair.finish();
}

/// S-78: its death moves nothing, and is told; without it nobody takes over from a dead node, and a node that is left alone
/// stops.
#[test]
fn without_the_witness_two_nodes_go_on_and_one_stops() {
    let (mut pair, mut witness) = up();
    let dead = now();
    witness.stop();
    pair.wait_log(1, "the witness is not heard: one more failure stops what runs here");
    pair.check(pair.is_active(1), "node 1 stopped");
    pair.check_untouched(dead);
    pair.power_cut(2);
    pair.wait("node 1 stops", |pair| !pair.is_active(1));
    witness.start_again(&pair);
    pair.wait_active(1);
    pair.finish();
}

/// S-92: a host that lends by time is no board in place of watchdogs, whatever `ovzha.cf` says of it.
#[test]
fn a_witness_without_relays_is_no_protection_in_place_of_watchdogs() {
    let (mut pair, _witness) = up_with(&files().ovzha_cf("witness udp 192.168.1.1\nstonith_host * board in-place\n"));
    for number in [1, 2] {
        pair.wait_log(
            number,
            "the witness does not do with the nodes' power what stonith_host says",
        );
        let status = pair.node(number).ovzha("status").must();
        pair.check(status.contains("NOT WHAT stonith_host SAYS"), &status);
    }
    pair.check(pair.is_active(1), "node 1 stopped");
    pair.power_cut(1);
    pair.wait_log(2, "held back: neither the witness nor the peer lends its vote");
    pair.check(!pair.is_active(2), "node 2 took over by time");
    pair.boot(1);
    pair.start(1);
    pair.wait("one of them is active", |pair| pair.is_active(1) || pair.is_active(2));
    pair.finish();
}
