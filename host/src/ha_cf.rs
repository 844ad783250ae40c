//! Parses `ha.cf`: every directive, with its line.
//!
//! The grammar is Heartbeat 3.0.6's: one directive a line, `#` starts a comment anywhere, values are
//! separated by blanks or commas (`ucast`, `mcast`, `ping_group`, `respawn` by blanks only), directives are case-sensitive,
//! node names are lower-cased, `udpport` and `baud` count for the media lines below them.
//! Each directive is taken, taken with a warning that says what differs, or refused by name; none is ignored: the
//! table in [`directives`] says which. A method of `Reader` for each directive that is done reads its line.

mod addresses;
mod checks;
mod clients;
pub mod directives;
mod media;
mod pings;
pub mod values;

pub(crate) use media::{BAUD_DEFAULT, baud_rate};

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ovzha_core::time::Span;

use crate::diagnostic::{Diagnostic, Problems, quote};
use crate::respawn::Client;
use crate::words;

/// Heartbeat's default interval between heartbeats.
const KEEPALIVE_DEFAULT: Span = Span::from_secs(1);
/// The port registered as ha-cluster.
pub const PORT_DEFAULT: u16 = 694;
/// Heartbeat's default deadtime.
const DEADTIME_DEFAULT: Span = Span::from_secs(30);
/// Middle of the kernel's `SCHED_FIFO` range 1 to 99, as Heartbeat takes it.
const RTPRIO_DEFAULT: u8 = 50;

/// A value and the line it stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At<T> {
    /// What the line says.
    pub value: T,
    /// The line, counted from 1.
    pub line: u32,
}

/// The times of the heartbeat. Always `2 * keepalive < deadtime` and
/// `keepalive < warntime < deadtime <= initdead` once parsed without errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timings {
    /// Interval between heartbeats; default 1 s.
    pub keepalive: Span,
    /// Silence after which a late heartbeat is told; default half of deadtime.
    pub warntime: Span,
    /// Silence after which the peer counts as dead; default 30 s.
    pub deadtime: Span,
    /// The deadtime of a node never heard since our start. Default: deadtime above 10 s, 12 s below 6 s, else twice deadtime.
    pub initdead: Span,
}

/// One way between the nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkKind {
    /// Datagrams to the peer's address (`ucast`, `ucast6`).
    Unicast {
        /// The network device the socket is bound to.
        device: String,
        /// The UDP port of both nodes, 1 to 65535; default 694.
        port: u16,
        /// The addresses of all lines of this medium, device and port, in file order: one (the peer's) or two (both nodes'),
        /// all IPv4 or all IPv6.
        addresses: Vec<IpAddr>,
    },
    /// Datagrams to an address anywhere, by the kernel's routes: only to a witness.
    Routed {
        /// Its address and port.
        to: SocketAddr,
    },
    /// Datagrams to the broadcast address of a device (`bcast`).
    Broadcast {
        /// The network device the socket is bound to.
        device: String,
        /// The UDP port of both nodes, 1 to 65535; default 694.
        port: u16,
    },
    /// Datagrams to a multicast group (`mcast`, `mcast6`).
    Multicast {
        /// The network device the socket is bound to.
        device: String,
        /// The group that both nodes join.
        group: IpAddr,
        /// The UDP port of both nodes, 1 to 65535.
        port: u16,
        /// How many routers a frame may pass, and one more.
        ttl: u8,
        /// Whether this machine hears its own frames.
        loops: bool,
    },
    /// A null-modem cable.
    Serial {
        /// Absolute path of the tty.
        device: PathBuf,
        /// In bit/s: a standard rate from 1200 to 4000000; default 19200.
        baud: u32,
    },
}

/// A link and where it first appears. A link's number is its place among the links.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkConfig {
    /// The medium with what it needs.
    pub kind: LinkKind,
    /// The line of its first directive.
    pub line: u32,
}

/// One ping node as the cluster counts them: it answers when any of its addresses does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PingNode {
    /// Its address, or the name of its group.
    pub name: String,
    /// One address, or those of a `ping_group`.
    pub addresses: Vec<IpAddr>,
    /// The line it stands on.
    pub line: u32,
}

/// Where log lines go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// Syslog facility number (RFC 5424); `None` means no syslog. Default 3 (daemon) when `logfile` is not set either.
    pub facility: Option<u8>,
    /// A file to append to.
    pub file: Option<PathBuf>,
    /// 0 to 255; above 0 the log says more.
    pub debug: u8,
}

/// What `ha.cf` says, defaults filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HaCf {
    /// The node names, lower case, in file order; exactly two once parsed without errors.
    pub nodes: Vec<At<String>>,
    /// The times of the heartbeat.
    pub timings: Timings,
    /// At least 1, at most 16, in order of first appearance.
    pub links: Vec<LinkConfig>,
    /// The ping nodes, in file order, at most 16.
    pub pings: Vec<PingNode>,
    /// Silence after which a ping node counts as dead; default deadtime.
    pub deadping: Span,
    /// Whether fewer reachable ping nodes than the peer's hand the group over.
    pub ipfail: bool,
    /// Programs to keep running, in file order.
    pub clients: Vec<Client>,
    /// What they get in their environment, without the `HA_` in front.
    pub environment: Vec<(String, String)>,
    /// Whether a group goes back to its preferred node by itself.
    pub auto_failback: bool,
    /// Where log lines go.
    pub log: LogSettings,
    /// Whether the daemon asks for realtime scheduling and locked memory; default yes.
    pub realtime: bool,
    /// Realtime priority, 1 to 99; default 50.
    pub rtprio: u8,
}

/// What was read of a file, usable only if no diagnostic is an error.
#[derive(Debug)]
pub struct Parsed<T> {
    /// The content, with defaults in place of what was refused.
    pub value: T,
    /// Every problem found.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the bytes of an `ha.cf`; `file` is only named in messages. Without `udpport` the port is 694.
#[must_use]
pub fn parse(file: &Path, bytes: &[u8]) -> Parsed<HaCf> {
    parse_with_port(file, bytes, PORT_DEFAULT)
}

/// As [`parse`], with what this machine calls the port of heartbeats.
#[must_use]
pub fn parse_with_port(file: &Path, bytes: &[u8], port: u16) -> Parsed<HaCf> {
    if let Err((line, why)) = words::is_text(bytes) {
        let mut problems = Problems::new(file);
        problems.error(line, why);
        let value = Reader::new(file, port).finish(line);
        return Parsed {
            value,
            diagnostics: problems.into_vec(),
        };
    }
    let mut reader = Reader::new(file, port);
    for line in words::lines(bytes) {
        match words::code(line) {
            Ok(text) => reader.line(line.number, text.trim()),
            Err(why) => reader.problems.error(line.number, why),
        }
    }
    let value = reader.finish(words::last_line(bytes));
    Parsed {
        value,
        diagnostics: reader.problems.into_vec(),
    }
}

/// One line of a directive.
#[derive(Clone, Copy)]
struct Said<'a> {
    line: u32,
    name: &'a str,
    /// What follows the name.
    rest: &'a str,
}

/// The state of one pass over the file.
struct Reader {
    problems: Problems,
    nodes: Vec<At<String>>,
    /// A name of a `node` line was refused, so that a lack of nodes needs no telling.
    node_refused: bool,
    keepalive: Option<At<Span>>,
    warntime: Option<At<Span>>,
    deadtime: Option<At<Span>>,
    initdead: Option<At<Span>>,
    deadping: Option<At<Span>>,
    media: media::Media,
    pings: pings::Pings,
    clients: clients::Clients,
    auto_failback: Option<At<bool>>,
    nice_failback: Option<At<bool>>,
    facility: Option<At<Option<u8>>>,
    logfile: Option<At<PathBuf>>,
    debug: Option<At<u8>>,
    realtime: Option<At<bool>>,
    rtprio: Option<At<u8>>,
}

impl Reader {
    fn new(file: &Path, port: u16) -> Self {
        Self {
            problems: Problems::new(file),
            nodes: Vec::new(),
            node_refused: false,
            keepalive: None,
            warntime: None,
            deadtime: None,
            initdead: None,
            deadping: None,
            media: media::Media::new(port),
            pings: pings::Pings::default(),
            clients: clients::Clients::default(),
            auto_failback: None,
            nice_failback: None,
            facility: None,
            logfile: None,
            debug: None,
            realtime: None,
            rtprio: None,
        }
    }

    fn line(&mut self, line: u32, text: &str) {
        let Some((name, rest)) = first_word(text) else { return };
        match directives::find(name) {
            Some(directive) => directive.read(self, Said { line, name, rest }),
            // a message that will not be shown needs no hint
            None if self.problems.is_full() => self.problems.error(line, "unknown directive"),
            None => {
                let hint = directives::nearest(name).map(|near| format!(" (did you mean `{near}`?)"));
                let text = format!("unknown directive {}{}", quote(name), hint.unwrap_or_default());
                self.problems.error(line, text);
            }
        }
    }

    fn node(&mut self, Said { line, rest, .. }: Said<'_>) {
        let mut seen = false;
        for word in split(rest) {
            seen = true;
            match values::node_name(word) {
                Err(why) => {
                    self.node_refused = true;
                    self.problems.error(line, why);
                }
                Ok(name) => match self.nodes.iter().find(|node| node.value == name) {
                    Some(first) => {
                        let text = format!("node `{name}` stands already on line {}", first.line);
                        self.problems.error(line, text);
                    }
                    None if self.nodes.len() >= 2 => {
                        self.problems
                            .error(line, format!("node `{name}` is one too many: ovzha is for exactly two"));
                    }
                    None => self.nodes.push(At { value: name, line }),
                },
            }
        }
        if !seen {
            self.problems.error(line, "`node` needs a node name");
        }
    }

    fn time(&mut self, Said { line, name, rest }: Said<'_>) {
        let slot = match name {
            "keepalive" => &mut self.keepalive,
            "warntime" => &mut self.warntime,
            "deadtime" => &mut self.deadtime,
            "initdead" => &mut self.initdead,
            _ => &mut self.deadping,
        };
        let value = one(rest).and_then(values::time).and_then(|time| {
            if time.span == Span::ZERO {
                return Err("the time must be longer than zero".to_owned());
            }
            if let Some(warning) = time.warning {
                self.problems.warning(line, format!("{name}: {warning}"));
            }
            Ok(time.span)
        });
        set(&mut self.problems, slot, line, name, value);
    }

    fn udpport(&mut self, said: Said<'_>) {
        self.media.udpport(&mut self.problems, said.line, said.rest);
    }

    fn ucast(&mut self, said: Said<'_>) {
        self.media.ucast(&mut self.problems, said);
    }

    fn bcast(&mut self, said: Said<'_>) {
        self.media.bcast(&mut self.problems, said);
    }

    fn mcast(&mut self, said: Said<'_>) {
        self.media.mcast(&mut self.problems, said);
    }

    fn baud(&mut self, said: Said<'_>) {
        self.media.baud(&mut self.problems, said.line, said.rest);
    }

    fn serial(&mut self, said: Said<'_>) {
        self.media.serial(&mut self.problems, said.line, said.rest);
    }

    fn ping(&mut self, said: Said<'_>) {
        self.pings.ping(&mut self.problems, said);
    }

    fn ping_group(&mut self, said: Said<'_>) {
        self.pings.group(&mut self.problems, said);
    }

    fn auto_failback(&mut self, Said { line, name, rest }: Said<'_>) {
        let value = one(rest).and_then(|word| {
            if word.eq_ignore_ascii_case("legacy") {
                let text = "auto_failback legacy is treated as `on`; write `on` or `off`";
                self.problems.warning(line, text);
                return Ok(true);
            }
            values::boolean(word).map_err(|_| format!("{} is none of on, off, legacy", quote(word)))
        });
        set(&mut self.problems, &mut self.auto_failback, line, name, value);
    }

    fn nice_failback(&mut self, Said { line, name, rest }: Said<'_>) {
        let value = one(rest).and_then(values::boolean);
        set(&mut self.problems, &mut self.nice_failback, line, name, value);
    }

    fn logfacility(&mut self, Said { line, name, rest }: Said<'_>) {
        let value = one(rest).and_then(values::facility);
        set(&mut self.problems, &mut self.facility, line, name, value);
    }

    fn logfile(&mut self, Said { line, name, rest }: Said<'_>) {
        let value = one(rest).and_then(absolute_path);
        set(&mut self.problems, &mut self.logfile, line, name, value);
    }

    fn debug(&mut self, Said { line, name, rest }: Said<'_>) {
        let value = one(rest).and_then(|word| values::number(word, 0, 255)).map(narrow);
        set(&mut self.problems, &mut self.debug, line, name, value);
    }

    fn realtime(&mut self, Said { line, name, rest }: Said<'_>) {
        let value = one(rest).and_then(values::boolean);
        set(&mut self.problems, &mut self.realtime, line, name, value);
    }

    fn rtprio(&mut self, Said { line, name, rest }: Said<'_>) {
        let value = one(rest).and_then(|word| values::number(word, 1, 99)).map(narrow);
        set(&mut self.problems, &mut self.rtprio, line, name, value);
    }
}

/// The first word and what follows it.
fn first_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    Some(text.split_once([' ', '\t']).unwrap_or((text, "")))
}

/// The values of a directive, separated by blanks or commas.
pub(crate) fn split(rest: &str) -> impl Iterator<Item = &str> {
    rest.split([' ', '\t', ',']).filter(|word| !word.is_empty())
}

/// The only value of a directive.
fn one(rest: &str) -> Result<&str, String> {
    let mut words = split(rest);
    match (words.next(), words.next()) {
        (Some(word), None) => Ok(word),
        (None, _) => Err("the value is missing".to_owned()),
        (Some(_), Some(extra)) => Err(format!("takes one value, but {} follows it", quote(extra))),
    }
}

fn absolute_path(word: &str) -> Result<PathBuf, String> {
    if word.starts_with('/') {
        Ok(PathBuf::from(word))
    } else {
        Err(format!("{} is no absolute path", quote(word)))
    }
}

/// A number the caller has already bounded to 0..=255.
fn narrow(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Fills `slot`, or reports why not: a bad value, a directive that stands there already, or both.
pub(crate) fn set<T>(
    problems: &mut Problems,
    slot: &mut Option<At<T>>,
    line: u32,
    name: &str,
    value: Result<T, String>,
) {
    if let Some(first) = slot {
        problems.error(line, format!("{name} stands already on line {}", first.line));
    }
    match value {
        Ok(value) if slot.is_none() => *slot = Some(At { value, line }),
        Ok(_) => {}
        Err(why) => problems.error(line, format!("{name}: {why}")),
    }
}
