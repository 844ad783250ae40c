//! Says why a node resets itself where that survives the reset: the kernel's log, else the console.
//!
//! The processes that write log files and syslog die with the node, often before they ran. What goes into the kernel's
//! log stands on the console, and where pstore or netconsole are set up also elsewhere. Both are opened at the start,
//! for a node that resets itself may have lost its file systems.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// "Critical": shown on the console also where it is set to be quiet.
const PRIORITY: &str = "<2>";

/// What the last line goes to.
#[derive(Debug)]
pub struct LastWords {
    kernel: Option<File>,
    console: Option<File>,
}

impl LastWords {
    /// Opens what there is below `dev` (`/dev`); that neither is there is no error.
    #[must_use]
    pub fn prepare(dev: &Path) -> Self {
        let open = |name: &str| {
            let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
            OpenOptions::new()
                .append(true)
                .custom_flags(flags)
                .open(dev.join(name))
                .ok()
        };
        Self {
            kernel: open("kmsg"),
            console: open("console"),
        }
    }

    /// Says one line; waits for nobody.
    pub fn say(&self, text: &str) {
        // one write is one record of the kernel's log
        let record = format!("{PRIORITY}ovzha: {text}\n");
        let told = self
            .kernel
            .as_ref()
            .is_some_and(|mut kernel| kernel.write_all(record.as_bytes()).is_ok());
        if let Some(mut console) = self.console.as_ref().filter(|_| !told) {
            // nobody is left to tell that this failed
            drop(console.write_all(format!("ovzha: {text}\r\n").as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_console_stands_in_for_the_kernels_log() {
        let dev = std::env::temp_dir().join(format!("ovzha-words-{}", std::process::id()));
        fs::create_dir(&dev).unwrap();
        LastWords::prepare(&dev).say("to nobody");
        fs::write(dev.join("console"), "").unwrap();
        LastWords::prepare(&dev).say("one");
        fs::write(dev.join("kmsg"), "").unwrap();
        LastWords::prepare(&dev).say("two");
        let read = |name: &str| fs::read_to_string(dev.join(name)).unwrap();
        assert_eq!(read("console"), "ovzha: one\r\n");
        assert_eq!(read("kmsg"), "<2>ovzha: two\n");
        fs::remove_dir_all(&dev).unwrap();
    }
}
