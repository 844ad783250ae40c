//! What the daemon knows of the real DRBD, and when: brought up by it, watched by its child, outdated by its agent.
use crate::bed::{Files, Pair};

const PS: &str = "ps -o pid,args | grep -v grep";

/// Seconds from a command until the log holds a text, as the node itself counts them.
fn seconds_until_logged(pair: &Pair, number: u8, command: &str, text: &str) -> f64 {
    let line = format!(
        "t() {{ cut -d' ' -f1 /proc/uptime; }}; a=$(t); {command} && n=0 && \
         while ! grep -q '{text}' /var/log/ha-log && [ $n -lt 300 ]; do usleep 50000; n=$((n + 1)); done; echo $a $(t)"
    );
    let said = pair.node(number).must(&line);
    let mut times = said.split_whitespace().rev().map(|time| time.parse::<f64>().unwrap());
    let (end, begin) = (times.next().unwrap(), times.next().unwrap());
    assert!(
        pair.node(number).run("cat /var/log/ha-log").text.contains(text),
        "{text} was not logged\n{}",
        pair.report()
    );
    end - begin
}

#[test]
fn drbd_is_brought_up_watched_and_outdated() {
    let mut pair = Pair::new(&Files::usual());
    // nobody has brought DRBD up: the daemons do
    pair.boot("ovzha");
    pair.wait_active(1);
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
        pair.wait_said(
            number,
            "cat /var/log/ha-log",
            "DRBD: r0 was down and has been brought up",
        );
        pair.wait_said(number, PS, "agent watch");
        pair.wait_said(number, PS, "drbdsetup events2");
    }

    // by the watching child, or on one of them by a start that came first
    pair.wait("a child has brought it up", |pair| {
        [1, 2].iter().any(|number| {
            let log = pair.node(*number).run("cat /var/log/ha-log").text;
            log.contains("DRBD: r0 was down and has been brought up")
        })
    });

    // a change is seen long before the next question would be asked
    let told = seconds_until_logged(&pair, 1, "drbdadm disconnect r0", "DRBD r0 is StandAlone");
    assert!(told < 3.0, "told after {told} s\n{}", pair.report());

    // the orders of fencing
    pair.wait_said(2, "drbdadm cstate r0", "WFConnection");
    let said = pair.node(2).run("ovzha agent outdate --timeout 10 r0");
    assert!(
        said.code == 0 && said.text.contains("cstate=WFConnection dstate=Outdated/DUnknown"),
        "{}",
        said.text
    );
    let said = pair.node(1).run("ovzha agent outdate --timeout 10 r0");
    assert!(
        said.code == 1 && said.text.contains("r0 is Primary here"),
        "{}",
        said.text
    );
    let said = pair.node(1).run("ovzha agent resume --timeout 10 r0");
    assert!(
        said.code == 0 && said.text.contains("role=Primary/Unknown"),
        "{}",
        said.text
    );
    let told = seconds_until_logged(&pair, 1, "drbdadm connect r0", "DRBD r0 is no longer StandAlone");
    assert!(told < 3.0, "told after {told} s\n{}", pair.report());
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
    }

    // what a person takes down stays down; a look says that nothing runs there
    pair.node(2).must("drbdadm down r0");
    pair.wait_said(2, "ovzha agent probe datadisk r0; echo code $?", "code 7");
    let said = pair
        .node(2)
        .run("ovzha agent outdate --timeout 10 r0; drbdadm dstate r0");
    assert!(
        said.text.contains("cstate=Unconfigured dstate=Outdated/DUnknown"),
        "{}",
        said.text
    );
    assert!(said.text.trim_end().ends_with("Outdated"), "{}", said.text);
    pair.node(2).must("drbdadm up r0");
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
    }

    // events2 dies, then the daemon: nothing is left of the former, and the next life has its own
    pair.node(1).must("kill -9 $(pidof drbdsetup || pidof drbdsetup-84)");
    pair.wait_said(1, "cat /var/log/ha-log", "DRBD: drbdsetup events2 ended");
    pair.wait_said(1, PS, "drbdsetup events2");
    let watching = format!("{PS} | grep 'agent watch' | sed 's/^ *//; s/ .*//'");
    let before = pair.node(1).must(&watching);
    pair.node(1).must(&format!(
        "kill -9 $({PS} | grep ' ovzha daemon' | sed 's/^ *//; s/ .*//'); true"
    ));
    pair.wait("the former child is gone, and a new one is there", |pair| {
        let now = pair.node(1).run(&watching).text;
        !now.trim().is_empty() && now != before
    });
    pair.wait_active(1);
    assert!(!pair.is_active(2), "{}", pair.report());
    pair.check_nothing_lost(1);
    pair.finish();
}
