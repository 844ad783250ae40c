//! What `ovzha check` says about `drbd.conf`, in the words of each DRBD.

use crate::machine::{DRBD_CONF, Machine};
use crate::resource::r0;

/// Puts a line after a line of the machine's drbd.conf.
fn spoil(machine: &Machine, after: &str, line: &str) {
    let text = DRBD_CONF.replacen(after, &format!("{after}\n{line}"), 1);
    assert_ne!(text, DRBD_CONF);
    machine.write("etc/drbd.conf", &text);
}

#[test]
fn drbd_settings_that_endanger_data() {
    let net = "  net {";
    let startup = "  startup {";
    for (after, line, beginning) in [
        (
            startup,
            "become-primary-on both;",
            "2 /etc/drbd.conf:5: become-primary-on both",
        ),
        (
            startup,
            "become-primary-on ovz-node1;",
            "2 /etc/drbd.conf:5: become-primary-on ovz-node1",
        ),
        (
            startup,
            "become-primary-on ovz-node2;",
            "M /etc/drbd.conf:5: become-primary-on ovz-node2",
        ),
        (net, "allow-two-primaries;", "2 /etc/drbd.conf:8: allow-two-primaries"),
        (
            net,
            "allow-two-primaries yes;",
            "2 /etc/drbd.conf:8: allow-two-primaries",
        ),
        (
            net,
            "after-sb-0pri discard-younger-primary;",
            "M /etc/drbd.conf:8: after-sb-0pri",
        ),
        (
            net,
            "after-sb-0pri discard-zero-changes;",
            "W /etc/drbd.conf:8: after-sb-0pri",
        ),
        (net, "after-sb-1pri consensus;", "M /etc/drbd.conf:8: after-sb-1pri"),
        (
            net,
            "after-sb-2pri call-pri-lost-after-sb;",
            "M /etc/drbd.conf:8: after-sb-2pri",
        ),
        (net, "protocol A;", "M /etc/drbd.conf:8: protocol A"),
        (net, "auto-promote yes;", "W /etc/drbd.conf:8: auto-promote"),
    ] {
        let machine = Machine::new("drbd");
        machine.write("proc/drbd", "version: 8.4.11 (api:1/proto:86-101)\n");
        spoil(&machine, after, line);
        machine.finds(beginning);
    }
    for line in [
        "allow-two-primaries no;",
        "after-sb-0pri disconnect;",
        "# allow-two-primaries;",
        "x \"allow-two-primaries;\";",
    ] {
        let machine = Machine::new("drbd-fine");
        spoil(&machine, net, line);
        assert_eq!(machine.found(), [""; 0], "{line}");
    }
}

#[test]
fn a_file_system_on_the_drbd_of_another_group() {
    let machine = Machine::new("other-group");
    let text = "ovz-node1 datadisk::r0 vz\novz-node2 Filesystem::/dev/drbd0::/vz::ext3\n";
    machine.write("etc/ha.d/haresources", text);
    machine
        .finds("M Filesystem `/dev/drbd0` of the group Filesystem::/dev/drbd0::/vz::ext3 lies on DRBD resource `r0`");
}

#[test]
fn drbd_configuration_in_included_files() {
    let machine = Machine::new("include");
    machine.write(
        "etc/drbd.conf",
        "# all of it elsewhere\ninclude \"drbd.d/global_common.conf\";\ninclude \"drbd.d/*.res\";\n",
    );
    machine.write(
        "etc/drbd.d/global_common.conf",
        "global { usage-count no; }\ncommon {\n net {\n  protocol C;\n  allow-two-primaries yes;\n  fencing resource-and-stonith;\n }\n \
         handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }\n}\n",
    );
    let resource = "resource \"r0\" {\n device /dev/drbd1 minor 1;\n on ovz-node1 { address 10.0.0.1:7788; }\n}\n";
    machine.write("etc/drbd.d/r0.res", resource);
    machine.write(
        "etc/drbd.d/other.res",
        "resource other { net { protocol A; } device minor 0; }",
    );
    machine.write("etc/drbd.d/r0.res.old", "resource r0 { net { protocol A; } }");
    machine.write("proc/drbd", "version: 9.1.4 (api:2/proto:110-121)\n");
    assert_eq!(
        machine.found(),
        [
            "2 /etc/drbd.d/global_common.conf:5: allow-two-primaries: DRBD itself would let both nodes write to a file system made for one",
            "M /etc/drbd.conf: Filesystem `/dev/drbd0` is no device of r0 (/dev/drbd1)",
            "W /etc/drbd.conf: `r0`: auto-promote is on: anything that opens the device promotes this node",
        ]
    );
    // The resource's own word counts before the common one.
    let own = resource.replace(
        "device /dev/drbd1 minor 1;",
        "device minor 0; net { allow-two-primaries no; } options { auto-promote no; }",
    );
    machine.write("etc/drbd.d/r0.res", &own);
    assert_eq!(machine.found(), [""; 0]);
    machine.remove("etc/drbd.d/r0.res");
    machine.finds("M /etc/drbd.conf: DRBD resource `r0` of haresources does not stand here");
}

#[test]
fn a_drbd_conf_that_includes_itself_or_never_closes_ends() {
    let machine = Machine::new("loop");
    for text in [
        "include \"/etc/drbd.conf\"; include \"*\"; resource r0 {}",
        &"a {".repeat(100_000),
        "resource r0 { \"",
        "}}};;",
    ] {
        machine.write("etc/drbd.conf", text);
        machine.findings();
    }
}

#[test]
fn the_articles_drbd_has_a_window_that_nothing_closes() {
    let machine = Machine::new("article");
    machine.write("etc/drbd.conf", include_str!("../files/article/drbd.conf"));
    machine.write("proc/drbd", "version: 0.7.20 (api:79/proto:74)\n");
    machine.link("etc/rc3.d/S70drbd");
    let found = [
        "W /etc/drbd.conf: `r0`: DRBD 0.7 can neither outdate the other side nor freeze writes: an active that loses DRBD's connection goes on writing at once; who takes over before its next heartbeat tells of that promotes older data",
        "W /etc/drbd.conf: `r0`: ko-count is 0, the default: a standby whose disk hangs stops the active's writes for ever, \
         and while it sends heartbeats no deadtime ends that",
        "W /etc/drbd.conf: `r0`: wfc-timeout is 0, which is for ever: when the other node is dead a boot of this one stops in \
         DRBD's start script until somebody answers it, and ovzha is not started",
    ];
    assert_eq!(machine.found(), found);
    assert_eq!(machine.lines(), ["net { ko-count 5; }", "startup { wfc-timeout 120; }"]);
    // Its words tell as well as the module does.
    machine.remove("proc/drbd");
    assert_eq!(machine.found(), found);
}

#[test]
fn a_module_that_is_not_loaded_leaves_the_words_to_tell() {
    for (text, policy, guessed) in [
        ("device /dev/drbd0;", "disk { fencing", "words of DRBD 8.4: no module"),
        (
            "on ovz-node1 { node-id 0; device /dev/drbd0; } options { auto-promote no; }",
            "net { fencing",
            "words of DRBD 9: no",
        ),
        (
            "connection-mesh { hosts a b; } device minor 0; options { auto-promote no; }",
            "net { fencing",
            "words of DRBD 9: no",
        ),
        (
            "device /dev/drbd0; net { ko-count 4; } disk { on-io-error detach; } handlers { outdate-peer x; }",
            "disk { fencing",
            "words of DRBD 8.0 to 8.2: no",
        ),
    ] {
        let machine = Machine::new("guess");
        machine.write("etc/drbd.conf", &format!("resource r0 {{ {text} }}"));
        machine.finds("W ");
        let finding = machine.findings().remove(0);
        assert!(
            finding.lines[0].starts_with(policy) && finding.remedy.ends_with("that says which it is)"),
            "{finding:#?}"
        );
        assert!(finding.remedy.contains(guessed), "{finding:#?}");
    }
}

#[test]
fn a_disk_error_that_reaches_the_file_system() {
    let rest = "net { ko-count 1; } handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }";
    for (version, disk, beginning) in [
        (
            "8.3.11",
            "",
            "W /etc/drbd.conf: `r0`: on-io-error is pass_on, the default: a disk error reaches",
        ),
        (
            "8.4.11",
            "on-io-error pass_on;",
            "W /etc/drbd.conf:2: on-io-error is pass_on: a disk error reaches",
        ),
        ("8.4.11", "", ""),
        ("8.3.11", "on-io-error detach;", ""),
        ("8.3.11", "on-io-error call-local-io-error;", ""),
    ] {
        let machine = Machine::new("io-error");
        machine.write("sys/module/drbd/version", version);
        let disk = format!("disk {{ {disk} fencing resource-and-stonith; }} {rest}");
        machine.write("etc/drbd.conf", &r0(&disk));
        if beginning.is_empty() {
            assert_eq!(machine.found(), [""; 0], "{disk}");
        } else {
            machine.finds(beginning);
            assert_eq!(machine.lines(), ["disk { on-io-error detach; }"]);
        }
    }
}
