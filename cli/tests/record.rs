//! `ovzha events`, `explain` and `replay` run as programs, on a record that two machines with the real DRBD made.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::path::{Path, PathBuf};

use fixture::{ovzha, record};

#[cfg(test)]
mod fixture {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// Of the node that took over: `tests/fixtures/README.md` says how it was made.
    pub fn record() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/record-takeover")
    }

    /// Exit code, standard output, standard error.
    pub fn ovzha(words: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_ovzha"))
            .args(["--run-dir", "/nonexistent/ovzha"])
            .args(words)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

/// A copy of the record that goes away with the test.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str, change: impl Fn(&mut Vec<u8>)) -> Self {
        let path = std::env::temp_dir().join(format!("ovzha-cli-record-{name}-{}", std::process::id()));
        let mut bytes = fs::read(record()).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_fresh_core_decides_as_the_machines_did() {
    let (code, out, err) = ovzha(&["replay", path(&record())]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(
        out.starts_with("recorded by ovzha ") && out.contains(" outputs the same\n"),
        "{out}"
    );
}

#[test]
fn the_takeover_can_be_read_line_by_line() {
    let file = record();
    let (code, out, _) = ovzha(&["events", "--file", path(&file)]);
    assert_eq!(code, 0);
    let place = |text: &str| out.find(text).unwrap_or_else(|| panic!("no {text:?} in\n{out}"));
    let dead = place(" is dead: nothing on any link for ");
    let claims = dead + out[dead..].find(": claiming (the peer is dead)").unwrap();
    let starts = claims + out[claims..].find("start Filesystem::").unwrap();
    assert!(out[starts..].contains(": active (all steps done)"), "{out}");
    assert!(!out.contains("  tick  ") && out.contains("--all shows them"));
    let all = ovzha(&["events", "--all", "--file", path(&file)]).1;
    assert!(all.contains("  tick  ") && all.lines().count() > out.lines().count());
    for line in ovzha(&["events", "--json", "--file", path(&file)]).1.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            value["time"].is_string() && value["kind"].is_string() && value["routine"] == false,
            "{line}"
        );
    }
    // from a moment on: what came before is not there
    let moment = &out[..starts].lines().last().unwrap()[..24];
    let later = ovzha(&["events", "--since", moment, "--file", path(&file)]).1;
    assert!(
        later.contains("start Filesystem::") && !later.contains(" is dead: nothing"),
        "{later}"
    );
}

#[test]
fn what_a_group_is_has_a_reason_and_a_clause() {
    let file = record();
    let events = ovzha(&["events", "--file", path(&file)]).1;
    let active = events
        .lines()
        .find(|line| line.contains(": active (all steps done)"))
        .unwrap();
    let (code, out, _) = ovzha(&["explain", "--at", &active[..24], "--file", path(&file)]);
    assert_eq!(code, 0);
    assert!(out.contains("decision    stay: it runs here (SAFETY S-53)"), "{out}");
    assert!(out.contains("  peer        dead: silent for deadtime"), "{out}");
    assert!(out.contains("  if this node were isolated: release, "), "{out}");
    // just before the takeover
    let dead = events
        .lines()
        .find(|line| line.contains(" is late: nothing for "))
        .unwrap();
    let (code, out, _) = ovzha(&["explain", "0", "--at", &dead[..24], "--file", path(&file)]);
    assert_eq!(code, 0);
    assert!(
        out.contains("(SAFETY S-33)") && out.contains("  if the peer were dead: acquire, "),
        "{out}"
    );
    let (code, _, err) = ovzha(&["explain", "nothing", "--file", path(&file)]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no such group"), "{err}");
    let (code, _, err) = ovzha(&["explain", "--at", "2001-01-01", "--file", path(&file)]);
    assert_eq!(code, 1);
    assert!(err.contains("begins later"), "{err}");
}

#[test]
fn what_can_t_be_read_is_one_line_and_an_exit_code() {
    for (words, wanted) in [
        (["replay", "/nonexistent/record"], "/nonexistent/record: No such file"),
        (["replay", "/etc/passwd"], "/etc/passwd: this is no record of ovzha"),
        (["replay", "/etc"], "/etc: Is a directory"),
    ] {
        let (code, out, err) = ovzha(&words);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(
            err.starts_with("ovzha: ") && err.contains(wanted) && err.lines().count() == 1,
            "{err}"
        );
    }
    let (code, _, err) = ovzha(&["events", "--since", "yesterday"]);
    assert_eq!(code, 2);
    assert!(err.contains("--since: write a moment"), "{err}");
    // a record that was cut off is read as far as it goes
    let torn = Copy::new("torn", |bytes| bytes.truncate(bytes.len() * 2 / 3));
    let (code, out, err) = ovzha(&["replay", torn.path()]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
}

/// Tells the core one thing otherwise, in a block that is whole.
fn lie(bytes: &mut [u8]) {
    let number: [u8; 8] = bytes[10..18].try_into().unwrap();
    let crc = |content: &[u8]| {
        let bytes = number.iter().chain(content);
        !bytes.fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
            })
        })
    };
    let mut at = 22;
    loop {
        let length = usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        assert!(length > 0, "nothing to change");
        let content = &mut bytes[at + 6..at + 6 + length];
        // told, a few milliseconds later: the link of number 0 was opened
        if matches!(content, [0, _, 3, 0] | [0, _, _, 3, 0]) {
            content[length - 2] = 4;
            let right = crc(content).to_le_bytes();
            bytes[at + 2..at + 6].copy_from_slice(&right);
            return;
        }
        at += 6 + length;
    }
}

#[test]
fn one_event_told_otherwise_is_found_and_printed() {
    let changed = Copy::new("changed", |bytes| lie(bytes));
    let (code, out, _) = ovzha(&["replay", changed.path()]);
    assert_eq!(code, 6, "{out}");
    assert!(out.contains("differs at 20"), "{out}");
    assert!(
        out.contains("\n  after     ") && out.contains("\n  recorded  ") && out.contains("\n  replayed  "),
        "{out}"
    );
}
