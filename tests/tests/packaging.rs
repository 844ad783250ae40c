//! The files that boot the daemon, as systemd, the shells and LSB want them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name)
}

#[test]
fn systemd_understands_the_unit() {
    let text = fs::read_to_string(packaging("ovzha.service")).unwrap();
    for line in [
        "Type=notify",
        "KillMode=process",
        "TimeoutStopSec=infinity",
        "Restart=on-failure",
        "ExecStart=/usr/sbin/ovzha daemon",
        "Wants=network-online.target",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}");
    }
    let after = text.lines().find_map(|line| line.strip_prefix("After=")).unwrap();
    // what is started before is stopped after
    for unit in [
        "network-online.target",
        "drbd.service",
        "vz.service",
        "vz.mount",
        "syslog.service",
    ] {
        assert!(after.split(' ').any(|found| found == unit), "not after {unit}");
    }
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        // no systemd on this machine, no opinion
        return;
    }
    // neither the program nor its manual pages are installed here
    let text = text.replace("/usr/sbin/ovzha", "/bin/true");
    let lines = text.lines().filter(|line| !line.starts_with("Documentation="));
    let dir = std::env::temp_dir().join(format!("ovzha-unit-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let copy = dir.join("ovzha-verified.service");
    fs::write(&copy, lines.flat_map(|line| [line, "\n"]).collect::<String>()).unwrap();
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&copy)
        .output()
        .unwrap();
    fs::remove_dir_all(&dir).unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(
        verified.status.success() && !said.contains("ovzha-verified.service"),
        "{said}"
    );
}

#[test]
fn shells_and_lsb_understand_the_script() {
    let script = packaging("ovzha.init");
    for shell in [&["sh"][..], &["dash"], &["bash", "--posix"], &["busybox", "ash"]] {
        let checked = Command::new(shell[0]).args(&shell[1..]).arg("-n").arg(&script).output();
        // a shell that is not installed has no opinion
        if let Ok(checked) = checked {
            assert!(checked.status.success(), "{shell:?}: {checked:?}");
        }
    }
    let text = fs::read_to_string(&script).unwrap();
    let header = text.split("### BEGIN INIT INFO\n").nth(1).unwrap();
    let header = header.split("### END INIT INFO").next().unwrap();
    for key in [
        "Provides",
        "Required-Start",
        "Required-Stop",
        "Default-Start",
        "Default-Stop",
        "Short-Description",
    ] {
        assert!(header.contains(&format!("# {key}:")), "no {key}");
    }
    assert!(!text.contains("init-functions") && !text.contains("init.d/functions"));
}
