//! Starts, stops and judges OpenVZ's `vz` service by what really runs.
//!
//! The service's exit codes and status prove nothing: start exits 0 with failed containers, stop exits 0 with
//! running ones, status is a marker file. So the kernel's list of containers judges where there is one, else vzlist's,
//! and the service's word counts only without both.
pub mod containers;
mod layout;
mod locks;

use crate::agent::{Answer, Exit, Op};
use crate::mounts;
use crate::program::{self, Deadline, End, Finished};
use crate::systemd;
use containers::{running_by_kernel, running_by_vzlist, says_yes, tell, value_of, wanted};
use locks::holder;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two tries while the service is locked by another start or stop, or did half its work.
const RETRY: Duration = Duration::from_secs(2);
/// How many stops may leave containers before the stop has failed.
const STOP_ROUNDS: u32 = 5;
/// What is told of a lock that does not go.
const LOCKED: &str = "vz stays locked by another start or stop";
/// How long a question to the service may take.
const QUESTION: Duration = Duration::from_secs(30);

/// Where OpenVZ lies on this machine; another tree in tests.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The init script.
    pub init_script: PathBuf,
    /// The systemctl program, if systemd runs here and knows `vz.service`.
    pub systemctl: Option<PathBuf>,
    /// The global configuration.
    pub vz_conf: PathBuf,
    /// The containers' configurations.
    pub conf_dir: PathBuf,
    /// Whatever may be a link to the shared device, in the article's layout.
    pub links: Vec<PathBuf>,
    /// The init script's own lock, one place or the other.
    pub script_locks: Vec<PathBuf>,
    /// The kernel's directory.
    pub proc_vz: PathBuf,
    /// The containers that ran at the last stop on this node.
    pub vzreboot: PathBuf,
    /// The vzlist program.
    pub vzlist: Option<PathBuf>,
    /// The vzctl program.
    pub vzctl: Option<PathBuf>,
    /// The mount point of the group's file system, when the daemon says it.
    pub mount: Option<PathBuf>,
    /// The daemon's state directory, when it says it.
    pub state_dir: Option<PathBuf>,
}

impl Paths {
    /// The places on a real node.
    #[must_use]
    pub fn real() -> Paths {
        let unit_dirs = [
            "/etc/systemd/system",
            "/run/systemd/generator.late",
            "/usr/lib/systemd/system",
            "/lib/systemd/system",
        ];
        let has_unit = Path::new("/run/systemd/system").is_dir()
            && unit_dirs.iter().any(|dir| Path::new(dir).join("vz.service").exists());
        let links = [
            "/etc/vz",
            "/etc/vz/vz.conf",
            "/etc/vz/conf",
            "/etc/sysconfig/vz",
            "/etc/sysconfig/vz-scripts",
            "/var/vzquota",
        ];
        Paths {
            init_script: PathBuf::from("/etc/init.d/vz"),
            systemctl: has_unit.then(|| program::find("systemctl")).flatten(),
            vz_conf: PathBuf::from("/etc/vz/vz.conf"),
            conf_dir: PathBuf::from("/etc/vz/conf"),
            links: links.map(PathBuf::from).to_vec(),
            script_locks: ["/var/lock/subsys/vz_lock", "/var/lock/vz_lock"]
                .map(PathBuf::from)
                .to_vec(),
            proc_vz: PathBuf::from("/proc/vz"),
            vzreboot: PathBuf::from("/var/lib/vzctl/vzreboot"),
            vzlist: program::find("vzlist"),
            vzctl: program::find("vzctl"),
            mount: told_by_daemon("HA_OVZHA_MOUNT"),
            state_dir: told_by_daemon("HA_OVZHA_STATE"),
        }
    }
}

fn told_by_daemon(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// What the service says of itself.
enum Said {
    Running,
    Stopped,
    /// A start or stop is under way; whose, in a few words.
    Changing(String),
    Unfit(String),
    Unclear(String),
}

/// Runs one operation of `vz`.
#[must_use]
pub fn operate(op: Op, args: &[&str], deadline: Deadline) -> Answer {
    if !args.is_empty() {
        return Answer::unfit("vz takes no arguments");
    }
    Paths::real().operate(op, deadline)
}

impl Paths {
    /// Runs one operation.
    #[must_use]
    pub fn operate(&self, op: Op, deadline: Deadline) -> Answer {
        match op {
            Op::Start => self.start(deadline),
            Op::Stop => self.stop(deadline),
            Op::Probe | Op::Observe => self.probe(deadline),
            Op::Monitor => self.monitor(deadline),
        }
    }

    /// Whether the service still runs. Its word alone proves little: where it contradicts what runs, that is told, and
    /// nothing is stopped for it. Nor for missing containers: somebody may have stopped them, one by one.
    fn monitor(&self, deadline: Deadline) -> Answer {
        let degraded = |reason: String| Answer::new(Exit::Degraded, reason);
        let running = self.running(deadline);
        match self.said(deadline) {
            Said::Running if self.mount_is_missing() => {
                Answer::new(Exit::Unclear, "vz says running, but its mount is missing")
            }
            Said::Running => self.judge(deadline, running, Exit::Degraded),
            Said::Stopped => match running.filter(|ids| !ids.is_empty()) {
                Some(ids) => degraded(format!("vz says stopped, but {} run", tell(&ids))),
                None => Answer::new(Exit::NotRunning, "vz is stopped"),
            },
            Said::Unfit(reason) | Said::Changing(reason) => degraded(reason),
            Said::Unclear(reason) => Answer::failed(reason),
        }
    }

    fn probe(&self, deadline: Deadline) -> Answer {
        let unclear = |reason: String| Answer::new(Exit::Unclear, reason);
        let running = self.running(deadline);
        let any = running.as_ref().is_some_and(|ids| !ids.is_empty());
        match self.said(deadline) {
            Said::Running if self.mount_is_missing() => unclear("vz says running, but its mount is missing".to_owned()),
            Said::Running => self.judge(deadline, running, Exit::Unclear),
            Said::Stopped if any => unclear(format!(
                "vz says stopped, but {} run",
                tell(&running.unwrap_or_default())
            )),
            Said::Stopped => match self.misplaced() {
                Some(reason) => Answer::unfit(reason),
                None => Answer::new(Exit::NotRunning, "vz is stopped"),
            },
            Said::Unfit(reason) => Answer::unfit(reason),
            Said::Changing(reason) | Said::Unclear(reason) => unclear(reason),
        }
    }

    fn start(&self, deadline: Deadline) -> Answer {
        if let Err(reason) = self.fitness() {
            return Answer::unfit(reason);
        }
        match self.said(deadline) {
            Said::Running => {
                let running = self.running(deadline);
                // Where nobody knows what runs, too: OpenVZ 7's unit may be active since boot.
                let hollow = running.as_ref().is_none_or(Vec::is_empty) && !wanted(&self.conf_dir).is_empty();
                if !hollow {
                    return self.judge(deadline, running, Exit::Degraded);
                }
                // It was started without its containers, as at boot with /vz away: a start would do nothing.
                if let Err(reason) = self.call("stop", deadline) {
                    return Answer::failed(reason);
                }
            }
            Said::Unfit(reason) => return Answer::unfit(reason),
            Said::Stopped | Said::Changing(_) | Said::Unclear(_) => {}
        }
        self.clear_leftovers(deadline);
        loop {
            let finished = match self.call("start", deadline) {
                Ok(finished) => finished,
                Err(reason) => return Answer::failed(reason),
            };
            if is_locked(&finished) {
                self.clear_script_locks();
                if deadline.pause(RETRY) {
                    continue;
                }
                return Answer::failed(LOCKED);
            }
            return match finished.end {
                End::Exited(0) => self.begun(deadline),
                End::Exited(5 | 6) => Answer::unfit(format!("this node can't run vz: {}", finished.reason())),
                End::Exited(_) | End::Signalled(_) | End::TimedOut | End::Stuck(_) => {
                    Answer::failed(format!("vz start: {}", finished.reason()))
                }
            };
        }
    }

    /// The service was started: has its missing containers started one by one, once, and judges.
    fn begun(&self, deadline: Deadline) -> Answer {
        let why = self.start_missing(deadline);
        let mut answer = self.judge(deadline, self.running(deadline), Exit::Degraded);
        if let Some(dir) = &self.state_dir {
            match layout::replaced(dir) {
                // It works all the same: a reason to tell, none to give the group up.
                Some(reason) if matches!(answer.exit, Exit::Done | Exit::Degraded) => {
                    answer = Answer::new(Exit::Degraded, format!("{}; {reason}", answer.reason));
                }
                Some(_) => {}
                None => layout::keep(dir, &self.links),
            }
        }
        match (answer.exit, why) {
            // not unfit: something was begun here, and must be undone
            (Exit::Unfit, _) => Answer::failed(answer.reason),
            (Exit::Degraded, Some(why)) => Answer::new(Exit::Degraded, format!("{}: {why}", answer.reason)),
            _ => answer,
        }
    }

    /// Starts by themselves the containers that the service left out; says why the last one that failed did.
    fn start_missing(&self, deadline: Deadline) -> Option<String> {
        let vzctl = self.vzctl.as_ref()?;
        let running = self.running(deadline)?;
        let mut why = None;
        for id in wanted(&self.conf_dir).iter().filter(|id| !running.contains(id)) {
            match program::run(vzctl, &["start", id], deadline) {
                Ok(finished) if finished.succeeded() => {}
                Ok(finished) => why = Some(finished.reason()),
                Err(error) => why = Some(format!("vzctl can't be run: {error}")),
            }
            if deadline.is_over() {
                break;
            }
        }
        why
    }

    /// Compares what runs with what is wanted; `lacking` is the exit when some are missing.
    ///
    /// A probe calls a service without any of its containers unclear, but one with some of them whole: a bad
    /// container is no reason to move a group.
    fn judge(&self, deadline: Deadline, running: Option<Vec<String>>, lacking: Exit) -> Answer {
        let Some(running) = running else {
            return match self.said(deadline) {
                Said::Running => Answer::done("vz says running"),
                Said::Stopped => Answer::failed("vz start exited 0, but vz says stopped"),
                Said::Unfit(reason) => Answer::unfit(reason),
                Said::Changing(reason) | Said::Unclear(reason) => Answer::failed(reason),
            };
        };
        if let Some(reason) = self.unknown_containers() {
            let exit = if running.is_empty() { lacking } else { Exit::Degraded };
            return Answer::new(exit, format!("vz is running, but {reason}"));
        }
        let mut missing = wanted(&self.conf_dir);
        missing.retain(|id| !running.contains(id));
        if missing.is_empty() {
            return Answer::done(format!("vz is running, {} of its containers", running.len()));
        }
        let exit = if lacking == Exit::Unclear && !running.is_empty() {
            Exit::Done
        } else {
            lacking
        };
        Answer::new(exit, format!("vz is running, but {} not", tell(&missing)))
    }

    fn stop(&self, deadline: Deadline) -> Answer {
        let mut rounds = 0;
        let mut locked = false;
        loop {
            let running = self.running(deadline);
            let none = running.as_ref().is_none_or(Vec::is_empty);
            let said = self.said(deadline);
            match said {
                Said::Stopped if none => return Answer::done("vz is stopped"),
                // Not installed, switched off, or the wrong kernel: with no container there is nothing to stop.
                Said::Unfit(reason) if none => return Answer::done(format!("no container runs: {reason}")),
                // "Stopped" is what it says until the last moment of a start.
                Said::Running | Said::Stopped | Said::Changing(_) | Said::Unfit(_) | Said::Unclear(_) => {}
            }
            if rounds == STOP_ROUNDS || (rounds > 0 && !deadline.pause(RETRY)) {
                let left = running.filter(|ids| !ids.is_empty());
                return Answer::failed(match left {
                    _ if locked => LOCKED.to_owned(),
                    Some(ids) => format!("vz stop exited, but {} still run", tell(&ids)),
                    None => "vz stop exited, but vz still says running".to_owned(),
                });
            }
            match self.call("stop", deadline) {
                Ok(finished) if is_locked(&finished) => {
                    (rounds, locked) = (1, true);
                    self.clear_script_locks();
                    continue;
                }
                Ok(finished) if matches!(finished.end, End::TimedOut | End::Stuck(_)) => {
                    return Answer::failed(format!("vz stop: {}", finished.reason()));
                }
                // Whatever it says, the list decides.
                Ok(_) | Err(_) => locked = false,
            }
            self.stop_leftovers(deadline);
            rounds += 1;
        }
    }

    /// Stops by themselves the containers that the service left.
    fn stop_leftovers(&self, deadline: Deadline) {
        let Some(vzctl) = &self.vzctl else { return };
        for id in self.running(deadline).unwrap_or_default() {
            // What it couldn't stop stays in the list.
            drop(program::run(vzctl, &["stop", &id, "--fast"], deadline));
        }
    }

    /// Whether this node can run the service now.
    fn fitness(&self) -> Result<(), String> {
        if self.mount_is_missing() {
            let mount = self.mount.as_deref().unwrap_or(Path::new("/vz"));
            return Err(format!("{} is not mounted", mount.display()));
        }
        if let Some(link) = layout::dangling(&self.links) {
            return Err(format!("{} is a link to nowhere", link.display()));
        }
        if self.proc_vz.is_dir() && !self.conf_dir.is_dir() {
            return Err(format!("{} is no directory", self.conf_dir.display()));
        }
        self.unknown_containers().map_or(Ok(()), Err)
    }

    /// That this node knows none of the containers that lie there, in one sentence; none when it does.
    fn unknown_containers(&self) -> Option<String> {
        // without vzctl another program starts them, by another configuration
        self.vzctl.as_ref()?;
        let private = layout::private_areas(&self.conf(), self.mount.as_deref());
        let ids = layout::unknown_containers(&private, &self.conf_dir);
        (!ids.is_empty()).then(|| {
            format!(
                "{} holds no configuration of {} below {}: an update of a package may have put it there in place of a link",
                self.conf_dir.display(),
                tell(&ids),
                private.display(),
            )
        })
    }

    /// With the shared device away: what would be missing once it is there.
    fn misplaced(&self) -> Option<String> {
        if self.mount_is_missing() {
            layout::replaced(self.state_dir.as_deref()?)
        } else {
            self.unknown_containers()
        }
    }

    fn mount_is_missing(&self) -> bool {
        self.mount.as_deref().is_some_and(|mount| {
            let mount = fs::canonicalize(mount).unwrap_or_else(|_| mount.to_path_buf());
            !mounts::own().is_ok_and(|table| mounts::at(&table, &mount).is_some())
        })
    }

    fn conf(&self) -> String {
        fs::read(&self.vz_conf).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Asks the service for its status and takes its word.
    fn said(&self, deadline: Deadline) -> Said {
        if self.systemctl.is_none() && !program::is_executable(&self.init_script) {
            return Said::Unfit(format!(
                "vz is not installed: no {}, no vz.service",
                self.init_script.display()
            ));
        }
        let conf = self.conf();
        if value_of(&conf, "VIRTUOZZO").is_some() && !says_yes(&conf, "VIRTUOZZO") {
            return Said::Unfit(format!("VIRTUOZZO is not yes in {}", self.vz_conf.display()));
        }
        if self.systemctl.is_none()
            && let Some(pid) = self.script_locks.iter().find_map(|lock| holder(lock))
        {
            return Said::Changing(format!("a start or stop of vz is under way (process {pid})"));
        }
        let finished = match self.call("status", deadline.within(QUESTION)) {
            Ok(finished) => finished,
            Err(reason) => return Said::Unclear(reason),
        };
        match finished.end {
            End::Exited(0) => Said::Running,
            End::Exited(1..=3) => match finished.stdout.trim() {
                word @ ("activating" | "deactivating") => Said::Changing(format!("vz.service is {word}")),
                _ => Said::Stopped,
            },
            // With the shared device away its configuration is too: no sign against the node.
            End::Exited(5 | 6) if layout::dangling(&self.links).is_some() => Said::Stopped,
            End::Exited(5 | 6) => Said::Unfit(format!("this node can't run vz: {}", finished.reason())),
            End::Exited(_) | End::Signalled(_) | End::TimedOut | End::Stuck(_) => {
                Said::Unclear(format!("vz status: {}", finished.reason()))
            }
        }
    }

    fn call(&self, verb: &str, deadline: Deadline) -> Result<Finished, String> {
        // Through systemd the containers live in the service's own control group, not in ours.
        let run = match &self.systemctl {
            Some(systemctl) if verb == "status" => program::run(systemctl, &["is-active", "vz.service"], deadline),
            Some(systemctl) => systemd::change(systemctl, verb, "vz.service", deadline),
            None => program::run(&self.init_script, &[verb], deadline),
        };
        run.map_err(|error| format!("vz {verb} can't be run: {error}"))
    }

    /// What runs: the kernel's list, else vzlist's, else `None`.
    fn running(&self, deadline: Deadline) -> Option<Vec<String>> {
        let kernel = fs::read_to_string(self.proc_vz.join("veinfo")).ok();
        kernel
            .map(|text| running_by_kernel(&text))
            .or_else(|| self.running_by_vzlist(deadline))
    }

    fn running_by_vzlist(&self, deadline: Deadline) -> Option<Vec<String>> {
        let args = ["-a", "-H", "-o", "ctid,status"];
        let finished = program::run(self.vzlist.as_deref()?, &args, deadline.within(QUESTION)).ok()?;
        // Nothing at all, exit 0: that is how it looks with /vz away or off an OpenVZ kernel, too.
        let told = finished.succeeded() && !finished.stdout.trim().is_empty();
        told.then(|| running_by_vzlist(&finished.stdout))
    }

    /// Removes what another node or an earlier time left: locks of containers that don't run, and the list of
    /// containers to start again on this node.
    fn clear_leftovers(&self, deadline: Deadline) {
        let conf = self.conf();
        let dir = PathBuf::from(value_of(&conf, "LOCKDIR").unwrap_or_else(|| "/vz/lock".to_owned()));
        // A lock directory that isn't on the shared device is this node's own affair.
        if self.mount.as_ref().is_none_or(|mount| dir.starts_with(mount)) {
            locks::clear_containers(&dir, &self.running(deadline).unwrap_or_default());
        }
        locks::clear_vzreboot(&self.vzreboot);
    }

    /// Removes the script's own lock if its process isn't OpenVZ's: the script believes any process of that id.
    fn clear_script_locks(&self) {
        for lock in self.script_locks.iter().filter(|lock| holder(lock).is_none()) {
            // one that stays shows as "locked"
            drop(fs::remove_file(lock));
        }
    }
}

/// Whether the script refused because another start or stop runs.
fn is_locked(finished: &Finished) -> bool {
    finished.stdout.contains("is locked") || finished.stderr.contains("is locked")
}
