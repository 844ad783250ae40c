//! Checks the DRBD configuration of the resources that `haresources` names.

use super::drbd_conf::{self, DRBD_CONF, Statement, WRITE};
use super::drbd_release::{Drbd, Release};
use super::drbd_resource::Resource;
use super::{Finding, Subject, drbd_fencing, drbd_timing};
use crate::diagnostic::quote;
use crate::haresources::{GroupLine, plain_path};

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
    let (there, missing): (Vec<&str>, Vec<&str>) = names
        .into_iter()
        .partition(|name| resources.iter().any(|there| there == name));
    let mut findings = Vec::new();
    for name in missing {
        let text = format!("DRBD resource {} of haresources does not stand here", quote(name));
        let remedy = "correct the name in haresources, or add the resource";
        findings.push(Finding::machine(text, remedy).at_statement(None));
    }
    let drbd = Drbd::of(subject, &statements);
    let with_statements = |name| Resource {
        name,
        statements: &statements,
    };
    let used: Vec<Resource<'_>> = there.into_iter().map(with_statements).collect();
    findings.extend(drbd_fencing::helper(subject, &used, drbd));
    findings.extend(each(&used, |resource| {
        let mut findings = primaries(subject, resource);
        findings.extend(discards(resource));
        findings.extend(replication(resource, drbd));
        findings.extend(survival(resource, drbd));
        findings.extend(drbd_fencing::of_resource(subject, resource, drbd));
        findings.extend(drbd_timing::of_resource(subject, resource, drbd));
        findings
    }));
    for group in &subject.files.groups {
        findings.extend(file_system_devices(subject, group, &statements));
        findings.extend(devices_of_others(subject, group, &statements));
    }
    findings
}

/// The findings of each resource. What several share is told once; where no line shows whose it is, with their names.
fn each(resources: &[Resource<'_>], check: impl Fn(&Resource<'_>) -> Vec<Finding>) -> Vec<Finding> {
    let mut told: Vec<(Finding, Vec<String>)> = Vec::new();
    for resource in resources {
        for finding in check(resource) {
            let name = quote(resource.name);
            match told.iter_mut().find(|(there, _)| *there == finding) {
                Some((_, names)) => names.push(name),
                None => told.push((finding, vec![name])),
            }
        }
    }
    let shown = |(mut finding, names): (Finding, Vec<String>)| {
        if matches!(finding.place, Some((_, None))) {
            finding.text = format!("{}: {}", names.join(", "), finding.text);
        }
        finding
    };
    told.into_iter().map(shown).collect()
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
        let finding = Finding::machine(text, "take the line out on both nodes").at_statement(Some(at));
        findings.push(if here { finding.two_actives() } else { finding });
    }
    if let Some(at) = resource.effective("allow-two-primaries") {
        let on = at.words.get(1).is_none_or(|value| !value.eq_ignore_ascii_case("no"));
        if on {
            let text = "allow-two-primaries: DRBD itself would let both nodes write to a file system made for one";
            findings.push(
                Finding::machine(text, "take the line out on both nodes")
                    .at_statement(Some(at))
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
        findings.push(finding.at_statement(Some(at)));
    }
    findings
}

fn replication(resource: &Resource<'_>, drbd: Drbd) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(at) = resource.effective("protocol") {
        let value = at.words.get(1).map_or("", String::as_str);
        if !value.eq_ignore_ascii_case("c") {
            let text = format!("protocol {value}: a failover loses writes that were already acknowledged");
            findings.push(Finding::machine(text, "write `protocol C;` on both nodes").at_statement(Some(at)));
        }
    }
    let promotes = resource.effective("auto-promote");
    let value = promotes.and_then(|at| at.words.get(1));
    if value.is_none_or(|value| value != "no") && (promotes.is_some() || drbd.release == Release::R9) {
        let text = "auto-promote is on: anything that opens the device promotes this node";
        findings
            .push(Finding::warning(text, "write `options { auto-promote no; }` on both nodes").at_statement(promotes));
    }
    findings
}

/// What keeps the service from going on when a node or a disk is gone.
fn survival(resource: &Resource<'_>, drbd: Drbd) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(at) = resource.effective("quorum")
        && let Some(value) = at.words.get(1)
        && !matches!(value.as_str(), "off" | "1")
        && resource.host_count() <= 2
    {
        let text = format!(
            "quorum {value} with two nodes: when one is gone the other has no majority, and DRBD neither promotes it nor \
             lets it write, so that no takeover is possible"
        );
        let remedy = "write `options { quorum off; }` on both nodes, and fencing in its place";
        findings.push(Finding::machine(text, remedy).at_statement(Some(at)));
    }
    let on_error = resource.effective("on-io-error");
    let value = on_error.and_then(|at| at.words.get(1)).map(String::as_str);
    if value == Some("pass_on") || (value.is_none() && drbd.release <= Release::R83) {
        let text = format!(
            "on-io-error is pass_on{}: a disk error reaches the file system, which turns read-only, where detach would go \
             on with the other node's disk until the group is handed over",
            if value.is_none() { ", the default" } else { "" }
        );
        let finding = Finding::warning(text, WRITE).at_statement(on_error);
        findings.push(finding.with_lines(vec!["disk { on-io-error detach; }".to_owned()]));
    }
    findings
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
            Finding::machine(text, remedy).at_statement(None)
        } else {
            Finding::warning(
                text,
                "right only if it lies on top of the DRBD device, as a logical volume may",
            )
            .at_statement(None)
        });
    }
    findings
}
