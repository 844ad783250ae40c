//! What the daemon does beside the resources: clients, hooks, mails.
use crate::bed::{Files, Pair, now};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// A script of the node's, below `/etc/ha.d`.
fn script(pair: &Pair, node: u8, name: &str, body: &str) {
    let path = pair.node(node).ha_d().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Adds lines to the node's `ha.cf`.
fn add(pair: &Pair, node: u8, lines: &str) {
    let path = pair.node(node).ha_d().join("ha.cf");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{text}{lines}\n")).unwrap();
}

/// How often the node's log holds `text`.
fn count(pair: &Pair, node: u8, text: &str) -> usize {
    pair.log(node).matches(text).count()
}

#[test]
fn clients_run_as_their_user_outlive_the_daemon_and_stop_with_it() {
    let mut pair = Pair::new(&Files::calm());
    let body = "echo I am $(id -u) $(id -g) $(id -G) $HA_COLOR $HA_CURHOST $1 in $(pwd)\n\
                trap 'echo $1 was told to stop; exit 0' TERM\nwhile :; do sleep 0.1; done";
    script(&pair, 1, "watch", body);
    let respawn = "env COLOR=red\nrespawn hacluster /etc/ha.d/watch first\nrespawn root /etc/ha.d/watch second";
    add(&pair, 1, respawn);
    pair.start(1);
    pair.wait_log(1, "I am 112 119 119 8 red ovz-node1 first in /");
    pair.wait_log(1, "I am 0 0 0 red ovz-node1 second in /");

    // a daemon that comes back, by whatever way, finds them
    pair.kill_daemon(1);
    pair.start(1);
    pair.wait("both are found", |pair| count(pair, 1, ") runs on") == 2);
    pair.daemon(1).signal("HUP");
    pair.wait_log(1, "nothing has changed");
    add(&pair, 1, "debug 0");
    pair.daemon(1).signal("HUP");
    pair.wait("both are found again", |pair| count(pair, 1, ") runs on") == 4);
    pair.check(count(&pair, 1, "I am ") == 2, "started twice");

    // one that is killed comes back
    pair.node(1).inside("kill -9 $(pgrep -of 'watch second')").must();
    pair.wait("it is started again", |pair| count(pair, 1, "I am 0") == 2);
    pair.check(count(&pair, 1, "I am 112") == 1, "the other one was touched");

    let code = pair.stop(1);
    pair.check(code == Some(0), "the daemon did not stop in order");
    let log = pair.log(1);
    let place = |text: &str| log.rfind(text).unwrap_or_else(|| panic!("{text:?} is not in the log"));
    pair.check(
        place("second was told to stop") < place("first was told to stop"),
        "not in reverse order",
    );
    let left = pair.node(1).inside("pgrep -f 'ha.d/[w]atch'").out;
    pair.check(left.is_empty(), &format!("left behind: {left}"));
    pair.finish();
}

#[test]
fn hooks_are_told_what_happens_and_delay_nothing() {
    let mut pair = Pair::new(&Files::quick());
    let told = "echo $HA_t $HA_src $HA_st $HA_OSTATUS $HA_group $HA_COLOR $HA_NICEFAILBACK >>/var/log/told";
    for node in [1, 2] {
        add(&pair, node, "env COLOR=red");
        script(&pair, node, "hooks.d/status", told);
        script(
            &pair,
            node,
            "hooks.d/group",
            &format!("{told}; echo on $HA_CURHOST; sleep 3"),
        );
        script(&pair, node, "rc.d/status", "echo rc.d >>/var/log/told");
        script(&pair, node, "resource.d/startstop", "echo startstop $* >>/var/log/told");
    }
    // whom others can change is not run
    let link = pair.node(2).ha_d().join("hooks.d/link");
    script(&pair, 2, "hooks.d/link", told);
    fs::set_permissions(link, fs::Permissions::from_mode(0o777)).unwrap();
    pair.start(1);
    pair.start(2);
    pair.wait_settled(1);
    let heard = |node: u8, text: &'static str| {
        move |pair: &Pair| pair.node(node).inside("cat /var/log/told").out.contains(text)
    };
    pair.wait(
        "node 2 hears of node 1",
        heard(2, "status ovz-node1 active dead red yes\n"),
    );
    pair.wait("the start is told", heard(1, "group active datadisk::r0 red yes\n"));
    pair.wait("around the start", heard(1, "startstop pre-start\n"));
    pair.wait("after the start", heard(1, "startstop post-start 0\n"));
    pair.wait_log(
        2,
        "hook link: failed, exit code 1: not run: /etc/ha.d/hooks.d/link: mode 0777",
    );
    pair.wait_log(1, "hook group: said: on ovz-node1");

    // a crash is no start
    pair.kill_daemon(1);
    pair.start(1);
    pair.wait_settled(1);

    let cut = now();
    pair.power_cut(1);
    pair.wait_active(2);
    // each of the group's hooks sleeps longer than the whole takeover may take
    let took = now() - cut;
    pair.check(took < 30_000, &format!("the takeover took {took} ms"));
    pair.wait("the death is told", heard(2, "status ovz-node1 dead active red yes\n"));
    pair.wait("the takeover is told", heard(2, "group active datadisk::r0 red yes\n"));
    let code = pair.stop(2);
    pair.check(code == Some(0), "the daemon did not stop in order");
    let told = pair.node(2).inside("cat /var/log/told").out;
    let place = |text: &str| {
        told.find(text)
            .unwrap_or_else(|| panic!("{text:?} was not told: {told}"))
    };
    pair.check(place("startstop pre-stop\n") < place("startstop post-stop 0\n"), &told);
    let first = fs::read_to_string(pair.dir.of(1).join("log/told")).unwrap();
    pair.check(first.matches("pre-start").count() == 1, &first);
    pair.check(!told.contains("rc.d") && !first.contains("rc.d"), &told);
    pair.finish();
}

#[test]
fn mails_go_through_a_real_mail_server_when_there_is_no_sendmail() {
    let settings = "smarthost 127.0.0.1:2525\nmail-from ovzha@example.org\nalert admin@example.org,root\n";
    let mut pair = Pair::new(&Files::quick().ovzha_cf(settings));
    for node in [1, 2] {
        pair.node(node).inside("rm /usr/sbin/sendmail").must();
    }
    let serve = "exec python3 -u -m aiosmtpd -n -l 127.0.0.1:2525 >>/var/log/mail 2>&1";
    let mut server = pair.node(2).command(serve).spawn().unwrap();
    pair.start(1);
    pair.start(2);
    // node 1 has no server: the group starts all the same, and the loss is told
    pair.wait_settled(1);
    pair.power_cut(1);
    pair.wait_active(2);
    pair.wait_log(2, "mail of MailTo: said: sent through 127.0.0.1:2525");
    pair.wait_log(2, "alert mail: said: sent through 127.0.0.1:2525");
    let mails = pair.node(2).mails();
    for text in [
        "To: youremail@yourdomain.tld\n",
        "From: ovzha@example.org\n",
        "Takeover in progress at ",
        "To: admin@example.org, root\n",
        "Subject: ovzha ovz-node2: the other node is dead: ovz-node1 is dead: nothing on any link for ",
        "What `ovzha status` says now:",
        "peer        ovz-node1 dead",
    ] {
        pair.check(mails.contains(text), &format!("{text:?} is not in the mails: {mails}"));
    }
    drop(server.kill());
    drop(server.wait());
    pair.finish();
}

#[test]
fn a_mail_server_that_is_away_is_tried_again_and_told_and_delays_nothing() {
    let mut pair = Pair::new(&Files::quick().ovzha_cf("smarthost 127.0.0.1:2525\nalert root\n"));
    pair.node(1).inside("rm /usr/sbin/sendmail").must();
    pair.start(1);
    pair.start(2);
    pair.wait_settled(1);
    let refused = "mail of MailTo: failed, exit code 1: smarthost 127.0.0.1:2525: Connection error";
    pair.check(!pair.log(1).contains(refused), "active only after the last try");
    // three tries, 35 s of pauses
    pair.wait_for("the loss is told", Duration::from_mins(3), |pair| {
        pair.log(1).contains(refused)
    });
    let said = pair.log(1);
    pair.check(said.contains("(tries: 3)"), "not tried again");
    pair.finish();
}

#[test]
fn a_failed_step_is_mailed_once_with_what_to_do() {
    let mut pair = Pair::new(&Files::quick().ovzha_cf("alert root\n"));
    let hook = pair.dir.shared().join("vz-ovz-node1-start");
    fs::write(hook, "echo 'no room for containers' >&2; exit 1\n").unwrap();
    pair.start(1);
    pair.start(2);
    pair.wait_active(2);
    pair.wait("the failure is mailed", |pair| {
        pair.node(1).mails().contains("ovzha ovz-node1: failure")
    });
    let mails = pair.node(1).mails();
    for text in [
        "no room for containers",
        "ovzha clear GROUP",
        "failure     ",
        ": failed (",
    ] {
        pair.check(mails.contains(text), &format!("{text:?} is not in the mails: {mails}"));
    }
    pair.check(mails.matches("Subject: ovzha").count() == 1, &mails);
    pair.finish();
}
