//! What the machine says of itself: DRBD's texts, its configuration, what the kernel lists.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ovzha_host::address::Wanted;
use ovzha_host::config::Files;
use ovzha_host::drbd::{self, State};
use ovzha_host::filesystem::Filesystem;
use ovzha_host::mail::Smarthost;
use ovzha_host::vz::containers;
use ovzha_host::{authkeys, check, ha_cf, haresources, kernel_users, mounts, ovzha_cf, program, services, task, unit};

use super::files::{FILE, nodes};

pub fn drbd(bytes: &[u8]) {
    let text = &String::from_utf8_lossy(bytes);
    black_box(drbd::parse_role(text)).ok();
    black_box(drbd::parse_cstate(text)).ok();
    black_box(drbd::parse_dstate(text)).ok();
    black_box(drbd::parse_gi(text)).ok();
    black_box(drbd::is_not_configured(text));
    let mut events = drbd::Events::new("r0");
    // what follows an error is not read any more, and still must not be a panic
    let understood = text.lines().filter(|line| events.line(line).is_ok()).count();
    let followed = events.seen().ok().filter(|_| understood > 0);
    let states = [
        State::parse_observed(text).ok(),
        drbd::parse_proc(text).and_then(|proc| proc.state(&[0])).ok(),
        drbd::parse_status(text, "r0").ok().flatten(),
        drbd::parse_json(text, "r0").ok().flatten(),
        followed.and_then(|seen| match seen {
            drbd::Seen::Up(state) => Some(state),
            drbd::Seen::Down | drbd::Seen::Nothing => None,
        }),
    ];
    for state in states.into_iter().flatten() {
        // the daemon reads the line that the watcher writes
        assert_eq!(State::parse_observed(&state.to_string()).ok(), Some(state));
        assert!(!(state.mirrored() && state.ahead()), "{state}");
        assert!(!(state.handshaken() && state.peer_is_old()), "{state}");
    }
}

/// `drbd.conf` and `fstab` in one input, with a line `---` between them, as `ovzha check` reads them.
pub fn machine(bytes: &[u8]) {
    static ROOT: OnceLock<(PathBuf, Files)> = OnceLock::new();
    let (root, files) = ROOT.get_or_init(|| {
        let root = std::env::temp_dir().join(format!("ovzha-fuzz-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).expect("room for a machine");
        let ha_cf = ha_cf::parse(Path::new(FILE), b"node a b\nserial /dev/ttyS0\nauto_failback off");
        let line = b"a drbddisk::r0 Filesystem::/dev/drbd0::/vz::ext3 vz";
        let files = Files {
            dir: PathBuf::from("/nonexistent/ha.d"),
            ha_cf: ha_cf.value,
            keys: authkeys::parse(Path::new(FILE), b"auth 1\n1 sha1 x").value,
            groups: haresources::parse(Path::new(FILE), line, &nodes()).value,
            settings: ovzha_cf::OvzhaCf::default(),
        };
        (root, files)
    });
    let cut = bytes.windows(4).position(|four| four == b"---\n");
    let (conf, fstab) = cut.map_or((bytes, &b""[..]), |cut| bytes.split_at(cut));
    let fstab = fstab.get(4..).unwrap_or_default();
    for (name, content) in [("etc/drbd.conf", conf), ("etc/fstab", fstab)] {
        fs::write(root.join(name), content).expect("room for a machine");
    }
    for finding in check::machine(root, files) {
        let shown = format!("{finding}{}{}", finding.remedy, finding.lines.concat());
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}

pub fn mounts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(mounts::parse(&text).len() <= text.lines().count());
    black_box(services::parse(bytes));
    let points = [PathBuf::from("/vz")];
    for export in kernel_users::exports_below(&text, &points) {
        let path = export.split_once(':').map(|(_, path)| Path::new(path).to_owned());
        assert!(path.is_some(), "{export:?}");
    }
    assert!(kernel_users::swap_areas(&text).len() <= text.lines().count());
    black_box(mounts::DeviceId::parse(&text));
    black_box(mounts::DeviceId::parse_hex(&text));
}

/// `vz.conf` and the lists of OpenVZ, as they stand.
pub fn openvz(bytes: &[u8]) {
    let text = &String::from_utf8_lossy(bytes);
    for key in ["VIRTUOZZO", "ONBOOT", "VE_PRIVATE", "LOCKDIR"] {
        let value = containers::value_of(text, key);
        assert!(value.is_none_or(|value| !value.contains('\n') && text.contains(&value)));
        black_box(containers::says_yes(text, key));
    }
    for ids in [containers::running_by_kernel(text), containers::running_by_vzlist(text)] {
        assert!(ids.iter().all(|id| containers::is_id(id) && text.contains(id)));
        assert!(ids.len() <= text.lines().count());
        black_box(containers::tell(&ids));
    }
}

/// What stands behind a resource's name or in a setting, each line an argument; and what a child said, as it is shown.
pub fn arguments(bytes: &[u8]) {
    let text = &String::from_utf8_lossy(bytes);
    let shown = [program::one_line(text), task::clean_label(text), task::escape(bytes)];
    assert!(!shown.concat().contains(|c: char| c.is_control() && c != '\n'));
    assert!(shown[0].chars().count() <= 300 && !shown[0].contains('\n') && !shown[1].contains('\n'));
    black_box(unit::State::parse(text).answer("web.service"));
    for line in text.lines() {
        if let Ok(wanted) = Wanted::parse(line) {
            assert!(wanted.prefix.is_none_or(|prefix| (1..=32).contains(&prefix)) && !wanted.address.is_loopback());
        }
        if let Ok(host) = Smarthost::parse(line) {
            assert!(host.port > 0 && !host.host.starts_with('-') && !host.host.contains(char::is_control));
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        black_box(Filesystem::parse(&words)).ok();
    }
}
