//! The fuzzer: libFuzzer around the target that `OVZHA_FUZZ` names. `.ci/run fuzz` builds it and runs each in turn.
//!
//! With `OVZHA_FUZZ=list` it prints the names, with `words` a dictionary of the files' words.
#![no_main]

mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ovzha_host::ha_cf::directives::DIRECTIVES;
use ovzha_host::ovzha_cf::settings::SETTINGS;
use targets::{TARGETS, Target};

/// Words of the other files.
const WORDS: &str = "auth crc md5 sha1 sha256 datadisk drbddisk Filesystem vz MailTo IPaddr IPaddr2 :: --- ext3 noauto include \
    resource volume common net handlers startup disk become-primary-on allow-two-primaries protocol after-sb-0pri on floating \
    cs: st: ld: Connected StandAlone WFConnection Primary/Secondary UpToDate Diskless role= cstate= dstate= ro: ds: oos: \
    exists create change destroy resource connection device peer-device name:r0 volume:0 disk: peer-disk: replication: done: command standby \
    hold seconds reason group fingerprint ha-cluster /udp legacy none eth0 10.0.0.1 /dev/drbd0 /vz";
static TARGET: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var("OVZHA_FUZZ").unwrap_or_default();
    if let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) {
        return *target;
    }
    if name == "words" {
        let directives = DIRECTIVES.iter().map(|row| row.name);
        let settings = SETTINGS.iter().map(|row| row.name);
        for word in directives.chain(settings).chain(WORDS.split_whitespace()) {
            println!("\"{word}\"");
        }
    } else {
        for (known, _) in TARGETS {
            println!("{known}");
        }
    }
    std::process::exit(i32::from(!matches!(name.as_str(), "list" | "words")));
}

fuzz_target!(
    init: {
        TARGET.get_or_init(chosen);
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(bytes);
        }
    }
);
