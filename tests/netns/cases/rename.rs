//! A node keeps its name: what it remembers under another one, or beside another peer, it does not go on with.
use crate::bed::{Files, Number, Pair};
use std::fs;
use std::time::Duration;

/// Says this in `ha.cf` or `haresources` of one node.
fn edit(pair: &Pair, number: Number, file: &str, from: &str, to: &str) {
    let path = pair.node(number).ha_d().join(file);
    let text = fs::read_to_string(&path).unwrap();
    pair.check(text.contains(from), &format!("{from:?} does not stand in {file}"));
    fs::write(path, text.replace(from, to)).unwrap();
}

/// The daemon does not start, and says these.
fn refused(pair: &mut Pair, number: Number, said: &[&str]) {
    let before = pair.node(number).log_file("daemon.err").len();
    // one that is refused may be gone before it is seen as a child
    let daemon = pair.node(number).inside("exec /usr/sbin/ovzha daemon");
    pair.check(daemon.code == Some(1), &format!("it was to be refused: {daemon:?}"));
    for words in said {
        pair.check(
            daemon.err.contains(words),
            &format!("{words:?} was to be said: {daemon:?}"),
        );
    }
    let after = pair.node(number).log_file("daemon.err").len();
    pair.check(before == after, "another daemon spoke");
}

/// S-64.
#[test]
fn a_node_does_not_start_under_another_name_or_beside_another_peer() {
    let mut pair = Pair::up(&Files::quick());
    let owner = pair.node(2).inside("cat /var/lib/ovzha/owner").must();
    pair.check(owner == "node ovz-node2\npeer ovz-node1\n", &owner);
    // a new key and a new address are no new name
    let key = "auth 1\n1 sha256 AnotherAndLongerSecretKey\n";
    pair.stop(2);
    edit(&pair, 2, "ha.cf", "ucast eth0 192.168.1.201\n", "");
    fs::write(pair.node(2).ha_d().join("authkeys"), key).unwrap();
    pair.start(2);
    pair.wait_log(2, "the peer speaks with another key");
    fs::write(pair.node(1).ha_d().join("authkeys"), key).unwrap();
    pair.daemon(1).signal("HUP");
    pair.wait_log(1, "new keys in use");
    pair.wait_settled(1);
    pair.stop(2);

    // the peer has another name: first a line of haresources names a node that is gone, then there is none such
    edit(&pair, 2, "ha.cf", "node ovz-node1", "node ovz-node3");
    refused(&mut pair, 2, &["haresources:1: error: ", "ovz-node1"]);
    edit(&pair, 2, "haresources", "ovz-node1", "ovz-node3");
    let names = "written by node ovz-node2 with peer ovz-node1, but this is node ovz-node2 with peer ovz-node3";
    refused(&mut pair, 2, &[names, "remove /var/lib/ovzha/owner on both"]);

    // this node has another name
    pair.node(2).inside("echo ovz-node3 >/proc/sys/kernel/hostname").must();
    edit(&pair, 2, "ha.cf", "node ovz-node2", "node ovz-node1");
    refused(&mut pair, 2, &["but this is node ovz-node3 with peer ovz-node1"]);

    // a daemon that runs keeps its files and says so
    edit(&pair, 1, "ha.cf", "node ovz-node2", "node ovz-node3");
    pair.daemon(1).signal("HUP");
    pair.wait_log(1, "but this is node ovz-node1 with peer ovz-node3");
    pair.wait_log(1, "the configuration is bad");
    pair.stays("node 1 active", Duration::from_secs(3), |pair| {
        pair.is_active(1) && pair.daemon(1).lives()
    });

    // as the message says: both stopped, both files new, both owners gone
    pair.node(1).ovzha("hold a node gets a new name").must();
    pair.stop(1);
    for number in [1, 2] {
        pair.node(number).inside("rm /var/lib/ovzha/owner").must();
    }
    edit(&pair, 2, "haresources", "ovz-node3", "ovz-node1");
    pair.start(1);
    pair.start(2);
    pair.wait("the nodes know each other, and the hold", |pair| {
        let status = pair.node(2).ovzha("status").out;
        status.contains("ovz-node1 (the peer)") && status.contains("a node gets a new name")
    });
    pair.node(1).ovzha("resume").must();
    pair.stays("node 1 active", Duration::from_secs(3), |pair| pair.is_active(1));
    let owner = pair.node(1).inside("cat /var/lib/ovzha/owner").must();
    pair.check(owner == "node ovz-node1\npeer ovz-node3\n", &owner);
    pair.finish();
}
