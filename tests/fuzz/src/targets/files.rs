//! The cluster's own files: the parsers that `ovzha check` and the daemon share.

use std::path::{Path, PathBuf};

use ovzha_core::cluster::Cluster;
use ovzha_core::id::BootId;
use ovzha_core::output::Durable;
use ovzha_core::time::{Instant, Span};
use ovzha_core::watchdog::Watchdog;
use ovzha_host::config::{Config, Files};
use ovzha_host::diagnostic::Diagnostic;
use ovzha_host::ovzha_cf::watchdog::Heartbeat;
use ovzha_host::status::{HostFacts, status};
use ovzha_host::third::keys;
use ovzha_host::{authkeys, core_config, ha_cf, haresources, ovzha_cf};
use serde_json::Value;

/// The name that every file has here.
pub const FILE: &str = "file";

/// Every problem has a line of the file and a text that can be shown.
fn told(bytes: &[u8], diagnostics: &[Diagnostic]) -> bool {
    let lines = bytes.split(|&b| b == b'\n').count();
    for diagnostic in diagnostics {
        let line = diagnostic.line.and_then(|line| usize::try_from(line).ok());
        assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{diagnostic}");
        assert!(!diagnostic.text.chars().any(char::is_control), "{diagnostic:?}");
        assert!(diagnostic.text.len() < 2000, "{diagnostic}");
    }
    !diagnostics.iter().any(Diagnostic::is_error)
}

/// The two nodes of the cluster.
pub fn nodes() -> [String; 2] {
    ["a".to_owned(), "b".to_owned()]
}

pub fn ha_cf(bytes: &[u8]) {
    let parsed = ha_cf::parse(Path::new(FILE), bytes);
    if told(bytes, &parsed.diagnostics) {
        let times = parsed.value.timings;
        assert!(parsed.value.nodes.len() == 2 && !parsed.value.links.is_empty());
        assert!(times.keepalive < times.warntime && times.warntime < times.deadtime);
        assert!(times.keepalive.times(2) < times.deadtime && times.deadtime <= times.initdead);
    }
}

pub fn authkeys(bytes: &[u8]) {
    let parsed = authkeys::parse(Path::new(FILE), bytes);
    if told(bytes, &parsed.diagnostics) {
        let ring = core_config::keyring(&parsed.value);
        assert!(ring.is_ok(), "{ring:?}");
    }
    // the key file of a witness: what is understood is written and understood the same
    if let Ok(ring) = keys::parse(&String::from_utf8_lossy(bytes)) {
        assert!(keys::parse(&keys::render(&ring)).is_ok_and(|again| again == ring));
    }
}

pub fn haresources(bytes: &[u8]) {
    told(bytes, &haresources::parse(Path::new(FILE), bytes, &[]).diagnostics);
    let parsed = haresources::parse(Path::new(FILE), bytes, &nodes());
    if told(bytes, &parsed.diagnostics) {
        // What was understood, written plainly, is understood the same.
        let mut plain = String::new();
        for group in &parsed.value {
            assert!(!group.resources.is_empty());
            plain.push_str(&group.node);
            for resource in &group.resources {
                plain.push(' ');
                plain.push_str(&resource.word());
            }
            plain.push('\n');
        }
        let again = haresources::parse(Path::new(FILE), plain.as_bytes(), &nodes());
        assert!(told(plain.as_bytes(), &again.diagnostics), "{plain}: {again:?}");
        let words = |groups: &[haresources::GroupLine]| -> Vec<Vec<String>> {
            let of = |group: &haresources::GroupLine| group.resources.iter().map(haresources::Resource::word).collect();
            groups.iter().map(of).collect()
        };
        assert_eq!(words(&parsed.value), words(&again.value));
    }
}

pub fn ovzha_cf(bytes: &[u8]) {
    let heartbeat = Heartbeat {
        keepalive: Span::from_secs(1),
        deadtime: Span::from_secs(30),
        pings: true,
    };
    let parsed = ovzha_cf::parse(Path::new(FILE), bytes, Some(heartbeat));
    if told(bytes, &parsed.diagnostics) {
        assert!(parsed.value.stop_budget() < Some(heartbeat.deadtime));
        let timeout = parsed.value.watchdog().map(|(_, timeout)| timeout);
        assert!(timeout.is_none_or(|timeout| heartbeat.fits(timeout).is_ok()));
    }
}

/// `ha.cf`, `haresources` and `ovzha.cf` in one input, with a line `---` between them: what the parsers accept
/// together, the core accepts.
pub fn files(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split("---\n").map(str::as_bytes);
    let mut next = || parts.next().unwrap_or_default();
    let (first, second, third) = (next(), next(), next());
    let ha_cf = ha_cf::parse(Path::new(FILE), first);
    let names: Vec<String> = ha_cf.value.nodes.iter().map(|node| node.value.clone()).collect();
    let groups = haresources::parse(Path::new(FILE), second, &names);
    let settings = ovzha_cf::parse(Path::new(FILE), third, Some(Heartbeat::from(&ha_cf.value)));
    let keys = authkeys::parse(Path::new(FILE), b"auth 1\n1 sha1 x");
    let good = told(first, &ha_cf.diagnostics) & told(second, &groups.diagnostics) & told(third, &settings.diagnostics);
    if !good {
        return;
    }
    let files = Files {
        dir: PathBuf::from("/nonexistent/ha.d"),
        ha_cf: ha_cf.value,
        keys: keys.value,
        groups: groups.value,
        settings: settings.value,
    };
    let me = names.first().map(String::as_str).unwrap_or_default();
    let config = Config::new(files, me);
    assert!(config.is_ok(), "{config:?}");
    if let Ok(config) = config {
        shown(&config);
    }
}

/// The core takes the configuration, and its `status` is one line of JSON that says the same when it is read.
fn shown(config: &Config) {
    let timer = config.settings.watchdog();
    let watchdog = timer.map(|(_, timeout)| Watchdog { timeout, stays: false });
    let ring = core_config::keyring(&config.keys);
    let (core, Ok(ring)) = (core_config::core_config(config, false, watchdog), ring) else {
        panic!("the core refuses what the files say");
    };
    let core = match core {
        Ok(core) => core,
        Err(why) => panic!("{why}"),
    };
    let now = Instant::from_millis(1000);
    let cluster = Cluster::new(core, ring, BootId([1; 4]), Durable::default(), now);
    let told = status(config, &HostFacts::default(), &cluster.snapshot());
    let line = told.to_string();
    assert!(!line.contains(char::is_control), "{line:?}");
    assert_eq!(serde_json::from_str::<Value>(&line).ok(), Some(told));
}
