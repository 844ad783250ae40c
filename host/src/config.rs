//! Assembles the files of a configuration directory into one checked configuration.
//!
//! [`read_files`] looks only at the files and is what both nodes share; [`Config::new`] adds who we are. `ovzha check`
//! uses the first alone, so that files can be checked on a machine that is no node.

use std::fs;
use std::path::{Path, PathBuf};

use crc::{CRC_32_ISO_HDLC, Crc, Digest};
use ovzha_core::time::Span;

use crate::authkeys::{self, AuthKeys};
use crate::diagnostic::{Diagnostic, Problems, Severity, quote};
use crate::ha_cf::{self, HaCf, LinkConfig, LinkKind, LogSettings, Parsed, PingNode, Timings};
use crate::haresources::{self, GroupLine, Resource};
use crate::ovzha_cf::stonith;
use crate::ovzha_cf::watchdog::Heartbeat;
use crate::ovzha_cf::{self, Operation, OvzhaCf};
use crate::respawn::Client;
use crate::services;
use crate::trusted_file::{self, Secrecy};

/// Both digests are CRC-32 as in Ethernet and zip: they tell files apart, they protect nothing.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What the files say, before it is known which node reads them.
#[derive(Clone, Debug)]
pub struct Files {
    /// The directory they lie in.
    pub dir: PathBuf,
    /// `ha.cf`.
    pub ha_cf: HaCf,
    /// `authkeys`.
    pub keys: AuthKeys,
    /// The lines of `haresources`.
    pub groups: Vec<GroupLine>,
    /// `ovzha.cf`, or its defaults.
    pub settings: OvzhaCf,
}

/// One resource group as the core counts them: its number is its place in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Index into [`Config::nodes`] of the preferred node.
    pub preferred: usize,
    /// Started in this order.
    pub resources: Vec<Resource>,
    /// The line of `haresources` it begins on.
    pub line: u32,
}

impl Group {
    /// What the group is called: its first resource.
    #[must_use]
    pub fn name(&self) -> String {
        haresources::name_of(&self.resources)
    }
}

/// Everything the daemon needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node names, lower case, sorted: index 0 is node 0 of the core.
    pub nodes: [String; 2],
    /// Our index into `nodes`.
    pub me: usize,
    /// Our place in the file order of the `node` lines; only loopback links go by it.
    pub me_in_file: usize,
    /// The times of the heartbeat.
    pub timings: Timings,
    /// 1 to 16; a link's number is its place.
    pub links: Vec<LinkConfig>,
    /// At most 16 ping nodes.
    pub pings: Vec<PingNode>,
    /// Silence after which a ping node counts as dead.
    pub deadping: Span,
    /// Whether fewer reachable ping nodes than the peer's hand the group over.
    pub ipfail: bool,
    /// Programs to keep running.
    pub clients: Vec<Client>,
    /// What they and hooks get in their environment, without the `HA_` in front.
    pub environment: Vec<(String, String)>,
    /// Whether a group goes back to its preferred node by itself.
    pub auto_failback: bool,
    /// 1 to 16.
    pub groups: Vec<Group>,
    /// Keys for signing and checking frames.
    pub keys: AuthKeys,
    /// Where log lines go.
    pub log: LogSettings,
    /// Whether to ask for realtime scheduling and locked memory.
    pub realtime: bool,
    /// Realtime priority, 1 to 99.
    pub rtprio: u8,
    /// Timeouts and budgets of `ovzha.cf`.
    pub settings: OvzhaCf,
    /// CRC-32 over the meaning of `haresources`: nodes, resources, arguments and their order.
    pub resources_digest: [u8; 4],
    /// CRC-32 over keepalive, deadtime, warntime and initdead.
    pub timings_digest: [u8; 4],
}

/// The outcome of [`Config::load`].
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` if any diagnostic is an error.
    pub config: Option<Config>,
    /// Every problem found.
    pub diagnostics: Vec<Diagnostic>,
}

impl Config {
    /// Reads the files in `dir` for the node `node`, or for the one `uname -n` names.
    #[must_use]
    pub fn load(dir: &Path, node: Option<&str>) -> Loaded {
        let Loadable { files, mut diagnostics } = read_files(dir);
        let name = node.map_or_else(|| own_name(Path::new("/")), str::to_owned);
        let config = files.and_then(|files| {
            Self::new(files, &name)
                .map_err(|text| diagnostics.push(Diagnostic::of_file(Severity::Error, &dir.join("ha.cf"), text)))
                .ok()
        });
        Loaded { config, diagnostics }
    }

    /// The configuration of the node `name`: in full or, for a machine that knows its domain, up to the first dot.
    ///
    /// # Errors
    /// A sentence, if no `node` line has that name.
    pub fn new(files: Files, name: &str) -> Result<Self, String> {
        let Files {
            dir: _,
            ha_cf,
            keys,
            groups,
            settings,
        } = files;
        let in_file: Vec<String> = ha_cf.nodes.iter().map(|node| node.value.clone()).collect();
        let me_in_file = place_of(name, &in_file).ok_or_else(|| not_a_node(name, &in_file))?;
        let mut nodes: [String; 2] = in_file
            .clone()
            .try_into()
            .map_err(|_| "ha.cf does not name two nodes".to_owned())?;
        nodes.sort();
        let place = |wanted: &String| nodes.iter().position(|node| node == wanted);
        let me = in_file.get(me_in_file).and_then(place).unwrap_or_default();
        let resources_digest = resources_digest(&groups);
        let groups = groups
            .into_iter()
            .map(|line| Group {
                preferred: place(&line.node).unwrap_or_default(),
                resources: line.resources,
                line: line.line,
            })
            .collect();
        Ok(Self {
            me,
            me_in_file,
            timings: ha_cf.timings,
            links: ha_cf.links,
            pings: ha_cf.pings,
            deadping: ha_cf.deadping,
            ipfail: ha_cf.ipfail,
            clients: ha_cf.clients,
            environment: ha_cf.environment,
            auto_failback: ha_cf.auto_failback,
            groups,
            keys,
            log: ha_cf.log,
            realtime: ha_cf.realtime,
            rtprio: ha_cf.rtprio,
            settings,
            resources_digest,
            timings_digest: timings_digest(&ha_cf.timings),
            nodes,
        })
    }

    /// Our own node name.
    #[must_use]
    pub fn own_node(&self) -> &str {
        self.nodes.get(self.me).map_or("", String::as_str)
    }

    /// The peer's node name.
    #[must_use]
    pub fn peer_node(&self) -> &str {
        self.nodes.get(usize::from(self.me == 0)).map_or("", String::as_str)
    }

    /// How long `operation` of the resource `name` may take, if it is set.
    #[must_use]
    pub fn timeout(&self, name: &str, operation: Operation) -> Option<Span> {
        self.settings.timeout(name, operation)
    }
}

/// What [`read_files`] found.
#[derive(Debug)]
pub struct Loadable {
    /// The content; `None` if any diagnostic is an error.
    pub files: Option<Files>,
    /// Every problem found.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks all files in `dir`, going on after errors so that one run shows all of them.
#[must_use]
pub fn read_files(dir: &Path) -> Loadable {
    let mut diagnostics = Vec::new();
    trusted_file::check_directory(dir, &mut diagnostics);
    let port = services::heartbeat_port(Path::new("/"));
    let ha_cf = needed(
        dir,
        "ha.cf",
        Secrecy::Public,
        &mut diagnostics,
        |file, bytes| match port {
            Some(port) => ha_cf::parse_with_port(file, bytes, port),
            None => ha_cf::parse(file, bytes),
        },
    );
    let keys = needed(dir, "authkeys", Secrecy::Secret, &mut diagnostics, authkeys::parse);
    let nodes: Vec<String> = ha_cf
        .iter()
        .flat_map(|ha_cf| ha_cf.nodes.iter().map(|node| node.value.clone()))
        .collect();
    // With a node line missing or broken, every name in haresources would be reported for it.
    let nodes = if nodes.len() == 2 { nodes } else { Vec::new() };
    let groups = needed(dir, "haresources", Secrecy::Public, &mut diagnostics, |file, bytes| {
        haresources::parse(file, bytes, &nodes)
    });
    let heartbeat = ha_cf.as_ref().map(Heartbeat::from);
    let settings = read(dir, "ovzha.cf", Secrecy::Public, &mut diagnostics, |file, bytes| {
        let mut parsed = ovzha_cf::parse(file, bytes, heartbeat);
        let links = ha_cf.iter().flat_map(|ha_cf| &ha_cf.links);
        parsed.diagnostics.extend(two_speeds(file, links, &parsed.value));
        parsed
            .diagnostics
            .extend(stonith::problems(file, &parsed.value, &nodes));
        parsed
    });
    let refused = diagnostics.iter().any(Diagnostic::is_error);
    let files = match (ha_cf, keys, groups) {
        (Some(ha_cf), Some(keys), Some(groups)) if !refused => Some(Files {
            dir: dir.to_path_buf(),
            ha_cf,
            keys,
            groups,
            settings: settings.unwrap_or_default(),
        }),
        _ => None,
    };
    Loadable { files, diagnostics }
}

/// One serial line that is to carry two links at two speeds.
fn two_speeds<'a>(file: &Path, mut links: impl Iterator<Item = &'a LinkConfig>, settings: &OvzhaCf) -> Vec<Diagnostic> {
    let mut problems = Problems::new(file);
    if let Some((LinkKind::Serial { device, baud }, line)) = settings.witness()
        && let Some((speed, place)) = links.find_map(|link| match &link.kind {
            LinkKind::Serial { device: other, baud } if other == device => Some((*baud, link.line)),
            LinkKind::Serial { .. }
            | LinkKind::Unicast { .. }
            | LinkKind::Broadcast { .. }
            | LinkKind::Multicast { .. }
            | LinkKind::Routed { .. } => None,
        })
        && speed != *baud
    {
        let text = format!(
            "witness: {} has {baud} baud here and {speed} on line {place} of ha.cf",
            device.display()
        );
        problems.error(line, text);
    }
    problems.into_vec()
}

/// The name this machine gives itself, lower case, as `uname -n` prints it; `root` is `/` outside tests.
#[must_use]
pub fn own_name(root: &Path) -> String {
    fs::read_to_string(root.join("proc/sys/kernel/hostname"))
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// The place of the machine called `name` among `nodes`: by its full name, else by the part before the first dot.
#[must_use]
pub fn place_of(name: &str, nodes: &[String]) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    let short = name.split('.').next().unwrap_or_default();
    let find = |wanted: &str| nodes.iter().position(|node| node == wanted);
    find(&name).or_else(|| find(short))
}

/// Says that `name` is no node.
#[must_use]
pub fn not_a_node(name: &str, nodes: &[String]) -> String {
    format!(
        "this machine calls itself {} (uname -n), which is no node of ha.cf ({})",
        quote(name),
        nodes.join(", ")
    )
}

/// CRC-32 over the meaning of `haresources`: blanks, comments and line breaks don't count.
#[must_use]
pub fn resources_digest(groups: &[GroupLine]) -> [u8; 4] {
    let mut digest = CRC.digest();
    for group in groups {
        add_word(&mut digest, &group.node);
        for resource in &group.resources {
            add_word(&mut digest, &resource.word());
        }
        digest.update(b"\n");
    }
    digest.finalize().to_be_bytes()
}

/// CRC-32 over the four times that both nodes must agree on.
#[must_use]
pub fn timings_digest(timings: &Timings) -> [u8; 4] {
    let mut digest = CRC.digest();
    for span in [timings.keepalive, timings.deadtime, timings.warntime, timings.initdead] {
        digest.update(&span.as_millis().to_be_bytes());
    }
    digest.finalize().to_be_bytes()
}

/// Words hold no blank, so one blank after each keeps them apart.
fn add_word(digest: &mut Digest<'_, u32>, word: &str) {
    digest.update(word.as_bytes());
    digest.update(b" ");
}

fn read<T>(
    dir: &Path,
    name: &str,
    secrecy: Secrecy,
    diagnostics: &mut Vec<Diagnostic>,
    parse: impl FnOnce(&Path, &[u8]) -> Parsed<T>,
) -> Option<T> {
    let path: PathBuf = dir.join(name);
    match trusted_file::read(&path, secrecy) {
        Ok(None) => None,
        Ok(Some(bytes)) => {
            let parsed = parse(&path, &bytes);
            diagnostics.extend(parsed.diagnostics);
            Some(parsed.value)
        }
        Err(problems) => {
            diagnostics.extend(problems);
            None
        }
    }
}

/// As [`read`], for a file that must be there.
fn needed<T>(
    dir: &Path,
    name: &str,
    secrecy: Secrecy,
    diagnostics: &mut Vec<Diagnostic>,
    parse: impl FnOnce(&Path, &[u8]) -> Parsed<T>,
) -> Option<T> {
    let before = diagnostics.len();
    let value = read(dir, name, secrecy, diagnostics, parse);
    if value.is_none() && diagnostics.len() == before {
        diagnostics.push(Diagnostic::of_file(
            Severity::Error,
            &dir.join(name),
            "there is no such file",
        ));
    }
    value
}
