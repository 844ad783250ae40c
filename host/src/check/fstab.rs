//! Looks for the group's file systems among those a boot mounts.

use super::{Finding, Subject, boot};
use crate::haresources::plain_path;

const FSTAB: &str = "/etc/fstab";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let text = subject.text(FSTAB).unwrap_or_default();
    let mut findings = Vec::new();
    for resource in subject.resources().filter(|resource| resource.name == "Filesystem") {
        let [device, mountpoint, ..] = resource.args.as_slice() else {
            continue;
        };
        findings.extend(mounted_at_boot(&text, device, mountpoint));
        let unit = unit_name(mountpoint);
        for kind in ["mount", "automount"] {
            findings.extend(boot::wanted_unit(subject, &format!("{unit}.{kind}")).map(|place| {
                Finding::machine(
                    format!("{mountpoint} is mounted by a unit at boot, on both nodes alike"),
                    format!("`systemctl disable {unit}.{kind}` on both nodes"),
                )
                .at(place, None)
                .two_actives()
            }));
        }
    }
    findings
}

/// The lines of an fstab that mount the device or the mount point by themselves.
fn mounted_at_boot(text: &str, device: &str, mountpoint: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1_u32..).zip(text.lines()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[what, place, _, ref rest @ ..] = fields.as_slice() else {
            continue;
        };
        let ours = plain_path(&unescaped(what)) == plain_path(device)
            || plain_path(&unescaped(place)) == plain_path(mountpoint);
        if what.starts_with('#') || !ours {
            continue;
        }
        let options: Vec<&str> = rest.first().map_or(Vec::new(), |options| options.split(',').collect());
        let by_access = options
            .iter()
            .any(|option| matches!(*option, "x-systemd.automount" | "comment=systemd.automount"));
        if by_access || !options.contains(&"noauto") {
            findings.push(
                Finding::machine(
                    format!("{what} on {place} is mounted without us asking, on both nodes alike"),
                    format!(
                        "take the line out on both nodes, or give it the option noauto{}",
                        if by_access { " and no automount" } else { "" }
                    ),
                )
                .at(FSTAB, Some(number))
                .two_actives(),
            );
        }
    }
    findings
}

/// An fstab field with its octal escapes (`\040` for a blank) resolved.
fn unescaped(field: &str) -> String {
    let mut plain = String::new();
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            plain.push(char::from(code));
            rest = after.get(3..).unwrap_or_default();
        } else {
            plain.push('\\');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

/// The name systemd gives the unit of a mount point, less its ending.
fn unit_name(mountpoint: &str) -> String {
    let mut name = String::new();
    for (index, byte) in plain_path(mountpoint).trim_start_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if index == 0 => name.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => name.push(char::from(byte)),
            _ => {
                name.push_str("\\x");
                for nibble in [byte >> 4, byte & 15] {
                    name.extend(char::from_digit(u32::from(nibble), 16));
                }
            }
        }
    }
    name
}
