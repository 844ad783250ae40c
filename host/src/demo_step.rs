//! The resource of `ovzha demo`: a step that leaves a mark in a directory instead of doing something to the machine.
//!
//! `ovzha-demo::STEP::DIR` runs where `DIR/STEP.running` says so by the node's name, and every start and stop adds a
//! line to `DIR/journal`: milliseconds since 1970, node, operation, step. The step `disk` behaves like DRBD: while
//! the other node's name stands there it can't be started.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::agent::{Answer, Exit, Op};

/// The name in `haresources`.
pub const NAME: &str = "ovzha-demo";
/// The step that stands for the mirrored disk.
pub const DISK: &str = "disk";

/// Checks the arguments as they stand in `haresources`.
///
/// # Errors
/// One sentence.
pub fn check(args: &[&str]) -> Result<(), String> {
    let &[step, dir] = args else {
        return Err(format!("{NAME} needs {NAME}::STEP::DIR"));
    };
    if step.is_empty() || !step.chars().all(|c| c.is_ascii_lowercase()) {
        return Err(format!("{NAME}: a step is a word of small letters"));
    }
    if Path::new(dir).is_absolute() {
        Ok(())
    } else {
        Err(format!("{NAME}: the directory must be an absolute path"))
    }
}

/// Runs one operation for the node that `HA_CURHOST` names.
#[must_use]
pub fn operate(op: Op, args: &[&str]) -> Answer {
    let node = std::env::var("HA_CURHOST").unwrap_or_default();
    operate_as(&node, op, args)
}

fn operate_as(node: &str, op: Op, args: &[&str]) -> Answer {
    if let Err(why) = check(args) {
        return Answer::unfit(why);
    }
    if node.is_empty() {
        return Answer::unfit("HA_CURHOST names no node");
    }
    let (Some(step), Some(dir)) = (args.first(), args.get(1).map(Path::new)) else {
        return Answer::unfit("no step, no directory");
    };
    let done = match op {
        Op::Start => start(node, step, dir),
        Op::Stop => stop(node, step, dir),
        Op::Probe | Op::Observe | Op::Monitor => probe(node, step, dir),
    };
    done.unwrap_or_else(|error| Answer::failed(format!("{}: {error}", dir.display())))
}

fn start(node: &str, step: &str, dir: &Path) -> io::Result<Answer> {
    let mark = dir.join(format!("{step}.running"));
    match OpenOptions::new().write(true).create_new(true).open(&mark) {
        Ok(mut file) => file.write_all(node.as_bytes())?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Ok(match fs::read_to_string(&mark)? {
                owner if owner == node => Answer::done(format!("{step} runs here already")),
                owner if step == DISK => Answer::new(Exit::Blocked, format!("{owner} has the disk")),
                owner => Answer::failed(format!("{step} runs on {owner}")),
            });
        }
        Err(error) => return Err(error),
    }
    journal(node, "start", step, dir)?;
    Ok(Answer::done(format!("{step} started")))
}

fn stop(node: &str, step: &str, dir: &Path) -> io::Result<Answer> {
    if owner(step, dir)?.as_deref() != Some(node) {
        return Ok(Answer::done(format!("{step} does not run here")));
    }
    fs::remove_file(dir.join(format!("{step}.running")))?;
    journal(node, "stop", step, dir)?;
    Ok(Answer::done(format!("{step} stopped")))
}

fn probe(node: &str, step: &str, dir: &Path) -> io::Result<Answer> {
    Ok(if owner(step, dir)?.as_deref() == Some(node) {
        Answer::done(format!("{step} runs here"))
    } else {
        Answer::new(Exit::NotRunning, format!("{step} does not run here"))
    })
}

/// The node whose name stands there.
fn owner(step: &str, dir: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(dir.join(format!("{step}.running"))) {
        Ok(owner) => Ok(Some(owner)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn journal(node: &str, word: &str, step: &str, dir: &Path) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let line = format!("{} {node} {word} {step}\n", now.as_millis());
    let mut file = OpenOptions::new().append(true).create(true).open(dir.join("journal"))?;
    // one write: lines of two nodes never mix
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_runs_on_one_node_and_says_so_in_the_journal() {
        let dir = std::env::temp_dir().join(format!("ovzha-demo-step-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let exit = |node: &str, op: Op, step: &str| operate_as(node, op, &[step, dir.to_str().unwrap()]).exit;
        assert_eq!(exit("a", Op::Probe, "disk"), Exit::NotRunning);
        assert_eq!(exit("a", Op::Start, "disk"), Exit::Done);
        assert_eq!(exit("a", Op::Start, "disk"), Exit::Done);
        assert_eq!(exit("a", Op::Probe, "disk"), Exit::Done);
        assert_eq!(exit("b", Op::Probe, "disk"), Exit::NotRunning);
        assert_eq!(exit("b", Op::Start, "disk"), Exit::Blocked);
        assert_eq!(exit("b", Op::Stop, "disk"), Exit::Done);
        assert_eq!(exit("a", Op::Start, "mount"), Exit::Done);
        assert_eq!(exit("b", Op::Start, "mount"), Exit::Failed);
        assert_eq!(exit("a", Op::Stop, "disk"), Exit::Done);
        let journal = fs::read_to_string(dir.join("journal")).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        let told: Vec<&str> = journal.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(told, ["a start disk", "a start mount", "a stop disk"]);
    }

    #[test]
    fn bad_arguments_are_told() {
        assert!(check(&["disk"]).is_err());
        assert!(check(&["../x", "/tmp"]).is_err());
        assert!(check(&["disk", "tmp"]).is_err());
        assert_eq!(check(&["disk", "/tmp"]), Ok(()));
        assert_eq!(operate_as("", Op::Start, &["disk", "/tmp"]).exit, Exit::Unfit);
    }
}
