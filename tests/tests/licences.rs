//! Every crate we depend on comes from crates.io, under a licence we may ship (`deny.toml` holds the list).
//!
//! cargo-deny checks more and takes minutes to build; this runs in every test loop.

use serde_json::Value;
use std::process::Command;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// The manifests of what is shipped, each with its target.
const SHIPPED: [(&str, &str); 2] = [
    ("Cargo.toml", "x86_64-unknown-linux-gnu"),
    ("hw/Cargo.toml", "thumbv6m-none-eabi"),
];
const DENY: &str = include_str!("../../deny.toml");

/// `deny.toml` allows this licence.
fn listed(name: &str) -> bool {
    let line = DENY.lines().find_map(|line| line.strip_prefix("allow = ["));
    line.is_some_and(|line| line.contains(&format!("\"{name}\"")))
}

/// The SPDX expression grants us an allowed licence. `/` is crates.io's old way to write OR; AND binds tighter.
fn allows(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest) && rest.is_empty()
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    let found = rest.first() == Some(&word);
    if found {
        *rest = rest.get(1..).unwrap_or_default();
    }
    found
}

fn either(rest: &mut &[&str]) -> bool {
    let mut granted = both(rest);
    while take(rest, "OR") {
        granted |= both(rest);
    }
    granted
}

fn both(rest: &mut &[&str]) -> bool {
    let mut granted = one(rest);
    while take(rest, "AND") {
        granted &= one(rest);
    }
    granted
}

fn one(rest: &mut &[&str]) -> bool {
    if take(rest, "(") {
        let granted = either(rest);
        return take(rest, ")") && granted;
    }
    let granted = rest.first().is_some_and(|word| listed(word));
    *rest = rest.get(1..).unwrap_or_default();
    if take(rest, "WITH") {
        // an exception only ever adds to the licence before it
        *rest = rest.get(1..).unwrap_or_default();
    }
    granted
}

#[test]
fn expressions_are_read() {
    for good in [
        "MIT",
        "MIT OR Apache-2.0",
        "MIT/GPL-2.0",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "GPL-3.0 OR MIT AND Unlicense",
    ] {
        assert!(allows(good), "{good}");
    }
    for bad in [
        "",
        "GPL-2.0",
        "MIT AND GPL-2.0",
        "(MIT OR Unlicense) AND GPL-3.0",
        "MIT Unlicense",
    ] {
        assert!(!allows(bad), "{bad}");
    }
}

#[test]
fn every_dependency_is_from_crates_io_under_an_allowed_licence() {
    let mut wrong = Vec::new();
    for (manifest, target) in SHIPPED {
        let packages = packages(manifest, target);
        assert!(packages.len() > 4, "{manifest}: cargo metadata lists no dependencies");
        for package in packages {
            let text = |field: &str| package[field].as_str().unwrap_or_default();
            let own = package["source"].is_null();
            if !own && text("source") != REGISTRY {
                wrong.push(format!("{}: comes from {}", text("name"), text("source")));
            }
            if !allows(text("license")) {
                wrong.push(format!("{}: licence {:?}", text("name"), text("license")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All that a workspace is built of, with every feature.
#[cfg(test)]
fn packages(manifest: &str, target: &str) -> Vec<Value> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let answer = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["metadata", "--locked", "--all-features", "--format-version", "1"])
        .args(["--filter-platform", target, "--manifest-path"])
        .arg(format!("{root}/{manifest}"))
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let metadata: Value = serde_json::from_slice(&answer.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn every_direct_dependency_has_a_reason() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let reasons = std::fs::read_to_string(format!("{root}/docs/DEPENDENCIES.md")).unwrap();
    for part in ["core", "host", "cli", "hw", "hw/logic", "tests"] {
        let manifest = std::fs::read_to_string(format!("{root}/{part}/Cargo.toml")).unwrap();
        let mut inside = false;
        for line in manifest.lines() {
            if line.starts_with('[') {
                inside = line.contains("dependencies]");
            } else if let (true, Some((name, _))) = (inside, line.split_once('=')) {
                let name = name.split('.').next().unwrap_or_default().trim();
                let known = name.starts_with("ovzha-") || reasons.contains(&format!("| {name} |"));
                assert!(known, "{part}/Cargo.toml: {name} has no line in docs/DEPENDENCIES.md");
            }
        }
    }
}
