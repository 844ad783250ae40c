//! Checks the DRBD configuration of the resources that `haresources` names.

use super::drbd_conf::{self, DRBD_CONF, Statement};
use super::{Finding, Subject};
use crate::diagnostic::quote;
use crate::haresources::{GroupLine, plain_path};

/// Statements of one resource, and those of `common`.
struct Resource<'a> {
    name: &'a str,
    statements: &'a [Statement],
}

impl<'a> Resource<'a> {
    /// The statement that counts: the resource's own, else the one of `common`.
    fn effective(&self, word: &str) -> Option<&'a Statement> {
        let named = |statement: &&Statement| statement.words.first().is_some_and(|first| first == word);
        let own = |statement: &&Statement| statement.resource() == Some(self.name);
        self.statements
            .iter()
            .rfind(|statement| named(statement) && own(statement))
            .or_else(|| {
                self.statements
                    .iter()
                    .rfind(|statement| named(statement) && statement.is_common())
            })
    }

    /// The devices of the resource on `node`; on all hosts if no `on` section names it.
    fn devices(&self, node: Option<&str>) -> Vec<String> {
        let all: Vec<&Statement> = self
            .statements
            .iter()
            .filter(|s| s.resource() == Some(self.name) && s.words.first().is_some_and(|word| word == "device"))
            .collect();
        let on_node = |s: &&&Statement| {
            let host = |host: &String| node.is_some_and(|node| host.eq_ignore_ascii_case(node));
            s.hosts().is_none_or(|hosts| hosts.iter().any(host))
        };
        let mine: Vec<&Statement> = all.iter().filter(on_node).copied().collect();
        let chosen = if mine.is_empty() { all } else { mine };
        chosen.into_iter().filter_map(device_path).collect()
    }
}

/// `device /dev/drbd0;`, `device /dev/drbd0 minor 0;`, `device minor 0;`
fn device_path(statement: &Statement) -> Option<String> {
    match statement.words.get(1..)? {
        [minor, number, ..] if minor == "minor" => Some(format!("/dev/drbd{number}")),
        [path, ..] => Some(path.clone()),
        [] => None,
    }
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let names: Vec<&str> = subject
        .resources()
        .filter(|resource| matches!(resource.name.as_str(), "datadisk" | "drbddisk"))
        .filter_map(|resource| resource.args.first().map(String::as_str))
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let Some((statements, resources)) = drbd_conf::read(subject) else {
        let text = format!("there is no {DRBD_CONF}");
        return vec![Finding::machine(
            text,
            "write the DRBD configuration, the same on both nodes",
        )];
    };
    let mut findings = Vec::new();
    for name in names {
        if resources.iter().any(|there| there == name) {
            let resource = Resource {
                name,
                statements: &statements,
            };
            findings.extend(primaries(subject, &resource));
            findings.extend(discards(&resource));
            findings.extend(replication(subject, &resource));
        } else {
            let text = format!("DRBD resource {} of haresources does not stand here", quote(name));
            findings.push(
                Finding::machine(text, "correct the name in haresources, or add the resource").at(DRBD_CONF, None),
            );
        }
    }
    for group in &subject.files.groups {
        findings.extend(file_system_devices(subject, group, &statements));
        findings.extend(devices_of_others(subject, group, &statements));
    }
    findings
}

/// File systems on the DRBD resource of another group: that group's stop would take the device from under them.
fn devices_of_others(subject: &Subject<'_>, group: &GroupLine, statements: &[Statement]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let others = subject.files.groups.iter().filter(|other| *other != group);
    for resource in others.flat_map(|other| &other.resources) {
        let ("datadisk" | "drbddisk", Some(name)) = (resource.name.as_str(), resource.args.first()) else {
            continue;
        };
        let devices = Resource { name, statements }.devices(subject.node.as_deref());
        for mount in group.resources.iter().filter(|resource| resource.name == "Filesystem") {
            let Some(device) = mount.args.first().map(|device| plain_path(device)) else {
                continue;
            };
            if devices.iter().any(|there| plain_path(there) == device) {
                let text = format!(
                    "Filesystem {} of the group {} lies on DRBD resource {}, which another group starts",
                    quote(&device),
                    group.name(),
                    quote(name)
                );
                findings.push(Finding::machine(text, "put both on one line of haresources"));
            }
        }
    }
    findings
}

/// What makes a node Primary without the cluster asking, or both at once.
fn primaries(subject: &Subject<'_>, resource: &Resource<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(at) = resource.effective("become-primary-on") {
        let hosts = at.words.get(1..).unwrap_or_default();
        // On a machine that is no node, any host is taken for a danger.
        let here = hosts
            .iter()
            .any(|host| host == "both" || subject.node.as_ref().is_none_or(|node| host.eq_ignore_ascii_case(node)));
        let text = format!(
            "become-primary-on {}: DRBD's own start makes {} Primary, whoever is active",
            hosts.join(" "),
            if here { "this node" } else { "the other node" }
        );
        let finding = Finding::machine(text, "take the line out on both nodes").at(&at.file, Some(at.line));
        findings.push(if here { finding.two_actives() } else { finding });
    }
    if let Some(at) = resource.effective("allow-two-primaries") {
        let on = at.words.get(1).is_none_or(|value| !value.eq_ignore_ascii_case("no"));
        if on {
            let text = "allow-two-primaries: DRBD itself would let both nodes write to a file system made for one";
            findings.push(
                Finding::machine(text, "take the line out on both nodes")
                    .at(&at.file, Some(at.line))
                    .two_actives(),
            );
        }
    }
    findings
}

/// What throws one side's data away after both sides were written, without a person's choice.
fn discards(resource: &Resource<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for word in ["after-sb-0pri", "after-sb-1pri", "after-sb-2pri"] {
        let Some(at) = resource.effective(word) else { continue };
        let value = at.words.get(1).map_or("", String::as_str);
        let remedy = format!("write `{word} disconnect;` on both nodes");
        let finding = match value {
            "disconnect" => continue,
            "discard-zero-changes" => Finding::warning(
                format!("{word} {value}: after a split brain a side without changes is given up by itself"),
                remedy,
            ),
            _ => Finding::machine(
                format!("{word} {value}: after a split brain DRBD gives up one side's data by itself"),
                remedy,
            ),
        };
        findings.push(finding.at(&at.file, Some(at.line)));
    }
    findings
}

fn replication(subject: &Subject<'_>, resource: &Resource<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(at) = resource.effective("protocol") {
        let value = at.words.get(1).map_or("", String::as_str);
        if !value.eq_ignore_ascii_case("c") {
            let text = format!("protocol {value}: a failover loses writes that were already acknowledged");
            findings.push(Finding::machine(text, "write `protocol C;` on both nodes").at(&at.file, Some(at.line)));
        }
    }
    let promotes = resource.effective("auto-promote");
    let value = promotes.and_then(|at| at.words.get(1));
    if value.is_none_or(|value| value != "no") && (promotes.is_some() || is_drbd_9(subject)) {
        let text = format!(
            "auto-promote is on for {}: anything that opens the device promotes this node",
            quote(resource.name)
        );
        let place = promotes.map_or((DRBD_CONF, None), |at| (at.file.as_str(), Some(at.line)));
        findings
            .push(Finding::warning(text, "write `options { auto-promote no; }` on both nodes").at(place.0, place.1));
    }
    findings
}

/// Whether the loaded module is of the series 9.
fn is_drbd_9(subject: &Subject<'_>) -> bool {
    let module = subject.text("/sys/module/drbd/version").unwrap_or_default();
    let proc = subject.text("/proc/drbd").unwrap_or_default();
    module.starts_with("9.") || proc.starts_with("version: 9.")
}

/// Compares the devices of a group's file systems with those of its DRBD resources.
fn file_system_devices(subject: &Subject<'_>, group: &GroupLine, statements: &[Statement]) -> Vec<Finding> {
    let mut devices: Vec<String> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for resource in &group.resources {
        if let ("datadisk" | "drbddisk", Some(name)) = (resource.name.as_str(), resource.args.first()) {
            names.push(name);
            devices.extend(Resource { name, statements }.devices(subject.node.as_deref()));
        }
    }
    let mut findings = Vec::new();
    for resource in group.resources.iter().filter(|resource| resource.name == "Filesystem") {
        let Some(device) = resource.args.first().map(|device| plain_path(device)) else {
            continue;
        };
        let by_name = names.iter().any(|name| {
            let link = format!("/dev/drbd/by-res/{name}");
            device == link || device.strip_prefix(&link).is_some_and(|rest| rest.starts_with('/'))
        });
        if devices.is_empty() || by_name || devices.iter().any(|there| plain_path(there) == device) {
            continue;
        }
        let text = format!(
            "Filesystem {} is no device of {} ({})",
            quote(&device),
            names.join(", "),
            devices.join(", ")
        );
        let remedy = "correct the device in haresources or in drbd.conf";
        findings.push(if device.starts_with("/dev/drbd") {
            Finding::machine(text, remedy).at(DRBD_CONF, None)
        } else {
            Finding::warning(
                text,
                "right only if it lies on top of the DRBD device, as a logical volume may",
            )
            .at(DRBD_CONF, None)
        });
    }
    findings
}
