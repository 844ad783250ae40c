//! Knows the built-in resources and checks the arguments of every resource.

use super::{GroupLine, Resource};
use crate::address::Wanted;
use crate::demo_step;
use crate::diagnostic::{Problems, quote};
use crate::external;

/// The names of the resources that are built in; every other name is a script or a unit (`external`).
pub const NAMES: [&str; 7] = [
    "datadisk",
    "drbddisk",
    "Filesystem",
    "vz",
    "MailTo",
    "IPaddr",
    "IPaddr2",
];

/// What is wrong with a resource, if anything.
pub(super) fn check(resource: &Resource) -> Result<(), String> {
    let name = resource.name.as_str();
    if let Some(empty) = resource.args.iter().position(String::is_empty) {
        return Err(format!("{name}: argument {} is empty", empty.saturating_add(1)));
    }
    if let Some(arg) = resource
        .args
        .iter()
        .find(|arg| arg.starts_with('-') && is_built_in(name))
    {
        return Err(format!("{name}: {} would be taken for an option", quote(arg)));
    }
    let args: Vec<&str> = resource.args.iter().map(String::as_str).collect();
    match (name, args.as_slice()) {
        ("datadisk" | "drbddisk", [disk]) => drbd_name(name, disk),
        ("datadisk" | "drbddisk", _) => Err(format!("{name} needs exactly one argument: {name}::RESOURCE")),
        ("Filesystem", [device, mountpoint, fstype]) => filesystem(device, mountpoint, fstype),
        ("Filesystem", [device, mountpoint, fstype, _options]) => filesystem(device, mountpoint, fstype),
        ("Filesystem", _) => {
            Err("Filesystem needs Filesystem::DEVICE::MOUNTPOINT::TYPE, and may have ::OPTIONS".to_owned())
        }
        ("vz", []) => Ok(()),
        ("vz", _) => Err("vz takes no argument".to_owned()),
        ("MailTo", [addresses] | [addresses, _]) => mail(addresses),
        ("MailTo", _) => Err("MailTo needs MailTo::ADDRESS[,ADDRESS...], and may have ::SUBJECT".to_owned()),
        ("IPaddr" | "IPaddr2", [text]) => Wanted::parse(text).map(|_| ()).map_err(|why| format!("{name}: {why}")),
        ("IPaddr" | "IPaddr2", _) => Err(format!(
            "{name} needs exactly one argument: {name}::ADDRESS[/MASK][/DEVICE][/BROADCAST]"
        )),
        // of the demo only: not among the names that are told
        (demo_step::NAME, args) => demo_step::check(args),
        _ => external(resource),
    }
}

/// Whether the resource called `name` is one of ours, whatever scripts of that name there are.
#[must_use]
pub fn is_built_in(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Why no resource can be called `name`, if so.
#[must_use]
pub fn name_problem(name: &str) -> Option<String> {
    if is_built_in(name) {
        return None;
    }
    external::name_problem(name).map(|problem| format!("{} {problem}", quote(name)))
}

/// Whether two groups may have it: a notice takes nothing for itself.
pub(super) fn may_repeat(resource: &Resource) -> bool {
    claims(resource).is_empty()
}

/// Reports resources, devices and mount points that stand in the file twice. `vz` among them: a machine has one kernel,
/// which runs its containers in one group.
pub(super) fn check_repetition(problems: &mut Problems, groups: &[GroupLine]) {
    check_nesting(problems, groups);
    let mut seen: Vec<(String, u32)> = Vec::new();
    for resource in groups.iter().flat_map(|group| &group.resources) {
        for (what, value) in claims(resource) {
            let claim = format!("{what} {}", quote(&value));
            match seen.iter().find(|(earlier, _)| *earlier == claim) {
                Some((_, line)) => problems.error(resource.line, format!("{claim} stands already on line {line}")),
                None => seen.push((claim, resource.line)),
            }
        }
    }
}

/// What a resource needs for itself alone.
fn claims(resource: &Resource) -> Vec<(&'static str, String)> {
    match (resource.name.as_str(), resource.args.as_slice()) {
        ("datadisk" | "drbddisk", [disk, ..]) => vec![("DRBD resource", disk.clone())],
        ("Filesystem", [device, mountpoint, ..]) => {
            vec![("device", plain_path(device)), ("mount point", plain_path(mountpoint))]
        }
        ("MailTo", _) => Vec::new(),
        ("IPaddr" | "IPaddr2", [text]) => {
            let address = Wanted::parse(text).map(|wanted| ("address", wanted.address.to_string()));
            address.into_iter().collect()
        }
        _ => vec![("resource", resource.word())],
    }
}

/// A mount point below another group's: whoever stops the one would unmount the other.
fn check_nesting(problems: &mut Problems, groups: &[GroupLine]) {
    let points = groups.iter().enumerate().flat_map(|(group, line)| {
        let mounts = line.resources.iter().filter(|resource| resource.name == "Filesystem");
        mounts.filter_map(move |resource| Some((group, plain_path(resource.args.get(1)?), resource.line)))
    });
    let points: Vec<_> = points.collect();
    for (group, inner, line) in &points {
        for (other, outer, other_line) in &points {
            let below = inner
                .strip_prefix(outer.as_str())
                .is_some_and(|rest| rest.starts_with('/'));
            if group != other && below {
                problems.error(
                    *line,
                    format!(
                        "mount point {} lies below {} of another group, line {other_line}",
                        quote(inner),
                        quote(outer)
                    ),
                );
            }
        }
    }
}

/// A path without a slash at its end or a doubled one.
pub(crate) fn plain_path(path: &str) -> String {
    let mut plain = String::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        plain.push('/');
        plain.push_str(part);
    }
    plain
}

fn drbd_name(name: &str, disk: &str) -> Result<(), String> {
    let fits = disk
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if fits && disk != "all" {
        Ok(())
    } else {
        Err(format!("{name}: {} is no name of one DRBD resource", quote(disk)))
    }
}

fn filesystem(device: &str, mountpoint: &str, fstype: &str) -> Result<(), String> {
    for path in [device, mountpoint] {
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") || plain_path(path).is_empty() {
            return Err(format!("Filesystem: {} is no absolute path below /", quote(path)));
        }
    }
    if fstype
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    {
        Ok(())
    } else {
        Err(format!("Filesystem: {} is no file system type", quote(fstype)))
    }
}

/// Addresses go to sendmail as they are; one that begins with `-` would be an option of it.
fn mail(addresses: &str) -> Result<(), String> {
    match addresses
        .split(',')
        .find(|address| address.is_empty() || address.starts_with('-'))
    {
        Some(bad) => Err(format!("MailTo: {} is no mail address", quote(bad))),
        None => Ok(()),
    }
}

fn external(resource: &Resource) -> Result<(), String> {
    name_problem(&resource.name).map_or(Ok(()), Err)
}
