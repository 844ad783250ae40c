//! Scripts of the admin's that are told what happens: what there is to tell, and in which words.
//!
//! A hook is an executable `hooks.d/EVENT` below the configuration directory. It gets the event in its environment, in
//! the names Heartbeat gave the scripts in `rc.d`, runs as an errand (`errand`: one at a time, bounded, nothing waits for
//! it), and its answer changes nothing. The directory is not `rc.d`: the scripts that came with Heartbeat may still lie
//! there, and they would move resources behind our back.
//!
//! `resource.d/startstop` is called as Heartbeat's init script called it: `pre-start`, `post-start CODE`, `pre-stop`,
//! `post-stop CODE`.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ovzha_core::notice::Notice;
use ovzha_core::time::Span;

use crate::agent::Answer;
use crate::config::Config;
use crate::errand::Errand;
use crate::{program, told, trusted_file};

/// The agent's word for becoming a script.
pub const WORD: &str = "script";
/// Where hooks lie, below the configuration directory.
pub const DIR: &str = "hooks.d";
/// The script around start and stop, below the configuration directory.
pub const STARTSTOP: &str = "resource.d/startstop";
/// Its label as an errand.
pub const STARTSTOP_LABEL: &str = "startstop";
/// Every event.
pub const EVENTS: [&str; 8] = [
    "group",
    "held",
    "hold",
    "isolated",
    "link",
    "ping",
    "status",
    "two-active",
];
/// How long a script may take.
pub const LIMIT: Span = Span::from_secs(60);

/// Something that happened, in the words of a hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Which hook.
    pub event: &'static str,
    /// `NAME=VALUE`, without the `HA_` in front.
    vars: Vec<String>,
}

impl Call {
    fn new(event: &'static str, vars: &[(&str, &str)]) -> Self {
        let vars = vars.iter().map(|(name, value)| format!("{name}={value}"));
        Self {
            event,
            vars: vars.collect(),
        }
    }
}

/// What a notice is to hooks, if anything.
#[must_use]
pub fn call(config: &Config, notice: &Notice) -> Option<Call> {
    let peer = config.peer_node();
    let status = |st, old, info| Call::new("status", &[("src", peer), ("st", st), ("OSTATUS", old), ("info", info)]);
    let link = |id, st| Call::new("link", &[("src", peer), ("link", &told::link(config, id)), ("st", st)]);
    let ping = |place, st| Call::new("ping", &[("src", &told::address(config, place)), ("st", st)]);
    let group = |event, id, st: &str, info: &str| {
        let name = told::group(config, id);
        let number = id.0.to_string();
        Call::new(
            event,
            &[("group", &name), ("number", &number), ("st", st), ("info", info)],
        )
    };
    Some(match *notice {
        Notice::PeerAlive { restarted: false } => status("active", "dead", "heard"),
        Notice::PeerAlive { restarted: true } => status("active", "active", "restarted"),
        Notice::PeerDead(_) => status("dead", "active", "deadtime"),
        Notice::PeerNeverHeard => status("dead", "init", "initdead"),
        Notice::PeerLeft => status("dead", "active", "stopped"),
        Notice::LinkUp(id) => link(id, "up"),
        Notice::LinkDead(id, _) => link(id, "dead"),
        Notice::PingUp(place) => ping(place, "up"),
        Notice::PingDead(place) => ping(place, "dead"),
        Notice::Isolated => Call::new("isolated", &[("st", "on")]),
        Notice::Witness { heard } => Call::new("witness", &[("st", if heard { "active" } else { "dead" })]),
        Notice::NotIsolated => Call::new("isolated", &[("st", "off")]),
        Notice::HoldBegan => Call::new("hold", &[("st", "on")]),
        Notice::HoldEnded => Call::new("hold", &[("st", "off")]),
        Notice::Phase { group: id, phase, why } => group("group", id, told::phase(phase), &why.to_string()),
        Notice::Holding { group: id, why } => group("held", id, "on", &why.to_string()),
        Notice::TwoActive { group: id, yields } => group("two-active", id, if yields { "yields" } else { "stays" }, ""),
        Notice::PeerOff | Notice::PeerSaidOff => status("dead", "dead", "fenced"),
        Notice::PeerShot
        | Notice::ShotFailed { .. }
        | Notice::ShotVoid { .. }
        | Notice::DiskLost { .. }
        | Notice::Ahead { .. }
        | Notice::Marked { .. }
        | Notice::Frozen { .. }
        | Notice::DataConfirmed { .. }
        | Notice::Pledged { .. }
        | Notice::PledgeHeld { .. }
        | Notice::LinkLate(..)
        | Notice::LinkNumberDiffers(_)
        | Notice::PeerLate(_)
        | Notice::PeerNewer(_)
        | Notice::ForeignKey
        | Notice::ForeignHeartbeat
        | Notice::NameTwice
        | Notice::Unheard(_)
        | Notice::Slept(_)
        | Notice::ResourcesDiffer
        | Notice::WitnessHand { .. }
        | Notice::TimingsDiffer
        | Notice::GroupsUnknown(_)
        | Notice::Step { .. }
        | Notice::StoreFailed
        | Notice::MoveBegins { .. }
        | Notice::MoveRefused { .. }
        | Notice::Lost(_) => return None,
    })
}

/// The hooks there are, as a child will find them. Looks at the disk: at the start only.
#[must_use]
pub fn present(config_dir: &Path) -> Vec<&'static str> {
    let is_there = |event: &&str| program::is_executable(&config_dir.join(DIR).join(event));
    EVENTS.into_iter().filter(is_there).collect()
}

/// Whether there is a script around start and stop. Looks at the disk.
#[must_use]
pub fn has_startstop(config_dir: &Path) -> bool {
    config_dir.join(STARTSTOP).is_file()
}

/// What changes when a script comes or goes: one word.
#[must_use]
pub fn fingerprint(config_dir: &Path) -> String {
    let mut names = present(config_dir);
    names.extend(has_startstop(config_dir).then_some(STARTSTOP_LABEL));
    names.join("+")
}

/// A call as an errand.
#[must_use]
pub fn errand(config_dir: &Path, env: &[String], call: &Call) -> Errand {
    let mut whole = env.to_vec();
    // what Heartbeat told every script of rc.d
    whole.extend(["HA_NICEFAILBACK=yes".to_owned(), format!("HA_t={}", call.event)]);
    whole.extend(call.vars.iter().map(|var| format!("HA_{var}")));
    script(
        format!("hook {}", call.event),
        &config_dir.join(DIR).join(call.event),
        &[],
        whole,
    )
}

/// A call of `startstop` as an errand.
#[must_use]
pub fn startstop(config_dir: &Path, env: &[String], args: &[&str]) -> Errand {
    script(
        STARTSTOP_LABEL.to_owned(),
        &config_dir.join(STARTSTOP),
        args,
        env.to_vec(),
    )
}

fn script(label: String, file: &Path, args: &[&str], env: Vec<String>) -> Errand {
    let file = file.display().to_string();
    let words = ["ovzha", "agent", WORD, &file].into_iter().chain(args.iter().copied());
    Errand {
        label,
        argv: words.map(str::to_owned).collect(),
        env,
        stdin: None,
        limit: LIMIT,
    }
}

/// Becomes the script; comes back only to say why not.
#[must_use]
pub fn become_script(file: &Path, args: &[&str]) -> Answer {
    if let Some(why) = trusted_file::program_problem(file) {
        return Answer::failed(format!("not run: {why}"));
    }
    let error = Command::new(file).args(args).exec();
    Answer::failed(format!("{} can't be run: {error}", file.display()))
}

/// Files in `hooks.d` that are no event's, or that nobody can execute; scripts of `rc.d` that were the admin's own.
#[must_use]
pub fn misplaced(config_dir: &Path) -> Vec<(PathBuf, &'static str)> {
    const SHIPPED: [&str; 5] = [
        "ask_resources",
        "hb_takeover",
        "ip-request",
        "ip-request-resp",
        "status",
    ];
    let names = |dir: &str| {
        let entries = std::fs::read_dir(config_dir.join(dir)).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let is_one_of = |path: &Path, known: &[&str]| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| known.contains(&name) || name.starts_with('.') || name == "README")
    };
    let mut found = Vec::new();
    for path in names(DIR) {
        if !is_one_of(&path, &EVENTS) {
            found.push((path, "is the name of no event, so it is never called"));
        } else if !program::is_executable(&path) {
            found.push((path, "is not executable, so it is never called"));
        }
    }
    for path in names("rc.d") {
        if program::is_executable(&path) && !is_one_of(&path, &SHIPPED) {
            found.push((
                path,
                "was called by Heartbeat and is not called here: hooks stand in hooks.d",
            ));
        }
    }
    found
}
