//! The machine checks, each on a small tree that stands for a machine.

use machine::Machine;
use ovzha_host::{owner::Owner, store};
use std::os::unix::fs::PermissionsExt;

#[cfg(test)]
mod drbd;
#[cfg(test)]
mod drbd_fencing;
#[cfg(test)]
mod drbd_model;
#[cfg(test)]
mod drbd_timing;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod resource;

#[test]
fn a_machine_that_has_everything_is_fine() {
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
