//! A contradiction of our own, as a daemon tells and keeps it.
use crate::bed::{Files, Number, Pair};
use ovzha_core::id::Tenure;
use ovzha_core::output::{DURABLE_MAX, Durable, GroupDurable};
use std::time::Duration;

/// Leaves a state on the node's disk, as its daemon would.
pub fn store(pair: &Pair, number: Number, durable: &Durable) {
    let mut room = [0; DURABLE_MAX];
    let bytes = durable.encode(&mut room).unwrap();
    let octal = bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("\\{byte:03o}"));
    pair.node(number)
        .inside(&format!(
            "printf '{octal}' | /usr/sbin/ovzha agent store --state-dir /var/lib/ovzha"
        ))
        .must();
}

#[test]
fn a_tenure_at_its_end_is_told_recorded_and_starts_nothing_until_a_person_looks() {
    let mut pair = Pair::new(&Files::quick());
    let mut spent = Durable::default();
    let last = GroupDurable {
        known: Tenure(u32::MAX),
        ..GroupDurable::default()
    };
    spent.groups.push(last).unwrap();
    store(&pair, 1, &spent);
    pair.start(1);
    pair.wait_log(1, "BUG in ovzha: bug 7");
    pair.wait("the bug is recorded", |pair| {
        pair.node(1).inside("cat /var/lib/ovzha/bugs").out.contains("bug 7")
    });
    let status = pair.node(1).ovzha("status");
    pair.check(
        status.out.contains("a tenure can't grow any more"),
        &format!("{status:?}"),
    );
    pair.stays("node 1 starts nothing, and runs", Duration::from_secs(4), |pair| {
        !pair.is_active(1) && pair.daemon(1).lives()
    });
    // the next life tells of it
    pair.kill_daemon(1);
    pair.start(1);
    pair.wait_log(1, "ovzha found a bug in itself earlier");
    pair.power_cut(1);
    pair.finish();
}
