//! What a failover and a heartbeat cost, printed: `OVZHA_RUNS=10 .ci/run netns measured`.
use crate::bed::{Files, Pair, child_of, now, ovzha, sent};
use std::fs;
use std::thread::sleep;
use std::time::Duration;

fn runs() -> usize {
    std::env::var("OVZHA_RUNS").map_or(1, |text| text.parse().unwrap())
}

#[expect(clippy::print_stdout, reason = "the measurement is for people")]
fn print(line: &str) {
    println!("measured: {line}");
}

#[test]
fn measured_power_cut_to_first_start_effect_after_the_deadline() {
    let mut excess = Vec::new();
    for _ in 0..runs() {
        let mut pair = Pair::up(&Files::quick());
        sleep(Duration::from_millis(1000 + now() % 200));
        let (_, _, before) = pair.cable.count(1);
        pair.power_cut(1);
        let (_, _, last) = pair.cable.count(1);
        pair.wait_active(2);
        let asked = pair.when(2, "drbd primary asked", before).unwrap();
        // an outlier explains itself: a pause of the whole machine shows as a sleep or as a ping that stayed away
        if asked > last + 3000 {
            print(&pair.report());
        }
        excess.push(i64::try_from(asked).unwrap() - i64::try_from(last + 2000).unwrap());
        pair.finish();
    }
    excess.sort_unstable();
    let median = excess[excess.len() / 2];
    let (min, max) = (excess[0], excess[excess.len() - 1]);
    print(&format!(
        "power cut, keepalive 200 ms, deadtime 2 s, {} runs: drbdadm primary after the last heartbeat's deadline: \
         min {min} median {median} max {max} ms",
        excess.len()
    ));
    assert!(median < 5000, "{excess:?}");
}

fn rollup(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim_start_matches(':').trim().to_owned()
}

#[test]
fn measured_heartbeat_bytes_and_memory() {
    let pair = Pair::up(&Files::quick());
    sleep(Duration::from_secs(5));
    let node = pair.node(1).pid();
    let (udp, serial) = (sent(node, "eth1"), pair.cable.count(1));
    sleep(Duration::from_secs(10));
    let (udp_after, serial_after) = (sent(node, "eth1"), pair.cable.count(1));
    let (bytes, packets) = (udp_after.0 - udp.0, udp_after.1 - udp.1);
    // Ethernet, IPv4 and UDP headers
    let payload = bytes.saturating_sub(packets * 42) / packets.max(1);
    let (line, frames) = (serial_after.0 - serial.0, serial_after.1 - serial.1);
    print(&format!(
        "heartbeats of one node in 10 s at keepalive 200 ms: UDP {packets} of {payload} bytes of payload \
        each, serial {frames} of {} bytes each",
        line / frames.max(1)
    ));
    let pid = pair.daemon(1).pid();
    // the log's writer, while there is a log file
    for (what, pid) in [("daemon", Some(pid)), ("its log writer", child_of(pid))] {
        let Some(pid) = pid else { continue };
        let [rss, pss] = ["Rss", "Pss"].map(|name| rollup(pid, name));
        print(&format!("{what}: RSS {rss}, PSS {pss}"));
    }
    print(&format!("binary: {} bytes", fs::metadata(ovzha()).unwrap().len()));
    assert!(payload <= 96, "{payload}");
    pair.finish();
}

/// Milliseconds of CPU of a process and of its children that ended; it is counted in hundredths of a second.
fn cpu_ms(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // after the name, which may hold blanks: own and children's times are fields 14 to 17
    let fields = text.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(4);
    fields.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum()
}

#[test]
fn measured_cpu_of_an_idle_active_node() {
    const SPAN: Duration = Duration::from_secs(30);
    let off = "monitor datadisk off\nmonitor Filesystem off\nmonitor vz off\n";
    for (what, ovzha_cf) in [("default monitors", ""), ("monitors off", off)] {
        let pair = Pair::up(&Files::calm().set("keepalive", "keepalive 2").ovzha_cf(ovzha_cf));
        let pid = pair.daemon(1).pid();
        let before = cpu_ms(pid);
        sleep(SPAN);
        let spent = cpu_ms(pid) - before;
        let an_hour = spent * 3600 / SPAN.as_secs() / 1000;
        print(&format!(
            "idle active node, keepalive 2 s, {what}: {spent} ms of CPU in 30 s with its children, {an_hour} s an hour"
        ));
        pair.check(spent < 15_000, "half a processor");
        pair.finish();
    }
}
