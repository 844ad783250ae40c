//! The hardware watchdog: who hangs is reset before the other node takes over, and who does not is left alone.
use crate::bed::{Files, Machine, Pair, SUPERVISED};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// `deadtime` in seconds. The longest timeout beside it and `keepalive` 500 ms is 9 s (`core/src/watchdog.rs`).
const DEADTIME: u64 = 10;
const TIMEOUT: u64 = 9;

/// What QEMU tells of a machine: its control socket, which the bed leaves alone in these cases.
struct Events(BufReader<UnixStream>);

impl Events {
    fn of(node: &Machine) -> Self {
        let stream = UnixStream::connect(node.file("qmp")).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut events = Self(BufReader::new(stream));
        events
            .0
            .get_mut()
            .write_all(b"{\"execute\":\"qmp_capabilities\"}\n")
            .unwrap();
        events
    }

    /// Whether QEMU told of this event by then: `WATCHDOG` when the device fires, `RESET` at every reset.
    fn tell(&mut self, name: &str, span: Duration) -> bool {
        let end = Instant::now() + span;
        let mut line = String::new();
        while Instant::now() < end {
            match self.0.read_line(&mut line) {
                Ok(0) => panic!("QEMU hung up"),
                Ok(_) => {
                    let told: Value = serde_json::from_str(&line).unwrap();
                    line.clear();
                    if told["event"] == name {
                        return true;
                    }
                }
                // what came of a line stays in it
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("QEMU's control socket: {error}"),
            }
        }
        false
    }
}

/// Loads the driver and writes the line into `ovzha.cf`.
fn give_watchdog(node: &Machine, driver: &str) {
    node.must(&format!(
        "cd /lib/modules/boot; [ ! -e watchdog.ko ] || insmod watchdog.ko; insmod {driver} && [ -c /dev/watchdog ] && \
         echo 'watchdog /dev/watchdog' >/etc/ha.d/ovzha.cf && chmod 644 /etc/ha.d/ovzha.cf"
    ));
}

fn files() -> Files {
    let mut files = Files::usual();
    files.ha_cf = files
        .ha_cf
        .replace("deadtime 6\n", &format!("deadtime {DEADTIME}\n"))
        .replace("warntime 3\n", "warntime 5\n");
    files
}

/// Both with a watchdog and the daemon, `first` as the daemon of node 1, which is active; `idle`: what node 2 says of its
/// watchdog.
fn up_with(first: &str, driver: &str, idle: &str) -> Pair {
    let pair = Pair::new(&files());
    pair.boot("drbd");
    for number in [1, 2] {
        give_watchdog(pair.node(number), driver);
    }
    pair.node(1).must(first);
    pair.node(2).must(SUPERVISED);
    pair.wait_active(1);
    pair.wait_said(2, "ovzha status", "ovz-node1 alive");
    pair.wait_said(1, "ovzha status", ", 9 s, armed");
    pair.wait_said(2, "ovzha status", idle);
    pair
}

fn up() -> Pair {
    up_with(SUPERVISED, "i6300esb.ko", "not armed")
}

fn log(pair: &Pair, number: u8) -> String {
    pair.node(number).must("cat /var/log/ha-log")
}

/// Whether node 2 begins anything.
fn takes_over(pair: &Pair) -> bool {
    let log = log(pair, 2);
    ["claiming (", "starting ("].iter().any(|word| log.contains(word))
}

/// The event comes from node 1 while node 2 has not begun anything; then node 2 takes over, and all is there.
fn is_reset_before_the_takeover(pair: Pair, events: &mut Events, by: &str) {
    assert!(events.tell(by, Duration::from_mins(1)), "no reset\n{}", pair.report());
    assert!(!takes_over(&pair), "it was too late\n{}", pair.report());
    pair.wait_active(2);
    pair.check_nothing_lost(2);
    pair.node(1).wait_boot(2);
    pair.finish();
}

/// Not one reset of either node within more than two timeouts.
fn stays_up(pair: &Pair, events: &mut [Events]) {
    let span = Duration::from_secs(TIMEOUT + 1);
    for event in events {
        assert!(!event.tell("RESET", span), "reset\n{}", pair.report());
    }
    for number in [1, 2] {
        let console = pair.node(number).console();
        assert_eq!(console.matches("BOOT-OK").count(), 1, "{}", pair.report());
    }
}

/// The process that took the lock: the daemon itself, not its children.
const DAEMON: &str =
    "$(awk -v i=$(stat -c %i /run/ovzha/lock) '$2 == \"FLOCK\" && $6 ~ \":\" i \"$\" { print $5 }' /proc/locks)";

#[test]
fn f1_a_daemon_that_stands_still_ends_in_a_reset_before_the_takeover() {
    let pair = up();
    let mut events = Events::of(pair.node(1));
    pair.node(1).must(&format!("kill -STOP {DAEMON}"));
    is_reset_before_the_takeover(pair, &mut events, "WATCHDOG");
}

#[test]
fn a_daemon_that_is_dead_for_good_ends_in_a_reset_before_the_takeover() {
    let pair = up();
    let mut events = Events::of(pair.node(1));
    pair.node(1).must(&format!("touch /run/stay-down; kill -KILL {DAEMON}"));
    is_reset_before_the_takeover(pair, &mut events, "WATCHDOG");
}

/// S-12.
#[test]
fn f2_a_hung_kernel_is_reset_before_the_takeover() {
    let pair = up();
    let mut events = Events::of(pair.node(1));
    let panic = "echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger";
    assert!(pair.node(1).try_run(panic, Duration::from_secs(2)).is_none());
    is_reset_before_the_takeover(pair, &mut events, "WATCHDOG");
}

/// The last resort is a reboot. Where the kernel refuses even that, the watchdog is left.
#[test]
fn a_stop_that_fails_ends_in_a_reset_also_where_a_reboot_is_refused() {
    let run = format!(
        "printf '{}' >/run/powerless && chmod 755 /run/powerless && mount --bind /dev/null /proc/sysrq-trigger && {}",
        octal(&powerless()),
        SUPERVISED.replace("ovzha daemon", "/run/powerless /usr/sbin/ovzha daemon")
    );
    let pair = up_with(&run, "i6300esb.ko", "not armed");
    let mut events = Events::of(pair.node(1));
    // the container ignores every stop
    let vz = "sed 's/^    stop)/    stop) exit 1/' /etc/init.d/vz >/run/vz && cat /run/vz >/etc/init.d/vz";
    pair.node(1).must(vz);
    assert_ne!(pair.node(1).run("/etc/init.d/vz stop").code, 0);
    // waited for in the guest: what is asked later may come after the reset
    let fails = "n=0; until grep -q 'the reset failed' /var/log/ha-log; do n=$((n + 1)); [ $n -lt 250 ] || exit 1; sleep 0.1; done";
    pair.node(1).must(&format!("ovzha standby --no-wait; {fails}"));
    is_reset_before_the_takeover(pair, &mut events, "WATCHDOG");
}

#[test]
fn what_is_stopped_or_restarted_in_order_is_not_reset() {
    let pair = up();
    let mut events = [1, 2].map(|number| Events::of(pair.node(number)));
    // killed, and back at once
    pair.node(1).must(&format!("kill -KILL {DAEMON}"));
    pair.wait_said(1, "cat /var/log/ha-log", "watchdog left armed by the former daemon");
    stays_up(&pair, &mut events);
    assert!(pair.is_active(1), "{}", pair.report());
    // anew in place
    pair.node(1)
        .must(&format!("echo '# another' >>/etc/ha.d/ovzha.cf; kill -HUP {DAEMON}"));
    pair.wait_said(1, "cat /var/log/ha-log", "starting anew in place");
    stays_up(&pair, &mut events);
    assert!(pair.is_active(1), "{}", pair.report());
    // handed over
    pair.wait_said(1, "ovzha status", ", able to run it");
    assert_eq!(pair.node(1).run("ovzha standby").code, 0, "{}", pair.report());
    pair.wait_active(2);
    pair.wait_said(1, "ovzha status", "not armed");
    pair.wait_said(2, "ovzha status", ", 9 s, armed");
    stays_up(&pair, &mut events);
    // stopped, which hands over
    pair.node(2).must(&format!("touch /run/stay-down; kill -TERM {DAEMON}"));
    pair.wait_active(1);
    stays_up(&pair, &mut events);
    assert!(log(&pair, 2).contains("watchdog disarmed"), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

#[test]
fn one_that_cannot_be_disarmed_is_petted_by_the_standby_and_fires_after_a_stop() {
    let pair = up_with(SUPERVISED, "i6300esb.ko nowayout=1", ", 9 s, armed");
    let mut events = [1, 2].map(|number| Events::of(pair.node(number)));
    assert!(
        log(&pair, 2).contains("can't be disarmed (nowayout)"),
        "{}",
        pair.report()
    );
    stays_up(&pair, &mut events);
    pair.node(2).must(&format!("touch /run/stay-down; kill -TERM {DAEMON}"));
    pair.wait_said(
        2,
        "cat /var/log/ha-log",
        "this machine resets itself within 9 s: nowayout",
    );
    assert!(events[1].tell("WATCHDOG", Duration::from_mins(1)), "{}", pair.report());
    assert!(pair.is_active(1), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}

#[test]
fn softdog_is_told_and_resets_a_node_whose_daemon_stands_still() {
    let pair = up_with(SUPERVISED, "softdog.ko", "not armed");
    let mut events = Events::of(pair.node(1));
    assert!(
        log(&pair, 1).contains("is softdog: it does not survive a hung kernel"),
        "{}",
        pair.report()
    );
    assert!(pair.node(1).must("ovzha status").contains("protection  softdog: "));
    pair.node(1).must(&format!("kill -STOP {DAEMON}"));
    is_reset_before_the_takeover(pair, &mut events, "RESET");
}

/// A program that gives up the right to reboot and becomes the one that its arguments name: nothing on the guest can.
fn powerless() -> Vec<u8> {
    let header: &[&[u8]] = &[
        // ELF, 64 bits, for x86-64, at 0x400000; its one segment follows
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0",
        &0x0040_0078_u64.to_le_bytes(),
        &64_u64.to_le_bytes(),
        &0_u64.to_le_bytes(),
        b"\0\0\0\0\x40\0\x38\0\x01\0\0\0\0\0\0\0",
        b"\x01\0\0\0\x05\0\0\0",
        &0_u64.to_le_bytes(),
        &0x0040_0000_u64.to_le_bytes(),
        &0x0040_0000_u64.to_le_bytes(),
        &200_u64.to_le_bytes(),
        &200_u64.to_le_bytes(),
        &4096_u64.to_le_bytes(),
    ];
    let code: &[&[u8]] = &[
        // prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT)
        b"\xbf\x18\0\0\0\xbe\x16\0\0\0\xb8\x9d\0\0\0\x0f\x05",
        // execve(argv[1], argv + 1, envp)
        b"\x48\x8b\x7c\x24\x10\x48\x8d\x74\x24\x10\x48\x8b\x04\x24\x48\x8d\x54\xc4\x10\xb8\x3b\0\0\0\x0f\x05",
        // exit(127)
        b"\xbf\x7f\0\0\0\xb8\x3c\0\0\0\x0f\x05",
    ];
    let mut program = [header, code].concat().concat();
    program.resize(200, 0);
    program
}

/// For `printf`.
fn octal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "\\{byte:03o}").unwrap();
    }
    text
}
