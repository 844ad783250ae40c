//! Runs one operation of one resource to its end, inside a child process.
//!
//! `ovzha agent OP [--timeout SECONDS] NAME [ARGS...]`: the daemon starts one such child per operation, so
//! everything here may block. The exit code is the answer ([`Exit`]); the last line on stderr is the reason,
//! one line for people; stdout carries only what `observe` answers.
use crate::owner::Owner;
use crate::program::{self, Deadline, one_line};
use crate::third::marks;
use crate::{address, bugs, demo_step, drbd, external, filesystem, hooks, mail, record, respawn};
use crate::{stonith, store, validate, vz};
use std::ffi::OsString;
use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

/// What to do with the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Make it run here; done at once when it already does.
    Start,
    /// Make it not run here; done at once when it doesn't.
    Stop,
    /// Say whether it runs here, changing nothing.
    Probe,
    /// Say more than that on stdout (DRBD: role, connection, disks); for the others the same as a probe.
    Observe,
    /// Say whether it still does what it should while its group is active, changing nothing. What can't be told is no
    /// failure: `Failed`, or `Degraded` where a failure would show elsewhere.
    Monitor,
}

impl Op {
    /// The operation an argument names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Op> {
        match word {
            "start" => Some(Op::Start),
            "stop" => Some(Op::Stop),
            "probe" => Some(Op::Probe),
            "observe" => Some(Op::Observe),
            "monitor" => Some(Op::Monitor),
            _ => None,
        }
    }

    /// The argument that names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Op::Start => "start",
            Op::Stop => "stop",
            Op::Probe => "probe",
            Op::Observe => "observe",
            Op::Monitor => "monitor",
        }
    }
}

/// How an operation ended: the exit code of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done; of a probe: it runs whole.
    Done,
    /// 1: failed.
    Failed,
    /// 5: this node can't run it: not installed, not configured, wrong kernel.
    Unfit,
    /// 6: done, but not all of it: the service is up, some containers are missing.
    Degraded,
    /// 7: of a probe: it doesn't run.
    NotRunning,
    /// 8: of a probe: it runs in part, or the signs contradict each other.
    Unclear,
    /// 9: of a probe: it has no state (a mail): leave it out when judging whether a group runs.
    Stateless,
    /// 75: not now, try again: the peer is DRBD Primary, or fencing has not answered yet.
    Blocked,
}

impl Exit {
    /// Every way to end.
    pub const ALL: [Exit; 8] = [
        Exit::Done,
        Exit::Failed,
        Exit::Unfit,
        Exit::Degraded,
        Exit::NotRunning,
        Exit::Unclear,
        Exit::Stateless,
        Exit::Blocked,
    ];

    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Unfit => 5,
            Exit::Degraded => 6,
            Exit::NotRunning => 7,
            Exit::Unclear => 8,
            Exit::Stateless => 9,
            Exit::Blocked => 75,
        }
    }

    /// What an exit code means; a code no agent uses is a failure.
    #[must_use]
    pub fn from_code(code: i32) -> Exit {
        Exit::ALL
            .into_iter()
            .find(|exit| i32::from(exit.code()) == code)
            .unwrap_or(Exit::Failed)
    }
}

/// What an operation has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub exit: Exit,
    /// Why, in one line.
    pub reason: String,
    /// The line `observe` prints; empty otherwise.
    pub output: String,
}

impl Answer {
    /// An answer without output.
    pub fn new(exit: Exit, reason: impl fmt::Display) -> Answer {
        Answer {
            exit,
            reason: one_line(&reason.to_string()),
            output: String::new(),
        }
    }

    /// Done, for this reason.
    pub fn done(reason: impl fmt::Display) -> Answer {
        Answer::new(Exit::Done, reason)
    }

    /// Failed, for this reason.
    pub fn failed(reason: impl fmt::Display) -> Answer {
        Answer::new(Exit::Failed, reason)
    }

    /// This node can't run it, for this reason.
    pub fn unfit(reason: impl fmt::Display) -> Answer {
        Answer::new(Exit::Unfit, reason)
    }
}

/// How long an operation may take when nothing else is said.
#[must_use]
pub fn default_timeout(name: &str, op: Op) -> Duration {
    let seconds = match (name, op) {
        (_, Op::Probe | Op::Observe | Op::Monitor) | ("datadisk" | "drbddisk", _) => 60,
        ("vz", Op::Stop) => 1800,
        ("Filesystem", Op::Start) => 900,
        // Five stages of at most 60 s: nested mounts, the mount, TERM, KILL, other mount namespaces.
        ("Filesystem", Op::Stop) => 300,
        ("MailTo" | "IPaddr" | "IPaddr2" | demo_step::NAME, _) => 20,
        (_, Op::Start | Op::Stop) => 3600,
    };
    Duration::from_secs(seconds)
}

/// Seconds from one look at an active resource to the next when nothing else is said; 0 for never: Heartbeat never
/// looks, so what an external script does when it is asked for its status nobody knows.
#[must_use]
pub fn default_monitor(name: &str) -> u16 {
    match name {
        "datadisk" | "drbddisk" | "Filesystem" | "IPaddr" | "IPaddr2" => 10,
        "vz" => 30,
        _ => 0,
    }
}

/// Runs `ovzha agent ARGS...`, prints its answer, and returns the exit code.
#[must_use]
pub fn run(args: &[OsString]) -> u8 {
    let answer = dispatch(args).unwrap_or_else(Answer::failed);
    // Nobody to tell when these fail: the exit code is the answer.
    drop(std::io::stdout().write_all(answer.output.as_bytes()));
    drop(writeln!(std::io::stderr(), "{}", answer.reason));
    // The daemon ends this at its own deadline and then sees that something of the group is left.
    program::stay_with_stuck(Deadline::after(STUCK_MAX));
    answer.exit.code()
}

/// How long an agent stays with a program that can't be killed when no daemon ends it before.
const STUCK_MAX: Duration = Duration::from_hours(1);

/// How long an order to DRBD may take when nothing else is said.
const ORDER_TIMEOUT: Duration = Duration::from_mins(1);

const USAGE: &str = "usage: ovzha agent start|stop|probe|observe|monitor [--timeout SECONDS] NAME [ARGS...], \
                     ovzha agent outdate|resume [--timeout SECONDS] DRBD_RESOURCE..., \
                     ovzha agent watch [--up] DRBD_RESOURCE..., \
                     ovzha agent shoot --timeout SECONDS NODE, \
                     ovzha agent store --state-dir DIR [--owner NODE PEER], \
                     ovzha agent marks --state-dir DIR, \
                     ovzha agent validate CONFIG_DIR NODE PROGRAM STATE_DIR";

fn dispatch(args: &[OsString]) -> Result<Answer, String> {
    let words: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
    let words = words.ok_or("arguments must be UTF-8")?;
    match words.as_slice() {
        ["store", "--state-dir", dir] => store(Path::new(dir), None),
        ["store", "--state-dir", dir, "--owner", node, peer] => store(Path::new(dir), Some(&Owner::new(node, peer))),
        [marks::WORD, "--state-dir", dir] => keep_marks(Path::new(dir)),
        ["bug", "--state-dir", dir, text] => bug(Path::new(dir), text),
        [record::keep::WORD, run_dir, state_dir] => keep_record(Path::new(run_dir), Path::new(state_dir)),
        ["validate", dir, node, program, state_dir] => Ok(validate::run(
            Path::new(dir),
            node,
            Path::new(program),
            Path::new(state_dir),
        )),
        [address::ANNOUNCE, device, address] => Ok(address::announce(device, address)),
        [mail::deliver::DELIVER, words @ ..] => mail::deliver::run(words),
        [respawn::WORD, user, command] => Ok(respawn::become_program(Path::new("/"), user, command)),
        [hooks::WORD, file, args @ ..] => Ok(hooks::become_script(Path::new(file), args)),
        [drbd::watch::WORD, words @ ..] => Ok(drbd::watch::run(words)),
        [stonith::WORD, rest @ ..] => {
            let (Some(timeout), [node]) = take_timeout(rest)? else {
                return Err(USAGE.to_owned());
            };
            stonith::run(node, Deadline::after(timeout.saturating_sub(margin(timeout))))
        }
        [word, rest @ ..] if let Some(order) = drbd::Order::parse(word) => {
            let (timeout, names) = take_timeout(rest)?;
            let timeout = timeout.unwrap_or(ORDER_TIMEOUT);
            Ok(drbd::order(
                order,
                names,
                Deadline::after(timeout.saturating_sub(margin(timeout))),
            ))
        }
        [op, rest @ ..] => {
            let op = Op::parse(op).ok_or_else(|| format!("no operation is called {op:?}; {USAGE}"))?;
            let (timeout, rest) = take_timeout(rest)?;
            let [name, args @ ..] = rest else {
                return Err(USAGE.to_owned());
            };
            let timeout = timeout.unwrap_or_else(|| default_timeout(name, op));
            Ok(operate(
                op,
                name,
                args,
                Deadline::after(timeout.saturating_sub(margin(timeout))),
            ))
        }
        [] => Err(USAGE.to_owned()),
    }
}

/// The time kept back so that the agent answers by itself before the daemon ends it.
fn margin(timeout: Duration) -> Duration {
    (timeout / 10).min(Duration::from_secs(3))
}

fn take_timeout<'a, 'b>(words: &'b [&'a str]) -> Result<(Option<Duration>, &'b [&'a str]), String> {
    match words {
        ["--timeout", seconds, rest @ ..] => {
            let seconds: u32 = seconds
                .parse()
                .map_err(|_| format!("--timeout wants whole seconds, not {seconds:?}"))?;
            Ok((Some(Duration::from_secs(seconds.into())), rest))
        }
        _ => Ok((None, words)),
    }
}

/// Runs one operation of the resource called `name`.
#[must_use]
pub fn operate(op: Op, name: &str, args: &[&str], deadline: Deadline) -> Answer {
    match name {
        "datadisk" | "drbddisk" => drbd::operate(op, args, deadline),
        "Filesystem" => filesystem::operate(op, args, deadline),
        "vz" => vz::operate(op, args, deadline),
        "MailTo" => mail::operate(op, args),
        "IPaddr" | "IPaddr2" => address::operate(op, name, args, deadline),
        demo_step::NAME => demo_step::operate(op, args),
        _ => external::operate(op, name, args, deadline),
    }
}

/// What comes on stdin: a byte more than may be stored, so that what is longer is refused and not cut.
fn stdin(most: usize) -> Result<Vec<u8>, String> {
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(bound).read_to_end(&mut bytes);
    read.map_err(|error| format!("can't read from stdin what is to be stored: {error}"))?;
    Ok(bytes)
}

/// Writes a witness's marks that come on stdin.
fn keep_marks(dir: &Path) -> Result<Answer, String> {
    marks::store(dir, &stdin(store::MARKS.max)?)?;
    Ok(Answer::done("stored"))
}

/// Writes the durable state that comes on stdin, and whose it is before that.
fn store(dir: &Path, owner: Option<&Owner>) -> Result<Answer, String> {
    let bytes = stdin(store::CONTENT_MAX)?;
    if let Some(owner) = owner {
        let written = owner.write(dir);
        written.map_err(|error| format!("can't store whose state it is: {error}"))?;
    }
    store::write(dir, &bytes).map_err(|error| format!("can't store the state: {error}"))?;
    Ok(Answer::done("stored"))
}

/// Records a bug that the daemon found in itself.
fn bug(dir: &Path, text: &str) -> Result<Answer, String> {
    bugs::record(dir, text).map_err(|error| format!("can't record the bug: {error}"))?;
    Ok(Answer::done("recorded"))
}

/// Copies the record from memory to the disk.
fn keep_record(run_dir: &Path, state_dir: &Path) -> Result<Answer, String> {
    record::keep::keep(run_dir, state_dir).map_err(|error| error.to_string())?;
    Ok(Answer::done("copied"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_meanings_are_one_to_one() {
        for exit in Exit::ALL {
            assert_eq!(Exit::from_code(exit.code().into()), exit);
        }
        assert_eq!(Exit::from_code(2), Exit::Failed);
        assert_eq!(Exit::from_code(-9), Exit::Failed);
    }

    #[test]
    fn words_and_operations_are_one_to_one() {
        for op in [Op::Start, Op::Stop, Op::Probe, Op::Observe, Op::Monitor] {
            assert_eq!(Op::parse(op.word()), Some(op));
        }
    }

    #[test]
    fn bad_arguments_get_one_clear_line() {
        let told = |words: &[&str]| {
            let args: Vec<OsString> = words.iter().map(OsString::from).collect();
            dispatch(&args).unwrap_err()
        };
        assert!(told(&[]).starts_with("usage:"));
        assert!(told(&["start"]).starts_with("usage:"));
        assert!(told(&["sing", "vz"]).contains("\"sing\""));
        assert_eq!(
            told(&["start", "--timeout", "soon", "vz"]),
            "--timeout wants whole seconds, not \"soon\""
        );
    }

    #[test]
    fn an_unknown_resource_is_unfit_by_name() {
        let answer = operate(
            Op::Start,
            "no-such-script",
            &[],
            Deadline::after(Duration::from_secs(1)),
        );
        assert_eq!(answer.exit, Exit::Unfit);
        assert!(
            answer
                .reason
                .starts_with("no resource is called \"no-such-script\": /etc/ha.d/resource.d/no-such-script"),
            "{}",
            answer.reason
        );
    }
}
