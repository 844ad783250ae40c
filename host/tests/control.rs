//! The control socket against clients that come, ask, and go as they like.

use std::io::Write;
use std::os::unix::net::UnixStream;

use fixture::{Sockets, asks, rest};
use ovzha_core::time::Instant;
use ovzha_host::control::Wish;
use serde_json::Value;

#[cfg(test)]
mod fixture {
    use std::fs;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::time::Duration;

    use ovzha_core::time::Instant;
    use ovzha_host::control::{Control, Wish};
    use serde_json::json;

    /// Both sockets in a directory of their own.
    pub struct Sockets {
        dir: PathBuf,
        pub control: Control,
    }

    impl Sockets {
        pub fn new(test: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("ovzha-control-{test}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            let control = Control::open(&dir).unwrap();
            Self { dir, control }
        }

        pub fn connect(&self, name: &str) -> UnixStream {
            let stream = UnixStream::connect(self.dir.join(name)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream
        }

        pub fn serve(&mut self, ms: u64) -> Vec<Wish> {
            let wishes = self.control.serve(Instant::from_millis(ms), || json!({ "node": "a" }));
            wishes.into_iter().map(|(_, wish)| wish).collect()
        }

        /// Beside the two listeners.
        pub fn clients(&self) -> usize {
            self.control.interests().count() - 2
        }
    }

    impl Drop for Sockets {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.dir));
        }
    }

    /// A standby or takeover of what these words mean.
    pub fn asks(takeover: bool, words: &[&str]) -> Wish {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Wish::Move { takeover, words }
    }

    /// What a client is told until the end.
    pub fn rest(mut stream: UnixStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

#[test]
fn a_client_that_asks_and_goes_away_at_once_has_asked() {
    let mut sockets = Sockets::new("no-wait");
    let mut client = sockets.connect("control");
    client.write_all(b"{\"command\":\"standby\"}\n").unwrap();
    drop(client);
    assert_eq!(sockets.serve(0), [asks(false, &[])]);
    assert_eq!(sockets.clients(), 0);
}

#[test]
fn a_waiting_client_that_goes_away_is_let_go() {
    let mut sockets = Sockets::new("interrupted");
    let mut client = sockets.connect("control");
    client
        .write_all(b"{\"command\":\"takeover\",\"groups\":[\"local\",\"vz\"]}\n")
        .unwrap();
    assert_eq!(sockets.serve(0), [asks(true, &["local", "vz"])]);
    assert_eq!((sockets.clients(), sockets.control.deadline()), (1, None));
    drop(client);
    assert_eq!(sockets.serve(10), []);
    assert_eq!(sockets.clients(), 0);
}

#[test]
fn a_waiting_client_hears_the_progress_and_the_end() {
    let mut sockets = Sockets::new("told");
    let mut client = sockets.connect("control");
    client.write_all(b"{\"command\":\"standby\"}\n").unwrap();
    let wishes = sockets.control.serve(Instant::from_millis(0), || Value::Null);
    sockets.control.begun(wishes[0].0, true);
    sockets.control.progress("r0: stopping");
    sockets.control.answer(wishes[0].0, "refused", Some("no"));
    assert_eq!(sockets.clients(), 0);
    let said = rest(client);
    assert_eq!(
        said,
        "{\"begun\":\"part\"}\n{\"progress\":\"r0: stopping\"}\n{\"answer\":\"refused\",\"reason\":\"no\"}\n"
    );
}

#[test]
fn a_silent_client_has_its_time_and_no_more() {
    let mut sockets = Sockets::new("silent");
    let client = sockets.connect("control");
    assert_eq!(sockets.serve(1000), []);
    assert_eq!(sockets.control.deadline(), Some(Instant::from_millis(6000)));
    assert_eq!(sockets.serve(6000), []);
    assert_eq!(sockets.clients(), 0);
    assert_eq!(rest(client), "");
}

#[test]
fn one_round_lets_a_bounded_number_in() {
    let mut sockets = Sockets::new("crowd");
    let crowd: Vec<UnixStream> = (0..20).map(|_| sockets.connect("status")).collect();
    for _ in 0..3 {
        sockets.serve(0);
    }
    for client in crowd {
        assert_eq!(rest(client), "{\"status\":{\"node\":\"a\"}}\n");
    }
}

#[test]
fn a_group_is_cleared_by_number_or_name() {
    let mut sockets = Sockets::new("clear");
    for (group, word) in [("3", "3"), ("\"datadisk::r0\"", "datadisk::r0")] {
        let mut client = sockets.connect("control");
        writeln!(client, "{{\"command\":\"clear\",\"group\":{group}}}").unwrap();
        let word = word.to_owned();
        assert_eq!(sockets.serve(0), [Wish::Clear { word }]);
    }
}

#[test]
fn what_is_no_request_is_told() {
    let mut sockets = Sockets::new("wrong");
    for (request, told) in [
        ("{\"command\":\"dance\"}\n", "unknown command \\\"dance\\\""),
        ("{\"command\":\"clear\"}\n", "clear wants a group"),
        ("{\"command\":\"confirm-data\"}\n", "confirm-data wants a group"),
        ("{\"command\":\"confirm-fenced\"}\n", "confirm-fenced wants a node"),
        ("{\"command\":\"fence-peer\"}\n", "fence-peer wants a resource"),
        ("{\"command\":\"hold\",\"seconds\":0,\"reason\":\"x\"}\n", "no time"),
        ("nothing\n", "no request"),
    ] {
        let mut client = sockets.connect("control");
        client.write_all(request.as_bytes()).unwrap();
        assert_eq!(sockets.serve(0), []);
        let said = rest(client);
        assert!(
            said.starts_with("{\"answer\":\"error\"") && said.contains(told),
            "{said}"
        );
    }
}
