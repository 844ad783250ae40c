//! Looks for whoever else uses the tty of a serial link: a login prompt, the kernel's console.

use std::path::Path;

use super::{Finding, Subject, boot, running};
use crate::ha_cf::LinkKind;

/// Files of older boot systems that run a login prompt each.
const PROMPT_DIRS: [&str; 2] = ["/etc/init", "/etc/event.d"];

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for link in &subject.files.ha_cf.links {
        let LinkKind::Serial { device, .. } = &link.kind else {
            continue;
        };
        if let Some(tty) = tty_name(device) {
            findings.extend(console(subject, tty));
            findings.extend(prompt_configured(subject, tty));
            findings.extend(prompt_running(subject, tty));
        }
    }
    findings
}

/// The name below `/dev`.
fn tty_name(device: &Path) -> Option<&str> {
    device.strip_prefix("/dev").ok()?.to_str()
}

/// `console=` on the kernel's command line: the kernel writes to the line, and systemd puts a prompt on it.
fn console(subject: &Subject<'_>, tty: &str) -> Option<Finding> {
    let text = subject.text("/proc/cmdline")?;
    let is_console = |word: &str| {
        word.strip_prefix("console=")
            .is_some_and(|console| console.split(',').next() == Some(tty))
    };
    text.split_whitespace().any(is_console).then(|| {
        Finding::machine(
            format!("{tty} is a console of the kernel: its messages, and a login prompt, disturb the heartbeat"),
            format!("take console={tty} out of the boot loader's command line"),
        )
        .at("/proc/cmdline", None)
    })
}

fn prompt_configured(subject: &Subject<'_>, tty: &str) -> Vec<Finding> {
    let remedy = |how: String| {
        Finding::machine(
            format!("a login prompt is set up on {tty}: it eats the heartbeats"),
            how,
        )
    };
    let mut findings = Vec::new();
    let inittab = subject.text("/etc/inittab").unwrap_or_default();
    for (number, line) in (1_u32..).zip(inittab.lines()) {
        let entry = line.trim_start();
        let off = entry.starts_with('#') || entry.split(':').nth(2) == Some("off");
        if !off && entry.contains("getty") && mentions(entry, tty) {
            findings.push(remedy("comment the line out, then `telinit q`".to_owned()).at("/etc/inittab", Some(number)));
        }
    }
    let unit = format!("serial-getty@{}.service", tty.replace('/', "-"));
    if let Some(place) = boot::wanted_unit(subject, &unit) {
        findings.push(remedy(format!("`systemctl mask --now {unit}`")).at(place, None));
    }
    for dir in PROMPT_DIRS {
        for name in subject.names(dir) {
            let file = format!("{dir}/{name}");
            let ours =
                |line: &str| !line.trim_start().starts_with('#') && line.contains("getty") && mentions(line, tty);
            if subject.text(&file).unwrap_or_default().lines().any(ours) {
                findings.push(remedy("take the job away, then `initctl stop` it".to_owned()).at(file, None));
            }
        }
    }
    findings
}

fn prompt_running(subject: &Subject<'_>, tty: &str) -> Option<Finding> {
    for pid in running::pids(subject) {
        let Some(cmdline) = subject.text(&format!("/proc/{pid}/cmdline")) else {
            continue;
        };
        let words: Vec<&str> = cmdline.split('\0').collect();
        let program = words
            .first()
            .and_then(|path| path.rsplit('/').next())
            .unwrap_or_default();
        let on_tty = words
            .iter()
            .skip(1)
            .any(|word| word.strip_prefix("/dev/").unwrap_or(word) == tty);
        if program.ends_with("getty") && on_tty {
            return Some(Finding::machine(
                format!("{program} (pid {pid}) is running on {tty}: it eats the heartbeats"),
                "stop it, and keep it from starting at boot",
            ));
        }
    }
    None
}

/// Whether a line names the tty as a word of its own: `ttyS0` is not in `ttyS01`.
fn mentions(line: &str, tty: &str) -> bool {
    line.split(|c: char| c.is_whitespace() || c == ':' || c == ',')
        .any(|word| word.strip_prefix("/dev/").unwrap_or(word) == tty)
}
