//! The `ovzha` command.

mod board;
mod check;
mod clear;
mod confirm_data;
mod confirm_fenced;
mod consent;
mod control;
mod demo;
mod events;
mod exit;
mod explain;
mod fence_peer;
mod hold;
mod moment;
mod moves;
mod out;
#[cfg(test)]
mod pages;
mod record_file;
mod render;
mod replay;
mod report;
mod simulate;
mod span;
mod status;
mod witness;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use moves::Move;

/// Two-node high availability for OpenVZ on DRBD, from Heartbeat's three files.
#[derive(Parser)]
#[command(version, after_help = exit::HELP)]
struct Arguments {
    /// Where the daemon has its sockets; a directory in memory
    #[arg(long, value_name = "DIR", default_value = "/run/ovzha", global = true)]
    run_dir: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run this node, in the foreground
    ///
    /// TERM and INT stop it in order: what it runs is stopped and the other node takes over at once. HUP reads the
    /// files and the program anew, and nothing stops. Exit code: 0 after an orderly stop; 1 bad configuration, or this
    /// machine could make both nodes active; 3 this machine lacks something it can't run without; 4 another one runs.
    Daemon {
        /// Where ha.cf, authkeys and haresources are
        #[arg(long, value_name = "DIR", default_value = "/etc/ha.d")]
        config_dir: PathBuf,
        /// Where the durable state is kept
        #[arg(long, value_name = "DIR", default_value = "/var/lib/ovzha")]
        state_dir: PathBuf,
        /// This node's name, if not `uname -n`
        #[arg(long, value_name = "NAME")]
        node: Option<String>,
        /// What to do when a group won't stop and the peer must take over: reset this machine, or nothing (for trials)
        #[arg(long, value_name = "WHAT", value_parser = ["reset", "none"], default_value = "reset")]
        last_resort: String,
        /// Log to standard error, too
        #[arg(long)]
        log_stderr: bool,
    },
    /// Show who is active and since when, what this node waits for, links, DRBD, the last failure
    ///
    /// Anybody may ask; the daemon on this machine answers. Exit code: 0 it is shown, whatever it says; 1 the daemon did
    /// not answer in time, or what it said can't be understood; 4 no daemon is running here.
    Status {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Give what this node runs to the other node, and wait until it runs there
    ///
    /// The other node is asked first, about each group: of what it is not able to run nothing is stopped, and the reason
    /// is printed. Ctrl-C ends the waiting, not the move. Exit code 1: not all of it was done; 5: the other node could
    /// not start it, it runs here again.
    Standby {
        /// all (the default), local (what prefers this node), foreign (what prefers the other), failback (as foreign), or
        /// groups by number or name, as `ovzha status` shows them
        #[arg(value_name = "SET|GROUP")]
        groups: Vec<String>,
        /// Don't wait for the outcome, only until it has begun or was refused
        #[arg(long)]
        no_wait: bool,
    },
    /// Take what the other node runs, and wait until it runs here
    ///
    /// This node's own ability is looked at first, for each group: of what it is not able to run nothing is stopped, and
    /// the reason is printed. Ctrl-C ends the waiting, not the move. Exit code 1: not all of it was done; 5: it could not
    /// be started here, it runs there again.
    Takeover {
        /// all (the default), local (what prefers this node), foreign (what prefers the other), failback (as local), or
        /// groups by number or name, as `ovzha status` shows them
        #[arg(value_name = "SET|GROUP")]
        groups: Vec<String>,
        /// Don't wait for the outcome, only until it has begun or was refused
        #[arg(long)]
        no_wait: bool,
    },
    /// Let neither node start, stop or move anything, until `ovzha resume` or until the time is over
    ///
    /// For work on cables, switches and DRBD. It holds on both nodes and survives restarts. A dead peer is not replaced
    /// meanwhile: keep it short.
    Hold {
        /// How long: 90s, 30m, 2h, 1d. Without it: until `ovzha resume`
        #[arg(long = "for", value_name = "TIME", value_parser = span::seconds)]
        seconds: Option<u32>,
        /// Why, for the other admins; at most 32 bytes
        #[arg(required = true)]
        reason: Vec<String>,
    },
    /// End a hold
    Resume,
    /// Forget that a group failed here, so that it may be started here again
    Clear {
        /// The group's number or name, as `ovzha status` shows them
        group: String,
    },
    /// Say that this node's copy of a group's data is the one to go on with
    ///
    /// For a node that holds because the other one's copy is newer, or because nothing shows that this one is the newest.
    /// Prints what may be lost and asks. The next start here then goes on with this copy, also if DRBD calls it outdated:
    /// then DRBD is told to call it current (`drbdadm primary --force`, nothing mounted, and secondary again). Refused
    /// while the other node runs the group. Exit code 1: refused, or nobody said yes.
    ConfirmData {
        /// The group's number or name, as `ovzha status` shows them
        group: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Say that the other node has no power
    ///
    /// For a node that holds because its device could not cut that power, or not see it off (`stonith_host` in ovzha.cf). Go and look first: what is said is believed, and this node starts what ran there. Refused while the other
    /// node is heard; over as soon as it is heard again. Exit code 1: refused, or nobody said yes.
    ConfirmFenced {
        /// The other node's name
        node: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Answer DRBD: its fence-peer handler (outdate-peer before 8.3)
    ///
    /// DRBD calls it before it promotes, or lets frozen I/O go on, without its peer; `ovzha check` prints the lines for
    /// drbd.conf. It asks the daemon and waits for the end. The exit code is DRBD's: 3 the peer's disk is inconsistent,
    /// 4 outdated, 5 the peer is dead, 6 the peer is Primary, 7 a person said that its data don't count, or it has no power (row
    /// fencing); 1 none of these.
    FencePeer {
        /// The DRBD resource, if not the one in DRBD's environment
        resource: Option<String>,
        /// Longest wait, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        timeout: u32,
    },
    /// Check the files, then this machine, and print every problem with file and line
    ///
    /// Changes nothing and needs no daemon. Exit code: 0 fine, warnings allowed; 1 errors in the files; 3 the files are
    /// fine, but this machine lacks something or could make both nodes active.
    Check {
        /// Where ha.cf, authkeys and haresources are
        #[arg(long, value_name = "DIR", default_value = "/etc/ha.d")]
        config_dir: PathBuf,
        /// Check the machine whose files lie below DIR
        #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
        root: PathBuf,
    },
    /// Be the third vote of many clusters, on a host that is none of their nodes, in the foreground
    ///
    /// Its file says where it listens and whose votes it has; every cluster has a key file, made on one of its nodes with
    /// `ovzha witness-key`. After its start it lends to nobody for as long as it ever lends. What it knows of old copies it keeps on disk. TERM and INT end it. Exit code: 0 after that; 1
    /// bad configuration; 3 this machine lacks something; 4 another one runs.
    Witness {
        /// Where it listens, and the clusters
        #[arg(long, value_name = "FILE", default_value = "/etc/ha.d/witness.cf")]
        config: PathBuf,
        /// Where it keeps whose copies are old
        #[arg(long, value_name = "DIR", default_value = "/var/lib/ovzha")]
        state_dir: PathBuf,
    },
    /// Print the keys that a witness of this cluster needs
    ///
    /// They are derived from authkeys: whoever has them can vote, and can't speak as a node. Keep the file secret. Exit code 1:
    /// there are no keys, or they prove nothing (crc).
    WitnessKey {
        /// Where authkeys is
        #[arg(long, value_name = "DIR", default_value = "/etc/ha.d")]
        config_dir: PathBuf,
    },
    /// Talk to a witness board over this node's cable to it: give it the cluster's keys, see how it is, try its relays
    ///
    /// Its commands are provision, status, test-relay and restore; `ovzha board help COMMAND` explains each. The daemon of this node must
    /// be stopped meanwhile: it has the port. Every wait has an end. Exit code: 0 done; 1 refused, or no board answered; one
    /// line says why.
    Board {
        #[command(subcommand)]
        what: board::What,
    },
    /// Show what would follow if faults struck a cluster with these files: two virtual nodes, a timeline
    ///
    /// The nodes are the daemon's own core and know the files; machines, cables, DRBD and scripts are modelled. Nothing is
    /// started, sent or changed, and the machine need not be a node. Each FAULT is one argument in quotes, or words
    /// one after the other; each strikes when nothing changes any more behind the one before it. Without a FAULT: how the
    /// cluster starts.
    ///
    /// power-cut NODE, power-on NODE; freeze NODE [TIME] [process|kernel|machine] (kernel, if not said; machine:
    /// the clock stops, too), thaw NODE; kill-daemon NODE [TIME] (back after so long), start-daemon NODE, stop NODE;
    /// cut LINK... [from NODE], mend LINK... [from NODE]: a device of ha.cf, drbd, links (each of ha.cf), all (drbd, too);
    /// isolate NODE, join NODE: links, DRBD, ping nodes together; pings-lost NODE, pings-back NODE;
    /// fail NODE RESOURCE [start|stop|monitor], repair NODE RESOURCE; disk-lost NODE [GROUP], disk-back NODE [GROUP];
    /// standby NODE [SET|GROUP]..., takeover NODE [SET|GROUP]..., hold [TIME], resume, clear NODE GROUP, confirm-data NODE
    /// GROUP; fencing-fails NODE, fencing-works NODE (what it cuts with), confirm-fenced NODE (said to it); wait TIME (since the fault before) or at TIME (since the first one) before another fault, or at the end.
    ///
    /// It says which times are assumed. Exit code: 0 it is shown, whatever comes of it; 1 the files have errors, or
    /// something happened that docs/SAFETY.md forbids; 2 a word that can't be understood.
    #[expect(
        rustdoc::broken_intra_doc_links,
        reason = "the brackets of the faults' grammar, as --help shows it"
    )]
    Simulate {
        /// Where ha.cf, authkeys and haresources are
        #[arg(short = 'd', long, value_name = "DIR", default_value = "/etc/ha.d")]
        config_dir: PathBuf,
        /// Where a node's etc/drbd.conf is: it says how DRBD is fenced, and over which cable it goes
        #[arg(long, value_name = "DIR", default_value = "/")]
        machine: PathBuf,
        /// What is left to chance (moments between heartbeats, delays) is drawn from it
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        seed: u64,
        /// Look on for so long behind the last fault: 90s, 30m. Without it: until nothing changes any more
        #[arg(long = "for", value_name = "TIME", value_parser = span::seconds)]
        look_on: Option<u32>,
        /// How long the start of a resource takes: vz=60s. More than one are possible
        #[arg(long, value_name = "RESOURCE=TIME")]
        start_takes: Vec<String>,
        /// How long its stop takes
        #[arg(long, value_name = "RESOURCE=TIME")]
        stop_takes: Vec<String>,
        /// Show every line, also what every healthy cluster says
        #[arg(long)]
        all: bool,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
        /// 'power-cut ovz-node1', 'cut eth1', 'freeze ovz-node1 40s', ...
        #[arg(value_name = "FAULT")]
        faults: Vec<String>,
    },
    /// Show what this node saw and decided, line by line, from its record
    ///
    /// The daemon records every event and every output of its core in memory, and copies that to /var/lib/ovzha; needs no
    /// daemon now. Times are UTC. Exit code: 0 it is shown; 1 there is no record, or it can't be read.
    Events {
        /// As JSON, a line each, for programs
        #[arg(long)]
        json: bool,
        /// From this moment on: 2026-11-28T01:30:00Z, 2026-11-28 01:30 (UTC), or how long ago: 90s, 30m, 2h, 1d
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Heartbeats, ticks and looks that found nothing, too
        #[arg(long)]
        all: bool,
        /// A record, if not that of this machine
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Say why a group is what it is on this node, by which rule, and what would change that
    ///
    /// Replays the record up to its end, or to the moment of --at, and shows what the failover table saw. The clause is
    /// that of SAFETY.md. Needs no daemon. Exit code 1: no such group, or no record.
    Explain {
        /// The group's number or name, as `ovzha status` shows them; all groups if not said
        group: Option<String>,
        /// At this moment, not now: 2026-11-28T01:30:00Z, 2026-11-28 01:30 (UTC), or how long ago: 90s, 30m, 2h, 1d
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// A record, if not that of this machine
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Tell a fresh core what the record says, and compare what it decides
    ///
    /// A record holds no keys, so it can be sent with a bug report and replayed anywhere. Exit code: 0 the same; 1 it can't
    /// be read or replayed; 6 the first difference of each part is printed.
    Replay {
        /// A record, if not that of this machine
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show a failover: two daemons on this machine, a power cut, a standby back, as timelines
    ///
    /// Needs neither root nor DRBD nor configuration, takes some ten seconds, touches nothing of the machine and cleans up
    /// after itself, also on Ctrl-C. If it fails, it says where the daemons' logs are.
    Demo {
        /// Clean up after the demo that had this directory
        #[arg(long, value_name = "DIR", hide = true)]
        sweep: Option<PathBuf>,
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
    let Arguments { run_dir, verb } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            // help and version come this way too, and are no errors
            drop(told.print());
            return ExitCode::from(if told.use_stderr() { exit::USAGE } else { exit::DONE });
        }
    };
    ExitCode::from(match verb {
        Verb::Status { json } => status::run(&run_dir, json),
        Verb::Standby { groups, no_wait } => moves::run(&run_dir, Move::Standby, &groups, !no_wait),
        Verb::Takeover { groups, no_wait } => moves::run(&run_dir, Move::Takeover, &groups, !no_wait),
        Verb::Hold { seconds, reason } => hold::hold(&run_dir, seconds, &reason),
        Verb::Resume => hold::resume(&run_dir),
        Verb::Clear { group } => clear::run(&run_dir, &group),
        Verb::ConfirmData { group, yes } => confirm_data::run(&run_dir, &group, yes),
        Verb::ConfirmFenced { node, yes } => confirm_fenced::run(&run_dir, &node, yes),
        Verb::FencePeer { resource, timeout } => fence_peer::run(&run_dir, resource, timeout),
        Verb::Check { config_dir, root } => check::run(&config_dir, &root),
        Verb::Witness { config, state_dir } => ovzha_host::third::run(&ovzha_host::third::Options {
            file: config,
            run_dir,
            state_dir,
        }),
        Verb::WitnessKey { config_dir } => witness::key(&config_dir),
        Verb::Board { what } => board::run(&what),
        Verb::Simulate {
            config_dir,
            machine,
            seed,
            look_on,
            start_takes,
            stop_takes,
            all,
            json,
            faults,
        } => simulate::run(&simulate::Options {
            config_dir,
            machine,
            seed,
            look_on,
            json,
            all,
            start_takes,
            stop_takes,
            faults,
        }),
        Verb::Events { json, since, all, file } => {
            let (since, file) = (since.as_deref(), file.as_deref());
            events::run(&run_dir, &events::Wanted { json, all, since, file })
        }
        Verb::Explain { group, at, file } => explain::run(&run_dir, group.as_deref(), at.as_deref(), file.as_deref()),
        Verb::Replay { file } => replay::run(&run_dir, file.as_deref()),
        Verb::Demo { sweep: Some(dir) } => demo::sweep(&dir),
        Verb::Demo { sweep: None } => demo::run(),
        Verb::Daemon {
            config_dir,
            state_dir,
            node,
            last_resort,
            log_stderr,
        } => ovzha_host::run::run(&ovzha_host::run::Options {
            config_dir,
            state_dir,
            run_dir,
            node,
            last_resort: last_resort == "reset",
            log_stderr,
        }),
        Verb::Agent { words } => ovzha_host::agent::run(&words),
    })
}
