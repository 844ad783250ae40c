//! Every medium between real nodes, ping nodes of several addresses, and networks that come late and change.
use crate::bed::{Files, Number, Pair, now};
use serde_json::Value;
use std::time::Duration;

fn status(pair: &Pair, number: Number) -> Value {
    let said = pair.node(number).ovzha("status --json");
    serde_json::from_str(&said.out).unwrap_or_default()
}

/// The state of a link by its name; empty while the daemon doesn't answer.
fn link(pair: &Pair, number: Number, name: &str) -> Value {
    let status = status(pair, number);
    let links = status["links"].as_array().cloned().unwrap_or_default();
    links.into_iter().find(|link| link["name"] == name).unwrap_or_default()
}

fn wait_link(pair: &Pair, name: &str, state: &str) {
    pair.wait(&format!("{name} is {state} on both"), |pair| {
        [1, 2].iter().all(|number| link(pair, *number, name)["state"] == state)
    });
}

/// How often a node has told this.
fn told(pair: &Pair, number: Number, text: &str) -> usize {
    pair.log(number).matches(text).count()
}

fn start_both(pair: &mut Pair) {
    pair.start(1);
    pair.start(2);
    pair.wait_active(1);
}

/// The addresses that both nodes get on both networks.
fn with_ipv6(pair: &Pair) {
    for node in [1, 2] {
        pair.hall.ip_of(
            node,
            &format!(
                "addr add fd00:1::{node}/64 dev eth0 nodad\naddr add fe80::{node}/64 dev eth1 nodad\n\
                 addr add fd00:2::{node}/64 dev eth1 nodad\n"
            ),
        );
    }
}

#[test]
fn every_medium_is_a_link_of_its_own_also_on_one_device_and_port() {
    let lines = "bcast eth0 eth1\nucast eth0 192.168.1.201\nucast eth0 192.168.1.202\nmcast eth0 239.1.2.3 694 1 1\n\
        mcast eth0 239.1.2.4 694 1 0\nucast6 eth1 fe80::1\nucast6 eth1 fe80::2\nmcast6 eth1 ff12::1:2:3 694 1 0\n\
        mcast eth1 239.1.2.3 695 2 0\nbaud 115200\nserial /dev/ttyS0 /dev/ttyS1\n";
    let mut pair = Pair::new(&Files::quick().links(lines));
    with_ipv6(&pair);
    start_both(&mut pair);
    let names = [
        "bcast eth0",
        "bcast eth1",
        "ucast eth0",
        "mcast eth0 239.1.2.3",
        "mcast eth0 239.1.2.4",
        "ucast6 eth1",
        "mcast6 eth1 ff12::1:2:3",
        "mcast eth1 239.1.2.3 port 695",
        "serial /dev/ttyS0",
        "serial /dev/ttyS1",
    ];
    for name in names {
        wait_link(&pair, name, "up");
    }
    let begin = now();
    // two deadtimes: a datagram that went to another link's socket would be missed here
    std::thread::sleep(Duration::from_secs(4));
    for number in [1, 2] {
        for name in names {
            let found = link(&pair, number, name);
            let strays = &found["rejected"]["link"];
            pair.check(
                found["state"] == "up" && strays.is_null(),
                &format!("{number}: {found}"),
            );
        }
        let echoes = |name| link(&pair, number, name)["rejected"]["own-echo"].as_u64();
        pair.check(
            echoes("mcast eth0 239.1.2.3") > Some(0) && echoes("mcast eth0 239.1.2.4").is_none(),
            "LOOP is not what it says",
        );
        pair.check(told(&pair, number, "another link") == 0, "a frame came by another link");
    }
    // one of the two cables: the other stays
    let second = pair.second_cable.as_ref().unwrap();
    second.cut(1, true);
    second.cut(2, true);
    wait_link(&pair, "serial /dev/ttyS1", "dead");
    pair.check(
        link(&pair, 1, "serial /dev/ttyS0")["state"] == "up",
        "the other line is dead, too",
    );
    pair.check_untouched(begin);
    pair.finish();
}

#[test]
fn one_address_in_a_ucast_line_does_not_hear_what_is_broadcast() {
    let lines = "bcast eth1\nserial /dev/ttyS0\n";
    let files = Files::quick().links(lines);
    let mut pair = Pair::new(&files);
    for (node, peer) in [(1, 2), (2, 1)] {
        let own = files.clone().links(&format!("ucast eth1 192.168.255.{peer}\n{lines}"));
        own.write(node, &pair.node(node).ha_d());
    }
    start_both(&mut pair);
    wait_link(&pair, "ucast eth1", "up");
    wait_link(&pair, "bcast eth1", "up");
    std::thread::sleep(Duration::from_secs(1));
    for number in [1, 2] {
        let found = link(&pair, number, "ucast eth1");
        pair.check(found["rejected"]["link"].is_null(), &format!("{found}"));
    }
    pair.finish();
}

#[test]
fn a_group_of_ping_nodes_is_dead_when_its_last_address_is() {
    let lines = "ucast eth1 192.168.255.1\nucast eth1 192.168.255.2\nserial /dev/ttyS0\n\
        ping_group routers 192.168.1.1 192.168.1.3 192.0.2.1\nping6 fd00:1::fe\ndeadping 3\n";
    let mut pair = Pair::new(&Files::quick().links(lines));
    pair.hall
        .ip("addr add 192.168.1.3/24 dev br0\naddr add fd00:1::fe/64 dev br0 nodad\n");
    with_ipv6(&pair);
    start_both(&mut pair);
    for number in [1, 2] {
        pair.wait_log(number, "ping node routers answers");
        pair.wait_log(number, "ping node fd00:1::fe answers");
    }
    let begin = now();
    pair.hall.ip("addr del 192.168.1.3/24 dev br0\n");
    pair.stays("the group answers", Duration::from_secs(4), |pair| {
        [1, 2]
            .iter()
            .all(|number| told(pair, *number, "ping node routers is dead") == 0)
    });
    pair.hall.ip("addr del fd00:1::fe/64 dev br0\n");
    for number in [1, 2] {
        pair.wait_log(number, "ping node fd00:1::fe is dead");
        pair.check(
            told(&pair, number, "ping node routers is dead") == 0,
            "the group is dead, too",
        );
    }
    let shown = pair.node(1).ovzha("status").out;
    let group = "routers (192.168.1.1 192.168.1.3 192.0.2.1) answers";
    pair.check(shown.contains(group), &shown);
    pair.hall.ip("addr del 192.168.1.1/24 dev br0\n");
    for number in [1, 2] {
        pair.wait_log(number, "ping node routers is dead");
    }
    pair.check_untouched(begin);
    pair.finish();
}

#[test]
fn a_network_that_comes_late_goes_and_changes() {
    let lines = "ucast eth1 192.168.255.1\nucast eth1 192.168.255.2\nbcast eth1\nserial /dev/ttyS0\n";
    let mut pair = Pair::new(&Files::quick().links(lines));
    pair.hall.ip_of(2, "link del eth1\n");
    start_both(&mut pair);
    wait_link(&pair, "serial /dev/ttyS0", "up");
    let begin = now();
    let both = |pair: &Pair, text: &str, count: usize| {
        pair.wait(&format!("both links of node 2 tell: {text}"), |pair| {
            told(pair, 2, text) >= count
        });
    };
    both(&pair, "there is no network device eth1", 2);
    pair.hall.replug(2, 1);
    both(&pair, "eth1 is down", 2);
    pair.hall.link(2, 1, false);
    pair.hall.ip_of(2, "link set eth1 up\n");
    both(&pair, "eth1 has no carrier", 2);
    pair.hall.link(2, 1, true);
    both(
        &pair,
        "neither 192.168.255.1 nor 192.168.255.2 is configured on eth1",
        1,
    );
    both(&pair, "eth1 has no IPv4 address to broadcast from", 1);
    pair.hall.ip_of(2, "addr add 192.168.255.2/24 dev eth1\n");
    wait_link(&pair, "ucast eth1", "up");
    wait_link(&pair, "bcast eth1", "up");

    // removed and made again
    pair.hall.ip_of(2, "link del eth1\n");
    both(&pair, "link ucast eth1 lost", 1);
    both(&pair, "link bcast eth1 lost", 1);
    pair.hall.replug(2, 1);
    pair.hall
        .ip_of(2, "addr add 192.168.255.2/24 dev eth1\nlink set eth1 up\n");
    wait_link(&pair, "ucast eth1", "up");
    wait_link(&pair, "bcast eth1", "up");

    // another network: broadcasts follow, the pair's own address has to come back
    pair.hall
        .ip_of(2, "addr del 192.168.255.2/24 dev eth1\naddr add 10.9.9.2/24 dev eth1\n");
    both(&pair, "link ucast eth1 lost", 2);
    pair.hall
        .ip_of(2, "addr del 10.9.9.2/24 dev eth1\naddr add 192.168.255.2/24 dev eth1\n");
    wait_link(&pair, "ucast eth1", "up");
    wait_link(&pair, "bcast eth1", "up");

    // each told once in each of its times
    for (text, most) in [
        ("there is no network device eth1", 4),
        ("eth1 has no carrier", 4),
        ("eth1 has no IPv4 address to broadcast from", 3),
    ] {
        let count = told(&pair, 2, text);
        pair.check(count <= most, &format!("{text}: told {count} times"));
    }
    pair.check_untouched(begin);
    pair.finish();
}

#[test]
fn a_node_without_a_usable_link_starts_nothing_and_initdead_begins_with_the_first() {
    let mut pair = Pair::new(&Files::quick().links("ucast eth1 192.168.255.1\nucast eth1 192.168.255.2\nbcast eth1\n"));
    pair.hall.ip_of(1, "link del eth1\n");
    let begin = now();
    pair.start(1);
    pair.wait_log(1, "there is no network device eth1");
    // initdead is 4 s
    pair.stays("nothing active", Duration::from_secs(6), |pair| !pair.is_active(1));
    pair.check_untouched(begin);
    let came = now();
    pair.hall.replug(1, 1);
    pair.hall
        .ip_of(1, "addr add 192.168.255.1/24 dev eth1\nlink set eth1 up\n");
    pair.wait_active(1);
    let waited = pair.when(1, "drbd primary asked", came).unwrap() - came;
    pair.check(
        waited >= 3_900,
        &format!("initdead is 4 s, the start began after {waited} ms"),
    );
    pair.finish();
}
