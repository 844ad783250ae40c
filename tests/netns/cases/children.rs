//! Scripts that fail, hang, flood or leave something behind; a file system that somebody holds.
use crate::bed::{Files, Pair, now};
use std::fs;
use std::time::Duration;

fn hook(pair: &Pair, node: u8, verb: &str, script: &str) {
    fs::write(pair.dir.shared().join(format!("vz-ovz-node{node}-{verb}")), script).unwrap();
}

fn start_both(pair: &mut Pair) {
    pair.start(1);
    pair.start(2);
}

#[test]
fn a_failing_start_is_undone_in_order_and_the_other_node_takes_over() {
    let mut pair = Pair::new(&Files::quick());
    hook(&pair, 1, "start", "echo 'no room for containers' >&2; exit 1\n");
    start_both(&mut pair);
    pair.wait_active(2);
    pair.check_order(
        1,
        0,
        &["drbd is primary", "vz start begins, mounted", "drbd is secondary"],
    );
    pair.check(
        pair.when(1, "drbd is secondary", 0) <= pair.when(2, "drbd primary asked", 0),
        "too early",
    );
    pair.check(
        pair.log(1).contains("no room for containers"),
        "the script's own words are not told",
    );
    let status = pair.node(1).ovzha("status");
    pair.check(status.out.contains("start of vz failed"), &format!("{status:?}"));
    pair.finish();
}

#[test]
fn a_start_that_fails_everywhere_is_tried_once_on_each_node_and_waits_for_clear() {
    let mut pair = Pair::new(&Files::quick());
    hook(&pair, 1, "start", "exit 1\n");
    hook(&pair, 2, "start", "exit 1\n");
    start_both(&mut pair);
    for number in [1, 2] {
        pair.wait_log(number, ": failed (");
    }
    pair.stays("nobody active", Duration::from_secs(5), |pair| {
        !pair.is_active(1) && !pair.is_active(2)
    });
    let tries = pair
        .deeds(0)
        .iter()
        .filter(|entry| entry.text.starts_with("vz start begins"))
        .count();
    pair.check(tries == 2, &format!("{tries} tries"));
    hook(&pair, 1, "start", "");
    let said = pair.node(1).ovzha("clear 0");
    pair.check(said.ok, &format!("{said:?}"));
    pair.wait_active(1);
    pair.finish();
}

#[test]
fn a_failing_stop_of_data_ends_that_node_only_and_the_other_takes_over() {
    let mut pair = Pair::new(&Files::quick().ovzha_cf("timeout vz stop 4\n"));
    hook(&pair, 1, "stop", "exit 1\n");
    start_both(&mut pair);
    pair.wait_settled(1);
    let asked = now();
    let said = pair.node(1).ovzha("standby --no-wait");
    pair.check(said.ok, &format!("{said:?}"));
    pair.wait("node 1 resets itself", |pair| !pair.node(1).is_on());
    pair.note(1, "power cut");
    pair.wait_active(2);
    pair.check(pair.log(1).contains("stop vz: failed"), "the failed stop was not told");
    // in the log file though its writer ended with the node, and where the kernel's log would be
    for (place, line) in [
        (
            "ha-log",
            "error: datadisk::r0: won't stop: this machine resets itself now\n",
        ),
        (
            "kmsg",
            "<2>ovzha: datadisk::r0: won't stop: this machine resets itself now\n",
        ),
    ] {
        let text = pair.node(1).log_file(place);
        pair.check(
            text.contains(line),
            &format!("{place} is without the last words: {text}"),
        );
    }
    pair.check(
        pair.when(2, "drbd primary asked", asked) > pair.when(1, "power cut", asked),
        "too early",
    );
    pair.finish();
}

#[test]
fn a_hanging_start_is_ended_with_all_its_children_and_the_other_node_takes_over() {
    let mut pair = Pair::new(&Files::quick().ovzha_cf("timeout vz start 4\n"));
    hook(
        &pair,
        1,
        "start",
        "trap '' TERM\nsleep 7654 &\nsleep 7655\nsleep 7656\n",
    );
    start_both(&mut pair);
    pair.wait_active(2);
    pair.check_order(
        1,
        0,
        &["drbd is primary", "vz start begins, mounted", "drbd is secondary"],
    );
    let left = pair.node(1).inside("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").out;
    pair.check(!left.contains("sleep 765"), &format!("left behind: {left}"));
    pair.finish();
}

#[test]
fn a_hanging_stop_ends_in_a_reset_of_that_node_only() {
    let mut pair = Pair::new(&Files::quick().ovzha_cf("timeout vz stop 4\n"));
    hook(&pair, 1, "stop", "sleep 7654\n");
    start_both(&mut pair);
    pair.wait_settled(1);
    let said = pair.node(1).ovzha("standby --no-wait");
    pair.check(said.ok, &format!("{said:?}"));
    pair.wait("node 1 resets itself", |pair| !pair.node(1).is_on());
    pair.note(1, "power cut");
    pair.wait_active(2);
    pair.finish();
}

#[test]
fn a_script_that_leaves_a_background_writer_is_done_when_it_exits() {
    let mut pair = Pair::new(&Files::quick());
    hook(
        &pair,
        1,
        "start",
        "( while :; do echo I am still here; sleep 0.01; done ) &\n",
    );
    let begin = now();
    start_both(&mut pair);
    pair.wait_active(1);
    pair.wait("node 1 calls itself active", |pair| {
        pair.node(1).ovzha("status").out.contains("ovz-node1 (this node)")
    });
    let took = now() - begin;
    pair.check(took < 30_000, &format!("waited {took} ms for a background process"));
    pair.wait("node 2 is able", |pair| {
        pair.node(1).ovzha("status").out.contains(", able to run it")
    });
    let said = pair.node(1).ovzha("standby");
    pair.check(said.ok && pair.is_active(2), &format!("{said:?}"));
    pair.finish();
}

#[test]
fn a_gigabyte_of_output_is_cut_and_the_start_succeeds() {
    let mut pair = Pair::new(&Files::quick());
    hook(&pair, 1, "start", "head -c 1000000000 /dev/zero; say flood over\n");
    start_both(&mut pair);
    let mut largest = 0;
    while pair.when(1, "flood over", 0).is_none() && !pair.is_active(2) {
        let sizes = "for f in /proc/[0-9]*/fd/[12]; do stat -L -c %s $f 2>/dev/null; done | sort -n | tail -n 1";
        largest = largest.max(pair.node(1).inside(sizes).out.trim().parse::<u64>().unwrap_or(0));
    }
    pair.wait_active(1);
    pair.check(
        largest < 256 * 1024 * 1024,
        &format!("an output grew to {largest} bytes"),
    );
    let pid = pair.daemon(1).pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    let kilobytes: u64 = rss.trim().trim_end_matches(" kB").parse().unwrap();
    pair.check(kilobytes < 32 * 1024, &format!("the daemon holds {kilobytes} kB"));
    pair.finish();
}

#[test]
fn a_busy_unmount_ends_holders_in_other_mount_namespaces_and_the_group_moves() {
    let pair = Pair::up(&Files::quick().ovzha_cf("timeout Filesystem stop 3\n"));
    let node = pair.node(1);
    let mut holders = [
        // a container's namespace that has its own copy of the mount
        node.command("exec unshare --mount --propagation private sleep 7651")
            .spawn()
            .unwrap(),
        node.command("cd /vz && exec sleep 7652").spawn().unwrap(),
        node.command(
            "exec unshare --mount --propagation private sh -c 'cd /vz; trap \"\" TERM; sleep 7653; sleep 7654'",
        )
        .spawn()
        .unwrap(),
    ];
    pair.wait("the holders are there", |pair| {
        let all = pair.node(1).inside("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").out;
        all.contains("sleep 7651") && all.contains("sleep 7652") && all.contains("sleep 7653")
    });
    let said = pair.node(1).ovzha("standby");
    pair.check(said.ok && pair.is_active(2), &format!("{said:?}"));
    pair.check(!pair.is_mounted(1), "/vz is still mounted");
    for holder in &mut holders {
        drop(holder.kill());
        drop(holder.wait());
    }
    pair.finish();
}
