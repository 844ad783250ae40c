//! Every clause of `docs/SAFETY.md` is shown by something, every citation leads to a clause, and every rule of core has
//! its mutants.
//!
//! A clause is shown by a scenario that cites it in its first comment. What lies outside core is shown by a test
//! elsewhere, which cites the clause above it. What is *not in this release* is shown by nothing, as long as it says so.

#[cfg(test)]
#[path = "../mutants/list.rs"]
mod list;
#[cfg(test)]
mod tree;

use std::fs;
use std::path::Path;

use list::{Driver, cites, first_comment};
use tree::{ROOT, files, rust_lines};

/// Clauses of which no scenario can tell, for they are not core's or the World has no such device: where they are shown.
const ELSEWHERE: [(&str, &str, &str); 5] = [
    ("S-16", "cli/tests/check.rs", "a_machine_that_has_everything_is_fine"),
    (
        "S-63",
        "tests/netns/cases/daemon_life.rs",
        "a_connection_that_drbd_gave_up_is_told_once_and_again_by_the_next_daemon",
    ),
    (
        "S-64",
        "tests/netns/cases/rename.rs",
        "a_node_does_not_start_under_another_name_or_beside_another_peer",
    ),
    (
        "S-68",
        "core/src/pet.rs",
        "an_isolated_node_is_petted_only_while_the_reset_would_be_over_in_time",
    ),
    (
        "S-69",
        "core/src/pet.rs",
        "one_that_cannot_be_disarmed_is_petted_always",
    ),
];

/// What has no mutant: the faults and the rows are no rules, and these are kept by the host.
const NOT_OF_CORE: [&str; 5] = ["S-16", "S-49", "S-51", "S-63", "S-64"];
/// Clauses up to this one are faults and rows.
const ROWS: u32 = 19;

/// Clause names in a text: a letter, a dash, digits (`S-12`, `P-3`), standing alone.
fn clauses(text: &str) -> Vec<&str> {
    text.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '-'))
        .filter(|word| {
            let digits = word.strip_prefix("S-").or_else(|| word.strip_prefix("P-"));
            digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .collect()
}

/// The clauses that a document defines, where their names are bold, each with the text up to the next one.
#[cfg(test)]
fn defined(document: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(ROOT).join("docs").join(document)).unwrap();
    let parts: Vec<&str> = text.split("**").collect();
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in parts.get(1..).unwrap_or(&[]).chunks(2) {
        let rest = pair.get(1).copied().unwrap_or_default();
        if let [name] = clauses(pair[0])[..] {
            found.push((name.to_owned(), rest.to_owned()));
        } else if let Some((_, said)) = found.last_mut() {
            said.push_str(rest);
        }
    }
    found
}

/// The first comments of all scenarios, each with the file's name.
#[cfg(test)]
fn scenarios() -> Vec<(String, String)> {
    let of = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, first_comment(&fs::read_to_string(path).unwrap()))
    };
    let paths = files("txt").into_iter();
    paths
        .filter(|path| path.parent().is_some_and(|folder| folder.ends_with("tests/scenarios")))
        .map(of)
        .collect()
}

#[test]
fn every_clause_of_safety_is_shown() {
    let scenarios = scenarios();
    let mut lacking = Vec::new();
    for (clause, text) in defined("SAFETY.md") {
        let shown = scenarios.iter().any(|(_, comment)| cites(comment, &clause));
        let elsewhere = ELSEWHERE.iter().any(|(known, _, _)| *known == clause);
        let later = text.to_lowercase().contains("*not in this release.*");
        match (shown, elsewhere, later) {
            (true, false, false) | (false, true, false) | (false, false, true) => {}
            (false, false, false) => lacking.push(format!("{clause} is cited by no scenario's first comment")),
            (_, true, _) => lacking.push(format!("{clause} stands in ELSEWHERE and need not")),
            (true, _, true) => lacking.push(format!("{clause} is not in this release, and a scenario shows it")),
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

#[test]
fn what_is_shown_elsewhere_is_cited_above_the_test() {
    for (clause, file, test) in ELSEWHERE {
        let text = fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let head = format!("fn {test}(");
        let place = lines.iter().position(|line| line.starts_with(&head));
        let place = place.unwrap_or_else(|| panic!("{file}: no {test}"));
        let above = lines[..place]
            .iter()
            .rev()
            .take_while(|line| line.starts_with(['/', '#']));
        let above: Vec<&str> = above.copied().collect();
        assert!(above.contains(&"#[test]"), "{file}: {test} is no test");
        assert!(cites(&above.join(" "), clause), "{file}: {test} does not cite {clause}");
    }
}

#[test]
fn cited_clauses_exist() {
    let known: Vec<String> = [defined("SAFETY.md"), defined("PROTOCOL.md")]
        .concat()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let mut places = rust_lines();
    places.extend(scenarios());
    places.extend(list::all().into_iter().map(|mutant| (mutant.name, mutant.clause)));
    let mut lost = Vec::new();
    for (place, line) in places {
        let unknown = clauses(&line)
            .into_iter()
            .filter(|clause| !known.iter().any(|known| known == clause));
        for clause in unknown {
            lost.push(format!(
                "{place}: {clause} is in neither docs/SAFETY.md nor docs/PROTOCOL.md"
            ));
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

/// A mutant whose text is gone tests nothing: whoever changes a rule says anew what it would be to forget it.
#[test]
fn every_mutant_still_applies() {
    for mutant in list::all() {
        let source = fs::read_to_string(Path::new(ROOT).join(&mutant.file)).unwrap();
        let mutated = mutant.apply(&source).unwrap();
        assert_ne!(mutated, source, "{} changes nothing", mutant.name);
        assert!(mutant.file.starts_with("core/src/"), "{} is not of core", mutant.name);
        assert!(mutant.forgets.ends_with('.'), "{} is no sentence", mutant.name);
        // the World shows what it can; when exactly a watchdog is petted, a vote is free, a mark is kept or a person's word counts, is left to the tests of core
        let by_core = ["pet", "watchdog", "vote", "keep", "said"].map(|name| format!("core/src/{name}.rs"));
        let by_core = by_core.contains(&mutant.file);
        assert_eq!(
            by_core,
            mutant.driver == Driver::Core,
            "{}: the wrong driver",
            mutant.name
        );
    }
}

#[test]
fn every_rule_of_core_has_a_mutant() {
    let mutants = list::all();
    let number = |clause: &str| clause.strip_prefix("S-").and_then(|digits| digits.parse().ok());
    let rules = defined("SAFETY.md").into_iter().map(|(name, _)| name);
    let rules = rules.filter(|name| number(name).is_some_and(|number: u32| number > ROWS));
    for rule in rules {
        let has = mutants.iter().any(|mutant| mutant.clause == rule);
        let not_of_core = NOT_OF_CORE.contains(&rule.as_str());
        assert!(
            has != not_of_core,
            "{rule}: has a mutant: {has}, not of core: {not_of_core}"
        );
    }
}

/// The table that `.ci/run mutants` wrote is of these mutants.
#[test]
fn the_table_of_mutants_is_in_step() {
    let table = fs::read_to_string(Path::new(ROOT).join("tests/mutants/CAUGHT.md")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(" | S-"))
        .map(|line| line.split('|').map(str::trim).skip(1).take(2).collect())
        .collect();
    let mutants = list::all();
    let listed: Vec<Vec<&str>> = mutants
        .iter()
        .map(|one| vec![one.name.as_str(), one.clause.as_str()])
        .collect();
    assert_eq!(rows, listed, "run .ci/run mutants");
}
