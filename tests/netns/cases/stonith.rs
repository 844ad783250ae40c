//! Row fencing: a fence agent of ours on both nodes, and a power strip that ends a node's process 1.
use crate::bed::{Files, Number, Pair, now, signal};
use crate::twin::note;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Asks the strip by files in the directory that both nodes see.
const AGENT: &str = r#"#!/bin/sh
while IFS='=' read -r name value; do
    case $name in
        action) action=$value ;;
        nodename) node=$value ;;
        password) password=$value ;;
    esac
done
echo "$action $node $password" >>/bed/strip-calls
if [ -e /bed/strip-broken ]; then echo 'the strip does not answer' >&2; exit 1; fi
case $action in
    off)
        : >"/bed/$node.off"
        for try in $(seq 100); do [ -e "/bed/$node.dark" ] && exit 0; sleep 0.05; done
        exit 1
        ;;
    status) [ -e "/bed/$node.dark" ] && exit 2; exit 0 ;;
esac
exit 1
"#;

const LINES: &str =
    "stonith_host * external /etc/ha.d/resource.d/fence_strip password=sesame\nfence-delay 1\nfence-timeout 10\n";

/// The strip, as a thread of the test.
struct Strip {
    dir: PathBuf,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// When that process began, as the kernel counts; none: it is gone.
fn began(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(") ")?;
    // a dead one that nobody has fetched has no power either
    (!after.starts_with('Z')).then(|| after.split(' ').nth(19).map(str::to_owned))?
}

fn switch(dir: &Path, node: Number, pid: u32, life: Option<&String>) {
    let name = format!("ovz-node{node}");
    let order = dir.join(format!("{name}.off"));
    if !order.exists() {
        return;
    }
    note(dir, node, "power cut").unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    while life.is_some() && began(pid).as_ref() == life {
        if Instant::now() > end {
            return;
        }
        signal("KILL", pid);
        sleep(Duration::from_millis(10));
    }
    fs::write(dir.join(format!("{name}.dark")), "").unwrap();
    fs::remove_file(order).unwrap();
}

impl Strip {
    /// With both nodes on it, as they are now.
    fn with(pair: &Pair) -> Self {
        let dir = pair.dir.shared().clone();
        let nodes = [1, 2].map(|number| {
            let pid = pair.node(number).pid();
            (number, pid, began(pid))
        });
        let ends = Arc::new(AtomicBool::new(false));
        let (place, end) = (dir.clone(), Arc::clone(&ends));
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                for (number, pid, life) in &nodes {
                    switch(&place, *number, *pid, life.as_ref());
                }
                sleep(Duration::from_millis(20));
            }
        });
        Self {
            dir,
            ends,
            thread: Some(thread),
        }
    }

    fn broken(&self, broken: bool) {
        let mark = self.dir.join("strip-broken");
        if broken {
            fs::write(mark, "").unwrap();
        } else {
            fs::remove_file(mark).unwrap();
        }
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.dir.join("strip-calls")).unwrap_or_default()
    }
}

impl Drop for Strip {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn up() -> (Pair, Strip) {
    let files = Files::quick().script("fence_strip", AGENT).ovzha_cf(LINES);
    let pair = Pair::new(&files).started();
    let strip = Strip::with(&pair);
    (pair, strip)
}

/// S-13, S-24, S-80, S-81: an active whose daemon is dead is cut, seen off, and then taken over from; it comes back as the standby.
#[test]
fn a_silent_active_is_cut_before_it_is_taken_over_from() {
    let (mut pair, strip) = up();
    pair.wait_log(1, "protection: fencing:");
    pair.kill_daemon(1);
    pair.wait_log(2, "the power of ovz-node1 is being cut");
    pair.wait_active(2);
    pair.check(!pair.node(1).is_on(), "node 1 has power");
    pair.check(
        strip.calls() == "off ovz-node1 sesame\nstatus ovz-node1 sesame\n",
        &strip.calls(),
    );
    let log = pair.log(2);
    pair.check(
        log.contains("ovz-node1 has no power: its status says that there is no power"),
        &log,
    );
    pair.check(!log.contains("sesame"), "the log names the password");
    // who was cut is switched on again by a person
    pair.power_cut(1);
    pair.boot(1);
    let again = now();
    pair.start(1);
    pair.wait_settled(2);
    pair.check_untouched(again);
    pair.finish();
}

/// S-81, S-84: an agent that fails confirms nothing, so that nothing is taken over before a person says so.
#[test]
fn an_agent_that_fails_leaves_it_to_a_person() {
    let (mut pair, strip) = up();
    strip.broken(true);
    let refused = pair.node(2).ovzha("confirm-fenced --yes ovz-node1");
    pair.check(
        refused.code == Some(1) && refused.err.contains("is heard"),
        &format!("{refused:?}"),
    );
    pair.power_cut(1);
    pair.wait_log(2, "the power of ovz-node1 could not be cut, or not be seen off, again in 60 s: off said: the strip does not answer");
    pair.stays("nobody active", Duration::from_secs(4), |pair| !pair.is_active(2));
    let status = pair.node(2).ovzha("status").must();
    pair.check(
        status.contains("COULD NOT BE CUT") && status.contains("confirm-fenced"),
        &status,
    );
    for (words, says) in [
        ("confirm-fenced --yes ovz-node2", "is this node"),
        ("confirm-fenced --yes ovz-node3", "is no node"),
        ("confirm-fenced ovz-node1", "nobody can answer here"),
    ] {
        let said = pair.node(2).ovzha(words);
        pair.check(said.code == Some(1) && said.err.contains(says), &format!("{said:?}"));
    }
    pair.check(!pair.is_active(2), "node 2 started before anybody said so");
    pair.node(2).ovzha("confirm-fenced --yes ovz-node1").must();
    pair.wait_active(2);
    pair.wait_log(2, "ovz-node1 has no power, a person said so");
    // a peer that comes back is believed to have power again
    strip.broken(false);
    pair.boot(1);
    pair.start(1);
    pair.wait_settled(2);
    pair.finish();
}
