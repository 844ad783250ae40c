//! The exit codes of `ovzha`, one meaning each for all verbs.

/// It is as was asked.
pub const DONE: u8 = 0;
/// Refused, failed, or not known.
pub const FAILED: u8 = 1;
/// The command line can't be understood.
pub const USAGE: u8 = 2;
/// No daemon is running here.
pub const NOT_RUNNING: u8 = 4;
/// The other node could not start the group; it runs here again.
pub const CAME_BACK: u8 = 5;

/// A fresh core decides otherwise than the recorded one did.
pub const DIFFERS: u8 = 6;

/// What `--help` says about them.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  refused, failed, done for some groups only, or not known; one line says why
  2  the command line can't be understood
  3  check: the files are fine, this machine is not ready
     daemon: this machine lacks something the daemon can't run without
  4  no daemon is running here
     daemon: another one is running already
  5  standby, takeover: the other node could not start it, it runs where it was
  6  replay: a fresh core decides otherwise than the recorded one did";
