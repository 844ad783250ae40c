//! What an admin does with a witness: its keys, and what it knows.

use std::fmt::Write;
use std::path::Path;

use ovzha_host::authkeys;
use ovzha_host::core_config;
use ovzha_host::diagnostic::Diagnostic;
use ovzha_host::third::keys;
use ovzha_host::trusted_file::{self, Secrecy};
use serde::Deserialize;
use serde_json::Value;

use crate::{exit, out};

/// `ovzha witness-key`: prints the key file for a witness of this cluster. Gives the exit code.
pub fn key(config_dir: &Path) -> u8 {
    let path = config_dir.join("authkeys");
    let bytes = match trusted_file::read(&path, Secrecy::Secret) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            out::complain(&format!("there is no {}", path.display()));
            return exit::FAILED;
        }
        Err(problems) => {
            return complain(&problems);
        }
    };
    let parsed = authkeys::parse(&path, &bytes);
    let errors: Vec<_> = parsed.diagnostics.iter().filter(|it| it.is_error()).collect();
    if !errors.is_empty() {
        return complain(errors);
    }
    match core_config::witness_keyring(&parsed.value) {
        Ok(ring) => {
            out::text(&keys::render(&ring));
            exit::DONE
        }
        Err(why) => {
            out::complain(&why);
            exit::FAILED
        }
    }
}

fn complain<'a>(problems: impl IntoIterator<Item = &'a Diagnostic>) -> u8 {
    for problem in problems {
        out::complain(&problem.to_string());
    }
    exit::FAILED
}

/// Whether a status is a witness's.
pub fn is_witness(status: &Value) -> bool {
    status.get("witness").and_then(Value::as_bool) == Some(true)
}

#[derive(Deserialize)]
struct Known {
    version: String,
    up_ms: u64,
    lends_for_ms: u64,
    opens_ms: u64,
    strange_datagrams: u64,
    clusters: Vec<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    nodes: Vec<Node>,
    votes: Vec<Vote>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(rename = "node")]
    name: String,
    heard_ms: Option<u64>,
    address: Option<String>,
}

#[derive(Deserialize)]
struct Vote {
    group: String,
    lent_to: Option<String>,
    for_ms: Option<u64>,
    old_copy: Option<String>,
}

/// A witness's status for people.
///
/// # Errors
/// It is of another release.
pub fn show(status: &Value) -> Result<String, serde_json::Error> {
    let known = Known::deserialize(status)?;
    let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
    let mut text = format!(
        "witness, ovzha {}, up {}, {} clusters, lends for {} at most\n",
        known.version,
        seconds(known.up_ms),
        known.clusters.len(),
        seconds(known.lends_for_ms)
    );
    if known.opens_ms > 0 {
        writeln!(
            text,
            "lends to nobody for another {}: it was started lately",
            seconds(known.opens_ms)
        )
        .ok();
    }
    if known.strange_datagrams > 0 {
        writeln!(text, "{} datagrams that no cluster knows", known.strange_datagrams).ok();
    }
    for cluster in &known.clusters {
        let names: Vec<String> = cluster.nodes.iter().map(|node| out::clean(&node.name)).collect();
        writeln!(text, "\n{}", names.join(", ")).ok();
        for node in &cluster.nodes {
            let name = out::clean(&node.name);
            match (node.heard_ms, &node.address) {
                (Some(ms), Some(address)) => writeln!(text, "  {name}: heard {} ago from {address}", seconds(ms)),
                (Some(ms), None) => writeln!(text, "  {name}: heard {} ago", seconds(ms)),
                (None, _) => writeln!(text, "  {name}: not heard"),
            }
            .ok();
        }
        for vote in &cluster.votes {
            let lent = match (&vote.lent_to, vote.for_ms) {
                (Some(node), Some(ms)) => format!("lent to {} for {}", out::clean(node), seconds(ms)),
                _ => "free".to_owned(),
            };
            let old = vote.old_copy.as_ref();
            let old = old.map_or_else(String::new, |node| format!(", {}'s copy is old", out::clean(node)));
            writeln!(text, "  vote of group {}: {lent}{old}", vote.group).ok();
        }
    }
    Ok(text)
}
