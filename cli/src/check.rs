//! `ovzha check`: prints what is wrong with the files, then with this machine.

use std::io::{self, Write};
use std::path::Path;

use ovzha_host::check::{self, Class, Finding};
use ovzha_host::config;

use crate::{exit, out};

/// The files are fine, but this machine can't run the cluster as they ask, or not safely.
const MACHINE_LACKS: u8 = 3;

/// Checks the files in `config_dir` and the machine below `root` (`/` on a node), prints the findings, and gives the
/// exit code: 0 nothing wrong, warnings allowed; 1 errors in the files; 3 this machine is not ready.
pub fn run(config_dir: &Path, root: &Path) -> u8 {
    let mut text = Vec::new();
    // memory takes every write
    let code = findings(config_dir, root, &mut text).unwrap_or(exit::FAILED);
    out::text(&String::from_utf8_lossy(&text));
    code
}

fn findings(config_dir: &Path, root: &Path, out: &mut impl Write) -> io::Result<u8> {
    let config::Loadable { files, mut diagnostics } = config::read_files(config_dir);
    diagnostics.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for diagnostic in &diagnostics {
        writeln!(out, "{diagnostic}")?;
    }
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let warnings = diagnostics.len().saturating_sub(errors);
    let Some(files) = files else {
        let text = format!(
            "{}, {}; this machine was not checked",
            count(errors, "error"),
            count(warnings, "warning")
        );
        writeln!(out, "{}: refused: {text}", config_dir.display())?;
        return Ok(exit::FAILED);
    };
    let findings = check::machine(root, &files);
    if !findings.is_empty() {
        if !diagnostics.is_empty() {
            writeln!(out)?;
        }
        writeln!(out, "this machine:")?;
    }
    for finding in &findings {
        write_finding(out, finding)?;
    }
    writeln!(out, "protection: {}", check::protection(root, &files))?;
    if let Some(takeover) = check::takeover(&files) {
        writeln!(out, "takeover: {takeover}")?;
    }
    if files.settings.commanded() {
        writeln!(
            out,
            "decisions: the witness's vote starts a group, the other node's alone does not"
        )?;
    }
    writeln!(out, "resources:")?;
    for (word, runs) in check::resources(root, &files) {
        writeln!(out, "  {word}: {runs}")?;
    }
    let lacks = findings
        .iter()
        .filter(|finding| finding.class == Class::Machine)
        .count();
    let told = warnings.saturating_add(findings.len().saturating_sub(lacks));
    let refused = findings.iter().any(|finding| finding.two_actives);
    let verdict = match (lacks, refused) {
        (0, _) => "fine",
        (_, true) => "files fine, the daemon refuses to start on this machine",
        (_, false) => "files fine, this machine is not ready",
    };
    let text = format!("{}, {}", count(lacks, "problem"), count(told, "warning"));
    writeln!(out, "{}: {verdict}: {text}", config_dir.display())?;
    Ok(if lacks > 0 { MACHINE_LACKS } else { exit::DONE })
}

fn write_finding(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let weight = match (finding.two_actives, finding.class) {
        (true, _) => "two active nodes",
        (false, Class::Machine) => "problem",
        (false, Class::Warning) => "warning",
    };
    writeln!(out, "  {weight}: {finding}")?;
    writeln!(out, "      -> {}", finding.remedy)?;
    for line in &finding.lines {
        writeln!(out, "           {line}")?;
    }
    Ok(())
}

/// "1 error", "2 errors".
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
