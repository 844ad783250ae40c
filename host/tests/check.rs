//! The machine checks, each on a small tree that stands for a machine.

use fixture::Machine;
use ovzha_host::{owner::Owner, store};
use std::os::unix::fs::PermissionsExt;

#[cfg(test)]
mod fixture {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use ovzha_host::check::{self, Class, Finding};
    use ovzha_host::config;

    const DRBD_CONF: &str = include_str!("files/article/drbd.conf");

    /// A tree with `/etc`, `/proc` and so on, removed at the end of its test. As built, nothing is found on it.
    pub struct Machine(pub PathBuf);

    impl Machine {
        pub fn new(test: &str) -> Self {
            let machine = Self(std::env::temp_dir().join(format!("ovzha-check-{test}-{}", std::process::id())));
            fs::create_dir_all(&machine.0).unwrap();
            for (path, text) in [
                ("etc/ha.d/ha.cf", include_str!("files/article/ha.cf")),
                ("etc/ha.d/authkeys", include_str!("files/article/authkeys")),
                ("etc/ha.d/haresources", include_str!("files/article/haresources")),
                ("etc/drbd.conf", DRBD_CONF),
                ("etc/fstab", "/dev/hda1 / ext3 defaults 1 1\n"),
                ("etc/init.d/vz", ""),
                ("sbin/drbdadm", ""),
                ("usr/sbin/sendmail", ""),
                ("vz/.keep", ""),
                ("dev/ttyS0", ""),
                ("sys/class/net/eth0/mtu", ""),
                ("sys/class/net/eth1/mtu", ""),
                ("proc/filesystems", "nodev\tsysfs\n\text3\n"),
                ("proc/cmdline", "ro root=/dev/hda1 console=tty0\n"),
                ("proc/sys/kernel/hostname", "OVZ-node1.example.org\n"),
                ("proc/sys/kernel/osrelease", "2.6.32-042stab\n"),
                ("proc/1/comm", "init\n"),
            ] {
                machine.write(path, text);
            }
            fs::set_permissions(machine.0.join("etc/ha.d"), fs::Permissions::from_mode(0o755)).unwrap();
            machine
        }

        pub fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }

        pub fn link(&self, path: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink("nowhere", path).unwrap();
        }

        pub fn remove(&self, path: &str) {
            fs::remove_file(self.0.join(path)).unwrap();
        }

        /// Puts a line after a line of drbd.conf.
        pub fn drbd_conf(&self, after: &str, line: &str) {
            let text = DRBD_CONF.replacen(after, &format!("{after}\n{line}"), 1);
            assert_ne!(text, DRBD_CONF);
            self.write("etc/drbd.conf", &text);
        }

        pub fn findings(&self) -> Vec<Finding> {
            let loadable = config::read_files(&self.0.join("etc/ha.d"));
            check::machine(&self.0, &loadable.files.unwrap())
        }

        /// Findings in short: `2` makes two actives, `M` machine, `W` warning; then the text.
        pub fn found(&self) -> Vec<String> {
            let mark = |f: &Finding| match (f.two_actives, f.class) {
                (true, _) => '2',
                (false, Class::Machine) => 'M',
                (false, Class::Warning) => 'W',
            };
            self.findings().iter().map(|f| format!("{} {f}", mark(f))).collect()
        }

        /// Asserts that there is one finding, with this beginning.
        pub fn finds(&self, beginning: &str) {
            let found = self.found();
            assert!(found.len() == 1 && found[0].starts_with(beginning), "{found:#?}");
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }
}

#[test]
fn the_articles_machine_is_fine() {
    assert_eq!(Machine::new("fine").found(), [""; 0]);
}

#[test]
fn a_machine_with_nothing_lacks_everything() {
    let machine = Machine::new("empty");
    for path in [
        "etc/drbd.conf",
        "etc/init.d/vz",
        "sbin/drbdadm",
        "usr/sbin/sendmail",
        "vz/.keep",
        "dev/ttyS0",
        "proc/filesystems",
        "sys/class/net/eth1/mtu",
    ] {
        machine.remove(path);
    }
    std::fs::remove_dir(machine.0.join("vz")).unwrap();
    std::fs::remove_dir(machine.0.join("sys/class/net/eth1")).unwrap();
    machine.write("proc/sys/kernel/hostname", "laptop\n");
    assert_eq!(
        machine.found(),
        [
            "M this machine calls itself `laptop` (uname -n), which is no node of ha.cf (ovz-node1, ovz-node2)",
            "M there is no /etc/drbd.conf",
            "M there is no network device `eth1`",
            "M there is no serial device `/dev/ttyS0`",
            "M drbdadm is not installed",
            "M the mount point `/vz` is no directory",
            "M the running kernel has no file system type `ext3`",
            "M OpenVZ is not installed: neither /etc/init.d/vz nor vz.service",
            "M there is no sendmail program: MailTo can't send",
        ]
    );
}

#[test]
fn a_state_of_another_name() {
    let machine = Machine::new("renamed");
    let dir = machine.0.join("var/lib/ovzha");
    Owner::new("ovz-node1", "ovz-node2").write(&dir).unwrap();
    store::write(&dir, b"state").unwrap();
    assert_eq!(machine.found(), Vec::<String>::new());
    Owner::new("ovz-node2", "ovz-node1").write(&dir).unwrap();
    machine.finds(&format!(
        "M the state in {} was written by node ovz-node2",
        dir.display()
    ));
}

#[test]
fn what_runs_beside_the_resources() {
    let machine = Machine::new("beside");
    let article = std::fs::read_to_string(machine.0.join("etc/ha.d/ha.cf")).unwrap();
    let respawn = "respawn nobody /usr/bin/watch\nrespawn daemon /bin/sbin -x\n";
    machine.write("etc/ha.d/ha.cf", &format!("{article}{respawn}"));
    machine.write("etc/passwd", "daemon:x:1:1::/:/bin/false\n");
    machine.write("bin/sbin", "");
    let file = |path: &str, mode| {
        machine.write(path, "#!/bin/sh\n");
        std::fs::set_permissions(machine.0.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    file("usr/bin/watch", 0o755);
    file("etc/ha.d/hooks.d/status", 0o755);
    file("etc/ha.d/hooks.d/group", 0o777);
    file("etc/ha.d/hooks.d/link", 0o644);
    file("etc/ha.d/hooks.d/lnik", 0o755);
    file("etc/ha.d/rc.d/status", 0o755);
    file("etc/ha.d/rc.d/shutdone", 0o755);
    let root = machine.0.display();
    assert_eq!(
        machine.found(),
        [
            "M /etc/ha.d/ha.cf:29: respawn can't run as `nobody`: there is no user \"nobody\" in /etc/passwd"
                .to_owned(),
            "M /etc/ha.d/ha.cf:30: `/bin/sbin` is no file that can be executed".to_owned(),
            format!(
                "M `/etc/ha.d/hooks.d/group` will not be run: {root}/etc/ha.d/hooks.d/group: mode 0777: group or others can \
                 write it (chmod go-w)"
            ),
            "W /etc/ha.d/hooks.d/link: is not executable, so it is never called".to_owned(),
            "W /etc/ha.d/hooks.d/lnik: is the name of no event, so it is never called".to_owned(),
            "W /etc/ha.d/rc.d/shutdone: was called by Heartbeat and is not called here: hooks stand in hooks.d"
                .to_owned(),
        ]
    );
}

#[test]
fn a_mail_needs_a_way_out() {
    let machine = Machine::new("mail");
    machine.remove("usr/sbin/sendmail");
    assert_eq!(machine.found(), ["M there is no sendmail program: MailTo can't send"]);
    machine.write("etc/ha.d/ovzha.cf", "smarthost mail.example.org\n");
    assert_eq!(machine.found(), [""; 0]);
}

#[test]
fn a_link_needs_one_of_its_addresses_here() {
    let machine = Machine::new("addresses");
    let leaf = |address: &str| format!("           |-- {address}\n              /32 host LOCAL\n");
    let net = "           |-- 192.168.255.2\n              /32 link BROADCAST\n";
    machine.write("proc/net/fib_trie", &format!("Local:\n{net}{}", leaf("192.168.1.201")));
    assert_eq!(
        machine.found(),
        ["M this machine has neither 192.168.255.1 nor 192.168.255.2: the link on eth1 can't be used"]
    );
    let both = leaf("192.168.1.201") + &leaf("192.168.255.1");
    machine.write("proc/net/fib_trie", &both);
    assert_eq!(machine.found(), [""; 0]);
    let text = std::fs::read_to_string(machine.0.join("etc/ha.d/ha.cf")).unwrap();
    machine.write("etc/ha.d/ha.cf", &(text + "ucast6 eth1 fe80::1\nucast6 eth1 fe80::2\n"));
    let line = |last: u8| format!("fe80000000000000000000000000000{last} 03 40 20 80     eth1\n");
    machine.write("proc/net/if_inet6", &line(7));
    assert_eq!(
        machine.found(),
        ["M this machine has neither fe80::1 nor fe80::2: the link on eth1 can't be used"]
    );
    machine.write("proc/net/if_inet6", &line(2));
    assert_eq!(machine.found(), [""; 0]);
}

#[test]
fn a_file_system_type_may_be_a_module() {
    let machine = Machine::new("module");
    machine.write("proc/filesystems", "nodev\tsysfs\n");
    machine.write("lib/modules/2.6.32-042stab/modules.alias", "alias fs-ext3 ext4\n");
    assert_eq!(machine.found(), [""; 0]);
    machine.write("lib/modules/2.6.32-042stab/modules.alias", "alias fs-ext4 ext4\n");
    machine.write(
        "lib/modules/2.6.32-042stab/modules.dep",
        "kernel/fs/ext3/ext3.ko: kernel/fs/jbd/jbd.ko\n",
    );
    assert_eq!(machine.found(), [""; 0]);
}

#[test]
fn services_started_at_boot() {
    for (link, beginning) in [
        ("etc/rc3.d/S96vz", "M /etc/rc3.d/S96vz: vz is started at boot"),
        ("etc/rc.d/rc5.d/S96vz", "M /etc/rc.d/rc5.d/S96vz: vz is started at boot"),
        (
            "etc/systemd/system/multi-user.target.wants/vz.service",
            "M /etc/systemd/system/multi-user.target.wants/vz.service: vz is",
        ),
        (
            "etc/systemd/system/multi-user.target.wants/prl-disp.service",
            "M /etc/systemd/system/multi-user.target.wants/prl-disp.service: prl-disp is",
        ),
        (
            "etc/rc2.d/S75heartbeat",
            "M /etc/rc2.d/S75heartbeat: heartbeat is started at boot",
        ),
        (
            "etc/systemd/system/multi-user.target.wants/pacemaker.service",
            "M /etc/systemd/system/multi-user.target.wants/pacemaker.service: pacemaker is",
        ),
    ] {
        let machine = Machine::new("boot");
        // None of these starts vz.
        machine.link("etc/rc3.d/K20vz");
        machine.link("etc/rc3.d/S96vzeventd");
        machine.link("etc/rc6.d/S96vz");
        machine.link("usr/lib/systemd/system/prl-disp.service.wants/vz.service");
        machine.link(link);
        machine.finds(beginning);
    }
}

#[test]
fn file_systems_mounted_at_boot() {
    for (line, two) in [
        ("/dev/drbd0 /vz ext3 defaults 0 0", true),
        ("LABEL=vz /vz/ ext3 rw 0 0", true),
        ("/dev/drbd0 /mnt ext3", true),
        ("/dev/drbd0 /vz ext3 noauto,x-systemd.automount 0 0", true),
        ("/dev/drbd0 /vz ext3 noauto 0 0", false),
        ("#/dev/drbd0 /vz ext3 defaults 0 0", false),
        ("/dev/hda4 /vzbackup ext3 defaults 0 0", false),
    ] {
        let machine = Machine::new("fstab");
        machine.write("etc/fstab", &format!("/dev/hda1 / ext3 defaults 1 1\n{line}\n"));
        if two {
            machine.finds("2 /etc/fstab:2: ");
        } else {
            assert_eq!(machine.found(), [""; 0], "{line}");
        }
    }
    let machine = Machine::new("unit");
    machine.link("etc/systemd/system/local-fs.target.wants/vz.mount");
    machine.finds("2 /etc/systemd/system/local-fs.target.wants/vz.mount: /vz is mounted by a unit");
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
        machine.drbd_conf(after, line);
        machine.finds(beginning);
    }
    for line in [
        "allow-two-primaries no;",
        "after-sb-0pri disconnect;",
        "# allow-two-primaries;",
        "x \"allow-two-primaries;\";",
    ] {
        let machine = Machine::new("drbd-fine");
        machine.drbd_conf(net, line);
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
        "global { usage-count no; }\ncommon {\n net {\n  protocol C;\n  allow-two-primaries yes;\n }\n}\n",
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
            "W /etc/drbd.conf: auto-promote is on for `r0`: anything that opens the device promotes this node",
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
fn other_cluster_programs_running() {
    let machine = Machine::new("running");
    machine.write("proc/812/comm", "heartbeat\n");
    machine.write("proc/813/comm", "heartbeat\n");
    machine.write("proc/900/comm", "pacemakerd\n");
    machine.write("proc/900/status", "Name:\tpacemakerd\nenvID:\t101\n");
    machine.finds("2 heartbeat is running (pid 812)");
}

#[test]
fn somebody_else_on_the_serial_line() {
    for (path, text, beginning) in [
        (
            "proc/cmdline",
            "quiet console=tty0 console=ttyS0,19200n8\n",
            "M /proc/cmdline: ttyS0 is a console",
        ),
        (
            "etc/inittab",
            "# x\nS0:2345:respawn:/sbin/agetty ttyS0 19200\n",
            "M /etc/inittab:2: a login prompt",
        ),
        (
            "etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service",
            "",
            "M /etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service: a login prompt",
        ),
        (
            "etc/init/ttyS0.conf",
            "start on x\nexec /sbin/getty -L 115200 ttyS0 vt102\n",
            "M /etc/init/ttyS0.conf: a login",
        ),
        (
            "proc/77/cmdline",
            "/sbin/agetty\0--keep-baud\0ttyS0\0",
            "M agetty (pid 77) is running on ttyS0",
        ),
    ] {
        let machine = Machine::new("serial");
        machine.write(path, text);
        machine.finds(beginning);
    }
    let machine = Machine::new("serial-fine");
    machine.write(
        "etc/inittab",
        "#S0:2345:respawn:/sbin/agetty ttyS0\nS1:2345:respawn:/sbin/agetty ttyS1\nS2:2345:off:/sbin/getty ttyS0\n",
    );
    machine.write("proc/77/cmdline", "/sbin/agetty\0tty1\0");
    assert_eq!(machine.found(), [""; 0]);
}
