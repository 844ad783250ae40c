//! `ovzha agent` as the daemon runs it: exit code, reason on stderr, answer on stdout.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn agent(words: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ovzha"));
    command
        .arg("agent")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn bad_words_are_told_in_one_line() {
    let (code, reason) = told(&agent(&["start", "--timeout", "soon", "vz"], b""));
    assert_eq!(
        (code, reason.as_str()),
        (Some(1), "--timeout wants whole seconds, not \"soon\"")
    );
    let (code, reason) = told(&agent(&["start", "nothing-known"], b""));
    assert_eq!(
        (code, reason.as_str()),
        (
            Some(5),
            concat!(
                "no resource is called \"nothing-known\": /etc/ha.d/resource.d/nothing-known (not there) and ",
                "/etc/init.d/nothing-known (not there), nor is there a systemd unit nothing-known.service"
            )
        )
    );
    let (code, reason) = told(&agent(&["probe", "MailTo", "root"], b""));
    assert_eq!((code, reason.as_str()), (Some(9), "a mail has no state"));
    let (code, reason) = told(&agent(&["start", "Filesystem", "-Lvz", "/vz", "ext3"], b""));
    assert_eq!(code, Some(5), "{reason}");
    assert!(reason.contains("labels"), "{reason}");
}

#[test]
fn the_state_on_stdin_is_stored_whole_or_refused() {
    let dir = std::env::temp_dir().join(format!("ovzha-agent-store-{}", std::process::id()));
    let words = ["store", "--state-dir", dir.to_str().unwrap()];
    assert_eq!(told(&agent(&words, b"tenure 7")), (Some(0), "stored".to_owned()));
    let (code, reason) = told(&agent(&words, &vec![b'x'; ovzha_host::store::CONTENT_MAX + 1]));
    assert_eq!(code, Some(1), "{reason}");
    let found = ovzha_host::store::read(&dir);
    assert!(matches!(found, ovzha_host::store::Read::Found(bytes) if bytes == b"tenure 7"));
    std::fs::remove_dir_all(&dir).unwrap();
    let (code, reason) = told(&agent(&["store", "--state-dir", "/proc/none"], b"x"));
    assert_eq!(code, Some(1), "{reason}");
    assert!(reason.contains("/proc/none"), "{reason}");
}

#[test]
fn a_witnesss_marks_on_stdin_are_stored() {
    let dir = std::env::temp_dir().join(format!("ovzha-agent-marks-{}", std::process::id()));
    let text = b"marks of a witness, 1\nalpha beta 010203=beta\n";
    assert_eq!(
        told(&agent(&["marks", "--state-dir", dir.to_str().unwrap()], text)),
        (Some(0), "stored".to_owned())
    );
    let kept = ovzha_host::third::marks::load(&dir).unwrap();
    assert_eq!(kept.values().flatten().count(), 1);
    std::fs::remove_dir_all(&dir).unwrap();
    let (code, reason) = told(&agent(&["marks", "--state-dir", "/proc/none"], text));
    assert_eq!(code, Some(1), "{reason}");
    assert!(reason.contains("/proc/none"), "{reason}");
}
