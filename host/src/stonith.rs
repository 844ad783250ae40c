//! Cuts the other node's power with a program of the field, and sees that it is off (SAFETY S-81).
//!
//! Two conventions, told apart by the program's path:
//!
//! ```text
//! fence agent   file name fence_*                     `key=value` lines on stdin, `action=off`, then `action=status`:
//!                                                     exit 2 says that there is no power
//! plugin        in .../stonith/plugins/external/      PROGRAM off HOST, parameters in the environment; its `status` tells of
//!                                                     the device, so whether the power is off nobody sees
//! ```
//!
//! What the agent prints may name no password: ours are in no argument, and only its last line is handed on.

use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use crate::agent::{Answer, Exit};
use crate::ovzha_cf::stonith::External;
use crate::program::{self, Deadline, End, Finished};
use crate::trusted_file;

/// The word of `ovzha agent`.
pub const WORD: &str = "shoot";
/// The most that stdin may hold.
const INPUT_MAX: u64 = 64 * 1024;
/// Between two looks whether the power is off.
const AGAIN: Duration = Duration::from_secs(1);

/// How a program is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Convention {
    /// As Red Hat's fenced and Pacemaker call a fence agent.
    FenceAgent,
    /// As cluster-glue's `stonith` calls an external plugin.
    Plugin,
}

impl Convention {
    /// By the path of the program; none: it can't be told.
    #[must_use]
    pub fn of(program: &Path) -> Option<Self> {
        let name = program.file_name()?.to_str()?;
        if name.starts_with("fence_") {
            return Some(Self::FenceAgent);
        }
        let dir = program.parent()?;
        dir.ends_with("stonith/plugins/external").then_some(Self::Plugin)
    }
}

/// What the child is told on its stdin: the program, then its parameters, a line each.
#[must_use]
pub fn input(external: &External) -> String {
    let mut text = format!("{}\n", external.program.display());
    for (name, value) in &external.parameters {
        text.extend([name, "=", value, "\n"]);
    }
    text
}

/// Runs a shot at `node`, told on stdin, to its end: done only if its power was seen off.
///
/// # Errors
/// A sentence, if nothing was begun.
pub fn run(node: &str, deadline: Deadline) -> Result<Answer, String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(INPUT_MAX).read_to_string(&mut text);
    read.map_err(|error| format!("can't read what to run from stdin: {error}"))?;
    shoot(&text, node, deadline)
}

/// The same, told by these lines (see [`input`]).
///
/// # Errors
/// As [`run`].
pub fn shoot(text: &str, node: &str, deadline: Deadline) -> Result<Answer, String> {
    let mut lines = text.lines();
    let program = Path::new(lines.next().ok_or("no program on stdin")?);
    let parameters: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once('=')).collect();
    let convention = Convention::of(program).ok_or("neither a fence agent nor a plugin")?;
    if let Some(problem) = trusted_file::program_problem(program) {
        return Err(format!("not run: {problem}"));
    }
    Ok(match convention {
        Convention::FenceAgent => fence_agent(program, &parameters, node, deadline),
        Convention::Plugin => plugin(program, &parameters, node, deadline),
    })
}

fn fence_agent(program: &Path, parameters: &[(&str, &str)], node: &str, deadline: Deadline) -> Answer {
    // what is left is for the look
    let shot = ask(
        program,
        parameters,
        ("off", node),
        deadline.within(two_thirds(deadline)),
    );
    let (cut, said) = match shot {
        Ok(finished) => (finished.succeeded(), finished.reason()),
        Err(why) => return Answer::failed(format!("{} can't be run: {why}", program.display())),
    };
    loop {
        let seen = match ask(program, parameters, ("status", node), deadline) {
            Ok(finished) => finished,
            Err(why) => return Answer::failed(format!("{} can't be run: {why}", program.display())),
        };
        match seen.end {
            End::Exited(2) => return Answer::done("its status says that there is no power"),
            End::Exited(0) if cut && deadline.pause(AGAIN) => {}
            End::Exited(0) => return Answer::failed(format!("its status says that there is power; off said: {said}")),
            End::Exited(_) | End::Signalled(_) | End::TimedOut | End::Stuck(_) if cut => {
                return Answer::new(
                    Exit::Unclear,
                    format!("cut, unconfirmed; status said: {}", seen.reason()),
                );
            }
            End::Exited(_) | End::Signalled(_) | End::TimedOut | End::Stuck(_) => {
                return Answer::failed(format!("off said: {said}; status said: {}", seen.reason()));
            }
        }
    }
}

fn two_thirds(deadline: Deadline) -> Duration {
    deadline.remaining() * 2 / 3
}

fn ask(
    program: &Path,
    parameters: &[(&str, &str)],
    (action, node): (&str, &str),
    deadline: Deadline,
) -> std::io::Result<Finished> {
    let mut input = program::unlinked_file()?;
    for (name, value) in parameters {
        writeln!(input, "{name}={value}")?;
    }
    write!(input, "nodename={node}\naction={action}\n")?;
    input.rewind()?;
    program::run_with_input(program, &[], Some(input), deadline)
}

fn plugin(program: &Path, parameters: &[(&str, &str)], node: &str, deadline: Deadline) -> Answer {
    let mut env = vec![("PATH", program::PATH.to_owned()), ("LC_ALL", "C".to_owned())];
    env.extend(parameters.iter().map(|(name, value)| (*name, (*value).to_owned())));
    match program::run_in(program, &["off", node], &env, deadline) {
        Ok(finished) if finished.succeeded() => Answer::new(
            Exit::Unclear,
            "cut, unconfirmed: a plugin can't say whether there is power",
        ),
        Ok(finished) => Answer::failed(format!("off said: {}", finished.reason())),
        Err(why) => Answer::failed(format!("{} can't be run: {why}", program.display())),
    }
}
