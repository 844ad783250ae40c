//! `ovzha simulate`: what would follow if these faults struck a cluster with these files.
//!
//! ```text
//! files -> room (two virtual nodes) --+
//! words -> fault ---------------------+-> stage (the World, step by step) -> timeline, verdict -> text or JSON
//! ```
//!
//! The nodes are the daemon's own core in the tests' own World; nothing of this machine but the files is looked at.

mod as_json;
mod as_text;
mod fault;
mod names;
mod room;
mod spans;
mod stage;
mod timeline;
mod verdict;
mod words;

use std::path::PathBuf;

use ovzha_host::check::{self, Protection};
use ovzha_host::config;
use ovzha_host::diagnostic::quote;

use crate::{exit, out, span};
use names::Names;
use room::Takes;
use stage::Stage;

/// The words of the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the files are.
    pub config_dir: PathBuf,
    /// The machine whose `drbd.conf` and watchdog count.
    pub machine: PathBuf,
    /// What is left to chance is drawn from it.
    pub seed: u64,
    /// Seconds to look on behind the last fault.
    pub look_on: Option<u32>,
    /// For programs.
    pub json: bool,
    /// Every line.
    pub all: bool,
    /// `NAME=TIME` each.
    pub start_takes: Vec<String>,
    /// `NAME=TIME` each.
    pub stop_takes: Vec<String>,
    /// The faults.
    pub faults: Vec<String>,
}

/// Something that was simulated, with what it was asked for.
struct Shown<'a> {
    options: &'a Options,
    protection: Protection,
    stage: Stage,
}

/// Simulates and tells. Gives the exit code.
pub fn run(options: &Options) -> u8 {
    let loaded = config::read_files(&options.config_dir);
    let Some(files) = loaded.files else {
        for problem in loaded.diagnostics.iter().filter(|problem| problem.is_error()) {
            out::complain(&problem.to_string());
        }
        return exit::FAILED;
    };
    let takes = match takes(options) {
        Ok(takes) => takes,
        Err(why) => return misunderstood(&why),
    };
    let room = match room::build(&options.machine, &files, &takes, options.seed) {
        Ok(room) => room,
        Err(why) => return misunderstood(&why),
    };
    let faults = fault::faults(Names { configs: &room.configs }, &options.faults);
    let faults = match faults {
        Ok(faults) => faults,
        Err(why) => return misunderstood(&why),
    };
    let mut stage = Stage::new(room, !faults.is_empty());
    stage.run(&faults, options.look_on.map(|seconds| u64::from(seconds) * 1000));
    let shown = Shown {
        options,
        protection: check::protection(&options.machine, &files),
        stage,
    };
    out::text(&if options.json {
        as_json::render(&shown)
    } else {
        as_text::render(&shown)
    });
    let violations = &shown.stage.room.world.watch.violations;
    for violation in violations {
        out::complain(&format!(
            "SAFETY forbids what happened here, please report it: {violation}"
        ));
    }
    if violations.is_empty() {
        exit::DONE
    } else {
        exit::FAILED
    }
}

fn misunderstood(why: &str) -> u8 {
    out::complain(&format!("simulate: {why}"));
    exit::USAGE
}

/// The times that were said.
fn takes(options: &Options) -> Result<Vec<Takes>, String> {
    let starts = options.start_takes.iter().map(|word| (true, word));
    let stops = options.stop_takes.iter().map(|word| (false, word));
    let read = |(start, word): (bool, &String)| {
        let (resource, time) = word
            .rsplit_once('=')
            .ok_or_else(|| format!("{}: write RESOURCE=TIME, as vz=60s", quote(word)))?;
        let ms = span::milliseconds(time).map_err(|why| format!("{}: {why}", quote(word)))?;
        Ok(Takes {
            start,
            resource: resource.to_owned(),
            ms,
        })
    };
    starts.chain(stops).map(read).collect()
}
