//! Every file of `tests/scenarios` against what it expects; `OVZHA_REWRITE=1` writes what came out.

use std::fs;
use std::path::{Path, PathBuf};

const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

#[cfg(test)]
fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(Path::new(SCENARIOS))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scenarios");
    files
}

#[test]
fn scenarios_run_as_written() {
    let rewrite = std::env::var_os("OVZHA_REWRITE").is_some();
    let only = std::env::var("OVZHA_ONLY").unwrap_or_default();
    let mut wrong = Vec::new();
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap();
        let came = match ovzha_world::script::run(&expected) {
            Ok(came) => came,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        if let Some(line) = came.lines().find(|line| line.contains("VIOLATION")) {
            wrong.push(format!("{name}: {}", line.trim()));
        }
        if rewrite {
            fs::write(&path, &came).unwrap();
        } else if came != expected {
            let place = came.lines().zip(expected.lines()).position(|(came, want)| came != want);
            let line = place.unwrap_or_else(|| came.lines().count().min(expected.lines().count()));
            let show = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
            wrong.push(format!(
                "{name}:{}:\n  expected {}\n  came     {}",
                line + 1,
                show(&expected),
                show(&came)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_scenario_cites_a_clause() {
    if std::env::var_os("OVZHA_REWRITE").is_some() {
        return;
    }
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let first = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect::<String>();
        assert!(
            first.contains("S-") || first.contains("P-"),
            "{}: its first comment cites no clause",
            path.display()
        );
    }
}
