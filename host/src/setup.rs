//! From the command line to a daemon that is ready to run; whatever is wrong is told before anything is touched.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ovzha_core::auth::Keyring;
use ovzha_core::cluster::Cluster;
use ovzha_core::config::Config as CoreConfig;
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::BootId;
use ovzha_core::output::Durable;
use ovzha_core::time::Instant;

use crate::aside::Aside;
use crate::children::Children;
use crate::config::{self, Config, Files, Group};
use crate::control::Control;
use crate::diagnostic::Severity;
use crate::last_words::LastWords;
use crate::line::Line;
use crate::log::{Facility, Log, Targets};
use crate::network::Network;
use crate::notify::Notify;
use crate::owner::{self, Owner};
use crate::ping::Pinger;
use crate::record::due::Due;
use crate::record::keep;
use crate::record::names::Names;
use crate::record::recorded::Recorded;
use crate::record::writer::Writer;
use crate::run::{Daemon, Options};
use crate::since::ActiveSince;
use crate::status::HostFacts;
use crate::sys::{self, CoreLimit, LastResort, Signals};
use crate::validate::Fingerprint;
use crate::watchdog::Watchdog;
use crate::ways::Ways;
use crate::{bugs, check, core_config, guard, store};

/// Exit code: the files or the machine forbid a start.
const BAD: u8 = 1;
/// Exit code: this machine lacks something.
const LACKING: u8 = 3;
/// Exit code: another instance runs.
const TWICE: u8 = 4;

/// One line where a person or the supervisor sees it: there is no log yet, or it may not come up.
fn say(text: &str) {
    // nobody to tell if this fails: the exit code says the rest
    let line = format!("ovzha: {text}\n");
    drop(std::io::stderr().write_all(line.as_bytes()));
}

fn lacking(what: &str, error: &dyn std::fmt::Display) -> u8 {
    say(&format!("{what}: {error}"));
    LACKING
}

/// Makes the daemon.
///
/// # Errors
/// The exit code, after telling why.
pub fn daemon(options: &Options) -> Result<Daemon, u8> {
    let (config, files) = load(options)?;
    let (keyring, witness) = keyrings(&config).map_err(|why| {
        say(&why);
        BAD
    })?;
    refuse(&files)?;
    if let Some(why) = Owner::of(&config).refusal(&options.state_dir) {
        say(&why);
        return Err(BAD);
    }
    let lock = lock(&options.run_dir)?;
    let watchdog = guard::prepare(options, &config).map_err(|why| {
        say(&why);
        LACKING
    })?;
    let core = core_of(&config, options, watchdog.as_ref())?;
    let program = own_program().map_err(|error| lacking("own program", &error))?;
    let fingerprint = Fingerprint::take(&options.config_dir, &program);
    let (durable, damage) = durable(&options.state_dir, config.groups.len());
    let running = fs::read(options.run_dir.join("running")).unwrap_or_default();
    let active = fs::read(options.run_dir.join("active")).unwrap_or_default();
    let boot = sys::random_bytes::<4>().map_err(|error| lacking("/dev/urandom", &error))?;
    let secret = sys::random_bytes::<32>().map_err(|error| lacking("/dev/urandom", &error))?;
    let control = Control::open(&options.run_dir).map_err(|error| lacking("control socket", &error))?;
    let log = open_log(&config, options).map_err(|error| lacking("log", &error))?;
    let signals = Signals::open().map_err(|error| lacking("signals", &error))?;
    let last_resort = options.last_resort.then(LastResort::prepare);
    let (realtime, limit) = stand_firm(&config);
    let now = sys::boottime();
    let mut cluster = Cluster::new(core, keyring, BootId(boot), durable, now);
    if let Some(keyring) = witness {
        cluster.hear(keyring);
    }
    let (cluster, unrecorded) = recorded(cluster, &config, options, now);
    let (state_dir, config_dir) = (options.state_dir.clone(), options.config_dir.clone());
    let pings: Vec<&[IpAddr]> = config.pings.iter().map(|ping| ping.addresses.as_slice()).collect();
    let mut daemon = Daemon {
        cluster,
        copies: Due::new(now),
        ways: Ways::new(&config),
        network: Network::open(now),
        pinger: Pinger::new(&pings, &secret),
        next_ping: now,
        aside: Aside::new(now, &config, options, limit),
        children: Children::new(now, &config, (state_dir, config_dir), limit, &running),
        facts: HostFacts::new(now, realtime, &config, &active),
        options: options.clone(),
        log,
        control,
        signals,
        last_resort,
        last_words: LastWords::prepare(Path::new("/dev")),
        watchdog,
        notify: Notify::open(),
        program,
        fingerprint,
        reason: String::new(),
        frame: FrameBuf::new(),
        fds: Vec::with_capacity(64),
        rounds: 0,
        counted: now,
        busy: 0,
        ends: None,
        _lock: lock,
        config,
    };
    tell_heritage(&mut daemon, damage);
    unrecorded.inspect(|why| daemon.log.say(&Line::NotRecorded(why)));
    Ok(daemon)
}

/// The keys between the nodes, and those of the witness where there is one.
fn keyrings(config: &Config) -> Result<(Keyring, Option<Keyring>), String> {
    let witness = config
        .settings
        .witness()
        .map(|_| core_config::witness_keyring(&config.keys));
    Ok((core_config::keyring(&config.keys)?, witness.transpose()?))
}

/// What the core decides by.
fn core_of(config: &Config, options: &Options, watchdog: Option<&Watchdog>) -> Result<CoreConfig, u8> {
    core_config::core_config(config, options.last_resort, watchdog.map(Watchdog::core)).map_err(|why| {
        say(&why);
        BAD
    })
}

/// The core with its recorder, if there is to be one, and why there is none although there should be.
fn recorded(cluster: Cluster, config: &Config, options: &Options, now: Instant) -> (Recorded, Option<String>) {
    let mib = config.settings.record();
    if mib == 0 {
        return (Recorded::new(cluster, None), None);
    }
    match keep::prepare(&options.run_dir, &options.state_dir, mib, config.realtime) {
        Ok(ring) => {
            let writer = Writer::new(ring, Names::of(config), config.keys.signing, &cluster, now);
            (Recorded::new(cluster, Some(writer)), None)
        }
        Err(error) => (Recorded::new(cluster, None), Some(error.to_string())),
    }
}

/// What earlier lives left, as the first lines of this one.
fn tell_heritage(daemon: &mut Daemon, damage: Option<String>) {
    if let Some(damage) = damage {
        daemon.log.say(&Line::StateLost(&damage));
    }
    if let Some(newest) = bugs::read(&daemon.options.state_dir).last() {
        let path = bugs::path(&daemon.options.state_dir).display().to_string();
        daemon.log.say(&Line::FormerBug { newest, path: &path });
    }
    let former = daemon.children.former();
    if former > 0 {
        daemon.log.say(&Line::FormerChildren(former));
    }
}

fn load(options: &Options) -> Result<(Config, Files), u8> {
    let loaded = config::read_files(&options.config_dir);
    for problem in &loaded.diagnostics {
        say(&problem.to_string());
    }
    let broken = loaded
        .diagnostics
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    let files = loaded.files.filter(|_| !broken).ok_or(BAD)?;
    let name = options.node.clone().unwrap_or_else(|| config::own_name(Path::new("/")));
    let config = Config::new(files.clone(), &name).map_err(|why| {
        say(&why);
        BAD
    })?;
    Ok((config, files))
}

/// Refuses to run where two nodes could become active behind our back.
fn refuse(files: &Files) -> Result<(), u8> {
    let findings = check::refusals(Path::new("/"), files);
    for finding in &findings {
        say(&format!("{finding}"));
    }
    if findings.is_empty() { Ok(()) } else { Err(BAD) }
}

fn lock(run_dir: &Path) -> Result<fs::File, u8> {
    let made = DirBuilder::new().recursive(true).mode(0o711).create(run_dir);
    made.map_err(|error| lacking(&run_dir.display().to_string(), &error))?;
    let path = run_dir.join("lock");
    let taken = sys::lock_instance(&path).map_err(|error| lacking(&path.display().to_string(), &error))?;
    taken.ok_or_else(|| {
        say(&format!("another instance holds {}", path.display()));
        TWICE
    })
}

/// Where the program lies, also after it was replaced there.
fn own_program() -> std::io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let text = path.to_string_lossy();
    Ok(text
        .strip_suffix(" (deleted)")
        .map_or_else(|| path.clone(), PathBuf::from))
}

/// What survived. Damage means more caution, never less: a hold until a person looks.
fn durable(state_dir: &Path, groups: usize) -> (Durable, Option<String>) {
    let damage = match (store::read(state_dir), owner::read(state_dir)) {
        (store::Read::Absent, _) => return (Durable::default(), None),
        (store::Read::Damaged(why), _) | (store::Read::Found(_), Err(why)) => why,
        (store::Read::Found(bytes), Ok(_)) => match Durable::decode(&bytes) {
            // of the first layout nobody can say which groups they were
            Some(durable) if durable.groups.len() <= groups || !durable.names.is_empty() => return (durable, None),
            Some(_) => "it knows more groups than haresources".to_owned(),
            None => "of another version".to_owned(),
        },
    };
    (Durable::damaged(), Some(damage))
}

fn open_log(config: &Config, options: &Options) -> std::io::Result<Log> {
    let targets = Targets {
        facility: config.log.facility.and_then(Facility::from_number),
        logfile: config.log.file.clone(),
        debugfile: None,
        stderr: options.log_stderr,
    };
    Log::open(targets, config.own_node())
}

/// Locked memory, realtime, out of the OOM killer's reach, no core dumps: where allowed, and told where not.
fn stand_firm(config: &Config) -> (String, Option<CoreLimit>) {
    let told = |done: std::io::Result<()>, holds: &str, lacks: &str| match done {
        Ok(()) => holds.to_owned(),
        Err(error) => format!("{lacks}: {error}"),
    };
    let (limit, dumps) = match sys::forbid_core_dumps() {
        Ok(limit) => (Some(limit), Ok(())),
        Err(error) => (None, Err(error)),
    };
    let mut facts = Vec::new();
    if config.realtime {
        facts.push(told(sys::lock_memory(), "memory locked", "memory NOT locked"));
        let realtime = sys::set_realtime(i32::from(config.rtprio));
        facts.push(told(
            realtime,
            &format!("realtime priority {}", config.rtprio),
            "NO realtime priority",
        ));
    } else {
        facts.push("realtime off in ha.cf".to_owned());
    }
    facts.push(told(
        sys::protect_from_oom(),
        "out of the OOM killer's reach",
        "NOT out of the OOM killer's reach",
    ));
    if let Err(error) = dumps {
        facts.push(format!("core dumps NOT forbidden: {error}"));
    }
    (facts.join(", "), limit)
}

impl HostFacts {
    fn new(started: Instant, realtime: String, config: &Config, active: &[u8]) -> Self {
        let (links, groups) = (config.links.len(), config.groups.len());
        Self {
            started,
            realtime,
            failing: vec![None; links + 1],
            failures: vec![String::new(); groups],
            active_since: ActiveSince::new(config.groups.iter().map(Group::name), active, started),
            peer_phases: vec![(None, started); groups],
            ping_failure: None,
            stand_alone: vec![false; groups],
            watchdog: None,
        }
    }
}
