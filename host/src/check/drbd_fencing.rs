//! Checks what `drbd.conf` says about fencing: whether DRBD asks the other node before older data can be promoted.
//!
//! Three things must meet: a policy (`fencing`), a handler that is ours, and a kernel that calls handlers at all. What
//! lacks is told with what it costs, and with the lines to add in the words of the DRBD at hand.

use super::drbd_conf::{Statement, WRITE};
use super::drbd_release::{Drbd, Release};
use super::drbd_resource::Resource;
use super::lacking::PROGRAM_DIRS;
use super::{Finding, Subject};
use crate::diagnostic::quote;

/// Where the guide puts our program; told where it isn't found elsewhere.
const INSTALLED: &str = "/usr/sbin/ovzha";
/// The module's parameter that names what it runs.
const HELPER: &str = "/sys/module/drbd/parameters/usermode_helper";
/// Where a handler without a path is looked for: PATH as the kernel sets it.
const KERNEL_PATH: [&str; 4] = ["/sbin", "/usr/sbin", "/bin", "/usr/bin"];

/// What it costs when nothing is asked before writes go on.
const WINDOW: &str = "an active that loses DRBD's connection goes on writing at once; who takes over before its next \
                      heartbeat tells of that promotes older data";

/// Handlers of other cluster managers, by the beginning of the program's name.
const OF_OTHERS: [(&str, &str); 7] = [
    ("crm-fence-peer", "Pacemaker"),
    ("crm-unfence-peer", "Pacemaker"),
    ("stonith_admin-fence-peer", "Pacemaker"),
    ("drbd-peer-outdater", "Heartbeat's dopd"),
    ("rhcs_fence", "Red Hat's cluster suite"),
    ("obliterate-peer", "Red Hat's cluster suite"),
    ("outdate-peer", "a set-up by ssh"),
];

/// What a policy asks of DRBD when a Primary loses its peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    DontCare,
    /// The handler is called, writes go on meanwhile.
    ResourceOnly,
    /// Writes are frozen until the handler has answered.
    ResourceAndStonith,
}

/// What the handlers section names.
enum Handler<'a> {
    None,
    Ours,
    /// Ours, but DRBD gets no answer from it; with the reason.
    Broken(&'a Statement, String),
    /// A program of another cluster manager.
    Other(&'a Statement, &'static str),
    Unknown(&'a Statement),
}

/// What lacks for one resource.
pub(super) fn of_resource(subject: &Subject<'_>, resource: &Resource<'_>, drbd: Drbd) -> Vec<Finding> {
    if drbd.release == Release::R07 {
        let text = format!("DRBD 0.7 can neither outdate the other side nor freeze writes: {WINDOW}");
        let remedy = "nothing in 0.7 closes that window; DRBD 8.0 and later have a handler for it";
        return vec![Finding::warning(text, remedy).at_statement(None)];
    }
    let words = Words::new(subject, drbd);
    let policy = policy(resource);
    let handler = handler(subject, resource, words.fence);
    let mut findings = misplaced(resource, &words).into_iter().collect::<Vec<_>>();
    if policy == Policy::DontCare {
        findings.push(words.not_set(resource, &handler));
    } else {
        findings.extend(words.no_answer(policy, &handler));
        if policy == Policy::ResourceOnly
            && let (Handler::Ours, Some(at)) = (&handler, resource.effective("fencing"))
        {
            findings.push(words.resource_only(at));
        }
    }
    findings.extend(["unfence-peer", "after-resync-target"].iter().filter_map(|word| {
        let at = resource.effective(word)?;
        Some(unfence_of_others(at, word, manager(at)?))
    }));
    findings
}

/// A module that was told not to call handlers.
pub(super) fn helper(subject: &Subject<'_>, resources: &[Resource<'_>], drbd: Drbd) -> Option<Finding> {
    let text = subject.text(HELPER)?;
    let program = text.trim();
    let calls = program.rsplit('/').next() == Some("drbdadm") && subject.exists(program);
    if calls || drbd.release == Release::R07 {
        return None;
    }
    let text = format!(
        "the module runs {} in place of drbdadm, so that no handler is ever called: fence-peer neither",
        quote(program)
    );
    let remedy =
        "take `usermode_helper` out of the module's options (modprobe.d, kernel command line) and load it anew";
    let counts = resources.iter().any(|resource| policy(resource) != Policy::DontCare);
    let class = if counts { Finding::machine } else { Finding::warning };
    Some(class(text, remedy.to_owned()).at(HELPER, None))
}

fn policy(resource: &Resource<'_>) -> Policy {
    let value = resource.effective("fencing").and_then(|at| at.words.get(1));
    match value.map(String::as_str) {
        Some("resource-only") => Policy::ResourceOnly,
        Some("resource-and-stonith") => Policy::ResourceAndStonith,
        Some(_) | None => Policy::DontCare,
    }
}

/// Whether a Primary that lost its peer waits for our handler; whether the program is on this machine does not count.
pub(super) fn freezes(resource: &Resource<'_>) -> bool {
    let old = || resource.effective("outdate-peer");
    let handler = resource.effective("fence-peer").or_else(old).map(command);
    let ours =
        handler.is_some_and(|words| words.iter().any(|word| base(word) == "ovzha") && words.contains(&"fence-peer"));
    policy(resource) == Policy::ResourceAndStonith && ours
}

/// `fencing` in `net`, where 8 does not know it, or in `disk`, where 9 needs help with it.
fn misplaced(resource: &Resource<'_>, words: &Words) -> Option<Finding> {
    let at = resource.effective("fencing")?;
    let section = at.sections.last().and_then(|section| section.first())?;
    let release = words.drbd.release;
    let finding = match section.as_str() {
        "net" if words.drbd.is_loaded && release < Release::R9 => Finding::machine(
            format!("`fencing` stands in `net`, where DRBD {release} does not know it: drbdadm refuses the file"),
            "move it into `disk` on both nodes",
        ),
        "disk" if release == Release::R9 => Finding::warning(
            "`fencing` stands in `disk`, where not every drbdadm of DRBD 9 takes it (9.22 refuses the file)",
            "move it into `net` on both nodes",
        ),
        _ => return None,
    };
    Some(finding.at_statement(Some(at)))
}

fn handler<'a>(subject: &Subject<'_>, resource: &Resource<'a>, word: &str) -> Handler<'a> {
    // 8.3 and later still read the old word.
    let old = || resource.effective("outdate-peer");
    let Some(at) = resource.effective(word).or_else(old) else {
        return Handler::None;
    };
    let words = command(at);
    let own = words.iter().position(|word| base(word) == "ovzha");
    if let Some(program) = own.and_then(|own| words.get(own)) {
        let broken = if !words.contains(&"fence-peer") {
            Some(format!("is not `{program} fence-peer`"))
        } else if is_there(subject, program) {
            None
        } else {
            Some(format!("is not there: no {program}"))
        };
        return broken.map_or(Handler::Ours, |why| Handler::Broken(at, why));
    }
    manager(at).map_or(Handler::Unknown(at), |manager| Handler::Other(at, manager))
}

/// The words of a handler's command line.
fn command(at: &Statement) -> Vec<&str> {
    at.words
        .iter()
        .skip(1)
        .flat_map(|word| word.split_whitespace())
        .collect()
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_there(subject: &Subject<'_>, program: &str) -> bool {
    if program.starts_with('/') {
        return subject.exists(program);
    }
    KERNEL_PATH
        .iter()
        .any(|dir| subject.exists(&format!("{dir}/{program}")))
}

/// Whose handler it is, where it is known.
fn manager(at: &Statement) -> Option<&'static str> {
    let of = |word: &str| OF_OTHERS.iter().find(|(begin, _)| base(word).starts_with(begin));
    command(at).into_iter().find_map(of).map(|(_, manager)| *manager)
}

fn unfence_of_others(at: &Statement, word: &str, manager: &str) -> Finding {
    let text = format!(
        "{word} runs {}, which belongs to {manager}: without that manager it can only fail",
        quote(&command(at).join(" "))
    );
    Finding::warning(text, "take the line out on both nodes").at_statement(Some(at))
}

/// What to write, in the words of the DRBD at hand.
struct Words {
    drbd: Drbd,
    /// The handler's name.
    fence: &'static str,
    program: String,
}

impl Words {
    fn new(subject: &Subject<'_>, drbd: Drbd) -> Self {
        let there = PROGRAM_DIRS
            .iter()
            .map(|dir| format!("{dir}/ovzha"))
            .find(|path| subject.exists(path));
        Self {
            drbd,
            fence: if drbd.release == Release::R80 {
                "outdate-peer"
            } else {
                "fence-peer"
            },
            program: there.unwrap_or_else(|| INSTALLED.to_owned()),
        }
    }

    fn policy_line(&self) -> String {
        let section = if self.drbd.release == Release::R9 {
            "net"
        } else {
            "disk"
        };
        format!("{section} {{ fencing resource-and-stonith; }}")
    }

    fn handler_line(&self) -> String {
        let Self { fence, program, .. } = self;
        format!("handlers {{ {fence} \"{program} fence-peer\"; }}")
    }

    /// How to bring lines in; `before` says what becomes of what stands there.
    fn remedy(&self, before: &str) -> String {
        let guessed = if self.drbd.is_loaded {
            String::new()
        } else {
            format!(
                " (in the words of DRBD {}: no module is loaded that says which it is)",
                self.drbd.release
            )
        };
        format!("{before}{WRITE}; then, DRBD connected, `drbdadm adjust all`{guessed}")
    }

    fn not_set(&self, resource: &Resource<'_>, handler: &Handler<'_>) -> Finding {
        let at = resource.effective("fencing");
        let set = at.map_or("fencing is not set".to_owned(), |at| at.words.join(" "));
        let uncalled = if matches!(handler, Handler::None) {
            String::new()
        } else {
            format!(", so that {} is never called", self.fence)
        };
        let text = format!("{set}{uncalled}: {WINDOW}");
        let mut lines = vec![self.policy_line()];
        if !matches!(handler, Handler::Ours) {
            lines.push(self.handler_line());
        }
        Finding::warning(text, self.remedy(""))
            .at_statement(at)
            .with_lines(lines)
    }

    /// A policy whose handler can't answer: DRBD refuses the promotion of a takeover.
    fn no_answer(&self, policy: Policy, handler: &Handler<'_>) -> Option<Finding> {
        const COST: &str = "while the other node is gone DRBD refuses to be promoted, so that no takeover is possible";
        let fence = self.fence;
        let shown = |at: &Statement| quote(&command(at).join(" "));
        let mut lines = Vec::new();
        if policy == Policy::ResourceOnly {
            lines.push(self.policy_line());
        }
        lines.push(self.handler_line());
        let instead = self.remedy("in its place ");
        let finding = match handler {
            Handler::Ours => return None,
            Handler::None => {
                let text = format!("fencing is set, but there is no {fence} handler: {COST}");
                Finding::machine(text, self.remedy("")).at_statement(None)
            }
            Handler::Broken(at, why) => {
                let text = format!("{fence} runs {}, which {why}: {COST}", shown(at));
                Finding::machine(text, instead).at_statement(Some(at))
            }
            Handler::Other(at, manager) => {
                let text = format!(
                    "{fence} runs {}, which belongs to {manager} and has no answer without it: {COST}",
                    shown(at)
                );
                Finding::machine(text, instead).at_statement(Some(at))
            }
            Handler::Unknown(at) => {
                let text = format!(
                    "{fence} runs {}, not ovzha: what it answers decides whether a takeover may promote, and it can't \
                     ask over ovzha's links",
                    shown(at)
                );
                Finding::warning(text, instead).at_statement(Some(at))
            }
        };
        Some(finding.with_lines(lines))
    }

    fn resource_only(&self, at: &Statement) -> Finding {
        let text = format!(
            "fencing resource-only: the other side is outdated, but writes go on while {} asks for it: who takes over before \
             the next heartbeat promotes older data",
            self.fence
        );
        Finding::warning(text, self.remedy("in its place "))
            .at_statement(Some(at))
            .with_lines(vec![self.policy_line()])
    }
}
