//! What boots and stops the daemon: systemd's notifications, the System V script.
use crate::bed::{Files, Pair};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// The next datagram that is no `STATUS=`; those are collected.
fn said(socket: &UnixDatagram, states: &mut Vec<String>) -> String {
    let mut buffer = [0; 1024];
    loop {
        let length = socket.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !text.starts_with("STATUS=") {
            return text;
        }
        states.push(text);
    }
}

#[test]
fn systemd_is_told_of_start_reload_upgrade_and_stop() {
    let mut pair = Pair::new(&Files::quick());
    let socket = UnixDatagram::bind(pair.dir.shared().join("notify1")).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut states = Vec::new();
    pair.start(1);
    pair.start(2);
    assert!(said(&socket, &mut states).starts_with("READY=1\nMAINPID="));
    pair.wait_settled(1);
    // nothing new, then another program under the same name
    for upgrade in [false, true] {
        if upgrade {
            pair.node(1)
                .inside("cp /usr/sbin/ovzha /usr/sbin/ovzha.new && mv /usr/sbin/ovzha.new /usr/sbin/ovzha")
                .must();
        }
        pair.daemon(1).signal("HUP");
        assert!(said(&socket, &mut states).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert!(said(&socket, &mut states).starts_with("READY=1\nMAINPID="));
    }
    pair.wait("adopted", |pair| pair.log(1).contains("found running"));
    let code = pair.stop(1);
    pair.check(code == Some(0), &format!("the daemon ended with {code:?}"));
    assert_eq!(said(&socket, &mut states), "STOPPING=1\n");
    let active = "STATUS=datadisk::r0: active (";
    assert!(states.iter().any(|text| text.starts_with(active)), "{states:?}");
    assert!(states.iter().all(|text| text.matches('\n').count() == 1), "{states:?}");
    pair.finish();
}

#[test]
fn the_system_v_script_starts_reloads_restarts_a_dead_daemon_and_stops() {
    let pair = Pair::new(&Files::quick());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/ovzha.init");
    for number in [1, 2] {
        fs::copy(&script, pair.node(number).root().join("etc/init.d/ovzha")).unwrap();
        // what Heartbeat left behind is in nobody's way
        fs::write(
            pair.node(number).root().join("etc/init.d/heartbeat"),
            "#!/bin/sh\nexit 1\n",
        )
        .unwrap();
    }
    let call = |verb: &str| pair.node(1).inside(&format!("/etc/init.d/ovzha {verb}"));
    let expect = |verb: &str, code: i32, text: &str| {
        let said = call(verb);
        pair.check(
            said.code == Some(code) && said.text().contains(text),
            &format!("{said:?}"),
        );
    };
    expect("status", 3, "not running");
    expect("reload", 7, "not running");
    expect("frobnicate", 2, "usage");
    expect("start", 0, "started");
    expect("start", 0, "running already");
    expect("status", 0, "is running");
    pair.node(2).inside("/etc/init.d/ovzha start").must();
    pair.wait_settled(1);
    expect("reload", 0, "reads its files again");
    pair.wait_log(1, "nothing has changed");
    // the daemon dies: the script's watch starts it again, which adopts what runs
    pair.node(1).inside("kill -9 $(cat /var/run/ovzha.pid)").must();
    pair.wait_log(1, "found running");
    expect("status", 0, "is running");
    pair.wait_settled(1);
    // stopping comes back when everything here is stopped
    expect("stop", 0, "stopped");
    pair.check(!pair.is_active(1), "it came back too early");
    pair.wait_active(2);
    expect("stop", 0, "not running");
    expect("status", 3, "not running");
    // a bad configuration: told, and a code of failure
    let path = pair.node(1).ha_d().join("ha.cf");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{good}deadtime never\n")).unwrap();
    expect("start", 1, "ha.cf:");
    expect("status", 1, "dead");
    fs::write(&path, good).unwrap();
    expect("restart", 0, "started");
    expect("force-reload", 0, "reads its files again");
    pair.finish();
}
