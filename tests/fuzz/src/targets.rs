//! What is fuzzed: every parser of bytes that others wrote, each with what must hold of any input.
//!
//! A target panics when its property fails. The fuzzer drives them (`main.rs`), and `host/tests/fuzz_corpus.rs`
//! replays the committed inputs in the quick test loop.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::frame::{self, BODY_MAX, FRAME_MAX};
use ovzha_core::id::{ClusterId, KeyId};
use ovzha_core::message::Message;
use ovzha_core::output::{DURABLE_MAX, Durable};
use ovzha_core::serial::{self, Deframer, SerialBuf};
use ovzha_core::time::{Instant, Span};
use ovzha_core::watchdog::Watchdog;
use ovzha_host::config::{Config, Files};
use ovzha_host::diagnostic::Diagnostic;
use ovzha_host::drbd::{self, State};
use ovzha_host::ovzha_cf::watchdog::Heartbeat;
use ovzha_host::since::ActiveSince;
use ovzha_host::validate::Fingerprint;
use ovzha_host::{authkeys, check, control, core_config, ha_cf, haresources, mounts, ovzha_cf, services, store, task};

/// Runs one input.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("ha_cf", ha_cf),
    ("authkeys", authkeys),
    ("haresources", haresources),
    ("ovzha_cf", ovzha_cf),
    ("files", files),
    ("drbd", drbd),
    ("machine", machine),
    ("mounts", mounts),
    ("control", control),
    ("durable", durable),
    ("run_dir", run_dir),
    ("frame", frame),
    ("serial", serial),
];

const FILE: &str = "file";

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

fn nodes() -> [String; 2] {
    ["a".to_owned(), "b".to_owned()]
}

fn ha_cf(bytes: &[u8]) {
    let parsed = ha_cf::parse(Path::new(FILE), bytes);
    if told(bytes, &parsed.diagnostics) {
        let times = parsed.value.timings;
        assert!(parsed.value.nodes.len() == 2 && !parsed.value.links.is_empty());
        assert!(times.keepalive < times.warntime && times.warntime < times.deadtime);
        assert!(times.keepalive.times(2) < times.deadtime && times.deadtime <= times.initdead);
    }
}

fn authkeys(bytes: &[u8]) {
    let parsed = authkeys::parse(Path::new(FILE), bytes);
    if told(bytes, &parsed.diagnostics) {
        let ring = core_config::keyring(&parsed.value);
        assert!(ring.is_ok(), "{ring:?}");
    }
}

fn haresources(bytes: &[u8]) {
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

fn ovzha_cf(bytes: &[u8]) {
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
fn files(bytes: &[u8]) {
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
    let core = config.map(|config| {
        let watchdog = config
            .settings
            .watchdog()
            .map(|(_, timeout)| Watchdog { timeout, stays: false });
        core_config::core_config(&config, false, watchdog).map(|_| ())
    });
    assert_eq!(core, Ok(Ok(())));
}

fn drbd(bytes: &[u8]) {
    let text = &String::from_utf8_lossy(bytes);
    black_box(drbd::parse_role(text)).ok();
    black_box(drbd::parse_cstate(text)).ok();
    black_box(drbd::parse_dstate(text)).ok();
    black_box(drbd::parse_gi(text)).ok();
    black_box(drbd::is_not_configured(text));
    let mut events = drbd::Events::new("r0");
    // what follows an error is not read any more, and still must not be a panic
    let understood = text.lines().filter(|line| events.line(line).is_ok()).count();
    let followed = events.seen().ok().filter(|_| understood > 0);
    let states = [
        State::parse_observed(text).ok(),
        drbd::parse_proc(text).and_then(|proc| proc.state(&[0])).ok(),
        drbd::parse_status(text, "r0").ok().flatten(),
        drbd::parse_json(text, "r0").ok().flatten(),
        followed.and_then(|seen| match seen {
            drbd::Seen::Up(state) => Some(state),
            drbd::Seen::Down | drbd::Seen::Nothing => None,
        }),
    ];
    for state in states.into_iter().flatten() {
        // the daemon reads the line that the watcher writes
        assert_eq!(State::parse_observed(&state.to_string()).ok(), Some(state));
        assert!(!(state.mirrored() && state.ahead()), "{state}");
        assert!(!(state.handshaken() && state.peer_is_old()), "{state}");
    }
}

/// `drbd.conf` and `fstab` in one input, with a line `---` between them, as `ovzha check` reads them.
fn machine(bytes: &[u8]) {
    static ROOT: OnceLock<(PathBuf, Files)> = OnceLock::new();
    let (root, files) = ROOT.get_or_init(|| {
        let root = std::env::temp_dir().join(format!("ovzha-fuzz-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).expect("room for a machine");
        let ha_cf = ha_cf::parse(Path::new(FILE), b"node a b\nserial /dev/ttyS0\nauto_failback off");
        let line = b"a drbddisk::r0 Filesystem::/dev/drbd0::/vz::ext3 vz";
        let files = Files {
            dir: PathBuf::from("/nonexistent/ha.d"),
            ha_cf: ha_cf.value,
            keys: authkeys::parse(Path::new(FILE), b"auth 1\n1 sha1 x").value,
            groups: haresources::parse(Path::new(FILE), line, &nodes()).value,
            settings: ovzha_cf::OvzhaCf::default(),
        };
        (root, files)
    });
    let cut = bytes.windows(4).position(|four| four == b"---\n");
    let (conf, fstab) = cut.map_or((bytes, &b""[..]), |cut| bytes.split_at(cut));
    let fstab = fstab.get(4..).unwrap_or_default();
    for (name, content) in [("etc/drbd.conf", conf), ("etc/fstab", fstab)] {
        fs::write(root.join(name), content).expect("room for a machine");
    }
    for finding in check::machine(root, files) {
        let shown = format!("{finding}{}{}", finding.remedy, finding.lines.concat());
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}

fn mounts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(mounts::parse(&text).len() <= text.lines().count());
    black_box(services::parse(bytes));
    black_box(mounts::DeviceId::parse(&text));
    black_box(mounts::DeviceId::parse_hex(&text));
}

fn control(bytes: &[u8]) {
    if let Err(why) = control::parse(bytes) {
        assert!(!why.chars().any(char::is_control), "{why:?}");
    }
}

fn durable(bytes: &[u8]) {
    if let Ok(content) = store::decode(bytes) {
        assert_eq!(store::encode(content).ok().as_deref(), Some(bytes));
    }
    // a damaged file is caught by its check sum; what the core reads must not count on that
    if let Some(durable) = Durable::decode(bytes) {
        let mut room = [0; DURABLE_MAX];
        let written = durable.encode(&mut room).map(<[u8]>::to_vec);
        assert_eq!(written.as_deref().and_then(Durable::decode), Some(durable));
    }
    let record = store::encode(bytes);
    let content = record.as_deref().map(store::decode);
    assert!(matches!(content, Ok(Ok(same)) if same == bytes) || bytes.len() > store::CONTENT_MAX);
}

fn run_dir(bytes: &[u8]) {
    let running = task::parse_running(bytes);
    let written: String = running.iter().map(ToString::to_string).collect();
    assert_eq!(task::parse_running(written.as_bytes()), running);
    let names = || ["vz".to_owned(), "datadisk::r0".to_owned()];
    let now = Instant::from_millis(1_000_000);
    let since = ActiveSince::new(names(), bytes, now);
    assert_eq!(ActiveSince::new(names(), since.render().as_bytes(), now), since);
    let text = String::from_utf8_lossy(bytes);
    if let Some(found) = Fingerprint::parse(&text) {
        assert_eq!(Fingerprint::parse(&found.render()), Some(found));
    }
}

fn frame(bytes: &[u8]) {
    let mut ring = Keyring::new(Domain::Node);
    assert!(ring.add(KeyId(1), Method::Crc, b"").is_ok() && ring.sign_with(KeyId(1)).is_ok());
    black_box(frame::open(bytes, ClusterId([0, 0]), &ring)).ok();
    let mut room = [0; BODY_MAX];
    if let Some(message) = Message::decode(bytes)
        && let Some(body) = message.encode(&mut room)
    {
        assert_eq!(Message::decode(body), Some(message));
    }
    // the same body in a frame that is signed rightly
    let mut room = frame::FrameBuf::new();
    if let Ok(header) = frame::peek(bytes) {
        let body = bytes.get(frame::HEADER_LEN..).unwrap_or_default();
        if let Some(sealed) = frame::seal(&header, body, &ring, &mut room) {
            let opened = frame::open(sealed, header.cluster, &ring);
            assert!(matches!(opened, Ok(opened) if opened.header == header && opened.body == body));
        }
    }
}

fn serial(bytes: &[u8]) {
    let (mut whole, mut single) = (Vec::new(), Vec::new());
    let (mut feeding, mut pushing) = (Deframer::new(), Deframer::new());
    let mut rest = bytes;
    loop {
        match feeding.feed(rest) {
            serial::Feed::Consumed => break,
            serial::Feed::Frame { frame, rest: left } => {
                assert!(frame.len() <= FRAME_MAX);
                whole.push(Ok(frame.to_vec()));
                rest = left;
            }
            serial::Feed::Rejected { reason, rest: left } => {
                whole.push(Err(reason));
                rest = left;
            }
        }
    }
    for byte in bytes {
        single.extend(pushing.push(*byte).map(|step| step.map(<[u8]>::to_vec)));
    }
    assert_eq!(whole, single);
    // after any noise and a boundary a frame comes through
    let mut room = SerialBuf::new();
    let frame = bytes.get(..bytes.len().min(FRAME_MAX)).unwrap_or_default();
    if let Some(encoded) = serial::encode(frame, &mut room) {
        pushing.push(serial::DELIMITER);
        let came: Vec<_> = encoded
            .iter()
            .filter_map(|byte| pushing.push(*byte).map(|step| step.map(<[u8]>::to_vec)))
            .collect();
        assert_eq!(came, [Ok(frame.to_vec())]);
    }
}
