//! Looks for other cluster programs among the running processes.

use super::{Finding, Subject};

/// Names of their main processes, as `/proc/PID/comm` shows them.
const PROGRAMS: [&str; 5] = ["heartbeat", "pacemakerd", "corosync", "crmd", "drbd-reactor"];

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut told: Vec<String> = Vec::new();
    for pid in pids(subject) {
        let Some(comm) = subject.text(&format!("/proc/{pid}/comm")) else {
            continue;
        };
        let comm = comm.trim();
        if PROGRAMS.contains(&comm) && !told.iter().any(|name| name == comm) && !in_container(subject, &pid) {
            told.push(comm.to_owned());
            findings.push(
                Finding::machine(
                    format!("{comm} is running (pid {pid}): it would move the same resources"),
                    "stop it on both nodes, and keep it from starting at boot",
                )
                .two_actives(),
            );
        }
    }
    findings
}

/// The process ids in `/proc`.
pub(super) fn pids(subject: &Subject<'_>) -> Vec<String> {
    let mut names = subject.names("/proc");
    names.retain(|name| name.bytes().all(|b| b.is_ascii_digit()));
    names
}

/// Whether a process belongs to a container: a hardware node lists those among its own.
/// OpenVZ 6 names the container in `envID`; later kernels have pid namespaces.
fn in_container(subject: &Subject<'_>, pid: &str) -> bool {
    let status = subject.text(&format!("/proc/{pid}/status")).unwrap_or_default();
    let id = status.lines().find_map(|line| line.strip_prefix("envID:"));
    if id.is_some_and(|id| id.trim() != "0") {
        return true;
    }
    let namespace = |who: &str| std::fs::read_link(subject.at(&format!("/proc/{who}/ns/pid"))).ok();
    match (namespace(pid), namespace("self")) {
        (Some(theirs), Some(ours)) => theirs != ours,
        _ => false,
    }
}
