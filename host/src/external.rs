//! Runs what is not built in: the scripts of `/etc/ha.d/resource.d` and `/etc/init.d`, called as Heartbeat called them.
//!
//! ```text
//! NAME::ARG1::ARG2  ->  SCRIPT ARG1 ARG2 start|stop|status
//! ```
//!
//! Whether it runs is what `status` prints: "not running", else "running" or "OK". An exit code counts only for an init
//! script that prints neither, as the LSB has it: 0 runs. Many scripts never say "running" at all, and worked under
//! Heartbeat, so a start is believed; a stop is believed unless the script itself still says that it runs.
use crate::agent::{Answer, Exit, Op};
use crate::program::{self, Deadline, End, Finished};
use crate::trusted_file;
use crate::unit;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the configuration of Heartbeat and ours is.
pub const HA_DIR: &str = "/etc/ha.d";
/// How often a stop is tried, and the pause between: Heartbeat's numbers.
const STOP_TRIES: u32 = 11;
const STOP_PAUSE: Duration = Duration::from_secs(1);
/// Names that mean something else in `resource.d`.
const RESERVED: [&str; 1] = ["startstop"];

/// What Heartbeat gave to every script and we do too, where it is known.
const PASSED_ON: [&str; 9] = [
    "HA_CURHOST",
    "HA_DIR",
    "HA_RCDIR",
    "HA_RESOURCEDIR",
    "HA_FUNCS",
    "HA_DATEFMT",
    "HA_LOGFILE",
    "HA_DEBUGLOG",
    "HA_LOGFACILITY",
];

/// What a name leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A script in `resource.d`.
    ResourceScript(PathBuf),
    /// A script in `/etc/init.d`.
    InitScript(PathBuf),
    /// A systemd unit, and its file.
    Unit(String, PathBuf),
}

/// Why `name` can't be the name of a script, if so.
#[must_use]
pub fn name_problem(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '@');
    if RESERVED.contains(&name) {
        return Some("is called at the cluster's start and stop, it is no resource".to_owned());
    }
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    (!begins || !name.chars().all(fits)).then(|| "is no name of a script (letters, digits, `-_.+@`)".to_owned())
}

/// Where a script called `name` would be: in the order in which they are looked at.
fn scripts(root: &Path, ha_dir: &Path, name: &str) -> [PathBuf; 2] {
    [ha_dir.join("resource.d").join(name), root.join("etc/init.d").join(name)]
}

/// Looks `name` up on the machine below `root`.
///
/// # Errors
/// A sentence with every place looked at.
pub fn find(root: &Path, ha_dir: &Path, name: &str) -> Result<Found, String> {
    let [own, init] = scripts(root, ha_dir, name);
    if program::is_executable(&own) {
        return Ok(Found::ResourceScript(own));
    }
    if program::is_executable(&init) {
        return Ok(Found::InitScript(init));
    }
    if let Some(file) = unit::find(root, name) {
        return Ok(Found::Unit(unit::unit_name(name), file));
    }
    let told = |path: &Path| {
        let state = if path.exists() {
            "no executable file"
        } else {
            "not there"
        };
        format!("{} ({state})", path.display())
    };
    Err(format!(
        "{} and {}, nor is there a systemd unit {}",
        told(&own),
        told(&init),
        unit::unit_name(name)
    ))
}

/// Runs one operation of the resource `name`, which is not built in.
#[must_use]
pub fn operate(op: Op, name: &str, args: &[&str], deadline: Deadline) -> Answer {
    if let Some(problem) = name_problem(name) {
        return Answer::unfit(format!("{name:?} {problem}"));
    }
    let ha_dir = std::env::var("HA_DIR").unwrap_or_else(|_| HA_DIR.to_owned());
    let passed = |wanted: &str| std::env::var(wanted).ok();
    match find(Path::new("/"), Path::new(&ha_dir), name) {
        Ok(Found::ResourceScript(path)) => Script::new(path, Judge::Output, &passed).operate(op, args, deadline),
        Ok(Found::InitScript(path)) => Script::new(path, Judge::OutputOrCode, &passed).operate(op, args, deadline),
        Ok(Found::Unit(unit, _)) => unit::operate(op, &unit, args, deadline),
        // A start that found no script began nothing, and the group goes to the peer. A script that vanished while
        // its service runs is another thing: nobody can stop it any more.
        Err(places) if op == Op::Stop => Answer::failed(format!("can't be stopped, its script is gone: {places}")),
        Err(places) => Answer::unfit(format!("no resource is called {name:?}: {places}")),
    }
}

/// How a script's status is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judge {
    /// By its output alone.
    Output,
    /// By its exit code where the output says nothing.
    OutputOrCode,
}

/// One script, and how to call it.
#[derive(Clone, Debug)]
pub struct Script {
    path: PathBuf,
    judge: Judge,
    env: Vec<(&'static str, String)>,
}

impl Script {
    /// The script at `path`; `passed` tells the value of a variable that whoever started us has set.
    pub fn new(path: PathBuf, judge: Judge, passed: &dyn Fn(&str) -> Option<String>) -> Script {
        let mut env = vec![("PATH", program::PATH.to_owned()), ("LC_ALL", "C".to_owned())];
        env.extend(PASSED_ON.iter().filter_map(|name| Some((*name, passed(name)?))));
        Script { path, judge, env }
    }

    /// Runs one operation.
    #[must_use]
    pub fn operate(&self, op: Op, args: &[&str], deadline: Deadline) -> Answer {
        if let Some(problem) = trusted_file::program_problem(&self.path) {
            let text = format!("is not run, somebody else could have changed it: {problem}");
            let exit = if op == Op::Stop { Exit::Failed } else { Exit::Unfit };
            return Answer::new(exit, text);
        }
        match op {
            Op::Probe | Op::Observe | Op::Monitor => match self.status(args, deadline) {
                Ok(status) => status.answer(),
                Err(why) => Answer::failed(why),
            },
            Op::Start => self.start(args, deadline),
            Op::Stop => self.stop(args, deadline),
        }
    }

    fn start(&self, args: &[&str], deadline: Deadline) -> Answer {
        match self.status(args, deadline) {
            Ok(status) if status.runs => return Answer::done(format!("already running: {}", status.said)),
            Ok(_) => {}
            Err(why) => return Answer::failed(why),
        }
        let finished = match self.call(args, "start", deadline) {
            Ok(finished) => finished,
            Err(why) => return Answer::failed(why),
        };
        if !finished.succeeded() {
            return Answer::failed(format!("{} start: {}", self.path.display(), ended(&finished)));
        }
        match self.status(args, deadline) {
            Ok(status) if status.runs => Answer::done(status.said),
            // Heartbeat did not look; a service may also need a moment
            Ok(status) => Answer::done(format!("started, though its status is: {}", status.said)),
            Err(why) => Answer::done(format!("started, though {why}")),
        }
    }

    fn stop(&self, args: &[&str], deadline: Deadline) -> Answer {
        // one that was seen to say both can be believed when it says "not running" after a failed stop
        let before = self.status(args, deadline);
        let honest = before.is_ok_and(|status| status.runs);
        let mut tries = 0;
        loop {
            tries += 1;
            let finished = match self.call(args, "stop", deadline) {
                Ok(finished) => finished,
                Err(why) => return Answer::failed(why),
            };
            let over = tries >= STOP_TRIES;
            let after = self.status(args, deadline);
            let trouble = match &after {
                Ok(status) if status.runs => format!("{}; its status is: {}", ended(&finished), status.said),
                Ok(status) if finished.succeeded() => return Answer::done(&status.said),
                Ok(status) if honest || over => {
                    return Answer::done(format!("{} ({})", status.said, ended(&finished)));
                }
                Ok(_) => ended(&finished),
                Err(_) if finished.succeeded() => return Answer::done("stopped, its status can't be told"),
                Err(why) => format!("{}; {why}", ended(&finished)),
            };
            if over || !deadline.pause(STOP_PAUSE) {
                return Answer::failed(format!("{} stop, {tries} times: {trouble}", self.path.display()));
            }
        }
    }

    /// Asks the script whether its service runs.
    fn status(&self, args: &[&str], deadline: Deadline) -> Result<Status, String> {
        let words: Vec<&str> = args.iter().copied().chain(["status"]).collect();
        let finished = program::run_in(&self.path, &words, &self.env, deadline);
        let finished = finished.map_err(|error| format!("{} can't be run: {error}", self.path.display()))?;
        match finished.end {
            End::Exited(_) => Ok(Status::judge(self.judge, &finished)),
            End::Signalled(_) | End::TimedOut | End::Stuck(_) => {
                Err(format!("{} status {}", self.path.display(), ended(&finished)))
            }
        }
    }

    fn call(&self, args: &[&str], verb: &str, deadline: Deadline) -> Result<Finished, String> {
        let words: Vec<&str> = args.iter().copied().chain([verb]).collect();
        let finished = program::run_leaving(&self.path, &words, &self.env, deadline);
        finished.map_err(|error| format!("{} can't be run: {error}", self.path.display()))
    }
}

/// How a call ended, with the script's last words.
fn ended(finished: &Finished) -> String {
    let said = program::last_line(&finished.stderr).or_else(|| program::last_line(&finished.stdout));
    match (finished.end, said) {
        (End::Exited(code), Some(said)) => format!("exit code {code}: {}", program::one_line(said)),
        _ => finished.reason(),
    }
}

/// What a script says of its service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Whether it runs.
    pub runs: bool,
    /// The script's words, or its exit code.
    pub said: String,
}

impl Status {
    /// Reads what `status` left: its standard output only, as in Heartbeat.
    #[must_use]
    pub fn judge(judge: Judge, finished: &Finished) -> Status {
        let runs = match words(&finished.stdout) {
            Some(runs) => runs,
            None => judge == Judge::OutputOrCode && finished.end == End::Exited(0),
        };
        let said = program::last_line(&finished.stdout).map_or_else(|| ended(finished), program::one_line);
        Status { runs, said }
    }

    fn answer(self) -> Answer {
        let exit = if self.runs { Exit::Done } else { Exit::NotRunning };
        Answer::new(exit, self.said)
    }
}

/// What a status text says to Heartbeat: "not" with a blank, then "running" anywhere behind it; else "running" or "OK"
/// anywhere. `None`: neither, which to Heartbeat is the same as "not running".
#[must_use]
pub fn words(text: &str) -> Option<bool> {
    let running = |text: &str| text.contains("running") || text.contains("Running");
    let lower = text.to_ascii_lowercase();
    // lower case has the same places: only ASCII letters changed
    let denied = lower.find("not ").and_then(|place| text.get(place..));
    if denied.is_some_and(running) {
        return Some(false);
    }
    (running(text) || text.contains("OK")).then_some(true)
}
