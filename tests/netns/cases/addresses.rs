//! Addresses that move with a group, seen from the machine that talks to them.
use crate::bed::{Files, Pair};

const ADDRESS: &str = "192.168.1.240";

fn files() -> Files {
    Files::quick().resources_around("", &format!("IPaddr::{ADDRESS}/24/eth0 192.168.1.241"))
}

/// The address as the node has it, or nothing.
fn line(pair: &Pair, node: u8, address: &str) -> String {
    let listed = pair.node(node).inside("ip -o -4 addr show").out;
    listed
        .lines()
        .find(|line| line.contains(address))
        .unwrap_or_default()
        .to_owned()
}

fn wait_settled_with_address(pair: &Pair, node: u8) {
    pair.wait_settled(node);
    pair.wait("the address is there", |pair| {
        line(pair, node, ADDRESS).contains("192.168.1.240/24")
    });
}

#[test]
fn an_address_appears_with_its_label_and_neighbours_learn_of_its_move() {
    let mut pair = Pair::up(&files());
    wait_settled_with_address(&pair, 1);
    let shown = line(&pair, 1, ADDRESS);
    pair.check(shown.contains("brd 192.168.1.255") && shown.contains("eth0:0"), &shown);
    // the other one named no device: it is found by its network
    let shown = line(&pair, 1, "192.168.1.241");
    pair.check(shown.contains("192.168.1.241/24") && shown.contains("eth0:1"), &shown);
    pair.check(line(&pair, 2, ADDRESS).is_empty(), "on both nodes");
    let before = pair.hall.neighbour(ADDRESS);
    pair.check(before == pair.hall.neighbour("192.168.1.201"), &format!("{before:?}"));
    pair.power_cut(1);
    wait_settled_alone(&pair, 2);
    // nothing is asked any more: what the neighbour knows, it was told
    pair.wait("the neighbour has learned of the move", |pair| {
        let known = pair.hall.known(ADDRESS);
        known.is_some() && known != before
    });
    let own = pair.node(2).inside("cat /sys/class/net/eth0/address").out;
    pair.check(
        pair.hall.known(ADDRESS).as_deref() == Some(own.trim()),
        "another one's hardware address",
    );
    pair.finish();
}

fn wait_settled_alone(pair: &Pair, node: u8) {
    pair.wait_active(node);
    pair.wait("the address is there", |pair| !line(pair, node, ADDRESS).is_empty());
}

#[test]
fn a_standby_removes_the_address_before_the_other_node_adds_it() {
    let pair = Pair::up(&files());
    wait_settled_with_address(&pair, 1);
    let said = pair.node(1).ovzha("standby");
    pair.check(said.ok, &format!("{said:?}"));
    pair.check(line(&pair, 1, ADDRESS).is_empty(), "still on node 1");
    wait_settled_alone(&pair, 2);
    pair.finish();
}

#[test]
fn an_address_in_use_fails_the_start_and_names_who_has_it() {
    let mut pair = Pair::new(&files());
    pair.hall.ip(&format!("addr add {ADDRESS}/24 dev br0\n"));
    pair.start(1);
    pair.start(2);
    pair.wait_log(1, "192.168.1.240 is in use by 02:00:00:00:01:01 on eth0");
    pair.check(line(&pair, 1, ADDRESS).is_empty(), "added all the same");
    pair.wait_log(2, "192.168.1.240 is in use by 02:00:00:00:01:01 on eth0");
    pair.finish();
}

#[test]
fn the_agent_of_an_address_is_honest_and_leaves_other_addresses_alone() {
    let pair = Pair::new(&Files::quick());
    let node = pair.node(1);
    let agent = |words: &str| node.inside(&format!("ovzha agent {words}; echo \"exit $?\"")).out;
    let word = "IPaddr2 172.30.0.1/24/eth0";
    pair.check(agent(&format!("probe {word}")).contains("exit 7"), "not there");
    pair.check(agent(&format!("stop {word}")).contains("exit 0"), "nothing to stop");
    pair.check(agent(&format!("start {word}")).contains("exit 0"), "start");
    pair.check(agent(&format!("start {word}")).contains("exit 0"), "again");
    let shown = line(&pair, 1, "172.30.0.1");
    pair.check(shown.contains("brd 172.30.0.255") && !shown.contains("eth0:"), &shown);
    pair.check(agent(&format!("probe {word}")).contains("exit 0"), "there");
    pair.check(
        agent("probe IPaddr2 172.30.0.1/24/eth1").contains("exit 8"),
        "elsewhere",
    );
    // the first address of its network takes the later ones with it when it goes
    node.inside("sysctl -q -w net.ipv4.conf.all.promote_secondaries=0 net.ipv4.conf.eth0.promote_secondaries=0");
    node.inside("ip addr add 172.30.0.2/24 dev eth0").must();
    pair.check(agent(&format!("stop {word}")).contains("exit 0"), "stop");
    pair.check(line(&pair, 1, "172.30.0.1").is_empty(), "still there");
    pair.check(
        line(&pair, 1, "172.30.0.2").contains("172.30.0.2/24"),
        "another's address is lost",
    );
    pair.check(
        agent("start IPaddr 172.31.0.1").contains("exit 5"),
        "no network holds it",
    );
    pair.check(
        agent("start IPaddr 172.31.0.1/24/eth7").contains("exit 5"),
        "no such device",
    );
    node.inside("ip link set eth0 down").must();
    pair.check(
        agent("probe IPaddr 172.30.0.2").contains("exit 8"),
        "the device is down",
    );
    pair.finish();
}

#[test]
fn an_address_left_of_datadisk_is_there_before_drbd_is_asked() {
    let pair = Pair::up(&Files::quick().resources_around(ADDRESS, ""));
    wait_settled_with_address(&pair, 1);
    let log = pair.log(1);
    let at = |text: &str| log.find(text).unwrap_or(usize::MAX);
    pair.check(
        at("start 192.168.1.240: done") < at("start datadisk::r0: done"),
        "order of starts",
    );
    let said = pair.node(1).ovzha("standby");
    pair.check(said.ok, &format!("{said:?}"));
    let log = pair.log(1);
    let at = |text: &str| log.find(text).unwrap_or(0);
    pair.check(
        at("stop datadisk::r0: done") < at("stop 192.168.1.240: done"),
        "order of stops",
    );
    pair.check(line(&pair, 1, ADDRESS).is_empty(), "still on node 1");
    pair.finish();
}
