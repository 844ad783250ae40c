//! Files in the variety in which people publish them: each is accepted, or refused with a line and a reason.
//!
//! `tests/fixtures/ha.d/NAME` holds the files of one cluster and `diagnostics`, what is said about them.
//! `OVZHA_REWRITE=1` writes that anew.

use std::fs;
use std::path::{Path, PathBuf};

use ovzha_host::diagnostic::Diagnostic;
use ovzha_host::ovzha_cf::watchdog::Heartbeat;
use ovzha_host::{authkeys, ha_cf, haresources, ovzha_cf};

const CLUSTERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/ha.d");

/// What the parsers say, and in the end whether the files are accepted.
fn said(dir: &Path) -> String {
    let bytes = |name: &str| fs::read(dir.join(name)).ok();
    let needed = |name: &str| {
        let found = bytes(name);
        assert!(found.is_some(), "{}: no {name}", dir.display());
        found.unwrap_or_default()
    };
    let path = Path::new;
    let ha_cf = ha_cf::parse(path("ha.cf"), &needed("ha.cf"));
    let keys = authkeys::parse(path("authkeys"), &needed("authkeys"));
    let nodes: Vec<String> = ha_cf.value.nodes.iter().map(|node| node.value.clone()).collect();
    let nodes = if nodes.len() == 2 { nodes } else { Vec::new() };
    let groups = haresources::parse(path("haresources"), &needed("haresources"), &nodes);
    let mut diagnostics = [ha_cf.diagnostics, keys.diagnostics, groups.diagnostics].concat();
    if let Some(bytes) = bytes("ovzha.cf") {
        let settings = ovzha_cf::parse(path("ovzha.cf"), &bytes, Some(Heartbeat::from(&ha_cf.value)));
        diagnostics.extend(settings.diagnostics);
    }
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.line.is_some()));
    let mut lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    let refused = diagnostics.iter().any(Diagnostic::is_error);
    lines.push(if refused { "refused\n" } else { "accepted\n" }.to_owned());
    lines.join("\n")
}

#[test]
fn every_cluster_is_accepted_or_told_what_is_wrong_with_file_and_line() {
    let mut dirs: Vec<PathBuf> = fs::read_dir(CLUSTERS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    dirs.sort();
    assert!(dirs.len() > 20, "{dirs:?}");
    let rewrite = std::env::var_os("OVZHA_REWRITE").is_some();
    let mut wrong = Vec::new();
    for dir in dirs {
        let (came, golden) = (said(&dir), dir.join("diagnostics"));
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if rewrite {
            fs::write(&golden, &came).unwrap();
        } else if came != expected {
            wrong.push(format!("{}:\n--- expected\n{expected}--- came\n{came}", dir.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nOVZHA_REWRITE=1 cargo test -p ovzha-host --test config_public",
        wrong.join("\n")
    );
}
