//! Looks for services that a boot starts and the cluster must not find started.

use super::{Finding, Subject};
use crate::external::{self, Found};
use crate::haresources;

/// Where System V init keeps the links of a run level, Red Hat's and everyone's.
const RC_PARENTS: [&str; 2] = ["/etc", "/etc/rc.d"];
/// Where systemd keeps what a target wants.
const UNIT_DIRS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Other programs that would move the resources.
const OTHER_MANAGERS: [&str; 4] = ["heartbeat", "pacemaker", "corosync", "drbd-reactor"];

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if subject.uses("vz") {
        // prl-disp.service wants vz.service, even a disabled one.
        for service in ["vz", "prl-disp"] {
            findings.extend(started_by(subject, service).map(|place| {
                Finding::machine(
                    format!("{service} is started at boot: without its file system it starts no container, and every later start says `already running` and does nothing"),
                    format!("on both nodes: `chkconfig {service} off`, `update-rc.d {service} disable` or `systemctl disable {service}`"),
                )
                .at(place, None)
            }));
        }
    }
    for name in scripts(subject) {
        findings.extend(started_by(subject, &name).map(|place| {
            Finding::machine(
                format!("{name} is started at boot: it would run on both nodes, and without what stands before it in haresources"),
                format!("on both nodes: `chkconfig {name} off`, `update-rc.d {name} disable` or `systemctl disable {name}`"),
            )
            .at(place, None)
        }));
    }
    for service in OTHER_MANAGERS {
        findings.extend(started_by(subject, service).map(|place| {
            Finding::machine(
                format!("{service} is started at boot: two programs would move the same resources"),
                format!("on both nodes: `chkconfig {service} off`, `update-rc.d {service} disable` or `systemctl disable {service}`"),
            )
            .at(place, None)
        }));
    }
    findings
}

/// The resources that are init scripts or units, each once.
fn scripts(subject: &Subject<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in subject.resources().map(|resource| &resource.name) {
        let is_service = || {
            let found = external::find(subject.root, &subject.files.dir, name);
            matches!(found, Ok(Found::InitScript(_) | Found::Unit(..)))
        };
        if !haresources::is_built_in(name) && !names.contains(name) && is_service() {
            names.push(name.trim_end_matches(".service").to_owned());
        }
    }
    names
}

/// The link that makes a boot start `service`, if there is one.
pub(super) fn started_by(subject: &Subject<'_>, service: &str) -> Option<String> {
    let unit = format!("{service}.service");
    sysv_link(subject, service).or_else(|| wanted_unit(subject, &unit))
}

/// A link `S??NAME` in one of the run levels that mean "running".
fn sysv_link(subject: &Subject<'_>, service: &str) -> Option<String> {
    for parent in RC_PARENTS {
        for level in 2..=5 {
            let dir = format!("{parent}/rc{level}.d");
            let link = subject.names(&dir).into_iter().find(|name| {
                name.strip_prefix('S')
                    .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()))
                    == Some(service)
            });
            if let Some(link) = link {
                return Some(format!("{dir}/{link}"));
            }
        }
    }
    None
}

/// The place where some target or unit wants `unit`.
pub(super) fn wanted_unit(subject: &Subject<'_>, unit: &str) -> Option<String> {
    for dir in UNIT_DIRS {
        for name in subject.names(dir) {
            // A target's wants only: what prl-disp wants counts only if prl-disp itself is started.
            if [".target.wants", ".target.requires"]
                .iter()
                .any(|end| name.ends_with(end))
            {
                let link = format!("{dir}/{name}/{unit}");
                if subject.exists(&link) {
                    return Some(link);
                }
            }
        }
    }
    None
}
