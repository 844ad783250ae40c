//! Looks for what the files need and this machine does not have.

use std::net::{IpAddr, Ipv6Addr};

use super::{Finding, Subject};
use crate::address::Wanted;
use crate::demo_step;
use crate::diagnostic::quote;
use crate::external::{self, Found};
use crate::ha_cf::LinkKind;
use crate::haresources::{self, NAMES, Resource};
use crate::trusted_file;

/// Where programs of the system lie.
pub(super) const PROGRAM_DIRS: [&str; 6] = [
    "/usr/sbin",
    "/sbin",
    "/usr/local/sbin",
    "/bin",
    "/usr/bin",
    "/usr/local/bin",
];
/// What starts OpenVZ.
const VZ_SERVICE: [&str; 4] = [
    "/etc/init.d/vz",
    "/etc/systemd/system/vz.service",
    "/usr/lib/systemd/system/vz.service",
    "/lib/systemd/system/vz.service",
];

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for link in &subject.files.ha_cf.links {
        findings.extend(device_lacking(subject, &link.kind));
        findings.extend(address_lacking(subject, &link.kind));
    }
    let mut told: Vec<String> = Vec::new();
    for resource in subject.resources() {
        for finding in resource_lacking(subject, resource) {
            if !told.contains(&finding.text) {
                told.push(finding.text.clone());
                findings.push(finding);
            }
        }
    }
    findings
}

fn device_lacking(subject: &Subject<'_>, kind: &LinkKind) -> Option<Finding> {
    match kind {
        LinkKind::Unicast { device, .. } | LinkKind::Broadcast { device, .. } | LinkKind::Multicast { device, .. } => {
            (!subject.exists(&format!("/sys/class/net/{device}"))).then(|| {
                let remedy = "check the name with `ip link`; the other links work without it";
                Finding::machine(format!("there is no network device {}", quote(device)), remedy)
            })
        }
        // by the kernel's routes, which may come later
        LinkKind::Routed { .. } => None,
        LinkKind::Serial { device, .. } => {
            let path = device.to_string_lossy();
            (!subject.exists(&path)).then(|| {
                let remedy = "load its driver, or check the path; the other links work without it";
                Finding::machine(format!("there is no serial device {}", quote(&path)), remedy)
            })
        }
    }
}

/// A link between two addresses, none of which this machine has. Where the kernel doesn't list them nothing is said.
fn address_lacking(subject: &Subject<'_>, kind: &LinkKind) -> Option<Finding> {
    let LinkKind::Unicast { device, addresses, .. } = kind else {
        return None;
    };
    let &[first, second] = addresses.as_slice() else {
        return None;
    };
    let there = subject.exists(&format!("/sys/class/net/{device}"));
    if !there
        || first.is_loopback()
        || own_addresses(subject, first.is_ipv4())?
            .iter()
            .any(|own| addresses.contains(own))
    {
        return None;
    }
    let text = format!("this machine has neither {first} nor {second}: the link on {device} can't be used");
    Some(Finding::machine(
        text,
        "configure the address; the link is opened once it is there",
    ))
}

/// The addresses of this machine; `None` if the kernel doesn't list them.
fn own_addresses(subject: &Subject<'_>, v4: bool) -> Option<Vec<IpAddr>> {
    if !v4 {
        let text = subject.text("/proc/net/if_inet6")?;
        let parse = |line: &str| u128::from_str_radix(line.split_whitespace().next()?, 16).ok();
        return Some(
            text.lines()
                .filter_map(parse)
                .map(|bits| Ipv6Addr::from_bits(bits).into())
                .collect(),
        );
    }
    let text = subject.text("/proc/net/fib_trie")?;
    let (mut own, mut leaf) = (Vec::new(), None);
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<IpAddr>().ok();
        } else if line.ends_with("host LOCAL") {
            own.extend(leaf);
        }
    }
    Some(own)
}

fn resource_lacking(subject: &Subject<'_>, resource: &Resource) -> Vec<Finding> {
    match (resource.name.as_str(), resource.args.as_slice()) {
        ("datadisk" | "drbddisk", _) if !has_program(subject, "drbdadm") => {
            vec![Finding::machine(
                "drbdadm is not installed",
                "install the DRBD tools that match the kernel's module",
            )]
        }
        ("Filesystem", [_, mountpoint, fstype, ..]) => {
            let mut findings = Vec::new();
            if !subject.at(mountpoint).is_dir() {
                let text = format!("the mount point {} is no directory", quote(mountpoint));
                findings.push(Finding::machine(text, format!("`mkdir {mountpoint}` on both nodes")));
            }
            if !knows_fstype(subject, fstype) {
                let text = format!("the running kernel has no file system type {}", quote(fstype));
                findings.push(Finding::machine(
                    text,
                    "load or install its module, or correct haresources",
                ));
            }
            findings
        }
        ("IPaddr" | "IPaddr2", [text]) => held_address_lacking(subject, text),
        ("vz", _) if !VZ_SERVICE.iter().any(|path| subject.exists(path)) => {
            vec![Finding::machine(
                "OpenVZ is not installed: neither /etc/init.d/vz nor vz.service",
                "install vzctl",
            )]
        }
        (name, _) if !haresources::is_built_in(name) && name != demo_step::NAME => script_lacking(subject, resource),
        _ => Vec::new(),
    }
}

/// A device that an address names and that is not there. Which one it is otherwise, the start finds out.
fn held_address_lacking(subject: &Subject<'_>, text: &str) -> Vec<Finding> {
    let device = Wanted::parse(text).ok().and_then(|wanted| wanted.device);
    let missing = device.filter(|device| !subject.exists(&format!("/sys/class/net/{device}")));
    let finding = |device: String| {
        let text = format!("there is no network device {} for the address {text}", quote(&device));
        Finding::machine(text, "check the name with `ip link`, or correct haresources")
    };
    missing.map(finding).into_iter().collect()
}

/// A script or unit that is not there, or that somebody else could have changed.
fn script_lacking(subject: &Subject<'_>, resource: &Resource) -> Vec<Finding> {
    let shown = quote(&resource.name);
    let path = match external::find(subject.root, &subject.files.dir, &resource.name) {
        Err(places) => {
            let text = format!("resource {shown} is neither built in nor found: {places}");
            let known = NAMES.join(", ");
            return vec![Finding::machine(
                text,
                format!("install its script on both nodes, or correct haresources (built in: {known})"),
            )];
        }
        Ok(Found::Unit(..)) if !resource.args.is_empty() => {
            let text = format!("resource {shown} is a systemd unit, which takes no arguments");
            return vec![Finding::machine(
                text,
                "take the arguments out, or write a script in resource.d",
            )];
        }
        Ok(Found::Unit(..)) => return Vec::new(),
        Ok(Found::ResourceScript(path) | Found::InitScript(path)) => path,
    };
    let problem = trusted_file::program_problem(&path);
    let finding = |problem| {
        Finding::machine(
            format!(
                "{} is not run, somebody else could have changed it: {problem}",
                path.display()
            ),
            "root must own it and every directory above it, and nobody else may write there",
        )
    };
    problem.map(finding).into_iter().collect()
}

fn has_program(subject: &Subject<'_>, name: &str) -> bool {
    PROGRAM_DIRS.iter().any(|dir| subject.exists(&format!("{dir}/{name}")))
}

/// Whether the kernel has the type, or a module of it that a mount would load.
fn knows_fstype(subject: &Subject<'_>, fstype: &str) -> bool {
    if fstype == "auto" {
        return true;
    }
    let known = subject.text("/proc/filesystems").unwrap_or_default();
    if known
        .lines()
        .any(|line| line.split_whitespace().next_back() == Some(fstype))
    {
        return true;
    }
    let release = subject.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = format!("/lib/modules/{}", release.trim());
    // Old kernels' modules.alias lacks fs-NAME; there a module of that name is what mount asks for.
    let alias = format!("alias fs-{fstype} ");
    let file = format!("/{fstype}.ko");
    let names_it = |list: &str, wanted: &str| {
        let text = subject.text(&format!("{modules}/{list}")).unwrap_or_default();
        text.lines()
            .any(|line| line.split(':').next().unwrap_or_default().contains(wanted))
    };
    names_it("modules.alias", &alias) || names_it("modules.dep", &file)
}
