//! Process 1 of a node: builds the node's own root, then keeps it alive.
//!
//! The root is a small tmpfs with the node's own /etc, /dev, /run, /var, /vz and /usr/sbin; programs and libraries of
//! the machine are reached through a read-only view of it. Nothing of the machine can be written from inside.
use crate::twin;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;

/// The node's init script for OpenVZ. A file `/bed/vz-NODE-VERB` is read by the shell first: that is how a test makes
/// it fail, hang or flood.
const VZ: &str = r#"#!/bin/sh
# vz        starts and stops the containers
mark=/run/vz-is-up
say() { printf '%s %s %s\n' "$(date +%s%3N)" "$(uname -n | tr -dc 0-9)" "$*" >>/bed/diary; }
hook=/bed/vz-$(uname -n)-$1
case $1 in
    start)
        say vz start begins, "$(grep -q ' /vz ' /proc/mounts && echo mounted || echo not mounted)"
        [ -e "$hook" ] && . "$hook"
        [ -e $mark ] && exit 0
        setsid vz-writer </dev/null >/dev/null 2>&1 &
        echo $! >/run/vz-writer.pid
        say vz start done
        touch $mark
        ;;
    stop)
        say vz stop begins
        [ -e "$hook" ] && . "$hook"
        [ -e /run/vz-writer.pid ] && kill "$(cat /run/vz-writer.pid)"
        while [ -e /run/vz-writer.pid ] && kill -0 "$(cat /run/vz-writer.pid)"; do sleep 0.02; done
        say vz stop done
        rm -f $mark /run/vz-writer.pid
        ;;
    status)
        [ -e $mark ] && { echo "OpenVZ is running..."; exit 0; }
        echo "OpenVZ is stopped."
        exit 3
        ;;
esac
exit 0
"#;

fn run(line: &str) -> io::Result<()> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let status = Command::new(program).args(words).status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{line}: {status}")))
}

/// Builds the root, moves into it and becomes `init`.
pub fn boot(dir: &Path, node: u8, life: &str, cables: &str) -> io::Result<u8> {
    let own = dir.join(format!("node{node}"));
    let root = own.join("root");
    fs::create_dir_all(&root)?;
    run(&format!(
        "mount -t tmpfs -o mode=755,size=256m tmpfs {}",
        root.display()
    ))?;
    std::env::set_current_dir(&root)?;
    tree(&own, &dir.join("shared"))?;
    devices(cables)?;
    files(node)?;
    programs(&own)?;
    fs::write("/proc/sys/kernel/hostname", format!("ovz-node{node}"))?;
    // the machine's own proc shows this namespace nothing useful, so the node's own one goes first
    run("mount -t proc proc proc")?;
    run("mount -t sysfs -o ro sysfs sys")?;
    run("ip link set lo up")?;
    run("pivot_root . machine-root")?;
    std::env::set_current_dir("/")?;
    run("umount -l /machine-root")?;
    // a process 1 that ignores the ends of its children never has to wait for them
    let mut init = Command::new("env");
    init.args([
        "--ignore-signal=CHLD",
        "/usr/sbin/bed-guest",
        "init",
        &node.to_string(),
        life,
    ]);
    Err(init.exec())
}

fn tree(own: &Path, shared: &Path) -> io::Result<()> {
    let dirs = [
        "machine",
        "machine-root",
        "proc",
        "sys",
        "dev",
        "etc/ha.d",
        "etc/init.d",
        "run",
        "tmp",
        "usr/sbin",
        "usr/share",
        "var/lib/ovzha",
        "var/log",
        "var/lock",
        "vz",
        "srv",
        "bed",
        "root",
    ];
    for dir in dirs {
        fs::create_dir_all(dir)?;
    }
    run("mount --bind / machine")?;
    run("mount -o remount,bind,ro machine")?;
    for (from, to) in [
        ("shared", "bed"),
        ("ha.d", "etc/ha.d"),
        ("varlib", "var/lib/ovzha"),
        ("log", "var/log"),
    ] {
        let from = if from == "shared" {
            shared.to_path_buf()
        } else {
            own.join(from)
        };
        run(&format!("mount --bind {} {to}", from.display()))?;
    }
    fs::set_permissions("var/lib/ovzha", fs::Permissions::from_mode(0o700))?;
    for name in ["bin", "lib", "lib32", "lib64", "libx32"] {
        for parent in ["", "usr/"] {
            if Path::new("/").join(parent).join(name).exists() {
                symlink(format!("/machine/{parent}{name}"), format!("{parent}{name}"))?;
            }
        }
    }
    symlink("/run", "var/run")?;
    symlink("usr/sbin", "sbin")
}

/// `cables`: the near ends of the serial cables, separated by commas.
fn devices(cables: &str) -> io::Result<()> {
    run("mount -t tmpfs -o mode=755 tmpfs dev")?;
    for (name, minor) in [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)] {
        run(&format!("mknod -m 666 dev/{name} c 1 {minor}"))?;
    }
    fs::create_dir("dev/shm")?;
    // no log of the machine's kernel: a file that outlives the node
    File::options().append(true).create(true).open("var/log/kmsg")?;
    File::create("dev/kmsg")?;
    run("mount --bind var/log/kmsg dev/kmsg")?;
    for (number, pts) in cables.split(',').enumerate() {
        let tty = format!("dev/ttyS{number}");
        File::create(&tty)?;
        run(&format!("mount --bind {pts} {tty}"))?;
    }
    Ok(())
}

fn files(node: u8) -> io::Result<()> {
    // mount, umount and the device's node are the only users of the disk here; which one it is, the machine knows
    run(&format!("cp -a bed/disk{node} dev/drbd0"))?;
    if Path::new("bed/r1").is_dir() {
        run(&format!("cp -a bed/r1/disk{node} dev/drbd1"))?;
    }
    fs::write("etc/init.d/vz", VZ)?;
    fs::set_permissions("etc/init.d/vz", fs::Permissions::from_mode(0o755))?;
    fs::write(
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nhacluster:x:112:119::/:/bin/false\n",
    )?;
    fs::write("etc/group", "root:x:0:\nmail:x:8:hacluster\nhaclient:x:119:\n")?;
    fs::write("etc/fstab", "tmpfs / tmpfs defaults 0 0\n")?;
    fs::copy("bed/drbd.conf", "etc/drbd.conf")?;
    if Path::new("/etc/ld.so.cache").exists() {
        fs::copy("/etc/ld.so.cache", "etc/ld.so.cache")?;
    }
    symlink("/proc/mounts", "etc/mtab")
}

/// The machine's system programs, with ours in the place of some.
fn programs(own: &Path) -> io::Result<()> {
    for dir in ["/sbin", "/usr/sbin"] {
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let to = Path::new("usr/sbin").join(&name);
            if fs::symlink_metadata(&to).is_err() {
                symlink(Path::new("/machine").join(&dir[1..]).join(&name), to)?;
            }
        }
    }
    fs::copy(own.join("ovzha"), "usr/sbin/ovzha")?;
    fs::copy(std::env::current_exe()?, "usr/sbin/bed-guest")?;
    for name in ["drbdadm", "sendmail", "vz-writer"] {
        let to = Path::new("usr/sbin").join(name);
        drop(fs::remove_file(&to));
        symlink("bed-guest", to)?;
    }
    Ok(())
}

/// Lives until the test ends or cuts the power; keeps what goes to syslog.
pub fn init(shared: &Path, node: u8, life: &str) -> io::Result<u8> {
    let path = shared.join(format!("life{node}"));
    let lock = File::options().write(true).create(true).truncate(false).open(&path)?;
    lock.lock()?;
    fs::write(&path, life)?;
    let syslog = UnixDatagram::bind("/dev/log")?;
    thread::spawn(move || drop(keep(&syslog)));
    twin::note(shared, node, &format!("boot {life}"))?;
    if shared.join("r1").is_dir() {
        twin::note(&shared.join("r1"), node, &format!("boot {life}"))?;
    }
    writeln!(io::stdout(), "ready")?;
    crate::until_eof()
}

fn keep(syslog: &UnixDatagram) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open("/var/log/messages")?;
    let mut line = [0; 2048];
    loop {
        let count = syslog.recv(&mut line)?;
        file.write_all(&line[..count])?;
        file.write_all(b"\n")?;
    }
}
