//! What follows a HUP: the files as a child read them, new keys in place, or this process anew.

use std::os::unix::process::CommandExt;
use std::process::Command as Program;

use ovzha_core::event::Event;
use ovzha_core::time::Instant;

use crate::authkeys::AuthKeys;
use crate::core_config;
use crate::line::Line;
use crate::run::Daemon;
use crate::sys;
use crate::validate::Fingerprint;

impl Daemon {
    /// The files were read again by a child.
    pub(crate) fn validated(&mut self, now: Instant, good: bool, text: &str, keys: Option<AuthKeys>) {
        self.take_over(good, text, keys);
        // after an exec the next life says so
        self.notify.ready();
        self.feed(now, Event::Tick);
    }

    fn take_over(&mut self, good: bool, text: &str, keys: Option<AuthKeys>) {
        if !good {
            for line in text.lines().filter(|line| !line.starts_with("fingerprint ")) {
                self.log.say(&Line::Problem(line));
            }
            self.log.say(&Line::KeptConfiguration);
            return;
        }
        let Some(found) = Fingerprint::parse(text) else {
            self.log.say(&Line::NotCompared);
            return;
        };
        if found.files != self.fingerprint.files || found.program != self.fingerprint.program {
            self.re_exec();
        } else if found.keys != self.fingerprint.keys {
            self.rekey(found, keys);
        } else {
            self.log.say(&Line::NothingChanged);
        }
    }

    /// New keys in place.
    fn rekey(&mut self, found: Fingerprint, keys: Option<AuthKeys>) {
        let ring = keys.as_ref().and_then(|keys| core_config::keyring(keys).ok());
        let wanted = self.config.settings.witness().is_some();
        let third = keys.as_ref().and_then(|keys| core_config::witness_keyring(keys).ok());
        let (Some(keys), Some(ring), false) = (keys, ring, wanted && third.is_none()) else {
            self.log.say(&Line::KeysMissing);
            return;
        };
        self.cluster.rekey(ring);
        if let Some(third) = third {
            self.cluster.hear(third);
        }
        self.config.keys = keys;
        self.fingerprint = found;
        self.log.say(&Line::NewKeys);
    }

    /// The same process, a new program or configuration: what runs goes on and is adopted.
    fn re_exec(&mut self) {
        self.log.say(&Line::Anew);
        let running = self.children.render();
        self.keep("running", &running);
        self.children.stop_watching(sys::boottime());
        let error = Program::new(&self.program).args(std::env::args_os().skip(1)).exec();
        let (program, why) = (self.program.display().to_string(), error.to_string());
        self.log.say(&Line::AnewFailed {
            program: &program,
            why: &why,
        });
    }
}
