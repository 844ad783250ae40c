//! What `ovzha check` says about DRBD's fencing, for each DRBD.

use crate::machine::Machine;
use crate::resource::r0;

/// What makes a machine that of another DRBD: a file, its text, and the lines a resource has there before any of ours.
struct Generation {
    version: (&'static str, &'static str),
    lines: &'static str,
    policy: &'static str,
    handler: &'static str,
}

const GENERATIONS: [Generation; 5] = [
    Generation {
        version: ("proc/drbd", "version: 8.0.16 (api:86/proto:86)\n"),
        lines: "protocol C; net { ko-count 4; } syncer { rate 10M; }",
        policy: "disk { fencing resource-and-stonith; }",
        handler: "handlers { outdate-peer \"/usr/sbin/ovzha fence-peer\"; }",
    },
    Generation {
        version: ("proc/drbd", "version: 8.2.7 (api:88/proto:86-88)\n"),
        lines: "protocol C; net { ko-count 4; }",
        policy: "disk { fencing resource-and-stonith; }",
        handler: "handlers { outdate-peer \"/usr/sbin/ovzha fence-peer\"; }",
    },
    Generation {
        version: ("proc/drbd", "version: 8.3.0 (api:88/proto:86-89)\n"),
        lines: "protocol C; net { ko-count 4; } syncer { rate 10M; }",
        policy: "disk { fencing resource-and-stonith; }",
        handler: "handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }",
    },
    Generation {
        version: ("sys/module/drbd/version", "8.4.11\n"),
        lines: "net { protocol C; }",
        policy: "disk { fencing resource-and-stonith; }",
        handler: "handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }",
    },
    Generation {
        version: ("sys/module/drbd/version", "9.2.12\n"),
        lines: "options { auto-promote no; }",
        policy: "net { fencing resource-and-stonith; }",
        handler: "handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }",
    },
];

impl Generation {
    /// A machine with it, whose resource has these lines besides its own.
    fn machine(&self, test: &str, lines: &str) -> Machine {
        self.machine_with(test, "", lines)
    }

    /// The same, with lines in `common` as well.
    fn machine_with(&self, test: &str, common: &str, lines: &str) -> Machine {
        let machine = Machine::new(test);
        machine.write(self.version.0, self.version.1);
        let resource = r0(&format!("{}\n{lines}", self.lines));
        let detach = "disk { on-io-error detach; }";
        machine.write("etc/drbd.conf", &format!("{resource}common {{ {detach} {common} }}\n"));
        machine
    }
}

#[test]
fn without_fencing_both_lines_are_written_in_the_words_of_the_drbd_at_hand() {
    for generation in &GENERATIONS {
        let machine = generation.machine("no-fencing", "");
        machine.finds(
            "W /etc/drbd.conf: `r0`: fencing is not set: an active that loses DRBD's connection goes on writing at once; who takes over before its next heartbeat tells of that promotes older data",
        );
        assert_eq!(
            machine.lines(),
            [generation.policy, generation.handler],
            "{:?}",
            generation.version
        );
        // Brought in, they are all that lacked; in `common`, too.
        let both = format!("{}\n{}", generation.policy, generation.handler);
        let in_resource = generation.machine("in-resource", &both);
        assert_eq!(in_resource.found(), [""; 0], "{both}");
        let in_common = generation.machine_with("in-common", &both, "");
        assert_eq!(in_common.found(), [""; 0], "{both}");
    }
}

#[test]
fn a_policy_without_a_handler_makes_takeovers_impossible() {
    for generation in &GENERATIONS {
        let machine = generation.machine("no-handler", generation.policy);
        let found = machine.found();
        assert!(
            found[0].starts_with("M /etc/drbd.conf: `r0`: fencing is set, but there is no ")
                && found[0].ends_with(
                    " handler: while the other node is gone DRBD refuses to be promoted, so that no takeover is possible"
                ),
            "{found:#?}"
        );
        assert!(machine.lines().contains(&generation.handler.to_owned()), "{found:#?}");
        machine.write(
            "etc/drbd.conf",
            &r0(&format!(
                "{}\n{}\n{}",
                generation.lines,
                generation.policy,
                machine.lines()[0]
            )),
        );
        assert!(
            !machine.found().iter().any(|finding| finding.contains("handler")),
            "{:#?}",
            machine.found()
        );
    }
}

const POLICY: &str = "disk { fencing resource-and-stonith; }";
const HANDLER: &str = "handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }";
const STONITH: &str = "resource-and-stonith";
const OURS: &str = "fence-peer \"/usr/sbin/ovzha fence-peer\";";

/// A policy, what stands in `handlers`, the one finding, and the lines to write.
const OF_8_4: [(&str, &str, &str, &[&str]); 12] = [
    (
        "dont-care",
        "",
        "W /etc/drbd.conf:3: fencing dont-care: an active that",
        &[POLICY, HANDLER],
    ),
    (
        "dont-care",
        OURS,
        "W /etc/drbd.conf:3: fencing dont-care, so that fence-peer is never called: an active",
        &[POLICY],
    ),
    (
        "dont-care",
        "fence-peer /usr/lib/drbd/crm-fence-peer.sh;",
        "W /etc/drbd.conf:3: fencing dont-care, so that fence-peer is never called: an active",
        &[POLICY, HANDLER],
    ),
    (
        "resource-only",
        OURS,
        "W /etc/drbd.conf:3: fencing resource-only: the other side is outdated, but writes go on while fence-peer asks",
        &[POLICY],
    ),
    (
        "resource-only",
        "",
        "M /etc/drbd.conf: `r0`: fencing is set, but there is no fence-peer",
        &[POLICY, HANDLER],
    ),
    (
        STONITH,
        "fence-peer \"/usr/lib/drbd/crm-fence-peer.sh\";",
        "M /etc/drbd.conf:4: fence-peer runs `/usr/lib/drbd/crm-fence-peer.sh`, which belongs to Pacemaker and has no answer \
             without it: while the other node is gone",
        &[HANDLER],
    ),
    (
        "resource-only",
        "fence-peer \"/usr/lib/heartbeat/drbd-peer-outdater -t 5\";",
        "M /etc/drbd.conf:4: fence-peer runs `/usr/lib/heartbeat/drbd-peer-outdater -t 5`, which belongs to Heartbeat's dopd",
        &[POLICY, HANDLER],
    ),
    (
        STONITH,
        "outdate-peer \"/sbin/obliterate-peer.sh\";",
        "M /etc/drbd.conf:4: fence-peer runs `/sbin/obliterate-peer.sh`, which belongs to Red Hat's cluster suite",
        &[HANDLER],
    ),
    (
        STONITH,
        "fence-peer \"/root/mine.sh --now\";",
        "W /etc/drbd.conf:4: fence-peer runs `/root/mine.sh --now`, not ovzha: what it answers decides",
        &[HANDLER],
    ),
    (
        STONITH,
        "fence-peer /usr/sbin/ovzha;",
        "M /etc/drbd.conf:4: fence-peer runs `/usr/sbin/ovzha`, which is not `/usr/sbin/ovzha fence-peer`: while the other",
        &[HANDLER],
    ),
    (
        STONITH,
        "fence-peer \"/opt/ovzha fence-peer\";",
        "M /etc/drbd.conf:4: fence-peer runs `/opt/ovzha fence-peer`, which is not there: no /opt/ovzha: while",
        &[HANDLER],
    ),
    (
        STONITH,
        "fence-peer \"ovzha fence-peer\"; after-resync-target \"/usr/lib/drbd/crm-unfence-peer.sh\";",
        "W /etc/drbd.conf:4: after-resync-target runs `/usr/lib/drbd/crm-unfence-peer.sh`, which belongs to Pacemaker",
        &[],
    ),
];

#[test]
fn policies_and_handlers_of_8_4() {
    for (fencing, handlers, beginning, to_write) in OF_8_4 {
        let machine = GENERATIONS[3].machine(
            "policies",
            &format!("disk {{ fencing {fencing}; }}\nhandlers {{ {handlers} }}"),
        );
        machine.finds(beginning);
        assert_eq!(machine.lines(), to_write, "{fencing} {handlers}");
    }
    // Nothing to say: the old word still counts, a path may lack, a snapshot is nobody's cluster manager.
    for handlers in [
        "outdate-peer \"/usr/sbin/ovzha fence-peer\";",
        "fence-peer \"ovzha fence-peer\";",
        "fence-peer \"/usr/sbin/ovzha fence-peer\"; after-resync-target \"/usr/lib/drbd/unsnapshot-resync-target-lvm.sh\";",
    ] {
        let machine = GENERATIONS[3].machine("handlers", &format!("{POLICY} handlers {{ {handlers} }}"));
        assert_eq!(machine.found(), [""; 0], "{handlers}");
    }
}

#[test]
fn what_only_9_and_only_8_know() {
    let [.., v84, v9] = &GENERATIONS;
    let fence = "handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }";
    let machine = v9.machine("nine", &format!("{} {fence}", v9.policy));
    assert_eq!(machine.found(), [""; 0]);
    let machine = v9.machine("disk", &format!("{} {}", v84.policy, v9.handler));
    machine.finds(
        "W /etc/drbd.conf:3: `fencing` stands in `disk`, where not every drbdadm of DRBD 9 takes it (9.22 refuses",
    );
    let other = "handlers { fence-peer \"ovzha fence-peer\"; unfence-peer \"/usr/lib/drbd/crm-unfence-peer.9.sh\"; }";
    let machine = v9.machine(
        "nine-other",
        &format!("net {{ fencing resource-and-stonith; }} {other}"),
    );
    machine.finds(
        "W /etc/drbd.conf:3: unfence-peer runs `/usr/lib/drbd/crm-unfence-peer.9.sh`, which belongs to Pacemaker",
    );
    let machine = v84.machine("net", &format!("net {{ fencing resource-and-stonith; }} {fence}"));
    machine.finds(
        "M /etc/drbd.conf:3: `fencing` stands in `net`, where DRBD 8.4 does not know it: drbdadm refuses the file",
    );
    // A majority of two is both; a third node is another matter.
    let fine = format!("{}\n{}", v9.policy, v9.handler);
    let quorum = |value: &str, more: &str| {
        v9.machine(
            "quorum",
            &format!("{fine} options {{ quorum {value}; auto-promote no; }} {more}"),
        )
        .found()
    };
    assert!(
        quorum("majority", "")[0].starts_with("M /etc/drbd.conf:4: quorum majority with two nodes: when one is gone")
    );
    assert!(quorum("2", "")[0].starts_with("M /etc/drbd.conf:4: quorum 2 with two nodes"));
    for (value, more) in [("off", ""), ("1", ""), ("majority", "on third { device /dev/drbd0; }")] {
        assert_eq!(quorum(value, more), [""; 0], "{value} {more}");
    }
}

#[test]
fn a_program_installed_elsewhere_is_named_where_it_is() {
    let machine = GENERATIONS[3].machine("elsewhere", "disk { on-io-error detach; }");
    machine.remove("usr/sbin/ovzha");
    machine.write("usr/local/sbin/ovzha", "");
    assert_eq!(
        machine.lines(),
        [
            GENERATIONS[3].policy,
            "handlers { fence-peer \"/usr/local/sbin/ovzha fence-peer\"; }"
        ]
    );
    let remedy = &machine.findings()[0].remedy;
    assert_eq!(
        remedy,
        "write on both nodes, in the resource or in `common`, into the section of that name if there is one; then, DRBD \
         connected, `drbdadm adjust all`"
    );
}

#[test]
fn several_resources_are_told_together_and_each_by_its_own_words() {
    let machine = Machine::new("several");
    let groups = "ovz-node1 drbddisk::r0 drbddisk::r1 drbddisk::r2 Filesystem::/dev/drbd0::/vz::ext3 vz\n";
    machine.write("etc/ha.d/haresources", groups);
    machine.write("sys/module/drbd/version", "8.4.11\n");
    machine.write(
        "etc/drbd.conf",
        "include \"drbd.d/*.res\";\ncommon { disk { fencing dont-care; } }\n",
    );
    let volumes = "volume 0 { device minor 0; } volume 1 { device minor 1; }";
    machine.write("etc/drbd.d/r0.res", &format!("resource r0 {{ {volumes} }}"));
    machine.write("etc/drbd.d/r1.res", "resource r1 { device /dev/drbd2; }");
    let fenced = "disk { fencing resource-only; } handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }";
    machine.write(
        "etc/drbd.d/r2.res",
        &format!("resource r2 {{\n{fenced}\ndevice /dev/drbd3; }}"),
    );
    let found = machine.found();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("W /etc/drbd.conf:2: fencing dont-care: "),
        "{found:#?}"
    );
    assert!(
        found[1].starts_with("W /etc/drbd.d/r2.res:2: fencing resource-only: "),
        "{found:#?}"
    );
    machine.write("etc/drbd.conf", "include \"drbd.d/*.res\";\n");
    assert!(
        machine.found()[0].starts_with("W /etc/drbd.conf: `r0`, `r1`: fencing is not set: "),
        "{:#?}",
        machine.found()
    );
}

#[test]
fn a_module_that_calls_no_handler() {
    const HELPER: &str = "sys/module/drbd/parameters/usermode_helper";
    let machine = Machine::new("helper");
    machine.write(HELPER, "/sbin/drbdadm\n");
    assert_eq!(machine.found(), [""; 0]);
    for value in ["disabled", "/bin/true", "/usr/local/sbin/drbdadm"] {
        machine.write(HELPER, &format!("{value}\n"));
        machine.finds(&format!(
            "M /sys/module/drbd/parameters/usermode_helper: the module runs `{value}` in place of drbdadm, so that no handler is"
        ));
    }
    // Without a policy nobody calls one: only what lacks anyway.
    machine.write("etc/drbd.conf", &r0(""));
    let found = machine.found();
    assert!(
        found.len() == 2 && found.iter().all(|finding| finding.starts_with("W ")),
        "{found:#?}"
    );
}
