//! Looks at the hardware watchdog: whether it is there, what it is, who else would have it.

use std::path::Path;

use super::{Finding, Subject, Timer, running};
use crate::core_config::kind_of;
use crate::diagnostic::quote;

/// The device that stands for the first one.
const USUAL: &str = "/dev/watchdog";
/// Daemons that keep the device to themselves, as `/proc/PID/comm` shows them.
const PROGRAMS: [&str; 2] = ["watchdog", "wd_keepalive"];
/// Where systemd is told to use it; later ones win.
const SYSTEMD: &str = "/etc/systemd/system.conf";
const SYSTEMD_DIR: &str = "/etc/systemd/system.conf.d";

/// What counts the device's timeout, as sysfs says it; hardware where it says nothing.
pub(super) fn timer(root: &Path, device: &Path) -> Timer {
    let name = device.file_name().unwrap_or_default().to_string_lossy();
    let number = match name.strip_prefix("watchdog") {
        Some("") => "0",
        Some(number) => number,
        None => return Timer::Hardware,
    };
    let path = root.join(format!("sys/class/watchdog/watchdog{number}/identity"));
    std::fs::read_to_string(path).map_or(Timer::Hardware, |identity| Timer::of(&identity))
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let Some((device, _)) = subject.files.settings.watchdog() else {
        return unused(subject).into_iter().collect();
    };
    let path = device.to_string_lossy();
    if !subject.exists(&path) {
        let remedy =
            "load its driver at boot: iTCO_wdt (Intel), i6300esb (virtual machines), ipmi_watchdog, or softdog";
        let text = format!("there is no watchdog {}: the daemon refuses to start", quote(&path));
        return vec![Finding::machine(text, remedy)];
    }
    let mut findings = Vec::new();
    if timer(subject.root, device) == Timer::Software {
        let text = format!("{} is softdog: it does not survive a hung kernel", quote(&path));
        findings.push(Finding::warning(
            text,
            "load the driver of a hardware watchdog, if there is one",
        ));
    }
    findings.extend(systemd(subject));
    findings.extend(daemons(subject));
    findings
}

/// A hint where one is at hand, and something that may hang.
fn unused(subject: &Subject<'_>) -> Option<Finding> {
    let kind = |name: &str| kind_of(name, &subject.files.settings);
    let data = subject
        .resources()
        .any(|resource| kind(&resource.name) == ovzha_core::config::Kind::Data);
    (data && subject.exists(USUAL)).then(|| {
        let text = format!("{USUAL} is not used: an active node that hangs stays active when the other one takes over");
        Finding::warning(
            text,
            format!("`watchdog {USUAL}` in ovzha.cf; see the guide, section \"The hardware watchdog\""),
        )
    })
}

/// systemd takes the device at boot if it is told to.
fn systemd(subject: &Subject<'_>) -> Option<Finding> {
    let more = subject
        .names(SYSTEMD_DIR)
        .into_iter()
        .filter(|name| name.strip_suffix(".conf").is_some());
    let files = [SYSTEMD.to_owned()]
        .into_iter()
        .chain(more.map(|name| format!("{SYSTEMD_DIR}/{name}")));
    let mut found = None;
    for file in files {
        let text = subject.text(&file).unwrap_or_default();
        for (line, text) in (1..).zip(text.lines()) {
            let said = text
                .split_once('=')
                .filter(|(name, _)| name.trim() == "RuntimeWatchdogSec");
            if let Some((_, value)) = said {
                let off = ["", "0", "off", "infinity"].contains(&value.trim());
                found = (!off).then(|| (file.clone(), line));
            }
        }
    }
    found.map(|(file, line)| {
        let text = "RuntimeWatchdogSec is set: systemd has the watchdog, and the daemon refuses to start";
        let remedy = "set it to off and reboot, or take `watchdog` out of ovzha.cf";
        Finding::machine(text, remedy).at(file, Some(line))
    })
}

fn daemons(subject: &Subject<'_>) -> Option<Finding> {
    running::pids(subject).into_iter().find_map(|pid| {
        let comm = subject.text(&format!("/proc/{pid}/comm"))?;
        let comm = comm.trim();
        PROGRAMS.contains(&comm).then(|| {
            let text = format!("{comm} is running (pid {pid}): it has the watchdog, and the daemon refuses to start");
            Finding::machine(text, "stop it, and keep it from starting at boot")
        })
    })
}
