//! Finds what on this machine would break the cluster or make two nodes active.
//!
//! Every check reads files below a root directory: `/` on a node, a fixture tree in tests. Nothing is run, nothing is
//! changed, no file is read beyond a bound, so that a check ends soon whatever the machine looks like.

mod beside;
mod boot;
mod drbd;
mod drbd_conf;
mod drbd_fencing;
mod drbd_model;
mod drbd_release;
mod drbd_resource;
mod drbd_timing;
mod fstab;
mod lacking;
mod running;
mod serial;
mod stonith;
mod watchdog;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::{self, Config, Files};
use crate::diagnostic::printable;
use crate::external::{self, Found};
use crate::haresources::{self, Resource};
use crate::ovzha_cf::OvzhaCf;
use crate::ovzha_cf::stonith::Means;
use crate::owner::Owner;

pub use drbd_model::{DrbdModel, drbd_model};
pub use stonith::takeover;

/// Largest file a check reads, in bytes (`modules.alias` of a distribution kernel has 1.5 million).
const READ_MAX: u64 = 8 << 20;

/// What a finding means for whoever asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// This machine can't run the cluster as the files ask, or not safely.
    Machine,
    /// It can; a person should know this.
    Warning,
}

/// One finding about this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How much it matters.
    pub class: Class,
    /// Whether it can make both nodes active: the daemon refuses to start on it.
    pub two_actives: bool,
    /// The file it was found in, with the line where there is one.
    pub place: Option<(PathBuf, Option<u32>)>,
    /// What is so, with its effect.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
    /// The lines to write that `remedy` speaks of, as they are to stand in the file; most findings have none.
    pub lines: Vec<String>,
}

impl Finding {
    fn new(class: Class, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            class,
            two_actives: false,
            place: None,
            text: printable(&text.into()),
            remedy: printable(&remedy.into()),
            lines: Vec::new(),
        }
    }

    fn machine(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Class::Machine, text, remedy)
    }

    fn warning(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Class::Warning, text, remedy)
    }

    fn at(mut self, file: impl Into<PathBuf>, line: Option<u32>) -> Self {
        self.place = Some((file.into(), line));
        self
    }

    fn with_lines(mut self, lines: Vec<String>) -> Self {
        self.lines = lines;
        self
    }

    fn two_actives(mut self) -> Self {
        self.two_actives = true;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = |file: &Path| printable(&file.to_string_lossy());
        match &self.place {
            Some((path, Some(line))) => write!(f, "{}:{line}: ", file(path))?,
            Some((path, None)) => write!(f, "{}: ", file(path))?,
            None => {}
        }
        f.write_str(&self.text)
    }
}

/// The rows of the safety table (`docs/SAFETY.md`) this version can hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protection {
    /// Links alone.
    None,
    /// Links, and ping nodes as proof of not being cut off.
    PingNodes,
    /// Links, and a watchdog that resets a node that hangs.
    Watchdog(Timer),
    /// All of these.
    PingNodesAndWatchdog(Timer),
    /// A fence agent: nothing is taken from a node that was not seen without power.
    Fencing,
    /// A third vote, and a watchdog if there is one.
    Witness(Option<Timer>),
    /// The same, and the witness cuts the power of a silent node, so that the other one need not wait.
    WitnessWithRelays(Timer),
    /// A third vote, lent to who wants to start only while the other node is seen without power.
    WitnessInPlace,
}

/// What cuts power, of what makes a row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cuts {
    /// Nothing.
    Nothing,
    /// A fence agent of this node.
    Agent,
    /// The relays of the witness, beside watchdogs.
    Beside,
    /// The same in place of them.
    InPlace,
}

impl Cuts {
    /// What the settings say for this node.
    #[must_use]
    pub fn of(settings: &OvzhaCf, node: &str) -> Self {
        match settings.stonith(node) {
            None => Self::Nothing,
            Some((Means::External(_), _)) => Self::Agent,
            Some((Means::Board { in_place: false }, _)) => Self::Beside,
            Some((Means::Board { in_place: true }, _)) => Self::InPlace,
        }
    }
}

/// What counts a watchdog's timeout.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Timer {
    /// A device of its own.
    Hardware,
    /// The kernel (softdog): it hangs with it.
    Software,
}

impl Timer {
    /// By what the driver calls its device.
    #[must_use]
    pub fn of(identity: &str) -> Self {
        if identity.trim() == "Software Watchdog" {
            Self::Software
        } else {
            Self::Hardware
        }
    }
}

impl Protection {
    /// The row that holds with this many ping nodes, this watchdog, a witness or none, and what cuts power: with a witness the
    /// votes decide, whatever the ping nodes say; relays beside watchdogs are worth nothing without one.
    #[must_use]
    pub const fn of(pings: usize, watchdog: Option<Timer>, witness: bool, cuts: Cuts) -> Self {
        match (witness, cuts, watchdog) {
            (true, Cuts::InPlace, _) => Self::WitnessInPlace,
            (true, Cuts::Beside, Some(timer)) => Self::WitnessWithRelays(timer),
            (true, Cuts::Nothing | Cuts::Agent | Cuts::Beside, _) => Self::Witness(watchdog),
            (false, Cuts::Agent, _) => Self::Fencing,
            (false, Cuts::Nothing | Cuts::Beside | Cuts::InPlace, _) => match (pings, watchdog) {
                (0, None) => Self::None,
                (_, None) => Self::PingNodes,
                (0, Some(timer)) => Self::Watchdog(timer),
                (_, Some(timer)) => Self::PingNodesAndWatchdog(timer),
            },
        }
    }

    /// The row of a node with these settings, ping nodes, and this watchdog.
    #[must_use]
    pub fn of_node(settings: &OvzhaCf, node: &str, pings: usize, watchdog: Option<Timer>) -> Self {
        Self::of(pings, watchdog, settings.witness().is_some(), Cuts::of(settings, node))
    }

    /// The row of the node whose configuration it is, with this watchdog.
    #[must_use]
    pub fn of_config(config: &Config, watchdog: Option<Timer>) -> Self {
        Self::of_node(&config.settings, config.own_node(), config.pings.len(), watchdog)
    }

    /// The row in one word, for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PingNodes => "ping",
            Self::Watchdog(Timer::Hardware) => "watchdog",
            Self::Watchdog(Timer::Software) => "softdog",
            Self::PingNodesAndWatchdog(Timer::Hardware) => "ping+watchdog",
            Self::PingNodesAndWatchdog(Timer::Software) => "ping+softdog",
            Self::Fencing => "fencing",
            Self::WitnessInPlace => "witness+relay",
            Self::WitnessWithRelays(Timer::Hardware) => "witness+watchdog+relay",
            Self::WitnessWithRelays(Timer::Software) => "witness+softdog+relay",
            Self::Witness(None) => "witness",
            Self::Witness(Some(Timer::Hardware)) => "witness+watchdog",
            Self::Witness(Some(Timer::Software)) => "witness+softdog",
        }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => {
                "none: a takeover follows the deadtime; two active nodes are possible when all links between living nodes are cut, or when the active node freezes"
            }
            Self::PingNodes => {
                "ping nodes: as none, but a node cut off from everything, ping nodes too, stops and does not take over; two active nodes stay possible when only the links are cut, or when the active node freezes"
            }
            Self::Watchdog(Timer::Hardware) => {
                "watchdog: as none, but this node, when it is active and its daemon or its kernel hangs or dies, is reset before a takeover; two active nodes stay possible when all links between living nodes are cut"
            }
            Self::Watchdog(Timer::Software) => {
                "softdog: as none, but this node, when it is active and its daemon hangs or dies, is reset before a takeover; two active nodes stay possible when all links between living nodes are cut, or when the kernel hangs"
            }
            Self::PingNodesAndWatchdog(Timer::Hardware) => {
                "ping nodes and watchdog: a node cut off from everything, ping nodes too, stops and does not take over, and an active node whose daemon or kernel hangs or dies is reset before a takeover; two active nodes stay possible when only the links are cut"
            }
            Self::PingNodesAndWatchdog(Timer::Software) => {
                "ping nodes and softdog: a node cut off from everything, ping nodes too, stops and does not take over, and an active node whose daemon hangs or dies is reset before a takeover; two active nodes stay possible when only the links are cut, or when the kernel of the active node hangs"
            }
            Self::Fencing => {
                "fencing: a takeover follows only when the other node was seen without power, or a person said so; never two active nodes, as long as that is true"
            }
            Self::WitnessInPlace => {
                "witness and relays in place of watchdogs: never two active nodes, whatever links do, and whoever crashes, hangs, is paused or started again, as long as what the board sees of their power is true; that it was told to use its relays so, this node can't see"
            }
            Self::WitnessWithRelays(Timer::Hardware) => {
                "witness, watchdog and relays: never two active nodes, whatever links do, and whoever crashes, hangs or is started again; a machine that is paused together with its clock is left out, unless the relay cuts it"
            }
            Self::WitnessWithRelays(Timer::Software) => {
                "witness, softdog and relays: never two active nodes, whatever links do and whoever crashes or is started again; two active nodes stay possible when the kernel of the active node hangs, unless the relay cuts it"
            }
            Self::Witness(None) => {
                "witness without a watchdog: whatever links do, a node that has lost its votes stops what it runs before the other one starts it; two active nodes stay possible when the active node freezes, or its daemon dies"
            }
            Self::Witness(Some(Timer::Hardware)) => {
                "witness and watchdog: never two active nodes, whatever links do, and whoever crashes, hangs or is started again; a machine that is paused together with its clock is left out"
            }
            Self::Witness(Some(Timer::Software)) => {
                "witness and softdog: never two active nodes, whatever links do and whoever crashes or is started again; two active nodes stay possible when the kernel of the active node hangs"
            }
        })
    }
}

/// The protection these files really give on the machine below `root`.
#[must_use]
pub fn protection(root: &Path, files: &Files) -> Protection {
    let device = files.settings.watchdog().map(|(device, _)| device);
    let timer = device.map(|device| watchdog::timer(root, device));
    let name = config::own_name(root);
    let nodes: Vec<String> = files.ha_cf.nodes.iter().map(|node| node.value.clone()).collect();
    // files are checked on other machines, too: the lines for both nodes make the same row
    let node = config::place_of(&name, &nodes)
        .or(Some(0))
        .and_then(|place| nodes.get(place));
    let node = node.map_or("", String::as_str);
    Protection::of_node(&files.settings, node, files.ha_cf.pings.len(), timer)
}

/// What the checks look at.
struct Subject<'a> {
    root: &'a Path,
    files: &'a Files,
    /// The node this machine is, if it is one.
    node: Option<String>,
}

impl Subject<'_> {
    /// The place of an absolute path below the root.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The text of a file, bytes that are no UTF-8 replaced; `None` if it can't be read.
    fn text(&self, path: &str) -> Option<String> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(self.at(path))
            .ok()?;
        // A directory or a device is no text; everything in /proc counts as a file.
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(READ_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in a directory, sorted; none if it can't be read.
    fn names(&self, dir: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.at(dir))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Whether something stands at the path, a dangling link included.
    fn exists(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.files.groups.iter().flat_map(|group| &group.resources)
    }

    fn uses(&self, name: &str) -> bool {
        self.resources().any(|resource| resource.name == name)
    }
}

/// Everything found on the machine below `root` for these files; what can make two actives comes first.
#[must_use]
pub fn machine(root: &Path, files: &Files) -> Vec<Finding> {
    let nodes: Vec<String> = files.ha_cf.nodes.iter().map(|node| node.value.clone()).collect();
    let name = config::own_name(root);
    let node = config::place_of(&name, &nodes).and_then(|place| nodes.get(place).cloned());
    let mut findings = Vec::new();
    if node.is_none() {
        let remedy = "run this on a node, or set the host name to the name in ha.cf";
        findings.push(Finding::machine(config::not_a_node(&name, &nodes), remedy));
    }
    let subject = Subject { root, files, node };
    findings.extend(renamed(&subject));
    findings.extend(running::check(&subject));
    findings.extend(drbd::check(&subject));
    findings.extend(fstab::check(&subject));
    findings.extend(boot::check(&subject));
    findings.extend(serial::check(&subject));
    findings.extend(lacking::check(&subject));
    findings.extend(beside::check(&subject));
    findings.extend(watchdog::check(&subject));
    findings.extend(stonith::check(&subject));
    findings.sort_by_key(|finding| (!finding.two_actives, finding.class));
    findings
}

/// A state that was written under another name, where a daemon without `--state-dir` keeps it.
fn renamed(subject: &Subject<'_>) -> Option<Finding> {
    let node = subject.node.as_ref()?;
    let mut names = subject.files.ha_cf.nodes.iter().map(|named| &named.value);
    let peer = names.find(|name| *name != node)?;
    let (what, remedy) = Owner::new(node, peer).differs(&subject.at("/var/lib/ovzha"))?;
    Some(Finding::machine(what, remedy))
}

/// Each resource of the files in their order, with what would run for it on the machine below `root`.
#[must_use]
pub fn resources(root: &Path, files: &Files) -> Vec<(String, String)> {
    let groups = files.groups.iter().flat_map(|group| &group.resources);
    groups
        .map(|resource| (resource.word(), runs(root, files, resource)))
        .collect()
}

fn runs(root: &Path, files: &Files, resource: &Resource) -> String {
    let found = external::find(root, &files.dir, &resource.name);
    if haresources::is_built_in(&resource.name) {
        return match found {
            Ok(Found::ResourceScript(path)) => format!("built in; {} is not used", path.display()),
            Ok(Found::InitScript(_) | Found::Unit(..)) | Err(_) => "built in".to_owned(),
        };
    }
    match found {
        Ok(Found::ResourceScript(path) | Found::InitScript(path)) => path.display().to_string(),
        Ok(Found::Unit(unit, path)) => format!("systemd unit {unit} ({})", path.display()),
        Err(_) => "not found".to_owned(),
    }
}

/// The findings on which the daemon refuses to start.
#[must_use]
pub fn refusals(root: &Path, files: &Files) -> Vec<Finding> {
    let mut findings = machine(root, files);
    findings.retain(|finding| finding.two_actives);
    findings
}
