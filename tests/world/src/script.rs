//! Scenario files: a command, `----`, and what it brings about, as lines with their times.
//!
//! A file is a sequence of blocks separated by empty lines. A block is comment lines (`#`), command lines, a line
//! `----`, and the expected output up to the next empty line. The first comment says what the scenario proves and
//! cites its clause. With `OVZHA_REWRITE=1` the test writes what really came out; read the difference before you
//! commit it.
//!
//! | command | |
//! |---|---|
//! | `new [KEY=VALUE..]` | two machines without power: `stonith fence-delay links pings keepalive warntime deadtime deadping initdead stop-budget failback ipfail monitor on-diskless last-resort fencing watchdog preferred group drbd-notices drbd-link reset-takes resync-takes seed`; every further `group` is one more, `preferred` is of the group before it |
//! | `on NODE..`, `off NODE..` | power |
//! | `daemon NODE kill`, `daemon NODE start` | the daemon alone |
//! | `run SPAN` | time passes |
//! | `cut WHAT..`, `mend WHAT..` | `L0`, `all`, `L0:a` or `all:a` (the way from a), `drbd` |
//! | `isolate NODE`, `join NODE` | everything together |
//! | `pings NODE on`, `pings NODE off` | ping nodes answer it or not |
//! | `freeze NODE F1\|F2\|F3`, `thaw NODE` | it stands still |
//! | `will NODE RESOURCE OP OUTCOME [SPAN] [xN]` | how the next N (default: all) calls end; `normal`: no longer; `feigned`: one call says "done" and does nothing; `g1/RESOURCE`: of another group than g0 |
//! | `die NODE RESOURCE [part]` | the resource ends by itself, or in part |
//! | `drbd NODE diskless\|attached\|suspended\|running` | its half's disk is lost, its I/O waits |
//! | `agent NODE cuts\|fails\|cuts-unseen\|lies [SPAN]` | its fence agent, and how long a shot takes |
//! | `witness on\|off`, `relay NODE stuck\|moves`, `sense NODE blind\|sees` | the third voter's power, its hand on a node's power, and what it sees of that |
//! | `unstick NODE`, `reap NODE` | stuck children, what lying stops have left running, are gone |
//! | `ask NODE standby [gN..]\|takeover [gN..]\|stop\|hold [SPAN]\|resume\|clear [gN]\|confirm-data [gN]\|confirm-fenced` | a request |
//! | `disk NODE fail\|well\|hangs [SPAN]` | the disk of the state directory; so long each write takes |
//! | `state NODE damaged\|gone\|older N` | what its next daemon finds there; `older`: what it held N writes ago |
//! | `device NODE LN up\|down` | a link's device is there or not |
//! | `slow NODE SPAN` | everything from NODE takes so much longer |
//! | `stray PERMILLE SPAN` | so many frames are late by up to so much |
//! | `drift NODE PPM` | its clock runs so many parts of a million in a million |
//! | `key NODE TEXT` | `authkeys` of its next daemon |
//! | `set NODE KEY=VALUE..` | `ha.cf` of its next daemon: `deadtime`, `initdead`, `warntime`, `resources` (digest) |
//! | `lie NODE done-twice\|done-unknown\|stored\|ping` | its host says what is not so |
//! | `newer NODE on\|off` | it speaks an invented later version |
//! | `replay FROM TO [N]` | everything FROM has sent (or the newest N) arrives at TO again |
//! | `recall FROM TO PERMILLE N [LN]` | N frames from that part of all FROM ever sent arrive at TO again, over that link |
//! | `noise NODE heartbeat\|garbage` | bytes that are no frame of ours |
//! | `impostor NODE N` | another machine uses NODE's name in N frames |
//! | `resolve` | a person ends a DRBD split brain |
//! | `expect [gN] a\|b\|ab\|none` | who is active, or it is a violation |
//! | `show` | phases, tenures and who is active |

use ovzha_core::config::Config;
use ovzha_core::event::{Command, Outcome};
use ovzha_core::id::GroupSet;
use ovzha_core::id::Mark;
use ovzha_core::message::HoldReason;
use ovzha_core::output::Op;
use ovzha_core::time::{Instant, Span};
use ovzha_core::witness::Relay;

use crate::act::{Act, Loss, UNTIL_THAWED};
use crate::node::{Freeze, Input, Script};
use crate::setup::{Model, Setup};
use crate::stonith::{Agent, Does};
use crate::trace::letter;
use crate::world::{World, group_id};

/// Runs a file; gives it back with the output that really came.
///
/// # Errors
/// A command that can't be understood, with its line.
pub fn run(text: &str) -> Result<String, String> {
    let mut stage = Stage::default();
    let mut out = String::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line != "----" {
            out.push_str(line);
            out.push('\n');
            let command = line.split('#').next().unwrap_or_default().trim();
            if !command.is_empty() {
                stage
                    .command(command)
                    .map_err(|error| format!("line {}: {error}: {line}", number + 1))?;
            }
            continue;
        }
        while lines.next_if(|(_, line)| !line.is_empty()).is_some() {}
        out.push_str("----\n");
        for line in stage.output() {
            out.push_str(&line);
            out.push('\n');
        }
    }
    Ok(out)
}

#[derive(Default)]
struct Stage {
    world: Option<World>,
    said: Vec<String>,
}

type Done = Result<(), String>;

impl Stage {
    fn output(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.said);
        if let Some(world) = &mut self.world {
            lines.extend(std::mem::take(&mut world.trace.lines));
        }
        lines
    }

    fn command(&mut self, line: &str) -> Done {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let args: Vec<&str> = words.collect();
        if verb == "new" {
            return self.build(&args);
        }
        let Some(world) = self.world.as_mut() else {
            return Err("`new` comes first".to_owned());
        };
        match verb {
            "show" => {
                let lines = show(world);
                world.trace.lines.extend(lines);
            }
            "expect" => expect(world, &args)?,
            _ => {
                for act in acts(world, verb, &args)? {
                    world.step(&act);
                }
            }
        }
        Ok(())
    }

    fn build(&mut self, args: &[&str]) -> Done {
        let mut setup = Setup::default();
        let mut seed = 1;
        let (mut rest, mut groups) = (Vec::new(), 0);
        for pair in args {
            let (key, value) = pair.split_once('=').ok_or("KEY=VALUE expected")?;
            match key {
                "seed" => seed = number(value)?,
                "group" => {
                    groups += 1;
                    if groups > setup.groups.len() {
                        setup.groups.push(setup.groups[0].clone());
                    }
                    setup.groups[groups - 1].resources = value.split(',').map(model).collect::<Result<_, _>>()?;
                }
                "preferred" => {
                    let last = setup.groups.len() - 1;
                    setup.groups[last].preferred = u8::try_from(node(value)?).unwrap_or(0);
                }
                "drbd-notices" | "drbd-link" | "reset-takes" | "resync-takes" => rest.push((key, value)),
                _ => option(&mut setup, key, value)?,
            }
        }
        let mut world = World::new(setup, seed, true)?;
        for (key, value) in rest {
            match key {
                "drbd-notices" => world.drbd_notices = span(value)?,
                "resync-takes" => world.resync_takes = span(value)?,
                "drbd-link" => world.drbd_link = usize::try_from(number(value)?).ok(),
                _ => world.reset_takes = if value == "never" { None } else { Some(span(value)?) },
            }
        }
        self.world = Some(world);
        Ok(())
    }
}

/// The choices that a command stands for.
fn acts(world: &mut World, verb: &str, args: &[&str]) -> Result<Vec<Act>, String> {
    match verb {
        "on" => each(args, Act::On),
        "off" => each(args, Act::Off),
        "run" => Ok(vec![Act::Pass(span(arg(args, 0)?)?)]),
        "cut" | "mend" => {
            let all: Result<Vec<_>, _> = args.iter().map(|what| cut(what, verb == "cut")).collect();
            Ok(all?.into_iter().flatten().collect())
        }
        "isolate" | "join" => each(args, |node| Act::Isolate(node, verb == "isolate")),
        "witness" => Ok(vec![Act::WitnessPower(arg(args, 0)? == "on")]),
        "unstick" => each(args, Act::Unstick),
        "reap" => each(args, Act::Reap),
        "thaw" => each(args, Act::Thaw),
        "resolve" => Ok(vec![Act::Resolve]),
        "stray" => Ok(vec![Act::Stray(number(arg(args, 0)?)?, span(arg(args, 1)?)?)]),
        "ask" => Ok(vec![ask(world, args)?]),
        _ => on_node(world, verb, args),
    }
}

/// Commands of the form `VERB NODE ...`.
fn on_node(world: &mut World, verb: &str, args: &[&str]) -> Result<Vec<Act>, String> {
    let node = node(arg(args, 0)?)?;
    let second = args.get(1).copied().unwrap_or_default();
    let act = match (verb, second) {
        ("daemon", "kill") => Act::Kill(node),
        ("daemon", "start") => Act::Revive(node),
        ("pings", "on" | "off") => Act::Pings(node, second == "on"),
        ("freeze", "F1") => Act::Freeze(node, Freeze::Process, UNTIL_THAWED),
        ("freeze", "F2") => Act::Freeze(node, Freeze::Kernel, UNTIL_THAWED),
        ("freeze", "F3") => Act::Freeze(node, Freeze::Machine, UNTIL_THAWED),
        ("disk", "fail" | "well") => Act::Disk(node, second == "well"),
        ("disk", "hangs") => Act::DiskTakes(node, span(args.get(2).copied().unwrap_or("60m"))?),
        ("state", "damaged") => Act::Lose(node, Loss::Damaged),
        ("state", "gone") => Act::Lose(node, Loss::Gone),
        ("state", "older") => Act::Lose(node, Loss::Older(size(args, 2)?)),
        ("device", link) => {
            let link = link.strip_prefix('L').ok_or("a link expected")?;
            Act::Device(node, small(link)?, args.get(2) == Some(&"up"))
        }
        ("slow", by) => Act::Slow(node, span(by)?),
        ("drift", rate) => Act::Drift(node, number(rate)?),
        ("key", _) => Act::Key(node, args.get(1..).unwrap_or(&[]).join(" ")),
        ("lie", what) => Act::Lie(node, lie(world, node, what)?),
        ("die", wanted) => {
            let (group, place) = resource(world, wanted)?;
            Act::Die(node, group, place, args.get(2) == Some(&"part"))
        }
        ("drbd", "diskless" | "attached") => Act::Diskless(node, 0, second == "diskless"),
        ("drbd", "suspended" | "running") => Act::Suspend(node, 0, second == "suspended"),
        ("newer", "on" | "off") => Act::Newer(node, second == "on"),
        ("impostor", frames) => Act::Impostor(node, u32::try_from(number(frames)?).unwrap_or(0)),
        ("noise", "heartbeat") => Act::Bytes(node, b"###\nt=status\nst=active\n".to_vec()),
        ("noise", "garbage") => {
            let garbage = (0..100).map(|_| Act::Bytes(node, (0..world.rng.below(300)).map(|_| noise(world)).collect()));
            return Ok(garbage.collect());
        }
        ("replay", to) => {
            let last = args.get(2).map_or(Ok(u64::MAX), |text| number(text))?;
            Act::Replay(
                node,
                usize::from(to == "b"),
                usize::try_from(last).unwrap_or(usize::MAX),
            )
        }
        ("recall", to) => {
            let link = args.get(4).and_then(|link| link.strip_prefix('L'));
            let link = link.map(small).transpose()?;
            let place = number(arg(args, 2)?)?;
            Act::Recall(node, usize::from(to == "b"), place, size(args, 3)?, link)
        }
        ("agent", does) => Act::Agent(node, agent(does, args.get(2))?),
        ("relay", "stuck" | "moves") => Act::RelayStuck(node, second == "stuck"),
        ("sense", "blind" | "sees") => Act::SenseBlind(node, second == "blind"),
        ("will", _) => will(world, node, args)?,
        ("set", _) => Act::Config(node, Box::new(set(world, node, args)?)),
        _ => return Err("no such command".to_owned()),
    };
    Ok(vec![act])
}

fn agent(does: &str, takes: Option<&&str>) -> Result<Agent, String> {
    let does = match does {
        "cuts" => Does::Cuts,
        "fails" => Does::Fails,
        "cuts-unseen" => Does::CutsUnseen,
        "lies" => Does::Lies,
        _ => return Err("cuts, fails, cuts-unseen or lies".to_owned()),
    };
    let takes = takes.map_or(Ok(Agent::default().takes), |takes| span(takes))?;
    Ok(Agent { does, takes })
}

fn lie(world: &World, node: usize, what: &str) -> Result<Input, String> {
    Ok(match what {
        "done-twice" => Input::Done(world.nodes[node].ended, Outcome::Done),
        "done-unknown" => Input::Done(u32::MAX, Outcome::Done),
        "stored" => Input::Stored(u32::MAX, true),
        "ping" => Input::Pong(0, Instant::from_millis(u64::MAX / 2)),
        _ => return Err(format!("no such lie: {what}")),
    })
}

fn noise(world: &mut World) -> u8 {
    u8::try_from(world.rng.below(256)).unwrap_or(0)
}

fn option(setup: &mut Setup, key: &str, value: &str) -> Done {
    let ms = || span(value).map(|us| us / 1000);
    match key {
        "links" => setup.links = small(value)?,
        "pings" => setup.pings = small(value)?,
        "keepalive" => setup.keepalive = ms()?,
        "warntime" => setup.warntime = ms()?,
        "deadtime" => setup.deadtime = ms()?,
        "deadping" => setup.deadping = ms()?,
        "initdead" => setup.initdead = ms()?,
        "stop-budget" => setup.stop_budget = ms()?,
        "failback" => setup.failback = value == "on",
        "ipfail" => setup.ipfail = value == "on",
        "monitor" => setup.monitor = u16::from(small(value)?),
        "on-diskless" => setup.diskless_hands_over = value == "hand-over",
        "last-resort" => setup.last_resort = value == "on",
        "fencing" => setup.fencing = value == "on",
        "watchdog" => setup.watchdog = Some(ms()?),
        "witness" => setup.witness = value == "on",
        "stonith" => setup.stonith = value == "on",
        "fence-delay" => setup.fence_delay = ms()?,
        "decisions" => setup.commanded = value == "witness",
        "relay" => setup.relay = relay(value)?,
        "named" => setup.named = Some(relay(value)?),
        _ => return Err(format!("no such key: {key}")),
    }
    Ok(())
}

fn model(name: &str) -> Result<Model, String> {
    [Model::Drbd, Model::Data, Model::Plain, Model::Mail]
        .into_iter()
        .find(|model| model.name() == name)
        .ok_or_else(|| format!("no such resource: {name}"))
}

fn set(world: &World, node: usize, args: &[&str]) -> Result<Config, String> {
    let mut draft = (*world.nodes[node].config).clone();
    for pair in args.get(1..).unwrap_or(&[]) {
        let (key, value) = pair.split_once('=').ok_or("KEY=VALUE expected")?;
        let ms = || span(value).map(|us| Span::from_millis(us / 1000));
        match key {
            "deadtime" => draft.deadtime = ms()?,
            "initdead" => draft.initdead = ms()?,
            "warntime" => draft.warntime = ms()?,
            "resources" => {
                let number = small(value)?;
                draft.resources_digest = [number; 4];
                for (group, place) in draft.groups.iter_mut().zip(1..) {
                    group.digest = Mark([number, 1, place]);
                }
            }
            "speaks" => draft.speaks = small(value)?,
            // its haresources has the first N lines only
            "groups" => {
                let all = world.setup.draft(u8::try_from(node).unwrap_or(0)).groups;
                draft.groups = all.iter().take(usize::from(small(value)?)).cloned().collect();
                draft.resources_digest = [u8::try_from(draft.groups.len()).unwrap_or(0); 4];
            }
            // and that line means something else
            "edit" => {
                if let Some(group) = draft.groups.get_mut(usize::from(small(value)?)) {
                    group.digest = Mark([9; 3]);
                }
                draft.resources_digest = [9; 4];
            }
            _ => return Err(format!("no such key: {key}")),
        }
        if !matches!(key, "resources" | "speaks" | "groups" | "edit") {
            draft.timings_digest = [2; 4];
        }
    }
    Config::new(draft).map_err(|error| error.to_string())
}

fn will(world: &World, node: usize, args: &[&str]) -> Result<Act, String> {
    let (group, place) = resource(world, arg(args, 1)?)?;
    let op = match arg(args, 2)? {
        "probe" => Op::Probe,
        "start" => Op::Start,
        "stop" => Op::Stop,
        "monitor" => Op::Monitor,
        "outdate" => Op::Outdate,
        "confirm" => Op::Confirm,
        "resume" => Op::Resume,
        _ => return Err("probe, start, stop, monitor, outdate, confirm or resume".to_owned()),
    };
    let mut script = Script {
        outcome: None,
        takes: None,
        times: u32::MAX,
    };
    for word in args.get(3..).unwrap_or(&[]) {
        if *word == "normal" {
            return Ok(Act::Unscript(node, group, place, op));
        } else if *word == "feigned" {
            return Ok(Act::Feign(node, group, place, op));
        } else if let Some(times) = word.strip_prefix('x') {
            script.times = u32::try_from(number(times)?).unwrap_or(1);
        } else if let Ok(takes) = span(word) {
            script.takes = Some(takes);
        } else {
            script.outcome = Some(outcome(word)?);
        }
    }
    Ok(Act::Script(node, group, place, op, script))
}

/// `RESOURCE` of g0, or `gN/RESOURCE`.
fn resource(world: &World, wanted: &str) -> Result<(usize, u8), String> {
    let (group, wanted) = match wanted.split_once('/') {
        Some((name, wanted)) => (group(world, name)?, wanted),
        None => (0, wanted),
    };
    let models = &world.setup.groups[group].resources;
    let place = models.iter().position(|model| model.name() == wanted);
    let place = place.and_then(|place| u8::try_from(place).ok());
    Ok((group, place.ok_or("no such resource")?))
}

fn relay(word: &str) -> Result<Relay, String> {
    match word {
        "none" => Ok(Relay::None),
        "beside" => Ok(Relay::Beside),
        "in-place" => Ok(Relay::InPlace),
        _ => Err(format!("none, beside or in-place, not {word}")),
    }
}

fn outcome(word: &str) -> Result<Outcome, String> {
    Outcome::ALL
        .into_iter()
        .find(|outcome| format!("{outcome:?}").eq_ignore_ascii_case(word))
        .ok_or_else(|| format!("no such outcome: {word}"))
}

fn ask(world: &World, args: &[&str]) -> Result<Act, String> {
    let node = node(arg(args, 0)?)?;
    let command = match arg(args, 1)? {
        "standby" => Command::Standby {
            groups: some_groups(world, args)?,
        },
        "takeover" => Command::Takeover {
            groups: some_groups(world, args)?,
        },
        "stop" => Command::Stop,
        "resume" => Command::Resume,
        "confirm-fenced" => Command::ConfirmFenced,
        "clear" => Command::Clear {
            group: group_id(args.get(2).map_or(Ok(0), |name| group(world, name))?),
        },
        "confirm-data" => Command::ConfirmData {
            group: group_id(args.get(2).map_or(Ok(0), |name| group(world, name))?),
        },
        "hold" => Command::Hold {
            span: match args.get(2) {
                Some(text) => Some(Span::from_millis(span(text)? / 1000)),
                None => None,
            },
            reason: HoldReason::new(),
        },
        _ => return Err("no such request".to_owned()),
    };
    Ok(Act::Ask(node, command))
}

fn cut(what: &str, cut: bool) -> Result<Vec<Act>, String> {
    if what == "drbd" {
        return Ok(vec![Act::Drbd(cut)]);
    }
    if let Some(nodes) = what.strip_prefix('W') {
        let nodes = nodes.strip_prefix(':').unwrap_or("ab").chars();
        let of = |letter: char| Ok(Act::WitnessCut(node(&letter.to_string())?, cut));
        return nodes.map(of).collect();
    }
    let (links, from) = what.split_once(':').unwrap_or((what, "ab"));
    let link = match links.strip_prefix('L') {
        Some(text) => usize::try_from(number(text)?).ok(),
        None if links == "all" => None,
        None => return Err("L0, all or drbd".to_owned()),
    };
    let ways = from.chars().map(|letter| node(&letter.to_string()));
    ways.map(|from| Ok(Act::Cut(link, from?, cut))).collect()
}

fn show(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, node) in world.nodes.iter().enumerate() {
        let Some(daemon) = &node.daemon else {
            lines.push(format!("{}: no daemon", letter(index)));
            continue;
        };
        let seen = daemon.snapshot();
        for (group, view) in seen.groups.iter().enumerate() {
            lines.push(format!(
                "{}: g{group} {:?}, tenure {}, {:?}; peer {:?}",
                letter(index),
                view.phase,
                view.tenure.0,
                view.decision,
                seen.peer
            ));
        }
    }
    let groups = world.setup.groups.len();
    let of = |group: usize| {
        let name = if groups > 1 {
            format!("g{group} ")
        } else {
            String::new()
        };
        format!("{name}{}", world.active(group))
    };
    lines.push(format!(
        "active: {}",
        (0..groups).map(of).collect::<Vec<_>>().join(", ")
    ));
    lines
}

/// A promise that no rewrite of the expected output can lose.
fn expect(world: &mut World, args: &[&str]) -> Done {
    let (group, wanted) = match args {
        [wanted] => (0, *wanted),
        [name, wanted] => (group(world, name)?, *wanted),
        _ => return Err("a, b, ab or none, of one group".to_owned()),
    };
    let (now, active) = (world.now, world.active(group));
    if active != wanted.trim_start_matches("none") {
        let text = format!("SCENARIO g{group} is active on '{active}', expected: {wanted}");
        world.watch.violation(now, &text);
        world.trace.line(now, &text, || format!("VIOLATION {text}"));
    }
    Ok(())
}

fn each(args: &[&str], act: impl Fn(usize) -> Act) -> Result<Vec<Act>, String> {
    args.iter().map(|name| Ok(act(node(name)?))).collect()
}

fn arg<'a>(args: &[&'a str], index: usize) -> Result<&'a str, String> {
    args.get(index).copied().ok_or_else(|| "a word is missing".to_owned())
}

/// The groups a request names; all if it names none.
fn some_groups(world: &World, args: &[&str]) -> Result<GroupSet, String> {
    let names = args.get(2..).unwrap_or(&[]);
    if names.is_empty() {
        return Ok(GroupSet::ALL);
    }
    let places: Result<Vec<usize>, String> = names.iter().map(|name| group(world, name)).collect();
    Ok(GroupSet::of(places?))
}

fn group(world: &World, name: &str) -> Result<usize, String> {
    let number = name.strip_prefix('g').and_then(|number| number.parse().ok());
    number
        .filter(|group| *group < world.setup.groups.len())
        .ok_or_else(|| format!("no such group: {name}"))
}

fn node(name: &str) -> Result<usize, String> {
    match name {
        "a" => Ok(0),
        "b" => Ok(1),
        _ => Err(format!("no such node: {name}")),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}

/// The word there as a count.
fn size(args: &[&str], index: usize) -> Result<usize, String> {
    let number = number(arg(args, index)?)?;
    usize::try_from(number).map_err(|_| format!("too large: {number}"))
}

fn small(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| format!("no small number: {text}"))
}

/// `500ms`, `10s`, `30m`, in microseconds.
fn span(text: &str) -> Result<u64, String> {
    let units = [("ms", 1000), ("s", 1_000_000), ("m", 60_000_000)];
    units
        .iter()
        .find_map(|(unit, size)| Some(text.strip_suffix(unit)?.parse::<u64>().ok()? * size))
        .ok_or_else(|| format!("no span of time: {text}"))
}
