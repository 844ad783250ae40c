//! What ovzha wrote itself and reads again, or a client of its own sends: still bytes that others can write.

use ovzha_core::output::{DURABLE_MAX, Durable};
use ovzha_core::time::Instant;
use ovzha_host::since::ActiveSince;
use ovzha_host::validate::Fingerprint;
use ovzha_host::{control, store, task};

pub fn control(bytes: &[u8]) {
    if let Err(why) = control::parse(bytes) {
        assert!(!why.chars().any(char::is_control), "{why:?}");
    }
}

pub fn durable(bytes: &[u8]) {
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

pub fn run_dir(bytes: &[u8]) {
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
