//! Runs a resource that is a systemd unit, through `systemctl`.
//!
//! Heartbeat knew scripts only; a unit is asked for last, so no file of an old cluster changes its meaning. systemctl
//! waits for the job and tells how it ended; what counts is the unit's state afterwards.
use crate::agent::{Answer, Exit, Op};
use crate::program::{self, Deadline, Finished, last_line};
use crate::systemd;
use std::io;
use std::path::{Path, PathBuf};

/// Where unit files lie, the first directory wins.
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The unit that a resource called `name` would be.
#[must_use]
pub fn unit_name(name: &str) -> String {
    if name.ends_with(".service") {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// The file of the unit for a resource called `name` on the machine below `root`; of `web@7` that is `web@.service`.
#[must_use]
pub fn find(root: &Path, name: &str) -> Option<PathBuf> {
    let unit = unit_name(name);
    let template = unit.split_once('@').map(|(stem, _)| format!("{stem}@.service"));
    let names: Vec<String> = [Some(unit), template].into_iter().flatten().collect();
    let places = DIRECTORIES
        .iter()
        .flat_map(|dir| names.iter().map(move |name| format!("{dir}/{name}")));
    places
        .map(|place| root.join(place.trim_start_matches('/')))
        .find(|path| path.exists())
}

/// What systemd shows of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether its file was read: `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, ...
    pub active: String,
    /// The finer word for that.
    pub sub: String,
}

impl State {
    /// Reads the lines `NAME=VALUE` of `systemctl show`.
    #[must_use]
    pub fn parse(text: &str) -> State {
        let value = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default().trim().to_owned()
        };
        State {
            load: value("LoadState"),
            active: value("ActiveState"),
            sub: value("SubState"),
        }
    }

    /// What a probe answers to it.
    #[must_use]
    pub fn answer(&self, unit: &str) -> Answer {
        let told = format!("{unit} is {} ({})", self.active, self.sub);
        match (self.load.as_str(), self.active.as_str()) {
            (_, "active" | "reloading") => Answer::done(told),
            ("loaded", "inactive" | "failed") => Answer::new(Exit::NotRunning, told),
            ("loaded", _) => Answer::new(Exit::Unclear, told),
            (load, _) => Answer::unfit(format!("{unit} is {load}: systemd can't start it")),
        }
    }
}

/// Runs one operation of the unit called `unit`.
#[must_use]
pub fn operate(op: Op, unit: &str, args: &[&str], deadline: Deadline) -> Answer {
    if !args.is_empty() {
        return Answer::unfit(format!("{unit} is a systemd unit, which takes no arguments"));
    }
    let Some(systemctl) = program::find("systemctl") else {
        return Answer::unfit(format!("systemctl is not installed (looked in {})", program::PATH));
    };
    Unit {
        systemctl,
        name: unit.to_owned(),
    }
    .operate(op, deadline)
}

/// One unit of this machine.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The `systemctl` program.
    pub systemctl: PathBuf,
    /// The unit's whole name.
    pub name: String,
}

impl Unit {
    /// Runs one operation.
    #[must_use]
    pub fn operate(&self, op: Op, deadline: Deadline) -> Answer {
        match op {
            Op::Probe | Op::Observe | Op::Monitor => self.probe(deadline),
            Op::Start => self.start(deadline),
            Op::Stop => self.stop(deadline),
        }
    }

    fn probe(&self, deadline: Deadline) -> Answer {
        let show = [
            "show",
            "-p",
            "LoadState",
            "-p",
            "ActiveState",
            "-p",
            "SubState",
            &self.name,
        ];
        match self.run(&show, deadline) {
            Ok(finished) if finished.succeeded() => State::parse(&finished.stdout).answer(&self.name),
            Ok(finished) => Answer::failed(format!("systemctl show {}: {}", self.name, finished.reason())),
            Err(why) => Answer::failed(why),
        }
    }

    fn start(&self, deadline: Deadline) -> Answer {
        let before = self.probe(deadline);
        if before.exit == Exit::Unfit {
            return before;
        }
        // also where it is active: systemctl knows that, and waits where it is on its way
        self.change("start", Exit::Done, deadline)
    }

    fn stop(&self, deadline: Deadline) -> Answer {
        let before = self.probe(deadline);
        if matches!(before.exit, Exit::Unfit | Exit::NotRunning) {
            return Answer::done(before.reason);
        }
        self.change("stop", Exit::NotRunning, deadline)
    }

    /// Has systemd do it, and looks at what came of it.
    fn change(&self, verb: &str, wanted: Exit, deadline: Deadline) -> Answer {
        let changed = systemd::change(&self.systemctl, verb, &self.name, deadline);
        let finished = match changed.map_err(|error| self.not_run(&error)) {
            Ok(finished) => finished,
            Err(why) => return Answer::failed(why),
        };
        let after = self.probe(deadline);
        if finished.succeeded() && after.exit == wanted {
            return Answer::done(after.reason);
        }
        let said = last_line(&finished.stderr).map_or_else(|| finished.reason(), str::to_owned);
        Answer::failed(format!("systemctl {verb} {}: {said}; {}", self.name, after.reason))
    }

    fn run(&self, args: &[&str], deadline: Deadline) -> Result<Finished, String> {
        program::run(&self.systemctl, args, deadline).map_err(|error| self.not_run(&error))
    }

    fn not_run(&self, error: &io::Error) -> String {
        format!("{} can't be run: {error}", self.systemctl.display())
    }
}
