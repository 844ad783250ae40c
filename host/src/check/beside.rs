//! Looks at what runs beside the resources: clients, hooks, the way mails leave this machine.

use std::path::Path;

use super::{Finding, Subject};
use crate::diagnostic::quote;
use crate::{hooks, program, respawn, trusted_file};

/// Where a mail transfer agent puts its sendmail.
const SENDMAIL: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];
pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let dir = &subject.files.dir;
    for client in &subject.files.ha_cf.clients {
        let at = |finding: Finding| finding.at(shown(subject, &dir.join("ha.cf")), Some(client.line));
        if let Err(why) = respawn::find(subject.root, &client.user) {
            let text = format!("respawn can't run as {}: {why}", quote(&client.user));
            findings.push(at(Finding::machine(text, "make the account, or name another")));
        }
        findings.extend(untrusted(client.program(), &subject.at(client.program())).map(at));
    }
    for (path, why) in hooks::misplaced(dir) {
        let remedy = "see the guide, section \"Hooks\"";
        findings.push(Finding::warning(why, remedy).at(shown(subject, &path), None));
    }
    let hooks = hooks::present(dir)
        .into_iter()
        .map(|event| dir.join(hooks::DIR).join(event));
    let startstop = dir.join(hooks::STARTSTOP);
    for script in hooks.chain(program::is_executable(&startstop).then_some(startstop)) {
        findings.extend(untrusted(&shown(subject, &script), &script));
    }
    findings.extend(mail_lacking(subject));
    findings
}

/// The path as the machine itself knows it.
fn shown(subject: &Subject<'_>, path: &Path) -> String {
    match path.strip_prefix(subject.root) {
        Ok(inner) => format!("/{}", inner.display()),
        Err(_) => path.display().to_string(),
    }
}

/// A program that will not be run, and why.
fn untrusted(path: &str, place: &Path) -> Option<Finding> {
    if !program::is_executable(place) {
        let text = format!("{} is no file that can be executed", quote(path));
        return Some(Finding::machine(text, "install it, `chmod +x`, or take the line out"));
    }
    let why = trusted_file::program_problem(place)?;
    let remedy = "root must own it and every directory above it, and nobody else may write there";
    Some(Finding::machine(
        format!("{} will not be run: {why}", quote(path)),
        remedy,
    ))
}

fn mail_lacking(subject: &Subject<'_>) -> Option<Finding> {
    let mails = subject.files.settings.mails();
    let who = match (subject.uses("MailTo"), mails.alert.is_empty()) {
        (true, _) => "MailTo",
        (false, false) => "`alert`",
        (false, true) => return None,
    };
    let can_send = mails.smarthost.is_some() || SENDMAIL.iter().any(|path| subject.exists(path));
    (!can_send).then(|| {
        let remedy = "install a mail transfer agent, or write `smarthost HOST` in ovzha.cf";
        Finding::machine(format!("there is no sendmail program: {who} can't send"), remedy)
    })
}
