//! Starts, stops and judges OpenVZ's `vz` service by what really runs.
//!
//! The service's exit codes and status prove nothing: start exits 0 with failed containers, stop exits 0 with
//! running ones, status is a marker file. So the kernel's list of containers judges where there is one, and the
//! service's word counts only without it.
mod containers;

use crate::agent::{Answer, Exit, Op};
use crate::mounts;
use crate::program::{self, Deadline, End, Finished};
use crate::systemd;
use containers::{running_by_kernel, running_by_vzlist, says_yes, tell, value_of, wanted};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two tries while the service is locked by another start or stop, or did half its work.
const RETRY: Duration = Duration::from_secs(2);
/// How many stops may leave containers before the stop has failed.
const STOP_ROUNDS: u32 = 5;
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
            proc_vz: PathBuf::from("/proc/vz"),
            vzreboot: PathBuf::from("/var/lib/vzctl/vzreboot"),
            vzlist: program::find("vzlist"),
            vzctl: program::find("vzctl"),
            mount: std::env::var_os("HA_OVZHA_MOUNT")
                .filter(|dir| !dir.is_empty())
                .map(PathBuf::from),
        }
    }
}

/// What the service says of itself.
enum Said {
    Running,
    Stopped,
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
        let running = self.running_by_kernel();
        match self.said(deadline) {
            Said::Running if self.mount_is_missing() => {
                Answer::new(Exit::Unclear, "vz says running, but its mount is missing")
            }
            Said::Running => self.judge(deadline, running, Exit::Degraded),
            Said::Stopped => match running.filter(|ids| !ids.is_empty()) {
                Some(ids) => degraded(format!("vz says stopped, but {} run", tell(&ids))),
                None => Answer::new(Exit::NotRunning, "vz is stopped"),
            },
            Said::Unfit(reason) => degraded(reason),
            Said::Unclear(reason) => Answer::failed(reason),
        }
    }

    fn probe(&self, deadline: Deadline) -> Answer {
        let unclear = |reason: String| Answer::new(Exit::Unclear, reason);
        let running = self.running_by_kernel();
        let any = running.as_ref().is_some_and(|ids| !ids.is_empty());
        match self.said(deadline) {
            Said::Running if self.mount_is_missing() => unclear("vz says running, but its mount is missing".to_owned()),
            Said::Running => self.judge(deadline, running, Exit::Unclear),
            Said::Stopped if any => unclear(format!(
                "vz says stopped, but {} run",
                tell(&running.unwrap_or_default())
            )),
            Said::Stopped => Answer::new(Exit::NotRunning, "vz is stopped"),
            Said::Unfit(reason) => Answer::unfit(reason),
            Said::Unclear(reason) => unclear(reason),
        }
    }

    fn start(&self, deadline: Deadline) -> Answer {
        if let Err(reason) = self.fitness() {
            return Answer::unfit(reason);
        }
        match self.said(deadline) {
            Said::Running => {
                let running = self.running_by_kernel();
                let hollow = running.as_ref().is_some_and(Vec::is_empty) && !wanted(&self.conf_dir).is_empty();
                if !hollow {
                    return self.judge(deadline, running, Exit::Degraded);
                }
                // It was started without its containers, as at boot with /vz away: a start would do nothing.
                if let Err(reason) = self.call("stop", deadline) {
                    return Answer::failed(reason);
                }
            }
            Said::Unfit(reason) => return Answer::unfit(reason),
            Said::Stopped | Said::Unclear(_) => {}
        }
        self.clear_leftovers();
        loop {
            let finished = match self.call("start", deadline) {
                Ok(finished) => finished,
                Err(reason) => return Answer::failed(reason),
            };
            if is_locked(&finished) {
                if deadline.pause(RETRY) {
                    continue;
                }
                return Answer::failed("vz stays locked by another start or stop");
            }
            return match finished.end {
                // not unfit: something was begun here, and must be undone
                End::Exited(0) => match self.judge(deadline, self.running_by_kernel(), Exit::Degraded) {
                    answer if answer.exit == Exit::Unfit => Answer::failed(answer.reason),
                    answer => answer,
                },
                End::Exited(5 | 6) => Answer::unfit(format!("this node can't run vz: {}", finished.reason())),
                End::Exited(_) | End::Signalled(_) | End::TimedOut | End::Stuck(_) => {
                    Answer::failed(format!("vz start: {}", finished.reason()))
                }
            };
        }
    }

    /// Compares what runs with what is wanted; `lacking` is the exit when some are missing.
    ///
    /// A probe calls a service without any of its containers unclear, but one with some of them whole: a bad
    /// container is no reason to move a group.
    fn judge(&self, deadline: Deadline, running: Option<Vec<String>>, lacking: Exit) -> Answer {
        let Some(running) = running.or_else(|| self.running_by_vzlist(deadline)) else {
            return match self.said(deadline) {
                Said::Running => Answer::done("vz says running"),
                Said::Stopped => Answer::failed("vz start exited 0, but vz says stopped"),
                Said::Unfit(reason) => Answer::unfit(reason),
                Said::Unclear(reason) => Answer::failed(reason),
            };
        };
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
        loop {
            let running = self.running_by_kernel();
            let none = running.as_ref().is_none_or(Vec::is_empty);
            let said = self.said(deadline);
            match said {
                Said::Stopped if none => return Answer::done("vz is stopped"),
                // Not installed, switched off, or the wrong kernel: with no container there is nothing to stop.
                Said::Unfit(reason) if none => return Answer::done(format!("no container runs: {reason}")),
                Said::Running | Said::Stopped | Said::Unfit(_) | Said::Unclear(_) => {}
            }
            if rounds == STOP_ROUNDS || (rounds > 0 && !deadline.pause(RETRY)) {
                let left = running.filter(|ids| !ids.is_empty());
                return Answer::failed(
                    left.map_or("vz stop exited, but vz still says running".to_owned(), |ids| {
                        format!("vz stop exited, but {} still run", tell(&ids))
                    }),
                );
            }
            match self.call("stop", deadline) {
                Ok(finished) if is_locked(&finished) => {
                    rounds = 1;
                    continue;
                }
                Ok(finished) if matches!(finished.end, End::TimedOut | End::Stuck(_)) => {
                    return Answer::failed(format!("vz stop: {}", finished.reason()));
                }
                // Whatever it says, the list decides.
                Ok(_) | Err(_) => {}
            }
            self.stop_leftovers(deadline);
            rounds += 1;
        }
    }

    /// Stops by themselves the containers that the service left.
    fn stop_leftovers(&self, deadline: Deadline) {
        let Some(vzctl) = &self.vzctl else { return };
        for id in self.running_by_kernel().unwrap_or_default() {
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
        if let Some(link) = self.dangling() {
            return Err(format!("{} is a link to nowhere", link.display()));
        }
        if self.proc_vz.is_dir() && !self.conf_dir.is_dir() {
            return Err(format!("{} is no directory", self.conf_dir.display()));
        }
        Ok(())
    }

    fn mount_is_missing(&self) -> bool {
        self.mount.as_deref().is_some_and(|mount| {
            let mount = fs::canonicalize(mount).unwrap_or_else(|_| mount.to_path_buf());
            !mounts::own().is_ok_and(|table| mounts::at(&table, &mount).is_some())
        })
    }

    /// A link whose target isn't there, as all of them while the shared device is away.
    fn dangling(&self) -> Option<&Path> {
        let dangles = |path: &&PathBuf| fs::symlink_metadata(path).is_ok() && fs::metadata(path).is_err();
        self.links.iter().find(dangles).map(PathBuf::as_path)
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
        let finished = match self.call("status", deadline.within(QUESTION)) {
            Ok(finished) => finished,
            Err(reason) => return Said::Unclear(reason),
        };
        match finished.end {
            End::Exited(0) => Said::Running,
            End::Exited(1..=3) => Said::Stopped,
            // With the shared device away its configuration is too: no sign against the node.
            End::Exited(5 | 6) if self.dangling().is_some() => Said::Stopped,
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

    /// The kernel's list; `None` where there is none.
    fn running_by_kernel(&self) -> Option<Vec<String>> {
        fs::read_to_string(self.proc_vz.join("veinfo"))
            .ok()
            .map(|text| running_by_kernel(&text))
    }

    fn running_by_vzlist(&self, deadline: Deadline) -> Option<Vec<String>> {
        let args = ["-a", "-H", "-o", "ctid,status"];
        let finished = program::run(self.vzlist.as_deref()?, &args, deadline.within(QUESTION)).ok()?;
        // Nothing at all, exit 0: that is how it looks off an OpenVZ kernel too.
        let told = finished.succeeded() && !finished.stdout.trim().is_empty();
        told.then(|| running_by_vzlist(&finished.stdout))
    }

    /// Removes what another node or an earlier time left: locks of containers that don't run, and the list of
    /// containers to start again on this node.
    fn clear_leftovers(&self) {
        let conf = self.conf();
        let locks = PathBuf::from(value_of(&conf, "LOCKDIR").unwrap_or_else(|| "/vz/lock".to_owned()));
        // A lock directory that isn't on the shared device is this node's own affair.
        if self.mount.as_ref().is_none_or(|mount| locks.starts_with(mount)) {
            let running = self.running_by_kernel().unwrap_or_default();
            remove_files(&locks, |name, path| {
                name.strip_suffix(".lck")
                    .is_some_and(|id| !running.iter().any(|one| one == id))
                    && is_stale(path)
            });
        }
        remove_files(&self.vzreboot, |name, _| containers::is_id(name));
    }
}

/// Whether the lock's process isn't a vzctl of this node. The number alone proves nothing: it may be the other
/// node's, and somebody else's here.
fn is_stale(lock: &Path) -> bool {
    let text = fs::read_to_string(lock).unwrap_or_default();
    let pid = text.split_whitespace().next().and_then(|word| word.parse::<u32>().ok());
    let command = pid
        .and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok())
        .unwrap_or_default();
    !command.starts_with("vz")
}

/// Removes the files in `dir` that `unwanted` picks by name and path. One that stays shows as "locked" later.
fn remove_files(dir: &Path, unwanted: impl Fn(&str, &Path) -> bool) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file
            && entry
                .file_name()
                .to_str()
                .is_some_and(|name| unwanted(name, &entry.path()))
        {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Whether the script refused because another start or stop runs.
fn is_locked(finished: &Finished) -> bool {
    finished.stdout.contains("is locked") || finished.stderr.contains("is locked")
}
