//! House rules that no lint knows, read off the source tree: file sizes, leftovers, where unsafe lives, citations that
//! lead nowhere.

#[cfg(test)]
mod tree;

use std::fs;
use std::path::Path;
use tree::{ROOT, files, rust_lines};

const LINES_MAX: usize = 600;

#[test]
fn files_stay_readable() {
    let long: Vec<String> = files("rs")
        .iter()
        .map(|path| (path, fs::read_to_string(path).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{}: {lines} lines, {LINES_MAX} allowed", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_states_its_purpose_first() {
    for path in files("rs") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//!"),
            "{}: starts without a //! header",
            path.display()
        );
    }
}

#[test]
fn nothing_is_left_for_later() {
    let banned = [
        "FIXME",
        "XXX",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
        "#[ignore",
        "#![allow",
        "#[allow",
    ];
    let found: Vec<String> = rust_lines()
        .into_iter()
        .filter(|(_, line)| banned.iter().any(|word| line.contains(word)))
        .map(|(place, line)| format!("{place}: {}", line.trim()))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn unsafe_stays_in_sys() {
    let found: Vec<String> = rust_lines()
        .into_iter()
        .filter(|(place, _)| !place.starts_with("host/src/sys"))
        .filter(|(_, line)| {
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"]
                .iter()
                .any(|word| line.contains(word))
        })
        .map(|(place, _)| place)
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files("md");
    documents.push(Path::new(ROOT).join("README.md"));
    for path in documents {
        let text = fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(
                path.parent().unwrap().join(file).exists(),
                "{}: {target} does not exist",
                path.display()
            );
        }
    }
}

/// Whoever looks up what `ovzha status` says must find the very words, so the guide quotes the core.
#[test]
fn the_guide_explains_holds_in_the_cores_words() {
    let read = |name: &str| fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let (guide, core) = (read("docs/GUIDE.md"), read("core/src/why.rs"));
    let table = guide
        .split("| status says |")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let quoted: Vec<&str> = table
        .lines()
        .skip(2)
        .filter_map(|row| row.split('|').nth(1))
        .map(str::trim)
        .collect();
    assert!(quoted.len() > 5, "the table of holds is gone");
    for words in quoted {
        assert!(
            core.contains(&format!("\"{words}\"")),
            "core/src/why.rs never says {words:?}"
        );
    }
}

/// The entries of `docs/DIFFERENCES.md` in one of its sections.
#[cfg(test)]
fn differences(section: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/DIFFERENCES.md")).unwrap();
    let begin = text.find(section).unwrap_or_else(|| panic!("no section {section:?}"));
    let body = &text[begin + section.len()..];
    let body = body.split("\n## ").next().unwrap_or(body);
    let name = |line: &str| Some(line.strip_prefix("- **")?.split("**").next()?.to_owned());
    body.lines().filter_map(name).collect()
}

#[test]
fn every_difference_from_heartbeat_has_its_case_and_every_case_its_entry() {
    let told = differences("## Shown by `.ci/run peers`");
    assert!(!told.is_empty(), "no entries");
    let cases = fs::read_to_string(Path::new(ROOT).join("tests/netns/cases/peers.rs")).unwrap();
    let cited = |name: &String| cases.contains(&format!("\"{name}\""));
    let without: Vec<&String> = told.iter().filter(|name| !cited(name)).collect();
    assert!(without.is_empty(), "entries without a case: {without:?}");
    let mut names = cases.split('"').filter(|word| word.starts_with("D-"));
    let unknown = names.find(|name| !told.iter().any(|entry| entry == name));
    assert!(unknown.is_none(), "a case cites {unknown:?}, which is no entry");
}

/// `docs/LOGS.md` lists what `line` and `told` can say, so nothing else may reach the log: it takes their types alone,
/// and the words that carry free text come from the one place that the list means.
#[test]
fn nothing_is_logged_past_the_catalogue() {
    let read = |name: &str| fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let open_doors = |name: &str, text: &str| -> Vec<String> {
        let heads = text.split("    pub fn ").skip(1);
        let heads = heads.map(|rest| rest.split('{').next().unwrap_or_default());
        // whoever hands over text instead of a line
        let takes_text = |head: &&str| {
            ["fmt::Arguments", "text:", "&str)", "Level"]
                .iter()
                .any(|sign| head.contains(sign))
        };
        let found = heads.filter(|head| head.contains("&mut self") && takes_text(head));
        found.map(|head| format!("{name}: {}", head.trim())).collect()
    };
    assert_eq!(
        open_doors("host/src/log.rs", &read("host/src/log.rs")),
        ["host/src/log.rs: debug(&mut self, text: fmt::Arguments<'_>)"]
    );
    let told = read("host/src/told.rs");
    let makes = |line: &&str| line.trim_start().starts_with("Told {");
    assert_eq!(told.lines().filter(makes).count(), 1, "`line` alone makes a Told");
    for (word, places) in [
        ("Line::Standing(", 1),
        ("Line::Problem(", 1),
        (".debug(format_args!", 0),
    ] {
        let found: Vec<String> = rust_lines()
            .into_iter()
            .filter(|(place, line)| is_of_the_daemon(place) && line.contains(word))
            .map(|(place, _)| place)
            .collect();
        assert_eq!(found.len(), places, "{word} carries any text: {found:?}");
    }
}

/// Neither a test nor where the lines and the log themselves are made.
#[cfg(test)]
fn is_of_the_daemon(place: &str) -> bool {
    let made = ["host/src/line", "host/src/log"]
        .iter()
        .any(|part| place.starts_with(part));
    (place.starts_with("host/src") || place.starts_with("cli/src")) && !made
}
