//! How each fault is made, and how it is healed as an admin would.
use super::plan::{Fault, Kind, Side, Ways};
use crate::bed::{Link, Machine, Pair};
use std::time::Duration;

/// A fault that has struck: who was what when it did.
pub struct Struck {
    pub active: u8,
    /// How often power came to each node.
    lives: [usize; 2],
    /// Boots and watchdog resets of the hung node in this life, before.
    boots: usize,
    resets: usize,
}

impl Struck {
    pub const fn node(&self, side: Side) -> u8 {
        match side {
            Side::Active => self.active,
            Side::Standby => 3 - self.active,
        }
    }

    /// Whether the node has had power all the time.
    pub fn lives_on(&self, node: &Machine) -> bool {
        node.is_on() && node.lives() == self.lives[usize::from(node.number()) - 1]
    }

    /// Whether the node that was made to hang does so still.
    pub fn hangs(&self, node: &Machine) -> bool {
        node.watchdog_resets() == self.resets && node.boots() == self.boots && self.lives_on(node)
    }
}

fn cut(pair: &Pair, links: &[Link], ways: Ways, struck: &Struck, cut: bool) {
    let from: &[u8] = match ways {
        Ways::Both => &[1, 2],
        Ways::Of(side) => &[struck.node(side)],
    };
    for link in links {
        for from in from {
            pair.cut(*link, *from, cut);
        }
    }
}

/// A switch-over of a pair in which nothing is wrong must succeed.
fn switch(pair: &Pair, node: u8, command: &str) {
    let said = pair.node(node).try_run(command, Duration::from_mins(1));
    let said = said.unwrap_or_else(|| panic!("L1: node {node}: {command} does not end"));
    assert_eq!(said.code, 0, "L1: node {node}: {command}: {}", said.text);
}

/// Makes the fault; `active` has the group.
pub fn strike(pair: &Pair, fault: &Fault, active: u8) -> Struck {
    let mut struck = Struck {
        active,
        lives: [1, 2].map(|number| pair.node(number).lives()),
        boots: 0,
        resets: 0,
    };
    let at = |side: Side| struck.node(side);
    match &fault.kind {
        Kind::PowerCut(side) => pair.node(at(*side)).power_cut(),
        Kind::Reset(side) => pair.node(at(*side)).reset(),
        Kind::Freeze(side) => pair.node(at(*side)).freeze_daemon(),
        Kind::Hang(side) => {
            let node = pair.node(at(*side));
            let (boots, resets) = (node.boots(), node.watchdog_resets());
            node.hang();
            (struck.boots, struck.resets) = (boots, resets);
        }
        Kind::Pause(side) => pair.node(at(*side)).pause(),
        Kind::Kill(side) => pair.node(at(*side)).kill_daemon(),
        Kind::Cut(links, ways) => cut(pair, links, *ways, &struck, true),
        Kind::Standby => switch(pair, at(Side::Active), "ovzha standby"),
        Kind::Takeover => switch(pair, at(Side::Standby), "ovzha takeover"),
        Kind::DiskFails(side) => pair.node(at(*side)).disk_fails(),
        Kind::DiskSlow(side, milliseconds) => pair.node(at(*side)).disk_is_slow(*milliseconds),
        Kind::DiesAlone => {
            cut(pair, &[Link::Eth1], Ways::Both, &struck, true);
            pair.wait_said(active, "drbdadm cstate r0", "WFConnection");
            let before = pair.node(active).acknowledged().len();
            pair.wait("the container writes on", |pair| {
                pair.node(active).acknowledged().len() > before + 5
            });
            pair.node(active).power_cut();
        }
    }
    struck
}

/// Ends the fault: power and links on, what stood still goes on, the disk is well.
pub fn heal(pair: &Pair, fault: &Fault, struck: &Struck) {
    // a node that a watchdog has reset meanwhile, or a relay, has nothing that could be thawed
    let try_run = |pair: &Pair, node: u8, line: &str| drop(pair.node(node).try_run(line, Duration::from_secs(5)));
    match &fault.kind {
        Kind::PowerCut(side) => pair.node(struck.node(*side)).start(),
        Kind::Freeze(side) => try_run(pair, struck.node(*side), "kill -CONT $(cat /run/daemon.pid)"),
        Kind::Hang(side) => {
            let node = pair.node(struck.node(*side));
            if struck.hangs(node) {
                node.reset();
            }
        }
        Kind::Pause(side) => pair.node(struck.node(*side)).go_on(),
        Kind::Cut(links, ways) => cut(pair, links, *ways, struck, false),
        Kind::DiskFails(side) | Kind::DiskSlow(side, _) => try_run(pair, struck.node(*side), "data well"),
        Kind::DiesAlone => {
            cut(pair, &[Link::Eth1], Ways::Both, struck, false);
            pair.node(struck.active).start();
        }
        Kind::Reset(_) | Kind::Kill(_) | Kind::Standby | Kind::Takeover => {}
    }
}
