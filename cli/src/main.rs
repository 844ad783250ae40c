//! The `ovzha` command.

mod check;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Two-node high availability for OpenVZ on DRBD, from Heartbeat's three files.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check the files, then this machine. Exit code: 0 fine, 1 errors in the files, 3 this machine is not ready
    Check {
        /// Where ha.cf, authkeys and haresources are
        #[arg(long, value_name = "DIR", default_value = "/etc/ha.d")]
        config_dir: PathBuf,
        /// Check the machine whose files lie below DIR
        #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
        root: PathBuf,
    },
    /// Run the daemon in the foreground
    Daemon {
        /// Where ha.cf, authkeys and haresources are
        #[arg(long, value_name = "DIR", default_value = "/etc/ha.d")]
        config_dir: PathBuf,
        /// Where the durable state is kept
        #[arg(long, value_name = "DIR", default_value = "/var/lib/ovzha")]
        state_dir: PathBuf,
        /// Where the sockets are; must be a file system in memory
        #[arg(long, value_name = "DIR", default_value = "/run/ovzha")]
        run_dir: PathBuf,
        /// This node's name, if not `uname -n`
        #[arg(long, value_name = "NAME")]
        node: Option<String>,
        /// What to do when a group won't stop and the peer must take over: reset this machine, or nothing
        #[arg(long, value_name = "WHAT", value_parser = ["reset", "none"], default_value = "reset")]
        last_resort: String,
        /// Log to standard error, too
        #[arg(long)]
        log_stderr: bool,
    },
    /// Run one operation of one resource (the daemon starts these)
    #[command(hide = true, disable_help_flag = true)]
    Agent {
        /// OP [--timeout SECONDS] NAME [ARGS...]
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Check { config_dir, root } => match check::run(&config_dir, &root, &mut std::io::stdout().lock()) {
            Ok(code) => ExitCode::from(code),
            Err(_) => ExitCode::FAILURE,
        },
        Verb::Daemon {
            config_dir,
            state_dir,
            run_dir,
            node,
            last_resort,
            log_stderr,
        } => {
            let last_resort = last_resort == "reset";
            let options = ovzha_host::run::Options {
                config_dir,
                state_dir,
                run_dir,
                node,
                last_resort,
                log_stderr,
            };
            ExitCode::from(ovzha_host::run::run(&options))
        }
        Verb::Agent { words } => ExitCode::from(ovzha_host::agent::run(&words)),
    }
}
