//! The grammar of faults: what the words of the command line do to the two virtual nodes, and when.

use ovzha_core::event::Command;
use ovzha_core::id::GroupSet;
use ovzha_core::message::hold_reason;
use ovzha_core::output::Op;
use ovzha_core::time::Span;
use ovzha_host::diagnostic::quote;
use ovzha_world::node::Freeze;

use super::names::{Names, Place, Ways};
use crate::span;

/// When a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Once nothing changes any more.
    Settled,
    /// So many milliseconds after the one before it.
    After(u64),
    /// So many milliseconds after the first one.
    At(u64),
}

/// What is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// A node loses power.
    PowerCut(usize),
    /// The fence agent of a node fails, or works again.
    AgentFails(usize, bool),
    /// It gets it back.
    PowerOn(usize),
    /// It stands still, for so many milliseconds or until `thaw`.
    Freeze(usize, Freeze, Option<u64>),
    /// It moves again.
    Thaw(usize),
    /// Its daemon dies, and is started after so many milliseconds or by `start-daemon`.
    KillDaemon(usize, Option<u64>),
    /// Its daemon is started.
    StartDaemon(usize),
    /// Ways are cut or mended: all of them, or what this node sends over them.
    Cut(Ways, Option<usize>, bool),
    /// A node loses everything together, or gets it back.
    Isolate(usize, bool),
    /// Ping nodes don't answer it, or do.
    PingsLost(usize, bool),
    /// Its disks of these groups' DRBD are gone, or there.
    DiskLost(usize, GroupSet, bool),
    /// A resource ends by itself.
    Dies(usize, Place),
    /// An operation of a resource fails from now on.
    Fails(usize, Place, Op),
    /// Its operations are well again.
    Repair(usize, Place),
    /// Somebody asks a node, or any that answers.
    Ask(Option<usize>, Command),
    /// Nothing more: time passes.
    LookOn,
}

/// One fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// When.
    pub when: When,
    /// What.
    pub act: Act,
    /// The words.
    pub said: String,
}

type Read = fn(&mut Reader<'_>) -> Result<Act, String>;

/// A word that begins a fault.
struct Verb {
    name: &'static str,
    /// What follows it.
    takes: &'static str,
    read: Read,
}

const fn verb(name: &'static str, takes: &'static str, read: Read) -> Verb {
    Verb { name, takes, read }
}

const VERBS: [Verb; 28] = [
    verb("power-cut", "NODE", |r| Ok(Act::PowerCut(r.node()?))),
    verb("power-on", "NODE", |r| Ok(Act::PowerOn(r.node()?))),
    verb("freeze", "NODE [TIME] [process|kernel|machine]", freeze),
    verb("thaw", "NODE", |r| Ok(Act::Thaw(r.node()?))),
    verb("kill-daemon", "NODE [TIME]", |r| {
        Ok(Act::KillDaemon(r.node()?, r.time()?))
    }),
    verb("start-daemon", "NODE", |r| Ok(Act::StartDaemon(r.node()?))),
    verb("cut", "LINK... [from NODE]", |r| cut(r, true)),
    verb("mend", "LINK... [from NODE]", |r| cut(r, false)),
    verb("isolate", "NODE", |r| Ok(Act::Isolate(r.node()?, true))),
    verb("join", "NODE", |r| Ok(Act::Isolate(r.node()?, false))),
    verb("pings-lost", "NODE", |r| Ok(Act::PingsLost(r.node()?, true))),
    verb("pings-back", "NODE", |r| Ok(Act::PingsLost(r.node()?, false))),
    verb("disk-lost", "NODE [GROUP]", |r| disk(r, true)),
    verb("disk-back", "NODE [GROUP]", |r| disk(r, false)),
    verb("fail", "NODE RESOURCE [start|stop|monitor]", fail),
    verb("repair", "NODE RESOURCE", |r| Ok(Act::Repair(r.node()?, r.resource()?))),
    verb("standby", "NODE [SET|GROUP]...", |r| moves(r, false)),
    verb("takeover", "NODE [SET|GROUP]...", |r| moves(r, true)),
    verb("stop", "NODE", |r| Ok(Act::Ask(Some(r.node()?), Command::Stop))),
    verb("hold", "[TIME]", |r| {
        let span = r.time()?.map(Span::from_millis);
        let reason = hold_reason("simulated");
        Ok(Act::Ask(None, Command::Hold { span, reason }))
    }),
    verb("resume", "", |_| Ok(Act::Ask(None, Command::Resume))),
    verb("clear", "NODE GROUP", |r| {
        let node = r.node()?;
        Ok(Act::Ask(Some(node), Command::Clear { group: r.group()? }))
    }),
    verb("confirm-data", "NODE GROUP", |r| {
        let node = r.node()?;
        Ok(Act::Ask(Some(node), Command::ConfirmData { group: r.group()? }))
    }),
    verb("fencing-fails", "NODE", |r| Ok(Act::AgentFails(r.node()?, true))),
    verb("fencing-works", "NODE", |r| Ok(Act::AgentFails(r.node()?, false))),
    verb("confirm-fenced", "NODE", |r| {
        Ok(Act::Ask(Some(r.node()?), Command::ConfirmFenced))
    }),
    // these two say when, and stand before another one, or alone
    verb("wait", "TIME", |r| r.when(When::After)),
    verb("at", "TIME", |r| r.when(When::At)),
];

/// The words of faults, one after the other.
struct Reader<'a> {
    names: Names<'a>,
    words: Vec<&'a str>,
    next: usize,
    when: When,
    /// The verb that was read last says when the one behind it strikes.
    waits: bool,
}

/// Reads the arguments of the command line: each is a fault; words that stand alone are joined.
///
/// # Errors
/// One sentence about the word that can't be understood.
pub fn faults(names: Names<'_>, arguments: &[String]) -> Result<Vec<Fault>, String> {
    let words = arguments
        .iter()
        .flat_map(|argument| argument.split_whitespace())
        .collect();
    let mut reader = Reader {
        names,
        words,
        next: 0,
        when: When::Settled,
        waits: false,
    };
    let mut faults = Vec::new();
    while let Some(word) = reader.peek() {
        let from = reader.next;
        reader.next += 1;
        let Some(verb) = VERBS.iter().find(|verb| verb.name == word) else {
            return Err(format!("{} is no fault; known: {}", quote(word), known()));
        };
        let act = (verb.read)(&mut reader).map_err(|why| format!("{} {}: {why}", verb.name, verb.takes))?;
        let last = reader.peek().is_none();
        if std::mem::take(&mut reader.waits) && !last {
            continue;
        }
        let said = reader.words.get(from..reader.next).unwrap_or(&[]).join(" ");
        faults.push(Fault {
            when: std::mem::replace(&mut reader.when, When::Settled),
            act,
            said,
        });
    }
    Ok(faults)
}

fn known() -> String {
    let names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    names.join(", ")
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    fn word(&mut self, what: &str) -> Result<&'a str, String> {
        let word = self.peek().ok_or_else(|| format!("{what} is missing"))?;
        self.next += 1;
        Ok(word)
    }

    fn node(&mut self) -> Result<usize, String> {
        let known = self.names.configs[0].nodes.join(", ");
        let word = self.word("a node").map_err(|why| format!("{why}; known: {known}"))?;
        self.names.node(word)
    }

    fn group(&mut self) -> Result<ovzha_core::id::GroupId, String> {
        let word = self.word("a group")?;
        self.names.group(word)
    }

    fn resource(&mut self) -> Result<Place, String> {
        let word = self.word("a resource")?;
        self.names.resource(word)
    }

    /// A time, if the next word begins like one.
    fn time(&mut self) -> Result<Option<u64>, String> {
        let Some(word) = self
            .peek()
            .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        else {
            return Ok(None);
        };
        self.next += 1;
        span::milliseconds(word)
            .map(Some)
            .map_err(|why| format!("{}: {why}", quote(word)))
    }

    fn when(&mut self, when: fn(u64) -> When) -> Result<Act, String> {
        let time = self
            .time()?
            .ok_or_else(|| "a time is missing: 500ms, 40s, 5m".to_owned())?;
        (self.when, self.waits) = (when(time), true);
        Ok(Act::LookOn)
    }
}

fn freeze(reader: &mut Reader<'_>) -> Result<Act, String> {
    let node = reader.node()?;
    let time = reader.time()?;
    let kind = match reader.peek() {
        Some("process") => Freeze::Process,
        Some("machine") => Freeze::Machine,
        Some("kernel") => Freeze::Kernel,
        _ => return Ok(Act::Freeze(node, Freeze::Kernel, time)),
    };
    reader.next += 1;
    let time = time.map_or_else(|| reader.time(), |time| Ok(Some(time)))?;
    Ok(Act::Freeze(node, kind, time))
}

fn cut(reader: &mut Reader<'_>, cut: bool) -> Result<Act, String> {
    let mut ways = Ways::default();
    let mut first = true;
    loop {
        let rest = reader.words.get(reader.next..).unwrap_or(&[]);
        match reader.names.ways(rest) {
            Ok((found, words)) => {
                ways.links.extend(found.links);
                ways.drbd |= found.drbd;
                reader.next += words;
            }
            Err(why) if first => return Err(why),
            Err(_) => break,
        }
        first = false;
    }
    let from = if reader.peek() == Some("from") {
        reader.next += 1;
        Some(reader.node()?)
    } else {
        None
    };
    Ok(Act::Cut(ways, from, cut))
}

fn disk(reader: &mut Reader<'_>, lost: bool) -> Result<Act, String> {
    let node = reader.node()?;
    let named = reader.peek().and_then(|word| reader.names.group(word).ok());
    let groups = named.map_or(GroupSet::ALL, |group| GroupSet::of([usize::from(group.0)]));
    reader.next += usize::from(named.is_some());
    Ok(Act::DiskLost(node, groups, lost))
}

fn fail(reader: &mut Reader<'_>) -> Result<Act, String> {
    let (node, place) = (reader.node()?, reader.resource()?);
    let act = match reader.peek() {
        Some("start") => Act::Fails(node, place, Op::Start),
        Some("stop") if !is_stop_of_a_node(reader) => Act::Fails(node, place, Op::Stop),
        Some("monitor") => Act::Dies(node, place),
        _ => return Ok(Act::Dies(node, place)),
    };
    reader.next += 1;
    Ok(act)
}

/// `stop NODE` is a fault of its own.
fn is_stop_of_a_node(reader: &Reader<'_>) -> bool {
    let behind = reader.words.get(reader.next + 1);
    behind.is_some_and(|word| reader.names.node(word).is_ok())
}

fn moves(reader: &mut Reader<'_>, takeover: bool) -> Result<Act, String> {
    let node = reader.node()?;
    let mut words: Vec<String> = Vec::new();
    let mut groups = reader.names.groups(node, takeover, &words)?;
    while let Some(word) = reader.peek().filter(|word| VERBS.iter().all(|verb| verb.name != *word)) {
        words.push(word.to_owned());
        groups = reader.names.groups(node, takeover, &words)?;
        reader.next += 1;
    }
    let command = if takeover {
        Command::Takeover { groups }
    } else {
        Command::Standby { groups }
    };
    Ok(Act::Ask(Some(node), command))
}
