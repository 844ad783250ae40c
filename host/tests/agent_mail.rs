//! `MailTo` against a stand-in sendmail and a stand-in sender.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use ovzha_host::agent::{Exit, Op};
use ovzha_host::mail::{self, Post};
use ovzha_host::program::{Deadline, unlinked_file};
use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn program(dir: &Path, name: &str, body: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("ovzha-mail-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_notice_reaches_the_sender_and_the_group_goes_on_at_once() {
    let dir = Dir::new("sender");
    let at = |name: &str| dir.0.join(name).display().to_string();
    let slow = format!(
        "echo \"$@\" >{}; cat >{}; mv {1} {}; sleep 3",
        at("args"),
        at("part"),
        at("sent")
    );
    let post = Post {
        sendmails: vec![dir.0.join("missing"), program(&dir.0, "sendmail", "exit 0")],
        sender: program(&dir.0, "sender", &slow),
        node: "ovz-node2".to_owned(),
    };
    let begin = Instant::now();
    assert_eq!(
        post.operate(Op::Start, &["you@example.org,root", "vz group"]).exit,
        Exit::Done
    );
    assert!(begin.elapsed() < Duration::from_secs(2), "waited for the sender");
    while !dir.0.join("sent").exists() {
        assert!(begin.elapsed() < Duration::from_secs(10), "no message came");
        std::thread::sleep(Duration::from_millis(20));
    }
    let message = fs::read_to_string(dir.0.join("sent")).unwrap();
    assert!(
        message.starts_with("To: you@example.org, root\nSubject: vz group Takeover in progress at 2"),
        "{message}"
    );
    assert!(message.contains(" on ovz-node2\n"), "{message}");
    assert_eq!(
        fs::read_to_string(at("args")).unwrap(),
        format!("agent deliver {}\n", at("sendmail"))
    );
}

#[test]
fn sendmail_gets_the_message_and_a_hanging_one_is_ended() {
    let dir = Dir::new("deliver");
    let message = || {
        let mut file = unlinked_file().unwrap();
        file.write_all(b"To: root\n\nhello\n").unwrap();
        file.rewind().unwrap();
        file
    };
    let sent = dir.0.join("sent").display().to_string();
    let good = program(&dir.0, "good", &format!("[ \"$*\" = '-t -oi' ] && cat >{sent}"));
    assert_eq!(
        mail::deliver(&good, message(), Deadline::after(Duration::from_secs(5))).exit,
        Exit::Done
    );
    assert_eq!(fs::read_to_string(sent).unwrap(), "To: root\n\nhello\n");
    let hanging = program(&dir.0, "hanging", "exec sleep 30");
    let answer = mail::deliver(&hanging, message(), Deadline::after(Duration::from_millis(300)));
    assert!(
        answer.exit == Exit::Failed && answer.reason.contains("in time"),
        "{answer:?}"
    );
}
