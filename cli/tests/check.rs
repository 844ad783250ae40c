//! `ovzha check` run as a program.

use std::fs;

use fixture::check;

#[cfg(test)]
mod fixture {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    /// The article's files, those in `changed` replaced; gives the exit code and what was printed, with short paths.
    pub fn check(test: &str, changed: &[(&str, &str)], machine: &[(&str, &str)]) -> (i32, String) {
        let root = std::env::temp_dir().join(format!("ovzha-cli-check-{test}-{}", std::process::id()));
        let write = |path: &str, text: &str, mode: u32| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let article = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/tests/files/article");
        for name in ["ha.cf", "authkeys", "haresources"] {
            write(name, &fs::read_to_string(article.join(name)).unwrap(), 0o600);
        }
        for (path, text) in changed.iter().chain(machine) {
            let script = *text == "+x";
            write(path, if script { "" } else { text }, if script { 0o700 } else { 0o600 });
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_ovzha"))
            .arg("check")
            .arg("--config-dir")
            .arg(&root)
            .arg("--root")
            .arg(&root)
            .output()
            .unwrap();
        fs::remove_dir_all(&root).unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        (
            output.status.code().unwrap(),
            printed.replace(root.to_str().unwrap(), "DIR"),
        )
    }
}

#[test]
fn errors_in_the_files_are_all_shown_by_file_and_line() {
    let changed = [
        (
            "ha.cf",
            "node a b\nmcast eth0 10.0.0.1 694 1 0\nkeepalive 2\ndeadtime 4\nserial ttyS0\nauto_failback off\n",
        ),
        ("authkeys", "auth 2\n1 sha1 topsecret\n1 rot13 topsecret\n"),
        ("haresources", "c vz IPaddr::10.0.0\n"),
    ];
    let (code, printed) = check("errors", &changed, &[]);
    let expected = "\
DIR/authkeys:1: error: key 2 is named, but has no line of its own
DIR/authkeys:3: error: key 1: unknown method (known: crc, md5, sha1, sha256)
DIR/ha.cf:2: error: mcast: `10.0.0.1` is no multicast group (224.0.0.0 to 239.255.255.255)
DIR/ha.cf:4: error: deadtime 4 s must be longer than two keepalives (2 x 2 s = 4 s)
DIR/ha.cf:5: error: serial: `ttyS0` is no absolute path of a device
DIR/ha.cf:6: error: no link to the peer: no line of ucast, bcast, mcast or serial stands here
DIR/haresources:1: error: node `c` is none of ha.cf (a, b)
DIR/haresources:1: error: IPaddr: `10.0.0` is no IPv4 address (names are not looked up)
DIR: refused: 8 errors, 0 warnings; this machine was not checked
";
    assert_eq!((code, printed.as_str()), (1, expected));
}

#[test]
fn a_machine_that_is_not_ready_is_listed_apart() {
    let machine = [
        (
            "etc/drbd.conf",
            "resource r0 {\n net { allow-two-primaries; }\n device /dev/drbd0; }\n",
        ),
        ("proc/sys/kernel/hostname", "ovz-node2\n"),
        ("proc/filesystems", "\text3\n"),
        ("etc/init.d/vz", ""),
        ("usr/sbin/sendmail", ""),
        ("sys/class/net/eth0/mtu", ""),
        ("sys/class/net/eth1/mtu", ""),
        ("dev/ttyS0", ""),
        ("vz/x", ""),
    ];
    let (code, printed) = check("machine", &[], &machine);
    let expected = "\
DIR/authkeys:2: warning: key 1: this key stands in published examples; make an own one

this machine:
  two active nodes: /etc/drbd.conf:2: allow-two-primaries: DRBD itself would let both nodes write to a file system made for one
      -> take the line out on both nodes
  problem: drbdadm is not installed
      -> install the DRBD tools that match the kernel's module
  warning: /etc/drbd.conf: `r0`: fencing is not set: an active that loses DRBD's connection goes on writing at once; who takes over before its next heartbeat tells of that promotes older data
      -> write on both nodes, in the resource or in `common`, into the section of that name if there is one; then, DRBD connected, `drbdadm adjust all` (in the words of DRBD 8.4: no module is loaded that says which it is)
           disk { fencing resource-and-stonith; }
           handlers { fence-peer \"/usr/sbin/ovzha fence-peer\"; }
protection: ping nodes: ";
    assert_eq!(code, 3);
    assert!(printed.starts_with(expected), "{printed}");
    assert!(
        printed.ends_with("\nDIR: files fine, the daemon refuses to start on this machine: 2 problems, 2 warnings\n")
    );
}

/// The row that holds is named (S-16).
#[test]
fn a_machine_that_has_everything_is_fine() {
    let machine = [
        ("etc/drbd.conf", include_str!("../../host/tests/files/fenced.conf")),
        ("usr/sbin/ovzha", ""),
        ("proc/sys/kernel/hostname", "ovz-node2\n"),
        ("proc/filesystems", "\text3\n"),
        ("sbin/drbdadm", ""),
        ("etc/init.d/vz", ""),
        ("usr/sbin/sendmail", ""),
        ("sys/class/net/eth0/mtu", ""),
        ("sys/class/net/eth1/mtu", ""),
        ("dev/ttyS0", ""),
        ("vz/x", ""),
    ];
    let (code, printed) = check("ready", &[("authkeys", "auth 1\n1 sha256 an-own-key\n")], &machine);
    assert!(printed.starts_with("protection: ping nodes: "), "{printed}");
    let resources = "\
resources:
  datadisk::r0: built in
  Filesystem::/dev/drbd0::/vz::ext3: built in
  vz: built in
  MailTo::youremail@yourdomain.tld: built in
DIR: fine: 0 problems, 0 warnings
";
    assert!(printed.ends_with(resources), "{printed}");
    assert_eq!(code, 0);
}

#[test]
fn a_script_is_told_where_it_was_found_or_where_it_was_looked_for() {
    let files = [(
        "haresources",
        "ovz-node1 Filesystem::/dev/sda1::/vz::ext3 web mail::x db\n",
    )];
    let machine = [
        ("proc/sys/kernel/hostname", "ovz-node2\n"),
        ("proc/filesystems", "\text3\n"),
        ("sys/class/net/eth0/mtu", ""),
        ("sys/class/net/eth1/mtu", ""),
        ("dev/ttyS0", ""),
        ("vz/x", ""),
        ("resource.d/web", "+x"),
        ("resource.d/Filesystem", "+x"),
        ("etc/init.d/web", "+x"),
        ("etc/init.d/mail", ""),
        ("usr/lib/systemd/system/db.service", ""),
        ("etc/systemd/system/multi-user.target.wants/db.service", ""),
    ];
    let (code, printed) = check("scripts", &files, &machine);
    assert_eq!(code, 3, "{printed}");
    for line in [
        "  problem: resource `mail` is neither built in nor found: DIR/resource.d/mail (not there) and DIR/etc/init.d/mail (no executable file), nor is there a systemd unit mail.service\n",
        "  problem: /etc/systemd/system/multi-user.target.wants/db.service: db is started at boot: ",
        "resources:\n  Filesystem::/dev/sda1::/vz::ext3: built in; DIR/resource.d/Filesystem is not used\n  web: DIR/resource.d/web\n  mail::x: not found\n  db: systemd unit db.service (DIR/usr/lib/systemd/system/db.service)\n",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
}

#[test]
fn no_directory_is_an_error_in_the_files() {
    let missing = "/nonexistent/ha.d";
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ovzha"))
        .args(["check", "--config-dir", missing])
        .output();
    assert_eq!(output.unwrap().status.code(), Some(1));
    assert!(fs::metadata(missing).is_err());
}
