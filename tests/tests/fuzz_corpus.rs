//! Replays what the fuzzer is fed and what it once found, each input through its target.
//!
//! `tests/fuzz/corpus/TARGET` holds the inputs; the published-like files of `tests/fixtures/ha.d` go through every target.

use std::fs;
use std::path::{Path, PathBuf};

#[cfg(test)]
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
const CLUSTERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ha.d");

/// All files below a directory.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_input_holds_what_its_target_says() {
    let clusters = below(Path::new(CLUSTERS));
    assert!(clusters.len() > 60);
    for (name, target) in targets::TARGETS {
        let own = below(&Path::new(CORPUS).join(name));
        assert!(!own.is_empty(), "tests/fuzz/corpus/{name} is empty");
        for path in own.iter().chain(&clusters) {
            let bytes = fs::read(path).unwrap();
            let held = std::panic::catch_unwind(|| target(&bytes));
            assert!(held.is_ok(), "{name}: {}", path.display());
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    // what `OVZHA_FUZZ` means beside the targets' names (`tests/fuzz/src/main.rs`)
    let taken = |(name, _): &(&str, targets::Target)| matches!(*name, "list" | "words");
    assert!(!targets::TARGETS.iter().any(taken));
    for path in fs::read_dir(CORPUS).unwrap() {
        let name = path.unwrap().file_name().into_string().unwrap();
        assert!(targets::TARGETS.iter().any(|(known, _)| *known == name), "{name}");
    }
}
