//! Mails through a stand-in sendmail, and through mail servers that behave, fail, hang or talk nonsense.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use ovzha_host::agent::Exit;
use ovzha_host::mail::deliver::Post;
use ovzha_host::mail::{Mail, Smarthost};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

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

fn program(dir: &Path, name: &str, body: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn post(smarthost: Option<Smarthost>) -> Post {
    Post {
        sendmails: vec![PathBuf::from("/nonexistent/sendmail")],
        smarthost,
        node: "ovz-node2".to_owned(),
        from: None,
        pauses: vec![Duration::from_millis(10), Duration::from_millis(10)],
        patience: Duration::from_secs(10),
    }
}

fn mail() -> Mail {
    Mail::new("you@example.org,root", "vz group", "first\n.\nlast\n").unwrap()
}

/// What a server heard: one line of a session, or the message.
type Heard = String;

/// A mail server that answers each connection by `behave`.
fn server(behave: fn(usize, TcpStream, &Sender<Heard>)) -> (Smarthost, Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, heard) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            drop(tell.send("connection".to_owned()));
            behave(number, stream.unwrap(), &tell);
        }
    });
    let host = "127.0.0.1".to_owned();
    (Smarthost { host, port }, heard)
}

/// Takes one mail as RFC 5321 says; `refusal` answers each recipient if it is not empty.
fn session(stream: TcpStream, tell: &Sender<Heard>, refusal: &str) {
    let mut answer = stream.try_clone().unwrap();
    answer.write_all(b"220 test\r\n").unwrap();
    let mut data = false;
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        tell.send(line.clone()).unwrap();
        let said = match line.split([' ', ':']).next().unwrap_or_default() {
            "." if data => {
                data = false;
                "250 taken"
            }
            _ if data => continue,
            "DATA" => {
                data = true;
                "354 go on"
            }
            "RCPT" if !refusal.is_empty() => refusal,
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        if answer.write_all(format!("{said}\r\n").as_bytes()).is_err() {
            return;
        }
    }
}

fn connections(heard: &Receiver<Heard>) -> usize {
    heard.try_iter().filter(|line| line == "connection").count()
}

#[test]
fn sendmail_gets_the_message_and_a_failing_one_is_told() {
    let dir = Dir::new("sendmail");
    let sent = dir.0.join("sent").display().to_string();
    let mut post = post(None);
    post.sendmails = vec![
        dir.0.join("missing"),
        program(&dir.0, "good", &format!("[ \"$*\" = '-t -oi' ] && cat >{sent}")),
    ];
    assert_eq!(post.send(&mail()).exit, Exit::Done);
    let message = fs::read_to_string(sent).unwrap();
    assert!(
        message.starts_with("To: you@example.org, root\nFrom: root@ovz-node2\nSubject: vz group\nDate: "),
        "{message}"
    );
    assert!(message.ends_with("\n\nfirst\n.\nlast\n"), "{message}");
    post.sendmails = vec![program(&dir.0, "bad", "echo no space left >&2; exit 75")];
    let answer = post.send(&mail());
    assert_eq!(answer.exit, Exit::Failed);
    assert!(answer.reason.ends_with("bad: no space left"), "{}", answer.reason);
}

#[test]
fn without_a_way_it_is_told() {
    let answer = post(None).send(&mail());
    assert_eq!(
        (answer.exit, answer.reason.as_str()),
        (
            Exit::Failed,
            "there is no /nonexistent/sendmail, and no smarthost in ovzha.cf"
        )
    );
}

#[test]
fn a_smarthost_gets_the_message_with_a_local_name_made_whole() {
    let (smarthost, heard) = server(|_, stream, tell| session(stream, tell, ""));
    let answer = post(Some(smarthost)).send(&mail());
    assert_eq!(answer.exit, Exit::Done, "{}", answer.reason);
    let said: Vec<Heard> = heard.try_iter().collect();
    let has = |line: &str| assert!(said.iter().any(|said| said == line), "{line:?} not in {said:?}");
    has("EHLO ovz-node2");
    has("MAIL FROM:<root@ovz-node2>");
    has("RCPT TO:<you@example.org>");
    has("RCPT TO:<root@ovz-node2>");
    has("Subject: vz group");
    has("first");
    // a line that is a dot would end the message
    has("..");
    has("last");
}

#[test]
fn a_smarthost_that_is_down_is_tried_again_and_told() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let smarthost = Smarthost::parse(&closed.to_string()).unwrap();
    let answer = post(Some(smarthost)).send(&mail());
    assert_eq!(answer.exit, Exit::Failed);
    assert!(answer.reason.contains("refused"), "{}", answer.reason);
    assert!(answer.reason.ends_with("(tries: 3)"), "{}", answer.reason);
}

#[test]
fn a_smarthost_that_refuses_for_good_is_not_tried_again() {
    let (smarthost, heard) = server(|_, stream, tell| session(stream, tell, "550 no such user"));
    let answer = post(Some(smarthost)).send(&mail());
    assert_eq!(answer.exit, Exit::Failed);
    assert!(answer.reason.contains("no such user"), "{}", answer.reason);
    assert!(answer.reason.ends_with("(tries: 1)"), "{}", answer.reason);
    assert_eq!(connections(&heard), 1);
}

#[test]
fn a_smarthost_that_is_busy_once_gets_it_at_the_second_try() {
    let (smarthost, heard) = server(|number, stream, tell| {
        session(stream, tell, if number == 0 { "451 try later" } else { "" });
    });
    let answer = post(Some(smarthost)).send(&mail());
    assert_eq!(answer.exit, Exit::Done, "{}", answer.reason);
    assert_eq!(connections(&heard), 2);
}

#[test]
fn a_smarthost_that_hangs_is_left_in_time() {
    // each byte in time for a read, the line never done
    let (smarthost, _heard) = server(|_, mut stream, _| {
        thread::spawn(move || {
            while stream.write_all(b"2").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        });
    });
    let mut post = post(Some(smarthost));
    (post.patience, post.pauses) = (Duration::from_millis(500), Vec::new());
    let begin = Instant::now();
    let answer = post.send(&mail());
    assert_eq!(answer.exit, Exit::Failed);
    assert!(answer.reason.contains("not done in"), "{}", answer.reason);
    assert!(begin.elapsed() < Duration::from_secs(30), "it was waited for");
}

#[test]
fn a_smarthost_that_talks_nonsense_is_an_error_like_any_other() {
    let (smarthost, heard) = server(|_, mut stream, _| {
        // a client that has left already is what this test wants
        drop(stream.write_all(b"\xff\xfe\x00garbage\r\nSSH-2.0-OpenSSH\r\n"));
    });
    let answer = post(Some(smarthost)).send(&mail());
    assert_eq!(answer.exit, Exit::Failed);
    assert!(answer.reason.ends_with("(tries: 3)"), "{}", answer.reason);
    assert_eq!(connections(&heard), 3);
}
