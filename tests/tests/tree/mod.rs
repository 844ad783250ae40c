//! The source tree as the tests of house rules read it.

use std::path::{Path, PathBuf};

pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Files of one ending under the workspace's own directories.
pub fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = ["core", "host", "cli", "tests", "docs", ".ci"]
        .iter()
        .map(|part| Path::new(ROOT).join(part))
        .collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        } else if path.extension().is_some_and(|have| have == ending) {
            found.push(path);
        }
    }
    assert!(!found.is_empty(), "no .{ending} files under {ROOT}");
    found
}

/// Every line of every Rust file but this one, with where it stands.
pub fn rust_lines() -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for path in files("rs")
        .iter()
        .filter(|path| !path.ends_with("tests/tests/house.rs"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        for (index, line) in text.lines().enumerate() {
            lines.push((
                format!("{}:{}", path.strip_prefix(ROOT).unwrap().display(), index + 1),
                line.to_owned(),
            ));
        }
    }
    lines
}
