//! What a simulation takes from `drbd.conf`.

use ovzha_host::check::{DrbdModel, drbd_model};
use ovzha_host::config;

use crate::machine::Machine;
use crate::resource::r0;

fn model(machine: &Machine, name: &str) -> Option<DrbdModel> {
    let files = config::read_files(&machine.0.join("etc/ha.d")).files.unwrap();
    drbd_model(&machine.0, &files, name)
}

#[test]
fn addresses_and_fencing_are_taken_from_the_resource() {
    let machine = Machine::new("model");
    let found = model(&machine, "r0").unwrap();
    let addresses: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.168.255.1", "192.168.255.2"]);
    // the handler counts wherever the program is: this machine need not be a node
    machine.remove("usr/sbin/ovzha");
    assert!(model(&machine, "r0").unwrap().freezes);
    assert_eq!(model(&machine, "r1"), None);
    machine.write(
        "etc/drbd.conf",
        "resource r0 { on a { address ipv6 [fd00::1]:7788; } }\n",
    );
    assert_eq!(model(&machine, "r0").unwrap().addresses[0].to_string(), "fd00::1");
    machine.remove("etc/drbd.conf");
    assert_eq!(model(&machine, "r0"), None);
}

#[test]
fn only_a_policy_that_waits_for_our_handler_freezes() {
    let machine = Machine::new("model-fencing");
    for (lines, freezes) in [
        ("", false),
        ("disk { fencing resource-and-stonith; }", false),
        (
            "disk { fencing resource-only; } handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }",
            false,
        ),
        (
            "disk { fencing resource-and-stonith; } handlers { fence-peer \"/usr/lib/drbd/crm-fence-peer.sh\"; }",
            false,
        ),
        (
            "disk { fencing resource-and-stonith; } handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }",
            true,
        ),
        (
            "disk { fencing resource-and-stonith; } handlers { outdate-peer \"/usr/sbin/ovzha fence-peer\"; }",
            true,
        ),
    ] {
        machine.write("etc/drbd.conf", &r0(lines));
        assert_eq!(model(&machine, "r0").unwrap().freezes, freezes, "{lines}");
    }
}
