//! The lines of `ha.cf` about programs beside the resources: `respawn`, `env`.

use super::{At, Reader, Said, set};
use crate::diagnostic::quote;
use crate::respawn::{CLIENTS_MAX, Client};

/// Heartbeat's programs that work through its client interface, which is not there.
const NEED_HEARTBEAT: [&str; 10] = [
    "attrd",
    "ccm",
    "ccm_testclient",
    "cib",
    "crmd",
    "lrmd",
    "mgmtd",
    "pingd",
    "quorumd",
    "stonithd",
];
/// The most `env` lines.
const ENVIRONMENT_MAX: usize = 64;

/// What these lines say.
#[derive(Default)]
pub(super) struct Clients {
    pub(super) ipfail: Option<At<()>>,
    pub(super) programs: Vec<Client>,
    pub(super) environment: Vec<At<(String, String)>>,
}

impl Reader {
    /// `respawn USER PROGRAM ARGS...`; ipfail's work is built in, dopd's is that of `ovzha fence-peer`.
    pub(super) fn respawn(&mut self, Said { line, rest, .. }: Said<'_>) {
        let rest = rest.trim();
        let Some((user, command)) = rest.split_once([' ', '\t']) else {
            self.problems.error(line, "`respawn` needs a user and a program");
            return;
        };
        let command = command.trim();
        let (program, args) = command.split_once([' ', '\t']).unwrap_or((command, ""));
        match program.rsplit('/').next() {
            Some("ipfail") if program.contains('/') => {
                let value = match args.split_whitespace().next() {
                    None => Ok(()),
                    Some(word) => Err(format!("ipfail takes no argument, but got {}", quote(word))),
                };
                let slot = &mut self.clients.ipfail;
                set(&mut self.problems, slot, line, "respawn .../ipfail", value);
            }
            Some("dopd") if program.contains('/') => {
                let text = "respawn .../dopd has no effect: `ovzha fence-peer` does its work; in drbd.conf \
                            write `fence-peer \"/usr/sbin/ovzha fence-peer\";` in place of drbd-peer-outdater (`outdate-peer` before DRBD 8.3)";
                self.problems.warning(line, text);
            }
            name => self.client(line, user, command, program, name.unwrap_or_default()),
        }
    }

    fn client(&mut self, line: u32, user: &str, command: &str, program: &str, name: &str) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
        if user.starts_with('-') || !user.chars().all(is_name) {
            let text = format!("respawn: {} is no user's name", quote(user));
            self.problems.error(line, text);
        } else if !program.starts_with('/') {
            let text = format!("respawn: {} is no absolute path", quote(program));
            self.problems.error(line, text);
        } else if self.clients.programs.len() >= CLIENTS_MAX {
            self.problems
                .error(line, format!("more than {CLIENTS_MAX} `respawn` lines"));
        } else {
            if NEED_HEARTBEAT.contains(&name) {
                let text = format!(
                    "respawn: {} works through Heartbeat's client interface, which is not there: it will end again and again",
                    quote(program)
                );
                self.problems.warning(line, text);
            }
            self.clients.programs.push(Client {
                user: user.to_owned(),
                command: command.to_owned(),
                line,
            });
        }
    }

    /// `env NAME=VALUE`.
    pub(super) fn env(&mut self, Said { line, rest, .. }: Said<'_>) {
        let Some((name, value)) = rest.trim().split_once('=') else {
            self.problems.error(line, "`env` needs NAME=VALUE");
            return;
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let known = self.clients.environment.iter().find(|at| at.value.0 == name);
        if name.is_empty() || !name.chars().all(is_name) {
            let text = format!("env: {} is no name of a variable", quote(name));
            self.problems.error(line, text);
        } else if let Some(first) = known {
            let text = format!("env {name} stands already on line {}", first.line);
            self.problems.error(line, text);
        } else if self.clients.environment.len() >= ENVIRONMENT_MAX {
            self.problems
                .error(line, format!("more than {ENVIRONMENT_MAX} `env` lines"));
        } else {
            let value = (name.to_owned(), value.to_owned());
            self.clients.environment.push(At { value, line });
        }
    }
}
