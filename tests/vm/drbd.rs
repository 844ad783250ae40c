//! What the daemon knows of the real DRBD, and when: brought up by it, watched by its child, outdated by its agent.
use crate::bed::{Files, Pair};

const PS: &str = "ps -o pid,args | grep -v grep";

#[test]
fn drbd_is_brought_up_and_watched() {
    let pair = Pair::new(&Files::usual());
    // nobody has brought DRBD up: the daemons do
    pair.boot("ovzha");
    pair.wait_active(1);
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
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

#[test]
fn a_given_up_connection_is_told_and_the_orders_of_fencing_do_what_they_say() {
    let pair = Pair::up(&Files::usual());
    for number in [1, 2] {
        pair.wait_said(number, "drbdadm dstate r0", "UpToDate/UpToDate");
    }
    pair.node(1).must("drbdadm disconnect r0");
    pair.wait_said(1, "cat /var/log/ha-log", "DRBD r0 is StandAlone");
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
    pair.node(1).must("drbdadm connect r0");
    pair.wait_said(1, "cat /var/log/ha-log", "DRBD r0 is no longer StandAlone");
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
    pair.check_nothing_lost(1);
    pair.finish();
}
