//! `ovzha events`: what a node saw and decided, line by line, from its record.

use std::path::Path;

use ovzha_host::record::timeline::{Moment, timeline};
use serde_json::json;

use crate::{exit, moment, out, record_file};

/// What to show.
pub struct Wanted<'a> {
    /// As JSON, a line each.
    pub json: bool,
    /// Also what happens all the time.
    pub all: bool,
    /// From when on.
    pub since: Option<&'a str>,
    /// From which file.
    pub file: Option<&'a Path>,
}

/// Shows it; gives the exit code.
pub fn run(run_dir: &Path, wanted: &Wanted<'_>) -> u8 {
    let since = wanted
        .since
        .map_or(Ok(0), |word| moment::parse(word, record_file::now()));
    let since = match since {
        Ok(since) => since,
        Err(why) => {
            out::complain(&format!("--since: {why}"));
            return exit::USAGE;
        }
    };
    let record = match record_file::open(run_dir, wanted.file) {
        Ok(record) => record,
        Err(code) => return code,
    };
    let mut hidden = 0_u64;
    for moment in timeline(&record).filter(|moment| moment.wall >= since) {
        if moment.routine && !wanted.all {
            hidden += 1;
        } else if wanted.json {
            out::line(&json_line(&moment));
        } else {
            let text = out::clean(&moment.text);
            out::line(&format!(
                "{}  {:<10} {text}",
                record_file::stamp(moment.wall),
                moment.kind
            ));
        }
    }
    if hidden > 0 && !wanted.json {
        out::line(&format!(
            "{hidden} heartbeats, ticks and the like are not shown: --all shows them"
        ));
    }
    exit::DONE
}

fn json_line(moment: &Moment) -> String {
    json!({
        "time": record_file::stamp(moment.wall),
        "kind": moment.kind,
        "told": moment.told,
        "routine": moment.routine,
        "text": moment.text,
    })
    .to_string()
}
