//! What a stranger can do on the wire: nothing.
use crate::bed::{Files, Pair, now, say};
use std::fs;
use std::io::Read;
use std::time::Duration;

/// The datagram that ends a real Heartbeat: right framing, a field that begins with no bracket.
pub const DEADLY: &[u8] = b"###\n5:hello,%%%\n4:1 ab,";

pub fn hex(bytes: &[u8]) -> String {
    let mut digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.push("\n".to_owned());
    digits.concat()
}

fn random(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

/// Nothing moved, nobody was late, both daemons live, and the logs are short.
fn check_unmoved(pair: &mut Pair, since: u64, from: [usize; 2]) {
    pair.stays("node 1 active", Duration::from_secs(3), |pair| {
        pair.is_active(1) && !pair.is_active(2)
    });
    pair.check_untouched(since);
    for number in [1, 2] {
        pair.check(pair.daemon(number).lives(), "a daemon died");
        let log = pair.log(number);
        let news = log.get(from[usize::from(number) - 1]..).unwrap_or_default();
        pair.check(!news.contains(" late: nothing"), "something was called late");
        pair.check(!news.contains(" dead: nothing"), "something was called dead");
        pair.check(
            news.lines().count() < 20,
            &format!("{} lines of log", news.lines().count()),
        );
    }
}

fn lengths(pair: &Pair) -> [usize; 2] {
    [pair.log(1).len(), pair.log(2).len()]
}

#[test]
fn ten_thousand_garbage_datagrams_from_the_peers_address_have_no_effect() {
    let mut pair = Pair::up(&Files::calm());
    let (begin, from) = (now(), lengths(&pair));
    let lengths = random(10_000);
    let lines: String = lengths
        .iter()
        .map(|length| hex(&random(usize::from(*length))))
        .collect();
    for (node, own, other) in [
        (1, "192.168.255.1", "192.168.255.2"),
        (2, "192.168.1.202", "192.168.1.201"),
    ] {
        say(
            pair.node(node).pid(),
            &format!("{own}:0"),
            &format!("{other}:694"),
            &lines,
        );
    }
    check_unmoved(&mut pair, begin, from);
    let status = pair.node(2).ovzha("status --json");
    pair.check(
        status.out.contains("rejected"),
        &format!("nothing was counted: {status:?}"),
    );
    pair.finish();
}

#[test]
fn the_23_byte_datagram_that_ends_heartbeat_has_no_effect() {
    assert_eq!(DEADLY.len(), 23);
    let mut pair = Pair::up(&Files::calm());
    let (begin, from) = (now(), lengths(&pair));
    for (node, own, other) in [
        (1, "192.168.255.1", "192.168.255.2"),
        (2, "192.168.255.2", "192.168.255.1"),
    ] {
        say(
            pair.node(node).pid(),
            &format!("{own}:0"),
            &format!("{other}:694"),
            &hex(DEADLY),
        );
    }
    check_unmoved(&mut pair, begin, from);
    pair.finish();
}

#[test]
fn a_megabyte_of_serial_noise_has_no_effect() {
    let mut pair = Pair::up(&Files::calm());
    let (begin, from) = (now(), lengths(&pair));
    pair.cable.noise(2, 1_000_000);
    check_unmoved(&mut pair, begin, from);
    pair.wait("the serial link is up", |pair| {
        let status = pair.node(2).ovzha("status");
        status
            .out
            .lines()
            .any(|line| line.contains("serial") && line.contains(" up "))
    });
    pair.finish();
}

/// Heartbeats of node 1 as (payload in hexadecimal) lines.
fn recorded(pair: &Pair, file: &str) -> String {
    let text = fs::read_to_string(pair.dir.shared().join(file)).unwrap();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("192.168.255.1 ")) {
        let payload = line.split(' ').nth(2).unwrap();
        if lines.last() != Some(&payload) {
            lines.push(payload);
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_recorded_life_replayed_moves_nothing_and_keeps_nobody_from_starting() {
    let mut pair = Pair::new(&Files::quick());
    pair.cable.keep(1);
    let ear = pair.hall.listen(&pair.dir.shared().join("heard"));
    pair.start(1);
    pair.start(2);
    pair.wait_active(1);
    pair.wait("a life worth recording", |pair| {
        recorded(pair, "heard").lines().count() > 20
    });
    let said = pair.node(1).ovzha("standby");
    pair.check(said.ok, &format!("{said:?}"));
    let said = pair.node(2).ovzha("standby");
    pair.check(said.ok, &format!("{said:?}"));
    pair.power_cut(1);
    pair.wait_active(2);
    drop(ear);
    let record = recorded(&pair, "heard");
    let (begin, from) = (now(), lengths(&pair));
    let impostor = pair.hall.impostor(1);
    for _ in 0..3 {
        say(impostor.pid(), "192.168.255.1:694", "192.168.255.2:694", &record);
    }
    pair.check(
        !pair.cable.replay(1).starts_with("0 "),
        "nothing was recorded on the serial line",
    );
    pair.stays("node 2 active", Duration::from_secs(5), |pair| pair.is_active(2));
    pair.check_untouched(begin);
    let news = pair.log(2)[from[1]..].to_owned();
    pair.check(!news.contains("is alive"), "a replayed life was believed");
    let status = pair.node(2).ovzha("status");
    pair.check(status.out.contains("ovz-node1 dead"), &format!("{status:?}"));
    // a freshly started node must not take the record for a peer either
    pair.power_cut(2);
    pair.boot(2);
    pair.start(2);
    for _ in 0..40 {
        say(impostor.pid(), "192.168.255.1:694", "192.168.255.2:694", &record);
        std::thread::sleep(Duration::from_millis(100));
    }
    pair.wait_active(2);
    pair.finish();
}
